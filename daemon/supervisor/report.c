/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers the figures that status.h and metrics.h word, and sends them where they are read. */

#include "report.h"

#include "log.h"
#include "metrics.h"
#include "thumbnaild-build.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define STATUS_USEC UINT64_C(1000000)
#define BAR_USEC    UINT64_C(200000)

static struct status_view view_of(const struct report *r)
{
        const struct queue *queue = r->work->queue;
        struct status_view v = { .busy = pool_busy(r->work->pool),
                                 .workers = pool_ready(r->work->pool),
                                 .storing = r->work->storing,
                                 .ready = queue_ready_count(queue) };

        v.waiting = queue_count(queue) - MIN(queue_count(queue), v.busy + r->work->storing);
        v.scanning = folders_scanning(r->folders);
        v.paused = folders_paused(r->folders, &v.paused_why);
        if (r->parts)
                parts_add_view(r->parts, &v);
        return v;
}

static struct status total_of(const struct report *r)
{
        struct status total = r->work->status;

        if (r->parts)
                parts_add_status(r->parts, &total);
        return total;
}

static void count_job(struct job *job, void *userdata)
{
        struct tally *t = (struct tally *)userdata;

        if (job->abandoning) /* it has failed already */
                return;
        t->jobs[job->state]++;
        if (job->state == JOB_WAITING && job->told != REASON_NONE)
                t->waiting_by[job->told]++;
        if (job->changed_usec > 0)
                t->oldest_usec = t->oldest_usec > 0 ? MIN(t->oldest_usec, job->changed_usec) : job->changed_usec;
}

static struct tally tally_of(const struct report *r)
{
        const GPtrArray *folders = r->folders->all;
        struct tally t = { .workers_wanted = pool_size(r->work->pool), .taking = r->work->taking, .dropped = log_dropped() };

        queue_foreach(r->work->queue, count_job, &t);
        for (guint i = 0; i < folders->len; i++) {
                const struct folder *f = (const struct folder *)folders->pdata[i];

                t.watches += f->usable ? intake_watches(f->intake) + failures_watches(f->failures) : 0;
        }
        for (enum log_event_id e = 0; e < _EV_MAX; e++)
                t.events[e] = log_count(e);
        if (r->parts)
                parts_add_tally(r->parts, &t);
        return t;
}

/* Tell the service manager; a part tells its numbers, too. */
static void notify(const struct report *r, const char *key, const char *value)
{
        struct numbers numbers = { .status = r->work->status, .hello = r->hello };
        g_autofree char *text = NULL, *why = NULL;

        if (!r->part) {
                (void)sd_notifyf(0, "%s%s", key, value);
                return;
        }
        numbers.view = view_of(r);
        numbers.usable = folders_usable(r->folders);
        numbers.tally = tally_of(r);
        text = numbers_format(&numbers);
        why = g_strescape(numbers.view.paused_why ? numbers.view.paused_why : "", NULL);
        (void)sd_notifyf(0, "%s%s\n" NUMBERS_FIELD "=%s\nX_THUMBNAILD_WHY=%s", key, value, text, why);
}

static void draw_bar(void *userdata)
{
        struct report *r = (struct report *)userdata;
        struct winsize size = { .ws_col = 80 };
        g_autofree char *bar = NULL;
        struct status total;
        struct status_view v;

        if (!r->drawing)
                return;
        v = view_of(r);
        total = total_of(r);
        (void)ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
        bar = status_bar(&total, &v, size.ws_col > 0 ? size.ws_col : 80, work_now_usec(r->work));
        (void)fprintf(stderr, "\r\033[K%s", bar); /* stderr has no buffer */
        r->drawn = true;
}

static void clear_bar(void *userdata)
{
        struct report *r = (struct report *)userdata;

        if (r->drawn)
                (void)fputs("\r\033[K", stderr);
        r->drawn = false;
}

void report_init(struct report *r, bool bar)
{
        *r = (struct report){ .terminal = bar, .started = (double)g_get_real_time() / 1e6 };
        if (bar)
                log_set_stderr_hooks(clear_bar, draw_bar, r);
}

