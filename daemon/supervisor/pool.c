/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots, their processes and conversations.  A slot's life:
 *
 *   EMPTY ──spawn──► STARTING ──HELLO──► IDLE ◄──reply / submit──► BUSY
 *     ▲                  │                 │                         │
 *     └── timer ◄────────┴──── exit, kill, lie, deadline ────────────┘
 *
 * The exit of the process is the only thing that empties a slot, and what it had sent before is read first. */

#include "pool.h"

#include "base.h"
#include "log.h"
#include "spawn.h"

#include <assert.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define THROTTLE_MIN_USEC         UINT64_C(100000)
#define THROTTLE_MAX_USEC         UINT64_C(60000000)
#define FAILING_STARTS            3U
#define EXEC_FAILED               127                   /* as spawn_worker() and the shell have it */
#define ADDRESS_SPACE_SLACK_BYTES (UINT64_C(192) << 20) /* thread stacks, arenas, what maps but never holds pixels */

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY };

struct slot {
        struct pool *pool;
        int number;
        enum slot_state state;
        int pid;
        int fd; /* our end; -1 once the conversation is over */
        sd_event_source *io, *child, *deadline, *respawn;
        uint64_t job;           /* while BUSY */
        char file[256];         /* of that job, for messages; may be cut */
        uint64_t base_bytes;    /* of address space, as introduced */
        uint64_t limit_bytes;   /* of address space, now in force */
        uint64_t throttle_usec; /* before the next start, 0 after one that worked */
        bool timed_out, ended;  /* we killed it at the deadline; we ended it for another reason */
        bool retire;            /* beyond the wanted number, or its journal is lost: end when idle */
        const char *ended_why;
};

struct pool {
        sd_event *event;
        char *worker_path;
        const struct pool_hooks *hooks;
        void *userdata;
        GPtrArray *slots; /* of struct slot */
        unsigned wanted;
        unsigned failed_starts; /* in a row */
        bool stopping;
};

static int spawn(struct slot *slot);

static uint64_t now_usec(const struct pool *pool)
{
        uint64_t now = 0;

        (void)sd_event_now(pool->event, CLOCK_MONOTONIC, &now);
        return now;
}

static void end_process(struct slot *slot, const char *why)
{
        if (slot->pid <= 0)
                return;
        if (why) {
                slot->ended = true;
                slot->ended_why = why;
        }
        (void)sd_event_source_send_child_signal(slot->child, SIGKILL, NULL, 0);
}

/* ---- messages */

static void on_hello(struct slot *slot, const struct wire_hello *hello)
{
        struct pool *p = slot->pool;

        if (slot->state != SLOT_STARTING) {
                end_process(slot, "it introduced itself twice");
                return;
        }
        slot->state = SLOT_IDLE;
        slot->base_bytes = hello->address_space_bytes;
        slot->throttle_usec = 0;
        p->failed_starts = 0;
        log_event(EV_WORKER_STARTED, FIELDS(F_NUM(WORKER, slot->number), F_NUM(WORKER_PID, slot->pid)),
                  "Worker %d is ready (process %d, %s)", slot->number, slot->pid, hello->engine);
        p->hooks->ready(hello, p->userdata);
}

static void retire(struct slot *slot)
{
        (void)sd_event_source_disable_unref(slot->io);
        slot->io = NULL;
        slot->fd = fd_close(slot->fd); /* end of conversation: it leaves by itself */
        slot->state = SLOT_STARTING;   /* nothing can be handed to it any more */
        slot->ended = true;
        slot->ended_why = NULL;
}

static void on_reply(struct slot *slot, const struct wire_reply *reply)
{
        if (slot->state != SLOT_BUSY || reply->job != slot->job) {
                end_process(slot, "it answered what it was not asked");
                return;
        }
        slot->deadline = sd_event_source_disable_unref(slot->deadline);
        slot->state = SLOT_IDLE;
        slot->retire |= reply->journal_lost;
        slot->pool->hooks->reply(reply, slot->number, slot->pool->userdata);
        if (slot->retire && slot->state == SLOT_IDLE)
                retire(slot);
}

