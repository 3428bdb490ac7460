/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The way of a file from being found to a worker: is it complete (examine.h), what is missing, who renders it.  From the worker's answer
 * on see answer.h and outcome.h.  Owns queue, pool and the disk threads. */

#include "config.h"
#include "disk.h"
#include "folder.h"
#include "pool.h"
#include "queue.h"
#include "status.h"

struct work {
        sd_event *event;             /* borrowed */
        const struct config *config; /* borrowed; another one after a reload */
        struct queue *queue;
        struct pool *pool;
        GPtrArray *published; /* of what workers are about to be told, see settle.h, */
        GPtrArray *unheard;   /* and of what busy ones were told */
        struct disk *disk;    /* makes thumbnails durable */
        struct disk *mover;   /* takes originals away */
        uint64_t probe_usec;  /* when to see whether a stalled folder works again; 0 for never */
        uint64_t rescan_usec; /* when to look at everything again, since not all could be kept in mind; 0 for never */
        struct folder *ended; /* where suspects_rest() is due, or NULL */
        struct job *in_hand;  /* being examined: news may change it, but not free it */
        unsigned taking;      /* originals that are being taken away */
        unsigned asked_again; /* how often work_retry_all() was called */
        bool exclusive;       /* the job in work runs alone */
        bool awaiting_worker; /* the next job is for one that is about to be there, which calls work_schedule() */
        struct status status;
        bool once;              /* --once: give up after a while instead of waiting for ever */
        bool draining;          /* hand nothing over any more */
        unsigned storing;       /* jobs that are being made durable */
        uint64_t next_due_usec; /* when the queue's clock wants work_schedule() again, 0 for never */
};

/* Fill @work; the pool is set by its owner afterwards.  Returns 0 or a negative errno. */
int work_init(struct work *work, sd_event *event, const struct config *config, bool once);
void work_done(struct work *work);

/* Hear of a file.  For struct folder_hooks. */
void work_file(struct work *work, struct folder *folder, const char *file, enum folder_found how);
void work_odd(struct work *work, struct folder *folder, const char *file, unsigned char type);
void work_barred(struct work *work, struct folder *folder, const char *directory, int error);

/* An operator wants another try of @file, see struct folder_hooks. */
void work_try_again(struct work *work, struct folder *folder, const char *file, const struct source *source);

/* Try now what waits for something to change, as after a reload. */
void work_retry_all(struct work *work);

/* The worker of @job is done with it. */
void work_ended(struct work *work, const struct job *job);

/* Whether a worker is free to be given something. */
bool work_can_go_on(const struct work *work);

/* Hand over what can be handed over now. */
void work_schedule(struct work *work);

/* @folder is about to be closed: drop its jobs, and what is being done for it. */
void work_forget(struct work *work, struct folder *folder);

/* @job, WAITING, waits for something that may take for ever: until @due_usec, or for an event if that is 0.  Such jobs must not fill the
 * queue, nor keep other folders from being read: beyond a number in its folder it is left to a later scan. */
void work_wait_long(struct work *work, struct job *job, uint64_t due_usec);

/* What each folder may have of what there may be of @all. */
unsigned work_share(const struct work *work, unsigned all);

/* Whether a scan of @folder may bring more. */
bool work_has_room(const struct work *work, const struct folder *folder);

/* Nothing is being rendered or stored. */
bool work_is_quiet(const struct work *work);

uint64_t work_now_usec(const struct work *work);
