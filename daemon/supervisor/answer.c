/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In the order of the way: the claim is checked, the thumbnails are made durable, the file is looked at again, they are published. */

#include "answer.h"

#include "base.h"
#include "log.h"
#include "outcome.h"
#include "settle.h"
#include "stall.h"

#include <assert.h>

#define ATTEMPTS_MAX 2U /* deaths of a worker that a picture may cause */

/* Check what the worker claims to have written, and stamp it.  Returns REASON_NONE or why not. */
static enum reason check_outputs(const struct job *job, const struct wire_reply *reply, char **ret_text)
{
        for (unsigned i = 0; i < job->n_outputs; i++) {
                const struct job_output *o = job->outputs + i;
                int r = outbox_verify(o->fd, (enum format)o->spec.format, reply->outputs[i].bytes, (mode_t)job->folder->config->mode);

                if (r >= 0)
                        r = outbox_stamp(job->folder->outbox, o->fd, &o->record);
                if (r < 0) {
                        *ret_text = r == -EBADMSG ? g_strdup_printf("the worker's thumbnail %s is not what was asked for", o->name)
                                                  : g_strdup_printf("%s: %s", o->name, g_strerror(-r));
                        return r == -EBADMSG ? REASON_CRASHED : stall_reason(r);
                }
        }
        return REASON_NONE;
}

static void on_durable(void *ticket, int error, void *userdata);

static void store(struct work *w, struct job *job)
{
        const bool more = pool_busy(w->pool) > 0 || queue_ready_count(w->queue) > 0;
        int fds[WIRE_OUTPUTS_MAX];
        const struct disk_syncs syncs = { fds, job->n_outputs, outbox_is_local(job->folder->outbox) };

        for (unsigned i = 0; i < job->n_outputs; i++)
                fds[i] = job->outputs[i].fd;
        job_step(job, JOB_RENDERED);
        w->storing++;
        disk_sync(w->disk, &syncs, more, on_durable, job, w);
}

/* Returns whether the file still is the version that was rendered, and wanted as it was then; else the job has been put where it belongs. */
static bool still_the_same(struct work *w, struct job *job)
{
        int r = source_unchanged(job->folder->inbox_fd, job->file, &job->source);

        /* Written anew with its size and times left as they were; or made by a configuration that is not in force any more. */
        if (r == 1 && (job->touched_rewritten == REWRITTEN_SURELY || job->outdated))
                r = 0;
        if (r != 1)
                settle_refused(w, job);
        if (r == -ENOENT) {
                job->touched = false;
                outcome_skip(w, job, REASON_VANISHED, "it went away before its thumbnails were published");
        } else if (r == 0) {
                outcome_changed(w, job);
        }
        return r == 1;
}

static void refuse(struct work *w, struct job *job, enum reason reason, const char *text, bool claimed)
{
        settle_refused(w, job);
        if (stall_concerns_all(w, job->folder, reason, claimed))
                outcome_stall(w, job, reason, text);
        else if (reason_kind(reason) == REASON_IS_PASSING)
                outcome_again(w, job, reason, text);
        else
                outcome_fail(w, job, reason, text);
}

static void out_of_memory(struct work *w, struct job *job, const struct wire_reply *reply)
{
        uint64_t budget = (uint64_t)w->config->limits.memory_mib * MIB;
        g_autofree char *text = NULL;

        if (reply->needs_bytes > budget) {
                text = g_strdup_printf("it needs about %" PRIu64 " MiB of memory and 'memory_mib' is %" PRIu64,
                                       reply->needs_bytes / MIB, budget / MIB);
                outcome_fail(w, job, REASON_TOO_LARGE, text);
        } else if (job->grant_bytes >= budget) {
                outcome_fail(w, job, REASON_OUT_OF_MEMORY, reply->text);
        } else {
                job->grant_bytes = budget;
                outcome_again_alone(w, job, 0);
        }
}

