/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lifecycle: start, ready, reload, status, stop.  Handlers change state and return 0; what follows from it is decided in one place,
 * the end of the turn. */

#include "supervisor.h"

#include "answer.h"
#include "base.h"
#include "cpus.h"
#include "folders.h"
#include "journal.h"
#include "load.h"
#include "log.h"
#include "parts.h"
#include "process.h"
#include "reaper.h"
#include "report.h"
#include "thumbnaild-build.h"
#include "work.h"

#include <signal.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#define LOCK_WAIT_USEC UINT64_C(5000000)
#define SCAN_ENTRIES   256U /* between two looks at anything else, */
#define TURNS          16U  /* and answers of workers */

struct supervisor {
        const struct options *options;
        struct config *config;
        struct work work;
        sd_event *event;
        struct folders folders;
        struct parts *parts;     /* NULL with --once, and when we are one */
        struct wire_hello hello; /* of a worker, once all are up */
        sd_event_source *scan, *due, *drain;
        struct reaper reaper;
        struct journal journal;
        struct report report;
        bool working, ready; /* workers are up; that was announced, and all folders are watched or paused */
        bool stopping, stopped_workers;
        int exit_status;
};

/* ---- workers */

static void end(struct supervisor *s, int status);

/* No folder can be used, here or elsewhere.  A part waits for its share all the same. */
static bool is_useless(const struct supervisor *s, const char **ret_why)
{
        struct status_view elsewhere = { 0 };

        (void)folders_paused(&s->folders, ret_why);
        if (s->parts)
                parts_add_view(s->parts, &elsewhere);
        if (elsewhere.paused_why)
                *ret_why = elsewhere.paused_why;
        return s->options->part_fd < 0 && folders_usable(&s->folders) == 0 &&
               (!s->parts || (parts_known(s->parts) && parts_usable(s->parts) == 0));
}

static void say_useless(const char *why)
{
        log_event(EV_TROUBLE, NO_FIELDS, "No folder can be used, so there is nothing to do");
        log_stderr("%s", why);
}

/* Go to work when the workers are up, and say that we are ready when the parts are, too. */
static void look_ready(struct supervisor *s)
{
        const char *why = NULL;

        if (s->ready || s->stopping || pool_ready(s->work.pool) < pool_size(s->work.pool))
                return;
        s->working = true;
        if (s->parts && parts_failure(s->parts) > 0)
                end(s, parts_failure(s->parts));
        if (s->stopping || (s->parts && !parts_settled(s->parts)))
                return;
        if (is_useless(s, &why)) {
                say_useless(why);
                end(s, EX_CANTCREAT);
                return;
        }
        s->ready = true;
        report_begin(&s->report, s->event, &s->work, &s->folders, s->parts, s->options->part_fd >= 0);
        report_ready(&s->report, s->hello.version > 0 ? &s->hello : NULL);
}

static void on_worker_ready(const struct wire_hello *hello, void *userdata)
{
        const uint32_t all = SANDBOX_NO_NEW_PRIVS | SANDBOX_RLIMITS | SANDBOX_LANDLOCK | SANDBOX_SECCOMP;
        struct supervisor *s = (struct supervisor *)userdata;

        if ((hello->sandbox & all) != all && !s->working) {
                log_event(EV_TROUBLE, NO_FIELDS, "This kernel does not give workers the whole sandbox (missing:%s%s)%s",
                          hello->sandbox & SANDBOX_LANDLOCK ? "" : " landlock", hello->sandbox & SANDBOX_SECCOMP ? "" : " seccomp",
                          s->config->sandbox_required ? "; to serve all the same, set sandbox = \"available\""
                                                      : "; serving all the same");
                if (s->config->sandbox_required)
                        end(s, EX_CONFIG);
        }
        s->hello = *hello;
        look_ready(s);
}

static void on_worker_reply(const struct wire_reply *reply, int slot, void *userdata)
{
        answer_received(&((struct supervisor *)userdata)->work, reply, slot);
}

static void on_worker_lost(uint64_t job, enum pool_loss loss, const char *how, void *userdata)
{
        answer_lost(&((struct supervisor *)userdata)->work, job, loss, how);
}

static void on_workers_failing(const char *why, void *userdata)
{
        struct supervisor *s = (struct supervisor *)userdata;
        g_autofree char *path = process_worker_path();

        log_event(EV_TROUBLE, NO_FIELDS, "No worker gets started: %s; look at what it logged, and at %s", why, path);
        if (!s->working)
                end(s, EX_SOFTWARE);
}

