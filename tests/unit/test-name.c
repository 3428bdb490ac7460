/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The template's proof is checked against brute force: where it says "free of collisions", no two originals may ever meet. */

#include "name.h"

#include <string.h>

static const struct name_variant jpeg_256 = { "256", "jpg" };

static void test_expand(void)
{
        static const struct {
                const char *template, *file, *wanted;
        } rows[] = {
                { NAME_TEMPLATE_DEFAULT, "holiday/IMG_1.JPG", "holiday/IMG_1.JPG.256.jpg" },
                { NAME_TEMPLATE_DEFAULT, "IMG_1.JPG", "IMG_1.JPG.256.jpg" },
                { NAME_TEMPLATE_DEFAULT, "a/b/c d.png", "a/b/c d.png.256.jpg" },
                { NAME_TEMPLATE_DEFAULT, "new\nline\xff.gif", "new\nline\xff.gif.256.jpg" },
                { "{folder}/{dir}/{preset}/{file}.{ext}", "x/a.png", "inbox/x/256/a.png.jpg" },
                { "{folder}/{dir}/{preset}/{file}.{ext}", "a.png", "inbox/256/a.png.jpg" },
                { "{stem}/{file}", "a.b.png", "a.b/a.b.png" },
                { "{stem}/{file}", "noext", "noext/noext" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *name = name_expand(rows[i].template, "inbox", rows[i].file, &jpeg_256, 255);

                g_assert_cmpstr(name, ==, rows[i].wanted);
        }
}

static bool is_it(const char *file, void *userdata)
{
        return strcmp(file, (const char *)userdata) == 0;
}

static bool never(const char *file, void *userdata)
{
        g_string_append_printf((GString *)userdata, "%s|", file);
        return false;
}

/* From a thumbnail's name back to its original's, whatever the preset was called. */
static void test_back(void)
{
        static const char *const templates[] = { NAME_TEMPLATE_DEFAULT, "{folder}/{dir}/{preset}/{file}.{ext}",
                                                 "{preset}/{dir}/{file}.{ext}", "{dir}/{stem}/{preset}-{file}.{folder}.{ext}",
                                                 "t/{dir}/{preset}{file}" };
        static const char *const files[] = { "a.jpg", "x/a.jpg", "x/256/y.256.jpg", "x.256.jpg.256.jpg", "{dir}/{file}", "256", ".a" };

        for (size_t t = 0; t < G_N_ELEMENTS(templates); t++)
                for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                        g_autofree char *name = name_expand(templates[t], "inbox", files[i], &jpeg_256, 255);
                        g_autofree char *back = name_original(templates[t], "inbox", name, is_it, (void *)files[i]);
                        g_autofree char *folder = name_original_folder(templates[t], "inbox", name);
                        g_autofree char *wanted = strchr(files[i], '/') ? g_path_get_dirname(files[i]) : g_strdup("");

                        g_assert_cmpstr(back, ==, files[i]);
                        g_assert_cmpstr(folder, ==, wanted);
                }
}

static void test_back_to_nothing(void)
{
        static const struct {
                const char *template, *name, *offered;
        } rows[] = {
                { NAME_TEMPLATE_DEFAULT, "x/a.jpg.256.jpg", "x/a.jpg|" },
                { NAME_TEMPLATE_DEFAULT, "a.256.b.jpg", "a.256|" },
                { NAME_TEMPLATE_DEFAULT, "a.jpg", "" },
                { NAME_TEMPLATE_DEFAULT, "a.256.txt", "" },
                { "{folder}/{dir}/{file}.{preset}.{ext}", "other/a.256.jpg", "" },
                { "{folder}/{dir}/{file}.{preset}.{ext}", "inbox/a.256.jpg", "a|" },
                { "{folder}/{dir}/{file}.{preset}.{ext}", "a.256.jpg", "" },
                { "{file}.{preset}.{ext}", "x/a.256.jpg", "" },
                { "{file}.{folder}.{ext}", "a.other.jpg", "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GString) offered = g_string_new(NULL);
                g_autofree char *back = name_original(rows[i].template, "inbox", rows[i].name, never, offered);

                g_assert_null(back);
                g_assert_cmpstr(offered->str, ==, rows[i].offered);
        }
}

static void test_of_folder(void)
{
        static const struct {
                const char *template, *wanted;
        } rows[] = { { NAME_TEMPLATE_DEFAULT, "x/y" },
                     { "{preset}/{dir}/{file}", "256/x/y" },
                     { "t/{folder}/{dir}/{preset}/{file}", "t/inbox/x/y" },
                     { "{stem}/{dir}/{file}", NULL },
                     { "{file}.{ext}", NULL } };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *folder = name_of_folder(rows[i].template, "inbox", "x/y", &jpeg_256, 255);

                g_assert_cmpstr(folder, ==, rows[i].wanted);
        }
}

