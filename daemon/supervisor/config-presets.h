/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The presets of a configuration: arrays of struct preset with presets_free_one() as their free function. */

#include "config-keys.h"
#include "config.h"

/* Read @list (NULL: none is there, so the default one) into @presets. */
void presets_read(struct key_reader *reader, const config_setting_t *list, GPtrArray *presets);

/* Add one of @name, consumed. */
void presets_add(GPtrArray *presets, char *name, const struct wire_spec *spec);
void presets_add_default(GPtrArray *presets);

const struct preset *presets_find(const GPtrArray *presets, const char *name);
void presets_free_one(void *preset);
