/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_PRIVATE_H
#define SIM_SIM_PRIVATE_H

#include "base/assert.h"
#include "base/heap.h"
#include "base/map.h"
#include "sim/sim.h"

#include <stdlib.h>

#define SIM_MINUTE_MS 60000LL
#define SIM_HOUR_MS (60 * SIM_MINUTE_MS)
#define SIM_QUIET_MS                                                                               \
    (3 * SIM_HOUR_MS) /* After the last fault and its end: time to come to rest.                   \
                       */

enum sim_cure { CURE_CYCLE, CURE_NONE, CURE_LOOP, CURE_SLOW, CURE_DIES, CURE_SELF, CURE_TERSE };
enum sim_bmc {
    BMC_WELL,
    BMC_SILENT,
    BMC_ONE_WAY,
    BMC_LATE,
    BMC_AFTER_TIMEOUT,
    BMC_LIES_OFF,
    BMC_LIES_ON,
    BMC_STALE,
    BMC_WRONG_HOST,
    BMC_DIES_WITH_HOST,
    BMC_SESSIONS_FULL,
    BMC_BUSY,
    BMC_AUTH,
    BMC_DENIES,
    BMC_5XX,
    BMC_TRUNCATED,
    BMC_DISCONNECTS,
    BMC_DOES_NOTHING,
    BMC_TWICE,
    BMC_UNSURE,
};
enum sim_rack {
    RACK_POWER,
    RACK_BROKEN,
    RACK_SWITCH,
    RACK_BMC_NET,
    RACK_FEED,
    RACK_COOLING,
    RACK_SITE,
};
enum sim_asked { ASKED_ONE, ASKED_TWO, ASKED_TWICE, ASKED_NO, ASKED_NOBODY, ASKED_VETO };
enum sim_told { TOLD_TWICE, TOLD_LATE, TOLD_REORDERED, TOLD_NO_CLEAR };
enum sim_kill { KILL_NOT, KILL_BEFORE, KILL_AFTER, KILL_CALL };
enum sim_freeze_of { FREEZE_HOST, FREEZE_RACK, FREEZE_ALL };
enum sim_inventory {
    INVENTORY_SAME,
    INVENTORY_MAINTENANCE,
    INVENTORY_MOVED,
    INVENTORY_RENAMED,
    INVENTORY_REMOVED,
    INVENTORY_SHRUNKEN,
};

/* What will happen, and when: the only source of change. */
enum sim_kind {
    SIM_DO_BEGIN,   /* A fault begins. */
    SIM_DO_AGAIN,   /* One of a trace that waited for another. */
    SIM_DO_END,     /* It ends. */
    SIM_DO_BREAK,   /* A host breaks. */
    SIM_DO_ALARM,   /* The world's traps about a host reach the daemon. */
    SIM_DO_EVENT,   /* A trap that is true or not. */
    SIM_DO_ANSWER,  /* A call ends. */
    SIM_DO_EFFECT,  /* It has its effect after its end was told. */
    SIM_DO_DURABLE, /* The batch that was being written is safe. */
    SIM_DO_TICK,    /* The engine asked to be woken. */
    SIM_DO_KILL,
    SIM_DO_PERSON, /* Somebody answers what a run asks. */
};

struct sim_host;
struct sim_call;

struct sim_event {
    struct heap_node node; /* First: events are nodes. */
    enum sim_kind kind;
    struct sim_host *host;
    struct sim_call *call;
    const struct sim_fault *fault;
    const char *type; /* SIM_DO_EVENT */
    uint64_t number;  /* Batch, life of the daemon, or wake time: what the kind needs. */
    int64_t time_ms;  /* SIM_DO_EVENT: what the source says; 0: now. */
    enum severity severity;
    bool raise;
};

/* One call that the engine ordered. Lives on in the world when the daemon that sent it is dead. */
struct sim_call {
    char action[40]; /* Of a look (reading verb) also unique only within a life of the daemon. */
    struct sim_host *host; /* NULL: to people. */
    const struct verb *verb;
    struct sim_call *next_forgotten;
    uint64_t life; /* Of the daemon that hears the answer. */
    int64_t sent_ms;
    enum sim_bmc bmc;
    bool interrupts, answered, cancelled;
};

/* What was said or given; forgotten with a daemon that did not write it. */
struct sim_word {
    int64_t ms; /* 0: nothing. */
    int64_t until_ms;
    uint64_t number; /* The record after which it is durable; 0: it is. */
    char id[40];
};

#define SIM_PERSONS 3

/* Of a run that asks. */
struct sim_said {
    char run[32];
    struct sim_word yes[SIM_PERSONS], no;
};

#define SIM_INTERRUPTS_KEPT 64

