/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_CEL_PATTERN_H
#define CEL_CEL_PATTERN_H

/*
 * A regular expression by itself, for tables of patterns: the same RE2 syntax as in conditions,
 * and as there the time of a match is linear in the text, whatever the pattern.
 */

#include "base/arena.h"

#define CEL_PATTERN_GROUPS_MAX 16 /* With the whole match, which is group 0. */

struct cel_pattern;

/* Lives in arena. NULL with *ret_problem set: what is wrong with it, in words. */
const struct cel_pattern *cel_pattern_compile(struct arena *arena, struct text pattern,
                                              const char **ret_problem);

/* Its groups, the whole match included. */
uint32_t cel_pattern_groups(const struct cel_pattern *pattern);

/*
 * Whether pattern matches anywhere in text; ret_groups, cel_pattern_groups() of them, are the
 * leftmost match and its groups, borrowed from text (at NULL: the group took no part). Without
 * memory nothing matches. scratch is not reset. One thread at a time for each pattern.
 */
bool cel_pattern_match(const struct cel_pattern *pattern, struct text text, struct arena *scratch,
                       struct text ret_groups[CEL_PATTERN_GROUPS_MAX]);

#endif
