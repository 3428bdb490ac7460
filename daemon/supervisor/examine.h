/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Whether a file is to be made now: is it complete, has it failed before, is it a picture at all? */

#include "work.h"

/* What is to be said against making a file.  @text is a sentence's end, borrowed, or NULL. */
struct objection {
        enum reason reason; /* REASON_NONE: nothing */
        bool skip;          /* it is none of our business, and no failure */
        const char *text;
};

/* A file that source_open() failed on with @error, a negative errno.  Pure, as the next two are. */
struct objection examine_open_error(int error);

/* What needs no worker to be refused. */
struct objection examine_content(const struct config *config, const char *file, const struct source *source);

#define EXAMINE_NEVER UINT64_MAX

/* For how long @source, which nobody has open for writing as far as we know, must have been quiet to be complete; @heard: its changes
 * are told by the kernel.  EXAMINE_NEVER: quiet alone does not make it so, as with what an interrupted rsync leaves. */
uint64_t examine_settle_usec(const struct folder_config *config, const struct source *source, bool heard);

/* Open @job's file and look.  Returns true with the input open when there is something to make of it; else the job has been put where
 * it belongs, or freed. */
bool examine(struct work *work, struct job *job);
