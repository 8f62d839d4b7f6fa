/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The batch that collects: plain memory, filled on the loop thread, handed to the writer as it is.
 * Bounds: STORE_BATCH_BYTES_MAX for events and records together; a full batch is a refusal the
 * caller sees.
 */

#include "store/sqlite/store_private.h"

#include "base/assert.h"

#include <stdlib.h>

#define BATCH_EVENTS_ROOM_FIRST (64u << 10)
#define BATCH_EVENTS_ROOM_KEPT (4u << 20)
#define BATCH_ITEMS_KEPT 16384
#define BATCH_RECORD_OVERHEAD 128 /* What a record costs beside its texts. */

bool store_batch_empty(const struct store_batch *batch)
{
    return batch->events_count == 0 && batch->records_count == 0;
}

void store_batch_clear(struct store_batch *batch)
{
    if (batch->events_room > BATCH_EVENTS_ROOM_KEPT) {
        free(batch->events);
        batch->events = NULL;
        batch->events_room = 0;
    }
    if (batch->records_room > BATCH_ITEMS_KEPT) {
        free(batch->records);
        batch->records = NULL;
        batch->records_room = 0;
    }
    if (batch->arena.used_bytes > BATCH_EVENTS_ROOM_KEPT) {
        arena_done(&batch->arena);
        batch->arena = (struct arena)ARENA_INIT;
    } else {
        arena_reset(&batch->arena);
    }
    batch->events_count = 0;
    batch->events_bytes = 0;
    batch->segments_count = 0;
    batch->records_count = 0;
    batch->records_bytes = 0;
}

void store_batch_done(struct store_batch *batch)
{
    free(batch->events);
    free(batch->segments);
    free(batch->records);
    arena_done(&batch->arena);
    *batch = (struct store_batch){.number = 0};
}

static bool batch_grow(void **items, size_t *room, size_t need, size_t first, size_t item_bytes)
{
    if (need <= *room) {
        return true;
    }
    size_t wanted = *room == 0 ? first : *room * 2;
    while (wanted < need) {
        wanted *= 2;
    }
    void *grown = realloc(*items, wanted * item_bytes);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *room = wanted;
    return true;
}

static int batch_check_room(const struct store_batch *batch, size_t bytes, struct nsh_error *err)
{
    if (batch->events_bytes + batch->records_bytes + bytes > STORE_BATCH_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%u MiB wait for the disk: no more is accepted",
                        STORE_BATCH_BYTES_MAX >> 20);
    }
    return 0;
}

/* The segment that takes bytes more. */
static struct store_segment *batch_segment(struct store_batch *batch, uint64_t seq, size_t bytes)
{
    struct store_segment *last =
        batch->segments_count == 0 ? NULL : &batch->segments[batch->segments_count - 1];
    if (last != NULL && last->bytes + bytes <= SEGMENT_BYTES) {
        return last;
    }
    void *items = batch->segments;
    if (!batch_grow(&items, &batch->segments_room, batch->segments_count + 1, 4,
                    sizeof *batch->segments)) {
        return NULL;
    }
    batch->segments = items;
    last = &batch->segments[batch->segments_count++];
    *last = (struct store_segment){
        .offset = batch->events_bytes,
        .first_seq = seq,
        .min_ms = INT64_MAX,
        .max_ms = INT64_MIN,
    };
    return last;
}

/* Room for one event of at most bytes; NULL: err says why. */
static struct store_segment *batch_reserve(struct store_batch *batch, uint64_t seq, size_t bytes,
                                           struct nsh_error *err)
{
    if (batch_check_room(batch, bytes, err) < 0) {
        return NULL;
    }
    void *items = batch->events;
    bool grown = batch_grow(&items, &batch->events_room, batch->events_bytes + bytes,
                            BATCH_EVENTS_ROOM_FIRST, 1);
    batch->events = items;
    struct store_segment *segment = grown ? batch_segment(batch, seq, bytes) : NULL;
    if (segment == NULL) {
        nsh_fail(err, NSH_NOMEM, "no memory for an event of %zu bytes", bytes);
    }
    return segment;
}

