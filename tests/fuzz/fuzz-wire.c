/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hostile peer sends any bytes: what wire_check() takes for a message has its strings ended and its counts in bounds. */

#include "fuzz.h"
#include "wire.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static union wire_message m;
        unsigned n_fds;

        if (size < 1 || size > sizeof m + 1)
                return 0;
        n_fds = data[0];
        memcpy(&m, data + 1, size - 1);
        if (wire_check(&m, size - 1, n_fds) < 0)
                return 0;
        assert(n_fds <= WIRE_OUTPUTS_MAX + 1);
        if (m.head.kind == WIRE_RENDER) {
                assert(strlen(wire_render_inbox(&m.render)) + 1 + strlen(wire_render_file(&m.render)) + 1 == m.render.text_bytes);
                assert(m.render.n_outputs + 1 == n_fds);
        }
        if (m.head.kind == WIRE_PUBLISHED || m.head.kind == WIRE_REFUSED)
                assert(n_fds == 0 && m.settle.n >= 1 && size - 1 == 16 + m.settle.n * 32);
        if (m.head.kind == WIRE_REPLY) {
                assert(m.reply.n_outputs <= WIRE_OUTPUTS_MAX && strlen(m.reply.text) < sizeof m.reply.text);
                (void)reason_token((enum reason)m.reply.reason);
                (void)format_name((enum format)m.reply.format);
        }
        return 0;
}
