/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker's process: thumbnail-worker SLOT PARENT_PID FORMATS, with the supervisor's socket as descriptor 3 and, if there is a journal, its
 * connected socket as 4.  Gives up everything, says hello, then receives, renders and replies until the supervisor is gone.  Never
 * sees a path that it could open. */

#include "base.h"
#include "log.h"
#include "render.h"
#include "sandbox.h"

#include <assert.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum { SUPERVISOR_FD = 3, JOURNAL_FD = 4 };

#define REST_MSEC 1000

/* What `made` needs of a job that the supervisor has not settled yet. */
struct unsettled {
        bool used;
        uint64_t job, render_usec;
        struct render_stages stages;
        uint32_t n_outputs, width_px, height_px, format, attempt;
        char *inbox, *file, *warning; /* owned */
};

struct worker {
        struct unsettled unsettled[WIRE_UNSETTLED_MAX];
        uint64_t pid;
};

static void forget(struct unsettled *u)
{
        g_free(u->inbox);
        g_free(u->file);
        g_free(u->warning);
        *u = (struct unsettled){ 0 };
}

static struct unsettled *find(struct worker *w, bool used, uint64_t job)
{
        for (unsigned i = 0; i < WIRE_UNSETTLED_MAX; i++)
                if (w->unsettled[i].used == used && (!used || w->unsettled[i].job == job))
                        return w->unsettled + i;
        return NULL;
}

static int remember(struct worker *w, const struct wire_render *request, const struct wire_reply *reply,
                    const struct render_stages *stages)
{
        struct unsettled *u = find(w, false, 0);

        if (!u)
                return -EPROTO;
        *u = (struct unsettled){ .used = true,
                                 .job = request->job,
                                 .render_usec = reply->render_usec,
                                 .stages = *stages,
                                 .n_outputs = reply->n_outputs,
                                 .width_px = reply->width_px,
                                 .height_px = reply->height_px,
                                 .format = reply->format,
                                 .attempt = request->attempt,
                                 .inbox = g_strdup(wire_render_inbox(request)),
                                 .file = g_strdup(wire_render_file(request)),
                                 .warning = reply->text[0] ? g_strdup(reply->text) : NULL };
        return 0;
}

static void log_made(const struct worker *w, const struct unsettled *u, const struct wire_settled *s, uint32_t slot)
{
        const char *format = format_name((enum format)u->format);

        log_event(EV_MADE,
                  FIELDS(F_STR(FILE, u->file), F_STR(INBOX, u->inbox), F_NUM(USEC, u->render_usec),
                         F_NUM(DECODE_USEC, u->stages.decode_usec), F_NUM(RESIZE_USEC, u->stages.resize_usec),
                         F_NUM(ENCODE_USEC, u->stages.encode_usec), F_NUM(LATENCY_USEC, s->latency_usec), F_NUM(OUTPUTS, u->n_outputs),
                         F_NUM(WIDTH, u->width_px), F_NUM(HEIGHT, u->height_px), F_NUM(BYTES, s->bytes), F_STR(FORMAT, format),
                         F_NUM(OWNER, s->owner_uid), F_NUM(WORKER, slot), F_NUM(WORKER_PID, w->pid), F_NUM(ATTEMPT, u->attempt),
                         F_STR(WARNING, u->warning)),
                  "Made %u thumbnail%s of %s in %" PRIu64 " ms (%ux%u %s)%s%s", u->n_outputs, u->n_outputs == 1 ? "" : "s", u->file,
                  (u->render_usec + 500) / 1000, u->width_px, u->height_px, format, u->warning ? " with a warning: " : "",
                  u->warning ? u->warning : "");
}

static int on_settle(struct worker *w, const struct wire_settle *s)
{
        for (unsigned i = 0; i < s->n; i++) {
                struct unsettled *u = find(w, true, s->jobs[i].job);

                if (!u)
                        return -EPROTO;
                if (s->kind == WIRE_PUBLISHED)
                        log_made(w, u, s->jobs + i, s->slot);
                forget(u);
        }
        return 0;
}

static int on_render(struct worker *w, const struct wire_render *request, const int *fds)
{
        struct render_stages stages;
        struct wire_reply reply;
        int r;

        render(request, fds[0], fds + 1, &reply, &stages);
        reply.version = WIRE_VERSION;
        reply.kind = WIRE_REPLY;
        reply.job = request->job;
        reply.journal_lost = log_lost();
        if (reply.reason == REASON_NONE) {
                r = remember(w, request, &reply, &stages);
                if (r < 0)
                        return r;
        }
        return wire_send(SUPERVISOR_FD, &reply, NULL, 0);
}

