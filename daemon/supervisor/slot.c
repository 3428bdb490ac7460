/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting a process, listening to it, handing it work, and its end. */

#include "slot.h"

#include "base.h"
#include "log.h"
#include "process.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define THROTTLE_MIN_USEC         UINT64_C(100000)
#define THROTTLE_MAX_USEC         UINT64_C(60000000)
#define START_USEC                UINT64_C(60000000)
#define RETIRE_USEC               UINT64_C(10000000)
#define LINGER_USEC               UINT64_C(1000000)
#define JOBS_MAX                  20000U
#define JOBS_PER_LOOK             64U
#define GROWTH_MAX_BYTES          (UINT64_C(256) << 20)
#define ADDRESS_SPACE_SLACK_BYTES (UINT64_C(192) << 20) /* thread stacks, arenas, what maps but never holds pixels */

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

/* ---- deadlines */

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
        if (!slot->deadline)
                (void)sd_event_add_time_relative(slot->event, &slot->deadline, CLOCK_MONOTONIC, usec, 0, on_deadline, slot);
        else if (sd_event_source_set_time_relative(slot->deadline, usec) >= 0)
                (void)sd_event_source_set_enabled(slot->deadline, SD_EVENT_ONESHOT);
}

static void disarm_deadline(struct slot *slot)
{
        if (slot->deadline)
                (void)sd_event_source_set_enabled(slot->deadline, SD_EVENT_OFF);
}

/* ---- messages */

static void on_hello(struct slot *slot, const struct wire_hello *hello)
{
        if (slot->state != SLOT_STARTING) {
                end_process(slot, "it introduced itself twice");
                return;
        }
        disarm_deadline(slot);
        slot->state = SLOT_IDLE;
        slot->base_bytes = hello->address_space_bytes;
        slot->base_anonymous_bytes = process_anonymous_bytes(slot->pid);
        slot->throttle_usec = 0;
        log_event(EV_WORKER_STARTED, FIELDS(F_NUM(WORKER, slot->number), F_NUM(WORKER_PID, slot->pid)),
                  "Worker %d is ready (process %d, %s)", slot->number, slot->pid, hello->engine);
        slot->hooks->ready(slot, hello);
}

static void on_reply(struct slot *slot, const struct wire_reply *reply)
{
        if (slot->state != SLOT_BUSY || reply->job != slot->job) {
                end_process(slot, "it answered what it was not asked");
                return;
        }
        disarm_deadline(slot);
        slot->state = SLOT_IDLE;
        slot->jobs++;
        slot->unsettled += reply->reason == REASON_NONE;
        slot->hooks->reply(slot, reply);
}

/* None is due from a worker; a hostile one may send some all the same. */
static void close_all(const int *fds, unsigned n_fds)
{
        for (unsigned i = 0; i < n_fds; i++)
                (void)close(fds[i]);
}

enum heard { HEARD_NOTHING, HEARD_MESSAGE, HEARD_END };

/* Read one message, if there is one. */
static enum heard read_message(struct slot *slot)
{
        static union wire_message message;
        int fds[WIRE_OUTPUTS_MAX + 1];
        unsigned n_fds = 0;
        int r;

        if (slot->fd < 0)
                return HEARD_END;
        r = wire_receive(slot->fd, &message, fds, &n_fds);
        if (r == -EAGAIN)
                return HEARD_NOTHING;
        if (r == -EPROTO)
                end_process(slot, slot->state == SLOT_STARTING ? "it is not of the same build as the supervisor"
                                                               : "it sent what is no message");
        else if (r < 0 && r != -ECONNRESET)
                end_process(slot, NULL); /* our own trouble: no fault of the picture */
        if (r <= 0)
                return HEARD_END;
        close_all(fds, n_fds);
        if (message.head.kind == WIRE_HELLO)
                on_hello(slot, &message.hello);
        else if (message.head.kind == WIRE_REPLY)
                on_reply(slot, &message.reply);
        else
                end_process(slot, "it sent a message out of turn");
        return slot->ended ? HEARD_END : HEARD_MESSAGE;
}

