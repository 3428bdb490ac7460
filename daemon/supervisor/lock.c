/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flock(2), and who has it by proc(5). */

#include "lock.h"

#include "base.h"

#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <time.h>

pid_t lock_holder(const struct stat *st)
{
        g_autofree char *wanted = g_strdup_printf(" %02x:%02x:%ju ", major(st->st_dev), minor(st->st_dev), (uintmax_t)st->st_ino);
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        int pid;

        if (!g_file_get_contents("/proc/locks", &text, NULL, NULL))
                return 0;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) /* those that wait for one are marked by an arrow */
                if (strstr(*line, wanted) && sscanf(*line, "%*[0-9]: FLOCK %*s %*s %d", &pid) == 1)
                        return pid;
        return 0;
}

int lock_take(int fd, uint64_t wait_usec)
{
        const struct timespec pause = { .tv_nsec = 50 * 1000000L };

        for (uint64_t waited = 0;; waited += 50000) {
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return 0;
                if (errno == ENOLCK || errno == EBADF ||
                    errno == EOPNOTSUPP) /* a file system without locks cannot be shared safely, */
                        return 0;        /* but is no reason not to work */
                if (errno != EWOULDBLOCK || waited >= wait_usec)
                        return neg_errno();
                (void)nanosleep(&pause, NULL); /* only while starting: no event loop is kept waiting */
        }
}
