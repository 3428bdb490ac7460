/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which version of which file a reading of folders has met, so that the next one can tell what is new, changed, or gone.  16 bytes a
 * file at a load of at most three quarters, whatever the length of its name: hashes of 64 bits, no names.  Pure. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct seen;

struct seen *seen_new(void);
void seen_free(struct seen *seen);

/* @file has been met, and is as @st says.  Returns whether that is news: by size, mtime and inode for a regular file, by inode for
 * anything else. */
bool seen_note(struct seen *seen, const char *file, const struct stat *st);

/* A reading of everything begins; it has ended.  seen_end() forgets what was not met since seen_begin() and returns how many that
 * were. */
void seen_begin(struct seen *seen);
uint64_t seen_end(struct seen *seen);

uint64_t seen_count(const struct seen *seen);
