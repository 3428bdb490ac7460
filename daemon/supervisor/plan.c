/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names, records and their comparison, for all presets of one file. */

#include "plan.h"

#include "base.h"
#include "name.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static const enum format same_formats[] = FORMATS_SAME;

/* And what it means for an original of @format. */
static enum format same_format(enum format format)
{
        for (size_t i = 0; i < G_N_ELEMENTS(same_formats); i++)
                if (same_formats[i] == format)
                        return format;
        return FORMAT_JPEG;
}

char *plan_name(const struct folder *f, const char *file, enum format original, const struct preset *preset,
                struct wire_spec *ret_spec)
{
        struct name_variant variant = { preset->name, NULL };

        *ret_spec = preset->spec;
        if (ret_spec->format == FORMAT_SAME)
                ret_spec->format = same_format(original);
        variant.extension = format_extension((enum format)ret_spec->format);
        return name_expand(f->config->template, f->config->label, file, &variant,
                           f->outbox ? outbox_component_max(f->outbox) : NAME_MAX);
}

int plan_open_folders(struct folder *f, const char *file, const struct source *source, int *ret, unsigned room)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        unsigned n = 0;

        for (guint i = 0; i < f->config->presets->len; i++) {
                struct wire_spec spec;
                g_autofree char *name = plan_name(f, file, source->format, (const struct preset *)f->config->presets->pdata[i], &spec);
                int fd;

                if (!g_hash_table_add(seen, g_path_get_dirname(name)))
                        continue;
                fd = n < room ? outbox_open_folder(f->outbox, name) : -E2BIG;
                if (fd < 0) {
                        while (n > 0)
                                (void)fd_close(ret[--n]);
                        return fd;
                }
                ret[n++] = fd;
        }
        return (int)n;
}

void plan_names(const struct folder *f, const char *file, void (*hear)(const char *name, void *userdata), void *userdata)
{
        for (guint i = 0; i < f->config->presets->len; i++) {
                const struct preset *preset = (const struct preset *)f->config->presets->pdata[i];
                bool any = preset->spec.format == FORMAT_SAME;

                for (size_t k = 0; k < (any ? G_N_ELEMENTS(same_formats) : 1); k++) {
                        struct wire_spec spec;
                        g_autofree char *name = plan_name(f, file, any ? same_formats[k] : FORMAT_NONE, preset, &spec);

                        hear(name, userdata);
                }
        }
}

void plan_folders(const struct folder *f, const char *directory, void (*hear)(const char *folder, void *userdata), void *userdata)
{
        for (guint i = 0; i < f->config->presets->len; i++) {
                const struct preset *preset = (const struct preset *)f->config->presets->pdata[i];
                struct name_variant variant = { preset->name, "" };
                g_autofree char *folder =
                        name_of_folder(f->config->template, f->config->label, directory, &variant, outbox_component_max(f->outbox));

                hear(folder, userdata);
        }
}

static void plan_one(struct folder *f, const char *file, const struct source *source, enum job_rewritten rewritten,
                     const struct preset *preset, struct record *record, struct plan *plan)
{
        struct wire_spec spec;
        g_autofree char *name = plan_name(f, file, source->format, preset, &spec);
        enum outbox_state state;

        (void)g_strlcpy(record->preset, preset->fingerprint, sizeof record->preset);
        state = outbox_look(f->outbox, name, record);
        switch (state) {
        case OUTBOX_FRESH:
                if (rewritten != REWRITTEN_SURELY)
                        return;
                break;
        case OUTBOX_TAKEN:
                if (!plan->taken)
                        plan->taken = (char *)g_steal_pointer(&name);
                return;
        case OUTBOX_RENAMED:
        case OUTBOX_RESTAMP:
                if ((state == OUTBOX_RENAMED || rewritten == REWRITTEN_NO) && outbox_restamp(f->outbox, name, record) == 0) {
                        plan->n_restamped++;
                        return;
                }
                break;
        case OUTBOX_STALE:
                break;
        }
        plan->outputs = g_renew(struct job_output, plan->outputs, plan->n_outputs + 1);
        plan->outputs[plan->n_outputs++] =
                (struct job_output){ .name = (char *)g_steal_pointer(&name), .spec = spec, .record = *record, .fd = -1 };
}

void plan_make(struct folder *f, const char *file, const struct source *source, enum job_rewritten rewritten, struct plan *ret)
{
        struct record record = { .size = source->size, .inode = source->inode, .mtime_nsec = source->mtime_nsec };

        *ret = (struct plan){ 0 };
        record_hash(file, record.file);
        for (guint i = 0; i < f->config->presets->len; i++)
                plan_one(f, file, source, rewritten, (const struct preset *)f->config->presets->pdata[i], &record, ret);
}

bool plan_wants(struct folder *f, const char *file, int fd, const char *base)
{
        struct source source = { 0 };
        struct plan plan;
        struct stat st;
        bool wanted;

        if (f->config->wants_same || f->config->originals != ORIGINAL_KEEP) /* only a real look tells what is to be done */
                return true;
        if (fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        source_identify(&st, &f->traits, &source);
        plan_make(f, file, &source, REWRITTEN_PERHAPS, &plan);
        wanted = plan.n_outputs > 0 || plan.taken;
        for (unsigned i = 0; i < plan.n_outputs; i++)
                g_free(plan.outputs[i].name);
        g_free(plan.outputs);
        g_free(plan.taken);
        return wanted;
}
