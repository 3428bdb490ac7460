/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A render() that has been taken over: what the file's name (up to its first dot) says, it does, and tells in the reply's text what
 * came of it, if it still can.  Linked with the real main.c and sandbox.c; never installed. */

#include "base.h"
#include "render.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

int render_init(uint64_t formats)
{
        return 0;
}

int render_probe(struct wire_hello *ret)
{
        ret->readable = ret->writable = ~0ULL;
        (void)snprintf(ret->engine, sizeof ret->engine, "evil");
        return 0;
}

void render_rest(void)
{
}

static const struct sockaddr_un journal = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket" };

static int open_to_read(int fd)
{
        return open("/etc/passwd", O_RDONLY);
}

static int open_to_write(int fd)
{
        return open("/tmp/evil", O_WRONLY);
}

static int open_to_create(int fd)
{
        return open("/tmp/evil", O_RDWR | O_CREAT, 0600);
}

static int open_beside(int fd)
{
        return openat(fd, "..", O_RDONLY);
}

static int open_how(int fd)
{
        uint64_t how[3] = { O_WRONLY, 0, 0 };

        return (int)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof how);
}

static int delete_file(int fd)
{
        return unlink("/tmp/evil");
}

static int make_socket(int fd)
{
        return socket(AF_INET, SOCK_STREAM, 0);
}

static int connect_journal(int fd)
{
        return connect(4, (const struct sockaddr *)&journal, sizeof journal);
}

static int send_to_address(int fd)
{
        return (int)sendto(4, "MESSAGE=evil\n", 13, 0, (const struct sockaddr *)&journal, sizeof journal);
}

static int send_message(int fd)
{
        struct iovec iov = { .iov_base = (void *)"MESSAGE=evil\n", .iov_len = 13 };
        struct msghdr message = { .msg_name = (void *)&journal, .msg_namelen = sizeof journal, .msg_iov = &iov, .msg_iovlen = 1 };

        return (int)sendmsg(4, &message, 0);
}

static int execute(int fd)
{
        return execl("/bin/true", "true", NULL);
}

static int fork_child(int fd)
{
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return pid;
}

static int clone_how(int fd)
{
        struct clone_args args = { .exit_signal = SIGCHLD };

        return (int)syscall(SYS_clone3, &args, sizeof args);
}

static int kill_parent(int fd)
{
        return kill(getppid(), SIGTERM);
}

static int kill_thread_of_init(int fd)
{
        return (int)syscall(SYS_tgkill, 1, 1, SIGTERM);
}

static int kill_parent_by_its_message(int fd)
{
        if (fcntl(3, F_SETSIG, SIGKILL) < 0 || fcntl(3, F_SETOWN, getppid()) < 0)
                return -1;
        return fcntl(3, F_SETFL, O_ASYNC);
}

static int kill_parent_by_owning(int fd)
{
        struct f_owner_ex owner = { F_OWNER_PID, getppid() };

        return fcntl(3, F_SETOWN_EX, &owner);
}

static int block_the_journal(int fd) /* whose open file the supervisor has, too */
{
        return fcntl(4, F_SETFL, 0);
}

static int copy_files(int fd) /* what libraries do: allowed */
{
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 5);

        return copy < 0 || (fcntl(copy, F_GETFL) & O_ACCMODE) == O_RDONLY ? -1 : close(copy);
}

static int trace_self(int fd)
{
        return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int map_code(int fd)
{
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int make_code(int fd)
{
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return page == MAP_FAILED ? 0 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int raise_limit(int fd)
{
        const struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };

        return setrlimit(RLIMIT_AS, &more);
}

static int write_beyond(int fd)
{
        return (int)pwrite(fd, "x", 1, (off_t)1 << 30);
}

static int hoard_files(int fd)
{
        for (int i = 0; i < 1000; i++)
                if (dup(0) < 0)
                        return -1;
        return 0;
}

static int trap_calls(int fd)
{
        return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static void *do_nothing(void *userdata)
{
        return userdata;
}

static int start_thread(int fd) /* what decoders do: allowed */
{
        pthread_t thread;
        int r = pthread_create(&thread, NULL, do_nothing, NULL);

        if (r == 0)
                (void)pthread_join(thread, NULL);
        errno = r;
        return r ? -1 : 0;
}

static int allocate(int fd)
{
        for (;;) {
                void *p = malloc(1 << 20);

                if (!p)
                        return -1;
                memset(p, 1, 1 << 20);
        }
}

static int stall(int fd)
{
        while (poll(NULL, 0, 1000) == 0)
                ;
        return -1;
}

static int crash(int fd)
{
        abort();
        return 0;
}

static int flood(int fd)
{
        static const struct wire_reply reply = { .version = WIRE_VERSION, .kind = WIRE_REPLY, .job = 1 };

        for (;;)
                if (send(3, &reply, sizeof reply, MSG_NOSIGNAL) < 0)
                        return -1;
}

static int lie(int fd)
{
        return 0;
}

static const struct {
        const char *name;
        int (*run)(int output_fd);
} deeds[] = {
#define DEED(function) \
        { \
#function, function \
        }
        DEED(open_to_read),
        DEED(open_to_write),
        DEED(open_to_create),
        DEED(open_beside),
        DEED(open_how),
        DEED(delete_file),
        DEED(make_socket),
        DEED(connect_journal),
        DEED(send_to_address),
        DEED(send_message),
        DEED(execute),
        DEED(fork_child),
        DEED(clone_how),
        DEED(kill_parent),
        DEED(kill_thread_of_init),
        DEED(kill_parent_by_its_message),
        DEED(kill_parent_by_owning),
        DEED(block_the_journal),
        DEED(copy_files),
        DEED(trace_self),
        DEED(map_code),
        DEED(make_code),
        DEED(raise_limit),
        DEED(write_beyond),
        DEED(hoard_files),
        DEED(trap_calls),
        DEED(start_thread),
        DEED(allocate),
        DEED(stall),
        DEED(crash),
        DEED(flood),
        DEED(lie),
#undef DEED
};

void render(const struct wire_render *request, int input_fd, const int *output_fds, struct wire_reply *ret,
            struct render_stages *ret_stages)
{
        const char *file = wire_render_file(request), *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
        size_t length = strcspn(name, ".");

        *ret_stages = (struct render_stages){ 0 };
        *ret = (struct wire_reply){ .n_outputs = request->n_outputs, .format = FORMAT_JPEG, .width_px = 1, .height_px = 1 };
        for (unsigned i = 0; i < request->n_outputs; i++) /* a claim: nothing was written */
                ret->outputs[i] = (struct wire_output){ .width_px = 1, .height_px = 1, .bytes = 12345 };
        for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++)
                if (strlen(deeds[i].name) == length && memcmp(deeds[i].name, name, length) == 0) {
                        errno = 0;

                        int r = deeds[i].run(output_fds[0]);

                        (void)snprintf(ret->text, sizeof ret->text, "%s", r < 0 ? strerrorname_np(errno) : "done");
                        return;
                }
        (void)snprintf(ret->text, sizeof ret->text, "no such deed");
}
