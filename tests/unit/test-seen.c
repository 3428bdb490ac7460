/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is new, what has changed, what has gone; many files, and readings that were not complete. */

#include "seen.h"

#include <glib.h>

static struct stat version(uint64_t inode, off_t size, long mtime_nsec)
{
        return (struct stat){
                .st_mode = S_IFREG | 0644, .st_ino = inode, .st_size = size, .st_mtim = { .tv_sec = 7, .tv_nsec = mtime_nsec }
        };
}

static void test_news(void)
{
        struct seen *s = seen_new();
        struct stat st = version(1, 2, 3), folder = { .st_mode = S_IFDIR | 0755, .st_ino = 9, .st_size = 1 };
        const struct stat changes[] = { version(2, 2, 3), version(1, 3, 3), version(1, 2, 4) };

        g_assert_true(seen_note(s, "a", &st));
        g_assert_false(seen_note(s, "a", &st));
        g_assert_true(seen_note(s, "b", &st));
        st.st_mode = S_IFREG | 0600;
        g_assert_false(seen_note(s, "a", &st));
        for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
                g_assert_true(seen_note(s, "a", changes + i));
                g_assert_false(seen_note(s, "a", changes + i));
        }
        g_assert_true(seen_note(s, "d", &folder));
        folder.st_size = 2; /* something was put into it */
        g_assert_false(seen_note(s, "d", &folder));
        folder.st_ino = 10;
        g_assert_true(seen_note(s, "d", &folder));
        g_assert_cmpuint(seen_count(s), ==, 3);
        seen_free(s);
}

static void test_gone(void)
{
        struct seen *s = seen_new();
        struct stat st = version(1, 2, 3);

        (void)seen_note(s, "a", &st);
        (void)seen_note(s, "b", &st);
        for (unsigned i = 0; i < 3; i++) {
                seen_begin(s);
                g_assert_false(seen_note(s, "a", &st));
                g_assert_cmpuint(seen_end(s), ==, i == 0 ? 1 : 0);
        }
        g_assert_true(seen_note(s, "b", &st));
        seen_free(s);
}

/* A reading that is begun and never ended says nothing of what it did not meet. */
static void test_incomplete(void)
{
        struct seen *s = seen_new();
        struct stat st = version(1, 2, 3);

        (void)seen_note(s, "a", &st);
        (void)seen_note(s, "b", &st);
        seen_begin(s);
        (void)seen_note(s, "a", &st);
        seen_begin(s);
        g_assert_false(seen_note(s, "a", &st));
        g_assert_false(seen_note(s, "b", &st));
        g_assert_cmpuint(seen_end(s), ==, 0);
        seen_free(s);
}

static void test_many(void)
{
        struct seen *s = seen_new();
        const unsigned n = 200000;

        for (unsigned reading = 0; reading < 3; reading++) {
                seen_begin(s);
                for (unsigned i = reading * 1000; i < n; i++) {
                        g_autofree char *name = g_strdup_printf("folder/%u.jpg", i);
                        struct stat st = version(i, 1, i % 7 == 0 ? reading : 0);

                        g_assert_cmpint(seen_note(s, name, &st), ==, reading == 0 || i % 7 == 0);
                }
                g_assert_cmpuint(seen_end(s), ==, reading == 0 ? 0 : 1000);
                g_assert_cmpuint(seen_count(s), ==, n - reading * 1000);
        }
        seen_begin(s);
        g_assert_cmpuint(seen_end(s), ==, n - 2000);
        g_assert_cmpuint(seen_count(s), ==, 0);
        seen_free(s);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/seen/news", test_news);
        g_test_add_func("/seen/gone", test_gone);
        g_test_add_func("/seen/incomplete", test_incomplete);
        g_test_add_func("/seen/many", test_many);
        return g_test_run();
}
