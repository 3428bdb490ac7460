/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Starting one worker process by fork and exec, so that it has an address-space layout of its own and none of our memory. */

/* Start @path as `thumbnail-worker NUMBER OUR_PID`, with /dev/null as descriptors 0 and 1, our stderr as 2, one end of a SOCK_SEQPACKET
 * pair as 3, a journal connection of its own as 4 if there is a journal, and nothing else.  Returns 0 with its process id and our end of
 * the pair, non-blocking and owned by the caller; or a negative errno. */
int spawn_worker(const char *path, int number, int *ret_pid, int *ret_fd);
