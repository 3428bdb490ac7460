/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The worker processes: started ahead of work by fork and exec, kept, given one job at a time with a deadline, replaced when they die.
 * Treats every worker as hostile: a message that is not exactly right ends it.  Knows jobs by number only. */

#include "wire.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

struct pool;

enum pool_loss {
        LOSS_CRASHED, /* it died of what the picture did to it, or lied */
        LOSS_TIMEOUT, /* we killed it at the deadline */
        LOSS_OUTSIDE, /* killed by somebody else, or it could never be handed the job: the picture is not to blame */
};

struct pool_hooks {
        /* A worker has introduced itself. */
        void (*ready)(const struct wire_hello *hello, void *userdata);
        /* The worker in @slot has answered the job it had; the slot is free again. */
        void (*reply)(const struct wire_reply *reply, int slot, void *userdata);
        /* The worker that had @job is no more. */
        void (*lost)(uint64_t job, enum pool_loss loss, const char *how, void *userdata);
        /* No worker gets as far as introducing itself: @why.  Tried again with growing delay all the same. */
        void (*failing)(const char *why, void *userdata);
        /* After pool_stop(): all are gone. */
        void (*stopped)(void *userdata);
};

/* Prepare @n slots for @worker_path and start their processes.  @hooks stay borrowed.  Returns 0 or a negative errno. */
int pool_new(sd_event *event, unsigned n, uint64_t formats, const char *worker_path, const struct pool_hooks *hooks, void *userdata,
             struct pool **ret);

/* Kills what is left; NULL is fine. */
void pool_free(struct pool *pool);

/* Have @n slots from now on; busy ones beyond it end when they are done. */
void pool_resize(struct pool *pool, unsigned n);

/* Be ready for these formats, a bit per enum format, from now on: workers that are not go when they have nothing in work.  Call before
 * pool_resize(), which starts their successors. */
void pool_prepare(struct pool *pool, uint64_t formats);

/* Replace all processes, one after the other: what they were given at their start has changed. */
void pool_renew(struct pool *pool);

unsigned pool_size(const struct pool *pool);
unsigned pool_busy(const struct pool *pool);
unsigned pool_ready(const struct pool *pool); /* introduced, busy or not */

/* The slot of an idle worker, -1 if none is: with @fresh, of the one that has rendered least. */
int pool_idle_slot(const struct pool *pool, bool fresh);

/* Whether a new worker is about to be there. */
bool pool_expects(const struct pool *pool);

/* Hand @request and its descriptors (borrowed) to the idle worker in @slot, bounded by @deadline_usec from now and by the address space
 * that the request's grant allows.  Returns 0, or a negative errno when it could not be handed over. */
int pool_submit(struct pool *pool, int slot, const struct wire_render *request, const int *fds, unsigned n_fds,
                uint64_t deadline_usec);

/* Hear the worker that has had its job for longest, if it has said something; not the one that was given its job last.  Returns whether
 * anything was heard: of small pictures that is likely, and the loop's way to find out costs three times as much. */
bool pool_hear(struct pool *pool);

/* Tell the worker in @slot, if it still is process @pid, what became of jobs it had rendered.  Returns whether it was told. */
bool pool_settle(struct pool *pool, int slot, int pid, const struct wire_settle *settle);

/* Whether @pid is one of the workers. */
bool pool_owns(const struct pool *pool, int pid);

/* The process in @slot, 0 if none; and whether it has something in work. */
int pool_pid(const struct pool *pool, int slot);
bool pool_slot_is_busy(const struct pool *pool, int slot);

/* End all workers: they leave when their conversation is closed.  hooks.stopped is called when the last is reaped. */
void pool_stop(struct pool *pool);
