/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Where a path lies, as proc(5) tells in mountinfo, found without touching any file system that may hang: one that another host or
 * another program serves (NFS, SMB, 9p, FUSE, …).  On such a one, "remote" here, changes by others are not told either. */

#include <stdbool.h>

struct mounts;

/* The mounts of this process now.  Returns owned; an empty table where they cannot be read: then everything is local. */
struct mounts *mounts_read(void);

/* The same from the @text of a mountinfo file. */
struct mounts *mounts_parse(const char *text);

void mounts_free(struct mounts *mounts);
static inline void mounts_freep(struct mounts **mounts)
{
        mounts_free(*mounts);
}

/* Whether file systems of @type are remote.  A disk that is served by a program (fuseblk) is not: only this host writes there. */
bool mounts_type_is_remote(const char *type);

struct place {
        char *visible; /* the path with symbolic links resolved, as far as that needs no remote file system */
        char *inside;  /* "MAJOR:MINOR/path inside the file system": the same for two names of one place; NULL if unknown */
        char *remote;  /* which remote file system it is on, for people, or NULL */
};

/* Where @path, absolute, leads.  What does not exist (yet) is taken by its name. */
void mounts_locate(const struct mounts *mounts, const char *path, struct place *ret);
void place_done(struct place *place);

/* The path of @inner below @outer, "" if they are the same place, NULL if it does not lie there.  Borrowed from @inner. */
const char *place_below(const struct place *outer, const struct place *inner);

/* The remote file system that @path is on, or else one that is mounted somewhere below it; for people, owned.  NULL if all is local. */
char *mounts_remote(const struct mounts *mounts, const char *path);

/* What is mounted at and below the place @visible, as a text that differs when that does.  Owned. */
char *mounts_below(const struct mounts *mounts, const char *visible);
