/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The same cause again and again is one line with a count: the first few of a cause are told in full, then they are counted, and when
 * it has been quiet for a while, or at intervals that grow, the last one is told for all of them.  A cause is forgotten when nothing
 * came of it for ten minutes.  Pure: time is passed in, in microseconds; what a line is, only the caller knows. */

#include <stdbool.h>
#include <stdint.h>

#define FLOOD_TOLD_MAX 20 /* in full */

struct flood;

/* @free_line releases a line that another one has replaced. */
struct flood *flood_new(void (*free_line)(void *line));
void flood_free(struct flood *flood); /* NULL is fine */

/* Something has happened for @cause: whether it is told in full.  If not, flood_hold() has to follow. */
bool flood_admits(struct flood *flood, const char *cause, uint64_t now_usec);

/* Count it and keep @line, consumed, as the last one of @cause. */
void flood_hold(struct flood *flood, const char *cause, void *line, uint64_t now_usec);

/* When to call flood_next(): 0 for never. */
uint64_t flood_due_usec(const struct flood *flood);

/* A line to be told by @now_usec, owned by the caller, and for how many (*@ret_count) it stands; NULL if there is none (any more).  With
 * UINT64_MAX all that are held are given. */
void *flood_next(struct flood *flood, uint64_t now_usec, uint64_t *ret_count);
