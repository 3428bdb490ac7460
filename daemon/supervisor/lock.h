/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The lock that keeps two daemons from one outbox: flock(2) on the directory itself. */

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Lock the directory open as @fd for as long as it is open, after waiting at most @wait_usec for who holds it.  Returns 0, also where
 * the file system has no locks; -EWOULDBLOCK, or another negative errno. */
int lock_take(int fd, uint64_t wait_usec);

/* The process that holds the lock of the directory @st; 0 if none does, or that cannot be seen. */
pid_t lock_holder(const struct stat *st);
