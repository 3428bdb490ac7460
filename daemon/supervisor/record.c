/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text form and comparison of records.  Pure. */

#include "record.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define HASH_DIGITS 13 /* of 64 bits in base 36 */

void record_hash(const char *text, char ret[static RECORD_HASH_BYTES])
{
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

        (void)g_strlcpy(ret, sum, RECORD_HASH_BYTES);
}

/* Append @n in base 36, at least @width digits, and @end.  Returns the place behind it. */
static char *put(char *at, uint64_t n, unsigned width, char end)
{
        char digits[HASH_DIGITS];
        unsigned length = 0;

        while (n > 0 || length < width) {
                digits[length++] = "0123456789abcdefghijklmnopqrstuvwxyz"[n % 36];
                n /= 36;
        }
        while (length > 0)
                *at++ = digits[--length];
        *at++ = end;
        return at;
}

/* Read what put() has written.  Returns the place behind it, or NULL. */
static const char *get(const char *at, const char *end, unsigned width, char stop, uint64_t *ret)
{
        const char *start = at;
        uint64_t n = 0;

        for (; at < end && *at != stop; at++) {
                int digit = g_ascii_isdigit(*at) ? *at - '0' : *at >= 'a' && *at <= 'z' ? *at - 'a' + 10 : 36;

                if (digit > 35 || __builtin_mul_overflow(n, 36, &n) || __builtin_add_overflow(n, (unsigned)digit, &n))
                        return NULL;
        }
        if (at == end || at - start < width)
                return NULL;
        *ret = n;
        return at + 1;
}

static uint64_t hash_number(const char *hash)
{
        return g_ascii_strtoull(hash, NULL, 16);
}

static void number_hash(uint64_t n, char ret[static RECORD_HASH_BYTES])
{
        for (int i = RECORD_HASH_BYTES - 2; i >= 0; i--, n >>= 4)
                ret[i] = "0123456789abcdef"[n & 15];
        ret[RECORD_HASH_BYTES - 1] = '\0';
}

int record_format(const struct record *r, char ret[static RECORD_BYTES_MAX])
{
        char *at = ret;

        *at++ = '2';
        *at++ = ' ';
        at = put(at, r->size, 1, ' ');
        at = put(at, r->inode, 1, ' ');
        at = put(at, (uint64_t)r->mtime_nsec, 1, ' ');
        at = put(at, hash_number(r->preset), HASH_DIGITS, ' ');
        at = put(at, hash_number(r->file), HASH_DIGITS, '\0');
        return (int)(at - ret) - 1;
}

int record_parse(const char *text, size_t length, struct record *ret)
{
        char line[RECORD_BYTES_MAX];
        const char *at = line + 2, *end = line + length + 1;
        uint64_t mtime, preset, file;
        struct record r;

        if (length >= sizeof line || length < 2 || text[0] != '2' || text[1] != ' ')
                return -EBADMSG;
        memcpy(line, text, length);
        line[length] = '\0';
        at = get(at, end, 1, ' ', &r.size);
        at = at ? get(at, end, 1, ' ', &r.inode) : NULL;
        at = at ? get(at, end, 1, ' ', &mtime) : NULL;
        at = at ? get(at, end, HASH_DIGITS, ' ', &preset) : NULL;
        at = at ? get(at, end, HASH_DIGITS, '\0', &file) : NULL;
        if (at != end)
                return -EBADMSG;
        r.mtime_nsec = (int64_t)mtime;
        number_hash(preset, r.preset);
        number_hash(file, r.file);
        *ret = r;
        return 0;
}

unsigned record_differences(const struct record *have, const struct record *wanted)
{
        return (have->size != wanted->size ? RECORD_SIZE : 0U) | (have->inode != wanted->inode ? RECORD_INODE : 0U) |
               (have->mtime_nsec != wanted->mtime_nsec ? RECORD_MTIME : 0U) |
               (strcmp(have->preset, wanted->preset) != 0 ? RECORD_PRESET : 0U);
}

enum record_match record_match(const struct record *have, const struct record *wanted)
{
        unsigned differences = record_differences(have, wanted);

        return differences == 0 ? RECORD_FRESH : differences == RECORD_MTIME ? RECORD_MTIME_ONLY : RECORD_STALE;
}
