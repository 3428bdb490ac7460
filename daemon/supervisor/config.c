/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The meaning of the configuration: which keys there are, their defaults, and which combinations make sense.  Touches no folder:
 * whether a folder can be used is found out when it is opened. */

#include "config.h"

#include "config-keys.h"
#include "name.h"

#include <errno.h>
#include <grp.h>
#include <stddef.h>
#include <string.h>

#define PLACE(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

static const struct key_choice fits[] = {
        { "inside", FIT_INSIDE }, { "cover", FIT_COVER }, { "pad", FIT_PAD }, { "stretch", FIT_STRETCH }, { 0 }
};
static const struct key_choice crops[] = { { "centre", CROP_CENTRE },       { "entropy", CROP_ENTROPY },
                                           { "attention", CROP_ATTENTION }, { "north", CROP_NORTH },
                                           { "south", CROP_SOUTH },         { "east", CROP_EAST },
                                           { "west", CROP_WEST },           { 0 } };
static const struct key_choice outputs[] = { { "jpeg", FORMAT_JPEG }, { "png", FORMAT_PNG },
                                             { "webp", FORMAT_WEBP }, { "avif", FORMAT_AVIF },
                                             { "jxl", FORMAT_JXL },   { "gif", FORMAT_GIF },
                                             { "same", FORMAT_SAME }, { 0 } };
static const struct key_choice profiles[] = { { "srgb", PROFILE_SRGB }, { "keep", PROFILE_KEEP }, { 0 } };
static const struct key_choice animations[] = { { "first", ANIMATION_FIRST }, { "all", ANIMATION_ALL }, { 0 } };
static const struct key_choice sandboxes[] = { { "full", 1 }, { "available", 0 }, { 0 } };
static const struct key_choice originals[] = {
        { "keep", ORIGINAL_KEEP }, { "move", ORIGINAL_MOVE }, { "delete", ORIGINAL_DELETE }, { 0 }
};
static const struct key_choice orphans[] = { { "keep", 0 }, { "delete", 1, .not_yet = true }, { 0 } };
static const struct key_choice watches[] = { { "auto", 0 }, { "inotify", 1 }, { "poll", 2, .not_yet = true }, { 0 } };

enum { HAS_CROP = 1 << 0, HAS_LOSSLESS = 1 << 1 };

static const struct key preset_keys[] = {
        { "name", KEY_STRING, PLACE(struct preset, name) },
        { "width", KEY_INTEGER, PLACE(struct preset, spec.width_px), .min = 1, .max = 32767 },
        { "height", KEY_INTEGER, PLACE(struct preset, spec.height_px), .min = 1, .max = 32767 },
        { "fit", KEY_CHOICE, PLACE(struct preset, spec.fit), .choices = fits },
        { "crop", KEY_CHOICE, PLACE(struct preset, spec.crop), .choices = crops, .present_bit = HAS_CROP },
        { "format", KEY_CHOICE, PLACE(struct preset, spec.format), .choices = outputs },
        { "quality", KEY_INTEGER, PLACE(struct preset, spec.quality), .min = 1, .max = 100 },
        { "effort", KEY_INTEGER, PLACE(struct preset, spec.effort), .min = 0, .max = 9 },
        { "lossless", KEY_BOOLEAN, PLACE(struct preset, spec.lossless), .present_bit = HAS_LOSSLESS },
        { "upscale", KEY_BOOLEAN, PLACE(struct preset, spec.upscale) },
        { "strip", KEY_BOOLEAN, PLACE(struct preset, spec.strip) },
        { "profile", KEY_CHOICE, PLACE(struct preset, spec.profile), .choices = profiles },
        { "animation", KEY_CHOICE, PLACE(struct preset, spec.animation), .choices = animations },
        { "background", KEY_COLOUR, PLACE(struct preset, spec.background_rgb) },
        { "sharpen", KEY_NUMBER, PLACE(struct preset, spec.sharpen_percent), .min = 0, .max = 100 },
};

static const struct key folder_keys[] = {
        { "inbox", KEY_STRING, PLACE(struct folder_config, inbox) },
        { "outbox", KEY_STRING, PLACE(struct folder_config, outbox) },
        { "name", KEY_STRING, PLACE(struct folder_config, template) },
        { "group", KEY_STRING, PLACE(struct folder_config, group) },
        { "recursive", KEY_BOOLEAN, PLACE(struct folder_config, recursive) },
        { "settle_ms", KEY_INTEGER, PLACE(struct folder_config, settle_ms), .min = 0, .max = 3600000 },
        { "mode", KEY_INTEGER, PLACE(struct folder_config, mode), .min = 0400, .max = 0777 },
        { "thumbnails", KEY_OTHER },
        { "ignore", KEY_OTHER },
        { "originals", KEY_CHOICE, PLACE(struct folder_config, originals), .choices = originals },
        { "orphans", KEY_CHOICE, PLACE(struct folder_config, unused_choice), .choices = orphans },
        { "watch", KEY_CHOICE, PLACE(struct folder_config, unused_choice), .choices = watches },
        { "failed", KEY_STRING, PLACE(struct folder_config, failed) },
        { "processed", KEY_STRING, PLACE(struct folder_config, processed) },
        { "poll_seconds", KEY_NOT_YET },
        { "abandon_seconds", KEY_INTEGER, PLACE(struct folder_config, abandon_seconds), .min = 0, .max = 86400000 },
};

