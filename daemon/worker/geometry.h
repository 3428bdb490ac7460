/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How large each thumbnail gets, and which part of the original it shows.  Pure.
 *
 * Rounding: a computed side is rounded half up and is at least 1 pixel.  A side that the preset names is met exactly, whenever
 * nothing has to be enlarged for it (or enlarging is allowed).
 *
 *   inside   the largest size of the original's shape that fits into the box
 *   cover    the box, filled: what stands out is cut off.  Where the original is too small and must not be enlarged, the largest
 *            box of the same shape that fits into the original
 *   pad      the box, always; the picture stands centred in it, as `inside` would make it
 *   stretch  the box; without enlarging, each side at most the original's
 *
 * With one side free, that side follows the original's shape, whatever the fit.  A side is never longer than what the output format can hold. */

#include "wire.h"

#include <stdbool.h>

struct rect {
        double x, y, w, h;
};

struct geometry {
        uint32_t width_px, height_px;      /* of the thumbnail */
        uint32_t scaled_w_px, scaled_h_px; /* of the part of the original that is shown, before a crop by content or a pad */
        uint32_t pad_x_px, pad_y_px;       /* where it stands, when padded */
        struct rect part;                  /* the part of the original that is shown, in its pixels */
        bool by_content;                   /* the thumbnail's place within the scaled part is to be found by its content */
};

/* For an upright original of @w × @h. */
void geometry_plan(const struct wire_spec *spec, uint32_t w, uint32_t h, struct geometry *ret);

/* @r of the upright picture, in the coordinates of the picture as stored with EXIF @orientation, where it is @w × @h (as stored). */
struct rect geometry_stored(struct rect r, unsigned orientation, double w, double h);

/* Whether @orientation exchanges width and height. */
bool geometry_turned(unsigned orientation);

/* Write to @out the upright form of the @w × @h pixels (as stored) of @bytes bytes each at @in. */
void geometry_turn(const uint8_t *in, uint32_t w, uint32_t h, unsigned bytes, unsigned orientation, uint8_t *out);
