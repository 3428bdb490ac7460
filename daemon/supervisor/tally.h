/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What one process has to do now, and what it has had to tell: for the metrics, together with that of the processes that serve parts of
 * the folders. */

#include "job.h"
#include "log.h"

struct tally {
        unsigned workers_wanted, taking;
        unsigned jobs[_JOB_STATE_MAX];
        unsigned waiting_by[_REASON_MAX]; /* of the jobs that wait, those whose reason was told */
        unsigned watches;
        uint64_t oldest_usec;              /* when the file that waits longest was last changed, CLOCK_MONOTONIC; 0: none waits */
        uint64_t events[_EV_MAX], dropped; /* lines, ever */
};

/* Add @other to @tally: all of it, or only what it has told ever. */
void tally_add(struct tally *tally, const struct tally *other);
void tally_add_told(struct tally *tally, const struct tally *other);
