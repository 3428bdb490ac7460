/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens by libvips what is not plain JPEG, brings it to at most four bands of 8 or 16 bits, and pulls strips from it on the calling thread
 * (vips_sink_memory() and its like start threads for every picture).  Forwards plain JPEG to jpeg.c. */

#include "picture.h"

#include "exif.h"
#include "held.h"
#include "jpeg.h"
#include "loaders.h"

#include <string.h>

#define STRIP_ROWS 16U

/* The first unit of what a decoder needs besides pixels: tables, states, stacks of its threads. */
#define DECODER_BYTES          (4U << 20)
#define THREADED_DECODER_BYTES (48U << 20)

static bool set_input(VipsOperation *operation, struct picture *p, const struct loader *l)
{
        /* a range of a file, as in RAW, cannot be a source */
        if ((l->take || p->input->start > 0) && !input_take(p->input, p->verdict))
                return false;
        if (!l->from_source) {
                VipsBlob *blob = vips_blob_new(NULL, p->input->memory, p->input->size);

                g_object_set(operation, "buffer", blob, NULL);
                vips_area_unref(VIPS_AREA(blob));
                return true;
        }

        if (!p->input->memory && lseek(p->input->fd, 0, SEEK_SET) < 0)
                return verdict_fail(p->verdict, REASON_IO_ERROR, "lseek: %s", g_strerror(errno));

        _source_ *source = p->input->memory ? vips_source_new_from_memory(p->input->memory, p->input->size)
                                            : vips_source_new_from_descriptor(p->input->fd);

        if (!source)
                return verdict_fail_vips(p->verdict, false);
        g_object_set(operation, "source", source, NULL);
        return true;
}

/* fail-on: what is cut must not become a grey half; everything that a decoder merely warns of is looked at afterwards. */
static VipsFailOn fail_on(enum format format)
{
        return format == FORMAT_JP2 ? VIPS_FAIL_ON_ERROR : VIPS_FAIL_ON_TRUNCATED;
}

/* The picture behind its loader, owned, or NULL. */
static VipsImage *load(struct picture *p, bool all, double scale)
{
        const struct loader *l = loader_of(p->format);
        VipsOperation *operation = vips_operation_new(l->operation);
        VipsImage *out = NULL;

        if (!operation) {
                (void)verdict_fail(p->verdict, REASON_UNSUPPORTED, "this libvips cannot read %s", format_name(p->format));
                return NULL;
        }
        if (!set_input(operation, p, l)) {
                g_object_unref(operation);
                return NULL;
        }
        g_object_set(operation, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on(p->format), "memory", (gboolean)l->whole, NULL);
        if (all && l->frames)
                g_object_set(operation, "n", -1, NULL);
        if (scale != 1 && p->format == FORMAT_JPEG)
                g_object_set(operation, "shrink", (int)lrint(1 / scale), NULL);
        else if (scale != 1)
                g_object_set(operation, "scale", scale, NULL);
        if (vips_cache_operation_buildp(&operation) == 0)
                g_object_get(operation, "out", &out, NULL);
        else
                (void)verdict_fail_vips(p->verdict, input_end_missing(p->input, p->format));
        vips_object_unref_outputs(VIPS_OBJECT(operation));
        g_object_unref(operation);
        return out;
}

static GBytes *blob_of(VipsImage *image, const char *name)
{
        const void *bytes;
        size_t size;

        if (!vips_image_get_typeof(image, name) || vips_image_get_blob(image, name, &bytes, &size) || size == 0)
                return NULL;
        if (size > 6 && memcmp(bytes, "Exif\0", 6) == 0)
                return g_bytes_new((const uint8_t *)bytes + 6, size - 6);
        return g_bytes_new(bytes, size);
}

static void read_animation(struct picture *p)
{
        int *delays, n;

        if (p->n_frames < 2)
                return;
        if (vips_image_get_typeof(p->image, "delay") && vips_image_get_array_int(p->image, "delay", &delays, &n) == 0) {
                p->delays_ms = g_new(int, (gsize)n);
                memcpy(p->delays_ms, delays, sizeof(int) * (size_t)n);
                p->n_delays = n;
        }
        if (vips_image_get_typeof(p->image, "loop"))
                (void)vips_image_get_int(p->image, "loop", &p->loop);
}

/* By our own reading of EXIF, whoever decodes. */
static unsigned jpeg_orientation(const struct picture *p)
{
        g_autoptr(GBytes) exif = blob_of(p->image, VIPS_META_EXIF_NAME);
        gsize n;
        const void *bytes = exif ? g_bytes_get_data(exif, &n) : NULL;

        return bytes ? exif_orientation(bytes, n) : 1;
}

