/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* As process 1 of a container we inherit the orphans of others, which stay as zombies until they are waited for. */

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct reaper {
        sd_event_source *source;
        bool (*is_ours)(pid_t pid, void *userdata);
        void *userdata;
};

/* Reap whoever ends and is not ours: those have sources of their own, which come first.  SIGCHLD must be blocked.  Returns 0 or a negative
 * errno. */
int reaper_start(struct reaper *reaper, sd_event *event, bool (*is_ours)(pid_t pid, void *userdata), void *userdata);

/* Stop it; all zero, for one that was never started, is fine. */
void reaper_stop(struct reaper *reaper);
