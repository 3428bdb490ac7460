/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Four layers, each enough to keep a hostile picture from a file that it was not given: limits, no new privileges, Landlock without
 * rules, and a list of system calls.  The list's groups say what each call is for; what is not there is answered EPERM, so that a new
 * libc does not turn every picture into a crash; what only an attacker would call ends the process. */

#include "sandbox.h"

#include "base.h"
#include "wire.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define OUTPUT_BYTES_MAX (256U << 20) /* of one thumbnail */
#define FILES_MAX        96           /* one message's descriptors, and what a loader duplicates */

static int limit_resources(void)
{
        static const struct {
                int resource;
                rlim_t most;
        } limits[] = {
                { RLIMIT_NOFILE, FILES_MAX }, { RLIMIT_CORE, 0 },    { RLIMIT_FSIZE, OUTPUT_BYTES_MAX },
                { RLIMIT_MSGQUEUE, 0 },       { RLIMIT_MEMLOCK, 0 },
        };

        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
                struct rlimit now;

                if (getrlimit((__rlimit_resource_t)limits[i].resource, &now) < 0)
                        return neg_errno();
                if (now.rlim_max > limits[i].most)
                        now.rlim_max = limits[i].most;
                now.rlim_cur = now.rlim_max;
                if (setrlimit((__rlimit_resource_t)limits[i].resource, &now) < 0)
                        return neg_errno();
        }
        return 0;
}

/* linux/landlock.h of an older system lacks what a newer kernel has; the numbers are its ABI. */
struct landlock_handled {
        uint64_t fs, net, scoped;
};

#define LANDLOCK_VERSION_FLAG 1U

/* All rights that the kernel knows, with a rule for none: no path can be opened, no TCP port used, no abstract socket and no process
 * outside reached.  Returns 1 when active, 0 when the kernel has no Landlock, or a negative errno. */
static int enter_landlock(void)
{
        /* rights of the file system by ABI: 13 at first, then REFER, TRUNCATE, -, IOCTL_DEV */
        static const uint64_t fs[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff };
        struct landlock_handled handled = { 0 };
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
        _cleanup_(fd_closep) int fd = -1;

        if (abi <= 0)
                return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : neg_errno();
        handled.fs = fs[abi < 5 ? abi : 5];
        handled.net = abi >= 4 ? 0x3 : 0;
        handled.scoped = abi >= 6 ? 0x3 : 0;
        fd = (int)syscall(SYS_landlock_create_ruleset, &handled, abi >= 6 ? sizeof handled : abi >= 4 ? 16 : 8, 0);
        if (fd < 0)
                return neg_errno();
        return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? neg_errno() : 1;
}

static const int allowed[] = {
        /* memory; mmap() and mprotect() have rules of their own below */
        SCMP_SYS(brk),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),

        /* the descriptors that it was given; newfstatat() is how glibc asks for fstat() */
        SCMP_SYS(read),
        SCMP_SYS(pread64),
        SCMP_SYS(readv),
        SCMP_SYS(write),
        SCMP_SYS(pwrite64),
        SCMP_SYS(writev),
        SCMP_SYS(lseek),
        SCMP_SYS(fstat),
        SCMP_SYS(newfstatat),
        SCMP_SYS(close),
        SCMP_SYS(dup), /* fcntl() has rules of its own below */

        /* the supervisor and the journal: sending is below; recvmsg() brings a request's descriptors */
        SCMP_SYS(recvmsg),
        SCMP_SYS(poll),
        SCMP_SYS(ppoll),

        /* threads of decoders; clone() has a rule of its own below */
        SCMP_SYS(futex),
        SCMP_SYS(set_robust_list),
        SCMP_SYS(rseq),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(sigaltstack),
        SCMP_SYS(sched_yield),
        SCMP_SYS(sched_getaffinity),
        SCMP_SYS(gettid),
        SCMP_SYS(getpid),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(sysinfo) /* qsort() asks how much memory there is */,

        /* time and chance, mostly answered without a call */
        SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_getres),
        SCMP_SYS(gettimeofday),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(nanosleep),
        SCMP_SYS(getrandom),
        SCMP_SYS(getrusage),
};

