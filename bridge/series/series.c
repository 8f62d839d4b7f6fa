/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: entries by number and by key, what is to be told, who makes room. An entry whose
 * event is under way stays until that ended, whatever else happens to it.
 */

#include "series/series_private.h"

#include "base/assert.h"

#include <stdlib.h>

#define EVICT_LOOKS 256 /* Entries looked at for one new one. */

struct series *series_new(const struct series_options *options)
{
    static const struct signals none;
    struct series *series = calloc(1, sizeof *series);
    if (series == NULL) {
        return NULL;
    }
    NSH_ASSERT(options->series_max > 0 && options->series_max < SERIES_NONE / 4);
    series->options = *options;
    series->signals = &none;
    size_t count = options->series_max;
    series->entries = calloc(count, sizeof(struct series_entry *));
    series->free = calloc(count, sizeof *series->free);
    series->turned = calloc(count, sizeof *series->turned);
    if (series->entries == NULL || series->free == NULL || series->turned == NULL) {
        series_free(series);
        return NULL;
    }
    return series;
}

static void entry_free(struct series_entry *entry)
{
    if (entry != NULL) {
        free(entry->kept);
        free(entry);
    }
}

void series_free(struct series *series)
{
    if (series == NULL) {
        return;
    }
    for (size_t i = 0; series->entries != NULL && i < series->entries_used; i++) {
        entry_free(series->entries[i]);
    }
    series_nodes_clear(series);
    series_names_clear(series);
    map_done(&series->keys);
    arena_done(&series->scratch);
    free(series->entries);
    free(series->free);
    free(series->turned);
    free(series);
}

/* ---- what is to be told ---- */

void series_list(struct series *series, struct series_entry *entry)
{
    if (!entry->listed && !entry->sending && entry->told != entry->level.raised) {
        NSH_ASSERT(series->turned_count < series->options.series_max);
        entry->listed = true;
        series->turned[series->turned_count++] = entry->index;
    }
}

/* An ended one goes when nobody needs it any more. */
void series_entry_settle(struct series *series, struct series_entry *entry)
{
    if (!entry->dying || entry->sending || entry->listed) {
        return;
    }
    if (entry->told) {
        series_list(series, entry);
        return;
    }
    NSH_ASSERT(series->entries[entry->index] == entry);
    series->entries[entry->index] = NULL;
    series->free[series->free_count++] = entry->index;
    series->entries_count--;
    entry_free(entry);
}

void series_entry_end(struct series *series, struct series_entry *entry)
{
    if (entry->dying) {
        return;
    }
    map_remove(&series->keys, text_of(entry->key));
    entry->dying = true;
    if (entry->level.raised) {
        entry->level.raised = false;
        series->counters.cleared++;
        entry->turn.at_ms = series->now_ms;
        series_list(series, entry);
    }
    series_entry_settle(series, entry);
}

/* ---- room ---- */

static bool may_go(const struct series *series, const struct series_entry *entry)
{
    return entry != NULL && !entry->dying && !entry->level.raised && !entry->told &&
           !entry->sending && !entry->listed && entry->last_ms > 0 &&
           series->now_ms - entry->last_ms > SERIES_IDLE_MS;
}

/* A silent entry makes room. */
static bool make_room(struct series *series)
{
    for (size_t look = 0; look < EVICT_LOOKS && look < series->entries_used; look++) {
        series->evict_cursor = (series->evict_cursor + 1) % series->entries_used;
        struct series_entry *entry = series->entries[series->evict_cursor];
        if (may_go(series, entry)) {
            series->counters.evicted++;
            series_entry_end(series, entry);
            return true;
        }
    }
    return false;
}

static bool index_take(struct series *series, uint32_t *ret_index)
{
    if (series->free_count == 0 && series->entries_used == series->options.series_max &&
        !make_room(series)) {
        return false;
    }
    if (series->free_count > 0) {
        *ret_index = series->free[--series->free_count];
    } else {
        *ret_index = (uint32_t)series->entries_used++;
    }
    return true;
}

static size_t learned_bytes(const struct signals_rule *rule)
{
    return rule->kind == SIGNALS_BASELINE   ? sizeof(struct signal_baseline)
           : rule->kind == SIGNALS_FORECAST ? sizeof(struct series_line)
                                            : 0;
}

