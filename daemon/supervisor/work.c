/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One function per step of the way to a worker, in the order of the way.  Steps change the job's state by its table only. */

#include "work.h"

#include "base.h"
#include "examine.h"
#include "log.h"
#include "outcome.h"
#include "plan.h"
#include "recheck.h"
#include "remedy.h"
#include "settle.h"
#include "stall.h"
#include "taking.h"

#include <dirent.h>
#include <string.h>
#include <time.h>

#define LIGHT_GRANT_MAX_BYTES (512 * MIB)
#define TAKING_MAX            256U
#define LONG_WAITS_MAX        (QUEUE_JOBS_MAX / 4)
#define RESCAN_USEC           UINT64_C(60000000)

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
        enum job_rewritten rewritten = how == FOUND_CHANGED  ? REWRITTEN_NO
                                       : how == FOUND_CLOSED ? REWRITTEN_SURELY
                                                             : REWRITTEN_PERHAPS;
        bool live = how != FOUND_BY_SCAN && how != FOUND_BY_CHECK;

        if (how == FOUND_GONE) {
                failures_clear(folder->failures, file);
                if (job && job != w->in_hand && (job->state == JOB_QUEUED || job->state == JOB_WAITING))
                        queue_remove(w->queue, job);
                else if (job)
                        job->touched = true; /* the check before publication sees it */
                return;
        }
        if (how == FOUND_BY_CHECK && job) /* it is known */
                return;
        if (!job) {
                job = queue_add(w->queue, folder, file, live ? LANE_FRESH : LANE_BACKLOG);
                if (job)
                        job->checked = how == FOUND_BY_CHECK;
                if (!job) { /* too many at once: they lie in the inbox, a scan finds them */
                        if (how != FOUND_BY_CHECK)
                                folder_rescan(folder);
                        return;
                }
                job->changed_usec = work_now_usec(w);
        } else if (!live && job->state == JOB_WAITING && !job->due) { /* for an event, which may be among those that were lost */
                reopen(w, job);
        } else if (live) {
                if (rewritten != REWRITTEN_NO)
                        job->changed_usec = work_now_usec(w);
                if (job->state == JOB_RUNNING || job->state == JOB_STORING) {
                        job->touched = true;
                        job->touched_rewritten = MAX(job->touched_rewritten, rewritten);
                        return;
                }
                reopen(w, job);
        }
        if (live && rewritten != REWRITTEN_NO) {
                job->asked = true;
                job->abandoning = false;
                suspects_clear(folder->suspects, file);
        }
        job->rewritten = MAX(job->rewritten, rewritten);
        job->listed = !live;
        job->checked &= !live;
}

void work_try_again(struct work *w, struct folder *folder, const char *file, const struct source *source)
{
        if (source)
                taking_back(w, folder, file, source); /* the inbox tells of its arrival */
        else
                work_file(w, folder, file, FOUND_ARRIVED);
}

static void stop_waiting(struct job *job, void *userdata)
{
        struct work *w = (struct work *)userdata;

        job->outdated |= job->state == JOB_RUNNING || job->state == JOB_STORING;
        if (job->state != JOB_WAITING || job->abandoning || (job->told == REASON_NONE && job->retries == 0 && job->losses == 0))
                return;
        job->folder->stalled_until_usec = 0;
        reopen(w, job);
}

void work_retry_all(struct work *w)
{
        w->asked_again++;
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
        status_skipped(&w->status, REASON_NOT_REGULAR);
}

