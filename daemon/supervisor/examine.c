/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at a file, at what is known of it, and at what needs no worker to be refused, in that order. */

#include "examine.h"

#include "base.h"
#include "outcome.h"
#include "path.h"
#include "taking.h"

#define NO_MTIME_SETTLE_USEC UINT64_C(60000000) /* an interrupted rsync --partial leaves mtime 0 */
#define TELL_WAITING_USEC    UINT64_C(1000000)
/* While somebody writes: as old as the last change is, within these. */
#define WRITER_CHECK_MIN_USEC UINT64_C(5000000)
#define WRITER_CHECK_MAX_USEC UINT64_C(60000000)

uint64_t examine_settle_usec(const struct folder_config *config, const struct source *source, bool heard)
{
        uint64_t settle = (uint64_t)config->settle_ms * 1000;

        if (source->mtime_nsec / INT64_C(1000000000) == 0)
                return source->end == FORMAT_END_MISSING ? EXAMINE_NEVER : MAX(settle, NO_MTIME_SETTLE_USEC);
        if (source->writers == WRITERS_UNKNOWN && source->end != FORMAT_END_COMPLETE && !heard)
                return MAX(settle, (uint64_t)config->poll_seconds * 1000000); /* a change shows when the folder is read again */
        return source->writers == WRITERS_NONE && source->end == FORMAT_END_COMPLETE ? 0 : settle;
}

/* Whether the file has been quiet for long enough; else *@ret_due_usec is when to look again, 0 for when something happens to it. */
static bool is_quiet(const struct work *w, const struct job *job, uint64_t *ret_due_usec)
{
        bool heard = folder_hears(job->folder, job->file);
        uint64_t settle = examine_settle_usec(job->folder->config, &job->source, heard);

        *ret_due_usec = settle == EXAMINE_NEVER ? 0 : job->changed_usec + settle;
        return settle == 0 || (settle != EXAMINE_NEVER && *ret_due_usec <= work_now_usec(w));
}

struct objection examine_open_error(int error)
{
        switch (error) {
        case -ELOOP:
                return (struct objection){ REASON_NOT_REGULAR, true, "it is a symbolic link, and links are not followed" };
        case -EINVAL:
                return (struct objection){ REASON_NOT_REGULAR, true, "it is no regular file" };
        case -EAGAIN:
                return (struct objection){ REASON_BEING_WRITTEN, false, NULL };
        default:
                return (struct objection){ reason_from_errno(error), false, g_strerror(-error) };
        }
}

/* The file cannot be opened: what that means, and when to try again. */
static void cannot_open(struct work *w, struct job *job, int error)
{
        const struct objection o = examine_open_error(error);

        if (error == -ENOENT || error == -ENOTDIR)
                queue_remove(w->queue, job);
        else if (o.skip)
                outcome_skip(w, job, o.reason, o.text);
        else if (reason_kind(o.reason) == REASON_IS_WAITING)
                outcome_hold(w, job, o.reason, work_now_usec(w) + job_retry_delay_usec(job->retries++, g_random_int()), true);
        else if (reason_kind(o.reason) == REASON_IS_PASSING)
                outcome_again(w, job, o.reason, o.text);
        else
                outcome_fail(w, job, o.reason, o.text);
}

/* Somebody has it open for writing. */
static void await_writer(struct work *w, struct job *job)
{
        const uint64_t now = work_now_usec(w);
        uint64_t due = now + CLAMP(now - job->changed_usec, WRITER_CHECK_MIN_USEC, WRITER_CHECK_MAX_USEC);
        struct stat st;

        /* CLOSE_WRITE tells when it is over, but not here when the writer opened it by another name, or by none (O_TMPFILE), or has
         * the folder moved away since; nor when the queue of events was full. */
        if (fstat(job->input_fd, &st) == 0 && st.st_nlink > 1)
                due = now + WRITER_CHECK_MIN_USEC;
        else if (!folder_hears(job->folder, job->file))
                due = now + (uint64_t)job->folder->config->poll_seconds * 1000000;
        job->input_fd = fd_close(job->input_fd);
        if (w->once || now >= job->changed_usec + TELL_WAITING_USEC)
                outcome_hold(w, job, REASON_BEING_WRITTEN, due, true);
        else /* an ordinary copy is over before it is worth a line */
                outcome_hold(w, job, REASON_BEING_WRITTEN, job->changed_usec + TELL_WAITING_USEC, false);
}

