/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads, compares and writes the notes.  Never touches an inbox. */

#include "home.h"

#include "base.h"
#include "path.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define INBOXES_FILE ".thumbnaild/inboxes"

/* What stays the same over a reboot and is another for another disk: st_dev need not be either. */
static char *identity_of(int fd)
{
        struct statfs fs;
        struct stat st;

        if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
                return NULL;
        return g_strdup_printf("%08lx:%08x%08x:%ju", (unsigned long)fs.f_type, (unsigned)fs.f_fsid.__val[0],
                               (unsigned)fs.f_fsid.__val[1], (uintmax_t)st.st_ino);
}

/* The path in @line, owned, or NULL; *@ret_identity gets what is before it, borrowed, and @line is cut there. */
static char *read_line(char *line, const char **ret_identity)
{
        char *space = strchr(line, ' ');

        if (!space)
                return NULL;
        *space = '\0';
        *ret_identity = line;
        return g_strcompress(space + 1);
}

static char **read_lines(struct outbox *outbox)
{
        g_autofree char *text = outbox_read(outbox, INBOXES_FILE);

        return g_strsplit(text ? text : "", "\n", -1);
}

enum home home_compare(struct outbox *outbox, const char *path, int fd)
{
        g_auto(GStrv) lines = read_lines(outbox);
        g_autofree char *now = identity_of(fd);

        for (char **line = lines; *line; line++) {
                const char *identity;
                g_autofree char *noted = read_line(*line, &identity);

                if (noted && strcmp(noted, path) == 0)
                        return now && strcmp(identity, now) == 0 ? HOME_SAME : HOME_OTHER;
        }
        return HOME_UNKNOWN;
}

int home_note(struct outbox *outbox, const char *path, int fd)
{
        g_auto(GStrv) lines = read_lines(outbox);
        g_autoptr(GString) next = g_string_new(NULL);
        g_autofree char *now = identity_of(fd), *escaped = g_strescape(path, NULL);

        if (!now)
                return -EIO;
        for (char **line = lines; *line; line++) {
                g_autofree char *whole = g_strdup(*line);
                const char *identity;
                g_autofree char *noted = read_line(*line, &identity);

                if (noted && strcmp(noted, path) != 0)
                        g_string_append_printf(next, "%s\n", whole);
        }
        g_string_append_printf(next, "%s %s\n", now, escaped);
        return outbox_write(outbox, INBOXES_FILE, next->str);
}

GPtrArray *home_missing(struct outbox *outbox, const char *inbox, int inbox_fd)
{
        g_auto(GStrv) lines = read_lines(outbox);
        g_autofree char *above = g_strconcat(inbox, "/", NULL);
        GPtrArray *missing = g_ptr_array_new_with_free_func(g_free);

        for (char **line = lines; *line; line++) {
                const char *identity;
                g_autofree char *noted = read_line(*line, &identity), *now = NULL;
                _cleanup_(fd_closep) int fd = -1;

                if (!noted || !g_str_has_prefix(noted, above))
                        continue;
                fd = path_openat(inbox_fd, noted + strlen(above), O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
                now = fd >= 0 ? identity_of(fd) : NULL;
                if (g_strcmp0(now, identity) != 0)
                        g_ptr_array_add(missing, g_strdup(noted + strlen(above)));
        }
        return missing;
}
