/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text form and comparison of records.  Pure. */

#include "record.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

void record_hash(const char *text, char ret[static RECORD_HASH_BYTES])
{
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

        (void)g_strlcpy(ret, sum, RECORD_HASH_BYTES);
}

int record_format(const struct record *r, char ret[static RECORD_BYTES_MAX])
{
        return snprintf(ret, RECORD_BYTES_MAX, "1 %" PRIu64 " %" PRIu64 " %" PRIi64 " %s %s", r->size, r->inode, r->mtime_nsec,
                        r->preset, r->file);
}

int record_parse(const char *text, size_t length, struct record *ret)
{
        char line[RECORD_BYTES_MAX];
        struct record r = { 0 };
        int end = 0;

        if (length >= sizeof line || memchr(text, '\0', length))
                return -EBADMSG;
        memcpy(line, text, length);
        line[length] = '\0';
        if (sscanf(line, "1 %" SCNu64 " %" SCNu64 " %" SCNi64 " %16[0-9a-f] %16[0-9a-f]%n", &r.size, &r.inode, &r.mtime_nsec, r.preset,
                   r.file, &end) != 5 ||
            (size_t)end != length || strlen(r.preset) != 16 || strlen(r.file) != 16)
                return -EBADMSG;
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
