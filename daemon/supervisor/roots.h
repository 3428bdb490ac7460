/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Whether inboxes, outboxes and the folders for originals are apart from each other.  A directory is where its file system says it is: two names of one place by
 * bind mount are one place. */

#include "config.h"

/* Check all roots of @config, without touching one that may hang.  Returns 0, or -EINVAL with a line "FILE:LINE: …" in @errors for each two that overlap. */
int roots_check(const struct config *config, GString *errors);
