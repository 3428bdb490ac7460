/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The little of EXIF that a thumbnail needs: which way is up, and a copy of the block that cannot mislead.  Pure, bounded. */

#include <stddef.h>
#include <stdint.h>

/* A TIFF structure in memory, as in an EXIF block (without "Exif\0\0") or at the start of a camera RAW. */
struct tiff {
        const uint8_t *bytes;
        size_t size;
        int big_endian;
};

struct tiff_entry {
        uint16_t tag, type;
        uint32_t count;
        uint32_t value; /* the first value when it fits into the entry, else the offset of the values */
        size_t at;      /* of the entry */
};

/* Returns 0, or -1 if that is none. */
int tiff_open(struct tiff *t, const void *bytes, size_t size);
uint32_t tiff_number(const struct tiff *t, size_t at, unsigned bytes);

/* The number of entries of the directory at @ifd, as many as are really there; 0 if there is no directory. */
unsigned tiff_entries(const struct tiff *t, size_t ifd);
struct tiff_entry tiff_entry_at(const struct tiff *t, size_t ifd, unsigned i);

/* The offset of the directory behind the one at @ifd, 0 if there is none. */
size_t tiff_next(const struct tiff *t, size_t ifd);

/* 1 to 8; 1 if it says nothing valid. */
unsigned exif_orientation(const void *exif, size_t size);

/* Make @exif that of an upright picture: orientation 1, and the embedded thumbnail, which shows what the picture once was, gone. */
void exif_settle(void *exif, size_t size);
