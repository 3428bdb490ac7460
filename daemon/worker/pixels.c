/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything that is only arithmetic by hand, the rest by libvips, evaluated on the calling thread. */

#include "pixels.h"

#include "attention.h"
#include "profile.h"

#include <string.h>

static bool no_memory(struct verdict *v)
{
        return verdict_fail(v, REASON_OUT_OF_MEMORY, "no memory for a thumbnail");
}

static size_t size_of(const struct pixels *px)
{
        return (size_t)px->w_px * px->h_px * px->n_frames * px->bands;
}

/* Each plane by itself, one after another at @to. */
static void turn_layers(const struct layer *layers, const struct picture *p, uint32_t n_frames, uint8_t *to)
{
        for (const struct layer *l = layers; l < layers + p->n_planes; l++) {
                size_t frame = (size_t)l->w_px * l->h_px * l->bands;

                if (p->orientation == 1)
                        memcpy(to, l->data, frame * n_frames);
                else
                        for (uint32_t i = 0; i < n_frames; i++)
                                geometry_turn(l->data + i * frame, l->w_px, l->h_px, l->bands, p->orientation, to + i * frame);
                to += frame * n_frames;
        }
}

static uint8_t to_byte(int value)
{
        return (uint8_t)CLAMP(value, 0, 255);
}

/* JFIF, section "conversion to and from RGB", in 16 bits behind the point. */
static void ycc_to_rgb(const uint8_t *planes, size_t n, uint8_t *restrict out)
{
        for (size_t i = 0; i < n; i++, out += 3) {
                int y = planes[i] * 65536 + 32768, cb = planes[n + i] - 128, cr = planes[2 * n + i] - 128;

                out[0] = to_byte((y + 91881 * cr) >> 16);
                out[1] = to_byte((y - 22554 * cb - 46802 * cr) >> 16);
                out[2] = to_byte((y + 116130 * cb) >> 16);
        }
}

static void interleave(const uint8_t *planes, size_t n, uint8_t *restrict out)
{
        for (size_t i = 0; i < n; i++, out += 3) {
                out[0] = planes[i];
                out[1] = planes[n + i];
                out[2] = planes[2 * n + i];
        }
}

/* Three planes of the same size become one. */
static bool merge(struct pixels *px)
{
        size_t n = (size_t)px->w_px * px->h_px;
        uint8_t *data = (uint8_t *)g_try_malloc_n(n, 3);

        if (!data)
                return false;
        if (px->model == MODEL_YCC)
                ycc_to_rgb(px->data, n, data);
        else
                interleave(px->data, n, data);
        g_free(px->data);
        px->data = data;
        px->model = MODEL_RGB;
        return true;
}

bool pixels_upright(const struct layer *layers, const struct picture *p, uint32_t n_frames, bool planes, bool halved,
                    struct pixels *ret)
{
        bool turned = geometry_turned(p->orientation);
        size_t bytes = 0;

        *ret = (struct pixels){ .w_px = turned ? layers->h_px : layers->w_px,
                                .h_px = turned ? layers->w_px : layers->h_px,
                                .n_frames = n_frames,
                                .bands = p->bands,
                                .model = p->model,
                                .alpha = p->alpha,
                                .halved = halved,
                                .icc = p->icc };
        for (const struct layer *l = layers; l < layers + p->n_planes; l++)
                bytes += (size_t)l->w_px * l->h_px * l->bands;
        ret->data = (uint8_t *)g_try_malloc_n(bytes, n_frames);
        if (!ret->data)
                return false;
        turn_layers(layers, p, n_frames, ret->data);
        return planes || p->n_planes == 1 || merge(ret);
}

VipsImage *pixels_image(const struct pixels *px, struct verdict *v)
{
        VipsImage *image = vips_image_new_from_memory(px->data, size_of(px), (int)px->w_px, (int)(px->h_px * px->n_frames),
                                                      (int)px->bands, VIPS_FORMAT_UCHAR);

        if (!image) {
                (void)verdict_fail_vips(v, false);
                return NULL;
        }
        image->Type = px->model == MODEL_CMYK   ? VIPS_INTERPRETATION_CMYK
                      : px->model == MODEL_GREY ? VIPS_INTERPRETATION_B_W
                                                : VIPS_INTERPRETATION_sRGB;
        if (px->icc) {
                gsize n;
                const void *bytes = g_bytes_get_data(px->icc, &n);

                vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, bytes, n);
        }
        return image;
}

