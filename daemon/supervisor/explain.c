/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds out to which of a configuration's folders a path belongs, and answers for those that are no inbox. */

#include "explain.h"

#include "attribute.h"
#include "base.h"
#include "failures.h"
#include "log.h"
#include "mounts.h"
#include "outbox.h"
#include "path.h"
#include "remedy.h"

#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

enum root { ROOT_NONE, ROOT_INBOX, ROOT_OUTBOX, ROOT_FAILED, ROOT_PROCESSED };

struct where {
        enum root root;
        const struct folder_config *folder;
        char *file; /* owned: relative to that root */
};

/* ---- whose is it? */

static void locate(const struct mounts *mounts, const char *path, struct place *ret)
{
        g_autofree char *folder = g_path_get_dirname(path), *base = g_path_get_basename(path);
        struct place above;

        if (strcmp(base, "..") == 0 || strcmp(base, ".") == 0 || strcmp(path, "/") == 0) {
                mounts_locate(mounts, path, ret);
                return;
        }
        mounts_locate(mounts, folder, &above); /* the last part may be a link itself: that one is not followed */
        *ret = (struct place){ .visible = g_build_filename(above.visible, base, NULL),
                               .inside = above.inside ? g_build_filename(above.inside, base, NULL) : NULL };
        place_done(&above);
}

/* Take the root at @path if @place lies there, and not in one that lies deeper: an outbox may lie below an inbox. */
static void consider(const struct mounts *mounts, const struct place *place, enum root root, const struct folder_config *folder,
                     const char *path, struct where *where)
{
        struct place there;
        const char *file;

        if (!path)
                return;
        mounts_locate(mounts, path, &there);
        file = place_below(&there, place);
        if (file && (!where->file || strlen(file) < strlen(where->file))) {
                g_free(where->file);
                *where = (struct where){ root, folder, g_strdup(file) };
        }
        place_done(&there);
}

static void find_root(const struct mounts *mounts, const struct config *config, const struct place *place, struct where *ret)
{
        *ret = (struct where){ 0 };
        for (guint i = 0; i < config->folders->len; i++) {
                const struct folder_config *f = (const struct folder_config *)config->folders->pdata[i];

                consider(mounts, place, ROOT_INBOX, f, f->inbox, ret);
                consider(mounts, place, ROOT_OUTBOX, f, f->outbox, ret);
                consider(mounts, place, ROOT_FAILED, f, f->failed, ret);
                consider(mounts, place, ROOT_PROCESSED, f, f->processed, ret);
        }
}

/* ---- no inbox's */

static void list_inboxes(const struct config *config, struct findings *f)
{
        for (guint i = 0; i < config->folders->len; i++)
                findings_say(f, "inbox", "%s", ((const struct folder_config *)config->folders->pdata[i])->inbox);
}

static const struct preset *preset_of(const struct folder_config *folder, const struct record *record)
{
        for (guint i = 0; i < folder->presets->len; i++) {
                const struct preset *preset = (const struct preset *)folder->presets->pdata[i];

                if (strcmp(preset->fingerprint, record->preset) == 0)
                        return preset;
        }
        return NULL;
}

static void explain_outbox(const struct where *where, struct findings *f)
{
        struct outbox *outbox = NULL;
        _cleanup_(fd_closep) int fd = -1;
        struct record record;
        const struct preset *preset;
        int r = outbox_open_to_look(where->folder->outbox, &outbox);

        findings_conclude(f, "Left alone: it lies in an outbox, where thumbnails go and none are made of anything");
        findings_say(f, "outbox", "%s, of the inbox %s", where->folder->outbox, where->folder->inbox);
        if (r >= 0)
                r = fd = outbox_open_folder(outbox, where->file);
        if (r >= 0)
                r = attribute_record(fd, path_base(where->file), &record);
        outbox_unref(outbox);
        if (r < 0) {
                findings_say(f, "record",
                             r == -EACCES ? "cannot be seen: %s"
                                          : "none that we understand (%s): somebody else's file, or our own state",
                             g_strerror(-r));
                return;
        }
        preset = preset_of(where->folder, &record);
        findings_say(f, "record", "a thumbnail of ours, %s%s, of an original of %" PRIu64 " bytes",
                     preset ? "by the preset " : "by a preset that has changed since", preset ? preset->name : "", record.size);
}

