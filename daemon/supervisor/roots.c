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

/* Returns 0, or a negative errno if there is no such directory now.  One that will be made is placed by the folder above it. */
static int place_init(struct place *p, const char *path)
{
        _cleanup_(fd_closep) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        g_autofree char *proc = NULL, *above = NULL, *base = NULL;

        if (fd < 0 && errno == ENOENT) {
                above = g_path_get_dirname(path);
                base = g_path_get_basename(path);
                fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0)
                return neg_errno();
        proc = g_strdup_printf("/proc/self/fd/%d", fd);
        p->visible = g_file_read_link(proc, NULL);
        if (!p->visible)
                return -ENOENT;
        p->inside = path_inside(p->visible, mount_id_of(fd));
        if (base) {
                char *visible = g_build_filename(p->visible, base, NULL),
                     *inside = p->inside ? g_strconcat(p->inside, "/", base, NULL) : NULL;

                place_done(p);
                *p = (struct place){ visible, inside };
        }
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

struct root {
        const struct folder_config *folder;
        const char *key, *path;
        struct place place;
};

static void root_done(void *data)
{
        place_done(&((struct root *)data)->place);
}

static void add_root(GArray *roots, const struct folder_config *f, const char *key, const char *path)
{
        struct root root = { .folder = f, .key = key, .path = path };

        if (path && place_init(&root.place, path) >= 0)
                g_array_append_val(roots, root);
        else
                place_done(&root.place);
}

/* An outbox may lie below an inbox, which leaves it out, and be shared by folders whose names cannot meet. */
static bool may_overlap(const struct root *outer, const struct root *inner)
{
        bool shared = strcmp(outer->key, "outbox") == 0 && strcmp(inner->key, "outbox") == 0 && strcmp(outer->path, inner->path) == 0;
        bool same = place_holds(&inner->place, &outer->place);

        return shared || (strcmp(outer->key, "inbox") == 0 && strcmp(inner->key, "outbox") == 0 && !same);
}

static void check_pair(const struct config *config, const struct root *outer, const struct root *inner, GString *errors)
{
        if (!place_holds(&outer->place, &inner->place) || may_overlap(outer, inner))
                return;
        g_string_append_printf(errors, "%s:%u: the %s %s lies in the %s %s, or is the same by another name: they must be apart\n",
                               config->path ? config->path : "command line", inner->folder->line, inner->key, inner->path, outer->key,
                               outer->path);
}

int roots_check(const struct config *config, GString *errors)
{
        g_autoptr(GArray) roots = g_array_new(FALSE, FALSE, sizeof(struct root));
        gsize before = errors->len;

        g_array_set_clear_func(roots, root_done);
        for (guint i = 0; i < config->folders->len; i++) {
                const struct folder_config *f = (const struct folder_config *)config->folders->pdata[i];

                add_root(roots, f, "inbox", f->inbox);
                add_root(roots, f, "outbox", f->outbox);
                add_root(roots, f, "failed", f->failed);
                add_root(roots, f, "processed", f->processed);
        }
        for (guint i = 0; i < roots->len; i++)
                for (guint j = 0; j < roots->len; j++)
                        if (i != j)
                                check_pair(config, &g_array_index(roots, struct root, i), &g_array_index(roots, struct root, j),
                                           errors);
        return errors->len > before ? -EINVAL : 0;
}
