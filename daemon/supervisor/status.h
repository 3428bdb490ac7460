/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What has been done so far and how fast, as one line for `systemctl status` and as a progress bar for a terminal.  Pure but for
 * status_bar(); time is passed in. */

#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>

#define STATUS_WINDOW 16 /* seconds that the rate is taken over */

struct status {
        uint64_t made, failed, skipped;
        uint64_t ended[STATUS_WINDOW]; /* files by the second in which they were done, see status_ended() */
        uint64_t second;               /* the newest of them */
        uint64_t since;                /* the second in which work began after idleness */
};

struct status_view {
        unsigned busy, workers;
        uint64_t waiting; /* known, for a worker or for something else */
        uint64_t ready;   /* of those, for a worker */
        bool scanning;    /* and more may be found */
        unsigned paused;  /* folders */
        const char *paused_why;
};

/* One more file is done at @now_usec, made or failed; count it there as well. */
void status_ended(struct status *status, uint64_t now_usec);

/* Files per second lately, 0 if nothing was done. */
double status_rate(struct status *status, uint64_t now_usec);

/* Such as "2/2 workers busy, 128 waiting, 17.4/s, 7 s left, 812 made, 3 failed".  Returns an owned string. */
char *status_line(struct status *status, const struct status_view *view, uint64_t now_usec);

/* A bar of @columns for a terminal, without newline.  Returns an owned string. */
char *status_bar(struct status *status, const struct status_view *view, unsigned columns, uint64_t now_usec);
