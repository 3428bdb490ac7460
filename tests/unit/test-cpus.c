/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "cpus.h"

#include <glib.h>
#include <glib/gstdio.h>

static char *root;

static void put(const char *folder, const char *name, const char *text)
{
        g_autofree char *place = g_build_filename(root, folder, NULL), *path = g_build_filename(place, name, NULL);

        g_assert_cmpint(g_mkdir_with_parents(place, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void test_none(void)
{
        g_assert_cmpfloat(cpus_quota("", root), ==, 0);
        g_assert_cmpfloat(cpus_quota("0::/\n", root), ==, 0);
        g_assert_cmpfloat(cpus_quota("nonsense\n7:memory:/a\n0::/no/such\n", root), ==, 0);
        put("unlimited", "cpu.max", "max 100000\n");
        g_assert_cmpfloat(cpus_quota("0::/unlimited\n", root), ==, 0);
        g_assert_cmpuint(cpus_usable(), >=, 1);
}

/* A service has a group of its own below a slice, and either may have a quota. */
static void test_version_2(void)
{
        put("system.slice/a.service", "cpu.max", "200000 100000\n");
        put("system.slice", "cpu.max", "max 100000\n");
        g_assert_cmpfloat(cpus_quota("0::/system.slice/a.service\n", root), ==, 2);
        put("system.slice", "cpu.max", "150000 100000\n");
        g_assert_cmpfloat(cpus_quota("0::/system.slice/a.service\n", root), ==, 1.5);
        g_assert_cmpfloat(cpus_quota("0::/system.slice\n", root), ==, 1.5);
        put("", "cpu.max", "50000 100000\n"); /* in a container its own group is the root */
        g_assert_cmpfloat(cpus_quota("0::/\n", root), ==, 0.5);
        g_assert_cmpfloat(cpus_quota("0::/system.slice/a.service\n", root), ==, 0.5);
}

static void test_version_1(void)
{
        put("cpu/a", "cpu.cfs_quota_us", "300000\n");
        put("cpu/a", "cpu.cfs_period_us", "100000\n");
        put("cpu/b", "cpu.cfs_quota_us", "-1\n");
        put("cpu/b", "cpu.cfs_period_us", "100000\n");
        g_assert_cmpfloat(cpus_quota("5:memory:/b\n4:cpu,cpuacct:/a\n", root), ==, 3);
        g_assert_cmpfloat(cpus_quota("4:cpu:/b\n", root), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        root = g_dir_make_tmp("test-cpus-XXXXXX", NULL);
        g_test_add_func("/cpus/none", test_none);
        g_test_add_func("/cpus/version-1", test_version_1);
        g_test_add_func("/cpus/version-2", test_version_2);
        return g_test_run();
}
