/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRAP_RECEIVER_POOL_H
#define TRAP_RECEIVER_POOL_H

/*
 * The events that wait to be handed over, in order. While the daemon keeps up it is a buffer; when
 * it lags it degrades in order: repetitions are dropped, then earlier events of the same alarm,
 * then the lowest severity. All counted.
 *
 * Repetitions are found by direct-mapped tables: a collision lets one through, no event is ever
 * lost to one.
 */

#include "source/trap/trap_pipe.h"

#include "model/event.h"

#define POOL_BYTES (8u << 20)
#define POOL_ENTRIES 16384u /* A power of two. */
#define POOL_TABLE_SLOTS 32768u

struct pool_entry {
    uint32_t offset, length;
    uint64_t identity, key;
    uint32_t inform; /* Slot + 1 of the first inform that waits for it; 0: none. */
    uint8_t severity;
    bool dead;
};

struct pool {
    uint8_t *bytes;              /* POOL_BYTES + the largest event */
    struct pool_entry *entries;  /* Ring by sequence. */
    uint64_t *identities, *keys; /* sequence + 1 by hash */
    uint64_t head, tail;
    size_t used; /* Bytes, with the dead. */
    size_t alive_bytes, alive_count;
    size_t by_severity[SEVERITIES_COUNT];
    uint32_t orphans; /* Informs whose events were dropped: the owner frees them and sets 0. */
};

int pool_init(struct pool *pool, struct nsh_error *err);

struct pool_add {
    const struct event *event;
    uint64_t identity;
    uint32_t inform; /* Slot + 1, or 0. */
    bool lagging;
};

/* Joins two chains of informs; returns the first of the joined one. */
typedef uint32_t pool_join(uint32_t first, uint32_t second);

/*
 * Take one event. Returns false when it was dropped (counted): its inform is an orphan then. A
 * repetition counts as taken: its inform waits for the event that is there.
 */
bool pool_put(struct pool *pool, const struct pool_add *add, pool_join *join,
              struct trap_counters *counters);

/* Move events from the head into bytes[room]; returns the bytes, and how many, and the informs they
 * answer. */
size_t pool_take(struct pool *pool, uint8_t *bytes, size_t room, uint32_t *ret_events,
                 uint32_t *ret_informs, pool_join *join);

#endif