/* Read what the worker has sent.  Returns false at the end of the conversation. */
static bool read_messages(struct slot *slot)
{
        for (;;) {
                static union wire_message message;
                int fds[WIRE_OUTPUTS_MAX + 1];
                unsigned n_fds;
                int r;

                if (slot->fd < 0)
                        return false;
                r = wire_receive(slot->fd, &message, fds, &n_fds);
                if (r == -EAGAIN)
                        return true;
                if (r == -EPROTO)
                        end_process(slot, "it sent what is no message");
                if (r <= 0)
                        return false;
                if (message.head.kind == WIRE_HELLO)
                        on_hello(slot, &message.hello);
                else if (message.head.kind == WIRE_REPLY)
                        on_reply(slot, &message.reply);
                else
                        end_process(slot, "it sent a message that only we send");
                if (slot->ended)
                        return false;
        }
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct slot *slot = (struct slot *)userdata;

        if (!read_messages(slot)) {
                slot->io = sd_event_source_disable_unref(slot->io);
                end_process(slot, NULL); /* a worker without a conversation is of no use; its exit status tells more if it was first */
        }
        return 0;
}

/* ---- ends */

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct slot *slot = (struct slot *)userdata;

        slot->timed_out = true;
        log_event(EV_WORKER_TIMEOUT, FIELDS(F_STR(FILE, slot->file), F_NUM(WORKER, slot->number), F_NUM(WORKER_PID, slot->pid)),
                  "Worker %d (process %d) is killed: %s takes longer than 'seconds' in 'limits' allows", slot->number, slot->pid,
                  slot->file);
        end_process(slot, NULL);
        return 0;
}

static int on_respawn(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct slot *slot = (struct slot *)userdata;

        slot->respawn = sd_event_source_disable_unref(slot->respawn);
        (void)spawn(slot);
        return 0;
}

static char *describe_end(const siginfo_t *si)
{
        if (si->si_code == CLD_EXITED && si->si_status == EXEC_FAILED)
                return g_strdup("it could not be executed");
        if (si->si_code == CLD_EXITED)
                return g_strdup_printf("it exited with status %d", si->si_status);
        return g_strdup_printf("signal %d (SIG%s)%s", si->si_status, sigabbrev_np(si->si_status) ? sigabbrev_np(si->si_status) : "?",
                               si->si_code == CLD_DUMPED ? ", core dumped" : "");
}

/* Whether the picture can have caused this death: by what its decoder did (a fault, an abort, a forbidden call, a lie), not by a signal
 * that somebody sent. */
static enum pool_loss judge(const struct slot *slot, const siginfo_t *si)
{
        if (slot->timed_out)
                return LOSS_TIMEOUT;
        if (slot->ended && slot->ended_why)
                return LOSS_CRASHED;
        if (si->si_code == CLD_EXITED)
                return LOSS_CRASHED;
        switch (si->si_status) {
        case SIGKILL:
        case SIGTERM:
        case SIGINT:
        case SIGHUP:
        case SIGQUIT:
                return LOSS_OUTSIDE;
        default:
                return LOSS_CRASHED;
        }
}

/* When to start the next process in @slot: at once, or later and later while none gets as far as its introduction. */
static void schedule_respawn(struct slot *slot, bool started)
{
        struct pool *p = slot->pool;

        if (p->stopping || (unsigned)slot->number >= p->wanted)
                return;
        if (!started)
                slot->throttle_usec = CLAMP(slot->throttle_usec * 2, THROTTLE_MIN_USEC, THROTTLE_MAX_USEC);
        if (sd_event_add_time_relative(p->event, &slot->respawn, CLOCK_MONOTONIC, slot->throttle_usec, 0, on_respawn, slot) < 0)
                (void)spawn(slot);
}

static bool all_gone(const struct pool *pool)
{
        for (guint i = 0; i < pool->slots->len; i++)
                if (((const struct slot *)pool->slots->pdata[i])->pid > 0)
                        return false;
        return true;
}

static void tell_loss(const struct slot *slot, const siginfo_t *si, const char *how)
{
        uint64_t number = si->si_code == CLD_EXITED ? 0 : (uint64_t)si->si_status;

        if (slot->state == SLOT_BUSY)
                log_event(EV_WORKER_LOST,
                          FIELDS(F_STR(FILE, slot->file), F_NUM(WORKER, slot->number), F_NUM(WORKER_PID, slot->pid),
                                 F_NUM(SIGNAL, number)),
                          "Worker %d (process %d) died while rendering %s: %s", slot->number, slot->pid, slot->file, how);
        else
                log_event(EV_WORKER_LOST, FIELDS(F_NUM(WORKER, slot->number), F_NUM(WORKER_PID, slot->pid), F_NUM(SIGNAL, number)),
                          "Worker %d (process %d) died %s: %s", slot->number, slot->pid,
                          slot->state == SLOT_STARTING ? "while starting" : "while idle", how);
}

