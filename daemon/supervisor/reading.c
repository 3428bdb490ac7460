/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of each name that a scan meets or that the kernel tells of; and how what happens in a folder is heard of from then on. */

#include "reading.h"

#include "ignore.h"
#include "log.h"
#include "path.h"
#include "plan.h"
#include "recheck.h"
#include "scan.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#define WANTED_ALL   16U
#define WANTED_ASKED 8U

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
        g_autofree char *remedy = NULL;
        int watches, instances;

        if (f->watch_trouble_told)
                return;
        f->watch_trouble_told = true;
        intake_limits(&watches, &instances);
        remedy = g_strdup_printf("sysctl fs.inotify.max_user_watches=%d", watches > 0 ? watches * 2 : 1048576);
        if (error == -ENOSPC)
                log_event(EV_TROUBLE, FIELDS(F_STR(INBOX, f->config->inbox), F_STR(FILE, directory), F_STR(REMEDY, remedy)),
                          "No inotify watch is left for %s/%s and maybe others: they are read again every %" PRIi64
                          " s instead; the limit is fs.inotify.max_user_watches, now %d, raise it with '%s'",
                          f->config->inbox, directory, f->config->poll_seconds, watches, remedy);
        else
                log_event(EV_TROUBLE, FIELDS(F_STR(INBOX, f->config->inbox), F_STR(FILE, directory)),
                          "%s/%s cannot be watched: %s; it is read again every %" PRIi64 " s instead", f->config->inbox, directory,
                          g_strerror(-error), f->config->poll_seconds);
}

void reading_tell_polling(const struct folder *f, const char *directory, const char *why)
{
        if (why)
                log_event(EV_POLLING, FIELDS(F_STR(INBOX, f->config->inbox), F_STR(FILE, *directory ? directory : NULL)),
                          "%s%s%s is read again every %" PRIi64 " s, %s", f->config->inbox, *directory ? "/" : "", directory,
                          f->config->poll_seconds, why);
}

/* Hear of what happens in @directory from now on, by a watch or else by polling. */
static void attend(struct folder *f, const char *directory, int fd)
{
        g_autofree char *why = NULL;
        bool must = polling_must(f->polling, directory, &why);
        int r = must ? 0 : intake_watch(f->intake, directory, fd);

        reading_tell_polling(f, directory, why);
        if (must && intake_watches_directory(f->intake, directory))
                intake_unwatch(f->intake, directory);
        if (must || r < 0)
                (void)polling_add(f->polling, directory);
        else if (polling_remove(f->polling, directory) && f->watch_trouble_told && polling_count(f->polling) == 0) {
                f->watch_trouble_told = false;
                log_event(EV_RESUMED, FIELDS(F_STR(INBOX, f->config->inbox)), "All folders of %s are watched again", f->config->inbox);
        }
        if (r < 0)
                watch_trouble(f, directory, r);
}

bool reading_enter(struct folder *f, const char *directory, int fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0 || outbox_is(f->outbox, &st)) /* an outbox below the inbox is left out */
                return false;
        (void)g_hash_table_remove(f->unreadable, directory);
        if (*directory && st.st_dev != f->device)
                orphans_mounted(f->orphans, directory, fd);
        attend(f, directory, fd);
        return true;
}

static bool on_enter(const char *directory, int fd, void *userdata)
{
        return reading_enter((struct folder *)userdata, directory, fd);
}

/* As on_enter(); a folder that is watched from now on is read as a new one: what came since the last reading is news to nobody else. */
static bool on_enter_polled(const char *directory, int fd, void *userdata)
{
        struct folder *f = (struct folder *)userdata;
        bool in = reading_enter(f, directory, fd);

        if (in && !polling_has(f->polling, directory))
                scan_push(f->arrivals, directory);
        return in;
}

/* Whether @file of a scan may be wanted.  Where one after the other is, as in a backlog that nobody has served yet, only every eighth is
 * asked about: each is looked at again in its turn, and whoever is not wanted after all costs no more than that look. */
static bool may_be_wanted(struct folder *f, const char *file, int fd, const char *base)
{
        bool wanted = (f->wanted_in_a_row >= WANTED_ALL && f->wanted_in_a_row % WANTED_ASKED != 0) || plan_wants(f, file, fd, base);

        f->wanted_in_a_row = wanted ? f->wanted_in_a_row + 1 : 0;
        return wanted;
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
        else if (how != FOUND_BY_SCAN || may_be_wanted(f, file, fd, base))
                f->hooks->file(f, file, how, f->userdata);
        return false;
}

