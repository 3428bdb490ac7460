/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built-in list, and how a name is held against it and against the folder's own.  Owns nothing, touches no file. */

#include "ignore.h"

#include <fnmatch.h>
#include <limits.h>
#include <string.h>

/* Partial and system names; ASCII case counts.  Hidden ones come first: they are the most. */
static const char *const built_in[] = {
        ".*",       "*.part",     "*.partial", "*.filepart",   "*.crdownload",
        "*.tmp",    "~$*",        "Thumbs.db", "desktop.ini",  "@eaDir",
        "__MACOSX", "lost+found", "#recycle",  "$RECYCLE.BIN", "System Volume Information",
        "@Recycle",
};

const char *ignore_rule_of_name(const struct folder_config *config, const char *name)
{
        for (size_t i = 0; i < G_N_ELEMENTS(built_in); i++)
                if (fnmatch(built_in[i], name, 0) == 0)
                        return built_in[i];
        for (guint i = 0; i < config->ignore->len; i++)
                if (fnmatch((const char *)config->ignore->pdata[i], name, 0) == 0)
                        return (const char *)config->ignore->pdata[i];
        return NULL;
}

const char *ignore_rule(const struct folder_config *config, const char *file)
{
        const char *slash, *rule;
        char part[NAME_MAX + 1];

        while ((slash = strchr(file, '/'))) {
                if (!config->recursive)
                        return "recursive = false";
                (void)g_strlcpy(part, file, MIN((size_t)(slash - file) + 1, sizeof part));
                rule = ignore_rule_of_name(config, part);
                if (rule)
                        return rule;
                file = slash + 1;
        }
        return ignore_rule_of_name(config, file);
}
