/* SPDX-License-Identifier: Apache-2.0 */
/* Entries in insertion order, found through a table of slots with linear probing; rebuilt when
 * removed ones pile up. */

#include "base/map.h"

#include "abi/error.h"
#include "base/assert.h"

#include <stdlib.h>

#define ROOM_FIRST 16

/* The slot of key, or the empty one where it would go. */
static size_t slot_of(const struct map *map, struct text key, uint64_t hash)
{
    size_t mask = map->slots_count - 1;
    for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
        uint32_t index = map->slots[slot];
        if (index == 0) {
            return slot;
        }
        const struct map_entry *entry = &map->entries[index - 1];
        /* A removed entry keeps its slot and its hash, but never matches. */
        if (entry->hash == hash && entry->value != NULL && text_equal(entry->key, key)) {
            return slot;
        }
    }
}

void *map_get(const struct map *map, struct text key)
{
    if (map->count == 0) {
        return NULL;
    }
    uint32_t index = map->slots[slot_of(map, key, text_hash(key))];
    return index == 0 ? NULL : map->entries[index - 1].value;
}

/* Drop removed entries and rebuild the slots, with room for at least one more. */
static int rebuild(struct map *map)
{
    size_t room = map->room == 0               ? ROOM_FIRST
                  : map->count * 2 > map->room ? map->room * 2
                                               : map->room;
    if (room > UINT32_MAX / 2) {
        return -NSH_LIMIT;
    }
    uint32_t *slots = calloc(room * 2, sizeof *slots);
    struct map_entry *entries = slots == NULL ? NULL : malloc(room * sizeof *entries);
    if (entries == NULL) {
        free(slots);
        return -NSH_NOMEM;
    }
    size_t used = 0, mask = room * 2 - 1;
    for (size_t i = 0; i < map->used; i++) {
        if (map->entries[i].value == NULL) {
            continue;
        }
        entries[used] = map->entries[i];
        size_t slot = entries[used].hash & mask;
        while (slots[slot] != 0) {
            slot = (slot + 1) & mask;
        }
        slots[slot] = (uint32_t)++used;
    }
    free(map->entries);
    free(map->slots);
    map->entries = entries;
    map->slots = slots;
    map->room = room;
    map->slots_count = room * 2;
    map->used = used;
    return 0;
}

int map_set(struct map *map, struct text key, void *value)
{
    NSH_ASSERT(value != NULL);
    uint64_t hash = text_hash(key);
    if (map->slots_count > 0) {
        uint32_t index = map->slots[slot_of(map, key, hash)];
        if (index != 0) {
            map->entries[index - 1].value = value;
            map->entries[index - 1].key = key;
            return 0;
        }
    }
    if (map->count_max != 0 && map->count >= map->count_max) {
        return -NSH_LIMIT;
    }
    int result = map->used == map->room ? rebuild(map) : 0;
    if (result < 0) {
        return result;
    }
    size_t slot = slot_of(map, key, hash);
    map->entries[map->used] = (struct map_entry){.key = key, .hash = hash, .value = value};
    map->slots[slot] = (uint32_t)++map->used;
    map->count++;
    return 0;
}

void *map_remove(struct map *map, struct text key)
{
    if (map->count == 0) {
        return NULL;
    }
    uint32_t index = map->slots[slot_of(map, key, text_hash(key))];
    if (index == 0) {
        return NULL;
    }
    struct map_entry *entry = &map->entries[index - 1];
    void *value = entry->value;
    entry->value = NULL;
    entry->key = (struct text){NULL, 0};
    map->count--;
    return value;
}

void map_done(struct map *map)
{
    free(map->entries);
    free(map->slots);
    *map = (struct map){.count_max = map->count_max};
}
