/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REHEARSE_WORLD_H
#define REHEARSE_WORLD_H

/*
 * An engine with a clock that jumps. Records are durable at once; calls are answered by stubs, or
 * by hosts that do what they are told.
 */

#include "base/heap.h"
#include "rehearse/rehearse.h"

#define WORLD_TIMEOUT_MS 60000   /* Of a call whose own time-out only its driver knows. */
#define WORLD_ORDER_MS 1000      /* An order takes this long unless a stub says otherwise. */
#define WORLD_ANSWERS_MAX 100000 /* Calls under way at once. */

struct stub {
    const char *action, *host; /* host NULL: any. */
    int64_t after_ms;          /* -1: it does not say. */
    int fail;                  /* enum nsh_code */
    const char *text;
    struct nsh_value reply;
    bool does;      /* It has its effect, whatever is answered. */
    uint32_t times; /* Used so often, then no more; 0: always. */
    uint32_t used;
    struct nsh_place at;
};

struct world_answer {
    struct heap_node node; /* First: answers are nodes. */
    char action[40];
    const struct verb *verb;
    int64_t power_host; /* Index into world.off, or -1. */
    int code;
    bool effect_possible, does, reads;
    const char *text;
    struct nsh_value reply;
};

struct world {
    struct engine *engine;
    struct engine_output output;
    const struct inventory *inventory; /* Borrowed. */
    const struct policy_set *policies; /* The same: since world_start(). */
    int64_t now_ms;
    uint64_t order, seq, steps, steps_max;
    bool *off; /* By index of the host. */
    size_t off_count;
    struct heap answers;
    struct stub *stubs; /* Borrowed; a call that none fits is answered well when all_well. */
    size_t stubs_count;
    bool all_well;
    /* What is seen: all may be NULL. */
    void (*record)(void *arg, const struct record *record);
    void (*call)(void *arg, const struct engine_call *call, const struct verb *verb, bool stubbed);
    void (*stepped)(void *arg, const struct engine_output *output);
    void *arg;
    struct nsh_error err; /* The first step that failed. */
};

/* start_ms: engine time. Set what is borrowed and seen before. -NSH_NOMEM. */
int world_start(struct world *world, int64_t start_ms, const struct inventory *inventory,
                const struct policy_set *policies);
/* kill -9, and a start from living records (what `record` saw and kept), later. */
int world_restart(struct world *world, int64_t now_ms, const struct policy_set *policies,
                  const struct record *records, size_t records_count);
void world_done(struct world *world);

/* One input now; what follows at once (durable, answers without delay are later) included. */
int world_step(struct world *world, const struct engine_input *input);
int world_event(struct world *world, const struct event *event);
int world_inventory(struct world *world, const struct inventory *inventory);
/* What comes by itself up to until_ms, in order of time. The clock then stands at until_ms. */
int world_pass(struct world *world, int64_t until_ms);
/* When something comes by itself next; INT64_MAX: never. */
int64_t world_next(const struct world *world);

#endif
