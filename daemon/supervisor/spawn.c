/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fork(2), descriptors, execv(3). */

#include "spawn.h"

#include "base.h"
#include "log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define WORKER_SOCKET_FD  3
#define WORKER_JOURNAL_FD 4

/* In the child, between fork and exec: nothing but system calls. */
static void __attribute__((noreturn)) become_worker(const char *path, char *const argv[], int socket_fd, int journal_fd)
{
        sigset_t none;
        int null = open("/dev/null", O_RDWR);

        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        /* Out of the way of 3 and 4 first, so that neither is overwritten before it is moved. */
        socket_fd = fcntl(socket_fd, F_DUPFD, 10);
        journal_fd = journal_fd < 0 ? -1 : fcntl(journal_fd, F_DUPFD, 10);
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(socket_fd, WORKER_SOCKET_FD) < 0)
                _exit(126);
        if (journal_fd < 0)
                (void)close(WORKER_JOURNAL_FD);
        else if (dup2(journal_fd, WORKER_JOURNAL_FD) < 0)
                _exit(126);
        (void)close_range(WORKER_JOURNAL_FD + 1, ~0U, 0);
        /* The unit gives us CAP_LEASE; a decoder has no use for it, and exec(2) keeps no capability that is not ambient. */
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        (void)execv(path, argv);
        _exit(127);
}

int spawn_worker(const char *path, int number, int *ret_pid, int *ret_fd)
{
        _cleanup_(fd_closep) int journal_fd = log_connect(), ours = -1, theirs = -1;
        char slot[12], parent[12];
        char *argv[] = { "thumbnail-worker", slot, parent, NULL };
        int pair[2], pid;

        (void)snprintf(slot, sizeof slot, "%d", number);
        (void)snprintf(parent, sizeof parent, "%d", (int)getpid());
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
                become_worker(path, argv, theirs, journal_fd);
        *ret_pid = pid;
        *ret_fd = fd_steal(&ours);
        return 0;
}
