/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The extended attributes by which we know what is ours in an outbox. */

#include "record.h"

#include <stdbool.h>

#define ATTRIBUTE_RECORD "user.thumbnaild"        /* on a thumbnail, see record.h */
#define ATTRIBUTE_FOLDER "user.thumbnaild.folder" /* on a folder that we made */

/* The record of entry @base of the directory @folder_fd.  Returns 0, -EBADMSG if it has none that we understand, or another -errno. */
int attribute_record(int folder_fd, const char *base, struct record *ret);

/* Whether we made the folder @base of the directory @folder_fd. */
bool attribute_is_folder_of_ours(int folder_fd, const char *base);
