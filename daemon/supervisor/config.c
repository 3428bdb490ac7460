/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The meaning of the configuration: which keys there are, their defaults, and which combinations make sense.  Touches no folder:
 * whether a folder can be used is found out when it is opened. */

#include "config.h"

#include "config-keys.h"
#include "config-presets.h"
#include "name.h"

#include <errno.h>
#include <grp.h>
#include <stddef.h>
#include <string.h>

#define MEMORY_MIB_MIN 64 /* of one process, too: below that a worker can hardly decode anything */

#define PLACE(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

static const struct key_choice sandboxes[] = { { "full", 1 }, { "available", 0 }, { 0 } };
static const struct key_choice originals[] = {
        { "keep", ORIGINAL_KEEP }, { "move", ORIGINAL_MOVE }, { "delete", ORIGINAL_DELETE }, { 0 }
};
static const struct key_choice orphans[] = { { "keep", 0 }, { "delete", 1 }, { 0 } };
static const struct key_choice watches[] = { { "auto", WATCH_AUTO }, { "inotify", WATCH_INOTIFY }, { "poll", WATCH_POLL }, { 0 } };

static const struct key folder_keys[] = {
        { "inbox", KEY_STRING, PLACE(struct folder_config, inbox) },
        { "outbox", KEY_STRING, PLACE(struct folder_config, outbox) },
        { "name", KEY_STRING, PLACE(struct folder_config, template) },
        { "group", KEY_STRING, PLACE(struct folder_config, group) },
        { "recursive", KEY_BOOLEAN, PLACE(struct folder_config, recursive) },
        { "verbose", KEY_BOOLEAN, PLACE(struct folder_config, verbose) },
        { "settle_ms", KEY_INTEGER, PLACE(struct folder_config, settle_ms), .min = 0, .max = 3600000 },
        { "mode", KEY_INTEGER, PLACE(struct folder_config, mode), .min = 0400, .max = 0777 },
        { "thumbnails", KEY_OTHER },
        { "ignore", KEY_OTHER },
        { "originals", KEY_CHOICE, PLACE(struct folder_config, originals), .choices = originals },
        { "orphans", KEY_CHOICE, PLACE(struct folder_config, delete_orphans), .choices = orphans },
        { "watch", KEY_CHOICE, PLACE(struct folder_config, watch), .choices = watches },
        { "failed", KEY_STRING, PLACE(struct folder_config, failed) },
        { "processed", KEY_STRING, PLACE(struct folder_config, processed) },
        { "poll_seconds", KEY_INTEGER, PLACE(struct folder_config, poll_seconds), .min = 1, .max = 86400 },
        { "rescan_minutes", KEY_NUMBER, PLACE(struct folder_config, rescan_minutes), .min = 0, .max = 525600 },
        { "abandon_seconds", KEY_INTEGER, PLACE(struct folder_config, abandon_seconds), .min = 0, .max = 86400000 },
};

static const struct key limit_keys[] = {
        { "file_mib", KEY_INTEGER, PLACE(struct limits, file_mib), .min = 1, .max = 1048576 },
        { "megapixels", KEY_INTEGER, PLACE(struct limits, megapixels), .min = 1, .max = 100000 },
        { "frames", KEY_INTEGER, PLACE(struct limits, frames), .min = 1, .max = 1000000 },
        { "seconds", KEY_INTEGER, PLACE(struct limits, seconds), .min = 1, .max = 86400 },
        { "memory_mib", KEY_INTEGER, PLACE(struct limits, memory_mib), .min = MEMORY_MIB_MIN, .max = 1048576 },
        { "free_mib", KEY_INTEGER, PLACE(struct limits, free_mib), .min = 0, .max = 1048576 },
};

