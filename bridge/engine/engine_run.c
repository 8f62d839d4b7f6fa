/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: one execution of a policy for one subject, with the definition it started with.
 *
 * A run that fails walks `else`; when that told nobody, the built-in page does. It ends done,
 * escalated, refused, expired or cancelled. Forbidden order: it never ends while a call that may
 * have an effect is out.
 */

#include "engine_private.h"

#include <stdio.h>
#include <stdlib.h>

#define TO(state) (1u << (state))
#define ENDS                                                                                       \
    (TO(RUN_DONE) | TO(RUN_ESCALATED) | TO(RUN_REFUSED) | TO(RUN_EXPIRED) | TO(RUN_CANCELLED))

static const struct {
    const char *word;
    unsigned to;
} arrows[RUN_STATES_COUNT] = {
    [RUN_WAITING] = {"waiting", TO(RUN_RUNNING) | TO(RUN_VERIFYING) | ENDS},
    [RUN_RUNNING] = {"running", TO(RUN_WAITING) | TO(RUN_VERIFYING) | ENDS},
    [RUN_VERIFYING] = {"verifying", TO(RUN_WAITING) | TO(RUN_RUNNING) | ENDS},
    [RUN_DONE] = {"done", 0},
    [RUN_ESCALATED] = {"escalated", 0},
    [RUN_REFUSED] = {"refused", 0},
    [RUN_EXPIRED] = {"expired", 0},
    [RUN_CANCELLED] = {"cancelled", 0},
};

static const struct policy_step page_step = {.name = "page", .kind = STEP_ACT};

const char *run_state_word(enum run_state state)
{
    return arrows[state].word;
}

int run_state_of(const char *word)
{
    for (int i = 0; i < RUN_STATES_COUNT; i++) {
        if (strcmp(arrows[i].word, word) == 0) {
            return i;
        }
    }
    return -1;
}

bool run_is_over(const struct run *run)
{
    return run->ended;
}

void run_state_set(struct engine *engine, struct run *run, enum run_state state)
{
    if (run->state != state) {
        NSH_ASSERT((arrows[run->state].to & TO(state)) != 0);
        run->state = state;
    }
    run_touch(engine, run);
}

void run_touch(struct engine *engine, struct run *run)
{
    if (run->dirty) {
        return;
    }
    run->dirty = true;
    run->dirty_next = NULL;
    if (engine->dirty_runs_last == NULL) {
        engine->dirty_runs = run;
    } else {
        engine->dirty_runs_last->dirty_next = run;
    }
    engine->dirty_runs_last = run;
}

const char *run_keep(struct run *run, const char *text)
{
    size_t count = text == NULL ? 0 : strlen(text);
    const char *copy =
        text == NULL
            ? NULL
            : arena_copy(&run->arena, text, count > 2 * TEXT_KEPT_MAX ? 2 * TEXT_KEPT_MAX : count);
    return text != NULL && copy == NULL ? "(no memory for the text)" : copy;
}

/* ---- built in -----------------------------------------------------------------------------------
 */

const struct policy *builtin_brake_policy(void)
{
    static const struct policy policy = {
        .name = "storm-brake",
        .summary = "Many hosts of one domain broke together: hold, and page once",
        .owner = "nightshift",
        .subject = "domain",
        .mode = POLICY_ENFORCE,
    };
    return &policy;
}

