/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configurations good and bad: each bad one is refused with its line and a sentence that names the thing. */

#include "config.h"

#include <string.h>
#include <unistd.h>

#define FOLDER "folders = ( { inbox = \"/in\"; outbox = \"/out\"; } );\n"

static struct config *load(const char *text, GString *errors)
{
        g_autofree char *path = NULL;
        struct config *config;
        int fd = g_file_open_tmp("config-XXXXXX", &path, NULL);

        g_assert_cmpint(fd, >=, 0);
        (void)close(fd);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        config = config_load(path, errors);
        (void)unlink(path);
        return config;
}

static void test_defaults(void)
{
        g_autoptr(GString) errors = g_string_new(NULL);
        struct config *c = load(FOLDER, errors);
        const struct folder_config *f;
        const struct preset *p;

        g_assert_cmpstr(errors->str, ==, "");
        g_assert_nonnull(c);
        g_assert_cmpint(c->workers, ==, 0);
        g_assert_cmpint(c->stop_seconds, ==, 30);
        g_assert_cmpint(c->limits.file_mib, ==, 512);
        g_assert_cmpint(c->limits.megapixels, ==, 150);
        g_assert_cmpint(c->limits.frames, ==, 500);
        g_assert_cmpint(c->limits.seconds, ==, 60);
        g_assert_cmpint(c->limits.memory_mib, ==, 2048);
        g_assert_true(c->loaders & (UINT64_C(1) << FORMAT_JPEG));
        g_assert_true(c->loaders & (UINT64_C(1) << FORMAT_AVIF));
        g_assert_false(c->loaders & (UINT64_C(1) << FORMAT_SVG));
        g_assert_cmpuint(c->presets->len, ==, 1);
        p = (const struct preset *)c->presets->pdata[0];
        g_assert_cmpstr(p->name, ==, "256");
        g_assert_cmpuint(p->spec.width_px, ==, 256);
        g_assert_cmpuint(p->spec.height_px, ==, 256);
        g_assert_cmpuint(p->spec.fit, ==, FIT_INSIDE);
        g_assert_cmpuint(p->spec.quality, ==, 80);
        f = (const struct folder_config *)c->folders->pdata[0];
        g_assert_cmpstr(f->inbox, ==, "/in");
        g_assert_true(f->recursive);
        g_assert_cmpint(f->settle_ms, ==, 300);
        g_assert_cmpint(f->mode, ==, 0644);
        config_free(c);
}

static void test_everything(void)
{
        g_autoptr(GString) errors = g_string_new(NULL);
        struct config *c = load(
                "workers = 3; stop_seconds = 5; sandbox = \"available\"; loaders = [ \"jpeg\", \"svg\" ];\n"
                "limits = { file_mib = 1; megapixels = 2; frames = 3; seconds = 4; memory_mib = 65; };\n"
                "thumbnails = ( { name = \"card\"; width = 640; height = 360; fit = \"cover\"; crop = \"attention\";\n"
                "                 format = \"webp\"; quality = 75; lossless = true; effort = 4; background = \"#0a0B0c\";\n"
                "                 strip = false; profile = \"keep\"; animation = \"all\"; sharpen = 0.5; upscale = true; },\n"
                "               { name = \"s\"; height = 100; sharpen = 1; format = \"same\"; } );\n"
                "folders = ( { inbox = \"/in\"; outbox = \"/out/\"; thumbnails = [ \"s\" ]; name = \"{dir}/{file}.{preset}.{ext}\";\n"
                "              recursive = false; verbose = true; ignore = [ \"*.psd\" ]; watch = \"auto\"; originals = \"keep\"; settle_ms = 5;\n"
                "              mode = 0x1a0; group = \"\"; } );\n",
                errors);
        const struct preset *p;
        const struct folder_config *f;

        g_assert_cmpstr(errors->str, ==, "");
        g_assert_nonnull(c);
        g_assert_cmpuint(c->sandbox_required, ==, 0);
        g_assert_cmpuint(c->loaders, ==, UINT64_C(1) << FORMAT_JPEG | UINT64_C(1) << FORMAT_SVG);
        p = (const struct preset *)c->presets->pdata[0];
        g_assert_cmpuint(p->spec.crop, ==, CROP_ATTENTION);
        g_assert_cmpuint(p->spec.background_rgb, ==, 0x0a0b0c);
        g_assert_cmpuint(p->spec.sharpen_percent, ==, 50);
        g_assert_cmpuint(p->spec.strip, ==, 0);
        g_assert_cmpuint(p->spec.lossless, ==, 1);
        g_assert_cmpuint(p->spec.upscale, ==, 1);
        f = (const struct folder_config *)c->folders->pdata[0];
        g_assert_cmpuint(f->presets->len, ==, 1);
        g_assert_true(f->wants_same);
        g_assert_cmpstr(f->outbox, ==, "/out");
        g_assert_cmpint(f->mode, ==, 0640);
        config_free(c);
}

