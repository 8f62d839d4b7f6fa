/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_PRIVATE_H
#define SIM_SIM_PRIVATE_H

#include "base/assert.h"
#include "base/heap.h"
#include "base/map.h"
#include "sim/sim.h"

#include <stdlib.h>

/* What will happen, and when: the only source of change. */
enum sim_kind {
    SIM_FAULT,   /* A host, or a rack, breaks. */
    SIM_ALARM,   /* The world's traps about a host reach the daemon. */
    SIM_ANSWER,  /* A call ends. */
    SIM_DURABLE, /* The batch that was being written is safe. */
    SIM_TICK,    /* The engine asked to be woken. */
    SIM_KILL,
    SIM_FREEZE,
    SIM_SICK, /* The store fails, or is well again. */
};

struct sim_host;
struct sim_call;

struct sim_event {
    struct heap_node node; /* First: events are nodes. */
    enum sim_kind kind;
    struct sim_host *host;
    struct sim_call *call;
    uint64_t number; /* Batch, life of the daemon, or wake time: what the kind needs. */
    bool raise;
};

/* One call that the engine ordered. Lives on in the world when the daemon that sent it is dead. */
struct sim_call {
    char action[32]; /* Of a look (reading verb) also unique only within a life of the daemon. */
    struct sim_host *host; /* NULL: to people. */
    const struct verb *verb;
    struct sim_call *next_forgotten;
    uint64_t life; /* Of the daemon that hears the answer. */
    bool interrupts, answered, lost, refused;
};

#define SIM_INTERRUPTS_KEPT 64

struct sim_host {
    const struct host *host;
    const char *rack;
    bool on, broken, liar, terse;
    int64_t broken_ms, told_ms; /* When it broke; when the daemon could know. */
    uint64_t told_number;       /* The record after which what it said last is durable. */
    bool
        in_doubt; /* An interrupting order ended without a clear answer, and nobody looked since. */
    struct sim_call *interrupting;
    int64_t interrupts[SIM_INTERRUPTS_KEPT];
    size_t interrupts_count;
    uint64_t pages_since_broken;
};

/* A record as the store keeps it. */
struct sim_row {
    struct record record; /* Texts in memory of its own. */
    char key[96];
    uint64_t number;
};

struct sim_world {
    const struct sim_options *options;
    struct sim_report *report;
    struct textbuf *trace;
    uint64_t random;
    int64_t now_ms;
    uint64_t order, life, seq;
    bool quiet; /* No more faults. */
    bool store_ok;
    struct heap events;
    struct engine *engines[2];
    struct engine_output outputs[2];
    uint64_t durable, writing; /* records_through */
    struct map rows;           /* Durable: key -> struct sim_row */
    struct sim_row **pending;
    size_t pending_count, pending_room;
    int64_t wake_ms;
    struct sim_host *hosts;
    size_t hosts_count;
    struct map by_name;
    struct sim_call *forgotten;
    struct map calls; /* action -> struct sim_call, ever */
    char frozen[64];  /* Rack of the freeze that is durable, or empty. */
    int64_t frozen_until_ms;
    uint64_t freeze_number; /* Its record. */
};

uint64_t sim_random(struct sim_world *world, uint64_t below);
bool sim_chance(struct sim_world *world, uint32_t permille);
int64_t sim_spread(struct sim_world *world, uint32_t mean_ms); /* 1 .. 2 * mean */
void sim_plan(struct sim_world *world, int64_t in_ms, struct sim_event event);
void sim_violation(struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The call of that id. Looks, and words to people, may come once more from a new life: a page twice
 * is better than none.
 */
struct sim_call *sim_call_of(struct sim_world *world, struct text action);
struct sim_host *sim_host_of(struct sim_world *world, struct text name);

/* sim_store.c */
void sim_store_take(struct sim_world *world, const struct engine_output *output);
void sim_store_write(struct sim_world *world);     /* Begin a batch when none is written. */
void sim_store_committed(struct sim_world *world); /* It is safe. */
void sim_store_killed(struct sim_world *world);    /* What was not safe is gone. */
void sim_store_done(struct sim_world *world);

/* sim_engine.c: both engines take the same steps. */
void sim_step(struct sim_world *world, const struct engine_input *input);
void sim_start(struct sim_world *world); /* A new life: load what is durable. */
void sim_stop(struct sim_world *world);

/* sim_hosts.c */
void sim_hosts_build(struct sim_world *world);
void sim_break(struct sim_world *world);
void sim_call_start(struct sim_world *world, const struct engine_call *call);
void sim_call_answer(struct sim_world *world, struct sim_call *call);
void sim_orders_orphan(
    struct sim_world *world);                 /* Their daemon is dead: done or not, nobody hears. */
void sim_tell_again(struct sim_world *world); /* The daemon dies: who has no answer repeats. */
void sim_tell(struct sim_world *world, struct sim_host *host, bool raise);

/* sim_check.c */
void sim_check_call(struct sim_world *world, const struct engine_call *call, struct sim_host *host,
                    const struct verb *verb);
void sim_check_end(struct sim_world *world);

#endif