static const struct key root_keys[] = {
        { "workers", KEY_INTEGER, PLACE(struct config, workers), .min = 0, .max = 1024 },
        { "stop_seconds", KEY_INTEGER, PLACE(struct config, stop_seconds), .min = 1, .max = 3600 },
        { "answer_seconds", KEY_INTEGER, PLACE(struct config, answer_seconds), .min = 1, .max = 3600 },
        { "sandbox", KEY_CHOICE, PLACE(struct config, sandbox_required), .choices = sandboxes },
        { "loaders", KEY_OTHER },
        { "thumbnails", KEY_OTHER },
        { "folders", KEY_OTHER },
        { "limits", KEY_OTHER },
};

static void folder_config_free(void *data)
{
        struct folder_config *f = (struct folder_config *)data;

        g_free(f->inbox);
        g_free(f->outbox);
        g_free(f->template);
        g_free(f->label);
        g_free(f->group);
        g_free(f->failed);
        g_free(f->processed);
        g_clear_pointer(&f->presets, g_ptr_array_unref);
        g_clear_pointer(&f->ignore, g_ptr_array_unref);
        g_free(f);
}

void config_free(struct config *config)
{
        if (!config)
                return;
        g_free(config->path);
        g_free(config->text);
        g_free(config->basis);
        g_ptr_array_unref(config->folders);
        g_ptr_array_unref(config->presets);
        g_free(config);
}

uint64_t config_formats(const struct config *config)
{
        uint64_t formats = config->loaders | UINT64_C(1) << FORMAT_JPEG; /* what cannot be written in its own format becomes JPEG */

        for (guint i = 0; i < config->presets->len; i++) {
                const struct preset *preset = (const struct preset *)config->presets->pdata[i];

                if (preset->spec.format != FORMAT_SAME)
                        formats |= UINT64_C(1) << preset->spec.format;
        }
        return formats;
}

static struct config *config_new(const char *path)
{
        struct config *c = g_new0(struct config, 1);

        c->path = g_strdup(path);
        c->stop_seconds = 30;
        c->answer_seconds = 10;
        c->shares = 1;
        c->sandbox_required = 1;
        for (enum format f = FORMAT_NONE + 1; f < _FORMAT_MAX; f++)
                if (format_trusted(f))
                        c->loaders |= UINT64_C(1) << f;
        c->limits = (struct limits){
                .file_mib = 512, .megapixels = 150, .frames = 500, .seconds = 60, .memory_mib = 2048, .free_mib = 64
        };
        c->presets = g_ptr_array_new_with_free_func(presets_free_one);
        c->folders = g_ptr_array_new_with_free_func(folder_config_free);
        return c;
}

/* Call @take with each string of the array @key of @group.  Returns false when there is no such key. */
static bool read_strings(struct key_reader *reader, const config_setting_t *group, const char *key,
                         void (*take)(struct key_reader *, unsigned line, const char *, void *), void *userdata)
{
        const config_setting_t *s = config_setting_get_member(group, key);
        unsigned line;

        if (!s)
                return false;
        line = config_setting_source_line(s);
        if (!config_setting_is_array(s) && !config_setting_is_list(s)) {
                key_error(reader, line, "'%s' must be an array of strings: [ \"…\" ]", key);
                return true;
        }
        for (int i = 0; i < config_setting_length(s); i++) {
                const char *text = config_setting_get_string_elem(s, i);

                if (text)
                        take(reader, line, text, userdata);
                else
                        key_error(reader, line, "'%s' must hold strings only", key);
        }
        return true;
}

static void take_loader(struct key_reader *reader, unsigned line, const char *name, void *userdata)
{
        enum format f = format_from_name(name);

        if (f == FORMAT_NONE)
                key_error(reader, line, "no format is named \"%s\"", name);
        else
                *(uint64_t *)userdata |= UINT64_C(1) << f;
}

static void take_ignore(struct key_reader *reader, unsigned line, const char *glob, void *userdata)
{
        g_ptr_array_add((GPtrArray *)userdata, g_strdup(glob));
}

