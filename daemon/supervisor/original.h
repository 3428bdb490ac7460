/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Taking an original out of its inbox: deleting it, or moving it to the first free name below another root, at once if both are on one
 * file system, else by copy, sync, link and unlink, keeping mtime, mode, extended attributes and ACL.  All of it waits for disks and runs in a disk
 * thread.  Whatever fails, and wherever it is interrupted, the original is in one of the two places, whole. */

#include "disk.h"
#include "source.h"
#include "wire.h"

enum original_fate { ORIGINAL_KEEP, ORIGINAL_MOVE, ORIGINAL_DELETE };

/* A hidden name in an inbox that a delete uses for an instant; the rest of it is the original's own name.  What an interruption left
 * there is given back by original_recover(). */
#define ORIGINAL_ASIDE ".thumbnaild~"

struct original_task {
        struct disk_task task;            /* first */
        enum original_fate fate;          /* not KEEP */
        int from_fd;                      /* the inbox's root, owned */
        char *file;                       /* owned */
        struct source expected;           /* only this version is taken; another one that has replaced it stays: -ESTALE */
        int to_fd;                        /* ORIGINAL_MOVE: the other root, owned, else -1 */
        int folder_fds[WIRE_OUTPUTS_MAX]; /* of its thumbnails, owned: for task.before, since they must be on disk before */
        bool leases;                      /* those of the inbox's file system can be believed: who writes it again keeps it */
};

/* For disk_task.run. */
int original_run(struct disk_task *task);

void original_task_free(struct original_task *task);

/* Give an entry @base of @dir_fd that begins with ORIGINAL_ASIDE its own name back, unless that is taken.  Returns 0 or -errno. */
int original_recover(int dir_fd, const char *base);
