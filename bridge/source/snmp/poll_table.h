/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SNMP_POLL_TABLE_H
#define SOURCE_SNMP_POLL_TABLE_H

/*
 * What of an agent is read, and what it means: tables as data (tables/NAME.poll, or a file of one's
 * own). How they are written is in the README of bridge/source/poll.
 *
 * A set is one file. Its tables are columns; of a row of them labels, metrics and states are made.
 * Immutable once read.
 */

#include "base/confscan.h"
#include "model/event.h"
#include "source/snmp/poll_oid.h"

#define POLL_SETS_MAX 32
#define POLL_SET_TABLES_MAX 16
#define POLL_COLUMNS_MAX 48
#define POLL_LABELS_MAX 8
#define POLL_METRICS_MAX 32
#define POLL_STATES_MAX 4
#define POLL_WORDS_MAX 32
#define POLL_CHOICE_MAX 3 /* Columns that say the same, the best first. */
#define POLL_NAME_BYTES_MAX 64

struct poll_column {
    struct poll_oid oid;
    uint16_t bytes; /* Of a cell in an answer, about. */
};

/* A number and what it is called: "1 up, 2 down"; for `bad` the word is a severity. */
struct poll_word {
    int64_t number;
    const char *word;
};

struct poll_words {
    const struct poll_word *items;
    uint32_t count;
};

/* Columns of the table by their place in it; the first whose cell is there counts. */
struct poll_choice {
    uint16_t columns[POLL_CHOICE_MAX];
    uint32_t count;
};

struct poll_label {
    const char *name;
    struct poll_choice from;
    struct poll_words words; /* count 0: as it is. */
};

struct poll_metric {
    const char *name; /* With ${label}. */
    struct poll_choice from;
    double scale;
    int thousands, decimals, times; /* Columns, or -1: units of 10^(3(n-9)), digits, a factor. */
    bool counter;
    bool natural; /* A number below 0 is one that did not fit into 31 bits. */
};

struct poll_state {
    const char *type, *resource, *message; /* With ${label}, ${index}, ${word}. */
    int column;                            /* -1: that there is such a row is what is wrong. */
    struct poll_words bad;                 /* number -> severity word, checked. */
    struct poll_words words;
    int unless;                 /* Column, or -1. */
    struct poll_words expected; /* Numbers of unless with which it is well whatever column says. */
    int changed;                /* Column that moves when it changed and came back; or -1. */
    enum severity severity;     /* With column -1. */
};

struct poll_table {
    const char *name, *set;
    bool scalar;          /* One row, of objects that end in .0. */
    const char *resource; /* Of metrics, with ${label}; "" : none. */
    struct poll_column columns[POLL_COLUMNS_MAX];
    uint32_t columns_count;
    struct poll_label labels[POLL_LABELS_MAX];
    uint32_t labels_count;
    const struct poll_metric *metrics;
    uint32_t metrics_count;
    struct poll_state states[POLL_STATES_MAX];
    uint32_t states_count;
    int discontinuity; /* Column whose change says that counters began anew; or -1. */
    int valid;         /* Column, or -1: metrics are of rows alone where it has one of valid_is. */
    struct poll_words valid_is;
};

struct poll_set {
    const char *name, *summary;
    struct poll_oid only; /* count 0: all agents; else those whose sysObjectID is under it. */
    const struct poll_table *tables;
    uint32_t tables_count;
};

/* Read a set from the root of its file; false: mistakes are in diags. Lives in arena. */
bool poll_set_read(struct conf *root, const char *name, struct arena *arena, struct diags *diags,
                   struct poll_set *ret_set);
/* A built-in set by name, or a file whose name ends in .poll (relative to folder). */
bool poll_set_find(const char *name, const char *folder, struct nsh_place at, struct arena *arena,
                   struct diags *diags, struct poll_set *ret_set);
/* Names of those built in; NULL past the end. */
const char *poll_set_name(size_t index);

/* The word of a number, or NULL. */
const char *poll_word_of(const struct poll_words *words, int64_t number);

#endif
