/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: entries by number and by key, what is to be told, who makes room. An entry whose
 * event is under way stays until that ended, whatever else happens to it.
 */

#include "series/series_private.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>

#define KEYS_FILL_PERCENT 80  /* Looked at when a label set is new. */
#define FOUND_FILL_PERCENT 60 /* Looked at with each label set. */
#define EVICT_LOOKS 256       /* Entries looked at for one new one. */

static uint64_t key_hash(const void *arg, uint32_t index)
{
    const struct series *series = arg;
    return series_entry_hash(series->entries[index]);
}

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
    series->blocks =
        calloc(count * SERIES_NODES_EACH / SERIES_NODES_BLOCK + 1, sizeof(struct series_node *));
    series->keys = (struct series_slots){
        .fill_percent = KEYS_FILL_PERCENT, .hash_of = key_hash, .arg = series};
    series->found = (struct series_slots){
        .fill_percent = FOUND_FILL_PERCENT, .hash_of = series_node_hash, .arg = series};
    if (series->entries == NULL || series->free == NULL || series->turned == NULL ||
        series->blocks == NULL) {
        series_free(series);
        return NULL;
    }
    return series;
}

static void entry_free(struct series *series, struct series_entry *entry)
{
    if (entry == NULL) {
        return;
    }
    series_word_drop(series, entry->host);
    series_word_drop(series, entry->resource);
    if (entry->kept) {
        free((void *)(uintptr_t)entry->rule);
    }
    free(entry);
}

void series_free(struct series *series)
{
    if (series == NULL) {
        return;
    }
    for (size_t i = 0; series->entries != NULL && i < series->entries_used; i++) {
        entry_free(series, series->entries[i]);
    }
    series_nodes_clear(series);
    series_names_clear(series);
    series_peers_free(series);
    series_words_free(series);
    series_slots_clear(&series->keys);
    arena_done(&series->scratch);
    free(series->entries);
    free(series->free);
    free(series->turned);
    free(series->blocks);
    free(series);
}

/* ---- what is to be told ---- */