static void test_too_long(void)
{
        g_autofree char *stem = g_strnfill(250, 'x'), *file = g_strconcat("d/", stem, ".jpg", NULL);
        g_autofree char *name = name_expand(NAME_TEMPLATE_DEFAULT, "inbox", file, &jpeg_256, 255);
        g_autofree char *other_file = g_strconcat("d/", stem, ".png", NULL);
        g_autofree char *other = name_expand(NAME_TEMPLATE_DEFAULT, "inbox", other_file, &jpeg_256, 255);

        g_assert_cmpuint(strlen(name), ==, strlen("d/") + 255);
        g_assert_true(g_str_has_suffix(name, ".256.jpg"));
        g_assert_cmpint(name[strlen(name) - strlen("~01234567.256.jpg")], ==, '~');
        g_assert_cmpstr(name, !=, other);
}

/* The cut never lands in the middle of a character. */
static void test_cut_is_utf8(void)
{
        for (unsigned ascii = 0; ascii < 4; ascii++) {
                g_autoptr(GString) file = g_string_new(NULL);
                g_autofree char *name = NULL;

                for (unsigned i = 0; i < ascii; i++)
                        g_string_append_c(file, 'a');
                while (file->len < 252)
                        g_string_append(file, "€");
                name = name_expand(NAME_TEMPLATE_DEFAULT, "inbox", file->str, &jpeg_256, 255);
                g_assert_true(g_utf8_validate(name, -1, NULL));
                g_assert_cmpuint(strlen(name), <=, 255);
        }
}

