/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_MAP_SOURCE_PUSH_H
#define SOURCE_MAP_SOURCE_PUSH_H

/*
 * A message's way into the intake, counted: what every source does between decoding and its
 * acknowledgement. One message is one batch and one commit; done comes when it is durable.
 */

#include "loop/intake.h"
#include "source/map/source_book.h"
#include "source/map/source_map.h"

/* One message on its way. The caller's, until done was called. */
struct source_delivery {
    struct source_row *row;
    uint32_t events, unmatched;
    int64_t received_ms;
    const char *mark_id, *mark; /* How far the source has read: loop/intake.h. NULL: none. */
    bool concurrent;            /* As in struct intake_batch. The flow is the row. */
    /* On the loop thread, once: durable false: not acknowledged, it has to come again. */
    void (*done)(void *arg, bool durable, uint32_t duplicates);
    void *arg;
};

/*
 * Hand events over. The message was counted as received by the caller; from here on it is counted
 * as accepted, or by the reason it was not. Without events (all of it is ignored) done is called at
 * once, on this thread.
 *
 * As intake_push(); then done is not called and the sender should come again. -NSH_NOMEM alike.
 */
int source_push(struct intake *intake, const struct source_events *events,
                struct source_delivery *delivery, struct arena *arena, struct nsh_error *err);
/* The same for what is packed already; ignored: what rules left out. */
int source_push_packed(struct intake *intake, const uint8_t *bytes, size_t bytes_count,
                       struct source_delivery *delivery, struct nsh_error *err);

/* What policies see as event.data, packed; in arena. at NULL: no memory; count 0: larger than
 * bytes_max. */
struct text source_pack_data(const struct nsh_value *data, size_t bytes_max, struct arena *arena);

/*
 * JSON bytes through a map: what a source whose messages are JSON texts calls. source and headers
 * as in struct source_message. Counts malformed ones and complains.
 *
 * NSH_INVALID: malformed; the text says why.
 */
int source_decode(const struct source_map *map, const char *bytes, size_t bytes_count,
                  const struct source_message *message, struct source_row *row, struct arena *arena,
                  struct source_events *ret_events, struct nsh_error *err);

#endif
