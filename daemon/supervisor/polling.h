/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The folders of one inbox that no watch tells of: they are read again and again.  Decides which ones those are as far as the file
 * system and the configuration say so, keeps what was seen there, and when they are due. */

#include "config.h"

#include <stdbool.h>
#include <stdint.h>

struct polling;

/* @config stays borrowed until polling_set_config().  Reads the table of mounts. */
struct polling *polling_new(const struct folder_config *config);
void polling_free(struct polling *polling);

void polling_set_config(struct polling *polling, const struct folder_config *config);

/* Something was mounted or unmounted somewhere.  Returns whether that concerns what is below the inbox: then read it again. */
bool polling_mounts_changed(struct polling *polling);

/* Why no folder of the inbox is watched, for people, or NULL: then it is only those that polling_must() names. */
const char *polling_why(const struct polling *polling);

/* Whether @directory has to be polled although it could be watched: as the inbox, or because it lies on another, remote file system.
 * *@ret_why gets that, owned, the first time, else NULL. */
bool polling_must(struct polling *polling, const char *directory, char **ret_why);

/* @directory is polled from now on; it is not any more.  Return whether that is a change. */
bool polling_add(struct polling *polling, const char *directory);
bool polling_remove(struct polling *polling, const char *directory);

bool polling_has(const struct polling *polling, const char *directory);
unsigned polling_count(const struct polling *polling);

/* Entry @base of @fd, which is @file, was met.  Returns whether it is new, or changed since it was met last. */
bool polling_news(struct polling *polling, const char *file, int fd, const char *base);

/* When to read the folders again, by the clock of work_now_usec(); 0 for never, and while they are being read. */
uint64_t polling_due_usec(const struct polling *polling);

/* The whole inbox is read now: the next reading of the polled folders is due a while after that. */
void polling_postpone(struct polling *polling);

/* A reading begins: @push is called for each folder that is polled. */
void polling_begin(struct polling *polling, void (*push)(const char *directory, void *userdata), void *userdata);

/* Not all of it can be read this time: what was not met is not gone. */
void polling_incomplete(struct polling *polling);

/* A reading has ended; or the inbox has been read as a whole.  The next one is due a while after @now_usec.  Returns whether it is time to
 * look for what became of files that have gone: at once, and several times again in the next minute, since a share's names are cached
 * for a while and one that is gone from its folder may still seem to be there when it is asked for. */
bool polling_end(struct polling *polling, uint64_t now_usec);

/* How many files there are in polled folders, as far as they have been read. */
uint64_t polling_found(const struct polling *polling);
