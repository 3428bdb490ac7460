/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What is met in an inbox, by its scans and by the kernel's notifications: ignored, told to the supervisor, watched or polled from now
 * on.  Decides nothing about when a scan goes on. */

#include "folder.h"

/* Prepare @folder's scans, whose inbox is open, and say if all of it is polled; and free them. */
void reading_open(struct folder *folder);
void reading_close(struct folder *folder);

/* @directory of the inbox, open as @fd, is about to be read: hear of what happens there from now on.  Returns whether it is to be read. */
bool reading_enter(struct folder *folder, const char *directory, int fd);

/* For intake_new() with the folder as its data. */
extern const struct intake_hooks reading_news;

/* Say that @directory ("" for the inbox) is polled, and @why; nothing without one. */
void reading_tell_polling(const struct folder *folder, const char *directory, const char *why);
