/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_OPERATOR_H
#define ENGINE_ENGINE_OPERATOR_H

/*
 * Triggers with several conditions or with a memory of their own: absent, all, any, sequence,
 * without. What they remember is of constant size for each policy and subject: one time or two for
 * each branch. The rules themselves (engine_rule.c) are functions of that memory and of times,
 * nothing else.
 */

#include "engine_private.h"

#define NEVER INT64_MIN

struct branch_state {
    int64_t begin_ms; /* Sequence: when the latest one that came up to here began; NEVER: none. */
    int64_t at_ms;    /* The newest occurrence; of a sequence: of the one that came up to here. */
    bool metric;      /* A level by samples: true since begin_ms, asked at at_ms. */
    bool heard;       /* There was a sample, once: the subject has this metric. */
    uint8_t level;    /* enum level */
};

struct operator_state {
    struct timer timer;
    bool armed;       /* absent: it is waited for. without: a trigger is open. */
    bool expected;    /* absent: by `expect`. */
    bool doubt;       /* without: nobody watched since, so the answer may have come. */
    bool watched;     /* Counted in engine->operators_armed. */
    int64_t since_ms; /* absent: silence counts from here. without: the first open trigger. */
    int64_t seen_ms;  /* absent: the last sighting. */
    int64_t ended_ms; /* sequence: the last event that ends one. */
    uint32_t branches_count;
    struct branch_state branches[];
};

/* ---- engine_rule.c: pure ----------------------------------------------------------------------
 */

void rule_forget(struct operator_state *op); /* Every branch: nothing came. */
/* Branch `branch` of a sequence occurred; the answer is whether the sequence is complete. */
bool rule_sequence(struct operator_state *op, const struct policy_when *when, uint32_t hits,
                   int64_t at, int64_t now_ms);
void rule_sequence_ends(struct operator_state *op, int64_t at);
/* The time from which all branches stand, newest less than within_ms after the oldest. pulses:
 * those seen within the time count too. */
enum level rule_all(const struct operator_state *op, const struct policy_when *when,
                    const struct link *links, bool pulses, int64_t now_ms);
/* When silence, or an open trigger, has lasted long enough; INT64_MAX: it does not count. */
int64_t rule_due(const struct operator_state *op, const struct policy_when *when);
/* When the oldest thing remembered is too old to matter; INT64_MAX: nothing is. */
int64_t rule_stale(const struct operator_state *op, const struct policy_when *when);

/* ---- engine_operator.c ------------------------------------------------------------------------
 */

/* An event for a policy that has branches; true: one of its conditions held. */
bool operator_event(struct engine *engine, const struct policy *policy, const struct event *event,
                    struct alarm *alarm, bool fresh);
void operator_level(struct engine *engine, struct instance *instance); /* Links changed. */
bool operator_idle(const struct instance *instance); /* Nothing that must be remembered. */
void operator_free(struct engine *engine, struct instance *instance);
void operator_gap(struct engine *engine, struct instance *instance); /* Nobody watched until now. */
void operators_blind(struct engine *engine,
                     bool blind);             /* The sources went silent, or came back. */
void operators_expect(struct engine *engine); /* Inventory or policies changed: `expect`. */

/* ---- engine_operator_record.c -----------------------------------------------------------------
 */

void operator_record(struct textbuf *json, const struct instance *instance);
void operator_load(struct engine *engine, struct instance *instance, const struct nsh_value *value);
/* The branch of a link that was written; index: its place in the list. */
void operator_load_link(struct link *link, const struct nsh_value *value, uint32_t index);
void operator_arm(struct engine *engine, struct instance *instance);
struct operator_state *operator_of(struct engine *engine, struct instance *instance);

/* ---- engine_why.c -----------------------------------------------------------------------------
 */

/* What a trigger waits for, or why it is true: one line for each thing. */
void why_trigger(struct engine *engine, const struct instance *instance, struct textbuf *lines);

/* ---- engine_window.c: counting ----------------------------------------------------------------
 */

void instance_count(struct engine *engine, struct instance *instance, const struct event *event);
void window_fire(struct engine *engine, void *owner);
void instance_window_arm(struct engine *engine, struct instance *instance);
void instance_window_restore(struct engine *engine, struct instance *instance,
                             struct window_entry entry);
void window_clear(struct engine *engine, struct instance *instance);
uint32_t window_most(const struct instance *instance); /* Entries of its largest group. */

#endif