/* Whether @file lies in a folder that is polled; then it has been seen now, and *@ret_news says whether that is news. */
static bool is_polled(const struct folder *f, const char *file, int fd, const char *base, bool *ret_news)
{
        *ret_news = false;
        if (folder_hears(f, file))
                return false;
        *ret_news = polling_news(f->polling, file, fd, base);
        return true;
}

static bool on_found_backlog(const char *file, int fd, const char *base, unsigned char type, void *userdata)
{
        struct folder *f = (struct folder *)userdata;

        bool news;

        (void)is_polled(f, file, fd, base, &news);
        return visit(f, file, fd, base, type, FOUND_BY_SCAN);
}

static bool on_found_arrival(const char *file, int fd, const char *base, unsigned char type, void *userdata)
{
        struct folder *f = (struct folder *)userdata;
        bool news;

        (void)is_polled(f, file, fd, base, &news);
        return visit(f, file, fd, base, type, FOUND_IN_NEW_FOLDER);
}

static bool on_found_polled(const char *file, int fd, const char *base, unsigned char type, void *userdata)
{
        struct folder *f = (struct folder *)userdata;
        bool news;

        if (g_str_has_prefix(base, ORIGINAL_ASIDE)) /* it may be us, just now */
                return false;
        if (type == DT_DIR && f->config->recursive && !ignore_rule_of_name(f->config, base)) {
                if (!polling_has(f->polling, file) && !intake_watches_directory(f->intake, file))
                        scan_push(f->arrivals, file);
        } else if (is_polled(f, file, fd, base, &news) && news) {
                (void)visit(f, file, fd, base, type, FOUND_ARRIVED);
        }
        return false;
}

static void on_scan_trouble(const char *directory, int error, void *userdata)
{
        struct folder *f = (struct folder *)userdata;
        bool polled = polling_has(f->polling, directory);

        if (polled && !f->gone && ((!*directory && error != -EACCES) || folder_missing(f)))
                f->gone = g_strdup(g_strerror(-error));
        if (f->gone)
                return;
        if (error == -ENOENT || error == -ENOTDIR || error == -ELOOP) { /* went away, or was replaced, meanwhile */
                (void)polling_remove(f->polling, directory);
                return;
        }
        if (polled)
                polling_incomplete(f->polling);
        if (g_hash_table_add(f->unreadable, g_strdup(directory)))
                f->hooks->barred(f, directory, error, f->userdata);
}

static const struct scan_hooks backlog_hooks = { on_enter, on_found_backlog, on_scan_trouble };
static const struct scan_hooks arrival_hooks = { on_enter, on_found_arrival, on_scan_trouble };
static const struct scan_hooks polled_hooks = { on_enter_polled, on_found_polled, on_scan_trouble };

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
        return !folder_missing((const struct folder *)userdata);
}

static void on_lost(const char *why, void *userdata)
{
        struct folder *f = (struct folder *)userdata;

        f->hooks->lost(f, why, f->userdata);
}

const struct intake_hooks reading_news = { on_news, on_new_directory, on_directory_gone, on_overflow, on_changed, on_lost };

/* ---- life */

void reading_open(struct folder *f)
{
        f->arrivals = scan_new(f->inbox_fd, &arrival_hooks, f);
        f->backlog = scan_new(f->inbox_fd, &backlog_hooks, f);
        f->polled = scan_new(f->inbox_fd, &polled_hooks, f);
        f->polling = polling_new(f->config);
        f->unreadable = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        f->recheck = recheck_new(f);
        f->watch_trouble_told = false;
        reading_tell_polling(f, "", polling_why(f->polling));
}

void reading_close(struct folder *f)
{
        g_clear_pointer(&f->arrivals, scan_free);
        g_clear_pointer(&f->backlog, scan_free);
        g_clear_pointer(&f->polled, scan_free);
        g_clear_pointer(&f->recheck, recheck_free);
        g_clear_pointer(&f->polling, polling_free);
        g_clear_pointer(&f->unreadable, g_hash_table_unref);
        g_clear_pointer(&f->gone, g_free);
}
