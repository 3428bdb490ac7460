/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Integer arithmetic in 64 bits: sides have 32, so no product overflows.  Knows nothing of files or libraries. */

#include "geometry.h"

#include <glib.h>
#include <string.h>

/* @n × @mul / @div, rounded half up, at least 1. */
static uint32_t scaled(uint64_t n, uint64_t mul, uint64_t div)
{
        unsigned __int128 product = (unsigned __int128)n * mul * 2 + div;

        return (uint32_t)CLAMP(product / ((unsigned __int128)div * 2), 1, UINT32_MAX);
}

/* The longest side that the format can hold. */
static uint32_t side_max(uint32_t format)
{
        switch (format) {
        case FORMAT_WEBP:
                return 16383;
        case FORMAT_AVIF:
                return 16384;
        case FORMAT_JPEG:
                return 65500;
        default:
                return 65535;
        }
}

/* The largest size of shape @w × @h within @box_w × @box_h, where 0 is no bound. */
static void fit_inside(uint32_t w, uint32_t h, uint32_t box_w, uint32_t box_h, uint32_t *ret_w, uint32_t *ret_h)
{
        if (box_h == 0 || (box_w != 0 && (uint64_t)box_w * h <= (uint64_t)box_h * w)) {
                *ret_w = box_w;
                *ret_h = scaled(h, box_w, w);
                if (box_h != 0)
                        *ret_h = MIN(*ret_h, box_h);
        } else {
                *ret_h = box_h;
                *ret_w = scaled(w, box_h, h);
                if (box_w != 0)
                        *ret_w = MIN(*ret_w, box_w);
        }
}

static void plan_inside(const struct wire_spec *s, uint32_t w, uint32_t h, struct geometry *g)
{
        uint32_t most = side_max(s->format), box_w = MIN(s->width_px, most), box_h = MIN(s->height_px, most);

        if (!s->upscale && (box_w == 0 || box_w >= w) && (box_h == 0 || box_h >= h)) {
                g->scaled_w_px = w;
                g->scaled_h_px = h;
        } else {
                fit_inside(w, h, box_w, box_h, &g->scaled_w_px, &g->scaled_h_px);
        }
        if (g->scaled_w_px > most || g->scaled_h_px > most)
                fit_inside(w, h, most, most, &g->scaled_w_px, &g->scaled_h_px);
        g->width_px = g->scaled_w_px;
        g->height_px = g->scaled_h_px;
}

/* Where along a side of @whole a part of @size is shown.  North is at y = 0. */
static double place(double whole, double size, uint32_t crop, uint32_t at_start, uint32_t at_end)
{
        if (crop == at_start)
                return 0;
        return crop == at_end ? whole - size : (whole - size) / 2;
}

/* How much longer than the box the scaled picture may get while the place of a crop by content is looked for: 8 is wider than any
 * panorama, and keeps the work bounded for pictures of 1 × 100,000 pixels. */
#define CONTENT_LENGTH_MAX 8

static void plan_by_content(double shown_w, double shown_h, uint32_t w, uint32_t h, struct geometry *g)
{
        double part_w = MIN((double)w, shown_w * CONTENT_LENGTH_MAX), part_h = MIN((double)h, shown_h * CONTENT_LENGTH_MAX);

        g->by_content = true;
        g->part = (struct rect){ (w - part_w) / 2, (h - part_h) / 2, part_w, part_h };
        g->scaled_w_px = MAX(g->width_px, (uint32_t)(part_w * g->width_px / shown_w + 0.5));
        g->scaled_h_px = MAX(g->height_px, (uint32_t)(part_h * g->height_px / shown_h + 0.5));
}

