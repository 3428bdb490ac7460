/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A template, a preset and two file names, parted by newlines: what the proof accepts never gives two files one name, never leaves the
 * outbox, never has a part that is too long, and leads back to its original. */

#include "fuzz.h"
#include "name.h"

#include <assert.h>
#include <string.h>

/* What a file system can hold: no empty, special or overlong parts. */
static bool is_file(const char *name)
{
        g_auto(GStrv) parts = g_strsplit(name, "/", -1);

        for (char **part = parts; *part; part++)
                if (strlen(*part) > 255)
                        return false;
        return *name && name[0] != '/' && !strstr(name, "//") && !g_str_has_suffix(name, "/") && strcmp(name, ".") != 0 &&
               strcmp(name, "..") != 0 && !strstr(name, "/./") && !strstr(name, "/../") && !g_str_has_prefix(name, "./") &&
               !g_str_has_prefix(name, "../") && !g_str_has_suffix(name, "/.") && !g_str_has_suffix(name, "/..");
}

static bool is_same(const char *file, void *userdata)
{
        return strcmp(file, (const char *)userdata) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = g_strndup((const char *)data, size), *problem = NULL, *a = NULL, *b = NULL, *back = NULL;
        g_auto(GStrv) parts = g_strsplit(text, "\n", 4);
        g_auto(GStrv) components = NULL;

        if (g_strv_length(parts) != 4 || !is_file(parts[2]) || !is_file(parts[3]) || strlen(parts[1]) > 32 || strchr(parts[1], '/') ||
            strchr(parts[1], '{'))
                return 0;

        const struct name_variant variants[2] = { { "256", "jpg" }, { parts[1], "webp" } };

        problem = name_template_check(parts[0], variants, 2, true, false);
        if (problem)
                return 0;
        a = name_expand(parts[0], "inbox", parts[2], &variants[0], 255);
        b = name_expand(parts[0], "inbox", parts[3], &variants[1], 255);
        assert(strcmp(a, b) != 0);
        assert(a[0] != '/' && !g_str_has_prefix(a, "../") && !strstr(a, "/../"));
        back = name_original(parts[0], "inbox", a, is_same, parts[2]);
        assert(back || strchr(a, '~')); /* cut */
        components = g_strsplit(a, "/", -1);
        for (char **c = components; *c; c++)
                assert(strlen(*c) <= 255);
        return 0;
}
