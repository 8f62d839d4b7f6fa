/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_EVENT_POOL_H
#define LOOP_EVENT_POOL_H

/*
 * The events of a source that nobody can ask to wait (traps, syslog), until they are handed over.
 * While the daemon keeps up it is a buffer; when it lags it degrades in order: repetitions are
 * dropped, then earlier events of the same alarm, then the lowest severity. All counted. A clear is
 * dropped like a major event, whatever severity it has: nobody sends it again, and without it its
 * alarm stands for ever.
 *
 * What is urgent goes first (event_rank()), in the order it came. An event never overtakes an
 * earlier one that may be of the same alarm: that one goes along. Only what surely is of the same
 * alarm replaces an earlier one: a relay sends the alarms of many hosts.
 *
 * Repetitions are found by direct-mapped tables: a collision lets one through, no event is ever
 * lost to one.
 */

#include "model/event.h"

#define POOL_BYTES (8u << 20)
#define POOL_ENTRIES 16384u /* A power of two. */
#define POOL_TABLE_SLOTS 32768u

struct pool_entry {
    uint32_t offset, length;
    uint64_t identity;
    uint64_t key;    /* Of source and alarm: wide, what goes in order. */
    uint64_t alarm;  /* With whatever tells its host: narrow, what may be replaced. */
    uint32_t waiter; /* The first of those who wait for it (informs), the owner's; 0: none. */
    uint8_t severity, rank;
    uint8_t worth; /* A severity: what is worth less is dropped for it. */
    bool dead;
};

struct pool_counts {
    uint64_t urgent; /* Critical and fatal ones that came. */
    uint64_t duplicate, coalesced, dropped[SEVERITIES_COUNT];
};

struct event_pool {
    uint8_t *bytes;                /* POOL_BYTES + the largest event */
    struct pool_entry *entries;    /* Ring by sequence. */
    uint64_t *identities, *alarms; /* sequence + 1 by hash */
    uint16_t *waiting;             /* Living entries by the hash of their key. */
    uint64_t head, tail;
    size_t used; /* Bytes, with the dead. */
    size_t alive_bytes, alive_count;
    size_t by_worth[SEVERITIES_COUNT], by_rank[EVENT_RANKS];
    struct pool_counts counts;
    uint32_t orphans; /* Waiters whose events were dropped: the owner frees them and sets 0. */
};

int pool_init(struct event_pool *pool, struct nsh_error *err);
void pool_done(struct event_pool *pool);

struct pool_add {
    const struct event *event;
    uint64_t identity; /* Of the message, when lagging; 0: it has none. */
    uint32_t waiter;
    bool lagging;
};

/* Joins two chains of waiters; returns the first of the joined one. */
typedef uint32_t pool_join(uint32_t first, uint32_t second);

/*
 * Take one event. Returns false when it was dropped (counted): its waiter is an orphan then. A
 * repetition counts as taken: its waiter waits for the event that is there.
 */
bool pool_put(struct event_pool *pool, const struct pool_add *add, pool_join *join);

/* Move events into bytes, the urgent first, as many as fit into room, but one at least: there must
 * be place for EVENT_PACKED_BYTES_MAX. Returns the bytes, and how many, and the waiters they
 * answer. */
size_t pool_take(struct event_pool *pool, uint8_t *bytes, size_t room, uint32_t *ret_events,
                 uint32_t *ret_waiters, pool_join *join);

/* True: something urgent waits. */
static inline bool pool_is_urgent(const struct event_pool *pool)
{
    return pool->alive_count > pool->by_rank[0];
}

#endif
