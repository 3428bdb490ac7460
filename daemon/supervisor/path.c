/* SPDX-License-Identifier: GPL-2.0-or-later */
/* openat2(2) and its use. */

#include "path.h"

#include "base.h"

#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

int path_openat(int root_fd, const char *path, int flags, mode_t mode)
{
        const struct open_how how = { .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
                                      .mode = mode,
                                      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
        long fd;

        do /* -EAGAIN: a rename somewhere else raced with the walk, openat2(2) asks to try again */
                fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
        while (fd < 0 && (errno == EINTR || (errno == EAGAIN && (flags & O_PATH))));
        return fd < 0 ? neg_errno() : (int)fd;
}

void path_of_fd(int fd, char ret[PATH_OF_FD_BYTES])
{
        (void)snprintf(ret, PATH_OF_FD_BYTES, "/proc/self/fd/%d", fd);
}

int path_link(int fd, int dir_fd, const char *base)
{
        char path[PATH_OF_FD_BYTES];

        /* By descriptor it costs a quarter less, and is for whoever has opened the file (Linux 6.10), or for CAP_DAC_READ_SEARCH. */
        if (linkat(fd, "", dir_fd, base, AT_EMPTY_PATH) == 0)
                return 0;
        if (errno != ENOENT)
                return neg_errno();
        path_of_fd(fd, path);
        return linkat(AT_FDCWD, path, dir_fd, base, AT_SYMLINK_FOLLOW) < 0 ? neg_errno() : 0;
}

static void mark_folder(int fd, const char *mark)
{
        char path[PATH_OF_FD_BYTES];

        path_of_fd(fd, path); /* fsetxattr(2) does not take O_PATH */
        (void)setxattr(path, mark, "1", 1, 0);
}

int path_make_folders(int root_fd, const char *path, mode_t mode, const char *mark)
{
        _cleanup_(fd_closep) int at = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
        g_auto(GStrv) parts = g_strsplit(path, "/", -1);
        bool like_root = mode == PATH_MODE_OF_ROOT;
        struct stat root;

        if (at < 0)
                return neg_errno();
        for (char **part = parts; *part; part++) {
                bool made = mkdirat(at, *part, like_root ? 0777 : mode) == 0;
                int next;

                if (made) {
                        if (like_root && fstat(root_fd, &root) == 0)
                                (void)!fchmodat(at, *part, root.st_mode & 07777, 0);
                } else if (errno != EEXIST) {
                        return neg_errno();
                }
                next = openat(at, *part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (next < 0)
                        return neg_errno();
                if (made && mark)
                        mark_folder(next, mark);
                (void)fd_close(at);
                at = next;
        }
        return 0;
}

char *path_directory(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? g_strndup(path, (gsize)(slash - path)) : g_strdup("");
}

int path_set_mtime(int fd, const char *base, struct timespec mtime)
{
        struct timespec times[2] = { { 0 }, mtime };

        (void)clock_gettime(CLOCK_REALTIME, times); /* not UTIME_OMIT: libfuse 2 sets both or, in silence, none */
        return (base ? utimensat(fd, base, times, AT_SYMLINK_NOFOLLOW) : futimens(fd, times)) < 0 ? neg_errno() : 0;
}

const char *path_base(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

bool path_is_below(const char *path, const char *directory)
{
        size_t n = strlen(directory);

        return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int path_open_parent(int root_fd, const char *path, bool make, const char **ret_base)
{
        const char *base = path_base(path);
        g_autofree char *folder = base == path ? g_strdup(".") : g_strndup(path, (gsize)(base - path) - 1);
        int fd = path_openat(root_fd, folder, O_PATH | O_DIRECTORY, 0), r;

        if (fd == -ENOENT && make) {
                r = path_make_folders(root_fd, folder, PATH_MODE_OF_ROOT, NULL);
                fd = r < 0 ? r : path_openat(root_fd, folder, O_PATH | O_DIRECTORY, 0);
        }
        *ret_base = base;
        return fd;
}

char *path_numbered(const char *path, unsigned n)
{
        const char *base = path_base(path), *dot = strrchr(base, '.');
        size_t stem, folder = (size_t)(base - path);
        g_autofree char *number = g_strdup_printf("~%u", n);

        if (n == 1)
                return g_strdup(path);
        if (!dot || dot == base || strlen(dot) > 16)
                dot = base + strlen(base);
        stem = MIN((size_t)(dot - base), NAME_MAX - strlen(dot) - strlen(number));
        while (stem > 0 && stem < (size_t)(dot - base) && ((unsigned char)base[stem] & 0xc0) == 0x80) /* not inside a character */
                stem--;
        return g_strdup_printf("%.*s%.*s%s%s", (int)folder, path, (int)stem, base, number, dot);
}
