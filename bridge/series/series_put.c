/* SPDX-License-Identifier: Apache-2.0 */
/* A value on its way: into the window, then compared with a level, the series' past, or its line.
 */

#include "series/series_private.h"

#include "base/assert.h"

#include <math.h>

#define SWEEP_ENTRIES 4096   /* Of one call. */
#define OWNER_IDLE_WINDOWS 5 /* A counter that was silent for so many gives its place away. */
#define MISSING_GRACE_MS (INT64_C(120) * 1000)
#define MISSES_MAX 64 /* Windows in a row that are told to the level. */
#define MS_PER_HOUR 3600000.0
#define NEVER_MS 1e15

/* ---- the window ---- */

static bool is_counter(const struct signals_rule *rule)
{
    return rule->fold == SIGNAL_DELTA || rule->fold == SIGNAL_RATE;
}

static struct signal_fold fold_widen(const struct series_entry *entry, int64_t last_ms)
{
    return (struct signal_fold){
        .window = last_ms / entry->rule->window_ms,
        .last_ms = last_ms,
        .last = entry->fold_last,
        .previous = entry->fold_last,
        .sum = entry->fold_sum,
        .min = entry->fold_sum,
        .max = entry->fold_sum,
        .rise = entry->fold_sum,
        .top = series_entry_top(entry),
        .count = entry->fold_count,
        .begun = entry->fold_count > 0,
    };
}

static void fold_narrow(struct series_entry *entry, const struct signal_fold *wide)
{
    const struct signals_rule *rule = entry->rule;
    entry->fold_last = wide->last;
    entry->fold_sum = rule->fold == SIGNAL_MIN   ? wide->min
                      : rule->fold == SIGNAL_MAX ? wide->max
                      : is_counter(rule)         ? wide->rise
                                                 : wide->sum;
    entry->fold_count = wide->count;
}

/* ---- turns ---- */

static const struct nsh_value *expect_variable(void *arg, size_t index)
{
    return (const struct nsh_value *)arg + index;
}

void series_entry_turn(struct series *series, struct series_entry *entry, enum signal_turn turn,
                       int64_t at_ms)
{
    if (turn == SIGNAL_NO_TURN) {
        return;
    }
    bool raised = turn == SIGNAL_TURN_RAISED;
    NSH_ASSERT(entry->raised == raised);
    series->counters.raised += raised;
    series->counters.cleared += !raised;
    entry->turned_ms = at_ms;
    entry->turn_value = entry->value;
    entry->turn_score = entry->score;
    series_list(series, entry);
}

/* Is a turn of this time one that was to be expected? */
static bool is_expected(struct series *series, const struct series_entry *entry, int64_t at_ms)
{
    const struct signals_rule *rule = entry->rule;
    struct nsh_value values[] = {
        [SIGNALS_EXPECT_TIME] = nsh_int(at_ms),
        [SIGNALS_EXPECT_HOST] = nsh_text(entry->host->chars),
        [SIGNALS_EXPECT_RESOURCE] = nsh_text(entry->resource->chars),
        [SIGNALS_EXPECT_VALUE] = nsh_double(isnan((double)entry->value) ? 0 : (double)entry->value),
    };
    const struct cel_inputs inputs = {.variable = expect_variable, .arg = values};
    struct cel_value result = {0};
    arena_reset(&series->scratch);
    return rule->expect != NULL &&
           cel_eval(rule->expect, &inputs, &series->scratch, &result, NULL) == 0 && result.boolean;
}

/* A turn up that is expected does not happen: what has to hold begins to hold anew. */
static enum signal_turn unless_expected(struct series *series, struct series_entry *entry,
                                        enum signal_turn turn, int64_t at_ms)
{
    if (turn != SIGNAL_TURN_RAISED || !is_expected(series, entry, at_ms)) {
        return turn;
    }
    entry->raised = false;
    entry->since_ms = 0;
    series->counters.expected++;
    return SIGNAL_NO_TURN;
}

