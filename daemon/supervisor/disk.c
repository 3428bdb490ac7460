/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread that waits for disks.  Shares nothing with the loop but two lists under one mutex. */

#include "disk.h"

#include "base.h"
#include "sync.h"

#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <time.h>

#define GATHER_NSEC  20000000L
#define GATHER_TASKS 32U

struct disk {
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t wanted;
        GQueue asked, done; /* of struct disk_task */
        bool hurry;         /* one of those asked for is not to wait for others */
        bool gathering;     /* the thread waits for more, not for the first */
        bool stop;
        int event_fd; /* readable when there is something in done */
        sd_event_source *source;
        void (*after)(void *userdata);
        void *userdata;
        struct syncer syncer; /* the thread's */
};

static void append_all(GQueue *to, GQueue *from)
{
        while (from->head)
                g_queue_push_tail_link(to, g_queue_pop_head_link(from));
}

/* In the thread. */
static void run_group(struct disk *d, const GQueue *group)
{
        g_autoptr(GArray) items = g_array_new(FALSE, FALSE, sizeof(struct sync_item));

        for (const GList *l = group->head; l; l = l->next) {
                struct disk_task *task = (struct disk_task *)l->data;

                for (unsigned i = 0; i < task->before.n; i++) {
                        const struct sync_item item = { task->before.fds[i], task->before.overlap, &task->error };

                        g_array_append_val(items, item);
                }
        }
        sync_items(&d->syncer, (const struct sync_item *)(void *)items->data, items->len);
        for (const GList *l = group->head; l; l = l->next) {
                struct disk_task *task = (struct disk_task *)l->data;

                if (task->run && task->error >= 0)
                        task->error = task->run(task);
        }
}

/* With the mutex held: a task is there; let others come. */
static void gather(struct disk *d)
{
        struct timespec until;

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += GATHER_NSEC;
        if (until.tv_nsec >= 1000000000) {
                until.tv_sec++;
                until.tv_nsec -= 1000000000;
        }
        d->gathering = true;
        while (!d->stop && !d->hurry && d->asked.length < GATHER_TASKS)
                if (pthread_cond_timedwait(&d->wanted, &d->mutex, &until) != 0)
                        break;
        d->gathering = false;
}

static void *disk_thread(void *data)
{
        struct disk *d = (struct disk *)data;
        const uint64_t one = 1;

        for (;;) {
                GQueue group = G_QUEUE_INIT;

                (void)pthread_mutex_lock(&d->mutex);
                while (!d->stop && g_queue_is_empty(&d->asked))
                        (void)pthread_cond_wait(&d->wanted, &d->mutex);
                gather(d);
                if (d->stop) {
                        (void)pthread_mutex_unlock(&d->mutex);
                        return NULL;
                }
                append_all(&group, &d->asked);
                d->hurry = false;
                (void)pthread_mutex_unlock(&d->mutex);

                run_group(d, &group);

                (void)pthread_mutex_lock(&d->mutex);
                append_all(&d->done, &group);
                (void)pthread_mutex_unlock(&d->mutex);
                (void)!write(d->event_fd, &one, sizeof one);
        }
}

static int on_done(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct disk *d = (struct disk *)userdata;
        GQueue done = G_QUEUE_INIT;
        uint64_t n;

        (void)!read(fd, &n, sizeof n);
        (void)pthread_mutex_lock(&d->mutex);
        append_all(&done, &d->done);
        (void)pthread_mutex_unlock(&d->mutex);
        while (done.head) {
                struct disk_task *task = (struct disk_task *)g_queue_pop_head(&done);

                task->done(task, task->error);
        }
        if (d->after)
                d->after(d->userdata);
        return 0;
}

static int start_thread(struct disk *d)
{
        sigset_t all, was;
        int r;

        (void)sigfillset(&all); /* signals are the loop's */
        (void)pthread_sigmask(SIG_SETMASK, &all, &was);
        r = -pthread_create(&d->thread, NULL, disk_thread, d);
        (void)pthread_sigmask(SIG_SETMASK, &was, NULL);
        return r;
}

int disk_new(sd_event *event, void (*after)(void *userdata), void *userdata, struct disk **ret)
{
        struct disk *d = g_new0(struct disk, 1);
        pthread_condattr_t attributes;
        int r;

        d->after = after;
        d->userdata = userdata;
        (void)pthread_mutex_init(&d->mutex, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&d->wanted, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        d->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = d->event_fd < 0 ? neg_errno() : sd_event_add_io(event, &d->source, d->event_fd, EPOLLIN, on_done, d);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(d->source, 1);
        if (r >= 0)
                r = start_thread(d);
        if (r < 0) {
                (void)sd_event_source_disable_unref(d->source);
                (void)fd_close(d->event_fd);
                g_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

void disk_free(struct disk *d)
{
        if (!d)
                return;
        (void)pthread_mutex_lock(&d->mutex);
        d->stop = true;
        (void)pthread_cond_signal(&d->wanted);
        (void)pthread_mutex_unlock(&d->mutex);
        (void)pthread_join(d->thread, NULL);
        (void)sd_event_source_disable_unref(d->source);
        sync_end(&d->syncer);
        g_queue_clear(&d->asked);
        g_queue_clear(&d->done);
        (void)fd_close(d->event_fd);
        (void)pthread_cond_destroy(&d->wanted);
        (void)pthread_mutex_destroy(&d->mutex);
        g_free(d);
}

static void submit(struct disk *d, struct disk_task *task, bool more)
{
        (void)pthread_mutex_lock(&d->mutex);
        g_queue_push_tail(&d->asked, task);
        d->hurry |= !more;
        if (!d->gathering || d->hurry || d->asked.length >= GATHER_TASKS)
                (void)pthread_cond_signal(&d->wanted);
        (void)pthread_mutex_unlock(&d->mutex);
}

void disk_submit(struct disk *d, struct disk_task *task)
{
        submit(d, task, false);
}

/* ---- tasks that only sync */

struct sync_task {
        struct disk_task task; /* first: it is cast back */
        void (*done)(void *ticket, int error, void *userdata);
        void *ticket, *userdata;
        int fds[];
};

static void sync_done(struct disk_task *task, int error)
{
        g_autofree struct sync_task *s = (struct sync_task *)task;

        s->done(s->ticket, error, s->userdata);
}

void disk_sync(struct disk *disk, const struct disk_syncs *syncs, bool more, void (*done)(void *ticket, int error, void *userdata),
               void *ticket, void *userdata)
{
        struct sync_task *s = (struct sync_task *)g_malloc0(sizeof *s + syncs->n * sizeof *syncs->fds);

        for (unsigned i = 0; i < syncs->n; i++)
                s->fds[i] = syncs->fds[i];
        s->task = (struct disk_task){ .before = { s->fds, syncs->n, syncs->overlap }, .done = sync_done };
        s->done = done;
        s->ticket = ticket;
        s->userdata = userdata;
        submit(disk, &s->task, more);
}
