/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls on descriptors that are borrowed.  Not syncfs(2): on the file system of an inbox that would also wait for every upload that
 * is going on there. */

#include "sync.h"

#include "base.h"

#include <fcntl.h>
#include <glib.h>
#include <stdint.h>
#include <sys/syscall.h>

#define TOGETHER 128U

static void sync_one(const struct sync_item *item)
{
        int r;

        if (*item->error < 0)
                return;
        do
                r = fsync(item->fd);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                *item->error = neg_errno();
}

/* Begin with as many as can be had.  Returns how many: none where it cannot be had at all, and of one, for which fsync(2) is as good. */
static unsigned begin(struct syncer *s, const struct sync_item *items, unsigned n)
{
        struct iocb controls[TOGETHER], *each[TOGETHER];
        long r;

        if (n < 2 || s->refused)
                return 0;
        if (s->aio == 0 && syscall(SYS_io_setup, TOGETHER, &s->aio) < 0) {
                s->refused = true; /* fs.aio-max-nr is reached, or a filter of system calls forbids it */
                return 0;
        }
        for (unsigned i = 0; i < n; i++) {
                controls[i] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_FSYNC,
                                             .aio_fildes = (uint32_t)items[i].fd,
                                             .aio_data = (uintptr_t)items[i].error };
                each[i] = controls + i;
        }
        r = syscall(SYS_io_submit, s->aio, (long)n, each);
        return r > 0 ? (unsigned)r : 0;
}

/* Until @n that were begun are over.  Returns whether all were heard of. */
static bool await(struct syncer *s, unsigned n)
{
        struct io_event events[TOGETHER];

        while (n > 0) {
                long heard = syscall(SYS_io_getevents, s->aio, 1L, (long)n, events, NULL);

                if (heard < 0 && errno != EINTR) {
                        sync_end(s);
                        s->refused = true;
                        return false;
                }
                for (long i = 0; i < heard; i++, n--)
                        if (events[i].res < 0)
                                *(int *)(uintptr_t)events[i].data = (int)events[i].res;
        }
        return true;
}

static void sync_together(struct syncer *s, const struct sync_item *items, unsigned n)
{
        unsigned begun = begin(s, items, n);

        if (!await(s, begun))
                begun = 0;
        for (unsigned i = begun; i < n; i++)
                sync_one(items + i);
}

void sync_items(struct syncer *s, const struct sync_item *items, unsigned n)
{
        struct sync_item together[TOGETHER];
        unsigned k = 0;

        /* Their content first: that changes metadata, too, and then one commit is enough.  Where it fails, time is lost, not data; of a
         * single one fsync(2) does both. */
        for (unsigned i = 0; n > 1 && i < n; i++)
                (void)sync_file_range(items[i].fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        for (unsigned i = 0; i < n; i++) {
                if (!items[i].overlap)
                        sync_one(items + i);
                else
                        together[k++] = items[i];
                if (k == TOGETHER || i + 1 == n) {
                        sync_together(s, together, k);
                        k = 0;
                }
        }
}

void sync_end(struct syncer *s)
{
        if (s->aio != 0)
                (void)syscall(SYS_io_destroy, s->aio);
        s->aio = 0;
}
