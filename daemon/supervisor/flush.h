/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Makes finished files durable outside the event loop, which must never wait for a disk: one thread that takes everything that was
 * submitted since it last looked, starts the write-back of all of it, then syncs each.  While a disk works on one group the next one
 * collects, so that durability costs little when there is much to do and no delay when there is not.
 *
 * Why not syncfs(2): on the file system of an inbox it would also wait for every upload that is going on there. */

#include <systemd/sd-event.h>

struct flush;

/* @error is 0 or the first negative errno of that ticket's files. */
typedef void (*flush_done)(void *ticket, int error, void *userdata);

/* Start the thread; @done is called from @event's loop.  Returns 0 or a negative errno. */
int flush_new(sd_event *event, flush_done done, void *userdata, struct flush **ret);

/* Wait for the thread to finish what it has in hand; tickets not yet reported never are.  NULL is fine. */
void flush_free(struct flush *flush);

/* Sync the @n descriptors in @fds, which stay borrowed until @done is called with @ticket. */
void flush_submit(struct flush *flush, const int *fds, unsigned n, void *ticket);