void work_barred(struct work *w, struct folder *folder, const char *directory, int error)
{
        const char *inbox = folder->config->inbox;
        enum reason reason = reason_from_errno(error);
        g_autofree char *remedy = remedy_of_file(folder, directory, REASON_UNREADABLE);

        if (reason == REASON_NAME_TOO_LONG) {
                log_event(EV_FAILED,
                          FIELDS(F_STR(INBOX, inbox), F_STR(FILE, directory), F_STR(REASON, reason_token(reason)),
                                 F_STR(REMEDY, remedy)),
                          "The folder %s lies too deep for a path, so nothing in it is made. %s", directory, reason_remedy(reason));
                status_failed(&w->status, reason, work_now_usec(w));
                return;
        }
        log_event(EV_WAITING,
                  FIELDS(F_STR(INBOX, inbox), F_STR(FILE, directory), F_STR(REASON, reason_token(reason)), F_STR(REMEDY, remedy)),
                  "The folder %s/%s cannot be read: %s; let the daemon read it with 'chmod g+rx' or 'setfacl -m u:thumbnaild:rx'",
                  inbox, directory, g_strerror(-error));
        w->status.failed += w->once; /* what it holds still waits */
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
                g_autofree char *path = g_build_filename(job->folder->config->outbox, taken, NULL), *quoted = remedy_quote(path);
                g_autofree char *remedy = g_strconcat("ls -l ", quoted, NULL);

                if (p.n_outputs == 0) {
                        outcome_fail(w, job, REASON_NAME_TAKEN, text);
                        return false;
                }
                log_event(EV_FAILED,
                          FIELDS(F_STR(FILE, job->file), F_STR(INBOX, job->folder->config->inbox), F_STR(REASON, "name-taken"),
                                 F_STR(REMEDY, remedy)),
                          "No thumbnail %s of %s: name-taken, %s. %s", taken, job->file, text, reason_remedy(REASON_NAME_TAKEN));
        }
        if (p.n_outputs > 0)
                return true;
        outcome_made(w, job);
        return false;
}

