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

/* fnmatch(3), which is slow, for what needs it: not one star at one end, or none. */
static bool matches(const char *glob, const char *name)
{
        static const char special[] = "*?[\\";
        size_t plain = strcspn(glob, special);

        if (!glob[plain])
                return strcmp(glob, name) == 0;
        if (strcmp(glob + plain, "*") == 0)
                return strncmp(glob, name, plain) == 0;
        if (glob[0] == '*' && !glob[1 + strcspn(glob + 1, special)])
                return g_str_has_suffix(name, glob + 1);
        return fnmatch(glob, name, 0) == 0;
}

const char *ignore_rule_of_name(const struct folder_config *config, const char *name)
{
        for (size_t i = 0; i < G_N_ELEMENTS(built_in); i++)
                if (matches(built_in[i], name))
                        return built_in[i];
        for (guint i = 0; i < config->ignore->len; i++)
                if (matches((const char *)config->ignore->pdata[i], name))
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