/* Replace @px's data by @image's, evaluated here. */
static bool evaluate(struct pixels *px, VipsImage *image, struct verdict *v)
{
        _region_ *region = vips_region_new(image);
        VipsRect all = { 0, 0, image->Xsize, image->Ysize };
        size_t line = (size_t)image->Xsize * (size_t)image->Bands;
        uint8_t *data;

        if (!region || image->BandFmt != VIPS_FORMAT_UCHAR || vips_region_prepare(region, &all))
                return verdict_fail_vips(v, false);
        data = (uint8_t *)g_try_malloc_n(line, (gsize)image->Ysize);
        if (!data)
                return no_memory(v);
        for (int y = 0; y < image->Ysize; y++)
                memcpy(data + (size_t)y * line, VIPS_REGION_ADDR(region, 0, y), line);
        g_free(px->data);
        px->data = data;
        px->w_px = (uint32_t)image->Xsize;
        px->h_px = (uint32_t)image->Ysize / px->n_frames;
        px->bands = (unsigned)image->Bands;
        return true;
}

/* Keep only the first band (and alpha) of a grey that came back as three equal ones. */
static void to_one_band(struct pixels *px)
{
        unsigned from = px->bands, to = px->alpha ? 2 : 1;
        size_t n = size_of(px) / from;

        if (from < 3)
                return;
        for (size_t i = 0; i < n; i++) {
                px->data[i * to] = px->data[i * from + 1];
                if (px->alpha)
                        px->data[i * to + 1] = px->data[i * from + from - 1];
        }
        px->bands = to;
}

/* A profile that cannot be used is as good as none: what every viewer does. */
static bool convert_by_profile(struct pixels *px, struct verdict *v)
{
        static const enum profile_space spaces[] = {
                [MODEL_GREY] = PROFILE_GREY, [MODEL_RGB] = PROFILE_RGB, [MODEL_CMYK] = PROFILE_CMYK
        };
        size_t n = size_of(px) / px->bands;
        uint8_t *data = (uint8_t *)g_try_malloc_n(n, 3U + px->alpha);
        const char *why;

        if (!data)
                return no_memory(v);
        why = profile_to_srgb(px->icc, spaces[px->model], px->alpha, px->data, data, n);
        if (why) {
                g_free(data);
                verdict_warn(v, "the colour profile is broken and was ignored: %s", why);
                return true;
        }
        g_free(px->data);
        px->data = data;
        px->bands = 3U + px->alpha;
        if (px->model == MODEL_GREY)
                to_one_band(px);
        else
                px->model = MODEL_RGB;
        return true;
}

/* CMYK without a profile: by the one that libvips brings along. */
static bool convert_cmyk(struct pixels *px, struct verdict *v)
{
        _image_ *in = pixels_image(px, v);
        _image_ *out = NULL;

        if (!in || vips_colourspace(in, &out, VIPS_INTERPRETATION_sRGB, NULL))
                return verdict_fail_vips(v, false);
        if (!evaluate(px, out, v))
                return false;
        px->model = MODEL_RGB;
        return true;
}

bool pixels_are_srgb(const struct picture *p, bool keep)
{
        return p->model != MODEL_CMYK && (keep || !p->icc || profile_is_srgb(p->icc));
}

bool pixels_to_srgb(struct pixels *px, bool keep, enum format output, struct verdict *v)
{
        bool writable = px->model != MODEL_CMYK || output == FORMAT_JPEG;

        if (keep && writable)
                return true;
        if (px->icc && profile_is_srgb(px->icc))
                px->icc = NULL;
        if (px->icc && !convert_by_profile(px, v))
                return false;
        px->icc = NULL;
        return px->model != MODEL_CMYK || convert_cmyk(px, v);
}

void pixels_crop_by_content(struct pixels *px, uint32_t w, uint32_t h, enum wire_crop crop)
{
        size_t from = (size_t)px->w_px * px->bands, to = (size_t)w * px->bands;
        uint32_t x, y, row = 0;

        if (px->w_px == w && px->h_px == h)
                return;
        attention_find(px->data, px->w_px, px->h_px, px->bands, px->alpha, crop == CROP_ENTROPY, w, h, &x, &y);
        for (uint32_t i = 0; i < px->n_frames; i++) /* all frames as the first: it must not jump */
                for (uint32_t j = 0; j < h; j++, row++)
                        memmove(px->data + row * to, px->data + ((size_t)i * px->h_px + y + j) * from + (size_t)x * px->bands, to);
        px->w_px = w;
        px->h_px = h;
}