bool slot_hear(struct slot *slot)
{
        enum heard heard = read_message(slot);

        if (heard != HEARD_END)
                return heard == HEARD_MESSAGE;
        slot->io = sd_event_source_disable_unref(slot->io);
        if (slot->ended) /* by us, and how long it may take is decided */
                return true;
        slot->hung_up = true; /* its exit is about to tell why; if none comes, it is of no use without a conversation */
        arm_deadline(slot, LINGER_USEC);
        return true;
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        (void)slot_hear((struct slot *)userdata);
        return 0;
}

/* Bound the worker's address space to what it started with and what this job was granted. */
static void grant(struct slot *slot, uint64_t bytes)
{
        uint64_t limit = slot->base_bytes + bytes + ADDRESS_SPACE_SLACK_BYTES;

        if (limit != slot->limit_bytes && process_limit_address_space(slot->pid, limit) >= 0)
                slot->limit_bytes = limit;
}

int slot_submit(struct slot *slot, const struct wire_render *request, const int *fds, unsigned n_fds, uint64_t deadline_usec)
{
        int r;

        arm_deadline(slot, deadline_usec);
        grant(slot, request->memory_bytes);
        r = wire_send(slot->fd, request, fds, n_fds);
        if (r < 0) {
                disarm_deadline(slot);
                end_process(slot, r == -EAGAIN ? "it does not read what it is sent" : NULL);
                slot->state = SLOT_STARTING; /* it gets nothing more; its exit empties the slot */
                return r;
        }
        slot->state = SLOT_BUSY;
        slot->job = request->job;
        (void)g_strlcpy(slot->file, wire_render_file(request), sizeof slot->file);
        return 0;
}

bool slot_settle(struct slot *slot, const struct wire_settle *settle)
{
        bool told;

        if (slot->fd < 0)
                return false;
        told = wire_send(slot->fd, settle, NULL, 0) == 0;
        slot->unsettled -= MIN(slot->unsettled, settle->n);
        slot_retire_if_done(slot);
        return told;
}

/* ---- ends */

/* Looking costs, so not after every job; slots differ, so that they do not all go at once. */
bool slot_is_worn_out(const struct slot *slot)
{
        if (slot->jobs % JOBS_PER_LOOK != 0)
                return false;
        return slot->jobs >= JOBS_MAX + (unsigned)slot->number * (JOBS_MAX / 16) ||
               process_anonymous_bytes(slot->pid) > slot->base_anonymous_bytes + GROWTH_MAX_BYTES;
}

static void retire(struct slot *slot)
{
        slot->io = sd_event_source_disable_unref(slot->io);
        (void)shutdown(slot->fd, SHUT_WR); /* it leaves by itself; what it says last is heard then */
        slot->state = SLOT_STARTING;       /* nothing can be handed to it any more */
        slot->ended = true;
        slot->ended_why = NULL;
        arm_deadline(slot, RETIRE_USEC);
}

void slot_retire_if_done(struct slot *slot)
{
        if (slot->retire && slot->state == SLOT_IDLE && slot->unsettled == 0)
                retire(slot);
}

void slot_leave(struct slot *slot)
{
        slot->leaving = true;
        slot_cancel_respawn(slot);
        if (slot->state == SLOT_BUSY)
                end_process(slot, NULL);
        else if (slot->pid > 0 && !slot->ended)
                retire(slot);
}

/* A retired worker has ended: what it could not tell the journal is counted as ours. */
static void hear_farewell(struct slot *slot)
{
        union wire_message message;
        int fds[WIRE_OUTPUTS_MAX + 1];
        unsigned n_fds = 0;

        if (wire_receive(slot->fd, &message, fds, &n_fds) > 0 && message.head.kind == WIRE_FAREWELL)
                log_add_dropped(message.farewell.untold);
        close_all(fds, n_fds);
}

