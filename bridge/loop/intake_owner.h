/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_INTAKE_OWNER_H
#define LOOP_INTAKE_OWNER_H

/*
 * The inner side of the intake, for whoever commits its events: the loop thread alone, except
 * where said.
 *
 * A batch counts against the bound from intake_push() until it is taken. Whoever takes it answers
 * it, once, and frees it.
 */

#include "loop/intake.h"

#include <stddef.h>

struct intake_item {
    struct intake_item *next;
    uint8_t rank;  /* Of the most urgent event in it. */
    uint16_t line; /* The intake's, as the next. */
    uint64_t number;
    uint32_t events_count, duplicates;
    uint64_t batch; /* The owner's: the commit that holds it. */
    int64_t received_ms;
    const char *mark_id, *mark; /* In bytes, after the events; NULL: none. */
    void (*done)(void *arg, bool durable, uint32_t duplicates);
    void *arg;
    size_t bytes_count;
    uint8_t bytes[];
};

struct intake_figures {
    uint64_t batches, events, bytes;                      /* Taken in. */
    uint64_t refused_full, refused_ill, refused_stopping; /* Batches that were not. */
    uint64_t refused_share; /* Of refused_full: the flow had its share. */
    size_t waiting_bytes, waiting_batches;
};

/* wake is called on the pushing thread whenever the intake was empty; it only wakes the loop. */
int intake_new(size_t bytes_max, void (*wake)(void *arg), void *wake_arg,
               struct intake **ret_intake, struct nsh_error *err);
void intake_free(struct intake *intake); /* What waits is answered as not durable. */

/* Set the engine's clock: it was now_ms at this moment, and goes on with the time since boot. */
void intake_clock_set(struct intake *intake, int64_t now_ms);

enum intake_gate {
    INTAKE_OPEN,
    INTAKE_ILL,      /* The store cannot keep events: -NSH_IO. */
    INTAKE_STOPPING, /* -NSH_CANCELLED, for good. */
};
/* Any thread. */
void intake_gate_set(struct intake *intake, enum intake_gate gate);

/* Whose turn it is, or NULL: nothing waits. */
struct intake_item *intake_take(struct intake *intake);
/* Answer and free. */
void intake_item_end(struct intake_item *item, bool durable);

void intake_count(struct intake *intake, struct intake_figures *ret_figures); /* Any thread. */

#endif
