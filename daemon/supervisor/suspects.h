/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which files were in work when a supervisor died, so that a picture that takes the whole service down is caught, while innocent ones
 * survive any number of kills: what was in flight is made last and one at a time, and set aside only after it was the single job in
 * flight at three deaths in a row.
 *
 * The note is a small file that is written, not synced: it outlives any death of ours but the machine's, which says nothing about a
 * picture.  Not mapped: a disk that fails would then kill us by SIGBUS. */

#include "outbox.h"

#define SUSPECT_DEATHS_MAX 3U

struct suspects;

/* Take over what the last supervisor of this folder left: what was in flight at its death, and the suspects that still waited for their
 * turn.  @label tells folders of a shared outbox apart.  Never fails: without a file nothing is noted. */
struct suspects *suspects_open(struct outbox *outbox, const char *label);

/* Look, beside whoever has it open or may have died, whether @file is noted; *@ret_in_flight: as in flight, else as one that waits for
 * its turn as a suspect. */
bool suspects_peek(struct outbox *outbox, const char *label, const char *file, bool *ret_in_flight);

/* Nothing is in flight any more, whatever was noted; frees. */
void suspects_close(struct suspects *suspects);

/* How many of this folder were in flight at the last death, 0 once they were judged. */
unsigned suspects_in_flight(const struct suspects *suspects);

/* Say of these whether that was a single one in all folders: only then the death counts against it. */
void suspects_judge(struct suspects *suspects, bool alone);

/* @file is handed to the worker in @slot; that worker is done with it, and its note is left for the slot's next file to write over;
 * nothing follows at once: the note that was left is erased. */
void suspects_begin(struct suspects *suspects, int slot, const char *file);
void suspects_end(struct suspects *suspects, int slot);
void suspects_rest(struct suspects *suspects);

/* Whether @file was in flight when a supervisor died and was not made since, and how often alone, at the last deaths in a row. */
bool suspects_has(const struct suspects *suspects, const char *file, unsigned *ret_deaths);

/* @file has come to an end, or is another version now. */
void suspects_clear(struct suspects *suspects, const char *file);
