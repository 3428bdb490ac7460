/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Names of thumbnails from the template of the configuration.  Pure.
 *
 * A template is provably free of collisions when one output path can come from one (original, preset) only:
 *  - `{file}` stands once, in the last component; `{dir}` at most once, as whole components before it; `{stem}` never in the last,
 *    so the path's components say which part is which, and
 *  - for every two ways to fill in preset and extension, either some other component differs, or what stands before and after
 *    `{file}` cannot be stretched into the other by a different file name. */

#include "format.h"

#include <glib.h>
#include <stdbool.h>

#define NAME_TEMPLATE_DEFAULT "{dir}/{file}.{preset}.{ext}"

struct name_variant {
        const char *preset;
        const char *extension;
};

/* Whether @template is well formed and collision-free over @variants; with @recursive it must hold `{dir}`, with @shared `{folder}`.
 * Returns NULL if it is, else an owned sentence that says what is wrong and what to write instead. */
char *name_template_check(const char *template, const struct name_variant *variants, size_t n_variants, bool recursive, bool shared);

/* Whether @base, the last component of a path, may be a thumbnail of @preset: never false for one that is. */
bool name_may_be(const char *template, const char *preset, const char *base);

/* The folder, relative to the outbox, below which the thumbnails of all originals below @directory stand; owned, or NULL when the template
 * does not keep them together. */
char *name_of_folder(const char *template, const char *folder, const char *directory, const struct name_variant *variant,
                     size_t component_max);

/* Undo name_expand(): the first original whose thumbnail, by whatever preset there may ever have been, could have the name @path and
 * that @accept agrees to.  Returns it, owned, or NULL; a name that was cut gives none. */
char *name_original(const char *template, const char *folder, const char *path, bool (*accept)(const char *file, void *userdata),
                    void *userdata);

/* The folder ("" for the top) of the originals whose thumbnails could have the name @path, owned, or NULL if there are none. */
char *name_original_folder(const char *template, const char *folder, const char *path);

/* The path, relative to the outbox, of the thumbnail of @file (relative to the inbox).  No component is longer than
 * @component_max bytes: a longer one is cut at a UTF-8 boundary and gets `~` and 8 hex digits of the SHA-256 of the whole name,
 * before what follows its last `.{preset}.{ext}`-like tail.  Returns an owned string. */
char *name_expand(const char *template, const char *folder, const char *file, const struct name_variant *variant,
                  size_t component_max);
