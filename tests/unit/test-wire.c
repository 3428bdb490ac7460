/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages over a real socket pair, and every way in which one can be wrong. */

#include "wire.h"

#include "base.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

static struct wire_render good_render(void)
{
        static struct wire_render r;

        r = (struct wire_render){ .version = WIRE_VERSION, .kind = WIRE_RENDER, .job = 7, .n_outputs = 2 };
        wire_render_name(&r, "/in", "a.jpg");
        for (unsigned i = 0; i < 2; i++)
                r.outputs[i] =
                        (struct wire_spec){ .width_px = 256, .format = FORMAT_JPEG, .quality = 80, .effort = WIRE_EFFORT_DEFAULT };
        return r;
}

static size_t bytes_of(const struct wire_render *r)
{
        return offsetof(struct wire_render, text) + r->text_bytes;
}

static void pair(int fds[2])
{
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
}

static unsigned open_fds(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
        unsigned n = 0;

        while (g_dir_read_name(dir))
                n++;
        return n;
}

static void test_round_trip(void)
{
        struct wire_render r = good_render();
        union wire_message got;
        int s[2], fds[WIRE_OUTPUTS_MAX + 1], sent[3] = { 0, 1, 2 };
        unsigned n = 0;

        pair(s);
        g_assert_cmpint(wire_receive(s[1], &got, fds, &n), ==, -EAGAIN);
        g_assert_cmpint(wire_send(s[0], &r, sent, 3), ==, 0);
        g_assert_cmpint(wire_receive(s[1], &got, fds, &n), ==, 1);
        g_assert_cmpuint(n, ==, 3);
        g_assert_cmpuint(got.render.job, ==, 7);
        g_assert_cmpstr(wire_render_inbox(&got.render), ==, "/in");
        g_assert_cmpstr(wire_render_file(&got.render), ==, "a.jpg");
        for (unsigned i = 0; i < n; i++) {
                g_assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
                (void)close(fds[i]);
        }
        (void)close(s[0]);
        g_assert_cmpint(wire_receive(s[1], &got, fds, &n), ==, 0);
        (void)close(s[1]);
}

/* Whatever arrives wrongly leaves no descriptor behind. */
static void test_wrong_descriptors(void)
{
        struct wire_render r = good_render();
        struct wire_settle settle = { .version = WIRE_VERSION, .kind = WIRE_PUBLISHED, .n = 1 };
        union wire_message got;
        int s[2], fds[WIRE_OUTPUTS_MAX + 1], sent[WIRE_OUTPUTS_MAX + 1];
        unsigned n = 99, before;

        pair(s);
        memset(sent, 0, sizeof sent);
        before = open_fds();
        g_assert_cmpint(wire_send(s[0], &r, sent, 2), ==, 0); /* one too few */
        g_assert_cmpint(wire_receive(s[1], &got, fds, &n), ==, -EPROTO);
        g_assert_cmpint(wire_send(s[0], &r, sent, WIRE_OUTPUTS_MAX + 1), ==, 0); /* too many */
        g_assert_cmpint(wire_receive(s[1], &got, fds, &n), ==, -EPROTO);
        g_assert_cmpint(wire_send(s[0], &settle, sent, 1), ==, 0); /* none is due */
        g_assert_cmpint(wire_receive(s[1], &got, fds, &n), ==, -EPROTO);
        g_assert_cmpuint(n, ==, 99);
        g_assert_cmpuint(open_fds(), ==, before);
        (void)close(s[0]);
        (void)close(s[1]);
}

static void test_wrong_sizes(void)
{
        struct wire_render r = good_render();
        union wire_message got;
        int s[2], fds[WIRE_OUTPUTS_MAX + 1];
        unsigned n;

        pair(s);
        for (size_t size = 1; size < bytes_of(&r); size += size < 100 ? 1 : 97) {
                g_assert_cmpint(send(s[0], &r, size, 0), ==, size);
                g_assert_cmpint(wire_receive(s[1], &got, fds, &n), ==, -EPROTO);
        }
        (void)close(s[0]);
        (void)close(s[1]);
}

