/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what becomes of a message. */

#include "source/map/source_push.h"

#include "base/json.h"
#include "base/pack.h"

static void count_refused(struct source_row *row, int64_t now_ms, int code,
                          const struct nsh_error *err)
{
    enum source_count count = code == -NSH_CANCELLED ? SOURCE_COUNT_stopping
                              : code == -NSH_IO      ? SOURCE_COUNT_store
                                                     : SOURCE_COUNT_full;
    source_count(row, count, 1);
    source_complain(row, now_ms, err->text);
}

static void on_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct source_delivery *delivery = arg;
    if (durable) {
        source_count(delivery->row, SOURCE_COUNT_accepted, 1);
        source_count(delivery->row, SOURCE_COUNT_events, delivery->events - duplicates);
        source_count(delivery->row, SOURCE_COUNT_duplicates, duplicates);
        source_count(delivery->row, SOURCE_COUNT_unmatched, delivery->unmatched);
    } else {
        source_count(delivery->row, SOURCE_COUNT_stopping, 1);
    }
    if (delivery->done != NULL) {
        delivery->done(delivery->arg, durable, duplicates);
    }
}

int source_push_packed(struct intake *intake, const uint8_t *bytes, size_t bytes_count,
                       struct source_delivery *delivery, struct nsh_error *err)
{
    struct nsh_error own = {0};
    const struct intake_batch batch = {
        .bytes = bytes,
        .bytes_count = bytes_count,
        .events_count = delivery->events,
        .received_ms = delivery->received_ms,
        .mark_id = delivery->mark_id,
        .mark = delivery->mark,
        .flow = (uintptr_t)delivery->row,
        .concurrent = delivery->concurrent,
        .done = on_durable,
        .arg = delivery,
    };
    source_heard(delivery->row, delivery->received_ms);
    if (delivery->events == 0 && delivery->mark == NULL) {
        on_durable(delivery, true, 0);
        return 0;
    }
    struct source_row *row = delivery->row; /* The delivery may be gone when intake_push() is. */
    int64_t now_ms = delivery->received_ms;
    int result = intake_push(intake, &batch, &own);
    if (result < 0) {
        count_refused(row, now_ms, result, &own);
        if (err != NULL) {
            *err = own;
        }
    }
    return result;
}

int source_push(struct intake *intake, const struct source_events *events,
                struct source_delivery *delivery, struct arena *arena, struct nsh_error *err)
{
    const uint8_t *bytes = NULL;
    size_t bytes_count = 0;
    int result = source_events_pack(events, arena, &bytes, &bytes_count, err);
    if (result < 0) {
        source_count(delivery->row, SOURCE_COUNT_full, 1);
        return result;
    }
    delivery->events = events->count;
    delivery->unmatched = events->unmatched;
    source_count(delivery->row, SOURCE_COUNT_ignored, events->ignored);
    if (events->unmatched > 0) {
        source_complain(delivery->row, delivery->received_ms, events->why);
    }
    return source_push_packed(intake, bytes, bytes_count, delivery, err);
}

int source_decode(const struct source_map *map, const char *bytes, size_t bytes_count,
                  const struct source_message *message, struct source_row *row, struct arena *arena,
                  struct source_events *ret_events, struct nsh_error *err)
{
    struct nsh_error own = {0};
    struct nsh_value body = nsh_null();
    struct source_message whole = *message;
    whole.body = &body;
    int result = json_parse(bytes, bytes_count, arena, &body, &own);
    result = result < 0 ? result : source_map_run(map, &whole, arena, ret_events, &own);
    if (result < 0) {
        source_count(row, result == -NSH_NOMEM ? SOURCE_COUNT_full : SOURCE_COUNT_malformed, 1);
        source_complain(row, message->received_ms, own.text);
        if (err != NULL) {
            *err = own;
        }
    }
    return result;
}

struct text source_pack_data(const struct nsh_value *data, size_t bytes_max, struct arena *arena)
{
    struct pack_writer writer = {.at = arena_alloc(arena, bytes_max), .room = bytes_max};
    if (writer.at == NULL) {
        return (struct text){NULL, 0};
    }
    pack_value(&writer, data);
    return (struct text){(const char *)writer.at, writer.failed ? 0 : (uint32_t)writer.count};
}
