/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the library can really do on this machine; known after render_probe(). */

#include <stdint.h>

/* A bit per enum format. */
uint64_t engine_readable(void);
