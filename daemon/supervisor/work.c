/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One function per step of a job's way, in the order of the way.  Steps change the job's state by its table only. */

#include "work.h"

#include "base.h"
#include "examine.h"
#include "log.h"
#include "outcome.h"
#include "plan.h"
#include "taking.h"

#include <assert.h>
#include <dirent.h>
#include <string.h>
#include <time.h>

#define MIB                   (UINT64_C(1) << 20)
#define LIGHT_GRANT_MAX_BYTES (512 * MIB)
#define ATTEMPTS_MAX          2U /* deaths of a worker that a picture may cause */
#define PROBE_USEC            UINT64_C(1000000)
#define TAKING_MAX            256U

uint64_t work_now_usec(const struct work *w)
{
        struct timespec now; /* not sd_event_now(), which stands still during one turn of the loop */

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- found */

static void reopen(struct work *w, struct job *job)
{
        if (job->state != JOB_WAITING)
                return;
        job_step(job, JOB_DUE);
        queue_ready(w->queue, job, job->lane == LANE_ALONE ? LANE_ALONE : LANE_FRESH);
}

void work_file(struct work *w, struct folder *folder, const char *file, enum folder_found how)
{
        struct job *job = queue_find(w->queue, folder, file);
        bool live = how != FOUND_BY_SCAN, rewritten = how != FOUND_CHANGED; /* what a scan finds may have been written unseen */

        if (how == FOUND_GONE) {
                failures_clear(folder->failures, file);
                if (job && (job->state == JOB_QUEUED || job->state == JOB_WAITING))
                        queue_remove(w->queue, job);
                else if (job)
                        job->touched = true; /* the check before publication sees it */
                return;
        }
        if (!job) {
                job = queue_add(w->queue, folder, file, live ? LANE_FRESH : LANE_BACKLOG);
                if (!job) { /* too many at once: they lie in the inbox, a scan finds them */
                        folder_rescan(folder);
                        return;
                }
                job->changed_usec = work_now_usec(w);
        } else if (live) {
                if (rewritten)
                        job->changed_usec = work_now_usec(w);
                if (job->state == JOB_RUNNING || job->state == JOB_STORING) {
                        job->touched = true;
                        job->touched_rewritten |= rewritten;
                        return;
                }
                reopen(w, job);
        }
        if (live && rewritten) {
                job->asked = true;
                job->abandoning = false;
                suspects_clear(folder->suspects, file);
        }
        job->rewritten |= rewritten;
}

void work_try_again(struct work *w, struct folder *folder, const char *file, const struct source *source)
{
        if (source)
                taking_back(w, folder, file, source); /* the inbox tells of its arrival */
        else
                work_file(w, folder, file, FOUND_CLOSED);
}

static void stop_waiting(struct job *job, void *userdata)
{
        struct work *w = (struct work *)userdata;

        if (job->state != JOB_WAITING || job->abandoning || (job->told == REASON_NONE && job->retries == 0 && job->losses == 0))
                return;
        job->folder->stalled_until_usec = 0;
        reopen(w, job);
}

void work_retry_all(struct work *w)
{
        queue_foreach(w->queue, stop_waiting, w);
}

void work_odd(struct work *w, struct folder *folder, const char *file, unsigned char type)
{
        const char *what = type == DT_LNK    ? "a symbolic link, and links are not followed"
                           : type == DT_DIR  ? "a folder, and 'recursive' is off"
                           : type == DT_FIFO ? "a FIFO"
                           : type == DT_SOCK ? "a socket"
                                             : "a device";

        log_event(EV_SKIPPED,
                  FIELDS(F_STR(FILE, file), F_STR(INBOX, folder->config->inbox), F_STR(REASON, reason_token(REASON_NOT_REGULAR))),
                  "%s is left alone: it is %s", file, what);
        w->status.skipped++;
}

/* ---- what is missing? */

/* Returns whether there is something to render. */
static bool plan_job(struct work *w, struct job *job)
{
        struct plan p;

        plan_make(job->folder, job->file, &job->source, job->rewritten, &p);
        job->partial = p.taken != NULL;
        job->n_outputs = p.n_outputs;
        job->outputs = p.outputs;
        if (p.taken) {
                g_autofree char *taken = p.taken, *text = g_strdup_printf("%s is not ours", taken);

                if (p.n_outputs == 0) {
                        outcome_fail(w, job, REASON_NAME_TAKEN, text);
                        return false;
                }
                log_event(EV_FAILED,
                          FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, "name-taken")),
                          "No thumbnail %s of %s: name-taken, %s. %s", taken, job->file, text, reason_remedy(REASON_NAME_TAKEN));
        }
        if (p.n_outputs > 0)
                return true;
        outcome_made(w, job);
        return false;
}