static void on_workers_stopped(void *userdata)
{
        struct supervisor *s = (struct supervisor *)userdata;

        (void)sd_event_exit(s->event, s->exit_status);
}

static const struct pool_hooks pool_hooks = { on_worker_ready, on_worker_reply, on_worker_lost, on_workers_failing,
                                              on_workers_stopped };

static unsigned wanted_workers(const struct supervisor *s)
{
        int64_t n = s->options->workers >= 0 ? s->options->workers : s->config->workers;
        unsigned all = n > 0 ? (unsigned)n : cpus_usable();

        if (s->options->part_fd >= 0)
                return MAX(all / s->config->shares, 1U);
        return s->parts && parts_folders(s->parts) == s->config->folders->len ? 0 : all;
}

/* ---- stopping */

static int on_drain_over(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervisor *s = (struct supervisor *)userdata;

        log_event(EV_TROUBLE, NO_FIELDS, "What was being rendered took longer than stop_seconds; it is made at the next start");
        s->stopped_workers = true;
        if (s->parts)
                parts_kill(s->parts);
        pool_stop(s->work.pool);
        return 0;
}

/* Finish what is being rendered, take nothing new, then leave with @status. */
static void end(struct supervisor *s, int status)
{
        if (s->stopping)
                return;
        s->stopping = true;
        s->exit_status = status;
        s->work.draining = true;
        (void)sd_notify(0, "STOPPING=1");
        if (s->parts)
                parts_stop(s->parts);
        if (s->options->part_fd < 0)
                log_event(EV_STOPPING, NO_FIELDS, "Stopping: %u files in work are finished first",
                          pool_busy(s->work.pool) + s->work.storing);
        (void)sd_event_add_time_relative(s->event, &s->drain, CLOCK_MONOTONIC, (uint64_t)s->config->stop_seconds * 1000000, 0,
                                         on_drain_over, s);
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        struct supervisor *s = (struct supervisor *)userdata;

        if (s->stopping)
                (void)sd_event_exit(s->event, s->options->once ? s->exit_status : 0);
        else
                end(s, s->options->once ? EX_TEMPFAIL : 0);
        return 0;
}

/* ---- reload */

static void apply(struct supervisor *s, struct config *config)
{
        struct config *old = s->config;

        s->config = config;
        s->work.config = config;
        if (s->parts)
                (void)parts_plan(s->parts, config);
        folders_apply(&s->folders, config, 0);
        if (s->parts)
                parts_apply(s->parts, config, true);
        work_retry_all(&s->work);
        pool_prepare(s->work.pool, config_formats(config));
        pool_resize(s->work.pool, wanted_workers(s));
        config_free(old);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        struct supervisor *s = (struct supervisor *)userdata;
        g_autoptr(GString) errors = g_string_new(NULL);
        _cleanup_(config_freep) struct config *config = NULL;
        struct timespec now;

        if (!s->config->path || s->options->once) {
                end(s, s->options->once ? EX_TEMPFAIL : 0);
                return 0;
        }
        if (s->stopping)
                return 0;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
        config = load_config(s->options, errors);
        if (config) {
                apply(s, config);
                config = NULL;
                if (s->options->part_fd < 0)
                        log_event(EV_RELOADED, FIELDS(F_STR(CONFIG, s->config->path)),
                                  "The configuration %s is in force, everything is looked at again", s->config->path);
        } else {
                g_strchomp(errors->str);
                log_event(EV_RELOAD_REFUSED, FIELDS(F_STR(CONFIG, s->config->path), F_STR(DETAIL, errors->str)),
                          "The old configuration stays in force, the new one is wrong: %s", errors->str);
        }
        (void)sd_notify(0, "READY=1");
        return 0;
}

/* ---- folders that are served elsewhere */

static void on_parts_changed(void *userdata)
{
        look_ready((struct supervisor *)userdata);
}

/* Mounts have changed, or a part has ended: which folders are ours? */
static void on_parts_moved(void *userdata)
{
        struct supervisor *s = (struct supervisor *)userdata;
        bool changed;

        if (!s->parts || s->stopping)
                return;
        changed = parts_plan(s->parts, s->config);
        if (changed)
                folders_apply(&s->folders, s->config, 0);
        parts_apply(s->parts, s->config, changed);
        pool_resize(s->work.pool, wanted_workers(s));
}

