/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Whether an original is in the inbox now.  Where that cannot be known, it is. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct presence;

/* @inbox_fd stays borrowed.  Names of @long_bytes and more may have been cut in the outbox. */
struct presence *presence_new(int inbox_fd, size_t long_bytes);
void presence_free(struct presence *presence);

/* What was seen does not count any more, and no folder is kept open.  At the end of every turn of the loop. */
void presence_forget(struct presence *presence);

/* Whether a regular file of that name is there.  That one was, counts until presence_forget(). */
bool presence_of(struct presence *presence, const char *file);

/* Whether @folder ("" for the top) holds a file with a long name that has the hash @hash, see record.h.  What one look has shown counts
 * until presence_forget(). */
bool presence_of_long(struct presence *presence, const char *folder, const char *hash);
