/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series compared with each other: how far one is from the median of its group, in median absolute
 * deviations. Both are computed once for each window, when its first value comes, from the newest
 * value of each member: a group of n costs n for each window, not for each value.
 */

#include "series/series_private.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>

#define FRESH_WINDOWS 3
#define DISTANCE_MAX 1000.0
#define GROUP_ROOM_FIRST 8

static struct series_group *group_of(const struct series *series, const struct series_entry *entry)
{
    return &series->groups[series_entry_peer(entry)->group];
}

struct text series_peers_group(const struct series *series, const struct series_entry *entry)
{
    return series_word_text(group_of(series, entry)->word);
}

uint32_t series_peers_fresh(const struct series *series, const struct series_entry *entry)
{
    return group_of(series, entry)->fresh;
}

/* ---- membership ---- */

static uint64_t hash_of(const struct signals_rule *rule, const struct series_word *word)
{
    return text_hash(text_of(rule->name)) ^ word->hash * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t group_hash(const void *arg, uint32_t number)
{
    const struct series *series = arg;
    return hash_of(series->groups[number].rule, series->groups[number].word);
}

/* An empty group's number, or a new one; SERIES_NONE: no memory. */
static uint32_t group_take(struct series *series)
{
    if (series->groups_free != 0) {
        uint32_t number = series->groups_free - 1;
        series->groups_free = series->groups[number].next_free;
        return number;
    }
    if (series->groups_count == series->groups_room) {
        uint32_t room = series->groups_room == 0 ? GROUP_ROOM_FIRST : series->groups_room * 2;
        struct series_group *more = realloc(series->groups, room * sizeof *more);
        if (more == NULL) {
            return SERIES_NONE;
        }
        series->groups = more;
        series->groups_room = room;
    }
    return series->groups_count++;
}

static void group_give(struct series *series, uint32_t number)
{
    series->groups[number] = (struct series_group){.next_free = series->groups_free};
    series->groups_free = number + 1;
}

static uint32_t group_find(const struct series *series, const struct signals_rule *rule,
                           const struct series_word *word)
{
    const struct series_slots *slots = &series->grouped;
    if (slots->count == 0) {
        return SERIES_NONE;
    }
    for (uint32_t slot = series_slots_first(slots, hash_of(rule, word)); slots->at[slot] != 0;
         slot = series_slots_next(slots, slot)) {
        const struct series_group *group = &series->groups[slots->at[slot] - 1];
        if (group->word == word && group->rule == rule) {
            return slots->at[slot] - 1;
        }
    }
    return SERIES_NONE;
}

static uint32_t group_get(struct series *series, const struct signals_rule *rule, struct text text)
{
    struct series_word *word = series_word_get(series, text);
    uint32_t number = word == NULL ? SERIES_NONE : group_find(series, rule, word);
    if (word == NULL || number != SERIES_NONE) {
        series_word_drop(series, word); /* The group has it once. */
        return number;
    }
    number = group_take(series);
    if (number == SERIES_NONE) {
        series_word_drop(series, word);
        return SERIES_NONE;
    }
    series->groups[number] = (struct series_group){.rule = rule, .word = word};
    series->grouped.hash_of = group_hash;
    series->grouped.arg = series;
    series->grouped.fill_percent = 75;
    if (!series_slots_add(&series->grouped, hash_of(rule, word), number)) {
        series_word_drop(series, word);
        group_give(series, number);
        return SERIES_NONE;
    }
    return number;
}

static void group_free(struct series *series, uint32_t number)
{
    struct series_group *group = &series->groups[number];
    series_slots_remove(&series->grouped, hash_of(group->rule, group->word), number);
    series_word_drop(series, group->word);
    free(group->members);
    free(group->scratch);
    group_give(series, number);
}

static bool group_grow(struct series_group *group)
{
    if (group->count < group->room) {
        return true;
    }
    uint32_t room = group->room == 0 ? GROUP_ROOM_FIRST : group->room * 2;
    uint32_t *members = realloc(group->members, room * sizeof *members);
    if (members == NULL) {
        return false;
    }
    group->members = members;
    float *scratch = realloc(group->scratch, room * sizeof *scratch);
    if (scratch == NULL) {
        return false;
    }
    group->scratch = scratch;
    group->room = room;
    return true;
}

bool series_peers_join(struct series *series, struct series_entry *entry, struct text text)
{
    uint32_t number = group_get(series, entry->rule, text);
    if (number == SERIES_NONE) {
        return false;
    }
    struct series_group *group = &series->groups[number];
    if (!group_grow(group)) {
        if (group->count == 0) {
            group_free(series, number);
        }
        return false;
    }
    *series_entry_peer(entry) = (struct series_peer){number, group->count};
    group->members[group->count++] = entry->index;
    return true;
}

void series_peers_leave(struct series *series, struct series_entry *entry)
{
    struct series_group *group = group_of(series, entry);
    uint32_t place = series_entry_peer(entry)->place;
    NSH_ASSERT(group->members[place] == entry->index);
    uint32_t last = group->members[--group->count];
    if (last != entry->index) {
        group->members[place] = last;
        series_entry_peer(series->entries[last])->place = place;
    }
    if (group->count == 0) {
        group_free(series, series_entry_peer(entry)->group);
    }
}

void series_peers_rules(struct series *series)
{
    for (uint32_t i = 0; i < series->groups_count; i++) {
        struct series_group *group = &series->groups[i];
        if (group->rule != NULL) {
            group->rule = series->entries[group->members[0]]->rule;
        }
    }
}

void series_peers_free(struct series *series)
{
    for (uint32_t i = 0; i < series->groups_count; i++) {
        free(series->groups[i].members);
        free(series->groups[i].scratch);
    }
    free(series->groups);
    series_slots_clear(&series->grouped);
}

/* ---- the median ---- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of an even number the mean of the two in the middle. */
static float median_of(float *values, uint32_t count)
{
    qsort(values, count, sizeof *values, by_value);
    float upper = values[count / 2];
    return count % 2 == 1 ? upper : (values[count / 2 - 1] + upper) / 2;
}

static void compute(const struct series *series, struct series_group *group, int64_t at_ms)
{
    int64_t oldest_ms = at_ms - FRESH_WINDOWS * group->rule->window_ms;
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        const struct series_entry *member = series->entries[group->members[i]];
        if (member->last_ms >= oldest_ms && !isnan((double)member->value)) {
            group->scratch[count++] = member->value;
        }
    }
    group->computed_ms = at_ms;
    group->fresh = count;
    if (count == 0) {
        return;
    }
    group->median = median_of(group->scratch, count);
    for (uint32_t i = 0; i < count; i++) {
        group->scratch[i] = fabsf(group->scratch[i] - group->median);
    }
    group->deviation = median_of(group->scratch, count);
}

double series_peers_distance(struct series *series, const struct series_entry *entry, int64_t at_ms,
                             double value, double *ret_median)
{
    struct series_group *group = group_of(series, entry);
    if (at_ms > group->computed_ms) {
        compute(series, group, at_ms);
    }
    *ret_median = (double)group->median;
    if (group->fresh < entry->rule->at_least) {
        *ret_median = value;
        return 0;
    }
    double away = fabs(value - *ret_median), deviation = (double)group->deviation;
    if (away == 0) {
        return 0;
    }
    return deviation * DISTANCE_MAX <= away ? DISTANCE_MAX : away / deviation;
}
