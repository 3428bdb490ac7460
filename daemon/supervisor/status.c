/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counting and wording. */

#include "status.h"

#include <assert.h>
#include <string.h>

#define PACE_MIN_USEC UINT64_C(10000000)
#define PACE_MAX_USEC UINT64_C(60000000)

static const uint64_t bounds_usec[HISTOGRAM_BUCKETS] = { 5000,    10000,   25000,    50000,    100000,   250000,    500000,    1000000,
                                                         2500000, 5000000, 10000000, 30000000, 60000000, 300000000, 1800000000 };

uint64_t histogram_bound_usec(unsigned bucket)
{
        assert(bucket < HISTOGRAM_BUCKETS);
        return bounds_usec[bucket];
}

void histogram_add(struct histogram *h, uint64_t usec)
{
        unsigned i = 0;

        while (i < HISTOGRAM_BUCKETS && usec > bounds_usec[i])
                i++;
        h->counts[i]++;
        h->sum_usec += usec;
}

static void move_window(struct status *s, uint64_t second)
{
        if (second >= s->second + STATUS_WINDOW) { /* idle for longer than the window */
                memset(s->ended, 0, sizeof s->ended);
                s->since = second;
        } else {
                for (uint64_t i = s->second + 1; i <= second; i++)
                        s->ended[i % STATUS_WINDOW] = 0;
        }
        s->second = MAX(second, s->second);
}

static void count_end(struct status *s, uint64_t now_usec)
{
        uint64_t second = now_usec / 1000000;

        move_window(s, second);
        s->ended[second % STATUS_WINDOW]++;
}

void status_made(struct status *s, unsigned thumbnails, uint64_t arrival_usec, uint64_t latency_usec, uint64_t rendering_usec,
                 uint64_t now_usec)
{
        s->made++;
        s->thumbnails += thumbnails;
        histogram_add(&s->arrival, arrival_usec);
        histogram_add(&s->latency, latency_usec);
        histogram_add(&s->rendering, rendering_usec);
        count_end(s, now_usec);
}

void status_failed(struct status *s, enum reason reason, uint64_t now_usec)
{
        s->failed++;
        s->failed_by[reason]++;
        count_end(s, now_usec);
}

void status_failed_before(struct status *s, enum reason reason)
{
        s->failed++;
        s->failed_before++;
        s->failed_by[reason]++;
}

void status_skipped(struct status *s, enum reason reason)
{
        s->skipped++;
        s->skipped_by[reason]++;
}

void status_retried(struct status *s, enum reason reason)
{
        s->retried_by[reason]++;
}

static void histogram_sum(struct histogram *h, const struct histogram *other)
{
        for (unsigned i = 0; i <= HISTOGRAM_BUCKETS; i++)
                h->counts[i] += other->counts[i];
        h->sum_usec += other->sum_usec;
}

void status_add(struct status *s, const struct status *other)
{
        uint64_t since = other->since;

        s->made += other->made;
        s->failed += other->failed;
        s->skipped += other->skipped;
        s->thumbnails += other->thumbnails;
        for (enum reason r = REASON_NONE; r < _REASON_MAX; r++) {
                s->failed_by[r] += other->failed_by[r];
                s->skipped_by[r] += other->skipped_by[r];
                s->retried_by[r] += other->retried_by[r];
        }
        histogram_sum(&s->arrival, &other->arrival);
        histogram_sum(&s->latency, &other->latency);
        histogram_sum(&s->rendering, &other->rendering);
        if (other->second + STATUS_WINDOW <= s->second || other->second == 0) /* all of it was too long ago */
                return;
        if (s->second > 0 && s->second + STATUS_WINDOW > other->second)
                since = MIN(since, s->since);
        move_window(s, other->second);
        s->since = since;
        for (uint64_t i = MAX(other->second, STATUS_WINDOW) - STATUS_WINDOW + 1; i <= other->second; i++)
                if (i + STATUS_WINDOW > s->second)
                        s->ended[i % STATUS_WINDOW] += other->ended[i % STATUS_WINDOW];
}

double status_rate(struct status *s, uint64_t now_usec)
{
        uint64_t second = now_usec / 1000000, sum = 0, span;

        if (s->second == 0)
                return 0;
        move_window(s, second);
        for (unsigned i = 0; i < STATUS_WINDOW; i++)
                sum += s->ended[i];
        span = MIN(second - MIN(s->since, second), STATUS_WINDOW - 1); /* whole seconds, and the one that is going on */
        return (double)sum / ((double)span + (double)(now_usec % 1000000) / 1e6 + 0.05);
}

