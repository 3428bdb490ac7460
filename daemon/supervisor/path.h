/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Paths below a root that nobody but the daemon should be trusted with: no symbolic link is ever followed there. */

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* openat2(2) of @path below @root_fd that follows no symbolic link and never leaves it.  Returns an owned, close-on-exec descriptor or
 * a negative errno. */
int path_openat(int root_fd, const char *path, int flags, mode_t mode);

#define PATH_MODE_OF_ROOT ((mode_t)-1)

/* Make every folder of @path below @root_fd, with @mode or, for PATH_MODE_OF_ROOT, that of the root whatever the umask.  Those that were
 * not there get the extended attribute @mark, if it is not NULL and can be had.  Returns 0 or a negative errno. */
int path_make_folders(int root_fd, const char *path, mode_t mode, const char *mark);

/* The folder that holds @path, opened O_PATH, made if @make; *@ret_base points to @path's last component.  Returns an owned descriptor
 * or a negative errno. */
int path_open_parent(int root_fd, const char *path, bool make, const char **ret_base);

/* The folder that holds @path, "" where that is the root; owned. */
char *path_directory(const char *path);

/* What leads to an open file by name, for calls that take no descriptor: a link that is followed, in proc(5). */
#define PATH_OF_FD_BYTES (sizeof "/proc/self/fd/" + 10)
void path_of_fd(int fd, char ret[PATH_OF_FD_BYTES]);

/* Give the unnamed file @fd, see O_TMPFILE in open(2), the name @base in the directory @dir_fd.  Returns 0, -EEXIST or another -errno. */
int path_link(int fd, int dir_fd, const char *base);

/* Set the mtime of the open file @fd, or, with @base, of that entry of the directory @fd, not followed.  Returns 0 or a negative errno. */
int path_set_mtime(int fd, const char *base, struct timespec mtime);

/* The last component of @path. */
const char *path_base(const char *path);

/* Whether @path is @directory or lies below it. */
bool path_is_below(const char *path, const char *directory);

/* @path with `~N` before its extension, as a name that is not taken; for @n of 1 @path itself.  Cut so that the last component fits in
 * NAME_MAX.  Returns an owned string. */
char *path_numbered(const char *path, unsigned n);
