/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ends and waits of jobs: state, queue, counters and journal change together here. */

#include "outcome.h"

#include "log.h"
#include "remedy.h"
#include "stall.h"
#include "taking.h"

#include <time.h>

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
        enum job_rewritten rewritten = job->touched_rewritten;
        bool again = job->touched && !job->abandoned, abandoned = job->abandoned;

        outcome_drop_work(job);
        queue_remove(w->queue, job);
        if (abandoned && folder->usable) /* again, and what a scan has met of it since was this job */
                folder_rescan(folder);
        if (!again)
                return;
        job = queue_add(w->queue, folder, file, LANE_FRESH);
        if (!job) {
                folder_rescan(folder);
                return;
        }
        job->rewritten = rewritten;
        job->asked = rewritten != REWRITTEN_NO;
        job->changed_usec = work_now_usec(w);
}

void outcome_made(struct work *w, struct job *job)
{
        struct folder *folder = job->folder;
        const struct source source = job->source;
        g_autofree char *file = job->touched || job->partial ? NULL : g_strdup(job->file);

        job_step(job, JOB_STORED);
        outcome_finish(w, job); /* first: what cannot be taken away yet comes as a job of its own */
        if (file)
                taking_made(w, folder, file, &source);
}

/* --once does not wait any longer for what may pass: it is no failure of the picture, so nothing is noted and nothing is moved. */
static void give_up(struct work *w, struct job *job, enum reason reason, const char *text)
{
        g_autofree char *remedy = remedy_of_file(job->folder, job->file, reason);

        status_failed(&w->status, reason, work_now_usec(w));
        log_event(EV_FAILED,
                  FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, reason_token(reason)),
                         F_NUM(BYTES, job->source.size), F_NUM(OWNER, job->source.owner), F_NUM(ATTEMPT, job->attempt + 1),
                         F_STR(REMEDY, remedy)),
                  "No thumbnail of %s in this run: %s, %s. %s", job->file, reason_token(reason), text ? text : "",
                  reason_remedy(reason));
        job_step(job, JOB_REFUSE);
        outcome_finish(w, job);
}

bool outcome_may_be_resumed(enum reason reason)
{
        return reason == REASON_TRUNCATED || reason == REASON_CORRUPT || reason == REASON_EMPTY;
}

bool outcome_await_abandonment(struct work *w, struct job *job, enum reason reason, int64_t since)
{
        int64_t left = since + job->folder->config->abandon_seconds - (int64_t)time(NULL);

        if (failures_apart_fd(job->folder->failures) < 0 || !outcome_may_be_resumed(reason) || left <= 0)
                return false;
        if (w->once) { /* a later run sets it apart */
                job_step(job, JOB_REFUSE);
                outcome_finish(w, job);
                return true;
        }
        outcome_drop_work(job);
        job->abandoning = true;
        job->abandon_usec = work_now_usec(w) + (uint64_t)left * 1000000;
        job_step(job, JOB_AGAIN);
        work_wait_long(w, job, job->abandon_usec);
        return true;
}

void outcome_fail(struct work *w, struct job *job, enum reason reason, const char *text)
{
        const char *inbox = job->folder->config->inbox;
        int64_t since = time(NULL);
        int r;

        status_failed(&w->status, reason, work_now_usec(w));
        if (job->asked || !job->seen || failures_find(job->folder->failures, job->file, &job->source, &since) != reason) {
                g_autofree char *remedy = remedy_of_file(job->folder, job->file, reason);

                log_event(EV_FAILED,
                          FIELDS(F_STR(FILE, job->file), F_STR(INBOX, inbox), F_STR(REASON, reason_token(reason)),
                                 F_NUM(BYTES, job->source.size), F_NUM(OWNER, job->source.owner), F_NUM(ATTEMPT, job->attempt + 1),
                                 F_STR(DETAIL, text && *text ? text : NULL), F_STR(REMEDY, remedy)),
                          "No thumbnail of %s: %s%s%s. %s", job->file, reason_token(reason), text && *text ? ", " : "",
                          text ? text : "", reason_remedy(reason));
                since = time(NULL);
                r = job->seen ? failures_note(job->folder->failures, job->file, &job->source, reason, text) : 0;
                if (r < 0) /* it is tried again at the next scan then */
                        log_event(EV_TROUBLE, FIELDS(F_STR(FILE, job->file), F_STR(INBOX, inbox)),
                                  "The reason for %s cannot be noted: %s", job->file, g_strerror(-r));
        }
        suspects_clear(job->folder->suspects, job->file);
        if (outcome_await_abandonment(w, job, reason, since))
                return;
        if (job->seen)
                taking_failed(w, job->folder, job->file, &job->source);
        job_step(job, JOB_REFUSE);
        outcome_finish(w, job);
}

