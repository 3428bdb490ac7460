/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks TIFF directories in a window of the file's start (where cameras write them), and takes whatever begins like a JPEG and is
 * declared as one.  RAF says it in its header; CR3 holds boxes.  Never believes a length beyond the file. */

#include "raw.h"

#include "exif.h"

#include <glib.h>
#include <string.h>

#define WINDOW_BYTES    (8U << 20)
#define DIRECTORIES_MAX 64

enum {
        TAG_COMPRESSION = 0x0103,
        TAG_STRIP_OFFSETS = 0x0111,
        TAG_ORIENTATION = 0x0112,
        TAG_STRIP_BYTES = 0x0117,
        TAG_SUB_IFDS = 0x014a,
        TAG_JPEG_AT = 0x0201,
        TAG_JPEG_BYTES = 0x0202,
        TAG_EXIF_IFD = 0x8769,
        TAG_RW2_JPEG = 0x002e,
        COMPRESSION_JPEG_OLD = 6,
        COMPRESSION_JPEG = 7,
};

struct finder {
        struct input *in;
        struct tiff window;
        uint64_t base;        /* where the TIFF structure begins in the file */
        uint64_t start, size; /* of the best so far */
        unsigned orientation;
        size_t directories[DIRECTORIES_MAX]; /* found so far, walked in this order */
        unsigned n_directories;
};

/* Whether a JPEG of a kind that we decode begins there: RAW data of some cameras is lossless JPEG (SOF3), which is no picture. */
static bool is_picture(struct input *in, uint64_t start)
{
        uint8_t b[8192];
        size_t n = input_read(in, start, b, sizeof b), at = 2;

        if (n < 4 || b[0] != 0xff || b[1] != 0xd8)
                return false;
        while (at + 4 <= n && b[at] == 0xff) {
                uint8_t marker = b[at + 1];

                if (marker == 0xc3 || (marker >= 0xc5 && marker <= 0xc7))
                        return false;
                if (marker >= 0xc0 && marker <= 0xc2)
                        return at + 4 < n && b[at + 4] == 8;
                if (marker == 0xda)
                        return false;
                at += 2 + ((size_t)b[at + 2] << 8 | b[at + 3]);
        }
        return true; /* its frame comes after long metadata */
}

static void offer(struct finder *f, uint64_t start, uint64_t size)
{
        start += f->base;
        if (start >= f->in->size || size > f->in->size - start || size <= f->size || !is_picture(f->in, start))
                return;
        f->start = start;
        f->size = size;
}

static void push(struct finder *f, size_t ifd)
{
        if (ifd == 0 || f->n_directories == DIRECTORIES_MAX)
                return;
        for (unsigned i = 0; i < f->n_directories; i++)
                if (f->directories[i] == ifd)
                        return;
        f->directories[f->n_directories++] = ifd;
}

static void push_sub(struct finder *f, const struct tiff_entry *e)
{
        if (e->count == 1)
                push(f, e->value);
        for (uint32_t i = 0; e->count > 1 && i < MIN(e->count, 16U); i++)
                push(f, tiff_number(&f->window, e->value + (size_t)i * 4, 4));
}

static void walk(struct finder *f, size_t ifd, bool first)
{
        uint64_t at[2] = { 0, 0 }, size[2] = { 0, 0 };
        uint32_t compression = 0;

        for (unsigned i = 0; i < tiff_entries(&f->window, ifd); i++) {
                struct tiff_entry e = tiff_entry_at(&f->window, ifd, i);

                switch (e.tag) {
                case TAG_COMPRESSION:
                        compression = e.value;
                        break;
                case TAG_ORIENTATION:
                        if (first && e.value >= 1 && e.value <= 8)
                                f->orientation = e.value;
                        break;
                case TAG_STRIP_OFFSETS:
                        at[0] = e.count == 1 ? e.value : 0;
                        break;
                case TAG_STRIP_BYTES:
                        size[0] = e.count == 1 ? e.value : 0;
                        break;
                case TAG_JPEG_AT:
                        at[1] = e.value;
                        break;
                case TAG_JPEG_BYTES:
                        size[1] = e.value;
                        break;
                case TAG_RW2_JPEG:
                        offer(f, e.value, e.count);
                        break;
                case TAG_SUB_IFDS:
                case TAG_EXIF_IFD:
                        push_sub(f, &e);
                        break;
                default:
                        break;
                }
        }
        if (at[1])
                offer(f, at[1], size[1]);
        if (at[0] && (compression == COMPRESSION_JPEG_OLD || compression == COMPRESSION_JPEG))
                offer(f, at[0], size[0]);
        push(f, tiff_next(&f->window, ifd));
}

/* The directories of the TIFF structure at @base.  Some makers use numbers of their own where TIFF has 42: it is not looked at. */
static void walk_all(struct finder *f, const uint8_t *window, size_t size)
{
        if (tiff_open(&f->window, window, size) < 0)
                return;
        push(f, tiff_number(&f->window, 4, 4));
        for (unsigned i = 0; i < f->n_directories; i++)
                walk(f, f->directories[i], i == 0);
}

static uint64_t be(const uint8_t *b, unsigned n)
{
        uint64_t value = 0;

        for (unsigned i = 0; i < n; i++)
                value = value << 8 | b[i];
        return value;
}

/* CR3: the preview is in a box PRVW inside a uuid box, or the first track of mdat; whatever JPEG begins right behind such a head
 * is taken. */
static void walk_boxes(struct finder *f)
{
        uint64_t at = 0;

        for (unsigned i = 0; i < DIRECTORIES_MAX; i++) {
                uint8_t b[56];
                size_t n = input_read(f->in, at, b, sizeof b);
                uint64_t size;

                if (n < 32)
                        return;
                size = be(b, 4) == 1 ? be(b + 8, 8) : be(b, 4);
                if (memcmp(b + 4, "uuid", 4) == 0 && n == sizeof b && memcmp(b + 36, "PRVW", 4) == 0)
                        offer(f, at + 56, be(b + 52, 4));
                if (memcmp(b + 4, "mdat", 4) == 0 && b[16] == 0xff && b[17] == 0xd8 && be(b, 4) == 1)
                        offer(f, at + 16, f->in->size - at - 16); /* the decoder stops at its end */
                if (size < 8 || size > f->in->size - at)
                        return;
                at += size;
        }
}

bool raw_find(struct input *in, uint64_t *ret_start, uint64_t *ret_size, unsigned *ret_orientation, struct verdict *v)
{
        struct finder f = { .in = in, .orientation = 0 };
        size_t want = (size_t)MIN(in->size, (uint64_t)WINDOW_BYTES), n;
        g_autofree uint8_t *window = (uint8_t *)g_try_malloc(want);

        if (!window)
                return verdict_fail(v, REASON_OUT_OF_MEMORY, "no memory for the directories of a RAW file");
        n = input_read(in, 0, window, want);
        if (n >= 92 && memcmp(window, "FUJIFILMCCD-RAW", 15) == 0)
                offer(&f, be(window + 84, 4), be(window + 88, 4));
        else if (n >= 12 && memcmp(window + 4, "ftyp", 4) == 0)
                walk_boxes(&f);
        else
                walk_all(&f, window, n);
        if (f.size == 0)
                return verdict_fail(v, REASON_UNSUPPORTED, "a camera RAW file without an embedded JPEG");
        *ret_start = f.start;
        *ret_size = f.size;
        *ret_orientation = f.orientation;
        return true;
}
