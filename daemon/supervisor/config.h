/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The configuration as the rest of the supervisor sees it: read by libconfig through one key table per group, checked completely, and
 * never changed afterwards.  A reload makes a new one. */

#include "original.h"
#include "record.h"
#include "wire.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What an original can be of for format = "same" to mean that; of any other it is JPEG. */
#define FORMATS_SAME \
        { \
                FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP, FORMAT_GIF, FORMAT_AVIF, FORMAT_JXL \
        }

struct preset {
        char *name;
        struct wire_spec spec;               /* spec.format may be FORMAT_SAME */
        char fingerprint[RECORD_HASH_BYTES]; /* of the keys a user sees, never of the program's version */
};

enum watch_mode { WATCH_AUTO, WATCH_INOTIFY, WATCH_POLL };

struct folder_config {
        char *inbox, *outbox; /* absolute */
        char *template;       /* of names, see name.h */
        char *label;          /* {folder}: the inbox's last component */
        GPtrArray *presets;   /* of struct preset, borrowed from the config */
        GPtrArray *ignore;    /* of char *, globs of fnmatch(3), added to the built-in list */
        bool recursive;
        bool verbose;             /* tell of each name that is ignored */
        char *failed, *processed; /* absolute, or NULL */
        uint32_t originals;       /* enum original_fate */
        uint32_t delete_orphans;  /* 0 or 1 */
        int64_t abandon_seconds;
        bool shared_outbox; /* another folder writes there too */
        bool wants_same;    /* some preset takes the format of the original */
        int64_t settle_ms;
        uint32_t watch; /* enum watch_mode */
        int64_t poll_seconds;
        uint32_t rescan_minutes; /* hundredths; 0: never */
        int64_t mode;            /* of thumbnails */
        char *group;             /* of thumbnails, or NULL */
        gid_t gid;               /* of that group, or (gid_t)-1 */
        unsigned line;           /* in the file, for messages */
        bool elsewhere;          /* another process of ours serves it, see parts.h */
};

#define MIB (UINT64_C(1) << 20)

struct limits {
        int64_t file_mib, megapixels, frames, seconds, memory_mib, free_mib;
};

struct config {
        char *path, *text; /* the latter is what was read there; NULL when made from the command line */
        int64_t workers;   /* 0: one per usable CPU */
        int64_t stop_seconds, answer_seconds;
        uint32_t sandbox_required; /* 0 or 1 */
        uint64_t loaders;          /* bit per enum format */
        struct limits limits;
        unsigned shares;    /* of what the daemon may use, of which this process has one */
        int64_t memory_mib; /* as in limits, before it was shared out; 0: it was not */
        char *basis;        /* what a failure may depend on: limits and loaders, as text */
        GPtrArray *presets; /* of struct preset */
        GPtrArray *folders; /* of struct folder_config, at least one */
};

/* Read and check @path.  Returns owned, or NULL with at least one line "FILE:LINE: what is wrong" in @errors, which gets every problem
 * that can be found at once. */
struct config *config_load(const char *path, GString *errors);

/* What may have to be read or written, a bit per enum format. */
uint64_t config_formats(const struct config *config);

/* The same from the @text of @path. */
struct config *config_parse(const char *path, const char *text, GString *errors);

/* Leave out all folders but those with the inboxes @only, unless @n_only is 0.  Returns 0, or -EINVAL with a line in @errors. */
int config_keep_only(struct config *config, const char *const *only, unsigned n_only, GString *errors);

/* Let one process of @parts use its share of what all of them may use. */
void config_share(struct config *config, unsigned parts);

/* One folder with defaults, as -i and -o ask for it; @spec NULL: the preset of an empty configuration, else that one named @name.
 * Returns owned, or NULL with a line in @errors. */
struct config *config_for_folder(const char *inbox, const char *outbox, const char *name, const struct wire_spec *spec,
                                 GString *errors);

void config_free(struct config *config);
/* for g_autoptr-like use: _cleanup_(config_freep) */
static inline void config_freep(struct config **config)
{
        config_free(*config);
}

/* The spec of a preset in which only the box is yet to be set. */
struct wire_spec config_default_spec(void);
