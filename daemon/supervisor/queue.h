/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* All jobs there are, one per file: ready ones in lanes, waiting ones by the time they are due.  Bounded: the inbox itself is the
 * backlog, and what does not fit is found again by a scan.  Pure: knows neither where jobs come from nor who runs them; time is
 * passed in. */

#include "job.h"

#define QUEUE_BACKLOG_MAX 512                  /* scans pause above it; the folders that are scanned share it */
#define QUEUE_JOBS_MAX    16384                /* new arrivals beyond it are left to a scan, */
#define QUEUE_FOLDER_MAX  (QUEUE_JOBS_MAX / 2) /* and those beyond this one of one folder of several */

struct queue;

struct queue *queue_new(void);

/* Frees all jobs; there must be none RUNNING or STORING. */
void queue_free(struct queue *queue);

/* The job of @file, or NULL. */
struct job *queue_find(const struct queue *queue, const struct folder *folder, const char *file);

/* A new QUEUED job in @lane, owned by the queue; there must be none for that file.  NULL when the queue is full. */
struct job *queue_add(struct queue *queue, struct folder *folder, const char *file, enum job_lane lane);

/* The job with that number on the wire, or NULL. */
struct job *queue_by_id(const struct queue *queue, uint64_t id);

/* The next job to try, taken out of its lane but still owned by the queue; NULL if none.  New arrivals go before the backlog, but
 * every fourth turn is the backlog's; in each lane folders take turns, whatever they have.  A job of LANE_ALONE is given only when @busy is 0; while one is there, nothing else is given,
 * so that its turn comes.  LANE_SUSPECT comes when there is nothing else at all, and then alone as well. */
struct job *queue_take(struct queue *queue, unsigned busy);

/* Put a taken job back in front of its lane, still QUEUED. */
void queue_untake(struct queue *queue, struct job *job);

/* Take @job, QUEUED, out of its lane, as queue_take() does for the next one. */
void queue_unlane(struct queue *queue, struct job *job);

/* @job, taken or finished with, waits: until @due_usec, or for an event if that is 0. */
void queue_wait(struct queue *queue, struct job *job, uint64_t due_usec);

/* @job is QUEUED (again): append it to @lane, at its end. */
void queue_ready(struct queue *queue, struct job *job, enum job_lane lane);

/* Make all jobs that are due at @now_usec QUEUED.  Returns when the next is due, 0 for never. */
uint64_t queue_tick(struct queue *queue, uint64_t now_usec);

/* Forget and free @job, whatever it is. */
void queue_remove(struct queue *queue, struct job *job);

/* Call @f with every job; it may remove that job. */
void queue_foreach(struct queue *queue, void (*f)(struct job *, void *), void *userdata);

/* Whether queue_take() would give something. */
bool queue_can_give(const struct queue *queue, unsigned busy);

/* How many of @folder's are in LANE_BACKLOG, and how many it has in all. */
unsigned queue_backlog_of(const struct queue *queue, const struct folder *folder);
unsigned queue_count_of(const struct queue *queue, const struct folder *folder);

unsigned queue_ready_count(const struct queue *queue);
unsigned queue_count(const struct queue *queue);
