/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What becomes of a job: each of these steps its state, puts it where it belongs in the queue, and says so in the journal.  @job may be
 * freed by any of them. */

#include "work.h"

/* Over: made, failed or left alone.  What happened to the file meanwhile makes a new job. */
void outcome_finish(struct work *work, struct job *job);

/* All that is wanted of it stands in the outbox, now or since earlier: the original may go. */
void outcome_made(struct work *work, struct job *job);

/* A permanent failure; @text says more than @reason and may be NULL. */
void outcome_fail(struct work *work, struct job *job, enum reason reason, const char *text);

/* Whether what failed for @reason may be an interrupted upload: it gets time to be resumed before it is set apart. */
bool outcome_may_be_resumed(enum reason reason);

/* If @job, which failed for @reason at @since (seconds since the epoch), may be an interrupted upload: let it wait for its resumption
 * before it is set apart.  Returns whether it waits now. */
bool outcome_await_abandonment(struct work *work, struct job *job, enum reason reason, int64_t since);

/* Nothing can be written to the outbox now, whatever the picture: the folder pauses, says so once, and tries again by itself. */
void outcome_stall(struct work *work, struct job *job, enum reason reason, const char *text);

/* None of our business. */
void outcome_skip(struct work *work, struct job *job, enum reason reason, const char *why);

/* Wait for an event, or until @due_usec if that is not 0.  With @tell the journal is told, once per reason, and --once does not wait
 * for ever. */
void outcome_hold(struct work *work, struct job *job, enum reason reason, uint64_t due_usec, bool tell);

/* A passing failure: try again later, more and more so. */
void outcome_again(struct work *work, struct job *job, enum reason reason, const char *text);

/* Once more after @delay_usec, with nothing else running. */
void outcome_again_alone(struct work *work, struct job *job, uint64_t delay_usec);

/* What was rendered shows a version that is no more: from the beginning. */
void outcome_changed(struct work *work, struct job *job);

/* Leave nothing unpublished in the outbox.  The descriptors stay. */
void outcome_drop_temporaries(struct job *job);

/* The same, and close input and outputs. */
void outcome_drop_work(struct job *job);
