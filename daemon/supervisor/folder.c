/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ties inbox, outbox, intake and scan of one folder together. */

#include "folder.h"

#include "base.h"
#include "ignore.h"
#include "log.h"
#include "path.h"
#include "plan.h"
#include "provenance.h"
#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* @file has appeared, and is ignored by @rule. */
static void tell_ignored(const struct folder *f, const char *file, const char *rule)
{
        if (f->config->verbose)
                log_event(EV_SKIPPED,
                          FIELDS(F_STR(FILE, file), F_STR(INBOX, f->config->inbox), F_STR(REASON, reason_token(REASON_IGNORED)),
                                 F_STR(RULE, rule)),
                          "%s is ignored by the rule %s", file, rule);
}

/* ---- scanning */

static void watch_trouble(struct folder *f, const char *directory, int error)
{
        int watches, instances;

        if (f->watch_trouble_told)
                return;
        f->watch_trouble_told = true;
        intake_limits(&watches, &instances);
        if (error == -ENOSPC)
                log_event(
                        EV_TROUBLE, FIELDS(F_STR(INBOX, f->config->inbox), F_STR(FILE, directory)),
                        "No inotify watch is left for %s/%s and maybe others: new files there are found by reload and restart only; the limit is "
                        "%d, raise it with 'sysctl fs.inotify.max_user_watches=%d'",
                        f->config->inbox, directory, watches, watches > 0 ? watches * 2 : 1048576);
        else
                log_event(EV_TROUBLE, FIELDS(F_STR(INBOX, f->config->inbox), F_STR(FILE, directory)), "%s/%s cannot be watched: %s",
                          f->config->inbox, directory, g_strerror(-error));
}

static bool on_enter(const char *directory, int fd, void *userdata)
{
        struct folder *f = (struct folder *)userdata;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0 || outbox_is(f->outbox, &st)) /* an outbox below the inbox is left out */
                return false;
        if (*directory && st.st_dev != f->device)
                orphans_mounted(f->orphans, directory, fd);
        r = intake_watch(f->intake, directory, fd);
        if (r < 0)
                watch_trouble(f, directory, r);
        return true;
}

static bool visit(struct folder *f, const char *file, int fd, const char *base, unsigned char type, enum folder_found how)
{
        const char *rule = ignore_rule_of_name(f->config, base); /* what holds it is not ignored, or would not be read */

        if (type == DT_REG && g_str_has_prefix(base, ORIGINAL_ASIDE)) {
                (void)original_recover(fd, base); /* a delete that was interrupted; its own name is heard of then */
                return false;
        }
        if (rule) {
                tell_ignored(f, file, rule);
                return false;
        }
        if (type == DT_DIR && f->config->recursive)
                return true;
        f->found += type == DT_REG && how == FOUND_BY_SCAN;
        if (type != DT_REG)
                f->hooks->odd(f, file, type, f->userdata);
        else if (how == FOUND_IN_NEW_FOLDER || plan_wants(f, file, fd, base))
                f->hooks->file(f, file, how, f->userdata);
        return false;
}

static bool on_found_backlog(const char *file, int fd, const char *base, unsigned char type, void *userdata)
{
        return visit((struct folder *)userdata, file, fd, base, type, FOUND_BY_SCAN);
}

static bool on_found_arrival(const char *file, int fd, const char *base, unsigned char type, void *userdata)
{
        return visit((struct folder *)userdata, file, fd, base, type, FOUND_IN_NEW_FOLDER);
}

static void on_scan_trouble(const char *directory, int error, void *userdata)
{
        const struct folder *f = (const struct folder *)userdata;

        if (error == -ENOENT || error == -ENOTDIR || error == -ELOOP) /* went away, or was replaced, meanwhile */
                return;
        log_event(
                EV_WAITING,
                FIELDS(F_STR(INBOX, f->config->inbox), F_STR(FILE, directory), F_STR(REASON, reason_token(reason_from_errno(error)))),
                "The folder %s/%s cannot be read: %s; let the daemon read it with 'chmod g+rx' or 'setfacl -m u:thumbnaild:rx'",
                f->config->inbox, directory, g_strerror(-error));
}

static const struct scan_hooks backlog_hooks = { on_enter, on_found_backlog, on_scan_trouble };
static const struct scan_hooks arrival_hooks = { on_enter, on_found_arrival, on_scan_trouble };

/* ---- news from the inbox */

static void on_news(const char *file, enum intake_news news, void *userdata)
{
        static const enum folder_found how[] = {
                [NEWS_CLOSED] = FOUND_CLOSED, [NEWS_ARRIVED] = FOUND_ARRIVED, [NEWS_CHANGED] = FOUND_CHANGED, [NEWS_GONE] = FOUND_GONE
        };
        struct folder *f = (struct folder *)userdata;
        const char *rule = ignore_rule(f->config, file); /* in any part: after a reload, a watched folder may be ignored */

        if (news == NEWS_GONE)
                orphans_file_gone(f->orphans, file);
        if (rule && news == NEWS_ARRIVED)
                tell_ignored(f, file, rule);
        else if (!rule)
                f->hooks->file(f, file, how[news], f->userdata);
}

