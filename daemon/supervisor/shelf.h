/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Where the name of a thumbnail leads: the folder that holds it.  The one used last is kept open, since the next name mostly leads there,
 * too; but anybody may remove, replace or move it meanwhile, and then it is opened, or made, again.  No symbolic link is followed. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct shelf {
        int root_fd;  /* borrowed */
        char *folder; /* the one used last, below the root; NULL for none yet */
        int folder_fd;
        struct stat folder_stat; /* when it was entered */
        int64_t looked_msec;     /* when it was last seen to be there under its name */
};

void shelf_init(struct shelf *shelf, int root_fd);
void shelf_done(struct shelf *shelf);

/* The folder that holds @name, opened O_PATH; *@ret_base is set to @name's last component.  Returns a descriptor that stays @shelf's, until
 * the next call, or a negative errno. */
int shelf_enter(struct shelf *shelf, const char *name, const char **ret_base);

/* As shelf_enter(), and make the folders that are missing; they get the extended attribute @mark, if it is not NULL. */
int shelf_make(struct shelf *shelf, const char *name, const char *mark, const char **ret_base);

/* As shelf_enter(), and what is there under @name, not followed.  When something is, where its folder is by now is not asked each time: a
 * scan does this for each file. */
int shelf_stat(struct shelf *shelf, const char *name, const char **ret_base, struct stat *ret);
