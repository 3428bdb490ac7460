/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two sources of the loop. */

#include "journal.h"

#include "log.h"

#include <sys/epoll.h>
#include <time.h>

#define RETRY_USEC UINT64_C(1000000)

static int on_writable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        log_flush();
        return 0;
}

static int watch(struct journal *j)
{
        int r = log_fd() < 0 ? 0 : sd_event_add_io(j->event, &j->writable, log_fd(), EPOLLOUT, on_writable, j);

        return r < 0 ? r : 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct journal *j = (struct journal *)userdata;

        j->retry = sd_event_source_disable_unref(j->retry);
        if (log_reconnect() >= 0) { /* else journal_mind() comes back to it */
                (void)watch(j);
                j->reconnected(j->userdata);
        }
        return 0;
}

void journal_mind(struct journal *j)
{
        if (!log_lost()) {
                if (j->writable)
                        (void)sd_event_source_set_enabled(j->writable, log_pending() ? SD_EVENT_ON : SD_EVENT_OFF);
        } else if (!j->retry) {
                j->writable = sd_event_source_disable_unref(j->writable);
                (void)sd_event_add_time_relative(j->event, &j->retry, CLOCK_MONOTONIC, RETRY_USEC, 0, on_retry, j);
        }
}

int journal_open(struct journal *j, sd_event *event, void (*reconnected)(void *userdata), void *userdata)
{
        *j = (struct journal){ .event = event, .reconnected = reconnected, .userdata = userdata };
        return watch(j);
}

void journal_close(struct journal *j)
{
        j->writable = sd_event_source_disable_unref(j->writable);
        j->retry = sd_event_source_disable_unref(j->retry);
}
