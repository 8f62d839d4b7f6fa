/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guards: a table of checks (guards.def), asked in order, the first that blocks decides. Each
 * says why, with the figures, whether it passes or not.
 */

#include "engine_private.h"

#define STAGE_ALL (STAGE_DECIDE | STAGE_INTEND | STAGE_SEND)

/* True: passes. text gets one line either way. */
typedef bool (*guard_fn)(struct engine *engine, struct ask *ask, struct textbuf *text);

static bool check_mode(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    textbuf_addf(text, "%s", policy_mode_word(ask->policy->mode));
    return true; /* What follows from it is decided when the others have spoken. */
}

static bool check_age(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    int64_t max_ms = engine->guards->event_max_age_ms;
    textbuf_add_chars(text, "the event was ");
    textbuf_add_span(text, ask->instance->lag_ms);
    textbuf_add_chars(text, " old, at most ");
    textbuf_add_duration(text, max_ms);
    return ask->instance->lag_ms <= max_ms;
}

static bool check_unless(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    for (size_t i = 0; i < ask->policy->unless_count; i++) {
        const struct policy_condition *condition = &ask->policy->unless[i];
        struct nsh_error err = {0};
        enum level level = eval_condition(ask->scope, condition, &err);
        if (level == LEVEL_TRUE) {
            textbuf_addf(text, "%s is true", condition->source);
            return false;
        }
        if (level == LEVEL_UNKNOWN) {
            engine->counters.conditions_unknown++;
            textbuf_addf(text, "%s is not known: %s", condition->source, err.text);
            ask->instead = BLOCK_REFUSE; /* A person must look. */
            return false;
        }
    }
    textbuf_addf(text, "none of %zu holds", ask->policy->unless_count);
    return true;
}

static bool check_expiry(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    int64_t age_ms = engine->now_ms - ask->action->intended_ms;
    textbuf_add_chars(text, "intended ");
    textbuf_add_span(text, age_ms);
    textbuf_add_chars(text, " ago, at most ");
    textbuf_add_duration(text, engine->guards->intent_max_age_ms);
    return age_ms <= engine->guards->intent_max_age_ms;
}

static bool check_freeze(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct freeze *freeze = freeze_over(engine, ask);
    if (freeze == NULL) {
        textbuf_add_chars(text, "not frozen");
        return true;
    }
    if (freeze->policy != NULL) {
        textbuf_addf(text, "%s: %s held by %s (%s); until ", freeze->scope,
                     freeze->actions == NULL ? "everything is" : freeze->actions, freeze->reason,
                     freeze->id);
    } else {
        textbuf_addf(text, "%s is frozen by %s (%s): %s; until ", freeze->scope, freeze->owner,
                     freeze->id, freeze->reason);
    }
    textbuf_add_time(text, freeze->expires_ms);
    return false;
}

static bool check_calendar(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    return calendar_check(engine, ask, text);
}

/* What the step says must be so, right before it. */
static bool check_need(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct policy_step *step = ask->action->step->step;
    struct event event;
    struct scope scope;
    scope_run(engine, ask->run, &event, &scope);
    for (size_t i = 0; i < step->needs_count && !ask->action->completes; i++) {
        struct nsh_error err = {0};
        enum level level = eval_condition(&scope, &step->needs[i], &err);
        if (level != LEVEL_TRUE) {
            engine->counters.conditions_unknown += level == LEVEL_UNKNOWN;
            textbuf_addf(text, level == LEVEL_FALSE ? "%s is false" : "%s is not known: %s",
                         step->needs[i].source, err.text);
            return false;
        }
    }
    textbuf_addf(text, "%zu conditions hold", step->needs_count);
    return true;
}

static bool check_once(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    int64_t window_ms = policy_once_within(engine, ask->policy);
    if (ask->instance->once_ms == INT64_MIN) {
        textbuf_add_chars(text, "first time, once within ");
        textbuf_add_duration(text, window_ms);
        return true;
    }
    int64_t age_ms = engine->now_ms - ask->instance->once_ms;
    textbuf_add_chars(text, "last ");
    textbuf_add_span(text, age_ms);
    textbuf_add_chars(text, " ago, once within ");
    textbuf_add_duration(text, window_ms);
    return age_ms >= window_ms;
}

static bool check_inventory(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    bool known = ask->host == NULL || ask->host->host != NULL;
    textbuf_addf(text, "%s is %s the inventory",
                 ask->host == NULL ? "the subject" : ask->host->name, known ? "in" : "not in");
    return known;
}

static bool check_maintenance(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    bool maintenance = ask->host != NULL && ask->host->host != NULL && ask->host->host->maintenance;
    textbuf_add_chars(text, maintenance ? "people work on the host" : "no maintenance");
    return !maintenance;
}

static bool check_store(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    textbuf_add_chars(text, engine->store_ok ? "the store is well"
                                             : "the store is failing: nothing acts");
    ask->wait_on = &engine->waiting_store;
    return engine->store_ok;
}

static bool check_blind(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    CLEANUP(textbuf_donep) struct textbuf why = {0};
    bool blind = blind_why(engine, &why);
    textbuf_addf(text, blind ? "blind: %s" : "sources speak, the inventory is whole%s",
                 blind ? why.at : "");
    return !blind;
}

static bool brakes_at_all(const struct ask *ask)
{
    if ((ask->stage & STAGE_LEASE) != 0) {
        return true;
    }
    if (ask->verb != NULL) {
        return !ask->verb->restores;
    }
    for (size_t i = 0; i < ask->policy->steps_count; i++) {
        const struct verb *verb = ask->policy->steps[i].verb;
        if (verb != NULL && verb->effect >= NSH_INTERRUPTS && !verb->restores) {
            return true;
        }
    }
    return false;
}