/* One message.  Returns 1 to go on, 0 at the end of the conversation, or a negative errno. */
static int on_message(struct worker *w)
{
        static union wire_message message; /* 10 KiB */
        int fds[WIRE_OUTPUTS_MAX + 1], r;
        unsigned n_fds = 0;

        r = wire_receive(SUPERVISOR_FD, &message, fds, &n_fds);
        if (r <= 0)
                return r == -EAGAIN ? 1 : r;
        switch (message.head.kind) {
        case WIRE_RENDER:
                r = on_render(w, &message.render, fds);
                break;
        case WIRE_PUBLISHED:
        case WIRE_REFUSED:
                r = on_settle(w, &message.settle);
                break;
        default:
                r = -EPROTO;
        }
        for (unsigned i = 0; i < n_fds; i++)
                (void)close(fds[i]);
        return r < 0 ? r : 1;
}

static int serve(struct worker *w)
{
        bool rested = true;
        int r = 1, n;

        while (r > 0) {
                struct pollfd fds[2] = { { .fd = SUPERVISOR_FD, .events = POLLIN },
                                         { .fd = log_pending() ? log_fd() : -1, .events = POLLOUT } };

                n = poll(fds, 2, rested ? -1 : REST_MSEC);
                if (n < 0 && errno != EINTR)
                        return neg_errno();
                if (n == 0)
                        render_rest();
                rested |= n == 0;
                if (fds[1].revents)
                        log_flush();
                if (fds[0].revents) {
                        r = on_message(w);
                        rested = false;
                }
        }
        return r == -ECONNRESET || r == -EPIPE ? 0 : r; /* the supervisor may go without a word */
}

/* Die with the parent, and do not outlive one that was gone before the kernel was told so.  Signals for the terminal's group are the
 * supervisor's to obey; SIGXFSZ would kill where write() can say EFBIG. */
static bool bind_to_parent(const char *parent)
{
        static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ, SIGQUIT, SIGUSR1, SIGUSR2 };

        for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
                (void)signal(ignored[i], SIG_IGN);
        return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == (pid_t)strtol(parent, NULL, 10);
}

static int trouble(const char *what, int error)
{
        log_event(EV_TROUBLE, NO_FIELDS, "The worker cannot start: %s: %s", what, g_strerror(-error));
        (void)log_close();
        return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        struct wire_hello hello = { .version = WIRE_VERSION, .kind = WIRE_HELLO };
        struct wire_farewell farewell = { .version = WIRE_VERSION, .kind = WIRE_FAREWELL };
        g_autofree struct worker *w = g_new0(struct worker, 1);
        int journal_fd, r;

        if (argc != 4 || fcntl(SUPERVISOR_FD, F_GETFD) < 0) {
                log_event(EV_TROUBLE, NO_FIELDS, "thumbnail-worker is started by thumbnaild, not by hand");
                return EXIT_FAILURE;
        }
        (void)prctl(PR_SET_NAME, "thumbnail-worker"); /* started by descriptor, it would be called "5" in ps(1) */
        if (!bind_to_parent(argv[2]))
                return EXIT_FAILURE;
        journal_fd = fcntl(JOURNAL_FD, F_GETFD) < 0 ? -1 : JOURNAL_FD;
        if (close_range(JOURNAL_FD + 1, ~0U, 0) < 0)
                return trouble("close_range", neg_errno());
        log_open(journal_fd);
        w->pid = (uint64_t)getpid();

        r = render_init(strtoull(argv[3], NULL, 16));
        if (r < 0)
                return trouble("libvips", r);
        r = sandbox_enter(&hello.sandbox);
        if (r < 0)
                return trouble("the sandbox", r);
        r = render_probe(&hello);
        if (r < 0)
                return trouble("no format works inside the sandbox", r);
        r = wire_send(SUPERVISOR_FD, &hello, NULL, 0);
        if (r == -EPIPE || r == -ECONNRESET) /* it has ended meanwhile, or wants fewer of us: nothing is wrong */
                return 0;
        if (r < 0)
                return trouble("the supervisor does not listen", r);

        r = serve(w);
        if (r < 0)
                log_event(EV_TROUBLE, FIELDS(F_NUM(WORKER_PID, w->pid)), "The worker ends: %s", g_strerror(-r));
        for (unsigned i = 0; i < WIRE_UNSETTLED_MAX; i++)
                forget(w->unsettled + i);
        farewell.untold = log_close();
        if (farewell.untold > 0)
                (void)wire_send(SUPERVISOR_FD, &farewell, NULL, 0);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
