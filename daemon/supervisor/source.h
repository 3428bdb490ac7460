/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One original: opening it without following anything below the inbox, and asking the kernel whether somebody still writes it. */

#include "format.h"
#include "reason.h"
#include "record.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum source_writers {
        WRITERS_NONE, /* the kernel says so: nobody has it open for writing */
        WRITERS_SOME,
        WRITERS_UNKNOWN, /* no lease to be had: not our file and no CAP_LEASE, or a file system whose leases mean something else */
};

/* What can be believed on a file system. */
struct source_traits {
        bool local;  /* a disk of this machine, or its memory: leases are refused while a writer exists, and for no other reason */
        bool inodes; /* a file keeps its number; FAT and most of FUSE make them up as they go */
};

struct source {
        uint64_t size;
        uint64_t inode;     /* 0 where a file does not keep it: then it tells nothing */
        int64_t mtime_nsec; /* since the epoch */
        int64_t ctime_sec;  /* of its last change of name, mode or content */
        dev_t device;       /* of the file that was opened, for as long as it is open: */
        ino_t number;       /* which of all it is */
        uid_t owner;
        enum format format;
        enum format_end end;
        enum source_writers writers;
};

/* Open @file, relative to @root_fd, for reading and look at it.  Symbolic links are not followed and nothing but a regular file is
 * opened: a FIFO or device is not even touched, unless it has taken the place of a regular file since a reading of the folder listed that
 * (@listed), which saves a look.  Even then none is waited for, nor read.  @traits are of its file system.  Returns 0 with an owned
 * descriptor; -ENOENT if it is gone, -ELOOP or -EINVAL if it is no regular file, -EAGAIN if another lease keeps us out, -EACCES, or
 * another -errno. */
int source_open(int root_fd, const char *file, bool listed, const struct source_traits *traits, struct source *ret, int *ret_fd);

/* Whether @file below @root_fd still is the version that @source describes, which is still open.  Returns 1, 0 when it was changed or
 * replaced, or -ENOENT when it went away. */
int source_unchanged(int root_fd, const char *file, const struct source *source);

/* Of the file system of @fd. */
struct source_traits source_traits(int fd);

/* The version of @file that @st describes: of @ret only what tells versions apart. */
void source_identify(const struct stat *st, const struct source_traits *traits, struct source *ret);

/* Whether @st is that version. */
bool source_is(const struct source *source, const struct stat *st);

int64_t source_mtime_nsec(const struct stat *st);
