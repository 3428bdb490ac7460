/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Whether an ICC profile means sRGB, to within what 8 bits can show: most pictures carry one, and a conversion that changes nothing
 * costs more than a small thumbnail.  Pure; a profile it cannot read is none. */
bool profile_is_srgb(GBytes *icc);
