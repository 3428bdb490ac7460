/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encodes to memory, and writes that in full: an encoder that writes by itself would hide what went wrong with the disk. */

#include "save.h"

#include "base.h"
#include "exif.h"
#include "jpeg-save.h"
#include "jpeg.h"
#include "loaders.h"

#include <string.h>

bool save_can_animate(enum format format)
{
        return format == FORMAT_WEBP || format == FORMAT_GIF;
}

bool save_can_alpha(enum format format)
{
        return format != FORMAT_JPEG;
}

static bool write_all(int fd, const uint8_t *bytes, size_t size, struct verdict *v)
{
        for (size_t done = 0; done < size;) {
                ssize_t n = pwrite(fd, bytes + done, size - done, (off_t)done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        int error = n < 0 ? neg_errno() : -EIO;

                        return verdict_fail(v, reason_from_errno(error), "writing a thumbnail failed: %s", g_strerror(-error));
                }
                done += (size_t)n;
        }
        return true;
}

static GBytes *settled_exif(GBytes *exif)
{
        gsize n;
        const void *bytes = g_bytes_get_data(exif, &n);
        uint8_t *copy = (uint8_t *)g_memdup2(bytes, n);

        exif_settle(copy, n);
        return g_bytes_new_take(copy, n);
}

static unsigned effort_of(const struct wire_spec *spec, unsigned by_default)
{
        return spec->effort == WIRE_EFFORT_DEFAULT ? by_default : spec->effort;
}

static uint8_t *encode_plain(const struct pixels *px, const struct wire_spec *spec, const struct jpeg_extras *extras, size_t *ret_size,
                             struct verdict *v)
{
        uint8_t *bytes = jpeg_encode(px, spec->quality, effort_of(spec, 4), extras, ret_size);

        if (!bytes)
                (void)verdict_fail(v, REASON_OUT_OF_MEMORY, "no memory for encoding a thumbnail");
        return bytes;
}

static void *copy_exif_field(VipsImage *from, const char *name, GValue *value, void *to)
{
        if (g_str_has_prefix(name, "exif-") || strcmp(name, VIPS_META_ORIENTATION) == 0)
                vips_image_set((VipsImage *)to, name, value);
        return NULL;
}

/* libvips rebuilds EXIF from the fields that it parsed itself, and drops the others: have it parse ours, in what looks like a JPEG
 * of one pixel as far as its header. */
static void attach_exif(VipsImage *image, GBytes *exif)
{
        static const uint8_t frame_and_scan[] = {
                0xff, 0xc0, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0
        };
        gsize n;
        const void *content = g_bytes_get_data(exif, &n);
        const uint8_t begin[] = { 0xff, 0xd8, 0xff, 0xe1, (uint8_t)((n + 8) >> 8), (uint8_t)(n + 8), 'E', 'x', 'i', 'f', 0, 0 };
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        _image_ *parsed = NULL;

        if (n + 8 > 65535)
                return;
        g_byte_array_append(bytes, begin, sizeof begin);
        g_byte_array_append(bytes, (const uint8_t *)content, (guint)n);
        g_byte_array_append(bytes, frame_and_scan, sizeof frame_and_scan);
        if (vips_jpegload_buffer(bytes->data, bytes->len, &parsed, NULL) == 0)
                (void)vips_image_map(parsed, copy_exif_field, image);
}

static void attach_blob(VipsImage *image, const char *name, GBytes *bytes)
{
        gsize n;
        const void *data = bytes ? g_bytes_get_data(bytes, &n) : NULL;

        if (data)
                vips_image_set_blob_copy(image, name, data, n);
}

static void attach_animation(VipsImage *image, const struct pixels *px, const struct picture *p)
{
        if (px->n_frames < 2)
                return;
        vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, (int)px->h_px);
        vips_image_set_int(image, VIPS_META_N_PAGES, (int)px->n_frames);
        vips_image_set_int(image, "loop", p->loop);
        if (p->delays_ms)
                vips_image_set_array_int(image, "delay", p->delays_ms, p->n_delays);
}

