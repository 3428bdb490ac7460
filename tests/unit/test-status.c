/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the status line, with the clock in our hands. */

#include "status.h"

#include <string.h>

#define SECOND UINT64_C(1000000)

static void test_line(void)
{
        struct status s = { 0 };
        const struct status_view busy = { .busy = 2, .workers = 2, .waiting = 128, .ready = 128 }, idle = { .workers = 2 };
        uint64_t now = 1000 * SECOND;
        g_autofree char *before = status_line(&s, &busy, now), *line = NULL, *later = NULL;

        g_assert_cmpstr(before, ==, "2/2 workers busy, 128 waiting, 0 made, 0 failed"); /* no rate from nothing */
        for (unsigned i = 0; i < 100; i++, now += SECOND / 10) {
                status_made(&s, 1, 0, 0, 0, now);
        }
        s.failed = 3;
        line = status_line(&s, &busy, now);
        g_assert_true(g_str_has_prefix(line, "2/2 workers busy, 128 waiting, "));
        g_assert_true(g_str_has_suffix(line, " left, 100 made, 3 failed"));
        later = status_line(&s, &idle, now + 3600 * SECOND);
        g_assert_cmpstr(later, ==, "0/2 workers busy, 0 waiting, 100 made, 3 failed");
}

static void test_rate(void)
{
        struct status s = { 0 };
        uint64_t now = 5000 * SECOND;

        for (unsigned i = 0; i < 300; i++, now += SECOND / 10) /* ten a second for half a minute */
                status_failed(&s, REASON_CORRUPT, now);
        g_assert_cmpfloat(status_rate(&s, now), >, 9);
        g_assert_cmpfloat(status_rate(&s, now), <, 11);
        g_assert_cmpfloat(status_rate(&s, now + 100 * SECOND), ==, 0);
        status_failed(&s, REASON_CORRUPT, now + 100 * SECOND); /* a burst after idleness counts from its own beginning */
        g_assert_cmpfloat(status_rate(&s, now + 100 * SECOND + SECOND / 2), >, 1);
}

static void test_bar(void)
{
        struct status s = { .made = 5 };
        struct status_view v = { .busy = 0, .workers = 2, .waiting = 5 };

        for (unsigned columns = 1; columns < 200; columns++) {
                g_autofree char *bar = status_bar(&s, &v, columns, SECOND);

                g_assert_cmpuint(strlen(bar), <, columns);
                if (columns > 60)
                        g_assert_nonnull(strstr(bar, " 5/10 "));
        }
        v.storing = 2; /* on their way from a worker to the outbox: the whole stays what it is */
        v.waiting = 3;
        g_autofree char *same = status_bar(&s, &v, 100, SECOND);
        g_assert_nonnull(strstr(same, "[##########..........] 5/10 "));
        g_autofree char *begin = status_bar(&(struct status){ 0 }, &(struct status_view){ .scanning = true }, 100, SECOND);
        g_assert_nonnull(strstr(begin, "[....................] 0/0+ "));
        v.paused = 1;
        v.paused_why = "The inbox /x does not exist";
        g_autofree char *line = status_line(&s, &v, SECOND);
        g_assert_true(g_str_has_suffix(line, "; 1 folder paused: The inbox /x does not exist"));
}

static void check_summary(const struct status *s, uint64_t files, const char *expected)
{
        g_autofree char *text = status_summary(s, files, 2);

        g_assert_cmpstr(text, ==, expected);
}

static void test_summary(void)
{
        struct status s = { 0 };

        check_summary(&s, 0, "0 files: 0 made; 2.0 s");
        check_summary(&s, 1, "1 file: 0 made, 1 up to date; 2.0 s");
        status_made(&s, 1, 0, 0, 0, SECOND);
        status_skipped(&s, REASON_UNSUPPORTED);
        status_skipped(&s, REASON_NOT_REGULAR); /* a link is not among the files */
        check_summary(&s, 2, "2 files: 1 made, 2 left alone; 2.0 s, 0.5/s");
        status_failed(&s, REASON_CORRUPT, SECOND);
        check_summary(&s, 5, "5 files: 1 made, 2 up to date, 1 failed (1 corrupt), 2 left alone; 2.0 s, 0.5/s");
        status_failed_before(&s, REASON_TRUNCATED);
        check_summary(&s, 4,
                      "4 files: 1 made, 2 failed (1 corrupt, 1 truncated; 1 of them in an earlier run), 2 left alone; 2.0 s, 0.5/s");
}

