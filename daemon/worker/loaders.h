/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which loader and saver of libvips stands for which format: the only ones that are ever called.  A loader is never looked for by
 * libvips itself, so that nothing is decoded by a program that we did not mean. */

#include "format.h"

#include <stdbool.h>
#include <stdint.h>
#include <vips/vips.h>

struct loader {
        const char *operation; /* NULL: none, or not by libvips */
        bool untrusted;        /* by libvips, in which it is blocked while no job may use it */
        bool from_source;      /* else from a buffer */
        bool frames;           /* has n: animations, or pages of which the first counts */
        bool whole;            /* must be told to hold the picture in memory, or it would use a file */
        bool take;             /* maps its file, or reads it all over: give it the bytes */
        bool vector;           /* can be drawn at any scale */
};

/* Never NULL. */
const struct loader *loader_of(enum format format);

/* Whether it exists in this libvips. */
bool loader_exists(enum format format);

/* Let libvips use an untrusted loader, or not any more. */
void loader_allow(enum format format, bool allow);

/* The saver's operation to a buffer, NULL if the format cannot be written by libvips. */
const char *saver_of(enum format format);