/* Open the file and see whether it is complete. */
static bool open_complete(struct work *w, struct job *job)
{
        struct source now;
        int r = source_open(job->folder->inbox_fd, job->file, job->listed, &job->folder->traits, &now, &job->input_fd);
        uint64_t due;

        job->listed = false; /* it may wait for long now */
        if (r < 0) {
                cannot_open(w, job, r);
                return false;
        }
        if (job->seen &&
            (now.size != job->source.size || now.mtime_nsec != job->source.mtime_nsec || now.inode != job->source.inode)) {
                job->changed_usec = work_now_usec(w);
                job->abandoning = false;
        }
        job->source = now;
        job->seen = true;
        if (now.writers == WRITERS_SOME) {
                await_writer(w, job);
                return false;
        }
        if (!is_quiet(w, job, &due)) {
                job->input_fd = fd_close(job->input_fd);
                outcome_hold(w, job, REASON_INCOMPLETE, due, now.mtime_nsec / INT64_C(1000000000) == 0);
                return false;
        }
        if (job->complete_usec == 0)
                job->complete_usec = work_now_usec(w);
        return true;
}

/* --once ends by what failed "now or earlier". */
static void note_failed_before(struct work *w, enum reason reason)
{
        if (w->once)
                status_failed_before(&w->status, reason);
}

/* What is known of the file from earlier.  Returns whether the job goes on. */
static bool recall(struct work *w, struct job *job)
{
        struct folder *f = job->folder;
        unsigned deaths = 0;
        enum reason reason;
        int64_t since;

        if (job->abandoning) {
                if (work_now_usec(w) < job->abandon_usec) { /* only its mode or owner changed */
                        job->input_fd = fd_close(job->input_fd);
                        job_step(job, JOB_HOLD);
                        queue_wait(w->queue, job, job->abandon_usec);
                        return false;
                }
                taking_failed(w, f, job->file, &job->source);
                job_step(job, JOB_REFUSE);
                outcome_finish(w, job);
                return false;
        }
        reason = job->asked ? REASON_NONE : failures_find(f->failures, job->file, &job->source, &since);
        if (reason != REASON_NONE && failures_apart_fd(f->failures) < 0) {
                note_failed_before(w, reason);
                job_step(job, JOB_REFUSE);
                outcome_finish(w, job);
                return false;
        }
        if (reason != REASON_NONE && job->source.ctime_sec > since + 1) {
                job->asked = true; /* moved back since by hand, while nobody listened */
        } else if (reason != REASON_NONE) {
                note_failed_before(w, reason);
                if (!outcome_await_abandonment(w, job, reason, since)) { /* it could not be set apart, or not yet */
                        taking_failed(w, f, job->file, &job->source);
                        job_step(job, JOB_REFUSE);
                        outcome_finish(w, job);
                }
                return false;
        }
        if (job->lane == LANE_SUSPECT || !suspects_has(f->suspects, job->file, &deaths))
                return true;
        if (deaths >= SUSPECT_DEATHS_MAX) {
                outcome_fail(w, job, REASON_CRASHED, "the whole service died three times while this was the only picture in work");
                return false;
        }
        job->input_fd = fd_close(job->input_fd);
        if (deaths == 0) {
                queue_ready(w->queue, job, LANE_SUSPECT);
        } else { /* before the others, or two that kill would break each other's row for ever */
                job->lane = LANE_SUSPECT;
                queue_untake(w->queue, job);
        }
        return false;
}

struct objection examine_content(const struct config *config, const char *file, const struct source *source)
{
        if (source->format == FORMAT_NONE && !format_picture_name(path_base(file)))
                return (struct objection){ REASON_UNSUPPORTED, true, "it is no picture" };
        if (source->size == 0)
                return (struct objection){ REASON_EMPTY, false, NULL };
        if (source->format == FORMAT_NONE)
                return (struct objection){ REASON_UNSUPPORTED, false, "its content is none of a picture that is known" };
        if (source->size > (uint64_t)config->limits.file_mib * MIB)
                return (struct objection){ REASON_TOO_LARGE, false, "the file is larger than 'file_mib' allows" };
        return (struct objection){ .reason = REASON_NONE };
}

/* Returns whether the job goes on. */
static bool accept(struct work *w, struct job *job)
{
        const struct objection o = examine_content(w->config, job->file, &job->source);

        if (o.skip)
                outcome_skip(w, job, o.reason, o.text);
        else if (o.reason != REASON_NONE)
                outcome_fail(w, job, o.reason, o.text);
        return o.reason == REASON_NONE;
}

/* Hear all news from before the look that has just been taken: they are of what was seen, and what comes later is of something newer.
 * Returns whether the job goes on. */
static bool catch_up(struct work *w, struct job *job)
{
        w->in_hand = job;
        folder_listen(job->folder);
        w->in_hand = NULL;
        if (!job->abandoned)
                return true;
        job_step(job, JOB_REFUSE);
        outcome_finish(w, job);
        return false;
}

bool examine(struct work *w, struct job *job)
{
        return open_complete(w, job) && catch_up(w, job) && recall(w, job) && accept(w, job);
}
