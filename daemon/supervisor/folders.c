/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The set of folders.  Knows when to open one again; never looks at a file. */

#include "folders.h"

#include "base.h"
#include "log.h"
#include "remedy.h"
#include "stall.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#define PAUSED_RETRY_USEC   UINT64_C(5000000)
#define REPLACED_RETRY_USEC UINT64_C(100000)

static struct folder *nth(const GPtrArray *array, guint i)
{
        return (struct folder *)array->pdata[i];
}

/* ---- hooks */

static void on_file(struct folder *folder, const char *file, enum folder_found how, void *userdata)
{
        work_file(((struct folders *)userdata)->work, folder, file, how);
}

static void on_odd(struct folder *folder, const char *file, unsigned char type, void *userdata)
{
        work_odd(((struct folders *)userdata)->work, folder, file, type);
}

static void on_barred(struct folder *folder, const char *directory, int error, void *userdata)
{
        work_barred(((struct folders *)userdata)->work, folder, directory, error);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata);

static void arm_retry(struct folders *s)
{
        if (!s->retry) {
                (void)sd_event_add_time_relative(s->event, &s->retry, CLOCK_MONOTONIC, PAUSED_RETRY_USEC, 0, on_retry, s);
                return;
        }
        (void)sd_event_source_set_time_relative(s->retry, PAUSED_RETRY_USEC);
        (void)sd_event_source_set_enabled(s->retry, SD_EVENT_ONESHOT);
}

/* Consumes @why. */
static void pause_folder(struct folders *s, struct folder *f, char *why, enum reason reason)
{
        bool told = f->paused && strcmp(f->paused, why) == 0;

        g_free(f->paused);
        f->paused = why;
        if (!told) {
                g_autofree char *remedy = remedy_of_folder(f, reason);

                log_event(EV_PAUSED,
                          FIELDS(F_STR(INBOX, f->config->inbox), F_STR(REASON, reason_token(reason)), F_STR(REMEDY, remedy)),
                          "%s is paused: %s", f->config->inbox, why);
        }
        arm_retry(s);
}

static void on_lost(struct folder *folder, const char *why, void *userdata)
{
        struct folders *s = (struct folders *)userdata;
        const char *missing = folder_missing(folder), *root = missing ? missing : folder->config->inbox;

        work_forget(s->work, folder);
        folder_close(folder);
        pause_folder(s, folder,
                     g_strdup_printf("%s %s went away (%s); it is taken up again when it is back",
                                     root == folder->config->inbox ? "The inbox" : "The folder", root, why),
                     REASON_VANISHED);
        (void)sd_event_source_set_time_relative(s->retry, REPLACED_RETRY_USEC); /* another one may be there already */
}

static void on_retry_wanted(struct folder *folder, const char *file, const struct source *source, void *userdata)
{
        work_try_again(((struct folders *)userdata)->work, folder, file, source);
}

static const struct folder_hooks hooks = { on_file, on_odd, on_barred, on_retry_wanted, on_lost };

/* ---- opening */

/* An open folder with the same outbox, whose lock we hold already. */
static struct folder *find_sharing(const struct folders *s, const struct folder *folder)
{
        for (guint i = 0; i < s->all->len; i++) {
                struct folder *f = nth(s->all, i);

                if (f != folder && f->usable && strcmp(f->config->outbox, folder->config->outbox) == 0 && !folder_missing(f))
                        return f;
        }
        return NULL;
}

static int open_folder(struct folders *s, struct folder *f, uint64_t lock_wait_usec)
{
        enum reason reason = REASON_NONE;
        char *why = NULL;
        int r = folder_open(f, find_sharing(s, f), lock_wait_usec, &why, &reason);

        if (r < 0) {
                pause_folder(s, f, why ? why : g_strdup(g_strerror(-r)), reason);
                return r;
        }
        if (f->paused)
                log_event(EV_RESUMED, FIELDS(F_STR(INBOX, f->config->inbox)), "%s is served again", f->config->inbox);
        g_clear_pointer(&f->paused, g_free);
        return 0;
}

/* What was in flight when the last supervisor died was only alone if no other folder had anything in flight. */
static void judge_suspects(const struct folders *s)
{
        unsigned in_flight = 0;

        for (guint i = 0; i < s->all->len; i++)
                in_flight += nth(s->all, i)->usable ? suspects_in_flight(nth(s->all, i)->suspects) : 0;
        for (guint i = 0; i < s->all->len; i++)
                if (nth(s->all, i)->usable && suspects_in_flight(nth(s->all, i)->suspects) > 0)
                        suspects_judge(nth(s->all, i)->suspects, in_flight == 1);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct folders *s = (struct folders *)userdata;

        for (guint i = 0; i < s->all->len; i++)
                if (!nth(s->all, i)->usable)
                        (void)open_folder(s, nth(s->all, i), 0); /* arms this timer again when it fails */
        judge_suspects(s);
        return 0;
}

/* A file system that is mounted over an inbox, unmounted from it, or mounted writable again, tells no watch. */
static int on_mounts(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct folders *s = (struct folders *)userdata;

        if (s->mounts_changed)
                s->mounts_changed(s->userdata);
        for (guint i = 0; i < s->all->len; i++) {
                struct folder *f = nth(s->all, i);

                if (f->usable && folder_missing(f))
                        on_lost(f, "another file system is there now", s);
                else
                        folder_mounts_changed(f);
        }
        folders_probe(s);
        return on_retry(NULL, 0, s);
}

