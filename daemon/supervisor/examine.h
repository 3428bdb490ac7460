/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Whether a file is to be made now: is it complete, has it failed before, is it a picture at all? */

#include "work.h"

/* Open @job's file and look.  Returns true with the input open when there is something to make of it; else the job has been put where
 * it belongs, or freed. */
bool examine(struct work *work, struct job *job);