static const struct parts_hooks parts_hooks = { on_parts_changed, on_parts_moved };

/* ---- what follows from it all */

static int on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervisor *s = (struct supervisor *)userdata;

        if (s->work.rescan_usec > 0 && work_now_usec(&s->work) >= s->work.rescan_usec) {
                s->work.rescan_usec = 0;
                folders_rescan(&s->folders);
        }
        if (s->work.probe_usec > 0 && work_now_usec(&s->work) >= s->work.probe_usec) {
                s->work.probe_usec = 0;
                folders_probe(&s->folders);
        }
        if (log_due_usec() > 0 && work_now_usec(&s->work) >= log_due_usec())
                log_tick();
        folders_look(&s->folders, work_now_usec(&s->work));
        return 0; /* the end of the turn does the rest */
}

static void arm_due(struct supervisor *s)
{
        const uint64_t all[] = { s->work.next_due_usec, s->work.rescan_usec, s->work.probe_usec, log_due_usec(),
                                 folders_due_usec(&s->folders) };
        uint64_t due = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
                if (all[i] > 0)
                        due = due > 0 ? MIN(due, all[i]) : all[i];
        if (due == 0) {
                if (s->due)
                        (void)sd_event_source_set_enabled(s->due, SD_EVENT_OFF);
        } else if (s->due) {
                (void)sd_event_source_set_time(s->due, due);
                (void)sd_event_source_set_enabled(s->due, SD_EVENT_ONESHOT);
        } else {
                (void)sd_event_add_time(s->event, &s->due, CLOCK_MONOTONIC, due, 1000, on_due, s);
        }
}

/* --once: nothing found, nothing waiting, nothing in work. */
static bool nothing_left(const struct supervisor *s)
{
        return !folders_scanning(&s->folders) && queue_count(s->work.queue) == 0 && work_is_quiet(&s->work);
}

static int on_scan(sd_event_source *source, void *userdata)
{
        struct supervisor *s = (struct supervisor *)userdata;

        folders_step(&s->folders, SCAN_ENTRIES);
        return 0;
}

/* After every turn of the loop. */
static void end_turn(struct supervisor *s)
{
        bool scan, go_on;

        journal_mind(&s->journal);
        if (s->stopped_workers)
                return;
        if (s->working)
                work_schedule(&s->work);
        arm_due(s);
        scan = !s->stopping && s->working && folders_can_step(&s->folders);
        go_on = s->working && work_can_go_on(&s->work) && queue_can_give(s->work.queue, pool_busy(s->work.pool));
        (void)sd_event_source_set_enabled(s->scan, scan || go_on ? SD_EVENT_ON : SD_EVENT_OFF);
        report_look(&s->report);
        if (s->options->once && s->ready && !s->stopping && nothing_left(s))
                end(s, s->work.status.failed > 0 ? 1 : 0);
        if (s->stopping && work_is_quiet(&s->work) && (!s->parts || parts_over(s->parts))) {
                report_end(&s->report);
                s->stopped_workers = true;
                pool_stop(s->work.pool);
        }
}

/* As sd_event_loop(3), but for its way to end a turn: a post source is a turn of its own, with another wait for events.  And while
 * workers answer faster than we ask, they are heard some times without it. */
static int loop(struct supervisor *s)
{
        int status = 0, r = 0;

        while (r >= 0 && sd_event_get_state(s->event) != SD_EVENT_FINISHED) {
                r = sd_event_run(s->event, UINT64_MAX);
                for (unsigned n = 0; r > 0 && n < TURNS && (n == 0 || pool_hear(s->work.pool)); n++)
                        end_turn(s);
        }
        if (r >= 0)
                r = sd_event_get_exit_code(s->event, &status);
        return r < 0 ? r : status;
}

/* ---- life */

static bool is_ours(pid_t pid, void *userdata)
{
        const struct supervisor *s = (const struct supervisor *)userdata;

        return pool_owns(s->work.pool, pid) || (s->parts && parts_own(s->parts, pid));
}

/* The workers' connections to the journal that was are dead as well, and they cannot make others. */
static void on_reconnected(void *userdata)
{
        pool_renew(((struct supervisor *)userdata)->work.pool);
}

