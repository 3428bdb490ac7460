/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading them by name, which has a system call of its own only lately. */

#include "attribute.h"

#include "base.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define GETXATTRAT 464 /* SYS_getxattrat, the same on every architecture that we know */

/* Of entry @base of @folder_fd, without opening it: getxattrat(2) of Linux 6.13, else by way of /proc. */
static ssize_t get_attribute(int folder_fd, const char *base, const char *name, char *value, size_t size)
{
        const struct {
                uint64_t value;
                uint32_t size, flags;
        } arguments = { (uintptr_t)value, (uint32_t)size, 0 };
        ssize_t n = syscall(GETXATTRAT, folder_fd, base, AT_SYMLINK_NOFOLLOW, name, &arguments, sizeof arguments);
        char path[sizeof "/proc/self/fd//" + 10 + NAME_MAX];

        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) /* EPERM: a filter of system calls that does not know it */
                return n;
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", folder_fd, base);
        return lgetxattr(path, name, value, size);
}

int attribute_record(int folder_fd, const char *base, struct record *ret)
{
        char text[RECORD_BYTES_MAX];
        ssize_t n = get_attribute(folder_fd, base, ATTRIBUTE_RECORD, text, sizeof text);

        return n < 0 ? neg_errno() : record_parse(text, (size_t)n, ret);
}

bool attribute_is_folder_of_ours(int folder_fd, const char *base)
{
        return get_attribute(folder_fd, base, ATTRIBUTE_FOLDER, NULL, 0) >= 0;
}
