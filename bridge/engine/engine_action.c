/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions: one call of a driver function, from its intent to what came of it.
 *
 * Forbidden orders: an action is sent only when the record of its intent is durable, after the
 * guards that may have changed were asked again; and never twice, but for words to people, whose
 * receivers know the token.
 */

#include "engine_private.h"

#include <stdio.h>

#define RESULT_MS_MAX (15 * MINUTE_MS) /* For a verb whose time-out only its driver knows. */
#define TO(state) (1u << (state))

static const struct {
    const char *word;
    unsigned to;
} arrows[ACTION_STATES_COUNT] = {
    [ACTION_INTENDED] = {"intended", TO(ACTION_SENT) | TO(ACTION_REFUSED) | TO(ACTION_CANCELLED) |
                                         TO(ACTION_UNKNOWN)},
    [ACTION_SENT] = {"sent", TO(ACTION_DONE) | TO(ACTION_FAILED) | TO(ACTION_REFUSED) |
                                 TO(ACTION_UNKNOWN) | TO(ACTION_VERIFYING) | TO(ACTION_INTENDED)},
    [ACTION_UNKNOWN] = {"unknown", TO(ACTION_VERIFYING) | TO(ACTION_FAILED) |
                                       TO(ACTION_INTENDED)}, /* Words only. Never resent blind. */
    [ACTION_VERIFYING] = {"verifying", TO(ACTION_VERIFIED) | TO(ACTION_FAILED)},
    [ACTION_DONE] = {"done", 0},
    [ACTION_VERIFIED] = {"verified", 0},
    [ACTION_FAILED] = {"failed", 0},
    [ACTION_REFUSED] = {"refused", 0},
    [ACTION_CANCELLED] = {"cancelled", 0},
};

const char *action_state_word(enum action_state state)
{
    return arrows[state].word;
}

int action_state_of(const char *word)
{
    for (int i = 0; i < ACTION_STATES_COUNT; i++) {
        if (strcmp(arrows[i].word, word) == 0) {
            return i;
        }
    }
    return -1;
}

bool verb_speaks(const struct verb *verb)
{
    return verb->binding == BINDING_NONE;
}

void action_touch(struct engine *engine, struct action *action)
{
    if (action->dirty) {
        return;
    }
    action->dirty = true;
    action->dirty_next = NULL;
    if (engine->dirty_actions_last == NULL) {
        engine->dirty_actions = action;
    } else {
        engine->dirty_actions_last->dirty_next = action;
    }
    engine->dirty_actions_last = action;
}

void action_move(struct engine *engine, struct action *action, enum action_state state)
{
    NSH_ASSERT((arrows[action->state].to & TO(state)) != 0);
    action->state = state;
    action_touch(engine, action);
    engine_trace(engine, "action %s %s %s %s", action->id, action->run->subject, action->verb->name,
                 action_state_word(state));
}

/* ---- the queue of what waits to be durable ----------------------------------------------------
 */

void action_queue(struct engine *engine, struct action *action)
{
    NSH_ASSERT(!action->queued && !action->out);
    action->queued = true;
    /* A record that is not written yet gets its number when it is. */
    action->needs = action->dirty ? UINT64_MAX : engine->records_through;
    engine->output->intents_wait = true;
    action->queue_next = NULL;
    if (engine->queue_last == NULL) {
        engine->queue_first = action;
    } else {
        engine->queue_last->queue_next = action;
    }
    engine->queue_last = action;
}

void action_unqueue(struct engine *engine, struct action *action)
{
    if (!action->queued) {
        return;
    }
    struct action *previous = NULL;
    for (struct action *at = engine->queue_first; at != action; at = at->queue_next) {
        previous = at;
    }
    if (previous == NULL) {
        engine->queue_first = action->queue_next;
    } else {
        previous->queue_next = action->queue_next;
    }
    if (engine->queue_last == action) {
        engine->queue_last = previous;
    }
    action->queued = false;
    action->queue_next = NULL;
}

/* ---- begin
 * ---------------------------------------------------------------------------------------- */