static struct series_entry *entry_new(const struct signals_rule *rule, struct text key,
                                      uint16_t host_at, uint16_t resource_at)
{
    size_t learned = learned_bytes(rule);
    struct series_entry *entry = calloc(1, sizeof *entry + learned + key.count + 1);
    if (entry != NULL) {
        char *at = entry->learned + learned;
        memcpy(at, key.at, key.count);
        entry->key = at;
        entry->rule = rule;
        entry->host_at = host_at;
        entry->resource_at = resource_at;
    }
    return entry;
}

static struct series_entry *entry_add(struct series *series, struct series_entry *entry)
{
    uint32_t index = 0;
    if (entry == NULL || !index_take(series, &index)) {
        free(entry);
        return NULL;
    }
    if (map_set(&series->keys, text_of(entry->key), entry) < 0) {
        series->free[series->free_count++] = index;
        free(entry);
        return NULL;
    }
    entry->index = index;
    entry->serial = ++series->serial;
    series->entries[index] = entry;
    series->entries_count++;
    series->counters.made++;
    return entry;
}

struct series_entry *series_entry_get(struct series *series, const struct signals_rule *rule,
                                      struct text host, struct text resource)
{
    char chars[SERIES_KEY_BYTES_MAX + 1];
    size_t name = strlen(rule->name);
    NSH_ASSERT(host.count <= SERIES_TEXT_BYTES_MAX && resource.count <= SERIES_TEXT_BYTES_MAX);
    memcpy(chars, rule->name, name);
    chars[name] = 0x1f;
    memcpy(chars + name + 1, host.at, host.count);
    size_t resource_at = name + host.count + 2;
    chars[resource_at - 1] = 0x1f;
    memcpy(chars + resource_at, resource.at, resource.count);
    struct text key = {chars, (uint32_t)(resource_at + resource.count)};
    chars[key.count] = '\0';
    struct series_entry *entry = map_get(&series->keys, key);
    return entry != NULL ? entry
                         : entry_add(series, entry_new(rule, key, (uint16_t)(name + 1),
                                                       (uint16_t)resource_at));
}

/* ---- other signals ---- */

static const struct signals_rule *rule_of(const struct signals *signals, struct text name)
{
    for (size_t i = 0; i < signals->count; i++) {
        if (text_is(name, signals->rules[i].name)) {
            return &signals->rules[i];
        }
    }
    return NULL;
}

/* The signal goes, but what it raised is still to be cleared: what that needs is kept. */
static bool rule_keep(struct series_entry *entry)
{
    const struct signals_rule *rule = entry->rule;
    size_t name = strlen(rule->name) + 1, event = strlen(rule->event) + 1;
    struct signals_rule *kept = calloc(1, sizeof *kept + name + event);
    entry->rule = kept;
    entry->kept = kept;
    if (kept == NULL) {
        return false;
    }
    char *texts = (char *)(kept + 1);
    memcpy(texts, rule->name, name);
    memcpy(texts + name, rule->event, event);
    kept->name = texts;
    kept->event = texts + name;
    kept->metric = TEXT("");
    kept->severity = rule->severity;
    return true;
}

void series_signals(struct series *series, const struct signals *signals)
{
    series_nodes_clear(series);
    series_names_clear(series);
    for (size_t i = 0; i < series->entries_used; i++) {
        struct series_entry *entry = series->entries[i];
        if (entry == NULL || entry->kept != NULL) {
            continue;
        }
        struct text name = {entry->key, (uint32_t)entry->host_at - 1};
        const struct signals_rule *rule = rule_of(signals, name);
        bool goes_on = !entry->dying && rule != NULL && rule->same == entry->rule->same;
        if (goes_on) {
            entry->rule = rule;
        } else if (rule_keep(entry)) {
            series_entry_end(series, entry);
        } else { /* No memory: a person has to clear it. */
            entry->told = entry->level.raised = false;
            series_entry_end(series, entry);
        }
    }
    series->signals = signals;
}

bool series_known(struct series *series, struct text signal, struct text resource,
                  bool (*is)(void *arg, struct text host), void *arg)
{
    for (size_t i = 0; i < series->entries_used; i++) {
        struct series_entry *entry = series->entries[i];
        if (entry == NULL || entry->dying || !text_is(signal, entry->rule->name) ||
            !text_equal(series_entry_resource(entry), resource) ||
            !is(arg, series_entry_host(entry))) {
            continue;
        }
        entry->told = true;
        entry->level.raised = true;
        return true;
    }
    return false;
}

bool series_has_signal(const struct series *series, struct text name)
{
    return rule_of(series->signals, name) != NULL;
}

void series_count(const struct series *series, struct series_counters *ret_counters)
{
    *ret_counters = series->counters;
}

size_t series_entries_count(const struct series *series)
{
    return series->entries_count;
}
