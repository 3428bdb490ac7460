/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of folders, a table of what was seen in them, a time, and what the table of mounts says of the inbox.  Opens nothing. */

#include "polling.h"

#include "base.h"
#include "mounts.h"
#include "path.h"
#include "seen.h"

#include <fcntl.h>
#include <string.h>

#define LOOK_MIN_USEC UINT64_C(2000000)
#define LOOK_MAX_USEC UINT64_C(32000000)

struct polling {
        const struct folder_config *config;
        GHashTable *directories; /* char *, owned */
        struct seen *seen;
        uint64_t due_usec;
        bool reading, incomplete;
        uint64_t look_usec, look_delay_usec; /* for what has gone: when, and how long after that again; 0: no more */
        struct mounts *mounts;
        struct place place; /* of the inbox */
        char *below;        /* what is mounted there, see mounts_below() */
        bool remote_below;  /* and something remote is */
        bool remote_told;
        char *why;
};

static void look_at_mounts(struct polling *p)
{
        g_autofree char *remote = NULL;

        mounts_free(p->mounts);
        place_done(&p->place);
        g_free(p->below);
        p->mounts = mounts_read();
        mounts_locate(p->mounts, p->config->inbox, &p->place);
        p->below = mounts_below(p->mounts, p->place.visible);
        remote = mounts_remote(p->mounts, p->config->inbox);
        p->remote_below = remote && !p->place.remote;
}

static void decide(struct polling *p)
{
        g_clear_pointer(&p->why, g_free);
        if (p->config->watch == WATCH_POLL)
                p->why = g_strdup("as 'watch' says");
        else if (p->config->watch == WATCH_AUTO && p->place.remote)
                p->why = g_strdup_printf("for it lies on %s, where not every change is told", p->place.remote);
}

struct polling *polling_new(const struct folder_config *config)
{
        struct polling *p = g_new0(struct polling, 1);

        p->config = config;
        p->directories = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        p->seen = seen_new();
        look_at_mounts(p);
        decide(p);
        return p;
}

void polling_free(struct polling *p)
{
        if (!p)
                return;
        g_hash_table_unref(p->directories);
        seen_free(p->seen);
        mounts_free(p->mounts);
        place_done(&p->place);
        g_free(p->below);
        g_free(p->why);
        g_free(p);
}

void polling_set_config(struct polling *p, const struct folder_config *config)
{
        p->config = config;
        decide(p);
}

bool polling_mounts_changed(struct polling *p)
{
        g_autofree char *before = g_strdup(p->below);

        look_at_mounts(p);
        p->remote_told = false;
        return strcmp(before, p->below) != 0;
}

const char *polling_why(const struct polling *p)
{
        return p->why;
}

bool polling_must(struct polling *p, const char *directory, char **ret_why)
{
        g_autofree char *path = NULL;
        struct place place;
        bool remote;

        *ret_why = NULL;
        if (p->why)
                return true;
        if (!p->remote_below || p->config->watch != WATCH_AUTO)
                return false;
        path = g_build_filename(p->place.visible, directory, NULL);
        mounts_locate(p->mounts, path, &place);
        remote = place.remote != NULL;
        if (remote && !p->remote_told)
                *ret_why = g_strdup_printf("for it lies on %s, where not every change is told", place.remote);
        p->remote_told |= remote;
        place_done(&place);
        return remote;
}

bool polling_add(struct polling *p, const char *directory)
{
        return !g_hash_table_contains(p->directories, directory) && g_hash_table_add(p->directories, g_strdup(directory));
}

bool polling_remove(struct polling *p, const char *directory)
{
        return g_hash_table_remove(p->directories, directory);
}

bool polling_has(const struct polling *p, const char *directory)
{
        return g_hash_table_contains(p->directories, directory);
}

unsigned polling_count(const struct polling *p)
{
        return g_hash_table_size(p->directories);
}

bool polling_news(struct polling *p, const char *file, int fd, const char *base)
{
        struct stat st;

        return fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && seen_note(p->seen, file, &st);
}

uint64_t polling_due_usec(const struct polling *p)
{
        return p->due_usec;
}

void polling_postpone(struct polling *p)
{
        p->due_usec = 0;
}

void polling_begin(struct polling *p, void (*push)(const char *directory, void *userdata), void *userdata)
{
        g_autoptr(GList) all = g_hash_table_get_keys(p->directories);

        seen_begin(p->seen);
        p->reading = true;
        p->incomplete = false;
        p->due_usec = 0;
        for (GList *l = all; l; l = l->next)
                push((const char *)l->data, userdata);
}

void polling_incomplete(struct polling *p)
{
        p->incomplete = true;
}

bool polling_end(struct polling *p, uint64_t now_usec)
{
        bool look;

        if (p->reading && !p->incomplete && seen_end(p->seen) > 0) {
                p->look_usec = now_usec;
                p->look_delay_usec = LOOK_MIN_USEC;
        }
        look = p->look_delay_usec > 0 && now_usec >= p->look_usec;
        if (look) {
                p->look_usec = now_usec + p->look_delay_usec;
                p->look_delay_usec = p->look_delay_usec < LOOK_MAX_USEC ? p->look_delay_usec * 2 : 0;
        }
        p->reading = false;
        p->due_usec = g_hash_table_size(p->directories) > 0 ? now_usec + (uint64_t)p->config->poll_seconds * 1000000 : 0;
        return look;
}

uint64_t polling_found(const struct polling *p)
{
        return seen_count(p->seen);
}
