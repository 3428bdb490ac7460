/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The presets file, and the walk that marks stale thumbnails. */

#include "provenance.h"

#include "base.h"
#include "name.h"
#include "path.h"
#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PRESETS_FILE  ".thumbnaild/presets"
#define NO_ONES_MTIME 1000000000 /* even: FAT counts two seconds */

struct marking {
        const struct folder_config *config;
        const GPtrArray *changed; /* of struct preset */
        int marked;
};

static bool enter(const char *directory, int fd, void *userdata)
{
        return true;
}

static bool is_of_changed_preset(const struct marking *m, const char *base)
{
        for (guint i = 0; i < m->changed->len; i++) {
                const struct preset *p = (const struct preset *)m->changed->pdata[i];

                if (name_may_be(m->config->template, p->name, base))
                        return true;
        }
        return false;
}

static bool found(const char *file, int fd, const char *base, unsigned char type, void *userdata)
{
        const struct timespec mtime = { .tv_sec = NO_ONES_MTIME };
        struct marking *m = (struct marking *)userdata;

        if (type == DT_REG && is_of_changed_preset(m, base) && path_set_mtime(fd, base, mtime) >= 0)
                m->marked++;
        return base[0] != '.';
}

static void trouble(const char *directory, int error, void *userdata)
{
        /* What cannot be read cannot be marked; it is not ours either. */
}

static int mark(struct outbox *outbox, const struct folder_config *config, const GPtrArray *changed)
{
        static const struct scan_hooks hooks = { enter, found, trouble };
        struct marking m = { .config = config, .changed = changed };
        struct scan *scan = scan_new(outbox_root_fd(outbox), &hooks, &m);

        scan_push(scan, "");
        while (scan_step(scan, 1024))
                ;
        scan_free(scan);
        return m.marked;
}

int provenance_update(struct outbox *outbox, const struct folder_config *config)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        g_autoptr(GString) next = g_string_new(NULL);
        g_autoptr(GPtrArray) changed = g_ptr_array_new();
        g_autofree char *ours = g_strconcat(config->label, " ", NULL);
        int marked = 0, r;

        if (outbox_keeps_records(outbox))
                return 0;
        text = outbox_read(outbox, PRESETS_FILE);
        lines = g_strsplit(text ? text : "", "\n", -1);
        for (char **line = lines; *line; line++)
                if (**line && !g_str_has_prefix(*line, ours)) /* another folder's of a shared outbox */
                        g_string_append_printf(next, "%s\n", *line);
        for (guint i = 0; i < config->presets->len; i++) {
                struct preset *p = (struct preset *)config->presets->pdata[i];
                g_autofree char *line = g_strdup_printf("%s%s %s", ours, p->name, p->fingerprint);

                g_string_append_printf(next, "%s\n", line);
                if (!g_strv_contains((const char *const *)lines, line))
                        g_ptr_array_add(changed, p);
        }
        if (changed->len == 0)
                return 0;
        marked = mark(outbox, config, changed);
        r = outbox_write(outbox, PRESETS_FILE, next->str); /* last: if we are interrupted before, they are marked again */
        return r < 0 ? r : marked;
}
