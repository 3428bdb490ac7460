/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Where in a picture a smaller box shows most.  Pure.  (Not vips_smartcrop(): it starts threads, and an operation that it uses compiles
 * code at run time whatever is switched off.) */

#include <stdbool.h>
#include <stdint.h>

/* The @box_w × @box_h pixels of the @w × @h of 1 to 4 @bands (the last is alpha if @alpha) that hold most detail (@by_entropy), or most
 * of what eyes go to: edges, skin, saturated colour. */
void attention_find(const uint8_t *pixels, uint32_t w, uint32_t h, unsigned bands, bool alpha, bool by_entropy, uint32_t box_w,
                    uint32_t box_h, uint32_t *ret_x, uint32_t *ret_y);