static void read_header(struct picture *p, bool metadata)
{
        int page_h = vips_image_get_page_height(p->image);

        p->full_w_px = (uint32_t)p->image->Xsize;
        p->full_h_px = (uint32_t)page_h;
        p->n_frames = (uint32_t)(p->image->Ysize / page_h);
        p->n_planes = 1;
        p->bands = (unsigned)MIN(p->image->Bands, 4); /* at most: simplify() may find fewer */
        /* HEIF, AVIF and JPEG XL turn by a property of their own, which their libraries apply; EXIF's is to be ignored there */
        if (p->format == FORMAT_JPEG)
                p->orientation = jpeg_orientation(p);
        else if (p->format != FORMAT_HEIF && p->format != FORMAT_AVIF && p->format != FORMAT_JXL)
                p->orientation = (unsigned)vips_image_get_orientation(p->image);
        p->icc = blob_of(p->image, VIPS_META_ICC_NAME);
        read_animation(p);
        if (!metadata)
                return;
        p->exif = blob_of(p->image, VIPS_META_EXIF_NAME);
        p->xmp = blob_of(p->image, VIPS_META_XMP_NAME);
        p->iptc = blob_of(p->image, VIPS_META_IPTC_NAME);
}

static bool is_multiscan(VipsImage *image)
{
        int multiscan = 0;

        if (vips_image_get_typeof(image, "jpeg-multiscan"))
                (void)vips_image_get_int(image, "jpeg-multiscan", &multiscan);
        return multiscan != 0;
}

/* libvips 8.14 reads scans without end.  0xff within their data is always marked as such. */
static bool check_scans(struct picture *p)
{
        uint8_t buffer[16384], last = 0;
        uint64_t scans = 0, at = 0, pixels = (uint64_t)p->full_w_px * p->full_h_px;

        if (p->format != FORMAT_JPEG || !is_multiscan(p->image))
                return true;
        for (size_t n; (n = input_read(p->input, at, buffer, sizeof buffer)) > 0; at += n)
                for (size_t i = 0; i < n; last = buffer[i++])
                        scans += last == 0xff && buffer[i] == 0xda;
        if (scans <= JPEG_SCANS_MAX && scans * pixels <= JPEG_SCANNED_PIXELS_MAX)
                return true;
        return verdict_fail(p->verdict, REASON_TOO_LARGE, "%u scans, which no encoder writes", (unsigned)scans);
}

/* What libvips or its libraries hold at the peak, in bytes a pixel of one frame; measured, and rounded up. */
static double bytes_per_pixel(const struct picture *p)
{
        double pixel = (double)VIPS_IMAGE_SIZEOF_PEL(p->image);

        switch (p->format) {
        case FORMAT_JPEG: /* all coefficients, until the last scan */
                return is_multiscan(p->image) ? pixel * 2 : 0;
        case FORMAT_PNG: /* interlaced: all of it, before the first row is right */
                return vips_image_get_typeof(p->image, "interlaced") || vips_image_get_typeof(p->image, "png-interlaced") ? pixel : 0;
        case FORMAT_WEBP: /* canvas, frame, and the decoder's own of lossless ones */
                return 4 * 3.0 + pixel * p->n_frames;
        case FORMAT_GIF: /* canvas, what it is restored from, and libvips's copy */
                return 4 * 3.0;
        case FORMAT_TIFF: /* a strip or a row of tiles can be everything, decoded and not */
                return pixel * 2;
        case FORMAT_HEIF:
        case FORMAT_AVIF: /* planes, and interleaved */
                return p->image->BandFmt == VIPS_FORMAT_USHORT ? 18 : 10;
        case FORMAT_JXL: /* floats, several times */
                return 4 * 4 * 2.0 + pixel;
        case FORMAT_JP2:
                return 4.0 * p->image->Bands * 2 + pixel;
        case FORMAT_BMP:
        case FORMAT_ICO:
        case FORMAT_PSD:
        case FORMAT_DDS: /* ImageMagick: four times 16 bits, twice */
                return 8 * 2.0 + pixel;
        default:
                return 0;
        }
}

