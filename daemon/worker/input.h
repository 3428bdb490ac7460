/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The original as bytes: a range of one descriptor that is only ever read by position, so that nobody's file offset matters, and
 * never mapped: a writer that shortens a mapped file would kill us with SIGBUS. */

#include "format.h"
#include "verdict.h"

#include <stdint.h>

struct input {
        int fd;               /* borrowed */
        uint64_t start, size; /* the range: the whole file, or the picture embedded in it */
        uint8_t *memory;      /* the range's bytes when they were taken into memory, else NULL; owned */
        int error;            /* of the first read that failed, negative errno */
        uint8_t head[FORMAT_HEAD_BYTES];
        size_t head_bytes;
        uint8_t tail[FORMAT_TAIL_BYTES];
        size_t tail_bytes;
};

/* Small originals are read as a whole: one call instead of many. */
#define INPUT_SMALL_BYTES (4U << 20)

/* Look at the regular file @fd.  A failure is recorded in @v. */
bool input_open(struct input *in, int fd, struct verdict *v);

/* Narrow @in to @size bytes at @start of the whole file. */
bool input_narrow(struct input *in, uint64_t start, uint64_t size, struct verdict *v);

/* Take the whole range into memory. */
bool input_take(struct input *in, struct verdict *v);

/* Copy at most @n bytes at @at of the range to @buffer.  Returns how many there were, fewer only at the end or after an error, which
 * is kept in @in. */
size_t input_read(struct input *in, uint64_t at, void *buffer, size_t n);

/* Whether an end that this format must have is not there. */
bool input_end_missing(const struct input *in, enum format format);

void input_done(struct input *in);
