/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page of metrics, and its way into the folder that systemd gives.  That the real promtool accepts it is shown end to end. */

#include "metrics.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *page(struct metrics *m)
{
        m->daemon = "a \"quoted\" \\ name";
        m->version = "1.2";
        return metrics_format(m);
}

static void assert_has(const char *text, const char *line)
{
        g_autofree char *whole = g_strdup_printf("\n%s\n", line);

        if (!strstr(text, whole))
                g_error("no line '%s' in:\n%s", line, text);
}

#define DAEMON "daemon=\"a \\\"quoted\\\" \\\\ name\""

static void test_page(void)
{
        struct status s = { 0 };
        const struct metrics_folder folders[] = { { "/in\nbox \"\xff", true }, { "/other", false } };
        struct metrics m = {
                .status = &s, .started = 1700000000.25, .folders = folders, .n_folders = 2, .tally.watches = 7, .watches_max = -1
        };

        status_made(&s, 3, 7000000, 5000, 20000, 1);
        status_made(&s, 1, UINT64_C(3600000000), 5001, 20000, 1);
        status_failed(&s, REASON_CORRUPT, 1);
        status_skipped(&s, REASON_NOT_REGULAR);
        m.tally.events[EV_OVERFLOW] = 2;
        m.tally.jobs[JOB_WAITING] = 4;
        m.tally.waiting_by[REASON_UNREADABLE] = 3;

        g_autofree char *text = page(&m), *later = NULL;

        assert_has(text, "# TYPE thumbnaild_made_total counter");
        assert_has(text, "thumbnaild_build_info{" DAEMON ",version=\"1.2\"} 1");
        assert_has(text, "thumbnaild_start_time_seconds{" DAEMON "} 1700000000.250");
        assert_has(text, "thumbnaild_made_total{" DAEMON "} 2");
        assert_has(text, "thumbnaild_thumbnails_total{" DAEMON "} 4");
        assert_has(text, "thumbnaild_failed_total{" DAEMON ",reason=\"corrupt\"} 1");
        assert_has(text, "thumbnaild_failed_total{" DAEMON ",reason=\"timeout\"} 0");
        assert_has(text, "thumbnaild_skipped_total{" DAEMON ",reason=\"not-regular\"} 1");
        assert_has(text, "# TYPE thumbnaild_arrival_to_published_seconds histogram");
        assert_has(text, "thumbnaild_arrival_to_published_seconds_bucket{" DAEMON ",le=\"5\"} 0");
        assert_has(text, "thumbnaild_arrival_to_published_seconds_bucket{" DAEMON ",le=\"10\"} 1");
        assert_has(text, "thumbnaild_arrival_to_published_seconds_bucket{" DAEMON ",le=\"1800\"} 1");
        assert_has(text, "thumbnaild_arrival_to_published_seconds_bucket{" DAEMON ",le=\"+Inf\"} 2");
        assert_has(text, "thumbnaild_arrival_to_published_seconds_sum{" DAEMON "} 3607");
        assert_has(text, "thumbnaild_arrival_to_published_seconds_count{" DAEMON "} 2");
        assert_has(text, "thumbnaild_complete_to_published_seconds_bucket{" DAEMON ",le=\"0.005\"} 1");
        assert_has(text, "thumbnaild_queue_files{" DAEMON ",state=\"waiting\"} 4");
        assert_has(text, "thumbnaild_waiting_files{" DAEMON ",reason=\"unreadable\"} 3");
        assert_has(text, "thumbnaild_events_total{" DAEMON ",event=\"overflow\"} 2");
        assert_has(text, "thumbnaild_folder_paused{" DAEMON ",inbox=\"/in\\\\x0abox \\\"\\\\xff\"} 1");
        assert_has(text, "thumbnaild_folder_paused{" DAEMON ",inbox=\"/other\"} 0");
        g_assert_true(g_utf8_validate(text, -1, NULL) && g_str_has_suffix(text, "\n"));
        g_assert_null(strstr(text, "oldest_waiting"));
        g_assert_null(strstr(text, "watches_max"));

        m.oldest = 1700000001.5;
        m.watches_max = 100;
        later = page(&m);
        assert_has(later, "thumbnaild_oldest_waiting_timestamp_seconds{" DAEMON "} 1700000001.500");
        assert_has(later, "thumbnaild_inotify_watches_max{" DAEMON "} 100");
}

static void assert_path(const char *runtime, const char *config, const char *path, const char *name)
{
        g_autofree char *found_name = NULL, *found = NULL;

        g_assert_true(runtime ? g_setenv("RUNTIME_DIRECTORY", runtime, TRUE) : (g_unsetenv("RUNTIME_DIRECTORY"), TRUE));
        found = metrics_path(config, &found_name);
        g_assert_cmpstr(found, ==, path);
        g_assert_cmpstr(found_name, ==, name);
}

static void test_path(void)
{
        assert_path(NULL, "/etc/thumbnaild/thumbnaild.conf", NULL, NULL);
        assert_path("", "/etc/thumbnaild/thumbnaild.conf", NULL, NULL);
        assert_path("/run/thumbnaild", "/etc/thumbnaild/thumbnaild.conf", "/run/thumbnaild/thumbnaild.prom", "thumbnaild");
        assert_path("/run/a:/run/b", "/etc/thumbnaild/scans.conf", "/run/a/scans.prom", "scans");
        assert_path("/run/a", "odd", "/run/a/odd.prom", "odd");
        assert_path("/run/a", NULL, "/run/a/thumbnaild.prom", "thumbnaild");
}

/* Complete or not at all, and for everybody to read. */
static void test_write(void)
{
        g_autofree char *folder = g_dir_make_tmp("test-metrics-XXXXXX", NULL), *path = g_strconcat(folder, "/a.prom", NULL);
        g_autofree char *fresh = g_strconcat(path, ".new", NULL), *text = NULL;
        mode_t before = umask(077);
        struct stat st;

        g_assert_cmpint(metrics_write(path, "old\n"), ==, 0);
        g_assert_cmpint(metrics_write(path, "new\n"), ==, 0);
        (void)umask(before);
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_assert_cmpstr(text, ==, "new\n");
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0644);
        g_assert_cmpint(access(fresh, F_OK), <, 0);
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(rmdir(folder), ==, 0);
        g_assert_cmpint(metrics_write(path, "new\n"), ==, -ENOENT);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/metrics/page", test_page);
        g_test_add_func("/metrics/path", test_path);
        g_test_add_func("/metrics/write", test_write);
        return g_test_run();
}
