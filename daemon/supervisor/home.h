/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which directory an inbox was when its outbox was last filled from it: a disk that is not mounted leaves an empty or another one in
 * its place, and that files are not there says nothing then.  Noted in OUTBOX/.thumbnaild/inboxes, a line "IDENTITY PATH" for the inbox
 * and for each file system that is mounted below it. */

#include "outbox.h"

#include <glib.h>

enum home {
        HOME_UNKNOWN, /* nothing is noted yet */
        HOME_SAME,
        HOME_OTHER, /* another file system, or another directory of it, than is noted */
};

/* Compare the directory open as @fd, whose path is @path, with what is noted in @outbox. */
enum home home_compare(struct outbox *outbox, const char *path, int fd);

/* Note it, in place of what was noted for @path.  Returns 0 or a negative errno. */
int home_note(struct outbox *outbox, const char *path, int fd);

/* The directories below @inbox, open as @inbox_fd, that are noted as file systems of their own and are not the same now: owned paths
 * relative to it. */
GPtrArray *home_missing(struct outbox *outbox, const char *inbox, int inbox_fd);
