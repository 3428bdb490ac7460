/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Telling a worker what became of what it says it has made, so that it logs `made`; and logging that in its place when it dies before
 * it can have heard.  A worker that renders reads nothing: what it is told meanwhile is heard when it has answered, since messages keep
 * their order. */

#include "work.h"

/* The thumbnails of @job stand under their names; settle_tell() says so. */
void settle_published(struct work *work, const struct job *job);

/* Tell each worker once which of its jobs were published since the last time: a message for each of them would wake it for each. */
void settle_tell(struct work *work);

/* They do not stand there, which is told at once. */
void settle_refused(struct work *work, const struct job *job);

/* The worker in @slot has answered: it hears all that it was told. */
void settle_heard(struct work *work, int slot);

/* The worker in @slot died while it rendered: say what it was to say. */
void settle_unheard(struct work *work, int slot);

/* Of work.published and work.unheard. */
void settle_notice_free(void *notice);
