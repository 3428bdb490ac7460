/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls on one outbox.  Owns its root, and OUTBOX/.thumbnaild for what needs a name before its time. */

#include "outbox.h"

#include "ability.h"
#include "attribute.h"
#include "base.h"
#include "lock.h"
#include "path.h"
#include "shelf.h"

#include <assert.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define OWN_FOLDER          ".thumbnaild"
#define TEMPORARY_FOLDER    OWN_FOLDER "/tmp"
#define FREE_USEC           UINT64_C(10000)
#define THUMBNAIL_BYTES_MAX (UINT64_C(1) << 30)

struct outbox {
        unsigned references;
        int root_fd;
        dev_t device;
        ino_t inode;
        size_t component_max;
        bool is_local;
        struct ability can;
        struct shelf shelf;
        uint64_t free_bytes, free_until_usec; /* and how long that is believed */
        uint64_t temporaries;
};

/* Remove what a crash left under temporary names. */
static void sweep(int root_fd)
{
        _cleanup_(fd_closep) int fd = path_openat(root_fd, TEMPORARY_FOLDER, O_RDONLY | O_DIRECTORY, 0);
        _cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!dir)
                return;
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        (void)unlinkat(fd, entry->d_name, 0);
        (void)fd_steal(&fd);
}

/* Consumes @root_fd. */
static struct outbox *outbox_new(int root_fd, const struct stat *st)
{
        struct outbox *o = g_new0(struct outbox, 1);
        long name_max = fpathconf(root_fd, _PC_NAME_MAX);

        o->references = 1;
        o->root_fd = root_fd;
        o->device = st->st_dev;
        o->inode = st->st_ino;
        shelf_init(&o->shelf, root_fd);
        o->is_local = source_traits(root_fd).local;
        o->component_max = name_max > 32 && name_max < NAME_MAX ? (size_t)name_max : NAME_MAX;
        return o;
}

int outbox_open(const char *path, uint64_t wait_usec, struct outbox **ret, pid_t *ret_holder)
{
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;
        int r;

        *ret_holder = 0;
        if (fd < 0 && errno == ENOENT && mkdir(path, 0755) == 0)
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return neg_errno();
        r = lock_take(fd, wait_usec);
        if (r < 0) {
                if (r == -EWOULDBLOCK)
                        *ret_holder = lock_holder(&st);
                return r;
        }
        if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
                return neg_errno();
        sweep(fd);
        *ret = outbox_new(fd_steal(&fd), &st);
        ability_try((*ret)->root_fd, TEMPORARY_FOLDER, &(*ret)->can);
        return 0;
}

int outbox_open_to_look(const char *path, struct outbox **ret)
{
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return neg_errno();
        *ret = outbox_new(fd_steal(&fd), &st);
        ability_look((*ret)->root_fd, &(*ret)->can);
        return 0;
}

pid_t outbox_holder(const struct outbox *o)
{
        const struct stat st = { .st_dev = o->device, .st_ino = o->inode };

        return lock_holder(&st);
}

struct outbox *outbox_ref(struct outbox *outbox)
{
        outbox->references++;
        return outbox;
}

void outbox_unref(struct outbox *outbox)
{
        if (!outbox || --outbox->references > 0)
                return;
        shelf_done(&outbox->shelf);
        (void)fd_close(outbox->root_fd);
        g_free(outbox);
}

bool outbox_is(const struct outbox *outbox, const struct stat *st)
{
        return st->st_dev == outbox->device && st->st_ino == outbox->inode;
}

int outbox_root_fd(const struct outbox *outbox)
{
        return outbox->root_fd;
}

bool outbox_keeps_records(const struct outbox *outbox)
{
        return outbox->can.xattrs;
}

bool outbox_is_local(const struct outbox *outbox)
{
        return outbox->is_local;
}

size_t outbox_component_max(const struct outbox *outbox)
{
        return outbox->component_max;
}

bool outbox_is_own_folder(const char *name)
{
        return strcmp(name, OWN_FOLDER) == 0;
}

/* Without a record the mtime speaks: of what was copied here without attributes, or where there are none.  Coarse clocks (FAT: 2 s,
 * ext4 with small inodes: 1 s) are given their granularity. */
static enum outbox_state look_at_mtime(const struct outbox *o, const struct stat *st, const struct record *wanted)
{
        int64_t have = source_mtime_nsec(st), step = have % INT64_C(1000000000) == 0 ? INT64_C(2000000000) : 1;

