/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a file must have been quiet before it counts as complete. */

#include "examine.h"

#define SECOND INT64_C(1000000000)

static void test_settle(void)
{
        static const struct {
                int64_t mtime_nsec;
                enum source_writers writers;
                enum format_end end;
                bool heard;
                uint64_t expected_usec;
        } rows[] = {
                { 5 * SECOND, WRITERS_NONE, FORMAT_END_COMPLETE, true, 0 },
                { 5 * SECOND, WRITERS_NONE, FORMAT_END_MISSING, true, 300000 },
                { 5 * SECOND, WRITERS_NONE, FORMAT_END_UNKNOWN, true, 300000 },
                { 5 * SECOND, WRITERS_UNKNOWN, FORMAT_END_COMPLETE, true, 300000 },
                { 5 * SECOND, WRITERS_UNKNOWN, FORMAT_END_COMPLETE, false, 300000 },
                { 5 * SECOND, WRITERS_UNKNOWN, FORMAT_END_MISSING, true, 300000 },
                { 5 * SECOND, WRITERS_UNKNOWN, FORMAT_END_MISSING, false, 10000000 },
                { 0, WRITERS_NONE, FORMAT_END_COMPLETE, true, 60000000 },
                { SECOND / 2, WRITERS_NONE, FORMAT_END_UNKNOWN, true, 60000000 },
                { 0, WRITERS_NONE, FORMAT_END_MISSING, true, EXAMINE_NEVER },
                { 0, WRITERS_UNKNOWN, FORMAT_END_MISSING, false, EXAMINE_NEVER },
        };
        const struct folder_config config = { .settle_ms = 300, .poll_seconds = 10 };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                const struct source source = { .mtime_nsec = rows[i].mtime_nsec, .writers = rows[i].writers, .end = rows[i].end };

                g_assert_cmpuint(examine_settle_usec(&config, &source, rows[i].heard), ==, rows[i].expected_usec);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/examine/settle", test_settle);
        return g_test_run();
}