struct take_preset {
        const struct config *config;
        struct folder_config *folder;
};

static void take_preset_name(struct key_reader *reader, unsigned line, const char *name, void *userdata)
{
        const struct take_preset *to = (const struct take_preset *)userdata;
        const struct preset *p = presets_find(to->config->presets, name);

        if (!p)
                key_error(reader, line, "no preset is named \"%s\"", name);
        else if (g_ptr_array_find(to->folder->presets, p, NULL))
                key_error(reader, line, "preset \"%s\" is named twice", name);
        else
                g_ptr_array_add(to->folder->presets, (void *)p);
}

static void set_basis(struct config *c)
{
        const struct limits *l = &c->limits;
        GString *out = g_string_new(NULL);

        g_string_append_printf(out, "%" PRIi64 " %" PRIi64 " %" PRIi64 " %" PRIi64 " %" PRIi64, l->file_mib, l->megapixels, l->frames,
                               l->seconds, l->memory_mib);
        for (enum format f = FORMAT_NONE + 1; f < _FORMAT_MAX; f++)
                if (c->loaders & (UINT64_C(1) << f))
                        g_string_append_printf(out, " %s", format_name(f));
        c->basis = g_string_free(out, FALSE);
}

static struct folder_config *folder_config_new(void)
{
        struct folder_config *f = g_new0(struct folder_config, 1);

        f->recursive = true;
        f->settle_ms = 300;
        f->poll_seconds = 10;
        f->rescan_minutes = 60 * 100;
        f->abandon_seconds = 600;
        f->mode = 0644;
        f->gid = (gid_t)-1;
        f->template = g_strdup(NAME_TEMPLATE_DEFAULT);
        f->presets = g_ptr_array_new();
        f->ignore = g_ptr_array_new_with_free_func(g_free);
        return f;
}

static void check_root(struct key_reader *reader, const struct folder_config *f, const char *key, char **path)
{
        if (!*path || !**path) {
                key_error(reader, f->line, "this folder has no '%s'", key);
                return;
        }
        if (**path != '/') {
                key_error(reader, f->line, "'%s' must be an absolute path, not \"%s\"", key, *path);
                return;
        }

        char *canonical = g_canonicalize_filename(*path, "/");

        g_free(*path);
        *path = canonical;
}

static void check_originals(struct key_reader *reader, struct folder_config *f)
{
        if (f->failed)
                check_root(reader, f, "failed", &f->failed);
        if (f->processed)
                check_root(reader, f, "processed", &f->processed);
        if (f->originals == ORIGINAL_MOVE && !f->processed)
                key_error(reader, f->line, "originals = \"move\" needs 'processed', the folder to move them to");
        if (f->originals != ORIGINAL_MOVE && f->processed)
                key_error(reader, f->line, "'processed' goes with originals = \"move\" only");
        if (f->originals != ORIGINAL_KEEP && f->delete_orphans)
                key_error(
                        reader, f->line,
                        "orphans = \"delete\" goes with originals = \"keep\" only: the thumbnails of what the daemon takes away would go, too");
}

static void check_group(struct key_reader *reader, struct folder_config *f)
{
        const struct group *g;

        if (!f->group || !*f->group)
                return;
        g = getgrnam(f->group);
        if (g)
                f->gid = g->gr_gid;
        else
                key_error(reader, f->line, "this machine has no group \"%s\"", f->group);
}

