/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides, and owns the scaled pixels; who scales and decodes is render.c's. */

#include "targets.h"

#include "jpeg-save.h"
#include "jpeg.h"
#include "resample.h"
#include "save.h"

#include <string.h>

bool target_wants_frames(const struct wire_spec *s)
{
        return s->animation == ANIMATION_ALL && save_can_animate((enum format)s->format);
}

size_t layer_bytes(const struct layer *l)
{
        return (size_t)l->w_px * l->h_px * l->bands;
}

static double scale_of(const struct target *t)
{
        return t->layers[0].w_px / t->shown[0].w;
}

static bool is_whole(const struct target *t, const struct picture *p)
{
        return t->shown[0].w >= p->full_w_px && t->shown[0].h >= p->full_h_px;
}

static bool are_same(const struct target *a, const struct target *b)
{
        return a->layers[0].w_px == b->layers[0].w_px && a->layers[0].h_px == b->layers[0].h_px &&
               memcmp(a->shown, b->shown, sizeof a->shown) == 0 && a->planes == b->planes && a->halved == b->halved;
}

/* Whether @t can be made from @larger: the same frames of the whole picture, at twice the size, where a second filter does not show. */
static bool can_derive(const struct target *t, const struct target *larger, const struct picture *p, bool *ret_same)
{
        *ret_same = are_same(t, larger);
        if (larger->n_frames < t->n_frames || (!*ret_same && !is_whole(larger, p)))
                return false;
        return *ret_same || (larger->layers[0].w_px >= 2 * t->layers[0].w_px * (p->full_w_px / t->shown[0].w) * 0.999 &&
                             larger->layers[0].h_px >= 2 * t->layers[0].h_px * (p->full_h_px / t->shown[0].h) * 0.999);
}

/* From the smallest that will do; the order of indices breaks the tie between equals, so that nothing goes in circles. */
static void choose_origin(struct target *targets, unsigned n, unsigned i, const struct picture *p)
{
        struct target *t = targets + i;

        t->from = -1;
        for (unsigned j = 0; j < n; j++) {
                const struct target *other = targets + j;
                bool same;

                if (i == j || !can_derive(t, other, p, &same) || (same && j > i))
                        continue;
                if (t->from < 0 || same || (!t->same && scale_of(other) < scale_of(targets + t->from))) {
                        t->from = (int)j;
                        t->same = same;
                }
        }
}

/* Planes are saved as they are if nothing but scaling and turning is to be done; the steps are those of finish_pixels(). */
static bool stays_planes(const struct target *t, const struct picture *p)
{
        const struct geometry *g = &t->geometry;

        return p->model == MODEL_YCC && t->spec->format == FORMAT_JPEG && !g->by_content && t->spec->sharpen_percent == 0 &&
               g->width_px == g->scaled_w_px && g->height_px == g->scaled_h_px && pixels_are_srgb(p, t->spec->profile == PROFILE_KEEP);
}

/* The whole, or one of its planes of colour.  Where that is halved and a side is odd, its last pixel shows what is beyond the edge of
 * the upright picture. */
static void plan_layer(struct target *t, const struct picture *p, unsigned plane)
{
        const struct geometry *g = &t->geometry;
        bool turned = geometry_turned(p->orientation), halved = plane > 0 && t->halved;
        uint32_t w = pixels_colour_side(g->scaled_w_px, halved), h = pixels_colour_side(g->scaled_h_px, halved);
        struct rect part = g->part;

        part.w *= (double)w * (halved ? 2 : 1) / g->scaled_w_px;
        part.h *= (double)h * (halved ? 2 : 1) / g->scaled_h_px;
        t->shown[plane] = geometry_stored(part, p->orientation, p->full_w_px, p->full_h_px);
        t->layers[plane] = (struct layer){ .w_px = turned ? h : w, .h_px = turned ? w : h, .bands = p->bands / p->n_planes };
}

void targets_plan(struct target *ret, const struct wire_render *request, const struct picture *p)
{
        bool turned = geometry_turned(p->orientation);
        uint32_t upright_w = turned ? p->full_h_px : p->full_w_px, upright_h = turned ? p->full_w_px : p->full_h_px;

        for (unsigned i = 0; i < request->n_outputs; i++) {
                struct target *t = ret + i;

                t->spec = request->outputs + i;
                geometry_plan(t->spec, upright_w, upright_h, &t->geometry);
                t->n_frames = target_wants_frames(t->spec) ? p->n_frames : 1;
                t->planes = stays_planes(t, p);
                t->halved = t->planes && jpeg_halves_colour(t->spec->quality);
                for (unsigned k = 0; k < p->n_planes; k++)
                        plan_layer(t, p, k);
        }
        for (unsigned i = 0; i < request->n_outputs; i++)
                choose_origin(ret, request->n_outputs, i, p);
}

void targets_need(const struct target *targets, unsigned n, const struct picture *p, uint32_t *ret_w, uint32_t *ret_h)
{
        double most_w = 1, most_h = 1;

        for (unsigned i = 0; i < n; i++) {
                const struct target *t = targets + i;

                most_w = MAX(most_w, t->layers[0].w_px / t->shown[0].w * p->full_w_px);
                most_h = MAX(most_h, t->layers[0].h_px / t->shown[0].h * p->full_h_px);
        }
        *ret_w = (uint32_t)MIN(most_w + 0.5, p->full_w_px);
        *ret_h = (uint32_t)MIN(most_h + 0.5, p->full_h_px);
}

uint64_t target_bytes(const struct target *t, const struct picture *p)
{
        uint64_t bytes = 0;

        for (unsigned i = 0; i < p->n_planes; i++) {
                const struct layer *l = t->layers + i;

                bytes += (uint64_t)l->w_px * l->h_px * l->bands * t->n_frames +
                         resampler_bytes(p->full_w_px, l->bands, l->w_px, l->h_px);
        }
        return bytes;
}

bool target_allocate(struct target *t, const struct picture *p)
{
        for (unsigned i = 0; i < p->n_planes; i++) {
                t->layers[i].bands = p->planes[i].bands;
                t->layers[i].data = (uint8_t *)g_try_malloc_n(layer_bytes(t->layers + i), t->n_frames);
                if (!t->layers[i].data)
                        return false;
        }
        return true;
}

void target_done(struct target *t)
{
        for (unsigned i = 0; i < PLANES_MAX; i++)
                g_free(t->layers[i].data);
}