static void result_lost(struct engine *engine, struct action *action)
{
    struct engine_result lost = {.action = text_of(action->call),
                                 .code = NSH_TIMEOUT,
                                 .effect_possible = true,
                                 .text = TEXT("no result came back"),
                                 .result = nsh_null()};
    action_result(engine, &lost);
}

static void action_fire(struct engine *engine, void *owner)
{
    struct action *action = owner;
    if (action->out) {
        result_lost(engine, action);
    } else if (action->state == ACTION_VERIFYING && !action->queued) {
        verify_read(engine, action);
    } else if (action->state == ACTION_INTENDED && !action->queued) {
        action_queue(engine, action); /* Words, again. */
    }
}

struct action *action_new(struct engine *engine, struct run *run, struct run_step *step,
                          const struct verb *verb, const char *id)
{
    struct action *action =
        run->actions_count >= RUN_ACTIONS_MAX ? NULL : arena_alloc(&run->arena, sizeof *action);
    if (action == NULL) {
        return NULL;
    }
    if (id != NULL) {
        snprintf(action->id, sizeof action->id, "%s", id);
        int64_t number = 0;
        const char *dash = strchr(action->id, '-');
        if (dash != NULL && text_to_int(text_of(dash + 1), &number)) {
            action->number = (uint64_t)number;
        }
    } else {
        action->number = engine_number(engine, COUNT_ACTION);
        snprintf(action->id, sizeof action->id, "act-%06llu", (unsigned long long)action->number);
    }
    snprintf(action->call, sizeof action->call, "%s", action->id);
    action->run = run;
    action->step = step;
    action->verb = verb;
    action->binding = verb->binding;
    action->driver = "";
    action->args = nsh_map(NULL, 0);
    action->attempt = step->attempts;
    action->intended_ms = engine->now_ms;
    action->timeout_ms = (uint32_t)(step->step->timeout_ms > 0 ? step->step->timeout_ms
                                    : engine->set != NULL ? engine->set->defaults.step_timeout_ms
                                                          : 0);
    action->timer = (struct timer){.fire = action_fire, .owner = action};
    if (run->actions_last == NULL) {
        run->actions = action;
    } else {
        run->actions_last->next = action;
    }
    run->actions_last = action;
    run->actions_count++;
    snprintf(step->action, sizeof step->action, "%s", action->id);
    return action;
}

static bool arguments_make(struct engine *engine, struct run *run, struct action *action)
{
    struct event event;
    struct scope scope;
    struct nsh_error err = {0};
    scope_run(engine, run, &event, &scope);
    if (!action->completes &&
        eval_arguments(&scope, action->step->step, &run->arena, &action->args, &err) < 0) {
        const char *text = scratch_printf(engine, "%s", err.text);
        if (!verb_speaks(action->verb)) {
            action_ends(engine, action, ACTION_REFUSED, text);
            step_failed(engine, run, text);
            return false;
        }
        /* A person is told all the same, in plain words. */
        action->args = nsh_map(NULL, 0);
        action->text = run_keep(run, text);
    }
    if (verb_speaks(action->verb)) {
        page_arguments(engine, run, &action->args);
    }
    return true;
}

static enum nsh_effect effect_of(const struct action *action)
{
    return verb_speaks(action->verb) ? NSH_READS : action->verb->effect;
}

static void ask_guards(struct engine *engine, struct action *action, unsigned stage,
                       struct guard_verdict *verdict)
{
    struct run *run = action->run;
    struct ask ask = {.stage = stage,
                      .policy = run->policy,
                      .host = run->host,
                      .domain = run->domain,
                      .run = run,
                      .action = action,
                      .verb = action->verb,
                      .effect = effect_of(action)};
    guards_ask(engine, &ask, verdict);
}

