/* SPDX-License-Identifier: Apache-2.0 */
/* Signals and series for people: JSON objects. */

#include "series/series_private.h"

#include <math.h>

static void add_number(struct textbuf *out, const char *name, double number)
{
    if (isfinite(number)) {
        textbuf_addf(out, ",\"%s\":%.9g", name, number);
    }
}

static void add_text(struct textbuf *out, const char *name, struct text text)
{
    textbuf_addf(out, ",\"%s\":", name);
    textbuf_add_json(out, text);
}

static void level_words(const struct signal_level_rule *level, struct textbuf *out)
{
    static const char *const words[] = {
        [SIGNAL_ABOVE] = "above", [SIGNAL_BELOW] = "below", [SIGNAL_EQUAL] = "equal to"};
    if (level->compare == SIGNAL_OUTSIDE) {
        textbuf_addf(out, "outside %g to %g", level->raise_low, level->raise);
    } else {
        textbuf_addf(out, "%s %g", words[level->compare], level->raise);
    }
}

static void clear_words(const struct signal_level_rule *level, struct textbuf *out)
{
    if (level->compare == SIGNAL_OUTSIDE) {
        textbuf_addf(out, "; clears inside %g to %g", level->clear_low, level->clear);
    } else if (level->compare == SIGNAL_EQUAL) {
        textbuf_addf(out, "; clears at any other value");
    } else {
        textbuf_addf(out, "; clears %s %g", level->compare == SIGNAL_BELOW ? "above" : "below",
                     level->clear);
    }
}

/* "above 35, for 2m; clear below 32, for 5m" */
static void rule_words(const struct signals_rule *rule, struct textbuf *out)
{
    const struct signal_level_rule *level = &rule->level;
    switch (rule->kind) {
    case SIGNALS_BASELINE:
        textbuf_addf(out, "unusual for the time of the week: score %g", rule->sensitivity);
        break;
    case SIGNALS_FORECAST:
        textbuf_addf(out, "reaches %g within ", rule->reaches);
        textbuf_add_duration(out, rule->within_ms);
        break;
    case SIGNALS_ABSENT:
        textbuf_add_chars(out, "silent for ");
        textbuf_add_duration(out, rule->absent_ms);
        return;
    case SIGNALS_PEERS:
        textbuf_addf(out, "%g median deviations away from %u peers or more", rule->beyond,
                     rule->at_least);
        break;
    case SIGNALS_STUCK:
        textbuf_add_chars(out, "the same value");
        break;
    case SIGNALS_LEVEL:
    default:
        level_words(level, out);
        break;
    }
    if (rule->has_also) {
        textbuf_add_chars(out, ", and ");
        level_words(&rule->also, out);
    }
    if (level->of_n > 0) {
        textbuf_addf(out, " in %u of %u windows", level->of_k, level->of_n);
    } else if (level->raise_for_ms > 0) {
        textbuf_add_chars(out, " for ");
        textbuf_add_duration(out, level->raise_for_ms);
    }
    if (rule->kind == SIGNALS_LEVEL) {
        clear_words(level, out);
    } else {
        textbuf_add_chars(out, "; clears");
    }
    if (level->clear_for_ms > 0) {
        textbuf_add_chars(out, " after ");
        textbuf_add_duration(out, level->clear_for_ms);
    }
}

void series_signals_json(const struct series *series, struct textbuf *out)
{
    for (size_t r = 0; r < series->signals->count; r++) {
        const struct signals_rule *rule = &series->signals->rules[r];
        size_t watched = 0, raised = 0;
        for (size_t i = 0; i < series->entries_used; i++) {
            const struct series_entry *entry = series->entries[i];
            bool mine = entry != NULL && !entry->dying && entry->rule == rule;
            watched += mine;
            raised += mine && entry->raised;
        }
        textbuf_add_chars(out, r == 0 ? "{\"name\":" : ",{\"name\":");
        textbuf_add_json(out, text_of(rule->name));
        add_text(out, "kind", text_of(signals_kind_word(rule->kind)));
        add_text(out, "metric", rule->metric);
        add_text(out, "event", text_of(rule->event));
        add_text(out, "severity", text_of(severity_word(rule->severity)));
        textbuf_addf(out, ",\"fold\":\"%s\",\"window_ms\":%lld", signal_fold_word(rule->fold),
                     (long long)rule->window_ms);
        CLEANUP(textbuf_donep) struct textbuf words = {0};
        rule_words(rule, &words);
        add_text(out, "condition", text_of(words.at == NULL ? "" : words.at));
        textbuf_addf(out, ",\"series\":%zu,\"raised\":%zu}", watched, raised);
    }
}

