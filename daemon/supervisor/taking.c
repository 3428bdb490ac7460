/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds tasks for the mover thread, and says what became of them. */

#include "taking.h"

#include "base.h"
#include "log.h"
#include "plan.h"
#include "remedy.h"

#include <fcntl.h>

#define NOT_REMOVABLE_USEC UINT64_C(300000000) /* what an administrator has to change is looked at again now and then */
#define PASSING_USEC       UINT64_C(10000000)

struct taking {
        struct original_task original; /* first */
        struct work *work;
        struct folder *folder; /* may be closed meanwhile, never freed */
        bool of_inbox;         /* it is taken out of the inbox, not given back */
        unsigned asked_again;  /* the work's, when this began */
};

/* Look at the file again at @delay_usec from now. */
static void look_again(struct work *w, struct folder *folder, const char *file, uint64_t delay_usec)
{
        struct job *job =
                folder->usable && !queue_find(w->queue, folder, file) ? queue_add(w->queue, folder, file, LANE_BACKLOG) : NULL;

        if (!job) /* somebody does already, or a scan will */
                return;
        queue_unlane(w->queue, job);
        job->retries++;
        job_step(job, JOB_HOLD);
        work_wait_long(w, job, work_now_usec(w) + delay_usec);
}

/* Nobody else remembers that: the reason file is gone. */
static void tell_owing(struct taking *t, int error, enum reason reason, uint64_t delay_usec)
{
        g_autofree char *remedy = remedy_of_file(t->folder, t->original.file, reason);
        struct work *w = t->work;

        if (w->once)
                status_failed(&w->status, reason, work_now_usec(w));
        else
                w->rescan_usec =
                        MIN(w->rescan_usec > 0 ? w->rescan_usec : UINT64_MAX, work_now_usec(w) + MAX(delay_usec, PASSING_USEC));
        t->folder->owes = true;
        log_event(EV_WAITING,
                  FIELDS(F_STR(FILE, t->original.file), F_STR(INBOX, t->folder->config->inbox), F_STR(REASON, reason_token(reason)),
                         F_STR(REMEDY, remedy)),
                  "%s stays among the failures: it cannot be given back to the inbox (%s), which is tried again", t->original.file,
                  g_strerror(-error));
}

static void tell(struct taking *t, int error)
{
        struct folder *f = t->folder;
        bool forbidden = error == -EACCES || error == -EPERM || error == -EROFS;
        enum reason reason = forbidden ? REASON_NOT_REMOVABLE : reason_from_errno(error);
        uint64_t delay = forbidden ? NOT_REMOVABLE_USEC : PASSING_USEC;

        if (t->asked_again != t->work->asked_again) /* what forbade it may be mended since */
                delay = 0;
        if (!t->of_inbox) {
                tell_owing(t, error, reason, delay);
                return;
        }
        if (t->work->once)
                status_failed(&t->work->status, reason, work_now_usec(t->work));
        else
                look_again(t->work, f, t->original.file, delay);
        if (f->taking_told == reason) /* the same cause again is no news */
                return;
        f->taking_told = reason;

        g_autofree char *remedy = remedy_of_file(f, t->original.file, reason);

        log_event(EV_WAITING,
                  FIELDS(F_STR(FILE, t->original.file), F_STR(INBOX, f->config->inbox), F_STR(REASON, reason_token(reason)),
                         F_STR(REMEDY, remedy)),
                  "%s cannot be taken out of the inbox (%s), and maybe others. %s", t->original.file, g_strerror(-error),
                  reason_remedy(reason));
}

static void on_taken(struct disk_task *task, int error)
{
        struct taking *t = (struct taking *)(void *)task;

        t->work->taking--;
        if (error >= 0)
                t->folder->taking_told = REASON_NONE;
        else if (error == -ETXTBSY) /* when they close it, it is another version */
                ;
        else if (error != -ENOENT && error != -ESTALE && t->folder->usable) /* gone, or replaced by what will be heard of */
                tell(t, error);
        original_task_free(&t->original);
}

static struct taking *taking_new(struct work *w, struct folder *folder, const char *file, const struct source *source, int from_fd,
                                 int to_fd)
{
        struct taking *t = g_new0(struct taking, 1);

        t->work = w;
        t->folder = folder;
        t->of_inbox = from_fd == folder->inbox_fd;
        t->asked_again = w->asked_again;
        t->original.task = (struct disk_task){ .run = original_run, .done = on_taken };
        t->original.fate = to_fd >= 0 ? ORIGINAL_MOVE : ORIGINAL_DELETE;
        t->original.from_fd = fcntl(from_fd, F_DUPFD_CLOEXEC, 0);
        t->original.to_fd = to_fd >= 0 ? fcntl(to_fd, F_DUPFD_CLOEXEC, 0) : -1;
        t->original.file = g_strdup(file);
        t->original.expected = *source;
        t->original.leases = folder->traits.local && t->of_inbox;
        return t;
}

static void submit(struct taking *t)
{
        t->work->taking++;
        disk_submit(t->work->mover, &t->original.task);
}

void taking_made(struct work *w, struct folder *folder, const char *file, const struct source *source)
{
        struct taking *t;
        int n;

        /* Deleted is only what was read in full: of camera RAW that is a small part. */
        if (folder->config->originals == ORIGINAL_KEEP ||
            (folder->config->originals == ORIGINAL_DELETE && source->format == FORMAT_RAW))
                return;
        t = taking_new(w, folder, file, source, folder->inbox_fd,
                       folder->config->originals == ORIGINAL_MOVE ? folder->processed_fd : -1);
        n = plan_open_folders(folder, file, source, t->original.folder_fds, G_N_ELEMENTS(t->original.folder_fds));
        t->original.task.before = (struct disk_syncs){ t->original.folder_fds, (unsigned)MAX(n, 0), outbox_is_local(folder->outbox) };
        if (n < 0 || t->original.from_fd < 0) { /* no descriptors left, or a thumbnail's folder went away meanwhile */
                look_again(w, folder, file, PASSING_USEC);
                original_task_free(&t->original);
                return;
        }
        submit(t);
}

void taking_failed(struct work *w, struct folder *folder, const char *file, const struct source *source)
{
        if (failures_apart_fd(folder->failures) >= 0)
                submit(taking_new(w, folder, file, source, folder->inbox_fd, failures_apart_fd(folder->failures)));
}

void taking_back(struct work *w, struct folder *folder, const char *file, const struct source *source)
{
        submit(taking_new(w, folder, file, source, failures_apart_fd(folder->failures), folder->inbox_fd));
}
