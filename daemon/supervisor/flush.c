/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The durability thread.  Shares nothing with the loop but two lists under one mutex. */

#include "flush.h"

#include "base.h"

#include <assert.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>

struct work {
        void *ticket;
        int error;
        unsigned n;
        int fds[];
};

struct flush {
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t wanted;
        GQueue todo, done; /* of struct work */
        bool stop;
        int event_fd; /* readable when there is something in done */
        sd_event_source *source;
        flush_done on_done;
        void *userdata;
};

static void sync_group(GQueue *group)
{
        for (GList *l = group->head; l; l = l->next) {
                const struct work *w = (const struct work *)l->data;

                for (unsigned i = 0; i < w->n; i++) /* only a hint: a file system without it loses time, not data */
                        (void)sync_file_range(w->fds[i], 0, 0, SYNC_FILE_RANGE_WRITE);
        }
        for (GList *l = group->head; l; l = l->next) {
                struct work *w = (struct work *)l->data;

                for (unsigned i = 0; i < w->n && w->error == 0; i++) {
                        int r;

                        do
                                r = fsync(w->fds[i]);
                        while (r < 0 && errno == EINTR);
                        if (r < 0)
                                w->error = neg_errno();
                }
        }
}

static void append_all(GQueue *to, GQueue *from)
{
        while (from->head)
                g_queue_push_tail_link(to, g_queue_pop_head_link(from));
}

static void *flush_thread(void *data)
{
        struct flush *f = (struct flush *)data;
        const uint64_t one = 1;

        for (;;) {
                GQueue group = G_QUEUE_INIT;

                (void)pthread_mutex_lock(&f->mutex);
                while (!f->stop && g_queue_is_empty(&f->todo))
                        (void)pthread_cond_wait(&f->wanted, &f->mutex);
                if (f->stop) {
                        (void)pthread_mutex_unlock(&f->mutex);
                        return NULL;
                }
                append_all(&group, &f->todo);
                (void)pthread_mutex_unlock(&f->mutex);

                sync_group(&group);

                (void)pthread_mutex_lock(&f->mutex);
                append_all(&f->done, &group);
                (void)pthread_mutex_unlock(&f->mutex);
                (void)!write(f->event_fd, &one, sizeof one);
        }
}

static int on_flushed(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct flush *f = (struct flush *)userdata;
        GQueue done = G_QUEUE_INIT;
        uint64_t n;

        (void)!read(fd, &n, sizeof n);
        (void)pthread_mutex_lock(&f->mutex);
        append_all(&done, &f->done);
        (void)pthread_mutex_unlock(&f->mutex);
        while (done.head) {
                g_autofree struct work *w = (struct work *)g_queue_pop_head(&done);

                f->on_done(w->ticket, w->error, f->userdata);
        }
        return 0;
}

int flush_new(sd_event *event, flush_done done, void *userdata, struct flush **ret)
{
        struct flush *f = g_new0(struct flush, 1);
        sigset_t all, was;
        int r;

        f->on_done = done;
        f->userdata = userdata;
        (void)pthread_mutex_init(&f->mutex, NULL);
        (void)pthread_cond_init(&f->wanted, NULL);
        f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = f->event_fd < 0 ? neg_errno() : sd_event_add_io(event, &f->source, f->event_fd, EPOLLIN, on_flushed, f);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(f->source, 1);
        if (r >= 0) { /* signals are the loop's */
                (void)sigfillset(&all);
                (void)pthread_sigmask(SIG_SETMASK, &all, &was);
                r = -pthread_create(&f->thread, NULL, flush_thread, f);
                (void)pthread_sigmask(SIG_SETMASK, &was, NULL);
        }
        if (r < 0) {
                (void)sd_event_source_disable_unref(f->source);
                (void)fd_close(f->event_fd);
                g_free(f);
                return r;
        }
        *ret = f;
        return 0;
}

void flush_free(struct flush *f)
{
        if (!f)
                return;
        (void)pthread_mutex_lock(&f->mutex);
        f->stop = true;
        (void)pthread_cond_signal(&f->wanted);
        (void)pthread_mutex_unlock(&f->mutex);
        (void)pthread_join(f->thread, NULL);
        (void)sd_event_source_disable_unref(f->source);
        g_queue_clear_full(&f->todo, g_free);
        g_queue_clear_full(&f->done, g_free);
        (void)fd_close(f->event_fd);
        (void)pthread_cond_destroy(&f->wanted);
        (void)pthread_mutex_destroy(&f->mutex);
        g_free(f);
}

void flush_submit(struct flush *f, const int *fds, unsigned n, void *ticket)
{
        struct work *w = (struct work *)g_malloc0(sizeof *w + n * sizeof *fds);

        w->ticket = ticket;
        w->n = n;
        for (unsigned i = 0; i < n; i++)
                w->fds[i] = fds[i];
        (void)pthread_mutex_lock(&f->mutex);
        g_queue_push_tail(&f->todo, w);
        (void)pthread_cond_signal(&f->wanted);
        (void)pthread_mutex_unlock(&f->mutex);
}
