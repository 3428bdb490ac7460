/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Template parsing, its collision proof, and expansion.  Owns nothing, touches no file. */

#include "name.h"

#include "path.h"

#include <assert.h>
#include <string.h>

enum token { TOKEN_TEXT, TOKEN_DIR, TOKEN_FILE, TOKEN_STEM, TOKEN_PRESET, TOKEN_EXT, TOKEN_FOLDER, TOKEN_UNKNOWN };

static const char *const token_names[] = {
        [TOKEN_DIR] = "{dir}",       [TOKEN_FILE] = "{file}", [TOKEN_STEM] = "{stem}",
        [TOKEN_PRESET] = "{preset}", [TOKEN_EXT] = "{ext}",   [TOKEN_FOLDER] = "{folder}",
};

/* The token at *@at, which is moved behind it; for TOKEN_TEXT one byte. */
static enum token next_token(const char **at)
{
        if (**at != '{' && **at != '}') {
                (*at)++;
                return TOKEN_TEXT;
        }
        for (enum token t = TOKEN_DIR; t <= TOKEN_FOLDER; t++)
                if (g_str_has_prefix(*at, token_names[t])) {
                        *at += strlen(token_names[t]);
                        return t;
                }
        return TOKEN_UNKNOWN;
}

static unsigned count(const char *template, enum token wanted)
{
        unsigned n = 0;

        while (*template) {
                const char *was = template;
                enum token t = next_token(&template);

                if (t == TOKEN_UNKNOWN) /* never moves on by itself */
                        template = was + 1;
                n += t == wanted;
        }
        return n;
}

/* What a preset and extension make of @text; {file} and the rest stay as they are. */
static char *fill(const char *text, size_t length, const struct name_variant *v)
{
        GString *out = g_string_new(NULL);
        const char *end = text + length;

        while (text < end) {
                const char *start = text;

                switch (next_token(&text)) {
                case TOKEN_PRESET:
                        g_string_append(out, v->preset);
                        break;
                case TOKEN_EXT:
                        g_string_append(out, v->extension);
                        break;
                case TOKEN_UNKNOWN:
                        text++;
                        G_GNUC_FALLTHROUGH;
                default:
                        g_string_append_len(out, start, text - start);
                }
        }
        return g_string_free(out, FALSE);
}

static bool variants_collide(const char *template, const struct name_variant *a, const struct name_variant *b)
{
        const char *last = path_base(template);
        const char *file = strstr(last, "{file}"), *behind = file + strlen("{file}");
        g_autofree char *above_a = fill(template, (size_t)(last - template), a);
        g_autofree char *above_b = fill(template, (size_t)(last - template), b);
        g_autofree char *before_a = fill(last, (size_t)(file - last), a), *before_b = fill(last, (size_t)(file - last), b);
        g_autofree char *after_a = fill(behind, strlen(behind), a), *after_b = fill(behind, strlen(behind), b);
        bool prefix = g_str_has_prefix(before_a, before_b) || g_str_has_prefix(before_b, before_a);
        bool suffix = g_str_has_suffix(after_a, after_b) || g_str_has_suffix(after_b, after_a);

        return strcmp(above_a, above_b) == 0 && prefix && suffix;
}

bool name_may_be(const char *template, const char *preset, const char *base)
{
        const char *last = path_base(template), *file = strstr(last, "{file}"), *behind = file + strlen("{file}");
        const char *ext = strstr(behind, "{ext}");
        const struct name_variant v = { preset, "" };
        g_autofree char *before =
                fill(last, strcspn(last, "{") < (size_t)(file - last) ? strcspn(last, "{") : (size_t)(file - last), &v);
        g_autofree char *after = fill(behind, ext ? (size_t)(ext - behind) : strlen(behind), &v);

        return g_str_has_prefix(base, before) && strstr(base, after);
}

static char *check_shape(const char *template)
{
        const char *dir = strstr(template, "{dir}");

        if (count(template, TOKEN_UNKNOWN) > 0)
                return g_strdup("braces may only hold {dir}, {file}, {stem}, {preset}, {ext} or {folder}");
        if (template[0] == '/' || strstr(template, "//") || g_str_has_suffix(template, "/") || strcmp(template, "..") == 0 ||
            g_str_has_prefix(template, "../") || strstr(template, "/../") || g_str_has_prefix(template, "./") ||
            strstr(template, "/./"))
                return g_strdup("it must be a plain relative path without empty, '.' or '..' parts");
        if (g_str_has_prefix(template, ".thumbnaild/"))
                return g_strdup("the folder .thumbnaild is the daemon's own");
        if (count(template, TOKEN_FILE) != 1 || !strstr(path_base(template), "{file}"))
                return g_strdup(
                        "it needs {file} exactly once, in its last part, so that a.jpg and a.png do not meet in one thumbnail");
        if (count(template, TOKEN_DIR) > 1 || (dir && ((dir > template && dir[-1] != '/') || dir[strlen("{dir}")] != '/')))
                return g_strdup("{dir} may stand once, as a part of its own: \"{dir}/…\"");
        if (count(path_base(template), TOKEN_STEM) > 0)
                return g_strdup("{stem} may only stand in folders: only {file} tells a.jpg from a.png");
        return NULL;
}

