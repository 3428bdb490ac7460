/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the file system of an outbox can do, found out by trying it on files of no content. */

#include <stdbool.h>

struct ability {
        bool unnamed;     /* O_TMPFILE works, see open(2) */
        bool xattrs;      /* user.* attributes are kept, see xattr(7) */
        bool folds_case;  /* A.jpg and a.jpg are one name there */
        bool knows_names; /* the last one was tried; on a full disk it cannot be yet */
};

/* Try all of it in @root_fd, names in its @folder for what is temporary, which is made.  A full disk, a quota or a lack of descriptors is
 * not taken for an inability. */
void ability_try(int root_fd, const char *folder, struct ability *ret);

/* Try again what could not be tried. */
void ability_try_names(int root_fd, const char *folder, struct ability *ability);

/* To look only: xattrs, as far as reading tells. */
void ability_look(int root_fd, struct ability *ret);
