/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One function per kind of number.  Every sample carries the label "daemon": collectors read all instances' files together, and refuse
 * what is there twice. */

#include "metrics.h"

#include "base.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct page {
        GString *out;
        const char *daemon; /* as a label's value */
};

static void head(struct page *p, const char *name, const char *type, const char *help)
{
        g_string_append_printf(p->out, "# HELP thumbnaild_%s %s\n# TYPE thumbnaild_%s %s\n", name, help, name, type);
}

/* @key NULL: no other label.  @value is safe, see label_value(). */
static void sample(struct page *p, const char *name, const char *key, const char *value, double number)
{
        g_string_append_printf(p->out, "thumbnaild_%s{daemon=\"%s\"", name, p->daemon);
        if (key)
                g_string_append_printf(p->out, ",%s=\"%s\"", key, value);
        g_string_append_printf(p->out, "} %.17g\n", number);
}

static void single(struct page *p, const char *name, const char *type, const char *help, double number)
{
        head(p, name, type, help);
        sample(p, name, NULL, NULL, number);
}

/* @text in UTF-8 without control characters, with what the format needs escaped.  Returns an owned string. */
static char *label_value(const char *text)
{
        g_autofree char *safe = log_escape(text);
        GString *out = g_string_new(NULL);

        for (const char *c = safe; *c; c++) {
                if (*c == '\\' || *c == '"')
                        g_string_append_c(out, '\\');
                g_string_append_c(out, *c);
        }
        return g_string_free(out, FALSE);
}

/* A counter by reason: those that are usual from the beginning, others when they have happened. */
static void by_reason(struct page *p, const char *name, const char *help, const uint64_t *counts, enum reason_kind usual)
{
        head(p, name, "counter", help);
        for (enum reason r = REASON_NONE + 1; r < _REASON_MAX; r++)
                if (counts[r] > 0 || reason_kind(r) == usual)
                        sample(p, name, "reason", reason_token(r), (double)counts[r]);
}

static void histogram(struct page *p, const char *name, const char *help, const struct histogram *h)
{
        g_autofree char *bucket = g_strdup_printf("%s_bucket", name), *sum = g_strdup_printf("%s_sum", name),
                        *count = g_strdup_printf("%s_count", name);
        uint64_t n = 0;

        head(p, name, "histogram", help);
        for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
                g_autofree char *bound = g_strdup_printf("%g", (double)histogram_bound_usec(i) / 1e6);

                n += h->counts[i];
                sample(p, bucket, "le", bound, (double)n);
        }
        n += h->counts[HISTOGRAM_BUCKETS];
        sample(p, bucket, "le", "+Inf", (double)n);
        sample(p, sum, NULL, NULL, (double)h->sum_usec / 1e6);
        sample(p, count, NULL, NULL, (double)n);
}

static void append_files(struct page *p, const struct metrics *m)
{
        const struct status *s = m->status;

        single(p, "made_total", "counter", "Pictures whose thumbnails were made", (double)s->made);
        single(p, "thumbnails_total", "counter", "Thumbnails that were made", (double)s->thumbnails);
        by_reason(p, "failed_total", "Pictures that failed", s->failed_by, REASON_IS_PERMANENT);
        by_reason(p, "skipped_total", "Files that were left alone", s->skipped_by, REASON_IS_OK);
        by_reason(p, "retries_total", "Attempts that failed for now", s->retried_by, REASON_IS_PASSING);
        histogram(p, "arrival_to_published_seconds", "From the last change seen of a picture to its thumbnails", &s->arrival);
        histogram(p, "complete_to_published_seconds", "From a picture found complete to its thumbnails", &s->latency);
        histogram(p, "rendering_seconds", "What a worker took for a picture", &s->rendering);
}