static void test_refusals(void)
{
        static const struct {
                const char *text;
                unsigned line;
                const char *about;
        } rows[] = {
                { "\n\nworker = 2;\n" FOLDER, 3, "did you mean 'workers'" },
                { "colour = 2;\n" FOLDER, 1, "unknown key 'colour'" },
                { "workers = \"2\";\n" FOLDER, 1, "must be an integer" },
                { "workers = -1;\n" FOLDER, 1, "0 to 1024" },
                { "workers = 99999999999;\n" FOLDER, 1, "too long" },
                { "workers = 9999999999L;\n" FOLDER, 1, "too long" },
                { "/* 99999999999 \n */ # 99999999999\nworkers = 0x12345678ab;\n" FOLDER, 3, "too long" },
                { "workers = 0x1000001a4;\n" FOLDER, 1, "too long" },
                { "workers = 0xffffffff;\n" FOLDER, 1, "too long" },
                { "@include \"x\"\n" FOLDER, 1, "@include" },
                { "sandbox = \"ful\";\n" FOLDER, 1, "did you mean \"full\"" },
                { "loaders = [ \"jpge\" ];\n" FOLDER, 1, "no format" },
                { "loaders = \"jpeg\";\n" FOLDER, 1, "array of strings" },
                { "limits = 3;\n" FOLDER, 1, "must be a group" },
                { "limits = { seconds = 0; };\n" FOLDER, 1, "1 to 86400" },
                { "limits = { free_mib = -1; };\n" FOLDER, 1, "0 to" },
                { "thumbnails = ( );\n" FOLDER, 1, "list of groups" },
                { "thumbnails = ( { width = 1; } );\n" FOLDER, 1, "no 'name'" },
                { "thumbnails = ( { name = \"a/b\"; width = 1; } );\n" FOLDER, 1, "1 to 32" },
                { "thumbnails = ( { name = \"a\"; } );\n" FOLDER, 1, "needs 'width' or 'height'" },
                { "thumbnails = ( { name = \"a\"; width = 0; } );\n" FOLDER, 1, "1 to 32767" },
                { "thumbnails = ( { name = \"a\"; width = 1; fit = \"cover\"; } );\n" FOLDER, 1, "both 'width' and 'height'" },
                { "thumbnails = ( { name = \"a\"; width = 1; crop = \"north\"; } );\n" FOLDER, 1, "cover" },
                { "thumbnails = ( { name = \"a\"; width = 1; lossless = true; } );\n" FOLDER, 1, "lossless" },
                { "thumbnails = ( { name = \"a\"; width = 1; background = \"red\"; } );\n" FOLDER, 1, "colour" },
                { "thumbnails = ( { name = \"a\"; width = 1; },\n{ name = \"a\"; width = 2; } );\n" FOLDER, 2, "two presets" },
                { "workers = 1;\n", 1, "'folders'" },
                { "folders = ( { inbox = \"/in\"; } );\n", 1, "no 'outbox'" },
                { "folders = ( { inbox = \"in\"; outbox = \"/out\"; } );\n", 1, "absolute" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\"; originals = \"move\"; } );\n", 1, "needs 'processed'" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\"; processed = \"/p\"; } );\n", 1, "originals" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\"; originals = \"delete\"; orphans = \"delete\"; } );\n", 1,
                  "orphans" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\";\n failed = \"f\"; } );\n", 1, "absolute" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\"; watch = \"pol\"; } );\n", 1, "did you mean \"poll\"" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\"; poll_seconds = 0; } );\n", 1, "1 to 86400" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\"; group = \"no-such-group\"; } );\n", 1, "no group" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\"; thumbnails = [ \"b\" ]; } );\n", 1, "no preset" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\"; name = \"{dir}/{stem}.{ext}\"; } );\n", 1, "{file}" },
                { "folders = ( { inbox = \"/a/in\"; outbox = \"/out\"; },\n{ inbox = \"/b/in\"; outbox = \"/out\"; } );\n", 1,
                  "{folder}" },
                { "folders = ( { inbox = \"/in\"; outbox = \"/out\"; },\n{ inbox = \"/in\"; outbox = \"/o2\"; } );\n", 2,
                  "two folders" },
                { "workers = 1;\nworkers = 2;\n" FOLDER, 2, "" },
                { "workers = ;\n", 1, "syntax error" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GString) errors = g_string_new(NULL);
                struct config *c = load(rows[i].text, errors);
                g_autofree char *line = g_strdup_printf(":%u: ", rows[i].line);

                g_test_message("%s → %s", rows[i].text, errors->str);
                g_assert_null(c);
                g_assert_nonnull(strstr(errors->str, line));
                g_assert_nonnull(strstr(errors->str, rows[i].about));
        }
}