static void check_template(struct key_reader *reader, struct folder_config *f)
{
        static const enum format same[] = FORMATS_SAME;
        g_autoptr(GArray) variants = g_array_new(FALSE, FALSE, sizeof(struct name_variant));
        g_autofree char *problem = NULL;

        for (guint i = 0; i < f->presets->len; i++) {
                const struct preset *p = (const struct preset *)f->presets->pdata[i];
                bool any = p->spec.format == FORMAT_SAME;

                f->wants_same |= any;
                for (unsigned k = 0; k < (any ? G_N_ELEMENTS(same) : 1); k++) {
                        struct name_variant v = { p->name, format_extension(any ? same[k] : (enum format)p->spec.format) };

                        g_array_append_val(variants, v);
                }
        }
        problem = name_template_check(f->template, (const struct name_variant *)(void *)variants->data, variants->len, f->recursive,
                                      f->shared_outbox);
        if (problem)
                key_error(reader, f->line, "'name' cannot be \"%s\": %s", f->template, problem);
}

static void read_folder(struct key_reader *reader, const config_setting_t *s, struct config *config)
{
        struct folder_config *f = folder_config_new();
        struct take_preset to = { config, f };

        f->line = config_setting_source_line(s);
        g_ptr_array_add(config->folders, f);
        if (!config_setting_is_group(s)) {
                key_error(reader, f->line, "'folders' must be a list of groups: ( { inbox = \"/…\"; outbox = \"/…\"; } )");
                return;
        }
        key_read_group(reader, s, folder_keys, G_N_ELEMENTS(folder_keys), f, NULL);
        check_root(reader, f, "inbox", &f->inbox);
        check_root(reader, f, "outbox", &f->outbox);
        check_originals(reader, f);
        check_group(reader, f);
        (void)read_strings(reader, s, "ignore", take_ignore, f->ignore);
        if (!read_strings(reader, s, "thumbnails", take_preset_name, &to))
                for (guint i = 0; i < config->presets->len; i++)
                        g_ptr_array_add(f->presets, config->presets->pdata[i]);
        else if (f->presets->len == 0)
                key_error(reader, f->line, "this folder makes no thumbnails: name at least one preset");
        if (f->inbox)
                f->label = g_path_get_basename(f->inbox);
}

/* What can be told about several folders from their names alone; the same by device and inode is checked when they are opened. */
static void check_folders(struct key_reader *reader, struct config *config)
{
        for (guint i = 0; i < config->folders->len; i++) {
                struct folder_config *a = (struct folder_config *)config->folders->pdata[i];

                for (guint j = 0; j < config->folders->len; j++) {
                        const struct folder_config *b = (const struct folder_config *)config->folders->pdata[j];

                        if (i == j || !a->outbox || !b->outbox || !a->inbox || !b->inbox)
                                continue;
                        a->shared_outbox |= strcmp(a->outbox, b->outbox) == 0;
                        if (j < i && strcmp(a->inbox, b->inbox) == 0)
                                key_error(reader, a->line, "two folders have the inbox \"%s\"", a->inbox);
                        if (a->shared_outbox && j < i && strcmp(a->outbox, b->outbox) == 0 && strcmp(a->label, b->label) == 0)
                                key_error(reader, a->line, "two inboxes named \"%s\" share an outbox: {folder} cannot tell them apart",
                                          a->label);
                }
                check_template(reader, a);
        }
}

static void read_root(struct key_reader *reader, const config_setting_t *root, struct config *config)
{
        const config_setting_t *folders = config_setting_get_member(root, "folders"),
                               *limits = config_setting_get_member(root, "limits");
        uint64_t loaders = 0;

        key_read_group(reader, root, root_keys, G_N_ELEMENTS(root_keys), config, NULL);
        if (read_strings(reader, root, "loaders", take_loader, &loaders))
                config->loaders = loaders;
        if (limits && config_setting_is_group(limits))
                key_read_group(reader, limits, limit_keys, G_N_ELEMENTS(limit_keys), &config->limits, NULL);
        else if (limits)
                key_error(reader, config_setting_source_line(limits), "'limits' must be a group: { … }");
        presets_read(reader, config_setting_get_member(root, "thumbnails"), config->presets);
        if (!folders || !config_setting_is_list(folders) || config_setting_length(folders) == 0) {
                key_error(reader, folders ? config_setting_source_line(folders) : 1,
                          "'folders' must list at least one: folders = ( { inbox = \"/…\"; outbox = \"/…\"; } );");
                return;
        }
        for (int i = 0; i < config_setting_length(folders); i++)
                read_folder(reader, config_setting_get_elem(folders, (unsigned)i), config);
        if (reader->n_errors == 0)
                check_folders(reader, config);
}

