/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls on one original.  Reads at most its first and last bytes; never writes. */

#include "source.h"

#include "base.h"
#include "path.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef EXFAT_SUPER_MAGIC
#define EXFAT_SUPER_MAGIC 0x2011BAB0
#endif
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

int64_t source_mtime_nsec(const struct stat *st)
{
        return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

struct source_traits source_traits(int fd)
{
        struct source_traits traits = { .inodes = true };
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return traits;
        switch ((uint64_t)fs.f_type) {
        case EXT4_SUPER_MAGIC: /* and ext2, ext3 */
        case XFS_SUPER_MAGIC:
        case BTRFS_SUPER_MAGIC:
        case F2FS_SUPER_MAGIC:
        case TMPFS_MAGIC:
        case OVERLAYFS_SUPER_MAGIC:
                traits.local = true;
                break;
        case MSDOS_SUPER_MAGIC: /* and vfat */
        case EXFAT_SUPER_MAGIC:
        case FUSE_SUPER_MAGIC:
                traits.inodes = false;
                break;
        default:
                break;
        }
        return traits;
}

void source_identify(const struct stat *st, const struct source_traits *traits, struct source *ret)
{
        ret->size = (uint64_t)st->st_size;
        ret->inode = traits->inodes ? st->st_ino : 0;
        ret->mtime_nsec = source_mtime_nsec(st);
}

bool source_is(const struct source *s, const struct stat *st)
{
        return (s->inode == 0 || st->st_ino == s->inode) && (uint64_t)st->st_size == s->size && source_mtime_nsec(st) == s->mtime_nsec;
}

/* Take a read lease and give it back at once: it is refused while any writer exists, see F_SETLEASE in fcntl(2). */
static enum source_writers ask_writers(int fd, bool leases)
{
        if (!leases)
                return WRITERS_UNKNOWN;
        if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
                return errno == EAGAIN ? WRITERS_SOME : WRITERS_UNKNOWN;
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        return WRITERS_NONE;
}

static int look_at_ends(int fd, struct source *s)
{
        unsigned char head[FORMAT_HEAD_BYTES], tail[FORMAT_TAIL_BYTES];
        const uint64_t tail_at = s->size > sizeof tail ? s->size - sizeof tail : 0;
        ssize_t n_head = pread(fd, head, sizeof head, 0), n_tail = 0;

        if (n_head < 0)
                return neg_errno();
        s->format = format_sniff(head, (size_t)n_head);
        if ((uint64_t)n_head == s->size) { /* that was all of it */
                n_tail = (ssize_t)(s->size - tail_at);
                memcpy(tail, head + tail_at, (size_t)n_tail);
        } else if (s->format != FORMAT_NONE) {
                n_tail = pread(fd, tail, sizeof tail, (off_t)tail_at);
        }
        if (n_tail < 0)
                return neg_errno();
        s->end = format_end(s->format, s->size, head, (size_t)n_head, tail, (size_t)n_tail);
        return 0;
}

int source_open(int root_fd, const char *file, bool listed, const struct source_traits *traits, struct source *ret, int *ret_fd)
{
        _cleanup_(fd_closep) int fd = -1;
        struct source s = { 0 };
        struct stat st;
        int r;

        if (!listed && fstatat(root_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return neg_errno();
        if (!listed && !S_ISREG(st.st_mode))
                return S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
        /* A read that is noted as one is a write to the inbox; not to be noted may be asked for one's own files, or with CAP_FOWNER. */
        fd = path_openat(root_fd, file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_NOATIME, 0);
        if (fd == -EPERM)
                fd = path_openat(root_fd, file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0);
        if (fd == -ENXIO) /* a socket, or a device without a driver */
                return -EINVAL;
        if (fd < 0)
                return fd;
        s.writers = ask_writers(fd, traits->local);
        if (fstat(fd, &st) < 0) /* after the lease: what it says is no older than "nobody writes" */
                return neg_errno();
        if (!S_ISREG(st.st_mode)) /* replaced since the first look */
                return -EINVAL;
        source_identify(&st, traits, &s);
        s.ctime_sec = st.st_ctim.tv_sec;
        s.device = st.st_dev;
        s.number = st.st_ino;
        s.owner = st.st_uid;
        r = look_at_ends(fd, &s);
        if (r < 0)
                return r;
        *ret = s;
        *ret_fd = fd_steal(&fd);
        return 0;
}

int source_unchanged(int root_fd, const char *file, const struct source *source)
{
        struct stat now;

        /* Which way the name leads there does not matter: what is compared is the file that was opened. */
        if (fstatat(root_fd, file, &now, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT || errno == ENOTDIR ? -ENOENT : 0;
        return now.st_ino == source->number && now.st_dev == source->device && source_is(source, &now);
}
