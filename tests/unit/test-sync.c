/* SPDX-License-Identifier: GPL-2.0-or-later */
/* More files than are synced at once, with and without overlap, some of which cannot be; and where nothing may overlap. */

#include "sync.h"

#include <errno.h>
#include <glib.h>
#include <unistd.h>

#define FILES 300
#define WRONG 7 /* every seventh is a pipe, for which fsync(2) is EINVAL */

static void check(struct syncer *syncer, bool (*overlap)(unsigned i))
{
        struct sync_item items[FILES];
        int errors[FILES] = { 0 }, pipe_fds[2];

        g_assert_cmpint(pipe(pipe_fds), ==, 0);
        for (unsigned i = 0; i < FILES; i++) {
                g_autofree char *path = NULL;
                int fd = i % WRONG == 0 ? dup(pipe_fds[1]) : g_file_open_tmp(NULL, &path, NULL);

                g_assert_cmpint(fd, >=, 0);
                if (path) {
                        (void)unlink(path);
                        g_assert_cmpint(write(fd, "x", 1), ==, 1);
                }
                items[i] = (struct sync_item){ fd, overlap(i), errors + i };
        }
        errors[1] = -ENOSPC; /* it has failed before */
        sync_items(syncer, items, FILES);
        for (unsigned i = 0; i < FILES; i++) {
                g_assert_cmpint(errors[i], ==, i == 1 ? -ENOSPC : i % WRONG == 0 ? -EINVAL : 0);
                (void)close(items[i].fd);
        }
        (void)close(pipe_fds[0]);
        (void)close(pipe_fds[1]);
}

static bool all(unsigned i)
{
        return true;
}

static bool none(unsigned i)
{
        return false;
}

static bool some(unsigned i)
{
        return i % 3 != 0;
}

static bool the_last(unsigned i)
{
        return i == FILES - 1;
}

static void test_sync(void)
{
        struct syncer syncer = { 0 }, refused = { .refused = true };

        sync_items(&syncer, NULL, 0);
        check(&syncer, none);
        check(&syncer, the_last);
        g_assert_cmpuint(syncer.aio, ==, 0); /* a single one needs no other */
        check(&syncer, all);
        g_assert_true(syncer.aio != 0 && !syncer.refused);
        check(&syncer, some);
        sync_end(&syncer);
        check(&refused, all);
        g_assert_cmpuint(refused.aio, ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/sync/items", test_sync);
        return g_test_run();
}
