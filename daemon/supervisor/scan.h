/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reading a tree in small steps, one directory open at a time: memory grows with the number of directories that wait to be read, never
 * with that of files. */

#include <stdbool.h>

struct scan;

struct scan_hooks {
        /* About to read @directory ("" is the root), open as @fd: watch it now, so that nothing falls between.  false: leave it out. */
        bool (*enter)(const char *directory, int fd, void *userdata);
        /* @file (relative to the root) is entry @base of the directory open as @fd, of @type (DT_REG, …, never DT_UNKNOWN).  For a
         * directory, true means to read it too. */
        bool (*found)(const char *file, int fd, const char *base, unsigned char type, void *userdata);
        /* @directory could not be opened or read: @error is a negative errno. */
        void (*trouble)(const char *directory, int error, void *userdata);
};

/* @root_fd and @hooks stay borrowed. */
struct scan *scan_new(int root_fd, const struct scan_hooks *hooks, void *userdata);
void scan_free(struct scan *scan);

/* Read @directory ("" for the root) and what is below it; a directory that already waits to be read is not read twice. */
void scan_push(struct scan *scan, const char *directory);

/* Read nothing of what waits to be read. */
void scan_clear(struct scan *scan);

/* Go on for at most @entries entries.  Returns whether something is left. */
bool scan_step(struct scan *scan, unsigned entries);

bool scan_busy(const struct scan *scan);
