/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_GUARDS_H
#define ENGINE_ENGINE_GUARDS_H

/* What guards remember: endpoints, chassis, holds, what can be seen. Part of engine_private.h. */

#include "base/map.h"
#include "base/text.h"
#include "policy/policy.h"

struct action;
struct ask;
struct engine;
struct event;
struct host_state;
struct inventory;
struct nsh_value;
struct run;
struct verb;

#define GUARD_ID_BYTES 24
#define GUARD_TEXT_BYTES 256

/* ---- engine_breaker.c: one for each endpoint of a driver that failed
 * ------------------------------------------------ */

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/*
 * The endpoint is the address that the host's binding names; bindings without one share their
 * driver's. One that is not closed is kept over a restart; who was to try it does so anew.
 */
struct breaker {
    struct text key; /* "redfish 10.0.0.7" */
    enum breaker_state state;
    uint32_t failures; /* In a row. */
    uint32_t opens;    /* In a row, without an answer between them. */
    uint64_t failures_total, opens_total, deferred;
    int64_t since_ms; /* In this state. */
    int64_t until_ms; /* Open: then one may try. */
    uint64_t probe;   /* Half-open: the action that tries; 0: none yet. */
    const char *word; /* Of the last failure. */
    bool dirty, written;
};

bool breaker_check(struct engine *engine, struct ask *ask, struct textbuf *text);
void breaker_sent(struct engine *engine, const struct action *action);
void breaker_result(struct engine *engine, const struct action *action, int code);
/* Calls write for every breaker that changed; live: it is not closed. */
typedef void (*breaker_write_fn)(struct engine *engine, const struct breaker *breaker, bool live);
void breakers_flush(struct engine *engine, breaker_write_fn write);
void breaker_json(const struct breaker *breaker, struct textbuf *json);
void breaker_load(struct engine *engine, const struct nsh_value *value);
const char *breaker_word(const struct breaker *breaker);         /* Its state. */
void breakers_json(struct engine *engine, struct textbuf *json); /* A list. */
void breakers_free(struct engine *engine);

/* ---- engine_ladder.c: weeks of a chassis
 * ---------------------------------------------------------------------------- */

#define CHASSIS_STAMPS_MAX 64
#define CHASSIS_MAX 400000 /* Twice HOSTS_MAX: the ones that were replaced. */

struct chassis {
    struct text key; /* Its serial; "host NAME" of a host whose serial is not known. */
    int64_t interrupted[CHASSIS_STAMPS_MAX], escalated[CHASSIS_STAMPS_MAX];
    uint32_t interrupted_count, escalated_count;
    const char *host; /* Where it was last. */
    bool dirty;
    struct chassis *dirty_next;
};

bool ladder_check(struct engine *engine, struct ask *ask, struct textbuf *text);
void ladder_run_ended(struct engine *engine, const struct run *run);
void ladder_load(struct engine *engine, const struct nsh_value *value);
void ladder_json(struct engine *engine, const struct chassis *chassis, struct textbuf *json);
void ladder_free(struct engine *engine);

/* ---- engine_witness.c: k signs on different paths
 * ------------------------------------------------------------------- */

bool witness_check(struct engine *engine, struct ask *ask, struct textbuf *text);

/* ---- engine_hold.c: who holds a host
 * ---------------------------------------------------------------------------------- */

#define HOLD_OWNER "nightshift"

enum hold_what { HOLD_DRAINED, HOLD_OFF, HOLD_MAINTENANCE };

struct hold {
    char id[GUARD_ID_BYTES], run[GUARD_ID_BYTES], action[GUARD_ID_BYTES];
    struct host_state *host;
    enum hold_what what;
    char *owner, *reason;
    int64_t since_ms;
    bool ended, dirty;
    struct hold *host_next, *next, *dirty_next;
};

bool hold_check(struct engine *engine, struct ask *ask, struct textbuf *text);
void hold_intended(struct engine *engine, const struct action *action); /* Before its record. */
void hold_ended(struct engine *engine, const struct action *action);    /* Its state says how. */
int hold_take(struct engine *engine, const struct nsh_value *args, const char *owner,
              struct nsh_error *err);
int hold_release(struct engine *engine, const char *id, const char *why, struct nsh_error *err);
void hold_json(struct engine *engine, const struct hold *hold, struct textbuf *json);
void holds_follow(struct engine *engine, struct host_state *from, struct host_state *to);
void hold_load(struct engine *engine, const struct nsh_value *value);
void holds_written(struct engine *engine, struct hold *hold); /* An ended one is freed. */
void holds_free(struct engine *engine);

/* ---- engine_blind.c: do we see?
 * ---------------------------------------------------------------------------------------- */

#define SHRINK_HOSTS_MIN 1 /* One host may always go. */

/* When a source of the guards spoke last. */
struct heard {
    char source[64];
    int64_t ms; /* 0: no row. */
};

bool blind_why(const struct engine *engine,
               struct textbuf *text);            /* False, and nothing said: we see. */
bool blind_sources(const struct engine *engine); /* Sources are silent, whatever the inventory. */
void blind_policies(struct engine *engine);
void blind_heard(struct engine *engine, const struct event *items, size_t count);
void blind_inventory(struct engine *engine);
int blind_confirm(struct engine *engine, const char *why, struct nsh_error *err);
void blind_load(struct engine *engine, const struct nsh_value *value);

struct guards_kept {
    struct map breakers; /* By endpoint. */
    bool breakers_dirty;
    struct map chassis; /* By serial. */
    struct chassis *dirty_chassis, *dirty_chassis_last;
    struct hold *holds, *dirty_holds;
    uint32_t holds_count;
    size_t fleet_hosts; /* So many hosts are expected. */
    bool fleet_dirty;
    char shrunken[GUARD_TEXT_BYTES];         /* Why the inventory is not believed; "": it is. */
    struct heard heard[POLICY_SILENCES_MAX]; /* By row of the guards. */
};

#endif