static int on_exit_of_child(sd_event_source *source, const siginfo_t *si, void *userdata)
{
        struct slot *slot = (struct slot *)userdata;
        struct pool *p = slot->pool;
        g_autofree char *how = NULL;
        bool retired = slot->ended && !slot->ended_why, busy, started;

        if (!slot->ended && !slot->timed_out)
                (void)read_messages(slot); /* an answer sent before the end counts */
        how = slot->ended_why ? g_strdup(slot->ended_why) : describe_end(si);
        busy = slot->state == SLOT_BUSY;
        started = slot->state != SLOT_STARTING || retired;
        if (retired)
                log_event(EV_WORKER_RETIRED, FIELDS(F_NUM(WORKER, slot->number), F_NUM(WORKER_PID, slot->pid)),
                          "Worker %d (process %d) has retired", slot->number, slot->pid);
        else if (!p->stopping && !slot->timed_out)
                tell_loss(slot, si, how);

        slot->io = sd_event_source_disable_unref(slot->io);
        slot->deadline = sd_event_source_disable_unref(slot->deadline);
        slot->child = sd_event_source_disable_unref(slot->child);
        slot->fd = fd_close(slot->fd);
        slot->pid = 0;
        slot->state = SLOT_EMPTY;
        if (busy)
                p->hooks->lost(slot->job, judge(slot, si), how, p->userdata);
        if (!started && ++p->failed_starts >= FAILING_STARTS)
                p->hooks->failing(how, p->userdata);
        schedule_respawn(slot, started);
        if (p->stopping && all_gone(p))
                p->hooks->stopped(p->userdata);
        return 0;
}

/* ---- starting */

static int watch_process(struct slot *slot)
{
        struct pool *p = slot->pool;
        int r = sd_event_add_child(p->event, &slot->child, slot->pid, WEXITED, on_exit_of_child, slot);

        if (r >= 0)
                r = sd_event_source_set_child_process_own(slot->child, 1);
        if (r >= 0) /* answers are read before the end is seen */
                r = sd_event_source_set_priority(slot->child, SD_EVENT_PRIORITY_NORMAL + 5);
        if (r >= 0)
                r = sd_event_add_io(p->event, &slot->io, slot->fd, EPOLLIN, on_socket, slot);
        return r < 0 ? r : 0;
}

static int spawn(struct slot *slot)
{
        struct pool *p = slot->pool;
        int pid, fd, r = spawn_worker(p->worker_path, slot->number, &pid, &fd);

        if (r < 0) {
                log_event(EV_TROUBLE, NO_FIELDS, "Worker %d cannot be started: %s", slot->number, g_strerror(-r));
                schedule_respawn(slot, false);
                return r;
        }
        *slot = (struct slot){
                .pool = p, .number = slot->number, .state = SLOT_STARTING, .pid = pid, .fd = fd, .throttle_usec = slot->throttle_usec
        };
        r = watch_process(slot);
        if (r < 0) /* out of descriptors: without a source the child could not be reaped later */
                log_event(EV_TROUBLE, NO_FIELDS, "Worker %d cannot be watched: %s", slot->number, g_strerror(-r));
        return r;
}

int pool_new(sd_event *event, unsigned n, const char *worker_path, const struct pool_hooks *hooks, void *userdata, struct pool **ret)
{
        struct pool *p = g_new0(struct pool, 1);

        p->event = sd_event_ref(event);
        p->worker_path = g_strdup(worker_path);
        p->hooks = hooks;
        p->userdata = userdata;
        p->slots = g_ptr_array_new_with_free_func(g_free);
        pool_resize(p, n);
        *ret = p;
        return 0;
}

void pool_resize(struct pool *p, unsigned n)
{
        p->wanted = n;
        for (unsigned i = 0; i < MAX(n, p->slots->len); i++) {
                struct slot *slot;

                if (i >= p->slots->len) {
                        slot = g_new0(struct slot, 1);
                        slot->pool = p;
                        slot->number = (int)i;
                        slot->fd = -1;
                        g_ptr_array_add(p->slots, slot);
                }
                slot = (struct slot *)p->slots->pdata[i];
                slot->retire = i >= n;
                if (i < n && slot->state == SLOT_EMPTY && !slot->respawn)
                        (void)spawn(slot);
                else if (i >= n && slot->state == SLOT_IDLE)
                        retire(slot);
                if (i >= n)
                        slot->respawn = sd_event_source_disable_unref(slot->respawn);
        }
}

