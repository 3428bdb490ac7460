/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens and closes inbox, outbox and the folders for originals of one folder, and decides which of its scans goes on. */

#include "folder.h"

#include "base.h"
#include "identity.h"
#include "log.h"
#include "path.h"
#include "provenance.h"
#include "reading.h"
#include "recheck.h"
#include "scan.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* ---- life */

struct folder *folder_new(sd_event *event, const struct folder_config *config, const char *basis, const struct folder_hooks *hooks,
                          void *userdata)
{
        struct folder *f = g_new0(struct folder, 1);

        f->event = event;
        f->config = config;
        f->basis = basis;
        f->processed_fd = -1;
        f->hooks = hooks;
        f->userdata = userdata;
        f->inbox_fd = -1;
        f->user = identity_user(geteuid());
        f->group = identity_group(getegid());
        return f;
}

void folder_close(struct folder *f)
{
        f->usable = false;
        reading_close(f);
        g_clear_pointer(&f->intake, intake_free);
        g_clear_pointer(&f->orphans, orphans_free);
        g_clear_pointer(&f->failures, failures_free);
        g_clear_pointer(&f->suspects, suspects_close);
        g_clear_pointer(&f->stalled, g_free);
        f->processed_fd = fd_close(f->processed_fd);
        g_clear_pointer(&f->outbox, outbox_unref); /* after what lives in it */
        f->inbox_fd = fd_close(f->inbox_fd);
}

void folder_free(struct folder *f)
{
        if (!f)
                return;
        folder_close(f);
        g_free(f->paused);
        g_free(f->user);
        g_free(f->group);
        g_free(f);
}

static int open_inbox(struct folder *f, char **ret_why)
{
        struct stat st;

        f->inbox_fd = open(f->config->inbox, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (f->inbox_fd < 0) {
                int r = neg_errno();

                *ret_why = g_strdup_printf(
                        r == -ENOENT   ? "The inbox %s does not exist; make it, or correct 'inbox'"
                        : r == -EACCES ? "The inbox %s cannot be read; give the daemon 'rx' on it and 'x' on what is above it"
                                       : "The inbox %s cannot be opened",
                        f->config->inbox);
                return r;
        }
        f->traits = source_traits(f->inbox_fd);
        f->device = fstat(f->inbox_fd, &st) == 0 ? st.st_dev : 0;
        return 0;
}

static int open_outbox(struct folder *f, struct folder *sharing, uint64_t lock_wait_usec, char **ret_why)
{
        pid_t holder;
        int r;

        if (sharing && sharing->outbox) {
                f->outbox = outbox_ref(sharing->outbox);
                return 0;
        }
        r = outbox_open(f->config->outbox, lock_wait_usec, &f->outbox, &holder);
        if (r == -EWOULDBLOCK)
                *ret_why = holder > 0 ? g_strdup_printf("The outbox %s is held by another daemon, process %d; stop that one first",
                                                        f->config->outbox, (int)holder)
                                      : g_strdup_printf("The outbox %s is held by another daemon; stop that one first",
                                                        f->config->outbox);
        else if (r == -ENOENT)
                *ret_why = g_strdup_printf("The outbox %s does not exist and neither does the folder above it; make that one",
                                           f->config->outbox);
        else if (r < 0)
                *ret_why = g_strdup_printf("The outbox %s cannot be used: %s; give the daemon 'rwx' on it", f->config->outbox,
                                           g_strerror(-r));
        return r;
}

static void on_retry_wanted(const char *file, void *userdata)
{
        struct folder *f = (struct folder *)userdata;

        f->hooks->retry(f, file, NULL, f->userdata);
}

static void on_unnamed_retry_wanted(void *userdata)
{
        folder_rescan((struct folder *)userdata);
}

static void on_give_back(const char *file, const struct source *source, void *userdata)
{
        struct folder *f = (struct folder *)userdata;

        f->hooks->retry(f, file, source, f->userdata);
}

/* A root for originals, made if what is above it exists.  Returns an owned descriptor or a negative errno. */
static int open_store(const char *key, const char *path, char **ret_why)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 && errno == ENOENT && mkdir(path, 0770) == 0) {
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd >= 0 && fstat(fd, &st) == 0) /* the group may remove reason files, whatever the umask */
                        (void)fchmod(fd, 0770 | (st.st_mode & S_ISGID));
        }
        if (fd >= 0 && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
                return fd;
        *ret_why = g_strdup_printf("'%s', %s, cannot be used: %s; make it, and give the daemon 'rwx' on it", key, path,
                                   g_strerror(errno));
        return fd_close(fd), neg_errno();
}