struct sim_host {
    const struct host *host;
    const char *name, *rack, *name_first; /* As the inventory in force says. */
    uint64_t random;
    bool stuck;      /* Its alarm stays raised for ever. */
    bool said_raise; /* The last that was told of its trouble. */
    int64_t care_ms; /* Since then somebody should care: it broke, and was well before. */
    bool known, maintenance, maintenance_wanted, hidden, moved, renamed;
    bool on, broken, terse, twice, no_clear;
    enum sim_cure cure;
    const char *type, *message; /* What it says while broken. */
    enum severity severity;
    uint32_t heals_permille;
    const struct sim_fault *fault; /* Which broke it. */
    struct sim_outcome *outcome;
    uint32_t orders_since;
    enum sim_bmc bmc;
    bool shown_on; /* What a stale BMC shows. */
    int64_t shown_ms;
    int64_t broken_ms, told_ms, off_ms; /* When it broke; when the daemon could know. */
    int64_t late_ms;      /* Since then all that was said of it was too old to act on; 0: no. */
    int64_t alarmed_ms;   /* When something bad was last said of it, true or not. */
    int64_t fresh_ms;     /* When something bad that was not too old was last said of it. */
    int64_t retell_ms;    /* So long until it is said again. */
    uint64_t told_number; /* The record after which what it said last is durable. */
    bool in_doubt;        /* An order ended without a clear answer, and nobody looked since. */
    bool off_seen;        /* The last look said off, and no power order left since. */
    struct sim_call *interrupting;
    const char *interrupting_rack; /* Where that order was given. */
    char acting_run[32];
    struct sim_word lease, hold;
    int64_t interrupts[SIM_INTERRUPTS_KEPT];
    size_t interrupts_count;
};

/* A record as the store keeps it. */
struct sim_row {
    struct record record; /* Texts in memory of its own. */
    char key[96];
    uint64_t number;
    int64_t first_ms; /* When the object was first handed out. */
};

struct sim_freeze {
    enum sim_freeze_of of;
    const struct sim_host *host; /* One in it. */
    const struct sim_fault *fault;
    const char *rack;
    char id[40];
    int64_t since_ms, until_ms;
    uint64_t number; /* Its record; 0: durable. */
};

#define SIM_FREEZES_MAX 64
#define SIM_STAMPS_KEPT 4096

struct sim_stamp {
    int64_t ms;
    const struct sim_host *host;
    const char *rack; /* Where that was. */
};

struct sim_taped {
    struct engine_input input; /* Its texts are the tape's. */
    uint64_t hash;             /* Of what came of it. */
};

struct sim_tape {
    struct arena arena;
    struct sim_taped *steps;
    size_t count, room;
};

struct sim_world {
    const struct sim_options *options;
    struct sim_report *report;
    struct textbuf *trace;
    const struct sim_fault *faults;
    size_t faults_count;
    uint64_t random;
    int64_t now_ms;
    uint64_t order, life, seq;
    bool store_ok, blind, clock_1970;
    int64_t clock_ms;                       /* Sources are so far off. */
    uint32_t store_slow, store_bad, blinds; /* How many faults make it so. */
    enum sim_kill kill_at;
    struct heap events;
    struct engine *engine;
    struct engine_output output;
    struct sim_tape tape;      /* Of this life. */
    uint64_t durable, writing; /* records_through */
    struct map rows;           /* Durable: key -> struct sim_row */
    struct map backup;
    int64_t backup_ms; /* 0: none. */
    struct sim_row **pending;
    size_t pending_count, pending_room;
    int64_t wake_ms;
    struct sim_host *hosts;
    size_t hosts_count;
    struct map by_name;
    struct inventory **inventories; /* Made here; the last one is in force. */
    size_t inventories_count;
    size_t shrunken; /* So many hosts at the end are gone. */
    const struct policy_set *policies;
    struct arena arena;
    struct sim_call *forgotten;
    struct map said;  /* run -> struct sim_said */
    struct map calls; /* action -> struct sim_call, ever */
    struct sim_freeze freezes[SIM_FREEZES_MAX];
    size_t freezes_count;
    struct sim_stamp stamps[SIM_STAMPS_KEPT]; /* A ring. */
    uint64_t stamps_count;
    int64_t brake_excused_ms; /* Until then a brake may not see what the world knows. */
};