/* What an error means on the way into the outbox: there, what is in the way is no picture's fault. */
static enum reason outbox_reason(int error)
{
        switch (error) {
        case -EACCES:
        case -EPERM:
                return REASON_READ_ONLY;
        case -EEXIST:
        case -ENOTDIR:
        case -ELOOP:
                return REASON_NAME_TAKEN;
        case -ENOENT: /* the outbox went away under us */
                return REASON_IO_ERROR;
        default:
                return reason_from_errno(error);
        }
}

static bool create_outputs(struct work *w, struct job *job)
{
        const struct folder_config *c = job->folder->config;

        if (outbox_free_bytes(job->folder->outbox) < (uint64_t)w->config->limits.free_mib * MIB) {
                outcome_stall(w, job, REASON_NO_SPACE, "less is free than 'free_mib' in 'limits' leaves");
                return false;
        }
        for (unsigned i = 0; i < job->n_outputs; i++) {
                int fd = outbox_create(job->folder->outbox, job->outputs[i].name, (mode_t)c->mode, c->gid);

                if (fd < 0) {
                        enum reason reason = outbox_reason(fd);
                        g_autofree char *text = g_strdup_printf("%s cannot be created: %s", job->outputs[i].name, g_strerror(-fd));

                        if (reason_kind(reason) == REASON_IS_PASSING)
                                outcome_stall(w, job, reason, text);
                        else
                                outcome_fail(w, job, reason, text);
                        return false;
                }
                job->outputs[i].fd = fd;
        }
        return true;
}

/* ---- who renders it? */

static uint64_t light_grant(const struct work *w)
{
        return MIN((uint64_t)w->config->limits.memory_mib * MIB / MAX(pool_size(w->pool), 1U), LIGHT_GRANT_MAX_BYTES);
}

static void submit(struct work *w, struct job *job)
{
        static struct wire_render request;
        int fds[WIRE_OUTPUTS_MAX + 1], slot;

        memset(&request, 0, sizeof request);
        request.version = WIRE_VERSION;
        request.kind = WIRE_RENDER;
        request.job = job->id;
        request.memory_bytes = job->grant_bytes > 0 ? job->grant_bytes : light_grant(w);
        request.pixels_max = (uint64_t)w->config->limits.megapixels * 1000000;
        request.loaders = w->config->loaders;
        request.frames_max = (uint32_t)w->config->limits.frames;
        request.n_outputs = job->n_outputs;
        request.attempt = job->attempt + 1;
        (void)g_strlcpy(request.inbox, job->folder->config->inbox, sizeof request.inbox);
        (void)g_strlcpy(request.file, job->file, sizeof request.file);
        fds[0] = job->input_fd;
        for (unsigned i = 0; i < job->n_outputs; i++) {
                request.outputs[i] = job->outputs[i].spec;
                fds[i + 1] = job->outputs[i].fd;
        }
        slot = pool_submit(w->pool, &request, fds, job->n_outputs + 1, (uint64_t)w->config->limits.seconds * 1000000);
        if (slot < 0) { /* that worker is ended; the next one gets it */
                outcome_drop_work(job);
                queue_untake(w->queue, job);
                return;
        }
        job->slot = slot;
        w->exclusive = job->lane >= LANE_ALONE;
        suspects_begin(job->folder->suspects, slot, job->file);
        job_step(job, JOB_START);
}

static void advance(struct work *w, struct job *job)
{
        const struct folder *f = job->folder;

        if (f->stalled && work_now_usec(w) < f->stalled_until_usec) {
                job_step(job, JOB_HOLD);
                queue_wait(w->queue, job, f->stalled_until_usec);
                return;
        }
        if (!examine(w, job) || !plan_job(w, job) || !create_outputs(w, job))
                return;
        job->touched = job->touched_rewritten = false;
        submit(w, job);
}

bool work_can_go_on(const struct work *w)
{
        return !w->draining && !w->exclusive && w->storing + pool_size(w->pool) < WIRE_UNSETTLED_MAX && w->taking < TAKING_MAX &&
               pool_has_idle(w->pool);
}

void work_schedule(struct work *w)
{
        unsigned taken = 0;

        w->next_due_usec = queue_tick(w->queue, work_now_usec(w));
        while (work_can_go_on(w) && taken++ < 256) {
                struct job *job = queue_take(w->queue, pool_busy(w->pool));

                if (!job)
                        break;
                advance(w, job);
        }
        w->next_due_usec = queue_tick(w->queue, work_now_usec(w));
}

/* ---- is the answer true? */