void report_begin(struct report *r, sd_event *event, struct work *work, const struct folders *folders, const struct parts *parts,
                  bool part)
{
        r->parts = parts;
        r->part = part;
        r->event = event;
        r->work = work;
        r->folders = folders;
        r->drawing = r->terminal;
        if (!part)
                r->metrics = metrics_path(work->config->path, &r->name);
}

void report_end(struct report *r)
{
        clear_bar(r);
        if (r->event && r->part)
                notify(r, "STATUS=", "stopping"); /* with the last numbers */
        r->drawing = false;
        r->tick = sd_event_source_disable_unref(r->tick);
        r->event = NULL;
        if (r->metrics)
                (void)unlink(r->metrics);
        g_clear_pointer(&r->metrics, g_free);
        g_clear_pointer(&r->name, g_free);
}

void report_show(void)
{
        log_show(UINT64_C(1) << EV_FAILED | UINT64_C(1) << EV_RETRY | UINT64_C(1) << EV_WAITING | UINT64_C(1) << EV_PAUSED |
                 UINT64_C(1) << EV_WORKER_LOST | UINT64_C(1) << EV_WORKER_TIMEOUT | UINT64_C(1) << EV_TROUBLE |
                 UINT64_C(1) << EV_PROGRESS);
}

void report_summary(const struct report *r, bool interrupted)
{
        double seconds = (double)g_get_real_time() / 1e6 - r->started;
        g_autofree char *text = status_summary(&r->work->status, folders_found(r->folders), MAX(seconds, 0));

        (void)printf("%s%s\n", text, interrupted ? "; interrupted, the rest is for the next time" : "");
        (void)fflush(stdout);
}

/* ---- metrics */

static void add_folder(const char *inbox, bool paused, void *userdata)
{
        const struct metrics_folder folder = { inbox, paused };

        g_array_append_val((GArray *)userdata, folder);
}

static void write_metrics(struct report *r, const struct status_view *view, const struct status *total)
{
        const GPtrArray *folders = r->folders->all;
        g_autoptr(GArray) each = g_array_new(FALSE, FALSE, sizeof(struct metrics_folder));
        struct metrics m = { .daemon = r->name,
                             .version = PACKAGE_VERSION,
                             .started = r->started,
                             .status = total,
                             .view = *view,
                             .tally = tally_of(r) };
        int instances;

        if (m.tally.oldest_usec > 0)
                m.oldest = (double)g_get_real_time() / 1e6 - (double)(work_now_usec(r->work) - m.tally.oldest_usec) / 1e6;
        for (guint i = 0; i < folders->len; i++) {
                const struct folder *f = (const struct folder *)folders->pdata[i];

                add_folder(f->config->inbox, !f->usable || f->stalled, each);
        }
        if (r->parts)
                parts_foreach(r->parts, add_folder, each);
        m.folders = (const struct metrics_folder *)(void *)each->data;
        m.n_folders = each->len;
        intake_limits(&m.watches_max, &instances);

        g_autofree char *text = metrics_format(&m);
        int error = metrics_write(r->metrics, text);

        if (error < 0) { /* once: without it all else goes on */
                log_event(EV_TROUBLE, NO_FIELDS, "The metrics %s cannot be written: %s", r->metrics, g_strerror(-error));
                g_clear_pointer(&r->metrics, g_free);
        }
}

/* ---- telling */

static void tell_progress(struct status *s, const struct status_view *v, const char *line, uint64_t now)
{
        g_autofree char *rate = g_strdup_printf("%.1f", status_rate(s, now));
        double left = status_left(s, v, now);
        const struct log_field fields[] = { F_NUM(MADE, s->made), F_NUM(FAILED, s->failed), F_NUM(WAITING, v->waiting),
                                            F_STR(RATE, rate), F_NUM(LEFT_USEC, MAX(left, 0) * 1e6) };

        log_event(EV_PROGRESS, fields, left < 0 ? G_N_ELEMENTS(fields) - 1 : G_N_ELEMENTS(fields), "%s", line);
}

/* Something is being done: a scan that has no room to go on does nothing. */
static bool is_working(const struct report *r)
{
        return !work_is_quiet(r->work) || folders_can_step(r->folders);
}

