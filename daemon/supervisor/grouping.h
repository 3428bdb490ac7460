/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which folders are served by a process of their own, so that a share that hangs stalls nothing else: those that have a root on a
 * remote file system, see mounts.h, or one mounted below a root.  Folders that share an outbox go together. */

#include "config.h"
#include "mounts.h"

struct group {
        GPtrArray *folders; /* of struct folder_config, borrowed from the configuration */
        char *remote;       /* the file system, for people */
};

/* The groups of @config that are on remote file systems, in the order of the configuration.  Owned. */
GPtrArray *grouping_plan(const struct config *config, const struct mounts *mounts);
