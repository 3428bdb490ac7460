/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small file with an entry for each worker's slot. */

#include "suspects.h"

#include "base.h"
#include "path.h"

#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#define SLOTS     64U
#define IN_FLIGHT 0x31746874U /* "tht1": another layout is another number */

struct entry {
        uint32_t used, deaths;
        char file[PATH_MAX];
};

struct suspects {
        int root_fd; /* of the outbox, borrowed */
        char *name;  /* of the file */
        int fd;      /* open for writing while anything is in flight, else -1 */
        unsigned in_flight;
        GHashTable *suspects; /* char * → deaths */
};

static off_t place(unsigned slot)
{
        return (off_t)(slot * sizeof(struct entry));
}

static void take_over(struct suspects *s, int fd)
{
        g_autoptr(GPtrArray) in_flight = g_ptr_array_new_with_free_func(g_free);

        for (unsigned i = 0; i < SLOTS; i++) {
                struct entry *e = g_new0(struct entry, 1);

                if (pread(fd, e, sizeof *e, place(i)) >= (ssize_t)offsetof(struct entry, file) && e->used == IN_FLIGHT &&
                    memchr(e->file, '\0', sizeof e->file))
                        g_ptr_array_add(in_flight, e);
                else
                        g_free(e);
        }
        for (guint i = 0; i < in_flight->len; i++) {
                const struct entry *e = (const struct entry *)in_flight->pdata[i];

                (void)g_hash_table_insert(s->suspects, g_strdup(e->file), GUINT_TO_POINTER(in_flight->len == 1 ? e->deaths + 1 : 0));
        }
        (void)!ftruncate(fd, 0);
}

struct suspects *suspects_open(struct outbox *outbox, const char *label)
{
        struct suspects *s = g_new0(struct suspects, 1);
        _cleanup_(fd_closep) int fd = -1;
        char hash[RECORD_HASH_BYTES];

        record_hash(label, hash);
        s->root_fd = outbox_root_fd(outbox);
        s->fd = -1;
        s->name = g_strconcat(".thumbnaild/inflight-", hash, NULL);
        s->suspects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
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
        g_hash_table_unref(s->suspects);
        g_free(s->name);
        g_free(s);
}

/* Write the first @size bytes of @e as the entry of @slot; what cannot be written is not noted. */
static void write_entry(const struct suspects *s, int slot, const struct entry *e, size_t size)
{
        if (s->fd >= 0 && slot >= 0 && (unsigned)slot < SLOTS)
                (void)!pwrite(s->fd, e, size, place((unsigned)slot));
}

void suspects_begin(struct suspects *s, int slot, const char *file)
{
        struct entry e = { .used = IN_FLIGHT, .deaths = GPOINTER_TO_UINT(g_hash_table_lookup(s->suspects, file)) };
        size_t length = MIN(strlen(file), sizeof e.file - 1);

        memcpy(e.file, file, length);
        if (s->in_flight++ == 0)
                s->fd = path_openat(s->root_fd, s->name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
        write_entry(s, slot, &e, offsetof(struct entry, file) + length + 1);
}

void suspects_end(struct suspects *s, int slot)
{
        static const struct entry none;

        write_entry(s, slot, &none, offsetof(struct entry, file));
        if (--s->in_flight == 0) /* held open, it would keep an administrator from remounting an idle outbox read-only */
                s->fd = fd_close(s->fd);
}

bool suspects_has(const struct suspects *s, const char *file, unsigned *ret_deaths)
{
        gpointer deaths = NULL;

        if (!g_hash_table_lookup_extended(s->suspects, file, NULL, &deaths))
                return false;
        *ret_deaths = GPOINTER_TO_UINT(deaths);
        return true;
}

void suspects_clear(struct suspects *s, const char *file)
{
        (void)g_hash_table_remove(s->suspects, file);
}