static void on_new_directory(const char *directory, void *userdata)
{
        struct folder *f = (struct folder *)userdata;
        const char *rule = ignore_rule(f->config, directory);

        if (rule)
                tell_ignored(f, directory, rule);
        else if (f->config->recursive)
                scan_push(f->arrivals, directory);
        else
                f->hooks->odd(f, directory, DT_DIR, f->userdata);
}

static void on_directory_gone(const char *directory, void *userdata)
{
        orphans_directory_gone(((struct folder *)userdata)->orphans, directory);
}

static void on_overflow(void *userdata)
{
        struct folder *f = (struct folder *)userdata;

        log_event(EV_OVERFLOW, FIELDS(F_STR(INBOX, f->config->inbox)),
                  "The kernel's queue of file events for %s ran over; everything there is looked at again", f->config->inbox);
        folder_rescan(f);
}

static bool on_changed(void *userdata)
{
        return folder_is_there((const struct folder *)userdata);
}

static void on_lost(const char *why, void *userdata)
{
        struct folder *f = (struct folder *)userdata;

        f->hooks->lost(f, why, f->userdata);
}

static const struct intake_hooks intake_hooks = { on_news, on_new_directory, on_directory_gone, on_overflow, on_changed, on_lost };

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
        return f;
}

void folder_close(struct folder *f)
{
        f->usable = false;
        g_clear_pointer(&f->arrivals, scan_free);
        g_clear_pointer(&f->backlog, scan_free);
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
        f->leases = source_leases_mean_it(f->inbox_fd);
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
        static const struct failures_hooks hooks = { on_retry_wanted, on_give_back };
        const char *own = ".thumbnaild/failed";
        int fd, r;

        if (f->config->processed) {
                f->processed_fd = open_store("processed", f->config->processed, ret_why);
                if (f->processed_fd < 0)
                        return f->processed_fd;
        }
        if (f->config->failed) {
                fd = open_store("failed", f->config->failed, ret_why);
        } else {
                r = path_make_folders(outbox_root_fd(f->outbox), own, 0750, NULL);
                fd = r < 0 ? r : path_openat(outbox_root_fd(f->outbox), own, O_RDONLY | O_DIRECTORY, 0);
        }
        if (fd < 0) {
                if (!*ret_why)
                        *ret_why = g_strdup_printf("%s/%s cannot be made: %s", f->config->outbox, own, g_strerror(-fd));
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

int folder_open(struct folder *f, struct folder *sharing, uint64_t lock_wait_usec, char **ret_why, enum reason *ret_reason)
{
        int r = open_inbox(f, ret_why);

        if (r >= 0)
                r = open_outbox(f, sharing, lock_wait_usec, ret_why);
        if (r >= 0)
                r = intake_new(f->event, &intake_hooks, f, &f->intake);
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
        f->arrivals = scan_new(f->inbox_fd, &arrival_hooks, f);
        f->backlog = scan_new(f->inbox_fd, &backlog_hooks, f);
        (void)intake_watch_root(f->intake, f->config->inbox); /* without it, a removed inbox is noticed by reload and restart only */
        f->usable = true;
        failures_start(f->failures);
        f->watch_trouble_told = false;
        f->stalls = 0;
        f->stalled_until_usec = 0;
        folder_rescan(f);
        (void)scan_step(f->backlog, 1); /* enters the root: it is watched before anybody is told that we are ready */
        return 0;
}

void folder_set_config(struct folder *f, const struct folder_config *config, const char *basis)
{
        f->config = config;
        f->basis = basis;
        if (f->usable)
                failures_set_basis(f->failures, basis);
}

bool folder_is_there(const struct folder *f)
{
        struct stat there, open_one;

        return stat(f->config->inbox, &there) == 0 && fstat(f->inbox_fd, &open_one) == 0 && there.st_dev == open_one.st_dev &&
               there.st_ino == open_one.st_ino;
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
        scan_push(f->backlog, ""); /* what is being read now is finished first, then everything is read again */
}

bool folder_step(struct folder *f, unsigned entries, bool only_arrivals)
{
        if (!f->usable)
                return false;
        if (scan_busy(f->arrivals)) {
                (void)scan_step(f->arrivals, entries);
        } else if (!only_arrivals && scan_busy(f->backlog)) {
                if (!scan_step(f->backlog, entries))
                        orphans_scan_complete(f->orphans, f->found);
        } else if (!only_arrivals) {
                (void)orphans_step(f->orphans, entries);
        }
        return folder_scanning(f);
}

bool folder_scanning(const struct folder *f)
{
        return f->usable && (scan_busy(f->backlog) || scan_busy(f->arrivals) || orphans_busy(f->orphans));
}

bool folder_has_arrivals(const struct folder *f)
{
        return f->usable && scan_busy(f->arrivals);
}
