/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the safety rescan begins. */

#include "recheck.h"

#include <glib.h>

static void test_next(void)
{
        const uint64_t now = 1000000000, hour = UINT64_C(3600000000);

        g_assert_cmpuint(recheck_next_usec(0, now, 0), ==, 0);
        g_assert_cmpuint(recheck_next_usec(6000, now, 0), ==, now + hour - hour / 20);
        g_assert_cmpuint(recheck_next_usec(6000, now, UINT32_MAX), ==, now + hour + hour / 20);
        g_assert_cmpuint(recheck_next_usec(525600 * 100, now, UINT32_MAX), >, now + 365 * 24 * hour); /* no overflow */
        g_assert_cmpuint(recheck_next_usec(525600 * 100, now, UINT32_MAX), <, now + 400 * 24 * hour);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/recheck/next", test_next);
        return g_test_run();
}
