/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What presets an outbox was made by, where thumbnails cannot carry a record: the file OUTBOX/.thumbnaild/presets, a line "FOLDER PRESET
 * FINGERPRINT" each.  A preset that has changed since has its thumbnails' mtime set to a date that no original has, so that they are
 * found stale now and, if we are interrupted, later. */

#include "config.h"
#include "outbox.h"

/* Compare the presets of @config with those that @outbox was made by, and mark what is stale.  Does nothing where records can be kept.
 * Returns how many thumbnails were marked, or a negative errno. */
int provenance_update(struct outbox *outbox, const struct folder_config *config);
