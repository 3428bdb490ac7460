/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What is to be made of one original: for each output its size, its part of the picture, and whether it is scaled from the decoder's
 * rows or from a larger one. */

#include "pixels.h"

struct target {
        const struct wire_spec *spec; /* borrowed from the request */
        struct geometry geometry;
        struct layer layers[PLANES_MAX]; /* one for each plane of the picture */
        struct rect shown[PLANES_MAX];   /* what each shows, as stored, in pixels of the full picture; may reach beyond */
        bool planes, halved;             /* saved as it is stored; colour at half the resolution */
        uint32_t n_frames;
        int from;  /* index of the larger target it is derived from, -1: from the decoder's rows */
        bool same; /* derived, and nothing is to be done */
};

/* Whether all frames of an animation are wanted. */
bool target_wants_frames(const struct wire_spec *s);

/* Plan all outputs of @request for a picture whose header is known. */
void targets_plan(struct target *ret, const struct wire_render *request, const struct picture *p);

/* The size at which the whole picture would have to be decoded. */
void targets_need(const struct target *targets, unsigned n, const struct picture *p, uint32_t *ret_w, uint32_t *ret_h);

/* One frame of a layer, in bytes. */
size_t layer_bytes(const struct layer *l);

/* Predicted need of the scaled picture and of its scaling. */
uint64_t target_bytes(const struct target *t, const struct picture *p);

/* Make room for the pixels.  False without memory. */
bool target_allocate(struct target *t, const struct picture *p);

void target_done(struct target *t);
