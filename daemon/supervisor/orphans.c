/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that went, by the time at which to look for them, and the walk through the outbox.  Every single removal is preceded by a look
 * into the inbox in the same turn of the loop, so that nothing that was published for an original that is there can be meant. */

#include "orphans.h"

#include "attribute.h"
#include "base.h"
#include "folder.h"
#include "home.h"
#include "log.h"
#include "name.h"
#include "path.h"
#include "plan.h"
#include "presence.h"
#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define GRACE_USEC     UINT64_C(1000000) /* an original that is replaced is gone for a moment */
#define GONE_BYTES_MAX (16U << 20)       /* of names that went; beyond it, everything is looked through */
#define TURN           256U              /* names, between two looks at anything else */
#define LINES_MAX      32U               /* in the journal, */
#define LINES_USEC     UINT64_C(1000000) /* in that time; the rest is summed up */

struct gone {
        uint64_t due_usec;
        bool directory;
        char path[];
};

struct orphans {
        struct folder *folder;
        GQueue gone; /* of struct gone, soonest first */
        size_t gone_bytes;
        sd_event_source *timer; /* for them */
        unsigned lines, unsaid; /* of the journal since lines_usec, and thumbnails that they do not tell of */
        uint64_t lines_usec;
        struct presence *presence;
        struct scan *walk; /* of the outbox, or of parts of it */
        bool strangers;    /* there are thumbnails by presets that are not in force: a name that went may have some, too */
        bool noted;        /* what the inbox is, since this folder was opened */
        bool told;         /* why the outbox is not looked through */
        char *emptied;     /* the folder of the outbox in which something was removed last, or NULL */
        unsigned removed;  /* thumbnails, by the present walk */
        int error;         /* and why some could not be */
};

/* ---- the outbox */

static bool remove_folder(struct orphans *o, const char *folder)
{
        const char *base;
        _cleanup_(fd_closep) int parent = path_open_parent(outbox_root_fd(o->folder->outbox), folder, false, &base);

        return parent >= 0 && attribute_is_folder_of_ours(parent, base) && unlinkat(parent, base, AT_REMOVEDIR) == 0;
}

/* Remove the folder in which something was removed last, and those above it, as far as they are ours and empty. */
static void remove_emptied(struct orphans *o)
{
        g_autofree char *folder = (char *)g_steal_pointer(&o->emptied);

        while (folder && *folder && remove_folder(o, folder)) {
                char *slash = strrchr(folder, '/');

                *(slash ? slash : folder) = '\0';
        }
}

/* @name has left its folder. */
static void note_emptied(struct orphans *o, const char *name)
{
        size_t n = (size_t)MAX(path_base(name) - name - 1, 0);

        if (o->emptied && strlen(o->emptied) == n && strncmp(o->emptied, name, n) == 0)
                return;
        remove_emptied(o);
        o->emptied = g_strndup(name, n);
}

static void remove_at(struct orphans *o, int fd, const char *base, const char *name)
{
        if (unlinkat(fd, base, 0) < 0) {
                if (errno != ENOENT)
                        o->error = neg_errno();
                return;
        }
        o->removed++;
        note_emptied(o, name);
}

static void tell_error(struct orphans *o)
{
        const struct folder_config *c = o->folder->config;

        if (o->error < 0)
                log_event(EV_TROUBLE, FIELDS(F_STR(INBOX, c->inbox)),
                          "Thumbnails in %s whose originals are gone cannot be removed: %s; they are left to the next scan", c->outbox,
                          g_strerror(-o->error));
        o->error = 0;
}

static void tell_sum(const struct orphans *o, unsigned n)
{
        const struct folder_config *c = o->folder->config;

        if (n > 0)
                log_event(EV_REMOVED, FIELDS(F_STR(INBOX, c->inbox), F_NUM(OUTPUTS, n)),
                          "Removed %u thumbnail%s from %s, whose originals are gone", n, n == 1 ? "" : "s", c->outbox);
}

/* ---- walking through it */

static bool is_of_record(const char *file, void *userdata)
{
        char hash[RECORD_HASH_BYTES];

        record_hash(file, hash);
        return strcmp(hash, ((const struct record *)userdata)->file) == 0;
}

static bool is_in_force(const struct folder_config *config, const char *fingerprint)
{
        for (guint i = 0; i < config->presets->len; i++)
                if (strcmp(((const struct preset *)config->presets->pdata[i])->fingerprint, fingerprint) == 0)
                        return true;
        return false;
}

/* Whether it says anything that something is not at @path of the inbox: a file system that was mounted there may be gone.  Asked after
 * each look that met nothing, not before, so that nothing can be unmounted in between. */
static bool absence_counts(const struct orphans *o, const char *path)
{
        const struct folder *f = o->folder;
        g_autoptr(GPtrArray) missing = home_missing(f->outbox, f->config->inbox, f->inbox_fd);

        for (guint i = 0; i < missing->len; i++)
                if (path_is_below(path, (const char *)missing->pdata[i]))
                        return false;
        return true;
}

