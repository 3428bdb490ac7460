/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The life of one version of one original.
 *
 *   (new) ─► QUEUED ──START──► RUNNING ──RENDERED──► STORING ──STORED──► MADE
 *              ▲ │               │  │                  │
 *            DUE │HOLD           │  └─LOST─┐           ├──CHANGED──► QUEUED
 *              │ ▼               │         ▼           │
 *            WAITING ◄───────────┴─AGAIN───┴───────────┤
 *                                │                     │
 *                                └──────REFUSE─────────┴──► FAILED
 *
 * WAITING: something has to happen first (a writer closes, quiet, a passing failure's delay).  MADE and FAILED are ends: the job
 * is freed.  Pure: the state table and the identity live here, descriptors are owned but never used here. */

#include "source.h"
#include "wire.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct folder;

enum job_state { JOB_QUEUED, JOB_WAITING, JOB_RUNNING, JOB_STORING, JOB_MADE, JOB_FAILED, _JOB_STATE_MAX };

enum job_input {
        JOB_START,    /* handed to a worker */
        JOB_HOLD,     /* not complete yet: wait for an event or a time */
        JOB_DUE,      /* the wait is over */
        JOB_RENDERED, /* the worker says it is done */
        JOB_AGAIN,    /* a passing failure, or the worker died: later again */
        JOB_CHANGED,  /* what was rendered is no longer what lies there: at once again */
        JOB_STORED,   /* published */
        JOB_REFUSE,   /* a permanent failure */
        _JOB_INPUT_MAX,
};

enum job_lane { LANE_FRESH, LANE_BACKLOG, LANE_ALONE, LANE_SUSPECT, _LANE_MAX };

/* Whether its content may be another than the one last made. */
enum job_rewritten {
        REWRITTEN_NO,      /* mode, owner or times changed */
        REWRITTEN_PERHAPS, /* it arrived, or a scan found it: size, inode and mtime tell */
        REWRITTEN_SURELY,  /* a writer was seen to close it, who may have left all these as they were */
};

struct job_output {
        char *name; /* relative to the outbox */
        struct wire_spec spec;
        struct record record; /* what the thumbnail will carry */
        int fd;               /* while RUNNING or STORING, else -1 */
};

/* What the worker's reply said, for the log. */
struct job_made {
        bool claimed; /* it says that all is written, and waits to hear whether that is published */
        uint64_t render_usec;
        uint32_t width_px, height_px;
        enum format format;
};

struct job {
        struct folder *folder; /* borrowed */
        char *file;            /* relative to the inbox */
        enum job_state state;
        enum job_lane lane;
        uint64_t id;        /* on the wire */
        GList link;         /* in its lane */
        GSequenceIter *due; /* in the queue's clock, or NULL */
        uint64_t due_usec;

        /* What is known of the file. */
        struct source source;
        int input_fd; /* while RUNNING or STORING, else -1 */
        bool seen;    /* source is filled */
        enum job_rewritten rewritten;
        bool touched;                         /* an event came while it was RUNNING or STORING, */
        enum job_rewritten touched_rewritten; /* and what that means */
        bool outdated;                        /* the configuration was read again meanwhile */
        bool listed;                          /* a scan has found it to be a regular file, and no event has come since */
        bool checked;                         /* only the safety rescan has told of it */
        bool abandoned;                       /* its folder was closed meanwhile: throw the result away */
        uint64_t changed_usec;                /* the last change that was seen */
        uint64_t held_usec;                   /* with --once: since when it waits to be complete or readable */
        uint64_t complete_usec;               /* when it was found complete */
        bool asked;            /* somebody wants it tried, whatever is known of it: it arrived, or its reason file went */
        bool abandoning;       /* it failed, and is set apart when it has not changed by due_usec */
        uint64_t abandon_usec; /* that time */
        enum reason told;      /* the waiting reason that the journal knows already */

        /* The work. */
        unsigned attempt;     /* worker deaths so far */
        unsigned losses;      /* workers lost by no fault of the picture */
        unsigned retries;     /* passing failures so far */
        uint64_t grant_bytes; /* of memory, 0: the usual */
        bool partial;         /* one of its names is taken: not all thumbnails will stand */
        unsigned n_outputs;
        struct job_output *outputs;
        unsigned pauses;      /* of its folder, when it was handed over */
        int slot;             /* of the worker that has it or rendered it */
        int worker_pid;       /* of that worker */
        struct job_made made; /* while STORING */
};

/* What @state becomes by @input, or -EPROTO if that cannot happen. */
int job_next_state(enum job_state state, enum job_input input);

/* Step @job, which must be possible. */
void job_step(struct job *job, enum job_input input);

struct job *job_new(struct folder *folder, const char *file, uint64_t id);

/* Close and forget the input and the outputs. */
void job_drop_work(struct job *job);

/* Frees; NULL is fine.  The job must be in no lane. */
void job_free(struct job *job);

/* When to try again after @retries passing failures: growing from 1 s to 5 min, with up to a quarter of jitter from @random (0 to
 * UINT32_MAX). */
uint64_t job_retry_delay_usec(unsigned retries, uint32_t random);
