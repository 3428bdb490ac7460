/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One inotify descriptor, its watches, and the meaning of its events.  Never opens a file; knows no jobs. */

#include "intake.h"

#include "base.h"
#include "path.h"

#include <assert.h>
#include <glib.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* CREATE for hard links, linkat and plain renames, ATTRIB for a chmod that makes a file readable, the rest for removals. */
#define EVENTS       "CLOSE_WRITE,MOVED_TO,CREATE,ATTRIB,DELETE,MOVED_FROM,DELETE_SELF,MOVE_SELF"
#define BUFFER_BYTES 65536

/* By an event of the folder above it, a root is known to have gone. */
struct root {
        int above_wd;
        char *base; /* its name there */
};

struct intake {
        int fd;
        int mask;
        GArray *roots; /* of struct root */
        sd_event_source *source;
        GHashTable *directories; /* watch descriptor → char *path */
        GTree *watches;          /* char *path (owned by the other) → watch descriptor, in order: what is below one is together */
        const struct intake_hooks *hooks;
        void *userdata;
};

void intake_limits(int *ret_watches, int *ret_instances)
{
        *ret_watches = inotifytools_get_max_user_watches();
        *ret_instances = inotifytools_get_max_user_instances();
}

static void forget(struct intake *in, int wd)
{
        const char *directory = (const char *)g_hash_table_lookup(in->directories, GINT_TO_POINTER(wd));

        if (!directory)
                return;
        if (GPOINTER_TO_INT(g_tree_lookup(in->watches, directory)) == wd)
                (void)g_tree_remove(in->watches, directory);
        (void)g_hash_table_remove(in->directories, GINT_TO_POINTER(wd));
}

static void unwatch(struct intake *in, int wd)
{
        (void)inotify_rm_watch(in->fd, wd);
        forget(in, wd);
}

void intake_unwatch(struct intake *in, const char *directory)
{
        g_autofree char *below = g_strconcat(directory, *directory ? "/" : "", NULL);
        GTreeNode *node;
        int wd = GPOINTER_TO_INT(g_tree_lookup(in->watches, directory));

        if (wd > 0)
                unwatch(in, wd);
        while ((node = g_tree_lower_bound(in->watches, below)) && g_str_has_prefix((const char *)g_tree_node_key(node), below))
                unwatch(in, GPOINTER_TO_INT(g_tree_node_value(node)));
}

int intake_watch(struct intake *in, const char *directory, int fd)
{
        char path[PATH_OF_FD_BYTES], *own;
        int wd;

        path_of_fd(fd, path);
        wd = inotify_add_watch(in->fd, path, (uint32_t)in->mask | IN_ONLYDIR | IN_EXCL_UNLINK);
        if (wd < 0)
                return neg_errno();
        forget(in, wd); /* the same directory by another name: the new one counts */
        own = g_strdup(directory);
        (void)g_hash_table_insert(in->directories, GINT_TO_POINTER(wd), own);
        g_tree_replace(in->watches, own, GINT_TO_POINTER(wd));
        return 0;
}

bool intake_watches_directory(const struct intake *in, const char *directory)
{
        return g_tree_lookup(in->watches, directory) != NULL;
}

int intake_watch_root(struct intake *in, const char *path)
{
        g_autofree char *real = realpath(path, NULL), *above = real ? g_path_get_dirname(real) : NULL;
        struct root root;
        int wd;

        if (!real)
                return neg_errno();
        wd = inotify_add_watch(in->fd, above, IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR | IN_MASK_ADD);
        if (wd < 0)
                return neg_errno();
        root = (struct root){ wd, g_path_get_basename(real) };
        g_array_append_val(in->roots, root);
        return 0;
}

unsigned intake_watches(const struct intake *in)
{
        return g_hash_table_size(in->directories);
}

static void directory_event(struct intake *in, const char *path, uint32_t mask)
{
        if (mask & (IN_MOVED_FROM | IN_DELETE)) {
                intake_unwatch(in, path);
                if (in->hooks->directory_gone)
                        in->hooks->directory_gone(path, in->userdata);
        }
        if (mask & (IN_CREATE | IN_MOVED_TO | IN_ATTRIB)) /* ATTRIB: it may just have become readable */
                in->hooks->directory(path, in->userdata);
}

