/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What --explain has found out about one file: the verdict, and a line for each thing that was looked at.  For people; file names in
 * it are escaped as in the journal. */

#include <stdbool.h>

struct findings;

struct findings *findings_new(void);
void findings_free(struct findings *findings);

/* The verdict, a sentence without full stop.  What is said first stands. */
void findings_conclude(struct findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool findings_concluded(const struct findings *findings);

/* A line about @subject. */
void findings_say(struct findings *findings, const char *subject, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Print on stdout what was found about @name. */
void findings_print(const struct findings *findings, const char *name);