void outcome_stall(struct work *w, struct job *job, enum reason reason, const char *text)
{
        if (w->once) {
                outcome_again(w, job, reason, text);
                return;
        }
        stall_begin(w, job->folder, reason, text, job->file);
        outcome_drop_work(job);
        job_step(job, JOB_AGAIN);
        queue_wait(w->queue, job, job->folder->stalled_until_usec);
}

void outcome_skip(struct work *w, struct job *job, enum reason reason, const char *why)
{
        if (!job->checked) { /* that was said before */
                log_event(
                        EV_SKIPPED,
                        FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, reason_token(reason))),
                        "%s is left alone: %s", job->file, why);
                status_skipped(&w->status, reason);
        }
        job_step(job, JOB_REFUSE);
        outcome_finish(w, job);
}

void outcome_hold(struct work *w, struct job *job, enum reason reason, uint64_t due_usec, bool tell)
{
        if (tell && job->told != reason) {
                g_autofree char *remedy = remedy_of_file(job->folder, job->file, reason);

                log_event(EV_WAITING,
                          FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, reason_token(reason)),
                                 F_STR(REMEDY, remedy)),
                          "%s waits: %s. %s", job->file, reason_token(reason), reason_remedy(reason));
        }
        if (tell)
                job->told = reason;
        if (w->once) {
                uint64_t now = work_now_usec(w);

                if (job->held_usec == 0)
                        job->held_usec = now;
                if (now >= job->held_usec + ONCE_WAIT_USEC) {
                        give_up(w, job, reason, "it still waits");
                        return;
                }
                if (tell)
                        due_usec = MIN(due_usec > 0 ? due_usec : UINT64_MAX, now + 1000000);
        }
        job_step(job, JOB_HOLD);
        if (tell)
                work_wait_long(w, job, due_usec);
        else
                queue_wait(w->queue, job, due_usec);
}

void outcome_again(struct work *w, struct job *job, enum reason reason, const char *text)
{
        uint64_t delay = w->once ? ONCE_RETRY_USEC : job_retry_delay_usec(job->retries, g_random_int());

        if (w->once && job->retries > 0) {
                give_up(w, job, reason, text);
                return;
        }
        job->retries++;
        status_retried(&w->status, reason);
        log_event(EV_RETRY,
                  FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, reason_token(reason)),
                         F_NUM(ATTEMPT, job->retries)),
                  "%s is tried again in %.1f s: %s%s%s. %s", job->file, (double)delay / 1e6, reason_token(reason),
                  text && *text ? ", " : "", text ? text : "", reason_remedy(reason));
        outcome_drop_work(job);
        job_step(job, JOB_AGAIN);
        work_wait_long(w, job, work_now_usec(w) + delay);
}

void outcome_again_alone(struct work *w, struct job *job, uint64_t delay_usec)
{
        outcome_drop_work(job);
        job_step(job, JOB_AGAIN);
        job->lane = LANE_ALONE;
        if (delay_usec > 0) {
                queue_wait(w->queue, job, work_now_usec(w) + delay_usec);
                return;
        }
        job_step(job, JOB_DUE);
        queue_ready(w->queue, job, LANE_ALONE);
}

void outcome_changed(struct work *w, struct job *job)
{
        outcome_drop_work(job);
        job->changed_usec = work_now_usec(w);
        job->complete_usec = 0;
        job->rewritten = MAX(job->touched_rewritten, REWRITTEN_PERHAPS);
        job->touched = job->outdated = false;
        job_step(job, JOB_CHANGED);
        queue_ready(w->queue, job, job->lane);
}