char *name_template_check(const char *template, const struct name_variant *variants, size_t n_variants, bool recursive, bool shared)
{
        char *problem = check_shape(template);

        if (problem)
                return problem;
        if (recursive && count(template, TOKEN_DIR) == 0)
                return g_strdup("with recursive = true it needs {dir}, so that x/a.jpg and y/a.jpg do not meet");
        if (shared && count(template, TOKEN_FOLDER) == 0)
                return g_strdup("the outbox is shared with another folder, so it needs {folder}");
        for (size_t i = 0; i < n_variants; i++)
                for (size_t j = i + 1; j < n_variants; j++) {
                        const struct name_variant *a = variants + i, *b = variants + j;

                        if (!variants_collide(template, a, b))
                                continue;
                        if (strcmp(a->preset, b->preset) == 0)
                                return g_strdup("format = \"same\" can give two extensions, so it needs .{ext} at the end");
                        return g_strdup_printf("thumbnails \"%s\" and \"%s\" could meet in one name: write \"" NAME_TEMPLATE_DEFAULT
                                               "\"",
                                               a->preset, b->preset);
                }
        return NULL;
}

/* Append @component, cut if it is too long.  The tail (what @keep bytes at its end say) is kept, so that the extension survives. */
static void append_component(GString *out, const char *component, size_t keep, size_t max)
{
        size_t length = strlen(component), room;
        g_autofree char *sum = NULL;

        if (length <= max) {
                g_string_append(out, component);
                return;
        }
        assert(keep + 9 < max);
        sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)component, length);
        room = max - keep - 9;
        while (room > 0 && ((unsigned char)component[room] & 0xc0) == 0x80) /* not in the middle of a character */
                room--;
        g_string_append_len(out, component, (gssize)room);
        g_string_append_printf(out, "~%.8s", sum);
        g_string_append(out, component + length - keep);
}

static void append_token(GString *out, enum token t, const char *text, const char *folder, const char *file,
                         const struct name_variant *v)
{
        const char *base = path_base(file), *dot = strrchr(base, '.');

        switch (t) {
        case TOKEN_FILE:
                g_string_append(out, base);
                break;
        case TOKEN_STEM:
                g_string_append_len(out, base, dot && dot > base ? dot - base : (gssize)strlen(base));
                break;
        case TOKEN_PRESET:
                g_string_append(out, v->preset);
                break;
        case TOKEN_EXT:
                g_string_append(out, v->extension);
                break;
        case TOKEN_FOLDER:
                g_string_append(out, folder);
                break;
        default:
                g_string_append_c(out, *text);
        }
}

char *name_expand(const char *template, const char *folder, const char *file, const struct name_variant *variant, size_t component_max)
{
        GString *out = g_string_sized_new(strlen(file) + 32);
        g_autoptr(GString) part = g_string_new(NULL);
        size_t kept_from = 0; /* in the part: where {file} ended */

        for (const char *at = template; *at;) {
                const char *text = at;
                enum token t = next_token(&at);

                if (t == TOKEN_DIR) {
                        const char *base = path_base(file);

                        g_string_append_len(out, file, base - file); /* with its slash, which is skipped in the template */
                        at++;
                } else if (t == TOKEN_TEXT && *text == '/') {
                        append_component(out, part->str, 0, component_max);
                        g_string_append_c(out, '/');
                        g_string_truncate(part, 0);
                } else {
                        append_token(part, t, text, folder, file, variant);
                        if (t == TOKEN_FILE)
                                kept_from = part->len;
                }
        }

        size_t keep = part->len - kept_from;

        append_component(out, part->str, keep + 16 < component_max ? keep : 0, component_max);
        return g_string_free(out, FALSE);
}

char *name_of_folder(const char *template, const char *folder, const char *directory, const struct name_variant *variant,
                     size_t component_max)
{
        const char *dir = strstr(template, "{dir}");
        g_autofree char *above = dir ? g_strdup_printf("%.*s{dir}/{file}", (int)(dir - template), template) : NULL;
        g_autofree char *file = g_strconcat(directory, "/-", NULL), *name = NULL;

        if (!above || strstr(above, "{stem}") || strstr(above, "{ext}"))
                return NULL;
        name = name_expand(above, folder, file, variant, component_max);
        return g_strndup(name, strlen(name) - strlen("/-"));
}

