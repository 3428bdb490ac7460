/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* thumbnaild --explain: what a daemon with a configuration would do with one file, and why.  By the same rules as the daemon, but it
 * only looks: nothing is started, locked, made or written, beside a running daemon or without one.  What the user who asks may not see
 * is said to be unseen. */

#include "config.h"
#include "findings.h"
#include "folder.h"
#include "identity.h"

/* Print on stdout what becomes of @path.  Returns an exit status: 0, or EX_USAGE after a line on stderr when there is no such file and
 * nothing is known of one. */
int explain(const struct config *config, const char *path);

/* The part of it about @file, relative to the inbox of @folder.  Returns 0, or -ENOENT when there is no such file and nothing is known
 * of one. */
int explain_inbox(const struct config *config, const struct folder_config *folder, const char *file, struct findings *findings);

/* And of that, the part about the thumbnails of @source; @folder is opened to look only, its outbox NULL if that failed with
 * @outbox_error.  The daemon runs as @who. */
void explain_thumbnails(const struct config *config, struct folder *folder, int outbox_error, const char *file,
                        const struct source *source, const struct identity *who, struct findings *findings);

/* What the note @text of a failure that was set apart says, see failures.h; it lies at @where. */
void explain_note(struct findings *findings, const char *text, const char *where);
