/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/cel_pattern.h"

#include "cel/cel_private.h"

struct cel_pattern {
    const struct cel_regex *regex;
};

const struct cel_pattern *cel_pattern_compile(struct arena *arena, struct text pattern,
                                              const char **ret_problem)
{
    struct cel_pattern *made = arena_alloc(arena, sizeof *made);
    if (made == NULL) {
        *ret_problem = "out of memory";
        return NULL;
    }
    made->regex = cel_regex_compile(arena, pattern, ret_problem);
    return made->regex == NULL ? NULL : made;
}

uint32_t cel_pattern_groups(const struct cel_pattern *pattern)
{
    return cel_regex_groups(pattern->regex) + 1;
}

bool cel_pattern_match(const struct cel_pattern *pattern, struct text text, struct arena *scratch,
                       struct text ret_groups[CEL_PATTERN_GROUPS_MAX])
{
    /* The text bounds the work; a budget is for those who wrote the pattern as well. */
    struct cel_run run = {.arena = scratch, .steps = INT64_MAX};
    int32_t spans[2 * CEL_REGEX_GROUPS_MAX];
    memset(spans, -1, sizeof spans);
    if (!cel_regex_matches(&run, pattern->regex, text) ||
        !cel_regex_find(&run, pattern->regex, text, 0, spans)) {
        return false;
    }
    for (uint32_t i = 0; i < cel_pattern_groups(pattern); i++) {
        bool part = spans[2 * i] >= 0 && spans[2 * i + 1] >= spans[2 * i];
        ret_groups[i] = part ? (struct text){text.at + spans[2 * i],
                                             (uint32_t)(spans[2 * i + 1] - spans[2 * i])}
                             : (struct text){0};
    }
    return true;
}
