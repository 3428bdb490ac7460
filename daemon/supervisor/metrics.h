/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The daemon's numbers for node_exporter's textfile collector, in Prometheus' text format 0.0.4.  metrics_format() is pure. */

#include "status.h"
#include "tally.h"

struct metrics_folder {
        const char *inbox; /* any bytes */
        bool paused;
};

struct metrics {
        const char *daemon; /* tells the instances of this machine apart */
        const char *version;
        double started; /* seconds since the epoch, as the next */
        double oldest;  /* of tally.oldest_usec; 0: none waits */
        const struct status *status;
        struct status_view view;
        struct tally tally;
        int watches_max; /* -1: not known */
        const struct metrics_folder *folders;
        unsigned n_folders;
};

/* Returns an owned string. */
char *metrics_format(const struct metrics *metrics);

/* Where they go: $RUNTIME_DIRECTORY/NAME.prom, with NAME from that of the configuration file (`scans.conf` gives `scans`), `thumbnaild`
 * without one.  Returns an owned path, or NULL when systemd has given us no such folder; *@ret_name gets the owned NAME then. */
char *metrics_path(const char *config_path, char **ret_name);

/* Put @text in the place of @path in one step, for everybody to read.  Returns 0 or a negative errno. */
int metrics_write(const char *path, const char *text);