static bool check_brake(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct brake *brake = brake_over(ask->host, ask->domain);
    if (brake == NULL) {
        textbuf_add_chars(text, "no storm");
        return true;
    }
    bool restores = !brakes_at_all(ask);
    textbuf_addf(text, "brake %s on %s: %s%s", brake->id, brake->domain_key, brake->reason,
                 restores ? "; what restores may pass" : "");
    return restores;
}

static bool check_interrupts(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct policy_guards *guards = engine->guards;
    if (ask->host == NULL) {
        textbuf_add_chars(text, "no host");
        return true;
    }
    uint32_t count = ring_count(&ask->host->interrupts, engine->now_ms, guards->host_interrupts_ms);
    textbuf_addf(text, "%u of %u interrupts on %s in ", count, guards->host_interrupts_max,
                 ask->host->name);
    budget_window(text, guards->host_interrupts_ms);
    return count < guards->host_interrupts_max;
}

static bool check_budget(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    return budget_check(engine, ask, text);
}

/* Of the members, how many serve when this one does not. */
static bool check_quorum(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct quorum *quorum = host_quorum(engine, ask->host);
    if (quorum == NULL) {
        textbuf_add_chars(text, "in no quorum");
        return true;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < quorum->count; i++) {
        const struct host_state *member = quorum->members[i];
        bool serves = member != ask->host && member->unhealthy == 0 && member->brake == NULL &&
                      !member->host->maintenance && member->lease == NULL &&
                      (member->run == NULL || !member->run->interrupting);
        left += serves;
    }
    uint32_t need = quorum->count / 2 + 1;
    textbuf_addf(text, "%u of %u members of quorum %s would be left, %u are needed", left,
                 quorum->count, ask->host->host->quorum, need);
    return left >= need;
}

static bool check_ready(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    return pool_ready_check(engine, ask, text);
}

static bool check_lease(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    return lease_check(engine, ask, text);
}

static bool check_one_run(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct run *other = ask->host == NULL ? NULL : ask->host->run;
    const struct run *parent = ask->run == NULL ? NULL : ask->run->parent;
    if (other == NULL || other == ask->run || other == parent) {
        textbuf_add_chars(text, "no other run");
        return true;
    }
    textbuf_addf(text, "%s of %s is at work on %s", other->id, other->policy_name, ask->host->name);
    ask->wait_on = &ask->host->waiting;
    ask->instead = ask->stage == STAGE_INTEND ? BLOCK_REFUSE : BLOCK_NONE;
    return false;
}

static bool check_hold(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    return hold_check(engine, ask, text);
}

static bool check_breaker(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    return breaker_check(engine, ask, text);
}

static bool check_ladder(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    if ((ask->stage & STAGE_LEASE) != 0) {
        textbuf_add_chars(text, "no ladder of ours");
        return true;
    }
    return ladder_check(engine, ask, text);
}

static bool check_witness(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    return witness_check(engine, ask, text);
}

static bool check_concurrent(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    return concurrent_check(engine, ask, text);
}

static const struct guard {
    const char *name;
    unsigned stages;
    enum nsh_effect effect;
    enum guard_block block;
    guard_fn check;
} guards_table[] = {
#define GUARD(guard_name, guard_stages, guard_effect, guard_block, guard_check)                    \
    {                                                                                              \
        .name = (guard_name),                                                                      \
        .stages = (guard_stages),                                                                  \
        .effect = (guard_effect),                                                                  \
        .block = (guard_block),                                                                    \
        .check = (guard_check),                                                                    \
    },
#include "engine/guards.def"
#undef GUARD
};

static void verdict_json(struct textbuf *json, const struct guard *guard, bool pass,
                         const struct textbuf *text)
{
    textbuf_add_chars(json, json->count == 0 ? "{" : ",{");
    size_t start = json->count;
    json_chars(json, "name", guard->name);
    json_chars(json, "result", pass ? "pass" : "block");
    json_text(json, "text", (struct text){text->at, (uint32_t)text->count});
    NSH_ASSERT(json->failed || json->count > start);
    textbuf_add_char(json, '}');
}

void guards_ask(struct engine *engine, struct ask *ask, struct guard_verdict *verdict)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    verdict->block = BLOCK_NONE;
    verdict->guard = verdict->text = "";
    for (size_t i = 0; i < sizeof guards_table / sizeof guards_table[0]; i++) {
        const struct guard *guard = &guards_table[i];
        if ((guard->stages & ask->stage) == 0 || ask->effect < guard->effect) {
            continue;
        }
        textbuf_clear(&text);
        ask->instead = BLOCK_NONE;
        ask->wait_on = NULL;
        ask->again_ms = 0;
        bool pass = guard->check(engine, ask, &text);
        if (verdict->json != NULL) {
            verdict_json(verdict->json, guard, pass, &text);
        }
        if (!pass) {
            verdict->block = ask->instead != BLOCK_NONE ? ask->instead : guard->block;
            verdict->guard = guard->name;
            verdict->again_ms = ask->again_ms;
            verdict->text = scratch_printf(engine, "%s", text.at == NULL ? "" : text.at);
            return;
        }
    }
}

enum nsh_effect policy_effect(const struct policy *policy)
{
    enum nsh_effect worst = NSH_READS;
    for (size_t i = 0; i < policy->steps_count; i++) {
        const struct verb *verb = policy->steps[i].kind == STEP_ACT ? policy->steps[i].verb : NULL;
        if (verb != NULL && !verb_speaks(verb) && verb->effect > worst) {
            worst = verb->effect;
        }
    }
    return worst;
}
