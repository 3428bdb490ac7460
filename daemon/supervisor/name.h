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

/* The path, relative to the outbox, of the thumbnail of @file (relative to the inbox).  No component is longer than
 * @component_max bytes: a longer one is cut at a UTF-8 boundary and gets `~` and 8 hex digits of the SHA-256 of the whole name,
 * before what follows its last `.{preset}.{ext}`-like tail.  Returns an owned string. */
char *name_expand(const char *template, const char *folder, const char *file, const struct name_variant *variant,
                  size_t component_max);
