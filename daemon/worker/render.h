/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One input, every size: the only place of the two programs that uses libvips. */

#include "wire.h"

/* Start the library with everything off that a sandbox would not allow (JIT, caches, untrusted loaders, temporary files), and touch
 * what is opened late.  Of @formats, a bit per enum format, is all that will ever be asked for: what only others need is not loaded,
 * which takes most of the time and of the memory that a worker needs to begin with.  Starts no thread, since a sandbox is entered by threads one by one.  Call before it is entered.  Returns 0 or
 * a negative errno. */
int render_init(uint64_t formats);

/* Find out by trying it which formats can be read and written, and fill those fields, the address space and the engine's name in
 * *@ret.  Call inside the sandbox: what works here works for pictures.  Returns 0, or a negative errno if not even JPEG works. */
int render_probe(struct wire_hello *ret);

/* Where the time went, in microseconds; what is left of wire_reply.render_usec is reading, opening, colours and planning. */
struct render_stages {
        uint64_t decode_usec, resize_usec, encode_usec; /* the last includes writing */
};

/* Make all outputs of @request from @input_fd into @output_fds (empty, writable, one per wire_spec), all borrowed, and make them
 * ready to be published (written in full; durability is the supervisor's).  Decodes once.  Fills *@ret completely but for head and
 * job, and *@ret_stages; what goes wrong with the picture is its reason, not an error of the function. */
void render(const struct wire_render *request, int input_fd, const int *output_fds, struct wire_reply *ret,
            struct render_stages *ret_stages);

/* Give back the memory that the last pictures needed and the next one would have used again. */
void render_rest(void);
