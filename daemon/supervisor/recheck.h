/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The safety rescan of one folder: every now and then its inbox is compared with its outbox, slowly and only while nothing else waits, so
 * that what a bug or a kernel has lost is found.  Silent, unless it finds something.  Times are of CLOCK_MONOTONIC. */

#include <stdbool.h>
#include <stdint.h>

struct folder;
struct recheck;

/* For @folder, open and borrowed. */
struct recheck *recheck_new(struct folder *folder);
void recheck_free(struct recheck *recheck);

/* The inbox has just been read as a whole for another reason: leave it alone for the usual time. */
void recheck_postpone(struct recheck *recheck, uint64_t now_usec);

/* When to call recheck_go_on(), 0: never. */
uint64_t recheck_due_usec(const struct recheck *recheck);

/* Read on a little, if that is due and the daemon is @idle. */
void recheck_go_on(struct recheck *recheck, uint64_t now_usec, bool idle);

/* A file that it found had really been missed. */
void recheck_count(struct recheck *recheck);

/* When the next one begins, as @minutes_hundredths after @now_usec with up to a tenth of jitter from @random (0 to UINT32_MAX); 0 for
 * never.  Pure. */
uint64_t recheck_next_usec(uint32_t minutes_hundredths, uint64_t now_usec, uint32_t random);
