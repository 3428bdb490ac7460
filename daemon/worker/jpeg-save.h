/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The other half of the lane of jpeg.h: thumbnails to JPEG.  What was read as planes, and needs nothing done to its colours, is written
 * from planes: neither the colours nor their resolution are converted forth and back. */

#include "pixels.h"

struct jpeg_extras {
        GBytes *icc, *exif, *xmp, *iptc; /* borrowed, NULL for none */
};

/* Whether JPEG of this quality holds colour at half the resolution, as it does with every encoder's defaults. */
static inline bool jpeg_halves_colour(unsigned quality)
{
        return quality < 90;
}

#ifndef WITHOUT_JPEG_LANE
/* Encode @px, which is grey, RGB or YCC.  Returns owned bytes (g_free() them) and their number, or NULL without memory. */
uint8_t *jpeg_encode(const struct pixels *px, unsigned quality, unsigned effort, const struct jpeg_extras *extras, size_t *ret_size);
#else
static inline uint8_t *jpeg_encode(const struct pixels *px, unsigned quality, unsigned effort, const struct jpeg_extras *extras,
                                   size_t *ret_size)
{
        return NULL;
}
#endif
