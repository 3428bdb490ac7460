/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs and their queue: every state by every input, order, bounds and time. */

#include "queue.h"

#include <errno.h>
#include <string.h>

static struct folder *const folder_a = (struct folder *)0x1000, *const folder_b = (struct folder *)0x2000; /* never looked into */

static void test_states(void)
{
        for (enum job_state s = 0; s < _JOB_STATE_MAX; s++)
                for (enum job_input i = 0; i < _JOB_INPUT_MAX; i++) {
                        int next = job_next_state(s, i);

                        g_assert_true(next == -EPROTO || (next >= 0 && next < _JOB_STATE_MAX));
                        if (s == JOB_MADE || s == JOB_FAILED)
                                g_assert_cmpint(next, ==, -EPROTO); /* the end is the end */
                        if (next == JOB_MADE)
                                g_assert_true(s == JOB_STORING || s == JOB_QUEUED); /* durable, or nothing to do */
                        if (next == JOB_RUNNING)
                                g_assert_true(s == JOB_QUEUED && i == JOB_START);
                        if (next == JOB_STORING)
                                g_assert_true(s == JOB_RUNNING && i == JOB_RENDERED);
                }
}

static void test_one_job_per_file(void)
{
        struct queue *q = queue_new();
        struct job *a = queue_add(q, folder_a, "x/y", LANE_FRESH), *b = queue_add(q, folder_b, "x/y", LANE_FRESH);

        g_assert_true(a != b && a->id != b->id);
        g_assert_true(queue_find(q, folder_a, "x/y") == a && queue_find(q, folder_b, "x/y") == b);
        g_assert_null(queue_find(q, folder_a, "x"));
        g_assert_true(queue_by_id(q, b->id) == b);
        queue_remove(q, a);
        g_assert_null(queue_find(q, folder_a, "x/y"));
        g_assert_cmpuint(queue_count(q), ==, 1);
        queue_free(q);
}

/* New arrivals overtake the backlog, and never starve it. */
static void test_fairness(void)
{
        struct queue *q = queue_new();
        unsigned backlog = 0;

        for (unsigned i = 0; i < 400; i++) {
                g_autofree char *fresh = g_strdup_printf("fresh%u", i), *old = g_strdup_printf("old%u", i);

                (void)queue_add(q, folder_a, old, LANE_BACKLOG);
                (void)queue_add(q, folder_a, fresh, LANE_FRESH);
        }
        for (unsigned i = 0; i < 100; i++) {
                struct job *job = queue_take(q, 0);

                backlog += job->lane == LANE_BACKLOG;
                queue_remove(q, job);
        }
        g_assert_cmpuint(backlog, ==, 25);
        queue_free(q);
}

/* What one folder has does not hold up another, in any lane. */
static void test_folders_take_turns(void)
{
        for (enum job_lane lane = LANE_FRESH; lane <= LANE_BACKLOG; lane++) {
                struct queue *q = queue_new();
                struct job *first;

                for (unsigned i = 0; i < 400; i++) {
                        g_autofree char *name = g_strdup_printf("many%u", i);

                        (void)queue_add(q, folder_a, name, lane);
                }
                for (unsigned i = 0; i < 10; i++) {
                        g_autofree char *name = g_strdup_printf("few%u", i);

                        (void)queue_add(q, folder_b, name, lane);
                }
                first = queue_take(q, 0);
                queue_untake(q, first);
                g_assert_true(queue_take(q, 0) == first); /* it keeps its place */
                queue_remove(q, first);
                for (unsigned i = 0; i < 20; i++) {
                        struct job *job = queue_take(q, 0);

                        g_assert_true(job->folder == (i % 2 == 0 ? folder_b : folder_a));
                        g_assert_cmpuint(g_ascii_strtoull(job->file + strcspn(job->file, "0123456789"), NULL, 10), ==, (i + 1) / 2);
                        queue_remove(q, job);
                }
                g_assert_cmpuint(queue_ready_count(q), ==, 389);
                queue_free(q);
        }
}

