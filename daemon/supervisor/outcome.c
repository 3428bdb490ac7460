/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ends and waits of jobs: state, queue, counters and journal change together here. */

#include "outcome.h"

#include "log.h"

#define ONCE_RETRY_USEC UINT64_C(5000000)
#define ONCE_WAIT_USEC  UINT64_C(30000000)

void outcome_drop_temporaries(struct job *job)
{
        for (unsigned i = 0; i < job->n_outputs; i++)
                outbox_discard(job->folder->outbox, job->outputs[i].fd);
}

void outcome_drop_work(struct job *job)
{
        if (!job->abandoned) /* an abandoned job has lost its folder, and dropped them then */
                outcome_drop_temporaries(job);
        job_drop_work(job);
}

void outcome_finish(struct work *w, struct job *job)
{
        struct folder *folder = job->folder;
        g_autofree char *file = g_strdup(job->file);
        bool again = job->touched && !job->abandoned, rewritten = job->touched_rewritten;

        outcome_drop_work(job);
        queue_remove(w->queue, job);
        if (!again)
                return;
        job = queue_add(w->queue, folder, file, LANE_FRESH);
        if (!job)
                return;
        job->rewritten = rewritten;
        job->changed_usec = work_now_usec(w);
}

void outcome_fail(struct work *w, struct job *job, enum reason reason, const char *text)
{
        const char *inbox = job->folder->config->inbox;

        job_step(job, JOB_REFUSE);
        w->status.failed++;
        status_ended(&w->status, work_now_usec(w));
        log_event(EV_FAILED,
                  FIELDS(F_STR(FILE, job->file), F_STR(INBOX, inbox), F_STR(REASON, reason_token(reason)),
                         F_NUM(BYTES, job->source.size), F_NUM(OWNER, job->source.owner), F_NUM(ATTEMPT, job->attempt + 1),
                         F_STR(DETAIL, text && *text ? text : NULL)),
                  "No thumbnail of %s: %s%s%s. %s", job->file, reason_token(reason), text && *text ? ", " : "", text ? text : "",
                  reason_remedy(reason));
        outcome_finish(w, job);
}

void outcome_skip(struct work *w, struct job *job, enum reason reason, const char *why)
{
        log_event(EV_SKIPPED,
                  FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, reason_token(reason))),
                  "%s is left alone: %s", job->file, why);
        job_step(job, JOB_REFUSE);
        w->status.skipped++;
        outcome_finish(w, job);
}

void outcome_hold(struct work *w, struct job *job, enum reason reason, uint64_t due_usec, bool tell)
{
        if (tell && job->told != reason)
                log_event(
                        EV_WAITING,
                        FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, reason_token(reason))),
                        "%s waits: %s. %s", job->file, reason_token(reason), reason_remedy(reason));
        if (tell)
                job->told = reason;
        if (w->once && tell) {
                uint64_t now = work_now_usec(w);

                if (job->retries++ > 0 && now >= job->changed_usec + ONCE_WAIT_USEC) {
                        outcome_fail(w, job, reason, "it still waits");
                        return;
                }
                due_usec = MIN(due_usec > 0 ? due_usec : UINT64_MAX, now + 1000000);
        }
        job_step(job, JOB_HOLD);
        queue_wait(w->queue, job, due_usec);
}

void outcome_again(struct work *w, struct job *job, enum reason reason, const char *text)
{
        uint64_t delay = w->once ? ONCE_RETRY_USEC : job_retry_delay_usec(job->retries, g_random_int());

        if (w->once && job->retries > 0) {
                outcome_fail(w, job, reason, text);
                return;
        }
        job->retries++;
        log_event(EV_RETRY,
                  FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, reason_token(reason)),
                         F_NUM(ATTEMPT, job->retries)),
                  "%s is tried again in %.1f s: %s%s%s. %s", job->file, (double)delay / 1e6, reason_token(reason),
                  text && *text ? ", " : "", text ? text : "", reason_remedy(reason));
        outcome_drop_work(job);
        job_step(job, JOB_AGAIN);
        queue_wait(w->queue, job, work_now_usec(w) + delay);
}

void outcome_again_alone(struct work *w, struct job *job)
{
        outcome_drop_work(job);
        job_step(job, JOB_AGAIN);
        job_step(job, JOB_DUE);
        queue_ready(w->queue, job, LANE_ALONE);
}

void outcome_changed(struct work *w, struct job *job)
{
        outcome_drop_work(job);
        job->changed_usec = work_now_usec(w);
        job->complete_usec = 0;
        job->rewritten = true;
        job->touched = false;
        job_step(job, JOB_CHANGED);
        queue_ready(w->queue, job, job->lane);
}
