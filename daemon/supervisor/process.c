/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fork(2), descriptors, execve(2), and proc(5). */

#include "process.h"

#include "base.h"
#include "log.h"
#include "thumbnaild-build.h"

#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define EXEC_FAILED       127 /* as the shell has it */
#define WORKER_SOCKET_FD  3
#define WORKER_JOURNAL_FD 4
#define PROGRAM_FD        5

void process_program_init(struct process_program *program, const char *path)
{
        program->path = g_strdup(path);
        program->fd = open(path, O_RDONLY | O_CLOEXEC);
        /* Read before main(): its large buffers lie on huge pages where the kernel has them for who asks. */
        program->envp = g_environ_setenv(g_get_environ(), "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", FALSE);
}

void process_program_done(struct process_program *program)
{
        g_clear_pointer(&program->path, g_free);
        g_clear_pointer(&program->envp, g_strfreev);
        program->fd = fd_close(program->fd);
}

/* In the child, between fork and exec: nothing but system calls. */
static void __attribute__((noreturn))
become_worker(const struct process_program *program, char *const argv[], int socket_fd, int journal_fd)
{
        sigset_t none;
        int null = open("/dev/null", O_RDWR), program_fd = program->fd < 0 ? -1 : fcntl(program->fd, F_DUPFD_CLOEXEC, 10);

        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        /* Out of the way of 3 to 5 first, so that none is overwritten before it is moved. */
        socket_fd = fcntl(socket_fd, F_DUPFD, 10);
        journal_fd = journal_fd < 0 ? -1 : fcntl(journal_fd, F_DUPFD, 10);
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(socket_fd, WORKER_SOCKET_FD) < 0)
                _exit(126);
        if (journal_fd < 0)
                (void)close(WORKER_JOURNAL_FD);
        else if (dup2(journal_fd, WORKER_JOURNAL_FD) < 0)
                _exit(126);
        if (program_fd < 0 || dup3(program_fd, PROGRAM_FD, O_CLOEXEC) < 0)
                (void)close(PROGRAM_FD);
        (void)close_range(PROGRAM_FD + 1, ~0U, 0);
        /* The unit gives us CAP_LEASE and CAP_FOWNER; a decoder has no use for them, and exec(2) keeps no capability that is not ambient. */
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        (void)execveat(PROGRAM_FD, "", argv, program->envp, AT_EMPTY_PATH);
        (void)execve(program->path, argv, program->envp);
        _exit(EXEC_FAILED);
}

int process_spawn(const struct process_program *program, int number, int *ret_pid, int *ret_fd)
{
        _cleanup_(fd_closep) int journal_fd = log_connect(), ours = -1, theirs = -1;
        char slot[12], parent[12], formats[20];
        char *argv[] = { "thumbnail-worker", slot, parent, formats, NULL };
        int pair[2], pid;

        (void)snprintf(slot, sizeof slot, "%d", number);
        (void)snprintf(parent, sizeof parent, "%d", (int)getpid());
        (void)snprintf(formats, sizeof formats, "%" PRIx64, program->formats);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return neg_errno();
        ours = pair[0];
        theirs = pair[1];
        if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0) /* the worker's end waits */
                return neg_errno();
        pid = fork();
        if (pid < 0)
                return neg_errno();
        if (pid == 0)
                become_worker(program, argv, theirs, journal_fd);
        *ret_pid = pid;
        *ret_fd = fd_steal(&ours);
        return 0;
}

/* In the child, between fork and exec. */
static void __attribute__((noreturn)) become_part(char *const argv[], char *const envp[], int fd, pid_t parent)
{
        (void)setpgid(0, 0); /* a terminal's ^C is for the one that has started us, which tells us to stop */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        fd = fcntl(fd, F_DUPFD, PROCESS_PART_FD + 1);
        if (getppid() != parent || fd < 0 || dup2(fd, PROCESS_PART_FD) < 0)
                _exit(126);
        (void)close_range(PROCESS_PART_FD + 1, ~0U, 0);
        (void)execve("/proc/self/exe", argv, envp);
        _exit(EXEC_FAILED);
}

int process_spawn_part(char *const argv[], char *const envp[], int fd, int *ret_pid)
{
        pid_t parent = getpid(), pid = fork();

        if (pid < 0)
                return neg_errno();
        if (pid == 0)
                become_part(argv, envp, fd, parent);
        *ret_pid = pid;
        return 0;
}

char *process_describe_end(const siginfo_t *si)
{
        const char *name = sigabbrev_np(si->si_status);

        if (si->si_code == CLD_EXITED && si->si_status == EXEC_FAILED)
                return g_strdup("it could not be executed");
        if (si->si_code == CLD_EXITED)
                return g_strdup_printf("it exited with status %d", si->si_status);
        return g_strdup_printf("signal %d (SIG%s)%s", si->si_status, name ? name : "?",
                               si->si_code == CLD_DUMPED ? ", core dumped" : "");
}

bool process_killed_from_outside(const siginfo_t *si)
{
        if (si->si_code == CLD_EXITED)
                return false;
        return si->si_status == SIGKILL || si->si_status == SIGTERM || si->si_status == SIGINT || si->si_status == SIGHUP ||
               si->si_status == SIGQUIT;
}

uint64_t process_anonymous_bytes(int pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/statm", pid), *text = NULL;
        unsigned long resident = 0, shared = 0;

        if (!g_file_get_contents(path, &text, NULL, NULL) || sscanf(text, "%*u %lu %lu", &resident, &shared) != 2)
                return 0;
        return (uint64_t)(resident - MIN(shared, resident)) * (uint64_t)sysconf(_SC_PAGESIZE);
}

int process_limit_address_space(int pid, uint64_t bytes)
{
        const struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

        return prlimit(pid, RLIMIT_AS, &limit, NULL) < 0 ? neg_errno() : 0;
}

/* ---- ourselves */

void process_prepare(int part_fd)
{
        struct rlimit files;
        sigset_t set;

        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGIO, SIG_IGN); /* a broken lease: its default action would end us */
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        if (part_fd >= 0) {
                (void)fcntl(part_fd, F_SETFD, FD_CLOEXEC);
                (void)prctl(PR_SET_NAME, "thumbnaild", 0, 0, 0);
        }
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = MIN(files.rlim_max, 16384);
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
}

char *process_worker_path(void)
{
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *folder = self ? g_path_get_dirname(self) : NULL;
        char *beside = folder ? g_build_filename(folder, "thumbnail-worker", NULL) : NULL;

        if (beside && access(beside, X_OK) == 0)
                return beside;
        g_free(beside);
        return g_strdup(WORKER_PATH);
}