static const struct key limit_keys[] = {
        { "file_mib", KEY_INTEGER, PLACE(struct limits, file_mib), .min = 1, .max = 1048576 },
        { "megapixels", KEY_INTEGER, PLACE(struct limits, megapixels), .min = 1, .max = 100000 },
        { "frames", KEY_INTEGER, PLACE(struct limits, frames), .min = 1, .max = 1000000 },
        { "seconds", KEY_INTEGER, PLACE(struct limits, seconds), .min = 1, .max = 86400 },
        { "memory_mib", KEY_INTEGER, PLACE(struct limits, memory_mib), .min = 64, .max = 1048576 },
        { "free_mib", KEY_INTEGER, PLACE(struct limits, free_mib), .min = 0, .max = 1048576 },
};

static const struct key root_keys[] = {
        { "workers", KEY_INTEGER, PLACE(struct config, workers), .min = 0, .max = 1024 },
        { "stop_seconds", KEY_INTEGER, PLACE(struct config, stop_seconds), .min = 1, .max = 3600 },
        { "sandbox", KEY_CHOICE, PLACE(struct config, sandbox_required), .choices = sandboxes },
        { "loaders", KEY_OTHER },
        { "thumbnails", KEY_OTHER },
        { "folders", KEY_OTHER },
        { "limits", KEY_OTHER },
};

static void preset_free(void *data)
{
        struct preset *p = (struct preset *)data;

        g_free(p->name);
        g_free(p);
}

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
        g_free(config->basis);
        g_ptr_array_unref(config->folders);
        g_ptr_array_unref(config->presets);
        g_free(config);
}

struct wire_spec config_default_spec(void)
{
        return (struct wire_spec){ .fit = FIT_INSIDE,
                                   .crop = CROP_CENTRE,
                                   .format = FORMAT_JPEG,
                                   .quality = 80,
                                   .effort = WIRE_EFFORT_DEFAULT,
                                   .strip = 1,
                                   .profile = PROFILE_SRGB,
                                   .animation = ANIMATION_FIRST,
                                   .background_rgb = 0xffffff };
}

static struct config *config_new(const char *path)
{
        struct config *c = g_new0(struct config, 1);

        c->path = g_strdup(path);
        c->stop_seconds = 30;
        c->sandbox_required = 1;
        for (enum format f = FORMAT_NONE + 1; f < _FORMAT_MAX; f++)
                if (format_trusted(f))
                        c->loaders |= UINT64_C(1) << f;
        c->limits = (struct limits){
                .file_mib = 512, .megapixels = 150, .frames = 500, .seconds = 60, .memory_mib = 2048, .free_mib = 64
        };
        c->presets = g_ptr_array_new_with_free_func(preset_free);
        c->folders = g_ptr_array_new_with_free_func(folder_config_free);
        return c;
}

/* What a user sees of a preset, as text that a later version writes alike: names instead of numbers that may move, and of the keys
 * with a default only those that differ from it. */
static char *describe_preset(const struct wire_spec *s)
{
        const struct wire_spec d = config_default_spec();
        GString *out = g_string_new(NULL);
        const struct {
                const char *key;
                uint32_t value, usual;
        } keys[] = {
                { "fit", s->fit, d.fit },
                { "crop", s->crop, d.crop },
                { "effort", s->effort, d.effort },
                { "upscale", s->upscale, d.upscale },
                { "lossless", s->lossless, d.lossless },
                { "strip", s->strip, d.strip },
                { "profile", s->profile, d.profile },
                { "animation", s->animation, d.animation },
                { "background", s->background_rgb, d.background_rgb },
                { "sharpen", s->sharpen_percent, d.sharpen_percent },
        };

        g_string_append_printf(out, "%ux%u %s quality=%u", s->width_px, s->height_px, format_name((enum format)s->format), s->quality);
        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                if (keys[i].value != keys[i].usual)
                        g_string_append_printf(out, " %s=%u", keys[i].key, keys[i].value);
        return g_string_free(out, FALSE);
}

static void add_preset(struct config *config, char *name, const struct wire_spec *s)
{
        struct preset *p = g_new0(struct preset, 1);
        g_autofree char *text = describe_preset(s);

        p->name = name;
        p->spec = *s;
        record_hash(text, p->fingerprint);
        g_ptr_array_add(config->presets, p);
}

