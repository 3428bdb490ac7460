/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole picture through render(), as a worker does it, without its sandbox.  Its length chooses what is made of it, so that files of a corpus are inputs as they are. */

#include "fuzz.h"
#include "render.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int output_fd;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        struct wire_hello hello;

        if (render_init(UINT64_MAX) < 0 || render_probe(&hello) < 0)
                abort();
        output_fd = memfd_create("output", 0);
        return output_fd < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct wire_render request;
        struct render_stages stages;
        struct wire_reply reply;
        uint8_t choice = (uint8_t)size;
        int input_fd;

        input_fd = memfd_create("input", 0);
        if (input_fd < 0 || write(input_fd, data, size) != (ssize_t)size || ftruncate(output_fd, 0) < 0)
                abort();
        request = (struct wire_render){ .memory_bytes = 128U << 20, .pixels_max = 4U << 20, .frames_max = 20, .n_outputs = 1 };
        for (unsigned f = FORMAT_NONE + 1; f < _FORMAT_MAX; f++)
                if (format_trusted((enum format)f))
                        request.loaders |= 1ULL << f;
        request.outputs[0] = (struct wire_spec){ .width_px = 40,
                                                 .height_px = 30,
                                                 .fit = choice & 3,
                                                 .crop = choice >> 2 & 3,
                                                 .format = choice & 16 ? FORMAT_WEBP : FORMAT_JPEG,
                                                 .quality = 50,
                                                 .effort = 0,
                                                 .upscale = choice >> 5 & 1,
                                                 .strip = choice >> 6 & 1,
                                                 .profile = choice >> 7,
                                                 .animation = ANIMATION_ALL };
        render(&request, input_fd, &output_fd, &reply, &stages);
        (void)close(input_fd);
        if (reply.reason >= _REASON_MAX || reply.n_outputs > 1 || !memchr(reply.text, 0, sizeof reply.text) ||
            (reply.reason == REASON_NONE && (reply.outputs[0].width_px == 0 || reply.outputs[0].width_px > 4096)))
                abort();
        return 0;
}
