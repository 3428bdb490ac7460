/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a paused folder goes on: at once when what a probe has seen in the way is gone, else not before its time. */

#include "stall.h"

#include <stdio.h>
#include <unistd.h>

#define ALL_OF_IT_MIB (INT64_C(1) << 40) /* to be left free: there never is enough */

struct fixture {
        char *root;
        struct config config;
        struct folder_config folder_config;
        struct work work;
        struct folder folder;
        struct job *job;
};

static void on_lost(struct folder *folder, const char *why, void *userdata)
{
        ++*(unsigned *)userdata;
}

static const struct folder_hooks hooks = { .lost = on_lost };
static unsigned lost;

static void set_up(struct fixture *f, gconstpointer data)
{
        pid_t holder;

        f->root = g_dir_make_tmp("thumbnaild-XXXXXX", NULL);
        f->folder_config = (struct folder_config){ .inbox = f->root, .outbox = f->root };
        f->config.limits.free_mib = ALL_OF_IT_MIB;
        f->work = (struct work){ .config = &f->config, .queue = queue_new() };
        f->folder = (struct folder){ .config = &f->folder_config, .usable = true, .inbox_fd = -1, .hooks = &hooks, .userdata = &lost };
        g_assert_cmpint(outbox_open(f->root, 0, &f->folder.outbox, &holder), ==, 0);
        f->folder.stalls = 8; /* it has lasted: the next try would be in half a minute */
        lost = 0;
}

static void tear_down(struct fixture *f, gconstpointer data)
{
        g_autofree char *own = g_build_filename(f->root, ".thumbnaild", NULL);

        queue_free(f->work.queue);
        outbox_unref(f->folder.outbox);
        g_free(f->folder.stalled);
        (void)rmdir(own);
        (void)rmdir(f->root);
        g_free(f->root);
}

static void stall_a_job(struct fixture *f)
{
        f->job = queue_add(f->work.queue, &f->folder, "a.jpg", LANE_BACKLOG);
        g_assert_true(queue_take(f->work.queue, 0) == f->job);
        stall_begin(&f->work, &f->folder, REASON_NO_SPACE, "full", "a.jpg");
        job_step(f->job, JOB_HOLD);
        queue_wait(f->work.queue, f->job, f->folder.stalled_until_usec);
        g_assert_cmpuint(stall_until_usec(&f->work, &f->folder), >, work_now_usec(&f->work) + 10000000);
}

static void test_what_was_seen_and_is_gone(struct fixture *f, gconstpointer data)
{
        stall_a_job(f);
        stall_probe(&f->work, &f->folder);
        g_assert_cmpint(f->job->state, ==, JOB_WAITING);
        g_assert_cmpuint(f->work.probe_usec, >, 0);
        g_assert_cmpuint(f->work.probe_usec, <, work_now_usec(&f->work) + 1500000);
        f->config.limits.free_mib = 0;
        stall_probe(&f->work, &f->folder);
        g_assert_cmpint(f->job->state, ==, JOB_QUEUED);
        g_assert_cmpuint(stall_until_usec(&f->work, &f->folder), ==, 0);
        g_assert_nonnull(f->folder.stalled); /* until something is published */
        f->job->pauses = f->folder.pauses - 1;
        stall_published(f->job); /* it was in work before */
        g_assert_nonnull(f->folder.stalled);
        f->job->pauses = f->folder.pauses;
        stall_published(f->job);
        g_assert_null(f->folder.stalled);
}

static void test_what_a_probe_cannot_see(struct fixture *f, gconstpointer data)
{
        f->config.limits.free_mib = 0;
        stall_a_job(f);
        for (unsigned i = 0; i < 3; i++)
                stall_probe(&f->work, &f->folder);
        g_assert_cmpint(f->job->state, ==, JOB_WAITING);
        g_assert_cmpuint(stall_until_usec(&f->work, &f->folder), >, 0);
}

static void test_nothing_to_make(struct fixture *f, gconstpointer data)
{
        stall_begin(&f->work, &f->folder, REASON_NO_SPACE, "full", "a.jpg");
        stall_probe(&f->work, &f->folder);
        g_assert_nonnull(f->folder.stalled);
        f->config.limits.free_mib = 0;
        stall_probe(&f->work, &f->folder);
        g_assert_null(f->folder.stalled);
}

static void test_a_root_that_went_away(struct fixture *f, gconstpointer data)
{
        g_autofree char *elsewhere = g_strconcat(f->root, "-elsewhere", NULL);

        stall_a_job(f);
        g_assert_cmpint(rename(f->root, elsewhere), ==, 0);
        stall_probe(&f->work, &f->folder);
        g_assert_cmpuint(lost, ==, 1);
        g_assert_cmpint(rename(elsewhere, f->root), ==, 0);
}

#define ADD(path, test) g_test_add(path, struct fixture, NULL, set_up, test, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        ADD("/stall/seen-and-gone", test_what_was_seen_and_is_gone);
        ADD("/stall/not-seen", test_what_a_probe_cannot_see);
        ADD("/stall/nothing-to-make", test_nothing_to_make);
        ADD("/stall/root-gone", test_a_root_that_went_away);
        return g_test_run();
}
