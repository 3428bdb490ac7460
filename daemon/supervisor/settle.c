/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settling claims, and remembering those whose worker is busy. */

#include "settle.h"

#include "base.h"
#include "log.h"

/* What `made` says of a job; the job itself is gone by then. */
struct notice {
        char *file, *inbox;
        struct job_made made;
        struct wire_settled settled;
        unsigned n_outputs, attempt;
        int slot, worker_pid;
};

void settle_notice_free(void *notice)
{
        struct notice *n = (struct notice *)notice;

        g_free(n->file);
        g_free(n->inbox);
        g_free(n);
}

static struct wire_settled settled(const struct work *w, const struct job *job)
{
        const uint64_t now = work_now_usec(w);

        return (struct wire_settled){ .job = job->id,
                                      .latency_usec = now - MIN(job->complete_usec, now),
                                      .bytes = job->source.size,
                                      .owner_uid = job->source.owner };
}

static void say(void *notice, void *userdata)
{
        const struct notice *n = (const struct notice *)notice;

        log_event(EV_MADE,
                  FIELDS(F_STR(FILE, n->file), F_STR(INBOX, n->inbox), F_NUM(USEC, n->made.render_usec),
                         F_NUM(LATENCY_USEC, n->settled.latency_usec), F_NUM(OUTPUTS, n->n_outputs), F_NUM(WIDTH, n->made.width_px),
                         F_NUM(HEIGHT, n->made.height_px), F_NUM(BYTES, n->settled.bytes), F_STR(FORMAT, format_name(n->made.format)),
                         F_NUM(OWNER, n->settled.owner_uid), F_NUM(WORKER, n->slot), F_NUM(WORKER_PID, n->worker_pid),
                         F_NUM(ATTEMPT, n->attempt + 1)),
                  "Made %u thumbnail%s of %s; the worker that rendered it died before it could say so", n->n_outputs,
                  n->n_outputs == 1 ? "" : "s", n->file);
}

static struct wire_settle message_to(int slot, enum wire_kind kind)
{
        return (struct wire_settle){ .version = WIRE_VERSION, .kind = kind, .slot = (uint32_t)slot };
}

void settle_refused(struct work *w, const struct job *job)
{
        struct wire_settle message = message_to(job->slot, WIRE_REFUSED);

        message.jobs[message.n++] = settled(w, job);
        if (job->made.claimed)
                (void)pool_settle(w->pool, job->slot, job->worker_pid, &message);
}

void settle_published(struct work *w, const struct job *job)
{
        struct notice *n = g_new(struct notice, 1);

        *n = (struct notice){ .file = g_strdup(job->file),
                              .inbox = g_strdup(job->folder->config->inbox),
                              .made = job->made,
                              .settled = settled(w, job),
                              .n_outputs = job->n_outputs,
                              .attempt = job->attempt,
                              .slot = job->slot,
                              .worker_pid = job->worker_pid };
        g_ptr_array_add(w->published, n);
}

/* Tell one worker of all that it has rendered. */
static void tell(struct work *w, int slot, int worker_pid)
{
        struct wire_settle message = message_to(slot, WIRE_PUBLISHED);
        g_autoptr(GPtrArray) told_of = g_ptr_array_new_with_free_func(settle_notice_free);

        for (guint i = 0; i < w->published->len;) {
                const struct notice *n = (const struct notice *)w->published->pdata[i];

                if (n->slot != slot || n->worker_pid != worker_pid || message.n == WIRE_UNSETTLED_MAX) {
                        i++;
                        continue;
                }
                message.jobs[message.n++] = n->settled;
                g_ptr_array_add(told_of, g_ptr_array_steal_index(w->published, i));
        }
        if (!pool_settle(w->pool, slot, worker_pid, &message))
                g_ptr_array_foreach(told_of, say, NULL);
        else if (pool_slot_is_busy(w->pool, slot))
                g_ptr_array_extend_and_steal(w->unheard, g_steal_pointer(&told_of));
}

void settle_tell(struct work *w)
{
        while (w->published->len > 0) {
                const struct notice *first = (const struct notice *)w->published->pdata[0];

                tell(w, first->slot, first->worker_pid);
        }
}

/* Forget what @slot has not heard, after saying it if @aloud. */
static void clear(struct work *w, int slot, bool aloud)
{
        for (guint i = 0; i < w->unheard->len;) {
                const struct notice *n = (const struct notice *)w->unheard->pdata[i];

                if (n->slot != slot) {
                        i++;
                        continue;
                }
                if (aloud)
                        say(w->unheard->pdata[i], NULL);
                (void)g_ptr_array_remove_index(w->unheard, i);
        }
}

void settle_heard(struct work *w, int slot)
{
        clear(w, slot, false);
}

void settle_unheard(struct work *w, int slot)
{
        clear(w, slot, true);
}
