/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories waiting to be read, and the one being read. */

#include "scan.h"

#include "base.h"
#include "path.h"
#include "source.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>

struct scan {
        int root_fd;
        const struct scan_hooks *hooks;
        void *userdata;
        GQueue waiting;    /* char *, owned */
        GHashTable *known; /* the same strings, borrowed */
        DIR *dir;          /* being read, or NULL */
        char *directory;   /* its path */
};

struct scan *scan_new(int root_fd, const struct scan_hooks *hooks, void *userdata)
{
        struct scan *s = g_new0(struct scan, 1);

        s->root_fd = root_fd;
        s->hooks = hooks;
        s->userdata = userdata;
        s->known = g_hash_table_new(g_str_hash, g_str_equal);
        return s;
}

static void leave(struct scan *s)
{
        dir_closep(&s->dir);
        g_clear_pointer(&s->directory, g_free);
}

void scan_clear(struct scan *s)
{
        leave(s);
        g_hash_table_remove_all(s->known);
        g_queue_clear_full(&s->waiting, g_free);
}

void scan_free(struct scan *s)
{
        if (!s)
                return;
        scan_clear(s);
        g_hash_table_unref(s->known);
        g_free(s);
}

void scan_push(struct scan *s, const char *directory)
{
        char *own;

        if (g_hash_table_contains(s->known, directory))
                return;
        own = g_strdup(directory);
        (void)g_hash_table_add(s->known, own);
        g_queue_push_tail(&s->waiting, own);
}

bool scan_busy(const struct scan *s)
{
        return s->dir || s->waiting.length > 0;
}

/* Open the next directory that wants to be read. */
static void enter_next(struct scan *s)
{
        _cleanup_(fd_closep) int fd = -1;

        s->directory = (char *)g_queue_pop_head(&s->waiting);
        (void)g_hash_table_remove(s->known, s->directory);
        fd = path_openat(s->root_fd, *s->directory ? s->directory : ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
        if (fd < 0)
                s->hooks->trouble(s->directory, fd, s->userdata);
        else if (s->hooks->enter(s->directory, fd, s->userdata))
                s->dir = fdopendir(fd);
        if (s->dir)
                (void)fd_steal(&fd);
        else
                leave(s);
}

static unsigned char type_of(int fd, const struct dirent *entry)
{
        struct stat st;

        if (entry->d_type != DT_UNKNOWN)
                return entry->d_type;
        return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (unsigned char)IFTODT(st.st_mode) : DT_REG;
}

static void visit(struct scan *s, const struct dirent *entry)
{
        g_autofree char *file = *s->directory ? g_strconcat(s->directory, "/", entry->d_name, NULL) : g_strdup(entry->d_name);
        int fd = dirfd(s->dir);
        unsigned char type = type_of(fd, entry);
        bool descend = s->hooks->found(file, fd, entry->d_name, type, s->userdata);

        if (type == DT_DIR && descend)
                scan_push(s, file);
}

bool scan_step(struct scan *s, unsigned entries)
{
        while (entries-- > 0) {
                const struct dirent *entry;

                if (!s->dir) {
                        if (g_queue_is_empty(&s->waiting))
                                return false;
                        enter_next(s);
                        continue;
                }
                errno = 0;
                entry = readdir(s->dir);
                if (!entry) {
                        if (errno > 0)
                                s->hooks->trouble(s->directory, neg_errno(), s->userdata);
                        leave(s);
                } else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
                        visit(s, entry);
                }
        }
        return scan_busy(s);
}
