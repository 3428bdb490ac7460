/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* From pixels to a file's bytes.
 *
 *   quality   JPEG, WebP, AVIF, JXL: as their encoders count; PNG and GIF have none
 *   lossless  WebP, AVIF, JXL; PNG is always; JPEG and GIF never
 *   effort    0 to 9; by default what the encoder's authors chose, but for JXL (5) and JPEG (4).  JPEG: from 5 on optimal Huffman
 *             tables, from 8 on progressive; PNG: deflate's level; WebP: 0 to 6; GIF: 1 to 10; AVIF, JXL: theirs
 *   strip     everything but the pixels goes.  A kept profile stays, since the colours need it.  Otherwise EXIF, XMP and IPTC are
 *             written where the format can hold them, with the orientation set to upright and EXIF's own thumbnail removed */

#include "pixels.h"

/* Encode @px as @spec says to @fd, from its start.  @p: where metadata come from.  Fills *@ret. */
bool save(const struct pixels *px, const struct wire_spec *spec, const struct picture *p, int fd, struct wire_output *ret,
          struct verdict *v);

/* Whether a thumbnail in this format can have several frames, or transparency. */
bool save_can_animate(enum format format);
bool save_can_alpha(enum format format);