static bool is_of_root(const struct intake *in, const struct inotify_event *e)
{
        for (guint i = 0; e->len > 0 && i < in->roots->len; i++) {
                const struct root *root = &g_array_index(in->roots, struct root, i);

                if (root->above_wd == e->wd && strcmp(root->base, e->name) == 0)
                        return true;
        }
        return false;
}

/* Returns false when a root is lost and @in must not be touched any more. */
static bool handle(struct intake *in, const struct inotify_event *e)
{
        const char *directory = (const char *)g_hash_table_lookup(in->directories, GINT_TO_POINTER(e->wd));
        g_autofree char *path = NULL;

        if (e->mask & IN_Q_OVERFLOW) {
                in->hooks->overflow(in->userdata);
                return true;
        }
        if (is_of_root(in, e) && !in->hooks->changed(in->userdata)) {
                in->hooks->lost("removed or replaced", in->userdata);
                return false;
        }
        if (!directory)
                return true;
        if (!*directory && (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT))) {
                g_autofree char *why = g_strdup(inotifytools_event_to_str((int)(e->mask & IN_ALL_EVENTS)));

                in->hooks->lost(e->mask & IN_UNMOUNT ? "UNMOUNT" : why, in->userdata);
                return false;
        }
        if (e->mask & IN_IGNORED) {
                forget(in, e->wd);
                return true;
        }
        if (e->len == 0)
                return true;
        path = *directory ? g_strconcat(directory, "/", e->name, NULL) : g_strdup(e->name);
        if (e->mask & IN_ISDIR)
                directory_event(in, path, e->mask);
        else if (e->mask & (IN_DELETE | IN_MOVED_FROM))
                in->hooks->file(path, NEWS_GONE, in->userdata);
        else if (e->mask & IN_CLOSE_WRITE)
                in->hooks->file(path, NEWS_CLOSED, in->userdata);
        else if (e->mask & (IN_CREATE | IN_MOVED_TO))
                in->hooks->file(path, NEWS_ARRIVED, in->userdata);
        else
                in->hooks->file(path, NEWS_CHANGED, in->userdata);
        return true;
}

void intake_drain(struct intake *in)
{
        static alignas(struct inotify_event) char buffer[BUFFER_BYTES];

        for (;;) {
                ssize_t n = read(in->fd, buffer, sizeof buffer);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return;
                for (const char *at = buffer; at < buffer + n;) {
                        const struct inotify_event *e = (const struct inotify_event *)(const void *)at;

                        at += sizeof *e + e->len;
                        if (!handle(in, e))
                                return;
                }
        }
}

/* Drain everything first: an event is only noted, the work comes later. */
static int on_inotify(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        intake_drain((struct intake *)userdata);
        return 0;
}

static void clear_root(void *data)
{
        g_free(((struct root *)data)->base);
}

int intake_new(sd_event *event, const struct intake_hooks *hooks, void *userdata, struct intake **ret)
{
        _cleanup_(fd_closep) int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        struct intake *in;
        int r;

        if (fd < 0)
                return neg_errno();
        in = g_new0(struct intake, 1);
        in->mask = inotifytools_str_to_event(EVENTS);
        assert(in->mask > 0);
        r = sd_event_add_io(event, &in->source, fd, EPOLLIN, on_inotify, in);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(in->source, 1);
        if (r >= 0) /* before replies and dispatch: note first, work later */
                r = sd_event_source_set_priority(in->source, SD_EVENT_PRIORITY_NORMAL - 10);
        if (r < 0) {
                (void)sd_event_source_disable_unref(in->source);
                g_free(in);
                return r;
        }
        in->fd = fd_steal(&fd);
        in->roots = g_array_new(false, false, sizeof(struct root));
        g_array_set_clear_func(in->roots, clear_root);
        in->hooks = hooks;
        in->userdata = userdata;
        in->directories = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        in->watches = g_tree_new((GCompareFunc)strcmp);
        *ret = in;
        return 0;
}

void intake_free(struct intake *in)
{
        if (!in)
                return;
        (void)sd_event_source_disable_unref(in->source);
        g_tree_unref(in->watches);
        g_hash_table_unref(in->directories);
        g_array_unref(in->roots);
        (void)fd_close(in->fd);
        g_free(in);
}