static double baseline_level(struct series_entry *entry, int64_t at_ms, double value)
{
    const struct signals_rule *rule = entry->rule;
    struct signal_score score;
    if (!signal_baseline_put(series_entry_baseline(entry), at_ms, value, &score)) {
        return 0;
    }
    entry->score = (float)score.score;
    double change = value - score.expected;
    bool counts =
        (double)series_entry_baseline(entry)->values * (double)rule->window_ms >=
            (double)rule->learn_ms &&
        fabs(change) >= rule->min_change &&
        (rule->direction == SIGNALS_BOTH || (rule->direction == SIGNALS_UP) == (change > 0));
    if (!entry->raised) {
        entry->turn_expected = (float)score.expected;
    }
    /* News raise; what is as rare as that still, holds. */
    return !counts ? 0 : entry->raised ? score.score : score.news;
}

static double forecast_level(struct series *series, struct series_entry *entry, int64_t at_ms,
                             double value)
{
    const struct signals_rule *rule = entry->rule;
    struct series_line *state = series_entry_line(entry);
    struct signal_line line;
    double early = NEVER_MS, late = NEVER_MS, early_h, late_h;
    state->first_ms = state->first_ms == 0 ? at_ms : state->first_ms;
    if (signal_forecast_put(&state->forecast, &series->decay, rule->half_life_ms, at_ms, value) &&
        at_ms - state->first_ms >= rule->needs_ms &&
        signal_forecast_line(&state->forecast, rule->half_life_ms, &line) &&
        signal_forecast_reaches(&line, rule->reaches, &early_h, &late_h)) {
        early = early_h * MS_PER_HOUR;
        late = late_h * MS_PER_HOUR;
        entry->score = (float)early_h;
        entry->turn_expected = (float)late_h;
    }
    double from = (double)entry->turn_value;
    bool crossed = entry->raised && ((from < rule->reaches && value >= rule->reaches) ||
                                     (from > rule->reaches && value <= rule->reaches));
    /* The interval is the gap; beyond the level there is nothing to see in front. */
    return crossed ? 0 : entry->raised ? late : early;
}

static double peers_level(struct series *series, struct series_entry *entry, int64_t at_ms,
                          double value)
{
    const struct signals_rule *rule = entry->rule;
    double median = value;
    double distance = series_peers_distance(series, entry, at_ms, value, &median);
    double change = value - median;
    bool counts =
        fabs(change) >= rule->min_change &&
        (rule->direction == SIGNALS_BOTH || (rule->direction == SIGNALS_UP) == (change > 0));
    entry->score = (float)distance;
    entry->turn_expected = entry->raised ? entry->turn_expected : (float)median;
    return counts ? distance : 0;
}

/* 1 while the value is the one before. */
static double stuck_level(struct series_entry *entry, double value)
{
    struct series_stuck *stuck = series_entry_stuck(entry);
    bool same = !isnan((double)entry->value) && stuck->value == value;
    stuck->value = value;
    return same ? 1 : 0;
}

/* What the level of the signal's kind is about. */
static double kind_level(struct series *series, struct series_entry *entry, int64_t at_ms,
                         double value)
{
    switch (entry->rule->kind) {
    case SIGNALS_BASELINE:
        return baseline_level(entry, at_ms, value);
    case SIGNALS_FORECAST:
        return forecast_level(series, entry, at_ms, value);
    case SIGNALS_PEERS:
        return peers_level(series, entry, at_ms, value);
    case SIGNALS_STUCK:
        return stuck_level(entry, value);
    case SIGNALS_LEVEL:
    case SIGNALS_ABSENT:
    default:
        return value;
    }
}

/* The level beside another condition: both are required. */
static bool also_holds(const struct series_entry *entry, double value)
{
    const struct signals_rule *rule = entry->rule;
    return !rule->has_also || (entry->raised ? !signal_level_back(&rule->also, value)
                                             : signal_level_beyond(&rule->also, value));
}

static struct signal_level level_widen(const struct series_entry *entry)
{
    return (struct signal_level){
        .bits = entry->bits, .since_ms = entry->since_ms, .raised = entry->raised};
}

