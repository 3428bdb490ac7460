/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pausing and resuming one folder's outbox. */

#include "stall.h"

#include "base.h"
#include "log.h"
#include "remedy.h"

#define STALL_MIN_USEC UINT64_C(250000)
#define STALL_MAX_USEC UINT64_C(30000000)
#define PROBE_USEC     UINT64_C(1000000)

enum reason stall_reason(int error)
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

void stall_begin(struct work *w, struct folder *f, enum reason reason, const char *text, const char *file)
{
        const uint64_t now = work_now_usec(w);

        if (now >= f->stalled_until_usec) { /* not one of several that were in work together */
                f->stalled_until_usec = now + MIN(STALL_MIN_USEC << MIN(f->stalls, 8U), STALL_MAX_USEC);
                f->stalls++;
                f->pauses++;
        }
        if (!f->stalled || f->stalled_reason != reason) {
                g_autofree char *remedy = remedy_of_folder(f, reason);

                log_event(EV_PAUSED,
                          FIELDS(F_STR(INBOX, f->config->inbox), F_STR(REASON, reason_token(reason)), F_STR(FILE, file),
                                 F_STR(REMEDY, remedy)),
                          "%s is paused: %s, %s. %s", f->config->inbox, reason_token(reason), text, reason_remedy(reason));
        }
        w->probe_usec = w->probe_usec > 0 ? MIN(w->probe_usec, f->stalled_until_usec) : f->stalled_until_usec;
        g_free(f->stalled);
        f->stalled = g_strdup_printf("%s: %s, %s", f->config->outbox, reason_token(reason), text);
        f->stalled_reason = reason;
}

uint64_t stall_until_usec(const struct work *w, const struct folder *f)
{
        return f->stalled && work_now_usec(w) < f->stalled_until_usec ? f->stalled_until_usec : 0;
}

/* Whether nothing can be written to @folder's outbox now. */
static bool is_real(const struct work *w, struct folder *folder)
{
        return outbox_free_bytes(folder->outbox, work_now_usec(w)) < (uint64_t)w->config->limits.free_mib * MIB + MIB ||
               outbox_can_write(folder->outbox) < 0;
}

bool stall_concerns_all(const struct work *w, struct folder *folder, enum reason reason, bool claimed)
{
        if (reason != REASON_NO_SPACE && reason != REASON_READ_ONLY && reason != REASON_IO_ERROR)
                return false;
        return (reason == REASON_NO_SPACE && !claimed) || is_real(w, folder);
}

static void end(struct folder *f)
{
        f->stalls = 0;
        f->stall_is_seen = false;
        if (!f->stalled)
                return;
        log_event(EV_RESUMED, FIELDS(F_STR(INBOX, f->config->inbox)), "%s is served again", f->config->inbox);
        g_clear_pointer(&f->stalled, g_free);
}

void stall_published(const struct job *job)
{
        job->folder->stalls = 0; /* it goes on, if haltingly: no longer waits are called for */
        if (job->pauses == job->folder->pauses)
                end(job->folder);
}

struct asking {
        struct work *work;
        const struct folder *folder;
        bool release, found;
};

static void ask(struct job *job, void *userdata)
{
        struct asking *a = (struct asking *)userdata;

        if (job->folder != a->folder)
                return;
        a->found = true;
        if (!a->release || job->state != JOB_WAITING || job->due_usec != a->folder->stalled_until_usec)
                return;
        job_step(job, JOB_DUE);
        queue_ready(a->work->queue, job, job->lane);
}

void stall_probe(struct work *w, struct folder *f)
{
        const uint64_t now = work_now_usec(w);
        struct asking jobs = { .work = w, .folder = f };
        bool real;

        if (!f->usable || !f->stalled)
                return;
        if (folder_missing(f)) {
                f->hooks->lost(f, "removed or replaced", f->userdata);
                return;
        }
        real = is_real(w, f);
        jobs.release = !real && f->stall_is_seen; /* what was seen to be in the way has gone: at once */
        f->stall_is_seen = real;
        queue_foreach(w->queue, ask, &jobs); /* where there are any, only a thumbnail that is published proves that it works again */
        if (jobs.release)
                f->stalled_until_usec = now;
        if (!jobs.found && !real && now >= f->stalled_until_usec)
                end(f);
        else
                w->probe_usec = w->probe_usec > 0 ? MIN(w->probe_usec, now + PROBE_USEC) : now + PROBE_USEC;
}
