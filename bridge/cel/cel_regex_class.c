/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of code points: ranges in any order while a class is read, then sorted, negated, folded. */

#include "cel/cel_regex.h"

#include <stdlib.h>

struct unicode_class {
    const char *name;
    const uint32_t *numbers; /* Gap and length - 1 in turn. */
    size_t count;
};

static const struct unicode_class unicode_classes[] = {
#define UNICODE_CLASS(name, ...)                                                                   \
    {name, (const uint32_t[]){__VA_ARGS__},                                                        \
     sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)},
#include "cel/cel_unicode.def"
#undef UNICODE_CLASS
};

static const struct unicode_fold {
    uint32_t low, high;
    int32_t distance;
    uint32_t step;
} unicode_folds[] = {
#define UNICODE_FOLD(low, high, distance, step) {low, high, distance, step},
#include "cel/cel_unicode.def"
#undef UNICODE_FOLD
};

void regex_add_range(struct regex_ranges *ranges, uint32_t low, uint32_t high)
{
    if (ranges->count == REGEX_RANGES_MAX) {
        ranges->full = true;
        return;
    }
    ranges->at[ranges->count++] = (struct regex_range){low, high};
}

static int compare_ranges(const void *a, const void *b)
{
    uint32_t x = ((const struct regex_range *)a)->low, y = ((const struct regex_range *)b)->low;
    return (x > y) - (x < y);
}

void regex_sort_ranges(struct regex_ranges *ranges)
{
    qsort(ranges->at, ranges->count, sizeof *ranges->at, compare_ranges);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ranges->count; i++) {
        struct regex_range range = ranges->at[i];
        if (kept > 0 && range.low <= ranges->at[kept - 1].high + 1) {
            if (range.high > ranges->at[kept - 1].high) {
                ranges->at[kept - 1].high = range.high;
            }
        } else {
            ranges->at[kept++] = range;
        }
    }
    ranges->count = kept;
}

void regex_negate_ranges(struct regex_ranges *ranges)
{
    struct regex_ranges other;
    uint32_t next = 0;
    other.count = 0;
    other.full = ranges->full;
    regex_sort_ranges(ranges);
    for (uint32_t i = 0; i < ranges->count; i++) {
        if (ranges->at[i].low > next) {
            regex_add_range(&other, next, ranges->at[i].low - 1);
        }
        next = ranges->at[i].high + 1;
    }
    if (next <= REGEX_CODE_POINT_MAX) {
        regex_add_range(&other, next, REGEX_CODE_POINT_MAX);
    }
    memcpy(ranges->at, other.at, other.count * sizeof *other.at);
    ranges->count = other.count;
    ranges->full = other.full;
}

/* --- case ---------------------------------------------------------------------------------- */

/* Whether sorted ranges (the first count of them) have c. */
static bool has(const struct regex_ranges *ranges, uint32_t count, uint32_t c)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (ranges->at[middle].high < c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && ranges->at[low].low <= c;
}

static bool touches(const struct regex_ranges *ranges, uint32_t count, uint32_t low, uint32_t high)
{
    return count > 0 && ranges->at[0].low <= high && ranges->at[count - 1].high >= low;
}

static void fold_once(struct regex_ranges *ranges)
{
    uint32_t count = ranges->count;
    for (size_t i = 0; i < sizeof unicode_folds / sizeof *unicode_folds; i++) {
        const struct unicode_fold *fold = &unicode_folds[i];
        uint32_t distance = (uint32_t)fold->distance;
        if (!touches(ranges, count, fold->low, fold->high) &&
            !touches(ranges, count, fold->low + distance, fold->high + distance)) {
            continue;
        }
        for (uint32_t c = fold->low; c <= fold->high; c += fold->step) {
            bool here = has(ranges, count, c), there = has(ranges, count, c + distance);
            if (here != there) {
                uint32_t other = here ? c + distance : c;
                regex_add_range(ranges, other, other);
            }
        }
    }
    regex_sort_ranges(ranges);
}

void regex_fold_ranges(struct regex_ranges *ranges)
{
    regex_sort_ranges(ranges);
    fold_once(ranges); /* Everything reaches what it folds to, */
    fold_once(ranges); /* and from there all that folds to the same. */
}

/* --- Unicode ------------------------------------------------------------------------------- */

static void add_class(struct regex_ranges *ranges, const struct unicode_class *class)
{
    uint32_t next = 0;
    for (size_t i = 0; i < class->count; i += 2) {
        uint32_t low = next + class->numbers[i], high = low + class->numbers[i + 1];
        regex_add_range(ranges, low, high);
        next = high + 1;
    }
}

bool regex_add_unicode(struct regex_ranges *ranges, struct text name)
{
    bool found = false;
    if (text_is(name, "Any")) {
        regex_add_range(ranges, 0, REGEX_CODE_POINT_MAX);
        return true;
    }
    for (size_t i = 0; i < sizeof unicode_classes / sizeof *unicode_classes; i++) {
        const struct unicode_class *class = &unicode_classes[i];
        bool group = name.count == 1 && strlen(class->name) == 2 && class->name[0] == name.at[0];
        if (group || text_is(name, class->name)) { /* L is Lu and Ll and Lt ... */
            add_class(ranges, class);
            found = true;
        }
    }
    return found;
}
