/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A finished-size picture in memory, and what is done to it on the way from the original's colours to a thumbnail's: all of it on the
 * small side of the resize, where it is cheap. */

#include "geometry.h"
#include "held.h"
#include "picture.h"

struct pixels {
        uint8_t *data;       /* owned, w × h × n_frames × bands bytes, frames one below the other */
        uint32_t w_px, h_px; /* one frame */
        uint32_t n_frames;
        unsigned bands; /* 1 to 4, alpha included */
        enum model model;
        bool alpha;
        GBytes *icc; /* borrowed: what the colours mean, NULL for sRGB */
};

/* The frames at @data (@w × @h as stored), turned upright by @orientation into *@ret.  False without memory. */
bool pixels_upright(const uint8_t *data, uint32_t w, uint32_t h, const struct picture *p, uint32_t n_frames, struct pixels *ret);

/* Bring the colours to sRGB (grey stays grey), or leave them and their profile alone if @keep and the output format can say so. */
bool pixels_to_srgb(struct pixels *px, bool keep, enum format output, struct verdict *v);

/* Cut to @w × @h where the content is (@crop is CROP_ENTROPY or CROP_ATTENTION). */
void pixels_crop_by_content(struct pixels *px, uint32_t w, uint32_t h, enum wire_crop crop);

bool pixels_sharpen(struct pixels *px, double sigma_px, struct verdict *v);

/* Put the picture at @x, @y on @w × @h of @background_rgb. */
bool pixels_pad(struct pixels *px, uint32_t w, uint32_t h, uint32_t x, uint32_t y, uint32_t background_rgb, struct verdict *v);

/* Put what is transparent on @background_rgb. */
bool pixels_flatten(struct pixels *px, uint32_t background_rgb, struct verdict *v);

/* As an image of libvips that borrows the data, owned by the caller, NULL after a failure. */
VipsImage *pixels_image(const struct pixels *px, struct verdict *v);

void pixels_done(struct pixels *px);
