/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Sending originals away: what is made is moved or deleted once all its thumbnails are durable, what failed is set apart, what an
 * operator wants tried again comes back.  The work itself is done by original_run() in a disk thread. */

#include "work.h"

/* All thumbnails of @source, which is @file, stand in @folder's outbox: do with it what the configuration says. */
void taking_made(struct work *work, struct folder *folder, const char *file, const struct source *source);

/* @file failed for good: set it apart, if there is a place for that. */
void taking_failed(struct work *work, struct folder *folder, const char *file, const struct source *source);

/* Give the version @source of @file, which lies among the failures, back to the inbox. */
void taking_back(struct work *work, struct folder *folder, const char *file, const struct source *source);
