/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One worker process and the conversation with it.  A slot's life:
 *
 *   EMPTY ──spawn──► STARTING ──HELLO──► IDLE ◄──reply / submit──► BUSY
 *     ▲                  │                 │                         │
 *     └── timer ◄────────┴──── exit, kill, lie, deadline ────────────┘
 *
 * The exit of the process is the only thing that empties a slot, and what it had sent before is read first.  How many slots there are,
 * and which is replaced or given a job, is the pool's. */

#include "pool.h"
#include "process.h"

#include <signal.h>

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY };

struct slot;

struct slot_hooks {
        /* It has introduced itself. */
        void (*ready)(struct slot *slot, const struct wire_hello *hello);
        /* It has answered the job it had; it is IDLE. */
        void (*reply)(struct slot *slot, const struct wire_reply *reply);
        /* Its process is no more, for the reason @how, and the slot EMPTY.  @job is what it had in work, 0 for none; @started: it had got
         * as far as its introduction. */
        void (*gone)(struct slot *slot, uint64_t job, enum pool_loss loss, bool started, const char *how);
        /* It is time for slot_spawn(). */
        void (*respawn)(struct slot *slot);
};

struct slot {
        sd_event *event;                       /* borrowed */
        const struct process_program *program; /* borrowed */
        const struct slot_hooks *hooks;        /* borrowed */
        struct pool *pool;
        int number;
        enum slot_state state;
        int pid;
        int fd; /* our end; -1 once the conversation is over */
        sd_event_source *io, *child, *deadline, *respawn;
        uint64_t job;                  /* while BUSY, */
        uint64_t turn;                 /* and the how many-th that the pool has handed over */
        char file[256];                /* of that job, for messages; may be cut */
        uint64_t base_bytes;           /* of address space, as introduced */
        uint64_t limit_bytes;          /* of address space, now in force */
        uint64_t throttle_usec;        /* before the next start, 0 after one that worked */
        bool hung_up;                  /* it closed its end */
        bool timed_out, ended;         /* we killed it at the deadline; we ended it for another reason, */
        const char *ended_why;         /* which is no fault of its own if NULL */
        bool leaving;                  /* nobody is to be told of its end: the daemon stops */
        struct slot *replaces;         /* while STARTING: whose place it takes when it is ready */
        unsigned jobs;                 /* answered */
        unsigned unsettled;            /* of those, claims that we have not settled */
        uint64_t base_anonymous_bytes; /* of memory, as introduced */
        bool stale;                    /* to be replaced, in its turn */
        bool retire;                   /* beyond the wanted number, or its journal is lost: end when idle */
};

/* Start a process in the EMPTY @slot.  Returns 0, or a negative errno: then the slot may be EMPTY still, or about to be emptied. */
int slot_spawn(struct slot *slot);

/* Call hooks.respawn: at once if the last process @started, else later and later while none gets as far as its introduction. */
void slot_schedule_respawn(struct slot *slot, bool started);
void slot_cancel_respawn(struct slot *slot);

/* Hand it a job, IDLE as it is.  Returns 0, or a negative errno: then it is being ended. */
int slot_submit(struct slot *slot, const struct wire_render *request, const int *fds, unsigned n_fds, uint64_t deadline_usec);

/* Hear what it has sent, if anything, without waiting for the loop to notice.  Returns whether there was something. */
bool slot_hear(struct slot *slot);

/* Tell it what became of jobs it had rendered.  Returns whether it was told. */
bool slot_settle(struct slot *slot, const struct wire_settle *settle);

/* Whether it should be replaced: decoders leak and heaps fragment.  May cost a system call or three. */
bool slot_is_worn_out(const struct slot *slot);

/* If it is to retire, has nothing in work, and has heard what became of it: let it go. */
void slot_retire_if_done(struct slot *slot);

/* Let it go, or kill it if it is BUSY, and tell nobody. */
void slot_leave(struct slot *slot);

/* Drop everything, the process included. */
void slot_clear(struct slot *slot);
