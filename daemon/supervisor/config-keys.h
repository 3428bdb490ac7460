/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reading one libconfig group into one structure through a table of keys: type, place, range, choices.  Knows nothing of what the keys
 * mean. */

#include <glib.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

enum key_type {
        KEY_INTEGER, /* int64_t */
        KEY_BOOLEAN, /* uint32_t 0 or 1 at a place of 4 bytes, or bool at one of 1 */
        KEY_STRING,  /* char *, owned */
        KEY_CHOICE,  /* uint32_t */
        KEY_COLOUR,  /* uint32_t 0xRRGGBB from "#rrggbb" */
        KEY_NUMBER,  /* uint32_t hundredths, from an integer or a float */
        KEY_OTHER,   /* read by whoever owns the table */
};

struct key_choice {
        const char *name;
        uint32_t value;
};

struct key {
        const char *name;
        enum key_type type;
        size_t offset, size;
        int64_t min, max;
        const struct key_choice *choices; /* ends with a NULL name */
        uint32_t present_bit;             /* set in *present when the key stands there */
};

struct key_reader {
        const char *path;
        GString *errors;
        unsigned n_errors;
};

/* Add "PATH:LINE: …" to the errors. */
void key_error(struct key_reader *reader, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Read what stands in @group into @into by @table, refusing what is not in it.  @present may be NULL. */
void key_read_group(struct key_reader *reader, const config_setting_t *group, const struct key *table, size_t n, void *into,
                    uint32_t *present);

/* The one of @names (NULL-terminated) that @word was probably meant to be, or NULL. */
const char *key_suggest(const char *word, const char *const *names);

/* Refuse in the file's @text what libconfig would read wrongly in silence: integers of more than nine digits (99999999999 reads as
 * 1215752191), and @include, which would escape this look. */
void key_check_text(struct key_reader *reader, const char *text);