void action_begin(struct engine *engine, struct run *run, struct run_step *step,
                  const struct verb *verb, bool completes)
{
    struct action *action = action_new(engine, run, step, verb, NULL);
    if (action == NULL) {
        step_failed(engine, run, "no memory, or too many attempts");
        return;
    }
    const char *text = NULL;
    action->completes = completes;
    bool reached = reach_choose(engine, action, &text);
    run->action = action;
    action_touch(engine, action);
    engine_trace(engine, "action %s %s %s intended", action->id, run->subject, verb->name);
    if (!reached) {
        action_ends(engine, action, ACTION_REFUSED, text);
        step_failed(engine, run, text);
        return;
    }
    if (!arguments_make(engine, run, action)) {
        return;
    }
    struct guard_verdict verdict = {0};
    ask_guards(engine, action, STAGE_INTEND, &verdict);
    if (verdict.block != BLOCK_NONE) {
        action_ends(engine, action, ACTION_REFUSED,
                    scratch_printf(engine, "guard %s: %s", verdict.guard, verdict.text));
        if (reach_falls_unsent(engine, action, &verdict)) {
            action_begin(engine, run, step, verb, false);
        } else {
            step_blocked(engine, run, &verdict);
        }
        return;
    }
    hold_intended(engine, action);
    run_claim(engine, run, effect_of(action));
    budget_take(engine, action);
    run_state_set(engine, run, RUN_RUNNING);
    action_queue(engine, action);
}

void action_ends(struct engine *engine, struct action *action, enum action_state state,
                 const char *text)
{
    struct run *run = action->run;
    action_unqueue(engine, action);
    engine_timer_stop(engine, &action->timer);
    if (text != NULL) {
        action->text = run_keep(run, text);
    }
    action->ended_ms = engine->now_ms;
    action_move(engine, action, state);
    NSH_ASSERT(run->action == action && !action->out);
    run->action = NULL;
    hold_ended(engine, action);
    engine->counters.actions_ok += state == ACTION_DONE || state == ACTION_VERIFIED;
    engine->counters.actions_failed += state == ACTION_FAILED || state == ACTION_REFUSED;
    run_touch(engine, run);
}

/* It was never sent. */
void action_cancel(struct engine *engine, struct action *action, const char *why)
{
    NSH_ASSERT(action->state == ACTION_INTENDED && !action->out);
    budget_return(engine, action);
    action_ends(engine, action, ACTION_CANCELLED, scratch_printf(engine, "never sent: %s", why));
}

/* ---- leave
 * ------------------------------------------------------------------------------------------ */

static bool call_out(struct engine *engine, struct action *action)
{
    struct arena *arena = &engine->output->arena;
    const struct verb *verb = action->verb;
    const char *name = action->reading ? verb->verify : verb->name;
    uint32_t timeout_ms = action->reading ? READ_TIMEOUT_MS : action->timeout_ms;
    struct nsh_value none = nsh_map(NULL, 0);
    struct engine_call call = {
        .action = arena_text(arena, text_of(action->call)),
        .host = arena_text(arena, verb_speaks(verb) || action->run->host == NULL
                                      ? TEXT("")
                                      : action->run->host->key),
        .binding = action->binding,
        .driver = arena_text(arena, text_of(action->driver)),
        .verb = arena_text(arena, text_of(name)),
        .timeout_ms = timeout_ms,
    };
    const struct verb *reads = action->reading ? verb_find(text_of(name)) : NULL;
    if (verb->binding == BINDING_FUNCTION && reads != NULL) {
        call.binding = reach_path(
            action->run->host, reads); /* A function may be proven by what the host itself says. */
        call.driver = TEXT("");
    }
    if (call.action.at == NULL || call.host.at == NULL || call.driver.at == NULL ||
        call.verb.at == NULL ||
        !arena_value(arena, action->reading ? &none : &action->args, &call.args) ||
        map_set(&engine->calls, text_of(action->call), action) < 0) {
        engine->nomem = true;
        return false;
    }
    size_t calls_count = engine->output->calls_count;
    engine_call_out(engine, &call);
    if (engine->output->calls_count == calls_count) {
        map_remove(&engine->calls, text_of(action->call));
        return false;
    }
    action->out = true;
    engine_timer_set(engine, &action->timer,
                     engine->now_ms + (timeout_ms > 0 ? timeout_ms : RESULT_MS_MAX) +
                         RESULT_GRACE_MS,
                     action->number | UINT64_C(3) << 62);
    return true;
}

