/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What repeats is told a few times, then counted, with the clock in our hands. */

#include "flood.h"

#include <glib.h>

#define SECOND UINT64_C(1000000)
#define START  (1000 * SECOND)

/* @n times @cause at @now; returns how many were told in full. */
static unsigned repeat(struct flood *f, const char *cause, unsigned n, uint64_t now)
{
        unsigned told = 0;

        for (unsigned i = 0; i < n; i++) {
                if (flood_admits(f, cause, now))
                        told++;
                else
                        flood_hold(f, cause, g_strdup_printf("%s %u", cause, i), now);
        }
        return told;
}

static void assert_next(struct flood *f, uint64_t now, uint64_t count, const char *line)
{
        uint64_t found = 0;
        g_autofree char *next = (char *)flood_next(f, now, &found);

        g_assert_cmpstr(next, ==, line);
        g_assert_cmpuint(found, ==, count);
}

static void test_burst(void)
{
        struct flood *f = flood_new(g_free);

        g_assert_cmpuint(repeat(f, "a", FLOOD_TOLD_MAX, START), ==, FLOOD_TOLD_MAX);
        g_assert_cmpuint(flood_due_usec(f), ==, 0); /* no timer for what is told already */
        g_assert_cmpuint(repeat(f, "b", 1, START), ==, 1);
        g_assert_cmpuint(repeat(f, "a", 9995, START), ==, 0);
        g_assert_cmpuint(flood_due_usec(f), >, START);
        assert_next(f, START, 0, NULL);
        assert_next(f, START + 5 * SECOND, 9995, "a 9994");
        assert_next(f, START + 5 * SECOND, 0, NULL);
        g_assert_cmpuint(flood_due_usec(f), ==, 0);
        flood_free(f);
}

/* A stream that never ends is told of now and then, less and less often, and the end of it, too. */
static void test_stream(void)
{
        struct flood *f = flood_new(g_free);
        uint64_t now = START, counted = 0, last = 0, told = repeat(f, "a", 1, START), summaries = 0, gap = 0;

        for (unsigned i = 0; i < 4 * 3600; i++, now += SECOND) {
                uint64_t count = 0;
                char *line;

                told += repeat(f, "a", 1, now);
                while (flood_due_usec(f) > 0 && now >= flood_due_usec(f) && (line = (char *)flood_next(f, now, &count)) != NULL) {
                        g_free(line);
                        counted += count;
                        summaries++;
                        gap = now - last;
                        last = now;
                }
        }
        g_assert_cmpuint(told, ==, FLOOD_TOLD_MAX);
        g_assert_cmpuint(summaries, >, 20);
        g_assert_cmpuint(summaries, <, 40);
        g_assert_cmpuint(gap, >=, 600 * SECOND);
        for (;;) {
                uint64_t count = 0;
                g_autofree char *line = (char *)flood_next(f, UINT64_MAX, &count);

                if (!line)
                        break;
                counted += count;
        }
        g_assert_cmpuint(told + counted, ==, 4 * 3600 + 1);
        g_assert_cmpuint(flood_due_usec(f), ==, 0);
        flood_free(f);
}

static void test_forgotten(void)
{
        struct flood *f = flood_new(g_free);

        (void)repeat(f, "a", FLOOD_TOLD_MAX, START);
        g_assert_cmpuint(repeat(f, "a", 1, START + 599 * SECOND), ==, 0);
        g_assert_cmpuint(repeat(f, "a", 1, START + 2000 * SECOND), ==, 0); /* something is still to be said of it */
        assert_next(f, START + 2005 * SECOND, 2, "a 0");
        g_assert_cmpuint(repeat(f, "a", 1, START + 2700 * SECOND), ==, 1);
        flood_free(f);
}

/* Beyond the number of causes that are kept in mind, everything is told. */
static void test_many_causes(void)
{
        struct flood *f = flood_new(g_free);

        for (unsigned i = 0; i < 1000; i++) {
                g_autofree char *cause = g_strdup_printf("%u", i);

                g_assert_cmpuint(repeat(f, cause, 3, START), ==, 3);
        }
        (void)repeat(f, "0", 100, START);
        g_assert_cmpuint(repeat(f, "999", 100, START), ==, 100);
        g_assert_cmpuint(repeat(f, "999", 100, START + 601 * SECOND), ==, FLOOD_TOLD_MAX); /* others are over by now */
        flood_free(f);                                                                     /* with lines that nobody took */
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/flood/burst", test_burst);
        g_test_add_func("/flood/stream", test_stream);
        g_test_add_func("/flood/forgotten", test_forgotten);
        g_test_add_func("/flood/many-causes", test_many_causes);
        return g_test_run();
}
