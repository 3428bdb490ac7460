/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many slots there are, which of them is given a job, and which is replaced. */

#include "pool.h"

#include "slot.h"

#include <glib.h>

#define FAILING_STARTS 3U

struct pool {
        sd_event *event;
        struct process_program program;
        const struct pool_hooks *hooks;
        void *userdata;
        GPtrArray *slots; /* of struct slot */
        unsigned wanted;
        unsigned failed_starts; /* in a row */
        uint64_t turns;         /* jobs that were handed over */
        bool stopping;
};

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

static bool all_gone(const struct pool *pool)
{
        for (guint i = 0; i < pool->slots->len; i++)
                if (((const struct slot *)pool->slots->pdata[i])->pid > 0)
                        return false;
        return true;
}

/* ---- what slots tell */

static void replace(struct slot *slot);
static void replace_stale(struct pool *pool);

static void on_ready(struct slot *slot, const struct wire_hello *hello)
{
        struct pool *p = slot->pool;

        p->failed_starts = 0;
        p->hooks->ready(hello, p->userdata);
        if (slot->replaces) {
                slot->replaces->retire = true;
                slot_retire_if_done(slot->replaces);
                slot->replaces = NULL;
        }
        slot_retire_if_done(slot); /* it was told so while it started */
        replace_stale(p);
}

static void on_reply(struct slot *slot, const struct wire_reply *reply)
{
        struct pool *p = slot->pool;

        p->hooks->reply(reply, slot->number, p->userdata);
        if (reply->journal_lost || slot_is_worn_out(slot))
                replace(slot);
        slot_retire_if_done(slot);
}

static void schedule_respawn(struct slot *slot, bool started)
{
        const struct pool *p = slot->pool;

        if (!p->stopping && lasting(p) < p->wanted)
                slot_schedule_respawn(slot, started);
}

static int spawn(struct slot *slot)
{
        int r = slot_spawn(slot);

        if (slot->state == SLOT_EMPTY)
                schedule_respawn(slot, false);
        return r;
}

static void on_gone(struct slot *slot, uint64_t job, enum pool_loss loss, bool started, const char *how)
{
        struct pool *p = slot->pool;

        if (job > 0)
                p->hooks->lost(job, loss, how, p->userdata);
        slot->replaces = NULL; /* that one stays, until the next look at it */
        for (guint i = 0; i < p->slots->len; i++) {
                struct slot *other = (struct slot *)p->slots->pdata[i];

                if (other->replaces == slot) /* it takes the place of nobody now */
                        other->replaces = NULL;
        }
        if (!started && ++p->failed_starts >= FAILING_STARTS)
                p->hooks->failing(how, p->userdata);
        schedule_respawn(slot, started);
        if (p->stopping && all_gone(p))
                p->hooks->stopped(p->userdata);
}

static void on_respawn(struct slot *slot)
{
        (void)spawn(slot);
}

static const struct slot_hooks slot_hooks = { on_ready, on_reply, on_gone, on_respawn };

/* ---- life */

int pool_new(sd_event *event, unsigned n, uint64_t formats, const char *worker_path, const struct pool_hooks *hooks, void *userdata,
             struct pool **ret)
{
        struct pool *p = g_new0(struct pool, 1);

        p->event = sd_event_ref(event);
        process_program_init(&p->program, worker_path);
        p->program.formats = formats;
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
        *slot = (struct slot){
                .event = p->event, .program = &p->program, .hooks = &slot_hooks, .pool = p, .number = (int)p->slots->len, .fd = -1
        };
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

void pool_prepare(struct pool *p, uint64_t formats)
{
        if (!(formats & ~p->program.formats))
                return;
        p->program.formats |= formats; /* only ever more: a worker that can do too much does no harm */
        for (guint i = 0; i < p->slots->len; i++) {
                struct slot *slot = (struct slot *)p->slots->pdata[i];

                if (slot->state != SLOT_EMPTY)
                        slot->retire = true;
                slot_retire_if_done(slot);
        }
}

static void replace_stale(struct pool *p)
{
        for (guint i = 0; i < p->slots->len; i++) {
                struct slot *slot = (struct slot *)p->slots->pdata[i];

                if (slot->stale && slot->state != SLOT_EMPTY && !slot->retire) {
                        replace(slot);
                        return;
                }
        }
}

void pool_renew(struct pool *p)
{
        for (guint i = 0; i < p->slots->len; i++)
                ((struct slot *)p->slots->pdata[i])->stale = true;
        replace_stale(p);
}

void pool_resize(struct pool *p, unsigned n)
{
        p->wanted = n;
        while (lasting(p) < n)
                if (spawn(empty_slot(p)) < 0)
                        return; /* it is tried again by its timer */
        for (guint i = p->slots->len; i-- > 0 && lasting(p) > n;) {
                struct slot *slot = (struct slot *)p->slots->pdata[i];

                slot_cancel_respawn(slot);
                if (slot->state != SLOT_EMPTY)
                        slot->retire = true;
                slot_retire_if_done(slot);
        }
}

void pool_free(struct pool *p)
{
        if (!p)
                return;
        for (guint i = 0; i < p->slots->len; i++)
                slot_clear((struct slot *)p->slots->pdata[i]);
        g_ptr_array_unref(p->slots);
        (void)sd_event_unref(p->event);
        process_program_done(&p->program);
        g_free(p);
}

void pool_stop(struct pool *p)
{
        p->stopping = true;
        for (guint i = 0; i < p->slots->len; i++)
                slot_leave((struct slot *)p->slots->pdata[i]);
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

int pool_idle_slot(const struct pool *p, bool fresh)
{
        const struct slot *found = NULL;

        for (guint i = 0; i < p->slots->len; i++) {
                const struct slot *slot = (const struct slot *)p->slots->pdata[i];

                if (slot->state == SLOT_IDLE && !slot->retire && !slot->hung_up && (!found || (fresh && slot->jobs < found->jobs)))
                        found = slot;
        }
        return found ? found->number : -1;
}

bool pool_expects(const struct pool *p)
{
        for (guint i = 0; i < p->slots->len; i++) {
                const struct slot *slot = (const struct slot *)p->slots->pdata[i];

                if (slot->state == SLOT_STARTING || (slot->respawn && slot->throttle_usec == 0))
                        return true;
        }
        return false;
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

int pool_submit(struct pool *p, int slot, const struct wire_render *request, const int *fds, unsigned n_fds, uint64_t deadline_usec)
{
        struct slot *to = (struct slot *)p->slots->pdata[slot];

        to->turn = ++p->turns;
        return slot_submit(to, request, fds, n_fds, deadline_usec);
}

bool pool_hear(struct pool *p)
{
        struct slot *first = NULL;

        for (guint i = 0; i < p->slots->len; i++) {
                struct slot *slot = (struct slot *)p->slots->pdata[i];

                if (slot->state == SLOT_BUSY && slot->io && slot->turn < (first ? first->turn : p->turns))
                        first = slot;
        }
        return first && slot_hear(first);
}

bool pool_settle(struct pool *p, int number, int pid, const struct wire_settle *settle)
{
        return pid > 0 && pool_pid(p, number) == pid && slot_settle((struct slot *)p->slots->pdata[number], settle);
}

bool pool_slot_is_busy(const struct pool *p, int slot)
{
        return slot >= 0 && (guint)slot < p->slots->len && ((const struct slot *)p->slots->pdata[slot])->state == SLOT_BUSY;
}
