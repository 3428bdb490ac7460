/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What is to be said about one picture: why it cannot be made, or what was odd about it.  The first failure stands, since what
 * follows is its consequence; so does the first warning. */

#include "wire.h"

#include <stdbool.h>

struct verdict {
        enum reason reason;
        uint64_t needs_bytes; /* with REASON_OUT_OF_MEMORY: predicted before anything was decoded */
        char text[WIRE_TEXT_BYTES];
        char warning[WIRE_TEXT_BYTES];
};

/* Record that the picture cannot be made.  Always returns false, so that a function can end with it. */
bool verdict_fail(struct verdict *v, enum reason reason, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Record something odd that does no harm. */
void verdict_warn(struct verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Start collecting what libraries complain about through g_log(), for verdict_complaints().  Set as GLib's only log writer, it never
 * opens, asks or prints anything, which the default one does.  May be called by any thread. */
void verdict_install_log_writer(void);

/* Forget the complaints of g_log() and of libvips. */
void verdict_clear_complaints(void);

/* What libvips and other libraries said since then, most recent error first, as one line in a static buffer. */
const char *verdict_complaints(void);

/* Record a failure of libvips, classified by what was said and by whether the file's end is there (@end_missing). */
bool verdict_fail_vips(struct verdict *v, bool end_missing);