static uint64_t predict(const struct picture *p)
{
        const struct loader *l = loader_of(p->format);
        bool threads = p->format == FORMAT_HEIF || p->format == FORMAT_AVIF || p->format == FORMAT_JXL || p->format == FORMAT_JP2;
        uint64_t bytes = (uint64_t)(bytes_per_pixel(p) * p->full_w_px * p->full_h_px);

        if (l->vector)
                bytes += 64U << 20;
        bytes += (uint64_t)p->full_w_px * VIPS_IMAGE_SIZEOF_PEL(p->image) * STRIP_ROWS * 6;
        return bytes + (threads ? THREADED_DECODER_BYTES : DECODER_BYTES) + (p->input->memory ? p->input->size : 0);
}

/* Replace p->image by @next, the result of an operation on it that returned @failed. */
static bool become(struct picture *p, int failed, VipsImage **next)
{
        if (failed)
                return verdict_fail_vips(p->verdict, input_end_missing(p->input, p->format));
        g_object_unref(p->image);
        p->image = g_steal_pointer(next);
        return true;
}

static bool is_plain(const VipsImage *image)
{
        switch (image->Type) {
        case VIPS_INTERPRETATION_B_W:
        case VIPS_INTERPRETATION_GREY16:
        case VIPS_INTERPRETATION_sRGB:
        case VIPS_INTERPRETATION_RGB:
        case VIPS_INTERPRETATION_RGB16:
        case VIPS_INTERPRETATION_CMYK:
        case VIPS_INTERPRETATION_MULTIBAND:
                return true;
        default:
                return false;
        }
}

/* The largest value in a picture of floats, or -1.  It is read to its end for that, and opened anew afterwards. */
static double float_most(struct picture *p)
{
        VipsImage *fresh;
        double most;

        if (vips_max(p->image, &most, NULL))
                return -1;
        fresh = load(p, false, 1);
        return fresh && become(p, 0, &fresh) ? most : -1;
}

/* Floats: 0 is black, and 1 is white, in linear light where libvips says so; but some programs keep the values of 8 or 16 bits, and
 * nothing but the values tells. */
static bool tone_floats(struct picture *p)
{
        bool named = p->image->Type == VIPS_INTERPRETATION_scRGB || p->image->Type == VIPS_INTERPRETATION_B_W ||
                     p->image->Type == VIPS_INTERPRETATION_MULTIBAND || p->image->Type == VIPS_INTERPRETATION_CMYK;
        VipsImage *next = NULL;
        double most;

        if (p->format != FORMAT_TIFF || !named || (p->image->BandFmt != VIPS_FORMAT_FLOAT && p->image->BandFmt != VIPS_FORMAT_DOUBLE))
                return true;
        most = float_most(p);
        if (most < 0)
                return verdict_fail_vips(p->verdict, false);
        if (most <= 16 && p->image->Type == VIPS_INTERPRETATION_scRGB) /* some highlights above white are in order */
                return true;
        if (!become(p,
                    vips_linear1(p->image, &next,
                                 most <= 16      ? 255
                                 : most <= 255.5 ? 1
                                                 : 255 / 65535.0,
                                 0.5, "uchar", TRUE, NULL),
                    &next))
                return false;
        if (p->image->Type == VIPS_INTERPRETATION_scRGB)
                p->image->Type = VIPS_INTERPRETATION_sRGB;
        return true;
}

/* At most 4 bands of 8 or 16 bits in grey, RGB or CMYK. */
static bool simplify(struct picture *p)
{
        VipsImage *next = NULL;

        if (!tone_floats(p))
                return false;
        if (p->image->Coding != VIPS_CODING_NONE || !is_plain(p->image)) { /* Lab, XYZ, linear light, … */
                g_clear_pointer(&p->icc, g_bytes_unref);
                if (!become(p, vips_colourspace(p->image, &next, VIPS_INTERPRETATION_sRGB, NULL), &next))
                        return false;
        }
        if (p->image->BandFmt != VIPS_FORMAT_UCHAR && p->image->BandFmt != VIPS_FORMAT_USHORT) {
                if (!become(p, vips_cast(p->image, &next, VIPS_FORMAT_USHORT, "shift", TRUE, NULL), &next))
                        return false;
        }

        const bool grey = p->image->Type == VIPS_INTERPRETATION_B_W || p->image->Type == VIPS_INTERPRETATION_GREY16;
        p->model = p->image->Type == VIPS_INTERPRETATION_CMYK && p->image->Bands >= 4 ? MODEL_CMYK
                   : grey || p->image->Bands <= 2                                     ? MODEL_GREY
                                                                                      : MODEL_RGB;
        p->alpha = p->model != MODEL_CMYK && vips_image_hasalpha(p->image); /* of grey, any second band, of how many there may be */
        p->bands = p->model == MODEL_GREY ? 1U + p->alpha : p->model == MODEL_RGB ? 3U + p->alpha : 4;
        if ((unsigned)p->image->Bands > p->bands && !become(p, vips_extract_band(p->image, &next, 0, "n", (int)p->bands, NULL), &next))
                return false;
        return (unsigned)p->image->Bands == p->bands || /* rows are read by this */
               verdict_fail(p->verdict, REASON_CORRUPT, "%d samples for each pixel", p->image->Bands);
}