void pool_free(struct pool *p)
{
        if (!p)
                return;
        for (guint i = 0; i < p->slots->len; i++) {
                struct slot *slot = (struct slot *)p->slots->pdata[i];

                (void)sd_event_source_disable_unref(slot->io);
                (void)sd_event_source_disable_unref(slot->deadline);
                (void)sd_event_source_disable_unref(slot->respawn);
                (void)sd_event_source_disable_unref(slot->child); /* owns the process: kills and reaps it */
                (void)fd_close(slot->fd);
        }
        g_ptr_array_unref(p->slots);
        (void)sd_event_unref(p->event);
        g_free(p->worker_path);
        g_free(p);
}

void pool_stop(struct pool *p)
{
        p->stopping = true;
        for (guint i = 0; i < p->slots->len; i++) {
                struct slot *slot = (struct slot *)p->slots->pdata[i];

                slot->respawn = sd_event_source_disable_unref(slot->respawn);
                if (slot->state == SLOT_BUSY)
                        end_process(slot, NULL);
                else if (slot->pid > 0 && slot->fd >= 0)
                        retire(slot);
        }
        if (all_gone(p))
                p->hooks->stopped(p->userdata);
}

/* ---- asking and handing over */

static unsigned count(const struct pool *p, enum slot_state a, enum slot_state b)
{
        unsigned n = 0;

        for (guint i = 0; i < p->slots->len; i++) {
                const struct slot *slot = (const struct slot *)p->slots->pdata[i];

                n += slot->state == a || slot->state == b;
        }
        return n;
}

unsigned pool_size(const struct pool *p)
{
        return p->wanted;
}

unsigned pool_busy(const struct pool *p)
{
        return count(p, SLOT_BUSY, SLOT_BUSY);
}

unsigned pool_ready(const struct pool *p)
{
        return count(p, SLOT_IDLE, SLOT_BUSY);
}

bool pool_has_idle(const struct pool *p)
{
        return count(p, SLOT_IDLE, SLOT_IDLE) > 0;
}

bool pool_owns(const struct pool *p, int pid)
{
        for (guint i = 0; i < p->slots->len; i++)
                if (((const struct slot *)p->slots->pdata[i])->pid == pid)
                        return true;
        return false;
}

int pool_pid(const struct pool *p, int slot)
{
        return slot >= 0 && (guint)slot < p->slots->len ? ((const struct slot *)p->slots->pdata[slot])->pid : 0;
}

/* Bound the worker's address space from outside, where it cannot undo it, to what it started with and what this job was granted. */
static void grant(struct slot *slot, uint64_t bytes)
{
        struct rlimit limit = { 0 };

        limit.rlim_cur = slot->base_bytes + bytes + ADDRESS_SPACE_SLACK_BYTES;
        limit.rlim_max = RLIM_INFINITY;
        if (limit.rlim_cur == slot->limit_bytes)
                return;
        if (prlimit(slot->pid, RLIMIT_AS, &limit, NULL) == 0)
                slot->limit_bytes = limit.rlim_cur;
}

static struct slot *find_idle(const struct pool *p)
{
        for (guint i = 0; i < p->slots->len; i++) {
                struct slot *slot = (struct slot *)p->slots->pdata[i];

                if (slot->state == SLOT_IDLE)
                        return slot;
        }
        return NULL;
}

int pool_submit(struct pool *p, const struct wire_render *request, const int *fds, unsigned n_fds, uint64_t deadline_usec)
{
        struct slot *slot = find_idle(p);
        int r;

        assert(slot);
        r = sd_event_add_time(p->event, &slot->deadline, CLOCK_MONOTONIC, now_usec(p) + deadline_usec, 0, on_deadline, slot);
        if (r < 0)
                return r;
        grant(slot, request->memory_bytes);
        r = wire_send(slot->fd, request, fds, n_fds);
        if (r < 0) {
                slot->deadline = sd_event_source_disable_unref(slot->deadline);
                end_process(slot, r == -EAGAIN ? "it does not read what it is sent" : NULL);
                slot->state = SLOT_STARTING; /* it gets nothing more; its exit empties the slot */
                return r;
        }
        slot->state = SLOT_BUSY;
        slot->job = request->job;
        (void)g_strlcpy(slot->file, request->file, sizeof slot->file);
        return slot->number;
}

bool pool_settle(struct pool *p, int number, int pid, const struct wire_settle *settle)
{
        struct slot *slot = number >= 0 && (guint)number < p->slots->len ? (struct slot *)p->slots->pdata[number] : NULL;

        return slot && slot->fd >= 0 && slot->pid == pid && wire_send(slot->fd, settle, NULL, 0) == 0;
}