/* What tells whether anything has changed.  Returns whether it has. */
static bool remember(struct report *r, const struct status_view *v)
{
        const struct status total = total_of(r), *s = &total;
        uint64_t numbers[REPORT_NUMBERS] = { s->made, s->failed, s->skipped, v->busy, v->workers, v->waiting, v->ready, v->paused };
        bool changed;

        for (enum log_event_id e = 0; e < _EV_MAX; e++)
                numbers[0] += log_count(e); /* all of them only ever grow */
        changed = memcmp(numbers, r->told, sizeof numbers) != 0;
        memcpy(r->told, numbers, sizeof numbers);
        return changed;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct report *r = (struct report *)userdata;
        struct status_view v = view_of(r);
        const uint64_t now = work_now_usec(r->work);
        struct status total = total_of(r);
        g_autofree char *line = status_line(&total, &v, now);

        notify(r, "STATUS=", line);
        if (progress_is_due(&r->progress, &v, is_working(r), now) && !r->terminal && !r->part)
                tell_progress(&total, &v, line, now);
        if (r->metrics)
                write_metrics(r, &v, &total);
        remember(r, &v);
        draw_bar(r);
        return 0;
}

void report_look(struct report *r)
{
        int enabled = SD_EVENT_OFF;
        struct status_view v;

        if (!r->event)
                return;
        v = view_of(r);
        if (!remember(r, &v) && !is_working(r))
                return;
        if (!r->tick) {
                (void)sd_event_add_time_relative(r->event, &r->tick, CLOCK_MONOTONIC, 0, 0, on_tick, r);
                return;
        }
        (void)sd_event_source_get_enabled(r->tick, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        (void)sd_event_source_set_time_relative(r->tick, r->terminal ? BAR_USEC : STATUS_USEC);
        (void)sd_event_source_set_enabled(r->tick, SD_EVENT_ONESHOT);
}

static GString *name_formats(uint64_t bits)
{
        GString *out = g_string_new(NULL);

        for (enum format f = FORMAT_NONE + 1; f < _FORMAT_MAX; f++)
                if (bits & (UINT64_C(1) << f))
                        g_string_append_printf(out, "%s%s", out->len > 0 ? " " : "", format_name(f));
        return out;
}

static GString *name_layers(uint32_t bits)
{
        static const struct {
                uint32_t bit;
                const char *name;
        } layers[] = { { SANDBOX_NO_NEW_PRIVS, "no-new-privs" },
                       { SANDBOX_RLIMITS, "rlimits" },
                       { SANDBOX_LANDLOCK, "landlock" },
                       { SANDBOX_SECCOMP, "seccomp" } };
        GString *out = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(layers); i++)
                if (bits & layers[i].bit)
                        g_string_append_printf(out, "%s%s", out->len > 0 ? " " : "", layers[i].name);
        return out;
}

void report_ready(struct report *r, const struct wire_hello *hello)
{
        const struct wire_hello *any = hello ? hello : r->parts ? parts_hello(r->parts) : NULL;
        const struct status_view v = view_of(r);
        const unsigned usable = folders_usable(r->folders) + (r->parts ? parts_usable(r->parts) : 0);
        g_autoptr(GString) sandbox = name_layers(any ? any->sandbox : 0);
        g_autoptr(GString) readable = name_formats(any ? any->readable & r->work->config->loaders : 0);
        g_autoptr(GString) writable = name_formats(any ? any->writable : 0);

        if (hello)
                r->hello = *hello;
        if (!r->part)
                log_event(EV_READY,
                          FIELDS(F_NUM(WORKERS, v.workers), F_STR(SANDBOX, sandbox->str), F_STR(READABLE, readable->str),
                                 F_STR(WRITABLE, writable->str)),
                          "Ready: %u of %u folders watched, %u workers, sandbox %s; reads %s; writes %s", usable,
                          r->work->config->folders->len, v.workers, sandbox->len > 0 ? sandbox->str : "none", readable->str,
                          writable->str);
        notify(r, "READY=", "1");
}