static void test_histogram(void)
{
        struct histogram h = { 0 };

        histogram_add(&h, 0);
        histogram_add(&h, histogram_bound_usec(0)); /* inclusive */
        histogram_add(&h, histogram_bound_usec(0) + 1);
        histogram_add(&h, UINT64_C(1) << 40);
        g_assert_cmpuint(h.counts[0], ==, 2);
        g_assert_cmpuint(h.counts[1], ==, 1);
        g_assert_cmpuint(h.counts[HISTOGRAM_BUCKETS], ==, 1);
        for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++)
                g_assert_cmpuint(histogram_bound_usec(i), >, histogram_bound_usec(i - 1));
}

/* How often a piece of work of @seconds is reported that looks like @v all the time, and when it is over. */
static unsigned reports(struct progress *p, const struct status_view *v, unsigned seconds, uint64_t *now)
{
        unsigned n = 0;

        for (unsigned i = 0; i < seconds; i++, *now += SECOND)
                n += progress_is_due(p, v, true, *now);
        return n + progress_is_due(p, v, false, *now);
}

static void test_progress(void)
{
        const struct status_view backlog = { .busy = 2, .ready = 100 }, one = { .busy = 1 }, scan = { .scanning = true };
        uint64_t now = 1000 * SECOND;
        struct progress p = { 0 };

        g_assert_cmpuint(reports(&p, &one, 3600, &now), ==, 0); /* single files are told by their own events */
        g_assert_cmpuint(reports(&p, &backlog, 9, &now), ==, 0);
        g_assert_cmpuint(reports(&p, &scan, 11, &now), ==, 2);
        g_assert_cmpuint(reports(&p, &backlog, 11, &now), ==, 2);
        g_assert_cmpuint(reports(&p, &backlog, 31, &now), ==, 3); /* at 10, 20, and the end */
        g_assert_cmpuint(reports(&p, &backlog, 3600, &now), ==, 63);
        g_assert_false(progress_is_due(&p, &backlog, false, now));
        for (unsigned i = 0; i < 11; i++, now += SECOND)
                (void)progress_is_due(&p, &backlog, true, now);
        g_assert_cmpuint(reports(&p, &one, 60, &now), ==, 3); /* the rest of a backlog counts: 20, 40, and the end */
}

/* Two processes, one clock: their sum is what one would have counted. */
static void test_add(void)
{
        struct status one = { 0 }, other = { 0 }, both = { 0 }, sum;
        uint64_t now = 7000 * SECOND;

        for (unsigned i = 0; i < 400; i++, now += SECOND / 10) {
                status_made(i % 3 ? &one : &other, 2, i, i, i, now);
                status_made(&both, 2, i, i, i, now);
        }
        status_failed(&other, REASON_CORRUPT, now);
        status_failed(&both, REASON_CORRUPT, now);
        status_skipped(&one, REASON_UNSUPPORTED);
        status_skipped(&both, REASON_UNSUPPORTED);
        for (unsigned order = 0; order < 2; order++) {
                sum = order ? other : one;
                status_add(&sum, order ? &one : &other);
                g_assert_cmpuint(sum.made, ==, 400);
                g_assert_cmpmem(&sum.latency, sizeof sum.latency, &both.latency, sizeof both.latency);
                g_assert_cmpmem(sum.failed_by, sizeof sum.failed_by, both.failed_by, sizeof both.failed_by);
                g_assert_cmpfloat_with_epsilon(status_rate(&sum, now), status_rate(&both, now), 0.2);
        }
        status_made(&one, 1, 0, 0, 0, now + 100 * SECOND); /* what the other did is too long ago to count for the rate */
        sum = other;
        status_add(&sum, &one);
        g_assert_cmpfloat(status_rate(&sum, now + 100 * SECOND), ==, status_rate(&one, now + 100 * SECOND));
        sum = (struct status){ 0 };
        status_add(&sum, &other);
        g_assert_cmpfloat(status_rate(&sum, now), ==, status_rate(&other, now));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/status/line", test_line);
        g_test_add_func("/status/rate", test_rate);
        g_test_add_func("/status/add", test_add);
        g_test_add_func("/status/bar", test_bar);
        g_test_add_func("/status/summary", test_summary);
        g_test_add_func("/status/histogram", test_histogram);
        g_test_add_func("/status/progress", test_progress);
        return g_test_run();
}
