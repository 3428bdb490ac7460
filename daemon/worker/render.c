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
#include "targets.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What a request costs besides pixels: encoders, libraries' caches, stacks. */
#define FIXED_BYTES (16U << 20)

struct work {
        const struct wire_render *request;
        struct verdict *verdict;
        struct input input;
        struct picture picture;
        struct target targets[WIRE_OUTPUTS_MAX];
        unsigned n;
        uint64_t mark_nsec;                             /* the end of the last stage */
        uint64_t decode_nsec, resize_nsec, encode_nsec; /* spent in each so far */
};

static uint64_t now_nsec(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* What went by since the last mark was spent on @stage_nsec, NULL for none. */
static void mark(struct work *w, uint64_t *stage_nsec)
{
        uint64_t now = now_nsec();

        if (stage_nsec)
                *stage_nsec += now - w->mark_nsec;
        w->mark_nsec = now;
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
        if (!picture_open(&w->picture, &w->input, decoded, any_spec(w->request, target_wants_frames),
                          any_spec(w->request, wants_metadata), w->verdict))
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

static bool check_memory(struct work *w)
{
        const struct picture *p = &w->picture;
        uint64_t bytes = FIXED_BYTES + p->decode_bytes, finishing = 0;

        for (unsigned i = 0; i < w->n; i++) {
                const struct target *t = w->targets + i;
                uint64_t pixels = (uint64_t)t->geometry.width_px * t->geometry.height_px * t->n_frames;

                bytes += target_bytes(t, p);
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

/* Resample one frame of a layer from a plane of @in_w × @in_h pixels that shows @from of the full picture. */
static struct resampler *start_resampler(struct work *w, const struct target *t, unsigned plane, uint32_t frame, uint32_t in_w,
                                         uint32_t in_h, struct rect from)
{
        const struct layer *l = t->layers + plane;
        double x = in_w / from.w, y = in_h / from.h;
        struct rect shown = t->shown[plane], part = { (shown.x - from.x) * x, (shown.y - from.y) * y, shown.w * x, shown.h * y };
        bool linear = plane > 0; /* as decoders enlarge colour that has half the resolution */
        struct resampler *r = resampler_new(in_w, in_h, l->bands, w->picture.alpha, linear, part, l->w_px, l->h_px,
                                            l->data + frame * layer_bytes(l));

        if (!r)
                (void)no_memory(w);
        return r;
}

static bool derive(struct work *w, const struct target *t, uint32_t frame)
{
        const struct target *larger = w->targets + t->from;

        for (unsigned i = 0; i < w->picture.n_planes; i++) {
                const struct layer *from = larger->layers + i, *to = t->layers + i;
                const uint8_t *row = from->data + frame * layer_bytes(from);
                struct resampler *r;

                if (t->same) {
                        memcpy(to->data + frame * layer_bytes(to), row, layer_bytes(to));
                        continue;
                }
                r = start_resampler(w, t, i, frame, from->w_px, from->h_px, larger->shown[i]);
                if (!r)
                        return false;
                for (uint32_t y = 0; y < from->h_px; y++, row += (size_t)from->w_px * from->bands)
                        resampler_push(r, row);
                resampler_free(r);
        }
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

/* What one frame is resampled by, for the targets that are made from the decoder's rows. */
struct resamplers {
        struct resampler *of[WIRE_OUTPUTS_MAX][PLANES_MAX];
};

static bool start_resamplers(struct work *w, uint32_t frame, struct resamplers *ret)
{
        const struct picture *p = &w->picture;

        for (unsigned i = 0; i < w->n; i++) {
                const struct target *t = w->targets + i;

                for (unsigned k = 0; k < p->n_planes && t->from < 0 && frame < t->n_frames; k++) {
                        const struct plane *plane = p->planes + k;
                        struct rect all = { 0, 0, plane->w_px / plane->scale_x, plane->h_px / plane->scale_y };

                        ret->of[i][k] = start_resampler(w, t, k, frame, plane->w_px, plane->h_px, all);
                        if (!ret->of[i][k])
                                return false;
                }
        }
        return true;
}

static void free_resamplers(struct work *w, struct resamplers *rs)
{
        for (unsigned i = 0; i < w->n; i++)
                for (unsigned k = 0; k < w->picture.n_planes; k++)
                        resampler_free(rs->of[i][k]);
}

static bool push_frame(struct work *w, const struct resamplers *rs)
{
        struct picture *p = &w->picture;

        for (uint32_t done = 0; done < p->planes[0].h_px;) {
                struct rows rows[PLANES_MAX];

                mark(w, &w->resize_nsec);
                if (!picture_rows(p, rows))
                        return false;
                mark(w, &w->decode_nsec);
                done += rows[0].n;
                for (unsigned i = 0; i < w->n; i++)
                        for (unsigned k = 0; k < p->n_planes && rs->of[i][k]; k++)
                                for (uint32_t y = 0; y < rows[k].n; y++)
                                        resampler_push(rs->of[i][k], rows[k].first + y * rows[k].stride_bytes);
        }
        return true;
}

static bool decode_frame(struct work *w, uint32_t frame)
{
        struct resamplers rs = { 0 };
        bool ok = start_resamplers(w, frame, &rs) && push_frame(w, &rs);

        free_resamplers(w, &rs);
        return ok && derive_all(w, frame);
}

static bool decode(struct work *w)
{
        uint32_t need_w, need_h;
        bool ok;

        targets_need(w->targets, w->n, &w->picture, &need_w, &need_h);
        mark(w, NULL);
        if (!picture_start(&w->picture, need_w, need_h))
                return false;
        mark(w, &w->decode_nsec);
        for (unsigned i = 0; i < w->n; i++)
                if (!target_allocate(w->targets + i, &w->picture))
                        return no_memory(w);
        for (uint32_t frame = 0; frame < w->picture.n_frames; frame++)
                if (!decode_frame(w, frame))
                        return false;
        mark(w, &w->resize_nsec);
        ok = picture_finish(&w->picture);
        mark(w, &w->decode_nsec);
        return ok;
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

        if (!pixels_upright(t->layers, &w->picture, t->n_frames, t->planes, t->halved, &px))
                return no_memory(w);
        ok = finish_pixels(&px, t, w->verdict);
        mark(w, NULL);
        ok = ok && save(&px, t->spec, &w->picture, fd, ret, w->verdict);
        mark(w, &w->encode_nsec);
        pixels_done(&px);
        return ok;
}

static bool run(struct work *w, int input_fd, const int *output_fds, struct wire_reply *ret)
{
        if (!input_open(&w->input, input_fd, w->verdict) || !open_picture(w))
                return false;
        if (!check_limits(w))
                return false;
        w->n = w->request->n_outputs;
        targets_plan(w->targets, w->request, &w->picture);
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

void render(const struct wire_render *request, int input_fd, const int *output_fds, struct wire_reply *ret,
            struct render_stages *ret_stages)
{
        struct verdict verdict = { 0 };
        g_autofree struct work *w = g_new0(struct work, 1);
        uint64_t start_nsec = now_nsec();

        *ret = (struct wire_reply){ 0 };
        verdict_clear_complaints();
        engine_keep(request->memory_bytes);
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
        for (unsigned i = 0; i < w->n; i++)
                target_done(w->targets + i);
        picture_done(&w->picture);
        input_done(&w->input);
        *ret_stages = (struct render_stages){ .decode_usec = w->decode_nsec / 1000,
                                              .resize_usec = w->resize_nsec / 1000,
                                              .encode_usec = w->encode_nsec / 1000 };
        ret->render_usec = (now_nsec() - start_nsec) / 1000;
}