/* A page whose text is made from what happened. Its verb is looked up: page_verb(). */
const struct policy_step *builtin_page(void)
{
    return &page_step;
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

static void set_use(struct engine *engine, const struct policy_set *set, int change)
{
    for (uint32_t i = 0; set != NULL && i < engine->sets_count; i++) {
        if (engine->sets[i].set == set) {
            engine->sets[i].runs = (uint32_t)((int)engine->sets[i].runs + change);
            return;
        }
    }
}

static void run_fire(struct engine *engine, void *owner)
{
    struct run *run = owner;
    struct run_step *step = run->at < run->steps_count ? &run->steps[run->at] : NULL;
    if (step == NULL || step->state != STEP_RUNNING) {
        step_advance(engine, run);
        return;
    }
    switch (step->step->kind) {
    case STEP_CHECK:
        step_check(engine, run);
        break;
    case STEP_WAIT:
        step_done(engine, run, "waited");
        break;
    case STEP_WINDOW:
        calendar_look(engine, run);
        break;
    case STEP_ASK:
        approve_look(engine, run);
        break;
    case STEP_ACT:
        if (each_is(run)) {
            each_look(engine, run);
        } else if (run->action == NULL) { /* Its retry. */
            step->state = STEP_TODO;
        }
        break;
    }
    step_advance(engine, run);
}

/* One step, and no way out of it: who began it goes on. */
static bool steps_only(struct run *run, const struct policy_step *only)
{
    run->steps = arena_array(&run->arena, 1, sizeof *run->steps);
    if (run->steps != NULL) {
        run->steps[0].step = only;
        run->steps_count = run->do_count = run->page_at = run->undo_first = 1;
    }
    return run->steps != NULL;
}

static bool steps_make(struct run *run)
{
    const struct policy *policy = run->policy;
    size_t count = policy->steps_count + policy->otherwise_count + 1, page = count - 1;
    for (size_t i = 0; i < policy->steps_count; i++) {
        count += policy->steps[i].undo != NULL;
    }
    if (count > RUN_STEPS_MAX) {
        return false;
    }
    run->steps = arena_array(&run->arena, count, sizeof *run->steps);
    if (run->steps == NULL) {
        return false;
    }
    for (size_t i = 0; i < policy->steps_count; i++) {
        run->steps[i].step = &policy->steps[i];
    }
    for (size_t i = 0; i < policy->otherwise_count; i++) {
        run->steps[policy->steps_count + i].step = &policy->otherwise[i];
    }
    run->steps[page].step = builtin_page();
    run->steps_count = (uint32_t)count;
    run->do_count = (uint32_t)policy->steps_count;
    run->page_at = (uint32_t)page;
    run->undo_first = run->page_at + 1;
    for (size_t i = policy->steps_count, at = page + 1; i > 0; i--) {
        if (policy->steps[i - 1].undo != NULL) {
            run->steps[at].source = &run->steps[i - 1];
            run->steps[at++].step = policy->steps[i - 1].undo;
        }
    }
    return true;
}

static void id_copy(char to[ID_BYTES], const char *from)
{
    snprintf(to, ID_BYTES, "%s", from == NULL ? "" : from);
}

static void run_link(struct engine *engine, struct run *run)
{
    run->previous = engine->runs_last;
    if (engine->runs_last == NULL) {
        engine->runs_first = run;
    } else {
        engine->runs_last->next = run;
    }
    engine->runs_last = run;
    if (map_set(&engine->runs, text_of(run->id), run) < 0) {
        engine->nomem = true;
    }
    engine->counters.runs_active++;
    engine->owed_count += run_is_owed(run);
    set_use(engine, run->set, 1);
}

struct run *run_new(struct engine *engine, const struct run_order *order)
{
    struct run *run = engine_alloc(engine, sizeof *run);
    if (run == NULL) {
        return NULL;
    }
    run->policy = order->policy;
    run->set = order->set;
    run->policy_name = run_keep(run, order->policy->name);
    run->policy_revision = order->policy->revision;
    run->mode = order->policy->mode;
    run->host = order->host;
    run->domain = order->domain;
    run->subject = run_keep(run, order->subject);
    run->severity = order->severity;
    run->pulse = order->pulse;
    run->started_ms = run->activity_ms = engine->now_ms;
    run->timer = (struct timer){.fire = run_fire, .owner = run};
    run->event = arena_text(&run->arena, order->event);
    id_copy(run->alarm, order->alarm);
    id_copy(run->decision, order->decision);
    id_copy(run->id, order->id);
    bool made = order->only != NULL ? steps_only(run, order->only) : steps_make(run);
    if (!made || run->event.at == NULL) {
        engine->nomem = true;
        arena_done(&run->arena);
        free(run);
        return NULL;
    }
    if (run->id[0] == 0) {
        engine_id(engine, COUNT_RUN, "run", run->id);
    }
    run->number = ++engine->timer_number;
    run_link(engine, run);
    return run;
}

/* The host is this run's while it lasts: at its start, or when `else` wants something of it. */
void run_claim(struct engine *engine, struct run *run, enum nsh_effect effect)
{
    if (run->host == NULL || effect < NSH_CHANGES) {
        return;
    }
    bool parents = run->parent != NULL && run->host->run == run->parent;
    NSH_ASSERT(run->host->run == NULL || run->host->run == run || parents);
    if (run->host->run == NULL) {
        run->host->run = run;
        host_touch(engine, run->host);
    }
    parents = parents && run->parent->interrupting; /* Counted already. */
    if (effect >= NSH_INTERRUPTS && !run->interrupting && !parents) {
        concurrent_take(engine, run);
    }
}

void run_start(struct engine *engine, const struct run_order *order)
{
    struct run *run = run_new(engine, order);
    if (run == NULL) {
        return;
    }
    if (order->instance != NULL) {
        run->instance = order->instance;
        matched_take(run, order->instance);
        order->instance->run = run;
    }
    engine->counters.runs_started++;
    engine_trace(engine, "run %s %s %s started", run->id, run->subject, run->policy_name);
    if (order->refused != NULL) {
        run->refused = run->policy != builtin_brake_policy();
        run_otherwise(engine, run, order->refused);
    } else {
        run_claim(engine, run, policy_effect(run->policy));
    }
    run_touch(engine, run);
    step_advance(engine, run);
}

void run_free(struct engine *engine, struct run *run)
{
    engine_timer_stop(engine, &run->timer);
    if (!run->ended) { /* The engine ends, not the run. */
        if (run->previous == NULL) {
            engine->runs_first = run->next;
        } else {
            run->previous->next = run->next;
        }
        if (run->next != NULL) {
            run->next->previous = run->previous;
        }
        if (run->instance != NULL) {
            run->instance->run = NULL;
        }
        for (struct action *action = run->actions; action != NULL; action = action->next) {
            engine_timer_stop(engine, &action->timer);
        }
    }
    arena_done(&run->arena);
    free(run);
}

static void run_unlink(struct engine *engine, struct run *run)
{
    if (run->previous == NULL) {
        engine->runs_first = run->next;
    } else {
        run->previous->next = run->next;
    }
    if (run->next == NULL) {
        engine->runs_last = run->previous;
    } else {
        run->next->previous = run->previous;
    }
    map_remove(&engine->runs, text_of(run->id));
    engine->counters.runs_active--;
    engine->owed_count -= run_is_owed(run);
    set_use(engine, run->set, -1);
}

static void count_end(struct engine *engine, enum run_state state)
{
    struct engine_counters *counters = &engine->counters;
    counters->runs_done += state == RUN_DONE;
    counters->runs_escalated += state == RUN_ESCALATED;
    counters->runs_refused += state == RUN_REFUSED;
    counters->runs_expired += state == RUN_EXPIRED;
    counters->runs_cancelled += state == RUN_CANCELLED;
}

static void host_remember(struct engine *engine, struct run *run)
{
    struct host_state *host = run->host;
    if (host == NULL) {
        return;
    }
    if (host->run == run) {
        host->run = NULL;
    }
    host->runs_count += !run->refused;
    host->escalations_count += run->state == RUN_ESCALATED || run->state == RUN_REFUSED;
    host->last_ms = engine->now_ms;
    id_copy(host->last_run, run->id);
    host_touch(engine, host);
}

void run_end(struct engine *engine, struct run *run, enum run_state state, const char *reason)
{
    NSH_ASSERT(!run->ended);
    NSH_ASSERT(run->action == NULL);
    NSH_ASSERT(run->children == 0);
    run->reason = run_keep(run, reason);
    run->ended_ms = engine->now_ms;
    run_state_set(engine, run, state);
    engine_timer_stop(engine, &run->timer);
    run->ended = true;
    concurrent_return(engine, run);
    host_remember(engine, run);
    ladder_run_ended(engine, run);
    run->woken = false;
    if (run->instance != NULL) {
        run->instance->run = NULL;
        if (instance_forgettable(engine, run->instance)) { /* Else its record says the same. */
            instance_touch(engine, run->instance);
        }
        run->instance = NULL;
    }
    run_unlink(engine, run);
    if (run->parent_id[0] == 0) {
        count_end(engine, state);
    }
    if (run->parent != NULL) {
        each_child_ended(engine, run);
    }
    engine_trace(engine, "run %s %s %s %s: %s", run->id, run->subject, run->policy_name,
                 run_state_word(state), run->reason == NULL ? "" : run->reason);
    run->ended_next = NULL;
    struct run **last = &engine->ended_runs;
    while (*last != NULL) {
        last = &(*last)->ended_next;
    }
    *last = run;
}

static void wake_for(struct engine *engine, struct run *run)
{
    run->woken = true;
    decide_again(engine, &run->host->waiting);
    for (uint32_t i = 0; i < run->host->domains_count; i++) {
        decide_again(engine, &run->host->domains[i]->waiting);
    }
    host_settles(engine, run->host);
}

void runs_wake(struct engine *engine)
{
    bool given_back = engine->given_back;
    engine->given_back = false;
    for (struct run *run = engine->runs_first; given_back && run != NULL; run = run->next) {
        if (!run->woken && run->host != NULL && calendar_is_away(run)) {
            wake_for(engine, run);
        }
    }
    for (struct run *run = engine->ended_runs; run != NULL; run = run->ended_next) {
        if (run->woken || run->host == NULL) {
            continue;
        }
        wake_for(engine, run);
    }
}

void runs_free_ended(struct engine *engine)
{
    struct run **at = &engine->ended_runs;
    while (*at != NULL) {
        struct run *run = *at;
        bool written = !run->dirty;
        for (struct action *action = run->actions; action != NULL; action = action->next) {
            written = written && !action->dirty;
        }
        if (written) {
            *at = run->ended_next;
            run_free(engine, run);
        } else {
            at = &run->ended_next;
        }
    }
}

/* ---- what happens to it
 * ------------------------------------------------------------------------------ */

void run_otherwise(struct engine *engine, struct run *run, const char *failure)
{
    NSH_ASSERT(!run->otherwise);
    if (undo_begin(engine, run, RUN_RUNNING, failure)) {
        return;
    }
    run->otherwise = true;
    run->failure = run_keep(run, failure);
    run->at = run->do_count;
    run_touch(engine, run);
    engine_trace(engine, "run %s %s %s else: %s", run->id, run->subject, run->policy_name,
                 run->failure);
}

void run_cleared(struct engine *engine, struct run *run)
{
    if (run->cleared || run->ended || run->pulse) {
        return;
    }
    run->cleared = true;
    run_touch(engine, run);
    engine_trace(engine, "run %s %s %s: the alarm is cleared", run->id, run->subject,
                 run->policy_name);
    struct run_step *step = run->at < run->steps_count ? &run->steps[run->at] : NULL;
    if (step == NULL || step->state != STEP_RUNNING) {
        return;
    }
    if (each_is(run) && !run->undoing) {
        each_cleared(engine, run);
    } else if (step->step->kind == STEP_CHECK) {
        step_check(engine, run);
        step_advance(engine, run);
    } else if (calendar_waits(run)) {
        calendar_look(engine, run);
        step_advance(engine, run);
    } else if (approve_waits(run)) {
        approve_look(engine, run);
        step_advance(engine, run);
    }
}

void run_cancel(struct engine *engine, struct run *run, const char *why)
{
    if (run->undoing) { /* It goes back already; then it ends. */
        run->after = run->parent_id[0] == 0 ? RUN_CANCELLED : run->after;
        return;
    }
    if (run->cancel == NULL) {
        run->cancel = run_keep(run, why);
    }
    if (run->children > 0) {
        each_cancel(engine, run, why);
        return; /* It ends when they did. */
    }
    struct action *action = run->action;
    if (action != NULL && action->out && !action->reading) {
        engine_call_out(engine,
                        &(struct engine_call){
                            .cancel = true,
                            .action = arena_text(&engine->output->arena, text_of(action->call)),
                        });
        return; /* Its result still comes, and is verified. */
    }
    if (action != NULL && action->state != ACTION_INTENDED) {
        return; /* It is being verified: what was done must be known. */
    }
    if (action != NULL) {
        action_cancel(engine, action, why);
    }
    struct run_step *step = run->at < run->steps_count ? &run->steps[run->at] : NULL;
    if (step != NULL && step->state == STEP_RUNNING) {
        step->state = STEP_SKIPPED;
        step->text = run->cancel;
        step->ended_ms = engine->now_ms;
    }
    run_abandon(engine, run, RUN_CANCELLED, run->cancel);
    step_advance(engine, run);
}