static const char *state_word(const struct series_entry *entry)
{
    const struct signals_rule *rule = entry->rule;
    if (entry->raised) {
        return "raised";
    }
    if (rule->kind == SIGNALS_BASELINE) {
        const struct signal_baseline *baseline = series_entry_baseline(entry);
        if ((double)baseline->values * (double)rule->window_ms < (double)rule->learn_ms) {
            return "learning";
        }
    }
    return "ok";
}

static void entry_json(const struct series *series, const struct series_entry *entry,
                       struct textbuf *out)
{
    const struct signals_rule *rule = entry->rule;
    textbuf_add_chars(out, "{\"signal\":");
    textbuf_add_json(out, text_of(rule->name));
    add_text(out, "host", series_entry_host(entry));
    add_text(out, "resource", series_entry_resource(entry));
    add_text(out, "state", text_of(state_word(entry)));
    add_number(out, "value", (double)entry->value);
    if (rule->kind == SIGNALS_LEVEL) {
        add_number(out, "level", rule->level.raise);
        add_number(out, "clear", rule->level.clear);
    } else if (rule->kind == SIGNALS_PEERS) {
        add_number(out, "score", (double)entry->score);
        add_text(out, "group", series_peers_group(series, entry));
        textbuf_addf(out, ",\"peers\":%u", series_peers_fresh(series, entry));
    } else if (rule->kind == SIGNALS_BASELINE) {
        double low, high;
        const struct signal_baseline *baseline = series_entry_baseline(entry);
        add_number(out, "score", (double)entry->score);
        textbuf_addf(out, ",\"values\":%u", baseline->values);
        if (signal_baseline_usual(baseline, entry->last_ms, &low, &high)) {
            add_number(out, "usual_low", low);
            add_number(out, "usual_high", high);
        }
    } else if (rule->kind == SIGNALS_FORECAST) {
        const struct series_line *state = series_entry_line(entry);
        struct signal_line line;
        double early, late;
        add_number(out, "level", rule->reaches);
        if (signal_forecast_line(&state->forecast, rule->half_life_ms, &line)) {
            add_number(out, "slope_per_hour", line.slope);
            if (signal_forecast_reaches(&line, rule->reaches, &early, &late)) {
                add_number(out, "hours_early", early);
                add_number(out, "hours_late", late);
            }
        }
    }
    textbuf_addf(out, ",\"last_ms\":%lld", (long long)entry->last_ms);
    if (entry->turned_ms > 0) {
        textbuf_addf(out, ",\"turned_ms\":%lld", (long long)entry->turned_ms);
    }
    textbuf_addf(out, ",\"told\":%s}", entry->told == entry->raised ? "true" : "false");
}

static bool holds(struct text whole, struct text part)
{
    return part.count == 0 || memmem(whole.at, whole.count, part.at, part.count) != NULL;
}

void series_entries_json(const struct series *series, const struct series_filter *filter,
                         struct textbuf *out)
{
    size_t shown = 0;
    for (size_t i = 0; i < series->entries_used && shown < filter->limit; i++) {
        const struct series_entry *entry = series->entries[i];
        bool wanted = entry != NULL && !entry->dying &&
                      (filter->signal.count == 0 || text_is(filter->signal, entry->rule->name)) &&
                      holds(series_entry_host(entry), filter->host) &&
                      (!filter->raised || entry->raised);
        if (wanted) {
            textbuf_add_chars(out, shown == 0 ? "" : ",");
            entry_json(series, entry, out);
            shown++;
        }
    }
}
