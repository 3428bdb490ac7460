/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cannot be tried now is taken for possible: nothing is written then anyway, and what turns out not to work is noticed by its user. */

#include "ability.h"

#include "attribute.h"
#include "base.h"
#include "path.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PROBE       "probe"
#define PROBE_UPPER "PROBE"

/* Of an error that says nothing about what the file system can do. */
static bool is_passing(int error)
{
        return error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO;
}

static bool keeps_attributes(int root_fd)
{
        return fgetxattr(root_fd, ATTRIBUTE_RECORD, NULL, 0) >= 0 || errno == ENODATA;
}

static int try_names(int root_fd, const char *folder, struct ability *a)
{
        _cleanup_(fd_closep) int dir_fd = -1;
        int fd, r = path_make_folders(root_fd, folder, 0750, NULL);

        if (r >= 0)
                r = dir_fd = path_openat(root_fd, folder, O_PATH | O_DIRECTORY, 0);
        fd = r < 0 ? -1 : openat(dir_fd, PROBE, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        a->knows_names = fd >= 0;
        a->folds_case = fd >= 0 && faccessat(dir_fd, PROBE_UPPER, F_OK, 0) == 0;
        if (fd >= 0)
                (void)unlinkat(dir_fd, PROBE, 0);
        return fd;
}

void ability_try_names(int root_fd, const char *folder, struct ability *ability)
{
        (void)fd_close(try_names(root_fd, folder, ability));
}

void ability_try(int root_fd, const char *folder, struct ability *ret)
{
        _cleanup_(fd_closep) int unnamed = openat(root_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), named = -1;
        struct ability a = { .unnamed = unnamed >= 0 || is_passing(errno) };
        int fd;

        named = try_names(root_fd, folder, &a);
        fd = unnamed >= 0 ? unnamed : named;
        a.xattrs = fd < 0 ? keeps_attributes(root_fd) : fsetxattr(fd, ATTRIBUTE_RECORD, "?", 1, 0) == 0 || is_passing(errno);
        *ret = a;
}

void ability_look(int root_fd, struct ability *ret)
{
        *ret = (struct ability){ .xattrs = keeps_attributes(root_fd) };
}
