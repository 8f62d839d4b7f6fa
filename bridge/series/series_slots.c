/* SPDX-License-Identifier: Apache-2.0 */
#include "series/series_slots.h"

#include "base/assert.h"

#include <stdlib.h>

#define ROOM_FIRST 16

static void put(struct series_slots *slots, uint64_t hash, uint32_t entry)
{
    uint32_t slot = series_slots_first(slots, hash);
    while (slots->at[slot] != 0) {
        slot = series_slots_next(slots, slot);
    }
    slots->at[slot] = entry;
}

static bool grow(struct series_slots *slots)
{
    struct series_slots more = *slots;
    more.room = slots->room == 0 ? ROOM_FIRST : slots->room * 2;
    more.at = more.room > slots->room ? calloc(more.room, sizeof *more.at) : NULL;
    if (more.at == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < slots->room; i++) {
        if (slots->at[i] != 0) {
            put(&more, slots->hash_of(slots->arg, slots->at[i] - 1), slots->at[i]);
        }
    }
    free(slots->at);
    *slots = more;
    return true;
}

bool series_slots_add(struct series_slots *slots, uint64_t hash, uint32_t number)
{
    bool full = (uint64_t)(slots->count + 1) * 100 > (uint64_t)slots->room * slots->fill_percent;
    if (full && !grow(slots)) {
        return false;
    }
    put(slots, hash, number + 1);
    slots->count++;
    return true;
}

/* Those behind it that would rather stand in the gap move into it. */
static void close_gap(struct series_slots *slots, uint32_t gap)
{
    uint32_t mask = slots->room - 1;
    for (uint32_t slot = series_slots_next(slots, gap); slots->at[slot] != 0;
         slot = series_slots_next(slots, slot)) {
        uint64_t hash = slots->hash_of(slots->arg, slots->at[slot] - 1);
        uint32_t best = series_slots_first(slots, hash);
        if (((slot - best) & mask) >= ((slot - gap) & mask)) {
            slots->at[gap] = slots->at[slot];
            gap = slot;
        }
    }
    slots->at[gap] = 0;
}

void series_slots_remove(struct series_slots *slots, uint64_t hash, uint32_t number)
{
    NSH_ASSERT(slots->count > 0);
    uint32_t slot = series_slots_first(slots, hash);
    while (slots->at[slot] != number + 1) {
        NSH_ASSERT(slots->at[slot] != 0);
        slot = series_slots_next(slots, slot);
    }
    close_gap(slots, slot);
    slots->count--;
}

void series_slots_clear(struct series_slots *slots)
{
    free(slots->at);
    slots->at = NULL;
    slots->count = slots->room = 0;
}
