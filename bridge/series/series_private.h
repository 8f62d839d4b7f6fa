/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERIES_SERIES_PRIVATE_H
#define SERIES_SERIES_PRIVATE_H

/* What the table's files share. */

#include "base/map.h"
#include "series/series.h"
#include "series/series_slots.h"

#define SERIES_NONE UINT32_MAX
#define SERIES_NAMES_MAX 65536 /* Metric names whose signals are remembered. */
#define SERIES_NODES_EACH 2    /* Label sets that are remembered, for each series there may be. */
#define SERIES_NODES_BLOCK 4096

/* A host, a resource, a group of peers: kept once, however many series have it. */
struct series_word {
    uint64_t hash;
    uint32_t uses, count;
    char chars[];
};

/* A window in few bytes; what else struct signal_fold has follows from it and the kind. */
struct series_fold {
    double last;
    double sum; /* Or the smallest, the largest, the rise: what the kind needs. */
    uint32_t count;
};

/*
 * One series of one signal. All that a static level has to remember is 48 bytes of it (`last_ms` to
 * `count`, `since_ms`, `bits`); the rest says whose it is and what was told. What a kind learns
 * follows it, and the window's largest values when it is folded to them.
 */
struct series_entry {
    const struct signals_rule *rule; /* kept: a copy of it, since the signal is gone; owned. */
    struct series_word *host, *resource;
    int64_t last_ms;  /* Of the newest value. */
    int64_t since_ms; /* As in struct signal_level. */
    uint64_t bits;
    int64_t turned_ms; /* What a turn was at: told with it, however late. */
    double fold_last, fold_sum;
    uint32_t fold_count;
    float turn_value, turn_score, turn_expected; /* Forecast: hours at the earliest, the latest. */
    float value;                                 /* The newest folded one. */
    float score;
    uint32_t owner;         /* The one series of a counter; else 0. */
    uint32_t index, serial; /* serial: of all there ever were, so that a number that is used again
                               is noticed. */
    bool raised : 1;
    bool told : 1; /* Durable: the event that raised it, and none that cleared. */
    bool sending : 1, listed : 1, dying : 1, kept : 1;
    char learned[] __attribute__((aligned(8)));
};

struct series_line {
    int64_t first_ms;
    struct signal_forecast forecast;
};

struct series_stuck {
    double value;
};

/* Its place in its group. */
struct series_peer {
    uint32_t group, place;
};

_Static_assert(sizeof(struct series_entry) <= 112, "the state of a series grew");
_Static_assert(sizeof(struct series_entry) + sizeof(struct signal_baseline) <=
                   SERIES_STATE_BYTES_MAX,
               "the state of a series grew");

struct series_ref {
    uint32_t index, serial;
};

/* A label set that was seen: which entries its values go to. */
struct series_node {
    uint64_t hash[2];
    int64_t last_ms;
    union {
        struct series_ref one;
        struct series_ref *many; /* Owned; entries_count is more than 1. */
    };
    uint16_t entries_count;
    bool refused; /* There was no room for some of its entries. */
};

static inline const struct series_ref *series_node_refs(const struct series_node *node)
{
    return node->entries_count > 1 ? node->many : &node->one;
}

struct series_name {
    uint32_t count;
    uint16_t rules[]; /* The name, NUL-terminated, follows. */
};

/* Series that are compared with each other. */
struct series_group {
    const struct signals_rule *rule; /* NULL: without members. */
    struct series_word *word;
    uint32_t *members; /* Entries. */
    float *scratch;
    uint32_t count, room;
    uint32_t fresh; /* How many had a value lately, when it was computed. */
    uint32_t next_free;
    float median, deviation;
    int64_t computed_ms; /* The values of this time and later want another one. */
};

struct series {
    struct series_options options;
    const struct signals *signals;
    int64_t now_ms, started_ms;
    struct map names; /* Metric -> struct series_name */
    struct map words; /* Text -> struct series_word */
    /* Of entries by signal, host, resource; of nodes by hash; of groups by signal and text. */
    struct series_slots keys, found, grouped;
    struct series_entry **entries;
    struct series_node **blocks; /* SERIES_NODES_BLOCK nodes each. */
    uint32_t nodes_count;
    uint32_t *free; /* Indices without an entry. */
    size_t entries_used, free_count, entries_count;
    uint32_t *turned; /* Listed entries. */
    size_t turned_count;
    uint32_t serial;             /* Of the newest entry. */
    size_t cursor, evict_cursor; /* Of the sweep, of looking for room. */
    struct series_group *groups;
    uint32_t groups_count, groups_room;
    uint32_t groups_free; /* number + 1 of the first one without members. */
    struct series_node *current;
    struct signal_decay decay;
    struct arena scratch;
    struct series_counters counters;
};

