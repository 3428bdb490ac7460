/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The record that each thumbnail carries: which version of which original it shows, and by which preset.  It is an extended
 * attribute, one line of text:
 *
 *   2 SIZE INODE MTIME_NSEC PRESET FILE
 *
 * all numbers in base 36: so it fits beside the inode on ext4 as it is made by default (60 bytes), and costs no block of its own.  PRESET
 * is the fingerprint of the preset's keys and FILE the first 64 bits of the SHA-256 of the original's path below the inbox.  Another
 * version number is no record to us.  Where extended attributes do not work, or with such a record, the thumbnail's mtime speaks. */

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>

#define RECORD_BYTES_MAX  160
#define RECORD_HASH_BYTES 17 /* 16 hex digits and a NUL */

struct record {
        uint64_t size, inode;
        int64_t mtime_nsec;
        char preset[RECORD_HASH_BYTES];
        char file[RECORD_HASH_BYTES];
};

/* The 16 digits for @text. */
void record_hash(const char *text, char ret[static RECORD_HASH_BYTES]);

/* Write @record to @ret as text.  Returns its length without the NUL. */
int record_format(const struct record *record, char ret[static RECORD_BYTES_MAX]);

/* Read @text (of @length bytes, no NUL needed).  Returns 0, or -EBADMSG if it is not a record of this version. */
int record_parse(const char *text, size_t length, struct record *ret);

enum record_match {
        RECORD_FRESH,      /* shows exactly @wanted */
        RECORD_MTIME_ONLY, /* the same but for the original's mtime */
        RECORD_STALE,      /* another version, or by another preset */
};

/* In what two records differ. */
enum { RECORD_SIZE = 1, RECORD_INODE = 2, RECORD_MTIME = 4, RECORD_PRESET = 8 };
unsigned record_differences(const struct record *have, const struct record *wanted);

/* The file's name is left out: a folder that was renamed together with its thumbnails needs no work. */
enum record_match record_match(const struct record *have, const struct record *wanted);