static bool create_outputs(struct work *w, struct job *job)
{
        const struct folder_config *c = job->folder->config;

        if (outbox_free_bytes(job->folder->outbox, work_now_usec(w)) < (uint64_t)w->config->limits.free_mib * MIB) {
                outcome_stall(w, job, REASON_NO_SPACE, "less is free than 'free_mib' in 'limits' leaves");
                return false;
        }
        for (unsigned i = 0; i < job->n_outputs; i++) {
                int fd = outbox_create(job->folder->outbox, job->outputs[i].name, (mode_t)c->mode, c->gid);

                if (fd < 0) {
                        enum reason reason = stall_reason(fd);
                        g_autofree char *text = g_strdup_printf("%s cannot be created: %s", job->outputs[i].name, g_strerror(-fd));

                        if (stall_concerns_all(w, job->folder, reason, false))
                                outcome_stall(w, job, reason, text);
                        else if (reason_kind(reason) == REASON_IS_PASSING)
                                outcome_again(w, job, reason, text);
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

/* No more of what has ended is noted, unless it was in @next, whose next file may take the place of the note. */
static void rest(struct work *w, const struct folder *next)
{
        if (!w->ended || w->ended == next)
                return;
        if (w->ended->suspects)
                suspects_rest(w->ended->suspects);
        w->ended = NULL;
}

void work_ended(struct work *w, const struct job *job)
{
        rest(w, job->folder);
        w->ended = job->folder;
        suspects_end(job->folder->suspects, job->slot);
        if (job->lane == LANE_SUSPECT) /* at once: dying while it goes to the disk must not count against it */
                rest(w, NULL);
}

static void submit(struct work *w, struct job *job)
{
        static struct wire_render request;
        int fds[WIRE_OUTPUTS_MAX + 1];

        request.version = WIRE_VERSION;
        request.kind = WIRE_RENDER;
        request.job = job->id;
        request.memory_bytes = job->grant_bytes > 0 ? MIN(job->grant_bytes, (uint64_t)w->config->limits.memory_mib * MIB)
                                                    : light_grant(w); /* a reload may have lowered it since */
        request.pixels_max = (uint64_t)w->config->limits.megapixels * 1000000;
        request.loaders = w->config->loaders;
        request.frames_max = (uint32_t)w->config->limits.frames;
        request.n_outputs = job->n_outputs;
        request.attempt = job->attempt + 1;
        wire_render_name(&request, job->folder->config->inbox, job->file);
        fds[0] = job->input_fd;
        for (unsigned i = 0; i < job->n_outputs; i++) {
                request.outputs[i] = job->outputs[i].spec;
                fds[i + 1] = job->outputs[i].fd;
        }
        job->slot = pool_idle_slot(w->pool, job->attempt > 0);
        rest(w, job->folder);
        /* First: it may kill us before we come back from handing it over. */
        suspects_begin(job->folder->suspects, job->slot, job->file);
        if (pool_submit(w->pool, job->slot, &request, fds, job->n_outputs + 1, (uint64_t)w->config->limits.seconds * 1000000) < 0) {
                work_ended(w, job); /* that worker is ended; the next one gets it */
                outcome_drop_work(job);
                queue_untake(w->queue, job);
                return;
        }
        job->pauses = job->folder->pauses;
        w->exclusive = job->lane >= LANE_ALONE;
        job_step(job, JOB_START);
        if (job->checked)
                recheck_count(job->folder->recheck);
        job->checked = false;
}

static void advance(struct work *w, struct job *job)
{
        const uint64_t stalled_until_usec = stall_until_usec(w, job->folder);

        if (stalled_until_usec > 0) {
                job_step(job, JOB_HOLD);
                queue_wait(w->queue, job, stalled_until_usec);
                return;
        }
        job->rewritten = MAX(job->rewritten, job->touched_rewritten); /* while it was in work the last time */
        if (!examine(w, job) || !plan_job(w, job) || !create_outputs(w, job))
                return;
        job->touched = false;
        job->touched_rewritten = REWRITTEN_NO;
        submit(w, job);
}

bool work_can_go_on(const struct work *w)
{
        return !w->draining && !w->exclusive && !w->awaiting_worker && w->storing < WIRE_UNSETTLED_MAX && w->taking < TAKING_MAX &&
               pool_idle_slot(w->pool, false) >= 0;
}

void work_schedule(struct work *w)
{
        unsigned taken = 0;

        w->awaiting_worker = false;
        w->next_due_usec = queue_tick(w->queue, work_now_usec(w));
        while (work_can_go_on(w) && taken++ < 256) {
                struct job *job = queue_take(w->queue, pool_busy(w->pool));

                if (!job)
                        break;
                /* What a worker died of once gets a new one: it may have been for what that had rendered before. */
                w->awaiting_worker = job->attempt > 0 && pool_expects(w->pool);
                if (w->awaiting_worker)
                        queue_untake(w->queue, job);
                else
                        advance(w, job);
        }
        rest(w, NULL);
        w->next_due_usec = queue_tick(w->queue, work_now_usec(w));
}

/* ---- life */

static void tell_published(void *userdata)
{
        settle_tell((struct work *)userdata);
}

int work_init(struct work *w, sd_event *event, const struct config *config, bool once)
{
        int r;

        *w = (struct work){ .event = event,
                            .config = config,
                            .once = once,
                            .queue = queue_new(),
                            .published = g_ptr_array_new_with_free_func(settle_notice_free),
                            .unheard = g_ptr_array_new_with_free_func(settle_notice_free) };
        r = disk_new(event, tell_published, w, &w->disk);
        return r < 0 ? r : disk_new(event, NULL, NULL, &w->mover);
}

void work_done(struct work *w)
{
        g_clear_pointer(&w->disk, disk_free);
        g_clear_pointer(&w->mover, disk_free);
        g_clear_pointer(&w->pool, pool_free);
        g_clear_pointer(&w->published, g_ptr_array_unref);
        g_clear_pointer(&w->unheard, g_ptr_array_unref);
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
        if (job->state == JOB_RUNNING || job->state == JOB_STORING || job == f->work->in_hand) {
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

unsigned work_share(const struct work *w, unsigned all)
{
        return MAX(all / MAX(w->config->folders->len, 1), 1);
}

void work_wait_long(struct work *w, struct job *job, uint64_t due_usec)
{
        if (w->once || queue_count_of(w->queue, job->folder) < work_share(w, LONG_WAITS_MAX)) {
                queue_wait(w->queue, job, due_usec);
                return;
        }
        if (w->rescan_usec == 0)
                w->rescan_usec = MAX(work_now_usec(w) + RESCAN_USEC, due_usec);
        queue_remove(w->queue, job);
}

bool work_has_room(const struct work *w, const struct folder *folder)
{
        return queue_backlog_of(w->queue, folder) < work_share(w, QUEUE_BACKLOG_MAX) &&
               queue_count_of(w->queue, folder) < work_share(w, QUEUE_JOBS_MAX / 2);
}

bool work_is_quiet(const struct work *w)
{
        return w->storing == 0 && w->taking == 0 && pool_busy(w->pool) == 0;
}
