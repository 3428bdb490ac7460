/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded into the supervisor, never into what it starts: makes chosen system calls fail, wait, do nothing or kill the process, as the
 * shared file says that THUMBNAILD_FAULT names.  tests/fault/fault.py writes that file, while the process runs.  Calls through syscall(2)
 * are seen too. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define CALLS 20

enum call {
        OPENAT,
        WRITE,
        FSYNC,
        LINKAT,
        RENAMEAT2,
        MKDIRAT,
        UNLINKAT,
        FORK,
        RECVMSG,
        SENDMSG,
        FSETXATTR,
        FUTIMENS,
        FSTATAT,
        FALLOCATE,
        COPY_FILE_RANGE,
        SYNC_FILE_RANGE,
        LEASE,
};

/* One per call.  From the time that it is written, @skip calls are let through, then @times calls (or all, if negative) get @error: an
 * errno; 0 to report success without doing anything; KILL_BEFORE and KILL_AFTER to kill the process; STOP to stop it, ahead of the
 * call, until somebody continues it; DELAY to hold up the calling thread for a while. */
struct fault {
        int32_t armed, error, skip, times;
        uint32_t calls, hits;
};

#define KILL_BEFORE (-1)
#define KILL_AFTER  (-2)
#define STOP        (-3)
#define DELAY       (-4)

static struct fault *faults;
static pid_t process;