bool pixels_sharpen(struct pixels *px, double sigma_px, struct verdict *v)
{
        _image_ *in = NULL;
        _image_ *out = NULL;

        if (sigma_px <= 0 || px->model == MODEL_CMYK)
                return true;
        in = pixels_image(px, v);
        if (!in || vips_sharpen(in, &out, "sigma", MIN(sigma_px, 10.0), NULL))
                return verdict_fail_vips(v, false);
        if (!evaluate(px, out, v))
                return false;
        if (px->model == MODEL_GREY)
                to_one_band(px);
        return true;
}

/* @rgb as a pixel of @px; grey by luma. */
static void colour_pixel(const struct pixels *px, uint32_t rgb, uint8_t *ret)
{
        uint8_t r = (uint8_t)(rgb >> 16), g = (uint8_t)(rgb >> 8), b = (uint8_t)rgb;

        if (px->model == MODEL_GREY) {
                ret[0] = (uint8_t)((299U * r + 587U * g + 114U * b + 500) / 1000);
        } else if (px->model == MODEL_CMYK) {
                ret[0] = (uint8_t)~r;
                ret[1] = (uint8_t)~g;
                ret[2] = (uint8_t)~b;
                ret[3] = 0;
        } else {
                ret[0] = r;
                ret[1] = g;
                ret[2] = b;
        }
        if (px->alpha)
                ret[px->bands - 1] = 255;
}

/* Grey becomes RGB where a background has a colour. */
static bool make_room_for(struct pixels *px, uint32_t rgb, struct verdict *v)
{
        unsigned from = px->bands, to = px->alpha ? 4 : 3;
        size_t n = size_of(px) / from;
        uint8_t *data;

        if (px->model != MODEL_GREY || ((rgb & 0xff) == (rgb >> 8 & 0xff) && (rgb & 0xff) == (rgb >> 16)))
                return true;
        data = (uint8_t *)g_try_malloc_n(n, to);
        if (!data)
                return no_memory(v);
        for (size_t i = 0; i < n; i++) {
                memset(data + i * to, px->data[i * from], 3);
                if (px->alpha)
                        data[i * to + 3] = px->data[i * from + 1];
        }
        g_free(px->data);
        px->data = data;
        px->bands = to;
        px->model = MODEL_RGB;
        px->icc = NULL; /* a grey profile does not fit any more */
        return true;
}

bool pixels_pad(struct pixels *px, uint32_t w, uint32_t h, uint32_t x, uint32_t y, uint32_t rgb, struct verdict *v)
{
        uint8_t pixel[4], *data;

        if (w == px->w_px && h == px->h_px)
                return true;
        if (!make_room_for(px, rgb, v))
                return false;
        data = (uint8_t *)g_try_malloc_n((gsize)w * h * px->n_frames, px->bands);
        if (!data)
                return no_memory(v);
        colour_pixel(px, rgb, pixel);
        for (size_t i = 0; i < (size_t)w * h * px->n_frames; i++)
                memcpy(data + i * px->bands, pixel, px->bands);
        for (uint32_t i = 0; i < px->n_frames; i++)
                for (uint32_t j = 0; j < px->h_px; j++)
                        memcpy(data + (((size_t)i * h + y + j) * w + x) * px->bands,
                               px->data + ((size_t)i * px->h_px + j) * px->w_px * px->bands, (size_t)px->w_px * px->bands);
        g_free(px->data);
        px->data = data;
        px->w_px = w;
        px->h_px = h;
        return true;
}

bool pixels_flatten(struct pixels *px, uint32_t rgb, struct verdict *v)
{
        uint8_t pixel[4];
        unsigned colours;
        size_t n;

        if (!px->alpha)
                return true;
        if (!make_room_for(px, rgb, v))
                return false;
        colours = px->bands - 1;
        n = size_of(px) / px->bands;
        colour_pixel(px, rgb, pixel);
        for (size_t i = 0; i < n; i++) {
                const uint8_t *from = px->data + i * px->bands;
                uint8_t *to = px->data + i * colours;
                unsigned alpha = from[colours];

                for (unsigned b = 0; b < colours; b++)
                        to[b] = (uint8_t)((from[b] * alpha + pixel[b] * (255 - alpha) + 127) / 255);
        }
        px->bands = colours;
        px->alpha = false;
        return true;
}

void pixels_done(struct pixels *px)
{
        g_clear_pointer(&px->data, g_free);
}