static void plan_cover(const struct wire_spec *s, uint32_t w, uint32_t h, struct geometry *g)
{
        uint32_t most = side_max(s->format), box_w = MIN(s->width_px, most), box_h = MIN(s->height_px, most);
        bool by_width = (uint64_t)box_w * h >= (uint64_t)box_h * w; /* the width decides the scale */
        double shown_w, shown_h;

        if (!s->upscale && (box_w > w || box_h > h))
                fit_inside(box_w, box_h, w, h, &box_w, &box_h);
        g->width_px = g->scaled_w_px = box_w;
        g->height_px = g->scaled_h_px = box_h;
        shown_w = by_width ? w : MIN((double)w, (double)h * s->width_px / s->height_px);
        shown_h = by_width ? MIN((double)h, (double)w * s->height_px / s->width_px) : h;
        if (s->crop == CROP_ENTROPY || s->crop == CROP_ATTENTION) {
                plan_by_content(shown_w, shown_h, w, h, g);
                return;
        }
        g->part = (struct rect){ place(w, shown_w, s->crop, CROP_WEST, CROP_EAST), place(h, shown_h, s->crop, CROP_NORTH, CROP_SOUTH),
                                 shown_w, shown_h };
}

void geometry_plan(const struct wire_spec *s, uint32_t w, uint32_t h, struct geometry *ret)
{
        uint32_t most = side_max(s->format);

        *ret = (struct geometry){ .part = { 0, 0, w, h } };
        if (s->fit == FIT_INSIDE || s->width_px == 0 || s->height_px == 0) {
                plan_inside(s, w, h, ret);
        } else if (s->fit == FIT_COVER) {
                plan_cover(s, w, h, ret);
        } else if (s->fit == FIT_PAD) {
                plan_inside(s, w, h, ret);
                ret->width_px = MIN(s->width_px, most);
                ret->height_px = MIN(s->height_px, most);
                ret->pad_x_px = (ret->width_px - ret->scaled_w_px) / 2;
                ret->pad_y_px = (ret->height_px - ret->scaled_h_px) / 2;
        } else {
                ret->width_px = ret->scaled_w_px = MIN(s->upscale ? s->width_px : MIN(s->width_px, w), most);
                ret->height_px = ret->scaled_h_px = MIN(s->upscale ? s->height_px : MIN(s->height_px, h), most);
        }
}

bool geometry_turned(unsigned orientation)
{
        return orientation >= 5 && orientation <= 8;
}

/* EXIF: 2 mirrored, 3 half a turn, 4 upside down, 5 transposed, 6 to be turned clockwise, 7 transversed, 8 to be turned
 * anticlockwise. */
struct rect geometry_stored(struct rect r, unsigned orientation, double w, double h)
{
        switch (orientation) {
        case 2:
                return (struct rect){ w - r.x - r.w, r.y, r.w, r.h };
        case 3:
                return (struct rect){ w - r.x - r.w, h - r.y - r.h, r.w, r.h };
        case 4:
                return (struct rect){ r.x, h - r.y - r.h, r.w, r.h };
        case 5:
                return (struct rect){ r.y, r.x, r.h, r.w };
        case 6:
                return (struct rect){ r.y, h - r.x - r.w, r.h, r.w };
        case 7:
                return (struct rect){ w - r.y - r.h, h - r.x - r.w, r.h, r.w };
        case 8:
                return (struct rect){ w - r.y - r.h, r.x, r.h, r.w };
        default:
                return r;
        }
}

void geometry_turn(const uint8_t *in, uint32_t w, uint32_t h, unsigned bytes, unsigned orientation, uint8_t *out)
{
        bool turned = geometry_turned(orientation);
        uint32_t out_w = turned ? h : w, out_h = turned ? w : h;

        for (uint32_t y = 0; y < out_h; y++)
                for (uint32_t x = 0; x < out_w; x++) {
                        uint32_t a = turned ? y : x, b = turned ? x : y; /* column and row as stored, before mirroring */

                        if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
                                a = w - 1 - a;
                        if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
                                b = h - 1 - b;
                        memcpy(out + ((size_t)y * out_w + x) * bytes, in + ((size_t)b * w + a) * bytes, bytes);
                }
}
