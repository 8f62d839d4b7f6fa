/* SPDX-License-Identifier: Apache-2.0 */
/*
 * De-duplication by (source, id): a ring of the last events in order of arrival, and slots that
 * find in it. Bounded by time and by count; when full the oldest are forgotten, so a flood of new
 * ids can make a repeat look new, but never a new event look like a repeat.
 */

#include "engine_private.h"

#include <stdlib.h>

#define ROOM_FIRST 1024
#define DEDUP_AHEAD 8 /* What is forgotten so many events later is asked for now. */

static uint32_t check_of(const struct event *event)
{
    /* FNV-1a over both texts: independent of the hash that finds. */
    uint32_t check = 2166136261u;
    for (uint32_t i = 0; i < event->source.count; i++) {
        check = (check ^ (uint8_t)event->source.at[i]) * 16777619u;
    }
    check = (check ^ 0x1fu) * 16777619u;
    for (uint32_t i = 0; i < event->id.count; i++) {
        check = (check ^ (uint8_t)event->id.at[i]) * 16777619u;
    }
    return check;
}

static uint64_t hash_of(const struct event *event)
{
    return text_hash(event->source) * UINT64_C(0x9E3779B97F4A7C15) ^ text_hash(event->id);
}

/* The slot of an entry, or the empty one where it would go. */
static uint32_t slot_of(const struct dedup *dedup, uint64_t hash, uint32_t check)
{
    uint32_t mask = dedup->slots_count - 1;
    for (uint32_t slot = (uint32_t)hash & mask;; slot = (slot + 1) & mask) {
        struct seen_slot at = dedup->slots[slot];
        if (at.index == 0 || (at.check == check && dedup->ring[at.index - 1].hash == hash)) {
            return slot;
        }
    }
}

static uint32_t slot_of_index(const struct dedup *dedup, uint32_t index)
{
    uint32_t mask = dedup->slots_count - 1;
    uint32_t slot = (uint32_t)dedup->ring[index].hash & mask;
    while (dedup->slots[slot].index != index + 1) {
        NSH_ASSERT(dedup->slots[slot].index != 0);
        slot = (slot + 1) & mask;
    }
    return slot;
}

/* Remove a slot without leaving a hole in the runs of its neighbours. */
static void slot_remove(struct dedup *dedup, uint32_t slot)
{
    uint32_t mask = dedup->slots_count - 1;
    uint32_t hole = slot;
    for (uint32_t next = (slot + 1) & mask; dedup->slots[next].index != 0;
         next = (next + 1) & mask) {
        uint32_t home = (uint32_t)dedup->ring[dedup->slots[next].index - 1].hash & mask;
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            dedup->slots[hole] = dedup->slots[next];
            hole = next;
        }
    }
    dedup->slots[hole] = (struct seen_slot){0};
}

static void forget_first(struct dedup *dedup)
{
    slot_remove(dedup, slot_of_index(dedup, dedup->first));
    dedup->first = (dedup->first + 1) % dedup->room;
    dedup->count--;
}

static bool grow(struct engine *engine, struct dedup *dedup)
{
    uint32_t room = dedup->room == 0 ? ROOM_FIRST : dedup->room * 2;
    struct dedup grown = {.room = room, .slots_count = room * 2};
    grown.ring = engine_alloc(engine, room * sizeof *grown.ring);
    grown.slots = engine_alloc(engine, (size_t)room * 2 * sizeof *grown.slots);
    if (grown.ring == NULL || grown.slots == NULL) {
        free(grown.ring);
        free(grown.slots);
        return false;
    }
    for (uint32_t i = 0; i < dedup->count; i++) {
        uint32_t from = (dedup->first + i) % dedup->room;
        uint32_t check = dedup->slots[slot_of_index(dedup, from)].check;
        grown.ring[i] = dedup->ring[from];
        grown.slots[slot_of(&grown, grown.ring[i].hash, check)] =
            (struct seen_slot){.index = i + 1, .check = check};
    }
    grown.count = dedup->count;
    dedup_done(engine);
    *dedup = grown;
    return true;
}

/* Known already? If not, it is from now on. The ring is in order of time. */
static bool known_since(struct engine *engine, const struct event *event, int64_t ms)
{
    struct dedup *dedup = &engine->dedup;
    uint64_t hash = hash_of(event);
    uint32_t check = check_of(event);
    if (dedup->count > 0 && dedup->slots[slot_of(dedup, hash, check)].index != 0) {
        return true;
    }
    if (dedup->count == dedup->room) {
        if (dedup->room * 2 > ENGINE_DEDUP_MAX * 2 || !grow(engine, dedup)) {
            if (dedup->room == 0) {
                return false;
            }
            forget_first(dedup);
        }
    }
    uint32_t index = (dedup->first + dedup->count) % dedup->room;
    dedup->ring[index] = (struct seen){.hash = hash, .ms = ms};
    dedup->slots[slot_of(dedup, hash, check)] =
        (struct seen_slot){.index = index + 1, .check = check};
    dedup->count++;
    return false;
}

static void forget_old(struct engine *engine)
{
    struct dedup *dedup = &engine->dedup;
    while (dedup->count > 0 && dedup->ring[dedup->first].ms + ENGINE_DEDUP_MS <= engine->now_ms) {
        forget_first(dedup);
    }
}

void dedup_ahead(const struct engine *engine, const struct event *event)
{
    const struct dedup *dedup = &engine->dedup;
    if (dedup->count > 0 && event->id.count > 0) {
        const struct seen *first = &dedup->ring[(dedup->first + DEDUP_AHEAD) % dedup->room];
        __builtin_prefetch(&dedup->slots[(uint32_t)hash_of(event) & (dedup->slots_count - 1)], 1);
        __builtin_prefetch(&dedup->slots[(uint32_t)first->hash & (dedup->slots_count - 1)], 1);
    }
}

bool dedup_seen(struct engine *engine, const struct event *event)
{
    if (event->id.count == 0) {
        return false;
    }
    forget_old(engine);
    return known_since(engine, event, engine->now_ms);
}

void dedup_known(struct engine *engine, const struct event *items, size_t count)
{
    const struct dedup *dedup = &engine->dedup;
    for (size_t i = 0; i < count; i++) {
        int64_t ms = items[i].received_ms;
        if (items[i].id.count == 0 || ms + ENGINE_DEDUP_MS <= engine->now_ms) {
            continue;
        }
        int64_t last_ms = dedup->count == 0
                              ? ms
                              : dedup->ring[(dedup->first + dedup->count - 1) % dedup->room].ms;
        ms = ms > engine->now_ms ? engine->now_ms : ms;
        known_since(engine, &items[i], ms < last_ms ? last_ms : ms);
    }
}

void dedup_done(struct engine *engine)
{
    free(engine->dedup.ring);
    free(engine->dedup.slots);
    engine->dedup = (struct dedup){0};
}
