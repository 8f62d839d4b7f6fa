/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Branches: what a policy can do, and whether a test made it do so.
 *
 * A trigger's `if` has two, an `unless` one (it forbids), a step of `do` two (it ends well, or not)
 * and one more when its `if` can skip it, a step of `else` one.
 */

#include "rehearse/rehearse_private.h"

#include <stdio.h>

static void branch_add(struct coverage *coverage, const struct policy *policy, struct nsh_place at,
                       const char *what)
{
    const char *key = arena_printf(&coverage->arena, "%s:%u:%u:%s %s", at.file, at.line, at.column,
                                   policy->name, what);
    if (key == NULL || map_get(&coverage->branches, text_of(key)) != NULL) {
        return;
    }
    struct branch *branch = arena_alloc(&coverage->arena, sizeof *branch);
    const char *file = arena_printf(&coverage->arena, "%s", at.file == NULL ? "" : at.file);
    const char *name = arena_printf(&coverage->arena, "%s", policy->name);
    const char *words = arena_printf(&coverage->arena, "%s", what);
    if (branch == NULL || file == NULL || name == NULL || words == NULL) {
        return;
    }
    *branch = (struct branch){.policy = name, .what = words, .at = at};
    branch->at.file = file;
    (void)map_set(&coverage->branches, text_of(key),
                  branch); /* Without memory it is not counted. */
}

static void branch_take(struct coverage *coverage, const struct policy *policy, struct nsh_place at,
                        const char *what)
{
    char key[512];
    int count = snprintf(key, sizeof key, "%s:%u:%u:%s %s", at.file, at.line, at.column,
                         policy->name, what);
    if (count < 0 || (size_t)count >= sizeof key) {
        return;
    }
    struct branch *branch = map_get(&coverage->branches, (struct text){key, (uint32_t)count});
    if (branch != NULL && !branch->taken) {
        branch->taken = true;
        coverage->taken_count++;
    }
}

static const char *step_words(const char *step, const char *what, char room[128])
{
    snprintf(room, 128, "step %.64s %s", step, what);
    return room;
}

static void steps_add(struct coverage *coverage, const struct policy *policy)
{
    char room[128];
    for (size_t i = 0; i < policy->steps_count; i++) {
        const struct policy_step *step = &policy->steps[i];
        branch_add(coverage, policy, step->at, step_words(step->name, "ends well", room));
        if (step->kind != STEP_WAIT) {
            branch_add(coverage, policy, step->at, step_words(step->name, "fails", room));
        }
        if (step->run_if.program != NULL) {
            branch_add(coverage, policy, step->run_if.at,
                       step_words(step->name, "is not wanted", room));
        }
    }
    for (size_t i = 0; i < policy->otherwise_count; i++) {
        const struct policy_step *step = &policy->otherwise[i];
        branch_add(coverage, policy, step->at, step_words(step->name, "of else is taken", room));
        if (step->run_if.program != NULL) {
            branch_add(coverage, policy, step->run_if.at,
                       step_words(step->name, "is not wanted", room));
        }
    }
}

void coverage_policies(struct coverage *coverage, const struct policy_set *set)
{
    for (size_t i = 0; i < set->policies_count; i++) {
        const struct policy *policy = &set->policies[i];
        branch_add(coverage, policy, policy->at, "it runs");
        if (policy->when.condition.program != NULL) {
            branch_add(coverage, policy, policy->when.condition.at, "if is true");
            branch_add(coverage, policy, policy->when.condition.at, "if is not true");
        }
        for (size_t u = 0; u < policy->unless_count; u++) {
            branch_add(coverage, policy, policy->unless[u].at, "unless forbids");
        }
        steps_add(coverage, policy);
    }
}

static bool seen_in_policy(struct coverage *coverage, const struct policy *policy,
                           const struct engine_seen *seen)
{
    char room[128];
    const struct policy_condition *condition = seen->condition;
    bool yes = seen->answer == SEEN_TRUE;
    if (condition == &policy->when.condition) {
        branch_take(coverage, policy, condition->at, yes ? "if is true" : "if is not true");
        return true;
    }
    for (size_t i = 0; i < policy->unless_count; i++) {
        if (condition == &policy->unless[i]) {
            if (yes) {
                branch_take(coverage, policy, condition->at, "unless forbids");
            }
            return true;
        }
    }
    for (size_t i = 0; i < policy->steps_count + policy->otherwise_count; i++) {
        const struct policy_step *step = i < policy->steps_count
                                             ? &policy->steps[i]
                                             : &policy->otherwise[i - policy->steps_count];
        if (condition == &step->run_if) {
            if (!yes) {
                branch_take(coverage, policy, condition->at,
                            step_words(step->name, "is not wanted", room));
            }
            return true;
        }
    }
    return false;
}

void coverage_seen(struct coverage *coverage, const struct policy_set *set,
                   const struct engine_seen *seen)
{
    for (size_t i = 0; i < set->policies_count; i++) {
        if (seen_in_policy(coverage, &set->policies[i], seen)) {
            return;
        }
    }
}

void coverage_decision(struct coverage *coverage, const struct policy *policy, const char *outcome)
{
    if (strcmp(outcome, "run") == 0) {
        branch_take(coverage, policy, policy->at, "it runs");
    }
}

/* By its `if`, or before that was asked: the trouble is over. */
static void step_skipped(struct coverage *coverage, const struct policy *policy, const char *name)
{
    char room[128];
    for (size_t i = 0; i < policy->steps_count; i++) {
        const struct policy_step *step = &policy->steps[i];
        if (strcmp(step->name, name) == 0 && step->run_if.program != NULL) {
            branch_take(coverage, policy, step->run_if.at, step_words(name, "is not wanted", room));
        }
    }
}

void coverage_step(struct coverage *coverage, const struct policy *policy, const char *name,
                   const char *state)
{
    char room[128];
    bool well = strcmp(state, "done") == 0;
    if (strcmp(state, "skipped") == 0) {
        step_skipped(coverage, policy, name);
        return;
    }
    for (size_t i = 0; i < policy->steps_count; i++) {
        if (strcmp(policy->steps[i].name, name) == 0) {
            branch_take(coverage, policy, policy->steps[i].at,
                        step_words(name, well ? "ends well" : "fails", room));
        }
    }
    for (size_t i = 0; i < policy->otherwise_count; i++) {
        if (strcmp(policy->otherwise[i].name, name) == 0) {
            branch_take(coverage, policy, policy->otherwise[i].at,
                        step_words(name, "of else is taken", room));
        }
    }
}

void coverage_done(struct coverage *coverage)
{
    map_done(&coverage->branches);
    arena_done(&coverage->arena);
    *coverage = (struct coverage){0};
}
