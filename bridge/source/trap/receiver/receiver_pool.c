/* SPDX-License-Identifier: Apache-2.0 */
#include "receiver_pool.h"

#include "base/assert.h"

#include <stdlib.h>

#define FREED_AT_ONCE (POOL_BYTES / 8) /* A compaction moves everything: it must be worth it. */
#define SPARE_ENTRIES (POOL_ENTRIES / 8)

int pool_init(struct pool *pool, struct nsh_error *err)
{
    *pool = (struct pool){
        .bytes = malloc(POOL_BYTES),
        .entries = calloc(POOL_ENTRIES, sizeof *pool->entries),
        .identities = calloc(POOL_TABLE_SLOTS, sizeof *pool->identities),
        .keys = calloc(POOL_TABLE_SLOTS, sizeof *pool->keys),
    };
    return pool->bytes == NULL || pool->entries == NULL || pool->identities == NULL ||
                   pool->keys == NULL
               ? nsh_fail(err, NSH_NOMEM, "no memory for waiting events")
               : 0;
}

static struct pool_entry *entry_at(const struct pool *pool, uint64_t sequence)
{
    return &pool->entries[sequence & (POOL_ENTRIES - 1)];
}

static void entry_kill(struct pool *pool, struct pool_entry *entry)
{
    NSH_ASSERT(!entry->dead);
    entry->dead = true;
    pool->alive_bytes -= entry->length;
    pool->alive_count--;
    pool->by_severity[entry->severity]--;
}

/* The living entry a table remembers for hash, or NULL. */
static struct pool_entry *entry_known(const struct pool *pool, const uint64_t *table, uint64_t hash)
{
    uint64_t known = table[hash & (POOL_TABLE_SLOTS - 1)];
    if (known == 0 || known - 1 < pool->head || known - 1 >= pool->tail) {
        return NULL;
    }
    struct pool_entry *entry = entry_at(pool, known - 1);
    return entry->dead || (table == pool->identities ? entry->identity : entry->key) != hash
               ? NULL
               : entry;
}

static void pool_reset_when_empty(struct pool *pool)
{
    if (pool->alive_count == 0) {
        pool->head = pool->tail;
        pool->used = 0;
    }
}

/* Close the holes of the dead. */
static void pool_compact(struct pool *pool)
{
    uint64_t to = pool->head;
    size_t used = 0;
    for (uint64_t from = pool->head; from < pool->tail; from++) {
        struct pool_entry entry = *entry_at(pool, from);
        if (entry.dead) {
            continue;
        }
        memmove(pool->bytes + used, pool->bytes + entry.offset, entry.length);
        entry.offset = (uint32_t)used;
        used += entry.length;
        *entry_at(pool, to) = entry;
        pool->identities[entry.identity & (POOL_TABLE_SLOTS - 1)] = to + 1;
        pool->keys[entry.key & (POOL_TABLE_SLOTS - 1)] = to + 1;
        to++;
    }
    pool->tail = to;
    pool->used = used;
}

static bool pool_has_room(const struct pool *pool, size_t length)
{
    return pool->used + length <= POOL_BYTES && pool->tail - pool->head < POOL_ENTRIES;
}

static void count_drop(struct trap_counters *counters, enum severity severity)
{
    uint64_t *dropped[] = {&counters->dropped_info,     &counters->dropped_warning,
                           &counters->dropped_minor,    &counters->dropped_major,
                           &counters->dropped_critical, &counters->dropped_fatal};
    _Static_assert(sizeof dropped / sizeof dropped[0] == SEVERITIES_COUNT,
                   "a counter for every severity");
    (*dropped[severity])++;
}

