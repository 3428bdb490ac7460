/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the daemon says of itself as a whole: the line for `systemctl status`, the progress bar of --once, the events `ready` and
 * `progress`, and the file of metrics. */

#include "folders.h"
#include "parts.h"
#include "work.h"

#define REPORT_NUMBERS 8

struct report {
        sd_event *event; /* borrowed, as the next two */
        struct work *work;
        const struct folders *folders;
        const struct parts *parts; /* or NULL */
        bool part;                 /* we are one, and tell who has started us */
        struct wire_hello hello;   /* of a worker of ours, or zeroes */
        char *metrics, *name;      /* the file, and what tells this daemon's from others'; NULL: none */
        double started;            /* seconds since the epoch */
        struct progress progress;
        uint64_t told[REPORT_NUMBERS]; /* what was told last, see report_look() */
        bool terminal;                 /* there is one to draw a bar on */
        bool drawing, drawn;           /* between report_begin() and report_end(); it stands there now */
        sd_event_source *tick;         /* armed while there is something to tell: an idle daemon does not wake up */
};

/* With @bar, log lines on stderr and the bar make room for each other from now on. */
void report_init(struct report *report, bool bar);

/* There are workers and folders to speak of, and @parts unless NULL; with @part it is us who are one.  And there are none any more:
 * the file of metrics is removed as well. */
void report_begin(struct report *report, sd_event *event, struct work *work, const struct folders *folders, const struct parts *parts,
                  bool part);
void report_end(struct report *report);

/* For --once: write to stderr besides, when that is no terminal, what somebody should know of, and how far it is. */
void report_show(void);

/* What became of all, on stdout, for the end of --once; before work and folders are freed. */
void report_summary(const struct report *report, bool interrupted);

/* Something may have changed: if so, or if there is work, say so soon, at most once in a while. */
void report_look(struct report *report);

/* All workers are up, all folders are watched or paused: log it, and tell systemd.  @hello is what a worker of ours has said of itself, NULL
 * without any. */
void report_ready(struct report *report, const struct wire_hello *hello);