/* Every problem is named at once, not the first alone. */
static void test_all_at_once(void)
{
        g_autoptr(GString) errors = g_string_new(NULL);

        g_assert_null(load("workers = \"x\";\nstop_seconds = 0;\nfoo = 1;\n" FOLDER, errors));
        g_assert_nonnull(strstr(errors->str, ":1: "));
        g_assert_nonnull(strstr(errors->str, ":2: "));
        g_assert_nonnull(strstr(errors->str, ":3: "));
}

static const struct preset *only_preset(const struct config *c)
{
        return (const struct preset *)c->presets->pdata[0];
}

/* A fingerprint changes with what a user sees, and with nothing else. */
static void test_fingerprint(void)
{
        g_autoptr(GString) errors = g_string_new(NULL);
        struct config *a = load("thumbnails = ( { name = \"x\"; width = 256; height = 256; } );\n" FOLDER, errors);
        struct config *b = load(
                "thumbnails = ( { height = 256; fit = \"inside\"; quality = 80; width = 256; name = \"y\"; } );\n" FOLDER, errors);
        struct config *c = load("thumbnails = ( { name = \"x\"; width = 256; height = 256; quality = 81; } );\n" FOLDER, errors);

        g_assert_cmpstr(errors->str, ==, "");
        g_assert_cmpstr(only_preset(a)->fingerprint, ==, only_preset(b)->fingerprint);
        g_assert_cmpstr(only_preset(a)->fingerprint, !=, only_preset(c)->fingerprint);
        g_assert_cmpstr(only_preset(a)->fingerprint, ==, "419672cbca85e32d"); /* whatever changes this redoes everybody's archive */
        config_free(a);
        config_free(b);
        config_free(c);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/config/defaults", test_defaults);
        g_test_add_func("/config/everything", test_everything);
        g_test_add_func("/config/refusals", test_refusals);
        g_test_add_func("/config/all-at-once", test_all_at_once);
        g_test_add_func("/config/fingerprint", test_fingerprint);
        return g_test_run();
}