/* Make room by dropping, oldest first, what is less severe than severity; false: nothing is. */
static bool pool_evict(struct pool *pool, enum severity severity, pool_join *join,
                       struct trap_counters *counters)
{
    size_t freed = pool->used - pool->alive_bytes;
    size_t entries = pool->tail - pool->head - pool->alive_count;
    for (unsigned lowest = 0; lowest < severity; lowest++) {
        for (uint64_t i = pool->head; i < pool->tail && pool->by_severity[lowest] > 0 &&
                                      (freed < FREED_AT_ONCE || entries < SPARE_ENTRIES);
             i++) {
            struct pool_entry *entry = entry_at(pool, i);
            if (!entry->dead && entry->severity == lowest) {
                entry_kill(pool, entry);
                pool->orphans = join(pool->orphans, entry->inform);
                count_drop(counters, (enum severity)lowest);
                freed += entry->length;
                entries++;
            }
        }
    }
    if (freed < FREED_AT_ONCE && entries < SPARE_ENTRIES) {
        return false;
    }
    pool_compact(pool);
    return true;
}

bool pool_put(struct pool *pool, const struct pool_add *add, pool_join *join,
              struct trap_counters *counters)
{
    const struct event *event = add->event;
    struct pool_entry entry = {
        .identity = add->identity, .inform = add->inform, .severity = (uint8_t)event->severity};
    if (add->lagging) {
        entry.key = trap_hash_bytes(TRAP_HASH_SEED, event->source.at, event->source.count);
        entry.key = trap_hash_bytes(entry.key, event->type.at, event->type.count);
        entry.key = trap_hash_bytes(entry.key, event->resource.at, event->resource.count);
        entry.key = trap_hash_bytes(entry.key, event->qualifier.at, event->qualifier.count);
        struct pool_entry *same = entry_known(pool, pool->identities, entry.identity);
        if (same != NULL) {
            same->inform = join(same->inform, add->inform);
            counters->duplicate++;
            return true;
        }
        struct pool_entry *earlier =
            pool->alive_bytes > POOL_BYTES / 2 || pool->alive_count > POOL_ENTRIES / 2
                ? entry_known(pool, pool->keys, entry.key)
                : NULL;
        if (earlier != NULL) {
            entry.inform = join(earlier->inform, entry.inform);
            entry_kill(pool, earlier);
            counters->coalesced++;
        }
    }
    size_t length = event_packed_bytes(event);
    if (!pool_has_room(pool, length) &&
        (!pool_evict(pool, event->severity, join, counters) || !pool_has_room(pool, length))) {
        count_drop(counters, event->severity);
        pool->orphans = join(pool->orphans, entry.inform);
        return false;
    }
    entry.offset = (uint32_t)pool->used;
    entry.length = (uint32_t)event_pack(event, pool->bytes + pool->used, POOL_BYTES - pool->used);
    pool->used += entry.length;
    pool->alive_bytes += entry.length;
    pool->alive_count++;
    pool->by_severity[entry.severity]++;
    *entry_at(pool, pool->tail) = entry;
    if (add->lagging) {
        pool->identities[entry.identity & (POOL_TABLE_SLOTS - 1)] = pool->tail + 1;
        pool->keys[entry.key & (POOL_TABLE_SLOTS - 1)] = pool->tail + 1;
    }
    pool->tail++;
    return true;
}

size_t pool_take(struct pool *pool, uint8_t *bytes, size_t room, uint32_t *ret_events,
                 uint32_t *ret_informs, pool_join *join)
{
    size_t count = 0;
    uint32_t events = 0;
    uint32_t informs = 0;
    for (; pool->head < pool->tail; pool->head++) {
        struct pool_entry *entry = entry_at(pool, pool->head);
        if (entry->dead) {
            continue;
        }
        if (entry->length > room - count) {
            break;
        }
        memcpy(bytes + count, pool->bytes + entry->offset, entry->length);
        count += entry->length;
        events++;
        informs = join(informs, entry->inform);
        entry_kill(pool, entry);
    }
    pool_reset_when_empty(pool);
    *ret_events = events;
    *ret_informs = informs;
    return count;
}
