/* SPDX-License-Identifier: Apache-2.0 */
#include "event_pool.h"

#include "base/assert.h"

#include <stdlib.h>

#define FREED_AT_ONCE (POOL_BYTES / 8) /* A compaction moves everything: it must be worth it. */
#define SPARE_ENTRIES (POOL_ENTRIES / 8)

int pool_init(struct event_pool *pool, struct nsh_error *err)
{
    *pool = (struct event_pool){
        .bytes = malloc(POOL_BYTES),
        .entries = calloc(POOL_ENTRIES, sizeof *pool->entries),
        .identities = calloc(POOL_TABLE_SLOTS, sizeof *pool->identities),
        .alarms = calloc(POOL_TABLE_SLOTS, sizeof *pool->alarms),
        .waiting = calloc(POOL_TABLE_SLOTS, sizeof *pool->waiting),
    };
    return pool->bytes == NULL || pool->entries == NULL || pool->identities == NULL ||
                   pool->alarms == NULL || pool->waiting == NULL
               ? nsh_fail(err, NSH_NOMEM, "no memory for waiting events")
               : 0;
}

void pool_done(struct event_pool *pool)
{
    free(pool->bytes);
    free(pool->entries);
    free(pool->identities);
    free(pool->alarms);
    free(pool->waiting);
    *pool = (struct event_pool){0};
}

static struct pool_entry *entry_at(const struct event_pool *pool, uint64_t sequence)
{
    return &pool->entries[sequence & (POOL_ENTRIES - 1)];
}

static void entry_kill(struct event_pool *pool, struct pool_entry *entry)
{
    NSH_ASSERT(!entry->dead);
    entry->dead = true;
    pool->alive_bytes -= entry->length;
    pool->alive_count--;
    pool->by_worth[entry->worth]--;
    pool->by_rank[entry->rank]--;
    pool->waiting[entry->key & (POOL_TABLE_SLOTS - 1)]--;
}

/* The living entry a table remembers for hash, or NULL. */
static struct pool_entry *entry_known(const struct event_pool *pool, const uint64_t *table,
                                      uint64_t hash)
{
    uint64_t known = table[hash & (POOL_TABLE_SLOTS - 1)];
    if (known == 0 || known - 1 < pool->head || known - 1 >= pool->tail) {
        return NULL;
    }
    struct pool_entry *entry = entry_at(pool, known - 1);
    return entry->dead || (table == pool->identities ? entry->identity : entry->alarm) != hash
               ? NULL
               : entry;
}

static void pool_reset_when_empty(struct event_pool *pool)
{
    if (pool->alive_count == 0) {
        pool->head = pool->tail;
        pool->used = 0;
    }
}

/* Close the holes of the dead. */
static void pool_compact(struct event_pool *pool)
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
        pool->alarms[entry.alarm & (POOL_TABLE_SLOTS - 1)] = to + 1;
        to++;
    }
    pool->tail = to;
    pool->used = used;
}

static bool pool_has_room(const struct event_pool *pool, size_t length)
{
    return pool->used + length <= POOL_BYTES && pool->tail - pool->head < POOL_ENTRIES;
}

static enum severity worth_of(const struct event *event)
{
    return event->state == EVENT_CLEAR && event->severity < SEVERITY_MAJOR ? SEVERITY_MAJOR
                                                                           : event->severity;
}

/* Make room by dropping, oldest first, what is worth less; false: nothing is. */
static bool pool_evict(struct event_pool *pool, enum severity worth, pool_join *join)
{
    size_t freed = pool->used - pool->alive_bytes;
    size_t entries = pool->tail - pool->head - pool->alive_count;
    size_t alive = pool->alive_count;
    for (unsigned lowest = 0; lowest < worth; lowest++) {
        for (uint64_t i = pool->head; i < pool->tail && pool->by_worth[lowest] > 0 &&
                                      (freed < FREED_AT_ONCE || entries < SPARE_ENTRIES);
             i++) {
            struct pool_entry *entry = entry_at(pool, i);
            if (!entry->dead && entry->worth == lowest) {
                entry_kill(pool, entry);
                pool->orphans = join(pool->orphans, entry->waiter);
                pool->counts.dropped[entry->severity]++;
                freed += entry->length;
                entries++;
            }
        }
    }
    /* Nothing is dropped for nothing: what was dropped now gives its room, however little. */
    if (freed < FREED_AT_ONCE && entries < SPARE_ENTRIES && pool->alive_count == alive) {
        return false;
    }
    pool_compact(pool);
    return true;
}

#define HASH_SEED UINT64_C(0xcbf29ce484222325)

