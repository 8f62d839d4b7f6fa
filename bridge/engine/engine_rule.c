/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of triggers that remember: pure functions of what is remembered and of times. Windows
 * are (t-w, t], "exactly w apart" is too far; every window is judged at the present.
 */

#include "engine_operator.h"

void rule_forget(struct operator_state *op)
{
    for (uint32_t i = 0; i < op->branches_count; i++) {
        if (!op->branches[i].metric) { /* Samples say what is, not what happened. */
            op->branches[i] = (struct branch_state){.begin_ms = NEVER, .at_ms = NEVER};
        }
    }
}

/* ---- sequence ------------------------------------------------------------------------------- */

/* Whether what came up to step k-1 can be continued by an event at `at`. */
static bool continues(const struct operator_state *op, const struct branch_state *before,
                      const struct policy_when *when, int64_t at, int64_t now_ms)
{
    if (before->begin_ms == NEVER || at < before->at_ms) {
        return false;
    }
    /* Of one instant, what came first was first: what ended others does not end this one. */
    bool ended = op->ended_ms > before->begin_ms && op->ended_ms <= at;
    return !ended && at - before->begin_ms < when->within_ms &&
           now_ms - before->begin_ms < when->within_ms;
}

/*
 * For each step only the latest possible beginning is kept: it finds a sequence when there is one.
 * From the last step to the first, so that one event is one step of a sequence.
 */
bool rule_sequence(struct operator_state *op, const struct policy_when *when, uint32_t hits,
                   int64_t at, int64_t now_ms)
{
    uint32_t steps = 0;
    while (steps < when->branches_count && !when->branches[steps].ends) {
        steps++;
    }
    for (uint32_t k = steps; k-- > 0;) {
        if ((hits & (1u << k)) == 0) {
            continue;
        }
        if (k == 0) {
            if (at > now_ms - when->within_ms && at >= op->branches[0].at_ms) {
                op->branches[0] = (struct branch_state){.begin_ms = at, .at_ms = at};
            }
            continue;
        }
        const struct branch_state *before = &op->branches[k - 1];
        if (!continues(op, before, when, at, now_ms)) {
            continue;
        }
        if (k + 1 == steps) {
            rule_forget(op); /* Consumed. */
            return true;
        }
        if (before->begin_ms >= op->branches[k].begin_ms) {
            op->branches[k] = (struct branch_state){.begin_ms = before->begin_ms, .at_ms = at};
        }
    }
    return false;
}

void rule_sequence_ends(struct operator_state *op, int64_t at)
{
    op->ended_ms = at > op->ended_ms ? at : op->ended_ms;
    for (uint32_t i = 0; i < op->branches_count; i++) {
        if (op->branches[i].begin_ms <= at && op->branches[i].at_ms <= at) {
            op->branches[i] = (struct branch_state){.begin_ms = NEVER, .at_ms = NEVER};
        }
    }
}

/* ---- all ------------------------------------------------------------------------------------ */

struct all {
    const struct operator_state *op;
    const struct policy_when *when;
    const struct link *links;
    bool pulses;
    int64_t now_ms;
};

static bool pulse_seen(const struct all *all, uint32_t branch)
{
    if (all->op == NULL) {
        return false;
    }
    int64_t at = all->op->branches[branch].at_ms;
    return all->pulses && !all->op->branches[branch].metric && at != NEVER &&
           at > all->now_ms - all->when->within_ms;
}

static enum level branch_level(const struct all *all, uint32_t branch)
{
    if (all->op != NULL && all->op->branches[branch].metric) {
        return (enum level)all->op->branches[branch].level;
    }
    enum level level = pulse_seen(all, branch) ? LEVEL_TRUE : LEVEL_FALSE;
    for (const struct link *link = all->links; link != NULL; link = link->instance_next) {
        if (link->branch == branch && level != LEVEL_TRUE) {
            level = link->known ? LEVEL_TRUE : LEVEL_UNKNOWN;
        }
    }
    return level;
}

/* When it began, for one that has no alarm; NEVER: it is not true. */
static int64_t begin_of(const struct all *all, uint32_t branch)
{
    const struct branch_state *known = all->op == NULL ? NULL : &all->op->branches[branch];
    if (known == NULL) {
        return NEVER;
    }
    if (known->metric) {
        return known->level == LEVEL_TRUE ? known->begin_ms : NEVER;
    }
    return pulse_seen(all, branch) ? known->at_ms : NEVER;
}

/* Whether every branch has a time within [oldest, oldest + w). */
static bool fits(const struct all *all, int64_t oldest)
{
    uint32_t met = 0, wanted = (1u << all->when->branches_count) - 1;
    for (const struct link *link = all->links; link != NULL; link = link->instance_next) {
        bool inside = link->known && link->since_ms >= oldest &&
                      link->since_ms - oldest < all->when->within_ms;
        met |= inside ? 1u << link->branch : 0;
    }
    for (uint32_t i = 0; i < all->when->branches_count; i++) {
        int64_t begin = begin_of(all, i);
        if (begin != NEVER && begin >= oldest && begin - oldest < all->when->within_ms) {
            met |= 1u << i;
        }
    }
    return met == wanted;
}

static bool close_together(const struct all *all)
{
    uint32_t tried = 0;
    for (const struct link *link = all->links; link != NULL && tried < ALL_TRIES_MAX;
         link = link->instance_next, tried++) {
        if (link->known && fits(all, link->since_ms)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < all->when->branches_count; i++) {
        int64_t begin = begin_of(all, i);
        if (begin != NEVER && fits(all, begin)) {
            return true;
        }
    }
    return false;
}

enum level rule_all(const struct operator_state *op, const struct policy_when *when,
                    const struct link *links, bool pulses, int64_t now_ms)
{
    struct all all = {op, when, links, pulses, now_ms};
    bool unknown = false;
    for (uint32_t i = 0; i < when->branches_count; i++) {
        enum level level = branch_level(&all, i);
        if (level == LEVEL_FALSE) {
            return LEVEL_FALSE;
        }
        unknown = unknown || level == LEVEL_UNKNOWN;
    }
    return unknown ? LEVEL_UNKNOWN : close_together(&all) ? LEVEL_TRUE : LEVEL_FALSE;
}

/* ---- absent, without ------------------------------------------------------------------------ */

int64_t rule_due(const struct operator_state *op, const struct policy_when *when)
{
    if (!op->armed) {
        return INT64_MAX;
    }
    return op->since_ms + (when->trigger == TRIGGER_ABSENT ? when->absent_ms : when->within_ms);
}

int64_t rule_stale(const struct operator_state *op, const struct policy_when *when)
{
    int64_t oldest = op->ended_ms == NEVER ? INT64_MAX : op->ended_ms;
    for (uint32_t i = 0; i < op->branches_count; i++) {
        const struct branch_state *branch = &op->branches[i];
        int64_t at = when->trigger == TRIGGER_SEQUENCE ? branch->begin_ms : branch->at_ms;
        if (!branch->metric && at != NEVER && at < oldest) {
            oldest = at;
        }
    }
    return oldest == INT64_MAX ? INT64_MAX : oldest + when->within_ms;
}
