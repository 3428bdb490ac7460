/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a process that serves a part of the folders tells the one that has started it, beside its status line: the numbers of status.h,
 * in a field of the message to the notification socket.  Both are the same program, so the structure goes as it is. */

#include "status.h"
#include "tally.h"
#include "wire.h"

struct numbers {
        struct status status;
        struct status_view view; /* without paused_why */
        struct wire_hello hello; /* of a worker, or zeroes */
        struct tally tally;
        unsigned usable; /* folders */
};

#define NUMBERS_FIELD "X_THUMBNAILD_NUMBERS"

/* As text without newlines, owned. */
char *numbers_format(const struct numbers *numbers);

/* Read @text.  Returns 0, or -EBADMSG: then @ret is what it was. */
int numbers_parse(const char *text, struct numbers *ret);
