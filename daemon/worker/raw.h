/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Camera RAW: not developed, which is slow and a matter of taste, but shown by the largest JPEG that the camera put into it. */

#include "input.h"

/* Find it, and the orientation that the RAW's directory tells.  Reads a bounded number of directories.  Failures are in @v. */
bool raw_find(struct input *in, uint64_t *ret_start, uint64_t *ret_size, unsigned *ret_orientation, struct verdict *v);