static void test_wrong_values(void)
{
        static union wire_message m;
        struct wire_render r = good_render();

#define WRONG(change) \
        do { \
                m.render = r; \
                g_assert_cmpint(wire_check(&m, bytes_of(&r), 3), ==, 0); \
                change; \
                g_assert_cmpint(wire_check(&m, bytes_of(&m.render), 3), ==, -EPROTO); \
        } while (0)
        WRONG(m.head.version++);
        WRONG(m.head.kind = WIRE_REPLY);
        WRONG(m.head.kind = 77);
        WRONG(m.render.n_outputs = 0);
        WRONG(m.render.n_outputs = WIRE_OUTPUTS_MAX + 1);
        WRONG(m.render.outputs[1].width_px = 0);
        WRONG(m.render.outputs[1].format = FORMAT_SAME);
        WRONG(m.render.outputs[1].format = FORMAT_NONE);
        WRONG(m.render.outputs[1].quality = 101);
        WRONG(m.render.outputs[1].fit = 4);
        WRONG(m.render.outputs[1].strip = 2);
        WRONG(m.render.text[3] = 'x');                       /* one string */
        WRONG(m.render.text[5] = '\0');                      /* three */
        WRONG(m.render.text[m.render.text_bytes - 1] = 'x'); /* no end */
        WRONG(m.render.text_bytes = 0);
        WRONG(m.render.text_bytes = 1);
        WRONG(m.render.text_bytes = sizeof m.render.text + 1);
#undef WRONG
}

static void test_wrong_replies(void)
{
        static union wire_message m;

        m.reply = (struct wire_reply){ .version = WIRE_VERSION, .kind = WIRE_REPLY };
        g_assert_cmpint(wire_check(&m, sizeof m.reply, 0), ==, 0);
        g_assert_cmpint(wire_check(&m, sizeof m.reply, 1), ==, -EPROTO);
        m.reply.reason = _REASON_MAX;
        g_assert_cmpint(wire_check(&m, sizeof m.reply, 0), ==, -EPROTO);
        m.reply.reason = 0;
        m.reply.format = _FORMAT_MAX;
        g_assert_cmpint(wire_check(&m, sizeof m.reply, 0), ==, -EPROTO);
        m.reply.format = 0;
        memset(m.reply.text, 'x', sizeof m.reply.text);
        g_assert_cmpint(wire_check(&m, sizeof m.reply, 0), ==, -EPROTO);
}

/* As long as the jobs in it, and never longer than there is room. */
static void test_settled(void)
{
        static union wire_message m, got;
        int s[2], fds[WIRE_OUTPUTS_MAX + 1];
        unsigned n_fds;

        pair(s);
        for (unsigned n = 1; n <= WIRE_UNSETTLED_MAX; n += 21) {
                m.settle = (struct wire_settle){ .version = WIRE_VERSION, .kind = WIRE_PUBLISHED, .n = n };
                m.settle.jobs[n - 1].job = 70 + n;
                g_assert_cmpint(wire_send(s[0], &m, NULL, 0), ==, 0);
                g_assert_cmpint(recv(s[1], &got, sizeof got, MSG_PEEK | MSG_TRUNC), ==, 16 + 32 * n);
                g_assert_cmpint(wire_receive(s[1], &got, fds, &n_fds), ==, 1);
                g_assert_cmpuint(got.settle.jobs[n - 1].job, ==, 70 + n);
                g_assert_cmpint(wire_check(&m, 16 + 32 * (n - 1), 0), ==, -EPROTO);
                g_assert_cmpint(wire_check(&m, 16 + 32 * (n + 1), 0), ==, -EPROTO);
        }
        m.settle.n = 0;
        g_assert_cmpint(wire_check(&m, 16, 0), ==, -EPROTO);
        m.settle.n = WIRE_UNSETTLED_MAX + 1;
        g_assert_cmpint(wire_check(&m, 16 + 32 * (WIRE_UNSETTLED_MAX + 1), 0), ==, -EPROTO);
        (void)close(s[0]);
        (void)close(s[1]);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/wire/round-trip", test_round_trip);
        g_test_add_func("/wire/wrong-descriptors", test_wrong_descriptors);
        g_test_add_func("/wire/wrong-sizes", test_wrong_sizes);
        g_test_add_func("/wire/wrong-values", test_wrong_values);
        g_test_add_func("/wire/wrong-replies", test_wrong_replies);
        g_test_add_func("/wire/settled", test_settled);
        return g_test_run();
}
