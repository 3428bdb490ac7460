/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record on thumbnails: what is written is read back, and nothing else is taken for one. */

#include "record.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static struct record sample(void)
{
        struct record r = { .size = UINT64_MAX, .inode = 12345678901234567, .mtime_nsec = INT64_MIN };

        record_hash("preset", r.preset);
        record_hash("file", r.file);
        return r;
}

static void test_round_trip(void)
{
        struct record r = sample(), back;
        char text[RECORD_BYTES_MAX];
        int n = record_format(&r, text);

        g_assert_cmpint(n, <, RECORD_BYTES_MAX);
        g_assert_cmpint(record_parse(text, (size_t)n, &back), ==, 0);
        g_assert_cmpint(record_match(&back, &r), ==, RECORD_FRESH);
        g_assert_cmpstr(back.file, ==, r.file);
        g_assert_cmpstr(back.preset, ==, r.preset);
        g_assert_cmpint(back.mtime_nsec, ==, r.mtime_nsec);
}

/* An ext4 inode of 256 bytes has 60 left for it; more takes a block for each thumbnail. */
static void test_fits_in_an_inode(void)
{
        struct record r = sample();
        char text[RECORD_BYTES_MAX];

        r.size = UINT64_C(512) << 20;
        r.inode = UINT32_MAX - 1;
        r.mtime_nsec = INT64_C(4102444800) * 1000000000; /* the year 2100 */
        g_assert_cmpint(record_format(&r, text), <=, 60);
}

static void test_refusals(void)
{
        struct record r = sample(), back = { .size = 7 };
        char text[RECORD_BYTES_MAX];
        int n = record_format(&r, text);

        for (int cut = 0; cut < n; cut++)
                g_assert_cmpint(record_parse(text, (size_t)cut, &back), ==, -EBADMSG);
        text[0] = '3'; /* a later version is none of ours */
        g_assert_cmpint(record_parse(text, (size_t)n, &back), ==, -EBADMSG);
        text[0] = '2';
        text[n] = ' ';
        g_assert_cmpint(record_parse(text, (size_t)n + 1, &back), ==, -EBADMSG);
        g_assert_cmpint(record_parse("?", 1, &back), ==, -EBADMSG);
        g_assert_cmpuint(back.size, ==, 7); /* untouched */
}

static void test_match(void)
{
        struct record r = sample(), other = r;

        other.mtime_nsec++;
        g_assert_cmpint(record_match(&other, &r), ==, RECORD_MTIME_ONLY);
        other = r;
        other.size--;
        g_assert_cmpint(record_match(&other, &r), ==, RECORD_STALE);
        other = r;
        other.inode--;
        g_assert_cmpint(record_match(&other, &r), ==, RECORD_STALE);
        other = r;
        record_hash("another preset", other.preset);
        g_assert_cmpint(record_match(&other, &r), ==, RECORD_STALE);
        other = r;
        record_hash("renamed", other.file);
        g_assert_cmpint(record_match(&other, &r), ==, RECORD_FRESH);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/record/round-trip", test_round_trip);
        g_test_add_func("/record/fits-in-an-inode", test_fits_in_an_inode);
        g_test_add_func("/record/refusals", test_refusals);
        g_test_add_func("/record/match", test_match);
        return g_test_run();
}