static int encode_vips(VipsImage *image, const struct wire_spec *s, gboolean strip, void **ret, size_t *ret_size)
{
        int quality = (int)s->quality;
        gboolean lossless = s->lossless != 0;

        switch (s->format) {
        case FORMAT_JPEG: /* as jpeg_encode() does, and CMYK */
                return vips_jpegsave_buffer(image, ret, ret_size, "Q", quality, "optimize_coding", effort_of(s, 4) >= 5, "interlace",
                                            effort_of(s, 4) >= 8, "strip", strip, NULL);
        case FORMAT_PNG:
                return vips_pngsave_buffer(image, ret, ret_size, "compression", (int)effort_of(s, 6), "filter",
                                           VIPS_FOREIGN_PNG_FILTER_ALL, "strip", strip, NULL);
        case FORMAT_WEBP:
                return vips_webpsave_buffer(image, ret, ret_size, "Q", quality, "lossless", lossless, "effort",
                                            (int)MIN(effort_of(s, 4), 6U), "strip", strip, NULL);
        case FORMAT_AVIF:
                return vips_heifsave_buffer(image, ret, ret_size, "Q", quality, "lossless", lossless, "compression",
                                            VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "effort", (int)effort_of(s, 4), "strip", strip, NULL);
        case FORMAT_JXL:
                return vips_jxlsave_buffer(image, ret, ret_size, "Q", quality, "lossless", lossless, "effort",
                                           (int)MAX(effort_of(s, 5), 1U), "strip", strip, NULL);
        case FORMAT_GIF:
                return vips_gifsave_buffer(image, ret, ret_size, "effort", (int)effort_of(s, 6) + 1, NULL);
        default:
                vips_error("save", "%s cannot be written", format_name((enum format)s->format));
                return -1;
        }
}

static uint32_t little(const uint8_t *b)
{
        return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Take the EXIF out of a WebP that libvips 8.14 makes up and writes, although it was told to strip. */
static void strip_webp(uint8_t *b, size_t *size)
{
        enum { HEAD = 12, CHUNK = 8, FLAG_EXIF = 0x08 };
        size_t at = HEAD, end = HEAD;

        while (*size - at >= CHUNK && at < *size) {
                size_t n = CHUNK + (size_t)little(b + at + 4) + (little(b + at + 4) & 1);

                if (n > *size - at)
                        return; /* not as expected: leave it as it is */
                if (memcmp(b + at, "VP8X", 4) == 0)
                        b[at + CHUNK] &= (uint8_t)~FLAG_EXIF;
                if (memcmp(b + at, "EXIF", 4) != 0) {
                        memmove(b + end, b + at, n);
                        end += n;
                }
                at += n;
        }
        *size = end;
        for (unsigned i = 0; i < 4; i++)
                b[4 + i] = (uint8_t)((end - CHUNK) >> 8 * i);
}

static uint8_t *encode_other(const struct pixels *px, const struct wire_spec *spec, const struct picture *p,
                             const struct jpeg_extras *extras, size_t *ret_size, struct verdict *v)
{
        _image_ *image = pixels_image(px, v);
        void *bytes = NULL;

        if (!image)
                return NULL;
        if (extras->exif)
                attach_exif(image, extras->exif);
        attach_blob(image, VIPS_META_XMP_NAME, extras->xmp);
        attach_blob(image, VIPS_META_IPTC_NAME, extras->iptc);
        attach_animation(image, px, p);

        gboolean strip = !px->icc && !extras->exif && !extras->xmp && !extras->iptc;

        if (encode_vips(image, spec, strip, &bytes, ret_size)) {
                (void)verdict_fail_vips(v, false);
                return NULL;
        }
        if (spec->format == FORMAT_WEBP && !extras->exif)
                strip_webp((uint8_t *)bytes, ret_size);
        return (uint8_t *)bytes;
}

bool save(const struct pixels *px, const struct wire_spec *spec, const struct picture *p, int fd, struct wire_output *ret,
          struct verdict *v)
{
        g_autoptr(GBytes) exif = !spec->strip && p->exif ? settled_exif(p->exif) : NULL;
        const struct jpeg_extras extras = {
                .icc = px->icc, .exif = exif, .xmp = spec->strip ? NULL : p->xmp, .iptc = spec->strip ? NULL : p->iptc
        };
        size_t size = 0;
        bool plain = JPEG_LANE && spec->format == FORMAT_JPEG && px->model != MODEL_CMYK;
        g_autofree uint8_t *bytes = plain ? encode_plain(px, spec, &extras, &size, v) : encode_other(px, spec, p, &extras, &size, v);
        bool ok = bytes && write_all(fd, bytes, size, v);

        if (ok)
                *ret = (struct wire_output){ .width_px = px->w_px, .height_px = px->h_px, .bytes = size };
        return ok;
}
