/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a preset, their defaults, and what goes with what. */

#include "config-presets.h"

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
enum { HAS_CROP = 1 << 0 };

static const struct key preset_keys[] = {
        { "name", KEY_STRING, PLACE(struct preset, name) },
        { "width", KEY_INTEGER, PLACE(struct preset, spec.width_px), .min = 1, .max = 32767 },
        { "height", KEY_INTEGER, PLACE(struct preset, spec.height_px), .min = 1, .max = 32767 },
        { "fit", KEY_CHOICE, PLACE(struct preset, spec.fit), .choices = fits },
        { "crop", KEY_CHOICE, PLACE(struct preset, spec.crop), .choices = crops, .present_bit = HAS_CROP },
        { "format", KEY_CHOICE, PLACE(struct preset, spec.format), .choices = outputs },
        { "quality", KEY_INTEGER, PLACE(struct preset, spec.quality), .min = 1, .max = 100 },
        { "effort", KEY_INTEGER, PLACE(struct preset, spec.effort), .min = 0, .max = 9 },
        { "lossless", KEY_BOOLEAN, PLACE(struct preset, spec.lossless) },
        { "upscale", KEY_BOOLEAN, PLACE(struct preset, spec.upscale) },
        { "strip", KEY_BOOLEAN, PLACE(struct preset, spec.strip) },
        { "profile", KEY_CHOICE, PLACE(struct preset, spec.profile), .choices = profiles },
        { "animation", KEY_CHOICE, PLACE(struct preset, spec.animation), .choices = animations },
        { "background", KEY_COLOUR, PLACE(struct preset, spec.background_rgb) },
        { "sharpen", KEY_NUMBER, PLACE(struct preset, spec.sharpen_percent), .min = 0, .max = 100 },
};

void presets_free_one(void *data)
{
        struct preset *p = (struct preset *)data;

        g_free(p->name);
        g_free(p);
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

void presets_add(GPtrArray *presets, char *name, const struct wire_spec *s)
{
        struct preset *p = g_new0(struct preset, 1);
        g_autofree char *text = describe_preset(s);

        p->name = name;
        p->spec = *s;
        record_hash(text, p->fingerprint);
        g_ptr_array_add(presets, p);
}

void presets_add_default(GPtrArray *presets)
{
        struct wire_spec spec = config_default_spec();

        spec.width_px = spec.height_px = 256;
        presets_add(presets, g_strdup("256"), &spec);
}

const struct preset *presets_find(const GPtrArray *presets, const char *name)
{
        for (guint i = 0; i < presets->len; i++) {
                const struct preset *p = (const struct preset *)presets->pdata[i];

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

static void read_preset(struct key_reader *reader, const config_setting_t *s, GPtrArray *presets)
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
        else if (presets_find(presets, p.name))
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
        presets_add(presets, p.name, &p.spec);
}

void presets_read(struct key_reader *reader, const config_setting_t *list, GPtrArray *presets)
{
        if (!list) {
                presets_add_default(presets);
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
                read_preset(reader, config_setting_get_elem(list, (unsigned)i), presets);
}