static void add_default_preset(struct config *config)
{
        struct wire_spec spec = config_default_spec();

        spec.width_px = spec.height_px = 256;
        add_preset(config, g_strdup("256"), &spec);
}

static const struct preset *find_preset(const struct config *config, const char *name)
{
        for (guint i = 0; i < config->presets->len; i++) {
                const struct preset *p = (const struct preset *)config->presets->pdata[i];

                if (strcmp(p->name, name) == 0)
                        return p;
        }
        return NULL;
}

static bool preset_name_is_valid(const char *name)
{
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

        return n >= 1 && n <= 32 && name[n] == '\0';
}

static void read_preset(struct key_reader *reader, const config_setting_t *s, struct config *config)
{
        struct preset p = { .spec = config_default_spec() };
        unsigned line = config_setting_source_line(s);
        uint32_t present = 0;
        unsigned before = reader->n_errors;

        if (!config_setting_is_group(s)) {
                key_error(reader, line, "'thumbnails' must be a list of groups: ( { name = \"256\"; width = 256; } )");
                return;
        }
        key_read_group(reader, s, preset_keys, G_N_ELEMENTS(preset_keys), &p, &present);
        if (!p.name)
                key_error(reader, line, "this preset has no 'name'");
        else if (!preset_name_is_valid(p.name))
                key_error(reader, line, "the name of a preset has 1 to 32 of A-Z a-z 0-9 _ -, not \"%s\"", p.name);
        else if (find_preset(config, p.name))
                key_error(reader, line, "two presets are named \"%s\"", p.name);
        if (p.spec.width_px == 0 && p.spec.height_px == 0 && reader->n_errors == before)
                key_error(reader, line, "this preset needs 'width' or 'height'");
        if (p.spec.fit != FIT_INSIDE && (p.spec.width_px == 0 || p.spec.height_px == 0) && reader->n_errors == before)
                key_error(reader, line, "this 'fit' needs both 'width' and 'height'");
        if ((present & HAS_CROP) && p.spec.fit != FIT_COVER)
                key_error(reader, line, "'crop' goes with fit = \"cover\" only");
        if (p.spec.lossless && (p.spec.format == FORMAT_JPEG || p.spec.format == FORMAT_GIF))
                key_error(reader, line, "'lossless' cannot be had in this format: use png, webp, avif or jxl");
        if (reader->n_errors > before) {
                g_free(p.name);
                return;
        }
        add_preset(config, p.name, &p.spec);
}

static void read_presets(struct key_reader *reader, const config_setting_t *list, struct config *config)
{
        if (!list) {
                add_default_preset(config);
                return;
        }
        if (!config_setting_is_list(list) || config_setting_length(list) == 0) {
                key_error(reader, config_setting_source_line(list),
                          "'thumbnails' must be a list of groups: ( { name = \"256\"; width = 256; } )");
                return;
        }
        if (config_setting_length(list) > (int)WIRE_OUTPUTS_MAX) {
                key_error(reader, config_setting_source_line(list), "at most %u presets are possible", WIRE_OUTPUTS_MAX);
                return;
        }
        for (int i = 0; i < config_setting_length(list); i++)
                read_preset(reader, config_setting_get_elem(list, (unsigned)i), config);
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
        const struct preset *p = find_preset(to->config, name);

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
        static const enum format same[] = { FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP, FORMAT_GIF, FORMAT_AVIF, FORMAT_JXL };
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
        read_presets(reader, config_setting_get_member(root, "thumbnails"), config);
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

struct config *config_load(const char *path, GString *errors)
{
        struct key_reader reader = { .path = path, .errors = errors };
        __attribute__((cleanup(config_destroyp))) config_t file;
        g_autofree char *text = NULL;
        size_t length;
        struct config *config;

        config_init(&file);
        if (!g_file_get_contents(path, &text, &length, NULL)) {
                g_string_append_printf(errors, "%s: cannot be read: %s\n", path, g_strerror(errno));
                return NULL;
        }
        if (strlen(text) != length) {
                key_error(&reader, 1, "this is no text file: it holds NUL bytes");
                return NULL;
        }
        key_check_text(&reader, text);
        if (reader.n_errors > 0)
                return NULL;
        if (!config_read_string(&file, text)) {
                key_error(&reader, (unsigned)config_error_line(&file), "%s", config_error_text(&file));
                return NULL;
        }
        config = config_new(path);
        read_root(&reader, config_root_setting(&file), config);
        set_basis(config);
        if (reader.n_errors > 0)
                g_clear_pointer(&config, config_free);
        return config;
}

struct config *config_for_folder(const char *inbox, const char *outbox, const char *name, const struct wire_spec *spec,
                                 GString *errors)
{
        struct config *config = config_new(NULL);
        struct folder_config *f = folder_config_new();
        struct key_reader reader = { .path = "command line", .errors = errors };

        set_basis(config);

        if (spec)
                add_preset(config, g_strdup(name), spec);
        else
                add_default_preset(config);
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
