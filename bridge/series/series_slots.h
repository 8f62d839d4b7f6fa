/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERIES_SERIES_SLOTS_H
#define SERIES_SERIES_SLOTS_H

/*
 * An index from hashes to numbers, four bytes a slot: what the numbers stand for, and their hashes,
 * the owner knows. Linear probing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct series_slots {
    uint32_t *at; /* number + 1; 0: empty */
    uint32_t count, room;
    unsigned fill_percent; /* Beyond it there are twice as many slots. */
    uint64_t (*hash_of)(const void *arg, uint32_t number);
    const void *arg;
};

/* Every number that may have this hash, and others: for (slot = first; number(slot); slot = next).
 */
static inline uint32_t series_slots_first(const struct series_slots *slots, uint64_t hash)
{
    return (uint32_t)hash & (slots->room - 1);
}

static inline uint32_t series_slots_next(const struct series_slots *slots, uint32_t slot)
{
    return (slot + 1) & (slots->room - 1);
}

bool series_slots_add(struct series_slots *slots, uint64_t hash, uint32_t number); /* False: no
                                                                                      memory. */
void series_slots_remove(struct series_slots *slots, uint64_t hash, uint32_t number);
void series_slots_clear(struct series_slots *slots); /* Their memory, too. */

#endif
