/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A mapped table of what is in flight. */

#include "suspects.h"

#include "base.h"
#include "path.h"

#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS 64U
#define MAGIC 0x31746874U /* "tht1": another layout is another number */

struct entry {
        uint32_t used, deaths;
        char file[PATH_MAX];
};

struct table {
        uint32_t magic, reserved;
        struct entry entries[SLOTS];
};

struct suspects {
        struct table *table;  /* mapped, or NULL */
        int root_fd;          /* of the outbox, borrowed */
        char *name;           /* of the file */
        GHashTable *suspects; /* char * → deaths */
};

static struct table *map(int root_fd, const char *name)
{
        _cleanup_(fd_closep) int fd = path_openat(root_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
        void *p;

        if (fd < 0 || posix_fallocate(fd, 0, sizeof(struct table)) != 0) /* a hole could not be filled later, on a full disk */
                return NULL;
        p = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        return p == MAP_FAILED ? NULL : (struct table *)p;
}

static void take_over(struct suspects *s)
{
        unsigned in_flight = 0;

        if (s->table->magic == MAGIC)
                for (unsigned i = 0; i < SLOTS; i++)
                        in_flight += s->table->entries[i].used == 1;
        for (unsigned i = 0; i < SLOTS && in_flight > 0; i++) {
                struct entry *e = s->table->entries + i;

                if (e->used != 1 || !memchr(e->file, '\0', sizeof e->file))
                        continue;
                (void)g_hash_table_insert(s->suspects, g_strdup(e->file), GUINT_TO_POINTER(in_flight == 1 ? e->deaths + 1 : 0));
        }
        memset(s->table, 0, sizeof *s->table);
        s->table->magic = MAGIC;
}

struct suspects *suspects_open(struct outbox *outbox, const char *label)
{
        struct suspects *s = g_new0(struct suspects, 1);
        char hash[RECORD_HASH_BYTES];

        record_hash(label, hash);
        s->root_fd = outbox_root_fd(outbox);
        s->name = g_strconcat(".thumbnaild/inflight-", hash, NULL);
        s->suspects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (path_make_folders(s->root_fd, ".thumbnaild", 0750) >= 0)
                s->table = map(s->root_fd, s->name);
        if (s->table)
                take_over(s);
        return s;
}

void suspects_close(struct suspects *s)
{
        if (!s)
                return;
        if (s->table) {
                (void)munmap(s->table, sizeof *s->table);
                (void)unlinkat(s->root_fd, s->name, 0);
        }
        g_hash_table_unref(s->suspects);
        g_free(s->name);
        g_free(s);
}

void suspects_begin(struct suspects *s, int slot, const char *file)
{
        struct entry *e;

        if (!s->table || slot < 0 || (unsigned)slot >= SLOTS)
                return;
        e = s->table->entries + slot;
        e->deaths = GPOINTER_TO_UINT(g_hash_table_lookup(s->suspects, file));
        (void)g_strlcpy(e->file, file, sizeof e->file);
        __atomic_store_n(&e->used, 1, __ATOMIC_RELEASE);
}

void suspects_end(struct suspects *s, int slot)
{
        if (s->table && slot >= 0 && (unsigned)slot < SLOTS)
                __atomic_store_n(&s->table->entries[slot].used, 0, __ATOMIC_RELEASE);
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
