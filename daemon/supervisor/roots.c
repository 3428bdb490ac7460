/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares directories by (device, path inside the file system), which proc(5) tells per descriptor: mnt_id in fdinfo, and root and
 * mount point of that id in mountinfo. */

#include "roots.h"

#include "base.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct place {
        char *visible; /* resolved path */
        char *inside;  /* "MAJOR:MINOR/path inside the file system" */
};

static void place_done(struct place *p)
{
        g_free(p->visible);
        g_free(p->inside);
        *p = (struct place){ 0 };
}

static int mount_id_of(int fd)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd), *text = NULL;
        const char *at;
        int id;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return -1;
        at = strstr(text, "mnt_id:");
        return at && sscanf(at, "mnt_id: %d", &id) == 1 ? id : -1;
}

static char *path_inside(const char *visible, int mount_id)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
                return NULL;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) f = g_strsplit(*line, " ", 6);
                g_autofree char *root = NULL, *point = NULL;

                if (g_strv_length(f) < 5 || atoi(f[0]) != mount_id)
                        continue;
                root = g_strcompress(f[3]); /* octal escapes */
                point = g_strcompress(f[4]);
                if (!g_str_has_prefix(visible, point))
                        return NULL;
                return g_strdup_printf("%s%s/%s", f[2], strcmp(root, "/") == 0 ? "" : root,
                                       visible + strlen(point) + (visible[strlen(point)] == '/'));
        }
        return NULL;
}

/* Returns 0, or a negative errno if there is no such directory now. */
static int place_init(struct place *p, const char *path)
{
        _cleanup_(fd_closep) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        g_autofree char *proc = NULL;

        if (fd < 0)
                return neg_errno();
        proc = g_strdup_printf("/proc/self/fd/%d", fd);
        p->visible = g_file_read_link(proc, NULL);
        if (!p->visible)
                return -ENOENT;
        p->inside = path_inside(p->visible, mount_id_of(fd));
        return 0;
}

static bool path_holds(const char *outer, const char *inner)
{
        size_t n = outer ? strlen(outer) : 0;

        while (n > 0 && outer[n - 1] == '/')
                n--;
        return outer && inner && strncmp(outer, inner, n) == 0 && (inner[n] == '/' || inner[n] == '\0');
}

/* @inner is @outer or lies below it. */
static bool place_holds(const struct place *outer, const struct place *inner)
{
        return path_holds(outer->visible, inner->visible) || path_holds(outer->inside, inner->inside);
}

static void check_pair(const struct config *config, const struct folder_config *a, const struct folder_config *b, GString *errors)
{
        __attribute__((cleanup(place_done))) struct place a_in = { 0 }, b_in = { 0 }, b_out = { 0 };
        const char *file = config->path ? config->path : "command line";

        if (place_init(&a_in, a->inbox) < 0)
                return;
        if (place_init(&b_out, b->outbox) == 0) {
                if (place_holds(&b_out, &a_in))
                        g_string_append_printf(errors,
                                               "%s:%u: the inbox %s lies in the outbox %s: thumbnails would be made of thumbnails\n",
                                               file, a->line, a->inbox, b->outbox);
        }
        if (a == b || place_init(&b_in, b->inbox) < 0)
                return;
        if (place_holds(&b_in, &a_in))
                g_string_append_printf(errors, "%s:%u: the inbox %s lies in the inbox %s, or is the same by another name\n", file,
                                       a->line, a->inbox, b->inbox);
}

int roots_check(const struct config *config, GString *errors)
{
        gsize before = errors->len;

        for (guint i = 0; i < config->folders->len; i++)
                for (guint j = 0; j < config->folders->len; j++)
                        check_pair(config, (const struct folder_config *)config->folders->pdata[i],
                                   (const struct folder_config *)config->folders->pdata[j], errors);
        return errors->len > before ? -EINVAL : 0;
}