__attribute__((constructor)) static void start(void)
{
        const char *path = getenv("THUMBNAILD_FAULT");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *p = fd < 0 ? MAP_FAILED : mmap(NULL, CALLS * sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (fd >= 0)
                (void)close(fd);
        if (p != MAP_FAILED)
                faults = (struct fault *)p;
        process = getpid();
        (void)unsetenv("LD_PRELOAD"); /* for the workers */
        (void)unsetenv("THUMBNAILD_FAULT");
}

/* Whether call @c is to be tampered with: sets errno and *@ret. */
static int tamper(enum call c, long *ret)
{
        struct fault *f = faults ? faults + c : NULL;

        if (!f || getpid() != process) /* a child before exec */
                return 0;
        (void)__atomic_fetch_add(&f->calls, 1, __ATOMIC_RELAXED);
        if (!__atomic_load_n(&f->armed, __ATOMIC_ACQUIRE))
                return 0;
        if (__atomic_fetch_sub(&f->skip, 1, __ATOMIC_RELAXED) > 0)
                return 0;
        if (f->times >= 0 && __atomic_fetch_sub(&f->times, 1, __ATOMIC_RELAXED) <= 0) {
                f->times = 0;
                return 0;
        }
        (void)__atomic_fetch_add(&f->hits, 1, __ATOMIC_RELAXED);
        if (f->error == KILL_BEFORE)
                (void)kill(process, SIGKILL);
        if (f->error == KILL_AFTER)
                return 2;
        if (f->error == STOP) {
                (void)kill(process, SIGSTOP);
                return 0;
        }
        if (f->error == DELAY) {
                (void)usleep(200000);
                return 0;
        }
        *ret = f->error == 0 ? 0 : -1;
        errno = f->error;
        return 1;
}

static void *real(const char *name)
{
        return dlsym(RTLD_NEXT, name);
}

#define WRAP(call_, type, name, parameters, arguments) \
        type name parameters; \
        type name parameters \
        { \
                static type(*next) parameters; \
                long result = -1; \
                int how; \
\
                if (!next) \
                        *(void **)&next = real(#name); \
                how = tamper(call_, &result); \
                if (how == 1) \
                        return (type)result; \
                result = (long)next arguments; \
                if (how == 2) \
                        (void)kill(process, SIGKILL); \
                return (type)result; \
        }

WRAP(WRITE, ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(WRITE, ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t offset), (fd, data, size, offset))
WRAP(FSYNC, int, fsync, (int fd), (fd))
WRAP(FSYNC, int, fdatasync, (int fd), (fd))
WRAP(LINKAT, int, linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags), (from_fd, from, to_fd, to, flags))
WRAP(RENAMEAT2, int, renameat, (int from_fd, const char *from, int to_fd, const char *to), (from_fd, from, to_fd, to))
WRAP(RENAMEAT2, int, renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
     (from_fd, from, to_fd, to, flags))
WRAP(MKDIRAT, int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
WRAP(UNLINKAT, int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(FORK, pid_t, fork, (void), ())
WRAP(RECVMSG, ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WRAP(SENDMSG, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(FSETXATTR, int, fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags), (fd, name, value, size, flags))
WRAP(FUTIMENS, int, futimens, (int fd, const struct timespec times[2]), (fd, times))
WRAP(FSTATAT, int, fstatat64, (int fd, const char *path, struct stat64 *st, int flags), (fd, path, st, flags))
WRAP(FALLOCATE, int, posix_fallocate64, (int fd, off64_t offset, off64_t size), (fd, offset, size))
WRAP(COPY_FILE_RANGE, ssize_t, copy_file_range, (int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags),
     (in, from, out, to, size, flags))

WRAP(SYNC_FILE_RANGE, int, sync_file_range, (int fd, off64_t offset, off64_t size, unsigned flags), (fd, offset, size, flags))

/* Those with optional arguments take as many as there can be; what was not given is not looked at. */
#define WRAP_OPEN(name) \
        int name(int fd, const char *path, int flags, ...); \
        int name(int fd, const char *path, int flags, ...) \
        { \
                static int (*next)(int, const char *, int, ...); \
                long result = -1; \
                va_list list; \
                mode_t mode; \
                int how; \
\
                va_start(list, flags); \
                mode = va_arg(list, mode_t); \
                va_end(list); \
                if (!next) \
                        *(void **)&next = real(#name); \
                how = tamper(OPENAT, &result); \
                if (how == 1) \
                        return -1; \
                result = next(fd, path, flags, mode); \
                if (how == 2) \
                        (void)kill(process, SIGKILL); \
                return (int)result; \
        }

WRAP_OPEN(openat)
WRAP_OPEN(openat64)

int fcntl64(int fd, int command, ...);
int fcntl64(int fd, int command, ...)
{
        static int (*next)(int, int, ...);
        long result = -1, argument;
        va_list list;
        int how = 0;

        va_start(list, command);
        argument = va_arg(list, long);
        va_end(list);
        if (!next)
                *(void **)&next = real("fcntl64");
        if (command == F_SETLEASE && argument == F_RDLCK)
                how = tamper(LEASE, &result);
        if (how == 1)
                return -1;
        result = next(fd, command, argument);
        if (how == 2)
                (void)kill(process, SIGKILL);
        return (int)result;
}

/* What io_submit(2) was to begin and a fault has ended: io_getevents(2) tells of it. */
static struct {
        long context;
        struct io_event event;
} ended[1024];
static unsigned n_ended;
static pthread_mutex_t ended_mutex = PTHREAD_MUTEX_INITIALIZER;

/* One fsync(2), number @i of those in @a, the arguments of io_submit(2).  Returns whether it was begun, or ended. */
static int begin_fsync(long (*next)(long, ...), const long *a, long i)
{
        struct iocb **control = (struct iocb **)(uintptr_t)a[2] + i;
        long result = -1, r = 1;
        int how = tamper(FSYNC, &result), error = errno;

        if (how == 1) {
                (void)pthread_mutex_lock(&ended_mutex);
                ended[n_ended].context = a[0];
                ended[n_ended++].event = (struct io_event){ .data = (*control)->aio_data, .res = result < 0 ? -error : 0 };
                (void)pthread_mutex_unlock(&ended_mutex);
        } else {
                r = next(SYS_io_submit, a[0], 1L, control);
        }
        if (how == 2)
                (void)kill(process, SIGKILL);
        return r == 1;
}

static long tell_ended(const long *a)
{
        struct io_event *events = (struct io_event *)(uintptr_t)a[3];
        long n = 0;

        (void)pthread_mutex_lock(&ended_mutex);
        for (unsigned i = 0; i < n_ended && n < a[2];)
                if (ended[i].context == a[0]) {
                        events[n++] = ended[i].event;
                        ended[i] = ended[--n_ended];
                } else {
                        i++;
                }
        (void)pthread_mutex_unlock(&ended_mutex);
        return n;
}

long syscall(long number, ...)
{
        static long (*next)(long, ...);
        long result = -1, a[6];
        va_list list;
        int how = 0;

        va_start(list, number);
        for (int i = 0; i < 6; i++)
                a[i] = va_arg(list, long);
        va_end(list);
        if (!next)
                *(void **)&next = real("syscall");
        if (number == SYS_io_submit) {
                for (result = 0; result < a[1] && begin_fsync(next, a, result); result++)
                        ;
                return result;
        }
        if (number == SYS_io_getevents && (result = tell_ended(a)) > 0)
                return result;
        if (number == SYS_openat2)
                how = tamper(OPENAT, &result);
        if (how == 1)
                return -1;
        result = next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (how == 2)
                (void)kill(process, SIGKILL);
        return result;
}
