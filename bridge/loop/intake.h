/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_INTAKE_H
#define LOOP_INTAKE_H

/*
 * The door for events: every source pushes packed batches here, from any thread, and is told when
 * they are durable.
 *
 * Bounded: at most INTAKE_BYTES_MAX wait for the loop, a quarter of it kept for what is urgent
 * (event_rank()); of the other three quarters one flow takes no more than two. A source that is
 * refused holds back (HTTP 503, Kafka pause) or degrades by its own order (traps, syslog:
 * event_pool.h).
 *
 * Fair: each flow waits by itself, and they take turns; those with something urgent first. Of eight
 * turns one is given regardless, so that nothing waits for ever.
 */

#include "abi/error.h"

#include <stdbool.h>
#include <stdint.h>

#define INTAKE_BYTES_MAX (48u << 20)

struct intake;

struct intake_batch {
    const uint8_t *bytes; /* Packed events (model/event.h), copied. */
    size_t bytes_count;
    uint32_t events_count;
    int64_t received_ms; /* Engine time by intake_now_ms(). */
    uintptr_t flow;      /* Whose batches wait in one line: an address, a number. 0: ours: it
                            may take what is kept for the urgent. */
    /* They came side by side (requests), without an order: an urgent one overtakes the others. Else
     * the whole line goes first, up to what is urgent in it. */
    bool concurrent;
    /*
     * How far the source has read with these events: a JSON object, kept under mark_id in the same
     * commit; copied. Then there may be no events at all. NULL: none.
     */
    const char *mark_id, *mark;
    /*
     * Called once, on the loop thread: durable true after the commit that holds all of them; false
     * when the daemon stops before that. `duplicates` of them were known already. NULL: nobody
     * waits.
     */
    void (*done)(void *arg, bool durable, uint32_t duplicates);
    void *arg;
};

/* 0; -NSH_LIMIT: no room for this flow, nothing was taken; -NSH_CANCELLED: the daemon is stopping;
 * -NSH_IO: the store is not healthy. */
int intake_push(struct intake *intake, const struct intake_batch *batch, struct nsh_error *err);

int64_t intake_now_ms(struct intake *intake); /* Engine time, any thread. */

/* 0..100: how full it is; sources start to coalesce at 50. Any thread. */
unsigned intake_load(const struct intake *intake);

#endif
