/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How many processors this process may use. */

/* By affinity, and by the quotas of its control group and of those above it; at least 1. */
unsigned cpus_usable(void);

/* The smallest quota, in processors, that holds for a process whose /proc/self/cgroup reads @groups, with control groups mounted at
 * @root; 0 if there is none. */
double cpus_quota(const char *groups, const char *root);
