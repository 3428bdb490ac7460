/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An open-addressing table of hashes. */

#include "seen.h"

#include <glib.h>
#include <string.h>

#define SLOTS_MIN 64U

struct slot {
        uint64_t file;    /* hash of the path, 0: free */
        uint64_t version; /* hash of the version, its lowest bit is that of the reading that met it last */
};

struct seen {
        struct slot *slots;
        uint64_t n_slots; /* a power of two */
        uint64_t count;
        uint64_t reading; /* 0 or 1 */
};

struct seen *seen_new(void)
{
        struct seen *s = g_new0(struct seen, 1);

        s->n_slots = SLOTS_MIN;
        s->slots = g_new0(struct slot, s->n_slots);
        return s;
}

void seen_free(struct seen *s)
{
        if (!s)
                return;
        g_free(s->slots);
        g_free(s);
}

/* The finalizer of MurmurHash3: every bit of the input moves every bit of the result. */
static uint64_t mix(uint64_t h)
{
        h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
        h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
        return h ^ (h >> 33);
}

static uint64_t hash_of_file(const char *file)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        for (; *file; file++)
                h = (h ^ (unsigned char)*file) * UINT64_C(0x100000001b3);
        h = mix(h);
        return h > 0 ? h : 1;
}

static uint64_t hash_of_version(const struct stat *st)
{
        uint64_t h = mix(st->st_ino + 1);

        if (S_ISREG(st->st_mode)) {
                h = mix(h ^ (uint64_t)st->st_size);
                h = mix(h ^ (uint64_t)st->st_mtim.tv_sec);
                h = mix(h ^ (uint64_t)st->st_mtim.tv_nsec);
        }
        return mix(h ^ (st->st_mode & S_IFMT));
}

/* The slot of @file, or the free one where it belongs. */
static struct slot *find(const struct seen *s, uint64_t file)
{
        uint64_t i = file & (s->n_slots - 1);

        while (s->slots[i].file != 0 && s->slots[i].file != file)
                i = (i + 1) & (s->n_slots - 1);
        return s->slots + i;
}

/* Move what satisfies @only_reading (0, 1, or 2 for all) to a table that is large enough for it. */
static void rebuild(struct seen *s, uint64_t n_slots, uint64_t only_reading)
{
        struct slot *old = s->slots;
        uint64_t n_old = s->n_slots;

        s->slots = g_new0(struct slot, n_slots);
        s->n_slots = n_slots;
        for (uint64_t i = 0; i < n_old; i++)
                if (old[i].file != 0 && (only_reading == 2 || (old[i].version & 1) == only_reading))
                        *find(s, old[i].file) = old[i];
        g_free(old);
}

bool seen_note(struct seen *s, const char *file, const struct stat *st)
{
        uint64_t key = hash_of_file(file), version = (hash_of_version(st) & ~UINT64_C(1)) | s->reading;
        struct slot *slot = find(s, key);
        bool news = slot->file == 0 || ((slot->version ^ version) & ~UINT64_C(1)) != 0;

        if (slot->file == 0 && (s->count + 1) * 4 > s->n_slots * 3) {
                rebuild(s, s->n_slots * 2, 2);
                slot = find(s, key);
        }
        s->count += slot->file == 0;
        *slot = (struct slot){ key, version };
        return news;
}

void seen_begin(struct seen *s)
{
        s->reading ^= 1;
}

uint64_t seen_end(struct seen *s)
{
        uint64_t met = 0, gone, n_slots = SLOTS_MIN;

        for (uint64_t i = 0; i < s->n_slots; i++)
                met += s->slots[i].file != 0 && (s->slots[i].version & 1) == s->reading;
        gone = s->count - met;
        if (gone == 0)
                return 0;
        while (met * 4 > n_slots * 3)
                n_slots *= 2;
        rebuild(s, MAX(n_slots, s->n_slots / 4), s->reading); /* shrinking at once would grow at once again where many come and go */
        s->count = met;
        return gone;
}

uint64_t seen_count(const struct seen *s)
{
        return s->count;
}
