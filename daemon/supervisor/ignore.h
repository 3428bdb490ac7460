/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Names that are none of our business: hidden, partial, of the system, or named by 'ignore'.  The one home of that rule.  Pure. */

#include "config.h"

/* The rule by which a folder leaves entries called @name alone, as a glob of fnmatch(3), or NULL.  Lives as long as @config. */
const char *ignore_rule_of_name(const struct folder_config *config, const char *name);

/* The same for @file, relative to the inbox, in any of its parts; "recursive = false" when it lies in a folder that is not read. */
const char *ignore_rule(const struct folder_config *config, const char *file);