static uint32_t little(const uint8_t *b, unsigned n)
{
        uint32_t value = 0;

        for (unsigned i = 0; i < n; i++)
                value |= (uint32_t)b[i] << 8 * i;
        return value;
}

/* https://developers.google.com/speed/webp/docs/riff_container: the canvas, or the only frame. */
static void peek_webp(const uint8_t *b, uint32_t *ret_w, uint32_t *ret_h)
{
        if (memcmp(b + 12, "VP8X", 4) == 0) {
                *ret_w = little(b + 24, 3) + 1;
                *ret_h = little(b + 27, 3) + 1;
        } else if (memcmp(b + 12, "VP8L", 4) == 0) {
                *ret_w = (little(b + 21, 4) & 0x3fff) + 1;
                *ret_h = (little(b + 21, 4) >> 14 & 0x3fff) + 1;
        } else if (memcmp(b + 12, "VP8 ", 4) == 0) {
                *ret_w = little(b + 26, 2) & 0x3fff;
                *ret_h = little(b + 28, 2) & 0x3fff;
        }
}

void picture_peek(const struct input *in, enum format format, uint32_t *ret_w, uint32_t *ret_h)
{
        *ret_w = *ret_h = 0;
        if (format == FORMAT_WEBP && in->head_bytes >= 30)
                peek_webp(in->head, ret_w, ret_h);
}

bool picture_open(struct picture *p, struct input *in, enum format format, bool all, bool metadata, struct verdict *v)
{
        *p = (struct picture){ .input = in, .verdict = v, .format = format, .orientation = 1 };
        if (format == FORMAT_JPEG) {
                if (!jpeg_open(p, metadata))
                        return false;
                if (p->jpeg)
                        return true;
        }
        loader_allow(format, true);
        p->image = load(p, all, 1);
        if (!p->image)
                return false;
        read_header(p, metadata);
        p->decode_bytes = predict(p);
        return check_scans(p);
}

/* By how much a JPEG is shrunk by its decoder, which takes the low frequencies of each block by itself: coarse beside a Lanczos
 * filter, and seen in the result unless that filter has nearly twice the pixels to choose from.  Not more than that: a picture of 500
 * pixels, the commonest of small sizes, would have to be decoded in full for 128. */
#define JPEG_MARGIN 1.9

static unsigned jpeg_shrink(const struct picture *p, uint32_t need_w, uint32_t need_h)
{
        unsigned shrink = 8;

        while (shrink > 1 && (p->full_w_px < need_w * JPEG_MARGIN * shrink || p->full_h_px < need_h * JPEG_MARGIN * shrink))
                shrink /= 2;
        if (!p->jpeg) /* libvips drops the last pixel if it is not whole, which shows at the edge */
                while (p->full_w_px % shrink != 0 || p->full_h_px % shrink != 0)
                        shrink /= 2;
        return shrink;
}

/* Read again at another scale, if that is worth it. */
static bool rescale(struct picture *p, uint32_t need_w, uint32_t need_h, unsigned shrink)
{
        const struct loader *l = loader_of(p->format);
        double scale = MAX((double)need_w / p->full_w_px, (double)need_h / p->full_h_px);
        VipsImage *smaller;

        if (p->format == FORMAT_JPEG)
                scale = 1.0 / shrink;
        else if (p->format == FORMAT_WEBP) /* whole factors: its scaler averages blocks, and what is left over is done well here */
                scale = 1 / floor(MAX(1, 1 / scale));
        else if (!l->vector)
                return true;
        if (scale >= 1)
                return true;
        smaller = load(p, p->n_frames > 1, scale);
        return smaller && become(p, 0, &smaller);
}

