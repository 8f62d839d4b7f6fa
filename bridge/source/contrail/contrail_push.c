/* SPDX-License-Identifier: Apache-2.0 */
/* From the queue of changes into the intake, and what is answered. */

#include "contrail_private.h"

#include "base/assert.h"

#include <stdlib.h>

struct batch {
    struct source_delivery delivery;
    struct contrail_source *source;
    uint32_t count;
    struct contrail_alarm *alarms[LINK_BATCH_EVENTS];
    bool raised[LINK_BATCH_EVENTS];
};

static void batch_land(struct batch *batch, bool durable)
{
    struct contrail_source *source = batch->source;
    for (uint32_t i = 0; i < batch->count; i++) {
        contrail_landed(&source->state, batch->alarms[i], batch->raised[i], durable);
    }
    free(batch);
}

static void on_answer(void *arg, bool durable, uint32_t duplicates)
{
    struct batch *batch = arg;
    struct contrail_source *source = batch->source;
    (void)duplicates;
    NSH_ASSERT(source->batches > 0);
    source->batches--;
    batch_land(batch, durable);
    if (source->closing) {
        link_maybe_done(source);
        return;
    }
    if (durable) { /* Else the next tick tells it again: not while whoever refused it looks on. */
        link_push(source);
        link_acks(source);
    }
}

/* As many as fit; false: memory ran out, what was taken is in the batch. */
static bool batch_fill(struct batch *batch, struct event *events, struct arena *arena,
                       int64_t now_ms)
{
    struct contrail *state = &batch->source->state;
    while (batch->count < LINK_BATCH_EVENTS) {
        struct contrail_alarm *alarm = contrail_next(state);
        if (alarm == NULL) {
            return true;
        }
        if (!contrail_event(state, alarm, now_ms, arena, &events[batch->count])) {
            contrail_back(state, alarm);
            return false;
        }
        batch->alarms[batch->count] = alarm;
        batch->raised[batch->count] = events[batch->count].state == EVENT_RAISE;
        batch->count++;
    }
    return true;
}

/* All of it again, in the same order. */
static void batch_back(struct batch *batch)
{
    for (uint32_t i = batch->count; i > 0; i--) {
        contrail_back(&batch->source->state, batch->alarms[i - 1]);
    }
    free(batch);
}

/* False: nothing more now. */
static bool push_once(struct contrail_source *source)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct event events[LINK_BATCH_EVENTS];
    struct nsh_error err = {0};
    int64_t now_ms = link_now_ms(source);
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return false;
    }
    batch->source = source;
    batch_fill(batch, events, &arena, now_ms);
    if (batch->count == 0) {
        free(batch);
        return false;
    }
    batch->delivery = (struct source_delivery){
        .row = source->services->row, .received_ms = now_ms, .done = on_answer, .arg = batch};
    const struct source_events all = {.items = events, .count = batch->count};
    source_count(source->services->row, SOURCE_COUNT_received, 1);
    /* What is told counts as told before it is answered: so the alarms are looked at anew later. */
    int result = source_push(source->services->intake, &all, &batch->delivery, &arena, &err);
    if (result == 0) {
        source->batches++;
        for (uint32_t i = 0; i < batch->count; i++) {
            contrail_told(&source->state, batch->alarms[i], batch->raised[i]);
        }
        return true;
    }
    batch_back(batch);
    return false;
}

void link_push(struct contrail_source *source)
{
    while (!source->closing && source->batches < LINK_BATCHES_MAX &&
           source->state.queue.count > 0 && push_once(source)) {
    }
    if (source->open && source->state.queue.count < LINK_HELD_MAX) {
        sse_stream_resume(source->stream);
    }
}
