/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who may do what with a file or folder, by its mode and its access control list, see acl(5). */

#include <stddef.h>
#include <sys/types.h>

/* What the user @uid, a member of the @n_gids groups @gids, may do with what is open as @fd (O_PATH will do): R_OK, W_OK and X_OK
 * together, without what capabilities allow.  Returns that or a negative errno. */
int acl_rights(int fd, uid_t uid, const gid_t *gids, size_t n_gids);

/* Let our own user read, write and search the folder open as @dir_fd (O_PATH will do), and change nothing for anybody else: as
 * `setfacl -m u:US:rwx` with the rights of others kept as they are.  A folder of our own stays as it is: who closed that meant us.
 * Needs CAP_FOWNER.  Returns 0 when the folder is writable now, or was before, or a negative errno. */
int acl_admit_us(int dir_fd);