/* Whether the inbox lacks the original that both the name of thumbnail @name and its record say. */
static bool is_orphan(struct orphans *o, const char *name, struct record *record)
{
        const struct folder_config *c = o->folder->config;
        g_autofree char *file = name_original(c->template, c->label, name, is_of_record, record), *folder = NULL;

        if (file) {
                o->strangers |= !is_in_force(c, record->preset);
                return !presence_of(o->presence, file) && absence_counts(o, file);
        }
        if (!strchr(path_base(name), '~')) /* not cut: renamed by somebody, or another folder's */
                return false;
        folder = name_original_folder(c->template, c->label, name);
        return folder && !presence_of_long(o->presence, folder, record->file) && absence_counts(o, folder);
}

static bool on_enter(const char *directory, int fd, void *userdata)
{
        struct orphans *o = (struct orphans *)userdata;

        if (outbox_is_own_folder(directory))
                return false;
        if (*directory && remove_folder(o, directory)) { /* it was empty already */
                note_emptied(o, directory);
                return false;
        }
        return true;
}

static bool on_found(const char *name, int fd, const char *base, unsigned char type, void *userdata)
{
        struct orphans *o = (struct orphans *)userdata;
        struct record record;

        if (type == DT_REG && attribute_record(fd, base, &record) == 0 && is_orphan(o, name, &record))
                remove_at(o, fd, base, name);
        return type == DT_DIR;
}

static void on_trouble(const char *directory, int error, void *userdata)
{
        struct orphans *o = (struct orphans *)userdata;

        if (error != -ENOENT && error != -ENOTDIR) /* a part of the outbox that there never was */
                o->error = error;
}

static const struct scan_hooks walk_hooks = { on_enter, on_found, on_trouble };

bool orphans_busy(const struct orphans *o)
{
        return scan_busy(o->walk);
}

bool orphans_step(struct orphans *o, unsigned entries)
{
        bool more;

        if (!scan_busy(o->walk))
                return false;
        if (!o->folder->config->delete_orphans || folder_missing(o->folder)) {
                scan_clear(o->walk);
                return false;
        }
        more = scan_step(o->walk, entries);
        presence_forget(o->presence); /* it may change until the next turn */
        if (more)
                return true;
        remove_emptied(o);
        tell_error(o);
        tell_sum(o, o->removed);
        o->removed = 0;
        return false;
}

/* ---- what the inbox is */

static void tell_kept(struct orphans *o, const char *why)
{
        const struct folder_config *c = o->folder->config;

        if (!o->told)
                log_event(EV_TROUBLE, FIELDS(F_STR(INBOX, c->inbox)),
                          "%s is not looked through for thumbnails whose originals are gone: %s", c->outbox, why);
        o->told = true;
}

/* Note what the directory open as @fd is, if that is not known yet, or nothing depends on it. */
static enum home take_home(struct orphans *o, const char *path, int fd)
{
        struct outbox *outbox = o->folder->outbox;
        enum home home = home_compare(outbox, path, fd);

        if (home == HOME_UNKNOWN || (home == HOME_OTHER && !o->folder->config->delete_orphans))
                (void)home_note(outbox, path, fd); /* without the note, nothing is removed */
        return home;
}

void orphans_made(struct orphans *o)
{
        if (!o->noted)
                (void)take_home(o, o->folder->config->inbox, o->folder->inbox_fd);
        o->noted = true;
}

void orphans_mounted(struct orphans *o, const char *directory, int fd)
{
        g_autofree char *path = g_strconcat(o->folder->config->inbox, "/", directory, NULL);

        (void)take_home(o, path, fd);
}

void orphans_scan_complete(struct orphans *o, uint64_t found)
{
        const struct folder *f = o->folder;
        enum home home;

        if (found == 0) /* nothing is said by an inbox that holds nothing */
                return;
        home = take_home(o, f->config->inbox, f->inbox_fd);
        o->noted = true;
        if (!f->config->delete_orphans)
                return;
        if (!outbox_keeps_records(f->outbox)) {
                tell_kept(o, "its file system has no extended attributes, so nothing there can be known for ours");
                return;
        }
        if (home == HOME_OTHER)
                tell_kept(o, "the inbox is another directory, or on another file system, than it was; if that is meant, remove "
                             ".thumbnaild/inboxes there and reload");
        if (home != HOME_SAME)
                return;
        o->told = false;
        o->strangers = false;
        scan_push(o->walk, "");
}

/* ---- names that went */