double status_left(struct status *s, const struct status_view *v, uint64_t now_usec)
{
        double rate = status_rate(s, now_usec);

        return rate > 0 && !v->scanning ? (double)(v->ready + v->busy) / rate : -1;
}

static void append_duration(GString *out, double seconds)
{
        if (seconds < 99.5)
                g_string_append_printf(out, "%.0f s", seconds);
        else if (seconds < 5970)
                g_string_append_printf(out, "%.0f min", seconds / 60);
        else
                g_string_append_printf(out, "%.1f h", seconds / 3600);
}

char *status_line(struct status *s, const struct status_view *v, uint64_t now_usec)
{
        GString *out = g_string_new(NULL);
        double rate = status_rate(s, now_usec), left = status_left(s, v, now_usec);

        g_string_append_printf(out, "%u/%u workers busy, %" PRIu64 "%s waiting", v->busy, v->workers, v->waiting,
                               v->scanning ? "+" : "");
        if ((v->busy > 0 || v->ready > 0) && rate > 0) {
                g_string_append_printf(out, ", %.1f/s", rate);
                if (left >= 0) {
                        g_string_append(out, ", ");
                        append_duration(out, left);
                        g_string_append(out, " left");
                }
        }
        g_string_append_printf(out, ", %" PRIu64 " made, %" PRIu64 " failed", s->made, s->failed);
        if (v->paused > 0)
                g_string_append_printf(out, "; %u folder%s paused: %s", v->paused, v->paused == 1 ? "" : "s", v->paused_why);
        return g_string_free(out, FALSE);
}

char *status_summary(const struct status *s, uint64_t files, double seconds)
{
        /* Of what is left alone only regular files are among those that were counted. */
        uint64_t known = s->made + s->failed + s->skipped - s->skipped_by[REASON_NOT_REGULAR];
        GString *out = g_string_new(NULL);
        const char *before = " (";

        g_string_append_printf(out, "%" PRIu64 " file%s: %" PRIu64 " made", files, files == 1 ? "" : "s", s->made);
        if (files > known)
                g_string_append_printf(out, ", %" PRIu64 " up to date", files - known);
        if (s->failed > 0)
                g_string_append_printf(out, ", %" PRIu64 " failed", s->failed);
        for (enum reason r = REASON_NONE + 1; r < _REASON_MAX; r++) {
                if (s->failed_by[r] == 0)
                        continue;
                g_string_append_printf(out, "%s%" PRIu64 " %s", before, s->failed_by[r], reason_token(r));
                before = ", ";
        }
        if (s->failed_before > 0)
                g_string_append_printf(out, "; %" PRIu64 " of them in an earlier run", s->failed_before);
        if (*before == ',')
                g_string_append_c(out, ')');
        if (s->skipped > 0)
                g_string_append_printf(out, ", %" PRIu64 " left alone", s->skipped);
        g_string_append_printf(out, "; %.1f s", seconds);
        if (s->made > 0 && seconds > 0)
                g_string_append_printf(out, ", %.1f/s", (double)s->made / seconds);
        return g_string_free(out, FALSE);
}

char *status_bar(struct status *s, const struct status_view *v, unsigned columns, uint64_t now_usec)
{
        uint64_t done = s->made + s->failed, all = done + v->waiting + v->busy + v->storing;
        g_autofree char *line = status_line(s, v, now_usec);
        unsigned width = columns > 100 ? 30 : 20, filled = all > 0 ? (unsigned)(width * done / all) : v->scanning ? 0 : width;
        GString *out = g_string_new("[");

        for (unsigned i = 0; i < width; i++)
                g_string_append_c(out, i < filled ? '#' : '.');
        g_string_append_printf(out, "] %" PRIu64 "/%" PRIu64 "%s  %s", done, all, v->scanning ? "+" : "", line);
        if (out->len >= columns)
                g_string_truncate(out, columns > 1 ? columns - 1 : 0);
        return g_string_free(out, FALSE);
}

bool progress_is_due(struct progress *p, const struct status_view *v, bool working, uint64_t now_usec)
{
        bool told = p->pace_usec > 0;

        if (!working || !(told || v->scanning || v->ready > 0)) {
                *p = (struct progress){ 0 };
                return told;
        }
        if (p->since_usec == 0) {
                p->since_usec = now_usec;
                p->next_usec = now_usec + PACE_MIN_USEC;
        }
        if (now_usec < p->next_usec)
                return false;
        p->pace_usec = CLAMP(p->pace_usec * 2, PACE_MIN_USEC, PACE_MAX_USEC);
        p->next_usec = now_usec + p->pace_usec;
        return true;
}