        if (st->st_size > 0 && have > wanted->mtime_nsec - step && have < wanted->mtime_nsec + step)
                return OUTBOX_FRESH;
        return o->can.xattrs && st->st_size > 0 ? OUTBOX_TAKEN : OUTBOX_STALE;
}

enum outbox_state outbox_look(struct outbox *o, const char *name, const struct record *wanted)
{
        struct record have;
        struct stat st;
        const char *base;
        int fd = shelf_stat(&o->shelf, name, &base, &st), r;

        if (fd < 0)
                return OUTBOX_STALE;
        if (!S_ISREG(st.st_mode))
                return OUTBOX_TAKEN;
        r = attribute_record(fd, base, &have);
        if (r < 0)
                return look_at_mtime(o, &st, wanted);
        if (st.st_size == 0)
                return OUTBOX_STALE;
        if (o->can.folds_case && strcmp(have.file, wanted->file) != 0)
                return OUTBOX_TAKEN;
        switch (record_match(&have, wanted)) {
        case RECORD_FRESH:
                return strcmp(have.file, wanted->file) == 0 ? OUTBOX_FRESH : OUTBOX_RENAMED;
        case RECORD_MTIME_ONLY:
                return OUTBOX_RESTAMP;
        default:
                return OUTBOX_STALE;
        }
}

/* A file with a name of our own, where unnamed ones cannot be had or a name is already there to be replaced. */
static void temporary_name(struct outbox *o, char *ret, size_t size)
{
        (void)snprintf(ret, size, TEMPORARY_FOLDER "/%ld-%" PRIu64, (long)getpid(), ++o->temporaries);
}

static int make_temporary_folder(struct outbox *o)
{
        return path_make_folders(o->root_fd, TEMPORARY_FOLDER, 0750, NULL);
}

/* The folder of a thumbnail that is about to stand there; it can be told from those of others. */
static int enter(struct outbox *o, const char *name, const char **ret_base)
{
        return shelf_make(&o->shelf, name, o->can.xattrs ? ATTRIBUTE_FOLDER : NULL, ret_base);
}

int outbox_create(struct outbox *o, const char *name, mode_t mode, gid_t gid)
{
        _cleanup_(fd_closep) int fd = -1;
        char temporary[64];
        const char *base;
        int folder = enter(o, name, &base), r;

        if (folder < 0)
                return folder;
        if (strlen(base) > o->component_max)
                return -ENAMETOOLONG;
        if (!o->can.knows_names)
                ability_try_names(o->root_fd, TEMPORARY_FOLDER, &o->can);
        if (o->can.unnamed) {
                fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
                o->can.unnamed = fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR); /* where it could not be tried before */
        }
        if (!o->can.unnamed) {
                r = make_temporary_folder(o);
                if (r < 0)
                        return r;
                temporary_name(o, temporary, sizeof temporary);
                fd = openat(o->root_fd, temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, mode);
        }
        if (fd < 0)
                return neg_errno();
        if (gid != (gid_t)-1 && fchown(fd, (uid_t)-1, gid) < 0) {
                r = neg_errno();
                outbox_discard(o, fd);
                return r;
        }
        return fd_steal(&fd);
}

int outbox_verify(int fd, enum format format, uint64_t bytes_claimed, mode_t mode)
{
        unsigned char head[FORMAT_HEAD_BYTES];
        struct stat st;
        ssize_t n;

        if (fstat(fd, &st) < 0)
                return neg_errno();
        if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size != bytes_claimed ||
            (uint64_t)st.st_size > THUMBNAIL_BYTES_MAX)
                return -EBADMSG;
        n = pread(fd, head, sizeof head, 0);
        if (n < 0)
                return neg_errno();
        if ((st.st_mode & 07777) != mode)
                (void)fchmod(fd, mode); /* FAT may say no, and is right */
        return format_sniff(head, (size_t)n) == format ? 0 : -EBADMSG;
}

int outbox_stamp(struct outbox *o, int fd, const struct record *record)
{
        struct timespec mtime = { .tv_sec = record->mtime_nsec / INT64_C(1000000000),
                                  .tv_nsec = record->mtime_nsec % INT64_C(1000000000) };
        char text[RECORD_BYTES_MAX];
        int n = record_format(record, text);

        if (mtime.tv_nsec < 0) { /* before 1970 */
                mtime.tv_nsec += 1000000000L;
                mtime.tv_sec--;
        }
        if (o->can.xattrs && fsetxattr(fd, ATTRIBUTE_RECORD, text, (size_t)n, 0) < 0)
                return neg_errno();
        return path_set_mtime(fd, NULL, mtime);
}

