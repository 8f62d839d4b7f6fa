/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

/*
 * The engine: events become alarms, alarms match policies, a match becomes a run, a run walks its
 * ladder; every action passes the guards; every decision keeps its reason.
 *
 * engine_step() is the only door that changes it. Time is a field of the input. Inside there is no
 * clock, chance, I/O, thread, log or driver call. The same inputs give byte-identical outputs.
 *
 * Forbidden orders: a call is handed out only by an INPUT_DURABLE that covers the record of its
 * intent.
 */

#include "base/arena.h"
#include "model/event.h"
#include "model/host.h"
#include "model/record.h"
#include "policy/policy.h"

struct engine;

enum engine_input_kind {
    INPUT_LOAD,   /* One living record of the store, before anything else. */
    INPUT_LOADED, /* All were handed over: what was in flight is in doubt; downtime is unknown time.
                   */
    INPUT_INVENTORY, /* A new inventory; the engine borrows it until the next one. */
    INPUT_POLICIES,  /* A new policy set; the same. */
    INPUT_KNOWN,  /* Events of the journal, oldest first: their ids are known, nothing else happens.
                   */
    INPUT_EVENTS, /* A batch of events, numbered. */
    INPUT_TICK,   /* Time passed: wake_ms was reached. */
    INPUT_DURABLE, /* Records up to `durable` are safe: intents become calls. */
    INPUT_RESULT,  /* A call ended. */
    INPUT_COMMAND, /* A person or a tool asks. */
    INPUT_HEALTH,  /* Own health changed: store, sources (am I blind?). */
};

struct engine_result {
    struct text action;   /* The call's action id. */
    int code;             /* enum nsh_code */
    bool effect_possible; /* As struct nsh_outcome. */
    struct nsh_value result;
    struct text text;
    uint32_t retry_after_ms;
    struct text trace; /* Lines of evidence, or empty. */
};

/*
 * Commands (name; args):
 *   "freeze" {scope, owner, reason, for_ms}  -> reply {id, expires}
 *   "unfreeze" {id, owner, reason}
 *   "run.cancel" {id, owner, reason}
 *   "plan" {}             -> reply {actions: [...]}: what would be done now for every raised alarm,
 * changing nothing "status" {}           -> reply with counts, modes, budgets, brakes, freezes
 *   "brake.release" {id, owner, reason}
 *   "hold" {host, what, owner, reason}: what is drained, off or maintenance
 *   "hold.release" {id, owner, reason}
 *   "inventory.confirm" {owner, reason}: the hosts that the inventory lost are gone
 *   "breakers" {} -> reply {breakers: [...]}: endpoints that failed, changing nothing
 *   "approve" {id, reason, teams}: the actor says yes to what a run asks; teams: a list of texts,
 *   the groups he is in
 *   "deny", "veto" {id, reason, teams}: he says no
 *   "approvals" {} -> reply {items: [...]}: the runs that ask, with countdowns; changing nothing
 *   "lease" {host or domain, owner, reason, ttl_ms}: somebody else takes a host down; refused
 *   (NSH_REFUSED) with the guard's text. "lease.renew" {id, ttl_ms}, "lease.release" {id}
 *   "fleetlock", "fleetlock.release" {id, group}: the same in the words of that protocol
 *   "alarm.clear" {id, owner, reason}: a person says the condition is over
 */
struct engine_command {
    struct text name;
    struct nsh_value args;
    struct text actor; /* Who: "uid:1000(ops)", "token:grafana" */
};

struct engine_health {
    bool store_ok;     /* False: no actions at all. */
    struct text blind; /* Not empty: destructive actions stop, with this reason ("source trap silent
                          for 10m"). */
};

struct engine_input {
    enum engine_input_kind kind;
    int64_t now_ms;  /* Engine time: Unix milliseconds at start, then monotonic; never goes back. */
    int64_t wall_ms; /* The clock on the wall, which may step; for calendars only. 0: as now_ms. */
    union {
        const struct record *record;
        const struct inventory *inventory;
        const struct policy_set *policies;
        struct {
            const struct event *items;
            size_t count;
        } events;         /* INPUT_KNOWN, INPUT_EVENTS */
        uint64_t durable; /* engine_output.records_through of a step whose records are durable. */
        struct engine_result result;
        struct engine_command command;
        struct engine_health health;
    };
};

/* One call of a driver function: to start, or to cancel (complete() will still come as
 * INPUT_RESULT). */
struct engine_call {
    bool cancel;
    struct text action; /* Id; the idempotency token. "act-000456.3" for the third reading that
                           verifies it. */
    struct text host;   /* Empty for verbs that speak to people. */
    enum binding_kind binding;
    struct text driver; /* Chosen by the host's binding; empty for BINDING_NONE: the shell's
                           configured one. */
    struct text verb;
    struct nsh_value args;
    uint32_t timeout_ms;
};

