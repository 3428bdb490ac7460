/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request from beginning to end: look, decide, decode once, finish each size.  Owns the order of things; what each step means is
 * in the file of its name.  Keeps nothing between requests. */

#include "render.h"

#include "base.h"
#include "engine.h"
#include "loaders.h"
#include "pixels.h"
#include "raw.h"
#include "resample.h"
#include "save.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What a request costs besides pixels: encoders, libraries' caches, stacks. */
#define FIXED_BYTES (16U << 20)

/* One output on its way. */
struct target {
        const struct wire_spec *spec;
        struct geometry geometry;
        struct rect part;    /* geometry.part as stored, in pixels of the full picture */
        uint32_t w_px, h_px; /* the scaled part, as stored */
        uint32_t n_frames;
        int from;  /* index of the larger target it is derived from, -1: from the decoder's rows */
        bool same; /* derived, and nothing is to be done */
        struct resampler *resampler;
        uint8_t *data; /* w × h × n_frames × bands */
};

struct work {
        const struct wire_render *request;
        struct verdict *verdict;
        struct input input;
        struct picture picture;
        struct target targets[WIRE_OUTPUTS_MAX];
        unsigned n;
};

static uint64_t now_usec(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static bool wants_frames(const struct wire_spec *s)
{
        return s->animation == ANIMATION_ALL && save_can_animate((enum format)s->format);
}

static bool any_spec(const struct wire_render *r, bool (*test)(const struct wire_spec *))
{
        for (unsigned i = 0; i < r->n_outputs; i++)
                if (test(r->outputs + i))
                        return true;
        return false;
}

static bool wants_metadata(const struct wire_spec *s)
{
        return !s->strip;
}

static bool check_pixels(const struct work *w, uint32_t width, uint32_t height, uint32_t n_frames)
{
        if ((uint64_t)width * height * n_frames <= w->request->pixels_max)
                return true;
        return verdict_fail(w->verdict, REASON_TOO_LARGE, "%ux%u pixels%s are more than %.0f megapixels", width, height,
                            n_frames > 1 ? " in each frame" : "", (double)w->request->pixels_max / 1e6);
}

/* Before a library is asked at all. */
static bool check_first_bytes(struct work *w, enum format format)
{
        uint32_t width, height;
        uint64_t bytes;

        picture_peek(&w->input, format, &width, &height);
        bytes = (uint64_t)width * height * 12 + (loader_of(format)->take ? w->input.size : 0);
        if (!check_pixels(w, width, height, 1))
                return false;
        if (bytes <= w->request->memory_bytes)
                return true;
        w->verdict->needs_bytes = bytes + bytes / 2 + 4 * FIXED_BYTES; /* a guess that saves asking twice */
        return verdict_fail(w->verdict, REASON_OUT_OF_MEMORY,
                            "%ux%u pixels need at least %" PRIu64 " MiB, %" PRIu64 " MiB are granted", width, height, bytes >> 20,
                            w->request->memory_bytes >> 20);
}

/* From its first bytes to its header. */
static bool open_picture(struct work *w)
{
        enum format format = format_sniff(w->input.head, w->input.head_bytes), decoded = format;
        unsigned orientation = 0;

        if (format == FORMAT_NONE)
                return verdict_fail(w->verdict, REASON_UNSUPPORTED, "its first bytes are those of no known picture format");
        w->picture.format = format;
        if (!(w->request->loaders >> format & 1))
                return verdict_fail(w->verdict, REASON_UNSUPPORTED, "%s is not among the formats that may be read",
                                    format_name(format));
        if (!(engine_readable() >> format & 1))
                return verdict_fail(w->verdict, REASON_UNSUPPORTED, "%s cannot be read on this machine", format_name(format));
        if (!check_first_bytes(w, format))
                return false;
        if (format == FORMAT_RAW) {
                uint64_t start, size;

                if (!raw_find(&w->input, &start, &size, &orientation, w->verdict) || !input_narrow(&w->input, start, size, w->verdict))
                        return false;
                decoded = FORMAT_JPEG;
        }
        if (!picture_open(&w->picture, &w->input, decoded, any_spec(w->request, wants_frames), any_spec(w->request, wants_metadata),
                          w->verdict))
                return false;
        if (orientation != 0)
                w->picture.orientation = orientation;
        return true;
}

static bool check_limits(const struct work *w)
{
        const struct picture *p = &w->picture;

        if (p->full_w_px == 0 || p->full_h_px == 0)
                return verdict_fail(w->verdict, REASON_CORRUPT, "a picture of %ux%u pixels", p->full_w_px, p->full_h_px);
        if (p->n_frames > 1 && p->n_frames > w->request->frames_max)
                return verdict_fail(w->verdict, REASON_TOO_MANY_FRAMES, "%u frames, %u are allowed", p->n_frames,
                                    w->request->frames_max);
        return loader_of(p->format)->vector || check_pixels(w, p->full_w_px, p->full_h_px, p->n_frames);
}

static double scale_of(const struct target *t)
{
        return t->w_px / t->part.w;
}

static bool is_whole(const struct target *t, const struct picture *p)
{
        return t->part.w >= p->full_w_px && t->part.h >= p->full_h_px;
}

/* Whether @t can be made from @larger: the same frames of the whole picture, at twice the size, where a second filter does not show. */
static bool can_derive(const struct work *w, const struct target *t, const struct target *larger, bool *ret_same)
{
        *ret_same = t->w_px == larger->w_px && t->h_px == larger->h_px && memcmp(&t->part, &larger->part, sizeof t->part) == 0;
        if (larger->n_frames < t->n_frames || (!*ret_same && !is_whole(larger, &w->picture)))
                return false;
        return *ret_same || (larger->w_px >= 2 * t->w_px * (w->picture.full_w_px / t->part.w) * 0.999 &&
                             larger->h_px >= 2 * t->h_px * (w->picture.full_h_px / t->part.h) * 0.999);
}

/* From the smallest that will do; the order of indices breaks the tie between equals, so that nothing goes in circles. */
static void choose_origin(struct work *w, unsigned i)
{
        struct target *t = w->targets + i;

        t->from = -1;
        for (unsigned j = 0; j < w->n; j++) {
                const struct target *other = w->targets + j;
                bool same;

                if (i == j || !can_derive(w, t, other, &same) || (same && j > i))
                        continue;
                if (t->from < 0 || same || (!t->same && scale_of(other) < scale_of(w->targets + t->from))) {
                        t->from = (int)j;
                        t->same = same;
                }
        }
}

static void plan(struct work *w)
{
        const struct picture *p = &w->picture;
        bool turned = geometry_turned(p->orientation);
        uint32_t upright_w = turned ? p->full_h_px : p->full_w_px, upright_h = turned ? p->full_w_px : p->full_h_px;

        w->n = w->request->n_outputs;
        for (unsigned i = 0; i < w->n; i++) {
                struct target *t = w->targets + i;
                const struct geometry *g = &t->geometry;

                t->spec = w->request->outputs + i;
                geometry_plan(t->spec, upright_w, upright_h, &t->geometry);
                t->part = geometry_stored(g->part, p->orientation, p->full_w_px, p->full_h_px);
                t->w_px = turned ? g->scaled_h_px : g->scaled_w_px;
                t->h_px = turned ? g->scaled_w_px : g->scaled_h_px;
                t->n_frames = wants_frames(t->spec) ? p->n_frames : 1;
        }
        for (unsigned i = 0; i < w->n; i++)
                choose_origin(w, i);
}

/* The size at which the whole picture would have to be decoded. */
static void needed_size(const struct work *w, uint32_t *ret_w, uint32_t *ret_h)
{
        double most_w = 1, most_h = 1;

        for (unsigned i = 0; i < w->n; i++) {
                most_w = MAX(most_w, w->targets[i].w_px / w->targets[i].part.w * w->picture.full_w_px);
                most_h = MAX(most_h, w->targets[i].h_px / w->targets[i].part.h * w->picture.full_h_px);
        }
        *ret_w = (uint32_t)MIN(most_w + 0.5, w->picture.full_w_px);
        *ret_h = (uint32_t)MIN(most_h + 0.5, w->picture.full_h_px);
}

static bool check_memory(struct work *w)
{
        const struct picture *p = &w->picture;
        uint64_t bytes = FIXED_BYTES + p->decode_bytes, finishing = 0;

        for (unsigned i = 0; i < w->n; i++) {
                const struct target *t = w->targets + i;
                uint64_t pixels = (uint64_t)t->geometry.width_px * t->geometry.height_px * t->n_frames;

                bytes += (uint64_t)t->w_px * t->h_px * t->n_frames * p->bands +
                         resampler_bytes(p->full_w_px, p->bands, t->w_px, t->h_px);
                finishing = MAX(finishing, pixels * (t->spec->format == FORMAT_JPEG ? 8 : t->spec->format == FORMAT_JXL ? 96 : 24));
                if (pixels > MAX(w->request->pixels_max, 65536))
                        return verdict_fail(w->verdict, REASON_TOO_LARGE, "a thumbnail of %ux%u pixels", t->geometry.width_px,
                                            t->geometry.height_px);
        }
        bytes += finishing;
        if (bytes <= w->request->memory_bytes)
                return true;
        w->verdict->needs_bytes = bytes;
        return verdict_fail(w->verdict, REASON_OUT_OF_MEMORY, "it needs about %" PRIu64 " MiB, %" PRIu64 " MiB are granted",
                            (bytes >> 20) + 1, w->request->memory_bytes >> 20);
}

static bool no_memory(struct work *w)
{
        return verdict_fail(w->verdict, REASON_OUT_OF_MEMORY, "no memory for resizing");
}

/* A resampler for @t from a whole picture of @in_w × @in_h, which is the full one scaled by @x and @y. */
static bool start_resampler(struct work *w, struct target *t, uint32_t in_w, uint32_t in_h, double x, double y)
{
        const struct picture *p = &w->picture;
        struct rect part = { t->part.x * x, t->part.y * y, t->part.w * x, t->part.h * y };

        if (!t->data)
                t->data = (uint8_t *)g_try_malloc_n((gsize)t->w_px * t->h_px * t->n_frames, p->bands);
        t->resampler = resampler_new(in_w, in_h, p->bands, p->alpha, part, t->w_px, t->h_px);
        return (t->data && t->resampler) || no_memory(w);
}

static size_t frame_bytes(const struct work *w, const struct target *t)
{
        return (size_t)t->w_px * t->h_px * w->picture.bands;
}

static void finish_resampler(struct work *w, struct target *t, uint32_t frame)
{
        g_autofree uint8_t *data = resampler_steal(t->resampler);

        memcpy(t->data + frame * frame_bytes(w, t), data, frame_bytes(w, t));
        resampler_free(t->resampler);
        t->resampler = NULL;
}

static bool derive(struct work *w, struct target *t, uint32_t frame)
{
        const struct target *larger = w->targets + t->from;
        const uint8_t *from = larger->data + frame * frame_bytes(w, larger);

        if (t->same) {
                if (!t->data)
                        t->data = (uint8_t *)g_try_malloc_n(frame_bytes(w, t), t->n_frames);
                if (!t->data)
                        return no_memory(w);
                memcpy(t->data + frame * frame_bytes(w, t), from, frame_bytes(w, t));
                return true;
        }
        if (!start_resampler(w, t, larger->w_px, larger->h_px, larger->w_px / larger->part.w, larger->h_px / larger->part.h))
                return false;
        for (uint32_t y = 0; y < larger->h_px; y++)
                resampler_push(t->resampler, from + (size_t)y * larger->w_px * w->picture.bands);
        finish_resampler(w, t, frame);
        return true;
}

/* Derived ones from the largest down: what one is derived from is larger, or equal and before it. */
static bool derive_all(struct work *w, uint32_t frame)
{
        bool done[WIRE_OUTPUTS_MAX] = { 0 };
        unsigned left = 0;

        for (unsigned i = 0; i < w->n; i++) {
                done[i] = w->targets[i].from < 0 || frame >= w->targets[i].n_frames;
                left += !done[i];
        }
        while (left > 0)
                for (unsigned i = 0; i < w->n; i++) {
                        if (done[i] || !done[w->targets[i].from])
                                continue;
                        if (!derive(w, w->targets + i, frame))
                                return false;
                        done[i] = true;
                        left--;
                }
        return true;
}

static bool decode_frame(struct work *w, uint32_t frame)
{
        struct picture *p = &w->picture;

        for (unsigned i = 0; i < w->n; i++)
                if (w->targets[i].from < 0 && frame < w->targets[i].n_frames &&
                    !start_resampler(w, w->targets + i, p->w_px, p->h_px, p->scale_x, p->scale_y))
                        return false;
        for (uint32_t y = 0; y < p->h_px; y++) {
                const uint8_t *row = picture_row(p);

                if (!row)
                        return false;
                for (unsigned i = 0; i < w->n; i++)
                        if (w->targets[i].resampler)
                                resampler_push(w->targets[i].resampler, row);
        }
        for (unsigned i = 0; i < w->n; i++)
                if (w->targets[i].resampler)
                        finish_resampler(w, w->targets + i, frame);
        return derive_all(w, frame);
}

static bool decode(struct work *w)
{
        uint32_t need_w, need_h;

        needed_size(w, &need_w, &need_h);
        if (!picture_start(&w->picture, need_w, need_h))
                return false;
        for (uint32_t frame = 0; frame < w->picture.n_frames; frame++)
                if (!decode_frame(w, frame))
                        return false;
        return picture_finish(&w->picture);
}

static bool finish_pixels(struct pixels *px, const struct target *t, struct verdict *v)
{
        const struct wire_spec *s = t->spec;
        const struct geometry *g = &t->geometry;

        if (!pixels_to_srgb(px, s->profile == PROFILE_KEEP, (enum format)s->format, v))
                return false;
        if (g->by_content)
                pixels_crop_by_content(px, g->width_px, g->height_px, (enum wire_crop)s->crop);
        return pixels_sharpen(px, s->sharpen_percent / 100.0, v) &&
               pixels_pad(px, g->width_px, g->height_px, g->pad_x_px, g->pad_y_px, s->background_rgb, v) &&
               (save_can_alpha((enum format)s->format) || pixels_flatten(px, s->background_rgb, v));
}

static bool finish(struct work *w, unsigned i, int fd, struct wire_output *ret)
{
        const struct target *t = w->targets + i;
        struct pixels px;
        bool ok;

        if (!pixels_upright(t->data, t->w_px, t->h_px, &w->picture, t->n_frames, &px))
                return no_memory(w);
        ok = finish_pixels(&px, t, w->verdict) && save(&px, t->spec, &w->picture, fd, ret, w->verdict);
        pixels_done(&px);
        return ok;
}

static bool run(struct work *w, int input_fd, const int *output_fds, struct wire_reply *ret)
{
        if (!input_open(&w->input, input_fd, w->verdict) || !open_picture(w))
                return false;
        if (!check_limits(w))
                return false;
        plan(w);
        if (!check_memory(w) || !decode(w))
                return false;
        for (unsigned i = 0; i < w->n; i++)
                if (!finish(w, i, output_fds[i], ret->outputs + i))
                        return false;
        ret->n_outputs = w->n;
        return true;
}

static void describe(const struct work *w, struct wire_reply *ret)
{
        const struct picture *p = &w->picture;
        bool turned = geometry_turned(p->orientation);

        ret->format = p->format;
        ret->width_px = turned ? p->full_h_px : p->full_w_px;
        ret->height_px = turned ? p->full_w_px : p->full_h_px;
}

void render(const struct wire_render *request, int input_fd, const int *output_fds, struct wire_reply *ret)
{
        struct verdict verdict = { 0 };
        g_autofree struct work *w = g_new0(struct work, 1);
        uint64_t start = now_usec();

        *ret = (struct wire_reply){ 0 };
        verdict_clear_complaints();
        w->request = request;
        w->verdict = &verdict;
        if (!run(w, input_fd, output_fds, ret) && verdict.reason == REASON_NONE)
                (void)verdict_fail_vips(&verdict, false);
        if (verdict.reason != REASON_NONE) {
                memset(ret->outputs, 0, sizeof ret->outputs);
                ret->n_outputs = 0;
        }
        describe(w, ret);
        ret->reason = verdict.reason;
        ret->needs_bytes = verdict.needs_bytes;
        (void)snprintf(ret->text, sizeof ret->text, "%s", verdict.reason != REASON_NONE ? verdict.text : verdict.warning);
        for (unsigned i = 0; i < w->n; i++) {
                resampler_free(w->targets[i].resampler);
                g_free(w->targets[i].data);
        }
        picture_done(&w->picture);
        input_done(&w->input);
        ret->render_usec = now_usec() - start;
}
