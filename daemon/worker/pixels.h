/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A finished-size picture in memory, and what is done to it on the way from the original's colours to a thumbnail's: all of it on the
 * small side of the resize, where it is cheap.  YCC can only be saved. */

#include "geometry.h"
#include "held.h"
#include "picture.h"

struct pixels {
        uint8_t *data; /* owned, w × h × n_frames × bands bytes, frames one below the other; of YCC three planes, one after another */
        uint32_t w_px, h_px; /* one frame */
        uint32_t n_frames;
        unsigned bands; /* 1 to 4, alpha included */
        enum model model;
        bool alpha;
        bool halved; /* YCC: the planes of colour have half as many pixels each way, rounded up */
        GBytes *icc; /* borrowed: what the colours mean, NULL for sRGB */
};

/* A plane of a scaled picture. */
struct layer {
        uint8_t *data; /* owned, w × h × n_frames × bands bytes, as stored */
        uint32_t w_px, h_px;
        unsigned bands;
};

/* A side of a plane of colour, where the picture has @side pixels. */
static inline uint32_t pixels_colour_side(uint32_t side, bool halved)
{
        return halved ? (side + 1) / 2 : side;
}

/* The frames of @layers, one for each plane of @p, turned upright into *@ret.  They are merged into one, in RGB instead of YCC, unless
 * @planes; then the colour may be @halved.  False without memory. */
bool pixels_upright(const struct layer *layers, const struct picture *p, uint32_t n_frames, bool planes, bool halved,
                    struct pixels *ret);

/* Whether pixels_to_srgb() would do nothing but forget the profile. */
bool pixels_are_srgb(const struct picture *p, bool keep);

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