void series_list(struct series *series, struct series_entry *entry)
{
    if (!entry->listed && !entry->sending && entry->told != entry->raised) {
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
    entry_free(series, entry);
}

/* Off the maps, and from among its peers. */
static void entry_leave(struct series *series, struct series_entry *entry)
{
    series_slots_remove(&series->keys, series_entry_hash(entry), entry->index);
    if (entry->rule->kind == SIGNALS_PEERS) {
        series_peers_leave(series, entry);
    }
    entry->dying = true;
}

static void entry_left(struct series *series, struct series_entry *entry)
{
    if (entry->raised) {
        entry->raised = false;
        series->counters.cleared++;
        entry->turned_ms = series->now_ms;
        series_list(series, entry);
    }
    series_entry_settle(series, entry);
}

void series_entry_end(struct series *series, struct series_entry *entry)
{
    if (!entry->dying) {
        entry_leave(series, entry);
        entry_left(series, entry);
    }
}

/* ---- room ---- */

static bool may_go(const struct series *series, const struct series_entry *entry)
{
    return entry != NULL && !entry->dying && !entry->raised && !entry->told && !entry->sending &&
           !entry->listed && entry->last_ms > 0 && series->now_ms - entry->last_ms > SERIES_IDLE_MS;
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
    static const size_t bytes[] = {
        [SIGNALS_BASELINE] = sizeof(struct signal_baseline),
        [SIGNALS_FORECAST] = sizeof(struct series_line),
        [SIGNALS_STUCK] = sizeof(struct series_stuck),
        [SIGNALS_PEERS] = sizeof(struct series_peer),
        [SIGNALS_ABSENT] = 0,
    };
    return bytes[rule->kind] + (series_rule_has_top(rule) ? sizeof(struct signal_top) : 0);
}

static uint64_t hash_of(const char *signal, uint64_t host, uint64_t resource)
{
    uint64_t hash = text_hash(text_of(signal));
    hash = (hash ^ host) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
    hash = (hash ^ resource) * UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

uint64_t series_entry_hash(const struct series_entry *entry)
{
    return hash_of(entry->rule->name, entry->host->hash, entry->resource->hash);
}

static struct series_entry *entry_find(const struct series *series, const struct signals_rule *rule,
                                       struct text host, struct text resource)
{
    const struct series_slots *slots = &series->keys;
    if (slots->count == 0) {
        return NULL;
    }
    uint64_t hash = hash_of(rule->name, text_hash(host), text_hash(resource));
    for (uint32_t slot = series_slots_first(slots, hash); slots->at[slot] != 0;
         slot = series_slots_next(slots, slot)) {
        struct series_entry *entry = series->entries[slots->at[slot] - 1];
        if (entry->rule == rule && text_equal(series_entry_host(entry), host) &&
            text_equal(series_entry_resource(entry), resource)) {
            return entry;
        }
    }
    return NULL;
}

static struct series_entry *entry_new(struct series *series, const struct signals_rule *rule,
                                      struct text host, struct text resource)
{
    struct series_entry *entry = calloc(1, sizeof *entry + learned_bytes(rule));
    if (entry == NULL) {
        return NULL;
    }
    entry->rule = rule;
    entry->value = NAN;
    entry->host = series_word_get(series, host);
    entry->resource = series_word_get(series, resource);
    if (entry->host == NULL || entry->resource == NULL) {
        entry_free(series, entry);
        return NULL;
    }
    return entry;
}

static bool entry_add(struct series *series, struct series_entry *entry, struct text group)
{
    if (!index_take(series, &entry->index)) {
        return false;
    }
    series->entries[entry->index] = entry;
    bool joined = entry->rule->kind != SIGNALS_PEERS || series_peers_join(series, entry, group);
    if (!joined || !series_slots_add(&series->keys, series_entry_hash(entry), entry->index)) {
        if (joined && entry->rule->kind == SIGNALS_PEERS) {
            series_peers_leave(series, entry);
        }
        series->entries[entry->index] = NULL;
        series->free[series->free_count++] = entry->index;
        return false;
    }
    entry->serial = ++series->serial;
    series->entries_count++;
    series->counters.made++;
    return true;
}

struct series_entry *series_entry_get(struct series *series, const struct signals_rule *rule,
                                      struct text host, struct text resource, struct text group)
{
    NSH_ASSERT(host.count <= SERIES_TEXT_BYTES_MAX && resource.count <= SERIES_TEXT_BYTES_MAX);
    struct series_entry *entry = entry_find(series, rule, host, resource);
    if (entry != NULL) {
        return entry;
    }
    entry = entry_new(series, rule, host, resource);
    if (entry != NULL && !entry_add(series, entry, group)) {
        entry_free(series, entry);
        return NULL;
    }
    return entry;
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
    entry->rule = kept;
    entry->kept = true;
    return true;
}

static void rule_ends(struct series *series, struct series_entry *entry)
{
    static const struct signals_rule gone = {.name = "", .event = "", .metric = {"", 0}};
    bool was_dying = entry->dying;
    if (!was_dying) {
        entry_leave(series, entry);
    }
    if (!rule_keep(entry)) { /* No memory: a person has to clear it. */
        entry->rule = &gone;
        entry->kept = false;
        entry->told = entry->raised = false;
    }
    if (!was_dying) {
        entry_left(series, entry);
    }
}

void series_signals(struct series *series, const struct signals *signals)
{
    series_nodes_clear(series);
    series_names_clear(series);
    for (size_t i = 0; i < series->entries_used; i++) {
        struct series_entry *entry = series->entries[i];
        if (entry == NULL || entry->kept) {
            continue;
        }
        const struct signals_rule *rule = rule_of(signals, text_of(entry->rule->name));
        bool goes_on = !entry->dying && rule != NULL && rule->same == entry->rule->same;
        if (goes_on) {
            entry->rule = rule;
        } else {
            rule_ends(series, entry);
        }
    }
    series_peers_rules(series);
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
        if (!entry->raised) {
            entry->since_ms = 0; /* What held so far was the condition to raise it. */
        }
        entry->told = true;
        entry->raised = true;
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