static uint64_t hash_text(uint64_t hash, struct text text)
{
    return (hash ^ text_hash(text)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* What events of the same alarm have in common. */
static uint64_t key_of(const struct event *event)
{
    uint64_t key = hash_text(HASH_SEED, event->source);
    key = hash_text(key, event->type);
    key = hash_text(key, event->resource);
    key = hash_text(key, event->qualifier);
    return key ^ key >> 32;
}

static uint64_t alarm_of(uint64_t key, const struct event *event)
{
    uint64_t alarm = hash_text(key, event->host);
    alarm = hash_text(alarm, event->subject);
    alarm = hash_text(alarm, event->hint);
    return alarm ^ alarm >> 32;
}

/* Earlier events of its alarm go along with one that goes first. */
static void pool_hurry(struct event_pool *pool, const struct pool_entry *urgent)
{
    if (pool->waiting[urgent->key & (POOL_TABLE_SLOTS - 1)] == 0) {
        return;
    }
    for (uint64_t i = pool->head; i < pool->tail; i++) {
        struct pool_entry *entry = entry_at(pool, i);
        if (!entry->dead && entry->key == urgent->key && entry->rank < urgent->rank) {
            pool->by_rank[entry->rank]--;
            entry->rank = urgent->rank;
            pool->by_rank[entry->rank]++;
        }
    }
}

/* What is critical stays, each of them, while it is not the flood itself. */
static bool may_replace(const struct event_pool *pool, const struct pool_entry *earlier,
                        const struct pool_entry *later)
{
    bool critical = event_rank((enum severity)earlier->severity) == EVENT_RANKS - 1;
    return earlier->severity <= later->severity &&
           (!critical || pool->by_rank[EVENT_RANKS - 1] > POOL_ENTRIES / 2);
}

/* True: it is there already. */
static bool pool_fold(struct event_pool *pool, struct pool_entry *entry, pool_join *join)
{
    struct pool_entry *same =
        entry->identity == 0 ? NULL : entry_known(pool, pool->identities, entry->identity);
    if (same != NULL) {
        same->waiter = join(same->waiter, entry->waiter);
        pool->counts.duplicate++;
        return true;
    }
    struct pool_entry *earlier =
        pool->alive_bytes > POOL_BYTES / 2 || pool->alive_count > POOL_ENTRIES / 2
            ? entry_known(pool, pool->alarms, entry->alarm)
            : NULL;
    if (earlier != NULL && may_replace(pool, earlier, entry)) {
        entry->waiter = join(earlier->waiter, entry->waiter);
        entry_kill(pool, earlier);
        pool->counts.coalesced++;
    }
    return false;
}

static void pool_append(struct event_pool *pool, struct pool_entry *entry,
                        const struct event *event)
{
    entry->offset = (uint32_t)pool->used;
    entry->length = (uint32_t)event_pack(event, pool->bytes + pool->used, POOL_BYTES - pool->used);
    pool->used += entry->length;
    pool->alive_bytes += entry->length;
    pool->alive_count++;
    pool->by_worth[entry->worth]++;
    pool->by_rank[entry->rank]++;
    pool->waiting[entry->key & (POOL_TABLE_SLOTS - 1)]++;
    pool->identities[entry->identity & (POOL_TABLE_SLOTS - 1)] = pool->tail + 1;
    pool->alarms[entry->alarm & (POOL_TABLE_SLOTS - 1)] = pool->tail + 1;
    *entry_at(pool, pool->tail++) = *entry;
}

bool pool_put(struct event_pool *pool, const struct pool_add *add, pool_join *join)
{
    const struct event *event = add->event;
    uint64_t key = key_of(event);
    struct pool_entry entry = {.identity = add->identity,
                               .key = key,
                               .alarm = alarm_of(key, event),
                               .waiter = add->waiter,
                               .severity = (uint8_t)event->severity,
                               .worth = (uint8_t)worth_of(event),
                               .rank = (uint8_t)event_rank(event->severity)};
    pool->counts.urgent += entry.rank == EVENT_RANKS - 1;
    if (add->lagging && pool_fold(pool, &entry, join)) {
        return true;
    }
    size_t length = event_packed_bytes(event);
    if (!pool_has_room(pool, length) &&
        (!pool_evict(pool, worth_of(event), join) || !pool_has_room(pool, length))) {
        pool->counts.dropped[event->severity]++;
        pool->orphans = join(pool->orphans, entry.waiter);
        return false;
    }
    if (entry.rank > 0) {
        pool_hurry(pool, &entry);
    }
    pool_append(pool, &entry, event);
    return true;
}

/* One pass over what waits. */
struct taking {
    uint8_t *bytes;
    size_t room, count;
    uint32_t events, waiters;
    pool_join *join;
};

/* False: the next one does not fit. */
static bool take_rank(struct event_pool *pool, uint8_t rank, struct taking *taking)
{
    for (uint64_t i = pool->head; i < pool->tail && pool->by_rank[rank] > 0; i++) {
        struct pool_entry *entry = entry_at(pool, i);
        if (entry->dead || entry->rank != rank) {
            continue;
        }
        if (taking->events > 0 && taking->count + entry->length > taking->room) {
            return false;
        }
        memcpy(taking->bytes + taking->count, pool->bytes + entry->offset, entry->length);
        taking->count += entry->length;
        taking->events++;
        taking->waiters = taking->join(taking->waiters, entry->waiter);
        entry_kill(pool, entry);
    }
    return true;
}

size_t pool_take(struct event_pool *pool, uint8_t *bytes, size_t room, uint32_t *ret_events,
                 uint32_t *ret_waiters, pool_join *join)
{
    struct taking taking = {.bytes = bytes, .room = room, .join = join};
    bool more = true;
    for (unsigned rank = EVENT_RANKS; rank > 0 && more; rank--) {
        more = take_rank(pool, (uint8_t)(rank - 1), &taking);
    }
    while (pool->head < pool->tail && entry_at(pool, pool->head)->dead) {
        pool->head++;
    }
    pool_reset_when_empty(pool);
    *ret_events = taking.events;
    *ret_waiters = taking.waiters;
    return taking.count;
}