/* What the picture has to do with this end of its worker. */
static enum pool_loss judge(const struct slot *slot, const siginfo_t *si)
{
        if (slot->timed_out)
                return LOSS_TIMEOUT;
        return (slot->ended && slot->ended_why) || !process_killed_from_outside(si) ? LOSS_CRASHED : LOSS_OUTSIDE;
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
        g_autofree char *how = NULL;
        bool retired = slot->ended && !slot->ended_why, busy, started;

        while (!slot->ended && !slot->timed_out && read_message(slot) == HEARD_MESSAGE)
                continue; /* an answer sent before the end counts */
        how = slot->ended_why ? g_strdup(slot->ended_why) : process_describe_end(si);
        busy = slot->state == SLOT_BUSY;
        started = slot->state != SLOT_STARTING || retired;
        if (retired) {
                hear_farewell(slot);
                log_event(EV_WORKER_RETIRED, FIELDS(F_NUM(WORKER, slot->number), F_NUM(WORKER_PID, slot->pid)),
                          "Worker %d (process %d) has retired", slot->number, slot->pid);
        } else if (!slot->leaving && !slot->timed_out) {
                tell_loss(slot, si, how);
        }

        slot->io = sd_event_source_disable_unref(slot->io);
        slot->deadline = sd_event_source_disable_unref(slot->deadline);
        slot->child = sd_event_source_disable_unref(slot->child);
        slot->fd = fd_close(slot->fd);
        slot->pid = 0;
        slot->state = SLOT_EMPTY;
        slot->hooks->gone(slot, busy ? slot->job : 0, judge(slot, si), started, how);
        return 0;
}

void slot_clear(struct slot *slot)
{
        slot->io = sd_event_source_disable_unref(slot->io);
        slot->deadline = sd_event_source_disable_unref(slot->deadline);
        slot_cancel_respawn(slot);
        slot->child = sd_event_source_disable_unref(slot->child); /* owns the process: kills and reaps it */
        slot->fd = fd_close(slot->fd);
}

/* ---- starting */

static int on_respawn(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct slot *slot = (struct slot *)userdata;

        slot_cancel_respawn(slot);
        slot->hooks->respawn(slot);
        return 0;
}

void slot_schedule_respawn(struct slot *slot, bool started)
{
        if (!started)
                slot->throttle_usec = CLAMP(slot->throttle_usec * 2, THROTTLE_MIN_USEC, THROTTLE_MAX_USEC);
        (void)sd_event_add_time_relative(slot->event, &slot->respawn, CLOCK_MONOTONIC, slot->throttle_usec, 0, on_respawn, slot);
}

void slot_cancel_respawn(struct slot *slot)
{
        slot->respawn = sd_event_source_disable_unref(slot->respawn);
}

static int watch_process(struct slot *slot)
{
        int r = sd_event_add_child(slot->event, &slot->child, slot->pid, WEXITED, on_exit_of_child, slot);

        if (r >= 0)
                r = sd_event_source_set_child_process_own(slot->child, 1);
        if (r >= 0) /* answers are read before the end is seen */
                r = sd_event_source_set_priority(slot->child, SD_EVENT_PRIORITY_NORMAL + 5);
        if (r >= 0)
                r = sd_event_add_io(slot->event, &slot->io, slot->fd, EPOLLIN, on_socket, slot);
        return r < 0 ? r : 0;
}

int slot_spawn(struct slot *slot)
{
        int pid, fd, r = process_spawn(slot->program, slot->number, &pid, &fd);

        if (r < 0) {
                log_event(EV_TROUBLE, NO_FIELDS, "Worker %d cannot be started: %s", slot->number, g_strerror(-r));
                return r;
        }
        *slot = (struct slot){ .event = slot->event,
                               .program = slot->program,
                               .hooks = slot->hooks,
                               .pool = slot->pool,
                               .number = slot->number,
                               .state = SLOT_STARTING,
                               .pid = pid,
                               .fd = fd,
                               .throttle_usec = slot->throttle_usec };
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
