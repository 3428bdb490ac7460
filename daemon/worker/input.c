/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads by pread(2).  Never closes the descriptor, never maps it. */

#include "input.h"

#include "base.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static bool look(struct input *in, struct verdict *v)
{
        uint64_t tail_at = in->size > sizeof in->tail ? in->size - sizeof in->tail : 0;

        in->head_bytes = input_read(in, 0, in->head, sizeof in->head);
        in->tail_bytes = input_read(in, tail_at, in->tail, sizeof in->tail);
        if (in->error < 0)
                return verdict_fail(v, reason_from_errno(in->error), "reading failed: %s", g_strerror(-in->error));
        return true;
}

bool input_open(struct input *in, int fd, struct verdict *v)
{
        struct stat st;

        *in = (struct input){ .fd = fd };
        if (fstat(fd, &st) < 0)
                return verdict_fail(v, reason_from_errno(neg_errno()), "fstat: %s", g_strerror(errno));
        if (!S_ISREG(st.st_mode))
                return verdict_fail(v, REASON_NOT_REGULAR, "not a regular file");
        if (st.st_size == 0)
                return verdict_fail(v, REASON_EMPTY, "the file has no bytes");
        in->size = (uint64_t)st.st_size;
        if (in->size <= INPUT_SMALL_BYTES && !input_take(in, v))
                return false;
        return look(in, v);
}

bool input_narrow(struct input *in, uint64_t start, uint64_t size, struct verdict *v)
{
        g_clear_pointer(&in->memory, g_free);
        in->start = start;
        in->size = size;
        if (in->size <= INPUT_SMALL_BYTES && !input_take(in, v))
                return false;
        return look(in, v);
}

bool input_take(struct input *in, struct verdict *v)
{
        size_t n;
        uint8_t *memory;

        if (in->memory)
                return true;
        memory = (uint8_t *)g_try_malloc(in->size);
        if (!memory)
                return verdict_fail(v, REASON_OUT_OF_MEMORY, "no memory for the file's %" PRIu64 " bytes", in->size);
        n = input_read(in, 0, memory, in->size);
        in->memory = memory;
        if (in->error < 0)
                return verdict_fail(v, reason_from_errno(in->error), "reading failed: %s", g_strerror(-in->error));
        in->size = n; /* it may have become shorter meanwhile */
        return n > 0 || verdict_fail(v, REASON_EMPTY, "the file has no bytes");
}

size_t input_read(struct input *in, uint64_t at, void *buffer, size_t n)
{
        size_t done = 0;

        if (at >= in->size)
                return 0;
        n = (size_t)MIN((uint64_t)n, in->size - at);
        if (in->memory) {
                memcpy(buffer, in->memory + at, n);
                return n;
        }
        while (done < n) {
                ssize_t r = pread(in->fd, (uint8_t *)buffer + done, n - done, (off_t)(in->start + at + done));

                if (r < 0 && errno == EINTR)
                        continue;
                if (r < 0 && in->error == 0)
                        in->error = neg_errno();
                if (r <= 0)
                        break;
                done += (size_t)r;
        }
        return done;
}

bool input_end_missing(const struct input *in, enum format format)
{
        return format_end(format, in->size, in->head, in->head_bytes, in->tail, in->tail_bytes) == FORMAT_END_MISSING;
}

void input_done(struct input *in)
{
        g_clear_pointer(&in->memory, g_free);
}