static void config_destroyp(config_t *c)
{
        config_destroy(c);
}

struct config *config_parse(const char *path, const char *text, GString *errors)
{
        struct key_reader reader = { .path = path, .errors = errors };
        __attribute__((cleanup(config_destroyp))) config_t file;
        struct config *config;

        config_init(&file);
        key_check_text(&reader, text);
        if (reader.n_errors > 0)
                return NULL;
        if (!config_read_string(&file, text)) {
                key_error(&reader, (unsigned)config_error_line(&file), "%s", config_error_text(&file));
                return NULL;
        }
        config = config_new(path);
        config->text = g_strdup(text);
        read_root(&reader, config_root_setting(&file), config);
        set_basis(config);
        if (reader.n_errors > 0)
                g_clear_pointer(&config, config_free);
        return config;
}

struct config *config_load(const char *path, GString *errors)
{
        g_autofree char *text = NULL;
        size_t length;

        if (!g_file_get_contents(path, &text, &length, NULL)) {
                g_string_append_printf(errors, "%s: cannot be read: %s\n", path, g_strerror(errno));
                return NULL;
        }
        if (strlen(text) != length) {
                g_string_append_printf(errors, "%s:1: this is no text file: it holds NUL bytes\n", path);
                return NULL;
        }
        return config_parse(path, text, errors);
}

int config_keep_only(struct config *config, const char *const *only, unsigned n_only, GString *errors)
{
        g_autofree bool *found = g_new0(bool, n_only + 1);
        gsize before = errors->len;

        for (guint i = config->folders->len; n_only > 0 && i-- > 0;) {
                const struct folder_config *f = (const struct folder_config *)config->folders->pdata[i];
                bool keep = false;

                for (unsigned k = 0; k < n_only; k++) {
                        g_autofree char *path = g_canonicalize_filename(only[k], NULL);
                        bool same = strcmp(path, f->inbox) == 0;

                        found[k] |= same;
                        keep |= same;
                }
                if (!keep)
                        (void)g_ptr_array_remove_index(config->folders, i);
        }
        for (unsigned k = 0; k < n_only; k++)
                if (!found[k])
                        g_string_append_printf(errors, "%s: no folder has the inbox %s, which '--only' names\n",
                                               config->path ? config->path : "command line", only[k]);
        return errors->len > before ? -EINVAL : 0;
}

void config_share(struct config *config, unsigned parts)
{
        config->shares = MAX(parts, 1U);
        if (config->memory_mib == 0)
                config->memory_mib = config->limits.memory_mib;
        config->limits.memory_mib = MAX(config->memory_mib / config->shares, MEMORY_MIB_MIN);
}

struct config *config_for_folder(const char *inbox, const char *outbox, const char *name, const struct wire_spec *spec,
                                 GString *errors)
{
        struct config *config = config_new(NULL);
        struct folder_config *f = folder_config_new();
        struct key_reader reader = { .path = "command line", .errors = errors };

        set_basis(config);

        if (spec)
                presets_add(config->presets, g_strdup(name), spec);
        else
                presets_add_default(config->presets);
        f->inbox = g_canonicalize_filename(inbox, NULL);
        f->outbox = g_canonicalize_filename(outbox, NULL);
        f->label = g_path_get_basename(f->inbox);
        g_ptr_array_add(f->presets, config->presets->pdata[0]);
        g_ptr_array_add(config->folders, f);
        check_folders(&reader, config);
        if (reader.n_errors > 0)
                g_clear_pointer(&config, config_free);
        return config;
}
