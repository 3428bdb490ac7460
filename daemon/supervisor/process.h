/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Processes of ours: starting workers by fork and exec, so that each has an address-space layout of its own and none of our memory; bounding
 * and watching them from outside; what their end says; and what a supervisor needs of its own process. */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The worker's program, kept open from our start on: whatever an upgrade puts in its place while we run, a new worker is the one that
 * was built together with us.  A script, as tests use, cannot be started that way, and is looked for at its path each time. */
struct process_program {
        char *path;       /* owned */
        char **envp;      /* owned: ours, and how its malloc(3) is to ask for memory */
        int fd;           /* owned; -1: go by the path */
        uint64_t formats; /* a bit per enum format: what a worker will be asked to read or write */
};

/* Open the program at @path; one that cannot be opened shows when it is started. */
void process_program_init(struct process_program *program, const char *path);
void process_program_done(struct process_program *program);

/* Start @program as `thumbnail-worker NUMBER OUR_PID FORMATS`, with /dev/null as descriptors 0 and 1, our stderr as 2, one end of a SOCK_SEQPACKET
 * pair as 3, a journal connection of its own as 4 if there is a journal, and nothing else.  Returns 0 with its process id and our end of
 * the pair, non-blocking and owned by the caller; or a negative errno. */
int process_spawn(const struct process_program *program, int number, int *ret_pid, int *ret_fd);

/* Start our own program again with the arguments @argv and the environment @envp, and @fd as its descriptor PROCESS_PART_FD; it dies with
 * us and heads a process group of its own.  Returns 0 with its process id, or a negative errno. */
#define PROCESS_PART_FD 3
int process_spawn_part(char *const argv[], char *const envp[], int fd, int *ret_pid);

/* Bound its address space from now on; from outside, where it cannot undo it.  Returns 0 or a negative errno. */
int process_limit_address_space(int pid, uint64_t bytes);

/* What it has allocated for itself, without what it shares with other workers; 0 if that cannot be known. */
uint64_t process_anonymous_bytes(int pid);

/* How it ended, for people; owned. */
char *process_describe_end(const siginfo_t *si);

/* Whether it was ended by a signal that somebody sent, not by what its decoder did: a fault, an abort, a forbidden call, an exit. */
bool process_killed_from_outside(const siginfo_t *si);

/* Leave signals to the event loop, and get descriptors for a group of jobs that is made durable.  @part_fd: where a part, see parts.h, has
 * its configuration, else -1. */
void process_prepare(int part_fd);

/* The worker program: beside our own executable in a build tree, else where it is installed.  Owned. */
char *process_worker_path(void);
