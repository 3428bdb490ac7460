/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The command that helps, or at least shows more, for whoever reads the journal: with the very path in it, to be pasted into a root
 * shell.  Goes into the field THUMBNAILD_REMEDY, which the catalog shows. */

#include "folder.h"

/* For @file of @folder, which waits, was set apart, or is tried again for @reason.  Returns owned, never NULL. */
char *remedy_of_file(const struct folder *folder, const char *file, enum reason reason);

/* For @folder, which pauses for @reason.  Returns owned, never NULL. */
char *remedy_of_folder(const struct folder *folder, enum reason reason);

/* @path as one word of a shell that cannot harm the terminal it is shown on; bytes that could are written as in bash's $'…'.  Returns an
 * owned string. */
char *remedy_quote(const char *path);
