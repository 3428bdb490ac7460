/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chooses between the sources of a configuration. */

#include "load.h"

#include "base.h"
#include "roots.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int load_write_part(int fd, unsigned parts, const char *text)
{
        g_autofree char *all = g_strdup_printf("%u\n%s", parts, text ? text : "");
        size_t size = strlen(all);

        if (ftruncate(fd, 0) < 0)
                return neg_errno();
        errno = 0;
        return pwrite(fd, all, size, 0) == (ssize_t)size ? 0 : neg_errno();
}

/* Returns the text of the configuration, owned, and the number of parts; or NULL. */
static char *read_part(int fd, unsigned *ret_parts)
{
        g_autofree char *all = NULL;
        const char *newline;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return NULL;
        all = (char *)g_malloc0((gsize)st.st_size + 1);
        if (pread(fd, all, (size_t)st.st_size, 0) != st.st_size)
                return NULL;
        newline = strchr(all, '\n');
        *ret_parts = (unsigned)g_ascii_strtoull(all, NULL, 10);
        return newline && *ret_parts > 0 ? g_strdup(newline + 1) : NULL;
}

static struct config *read_config(const struct options *o, const char *text, GString *errors)
{
        if (o->inbox)
                return config_for_folder(o->inbox, o->outbox, o->preset_name, *o->preset_name ? &o->spec : NULL, errors);
        return text ? config_parse(o->config_path, text, errors) : config_load(o->config_path, errors);
}

struct config *load_config(const struct options *o, GString *errors)
{
        _cleanup_(config_freep) struct config *config = NULL;
        struct config *whole;
        g_autofree char *text = NULL;
        unsigned parts = 1;

        if (o->part_fd >= 0) {
                text = read_part(o->part_fd, &parts);
                if (!text) {
                        g_string_append_printf(errors, "descriptor %d: no part of a configuration\n", o->part_fd);
                        return NULL;
                }
        }
        config = read_config(o, text, errors);
        if (!config || roots_check(config, errors) < 0 || config_keep_only(config, o->only, o->n_only, errors) < 0)
                return NULL;
        config_share(config, parts);
        whole = config;
        config = NULL;
        return whole;
}
