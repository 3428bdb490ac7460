/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at who has ended before it waits for him. */

#include "reaper.h"

#include <sys/wait.h>

static int on_child(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
        const struct reaper *r = (const struct reaper *)userdata;
        siginfo_t child = { 0 };

        while (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0 && child.si_pid > 0 &&
               !r->is_ours(child.si_pid, r->userdata)) {
                (void)waitid(P_PID, (id_t)child.si_pid, &child, WEXITED | WNOHANG);
                child.si_pid = 0;
        }
        return 0;
}

int reaper_start(struct reaper *reaper, sd_event *event, bool (*is_ours)(pid_t pid, void *userdata), void *userdata)
{
        int r;

        *reaper = (struct reaper){ .is_ours = is_ours, .userdata = userdata };
        r = sd_event_add_signal(event, &reaper->source, SIGCHLD, on_child, reaper);
        return r < 0 ? r : sd_event_source_set_priority(reaper->source, SD_EVENT_PRIORITY_NORMAL + 10);
}

void reaper_stop(struct reaper *reaper)
{
        reaper->source = sd_event_source_disable_unref(reaper->source);
}
