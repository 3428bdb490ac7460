/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks into an inbox, by name. */

#include "presence.h"

#include "base.h"
#include "path.h"
#include "record.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct presence {
        int inbox_fd;
        size_t long_bytes;
        char *near;             /* the folder looked into last, with its slash, or NULL, */
        int near_fd;            /* and itself */
        char *folder;           /* whose long names follow, or NULL */
        GHashTable *long_names; /* hashes */
};

struct presence *presence_new(int inbox_fd, size_t long_bytes)
{
        struct presence *p = g_new0(struct presence, 1);

        p->inbox_fd = inbox_fd;
        p->near_fd = -1;
        p->long_bytes = long_bytes;
        p->long_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        return p;
}

void presence_free(struct presence *p)
{
        presence_forget(p);
        g_hash_table_unref(p->long_names);
        g_free(p);
}

void presence_forget(struct presence *p)
{
        g_clear_pointer(&p->near, g_free);
        p->near_fd = fd_close(p->near_fd);
        g_clear_pointer(&p->folder, g_free);
        g_hash_table_remove_all(p->long_names);
}

static bool says_absent(int error)
{
        return error == -ENOENT || error == -ENOTDIR || error == -ELOOP;
}

/* Whether it is in the folder looked into last.  Only that it is there can be believed: the folder may have been moved since. */
static bool is_near(struct presence *p, const char *file)
{
        const char *base = path_base(file);
        size_t length = (size_t)(base - file);
        struct stat st;

        if (length == 0)
                return fstatat(p->inbox_fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
        if (!p->near || strlen(p->near) != length || strncmp(p->near, file, length) != 0) {
                g_free(p->near);
                p->near = g_strndup(file, length);
                (void)fd_close(p->near_fd);
                p->near_fd = path_openat(p->inbox_fd, p->near, O_PATH | O_DIRECTORY, 0);
        }
        return p->near_fd >= 0 && fstatat(p->near_fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

bool presence_of(struct presence *p, const char *file)
{
        _cleanup_(fd_closep) int fd = -1;
        struct stat st;

        if (is_near(p, file))
                return true;
        fd = path_openat(p->inbox_fd, file, O_PATH | O_NOFOLLOW, 0);
        if (fd < 0)
                return !says_absent(fd);
        return fstat(fd, &st) < 0 || S_ISREG(st.st_mode);
}

/* Returns whether all could be read. */
static bool read_long_names(struct presence *p, const char *folder, DIR *dir)
{
        const struct dirent *entry;

        presence_forget(p);
        while (errno = 0, (entry = readdir(dir))) {
                g_autofree char *file = NULL, *hash = NULL;

                if (strlen(entry->d_name) < p->long_bytes)
                        continue;
                file = *folder ? g_strconcat(folder, "/", entry->d_name, NULL) : g_strdup(entry->d_name);
                hash = (char *)g_malloc(RECORD_HASH_BYTES);
                record_hash(file, hash);
                (void)g_hash_table_add(p->long_names, g_steal_pointer(&hash));
        }
        if (errno != 0)
                return false;
        p->folder = g_strdup(folder);
        return true;
}

bool presence_of_long(struct presence *p, const char *folder, const char *hash)
{
        _cleanup_(dir_closep) DIR *dir = NULL;
        int fd;

        if (!p->folder || strcmp(p->folder, folder) != 0) {
                fd = path_openat(p->inbox_fd, *folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
                if (fd < 0)
                        return !says_absent(fd);
                dir = fdopendir(fd);
                if (!dir) {
                        (void)fd_close(fd);
                        return true;
                }
                if (!read_long_names(p, folder, dir))
                        return true;
        }
        return g_hash_table_contains(p->long_names, hash);
}
