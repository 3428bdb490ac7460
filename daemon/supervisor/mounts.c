/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks paths through the table of mounts as the kernel does: from the root, by parent and mount point, so that a mount that another
 * one hides counts for nothing.  Calls readlink(2) on local file systems, and nothing else. */

#include "mounts.h"

#include <glib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINKS_MAX 40U /* as the kernel has it */

struct mount {
        int id, parent;
        char *device, *root, *point;
        char *type, *source;
        bool remote;
};

struct mounts {
        GArray *all; /* in the order of mounting */
};

bool mounts_type_is_remote(const char *type)
{
        static const char *const remote[] = { "nfs",      "nfs4",   "cifs",      "smb3",   "smbfs",  "9p",      "fuse",
                                              "virtiofs", "ceph",   "afs",       "lustre", "beegfs", "gfs2",    "ocfs2",
                                              "gpfs",     "pvfs2",  "glusterfs", "coda",   "ncpfs",  "ncp",     "davfs",
                                              "vboxsf",   "vmhgfs", "prl_fs",    "acfs",   "autofs", "orangefs" };

        for (size_t i = 0; i < G_N_ELEMENTS(remote); i++)
                if (strcmp(type, remote[i]) == 0)
                        return true;
        return g_str_has_prefix(type, "fuse."); /* fuse.sshfs, … */
}

static void mount_clear(void *data)
{
        struct mount *m = (struct mount *)data;

        g_free(m->device);
        g_free(m->root);
        g_free(m->point);
        g_free(m->type);
        g_free(m->source);
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS, with octal escapes */
static void take_line(struct mounts *mounts, const char *line)
{
        g_auto(GStrv) front = g_strsplit(line, " ", 6), back = NULL;
        const char *dash = strstr(line, " - ");
        struct mount m = { 0 };

        if (g_strv_length(front) < 6 || !dash)
                return;
        back = g_strsplit(dash + 3, " ", 3);
        if (g_strv_length(back) < 2)
                return;
        m.id = atoi(front[0]);
        m.parent = atoi(front[1]);
        m.device = g_strdup(front[2]);
        m.root = g_strcompress(front[3]);
        m.point = g_strcompress(front[4]);
        m.type = g_strdup(back[0]);
        m.source = g_strcompress(back[1]);
        m.remote = mounts_type_is_remote(m.type);
        g_array_append_val(mounts->all, m);
}

struct mounts *mounts_parse(const char *text)
{
        struct mounts *mounts = g_new0(struct mounts, 1);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        mounts->all = g_array_new(FALSE, FALSE, sizeof(struct mount));
        g_array_set_clear_func(mounts->all, mount_clear);
        for (char **line = lines; *line; line++)
                take_line(mounts, *line);
        return mounts;
}

struct mounts *mounts_read(void)
{
        g_autofree char *text = NULL;

        (void)g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL);
        return mounts_parse(text ? text : "");
}

void mounts_free(struct mounts *mounts)
{
        if (!mounts)
                return;
        g_array_unref(mounts->all);
        g_free(mounts);
}

static const struct mount *nth(const struct mounts *mounts, guint i)
{
        return &g_array_index(mounts->all, struct mount, i);
}

static const struct mount *by_id(const struct mounts *mounts, int id)
{
        for (guint i = 0; i < mounts->all->len; i++)
                if (nth(mounts, i)->id == id)
                        return nth(mounts, i);
        return NULL;
}

/* What is reached at @path by who comes from @from: the last of what is mounted there, one over the other. */
static const struct mount *descend(const struct mounts *mounts, const struct mount *from, const char *path)
{
        for (guint i = mounts->all->len; from && i-- > 0;) {
                const struct mount *m = nth(mounts, i);

                if (m->parent == from->id && m != from && strcmp(m->point, path) == 0)
                        return descend(mounts, m, path);
        }
        return from;
}

static const struct mount *root_mount(const struct mounts *mounts)
{
        for (guint i = 0; i < mounts->all->len; i++) {
                const struct mount *m = nth(mounts, i);

                if (strcmp(m->point, "/") == 0 && (m->parent == m->id || !by_id(mounts, m->parent)))
                        return descend(mounts, m, "/");
        }
        return NULL;
}

/* A walk along a path. */
struct walk {
        const struct mounts *mounts;
        GString *at;                /* where it is, without slash at the end; "" for the root */
        const struct mount *mount;  /* that this is on, or NULL */
        const struct mount *remote; /* the first remote one that was come through, or NULL; autofs alone is only on the way */
};

