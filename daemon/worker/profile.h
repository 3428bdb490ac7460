/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* ICC profiles, by lcms itself: what is prepared for one profile is kept for the next pictures, since a camera writes the same into all
 * of them, and preparing takes longer than a small thumbnail. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether an ICC profile means sRGB, to within what 8 bits can show: most pictures carry one, and a conversion that changes nothing
 * costs more than a small thumbnail.  Pure; a profile it cannot read is none. */
bool profile_is_srgb(GBytes *icc);

enum profile_space { PROFILE_GREY, PROFILE_RGB, PROFILE_CMYK };

/* Convert @n pixels of @space, each with an alpha behind it if @alpha, from what @icc says to sRGB, always of three bands (and the same
 * alpha), into @out.  Returns NULL, or why the profile cannot be used, in a static buffer. */
const char *profile_to_srgb(GBytes *icc, enum profile_space space, bool alpha, const uint8_t *in, uint8_t *out, size_t n);
