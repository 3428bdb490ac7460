/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands with paths of any bytes: one word for a shell, and harmless on a terminal. */

#include "log.h"
#include "remedy.h"

static const char *const paths[] = {
        "/var/spool/thumbnaild/inbox/IMG_1.JPG",
        "/a b/it's \"$HOME\" `x` \\.jpg",
        "-rf",
        "",
        "/new\nline/\x1b[31m.jpg",
        "/not \xff utf8",
        "/bidi \u202e gpj.",
        "/Grüße/写真",
        "/a;b|c&d*?",
        "/'\n'",
};

static void test_quote(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                g_autofree char *quoted = remedy_quote(paths[i]), *safe = log_escape(quoted), *said = NULL;
                const char *argv[] = { "bash", "-c", NULL, NULL };
                g_autofree char *script = g_strdup_printf("printf %%s %s", quoted);

                g_assert_cmpstr(safe, ==, quoted);
                argv[2] = script;
                g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &said, NULL, NULL, NULL));
                g_assert_cmpstr(said, ==, paths[i]);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/remedy/quote", test_quote);
        return g_test_run();
}