static inline struct text series_word_text(const struct series_word *word)
{
    return (struct text){word->chars, word->count};
}

static inline struct text series_entry_host(const struct series_entry *entry)
{
    return series_word_text(entry->host);
}

static inline struct text series_entry_resource(const struct series_entry *entry)
{
    return series_word_text(entry->resource);
}

static inline bool series_rule_has_top(const struct signals_rule *rule)
{
    return rule->fold == SIGNAL_P95;
}

/* NULL: its window needs none. */
static inline struct signal_top *series_entry_top(const struct series_entry *entry)
{
    return series_rule_has_top(entry->rule) ? (struct signal_top *)(uintptr_t)entry->learned : NULL;
}

static inline void *series_entry_learned(const struct series_entry *entry)
{
    size_t top = series_rule_has_top(entry->rule) ? sizeof(struct signal_top) : 0;
    return (char *)(uintptr_t)entry->learned + top;
}

static inline struct signal_baseline *series_entry_baseline(const struct series_entry *entry)
{
    return series_entry_learned(entry);
}

static inline struct series_line *series_entry_line(const struct series_entry *entry)
{
    return series_entry_learned(entry);
}

static inline struct series_stuck *series_entry_stuck(const struct series_entry *entry)
{
    return series_entry_learned(entry);
}

static inline struct series_peer *series_entry_peer(const struct series_entry *entry)
{
    return series_entry_learned(entry);
}

/* NULL: it went. */
static inline struct series_entry *series_entry_at(const struct series *series,
                                                   struct series_ref ref)
{
    struct series_entry *entry = series->entries[ref.index];
    return entry != NULL && entry->serial == ref.serial && !entry->dying ? entry : NULL;
}

static inline struct series_node *series_node_at(const struct series *series, uint32_t index)
{
    return &series->blocks[index / SERIES_NODES_BLOCK][index % SERIES_NODES_BLOCK];
}

/* ---- series.c ---- */

/* The entry of a key, made when it is not there; NULL: no room (counted). group: of peers. */
struct series_entry *series_entry_get(struct series *series, const struct signals_rule *rule,
                                      struct text host, struct text resource, struct text group);
uint64_t series_entry_hash(const struct series_entry *entry); /* Of what it is, over restarts. */
/* Off the maps; freed as soon as nothing of it is to be told. */
void series_entry_end(struct series *series, struct series_entry *entry);
void series_entry_settle(struct series *series, struct series_entry *entry);
void series_list(struct series *series, struct series_entry *entry);

/* ---- series_word.c ---- */

/* Used once more; NULL: out of memory. */
struct series_word *series_word_get(struct series *series, struct text text);
void series_word_drop(struct series *series, struct series_word *word);
void series_words_free(struct series *series);

/* ---- series_peers.c ---- */

bool series_peers_join(struct series *series, struct series_entry *entry, struct text group);
void series_peers_leave(struct series *series, struct series_entry *entry);
/* How many median deviations from the median of its peers; 0 while there are too few. */
double series_peers_distance(struct series *series, const struct series_entry *entry, int64_t at_ms,
                             double value, double *ret_median);
struct text series_peers_group(const struct series *series, const struct series_entry *entry);
uint32_t series_peers_fresh(const struct series *series, const struct series_entry *entry);
void series_peers_free(struct series *series);
/* The groups of rules that are gone have no members; others are of these rules now. */
void series_peers_rules(struct series *series);

/* ---- series_find.c ---- */

uint64_t series_node_hash(const void *series, uint32_t index);
void series_nodes_clear(struct series *series);
void series_names_clear(struct series *series);

/* ---- series_put.c ---- */

void series_entry_put(struct series *series, struct series_entry *entry, int64_t at_ms,
                      double value);
void series_entry_missed(struct series *series, struct series_entry *entry, int64_t at_ms);
void series_entry_turn(struct series *series, struct series_entry *entry, enum signal_turn turn,
                       int64_t at_ms);

#endif
