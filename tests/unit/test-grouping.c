/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which folders go to a process of their own, by made-up mounts; and what such a process tells. */

#include "grouping.h"

#include "base.h"
#include "numbers.h"

#include <errno.h>
#include <string.h>

static const char mountinfo[] = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                "30 20 0:50 / /no-such/share rw - nfs4 host:/share rw\n"
                                "31 20 0:51 / /no-such/deep/er/other rw - fuse.sshfs me@host: rw\n";

/* Folders as "INBOX OUTBOX [FAILED]", one a line. */
static struct config *config_of(const char *lines)
{
        g_autoptr(GString) text = g_string_new("folders = ("), errors = g_string_new(NULL);
        g_auto(GStrv) all = g_strsplit(lines, "\n", -1);
        struct config *config;

        for (char **line = all; *line; line++) {
                g_auto(GStrv) words = g_strsplit(*line, " ", 3);

                g_string_append_printf(text, "%s{ inbox = \"%s\"; outbox = \"%s\"; name = \"{folder}/{dir}/{file}.{preset}.{ext}\";",
                                       line > all ? ", " : "", words[0], words[1]);
                if (words[2])
                        g_string_append_printf(text, "failed = \"%s\";", words[2]);
                g_string_append(text, "}");
        }
        g_string_append(text, ");");
        config = config_parse("test", text->str, errors);
        g_assert_cmpstr(errors->str, ==, "");
        return config;
}

/* The groups of @lines as "INBOX INBOX|INBOX". */
static void expect(const char *lines, const char *groups)
{
        _cleanup_(config_freep) struct config *config = config_of(lines);
        _cleanup_(mounts_freep) struct mounts *mounts = mounts_parse(mountinfo);
        g_autoptr(GPtrArray) plan = grouping_plan(config, mounts);
        g_autoptr(GString) found = g_string_new(NULL);

        for (guint i = 0; i < plan->len; i++) {
                const struct group *g = (const struct group *)plan->pdata[i];

                g_assert_nonnull(g->remote);
                for (guint k = 0; k < g->folders->len; k++)
                        g_string_append_printf(found, "%s%s",
                                               k > 0   ? " "
                                               : i > 0 ? "|"
                                                       : "",
                                               ((const struct folder_config *)g->folders->pdata[k])->inbox);
        }
        g_assert_cmpstr(found->str, ==, groups);
}

static void test_groups(void)
{
        expect("/no-such/a /no-such/out", "");
        expect("/no-such/share /no-such/out", "/no-such/share");
        expect("/no-such/a /no-such/share/out", "/no-such/a");
        expect("/no-such/a /no-such/out /no-such/share/failed", "/no-such/a");
        expect("/no-such/deep /no-such/out", "/no-such/deep"); /* it holds one */
        expect("/no-such/deep/e /no-such/out", "");
        expect("/no-such/share/a /no-such/out\n/no-such/b /no-such/other", "/no-such/share/a");
        expect("/no-such/b /no-such/out\n/no-such/share/a /no-such/out\n/no-such/c /no-such/other",
               "/no-such/b /no-such/share/a"); /* one outbox, one lock */
        expect("/no-such/share/a /no-such/1\n/no-such/deep /no-such/2", "/no-such/share/a|/no-such/deep");
}

static void test_only(void)
{
        _cleanup_(config_freep) struct config *config =
                config_of("/no-such/a /no-such/1\n/no-such/b /no-such/2\n/no-such/c /no-such/3");
        g_autoptr(GString) errors = g_string_new(NULL);
        const char *const two[] = { "/no-such/c/", "/no-such/a" }, *const wrong[] = { "/no-such/b", "/no-such/a" };

        g_assert_cmpint(config_keep_only(config, two, 0, errors), ==, 0);
        g_assert_cmpuint(config->folders->len, ==, 3);
        g_assert_cmpint(config_keep_only(config, two, 2, errors), ==, 0);
        g_assert_cmpuint(config->folders->len, ==, 2);
        g_assert_cmpint(config_keep_only(config, wrong, 2, errors), ==, -EINVAL);
        g_assert_nonnull(strstr(errors->str, "/no-such/b"));
}

static void test_share(void)
{
        _cleanup_(config_freep) struct config *config = config_of("/no-such/a /no-such/1");

        config_share(config, 3);
        g_assert_cmpint(config->limits.memory_mib, ==, 2048 / 3);
        config_share(config, 2);
        g_assert_cmpint(config->limits.memory_mib, ==, 1024);
        config_share(config, 1000);
        g_assert_cmpint(config->limits.memory_mib, ==, 64);
        config_share(config, 1);
        g_assert_cmpint(config->limits.memory_mib, ==, 2048);
}

static void test_numbers(void)
{
        struct numbers sent = { .status = { .made = 7 },
                                .view = { .workers = 2, .paused_why = "here" },
                                .usable = 3,
                                .tally.dropped = 9 },
                       got;
        g_autofree char *text = numbers_format(&sent);

        memset(&got, 0xff, sizeof got);
        g_assert_null(strchr(text, '\n'));
        g_assert_cmpint(numbers_parse("", &got), ==, -EBADMSG);
        g_assert_cmpint(numbers_parse("QUJD", &got), ==, -EBADMSG);
        g_assert_cmpuint(got.tally.dropped, ==, UINT64_MAX);
        g_assert_cmpint(numbers_parse(text, &got), ==, 0);
        g_assert_null(got.view.paused_why);
        sent.view.paused_why = NULL;
        g_assert_cmpmem(&got, sizeof got, &sent, sizeof sent);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/grouping/groups", test_groups);
        g_test_add_func("/grouping/only", test_only);
        g_test_add_func("/grouping/share", test_share);
        g_test_add_func("/grouping/numbers", test_numbers);
        return g_test_run();
}