void explain_note(struct findings *f, const char *text, const char *where)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", 3);
        g_autofree char *quoted = remedy_quote(where);

        findings_say(f, "reason", "%s", lines[0]);
        if (lines[0] && lines[1])
                findings_say(f, "", "%s", lines[1]);
        findings_say(f, "reason file", "%s", where);
        findings_say(f, "try again", "rm -f %s, and it goes back to the inbox by itself", quoted);
}

static void explain_failed(const struct config *config, const struct where *where, struct findings *f)
{
        const char *root = where->folder->failed;
        int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct failures *failures;
        g_autofree char *note = NULL, *base = NULL, *path = NULL;

        findings_say(f, "folder", "%s, where the originals of %s go that cannot be made", root, where->folder->inbox);
        if (fd < 0) {
                findings_conclude(f, "It may be an original that was set apart, but it cannot be seen: %s", g_strerror(errno));
                return;
        }
        failures = failures_open_to_look(fd, true, config->basis);
        note = failures_read(failures, where->file, &base);
        failures_free(failures);
        path = g_build_filename(root, base, NULL);
        if (note) {
                findings_conclude(f, "Failed, and set apart with the reason beside it");
                explain_note(f, note, path);
        } else {
                findings_conclude(
                        f, "It goes back to the inbox and is tried again when the daemon runs, since no reason lies beside it that "
                           "can be read; a reason file itself is no picture");
                findings_say(f, "reason file", "%s: none that can be read", path);
        }
}

/* ---- */

static int nothing_there(const char *path, const struct where *where)
{
        g_autofree char *escaped = log_escape(path);

        (void)fprintf(stderr, "thumbnaild: there is no %s", escaped);
        if (where->root == ROOT_INBOX)
                (void)fprintf(stderr, ", and nothing is known of one in %s", where->folder->inbox);
        (void)fputs("\n", stderr);
        return EX_USAGE;
}

int explain(const struct config *config, const char *path)
{
        _cleanup_(mounts_freep) struct mounts *mounts = mounts_read();
        g_autofree char *here = g_get_current_dir(), *absolute = NULL, *written = NULL;
        struct place place, as_written;
        struct findings *f = findings_new();
        struct where where, lexical;
        struct stat st;
        int r = 0;

        absolute = g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(here, path, NULL);
        written = g_canonicalize_filename(absolute, NULL);
        while (strlen(absolute) > 1 && g_str_has_suffix(absolute, "/"))
                absolute[strlen(absolute) - 1] = '\0';
        locate(mounts, absolute, &place);
        find_root(mounts, config, &place, &where);
        as_written = (struct place){ .visible = written };
        find_root(mounts, config, &as_written, &lexical);

        if (where.root != ROOT_INBOX && lstat(absolute, &st) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
                r = -ENOENT;
        } else if (where.root == ROOT_INBOX && *where.file) {
                r = explain_inbox(config, where.folder, where.file, f);
        } else if (where.root == ROOT_INBOX) {
                findings_conclude(f, "It is an inbox: what lies in it is made, ask about one of those files");
        } else if (where.root == ROOT_OUTBOX) {
                explain_outbox(&where, f);
        } else if (where.root == ROOT_FAILED) {
                explain_failed(config, &where, f);
        } else if (where.root == ROOT_PROCESSED) {
                findings_conclude(f, "Made, and moved here: nothing more is done with it");
                findings_say(f, "folder", "%s, where the originals of %s go that were made", where.folder->processed,
                             where.folder->inbox);
        } else if (lexical.root == ROOT_INBOX) {
                findings_conclude(f, "Left alone: it is reached through a symbolic link, and links below an inbox are not followed");
                findings_say(f, "really", "%s", place.visible);
                findings_say(f, "inbox", "%s", lexical.folder->inbox);
        } else {
                findings_conclude(f, "None of ours: it lies in no inbox of %s", config->path ? config->path : "the command line");
                findings_say(f, "really", "%s", place.visible);
                list_inboxes(config, f);
        }
        if (r < 0)
                r = nothing_there(path, &where);
        else
                findings_print(f, place.visible);
        findings_free(f);
        place_done(&place);
        g_free(where.file);
        g_free(lexical.file);
        return r;
}
