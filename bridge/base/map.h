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

#define MAP_EACH(map, entry)                                                                       \
    for (struct map_entry *entry = (map)->entries;                                                 \
         entry != NULL && entry < (map)->entries + (map)->used; entry++)                           \
        if (entry->value != NULL)

#endif