static void sent(struct engine *engine, struct action *action)
{
    struct run *run = action->run;
    action_move(engine, action, ACTION_SENT);
    action->sent_ms = engine->now_ms;
    enum nsh_effect effect = effect_of(action);
    bool effects = run->effects || effect >= NSH_CHANGES;
    bool interrupted = run->interrupted || effect >= NSH_INTERRUPTS;
    if (effects != run->effects || interrupted != run->interrupted) {
        run->effects = effects;
        run->interrupted = interrupted;
        run_touch(engine, run); /* Else its record would say again what it says already. */
    }
    engine->counters.actions_started++;
    breaker_sent(engine, action);
}

/* It may stay in the queue. Nothing here takes another run's action out of it. */
static void action_send(struct engine *engine, struct action *action)
{
    struct run *run = action->run;
    if (!engine->store_ok) {
        return;
    }
    if (action->reading) {
        action_unqueue(engine, action);
        if (run->host != NULL && run->host->host == NULL) {
            verify_gone(engine, action);
            step_advance(engine, run);
        } else if (!call_out(engine, action)) {
            action_queue(engine, action);
        }
        return;
    }
    const struct verb *verb = action->verb;
    if (step_cleared_skips(run, action->step) && !verb->restores) {
        action_cancel(engine, action, "the alarm cleared");
        step_done(engine, run, "not needed: the alarm cleared");
        step_advance(engine, run);
        return;
    }
    struct guard_verdict verdict = {0};
    ask_guards(engine, action, STAGE_SEND, &verdict);
    if (verdict.block != BLOCK_NONE) {
        action_cancel(engine, action,
                      scratch_printf(engine, "guard %s: %s", verdict.guard, verdict.text));
        step_blocked(engine, run, &verdict);
        step_advance(engine, run);
        return;
    }
    action_unqueue(engine, action);
    if (!call_out(engine, action)) {
        action_queue(engine, action);
        return;
    }
    sent(engine, action);
    return;
}

void actions_release(struct engine *engine)
{
    struct action *action = engine->queue_first;
    while (action != NULL) {
        struct action *next = action->queue_next;
        if (action->needs <= engine->durable) {
            action_send(engine, action);
        }
        action = next;
    }
}

/* ---- come back
 * ---------------------------------------------------------------------------------------- */

static bool nothing_done(int code)
{
    return code == NSH_REFUSED || code == NSH_BUSY || code == NSH_UNREACHABLE;
}

/* The driver says how it ended, and not only that it does not know. */
static bool is_verdict(int code)
{
    return code == NSH_FAILED || code == NSH_UNVERIFIED || code == NSH_MISMATCH ||
           code == NSH_CONFLICT || code == NSH_DENIED || code == NSH_UNSUPPORTED;
}

static void result_keep(struct engine *engine, struct action *action,
                        const struct engine_result *result)
{
    struct arena *arena = &action->run->arena;
    action->code = result->code;
    action->retry_after_ms = result->retry_after_ms;
    const char *text = scratch_printf(engine, "%.*s", PT(result->text));
    bool same = action->text != NULL && strcmp(action->text, text) == 0; /* Of a long outage. */
    action->text = text[0] != 0 && !same ? run_keep(action->run, text) : action->text;
    if (result->trace.count > 0) {
        action->trace = run_keep(action->run, scratch_printf(engine, "%.*s", PT(result->trace)));
    }
    struct nsh_value copy;
    if (!action->completes && result->result.type == NSH_MAP &&
        arena_value(arena, &result->result, &copy)) {
        action->step->result = copy;
    }
    action_touch(engine, action);
}

static const char *words_of(struct engine *engine, const struct action *action)
{
    return scratch_printf(engine, "%s: %s%s%s", action->verb->name, nsh_code_word(action->code),
                          action->text == NULL ? "" : ": ",
                          action->text == NULL ? "" : action->text);
}

static void came_well(struct engine *engine, struct action *action)
{
    const struct verb *verb = action->verb;
    if (verb->verify != NULL && verb->proof != NULL) {
        action_move(engine, action, ACTION_VERIFYING);
        verify_begin(engine, action);
        return;
    }
    struct run *run = action->run;
    run->told = run->told || verb_speaks(verb);
    engine->counters.pages += verb_speaks(verb) && strcmp(verb->name, "page") == 0;
    const char *text = action->text == NULL ? "done" : action->text;
    action->step->did = effect_of(action) >= NSH_CHANGES;
    action_ends(engine, action, ACTION_DONE, NULL);
    step_done(engine, run, text);
}

