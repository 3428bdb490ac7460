/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers the figures that status.h words, and sends them where they are read. */

#include "report.h"

#include "log.h"

#include <stdio.h>
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
                                 .ready = queue_ready_count(queue) };

        v.waiting = queue_count(queue) - MIN(queue_count(queue), v.busy + r->work->storing);
        v.scanning = folders_scanning(r->folders);
        v.paused = folders_paused(r->folders, &v.paused_why);
        return v;
}

static void draw_bar(void *userdata)
{
        struct report *r = (struct report *)userdata;
        struct winsize size = { .ws_col = 80 };
        g_autofree char *bar = NULL;
        struct status_view v;

        if (!r->drawing)
                return;
        v = view_of(r);
        (void)ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
        bar = status_bar(&r->work->status, &v, size.ws_col > 0 ? size.ws_col : 80, work_now_usec(r->work));
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
        *r = (struct report){ .terminal = bar };
        if (bar)
                log_set_stderr_hooks(clear_bar, draw_bar, r);
}

void report_begin(struct report *r, sd_event *event, struct work *work, const struct folders *folders)
{
        r->event = event;
        r->work = work;
        r->folders = folders;
        r->drawing = r->terminal;
}

void report_end(struct report *r)
{
        clear_bar(r);
        r->drawing = false;
        r->tick = sd_event_source_disable_unref(r->tick);
        r->event = NULL;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct report *r = (struct report *)userdata;
        struct status_view v = view_of(r);
        g_autofree char *line = status_line(&r->work->status, &v, work_now_usec(r->work));

        (void)sd_notifyf(0, "STATUS=%s", line);
        draw_bar(r);
        return 0;
}

void report_soon(struct report *r)
{
        int enabled = SD_EVENT_OFF;

        if (!r->event)
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

void report_ready(const struct report *r, const struct wire_hello *hello)
{
        g_autoptr(GString) sandbox = name_layers(hello->sandbox);
        g_autoptr(GString) readable = name_formats(hello->readable & r->work->config->loaders);
        g_autoptr(GString) writable = name_formats(hello->writable);

        log_event(EV_READY,
                  FIELDS(F_NUM(WORKERS, pool_size(r->work->pool)), F_STR(SANDBOX, sandbox->str), F_STR(READABLE, readable->str),
                         F_STR(WRITABLE, writable->str)),
                  "Ready: %u of %u folders watched, %u workers, sandbox %s; reads %s; writes %s", folders_usable(r->folders),
                  r->work->config->folders->len, pool_size(r->work->pool), sandbox->len > 0 ? sandbox->str : "none", readable->str,
                  writable->str);
        (void)sd_notify(0, "READY=1");
}
