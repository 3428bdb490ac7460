/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A render() that costs nothing: each thumbnail is a copy of the original, which has to be a small JPEG.  Linked with the real main.c and
 * sandbox.c, so that everything around rendering can be driven as fast as it goes; never installed. */

#include "base.h"
#include "render.h"

#include <stdio.h>

int render_init(uint64_t formats)
{
        return 0;
}

int render_probe(struct wire_hello *ret)
{
        ret->readable = ret->writable = ~0ULL;
        (void)snprintf(ret->engine, sizeof ret->engine, "none: thumbnails are copies");
        return 0;
}

void render_rest(void)
{
}

void render(const struct wire_render *request, int input_fd, const int *output_fds, struct wire_reply *ret,
            struct render_stages *ret_stages)
{
        static char picture[65536];
        ssize_t n = pread(input_fd, picture, sizeof picture, 0);

        *ret_stages = (struct render_stages){ 0 };
        *ret = (struct wire_reply){ .n_outputs = request->n_outputs, .format = FORMAT_JPEG, .width_px = 1, .height_px = 1 };
        if (n <= 0 || n == (ssize_t)sizeof picture)
                ret->reason = REASON_UNSUPPORTED;
        for (unsigned i = 0; ret->reason == REASON_NONE && i < request->n_outputs; i++) {
                ret->outputs[i] = (struct wire_output){ .width_px = 1, .height_px = 1, .bytes = (uint64_t)n };
                if (write(output_fds[i], picture, (size_t)n) != n)
                        ret->reason = REASON_IO_ERROR;
        }
}