static int open_stores(struct folder *f, char **ret_why)
{
        static const struct failures_hooks hooks = { on_retry_wanted, on_unnamed_retry_wanted, on_give_back };
        int fd, r;

        if (f->config->processed) {
                f->processed_fd = open_store("processed", f->config->processed, ret_why);
                if (f->processed_fd < 0)
                        return f->processed_fd;
        }
        if (f->config->failed) {
                fd = open_store("failed", f->config->failed, ret_why);
        } else {
                r = path_make_folders(outbox_root_fd(f->outbox), FAILURES_OWN, 0750, NULL);
                fd = r < 0 ? r : path_openat(outbox_root_fd(f->outbox), FAILURES_OWN, O_RDONLY | O_DIRECTORY, 0);
        }
        if (fd < 0) {
                if (!*ret_why)
                        *ret_why = g_strdup_printf("%s/" FAILURES_OWN " cannot be made: %s", f->config->outbox, g_strerror(-fd));
                return fd;
        }
        return failures_new(f->event, fd, f->config->failed != NULL, f->basis, &hooks, f, &f->failures);
}

static char *explain_no_instance(const char *inbox)
{
        int watches, instances;

        intake_limits(&watches, &instances);
        return g_strdup_printf(
                "No inotify instance is left for %s; the limit is %d, raise it with 'sysctl fs.inotify.max_user_instances=%d'", inbox,
                instances, instances > 0 ? instances * 2 : 1024);
}

/* Without it, one that is removed is noticed by its poll, or by reload and restart only. */
static void watch_roots(struct folder *f)
{
        const char *const roots[] = { f->config->inbox, f->config->outbox, f->config->processed, f->config->failed };

        for (size_t i = 0; i < G_N_ELEMENTS(roots) && !polling_why(f->polling); i++)
                if (roots[i])
                        (void)intake_watch_root(f->intake, roots[i]);
}

int folder_open(struct folder *f, struct folder *sharing, uint64_t lock_wait_usec, char **ret_why, enum reason *ret_reason)
{
        int r = open_inbox(f, ret_why);

        if (r >= 0)
                r = open_outbox(f, sharing, lock_wait_usec, ret_why);
        if (r >= 0)
                r = intake_new(f->event, &reading_news, f, &f->intake);
        if (r >= 0)
                r = open_stores(f, ret_why);
        if (r < 0) {
                if (!*ret_why)
                        *ret_why = r == -EMFILE
                                           ? explain_no_instance(f->config->inbox)
                                           : g_strdup_printf("The inbox %s cannot be watched: %s", f->config->inbox, g_strerror(-r));
                folder_close(f);
                *ret_reason = r == -ENOSPC || r == -EDQUOT || r == -EROFS || r == -ENOENT ? reason_from_errno(r) : REASON_UNREADABLE;
                return r;
        }
        f->suspects = suspects_open(f->outbox, f->config->inbox);
        f->orphans = orphans_new(f);
        reading_open(f);
        watch_roots(f);
        f->usable = true;
        failures_start(f->failures);
        f->stalls = 0;
        f->stalled_until_usec = 0;
        folder_rescan(f);
        (void)scan_step(f->backlog, 1); /* enters the root: it is watched before anybody is told that we are ready */
        return 0;
}

void folder_set_config(struct folder *f, const struct folder_config *config, const char *basis)
{
        g_autofree char *why = f->usable ? g_strdup(polling_why(f->polling)) : NULL;

        f->config = config;
        f->basis = basis;
        if (!f->usable)
                return;
        failures_set_basis(f->failures, basis);
        polling_set_config(f->polling, config);
        if (g_strcmp0(why, polling_why(f->polling)) != 0)
                reading_tell_polling(f, "", polling_why(f->polling));
}

static bool leads_to(const char *path, int fd)
{
        struct stat there, open_one;

        return fd < 0 || (stat(path, &there) == 0 && fstat(fd, &open_one) == 0 && there.st_dev == open_one.st_dev &&
                          there.st_ino == open_one.st_ino);
}

