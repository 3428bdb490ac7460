/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes the attribute that holds an access ACL; the kernel's layout is in <linux/posix_acl_xattr.h>. */

#include "acl.h"

#include "base.h"
#include "path.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define ATTRIBUTE   "system.posix_acl_access"
#define ENTRIES_MAX 256
#define ALL         ((unsigned)(ACL_READ | ACL_WRITE | ACL_EXECUTE))

_Static_assert(ACL_READ == R_OK && ACL_WRITE == W_OK && ACL_EXECUTE == X_OK, "rights of ACLs are those of access(2)");

struct entry {
        unsigned tag, rights, id;
};

struct acl {
        int n;
        struct entry entries[ENTRIES_MAX];
        struct stat st;
};

struct attribute {
        struct posix_acl_xattr_header header;
        struct posix_acl_xattr_entry entries[ENTRIES_MAX];
};

static void append(struct acl *acl, unsigned tag, unsigned rights, unsigned id)
{
        acl->entries[acl->n++] = (struct entry){ tag, rights, id };
}

static bool has(const struct acl *acl, unsigned tag)
{
        for (int i = 0; i < acl->n; i++)
                if (acl->entries[i].tag == tag)
                        return true;
        return false;
}

/* The list of @fd, or the one that its mode stands for. */
static int read_acl(int fd, struct acl *ret)
{
        char path[PATH_OF_FD_BYTES];
        struct attribute a;
        ssize_t size;

        ret->n = 0;
        if (fstat(fd, &ret->st) < 0)
                return neg_errno();
        path_of_fd(fd, path);
        size = getxattr(path, ATTRIBUTE, &a, sizeof a);
        if (size < 0 && errno != ENODATA && errno != EOPNOTSUPP)
                return neg_errno();
        if (size < 0) {
                append(ret, ACL_USER_OBJ, ret->st.st_mode >> 6 & ALL, UINT32_MAX);
                append(ret, ACL_GROUP_OBJ, ret->st.st_mode >> 3 & ALL, UINT32_MAX);
                append(ret, ACL_OTHER, ret->st.st_mode & ALL, UINT32_MAX);
                return 0;
        }
        if ((size_t)size < sizeof a.header || le32toh(a.header.a_version) != POSIX_ACL_XATTR_VERSION)
                return -EBADMSG;
        for (size_t i = 0; i < ((size_t)size - sizeof a.header) / sizeof a.entries[0]; i++) {
                const unsigned tag = le16toh(a.entries[i].e_tag);

                if (tag != ACL_USER && tag != ACL_GROUP && has(ret, tag)) /* a share's server may say anything */
                        return -EBADMSG;
                append(ret, tag, le16toh(a.entries[i].e_perm), le32toh(a.entries[i].e_id));
        }
        return 0;
}

static int write_acl(int fd, const struct acl *acl)
{
        struct attribute a = { .header.a_version = htole32(POSIX_ACL_XATTR_VERSION) };
        char path[PATH_OF_FD_BYTES];

        for (int i = 0; i < acl->n; i++)
                a.entries[i] =
                        (struct posix_acl_xattr_entry){ htole16((uint16_t)acl->entries[i].tag),
                                                        htole16((uint16_t)acl->entries[i].rights), htole32(acl->entries[i].id) };
        path_of_fd(fd, path);
        return setxattr(path, ATTRIBUTE, &a, sizeof a.header + (size_t)acl->n * sizeof a.entries[0], 0) < 0 ? neg_errno() : 0;
}

/* What limits all entries but those of the owner and of others. */
static unsigned mask_of(const struct acl *acl)
{
        for (int i = 0; i < acl->n; i++)
                if (acl->entries[i].tag == ACL_MASK)
                        return acl->entries[i].rights;
        return ALL;
}

static bool is_limited(unsigned tag)
{
        return tag == ACL_USER || tag == ACL_GROUP_OBJ || tag == ACL_GROUP;
}

static bool is_member(gid_t gid, const gid_t *gids, size_t n_gids)
{
        for (size_t i = 0; i < n_gids; i++)
                if (gids[i] == gid)
                        return true;
        return false;
}

int acl_rights(int fd, uid_t uid, const gid_t *gids, size_t n_gids)
{
        unsigned mask, of_groups = 0, of_others = 0;
        bool by_group = false;
        struct acl acl;
        int r = read_acl(fd, &acl);

        if (r < 0)
                return r;
        mask = mask_of(&acl);
        for (int i = 0; i < acl.n; i++) {
                const struct entry *e = acl.entries + i;
                gid_t gid = e->tag == ACL_GROUP_OBJ ? acl.st.st_gid : e->id;

                if (e->tag == ACL_USER_OBJ && acl.st.st_uid == uid)
                        return (int)e->rights;
                if (e->tag == ACL_USER && e->id == uid)
                        return (int)(e->rights & mask);
                if ((e->tag == ACL_GROUP_OBJ || e->tag == ACL_GROUP) && is_member(gid, gids, n_gids)) {
                        by_group = true;
                        of_groups |= e->rights & mask;
                }
                if (e->tag == ACL_OTHER)
                        of_others = e->rights;
        }
        return (int)(by_group ? of_groups : of_others);
}

/* @from with all rights for @uid.  The mask has to become wider for that, and would let the other entries that it limits through:
 * they are cut to what it let through before. */
static void admit(const struct acl *from, uid_t uid, struct acl *ret)
{
        unsigned mask = mask_of(from);

        ret->n = 0;
        for (int i = 0; i < from->n; i++) { /* the kernel wants this order */
                const struct entry *e = from->entries + i;

                if (e->tag == ACL_OTHER)
                        append(ret, ACL_MASK, ALL, UINT32_MAX);
                if (e->tag != ACL_MASK && !(e->tag == ACL_USER && e->id == uid))
                        append(ret, e->tag, is_limited(e->tag) ? e->rights & mask : e->rights, e->id);
                if (e->tag == ACL_USER_OBJ)
                        append(ret, ACL_USER, ALL, uid);
        }
}

static bool is_writable(int dir_fd)
{
        return faccessat(dir_fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
}

int acl_admit_us(int dir_fd)
{
        struct acl old, new;
        int r;

        if (is_writable(dir_fd))
                return 0;
        if (errno != EACCES)
                return neg_errno();
        r = read_acl(dir_fd, &old);
        if (r < 0)
                return r;
        if (old.st.st_uid == geteuid())
                return -EACCES;
        if (old.n + 2 > ENTRIES_MAX)
                return -E2BIG;
        admit(&old, geteuid(), &new);
        r = write_acl(dir_fd, &new);
        if (r < 0)
                return r == -EPERM || r == -EOPNOTSUPP ? -EACCES : r;
        return is_writable(dir_fd) ? 0 : -EACCES;
}