static void test_refusals(void)
{
        static const struct name_variant two[] = { { "256", "jpg" }, { "card", "webp" } };
        static const struct {
                const char *template;
                unsigned n;
                bool recursive, shared;
                const char *about; /* NULL: accepted */
        } rows[] = {
                { NAME_TEMPLATE_DEFAULT, 2, true, false, NULL },
                { "{folder}/" NAME_TEMPLATE_DEFAULT, 2, true, true, NULL },
                { "{dir}/{file}", 1, true, false, NULL },
                { "{dir}/{preset}/{file}.{ext}", 2, true, false, NULL },
                { "{dir}/{stem}/{file}.{preset}.{ext}", 2, true, false, NULL },
                { NAME_TEMPLATE_DEFAULT, 2, true, true, "{folder}" },
                { "{file}.{preset}", 2, true, false, "{dir}" },
                { "{dir}/{stem}.{preset}.{ext}", 2, true, false, "{file}" },
                { "{dir}/{file}", 2, true, false, "could meet" },
                { "{dir}/{preset}{file}", 2, true, false, NULL }, /* neither of "256" and "card" begins with the other */
                { "{dir}/{file}{file}", 1, true, false, "exactly once" },
                { "{dir}{file}", 1, true, false, "part of its own" },
                { "/{dir}/{file}", 1, true, false, "relative" },
                { "../{dir}/{file}", 1, true, false, "relative" },
                { "{dir}/{name}", 1, true, false, "braces" },
                { "{dir}/{stem}{file}", 1, true, false, "{stem}" },
                { ".thumbnaild/{dir}/{file}", 1, true, false, "own" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *problem = name_template_check(rows[i].template, two, rows[i].n, rows[i].recursive, rows[i].shared);

                g_test_message("%s: %s", rows[i].template, problem ? problem : "fine");
                if (rows[i].about)
                        g_assert_nonnull(problem);
                else
                        g_assert_null(problem);
                g_assert_true(!rows[i].about || strstr(problem, rows[i].about));
        }
}

static void test_may_be(void)
{
        static const char *const templates[] = { NAME_TEMPLATE_DEFAULT, "{dir}/{preset}-{file}", "{preset}/{dir}/{file}.{ext}",
                                                 "x{file}y{preset}z" };
        static const char *const files[] = { "a.jpg", "d/e/f", "256" };

        for (size_t t = 0; t < G_N_ELEMENTS(templates); t++)
                for (size_t f = 0; f < G_N_ELEMENTS(files); f++) {
                        g_autofree char *name = name_expand(templates[t], "in", files[f], &jpeg_256, 255);
                        g_autofree char *base = g_path_get_basename(name);

                        g_assert_true(name_may_be(templates[t], "256", base));
                }
        g_assert_false(name_may_be(NAME_TEMPLATE_DEFAULT, "256", "a.jpg.128.jpg"));
}

/* Presets that try to look like parts of file names: "a" + "-b" and "a-b" + "". */
static void test_against_brute_force(void)
{
        static const char *const templates[] = { "{preset}-{file}",      "{file}-{preset}", "{file}.{preset}.{ext}", "{preset}{file}",
                                                 "{file}{preset}.{ext}", "{preset}/{file}", "x{file}y{preset}z" };
        static const char *const presets[] = { "a", "b", "a-b", "ab", "b-a", "aa" };
        static const char *const parts[] = { "", "a", "b", "-", ".", "jpg", "y" };
        unsigned accepted = 0;

        for (size_t t = 0; t < G_N_ELEMENTS(templates); t++) {
                for (unsigned set = 1; set < 1U << G_N_ELEMENTS(presets); set++) {
                        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
                        struct name_variant variants[G_N_ELEMENTS(presets)];
                        g_autofree char *problem = NULL;
                        unsigned n = 0;

                        for (size_t p = 0; p < G_N_ELEMENTS(presets); p++)
                                if (set & (1U << p))
                                        variants[n++] = (struct name_variant){ presets[p], "jpg" };
                        problem = name_template_check(templates[t], variants, n, false, false);
                        if (problem)
                                continue;
                        accepted++;
                        for (unsigned f = 0; f < 7 * 7 * 7 * 7; f++) {
                                g_autofree char *file =
                                        g_strconcat("f", parts[f % 7], parts[f / 7 % 7], parts[f / 49 % 7], parts[f / 343], NULL);

                                for (unsigned v = 0; v < n; v++) {
                                        char *name = name_expand(templates[t], "i", file, variants + v, 255);
                                        g_autofree char *tag = g_strdup_printf("%s %u", file, v);
                                        const char *other = (const char *)g_hash_table_lookup(seen, name);

                                        if (other && strcmp(other, tag) != 0)
                                                g_error("%s: %s and %s meet in %s", templates[t], other, tag, name);
                                        g_hash_table_insert(seen, name, g_strdup(tag));
                                }
                        }
                }
        }
        g_assert_cmpuint(accepted, >, 100);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/name/expand", test_expand);
        g_test_add_func("/name/back", test_back);
        g_test_add_func("/name/back-to-nothing", test_back_to_nothing);
        g_test_add_func("/name/of-folder", test_of_folder);
        g_test_add_func("/name/too-long", test_too_long);
        g_test_add_func("/name/cut-is-utf8", test_cut_is_utf8);
        g_test_add_func("/name/may-be", test_may_be);
        g_test_add_func("/name/refusals", test_refusals);
        g_test_add_func("/name/against-brute-force", test_against_brute_force);
        return g_test_run();
}
