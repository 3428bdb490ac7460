/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads cpu.max (control groups, version 2) or cpu.cfs_quota_us and cpu.cfs_period_us (version 1), see cgroups(7). */

#include "cpus.h"

#include <glib.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CGROUPS "/sys/fs/cgroup"

static double quota_of(const char *folder)
{
        g_autofree char *max = g_build_filename(folder, "cpu.max", NULL), *text = NULL;
        g_autofree char *quota_name = g_build_filename(folder, "cpu.cfs_quota_us", NULL), *quota_text = NULL;
        g_autofree char *period_name = g_build_filename(folder, "cpu.cfs_period_us", NULL), *period_text = NULL;
        double quota = 0, period = 0;

        if (g_file_get_contents(max, &text, NULL, NULL)) {
                if (sscanf(text, "%lf %lf", &quota, &period) != 2) /* "max PERIOD" is none */
                        return 0;
        } else if (g_file_get_contents(quota_name, &quota_text, NULL, NULL) &&
                   g_file_get_contents(period_name, &period_text, NULL, NULL)) {
                quota = g_ascii_strtod(quota_text, NULL);
                period = g_ascii_strtod(period_text, NULL);
        }
        return quota > 0 && period > 0 ? quota / period : 0;
}

/* Of the group at @path below @root and of those above it, to @root itself. */
static double smallest_quota(const char *root, const char *path)
{
        g_autofree char *at = g_strdup(path);
        double smallest = 0;

        for (;;) {
                g_autofree char *folder = g_build_filename(root, at, NULL);
                double quota = quota_of(folder);
                char *slash = strrchr(at, '/');

                if (quota > 0 && (smallest <= 0 || quota < smallest))
                        smallest = quota;
                if (!slash || at[1] == '\0')
                        return smallest;
                slash[slash == at ? 1 : 0] = '\0';
        }
}

double cpus_quota(const char *groups, const char *root)
{
        g_auto(GStrv) lines = g_strsplit(groups, "\n", -1);
        double smallest = 0;

        for (char **line = lines; *line; line++) { /* "0::/path", or "4:cpu,cpuacct:/path" */
                g_auto(GStrv) parts = g_strsplit(*line, ":", 3);
                g_auto(GStrv) controllers = NULL;
                g_autofree char *mounted = NULL;
                double quota;

                if (g_strv_length(parts) < 3)
                        continue;
                controllers = g_strsplit(parts[1], ",", -1);
                if (*parts[1] && !g_strv_contains((const char *const *)controllers, "cpu"))
                        continue;
                mounted = g_build_filename(root, *parts[1] ? "cpu" : "", NULL);
                quota = smallest_quota(mounted, parts[2]);
                if (quota > 0 && (smallest <= 0 || quota < smallest))
                        smallest = quota;
        }
        return smallest;
}

unsigned cpus_usable(void)
{
        g_autofree char *groups = NULL;
        cpu_set_t set;
        unsigned n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
        double quota = g_file_get_contents("/proc/self/cgroup", &groups, NULL, NULL) ? cpus_quota(groups, CGROUPS) : 0;

        if (quota > 0)
                n = MIN(n, (unsigned)(quota + 0.5));
        return MAX(n, 1U);
}
