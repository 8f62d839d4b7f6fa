/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SNMP_POLL_RIG_H
#define SNMP_POLL_RIG_H

/* A table out of a text, rows put by hand, and what is told in words. */

#include "../unit.h"

#include "source/snmp/poll_meaning.h"
#include "source/snmp/poll_walk.h"

#include <stdio.h>

static struct arena rig_arena;
static char rig_told[4096];
static size_t rig_used;

static inline const struct poll_set *rig_set(const char *name)
{
    struct diags diags = {0};
    struct poll_set *set = arena_alloc(&rig_arena, sizeof *set);
    if (!poll_set_find(name, NULL, (struct nsh_place){0}, &rig_arena, &diags, set)) {
        struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        fail_msg("%s", out.at);
    }
    diags_done(&diags);
    return set;
}

static inline const struct poll_table *rig_table(const char *set_name, const char *name)
{
    const struct poll_set *set = rig_set(set_name);
    for (uint32_t i = 0; i < set->tables_count; i++) {
        if (strcmp(set->tables[i].name, name) == 0) {
            return &set->tables[i];
        }
    }
    fail_msg("no table %s in %s", name, set_name);
    return NULL;
}

static inline uint32_t rig_column(const struct poll_table *table, const char *chars)
{
    struct poll_oid oid;
    assert_true(poll_oid_read(chars, &oid));
    for (uint32_t i = 0; i < table->columns_count; i++) {
        if (poll_oid_compare(&table->columns[i].oid, &oid) == 0) {
            return i;
        }
    }
    fail_msg("no column %s in %s", chars, table->name);
    return 0;
}

static inline void rig_put(struct poll_rows *rows, const struct poll_table *table, uint32_t index,
                           const char *column, struct poll_value value)
{
    uint32_t hint = UINT32_MAX;
    poll_rows_put(rows, &index, 1, rig_column(table, column), &value, &hint);
}

static inline struct poll_value rig_int(int64_t integer)
{
    return (struct poll_value){.type = POLL_INTEGER, .integer = integer};
}

static inline struct poll_value rig_count(uint64_t natural)
{
    return (struct poll_value){.type = POLL_COUNTER32, .natural = natural};
}

static inline struct poll_value rig_text(const char *chars)
{
    return (struct poll_value){.type = POLL_OCTETS, .octets = text_of(chars)};
}

static inline void rig_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void rig_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    rig_used += (size_t)vsnprintf(rig_told + rig_used, sizeof rig_told - rig_used, format, args);
    va_end(args);
    assert_true(rig_used < sizeof rig_told);
}

static inline void rig_clear(void)
{
    rig_used = 0;
    rig_told[0] = '\0';
}

/* ---- what comes out ---- */

static char rig_name[1024];

static inline void rig_on_labels(void *arg, const struct sample_label *labels, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(rig_name + used, sizeof rig_name - used, "%s%.*s",
                                 i == 0 ? "" : ",", (int)labels[i].value.count, labels[i].value.at);
    }
}

static inline void rig_on_value(void *arg, int64_t at_ms, double value)
{
    if (arg == NULL || strstr(rig_name, arg) != NULL) {
        rig_say("%s=%.15g ", rig_name, value);
    }
}

struct rig_turns {
    struct poll_memory *memory;
    const struct poll_table *table;
    bool durable;
};

static inline void rig_on_turn(void *arg, const struct poll_turn *turn)
{
    const struct rig_turns *turns = arg;
    rig_say("%s %s %s: %s; ", turn->raise ? severity_word(turn->severity) : "clear",
            turns->table->states[turn->state].type, turn->resource, turn->message);
    poll_turn_told(turns->memory, turns->table, turn->entry, turn->state, turn->raise,
                   turns->durable);
}

/* Samples whose name has only, then states, in words. */
static inline const char *rig_mean(struct poll_memory *memory, const struct poll_table *table,
                                   const struct poll_rows *rows, const char *only, bool durable)
{
    struct poll_meaning meaning = {
        .memory = memory, .table = table, .rows = rows, .arena = &rig_arena, .at_ms = 1000};
    struct rig_turns turns = {memory, table, durable};
    const struct sample_sink sink = {rig_on_labels, rig_on_value, (void *)(uintptr_t)only};
    rig_clear();
    poll_mean_samples(&meaning, &sink);
    poll_mean_states(&meaning, rig_on_turn, &turns);
    assert_false(meaning.failed);
    return rig_told;
}

#endif