/* ---- the set */

void folders_init(struct folders *s, sd_event *event, struct work *work)
{
        *s = (struct folders){ .event = event, .work = work, .all = g_ptr_array_new(), .retired = g_ptr_array_new() };
        s->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (s->mounts_fd >= 0) /* see proc(5): EPOLLPRI when mounts change */
                (void)sd_event_add_io(event, &s->mounts, s->mounts_fd, EPOLLPRI, on_mounts, s);
}

static void free_all(GPtrArray *array)
{
        for (guint i = 0; i < array->len; i++)
                folder_free(nth(array, i));
        g_ptr_array_unref(array);
}

void folders_done(struct folders *s)
{
        (void)sd_event_source_disable_unref(s->retry);
        if (s->mounts)
                (void)fd_close(s->mounts_fd);
        (void)sd_event_source_disable_unref(s->mounts);
        if (s->all)
                free_all(s->all);
        if (s->retired)
                free_all(s->retired);
        *s = (struct folders){ 0 };
}

/* Take the folder that serves @config already out of @from, or NULL. */
static struct folder *take_running(GPtrArray *from, const struct folder_config *config)
{
        for (guint i = 0; i < from->len; i++) {
                struct folder *f = nth(from, i);

                if (strcmp(f->config->inbox, config->inbox) == 0 && strcmp(f->config->outbox, config->outbox) == 0 &&
                    f->config->recursive == config->recursive && g_strcmp0(f->config->failed, config->failed) == 0 &&
                    g_strcmp0(f->config->processed, config->processed) == 0) {
                        (void)g_ptr_array_steal_index(from, i);
                        return f;
                }
        }
        return NULL;
}

static void retire(struct folders *s, struct folder *f)
{
        work_forget(s->work, f);
        folder_close(f);
        f->config = NULL;
        g_ptr_array_add(s->retired, f);
}

void folders_apply(struct folders *s, const struct config *config, uint64_t lock_wait_usec)
{
        g_autoptr(GPtrArray) before = s->all;

        s->all = g_ptr_array_new();
        for (guint i = 0; i < config->folders->len; i++) {
                const struct folder_config *c = (const struct folder_config *)config->folders->pdata[i];
                struct folder *f = c->elsewhere ? NULL : take_running(before, c);

                if (c->elsewhere)
                        continue;
                if (!f)
                        f = folder_new(s->event, c, config->basis, &hooks, s);
                folder_set_config(f, c, config->basis);
                g_ptr_array_add(s->all, f);
        }
        for (guint i = 0; i < before->len; i++) /* first, since one of the others may take over its outbox */
                retire(s, nth(before, i));
        for (guint i = 0; i < s->all->len; i++) {
                struct folder *f = nth(s->all, i);

                if (f->usable)
                        folder_rescan(f);
                else
                        (void)open_folder(s, f, lock_wait_usec);
        }
        judge_suspects(s);
}

uint64_t folders_found(const struct folders *s)
{
        uint64_t n = 0;

        for (guint i = 0; i < s->all->len; i++)
                n += nth(s->all, i)->found;
        return n;
}

unsigned folders_usable(const struct folders *s)
{
        unsigned n = 0;

        for (guint i = 0; i < s->all->len; i++)
                n += nth(s->all, i)->usable;
        return n;
}

unsigned folders_paused(const struct folders *s, const char **ret_why)
{
        unsigned n = 0;

        for (guint i = 0; i < s->all->len; i++) {
                const struct folder *f = nth(s->all, i);

                if (f->usable && !f->stalled)
                        continue;
                n++;
                if (ret_why)
                        *ret_why = f->usable ? f->stalled : f->paused;
        }
        return n;
}

bool folders_scanning(const struct folders *s)
{
        for (guint i = 0; i < s->all->len; i++)
                if (folder_scanning(nth(s->all, i)))
                        return true;
        return false;
}

void folders_rescan(struct folders *s)
{
        for (guint i = 0; i < s->all->len; i++)
                folder_rescan(nth(s->all, i));
}

uint64_t folders_due_usec(const struct folders *s)
{
        uint64_t first = 0;

        for (guint i = 0; i < s->all->len; i++) {
                uint64_t due = folder_due_usec(nth(s->all, i));

                if (due > 0 && (first == 0 || due < first))
                        first = due;
        }
        return first;
}

void folders_look(struct folders *s, uint64_t now_usec)
{
        const bool idle = queue_ready_count(s->work->queue) == 0 && work_is_quiet(s->work);

        for (guint i = 0; i < s->all->len; i++)
                folder_look(nth(s->all, i), now_usec, idle);
}

void folders_probe(struct folders *s)
{
        for (guint i = 0; i < s->all->len; i++)
                stall_probe(s->work, nth(s->all, i));
}

bool folders_can_step(const struct folders *s)
{
        for (guint i = 0; i < s->all->len; i++) {
                const struct folder *f = nth(s->all, i);

                if (folder_has_arrivals(f) || (folder_scanning(f) && work_has_room(s->work, f)))
                        return true;
        }
        return false;
}

void folders_step(struct folders *s, unsigned entries)
{
        for (guint i = 0; i < s->all->len; i++)
                (void)folder_step(nth(s->all, i), entries, !work_has_room(s->work, nth(s->all, i)));
}