static void append_queue(struct page *p, const struct metrics *m)
{
        static const char *const states[_JOB_STATE_MAX] = {
                [JOB_QUEUED] = "queued", [JOB_WAITING] = "waiting", [JOB_RUNNING] = "rendering", [JOB_STORING] = "storing"
        };

        head(p, "queue_files", "gauge", "Files that are known and not done, by what they wait for; a scan may find more");
        for (enum job_state state = 0; state < _JOB_STATE_MAX; state++)
                if (states[state])
                        sample(p, "queue_files", "state", states[state], m->tally.jobs[state]);
        sample(p, "queue_files", "state", "taking", m->tally.taking);
        head(p, "waiting_files", "gauge", "Of those that wait, the ones that something has to be done for, by reason");
        for (enum reason r = REASON_NONE + 1; r < _REASON_MAX; r++)
                if (m->tally.waiting_by[r] > 0 || reason_kind(r) == REASON_IS_WAITING)
                        sample(p, "waiting_files", "reason", reason_token(r), m->tally.waiting_by[r]);
        if (m->oldest > 0) {
                head(p, "oldest_waiting_timestamp_seconds", "gauge",
                     "When the file that waits longest was last changed; absent if none waits");
                g_string_append_printf(p->out, "thumbnaild_oldest_waiting_timestamp_seconds{daemon=\"%s\"} %.3f\n", p->daemon,
                                       m->oldest);
        }
        single(p, "scanning", "gauge", "Whether an inbox is being scanned", m->view.scanning);
}

static void append_events(struct page *p, const struct metrics *m)
{
        head(p, "events_total", "counter", "Events of the supervisor, as in the journal");
        for (enum log_event_id e = 0; e < _EV_MAX; e++)
                if (e != EV_MADE) /* the workers' */
                        sample(p, "events_total", "event", log_event_name(e), (double)m->tally.events[e]);
        single(p, "dropped_lines_total", "counter", "Lines that the journal did not take from the supervisor",
               (double)m->tally.dropped);
}

char *metrics_format(const struct metrics *m)
{
        g_autofree char *daemon = label_value(m->daemon), *version = label_value(m->version);
        struct page p = { .out = g_string_sized_new(8192), .daemon = daemon };

        head(&p, "build_info", "gauge", "Always 1");
        sample(&p, "build_info", "version", version, 1);
        head(&p, "start_time_seconds", "gauge", "When the daemon was started, in seconds since the epoch");
        g_string_append_printf(p.out, "thumbnaild_start_time_seconds{daemon=\"%s\"} %.3f\n", daemon, m->started);
        append_files(&p, m);
        append_queue(&p, m);
        single(&p, "workers", "gauge", "Workers that there should be", m->tally.workers_wanted);
        single(&p, "workers_ready", "gauge", "Workers that there are", m->view.workers);
        single(&p, "workers_busy", "gauge", "Workers that render", m->view.busy);
        single(&p, "inotify_watches", "gauge", "Folders that are watched", m->tally.watches);
        if (m->watches_max >= 0)
                single(&p, "inotify_watches_max", "gauge", "How many the kernel allows this user", m->watches_max);
        head(&p, "folder_paused", "gauge", "Whether an inbox cannot be served now");
        for (unsigned i = 0; i < m->n_folders; i++) {
                g_autofree char *inbox = label_value(m->folders[i].inbox);

                sample(&p, "folder_paused", "inbox", inbox, m->folders[i].paused);
        }
        append_events(&p, m);
        return g_string_free(p.out, FALSE);
}

char *metrics_path(const char *config_path, char **ret_name)
{
        const char *folders = getenv("RUNTIME_DIRECTORY");
        g_autofree char *folder = folders ? g_strndup(folders, strcspn(folders, ":")) : NULL;
        g_autofree char *base = NULL;
        char *name;

        if (!folder || *folder != '/')
                return NULL;
        base = config_path ? g_path_get_basename(config_path) : g_strdup("thumbnaild");
        name = g_str_has_suffix(base, ".conf") ? g_strndup(base, strlen(base) - strlen(".conf")) : g_strdup(base);
        *ret_name = name;
        return g_strdup_printf("%s/%s.prom", folder, name);
}

int metrics_write(const char *path, const char *text)
{
        g_autofree char *fresh = g_strconcat(path, ".new", NULL); /* collectors read *.prom */
        _cleanup_(fd_closep) int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        size_t length = strlen(text);
        ssize_t n;

        if (fd < 0)
                return neg_errno();
        n = write(fd, text, length);
        if (n >= 0 && (size_t)n == length && fchmod(fd, 0644) == 0 && rename(fresh, path) == 0)
                return 0;

        int r = n >= 0 && (size_t)n < length ? -ENOSPC : neg_errno();

        (void)unlink(fresh);
        return r;
}
