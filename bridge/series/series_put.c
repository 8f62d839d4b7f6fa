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

static struct signal_fold fold_widen(const struct signals_rule *rule,
                                     const struct series_fold *fold)
{
    return (struct signal_fold){
        .window = fold->last_ms / rule->window_ms,
        .last_ms = fold->last_ms,
        .last = fold->last,
        .previous = fold->last,
        .sum = fold->sum,
        .min = fold->sum,
        .max = fold->sum,
        .rise = fold->sum,
        .count = fold->count,
        .begun = fold->count > 0,
    };
}

static void fold_narrow(const struct signals_rule *rule, const struct signal_fold *wide,
                        struct series_fold *ret_fold)
{
    double keep = rule->fold == SIGNAL_MIN   ? wide->min
                  : rule->fold == SIGNAL_MAX ? wide->max
                  : is_counter(rule)         ? wide->rise
                                             : wide->sum;
    *ret_fold = (struct series_fold){wide->last_ms, wide->last, keep, wide->count};
}

/* ---- turns ---- */

void series_entry_turn(struct series *series, struct series_entry *entry, enum signal_turn turn,
                       int64_t at_ms)
{
    if (turn == SIGNAL_NO_TURN) {
        return;
    }
    bool raised = turn == SIGNAL_TURN_RAISED;
    NSH_ASSERT(entry->level.raised == raised);
    series->counters.raised += raised;
    series->counters.cleared += !raised;
    entry->turn.at_ms = at_ms;
    entry->turn.value = entry->value;
    entry->turn.score = entry->score;
    series_list(series, entry);
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
    if (!entry->level.raised) {
        entry->turn.expected = (float)score.expected;
    }
    /* News raise; what is as rare as that still, holds. */
    return !counts ? 0 : entry->level.raised ? score.score : score.news;
}

static double forecast_level(struct series_entry *entry, int64_t at_ms, double value)
{
    const struct signals_rule *rule = entry->rule;
    struct series_line *state = series_entry_line(entry);
    struct signal_line line;
    double early = NEVER_MS, late = NEVER_MS, early_h, late_h;
    state->first_ms = state->first_ms == 0 ? at_ms : state->first_ms;
    if (signal_forecast_put(&state->forecast, rule->half_life_ms, at_ms, value) &&
        at_ms - state->first_ms >= rule->needs_ms &&
        signal_forecast_line(&state->forecast, rule->half_life_ms, &line) &&
        signal_forecast_reaches(&line, rule->reaches, &early_h, &late_h)) {
        early = early_h * MS_PER_HOUR;
        late = late_h * MS_PER_HOUR;
        entry->score = (float)early_h;
        entry->turn.expected = (float)late_h;
    }
    double from = (double)entry->turn.value;
    bool crossed = entry->level.raised && ((from < rule->reaches && value >= rule->reaches) ||
                                           (from > rule->reaches && value <= rule->reaches));
    /* The interval is the gap; beyond the level there is nothing to see in front. */
    return crossed ? 0 : entry->level.raised ? late : early;
}

/* One folded value. */
static void entry_level(struct series *series, struct series_entry *entry, int64_t at_ms,
                        double value)
{
    const struct signals_rule *rule = entry->rule;
    entry->value = (float)value;
    double level = rule->kind == SIGNALS_BASELINE   ? baseline_level(entry, at_ms, value)
                   : rule->kind == SIGNALS_FORECAST ? forecast_level(entry, at_ms, value)
                                                    : value;
    series_entry_turn(series, entry, signal_level_put(&entry->level, &rule->level, at_ms, level),
                      at_ms);
}

void series_entry_missed(struct series *series, struct series_entry *entry, int64_t at_ms)
{
    enum signal_turn turn = signal_level_missed(&entry->level, &entry->rule->level, at_ms);
    series_entry_turn(series, entry, turn, at_ms);
}

static void entry_fold(struct series *series, struct series_entry *entry, int64_t at_ms,
                       double value)
{
    const struct signals_rule *rule = entry->rule;
    struct signal_fold wide = fold_widen(rule, &entry->fold);
    struct signal_folded folded;
    if (!signal_fold_put(&wide, rule->fold, rule->window_ms, at_ms, value, &folded)) {
        series->counters.late++;
        return;
    }
    fold_narrow(rule, &wide, &entry->fold);
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
        if (entry->level.raised) {
            entry->level.raised = false;
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
    entry->last_ms = at_ms;
    if (rule->window_ms > 0) {
        entry_fold(series, entry, at_ms, value);
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
static bool owns(struct series_entry *entry, uint64_t hash, int64_t at_ms)
{
    const struct signals_rule *rule = entry->rule;
    if (!is_counter(rule)) {
        return true;
    }
    if (entry->owner != hash &&
        (entry->owner == 0 || at_ms - entry->last_ms > OWNER_IDLE_WINDOWS * rule->window_ms)) {
        entry->owner = hash;
        entry->fold.count = 0; /* What it rose from is another counter. */
    }
    return entry->owner == hash;
}

static void node_ended(struct series *series, const struct series_node *node, int64_t at_ms)
{
    series->counters.ended++;
    for (uint32_t i = 0; i < node->entries_count; i++) {
        struct series_entry *entry = series_entry_at(series, node->entries[i]);
        if (entry != NULL && entry->rule->kind != SIGNALS_ABSENT) {
            series_entry_missed(series, entry, at_ms);
        }
    }
}

static void node_value(struct series *series, struct series_node *node, int64_t at_ms, double value)
{
    for (uint32_t i = 0; i < node->entries_count; i++) {
        struct series_entry *entry = series_entry_at(series, node->entries[i]);
        if (entry == NULL) {
            continue;
        }
        if (owns(entry, node->hash[0] | 1, at_ms)) {
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
    if (rule->kind == SIGNALS_ABSENT && !entry->level.raised && silent_ms > rule->absent_ms) {
        entry->level.raised = true;
        series_entry_turn(series, entry, SIGNAL_TURN_RAISED, series->now_ms);
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
