/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps one folder open, and looks whether it still is where it was. */

#include "shelf.h"

#include "base.h"
#include "path.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <time.h>

#define LOOK_MSEC 100

void shelf_init(struct shelf *s, int root_fd)
{
        *s = (struct shelf){ .root_fd = root_fd, .folder_fd = -1 };
}

void shelf_done(struct shelf *s)
{
        s->folder_fd = fd_close(s->folder_fd);
        g_clear_pointer(&s->folder, g_free);
}

/* Whether the folder used last is that of @name, of which its first @length bytes are the folder. */
static bool is_folder_of(const struct shelf *s, const char *name, size_t length)
{
        return s->folder && strncmp(s->folder, name, length) == 0 && s->folder[length] == '\0';
}

static int64_t now_msec(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the folder used last still has its name: it may have been removed, replaced, or moved to where nobody looks for thumbnails. */
static bool is_still_there(struct shelf *s)
{
        struct stat st;

        s->looked_msec = now_msec();
        return fstatat(s->root_fd, s->folder, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == s->folder_stat.st_dev &&
               st.st_ino == s->folder_stat.st_ino;
}

static int enter(struct shelf *s, const char *name, bool make, const char *mark, const char **ret_base)
{
        const char *base = path_base(name);
        size_t length = (size_t)MAX(base - name - 1, 0);
        g_autofree char *folder = NULL;
        struct stat st;
        int fd;

        *ret_base = base;
        if (base == name)
                return s->root_fd;
        if (is_folder_of(s, name, length) && is_still_there(s))
                return s->folder_fd;
        folder = g_strndup(name, length);
        fd = path_openat(s->root_fd, folder, O_PATH | O_DIRECTORY, 0);
        if (fd == -ENOENT && make) {
                int r = path_make_folders(s->root_fd, folder, PATH_MODE_OF_ROOT, mark);

                if (r < 0)
                        return r;
                fd = path_openat(s->root_fd, folder, O_PATH | O_DIRECTORY, 0);
        }
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0) {
                int r = neg_errno();

                (void)fd_close(fd);
                return r;
        }
        shelf_done(s);
        s->folder = (char *)g_steal_pointer(&folder);
        s->folder_fd = fd;
        s->folder_stat = st;
        s->looked_msec = now_msec();
        return fd;
}

int shelf_enter(struct shelf *s, const char *name, const char **ret_base)
{
        return enter(s, name, false, NULL, ret_base);
}

int shelf_make(struct shelf *s, const char *name, const char *mark, const char **ret_base)
{
        return enter(s, name, true, mark, ret_base);
}

int shelf_stat(struct shelf *s, const char *name, const char **ret_base, struct stat *ret)
{
        const char *base = path_base(name);
        int fd;

        *ret_base = base;
        if (base > name && is_folder_of(s, name, (size_t)(base - name) - 1) && now_msec() < s->looked_msec + LOOK_MSEC &&
            fstatat(s->folder_fd, base, ret, AT_SYMLINK_NOFOLLOW) == 0)
                return s->folder_fd;
        fd = enter(s, name, false, NULL, ret_base);
        return fd >= 0 && fstatat(fd, base, ret, AT_SYMLINK_NOFOLLOW) < 0 ? neg_errno() : fd;
}
