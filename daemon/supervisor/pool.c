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
#include "process.h"

#include <assert.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define THROTTLE_MIN_USEC         UINT64_C(100000)
#define THROTTLE_MAX_USEC         UINT64_C(60000000)
#define FAILING_STARTS            3U
#define START_USEC                UINT64_C(60000000)
#define RETIRE_USEC               UINT64_C(10000000)
#define LINGER_USEC               UINT64_C(1000000)
#define JOBS_MAX                  5000U
#define JOBS_PER_LOOK             64U
#define GROWTH_MAX_BYTES          (UINT64_C(256) << 20)
#define ADDRESS_SPACE_SLACK_BYTES (UINT64_C(192) << 20) /* thread stacks, arenas, what maps but never holds pixels */

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY };

struct slot {
        struct pool *pool;
        int number;
        enum slot_state state;
        int pid;
        int fd; /* our end; -1 once the conversation is over */
        sd_event_source *io, *child, *deadline, *respawn;
        uint64_t job;                  /* while BUSY */
        char file[256];                /* of that job, for messages; may be cut */
        uint64_t base_bytes;           /* of address space, as introduced */
        uint64_t limit_bytes;          /* of address space, now in force */
        uint64_t throttle_usec;        /* before the next start, 0 after one that worked */
        bool hung_up;                  /* it closed its end */
        bool timed_out, ended;         /* we killed it at the deadline; we ended it for another reason */
        struct slot *replaces;         /* while STARTING: whose place it takes when it is ready */
        unsigned jobs;                 /* answered */
        unsigned unsettled;            /* of those, claims that we have not settled */
        uint64_t base_anonymous_bytes; /* of memory, as introduced */
        bool retire;                   /* beyond the wanted number, or its journal is lost: end when idle */
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
static void arm_deadline(struct slot *slot, uint64_t usec);
static void replace(struct slot *slot);
static void retire_if_done(struct slot *slot);

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
        slot->deadline = sd_event_source_disable_unref(slot->deadline);
        slot->state = SLOT_IDLE;
        slot->base_bytes = hello->address_space_bytes;
        slot->base_anonymous_bytes = process_anonymous_bytes(slot->pid);
        slot->throttle_usec = 0;
        p->failed_starts = 0;
        log_event(EV_WORKER_STARTED, FIELDS(F_NUM(WORKER, slot->number), F_NUM(WORKER_PID, slot->pid)),
                  "Worker %d is ready (process %d, %s)", slot->number, slot->pid, hello->engine);
        p->hooks->ready(hello, p->userdata);
        if (slot->replaces) {
                slot->replaces->retire = true;
                retire_if_done(slot->replaces);
                slot->replaces = NULL;
        }
}

/* Decoders leak and heaps fragment: a process lives for so many jobs, or until it has grown by so much.  Looking costs a system call or
 * three, so not after every job; slots differ, so that they do not all go at once. */
static bool is_worn_out(const struct slot *slot)
{
        if (slot->jobs >= JOBS_MAX + (unsigned)slot->number * (JOBS_MAX / 16))
                return true;
        return slot->jobs % JOBS_PER_LOOK == 0 && process_anonymous_bytes(slot->pid) > slot->base_anonymous_bytes + GROWTH_MAX_BYTES;
}

static void retire(struct slot *slot)
{
        (void)sd_event_source_disable_unref(slot->io);
        slot->io = NULL;
        slot->fd = fd_close(slot->fd); /* end of conversation: it leaves by itself */
        slot->state = SLOT_STARTING;   /* nothing can be handed to it any more */
        slot->ended = true;
        slot->ended_why = NULL;
        arm_deadline(slot, RETIRE_USEC);
}

