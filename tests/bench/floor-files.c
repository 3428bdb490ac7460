/* SPDX-License-Identifier: GPL-2.0-or-later */
/* floor-files SRC OUT: the least that a supervisor can cost.  What it promises of each file takes system calls: nobody writes it, it is what
 * it was when it was rendered, the thumbnail is what it should be, carries its record, is on the disk before it has a name, and a death of
 * all can be told to be this file's.  Those, and nothing else; two workers that write a thumbnail and answer.  Prints the seconds of
 * processor time that it took, without its workers'. */

#include "sync.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 2
#define GROUP   64 /* files that are made durable together */

static const unsigned char thumbnail[700] = { 0xff, 0xd8, 0xff };
static char message[2000]; /* about as long as a request is */

struct file {
        char name[256];
        struct stat st;
        int input_fd, output_fd;
};

static void check(int bad, const char *what)
{
        if (bad)
                err(1, "%s", what);
}

static void send_to(int socket_fd, const int *fds)
{
        union {
                struct cmsghdr head;
                char bytes[CMSG_SPACE(2 * sizeof *fds)];
        } control = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(2 * sizeof *fds) } };
        struct iovec iov = { message, sizeof message };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };

        memcpy(CMSG_DATA(&control.head), fds, 2 * sizeof *fds);
        check(sendmsg(socket_fd, &header, 0) < 0, "sendmsg");
}

static void work(int socket_fd)
{
        for (;;) {
                union {
                        struct cmsghdr head;
                        char bytes[CMSG_SPACE(2 * sizeof(int))];
                } control;
                struct iovec iov = { message, sizeof message };
                struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
                int fds[2];

                if (recvmsg(socket_fd, &header, 0) <= 0)
                        _exit(0);
                memcpy(fds, CMSG_DATA(&control.head), sizeof fds);
                check(pwrite(fds[1], thumbnail, sizeof thumbnail, 0) < 0, "pwrite");
                (void)close(fds[0]);
                (void)close(fds[1]);
                check(send(socket_fd, message, sizeof message / 2, 0) < 0, "send");
        }
}

static int start(void)
{
        int fds[2];
        pid_t pid;

        check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0, "socketpair");
        pid = fork();
        check(pid < 0, "fork");
        if (pid == 0) {
                (void)close(fds[0]);
                work(fds[1]);
        }
        (void)close(fds[1]);
        return fds[0];
}

/* Nobody writes the file any more, and it is not made yet: note that it is in flight, and hand it over. */
static void take(int from_fd, int to_fd, int note_fd, int socket_fd, struct file *f)
{
        char head[1024];
        struct stat st;

        f->input_fd = openat(from_fd, f->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
        check(f->input_fd < 0 || fcntl(f->input_fd, F_SETLEASE, F_RDLCK) < 0 || fcntl(f->input_fd, F_SETLEASE, F_UNLCK) < 0, f->name);
        check(fstat(f->input_fd, &f->st) < 0 || pread(f->input_fd, head, sizeof head, 0) < 0, f->name);
        (void)fstatat(to_fd, f->name, &st, AT_SYMLINK_NOFOLLOW); /* whether it is made already */
        f->output_fd = openat(to_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
        check(f->output_fd < 0 || pwrite(note_fd, f->name, sizeof f->name, 0) < 0, "outbox");
        send_to(socket_fd, (const int[]){ f->input_fd, f->output_fd });
}

static void answered(int socket_fd, const struct file *f)
{
        const struct timespec times[2] = { f->st.st_mtim, f->st.st_mtim };
        char head[1024], record[70] = { 'r' };
        struct stat st;

        check(recv(socket_fd, message, sizeof message, 0) <= 0, "recv");
        check(fstat(f->output_fd, &st) < 0 || pread(f->output_fd, head, sizeof head, 0) < 0, "look");
        check(fsetxattr(f->output_fd, "user.floor", record, sizeof record, 0) < 0 || futimens(f->output_fd, times) < 0, "stamp");
}

static void publish(struct syncer *syncer, int from_fd, int to_fd, const struct file *files, unsigned n)
{
        struct sync_item items[GROUP] = { 0 };
        int errors[GROUP] = { 0 };

        for (unsigned i = 0; i < n; i++)
                items[i] = (struct sync_item){ files[i].output_fd, true, errors + i };
        sync_items(syncer, items, n);
        for (unsigned i = 0; i < n; i++) {
                const struct file *f = files + i;
                struct stat st;

                check(errors[i] < 0 || fstatat(from_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0, f->name);
                check(linkat(f->output_fd, "", to_fd, f->name, AT_EMPTY_PATH) < 0, f->name);
                (void)close(f->input_fd);
                (void)close(f->output_fd);
        }
}

int main(int argc, char **argv)
{
        static struct file files[GROUP];
        struct syncer syncer = { 0 };
        struct dirent *entry;
        unsigned n = 0;
        int workers[WORKERS], from_fd, to_fd, note_fd;
        struct timespec used;
        DIR *dir;

        if (argc != 3)
                errx(64, "usage: floor-files SRC OUT");
        dir = opendir(argv[1]);
        from_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        to_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        note_fd = openat(to_fd, ".note", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        check(!dir || from_fd < 0 || note_fd < 0, argv[1]);
        for (unsigned i = 0; i < WORKERS; i++)
                workers[i] = start();
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                (void)snprintf(files[n].name, sizeof files[n].name, "%s", entry->d_name);
                take(from_fd, to_fd, note_fd, workers[n % WORKERS], files + n);
                if (n > 0)
                        answered(workers[(n - 1) % WORKERS], files + n - 1);
                if (++n < GROUP)
                        continue;
                answered(workers[(n - 1) % WORKERS], files + n - 1);
                publish(&syncer, from_fd, to_fd, files, n);
                n = 0;
        }
        if (n > 0)
                answered(workers[(n - 1) % WORKERS], files + n - 1);
        publish(&syncer, from_fd, to_fd, files, n);
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        (void)printf("%.9f\n", (double)used.tv_sec + (double)used.tv_nsec / 1e9);
        return 0;
}
