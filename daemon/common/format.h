/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Picture formats by their bytes: what a file is, and whether its end looks complete.  Pure; nothing is decoded, every look is
 * O(1) in the size of the file.  Both programs use it: the supervisor to decide whether to wait and to check outputs, the worker
 * to choose the loader before libvips sees a byte. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*       symbol   name       extension  trusted: read by default */
#define FORMAT_LIST(X) \
        X(JPEG, "jpeg", "jpg", 1) \
        X(PNG, "png", "png", 1) \
        X(WEBP, "webp", "webp", 1) \
        X(GIF, "gif", "gif", 1) \
        X(TIFF, "tiff", "tif", 1) \
        X(HEIF, "heif", "heic", 1) \
        X(AVIF, "avif", "avif", 1) \
        X(JXL, "jxl", "jxl", 0) \
        X(JP2, "jp2", "jp2", 0) \
        X(SVG, "svg", "svg", 0) \
        X(PDF, "pdf", "pdf", 0) \
        X(BMP, "bmp", "bmp", 0) \
        X(ICO, "ico", "ico", 0) \
        X(PNM, "pnm", "ppm", 0) \
        X(PSD, "psd", "psd", 0) \
        X(EXR, "exr", "exr", 0) \
        X(HDR, "hdr", "hdr", 0) \
        X(FITS, "fits", "fits", 0) \
        X(DDS, "dds", "dds", 0) \
        X(QOI, "qoi", "qoi", 0) \
        X(RAW, "raw", "raw", 1) /* camera RAW: TIFF-like, but only its embedded JPEG is a picture */

enum format {
        FORMAT_NONE, /* not a picture that we know */
#define X(symbol, name, extension, trusted) FORMAT_##symbol,
        FORMAT_LIST(X)
#undef X
                _FORMAT_MAX,
        FORMAT_SAME = _FORMAT_MAX, /* only in presets: the format of the original */
};

#define FORMAT_HEAD_BYTES 1024 /* as many as format_sniff() can use */
#define FORMAT_TAIL_BYTES 32   /* as many as format_end() can use */

/* Name as in the configuration ("jpeg", "same", …), never NULL for a valid @format; "" for FORMAT_NONE. */
const char *format_name(enum format format);

/* The extension of a thumbnail in this format, without a dot. */
const char *format_extension(enum format format);

/* Whether it may be read when the configuration says nothing about loaders. */
bool format_trusted(enum format format);

/* FORMAT_NONE if there is none of that name. */
enum format format_from_name(const char *name);

/* What the first @size bytes of a file say.  More than FORMAT_HEAD_BYTES are not looked at. */
enum format format_sniff(const void *head, size_t size);

/* Whether the name's extension is one that pictures have (ASCII case ignored): what is neither a picture by content nor by name
 * is none of our business, and not a failure. */
bool format_picture_name(const char *file_name);

enum format_end {
        FORMAT_END_UNKNOWN, /* the format has no end that could be recognised in O(1) */
        FORMAT_END_COMPLETE,
        FORMAT_END_MISSING, /* may still be a good file: 3 of 113 camera photos carry bytes after their end */
};

/* Whether a file of @format and @file_bytes whose first bytes are @head and whose last are @tail looks complete.  May shorten a
 * wait and may name a failure, never refuse a file. */
enum format_end format_end(enum format format, uint64_t file_bytes, const void *head, size_t head_size, const void *tail,
                           size_t tail_size);
