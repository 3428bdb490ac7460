/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares directories by (device, path inside the file system), see mounts.h.  Opens and looks at none: one of them may hang. */

#include "roots.h"

#include "base.h"
#include "mounts.h"

#include <string.h>

/* @inner is @outer or lies below it. */
static bool place_holds(const struct place *outer, const struct place *inner)
{
        return place_below(outer, inner) != NULL;
}

struct root {
        const struct folder_config *folder;
        const char *key, *path;
        struct place place;
};

static void root_done(void *data)
{
        place_done(&((struct root *)data)->place);
}

static void add_root(GArray *roots, const struct mounts *mounts, const struct folder_config *f, const char *key, const char *path)
{
        struct root root = { .folder = f, .key = key, .path = path };

        if (!path)
                return;
        mounts_locate(mounts, path, &root.place);
        g_array_append_val(roots, root);
}

/* An outbox may lie below an inbox, which leaves it out, and be shared by folders whose names cannot meet. */
static bool may_overlap(const struct root *outer, const struct root *inner)
{
        bool shared = strcmp(outer->key, "outbox") == 0 && strcmp(inner->key, "outbox") == 0 && strcmp(outer->path, inner->path) == 0;
        bool same = place_holds(&inner->place, &outer->place);

        return shared || (strcmp(outer->key, "inbox") == 0 && strcmp(inner->key, "outbox") == 0 && !same);
}

static void check_pair(const struct config *config, const struct root *outer, const struct root *inner, GString *errors)
{
        if (!place_holds(&outer->place, &inner->place) || may_overlap(outer, inner))
                return;
        g_string_append_printf(errors, "%s:%u: the %s %s lies in the %s %s, or is the same by another name: they must be apart\n",
                               config->path ? config->path : "command line", inner->folder->line, inner->key, inner->path, outer->key,
                               outer->path);
}

int roots_check(const struct config *config, GString *errors)
{
        g_autoptr(GArray) roots = g_array_new(FALSE, FALSE, sizeof(struct root));
        _cleanup_(mounts_freep) struct mounts *mounts = mounts_read();
        gsize before = errors->len;

        g_array_set_clear_func(roots, root_done);
        for (guint i = 0; i < config->folders->len; i++) {
                const struct folder_config *f = (const struct folder_config *)config->folders->pdata[i];

                add_root(roots, mounts, f, "inbox", f->inbox);
                add_root(roots, mounts, f, "outbox", f->outbox);
                add_root(roots, mounts, f, "failed", f->failed);
                add_root(roots, mounts, f, "processed", f->processed);
        }
        for (guint i = 0; i < roots->len; i++)
                for (guint j = 0; j < roots->len; j++)
                        if (i != j)
                                check_pair(config, &g_array_index(roots, struct root, i), &g_array_index(roots, struct root, j),
                                           errors);
        return errors->len > before ? -EINVAL : 0;
}