static void on_reply(struct slot *slot, const struct wire_reply *reply)
{
        if (slot->state != SLOT_BUSY || reply->job != slot->job) {
                end_process(slot, "it answered what it was not asked");
                return;
        }
        slot->deadline = sd_event_source_disable_unref(slot->deadline);
        slot->state = SLOT_IDLE;
        slot->jobs++;
        slot->unsettled += reply->reason == REASON_NONE;
        slot->pool->hooks->reply(reply, slot->number, slot->pool->userdata);
        if (reply->journal_lost || is_worn_out(slot))
                replace(slot);
        retire_if_done(slot);
}

/* A worker beyond the wanted number goes as soon as it has nothing in work, and has heard what became of it. */
static void retire_if_done(struct slot *slot)
{
        if (slot->retire && slot->state == SLOT_IDLE && slot->unsettled == 0)
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
                else if (r < 0 && r != -ECONNRESET)
                        end_process(slot, NULL); /* our own trouble: no fault of the picture */
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

        if (!read_messages(slot)) { /* its exit is about to tell why; if none comes, it is of no use without a conversation */
                slot->io = sd_event_source_disable_unref(slot->io);
                slot->hung_up = true;
                arm_deadline(slot, LINGER_USEC);
        }
        return 0;
}

/* ---- ends */

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct slot *slot = (struct slot *)userdata;

        if (slot->hung_up) {
                end_process(slot, "it closed the conversation and stayed");
        } else if (slot->ended) {
                end_process(slot, NULL); /* retired, and does not go */
        } else if (slot->state == SLOT_STARTING) {
                end_process(slot, "it never introduced itself");
        } else {
                slot->timed_out = true;
                log_event(EV_WORKER_TIMEOUT,
                          FIELDS(F_STR(FILE, slot->file), F_NUM(WORKER, slot->number), F_NUM(WORKER_PID, slot->pid)),
                          "Worker %d (process %d) is killed: %s takes longer than 'seconds' in 'limits' allows", slot->number,
                          slot->pid, slot->file);
                end_process(slot, NULL);
        }
        return 0;
}

/* What @slot is doing has to be over at @usec from now.  Without a timer (out of memory) it just is not bounded. */
static void arm_deadline(struct slot *slot, uint64_t usec)
{
        slot->deadline = sd_event_source_disable_unref(slot->deadline);
        (void)sd_event_add_time_relative(slot->pool->event, &slot->deadline, CLOCK_MONOTONIC, usec, 0, on_deadline, slot);
}

static int on_respawn(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct slot *slot = (struct slot *)userdata;

        slot->respawn = sd_event_source_disable_unref(slot->respawn);
        (void)spawn(slot);
        return 0;
}

/* What the picture has to do with this end of its worker. */
static enum pool_loss judge(const struct slot *slot, const siginfo_t *si)
{
        if (slot->timed_out)
                return LOSS_TIMEOUT;
        return (slot->ended && slot->ended_why) || !process_killed_from_outside(si) ? LOSS_CRASHED : LOSS_OUTSIDE;
}

/* How many slots have a process that stays, or will have one. */
static unsigned lasting(const struct pool *p)
{
        unsigned n = 0;

        for (guint i = 0; i < p->slots->len; i++) {
                const struct slot *slot = (const struct slot *)p->slots->pdata[i];

                n += slot->respawn || (slot->state != SLOT_EMPTY && !slot->retire && !slot->replaces);
        }
        return n;
}

