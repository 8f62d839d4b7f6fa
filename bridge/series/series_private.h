/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERIES_SERIES_PRIVATE_H
#define SERIES_SERIES_PRIVATE_H

/* What the table's files share. */

#include "base/map.h"
#include "series/series.h"

#define SERIES_NONE UINT32_MAX
#define SERIES_NAMES_MAX 65536 /* Metric names whose signals are remembered. */
#define SERIES_KEY_BYTES_MAX (SIGNALS_NAME_BYTES_MAX + 2 * SERIES_TEXT_BYTES_MAX + 3)

/* A window in few bytes; what else struct signal_fold has follows from it and the kind. */
struct series_fold {
    int64_t last_ms;
    double last;
    double sum; /* Or the smallest, the largest, the rise: what the kind needs. */
    uint32_t count;
};

/* What a turn was at: told with it, however late. */
struct series_turn {
    int64_t at_ms;
    float value, score, expected; /* Forecast: hours at the earliest, at the latest. */
};

struct series_entry {
    const struct signals_rule *rule;
    struct signals_rule *kept; /* The rule, when the signal is gone; owned. */
    const char *key;           /* SIGNAL 0x1f HOST 0x1f RESOURCE; of the entry. */
    int64_t last_ms;           /* Of the newest value. */
    uint64_t owner;            /* The one series of a counter; else 0. */
    uint32_t index, serial; /* serial: of all there ever were, so that a number that is used again
                               is noticed. */
    uint16_t host_at, resource_at; /* In key. */
    bool told;                     /* Durable: the event that raised it, and none that cleared. */
    bool sending, listed, dying;
    struct series_turn turn;
    float value; /* The newest folded one. */
    float score;
    /* The state, SERIES_STATE_BYTES_MAX at most. */
    struct series_fold fold;
    struct signal_level level;
    char learned[]; /* struct signal_baseline, or struct series_line. */
};

struct series_line {
    int64_t first_ms;
    struct signal_forecast forecast;
};

_Static_assert(sizeof(struct series_fold) + sizeof(struct signal_level) +
                       sizeof(struct signal_baseline) <=
                   SERIES_STATE_BYTES_MAX,
               "the state of a series grew");

struct series_ref {
    uint32_t index, serial;
};

/* A label set that was seen: which entries its values go to. */
struct series_node {
    uint64_t hash[2];
    int64_t last_ms;
    bool refused; /* There was no room for some of its entries. */
    uint32_t entries_count;
    struct series_ref entries[];
};

struct series_name {
    uint32_t count;
    uint16_t rules[]; /* The name, NUL-terminated, follows. */
};

struct series {
    struct series_options options;
    const struct signals *signals;
    int64_t now_ms, started_ms;
    struct map names; /* Metric -> struct series_name */
    struct map nodes; /* hash -> struct series_node; made anew whenever it is full */
    struct map keys;  /* key -> struct series_entry */
    struct series_entry **entries;
    uint32_t *free; /* Indices without an entry. */
    size_t entries_used, free_count, entries_count;
    uint32_t *turned; /* Listed entries. */
    size_t turned_count;
    uint32_t serial;             /* Of the newest entry. */
    size_t cursor, evict_cursor; /* Of the sweep, of looking for room. */
    struct series_node *current;
    struct arena scratch;
    struct series_counters counters;
};

static inline struct text series_entry_host(const struct series_entry *entry)
{
    return (struct text){entry->key + entry->host_at,
                         (uint32_t)(entry->resource_at - entry->host_at - 1)};
}

static inline struct text series_entry_resource(const struct series_entry *entry)
{
    return text_of(entry->key + entry->resource_at);
}

static inline struct signal_baseline *series_entry_baseline(struct series_entry *entry)
{
    return (struct signal_baseline *)(void *)entry->learned;
}

static inline struct series_line *series_entry_line(struct series_entry *entry)
{
    return (struct series_line *)(void *)entry->learned;
}

/* NULL: it went. */
static inline struct series_entry *series_entry_at(const struct series *series,
                                                   struct series_ref ref)
{
    struct series_entry *entry = series->entries[ref.index];
    return entry != NULL && entry->serial == ref.serial && !entry->dying ? entry : NULL;
}

/* ---- series.c ---- */

/* The entry of a key, made when it is not there; NULL: no room (counted). */
struct series_entry *series_entry_get(struct series *series, const struct signals_rule *rule,
                                      struct text host, struct text resource);
/* Off the maps; freed as soon as nothing of it is to be told. */
void series_entry_end(struct series *series, struct series_entry *entry);
void series_entry_settle(struct series *series, struct series_entry *entry);
void series_list(struct series *series, struct series_entry *entry);

/* ---- series_find.c ---- */

void series_nodes_clear(struct series *series);
void series_names_clear(struct series *series);

/* ---- series_put.c ---- */

void series_entry_put(struct series *series, struct series_entry *entry, int64_t at_ms,
                      double value);
void series_entry_missed(struct series *series, struct series_entry *entry, int64_t at_ms);
void series_entry_turn(struct series *series, struct series_entry *entry, enum signal_turn turn,
                       int64_t at_ms);

#endif
