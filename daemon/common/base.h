/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Ownership of descriptors and other plain resources: cleanup attributes, and nothing else. */

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Close @fd if it is one; errno is kept.  Returns -1, to be assigned to the variable that held it. */
static inline int fd_close(int fd)
{
        int saved = errno;

        if (fd >= 0)
                (void)close(fd);
        errno = saved;
        return -1;
}

static inline void fd_closep(int *fd)
{
        *fd = fd_close(*fd);
}

/* Take the descriptor out of a cleanup variable. */
static inline int fd_steal(int *fd)
{
        int r = *fd;

        *fd = -1;
        return r;
}

static inline void dir_closep(DIR **dir)
{
        if (*dir)
                (void)closedir(*dir);
        *dir = NULL;
}

/* The negative errno of a call that just failed, never 0. */
static inline int neg_errno(void)
{
        return errno > 0 ? -errno : -EIO;
}