/* The name that outbox_create() had to give @fd, where unnamed files cannot be had. */
static int created_name(int fd, char *ret, size_t size)
{
        char proc[PATH_OF_FD_BYTES], target[PATH_MAX];
        const char *base;
        ssize_t n;

        path_of_fd(fd, proc);
        n = readlink(proc, target, sizeof target - 1);
        if (n < 0)
                return neg_errno();
        target[n] = '\0';
        base = strrchr(target, '/');
        if (!base || snprintf(ret, size, TEMPORARY_FOLDER "%s", base) >= (int)size)
                return -ENOENT;
        return 0;
}

void outbox_discard(struct outbox *o, int fd)
{
        char temporary[64];

        if (fd >= 0 && !o->can.unnamed && created_name(fd, temporary, sizeof temporary) == 0)
                (void)unlinkat(o->root_fd, temporary, 0);
}

/* A temporary name of @fd, from where it can be renamed over an older thumbnail. */
static int name_temporarily(struct outbox *o, int fd, char *ret, size_t size)
{
        int r;

        if (!o->can.unnamed)
                return created_name(fd, ret, size);
        r = make_temporary_folder(o);
        if (r < 0)
                return r;
        temporary_name(o, ret, size);
        return path_link(fd, o->root_fd, ret);
}

int outbox_publish(struct outbox *o, int fd, const char *name, const struct record *record)
{
        char temporary[64];
        const char *base;
        int folder = enter(o, name, &base), r;

        if (folder < 0)
                return folder;
        r = o->can.unnamed ? path_link(fd, folder, base) : -EEXIST;
        if (r != -EEXIST)
                return r;
        if (outbox_look(o, name, record) == OUTBOX_TAKEN)
                return -EEXIST;
        r = name_temporarily(o, fd, temporary, sizeof temporary);
        if (r < 0)
                return r;
        if (renameat(o->root_fd, temporary, folder, base) < 0) {
                r = neg_errno();
                (void)unlinkat(o->root_fd, temporary, 0);
                return r == -EISDIR || r == -ENOTEMPTY ? -EEXIST : r;
        }
        return 0;
}

uint64_t outbox_free_bytes(struct outbox *o, uint64_t now_usec)
{
        struct statvfs fs;

        if (o->free_until_usec <= now_usec) {
                o->free_bytes = fstatvfs(o->root_fd, &fs) < 0 || fs.f_blocks == 0 ? UINT64_MAX : (uint64_t)fs.f_bavail * fs.f_frsize;
                o->free_until_usec = now_usec + FREE_USEC;
        }
        return o->free_bytes;
}

int outbox_can_write(struct outbox *o)
{
        static const char page[4096];
        int fd = outbox_create(o, "probe", 0600, (gid_t)-1), r = fd;

        if (fd >= 0)
                r = write(fd, page, sizeof page) == (ssize_t)sizeof page ? 0 : neg_errno();
        outbox_discard(o, fd);
        (void)fd_close(fd);
        return r;
}

int outbox_open_folder(struct outbox *o, const char *name)
{
        const char *base;
        int folder = shelf_enter(&o->shelf, name, &base), fd;

        if (folder < 0)
                return folder;
        fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? neg_errno() : fd;
}

char *outbox_read(struct outbox *o, const char *name)
{
        _cleanup_(fd_closep) int fd = path_openat(o->root_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
        char proc[PATH_OF_FD_BYTES], *text = NULL;

        if (fd < 0)
                return NULL;
        path_of_fd(fd, proc);
        return g_file_get_contents(proc, &text, NULL, NULL) ? text : NULL;
}

int outbox_write(struct outbox *o, const char *name, const char *text)
{
        _cleanup_(fd_closep) int fd = -1;
        char temporary[64];
        size_t size = strlen(text);
        int r = make_temporary_folder(o);

        if (r < 0)
                return r;
        temporary_name(o, temporary, sizeof temporary);
        fd = openat(o->root_fd, temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return neg_errno();
        errno = 0;
        if (write(fd, text, size) != (ssize_t)size || renameat(o->root_fd, temporary, o->root_fd, name) < 0) {
                r = neg_errno();
                (void)unlinkat(o->root_fd, temporary, 0);
                return r;
        }
        return 0;
}

int outbox_restamp(struct outbox *o, const char *name, const struct record *record)
{
        _cleanup_(fd_closep) int fd = path_openat(o->root_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

        return fd < 0 ? fd : outbox_stamp(o, fd, record);
}
