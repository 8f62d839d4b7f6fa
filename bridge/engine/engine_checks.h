/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_CHECKS_H
#define ENGINE_ENGINE_CHECKS_H

/* What guards are asked, and the older ones of them: budgets, brakes, freezes. Part of
 * engine_private.h. */

/* ---- engine_guard.c: the table of guards
 * -------------------------------------------------------------------- */

enum guard_block { BLOCK_NONE, BLOCK_SKIP, BLOCK_REFUSE, BLOCK_DEFER, BLOCK_HOLD, BLOCK_EXPIRE };

#define STAGE_DECIDE 0x1u /* An activation is judged. */
#define STAGE_INTEND 0x2u /* A run wants an action. */
#define STAGE_SEND 0x4u   /* Its intent is durable; it leaves now. */
#define STAGE_RESUME 0x8u /* A run that gave its host back wants it again. */
#define STAGE_LEASE 0x20u /* Somebody else wants to take the host down. */
#define STAGE_AGAIN 0x10u /* It was approved; time has passed since it was judged. */

/* What is asked: may this be done to this host? */
struct ask {
    unsigned stage;
    const struct policy *policy;
    struct instance *instance; /* STAGE_DECIDE */
    struct host_state *host;
    struct domain_state *domain;
    struct run *run;
    struct action *action;
    const struct verb *verb; /* NULL at STAGE_DECIDE. */
    enum nsh_effect effect;
    struct scope *scope;      /* STAGE_DECIDE */
    struct waiting *wait_on;  /* Set by a guard that defers. */
    int64_t again_ms;         /* The same: when to ask again; 0: soon. */
    enum guard_block instead; /* Set by a guard that blocks otherwise than its row says. */
};

struct guard_verdict {
    enum guard_block block;
    const char *guard;    /* The one that blocked. */
    const char *text;     /* In scratch. */
    int64_t again_ms;     /* Deferred: when to ask again; 0: soon. */
    struct textbuf *json; /* NULL, or every guard asked, as a JSON list without brackets. */
};

void guards_ask(struct engine *engine, struct ask *ask, struct guard_verdict *verdict);
enum nsh_effect policy_effect(const struct policy *policy); /* The worst `do` does to a host. */

/* ---- engine_budget.c
 * -------------------------------------------------------------------------------------------- */

void ring_add(struct engine *engine, struct ring *ring, struct stamp stamp, uint32_t max);
void ring_remove(struct ring *ring, uint64_t action);
uint32_t ring_count(const struct ring *ring, int64_t now_ms, int64_t window_ms);
/* In order of time, each action once, the newest `max`. */
void ring_settle(struct ring *ring, uint32_t max);
void ring_prune(struct ring *ring, int64_t before_ms);
void budget_take(struct engine *engine, struct action *action);
void budget_window(struct textbuf *text, int64_t window_ms); /* "24h" */
void budget_return(struct engine *engine, struct action *action);
bool budget_check(struct engine *engine, struct ask *ask, struct textbuf *text);
bool concurrent_check(struct engine *engine, struct ask *ask, struct textbuf *text);
void concurrent_take(struct engine *engine, struct run *run);
void concurrent_return(struct engine *engine, struct run *run);
uint32_t pool_concurrent_max(const struct engine *engine, const struct domain_state *pool);

/* ---- engine_brake.c
 * ------------------------------------------------------------------------------------------------
 */

void brake_host_broke(struct engine *engine, struct host_state *host);
void brake_host_restore(struct engine *engine, struct host_state *host, int64_t ms);
void brake_host_healed(struct engine *engine, struct host_state *host);
const struct brake *brake_over(const struct host_state *host, const struct domain_state *domain);
void brake_release(struct engine *engine, struct brake *brake, const char *why);
void brake_recent_fire(struct engine *engine, void *owner);
void brakes_inventory(struct engine *engine); /* The domains were made anew. */
void brake_join(struct engine *engine, struct brake *brake, struct host_state *host);
uint32_t brake_threshold(const struct engine *engine, const struct domain_state *domain);
void brake_timers(struct engine *engine, struct brake *brake);
void brake_free(struct engine *engine, struct brake *brake);
void brake_restore(struct engine *engine, const struct nsh_value *value);

/* ---- engine_freeze.c
 * -------------------------------------------------------------------------------------------------
 */

const struct freeze *freeze_over(const struct engine *engine, const struct ask *ask);
/* engine_ready.c: a freeze that is a policy's `hold` is about these actions. */
bool hold_covers(const struct freeze *freeze, const struct ask *ask);
bool pool_ready_check(struct engine *engine, struct ask *ask,
                      struct textbuf *text); /* keep_ready */
int freeze_scope(struct engine *engine, const char *scope, struct freeze *freeze,
                 struct nsh_error *err);
void freeze_arm(struct engine *engine, struct freeze *freeze);
void freeze_end(struct engine *engine, struct freeze *freeze, const char *why);
/* freezes_follow(), then freezes_followed(): what stopped one name stops another one. */
void freezes_follow(struct engine *engine, const char *name, const struct host_state *to);
void freezes_followed(struct engine *engine);
void freeze_free(struct engine *engine, struct freeze *freeze);

#endif
