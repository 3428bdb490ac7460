/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The library as a whole, and the memory it works in. */

#include <stdint.h>

/* What it can really read on this machine, a bit per enum format; known after render_probe(). */
uint64_t engine_readable(void);

/* The next picture may take @bytes of memory, so no more than that is kept for the one after it. */
void engine_keep(uint64_t bytes);
