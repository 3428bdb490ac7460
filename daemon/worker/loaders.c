/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two tables, and the switch for what libvips calls untrusted. */

#include "loaders.h"

static const struct loader loaders[_FORMAT_MAX + 1] = {
        [FORMAT_JPEG] = { .operation = "jpegload_source", .from_source = true },
        [FORMAT_PNG] = { .operation = "pngload_source", .from_source = true },
        [FORMAT_WEBP] = { .operation = "webpload_source", .from_source = true, .frames = true, .whole = true, .take = true },
        [FORMAT_GIF] = { .operation = "gifload_source", .from_source = true, .frames = true, .take = true },
        [FORMAT_TIFF] = { .operation = "tiffload_source", .from_source = true },
        [FORMAT_HEIF] = { .operation = "heifload_source", .from_source = true },
        [FORMAT_AVIF] = { .operation = "heifload_source", .from_source = true },
        [FORMAT_JXL] = { .operation = "jxlload_source", .untrusted = true, .from_source = true },
        [FORMAT_JP2] = { .operation = "jp2kload_source", .untrusted = true, .from_source = true },
        [FORMAT_SVG] = { .operation = "svgload_source", .untrusted = true, .from_source = true, .vector = true },
        [FORMAT_PDF] = { .operation = "pdfload_source", .untrusted = true, .from_source = true, .take = true, .vector = true },
        [FORMAT_PNM] = { .operation = "ppmload_source", .untrusted = true, .from_source = true, .take = true },
        [FORMAT_HDR] = { .operation = "radload_source", .untrusted = true, .from_source = true },
        /* through ImageMagick, told by its magic once more; without delegates, which would need exec */
        [FORMAT_BMP] = { .operation = "magickload_buffer", .untrusted = true, .take = true },
        [FORMAT_ICO] = { .operation = "magickload_buffer", .untrusted = true, .take = true },
        [FORMAT_PSD] = { .operation = "magickload_buffer", .untrusted = true, .take = true },
        [FORMAT_DDS] = { .operation = "magickload_buffer", .untrusted = true, .take = true },
        /* EXR and FITS are read by name only, QOI not at all */
};

const struct loader *loader_of(enum format format)
{
        return loaders + format;
}

/* 0 if this libvips has none. */
static GType type_of(enum format format)
{
        return loaders[format].operation ? vips_type_find("VipsOperation", loaders[format].operation) : 0;
}

bool loader_exists(enum format format)
{
        return type_of(format == FORMAT_RAW ? FORMAT_JPEG : format) != 0; /* a JPEG inside */
}

void loader_allow(enum format format, bool allow)
{
        GType type = loaders[format].untrusted ? type_of(format) : 0;

        if (type != 0) /* by the name that it has here: that of ImageMagick 7 is another than that of 6 */
                vips_operation_block_set(g_type_name(type), !allow);
}

const char *saver_of(enum format format)
{
        switch (format) {
        case FORMAT_JPEG:
                return "jpegsave_buffer";
        case FORMAT_PNG:
                return "pngsave_buffer";
        case FORMAT_WEBP:
                return "webpsave_buffer";
        case FORMAT_AVIF:
                return "heifsave_buffer";
        case FORMAT_JXL:
                return "jxlsave_buffer";
        case FORMAT_GIF:
                return "gifsave_buffer";
        default:
                return NULL;
        }
}