void answer_received(struct work *w, const struct wire_reply *reply, int slot)
{
        struct job *job = queue_by_id(w->queue, reply->job);
        g_autofree char *text = NULL;
        enum reason reason = (enum reason)reply->reason;

        assert(job && job->state == JOB_RUNNING && job->slot == slot);
        job->made = (struct job_made){ reason == REASON_NONE, reply->render_usec, reply->width_px, reply->height_px,
                                       (enum format)reply->format };
        job->worker_pid = pool_pid(w->pool, slot);
        settle_heard(w, slot);
        w->exclusive = false;
        if (!job->abandoned)
                work_ended(w, job);
        if (job->abandoned) {
                settle_refused(w, job);
                job_step(job, JOB_REFUSE);
                outcome_finish(w, job);
                return;
        }
        if (reason == REASON_OUT_OF_MEMORY) {
                out_of_memory(w, job, reply);
                return;
        }
        if (reason == REASON_NONE && reply->n_outputs != job->n_outputs)
                reason = REASON_CRASHED;
        else if (reason == REASON_NONE)
                reason = check_outputs(job, reply, &text);
        if (reason != REASON_NONE) {
                if (still_the_same(w, job))
                        refuse(w, job, reason, text ? text : reply->text, true);
                return;
        }
        store(w, job); /* whether it still is the same file is asked once, when that is over */
}

void answer_lost(struct work *w, uint64_t id, enum pool_loss loss, const char *how)
{
        struct job *job = queue_by_id(w->queue, id);
        enum reason reason = loss == LOSS_OUTSIDE ? REASON_WORKER_LOST : loss == LOSS_TIMEOUT ? REASON_TIMEOUT : REASON_CRASHED;
        uint64_t delay = 0;

        assert(job && job->state == JOB_RUNNING);
        settle_unheard(w, job->slot);
        job->attempt += loss != LOSS_OUTSIDE;
        w->exclusive = false;
        if (job->abandoned) {
                job_step(job, JOB_REFUSE);
                outcome_finish(w, job);
                return;
        }
        work_ended(w, job);
        if (job->attempt >= ATTEMPTS_MAX) {
                outcome_fail(w, job, reason, how);
                return;
        }
        if (loss == LOSS_OUTSIDE && job->losses++ > 0) /* once is an accident; a memory killer comes again */
                delay = job_retry_delay_usec(job->losses - 2, g_random_int());
        status_retried(&w->status, reason);
        log_event(EV_RETRY,
                  FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, reason_token(reason)),
                         F_NUM(ATTEMPT, job->attempt + 1)),
                  "%s is tried again, alone, in %.1f s: its worker was lost, %s", job->file, (double)delay / 1e6, how);
        outcome_again_alone(w, job, delay);
}

/* ---- publish */

static void on_durable(void *ticket, int error, void *userdata)
{
        struct work *w = (struct work *)userdata;
        struct job *job = (struct job *)ticket;
        g_autofree char *text = NULL;
        uint64_t now;

        w->storing--;
        if (job->abandoned) {
                settle_refused(w, job);
                job_step(job, JOB_REFUSE);
                outcome_finish(w, job);
                return;
        }
        if (error < 0) {
                refuse(w, job, stall_reason(error), g_strerror(-error), false);
                return;
        }
        if (!still_the_same(w, job))
                return;
        for (unsigned i = 0; i < job->n_outputs; i++) {
                const struct job_output *o = job->outputs + i;
                int r = outbox_publish(job->folder->outbox, o->fd, o->name, &o->record);

                if (r < 0) {
                        text = g_strdup_printf("%s: %s", o->name, g_strerror(-r));
                        refuse(w, job, stall_reason(r), text, false);
                        return;
                }
        }
        settle_published(w, job);
        now = work_now_usec(w);
        status_made(&w->status, job->n_outputs, now - MIN(job->changed_usec, now), now - MIN(job->complete_usec, now),
                    MIN(job->made.render_usec, (uint64_t)w->config->limits.seconds * 1000000), now);
        stall_published(job);
        failures_clear(job->folder->failures, job->file);
        orphans_made(job->folder->orphans);
        suspects_clear(job->folder->suspects, job->file);
        outcome_made(w, job);
}
