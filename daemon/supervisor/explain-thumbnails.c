/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holds what should stand in an outbox against what does, as plan.h does it, and says in what it differs. */

#include "explain.h"

#include "attribute.h"
#include "base.h"
#include "path.h"
#include "plan.h"

#include <fcntl.h>
#include <sys/stat.h>

static char *name_differences(unsigned differences)
{
        static const struct {
                unsigned bit;
                const char *name;
        } all[] = { { RECORD_SIZE, "the original's size" },
                    { RECORD_INODE, "its inode (another file has its name)" },
                    { RECORD_MTIME, "its modification time" },
                    { RECORD_PRESET, "the preset" } };
        GString *out = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
                if (differences & all[i].bit)
                        g_string_append_printf(out, "%s%s", out->len > 0 ? ", " : "", all[i].name);
        return g_string_free(out, FALSE);
}

struct counts {
        unsigned unseen, wanted, restamp, taken;
};

/* What stands under @name; counts it. */
static char *describe_thumbnail(struct folder *folder, int outbox_error, const char *name, const struct record *wanted,
                                struct counts *counts)
{
        const char *base = path_base(name);
        _cleanup_(fd_closep) int fd = folder->outbox ? outbox_open_folder(folder->outbox, name) : outbox_error;
        g_autofree char *differences = NULL;
        struct record have;
        struct stat st;

        if (fd == -EACCES) {
                counts->unseen++;
                return g_strdup("cannot be seen by you");
        }
        if (fd < 0 || fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                counts->wanted++;
                return g_strdup("missing");
        }
        switch (outbox_look(folder->outbox, name, wanted)) {
        case OUTBOX_FRESH:
        case OUTBOX_RENAMED:
                return g_strdup("up to date");
        case OUTBOX_RESTAMP:
                counts->restamp++;
                return g_strdup("up to date but for the original's modification time: stamped anew, or made again after a restart");
        case OUTBOX_TAKEN:
                counts->taken++;
                return g_strdup("the name is taken by something that is not ours; move that away");
        case OUTBOX_STALE:
                break;
        }
        counts->wanted++;
        if (attribute_record(fd, base, &have) < 0)
                return g_strdup(st.st_size > 0 ? "out of date by its modification time" : "empty");
        differences = name_differences(record_differences(&have, wanted));
        return g_strdup_printf("out of date: %s differs", *differences ? differences : "its content (it is empty)");
}

static void say_thumbnails(struct folder *folder, int outbox_error, const char *file, const struct source *source,
                           struct findings *findings)
{
        const struct folder_config *c = folder->config;
        struct record record = { .size = source->size, .inode = source->inode, .mtime_nsec = source->mtime_nsec };
        struct counts n = { 0 };

        record_hash(file, record.file);
        for (guint i = 0; i < c->presets->len; i++) {
                const struct preset *preset = (const struct preset *)c->presets->pdata[i];
                struct wire_spec spec;
                g_autofree char *name = NULL, *state = NULL;

                name = plan_name(folder, file, source->format, preset, &spec);
                (void)g_strlcpy(record.preset, preset->fingerprint, sizeof record.preset);
                state = describe_thumbnail(folder, outbox_error, name, &record, &n);
                findings_say(findings, "thumbnail", "%s/%s: %s", c->outbox, name, state);
        }
        if (n.wanted > 0)
                findings_conclude(findings, "To be made: %u of %u thumbnail%s", n.wanted, c->presets->len,
                                  c->presets->len == 1 ? "" : "s");
        else if (n.unseen > 0)
                findings_conclude(findings, "It can be made, but whether it is cannot be seen by you: ask as root");
        else if (n.taken > 0)
                findings_conclude(findings, "Failed: %s", reason_token(REASON_NAME_TAKEN));
        else if (n.restamp > 0)
                findings_conclude(findings, "Up to date but for the modification time, which is corrected");
        else
                findings_conclude(findings, "Up to date: nothing is to be made");
}

static void say_outbox(const struct config *config, const struct folder *folder, const struct identity *who, struct findings *findings)
{
        uint64_t left = folder->outbox ? outbox_free_bytes(folder->outbox, 0) / MIB : UINT64_MAX;

        if (!folder->outbox)
                return;
        if (identity_may(who, outbox_root_fd(folder->outbox), W_OK | X_OK) == 0)
                findings_say(findings, "outbox", "user %s may not write to %s: the folder is paused", who->name,
                             folder->config->outbox);
        if (left < (uint64_t)config->limits.free_mib + 1)
                findings_say(findings, "outbox", "%" PRIu64 " MiB are free and 'free_mib' is %" PRIi64 ": the folder pauses", left,
                             config->limits.free_mib);
}

void explain_thumbnails(const struct config *config, struct folder *folder, int outbox_error, const char *file,
                        const struct source *source, const struct identity *who, struct findings *findings)
{
        say_thumbnails(folder, outbox_error, file, source, findings);
        say_outbox(config, folder, who, findings);
}
