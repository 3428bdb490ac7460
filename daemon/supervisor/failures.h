/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What could not be made, for people and for us: a reason file `<path>.why.txt` for each, beside the original in the folder `failed`, or
 * where there is none below OUTBOX/.thumbnaild/failed while the original stays.  Its first line is the reason's token, then come a
 * sentence and what to do, and last the version and the configuration that it is about.  Removing it is how an operator asks for
 * another try. */

#include "intake.h"
#include "source.h"

#include <glib.h>

/* Where they are without a folder `failed`, below the outbox. */
#define FAILURES_OWN ".thumbnaild/failed"

struct failures;

struct failures_hooks {
        /* The reason file of @file was removed: try it again, it is in the inbox. */
        void (*retry)(const char *file, void *userdata);
        /* A reason file was removed whose name was too long to hold that of its file: look at all again. */
        void (*retry_unnamed)(void *userdata);
        /* The same where originals are set apart: move that version of @file from the store back to the inbox. */
        void (*give_back)(const char *file, const struct source *source, void *userdata);
};

/* Open the store at @root_fd, consumed.  With @apart originals are moved there, and given back when their reason
 * file goes.  @basis is a short text of what failures may depend on in the configuration.  Returns 0 or a negative errno. */
int failures_new(sd_event *event, int root_fd, bool apart, const char *basis, const struct failures_hooks *hooks, void *userdata,
                 struct failures **ret);
void failures_free(struct failures *failures);

/* The same to look at only, for failures_find() and the two after it: nothing is watched, and nothing to be heard of. */
struct failures *failures_open_to_look(int root_fd, bool apart, const char *basis);

/* Look through the store for what an operator did while nobody listened.  Calls hooks. */
void failures_start(struct failures *failures);

/* The root of the store, borrowed, when originals go there; else -1. */
int failures_apart_fd(const struct failures *failures);

/* How many folders of the store are watched. */
unsigned failures_watches(const struct failures *failures);

/* After a reload. */
void failures_set_basis(struct failures *failures, const char *basis);

/* Whether @file in the version @source is known to have failed, under the present configuration as far as that matters.  Returns the
 * reason, or REASON_NONE; *@ret_since gets when it was noted, in seconds since the epoch. */
enum reason failures_find(struct failures *failures, const char *file, const struct source *source, int64_t *ret_since);

/* Where the note lies that failures_find() has found, below the store; owned, or NULL. */
char *failures_where(struct failures *failures, const char *file, const struct source *source);

/* Why @name, an original that was set apart in the store, or one that is about to be, failed: the content of its note, owned, and where
 * that lies.  NULL, with *@ret_where set all the same, if there is none. */
char *failures_read(struct failures *failures, const char *name, char **ret_where);

/* Note that @file failed.  Returns 0 or a negative errno. */
int failures_note(struct failures *failures, const char *file, const struct source *source, enum reason reason, const char *text);

/* @file is no failure (any more): remove its reason file, unless that is about an original that lies beside it. */
void failures_clear(struct failures *failures, const char *file);

/* The text of a reason file, and reading one back.  Pure. */
char *failures_format(const struct source *source, enum reason reason, const char *text, const char *basis, bool apart);
enum reason failures_parse(const char *text, const struct source *source, const char *basis);
