/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* As whom a folder is served, so that somebody else can be told what the daemon may do there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct identity {
        char *name; /* owned: of the user, or its number */
        uid_t uid;
        gid_t *gids; /* owned */
        size_t n_gids;
        uint64_t capabilities; /* bits as in <linux/capability.h> */
};

/* That of the process @pid.  Returns 0 or a negative errno. */
int identity_of_process(pid_t pid, struct identity *ret);

/* That of the user @name with the capabilities that the service has.  Returns 0, or -ENOENT if there is no such user. */
int identity_of_service(const char *name, struct identity *ret);

/* A name, or the number of one that has none.  Returns an owned string. */
char *identity_user(uid_t uid);
char *identity_group(gid_t gid);

void identity_done(struct identity *identity);

/* Whether it may do all of @want (R_OK, W_OK, X_OK) with what is open as @fd (O_PATH will do).  Returns 1, 0 or a negative errno. */
int identity_may(const struct identity *identity, int fd, int want);

/* Whether it may take entries of @owner out of the folder open as @dir_fd, or can make that possible, see acl_admit_us(); for the
 * inbox itself, @is_root, it does not.  Returns 1, 0 or a negative errno. */
int identity_may_take(const struct identity *identity, int dir_fd, uid_t owner, bool is_root);
