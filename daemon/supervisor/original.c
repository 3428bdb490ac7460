/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that take originals away.  Every step is one that can be the last: nothing is removed that is not elsewhere. */

#include "original.h"

#include "acl.h"
#include "base.h"
#include "path.h"

#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define TEMPORARY   ".thumbnaild-copy~"
#define NUMBERS_MAX 10000U

static bool is_expected(const struct stat *st, const struct source *expected)
{
        return S_ISREG(st->st_mode) && source_is(expected, st);
}

static int check(int dir_fd, const char *base, const struct source *expected)
{
        struct stat st;

        if (fstatat(dir_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return neg_errno();
        return is_expected(&st, expected) ? 0 : -ESTALE;
}

/* Where neither links nor a rename that replaces nothing can be had, as on FAT by FUSE: an empty file of ours takes the name first. */
static int rename_to_taken(int from_fd, const char *from, int to_fd, const char *to)
{
        _cleanup_(fd_closep) int fd = openat(to_fd, to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r;

        if (fd < 0)
                return neg_errno();
        if (renameat(from_fd, from, to_fd, to) == 0)
                return 0;
        r = neg_errno();
        (void)unlinkat(to_fd, to, 0);
        return r;
}

/* rename without replacing, also where the file system cannot do it in one call: then by a second link. */
static int rename_to_free(int from_fd, const char *from, int to_fd, const char *to)
{
        int r;

        if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return neg_errno();
        if (linkat(from_fd, from, to_fd, to, 0) < 0)
                return errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ? rename_to_taken(from_fd, from, to_fd, to)
                                                                                : neg_errno();
        r = unlinkat(from_fd, from, 0) < 0 ? neg_errno() : 0;
        if (r < 0) /* it stays where it was, and not there, too */
                (void)unlinkat(to_fd, to, 0);
        return r;
}

int original_recover(int dir_fd, const char *base)
{
        const char *own = base + strlen(ORIGINAL_ASIDE);
        struct stat st;
        int r = -EINVAL;

        if (fstatat(dir_fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_size == 0) /* it only kept the name: what is empty is not deleted */
                return unlinkat(dir_fd, base, 0) < 0 ? neg_errno() : 0;
        for (unsigned n = 1; *own && n < NUMBERS_MAX; n++) { /* a newer version may have its name by now */
                g_autofree char *name = path_numbered(own, n);

                r = rename_to_free(dir_fd, base, dir_fd, name);
                if (r != -EEXIST)
                        break;
        }
        return r;
}

/* Whether somebody has opened it for writing again, as far as the kernel can tell. */
static bool is_being_written(int dir_fd, const char *base, bool leases)
{
        _cleanup_(fd_closep) int fd = leases ? openat(dir_fd, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
        bool written;

        if (fd < 0)
                return false;
        written = fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN;
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        return written;
}

/* Between a look at a file and its removal another version may take its name, or a writer come back.  So it is set aside first, where
 * nobody takes it for anything, looked at there, and given back unless it can really go. */
static int delete_version(int dir_fd, const char *base, const struct source *expected, bool leases)
{
        char aside[NAME_MAX + 1];
        bool renamed = snprintf(aside, sizeof aside, ORIGINAL_ASIDE "%s", base) < (int)sizeof aside;
        int r = check(dir_fd, base, expected);

        if (!renamed)
                (void)g_strlcpy(aside, base, sizeof aside); /* too long a name for that: the look just now must do */
        else if (r >= 0)
                r = rename_to_free(dir_fd, base, dir_fd, aside);
        if (r == -EEXIST && original_recover(dir_fd, aside) >= 0) /* of a delete that was interrupted */
                r = rename_to_free(dir_fd, base, dir_fd, aside);
        if (r < 0)
                return r;
        r = check(dir_fd, aside, expected);
        if (r >= 0 && is_being_written(dir_fd, aside, leases))
                r = -ETXTBSY;
        if (r >= 0 && unlinkat(dir_fd, aside, 0) < 0)
                r = neg_errno();
        if (r < 0 && renamed)
                (void)original_recover(dir_fd, aside);
        return r;
}

static int copy_data(int from, int to, uint64_t size)
{
        uint64_t done = 0;

        while (done < size) {
                ssize_t n = copy_file_range(from, NULL, to, NULL, size - done, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && done == 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
                        break;
                if (n < 0)
                        return neg_errno();
                if (n == 0) /* it became shorter */
                        return -ESTALE;
                done += (uint64_t)n;
        }
        while (done < size) {
                char buffer[65536];
                ssize_t n = pread(from, buffer, sizeof buffer, (off_t)done), written = 0;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? neg_errno() : -ESTALE;
                while (written < n) {
                        ssize_t w = write(to, buffer + written, (size_t)(n - written));

                        if (w < 0 && errno != EINTR)
                                return neg_errno();
                        written += MAX(w, 0);
                }
                done += (uint64_t)n;
        }
        return 0;
}

/* Owner, extended attributes and ACL as far as we may, mode and times in any case. */
static int copy_attributes(int from, int to, const struct stat *st)
{
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        g_autofree char *names = NULL;
        ssize_t n = flistxattr(from, NULL, 0);

        (void)!fchown(to, st->st_uid, st->st_gid);
        if (n > 0) {
                names = (char *)g_malloc0((gsize)n + 1);
                n = flistxattr(from, names, (size_t)n);
        }
        for (const char *name = names; name && n > 0 && name < names + n; name += strlen(name) + 1) {
                char value[65536];
                ssize_t size = fgetxattr(from, name, value, sizeof value);

                if (size >= 0)
                        (void)fsetxattr(to, name, value, (size_t)size, 0);
        }
        if (fchmod(to, st->st_mode & 07777) < 0 || futimens(to, times) < 0)
                return neg_errno();
        return 0;
}

/* A durable copy without a name, or where that cannot be had under the hidden @ret_name ("" else), in @dir_fd. */
static int copy_into(int from, const struct stat *st, int dir_fd, char ret_name[static NAME_MAX + 1])
{
        _cleanup_(fd_closep) int to = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        int r;

        ret_name[0] = '\0';
        if (to < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
                (void)snprintf(ret_name, NAME_MAX + 1, TEMPORARY "%016" PRIx64, (uint64_t)st->st_ino);
                (void)unlinkat(dir_fd, ret_name, 0); /* of an attempt that was interrupted: its original has stayed, and comes again */
                to = openat(dir_fd, ret_name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        }
        if (to < 0)
                return neg_errno();
        r = copy_data(from, to, (uint64_t)st->st_size);
        if (r >= 0)
                r = copy_attributes(from, to, st);
        if (r >= 0 && fsync(to) < 0)
                r = neg_errno();
        if (r < 0 && ret_name[0])
                (void)unlinkat(dir_fd, ret_name, 0);
        return r < 0 ? r : fd_steal(&to);
}

static int sync_directory(int dir_fd)
{
        _cleanup_(fd_closep) int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? neg_errno() : 0;
}

/* The folder that holds @file, writable for us if that is possible; the root is left as whoever made it wants it.  See
 * path_open_parent(). */
static int open_parent_to_change(int root_fd, const char *file, bool make, const char **ret_base)
{
        _cleanup_(fd_closep) int parent = path_open_parent(root_fd, file, make, ret_base);
        int r = 0;

        if (parent >= 0 && !make && faccessat(parent, *ret_base, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return neg_errno();
        if (parent >= 0 && *ret_base != file)
                r = acl_admit_us(parent);
        return r < 0 ? r : fd_steal(&parent);
}

/* Call @name_it with the first name for @file that is free.  Returns what it returns, and the name. */
static int find_free_name(int to_fd, const char *file, int (*name_it)(int dir_fd, const char *base, void *userdata), void *userdata,
                          char **ret_name)
{
        const char *base;
        _cleanup_(fd_closep) int parent = open_parent_to_change(to_fd, file, true, &base);
        int r = parent;

        for (unsigned n = 1; parent >= 0 && n < NUMBERS_MAX; n++) {
                g_autofree char *name = path_numbered(file, n);

                r = name_it(parent, path_base(name), userdata);
                if (r == -EEXIST)
                        continue;
                if (r >= 0)
                        *ret_name = (char *)g_steal_pointer(&name);
                break;
        }
        return r;
}

struct renaming {
        int from_parent;
        const char *base;
};

static int name_by_rename(int dir_fd, const char *base, void *userdata)
{
        const struct renaming *r = (const struct renaming *)userdata;

        return rename_to_free(r->from_parent, r->base, dir_fd, base);
}

struct copying {
        int from;
        const struct stat *st;
        int copy;
        char temporary[NAME_MAX + 1];
};

static int name_by_copy(int dir_fd, const char *base, void *userdata)
{
        struct copying *c = (struct copying *)userdata;
        int r;

        if (c->copy < 0)
                c->copy = copy_into(c->from, c->st, dir_fd, c->temporary);
        if (c->copy < 0)
                return c->copy;
        if (c->temporary[0]) {
                r = rename_to_free(dir_fd, c->temporary, dir_fd, base);
                if (r < 0 && r != -EEXIST)
                        (void)unlinkat(dir_fd, c->temporary, 0);
                return r < 0 ? r : sync_directory(dir_fd);
        }
        r = path_link(c->copy, dir_fd, base);
        return r < 0 ? r : sync_directory(dir_fd);
}

/* Remove the copy that was given @name: its original stays, and would be copied again at each try. */
static void remove_copy(int to_fd, const char *name, int copy_fd)
{
        const char *base;
        _cleanup_(fd_closep) int parent = path_open_parent(to_fd, name, false, &base);
        struct stat copy, named;

        if (parent >= 0 && fstat(copy_fd, &copy) == 0 && fstatat(parent, base, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
            copy.st_dev == named.st_dev && copy.st_ino == named.st_ino)
                (void)unlinkat(parent, base, 0);
}

static int move_by_copy(int parent, const char *base, const char *file, const struct source *expected, int to_fd, bool leases,
                        char **ret_name)
{
        _cleanup_(fd_closep) int from = openat(parent, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct copying c = { .from = from, .copy = -1 };
        struct stat st;
        int r;

        if (from < 0 || fstat(from, &st) < 0)
                return neg_errno();
        if (!is_expected(&st, expected))
                return -ESTALE;
        if (faccessat(parent, ".", W_OK | X_OK, AT_EACCESS) < 0) /* rename(2) says EXDEV before it looks */
                return neg_errno();
        c.st = &st;
        r = find_free_name(to_fd, file, name_by_copy, &c, ret_name);
        if (r >= 0)
                r = delete_version(parent, base, expected, leases);
        if (r < 0 && r != -ENOENT && *ret_name)
                remove_copy(to_fd, *ret_name, c.copy);
        (void)fd_close(c.copy);
        return r;
}

/* Never replaces anything.  Returns 0 with an owned *@ret_name, -ESTALE if another version lies there, or another -errno. */
static int move_version(int from_fd, const char *file, const struct source *expected, int to_fd, bool leases, char **ret_name)
{
        const char *base;
        _cleanup_(fd_closep) int parent = open_parent_to_change(from_fd, file, false, &base);
        struct renaming renaming = { parent, base };
        int r = parent < 0 ? parent : check(parent, base, expected);

        if (r < 0)
                return r;
        if (is_being_written(parent, base, leases))
                return -ETXTBSY;
        r = find_free_name(to_fd, file, name_by_rename, &renaming, ret_name);
        if (r == -EXDEV)
                return move_by_copy(parent, base, file, expected, to_fd, leases, ret_name);
        if (r >= 0) { /* did another version come in between? */
                const char *moved_base;
                _cleanup_(fd_closep) int moved_parent = path_open_parent(to_fd, *ret_name, false, &moved_base);

                r = moved_parent < 0 ? moved_parent : check(moved_parent, moved_base, expected);
                if (r == -ESTALE && rename_to_free(moved_parent, moved_base, parent, base) == 0)
                        g_clear_pointer(ret_name, g_free);
                else
                        r = 0;
        }
        return r;
}

int original_run(struct disk_task *task)
{
        struct original_task *t = (struct original_task *)task;
        const char *base;
        g_autofree char *moved_to = NULL;
        _cleanup_(fd_closep) int parent = -1;

        if (t->fate == ORIGINAL_MOVE)
                return move_version(t->from_fd, t->file, &t->expected, t->to_fd, t->leases, &moved_to);
        parent = open_parent_to_change(t->from_fd, t->file, false, &base);
        return parent < 0 ? parent : delete_version(parent, base, &t->expected, t->leases);
}

void original_task_free(struct original_task *task)
{
        if (!task)
                return;
        for (unsigned i = 0; i < task->task.before.n; i++)
                (void)fd_close(task->folder_fds[i]);
        g_free(task->file);
        (void)fd_close(task->from_fd);
        (void)fd_close(task->to_fd);
        g_free(task);
}
