/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* All folders of the configuration: opened, paused while they cannot be used and tried again, carried over a reload. */

#include "folder.h"
#include "work.h"

struct folders {
        sd_event *event;         /* borrowed */
        struct work *work;       /* borrowed: hears of the files */
        GPtrArray *all;          /* of struct folder, in the order of the configuration */
        GPtrArray *retired;      /* left out by a reload: closed, but jobs in flight may still point there */
        sd_event_source *retry;  /* of paused ones */
        sd_event_source *mounts; /* mountinfo: something was mounted or unmounted */
        int mounts_fd;
        void (*mounts_changed)(void *userdata); /* or NULL; called before any folder is looked at */
        void *userdata;
};

void folders_init(struct folders *folders, sd_event *event, struct work *work);
void folders_done(struct folders *folders); /* also after a failed start */

/* Serve the folders of @config, borrowed, from now on: those that are served already go on and are scanned again, others are closed or
 * opened.  A lock that another daemon holds is waited for at most @lock_wait_usec.  What cannot be opened is paused. */
void folders_apply(struct folders *folders, const struct config *config, uint64_t lock_wait_usec);

/* Files that the last scans have met, without ignored ones. */
uint64_t folders_found(const struct folders *folders);

unsigned folders_usable(const struct folders *folders);

/* How many are paused; *@ret_why, unless NULL, gets the reason of one, borrowed. */
unsigned folders_paused(const struct folders *folders, const char **ret_why);

bool folders_scanning(const struct folders *folders);

/* Look at everything again. */
void folders_rescan(struct folders *folders);

/* When one of them is to be looked at again, see folder_due_usec(), 0 for never; and doing so where it is time. */
uint64_t folders_due_usec(const struct folders *folders);
void folders_look(struct folders *folders, uint64_t now_usec);

/* See which stalled ones work again. */
void folders_probe(struct folders *folders);

/* Whether folders_step() would do anything: a scan pauses while what it has found is not made. */
bool folders_can_step(const struct folders *folders);

/* Read on in each for at most @entries entries. */
void folders_step(struct folders *folders, unsigned entries);
