/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One original, opened by its header and then read a few rows at a time: first ask what it is and what it would cost, then start it
 * at the size that is needed.  Rows are 8 bits a sample, in the original's own colours, not yet turned upright.  They come in planes:
 * mostly one that holds all samples of a pixel, but plain JPEG as it is stored, brightness and two of colour, each of its own size. */

#include "input.h"

#include <glib.h>
#include <vips/vips.h>

enum model { MODEL_GREY, MODEL_RGB, MODEL_CMYK, MODEL_YCC };

#define PLANES_MAX 3U

struct plane {
        uint32_t w_px, h_px;     /* of one frame */
        double scale_x, scale_y; /* pixels of the plane for one of the full picture; the last one may reach beyond the edge */
        unsigned bands;          /* of its rows: 1 to 4, alpha included */
};

/* Rows of one plane, one below the other. */
struct rows {
        const uint8_t *first;
        size_t stride_bytes;
        uint32_t n;
};

struct jpeg_reader;

struct picture {
        struct input *input;             /* borrowed */
        struct verdict *verdict;         /* borrowed: where failures go */
        enum format format;              /* as decoded: for camera RAW that of the embedded picture */
        uint32_t full_w_px, full_h_px;   /* one frame as stored, before any shrinking */
        struct plane planes[PLANES_MAX]; /* known after picture_start() */
        unsigned n_planes;               /* 1 or 3 */
        uint32_t n_frames;               /* those that are read, one below the other */
        unsigned orientation;            /* EXIF 1 to 8, still to be applied */
        enum model model;
        bool alpha;
        unsigned bands;                  /* of all planes: 1 to 4, alpha included */
        uint64_t decode_bytes;           /* predicted need of the decoder, everything held at its peak */
        GBytes *icc, *exif, *xmp, *iptc; /* owned, NULL if there is none */
        int *delays_ms;                  /* [n_delays], owned; NULL if it is no animation */
        int n_delays, loop;

        struct jpeg_reader *jpeg; /* plain JPEG, else */
        VipsImage *image;         /* anything else */
        VipsRegion *region;
        uint32_t next_row;
        uint8_t *strip; /* where rows are converted to 8 bits, if they have more */
};

/* The size that the first bytes tell, 0 × 0 if it is not known that early.  For formats whose libraries allocate a canvas when they are
 * merely asked what a file is. */
void picture_peek(const struct input *in, enum format format, uint32_t *ret_w, uint32_t *ret_h);

/* Look at the header.  @all: all frames shall be read, of what is an animation.  @metadata: keep EXIF, XMP and IPTC.  Failures are
 * in @v.  Nothing of the size of the picture is allocated. */
bool picture_open(struct picture *p, struct input *in, enum format format, bool all, bool metadata, struct verdict *v);

/* Start reading rows, each frame not smaller than @need_w × @need_h pixels (as stored) where the decoder can shrink. */
bool picture_start(struct picture *p, uint32_t need_w, uint32_t need_h);

/* The next rows of each plane, of one frame, at least one of the first plane.  Borrowed until the next call. */
bool picture_rows(struct picture *p, struct rows ret[PLANES_MAX]);

/* After the last rows: whether the end was good. */
bool picture_finish(struct picture *p);

void picture_done(struct picture *p);
