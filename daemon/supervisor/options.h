/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The command line. */

#include "wire.h"

#include <stdbool.h>

enum options_action { ACTION_SERVE, ACTION_CHECK_CONFIG, ACTION_EXPLAIN, ACTION_VERSION, ACTION_HELP };

#define OPTIONS_ONLY_MAX 256

struct options {
        enum options_action action;
        const char *config_path;    /* as given, or the built-in one; unused with an inbox */
        const char *inbox, *outbox; /* both or neither */
        char preset_name[24];       /* with -s or -f: what to call the one preset, else empty */
        struct wire_spec spec;      /* of that preset */
        const char *explain;        /* with ACTION_EXPLAIN: the file */
        int workers;                /* -1: as configured */
        bool once;
        const char *only[OPTIONS_ONLY_MAX]; /* inboxes to serve, of those of the configuration */
        unsigned n_only;                    /* 0: all */
        int part_fd;                        /* -1, or where another thumbnaild that has started us tells what we serve: see load.h */
        char *const *argv;                  /* all arguments, as they were given */
};

/* Read the arguments.  Returns 0, or EX_USAGE after a line on stderr that says what is wrong. */
int options_parse(int argc, char **argv, struct options *ret);

/* The text of --help on stdout. */
void options_help(void);
