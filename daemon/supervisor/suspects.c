/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small file: an entry for each worker's slot, and behind them the suspects, whose turn may not have come when we die again. */

#include "suspects.h"

#include "base.h"
#include "path.h"

#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#define SLOTS       2048U /* the most workers there may be, and their successors */
#define WAITING_MAX 256U
#define ENTRY       0x33746874U /* "tht3": another layout is another number */

struct entry {
        uint32_t used, deaths;
        char file[PATH_MAX];
};

struct suspect {
        uint32_t deaths; /* alone, in a row */
        bool was_in_flight;
        unsigned place; /* of its entry */
};

struct suspects {
        int root_fd;            /* of the outbox, borrowed */
        char *name;             /* of the file */
        int fd;                 /* open for writing while anything is in flight, else -1 */
        unsigned in_flight;     /* now, and what is noted as if it were */
        int left;               /* the slot of which the latter is noted, -1 for none */
        GHashTable *all;        /* char * → struct suspect */
        unsigned was_in_flight; /* at the last death, until they are judged */
};

static int open_to_write(const struct suspects *s)
{
        return path_openat(s->root_fd, s->name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
}

/* Write the first @size bytes of @e at @place; what cannot be written is not noted. */
static void write_entry(const struct suspects *s, unsigned place, const struct entry *e, size_t size)
{
        _cleanup_(fd_closep) int opened = s->fd >= 0 ? -1 : open_to_write(s);
        int fd = s->fd >= 0 ? s->fd : opened;

        if (fd >= 0)
                (void)!pwrite(fd, e, size, (off_t)(place * sizeof *e));
}

static void note(const struct suspects *s, unsigned place, const char *file, uint32_t deaths)
{
        struct entry e = { .used = ENTRY, .deaths = deaths };
        size_t length = MIN(strlen(file), sizeof e.file - 1);

        memcpy(e.file, file, length);
        write_entry(s, place, &e, offsetof(struct entry, file) + length + 1);
}

static void erase(const struct suspects *s, unsigned place)
{
        static const struct entry none;

        write_entry(s, place, &none, offsetof(struct entry, file));
}

static const struct suspect *find(const struct suspects *s, const char *file)
{
        return (const struct suspect *)g_hash_table_lookup(s->all, file);
}

/* @e is of the last supervisor.  For one that was not in flight when it died, the row of deaths is broken. */
static void add(struct suspects *s, const struct entry *e, bool was_in_flight)
{
        struct suspect *suspect;

        if (find(s, e->file) || g_hash_table_size(s->all) >= WAITING_MAX)
                return;
        suspect = g_new0(struct suspect, 1);
        suspect->was_in_flight = was_in_flight;
        suspect->deaths = was_in_flight ? e->deaths + 1 : 0;
        suspect->place = SLOTS + g_hash_table_size(s->all);
        (void)g_hash_table_insert(s->all, g_strdup(e->file), suspect);
        s->was_in_flight += was_in_flight;
}

/* Read the entry at @place into @e.  Returns whether it is one. */
static bool read_entry(int fd, unsigned place, struct entry *e)
{
        return pread(fd, e, sizeof *e, (off_t)(place * sizeof *e)) > (ssize_t)offsetof(struct entry, file) && e->used == ENTRY &&
               memchr(e->file, '\0', sizeof e->file);
}

static char *note_name(const char *label)
{
        char hash[RECORD_HASH_BYTES];

        record_hash(label, hash);
        return g_strconcat(".thumbnaild/inflight-", hash, NULL);
}

bool suspects_peek(struct outbox *outbox, const char *label, const char *file, bool *ret_in_flight)
{
        g_autofree char *name = note_name(label);
        _cleanup_(fd_closep) int fd = path_openat(outbox_root_fd(outbox), name, O_RDONLY | O_NOFOLLOW, 0);
        g_autofree struct entry *e = g_new0(struct entry, 1);

        for (unsigned i = 0; fd >= 0 && i < SLOTS + WAITING_MAX; i++) {
                if (!read_entry(fd, i, e) || strcmp(e->file, file) != 0)
                        continue;
                *ret_in_flight = i < SLOTS;
                return true;
        }
        return false;
}

static void take_over(struct suspects *s, int fd)
{
        g_autofree struct entry *e = g_new0(struct entry, 1);
        GHashTableIter iter;
        gpointer file, value;

        for (unsigned i = 0; i < SLOTS + WAITING_MAX; i++)
                if (read_entry(fd, i, e))
                        add(s, e, i < SLOTS);
        (void)!ftruncate(fd, 0);
        g_hash_table_iter_init(&iter, s->all);
        while (g_hash_table_iter_next(&iter, &file, &value))
                note(s, ((const struct suspect *)value)->place, (const char *)file, 0);
}

struct suspects *suspects_open(struct outbox *outbox, const char *label)
{
        struct suspects *s = g_new0(struct suspects, 1);
        _cleanup_(fd_closep) int fd = -1;

        s->root_fd = outbox_root_fd(outbox);
        s->fd = s->left = -1;
        s->name = note_name(label);
        s->all = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        (void)path_make_folders(s->root_fd, ".thumbnaild", 0750, NULL);
        fd = path_openat(s->root_fd, s->name, O_RDWR | O_NOFOLLOW, 0);
        if (fd >= 0)
                take_over(s, fd);
        return s;
}

void suspects_close(struct suspects *s)
{
        if (!s)
                return;
        (void)fd_close(s->fd);
        (void)unlinkat(s->root_fd, s->name, 0);
        g_hash_table_unref(s->all);
        g_free(s->name);
        g_free(s);
}

unsigned suspects_in_flight(const struct suspects *s)
{
        return s->was_in_flight;
}

void suspects_judge(struct suspects *s, bool alone)
{
        GHashTableIter iter;
        gpointer value;

        s->was_in_flight = 0;
        g_hash_table_iter_init(&iter, s->all);
        while (!alone && g_hash_table_iter_next(&iter, NULL, &value)) {
                struct suspect *suspect = (struct suspect *)value;

                if (suspect->was_in_flight)
                        suspect->deaths = 0;
                suspect->was_in_flight = false;
        }
}

void suspects_begin(struct suspects *s, int slot, const char *file)
{
        const struct suspect *suspect = find(s, file);

        if (s->left == slot) {
                s->left = -1;
        } else {
                suspects_rest(s); /* now: beside what it leaves, @file would not count as alone */
                if (s->in_flight++ == 0)
                        s->fd = open_to_write(s);
        }
        if ((unsigned)slot < SLOTS)
                note(s, (unsigned)slot, file, suspect ? suspect->deaths : 0);
}

void suspects_end(struct suspects *s, int slot)
{
        suspects_rest(s);
        s->left = slot;
}

void suspects_rest(struct suspects *s)
{
        if (s->left < 0)
                return;
        if ((unsigned)s->left < SLOTS)
                erase(s, (unsigned)s->left);
        s->left = -1;
        if (--s->in_flight == 0) /* held open, it would keep an administrator from remounting an idle outbox read-only */
                s->fd = fd_close(s->fd);
}

bool suspects_has(const struct suspects *s, const char *file, unsigned *ret_deaths)
{
        const struct suspect *suspect = find(s, file);

        if (suspect)
                *ret_deaths = suspect->deaths;
        return suspect;
}

void suspects_clear(struct suspects *s, const char *file)
{
        const struct suspect *suspect = find(s, file);

        if (!suspect)
                return;
        erase(s, suspect->place);
        (void)g_hash_table_remove(s->all, file);
}
