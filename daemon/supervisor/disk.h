/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What waits for a disk, outside the event loop, which must never do so: one thread that takes everything that was submitted since it
 * last looked, syncs what is to be synced, all at once, then runs each task.  While a disk works on one group the next one collects, so
 * that durability costs little when there is much to do and no delay when there is not.  Of a fast disk, groups would be single files,
 * each with a commit of the file system's journal: what may wait for more is gathered for some milliseconds. */

#include <stdbool.h>
#include <systemd/sd-event.h>

struct disk;

struct disk_syncs {
        const int *fds;
        unsigned n;
        bool overlap; /* all of a group at once: on a disk of this machine, for who waits for a share like that cannot be killed */
};

struct disk_task {
        struct disk_syncs before; /* may be none */
        /* Then do it, in the thread; returns 0 or a negative errno.  May be NULL. */
        int (*run)(struct disk_task *task);
        /* In the loop, also when syncing has failed; @task is the submitter's again. */
        void (*done)(struct disk_task *task, int error);
        int error; /* private */
};

/* Start the thread; tasks are finished from @event's loop, @after(@userdata) is called when all of a group are, and may be NULL.  Returns 0
 * or a negative errno. */
int disk_new(sd_event *event, void (*after)(void *userdata), void *userdata, struct disk **ret);

/* Wait for the thread to finish the group it has in hand.  Tasks that are not done() by then never are: they leak on purpose, the
 * process is about to end.  NULL is fine. */
void disk_free(struct disk *disk);

/* Hand @task to the thread; it must stay where it is until done(). */
void disk_submit(struct disk *disk, struct disk_task *task);

/* A task that only syncs; descriptors stay borrowed until @done(@ticket, error, @userdata) is called from the loop.  @more: others are
 * about to follow, so it need not hurry. */
void disk_sync(struct disk *disk, const struct disk_syncs *syncs, bool more, void (*done)(void *ticket, int error, void *userdata),
               void *ticket, void *userdata);