const char *folder_missing(const struct folder *f)
{
        const struct folder_config *c = f->config;

        if (!leads_to(c->inbox, f->inbox_fd))
                return c->inbox;
        if (!leads_to(c->outbox, outbox_root_fd(f->outbox)))
                return c->outbox;
        if (c->processed && !leads_to(c->processed, f->processed_fd))
                return c->processed;
        return c->failed && !leads_to(c->failed, failures_apart_fd(f->failures)) ? c->failed : NULL;
}

void folder_rescan(struct folder *f)
{
        int r;

        if (!f->usable)
                return;
        r = provenance_update(f->outbox, f->config);
        if (r < 0)
                log_event(EV_TROUBLE, FIELDS(F_STR(INBOX, f->config->inbox)), "The presets that %s is made by cannot be noted: %s",
                          f->config->outbox, g_strerror(-r));
        if (!scan_busy(f->backlog))
                f->found = 0;
        polling_postpone(f->polling);
        if (f->owes) {
                f->owes = false;
                failures_start(f->failures);
        }
        scan_push(f->backlog, ""); /* what is being read now is finished first, then everything is read again */
}

static bool reading(const struct folder *f)
{
        return scan_busy(f->backlog) || scan_busy(f->arrivals) || scan_busy(f->polled);
}

static uint64_t now_usec(const struct folder *f)
{
        uint64_t now = 0;

        (void)sd_event_now(f->event, CLOCK_MONOTONIC, &now);
        return now;
}

/* All polled folders have been read.  What has gone from there is known by number only, so the outbox says what it was. */
static void end_polling(struct folder *f)
{
        if (polling_end(f->polling, now_usec(f)))
                orphans_scan_complete(f->orphans, polling_why(f->polling) ? polling_found(f->polling) : f->found);
}

void folder_listen(struct folder *f)
{
        if (f->usable)
                intake_drain(f->intake);
}

bool folder_step(struct folder *f, unsigned entries, bool only_arrivals)
{
        if (!f->usable)
                return false;
        if (scan_busy(f->arrivals)) {
                (void)scan_step(f->arrivals, entries);
        } else if (!only_arrivals && scan_busy(f->polled) && (f->turn++ % 2 == 0 || !scan_busy(f->backlog))) {
                (void)scan_step(f->polled, entries);
        } else if (!only_arrivals && scan_busy(f->backlog)) {
                if (!scan_step(f->backlog, entries)) {
                        orphans_scan_complete(f->orphans, f->found);
                        recheck_postpone(f->recheck, now_usec(f));
                }
        } else if (!only_arrivals) {
                (void)orphans_step(f->orphans, entries);
        }
        if (f->gone) {
                g_autofree char *why = (char *)g_steal_pointer(&f->gone);

                f->hooks->lost(f, why, f->userdata);
                return false;
        }
        if (!reading(f) && polling_due_usec(f->polling) == 0)
                end_polling(f);
        return folder_scanning(f);
}

bool folder_scanning(const struct folder *f)
{
        return f->usable && (reading(f) || orphans_busy(f->orphans));
}

/* ---- polling */

bool folder_hears(const struct folder *f, const char *file)
{
        g_autofree char *directory = NULL;

        if (polling_count(f->polling) == 0)
                return true;
        if (polling_why(f->polling))
                return false;
        directory = path_directory(file);
        return !polling_has(f->polling, directory);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
        return a > 0 && (b == 0 || a < b) ? a : b;
}

uint64_t folder_due_usec(const struct folder *f)
{
        return f->usable ? sooner(polling_due_usec(f->polling), recheck_due_usec(f->recheck)) : 0;
}

static void push_polled(const char *directory, void *userdata)
{
        scan_push(((struct folder *)userdata)->polled, directory);
}

void folder_look(struct folder *f, uint64_t now, bool idle)
{
        uint64_t due;

        if (!f->usable)
                return;
        recheck_go_on(f->recheck, now, idle);
        due = polling_due_usec(f->polling);
        if (due == 0 || due > now)
                return;
        if (!folder_missing(f))
                polling_begin(f->polling, push_polled, f);
        else
                f->hooks->lost(f, "removed or replaced", f->userdata);
}

void folder_mounts_changed(struct folder *f)
{
        if (f->usable && polling_mounts_changed(f->polling))
                folder_rescan(f);
}

bool folder_has_arrivals(const struct folder *f)
{
        return f->usable && scan_busy(f->arrivals);
}
