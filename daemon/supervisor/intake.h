/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What happens in one inbox, as the kernel tells it: inotify(7) on its directories, one descriptor per inbox, so that one folder's
 * flood overflows its own queue only.  Watches directories, never files, since a watch pins an inode. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct intake;

enum intake_news {
        NEWS_CLOSED,  /* a writer has closed the file */
        NEWS_ARRIVED, /* a name has appeared: created, linked or moved here */
        NEWS_CHANGED, /* mode, owner, times */
        NEWS_GONE,    /* the name is no more */
};

struct intake_hooks {
        /* There is news of @file, relative to the inbox. */
        void (*file)(const char *file, enum intake_news news, void *userdata);
        /* A directory has appeared at @directory: read it. */
        void (*directory)(const char *directory, void *userdata);
        /* The directory @directory is no more, with all that was below it; NULL: that is nothing to you. */
        void (*directory_gone)(const char *directory, void *userdata);
        /* The queue ran over: anything may have happened. */
        void (*overflow)(void *userdata);
        /* Something happened to a root itself.  Returns whether all are still there. */
        bool (*changed)(void *userdata);
        /* A root was removed, moved away or unmounted; @why names the event. */
        void (*lost)(const char *why, void *userdata);
};

/* Start listening; nothing is watched yet.  @hooks stay borrowed.  Returns 0; -EMFILE when the user has no inotify instance left
 * (intake_limits() says how many there are); or another -errno. */
int intake_new(sd_event *event, const struct intake_hooks *hooks, void *userdata, struct intake **ret);
void intake_free(struct intake *intake);

/* Watch the directory open as @fd, which is @directory below the inbox ("" for itself).  Returns 0, -ENOSPC when the user has no
 * watch left, or another -errno. */
int intake_watch(struct intake *intake, const char *directory, int fd);

/* Notice when a root, the inbox's own @path or another, goes or is replaced: that is an event of the folder above it.  Returns 0 or a
 * negative errno. */
int intake_watch_root(struct intake *intake, const char *path);

/* Forget @directory and all below it. */
void intake_unwatch(struct intake *intake, const char *directory);

/* Hear what has happened so far, now and not in the next turn of the loop.  After the hook for a lost inbox, @intake may be gone. */
void intake_drain(struct intake *intake);

bool intake_watches_directory(const struct intake *intake, const char *directory);
unsigned intake_watches(const struct intake *intake);

/* The limits of this user, -1 where unknown. */
void intake_limits(int *ret_watches, int *ret_instances);