bool picture_start(struct picture *p, uint32_t need_w, uint32_t need_h)
{
        struct plane *plane = p->planes;
        unsigned shrink = p->format == FORMAT_JPEG ? jpeg_shrink(p, need_w, need_h) : 1;

        if (p->jpeg)
                return jpeg_start(p, shrink);
        if (!rescale(p, need_w, need_h, shrink) || !simplify(p))
                return false;
        *plane = (struct plane){ .w_px = (uint32_t)p->image->Xsize,
                                 .h_px = (uint32_t)p->image->Ysize / p->n_frames,
                                 .bands = p->bands };
        if (p->format == FORMAT_JPEG) { /* not by the sizes, as below: what the decoder gives is rounded */
                plane->scale_x = plane->scale_y = 1.0 / shrink;
        } else {
                plane->scale_x = (double)plane->w_px / p->full_w_px;
                plane->scale_y = (double)plane->h_px / p->full_h_px;
        }
        if (p->image->BandFmt == VIPS_FORMAT_USHORT) {
                p->strip = (uint8_t *)g_try_malloc_n((size_t)plane->w_px * STRIP_ROWS, p->bands);
                if (!p->strip)
                        return verdict_fail(p->verdict, REASON_OUT_OF_MEMORY, "no memory for a strip");
        }
        p->region = vips_region_new(p->image);
        return p->region || verdict_fail_vips(p->verdict, false);
}

/* Rows of 16 bits, as rows of 8. */
static void to_8_bits(struct picture *p, struct rows *rows)
{
        size_t line = (size_t)p->planes[0].w_px * p->bands;

        for (uint32_t y = 0; y < rows->n; y++) {
                const uint16_t *from = (const uint16_t *)(const void *)(rows->first + y * rows->stride_bytes);

                for (size_t i = 0; i < line; i++)
                        p->strip[y * line + i] = (uint8_t)((from[i] * 255U + 32895U) >> 16); /* 65535 ↔ 255, rounded */
        }
        rows->first = p->strip;
        rows->stride_bytes = line;
}

bool picture_rows(struct picture *p, struct rows ret[PLANES_MAX])
{
        uint32_t y = p->next_row, frame_h = p->planes[0].h_px;
        VipsRect strip = { 0, (int)y, (int)p->planes[0].w_px, (int)MIN(STRIP_ROWS, frame_h - y % frame_h) };

        if (p->jpeg)
                return jpeg_rows(p, ret);
        if (vips_region_prepare(p->region, &strip))
                return verdict_fail_vips(p->verdict, input_end_missing(p->input, p->format));
        p->next_row += (uint32_t)strip.height;
        *ret = (struct rows){ .first = VIPS_REGION_ADDR(p->region, 0, (int)y),
                              .stride_bytes = VIPS_REGION_LSKIP(p->region),
                              .n = (uint32_t)strip.height };
        if (p->strip)
                to_8_bits(p, ret);
        return true;
}

/* Complaints that mean that pixels are missing, although libvips went on. */
static bool judge_complaints(struct picture *p)
{
        static const char *const missing[] = { "truncat",         "premature",  "end of data", "end of file",
                                               "not enough data", "read error", "corrupt",     NULL };
        /* of libjpeg's warnings some do no harm, but all say "corrupt" */
        static const char *const missing_jpeg[] = { "premature end of data",
                                                    "bad huffman",
                                                    "bad arithmetic",
                                                    "instead of rst",
                                                    "marker 0xd0",
                                                    "marker 0xd1",
                                                    "marker 0xd2",
                                                    "marker 0xd3",
                                                    "marker 0xd4",
                                                    "marker 0xd5",
                                                    "marker 0xd6",
                                                    "marker 0xd7",
                                                    NULL };
        const char *said = verdict_complaints();

        for (const char *const *w = p->format == FORMAT_JPEG ? missing_jpeg : missing; *said && *w; w++)
                if (strcasestr(said, *w))
                        return verdict_fail_vips(p->verdict, input_end_missing(p->input, p->format));
        if (*said)
                verdict_warn(p->verdict, "%s", said);
        return true;
}

bool picture_finish(struct picture *p)
{
        return p->jpeg ? jpeg_finish(p) : judge_complaints(p);
}

void picture_done(struct picture *p)
{
        jpeg_done(p);
        g_clear_object(&p->region);
        g_clear_object(&p->image);
        if (p->format != FORMAT_NONE)
                loader_allow(p->format, false);
        g_clear_pointer(&p->icc, g_bytes_unref);
        g_clear_pointer(&p->exif, g_bytes_unref);
        g_clear_pointer(&p->xmp, g_bytes_unref);
        g_clear_pointer(&p->iptc, g_bytes_unref);
        g_clear_pointer(&p->delays_ms, g_free);
        g_clear_pointer(&p->strip, g_free);
}
