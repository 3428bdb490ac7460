/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A folder whose outbox takes nothing now, whatever the picture: full, read-only, not ours any more.  It pauses as a whole, says so
 * once, and is tried again by itself: later and later while that fails, but within a second when a file of our own that could not be
 * written there can be again. */

#include "work.h"

/* What an error (a negative errno) means on the way into the outbox: there, what is in the way is no picture's fault. */
enum reason stall_reason(int error);

/* @folder pauses: @text says more than @reason; @file is the one that met it. */
void stall_begin(struct work *work, struct folder *folder, enum reason reason, const char *text, const char *file);

/* When @folder is to be tried again, 0 for now. */
uint64_t stall_until_usec(const struct work *work, const struct folder *folder);

/* Whether a passing failure on the way into @folder's outbox concerns all files: by what it is, or because one of our own cannot be
 * written there either.  What a worker @claimed is not believed: a hostile one could stop a folder. */
bool stall_concerns_all(const struct work *work, struct folder *folder, enum reason reason, bool claimed);

/* The thumbnails of @job were published.  If it was handed over since its folder paused, nothing is in the way any more; else it may have
 * had its space already. */
void stall_published(const struct job *job);

/* If @folder is paused: see whether it can be written to again, and say so; else look again later. */
void stall_probe(struct work *work, struct folder *folder);
