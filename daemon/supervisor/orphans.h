/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Removing thumbnails whose original is gone, for orphans = "delete".  Only what a record says we made is ever removed, only when no
 * original of that name lies in the inbox at that moment, and only for one of two reasons: the original was seen to go, some time
 * ago so that one that is only replaced keeps its thumbnails meanwhile; or it is not there after a complete scan of an inbox that is
 * the directory it was (see home.h) and holds something.  Folders of the outbox that we made go as soon as nothing is left in them.
 *
 * Where thumbnails cannot carry a record, nothing can be proven and nothing is removed. */

#include <stdbool.h>
#include <stdint.h>

struct folder;
struct orphans;

/* For @folder, open and borrowed.  What of its configuration counts is looked at each time. */
struct orphans *orphans_new(struct folder *folder);
void orphans_free(struct orphans *orphans);

/* The name @file has left the inbox, or the directory @directory with all that was below it. */
void orphans_file_gone(struct orphans *orphans, const char *file);
void orphans_directory_gone(struct orphans *orphans, const char *directory);

/* A thumbnail was published: from now on it is known what the inbox is. */
void orphans_made(struct orphans *orphans);

/* The inbox's @directory, open as @fd, is a file system of its own: what was there is not gone when it is not mounted. */
void orphans_mounted(struct orphans *orphans, const char *directory, int fd);

/* A scan of the whole inbox is complete and has met @found files: look through the outbox, by orphans_step(). */
void orphans_scan_complete(struct orphans *orphans, uint64_t found);

/* Look at @entries entries of the outbox at most.  Returns whether something is left to look at. */
bool orphans_step(struct orphans *orphans, unsigned entries);

bool orphans_busy(const struct orphans *orphans);
