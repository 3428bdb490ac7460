/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One inbox and its outbox at work: descriptors, watches, scans, and what is to be made of a file there.  Tells the supervisor of
 * files; never decides when one is made. */

#include "config.h"
#include "failures.h"
#include "intake.h"
#include "job.h"
#include "orphans.h"
#include "outbox.h"
#include "polling.h"
#include "suspects.h"

#include <systemd/sd-event.h>

struct folder;

/* How the supervisor hears of a file. */
enum folder_found { FOUND_BY_SCAN, FOUND_BY_CHECK, FOUND_IN_NEW_FOLDER, FOUND_CLOSED, FOUND_ARRIVED, FOUND_CHANGED, FOUND_GONE };

struct folder_hooks {
        void (*file)(struct folder *folder, const char *file, enum folder_found how, void *userdata);
        /* Nothing but a regular file: @type as in readdir(3). */
        void (*odd)(struct folder *folder, const char *file, unsigned char type, void *userdata);
        /* @directory cannot be read, for the negative errno @error; once until it could. */
        void (*barred)(struct folder *folder, const char *directory, int error, void *userdata);
        /* An operator asks for another try of @file, which lies in the inbox, or (@source is not NULL) among the failures. */
        void (*retry)(struct folder *folder, const char *file, const struct source *source, void *userdata);
        /* The inbox, or another of its roots, is gone: close the folder, try later.  @folder is still whole. */
        void (*lost)(struct folder *folder, const char *why, void *userdata);
};

struct folder {
        const struct folder_config *config; /* borrowed; another one after a reload */
        const char *basis;
        const struct folder_hooks *hooks;
        void *userdata;
        char *user, *group; /* ours, by name: for what is said of permissions */
        sd_event *event;    /* borrowed */
        bool usable;        /* open: what follows is filled */
        int inbox_fd;
        dev_t device;                /* of the inbox */
        struct source_traits traits; /* of the inbox's file system */
        struct outbox *outbox;
        struct intake *intake;
        struct failures *failures;
        struct orphans *orphans;
        struct suspects *suspects;
        int processed_fd;      /* -1 without one */
        struct scan *arrivals; /* directories that have just appeared */
        struct scan *backlog;  /* everything */
        struct polling *polling;
        struct recheck *recheck;
        struct scan *polled;    /* the folders that no watch tells of */
        GHashTable *unreadable; /* char *: folders that cannot be read, as the journal knows */
        unsigned turn;          /* of the two, where both are being read */
        char *gone;             /* why the inbox was found to be gone while it was read, or NULL */
        bool watch_trouble_told;
        enum reason taking_told; /* why originals cannot be taken away, as the journal knows */
        bool owes;               /* an original that was to be given back is still among the failures */
        char *stalled;           /* why nothing can be written there now, or NULL */
        enum reason stalled_reason;
        uint64_t stalled_until_usec; /* when to try again */
        unsigned stalls;             /* in a row, with nothing published in between */
        unsigned pauses;             /* all of them */
        bool stall_is_seen;          /* a file of our own cannot be written either, so that its end is noticed */
        char *paused;                /* why it is not usable, or NULL */
        uint64_t found;              /* files that the present scan has met, without ignored ones */
        unsigned wanted_in_a_row;    /* of those, the last ones */
};

/* @basis: see failures_new(); borrowed, as the configuration is. */
struct folder *folder_new(sd_event *event, const struct folder_config *config, const char *basis, const struct folder_hooks *hooks,
                          void *userdata);

/* Another configuration of the same folder is in force. */
void folder_set_config(struct folder *folder, const struct folder_config *config, const char *basis);

void folder_free(struct folder *folder);

/* Open it, lock its outbox (or share the one of @sharing, which may be NULL) and start watching.  Returns 0 and begins a scan, or a
 * negative errno with an owned sentence in *@ret_why and its @ret_reason. */
int folder_open(struct folder *folder, struct folder *sharing, uint64_t lock_wait_usec, char **ret_why, enum reason *ret_reason);

/* Close everything; the object stays and can be opened again. */
void folder_close(struct folder *folder);

/* The path of the inbox, outbox, processed or failed folder that does not lead any more to the directory that is served: it may have been
 * removed, replaced, or mounted over.  Borrowed; NULL if all are there. */
const char *folder_missing(const struct folder *folder);

/* Look at everything in it again, from the beginning. */
void folder_rescan(struct folder *folder);

/* Something was mounted or unmounted: notice if it was below the inbox. */
void folder_mounts_changed(struct folder *folder);

/* When something in it is to be looked at again, as it is polled, or by the safety rescan; 0 for never.  And doing so, if it is time and, for
 * the latter, the daemon @idle. */
uint64_t folder_due_usec(const struct folder *folder);
void folder_look(struct folder *folder, uint64_t now, bool idle);

/* Whether what happens to @file is told by the kernel. */
bool folder_hears(const struct folder *folder, const char *file);

/* Hear what the kernel tells of the inbox so far.  Hooks are called; the folder may be closed afterwards. */
void folder_listen(struct folder *folder);

/* Go on reading for at most @entries.  With @only_arrivals leave the backlog alone.  Returns whether anything is left to read. */
bool folder_step(struct folder *folder, unsigned entries, bool only_arrivals);

/* Whether the scan of everything is going on. */
bool folder_scanning(const struct folder *folder);

/* Whether directories that have just appeared are waiting to be read. */
bool folder_has_arrivals(const struct folder *folder);
