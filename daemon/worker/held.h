/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Ownership of libvips's objects: cleanup attributes, and nothing else.  (Not g_autoptr(): some versions of libvips define it for these
 * types, and some do not.) */

#include "base.h"

#include <vips/vips.h>

static inline void image_unrefp(VipsImage **p)
{
        g_clear_object(p);
}

static inline void region_unrefp(VipsRegion **p)
{
        g_clear_object(p);
}

static inline void source_unrefp(VipsSource **p)
{
        g_clear_object(p);
}

#define _image_  _cleanup_(image_unrefp) VipsImage
#define _region_ _cleanup_(region_unrefp) VipsRegion
#define _source_ _cleanup_(source_unrefp) VipsSource
