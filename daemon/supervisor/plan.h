/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What should stand in the outbox for a file, compared with what does. */

#include "folder.h"

/* The name of the thumbnail of @file by @preset, below the outbox, for an original of that format; without an open outbox as if that took names of any length.  Owned; *@ret_spec gets the preset's
 * with its format decided. */
char *plan_name(const struct folder *folder, const char *file, enum format original, const struct preset *preset,
                struct wire_spec *ret_spec);

/* The folders in which thumbnails of @file stand, open for fsync(2): at most @room, each once, into @ret.  Returns their number, or a
 * negative errno with nothing opened. */
int plan_open_folders(struct folder *folder, const char *file, const struct source *source, int *ret, unsigned room);

/* Call @f with every name that a thumbnail of @file may have, whatever its content. */
void plan_names(const struct folder *folder, const char *file, void (*f)(const char *name, void *userdata), void *userdata);

/* Call @f with every folder of the outbox below which thumbnails of what lies in the inbox's @directory may stand; with NULL when that is
 * all of it. */
void plan_folders(const struct folder *folder, const char *directory, void (*f)(const char *folder, void *userdata), void *userdata);

struct plan {
        unsigned n_outputs; /* to make: owned array for the job */
        struct job_output *outputs;
        unsigned n_restamped; /* corrected in place just now */
        char *taken;          /* owned name of one that something else holds, or NULL */
};

/* Compare what should stand in the outbox for @file in the version @source with what does.  A thumbnail that
 * differs by the original's mtime alone is stamped anew here if it is not @rewritten; one that does not differ is made again if it surely
 * is. */
void plan_make(struct folder *folder, const char *file, const struct source *source, enum job_rewritten rewritten, struct plan *ret);

/* Whether anything is to be done for entry @base of @fd, which is @file. */
bool plan_wants(struct folder *folder, const char *file, int fd, const char *base);