/* Nothing that reads or writes a picture comes near these: who calls them has taken over. */
static const int deadly[] = {
        /* executing and new processes */
        SCMP_SYS(execve),
        SCMP_SYS(execveat),
        SCMP_SYS(fork),
        SCMP_SYS(vfork),
        /* reaching others: signals, tracing, their memory and descriptors */
        SCMP_SYS(kill),
        SCMP_SYS(tkill),
        SCMP_SYS(rt_sigqueueinfo),
        SCMP_SYS(rt_tgsigqueueinfo),
        SCMP_SYS(pidfd_open),
        SCMP_SYS(pidfd_getfd),
        SCMP_SYS(pidfd_send_signal),
        SCMP_SYS(ptrace),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(kcmp),
        /* the network and other sockets; sendmsg() may carry an address that no filter can see */
        SCMP_SYS(socket),
        SCMP_SYS(socketpair),
        SCMP_SYS(connect),
        SCMP_SYS(bind),
        SCMP_SYS(listen),
        SCMP_SYS(accept),
        SCMP_SYS(accept4),
        SCMP_SYS(sendmsg),
        SCMP_SYS(sendmmsg),
        /* changing what is on disk */
        SCMP_SYS(creat),
        SCMP_SYS(unlink),
        SCMP_SYS(unlinkat),
        SCMP_SYS(rename),
        SCMP_SYS(renameat),
        SCMP_SYS(renameat2),
        SCMP_SYS(link),
        SCMP_SYS(linkat),
        SCMP_SYS(symlink),
        SCMP_SYS(symlinkat),
        SCMP_SYS(mkdir),
        SCMP_SYS(mkdirat),
        SCMP_SYS(rmdir),
        SCMP_SYS(mknod),
        SCMP_SYS(mknodat),
        SCMP_SYS(truncate),
        SCMP_SYS(chmod),
        SCMP_SYS(fchmodat),
        SCMP_SYS(chown),
        SCMP_SYS(lchown),
        SCMP_SYS(fchownat),
        SCMP_SYS(open_by_handle_at),
        /* the system itself */
        SCMP_SYS(mount),
        SCMP_SYS(umount2),
        SCMP_SYS(pivot_root),
        SCMP_SYS(chroot),
        SCMP_SYS(setns),
        SCMP_SYS(unshare),
        SCMP_SYS(bpf),
        SCMP_SYS(perf_event_open),
        SCMP_SYS(userfaultfd),
        SCMP_SYS(io_uring_setup),
        SCMP_SYS(init_module),
        SCMP_SYS(finit_module),
        SCMP_SYS(kexec_load),
        SCMP_SYS(keyctl),
        SCMP_SYS(add_key),
        SCMP_SYS(request_key),
        SCMP_SYS(reboot),
        SCMP_SYS(swapon),
        SCMP_SYS(setuid),
        SCMP_SYS(setgid),
        SCMP_SYS(setresuid),
        SCMP_SYS(setresgid),
        SCMP_SYS(capset),
};

static int add_list(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                int r = seccomp_rule_add(filter, action, calls[i], 0);

                if (r < 0 && r != -EDOM) /* EDOM: this architecture has no such call */
                        return r;
        }
        return 0;
}

/* The first error of several. */
static int first(int a, int b)
{
        return a < 0 && a != -EDOM ? a : b < 0 && b != -EDOM ? b : 0;
}

/* Opening is answered EACCES: libraries look for fonts, caches and time zones, and do without.  To write or to create is deadly. */
static int add_opening(scmp_filter_ctx filter)
{
        const uint64_t writing = O_WRONLY | O_CREAT;
        int r = first(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0), 0);

        r = first(r, seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0)));
        r = first(r, seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, writing, 0)));
        for (unsigned i = 0; i < 2; i++) {
                const uint64_t flag = i == 0 ? O_WRONLY : O_CREAT;

                r = first(r, seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(openat), 1,
                                              SCMP_A2(SCMP_CMP_MASKED_EQ, flag, flag)));
                r = first(r,
                          seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, flag, flag)));
        }
        return r;
}

