/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One part, see parts.h: a process that serves some of the folders.  Started, heard, missed, ended; which parts there are is not decided
 * here.  Times are of CLOCK_MONOTONIC. */

#include "config.h"
#include "numbers.h"
#include "options.h"

#include <signal.h>
#include <systemd/sd-event.h>

#define PART_KILLED_USEC UINT64_C(1000000) /* a killed one that is still there after this long is stuck in the kernel */

struct part;

/* What all parts have in common. */
struct part_common {
        sd_event *event;
        const struct options *options;
        const struct config *config;
        int config_fd;     /* see load_write_part() */
        char *notify_path; /* for NOTIFY_SOCKET */
        bool stopping;
        void (*ended)(struct part *part, const siginfo_t *si, void *userdata); /* may free it */
        void *userdata;
};

struct part {
        const struct part_common *common;
        GPtrArray *inboxes; /* char *, owned, at least one */
        char *remote;       /* what they lie on */
        int pid;            /* 0: none runs */
        sd_event_source *child;
        bool wanted;         /* else it is to end */
        bool ready, settled; /* it has said that it is ready, since it was started; ever, or was paused */
        bool asked;          /* to end */
        bool silent;         /* it was not heard of for too long */
        char *paused;        /* why its folders are, as far as we see; or NULL */
        uint64_t heard_usec, killed_usec, again_usec;
        unsigned ends; /* in a row, without having been ready */
        struct numbers numbers;
        char *why; /* one of its folders is paused, as it says; or NULL */
};

/* @common stays borrowed.  Serves nothing yet. */
struct part *part_new(const struct part_common *common);
void part_free(struct part *part); /* leaves the process alone; NULL is fine */

uint64_t part_now_usec(const struct part_common *common);

bool part_serves(const struct part *part, const char *inbox);

/* Start its process; when that cannot be done, later. */
void part_start(struct part *part);

/* Its process has ended, as @how says: start it again after a while. */
void part_start_later(struct part *part, const char *how);

/* Its folders are paused, for us too: @why is consumed; and not any more. */
void part_pause(struct part *part, enum reason reason, char *why);
void part_resume(struct part *part);

/* Ask its process to end, or end it if it is silent; and end it now, with its workers. */
void part_end(struct part *part);
void part_kill(struct part *part);

/* Its process has sent @text.  Returns whether it was silent before. */
bool part_hear(struct part *part, const char *text);

/* Do what is due at @now_usec.  Returns when to look again, 0: never. */
uint64_t part_look(struct part *part, uint64_t now_usec);
