/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settling claims, and remembering those whose worker is busy. */

#include "settle.h"

#include "base.h"
#include "log.h"

/* What `made` says of a job; the job itself is gone by then. */
struct notice {
        char *file, *inbox;
        struct job_made made;
        struct wire_settle settled;
        unsigned n_outputs, attempt;
        int worker_pid;
};

void settle_notice_free(void *notice)
{
        struct notice *n = (struct notice *)notice;

        g_free(n->file);
        g_free(n->inbox);
        g_free(n);
}

static struct notice *notice_new(const struct job *job, const struct wire_settle *settled)
{
        struct notice *n = g_new0(struct notice, 1);

        *n = (struct notice){ .file = g_strdup(job->file),
                              .inbox = g_strdup(job->folder->config->inbox),
                              .made = job->made,
                              .settled = *settled,
                              .n_outputs = job->n_outputs,
                              .attempt = job->attempt,
                              .worker_pid = job->worker_pid };
        return n;
}

static void say(const struct notice *n)
{
        log_event(EV_MADE,
                  FIELDS(F_STR(FILE, n->file), F_STR(INBOX, n->inbox), F_NUM(USEC, n->made.render_usec),
                         F_NUM(LATENCY_USEC, n->settled.latency_usec), F_NUM(OUTPUTS, n->n_outputs), F_NUM(WIDTH, n->made.width_px),
                         F_NUM(HEIGHT, n->made.height_px), F_NUM(BYTES, n->settled.bytes), F_STR(FORMAT, format_name(n->made.format)),
                         F_NUM(OWNER, n->settled.owner_uid), F_NUM(WORKER, n->settled.slot), F_NUM(WORKER_PID, n->worker_pid),
                         F_NUM(ATTEMPT, n->attempt + 1)),
                  "Made %u thumbnail%s of %s; the worker that rendered it died before it could say so", n->n_outputs,
                  n->n_outputs == 1 ? "" : "s", n->file);
}

static struct wire_settle message_for(const struct work *w, const struct job *job, enum wire_kind kind)
{
        const uint64_t now = work_now_usec(w);

        return (struct wire_settle){ .version = WIRE_VERSION,
                                     .kind = kind,
                                     .job = job->id,
                                     .latency_usec = now - MIN(job->complete_usec, now),
                                     .bytes = job->source.size,
                                     .owner_uid = job->source.owner,
                                     .slot = (uint32_t)job->slot };
}

void settle_refused(struct work *w, const struct job *job)
{
        const struct wire_settle message = message_for(w, job, WIRE_REFUSED);

        if (job->made.claimed)
                (void)pool_settle(w->pool, job->slot, job->worker_pid, &message);
}

void settle_published(struct work *w, const struct job *job)
{
        const struct wire_settle message = message_for(w, job, WIRE_PUBLISHED);
        bool told = job->made.claimed && pool_settle(w->pool, job->slot, job->worker_pid, &message);
        struct notice *n;

        if (told && !pool_slot_is_busy(w->pool, job->slot))
                return;
        n = notice_new(job, &message);
        if (told) {
                g_ptr_array_add(w->unheard, n);
        } else {
                say(n);
                settle_notice_free(n);
        }
}

/* Forget what @slot has not heard, after saying it if @aloud. */
static void clear(struct work *w, int slot, bool aloud)
{
        for (guint i = 0; i < w->unheard->len;) {
                const struct notice *n = (const struct notice *)w->unheard->pdata[i];

                if ((int)n->settled.slot != slot) {
                        i++;
                        continue;
                }
                if (aloud)
                        say(n);
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