/* Nor can it take all the room there is. */
static void test_a_folder_has_bounds(void)
{
        struct queue *q = queue_new();
        unsigned n = 0;

        queue_remove(q, queue_add(q, folder_b, "x", LANE_FRESH)); /* it is known from now on */
        for (;; n++) {
                g_autofree char *name = g_strdup_printf("%u", n);

                if (!queue_add(q, folder_a, name, LANE_FRESH))
                        break;
        }
        g_assert_cmpuint(n, ==, QUEUE_FOLDER_MAX);
        g_assert_nonnull(queue_add(q, folder_b, "x", LANE_BACKLOG));
        g_assert_cmpuint(queue_backlog_of(q, folder_b), ==, 1);
        queue_free(q);
}

static void test_alone(void)
{
        struct queue *q = queue_new();
        struct job *alone = queue_add(q, folder_a, "poison", LANE_ALONE);

        (void)queue_add(q, folder_a, "other", LANE_FRESH);
        g_assert_null(queue_take(q, 1)); /* nothing overtakes it, so that the workers come to rest */
        g_assert_false(queue_can_give(q, 1));
        g_assert_true(queue_can_give(q, 0));
        g_assert_true(queue_take(q, 0) == alone);
        queue_remove(q, alone);
        g_assert_nonnull(queue_take(q, 1));
        queue_free(q);
}

static void test_time(void)
{
        struct queue *q = queue_new();
        static const unsigned due[] = { 500, 100, 300, 0 };

        for (unsigned i = 0; i < G_N_ELEMENTS(due); i++) {
                g_autofree char *name = g_strdup_printf("%u", due[i]);

                (void)queue_add(q, folder_a, name, LANE_FRESH);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(due); i++) {
                struct job *job = queue_take(q, 0);

                job_step(job, JOB_HOLD);
                queue_wait(q, job, due[i]);
        }
        g_assert_null(queue_take(q, 0));
        g_assert_cmpuint(queue_tick(q, 99), ==, 100);
        g_assert_cmpuint(queue_tick(q, 300), ==, 500);
        g_assert_cmpstr(queue_take(q, 0)->file, ==, "100");
        g_assert_cmpstr(queue_take(q, 0)->file, ==, "300");
        g_assert_cmpuint(queue_tick(q, 500), ==, 0); /* the one without a time waits for an event */
        g_assert_cmpuint(queue_ready_count(q), ==, 1);
        g_assert_cmpuint(queue_count(q), ==, 4);
        queue_free(q);
}

static void test_bound(void)
{
        struct queue *q = queue_new();
        unsigned n = 0;

        for (;; n++) {
                g_autofree char *name = g_strdup_printf("%u", n);

                if (!queue_add(q, folder_a, name, LANE_FRESH))
                        break;
        }
        g_assert_cmpuint(n, ==, QUEUE_JOBS_MAX);
        queue_free(q);
}

static void test_retry_delay(void)
{
        uint64_t last = 0;

        for (unsigned i = 0; i < 40; i++) {
                uint64_t longest = job_retry_delay_usec(i, 0), shortest = job_retry_delay_usec(i, UINT32_MAX);

                g_assert_cmpuint(longest, >=, last);
                g_assert_cmpuint(longest, <=, 300000000);
                g_assert_cmpuint(shortest, >=, longest / 4 * 3);
                last = longest;
        }
        g_assert_cmpuint(job_retry_delay_usec(0, 0), ==, 1000000);
        g_assert_cmpuint(last, ==, 300000000);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/job/states", test_states);
        g_test_add_func("/job/retry-delay", test_retry_delay);
        g_test_add_func("/queue/one-job-per-file", test_one_job_per_file);
        g_test_add_func("/queue/fairness", test_fairness);
        g_test_add_func("/queue/folders-take-turns", test_folders_take_turns);
        g_test_add_func("/queue/a-folder-has-bounds", test_a_folder_has_bounds);
        g_test_add_func("/queue/alone", test_alone);
        g_test_add_func("/queue/time", test_time);
        g_test_add_func("/queue/bound", test_bound);
        return g_test_run();
}
