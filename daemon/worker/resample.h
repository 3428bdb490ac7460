/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Rows in, a smaller (or larger) picture out: a separable Lanczos filter of three lobes over 8-bit samples, after averaging whole
 * blocks of pixels where the factor is large.  It takes rows one at a time, so that several sizes are made from one pass over the
 * original, and a picture is never held decoded.
 *
 * Why not vips_resize(): in one thread, and without its run-time compiler (which the sandbox forbids), it takes three quarters of
 * the time that a small picture needs. */

#include "geometry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resampler;

/* For a picture of @in_w × @in_h pixels of @bands samples (1 to 4), the last of which is alpha if @alpha: colour is weighted by it.  If @linear,
 * what has to be enlarged is interpolated, without the ringing of the sharper filter.  The result shows @part (in pixels of that picture, whose edge is repeated where @part reaches beyond) in @out_w × @out_h pixels, and is
 * written to @out, @out_w × @out_h × @bands bytes, borrowed.  Returns owned, NULL without memory. */
struct resampler *resampler_new(uint32_t in_w, uint32_t in_h, unsigned bands, bool alpha, bool linear, struct rect part,
                                uint32_t out_w, uint32_t out_h, uint8_t *out);

/* The next row from the top.  Rows below the part, and beyond the height, are ignored. */
void resampler_push(struct resampler *r, const uint8_t *row);

/* About how many bytes one needs, besides its result. */
uint64_t resampler_bytes(uint32_t in_w, unsigned bands, uint32_t out_w, uint32_t out_h);

void resampler_free(struct resampler *r);
