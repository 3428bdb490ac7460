/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads TIFF directories with every offset checked.  Nothing is allocated. */

#include "exif.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TAG_THUMBNAIL = 0x0201, TAG_THUMBNAIL_BYTES = 0x0202, ENTRY_BYTES = 12 };

int tiff_open(struct tiff *t, const void *bytes, size_t size)
{
        const uint8_t *b = (const uint8_t *)bytes;

        if (size < 8 || b[0] != b[1] || (b[0] != 'I' && b[0] != 'M'))
                return -1;
        *t = (struct tiff){ .bytes = b, .size = size, .big_endian = b[0] == 'M' };
        return 0;
}

uint32_t tiff_number(const struct tiff *t, size_t at, unsigned bytes)
{
        uint32_t n = 0;

        if (at > t->size || bytes > t->size - at)
                return 0;
        for (unsigned i = 0; i < bytes; i++)
                n |= (uint32_t)t->bytes[at + i] << 8 * (t->big_endian ? bytes - 1 - i : i);
        return n;
}

unsigned tiff_entries(const struct tiff *t, size_t ifd)
{
        unsigned n = tiff_number(t, ifd, 2);
        size_t room = ifd + 2 < t->size ? (t->size - ifd - 2) / ENTRY_BYTES : 0;

        return ifd == 0 ? 0 : n < room ? n : (unsigned)room;
}

struct tiff_entry tiff_entry_at(const struct tiff *t, size_t ifd, unsigned i)
{
        size_t at = ifd + 2 + (size_t)i * ENTRY_BYTES;
        struct tiff_entry e = { .tag = (uint16_t)tiff_number(t, at, 2),
                                .type = (uint16_t)tiff_number(t, at + 2, 2),
                                .count = tiff_number(t, at + 4, 4),
                                .at = at };

        e.value = e.type == 3 && e.count <= 2   ? tiff_number(t, at + 8, 2)
                  : e.type == 1 && e.count <= 4 ? tiff_number(t, at + 8, 1)
                                                : tiff_number(t, at + 8, 4);
        return e;
}

size_t tiff_next(const struct tiff *t, size_t ifd)
{
        return ifd == 0 ? 0 : tiff_number(t, ifd + 2 + (size_t)tiff_number(t, ifd, 2) * ENTRY_BYTES, 4);
}

unsigned exif_orientation(const void *exif, size_t size)
{
        struct tiff t;
        size_t ifd;

        if (tiff_open(&t, exif, size) < 0)
                return 1;
        ifd = tiff_number(&t, 4, 4);
        for (unsigned i = 0; i < tiff_entries(&t, ifd); i++) {
                struct tiff_entry e = tiff_entry_at(&t, ifd, i);

                if (e.tag == TAG_ORIENTATION)
                        return e.value >= 1 && e.value <= 8 ? e.value : 1;
        }
        return 1;
}

static void put_number(const struct tiff *t, uint8_t *bytes, size_t at, unsigned n_bytes, uint32_t value)
{
        if (at > t->size || n_bytes > t->size - at)
                return;
        for (unsigned i = 0; i < n_bytes; i++)
                bytes[at + i] = (uint8_t)(value >> 8 * (t->big_endian ? n_bytes - 1 - i : i));
}

static void wipe_thumbnail(const struct tiff *t, uint8_t *bytes, size_t ifd)
{
        uint32_t at = 0, size = 0;

        for (unsigned i = 0; i < tiff_entries(t, ifd); i++) {
                struct tiff_entry e = tiff_entry_at(t, ifd, i);

                at = e.tag == TAG_THUMBNAIL ? e.value : at;
                size = e.tag == TAG_THUMBNAIL_BYTES ? e.value : size;
        }
        if (at >= 8 && at < t->size)
                memset(bytes + at, 0, size < t->size - at ? size : t->size - at);
}

void exif_settle(void *exif, size_t size)
{
        uint8_t *bytes = (uint8_t *)exif;
        struct tiff t;
        size_t ifd, link;

        if (tiff_open(&t, exif, size) < 0)
                return;
        ifd = tiff_number(&t, 4, 4);
        for (unsigned i = 0; i < tiff_entries(&t, ifd); i++) {
                struct tiff_entry e = tiff_entry_at(&t, ifd, i);

                if (e.tag == TAG_ORIENTATION && e.type == 3)
                        put_number(&t, bytes, e.at + 8, 2, 1);
                else if (e.tag == TAG_ORIENTATION)
                        put_number(&t, bytes, e.at + 8, 4, e.type == 4 || !t.big_endian ? 1 : 0x01000000);
        }
        wipe_thumbnail(&t, bytes, tiff_next(&t, ifd));
        link = ifd + 2 + (size_t)tiff_number(&t, ifd, 2) * ENTRY_BYTES;
        if (ifd != 0)
                put_number(&t, bytes, link, 4, 0);
}
