/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* From a worker's answer to thumbnails that stand in the outbox: is it true, is it durable, is the file still the same, publish.  And
 * what follows from a worker's death.  For struct pool_hooks. */

#include "work.h"

void answer_received(struct work *work, const struct wire_reply *reply, int slot);
void answer_lost(struct work *work, uint64_t job, enum pool_loss loss, const char *how);
