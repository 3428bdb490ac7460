/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What has been done so far and how fast: counted here, and worded as one line for `systemctl status` and the journal and as a progress
 * bar for a terminal; metrics.h has the same numbers for machines.  Pure; time is passed in. */

#include "reason.h"

#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>

#define STATUS_WINDOW 16 /* seconds that the rate is taken over */

#define HISTOGRAM_BUCKETS 15 /* see histogram_bound_usec() */

struct histogram {
        uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* of each bucket alone; the last: above all bounds */
        uint64_t sum_usec;
};

struct status {
        uint64_t made, failed, skipped;
        uint64_t failed_before; /* of those that failed: in an earlier run, not looked at again in this one */
        uint64_t thumbnails;
        uint64_t failed_by[_REASON_MAX], skipped_by[_REASON_MAX], retried_by[_REASON_MAX];
        struct histogram arrival, latency, rendering; /* last change seen to published, complete to published, rendering */
        uint64_t ended[STATUS_WINDOW];                /* files by the second in which they were done, see status_ended() */
        uint64_t second;                              /* the newest of them */
        uint64_t since;                               /* the second in which work began after idleness */
};

struct status_view {
        unsigned busy, workers;
        unsigned storing; /* files that are rendered, and being made durable */
        uint64_t waiting; /* known, for a worker or for something else */
        uint64_t ready;   /* of those, for a worker */
        bool scanning;    /* and more may be found */
        unsigned paused;  /* folders */
        const char *paused_why;
};

/* Inclusive upper bound of a bucket. */
uint64_t histogram_bound_usec(unsigned bucket);
void histogram_add(struct histogram *histogram, uint64_t usec);

/* One more file was made at @now_usec, with @thumbnails; the times are those of the histograms. */
void status_made(struct status *status, unsigned thumbnails, uint64_t arrival_usec, uint64_t latency_usec, uint64_t rendering_usec,
                 uint64_t now_usec);

void status_failed(struct status *status, enum reason reason, uint64_t now_usec);
void status_failed_before(struct status *status, enum reason reason);
void status_skipped(struct status *status, enum reason reason);
void status_retried(struct status *status, enum reason reason); /* it failed for now */

/* Add what another process has done, with the same clock. */
void status_add(struct status *status, const struct status *other);

/* Files per second lately, 0 if nothing was done. */
double status_rate(struct status *status, uint64_t now_usec);

/* Seconds until nothing is left for a worker, or a negative number if that cannot be known. */
double status_left(struct status *status, const struct status_view *view, uint64_t now_usec);

/* What became of @files after @seconds, for the end of --once, such as "38 files: 36 made, 1 failed (1 corrupt), 1 left alone; 7.5 s, 4.8/s".
 * Returns an owned string. */
char *status_summary(const struct status *status, uint64_t files, double seconds);

/* Such as "2/2 workers busy, 128 waiting, 17.4/s, 7 s left, 812 made, 3 failed".  Returns an owned string. */
char *status_line(struct status *status, const struct status_view *view, uint64_t now_usec);

/* A bar of @columns for a terminal, without newline.  Returns an owned string. */
char *status_bar(struct status *status, const struct status_view *view, unsigned columns, uint64_t now_usec);

/* When a long piece of work is reported: 10 s after a backlog has begun, then at a pace that grows to a minute, and once more when it is
 * over. */
struct progress {
        uint64_t since_usec; /* 0: no backlog */
        uint64_t next_usec, pace_usec;
};

/* Look at it, about every second while something is being done (@working), and once after that.  Returns whether to report now. */
bool progress_is_due(struct progress *progress, const struct status_view *view, bool working, uint64_t now_usec);