static int add_sources(struct supervisor *s)
{
        int r = sd_event_add_signal(s->event, NULL, SIGTERM, on_terminate, s);

        if (r >= 0 && getpid() == 1)
                r = reaper_start(&s->reaper, s->event, is_ours, s);

        if (r >= 0)
                r = sd_event_add_signal(s->event, NULL, SIGINT, on_terminate, s);
        if (r >= 0)
                r = sd_event_add_signal(s->event, NULL, SIGHUP, on_hangup, s);
        if (r >= 0)
                r = sd_event_add_defer(s->event, &s->scan, on_scan, s);
        if (r >= 0) /* one step per turn, after everything that happened meanwhile */
                r = sd_event_source_set_priority(s->scan, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->scan, SD_EVENT_OFF);
        if (r >= 0)
                r = journal_open(&s->journal, s->event, on_reconnected, s);
        if (r >= 0)
                r = sd_event_set_watchdog(s->event, 1);
        return r < 0 ? r : 0;
}

static int start(struct supervisor *s)
{
        const char *why = NULL;
        g_autofree char *path = process_worker_path();
        int r = sd_event_new(&s->event);

        if (r >= 0 && !s->options->once && s->options->part_fd < 0)
                s->parts = parts_new(s->event, s->options, &parts_hooks, s);
        if (r >= 0 && s->parts)
                (void)parts_plan(s->parts, s->config);
        if (r >= 0)
                r = work_init(&s->work, s->event, s->config, s->options->once);
        if (r >= 0)
                r = pool_new(s->event, wanted_workers(s), config_formats(s->config), path, &pool_hooks, s, &s->work.pool);
        if (r >= 0)
                r = add_sources(s);
        if (r < 0) {
                log_event(EV_TROUBLE, NO_FIELDS, "Cannot start: %s", g_strerror(-r));
                return EX_OSERR;
        }
        folders_init(&s->folders, s->event, &s->work);
        s->folders.mounts_changed = on_parts_moved;
        s->folders.userdata = s;
        if (s->parts) /* first, since what follows may wait for a lock */
                parts_apply(s->parts, s->config, false);
        folders_apply(&s->folders, s->config, LOCK_WAIT_USEC);
        if ((!s->parts || parts_count(s->parts) == 0) && is_useless(s, &why)) {
                say_useless(why);
                return EX_CANTCREAT;
        }
        if (s->options->once && folders_paused(&s->folders, &why) > 0) {
                log_stderr("%s", why);
                return EX_CANTCREAT;
        }
        return 0;
}

static void stop(struct supervisor *s)
{
        log_settle();
        if (s->work.queue) {
                struct status total = s->work.status;

                if (s->parts)
                        parts_add_status(s->parts, &total);
                if (s->options->part_fd < 0)
                        log_event(EV_STOPPED, FIELDS(F_NUM(MADE, total.made), F_NUM(FAILED, total.failed)),
                                  "Stopped: %" PRIu64 " made, %" PRIu64 " failed, %" PRIu64 " skipped", total.made, total.failed,
                                  total.skipped);
                work_done(&s->work);
        }
        parts_free(s->parts);
        folders_done(&s->folders);
        (void)sd_event_source_disable_unref(s->scan);
        (void)sd_event_source_disable_unref(s->due);
        (void)sd_event_source_disable_unref(s->drain);
        reaper_stop(&s->reaper);
        journal_close(&s->journal);
        (void)sd_event_unref(s->event);
        config_free(s->config);
}

int supervisor_run(const struct options *options, struct config *config)
{
        struct supervisor s = { .options = options, .config = config };
        int status;

        process_prepare(options->part_fd);
        report_init(&s.report, options->once && isatty(STDERR_FILENO) == 1);
        if (options->part_fd < 0)
                log_event(EV_STARTED, FIELDS(F_STR(VERSION, PACKAGE_VERSION)), "thumbnaild " PACKAGE_VERSION " started, %s",
                          config->path ? config->path : "by command line");
        status = start(&s);
        if (status == 0) {
                if (options->once)
                        report_show();
                status = loop(&s);
                if (status < 0) {
                        log_event(EV_TROUBLE, NO_FIELDS, "The event loop failed: %s", g_strerror(-status));
                        status = EX_OSERR;
                }
        }
        report_end(&s.report);
        log_set_stderr_hooks(NULL, NULL, NULL);
        if (options->once && s.ready)
                report_summary(&s.report, status == EX_TEMPFAIL);
        stop(&s);
        return status;
}
