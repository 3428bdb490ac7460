/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends, receives and checks messages.  Knows their shape and bounds, not what they mean; never keeps a descriptor. */

#include "wire.h"

#include "base.h"

#include <assert.h>
#include <glib.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define SMALLEST_BYTES offsetof(struct wire_settle, jobs) /* of any kind: sizes are known from that much */

/* 0: of no kind, or saying of itself what no message may. */
static size_t size_of(const union wire_message *m)
{
        switch (m->head.kind) {
        case WIRE_HELLO:
                return sizeof(struct wire_hello);
        case WIRE_RENDER:
                return m->render.text_bytes <= sizeof m->render.text ? offsetof(struct wire_render, text) + m->render.text_bytes : 0;
        case WIRE_REPLY:
                return sizeof(struct wire_reply);
        case WIRE_PUBLISHED:
        case WIRE_REFUSED:
                return m->settle.n >= 1 && m->settle.n <= WIRE_UNSETTLED_MAX
                               ? offsetof(struct wire_settle, jobs) + m->settle.n * sizeof m->settle.jobs[0]
                               : 0;
        case WIRE_FAREWELL:
                return sizeof(struct wire_farewell);
        default:
                return 0;
        }
}

static bool is_string(const char *text, size_t size)
{
        return memchr(text, '\0', size) != NULL;
}

void wire_render_name(struct wire_render *r, const char *inbox, const char *file)
{
        size_t n = MIN(g_strlcpy(r->text, inbox, PATH_MAX), PATH_MAX - 1) + 1;

        n += MIN(g_strlcpy(r->text + n, file, PATH_MAX), PATH_MAX - 1) + 1;
        r->text_bytes = (uint32_t)n;
}

const char *wire_render_inbox(const struct wire_render *r)
{
        return r->text;
}

const char *wire_render_file(const struct wire_render *r)
{
        return r->text + strlen(r->text) + 1;
}

/* Two strings, and nothing behind them. */
static bool is_named(const struct wire_render *r)
{
        const char *end = r->text + r->text_bytes, *file = (const char *)memchr(r->text, '\0', r->text_bytes);

        return file && ++file < end && memchr(file, '\0', (size_t)(end - file)) == end - 1;
}

static bool spec_is_valid(const struct wire_spec *s)
{
        return (s->width_px > 0 || s->height_px > 0) && s->fit <= FIT_STRETCH && s->crop <= CROP_WEST && s->format > FORMAT_NONE &&
               s->format < _FORMAT_MAX && s->quality >= 1 && s->quality <= 100 &&
               (s->effort <= 9 || s->effort == WIRE_EFFORT_DEFAULT) && s->upscale <= 1 && s->lossless <= 1 && s->strip <= 1 &&
               s->profile <= PROFILE_KEEP && s->animation <= ANIMATION_ALL && s->background_rgb <= 0xffffff &&
               s->sharpen_percent <= 10000;
}

static bool render_is_valid(const struct wire_render *r, unsigned n_fds)
{
        if (r->n_outputs < 1 || r->n_outputs > WIRE_OUTPUTS_MAX || n_fds != r->n_outputs + 1)
                return false;
        for (unsigned i = 0; i < r->n_outputs; i++)
                if (!spec_is_valid(r->outputs + i))
                        return false;
        return is_named(r);
}

static bool reply_is_valid(const struct wire_reply *r, unsigned n_fds)
{
        return n_fds == 0 && r->reason < _REASON_MAX && r->format < _FORMAT_MAX && r->n_outputs <= WIRE_OUTPUTS_MAX &&
               is_string(r->text, sizeof r->text);
}

int wire_check(const union wire_message *m, size_t size, unsigned n_fds)
{
        bool ok = false;

        if (size < SMALLEST_BYTES || m->head.version != WIRE_VERSION || size != size_of(m))
                return -EPROTO;
        switch (m->head.kind) {
        case WIRE_HELLO:
                ok = n_fds == 0 && is_string(m->hello.engine, sizeof m->hello.engine);
                break;
        case WIRE_RENDER:
                ok = render_is_valid(&m->render, n_fds);
                break;
        case WIRE_REPLY:
                ok = reply_is_valid(&m->reply, n_fds);
                break;
        case WIRE_PUBLISHED:
        case WIRE_REFUSED:
        case WIRE_FAREWELL:
                ok = n_fds == 0;
                break;
        default:
                break;
        }
        return ok ? 0 : -EPROTO;
}

int wire_send(int socket_fd, const void *message, const int *fds, unsigned n_fds)
{
        const union wire_message *m = (const union wire_message *)message;
        alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * (WIRE_OUTPUTS_MAX + 1))] = { 0 };
        struct iovec iov = { .iov_base = (void *)message, .iov_len = size_of(m) };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        assert(iov.iov_len > 0 && n_fds <= WIRE_OUTPUTS_MAX + 1);
        if (n_fds > 0) {
                struct cmsghdr *c = (struct cmsghdr *)control;

                *c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n_fds) };
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
                header.msg_control = control;
                header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        }
        do /* without descriptors by send(), the only one of its kind that a worker's sandbox allows: it has no room for an address */
                n = n_fds == 0 ? send(socket_fd, message, iov.iov_len, MSG_NOSIGNAL) : sendmsg(socket_fd, &header, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return neg_errno();
        return (size_t)n == iov.iov_len ? 0 : -EIO;
}

/* Collect the descriptors of @header into @fds.  Returns how many there were; more than there is room for are closed, and counted. */
static unsigned collect_fds(struct msghdr *header, int *fds, unsigned room)
{
        unsigned n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++, n++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
                        if (n < room)
                                fds[n] = fd;
                        else
                                (void)close(fd);
                }
        }
        return n;
}

int wire_receive(int socket_fd, union wire_message *ret, int *ret_fds, unsigned *ret_n_fds)
{
        static union wire_message message; /* 10 KiB, copied out only when valid; the programs have one thread that receives */
        const unsigned room = WIRE_OUTPUTS_MAX + 1;
        int fds[WIRE_OUTPUTS_MAX + 1];
        alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * (WIRE_OUTPUTS_MAX + 1))];
        struct iovec iov = { .iov_base = &message, .iov_len = sizeof message };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
        unsigned n_fds;
        ssize_t n;

        do
                n = recvmsg(socket_fd, &header, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return neg_errno();
        n_fds = collect_fds(&header, fds, room);
        if (n == 0 && n_fds == 0)
                return 0;
        if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || n_fds > room || wire_check(&message, (size_t)n, n_fds) < 0) {
                for (unsigned i = 0; i < n_fds && i < room; i++)
                        (void)close(fds[i]);
                return -EPROTO;
        }
        memcpy(ret, &message, (size_t)n);
        memcpy(ret_fds, fds, sizeof(int) * n_fds);
        *ret_n_fds = n_fds;
        return 1;
}
