/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a worker gives up before it sees its first picture. */

#include <stdint.h>

/* Enter every layer that this kernel has: no new privileges, resource limits, Landlock without any rule, the seccomp allow-list.
 * Irreversible.  Call with no other thread running.  *@ret gets the bits of enum wire_sandbox that are active; a layer that the
 * kernel lacks is left out and is not an error.  Returns 0, or a negative errno if a layer that exists could not be entered. */
int sandbox_enter(uint32_t *ret);