/* Check what the worker claims to have written, and stamp it.  Returns REASON_NONE or why not. */
static enum reason check_outputs(const struct job *job, const struct wire_reply *reply, char **ret_text)
{
        for (unsigned i = 0; i < job->n_outputs; i++) {
                const struct job_output *o = job->outputs + i;
                int r = outbox_verify(o->fd, (enum format)o->spec.format, reply->outputs[i].bytes);

                if (r >= 0)
                        r = outbox_stamp(job->folder->outbox, o->fd, &o->record);
                if (r < 0) {
                        *ret_text = r == -EBADMSG ? g_strdup_printf("the worker's thumbnail %s is not what was asked for", o->name)
                                                  : g_strdup_printf("%s: %s", o->name, g_strerror(-r));
                        return r == -EBADMSG ? REASON_CRASHED : reason_from_errno(r);
                }
        }
        return REASON_NONE;
}

static void on_durable(void *ticket, int error, void *userdata);

static void store(struct work *w, struct job *job)
{
        int fds[WIRE_OUTPUTS_MAX];

        for (unsigned i = 0; i < job->n_outputs; i++)
                fds[i] = job->outputs[i].fd;
        job_step(job, JOB_RENDERED);
        w->storing++;
        disk_sync(w->disk, fds, job->n_outputs, on_durable, job, w);
}

/* Tell the worker what became of what it says it has made, so that it logs that, or forgets it. */
static void settle(struct work *w, const struct job *job, bool published)
{
        const uint64_t now = work_now_usec(w);
        const struct wire_settle message = { .version = WIRE_VERSION,
                                             .kind = published ? WIRE_PUBLISHED : WIRE_REFUSED,
                                             .job = job->id,
                                             .latency_usec = now - MIN(job->complete_usec, now),
                                             .bytes = job->source.size,
                                             .owner_uid = job->source.owner,
                                             .slot = (uint32_t)job->slot };

        if (!job->made.claimed || pool_settle(w->pool, job->slot, job->worker_pid, &message) || !published)
                return;
        /* The worker that made it is no more: say it in its place. */
        log_event(EV_MADE,
                  FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_NUM(USEC, job->made.render_usec),
                         F_NUM(LATENCY_USEC, message.latency_usec), F_NUM(OUTPUTS, job->n_outputs), F_NUM(WIDTH, job->made.width_px),
                         F_NUM(HEIGHT, job->made.height_px), F_NUM(BYTES, job->source.size),
                         F_STR(FORMAT, format_name(job->made.format)), F_NUM(OWNER, job->source.owner), F_NUM(WORKER, job->slot),
                         F_NUM(WORKER_PID, job->worker_pid), F_NUM(ATTEMPT, job->attempt + 1)),
                  "Made %u thumbnail%s of %s; the worker that rendered it died before it could say so", job->n_outputs,
                  job->n_outputs == 1 ? "" : "s", job->file);
}

/* Returns whether the file still is the version that was rendered; else the job has been put where it belongs. */
static bool still_the_same(struct work *w, struct job *job)
{
        int r = source_unchanged(job->folder->inbox_fd, job->file, job->input_fd, &job->source);

        if (r != 1)
                settle(w, job, false);
        if (r == -ENOENT) {
                job->touched = false;
                outcome_skip(w, job, REASON_VANISHED, "it went away before its thumbnails were published");
        } else if (r == 0) {
                outcome_changed(w, job);
        }
        return r == 1;
}

/* Whether @folder's outbox really takes nothing now: what a worker says of it is a claim, and a hostile one could stop a folder. */
static bool cannot_write(const struct work *w, struct folder *folder)
{
        return outbox_free_bytes(folder->outbox) < (uint64_t)w->config->limits.free_mib * MIB + MIB ||
               outbox_can_write(folder->outbox) < 0;
}

static void refuse(struct work *w, struct job *job, enum reason reason, const char *text, bool claimed)
{
        settle(w, job, false);
        if ((reason == REASON_NO_SPACE || reason == REASON_READ_ONLY) && (!claimed || cannot_write(w, job->folder)))
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

void work_reply(struct work *w, const struct wire_reply *reply, int slot)
{
        struct job *job = queue_by_id(w->queue, reply->job);
        g_autofree char *text = NULL;
        enum reason reason = (enum reason)reply->reason;

        assert(job && job->state == JOB_RUNNING && job->slot == slot);
        job->made = (struct job_made){ reason == REASON_NONE, reply->render_usec, reply->width_px, reply->height_px,
                                       (enum format)reply->format };
        job->worker_pid = pool_pid(w->pool, slot);
        w->exclusive = false;
        if (!job->abandoned)
                suspects_end(job->folder->suspects, slot);
        if (job->abandoned) {
                settle(w, job, false);
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
        if (still_the_same(w, job))
                store(w, job);
}

void work_lost(struct work *w, uint64_t id, enum pool_loss loss, const char *how)
{
        struct job *job = queue_by_id(w->queue, id);
        enum reason reason = loss == LOSS_OUTSIDE ? REASON_WORKER_LOST : loss == LOSS_TIMEOUT ? REASON_TIMEOUT : REASON_CRASHED;
        uint64_t delay = 0;

        assert(job && job->state == JOB_RUNNING);
        job->attempt += loss != LOSS_OUTSIDE;
        w->exclusive = false;
        if (job->abandoned) {
                job_step(job, JOB_REFUSE);
                outcome_finish(w, job);
                return;
        }
        suspects_end(job->folder->suspects, job->slot);
        if (job->attempt >= ATTEMPTS_MAX) {
                outcome_fail(w, job, reason, how);
                return;
        }
        if (loss == LOSS_OUTSIDE && job->losses++ > 0) /* once is an accident; a memory killer comes again */
                delay = job_retry_delay_usec(job->losses - 2, g_random_int());
        log_event(EV_RETRY,
                  FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, reason_token(reason)),
                         F_NUM(ATTEMPT, job->attempt + 1)),
                  "%s is tried again, alone, in %.1f s: its worker was lost, %s", job->file, (double)delay / 1e6, how);
        outcome_again_alone(w, job, delay);
}