static void level_narrow(struct series_entry *entry, const struct signal_level *level)
{
    entry->bits = level->bits;
    entry->since_ms = level->since_ms;
    entry->raised = level->raised;
}

/* One folded value. */
static void entry_level(struct series *series, struct series_entry *entry, int64_t at_ms,
                        double value)
{
    const struct signals_rule *rule = entry->rule;
    bool stuck = rule->kind == SIGNALS_STUCK;
    double level = stuck ? kind_level(series, entry, at_ms, value) : 0;
    entry->value = (float)value;
    level = stuck ? level : kind_level(series, entry, at_ms, value);
    if (!also_holds(entry, value)) {
        level = rule->kind == SIGNALS_FORECAST ? NEVER_MS : 0;
    }
    struct signal_level wide = level_widen(entry);
    enum signal_turn turn = signal_level_put(&wide, &rule->level, at_ms, level);
    level_narrow(entry, &wide);
    series_entry_turn(series, entry, unless_expected(series, entry, turn, at_ms), at_ms);
}

void series_entry_missed(struct series *series, struct series_entry *entry, int64_t at_ms)
{
    struct signal_level wide = level_widen(entry);
    enum signal_turn turn = signal_level_missed(&wide, &entry->rule->level, at_ms);
    level_narrow(entry, &wide);
    series_entry_turn(series, entry, unless_expected(series, entry, turn, at_ms), at_ms);
}

/* before_ms: of the value before this one. */
static void entry_fold(struct series *series, struct series_entry *entry, int64_t before_ms,
                       int64_t at_ms, double value)
{
    const struct signals_rule *rule = entry->rule;
    struct signal_fold wide = fold_widen(entry, before_ms);
    struct signal_folded folded;
    if (!signal_fold_put(&wide, rule->fold, rule->window_ms, at_ms, value, &folded)) {
        series->counters.late++;
        return;
    }
    fold_narrow(entry, &wide);
    if (!folded.closed) {
        return;
    }
    entry_level(series, entry, folded.at_ms, folded.value);
    uint32_t missing = folded.missing > MISSES_MAX ? MISSES_MAX : folded.missing;
    for (uint32_t i = 0; i < missing; i++) {
        series_entry_missed(series, entry, folded.at_ms + (i + 1) * rule->window_ms);
    }
}

void series_entry_put(struct series *series, struct series_entry *entry, int64_t at_ms,
                      double value)
{
    const struct signals_rule *rule = entry->rule;
    if (rule->kind == SIGNALS_ABSENT) {
        entry->value = (float)value;
        if (at_ms > entry->last_ms) {
            entry->last_ms = at_ms;
        }
        /* Not by what was handed over late (a sender's backlog): it is as silent as before. */
        if (entry->raised && series->now_ms - at_ms <= rule->absent_ms) {
            entry->raised = false;
            series_entry_turn(series, entry, SIGNAL_TURN_CLEARED, at_ms);
        }
        return;
    }
    if (at_ms < entry->last_ms) {
        /* Another series of the same host and resource, in the same window. */
        bool together = rule->window_ms > 0 && !is_counter(rule) &&
                        at_ms / rule->window_ms == entry->last_ms / rule->window_ms;
        if (!together) {
            series->counters.late++;
            return;
        }
        at_ms = entry->last_ms;
    }
    int64_t before_ms = entry->last_ms;
    entry->last_ms = at_ms;
    if (rule->window_ms > 0) {
        entry_fold(series, entry, before_ms, at_ms, value);
    } else {
        entry_level(series, entry, at_ms, value);
    }
}

/* ---- values of the current labels ---- */

void series_now(struct series *series, int64_t now_ms)
{
    series->now_ms = now_ms;
    series->started_ms = series->started_ms == 0 ? now_ms : series->started_ms;
}