static void batch_added(struct store *store, struct store_segment *segment, size_t bytes,
                        int64_t received_ms)
{
    struct store_batch *batch = store->collecting;
    if (batch->events_count == 0) {
        batch->first_seq = store->next_seq;
    }
    segment->bytes += bytes;
    segment->count++;
    segment->min_ms = received_ms < segment->min_ms ? received_ms : segment->min_ms;
    segment->max_ms = received_ms > segment->max_ms ? received_ms : segment->max_ms;
    batch->events_bytes += bytes;
    batch->events_count++;
    store->next_seq++;
}

int store_batch_event(struct store *store, const struct event *event, struct nsh_error *err)
{
    NSH_ASSERT(event->seq == store->next_seq);
    struct nsh_error local = {.code = 0};
    struct nsh_error *error = err != NULL ? err : &local;
    struct store_batch *batch = store->collecting;
    size_t room = event_packed_bytes(event);
    struct store_segment *segment = batch_reserve(batch, store->next_seq, room, error);
    if (segment == NULL) {
        return -error->code;
    }
    size_t bytes = event_pack(event, batch->events + batch->events_bytes, room);
    NSH_ASSERT(bytes <= room);
    batch_added(store, segment, bytes, event->received_ms);
    return 0;
}

int store_batch_packed(struct store *store, const uint8_t *bytes, size_t bytes_count,
                       int64_t received_ms, struct nsh_error *err)
{
    NSH_ASSERT(bytes_count > 0);
    struct nsh_error local = {.code = 0};
    struct nsh_error *error = err != NULL ? err : &local;
    struct store_batch *batch = store->collecting;
    struct store_segment *segment = batch_reserve(batch, store->next_seq, bytes_count, error);
    if (segment == NULL) {
        return -error->code;
    }
    memcpy(batch->events + batch->events_bytes, bytes, bytes_count);
    batch_added(store, segment, bytes_count, received_ms);
    return 0;
}

/* One copy of the record's four texts, one after the other. */
static bool batch_copy_texts(struct arena *arena, const struct record *from, struct record *to)
{
    size_t bytes = (size_t)from->id.count + from->host.count + from->state.count + from->body.count;
    char *at = arena_alloc(arena, bytes + 1);
    if (at == NULL) {
        return false;
    }
    const struct text *source[] = {&from->id, &from->host, &from->state, &from->body};
    struct text *target[] = {&to->id, &to->host, &to->state, &to->body};
    for (size_t i = 0; i < sizeof source / sizeof source[0]; i++) {
        *target[i] = (struct text){at, source[i]->count};
        if (source[i]->count > 0) {
            memcpy(at, source[i]->at, source[i]->count);
        }
        at += source[i]->count;
    }
    return true;
}

int store_batch_record(struct store *store, const struct record *record, struct nsh_error *err)
{
    NSH_ASSERT((unsigned)record->kind < RECORDS_COUNT);
    NSH_ASSERT(record->id.count > 0);
    struct store_batch *batch = store->collecting;
    size_t bytes = BATCH_RECORD_OVERHEAD + (size_t)record->id.count + record->host.count +
                   record->state.count + record->body.count;
    int r = batch_check_room(batch, bytes, err);
    if (r < 0) {
        return r;
    }
    void *items = batch->records;
    bool grown = batch_grow(&items, &batch->records_room, batch->records_count + 1, 256,
                            sizeof *batch->records);
    batch->records = items;
    struct record copy = *record;
    if (!grown || !batch_copy_texts(&batch->arena, record, &copy)) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a record of %zu bytes", bytes);
    }
    batch->records[batch->records_count++] = copy;
    batch->records_bytes += bytes;
    return 0;
}

uint64_t store_batch_number(const struct store *store)
{
    return store->collecting->number;
}

uint64_t store_next_seq(const struct store *store)
{
    return store->next_seq;
}

bool store_submit(struct store *store)
{
    struct store_batch *batch = store->collecting;
    if (store_batch_empty(batch) || !writer_take(store->writer, batch)) {
        return false;
    }
    struct store_batch *other =
        batch == &store->batches[0] ? &store->batches[1] : &store->batches[0];
    store_batch_clear(other); /* The writer gave it back before it took this one. */
    other->number = batch->number + 1;
    store->collecting = other;
    return true;
}

bool store_poll(struct store *store, struct store_done *ret_done)
{
    return writer_poll(store->writer, ret_done);
}
