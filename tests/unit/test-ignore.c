/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which names are left alone, and by which rule. */

#include "ignore.h"

static struct folder_config *folder(bool recursive, const char *glob)
{
        struct folder_config *c = g_new0(struct folder_config, 1);

        c->recursive = recursive;
        c->ignore = g_ptr_array_new();
        if (glob)
                g_ptr_array_add(c->ignore, (char *)glob);
        return c;
}

static void folder_free(struct folder_config *c)
{
        g_ptr_array_unref(c->ignore);
        g_free(c);
}

static void test_rules(void)
{
        static const struct {
                const char *file, *rule;
        } table[] = {
                { "a.jpg", NULL },
                { "holiday/a.jpg", NULL },
                { "a.part.jpg", NULL },
                { "partial", NULL },
                { "~a.jpg", NULL },
                { "thumbs.db", NULL },
                { ".a.jpg", ".*" },
                { "..a", ".*" },
                { ".a.jpg.X3fa9Q", ".*" },
                { ".davfs.tmp00af3c", ".*" },
                { "a.jpg.part", "*.part" },
                { "a.jpg.filepart", "*.filepart" },
                { "a.crdownload", "*.crdownload" },
                { "~$a.doc", "~$*" },
                { "Thumbs.db", "Thumbs.db" },
                { "@eaDir/a.jpg", "@eaDir" },
                { "x/@eaDir/y/a.jpg", "@eaDir" },
                { "x/.stversions/a.jpg", ".*" },
                { "System Volume Information/a.jpg", "System Volume Information" },
                { "a.psd", "*.psd" },
                { "x.psd/a.jpg", "*.psd" },
                { "\xff.psd", "*.psd" },
        };
        struct folder_config *c = folder(true, "*.psd");

        for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
                g_assert_cmpstr(ignore_rule(c, table[i].file), ==, table[i].rule);
        folder_free(c);
}

static void test_not_recursive(void)
{
        struct folder_config *c = folder(false, NULL);

        g_assert_null(ignore_rule(c, "a.jpg"));
        g_assert_cmpstr(ignore_rule(c, ".a.jpg"), ==, ".*");
        g_assert_cmpstr(ignore_rule(c, "x/a.jpg"), ==, "recursive = false");
        folder_free(c);
}

/* What is longer than any name can be is cut, not written past the end of a buffer. */
static void test_long_parts(void)
{
        struct folder_config *c = folder(true, NULL);
        g_autofree char *part = g_strnfill(5000, 'x'), *path = g_strconcat(part, "/", part, ".part", NULL);

        g_assert_cmpstr(ignore_rule(c, path), ==, "*.part");
        folder_free(c);
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ignore/rules", test_rules);
        g_test_add_func("/ignore/not-recursive", test_not_recursive);
        g_test_add_func("/ignore/long-parts", test_long_parts);
        return g_test_run();
}