/* A condition that was asked: which branches a rehearsal took. */
struct engine_seen {
    const struct policy_condition *condition; /* Of the policy set. */
    enum { SEEN_FALSE, SEEN_TRUE, SEEN_UNKNOWN } answer;
};

/* Owned by the caller; engine_step() resets it first. Everything in it lives in its arena until the
 * next step. */
struct engine_output {
    struct arena arena;
    struct record *records;
    size_t records_count, records_room;
    uint64_t records_through; /* Number of the last record handed out, ever. */
    struct engine_call *calls;
    size_t calls_count, calls_room;
    /*
     * INPUT_EVENTS: one for each event; true: a repeat, known by (source, id), with which nothing
     * was done. A repeat takes no number: the events after it move up. NULL: none was taken.
     */
    const bool *repeats;
    int64_t wake_ms;     /* When INPUT_TICK is wanted; INT64_MAX: never. */
    bool intents_wait;   /* Among the records is what calls wait for, until it is durable. */
    struct text reply;   /* JSON, for INPUT_COMMAND. */
    struct text trace;   /* One line for each thing that happened, for scenario tests: "run 1 r1h01
                            psu-lost started". */
    bool trace_wanted;   /* Set by the caller; costs time. */
    bool seen_wanted;    /* The same. */
    bool state_unwanted; /* Set by a caller that never restarts: bodies of alarms, hosts and what
                            waits stay empty, which saves the time to write them. */
    struct engine_seen *seen;
    size_t seen_count, seen_room;
};

#define ENGINE_RUNS_MAX 20000    /* Living at once. */
#define ENGINE_ALARMS_MAX 500000 /* Living at once; further ones are counted and refused. */
#define ENGINE_DEDUP_MS (15 * 60 * 1000)
#define ENGINE_DEDUP_MAX 1000000

/*
 * The order of a start: INPUT_INVENTORY, INPUT_POLICIES and an INPUT_LOAD for each living record,
 * in any order, then INPUT_LOADED (also when the store was empty). Before all came, events and
 * commands are refused (NSH_INVALID). INPUT_KNOWN may come at any time before the first
 * INPUT_EVENTS: the journal's events of the last ENGINE_DEDUP_MS (the newest ENGINE_DEDUP_MAX do),
 * so that a sender who repeats himself over a restart is still recognised.
 *
 * Lifetimes: an inventory may be freed when the next INPUT_INVENTORY returned. Runs finish with the
 * policies they started with: a set may be freed when another one was taken and
 * engine_policies_in_use() says no; ask after each step.
 *
 * Not kept over a restart: which (source, id) were seen. What comes again then is a repeat of an
 * alarm that is known, or is stopped by once_within.
 *
 * Words to people (page, notify, ticket) are the only calls that may come twice, with the same id:
 * when it is not known whether they arrived.
 *
 * Calls may come out of any step; each is covered by durable records, so they can be started at
 * once.
 */
int engine_new(struct engine **ret_engine, struct nsh_error *err);
void engine_free(struct engine *engine);

/*
 * 0, or: NSH_INVALID (a command makes no sense: reply is empty, nothing changed), NSH_NOT_FOUND
 * (its object), NSH_LIMIT (a bound was reached: what did not fit is counted, nothing half done),
 * NSH_NOMEM.
 */
int engine_step(struct engine *engine, const struct engine_input *input,
                struct engine_output *output, struct nsh_error *err);

/* For tests and benches: evaluate every policy of an event's type, as if there were no index. */
void engine_set_index(struct engine *engine, bool on);

/* True while the set is the current one, or a run still walks a ladder of it. */
bool engine_policies_in_use(const struct engine *engine, const struct policy_set *set);

void engine_output_done(struct engine_output *output);

/* Exact counters, for metrics; read on the same thread. */
struct engine_counters {
    uint64_t events, duplicates, stale, unresolved, unmatched, raised, changed, cleared, repeats;
    uint64_t decisions, runs_started, runs_done, runs_escalated, runs_refused, runs_expired,
        runs_cancelled;
    uint64_t actions_started, actions_ok, actions_failed, actions_unknown, pages;
    uint64_t alarms_active, runs_active, brakes_active, freezes_active, conditions_unknown;
    uint64_t words_owed, words_lost; /* Did not arrive in time; never did. */
    uint64_t holds_active, breakers_open, breakers_opened, breaker_deferred;
};
/* Why interrupting actions are held: "source trap silent for 10m"; False, and nothing said: we see.
 */
bool engine_is_blind(const struct engine *engine, struct textbuf *why); /* why: or NULL. */
void engine_count(const struct engine *engine, struct engine_counters *ret_counters);

#endif
