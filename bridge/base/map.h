/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

/*
 * A hash map from text to pointer, open addressing; iteration is insertion order (so that decisions
 * are reproducible). Keys are borrowed: they live in the values or in an arena. Removing keeps the
 * order of the others.
 */

#include "base/text.h"

struct map_entry {
    struct text key;
    uint64_t hash;
    void *value; /* NULL: removed. */
};

struct map {
    struct map_entry *entries;
    uint32_t *slots; /* index + 1 into entries; 0: empty */
    size_t count;    /* Living entries. */
    size_t used;     /* Entries including removed ones: the bound for iteration. */
    size_t room, slots_count;
    size_t count_max; /* 0: no bound but memory. */
};

void *map_get(const struct map *map, struct text key);
/* Set key to value (not NULL). 0, -NSH_LIMIT at count_max, -NSH_NOMEM. An existing key keeps its
 * place. */
int map_set(struct map *map, struct text key, void *value);
void *map_remove(struct map *map, struct text key); /* The value, or NULL. */
void map_done(struct map *map);

/* For those who know which key comes next: its slot, then its entry, is asked for from memory.
 * Called in this order, some time apart. */
static inline void map_fetch_slot(const struct map *map, uint64_t hash)
{
    if (map->count > 0) {
        __builtin_prefetch(&map->slots[hash & (map->slots_count - 1)]);
    }
}

static inline void map_fetch_entry(const struct map *map, uint64_t hash)
{
    uint32_t index = map->count == 0 ? 0 : map->slots[hash & (map->slots_count - 1)];
    if (index > 0) {
        __builtin_prefetch(&map->entries[index - 1]);
    }
}

/* The value of a key with this hash, if it stands where it would be best: NULL says nothing. */
static inline void *map_guess(const struct map *map, uint64_t hash)
{
    uint32_t index = map->count == 0 ? 0 : map->slots[hash & (map->slots_count - 1)];
    return index > 0 && map->entries[index - 1].hash == hash ? map->entries[index - 1].value : NULL;
}

#define MAP_EACH(map, entry)                                                                       \
    for (struct map_entry *entry = (map)->entries;                                                 \
         entry != NULL && entry < (map)->entries + (map)->used; entry++)                           \
        if (entry->value != NULL)

#endif
