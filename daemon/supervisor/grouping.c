/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares paths of outboxes, and asks the table of mounts.  Touches no folder. */

#include "grouping.h"

#include <string.h>

static void group_free(void *data)
{
        struct group *g = (struct group *)data;

        g_ptr_array_unref(g->folders);
        g_free(g->remote);
        g_free(g);
}

static char *remote_of(const struct folder_config *f, const struct mounts *mounts)
{
        const char *const roots[] = { f->inbox, f->outbox, f->failed, f->processed };
        char *remote = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(roots) && !remote; i++)
                if (roots[i])
                        remote = mounts_remote(mounts, roots[i]);
        return remote;
}

static struct group *group_of(const GPtrArray *groups, const struct folder_config *f)
{
        for (guint i = 0; i < groups->len; i++) {
                struct group *g = (struct group *)groups->pdata[i];

                if (strcmp(((const struct folder_config *)g->folders->pdata[0])->outbox, f->outbox) == 0)
                        return g;
        }
        return NULL;
}

GPtrArray *grouping_plan(const struct config *config, const struct mounts *mounts)
{
        GPtrArray *groups = g_ptr_array_new_with_free_func(group_free);

        for (guint i = 0; i < config->folders->len; i++) {
                struct folder_config *f = (struct folder_config *)config->folders->pdata[i];
                struct group *g = group_of(groups, f);

                if (!g) {
                        g = g_new0(struct group, 1);
                        g->folders = g_ptr_array_new();
                        g_ptr_array_add(groups, g);
                }
                g_ptr_array_add(g->folders, f);
                if (!g->remote)
                        g->remote = remote_of(f, mounts);
        }
        for (guint i = groups->len; i-- > 0;)
                if (!((const struct group *)groups->pdata[i])->remote)
                        (void)g_ptr_array_remove_index(groups, i);
        return groups;
}