/* A counter has one series: two of them would look like resets. */
static bool owns(struct series_entry *entry, uint32_t hash, int64_t at_ms)
{
    const struct signals_rule *rule = entry->rule;
    if (!is_counter(rule)) {
        return true;
    }
    if (entry->owner != hash &&
        (entry->owner == 0 || at_ms - entry->last_ms > OWNER_IDLE_WINDOWS * rule->window_ms)) {
        entry->owner = hash;
        entry->fold_count = 0; /* What it rose from is another counter. */
    }
    return entry->owner == hash;
}

static void node_ended(struct series *series, const struct series_node *node, int64_t at_ms)
{
    series->counters.ended++;
    const struct series_ref *refs = series_node_refs(node);
    for (uint32_t i = 0; i < node->entries_count; i++) {
        struct series_entry *entry = series_entry_at(series, refs[i]);
        if (entry != NULL && entry->rule->kind != SIGNALS_ABSENT) {
            series_entry_missed(series, entry, at_ms);
        }
    }
}

static void node_value(struct series *series, struct series_node *node, int64_t at_ms, double value)
{
    const struct series_ref *refs = series_node_refs(node);
    for (uint32_t i = 0; i < node->entries_count; i++) {
        struct series_entry *entry = series_entry_at(series, refs[i]);
        if (entry == NULL) {
            continue;
        }
        if (owns(entry, (uint32_t)(node->hash[1] >> 32) | 1, at_ms)) {
            series_entry_put(series, entry, at_ms, value);
        } else {
            series->counters.shared++;
        }
    }
}

void series_value(struct series *series, int64_t at_ms, double value)
{
    struct series_counters *counters = &series->counters;
    struct series_node *node = series->current;
    counters->values++;
    if (node == NULL || (node->entries_count == 0 && !node->refused)) {
        counters->unwatched++;
        return;
    }
    counters->refused += node->refused;
    bool ended = sample_is_stale(value);
    if (!ended && !signal_value_is_good(value)) {
        counters->unusable++;
    } else if (at_ms > series->now_ms + SERIES_FUTURE_MS_MAX) {
        counters->early++;
    } else if (at_ms <= node->last_ms || at_ms < 0) {
        counters->late++;
    } else if (ended) {
        node->last_ms = at_ms;
        node_ended(series, node, at_ms);
    } else {
        node->last_ms = at_ms;
        counters->watched += node->entries_count > 0;
        node_value(series, node, at_ms, value);
    }
}

static void sink_labels(void *arg, const struct sample_label *labels, size_t count)
{
    series_labels(arg, labels, count);
}

static void sink_value(void *arg, int64_t at_ms, double value)
{
    series_value(arg, at_ms, value);
}

struct sample_sink series_sink(struct series *series)
{
    return (struct sample_sink){sink_labels, sink_value, series};
}

/* ---- silence ---- */

static void sweep_entry(struct series *series, struct series_entry *entry)
{
    const struct signals_rule *rule = entry->rule;
    int64_t heard_ms = entry->last_ms > series->started_ms ? entry->last_ms : series->started_ms;
    int64_t silent_ms = series->now_ms - heard_ms;
    if (rule->kind == SIGNALS_ABSENT && !entry->raised && silent_ms > rule->absent_ms) {
        entry->raised = true;
        enum signal_turn turn = unless_expected(series, entry, SIGNAL_TURN_RAISED, series->now_ms);
        series_entry_turn(series, entry, turn, series->now_ms);
    } else if (rule->kind != SIGNALS_ABSENT && rule->level.missing != SIGNAL_KEEP &&
               silent_ms > 2 * rule->window_ms + MISSING_GRACE_MS) {
        series_entry_missed(series, entry, series->now_ms);
    }
    if (silent_ms > series->options.keep_ms) {
        series->counters.expired++;
        series_entry_end(series, entry);
    }
}

void series_sweep(struct series *series)
{
    size_t count = series->entries_used < SWEEP_ENTRIES ? series->entries_used : SWEEP_ENTRIES;
    for (size_t i = 0; i < count; i++) {
        struct series_entry *entry = series->entries[series->cursor++ % series->entries_used];
        if (entry != NULL && !entry->dying) {
            sweep_entry(series, entry);
        }
    }
}