/* ---- publish */

static void resume(struct folder *f)
{
        f->stalls = 0;
        if (!f->stalled)
                return;
        log_event(EV_RESUMED, FIELDS(F_STR(INBOX, f->config->inbox)), "%s is served again", f->config->inbox);
        g_clear_pointer(&f->stalled, g_free);
}

struct asking {
        const struct folder *folder;
        bool found;
};

static void ask(struct job *job, void *userdata)
{
        struct asking *a = (struct asking *)userdata;

        a->found |= job->folder == a->folder;
}

void work_probe(struct work *w, struct folder *f)
{
        const uint64_t now = work_now_usec(w);
        struct asking jobs = { .folder = f };

        if (!f->usable || !f->stalled)
                return;
        queue_foreach(w->queue, ask, &jobs); /* where there are any, only a thumbnail that is published proves that it works again */
        if (!jobs.found && now >= f->stalled_until_usec && !cannot_write(w, f))
                resume(f);
        else
                w->probe_usec = MAX(f->stalled_until_usec, now + PROBE_USEC);
}

static void on_durable(void *ticket, int error, void *userdata)
{
        struct work *w = (struct work *)userdata;
        struct job *job = (struct job *)ticket;
        g_autofree char *text = NULL;

        w->storing--;
        if (job->abandoned) {
                settle(w, job, false);
                job_step(job, JOB_REFUSE);
                outcome_finish(w, job);
                return;
        }
        if (error < 0) {
                refuse(w, job, outbox_reason(error), g_strerror(-error), false);
                return;
        }
        if (!still_the_same(w, job))
                return;
        for (unsigned i = 0; i < job->n_outputs; i++) {
                const struct job_output *o = job->outputs + i;
                int r = outbox_publish(job->folder->outbox, o->fd, o->name, &o->record);

                if (r < 0) {
                        text = g_strdup_printf("%s: %s", o->name, g_strerror(-r));
                        refuse(w, job, outbox_reason(r), text, false);
                        return;
                }
        }
        settle(w, job, true);
        w->status.made++;
        status_ended(&w->status, work_now_usec(w));
        resume(job->folder);
        failures_clear(job->folder->failures, job->file);
        suspects_clear(job->folder->suspects, job->file);
        outcome_made(w, job);
}

/* ---- life */

int work_init(struct work *w, sd_event *event, const struct config *config, bool once)
{
        int r;

        *w = (struct work){ .event = event, .config = config, .once = once, .queue = queue_new() };
        r = disk_new(event, &w->disk);
        return r < 0 ? r : disk_new(event, &w->mover);
}

void work_done(struct work *w)
{
        g_clear_pointer(&w->disk, disk_free);
        g_clear_pointer(&w->mover, disk_free);
        g_clear_pointer(&w->pool, pool_free);
        g_clear_pointer(&w->queue, queue_free);
}

struct forgetting {
        struct work *work;
        const struct folder *folder;
};

static void forget_one(struct job *job, void *userdata)
{
        const struct forgetting *f = (const struct forgetting *)userdata;

        if (job->folder != f->folder)
                return;
        if (job->state == JOB_RUNNING || job->state == JOB_STORING) {
                outcome_drop_temporaries(job);
                job->abandoned = true;
        } else {
                queue_remove(f->work->queue, job);
        }
}

void work_forget(struct work *w, struct folder *folder)
{
        struct forgetting f = { w, folder };

        queue_foreach(w->queue, forget_one, &f);
}

bool work_has_room(const struct work *w)
{
        return queue_lane_count(w->queue, LANE_BACKLOG) < QUEUE_BACKLOG_MAX && queue_count(w->queue) < QUEUE_JOBS_MAX / 2;
}

bool work_is_quiet(const struct work *w)
{
        return w->storing == 0 && w->taking == 0 && pool_busy(w->pool) == 0;
}