static void step(struct walk *w, const char *name)
{
        if (*name == '\0' || strcmp(name, ".") == 0)
                return;
        if (strcmp(name, "..") == 0) {
                g_autofree char *above = g_path_get_dirname(w->at->len > 0 ? w->at->str : "/"), *rest = NULL;
                g_auto(GStrv) parts = g_strsplit(above, "/", -1);

                g_string_truncate(w->at, 0);
                w->mount = root_mount(w->mounts);
                w->remote = NULL;
                for (char **part = parts; *part; part++)
                        step(w, *part);
                return;
        }
        g_string_append_printf(w->at, "/%s", name);
        w->mount = descend(w->mounts, w->mount, w->at->str);
        if (!w->remote && w->mount && w->mount->remote && strcmp(w->mount->type, "autofs") != 0)
                w->remote = w->mount;
}

static bool may_touch(const struct walk *w)
{
        return !w->remote && (!w->mount || !w->mount->remote);
}

void mounts_locate(const struct mounts *mounts, const char *path, struct place *ret)
{
        struct walk w = { .mounts = mounts, .at = g_string_new(NULL), .mount = root_mount(mounts) };
        g_autofree char *rest = g_strdup(path);
        char target[PATH_MAX];
        unsigned links = 0;

        while (*rest) {
                size_t n = strcspn(rest, "/");
                g_autofree char *name = g_strndup(rest, n), *left = g_strdup(rest + n + (rest[n] == '/'));
                size_t before = w.at->len;
                ssize_t length;

                step(&w, name);
                length =
                        w.at->len > before && may_touch(&w) && links < LINKS_MAX ? readlink(w.at->str, target, sizeof target - 1) : -1;
                g_free(rest);
                if (length < 0) {
                        rest = (char *)g_steal_pointer(&left);
                        continue;
                }
                links++;
                target[length] = '\0';
                rest = g_strconcat(target, "/", left, NULL);
                g_string_truncate(w.at, before);
                if (*target == '/') {
                        g_string_truncate(w.at, 0);
                        w.mount = root_mount(mounts);
                }
        }
        *ret = (struct place){ 0 };
        if (w.mount) {
                size_t skip = strcmp(w.mount->point, "/") == 0 ? 0 : strlen(w.mount->point);

                ret->inside =
                        g_strconcat(w.mount->device, strcmp(w.mount->root, "/") == 0 ? "" : w.mount->root, w.at->str + skip, NULL);
        }
        if (!w.remote && w.mount && w.mount->remote)
                w.remote = w.mount;
        if (w.remote)
                ret->remote = g_strdup_printf("%s (%s)", w.remote->type, w.remote->source);
        if (w.at->len == 0)
                g_string_append_c(w.at, '/');
        ret->visible = g_string_free(w.at, FALSE);
}

static const char *path_below(const char *outer, const char *inner)
{
        size_t n = outer ? strlen(outer) : 0;

        while (n > 0 && outer[n - 1] == '/')
                n--;
        if (!outer || !inner || strncmp(outer, inner, n) != 0 || (inner[n] != '/' && inner[n] != '\0'))
                return NULL;
        return inner[n] == '/' ? inner + n + 1 : inner + n;
}

const char *place_below(const struct place *outer, const struct place *inner)
{
        const char *below = path_below(outer->visible, inner->visible);

        return below ? below : path_below(outer->inside, inner->inside);
}

void place_done(struct place *place)
{
        g_free(place->visible);
        g_free(place->inside);
        g_free(place->remote);
        *place = (struct place){ 0 };
}

static bool is_at_or_below(const char *path, const char *directory)
{
        size_t n = strcmp(directory, "/") == 0 ? 0 : strlen(directory);

        return strncmp(path, directory, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* Not hidden by what is mounted above it. */
static bool is_reachable(const struct mounts *mounts, const struct mount *m)
{
        struct walk w = { .mounts = mounts, .at = g_string_new(NULL), .mount = root_mount(mounts) };
        g_auto(GStrv) parts = g_strsplit(m->point, "/", -1);

        for (char **part = parts; *part; part++)
                step(&w, *part);
        g_string_free(w.at, TRUE);
        return w.mount == m;
}

char *mounts_remote(const struct mounts *mounts, const char *path)
{
        struct place place;
        char *found = NULL;

        mounts_locate(mounts, path, &place);
        found = (char *)g_steal_pointer(&place.remote);
        for (guint i = 0; i < mounts->all->len && !found; i++) {
                const struct mount *m = nth(mounts, i);

                if (m->remote && is_at_or_below(m->point, place.visible) && is_reachable(mounts, m))
                        found = g_strdup_printf("%s (%s)", m->type, m->source);
        }
        place_done(&place);
        return found;
}

char *mounts_below(const struct mounts *mounts, const char *visible)
{
        GString *out = g_string_new(NULL);

        for (guint i = 0; i < mounts->all->len; i++)
                if (is_at_or_below(nth(mounts, i)->point, visible))
                        g_string_append_printf(out, "%d %s\n", nth(mounts, i)->id, nth(mounts, i)->device);
        return g_string_free(out, FALSE);
}
