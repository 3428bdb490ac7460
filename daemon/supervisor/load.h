/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The configuration that the command line asks for, complete: read, checked, cut down to --only, and to a part's share. */

#include "config.h"
#include "options.h"

/* Returns owned, or NULL with at least one line in @errors. */
struct config *load_config(const struct options *options, GString *errors);

/* What a part gets by its descriptor: one of @parts processes that share what the daemon may use, and the text of the configuration (NULL
 * with -i).  Written in place of what was there.  Returns 0 or a negative errno. */
int load_write_part(int fd, unsigned parts, const char *text);
