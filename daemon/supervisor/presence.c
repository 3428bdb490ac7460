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
        char *folder;           /* whose long names follow, or NULL */
        GHashTable *long_names; /* hashes */
};

struct presence *presence_new(int inbox_fd, size_t long_bytes)
{
        struct presence *p = g_new0(struct presence, 1);

        p->inbox_fd = inbox_fd;
        p->long_bytes = long_bytes;
        p->long_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        return p;
}

void presence_free(struct presence *p)
{
        g_free(p->folder);
        g_hash_table_unref(p->long_names);
        g_free(p);
}

void presence_forget(struct presence *p)
{
        g_clear_pointer(&p->folder, g_free);
        g_hash_table_remove_all(p->long_names);
}

static bool says_absent(int error)
{
        return error == -ENOENT || error == -ENOTDIR || error == -ELOOP;
}

bool presence_of(const struct presence *p, const char *file)
{
        _cleanup_(fd_closep) int fd = -1;
        struct stat st;

        fd = path_openat(p->inbox_fd, file, O_PATH | O_NOFOLLOW, 0);
        if (fd < 0)
                return !says_absent(fd);
        return fstat(fd, &st) < 0 || S_ISREG(st.st_mode);
}

static void read_long_names(struct presence *p, const char *folder, DIR *dir)
{
        const struct dirent *entry;

        presence_forget(p);
        p->folder = g_strdup(folder);
        while ((entry = readdir(dir))) {
                g_autofree char *file = NULL, *hash = NULL;

                if (strlen(entry->d_name) < p->long_bytes)
                        continue;
                file = *folder ? g_strconcat(folder, "/", entry->d_name, NULL) : g_strdup(entry->d_name);
                hash = (char *)g_malloc(RECORD_HASH_BYTES);
                record_hash(file, hash);
                (void)g_hash_table_add(p->long_names, g_steal_pointer(&hash));
        }
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
                read_long_names(p, folder, dir);
        }
        return g_hash_table_contains(p->long_names, hash);
}