uint64_t sim_random_of(uint64_t *state, uint64_t below);
uint64_t sim_random(struct sim_world *world, uint64_t below);
bool sim_chance(struct sim_host *host, uint32_t permille);
int64_t sim_spread(uint64_t *state, uint32_t mean_ms); /* 1 .. 2 * mean */
void sim_plan(struct sim_world *world, int64_t in_ms, struct sim_event event);
void sim_violation(struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The call of that id. Looks, and words to people, may come once more from a new life: a page twice
 * is better than none.
 */
struct sim_call *sim_call_of(struct sim_world *world, struct text action);
struct sim_host *sim_host_of(struct sim_world *world, struct text name);

/* sim_run.c: the daemon's life */
void sim_kill(struct sim_world *world, int64_t down_ms, bool restore);
void sim_kill_later(struct sim_world *world); /* Not in the middle of a step. */

/* sim_store.c */
void sim_store_take(struct sim_world *world, const struct engine_output *output);
void sim_store_write(struct sim_world *world);     /* Begin a batch when none is written. */
void sim_store_committed(struct sim_world *world); /* It is safe. */
void sim_store_flush(struct sim_world *world);     /* Stopped in order: all is safe. */
void sim_store_killed(struct sim_world *world);    /* What was not safe is gone. */
void sim_store_backup(struct sim_world *world);
void sim_store_restore(struct sim_world *world);
void sim_store_done(struct sim_world *world);

/* sim_tape.c */
uint64_t sim_output_hash(const struct engine_output *output, int result);
void sim_tape_add(struct sim_tape *tape, const struct engine_input *input);
void sim_tape_answered(struct sim_tape *tape, uint64_t hash);
void sim_tape_replay(struct sim_world *world); /* A difference is a violation. */
void sim_tape_done(struct sim_tape *tape);

/* sim_engine.c */
void sim_step(struct sim_world *world, const struct engine_input *input);
void sim_start(struct sim_world *world); /* A new life: load what is durable. */
void sim_stop(struct sim_world *world);
/* The reply in the engine's memory; empty when it was refused. */
struct text sim_command(struct sim_world *world, const char *name, const struct nsh_member *args,
                        size_t count);
void sim_health(struct sim_world *world);

/* sim_hosts.c */
void sim_hosts_build(struct sim_world *world);
struct sim_break {
    enum sim_cure cure;
    const char *type, *message;
    enum severity severity;
    uint32_t heals_permille;
    int64_t tell_ms;
    const struct sim_fault *fault;
};
void sim_host_break(struct sim_world *world, struct sim_host *host, const struct sim_break *how);
void sim_host_heal(struct sim_world *world, struct sim_host *host, bool by_engine);
void sim_tell(struct sim_world *world, struct sim_host *host, bool raise);
void sim_tell_again(struct sim_world *world); /* The daemon dies: who has no answer repeats. */
void sim_say(struct sim_world *world, struct sim_host *host, const struct sim_event *what);

/* sim_calls.c */
void sim_stamp_take(struct sim_world *world, struct sim_host *host); /* It is disturbed. */
void sim_stamp_return(struct sim_world *world, struct sim_host *host, int64_t ms);
void sim_call_start(struct sim_world *world, const struct engine_call *call);
void sim_call_answer(struct sim_world *world, struct sim_call *call);
void sim_call_effect(struct sim_world *world, struct sim_call *call);
void sim_call_effect_late(struct sim_world *world, struct sim_call *call);
void sim_calls_orphan(
    struct sim_world *world); /* Their daemon is dead: done or not, nobody hears. */
void sim_calls_restore(struct sim_world *world);
void sim_host_power(struct sim_world *world, struct sim_host *host, const char *verb,
                    bool by_engine);

/* sim_inventory.c: what is in force, made of what the hosts of the world are told to be. */
void sim_inventory_make(struct sim_world *world);
const struct inventory *sim_inventory_now(const struct sim_world *world);
void sim_inventory_done(struct sim_world *world);

/* sim_fault.c */
void sim_fault_begin(struct sim_world *world, const struct sim_fault *fault);
void sim_fault_traced(struct sim_world *world, const struct sim_fault *fault);
void sim_fault_end(struct sim_world *world, const struct sim_fault *fault);

/* sim_fault_asked.c */
struct sim_said *sim_said_of(struct sim_world *world, const char *run);
void sim_said_killed(struct sim_world *world, int64_t before_ms);
void sim_said_done(struct sim_world *world);
void sim_person(struct sim_world *world, const struct sim_event *event);
/* sim_fault_people.c: the newest one that is alive; NULL: none. */
const char *sim_live_id(struct sim_world *world, enum record_kind kind, const char *host);

/* sim_check.c */
void sim_check_lease(struct sim_world *world, struct sim_host *host); /* It was given. */
void sim_check_call(struct sim_world *world, const struct engine_call *call, struct sim_host *host,
                    const struct verb *verb);
void sim_check_record(struct sim_world *world, const struct sim_row *old,
                      const struct sim_row *row);
void sim_check_end(struct sim_world *world);

#endif