/* Memory never becomes code.  Threads are started, processes are not; clone3()'s flags are behind a pointer, and libc falls back. */
static int add_memory_and_threads(scmp_filter_ctx filter)
{
        const uint64_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
        const uint64_t spaces =
                CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
        int r = 0;

        r = first(r, seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)));
        r = first(r, seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)));
        r = first(r,
                  seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, thread | spaces, thread)));
        r = first(r,
                  seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)));
        return first(r, seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
}

/* Descriptors may be asked and copied.  To have a signal sent to somebody when one of them is ready needs no kill(): deadly; and flags
 * of an open file are shared with the supervisor. */
static int add_descriptors(scmp_filter_ctx filter)
{
        static const int harmless[] = { F_GETFD, F_SETFD, F_GETFL, F_DUPFD, F_DUPFD_CLOEXEC };
        static const int signalling[] = { F_SETOWN, F_SETOWN_EX, F_SETSIG, F_NOTIFY, F_SETLEASE };
        int r = 0;

        for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
                r = first(r,
                          seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, (uint64_t)harmless[i])));
        for (size_t i = 0; i < sizeof signalling / sizeof *signalling; i++)
                r = first(r, seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(fcntl), 1,
                                              SCMP_A1(SCMP_CMP_EQ, (uint64_t)signalling[i])));
        return r;
}

/* Calls that are harmless with one argument and not with another. */
static int add_by_argument(scmp_filter_ctx filter)
{
        const uint64_t self = (uint64_t)getpid();
        int r = 0;

        /* send() is sendto() without an address */
        r = first(r, seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, SCMP_A4(SCMP_CMP_EQ, 0)));
        r = first(r, seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(sendto), 1, SCMP_A4(SCMP_CMP_NE, 0)));
        /* abort() signals itself */
        r = first(r, seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, self)));
        r = first(r, seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, self)));
        /* a thread asks for its stack's limit; setting one is refused */
        r = first(r,
                  seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0)));
        return first(r, seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)));
}

static void filter_release(scmp_filter_ctx *filter)
{
        if (*filter)
                seccomp_release(*filter);
}

/* Returns 1 when active, 0 when the kernel has no seccomp, or a negative errno. */
static int enter_seccomp(void)
{
        _cleanup_(filter_release) scmp_filter_ctx filter = NULL;
        int r;

        if (prctl(PR_GET_SECCOMP) < 0 && errno == EINVAL)
                return 0;
        filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        if (!filter)
                return -ENOMEM;
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS); /* no 32-bit calls past the list */
        r = first(r, seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)); /* a tree: every call of a picture passes through it */
        r = first(r, add_list(filter, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed));
        r = first(r, add_list(filter, SCMP_ACT_KILL_PROCESS, deadly, sizeof deadly / sizeof *deadly));
        r = first(r, add_opening(filter));
        r = first(r, add_memory_and_threads(filter));
        r = first(r, add_descriptors(filter));
        r = first(r, add_by_argument(filter));
        r = first(r, seccomp_load(filter));
        return r < 0 ? r : 1;
}

int sandbox_enter(uint32_t *ret)
{
        uint32_t layers = 0;
        int r;

        r = limit_resources();
        if (r < 0)
                return r;
        layers |= SANDBOX_RLIMITS;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return neg_errno();
        layers |= SANDBOX_NO_NEW_PRIVS;
        r = enter_landlock();
        if (r < 0)
                return r;
        layers |= r > 0 ? SANDBOX_LANDLOCK : 0;
        r = enter_seccomp();
        if (r < 0)
                return r;
        layers |= r > 0 ? SANDBOX_SECCOMP : 0;
        *ret = layers;
        return 0;
}
