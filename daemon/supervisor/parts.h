/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Folders on remote file systems are served by processes of their own, parts: this program again, with --only, so that a share that
 * hangs stalls only itself.  To a part we are the service manager, by the protocol of sd_notify(3): it says READY=1, STATUS= and, as long
 * as nothing stalls it, WATCHDOG=1.  One that does not is reported as paused, one that ends is started again.
 *
 * Nothing here touches a folder. */

#include "config.h"
#include "numbers.h"
#include "options.h"

#include <systemd/sd-event.h>

struct parts;

struct parts_hooks {
        /* Something has changed that readiness, the status, or the end may wait for. */
        void (*changed)(void *userdata);
        /* A part that served folders has made room for others: call parts_plan() again. */
        void (*moved)(void *userdata);
};

/* @options and @hooks stay borrowed.  Costs nothing as long as all folders are local. */
struct parts *parts_new(sd_event *event, const struct options *options, const struct parts_hooks *hooks, void *userdata);

/* Kills what is left, without waiting for it; NULL is fine. */
void parts_free(struct parts *parts);

/* Decide by the mounts of now which folders of @config are served elsewhere, and mark them; let @config use what the parts leave of
 * memory_mib.  Returns whether that differs from what it was. */
bool parts_plan(struct parts *parts, struct config *config);

/* After parts_plan(), and when the folders that are not served elsewhere any more have been closed: start what is missing and stop what is
 * not wanted any more.  With @reload let those that go on read the configuration again.  @config stays borrowed until the next call. */
void parts_apply(struct parts *parts, const struct config *config, bool reload);

/* Every one of them has said that it is ready, is reported as paused, or has ended at its first start. */
bool parts_settled(const struct parts *parts);

/* The exit status of one that has found at its first start that nothing can ever be served, or 0. */
int parts_failure(const struct parts *parts);

/* None of them is stalled: what they say of their folders is known. */
bool parts_known(const struct parts *parts);

unsigned parts_count(const struct parts *parts);

/* Folders that they serve; and of those the ones that can be used now. */
unsigned parts_folders(const struct parts *parts);
unsigned parts_usable(const struct parts *parts);

/* Add what all of them have done, ever; and what they do now.  The view's paused_why is borrowed. */
void parts_add_status(const struct parts *parts, struct status *status);
void parts_add_view(const struct parts *parts, struct status_view *view);

/* Add what they have to do, and what they have told, ever. */
void parts_add_tally(const struct parts *parts, struct tally *tally);

/* Call @f for each folder that is served elsewhere. */
void parts_foreach(const struct parts *parts, void (*f)(const char *inbox, bool paused, void *userdata), void *userdata);

/* What a worker of theirs has said of itself, or NULL. */
const struct wire_hello *parts_hello(const struct parts *parts);

/* Whether @pid is one of them. */
bool parts_own(const struct parts *parts, int pid);

/* Let all of them end, those that are stalled at once; and end them now. */
void parts_stop(struct parts *parts);
void parts_kill(struct parts *parts);

/* After parts_stop(): nothing is left to wait for.  One that was killed and is stuck in the kernel is not waited for. */
bool parts_over(const struct parts *parts);
