/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Many files made durable for little more than the price of one.  fsync(2) one after the other costs each but the first a flush of the disk
 * of its own: its metadata was committed with that of the first, so that it cannot tell whether its content was on the disk by then.
 * Together, by io_submit(2), they wait for the same commit and its flush. */

#include <linux/aio_abi.h>
#include <stdbool.h>

struct syncer { /* zero to begin with; for one thread */
        aio_context_t aio;
        bool refused;
};

struct sync_item {
        int fd;
        bool overlap; /* it may: on a disk of this machine; who waits for a share like that cannot be killed */
        int *error;   /* set to a negative errno if it fails; left out if it is negative already */
};

/* Sync all @n, and wait for it. */
void sync_items(struct syncer *syncer, const struct sync_item *items, unsigned n);

/* Free what it holds. */
void sync_end(struct syncer *syncer);
