/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users by proc(5) and by the databases of users and groups; rights by acl.h. */

#include "identity.h"

#include "acl.h"
#include "base.h"

#include <glib.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define GROUPS_MAX 1024

static bool has_capability(const struct identity *identity, unsigned capability)
{
        return identity->capabilities >> capability & 1;
}

char *identity_user(uid_t uid)
{
        const struct passwd *user = getpwuid(uid);

        return user ? g_strdup(user->pw_name) : g_strdup_printf("%u", (unsigned)uid);
}

char *identity_group(gid_t gid)
{
        const struct group *group = getgrgid(gid);

        return group ? g_strdup(group->gr_name) : g_strdup_printf("%u", (unsigned)gid);
}

/* The numbers in @line, behind its colon. */
static size_t read_numbers(const char *line, gid_t *ret, size_t room)
{
        char *end = NULL;
        size_t n = 0;

        for (const char *at = strchr(line, ':') + 1; n < room; at = end) {
                guint64 number = g_ascii_strtoull(at, &end, 10);

                if (end == at)
                        break;
                ret[n++] = (gid_t)number;
        }
        return n;
}

int identity_of_process(pid_t pid, struct identity *ret)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid), *text = NULL;
        g_auto(GStrv) lines = NULL;
        gid_t uids[4] = { 0 }, gids[4] = { 0 };
        size_t n_uids = 0, n_gids = 0;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return -ESRCH;
        *ret = (struct identity){ .gids = g_new0(gid_t, GROUPS_MAX + 1) };
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                if (g_str_has_prefix(*line, "Uid:"))
                        n_uids = read_numbers(*line, uids, 4);
                else if (g_str_has_prefix(*line, "Gid:"))
                        n_gids = read_numbers(*line, gids, 4);
                else if (g_str_has_prefix(*line, "Groups:"))
                        ret->n_gids = read_numbers(*line, ret->gids, GROUPS_MAX);
                else if (g_str_has_prefix(*line, "CapEff:"))
                        ret->capabilities = g_ascii_strtoull(strchr(*line, ':') + 2, NULL, 16);
        }
        if (n_uids < 4 || n_gids < 4) {
                identity_done(ret);
                return -EBADMSG;
        }
        ret->uid = uids[3]; /* the last one is that which counts for files */
        ret->gids[ret->n_gids++] = gids[3];
        ret->name = identity_user(ret->uid);
        return 0;
}

int identity_of_service(const char *name, struct identity *ret)
{
        const struct passwd *user = getpwnam(name);
        int n = GROUPS_MAX;

        if (!user)
                return -ENOENT;
        *ret = (struct identity){ .name = g_strdup(name),
                                  .uid = user->pw_uid,
                                  .gids = g_new0(gid_t, GROUPS_MAX),
                                  .capabilities = UINT64_C(1) << CAP_FOWNER | UINT64_C(1) << CAP_LEASE };
        if (getgrouplist(name, user->pw_gid, ret->gids, &n) < 0)
                n = GROUPS_MAX;
        ret->n_gids = (size_t)n;
        return 0;
}

void identity_done(struct identity *identity)
{
        g_clear_pointer(&identity->name, g_free);
        g_clear_pointer(&identity->gids, g_free);
}

int identity_may(const struct identity *identity, int fd, int want)
{
        int rights;

        if (has_capability(identity, CAP_DAC_OVERRIDE))
                return 1;
        rights = acl_rights(fd, identity->uid, identity->gids, identity->n_gids);
        if (rights < 0)
                return rights;
        if (has_capability(identity, CAP_DAC_READ_SEARCH))
                rights |= R_OK | X_OK;
        return (rights & want) == want;
}

int identity_may_take(const struct identity *identity, int dir_fd, uid_t owner, bool is_root)
{
        int may = identity_may(identity, dir_fd, W_OK | X_OK);
        struct stat st;

        if (may < 0)
                return may;
        if (fstat(dir_fd, &st) < 0)
                return neg_errno();
        if (!may)
                return !is_root && st.st_uid != identity->uid && has_capability(identity, CAP_FOWNER);
        return !(st.st_mode & S_ISVTX) || st.st_uid == identity->uid || owner == identity->uid || has_capability(identity, CAP_FOWNER);
}
