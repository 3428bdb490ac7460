/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A lane beside libvips for plain JPEG (8 bits, grey or YCbCr or RGB, Huffman), by the libjpeg that libvips uses itself: a small
 * picture costs a third, the warnings of the decoder can be told apart (what is missing from what is merely odd), and the number of
 * scans can be bounded while they are read.  It only moves pixels: size, limits, orientation and colours are decided by those who
 * decide them for every format.
 *
 * Unusual JPEG goes to libvips, and in a build WITHOUT_JPEG_LANE all of it does. */

#include "picture.h"

/* Scans are bounded by their number and by their work: all scans together may visit so many pixels.  Encoders write 3 to 14 scans;
 * a 425 KB bomb of 3,000 takes minutes.  Visiting an empty scan takes about a nanosecond a pixel. */
#define JPEG_SCANS_MAX          500
#define JPEG_SCANNED_PIXELS_MAX 6000000000ULL

#ifndef WITHOUT_JPEG_LANE
enum { JPEG_LANE = 1 };

/* As picture_open().  Afterwards p->jpeg is NULL if the picture is not plain, and nothing has been said of it. */
bool jpeg_open(struct picture *p, bool metadata);

/* As the sisters of picture_open(), where p->jpeg is set; to be shrunk by 1, 2, 4 or 8. */
bool jpeg_start(struct picture *p, unsigned shrink);
bool jpeg_rows(struct picture *p, struct rows ret[PLANES_MAX]);
bool jpeg_finish(struct picture *p);
void jpeg_done(struct picture *p);

#else
enum { JPEG_LANE = 0 };

static inline bool jpeg_open(struct picture *p, bool metadata)
{
        return true;
}

static inline bool jpeg_start(struct picture *p, unsigned shrink)
{
        return false;
}

static inline bool jpeg_rows(struct picture *p, struct rows ret[PLANES_MAX])
{
        return false;
}

static inline bool jpeg_finish(struct picture *p)
{
        return false;
}

static inline void jpeg_done(struct picture *p)
{
}

#endif
