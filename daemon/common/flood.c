/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of causes.  Bounded: what finds no place in it is told in full. */

#include "flood.h"

#include <assert.h>
#include <glib.h>

#define CAUSES_MAX       256U
#define QUIET_USEC       UINT64_C(5000000)
#define PATIENCE_USEC    UINT64_C(60000000) /* a flood that goes on is not kept back for longer */
#define SPACING_MIN_USEC UINT64_C(60000000)
#define SPACING_MAX_USEC UINT64_C(600000000)
#define FORGET_USEC      UINT64_C(600000000)

struct cause {
        unsigned told;
        uint64_t held;
        void *line;               /* the last one that is held */
        uint64_t heard_usec;      /* the last of all */
        uint64_t first_held_usec; /* of those that are held */
        uint64_t look_usec;       /* while any is held: when to see whether it is quiet */
        uint64_t allowed_usec;    /* no word about it before */
        uint64_t spacing_usec;
};

struct flood {
        GHashTable *causes; /* char * → struct cause */
        void (*free_line)(void *);
        uint64_t due_usec;
};

struct flood *flood_new(void (*free_line)(void *line))
{
        struct flood *f = g_new0(struct flood, 1);

        f->causes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        f->free_line = free_line;
        return f;
}

void flood_free(struct flood *f)
{
        GHashTableIter iter;
        void *value;

        if (!f)
                return;
        g_hash_table_iter_init(&iter, f->causes);
        while (g_hash_table_iter_next(&iter, NULL, &value))
                g_clear_pointer(&((struct cause *)value)->line, f->free_line);
        g_hash_table_unref(f->causes);
        g_free(f);
}

static bool is_over(const struct cause *c, uint64_t now_usec)
{
        return c->held == 0 && now_usec >= c->heard_usec + FORGET_USEC;
}

static gboolean is_over_in_table(gpointer key, gpointer value, gpointer userdata)
{
        return is_over((const struct cause *)value, *(const uint64_t *)userdata);
}

bool flood_admits(struct flood *f, const char *cause, uint64_t now_usec)
{
        struct cause *c = (struct cause *)g_hash_table_lookup(f->causes, cause);

        if (c && is_over(c, now_usec)) {
                (void)g_hash_table_remove(f->causes, cause);
                c = NULL;
        }
        if (!c) {
                if (g_hash_table_size(f->causes) >= CAUSES_MAX)
                        (void)g_hash_table_foreach_remove(f->causes, is_over_in_table, &now_usec);
                if (g_hash_table_size(f->causes) >= CAUSES_MAX)
                        return true;
                c = g_new0(struct cause, 1);
                c->spacing_usec = SPACING_MIN_USEC;
                (void)g_hash_table_insert(f->causes, g_strdup(cause), c);
        }
        c->heard_usec = now_usec;
        if (c->told >= FLOOD_TOLD_MAX)
                return false;
        c->told++;
        return true;
}

void flood_hold(struct flood *f, const char *cause, void *line, uint64_t now_usec)
{
        struct cause *c = (struct cause *)g_hash_table_lookup(f->causes, cause);

        assert(c);
        if (c->held++ == 0) {
                c->first_held_usec = now_usec;
                c->look_usec = MAX(c->allowed_usec, now_usec + QUIET_USEC);
                f->due_usec = f->due_usec > 0 ? MIN(f->due_usec, c->look_usec) : c->look_usec;
        }
        g_clear_pointer(&c->line, f->free_line);
        c->line = line;
}

uint64_t flood_due_usec(const struct flood *f)
{
        return f->due_usec;
}

/* Whether something is to be said of @c now; if it is not quiet yet, later. */
static bool is_due(struct cause *c, uint64_t now_usec)
{
        uint64_t quiet = MIN(c->heard_usec + QUIET_USEC, c->first_held_usec + PATIENCE_USEC);

        if (now_usec < c->look_usec)
                return false;
        c->look_usec = MAX(c->look_usec, quiet);
        return now_usec >= quiet;
}

static void *take(struct cause *c, uint64_t now_usec, uint64_t *ret_count)
{
        *ret_count = c->held;
        c->held = 0;
        c->allowed_usec = now_usec + c->spacing_usec;
        c->spacing_usec = MIN(c->spacing_usec * 2, SPACING_MAX_USEC);
        return g_steal_pointer(&c->line);
}

void *flood_next(struct flood *f, uint64_t now_usec, uint64_t *ret_count)
{
        uint64_t due = 0;
        GHashTableIter iter;
        void *value;

        if (f->due_usec == 0 || now_usec < f->due_usec)
                return NULL;
        g_hash_table_iter_init(&iter, f->causes);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                struct cause *c = (struct cause *)value;

                if (c->held == 0)
                        continue;
                if (is_due(c, now_usec))
                        return take(c, now_usec, ret_count);
                due = due > 0 ? MIN(due, c->look_usec) : c->look_usec;
        }
        f->due_usec = due;
        return NULL;
}
