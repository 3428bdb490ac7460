/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at permissions as they are now, to name the one that is in the way; changes nothing. */

#include "remedy.h"

#include "base.h"
#include "log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

char *remedy_quote(const char *path)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._+-";
        g_autofree char *safe = log_escape(path);
        GString *out;

        if (*path && *path != '-' && path[strspn(path, plain)] == '\0')
                return g_strdup(path);
        if (strcmp(safe, path) == 0)
                return g_shell_quote(path);
        out = g_string_new("$'");
        for (const char *c = path; *c; c++)
                if (strchr(plain, *c))
                        g_string_append_c(out, *c);
                else
                        g_string_append_printf(out, "\\%03o", (unsigned char)*c);
        g_string_append_c(out, '\'');
        return g_string_free(out, FALSE);
}

static bool may(const char *path, int want)
{
        return faccessat(AT_FDCWD, path, want, AT_EACCESS) == 0;
}

/* What gives us @want at @path, absolute, and lets us through to it.  Returns an owned command, or NULL if nothing is in the way. */
static char *let_us(const struct folder *f, const char *path, int want)
{
        const char *letters = want & W_OK ? "rwx" : want & X_OK ? "rx" : "r";
        g_autofree char *quoted = remedy_quote(path);
        struct stat st;

        for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                g_autofree char *above = g_strndup(path, (gsize)(slash - path)), *word = remedy_quote(above);

                if (!may(above, X_OK) && errno == EACCES)
                        return g_strdup_printf("setfacl -m u:%s:x %s", f->user, word);
        }
        if (may(path, want) || errno != EACCES)
                return NULL;
        if (want == R_OK && stat(path, &st) == 0 && (st.st_gid == getegid() || group_member(st.st_gid)))
                return g_strdup_printf("chmod g+r %s", quoted);
        return g_strdup_printf("setfacl -m u:%s:%s %s", f->user, letters, quoted);
}

/* @format with one %s: a quoted path. */
static char *with_path(const char *before, const char *path, const char *after)
{
        g_autofree char *quoted = remedy_quote(path);

        return g_strconcat(before, quoted, after, NULL);
}

static char *of_outbox(const struct folder *f, enum reason reason)
{
        g_autofree char *quoted = remedy_quote(f->config->outbox);

        switch (reason) {
        case REASON_NO_SPACE:
                return g_strdup_printf("df -h %s; df -i %s", quoted, quoted);
        case REASON_READ_ONLY:
                if (!may(f->config->outbox, W_OK) && errno == EROFS)
                        return g_strdup_printf("mount -o remount,rw \"$(findmnt -n -o TARGET -T %s)\"", quoted);
                return g_strdup_printf("setfacl -R -m u:%s:rwX %s", f->user, quoted);
        case REASON_OUT_OF_MEMORY:
                return g_strdup("free -h; journalctl -k -g oom -n 20");
        default:
                return g_strdup("journalctl -k -n 50");
        }
}

/* What shows why, or has it tried again once that is mended. */
static char *of_failure(const struct folder *f, const char *file)
{
        g_autofree char *why = g_strconcat(file, ".why.txt", NULL), *path = NULL;

        path = f->config->failed ? g_build_filename(f->config->failed, why, NULL)
                                 : g_build_filename(f->config->outbox, FAILURES_OWN, why, NULL);
        return with_path("rm -f ", path, "");
}

char *remedy_of_file(const struct folder *f, const char *file, enum reason reason)
{
        g_autofree char *path = g_build_filename(f->config->inbox, file, NULL), *above = g_path_get_dirname(path);
        struct stat st;
        char *command = NULL;

        switch (reason) {
        case REASON_UNREADABLE:
                command = let_us(f, path, stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? R_OK | X_OK : R_OK);
                return command ? command : with_path("namei -l ", path, "");
        case REASON_NOT_REMOVABLE:
                command = let_us(f, above, R_OK | W_OK | X_OK);
                return command ? command : with_path("namei -l ", path, "");
        case REASON_BEING_WRITTEN:
                return with_path("fuser -v ", path, "");
        case REASON_INCOMPLETE:
                return with_path("ls -l ", path, "");
        default:
                return reason_kind(reason) == REASON_IS_PERMANENT ? of_failure(f, file) : of_outbox(f, reason);
        }
}

static bool is_missing(const char *path)
{
        return !may(path, F_OK) && errno == ENOENT;
}

char *remedy_of_folder(const struct folder *f, enum reason reason)
{
        const struct folder_config *c = f->config;
        const char *const writable[] = { c->outbox, c->failed, c->processed };
        char *command = NULL;

        if (reason != REASON_UNREADABLE && reason != REASON_VANISHED)
                return of_outbox(f, reason);
        if (is_missing(c->inbox)) {
                g_autofree char *quoted = remedy_quote(c->inbox);

                return g_strdup_printf("install -d -m 3770 -o %s -g %s %s", f->user, f->group, quoted);
        }
        command = let_us(f, c->inbox, R_OK | X_OK);
        for (size_t i = 0; !command && i < G_N_ELEMENTS(writable); i++) {
                g_autofree char *above = writable[i] ? g_path_get_dirname(writable[i]) : NULL;

                if (!writable[i])
                        continue;
                if (is_missing(above)) {
                        g_autofree char *quoted = remedy_quote(above);

                        return g_strdup_printf("install -d -o %s -g %s %s", f->user, f->group, quoted);
                }
                command = let_us(f, is_missing(writable[i]) ? above : writable[i], R_OK | W_OK | X_OK);
        }
        return command ? command : with_path("namei -l ", c->inbox, "");
}
