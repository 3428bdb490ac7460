/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* JPEG by libjpeg itself, for three reasons: its warnings can be told apart (what is missing from what is merely odd), the number of
 * scans can be bounded while they are read, and a small picture costs a third.  Everything else is read and written by libvips. */

#include "picture.h"

/* As picture_open() and its sisters; to be shrunk by 1, 2, 4 or 8. */
bool jpeg_open(struct picture *p, bool metadata);
bool jpeg_start(struct picture *p, unsigned shrink);
const uint8_t *jpeg_row(struct picture *p);
bool jpeg_finish(struct picture *p);
void jpeg_done(struct picture *p);

struct jpeg_extras {
        GBytes *icc, *exif, *xmp, *iptc; /* borrowed, NULL for none */
};

/* Encode @w × @h pixels of 1, 3 or 4 (CMYK) bands.  Returns owned bytes (free() them) and their number, or NULL without memory. */
uint8_t *jpeg_encode(const uint8_t *pixels, uint32_t w, uint32_t h, unsigned bands, unsigned quality, unsigned effort,
                     const struct jpeg_extras *extras, size_t *ret_size);