static uint64_t now_usec(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

struct removing {
        struct orphans *orphans;
        const char *file;
        char hash[RECORD_HASH_BYTES];
};

static void remove_if_of(struct removing *r, int fd, const char *base, const char *name)
{
        struct record record;

        if (attribute_record(fd, base, &record) == 0 && strcmp(record.file, r->hash) == 0)
                remove_at(r->orphans, fd, base, name);
}

/* What is named after the file beside @name, by presets that are not in force any more. */
static void remove_beside(struct removing *r, const char *name)
{
        _cleanup_(fd_closep) int fd = outbox_open_folder(r->orphans->folder->outbox, name);
        _cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (strstr(entry->d_name, path_base(r->file))) {
                        g_autofree char *beside = g_strdup_printf("%.*s%s", (int)(path_base(name) - name), name, entry->d_name);

                        remove_if_of(r, fd, entry->d_name, beside);
                }
        if (dir)
                (void)fd_steal(&fd);
}

static void remove_named(const char *name, void *userdata)
{
        struct removing *r = (struct removing *)userdata;
        const char *base;
        _cleanup_(fd_closep) int parent = path_open_parent(outbox_root_fd(r->orphans->folder->outbox), name, false, &base);

        if (parent < 0)
                return;
        remove_if_of(r, parent, base, name);
        if (r->orphans->strangers)
                remove_beside(r, name);
}

/* Returns how many thumbnails were removed. */
static unsigned remove_of_file(struct orphans *o, const char *file)
{
        struct removing r = { .orphans = o, .file = file };
        unsigned before = o->removed;

        if (presence_of(o->presence, file) || !absence_counts(o, file))
                return 0;
        record_hash(file, r.hash);
        plan_names(o->folder, file, remove_named, &r);
        return o->removed - before;
}

static void look_through(const char *folder, void *userdata)
{
        struct orphans *o = (struct orphans *)userdata;

        if (folder)
                scan_push(o->walk, folder);
        else
                folder_rescan(o->folder);
}

static void take_one(struct orphans *o, const struct gone *gone)
{
        const struct folder_config *c = o->folder->config;
        unsigned n;

        if (gone->directory) {
                plan_folders(o->folder, gone->path, look_through, o);
                return;
        }
        n = remove_of_file(o, gone->path);
        if (n > 0 && o->lines++ < LINES_MAX)
                log_event(EV_REMOVED, FIELDS(F_STR(FILE, gone->path), F_STR(INBOX, c->inbox), F_NUM(OUTPUTS, n)),
                          "Removed %u thumbnail%s of %s, which is gone", n, n == 1 ? "" : "s", gone->path);
        else
                o->unsaid += n;
}

/* Some lines a second, then a sum. */
static void tell_unsaid(struct orphans *o, uint64_t now_usec)
{
        if (!g_queue_is_empty(&o->gone) && now_usec < o->lines_usec + LINES_USEC)
                return;
        tell_sum(o, o->unsaid);
        o->unsaid = o->lines = 0;
        o->lines_usec = now_usec;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(struct orphans *o)
{
        const struct gone *first = (const struct gone *)g_queue_peek_head(&o->gone);

        if (!first)
                return;
        if (!o->timer) {
                (void)sd_event_add_time(o->folder->event, &o->timer, CLOCK_MONOTONIC, first->due_usec, 0, on_timer, o);
                return;
        }
        (void)sd_event_source_set_time(o->timer, first->due_usec);
        (void)sd_event_source_set_enabled(o->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct orphans *o = (struct orphans *)userdata;
        const uint64_t now = now_usec();
        const unsigned walked = o->removed;

        if (folder_missing(o->folder)) /* that is heard of at once: what went, went with it */
                return 0;
        for (unsigned i = 0; i < TURN; i++) {
                const struct gone *first = (const struct gone *)g_queue_peek_head(&o->gone);
                g_autofree struct gone *gone = NULL;

                if (!first || first->due_usec > now)
                        break;
                gone = (struct gone *)g_queue_pop_head(&o->gone);
                o->gone_bytes -= sizeof *gone + strlen(gone->path) + 1;
                take_one(o, gone);
        }
        presence_forget(o->presence);
        o->removed = walked;
        remove_emptied(o);
        tell_error(o);
        tell_unsaid(o, now);
        arm(o);
        return 0;
}

static void note_gone(struct orphans *o, const char *path, bool directory)
{
        size_t size = sizeof(struct gone) + strlen(path) + 1;
        struct gone *gone;

        if (!o->folder->config->delete_orphans || !outbox_keeps_records(o->folder->outbox))
                return;
        if (o->gone_bytes + size > GONE_BYTES_MAX) {
                folder_rescan(o->folder);
                return;
        }
        gone = (struct gone *)g_malloc(size);
        gone->due_usec = now_usec() + GRACE_USEC;
        gone->directory = directory;
        (void)strcpy(gone->path, path);
        o->gone_bytes += size;
        g_queue_push_tail(&o->gone, gone);
        if (o->gone.length == 1)
                arm(o);
}

void orphans_file_gone(struct orphans *o, const char *file)
{
        note_gone(o, file, false);
}

void orphans_directory_gone(struct orphans *o, const char *directory)
{
        note_gone(o, directory, true);
}

/* ---- life */

struct orphans *orphans_new(struct folder *folder)
{
        struct orphans *o = g_new0(struct orphans, 1);

        o->folder = folder;
        o->walk = scan_new(outbox_root_fd(folder->outbox), &walk_hooks, o);
        o->presence = presence_new(folder->inbox_fd, outbox_component_max(folder->outbox) / 2);
        return o;
}

void orphans_free(struct orphans *o)
{
        if (!o)
                return;
        (void)sd_event_source_disable_unref(o->timer);
        g_queue_clear_full(&o->gone, g_free);
        scan_free(o->walk);
        presence_free(o->presence);
        g_free(o->emptied);
        g_free(o);
}
