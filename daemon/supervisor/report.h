/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the daemon says of itself as a whole: the line for `systemctl status`, the progress bar of --once, and the `ready` event. */

#include "folders.h"
#include "work.h"

struct report {
        sd_event *event; /* borrowed, as the next two */
        struct work *work;
        const struct folders *folders;
        bool terminal;         /* there is one to draw a bar on */
        bool drawing, drawn;   /* between report_begin() and report_end(); it stands there now */
        sd_event_source *tick; /* armed while there is something to tell: an idle daemon does not wake up */
};

/* With @bar, log lines on stderr and the bar make room for each other from now on. */
void report_init(struct report *report, bool bar);

/* There are workers and folders to speak of; and there are none any more. */
void report_begin(struct report *report, sd_event *event, struct work *work, const struct folders *folders);
void report_end(struct report *report);

/* Something has changed: say so soon, at most once in a while. */
void report_soon(struct report *report);

/* All workers are up, all folders are watched or paused: log it, and tell systemd. */
void report_ready(const struct report *report, const struct wire_hello *hello);