/* ---- the way back */

struct reading {
        const char *folder;    /* what {folder} stands for */
        const char *directory; /* what {dir} does, with its slash, or "" */
        bool (*accept)(const char *file, void *userdata);
        void *userdata;
        char *found; /* owned */
};

static bool read_tokens(struct reading *r, const char *at, const char *text, const char *file, size_t file_length);

/* Let a token stand for the first 1, 2, … bytes of @text, as far as they are all in @allowed (NULL: any), and see whether the rest fits. */
static bool read_some(struct reading *r, const char *behind, const char *text, bool is_file, const char *allowed, size_t max,
                      const char *file, size_t file_length)
{
        for (size_t n = 1; n <= max && text[n - 1] && (!allowed || strchr(allowed, text[n - 1])); n++)
                if (read_tokens(r, behind, text + n, is_file ? text : file, is_file ? n : file_length))
                        return true;
        return false;
}

static bool read_extension(struct reading *r, const char *behind, const char *text, const char *file, size_t file_length)
{
        for (enum format f = FORMAT_NONE + 1; f < _FORMAT_MAX; f++) {
                const char *extension = format_extension(f);

                if (extension && g_str_has_prefix(text, extension) &&
                    read_tokens(r, behind, text + strlen(extension), file, file_length))
                        return true;
        }
        return false;
}

/* Whether @text, one component, can come from the component of a template at @at.  Where that holds {file}, every way to read it is
 * offered to accept(). */
static bool read_tokens(struct reading *r, const char *at, const char *text, const char *file, size_t file_length)
{
        static const char in_preset[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        const char *token = at;

        if (!*at || *at == '/') {
                if (*text || !file || r->found)
                        return !*text;
                r->found = g_strdup_printf("%s%.*s", r->directory, (int)file_length, file);
                if (r->accept(r->found, r->userdata))
                        return true;
                g_clear_pointer(&r->found, g_free);
                return false;
        }
        switch (next_token(&at)) {
        case TOKEN_FILE:
                return read_some(r, at, text, true, NULL, SIZE_MAX, file, file_length);
        case TOKEN_STEM:
                return read_some(r, at, text, false, NULL, SIZE_MAX, file, file_length);
        case TOKEN_PRESET:
                return read_some(r, at, text, false, in_preset, 32, file, file_length);
        case TOKEN_EXT:
                return read_extension(r, at, text, file, file_length);
        case TOKEN_FOLDER:
                return g_str_has_prefix(text, r->folder) && read_tokens(r, at, text + strlen(r->folder), file, file_length);
        default:
                return *text == *token && read_tokens(r, at, text + 1, file, file_length);
        }
}

/* Match the components of @path with those of @template; those that {dir} stands for are left over.  Returns false if they do not fit. */
static bool read_path(const char *template, const char *path, struct reading *r, char **ret_directory)
{
        g_auto(GStrv) wanted = g_strsplit(template, "/", -1), have = g_strsplit(path, "/", -1);
        guint n_wanted = g_strv_length(wanted), n_have = g_strv_length(have), n_dir = 0, h = 0;
        bool has_dir = g_strv_contains((const char *const *)wanted, "{dir}");
        GString *directory;

        if (n_have + has_dir < n_wanted || (!has_dir && n_have != n_wanted))
                return false;
        n_dir = has_dir ? n_have + 1 - n_wanted : 0;
        directory = g_string_new(NULL);
        for (guint w = 0; w + 1 < n_wanted; w++) {
                if (strcmp(wanted[w], "{dir}") == 0) {
                        for (guint i = 0; i < n_dir; i++)
                                g_string_append_printf(directory, "%s/", have[h++]);
                } else if (!read_tokens(r, wanted[w], have[h++], NULL, 0)) {
                        return g_string_free(directory, TRUE), false;
                }
        }
        *ret_directory = g_string_free(directory, FALSE);
        return true;
}

char *name_original(const char *template, const char *folder, const char *path, bool (*accept)(const char *file, void *userdata),
                    void *userdata)
{
        struct reading r = { .folder = folder, .accept = accept, .userdata = userdata };
        g_autofree char *directory = NULL;

        if (!read_path(template, path, &r, &directory))
                return NULL;
        r.directory = directory;
        (void)read_tokens(&r, path_base(template), path_base(path), NULL, 0);
        return r.found;
}

static bool accept_any(const char *file, void *userdata)
{
        return true;
}

char *name_original_folder(const char *template, const char *folder, const char *path)
{
        g_autofree char *file = name_original(template, folder, path, accept_any, NULL);

        return file ? g_strndup(file, (gsize)MAX(path_base(file) - file - 1, 0)) : NULL;
}
