/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SNMP_POLL_MEANING_H
#define SOURCE_SNMP_POLL_MEANING_H

/*
 * What the rows of a table mean: samples, and states that turned. Pure: no clock, no I/O.
 *
 * Counters: what comes out only falls when the agent's counters began anew, as those who watch
 * counters expect. One of 32 bits that falls without a restart went round, and goes on above 2^32.
 *
 * States: bad is told when it is seen, also the first time; well is told only when bad was told, or
 * when it changed and came back between two reads (`changed`): then a trap may have raised it. What
 * was told and is not durable is told again. A row that is gone is well.
 */

#include "model/sample.h"
#include "source/snmp/poll_rows.h"

struct poll_entry;

/* What is known of an agent's rows, of all its tables. */
struct poll_memory {
    struct map tables; /* Name of set and table -> its entries. */
};

void poll_memory_done(struct poll_memory *memory);
/* After a restart of the agent: counters begin anew. */
void poll_memory_restart(struct poll_memory *memory);

struct poll_turn {
    struct poll_entry *entry;
    uint32_t state; /* Of the table. */
    bool raise;
    enum severity severity;
    int64_t number;
    const char *resource, *message, *word;
    struct text index;
    const char *const *labels; /* By the table's labels; "" where there is none. */
};

struct poll_meaning {
    struct poll_memory *memory;
    const struct poll_table *table;
    const struct poll_rows *rows;
    struct arena *arena;               /* Texts of turns. */
    const struct sample_label *labels; /* Of all samples: job, host, instance. */
    size_t labels_count;
    int64_t at_ms;
    uint64_t samples; /* Counted. */
    bool failed;      /* Memory ran out: something is missing. */
};

/* Once for each read of the table, before the states. */
void poll_mean_samples(struct poll_meaning *meaning, const struct sample_sink *sink);
/* Each turn is under way until poll_turn_told(). */
void poll_mean_states(struct poll_meaning *meaning,
                      void (*turn)(void *arg, const struct poll_turn *turn), void *arg);
/* The entry may be gone afterwards. */
void poll_turn_told(struct poll_memory *memory, const struct poll_table *table,
                    struct poll_entry *entry, uint32_t state, bool raise, bool durable);
/* Is that state of a row with this resource bad now? Of what the last read said. */
bool poll_memory_bad(const struct poll_memory *memory, const struct poll_table *table,
                     uint32_t state, struct text resource);
uint32_t poll_memory_bad_count(const struct poll_memory *memory);
/* "if/${index}" -> "if/ *" (without the blank): what such a resource looks like. */
void poll_template_glob(const char *chars, char *room, size_t room_bytes);

#endif
