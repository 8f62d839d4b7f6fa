/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words that are owed. A run does not wait for a receiver that is down: after a few attempts the
 * step has failed, and the ladder goes on. But what it had to say is not dropped: a run of its own
 * says it again, with the same token and arguments, until it arrives or is too old to help anybody.
 * It is kept as any run is, so it outlives a restart, is shown, and can be cancelled.
 */

#include "engine_private.h"

#include <stdio.h>

#define OWED_MS_MAX (3 * DAY_MS)           /* A weekend; then it is history, not news. */
#define OWED_DELAY_MS_MAX (10 * MINUTE_MS) /* Between attempts. */
#define OWED_RUNS_MAX 1000                 /* What is over it is counted as lost. */

static const struct policy owed_policy = {
    .name = "undelivered",
    .summary = "Words that did not arrive: said again until they do",
    .owner = "nightshift",
    .subject = "host",
    .mode = POLICY_ENFORCE,
};

static const struct policy_step owed_step = {
    .name = "tell", .kind = STEP_ACT, .on_fail = ON_FAIL_STOP};

const struct policy *builtin_owed_policy(void)
{
    return &owed_policy;
}

const struct policy_step *builtin_owed_step(void)
{
    return &owed_step;
}

bool run_is_owed(const struct run *run)
{
    return run->policy == &owed_policy;
}

bool words_hopeless(const struct action *action)
{
    return action->code == NSH_INVALID || action->code == NSH_UNSUPPORTED;
}

/* The action of the run that says it again: what the first said, by the same token. */
static struct action *action_copy(struct engine *engine, struct run *run, const struct action *from)
{
    struct run_step *step = &run->steps[0];
    step->state = STEP_RUNNING;
    step->attempts = 1;
    step->started_ms = engine->now_ms;
    struct action *action = action_new(engine, run, step, from->verb, NULL);
    if (action == NULL || !arena_value(&run->arena, &from->args, &action->args)) {
        return NULL;
    }
    snprintf(action->call, sizeof action->call, "%s", from->call);
    action->driver = run_keep(run, from->driver);
    action->binding = from->binding;
    action->timeout_ms = from->timeout_ms;
    action->attempt = from->attempt + 1;
    action->text = run_keep(run, from->text);
    return action;
}

static void owed_wait(struct engine *engine, struct action *action)
{
    int64_t delay_ms =
        action->attempt > 6 ? OWED_DELAY_MS_MAX : (int64_t)PAGE_RETRY_MS << (action->attempt - 1);
    delay_ms = delay_ms > OWED_DELAY_MS_MAX ? OWED_DELAY_MS_MAX : delay_ms;
    delay_ms = action->retry_after_ms > delay_ms ? action->retry_after_ms : delay_ms;
    action->intended_ms = engine->now_ms;
    engine_timer_set(engine, &action->timer, engine->now_ms + delay_ms,
                     action->number | UINT64_C(3) << 62);
}

void owed_begin(struct engine *engine, const struct action *action)
{
    struct run *from = action->run;
    bool said = action->step->step == builtin_page() && from->owes; /* By the ladder's own words. */
    if (!verb_speaks(action->verb) || words_hopeless(action) || from->cancel != NULL ||
        run_is_owed(from) || said) {
        return;
    }
    if (engine->owed_count >= OWED_RUNS_MAX) {
        engine->counters.words_lost++;
        return;
    }
    struct run *run = run_new(engine, &(struct run_order){
                                          .policy = &owed_policy,
                                          .set = from->set,
                                          .subject = from->subject,
                                          .alarm = from->alarm,
                                          .decision = from->decision,
                                          .event = from->event,
                                          .severity = from->severity,
                                          .pulse = true,
                                          .only = &owed_step,
                                      });
    struct action *copy = run == NULL ? NULL : action_copy(engine, run, action);
    if (copy == NULL) {
        engine->nomem = true;
        return;
    }
    from->owes = true;
    run_touch(engine, from);
    run->action = copy;
    run_state_set(engine, run, RUN_RUNNING);
    action_touch(engine, copy);
    owed_wait(engine, copy);
    engine->counters.runs_started++;
    engine->counters.words_owed++;
    engine_trace(engine, "run %s %s %s: %s of %s is said again", run->id, run->subject,
                 run->policy_name, action->verb->name, from->id);
}

bool owed_again(struct engine *engine, struct action *action)
{
    struct run *run = action->run;
    if (engine->now_ms - run->started_ms < OWED_MS_MAX && !words_hopeless(action) &&
        run->cancel == NULL) {
        action_move(engine, action, ACTION_INTENDED);
        action->attempt++;
        owed_wait(engine, action);
        return true;
    }
    engine->counters.words_lost += run->cancel == NULL;
    const char *text = scratch_printf(engine, "%s did not arrive: %s%s%s", action->verb->name,
                                      nsh_code_word(action->code), action->text == NULL ? "" : ": ",
                                      action->text == NULL ? "" : action->text);
    action_ends(engine, action, ACTION_FAILED, text);
    run->steps[0].state = STEP_FAILED;
    run->steps[0].text = run_keep(run, text);
    run->steps[0].ended_ms = engine->now_ms;
    run_end(engine, run, run->cancel != NULL ? RUN_CANCELLED : RUN_EXPIRED, text);
    return true;
}

const struct verb *owed_verb(const struct engine *engine, const char *name)
{
    const struct policy_set *set = engine->set;
    for (size_t i = 0; set != NULL && i < set->policies_count; i++) {
        const struct policy *policy = &set->policies[i];
        for (size_t s = 0; s < policy->steps_count + policy->otherwise_count; s++) {
            const struct policy_step *step = s < policy->steps_count
                                                 ? &policy->steps[s]
                                                 : &policy->otherwise[s - policy->steps_count];
            if (step->verb != NULL && strcmp(step->verb->name, name) == 0) {
                return step->verb;
            }
        }
    }
    return NULL;
}