/* Words that did not arrive, or may not have: said again, with the same token. */
static bool words_again(struct engine *engine, struct action *action)
{
    if (run_is_owed(action->run)) {
        return owed_again(engine, action);
    }
    if (!verb_speaks(action->verb) || words_hopeless(action) ||
        action->attempt >= PAGE_ATTEMPTS_MAX || action->run->cancel != NULL) {
        return false;
    }
    action_move(engine, action, ACTION_INTENDED);
    int64_t delay_ms = (int64_t)PAGE_RETRY_MS << (action->attempt - 1);
    delay_ms = action->retry_after_ms > delay_ms ? action->retry_after_ms : delay_ms;
    action->attempt++;
    action->intended_ms = engine->now_ms;
    engine_timer_set(engine, &action->timer, engine->now_ms + delay_ms,
                     action->number | UINT64_C(3) << 62);
    return true;
}

static void came_undone(struct engine *engine, struct action *action)
{
    struct run *run = action->run;
    struct run_step *step = action->step;
    if (words_again(engine, action)) {
        return;
    }
    const char *text = words_of(engine, action);
    bool again = (nothing_done(action->code) || action->verb->effect == NSH_READS) &&
                 step->attempts <= step->step->retries && !action->completes &&
                 (run->cancel == NULL || run->undoing);
    int64_t delay_ms = action->retry_after_ms > step->step->retry_delay_ms
                           ? action->retry_after_ms
                           : step->step->retry_delay_ms;
    action->undone = true;
    step->silent = action->code == NSH_SILENT;
    budget_return(engine, action);
    bool falls = !again && reach_falls(engine, action);
    action_ends(engine, action, action->code == NSH_REFUSED ? ACTION_REFUSED : ACTION_FAILED, text);
    if (again) {
        step_retry(engine, run, delay_ms, text);
    } else if (falls) {
        action_begin(engine, run, step, action->verb, false);
    } else {
        owed_begin(engine, action);
        step_failed(engine, run, text);
    }
}

static void came_unknown(struct engine *engine, struct action *action)
{
    const struct verb *verb = action->verb;
    engine->counters.actions_unknown++;
    action_move(engine, action, ACTION_UNKNOWN);
    if (words_again(engine, action)) {
        return;
    }
    const char *text = words_of(engine, action);
    if (verb->verify == NULL || verb->proof == NULL) {
        struct run *run = action->run;
        action_ends(engine, action, ACTION_FAILED,
                    scratch_printf(engine, "%s; what it did is not known", text));
        owed_begin(engine, action);
        step_failed(engine, run, scratch_printf(engine, "%s; what it did is not known", text));
        return;
    }
    action->doubt = true;
    action->doomed = is_verdict(action->code) ? run_keep(action->run, text) : NULL;
    action_move(engine, action, ACTION_VERIFYING);
    verify_begin(engine, action);
}

void action_result(struct engine *engine, const struct engine_result *result)
{
    struct action *action = map_remove(&engine->calls, result->action);
    if (action == NULL) {
        engine->late_results++; /* Of a call that was given up. */
        return;
    }
    struct run *run = action->run;
    action->out = false;
    engine_timer_stop(engine, &action->timer);
    run->activity_ms = engine->now_ms;
    breaker_result(engine, action, result->code);
    if (action->reading) {
        action->reading = false;
        verify_result(engine, action, result);
    } else {
        result_keep(engine, action, result);
        engine_trace(engine, "result %s %s%s", action->id, nsh_code_word(result->code),
                     result->code != NSH_OK && result->effect_possible ? ", effect possible" : "");
        if (result->code == NSH_OK) {
            came_well(engine, action);
        } else if (!result->effect_possible || action->verb->effect == NSH_READS) {
            came_undone(engine, action);
        } else {
            came_unknown(engine, action);
        }
    }
    step_advance(engine, run);
}