/* When to start the next process in @slot: at once, or later and later while none gets as far as its introduction. */
static void schedule_respawn(struct slot *slot, bool started)
{
        struct pool *p = slot->pool;

        if (p->stopping || lasting(p) >= p->wanted)
                return;
        if (!started)
                slot->throttle_usec = CLAMP(slot->throttle_usec * 2, THROTTLE_MIN_USEC, THROTTLE_MAX_USEC);
        (void)sd_event_add_time_relative(p->event, &slot->respawn, CLOCK_MONOTONIC, slot->throttle_usec, 0, on_respawn, slot);
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
        how = slot->ended_why ? g_strdup(slot->ended_why) : process_describe_end(si);
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
        int pid, fd, r = process_spawn(p->worker_path, slot->number, &pid, &fd);

        if (r < 0) {
                log_event(EV_TROUBLE, NO_FIELDS, "Worker %d cannot be started: %s", slot->number, g_strerror(-r));
                schedule_respawn(slot, false);
                return r;
        }
        *slot = (struct slot){
                .pool = p, .number = slot->number, .state = SLOT_STARTING, .pid = pid, .fd = fd, .throttle_usec = slot->throttle_usec
        };
        r = watch_process(slot);
        if (r < 0) { /* out of descriptors or memory: one that cannot be listened to is of no use */
                log_event(EV_TROUBLE, NO_FIELDS, "Worker %d cannot be watched: %s", slot->number, g_strerror(-r));
                if (slot->child)
                        end_process(slot, "it could not be listened to");
                else
                        (void)kill(pid, SIGKILL); /* the slot stays taken: whoever cannot watch a child has worse trouble */
                return r;
        }
        arm_deadline(slot, START_USEC);
        return 0;
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

/* A slot without a process, and without one to come. */
static struct slot *empty_slot(struct pool *p)
{
        struct slot *slot;

        for (guint i = 0; i < p->slots->len; i++) {
                slot = (struct slot *)p->slots->pdata[i];
                if (slot->state == SLOT_EMPTY && !slot->respawn)
                        return slot;
        }
        slot = g_new0(struct slot, 1);
        slot->pool = p;
        slot->number = (int)p->slots->len;
        slot->fd = -1;
        g_ptr_array_add(p->slots, slot);
        return slot;
}

/* Start a successor for @slot, which goes when that is ready; one at a time. */
static void replace(struct slot *slot)
{
        struct pool *p = slot->pool;
        struct slot *next;

        if (slot->retire || p->stopping)
                return;
        for (guint i = 0; i < p->slots->len; i++)
                if (((const struct slot *)p->slots->pdata[i])->replaces)
                        return;
        next = empty_slot(p);
        if (spawn(next) >= 0)
                next->replaces = slot;
}

void pool_resize(struct pool *p, unsigned n)
{
        p->wanted = n;
        while (lasting(p) < n)
                if (spawn(empty_slot(p)) < 0)
                        return; /* it is tried again by its timer */
        for (guint i = p->slots->len; i-- > 0 && lasting(p) > n;) {
                struct slot *slot = (struct slot *)p->slots->pdata[i];

                slot->respawn = sd_event_source_disable_unref(slot->respawn);
                if (slot->state != SLOT_EMPTY)
                        slot->retire = true;
                retire_if_done(slot);
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

static struct slot *find_idle(const struct pool *p)
{
        for (guint i = 0; i < p->slots->len; i++) {
                struct slot *slot = (struct slot *)p->slots->pdata[i];

                if (slot->state == SLOT_IDLE && !slot->retire)
                        return slot;
        }
        return NULL;
}

bool pool_has_idle(const struct pool *p)
{
        return find_idle(p) != NULL;
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

/* Bound the worker's address space to what it started with and what this job was granted. */
static void grant(struct slot *slot, uint64_t bytes)
{
        uint64_t limit = slot->base_bytes + bytes + ADDRESS_SPACE_SLACK_BYTES;

        if (limit != slot->limit_bytes && process_limit_address_space(slot->pid, limit) >= 0)
                slot->limit_bytes = limit;
}

int pool_submit(struct pool *p, const struct wire_render *request, const int *fds, unsigned n_fds, uint64_t deadline_usec)
{
        struct slot *slot = find_idle(p);
        int r;

        assert(slot);
        arm_deadline(slot, deadline_usec);
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
        bool told;

        if (!slot || slot->fd < 0 || slot->pid != pid)
                return false;
        told = wire_send(slot->fd, settle, NULL, 0) == 0;
        slot->unsettled -= slot->unsettled > 0;
        retire_if_done(slot);
        return told;
}
