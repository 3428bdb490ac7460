/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The daemon as a whole: wires folders → work → workers, and answers to signals, systemd and the terminal. */

#include "config.h"
#include "options.h"

/* Serve by @config, consumed, until told to stop or, with options.once, until nothing is left to do.  Returns an exit status of the
 * contract: 0, 1, or one of <sysexits.h>. */
int supervisor_run(const struct options *options, struct config *config);
