/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that ask: `approve` waits for a yes, `veto` for a no. What will be done, to what, why,
 * until when and who may answer stands in the run's record. While it waits before it did anything,
 * the host is free for others; after a yes every guard is asked again, and wins.
 */

#include "engine_private.h"

#include <stdio.h>

#define GATE_AGAIN_MS (10 * SECOND_MS) /* Approved, but others are at work. */

static const struct policy_ask *ask_of(const struct run *run)
{
    return run->steps[run->at].step->ask;
}

bool approve_waits(const struct run *run)
{
    const struct run_step *step = run->at < run->steps_count ? &run->steps[run->at] : NULL;
    return step != NULL && step->state == STEP_RUNNING && step->step->kind == STEP_ASK &&
           run->gate != NULL;
}

/* ---- words ------------------------------------------------------------------------------------
 */

static const char *verb_word(const struct policy_ask *ask)
{
    return ask->verb == NULL ? "the next steps" : ask->verb->name;
}

static void by_words(const struct policy_ask *ask, struct textbuf *text)
{
    for (size_t i = 0; i < ask->by_count; i++) {
        textbuf_addf(text, "%s%s", i == 0 ? "" : ", ", ask->by[i]);
    }
    textbuf_add_chars(text, ask->by_count == 0 ? "any operator" : "");
}

static void said_words(const struct gate *gate, struct textbuf *text)
{
    for (uint32_t i = 0; i < gate->words_count; i++) {
        const struct gate_word *word = &gate->words[i];
        textbuf_addf(text, "%s%s%s%s", i == 0 ? "" : ", ", word->who,
                     word->reason[0] == 0 ? "" : ": ", word->reason);
    }
}

/* Without the time that is left: it stands in the record. */
static void asks_words(const struct run *run, struct textbuf *text)
{
    const struct policy_ask *ask = ask_of(run);
    const struct gate *gate = run->gate;
    if (gate->passed_ms != 0) {
        textbuf_add_chars(text, gate->passed);
        return;
    }
    textbuf_addf(text, "%s of %s on %s ", verb_word(ask), run->policy_name, run->subject);
    if (ask->veto) {
        textbuf_add_chars(text, "unless vetoed by ");
        by_words(ask, text);
    } else {
        textbuf_addf(text, "wants approval, %u of %u given", gate->words_count, ask->count);
        textbuf_add_chars(text, gate->words_count > 0 ? " (" : "");
        said_words(gate, text);
        textbuf_add_chars(text, gate->words_count > 0 ? ")" : "");
        textbuf_add_chars(text, ", asked is ");
        by_words(ask, text);
    }
    textbuf_add_chars(text, ask->veto ? "; at " : "; until ");
    textbuf_add_time(text, gate->ends_ms);
    textbuf_add_chars(text, ask->veto                             ? " it is done"
                            : ask->on_timeout == ON_TIMEOUT_ALLOW ? ", then it is allowed"
                                                                  : ", then it is denied");
}

void approve_words(const struct engine *engine, const struct run *run, struct textbuf *text)
{
    const struct gate *gate = run->gate;
    asks_words(run, text);
    if (gate->passed_ms == 0) {
        int64_t left_ms = gate->ends_ms - engine->now_ms;
        textbuf_add_chars(text, ", in ");
        textbuf_add_span(text, left_ms > 0 ? left_ms : 0);
    }
    textbuf_addf(text, " (nightshift %s %s)", ask_of(run)->veto ? "veto" : "approve", run->id);
}

static void gate_says(struct engine *engine, struct run *run, const char *text)
{
    struct run_step *step = &run->steps[run->at];
    step->text = run_keep(run, text);
    run_touch(engine, run);
    engine_trace(engine, "step %s %s asks: %s", run->id, step->step->name, text);
}

static void gate_asks(struct engine *engine, struct run *run)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    asks_words(run, &text);
    gate_says(engine, run, text.at == NULL ? "" : text.at);
}

const char *approve_page_text(struct engine *engine, const struct run *run)
{
    const struct run_step *step = run->at < run->steps_count ? &run->steps[run->at] : NULL;
    const struct policy_ask *ask = step == NULL ? NULL : step->step->tells;
    if (ask == NULL) {
        return NULL;
    }
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_addf(&text, "%s on %s: %s ", run->policy_name, run->subject, verb_word(ask));
    textbuf_add_chars(&text, ask->veto ? "in " : "wants approval within ");
    textbuf_add_duration(&text, ask->timeout_ms);
    textbuf_addf(&text,
                 ask->veto ? " unless somebody says: nightshift veto %s"
                           : ". Answer with: nightshift approve %s, or deny",
                 run->id);
    return scratch_printf(engine, "%s", text.at == NULL ? "" : text.at);
}

/* ---- the step ---------------------------------------------------------------------------------
 */

bool approve_needed(struct engine *engine, struct run *run, const struct policy_ask *ask,
                    const char **ret_why)
{
    if (ask->of_mode && run->mode != POLICY_APPROVE) {
        *ret_why = scratch_printf(engine, "mode %s: nobody is asked", policy_mode_word(run->mode));
        return false;
    }
    if (run->cleared && !run->pulse) {
        *ret_why = "the alarm is cleared: nobody needs to be asked";
        return false;
    }
    struct event event;
    struct scope scope;
    struct nsh_error err = {0};
    scope_run(engine, run, &event, &scope);
    enum level level = eval_condition(&scope, &ask->ask_if, &err);
    engine->counters.conditions_unknown += level == LEVEL_UNKNOWN;
    if (level == LEVEL_FALSE) {
        *ret_why = scratch_printf(engine, "%s is false: nobody is asked", ask->ask_if.source);
    }
    return level != LEVEL_FALSE; /* Not known: a person says. */
}

void approve_begin(struct engine *engine, struct run *run)
{
    const char *why = NULL;
    const struct policy_ask *ask = ask_of(run);
    if (!approve_needed(engine, run, ask, &why)) {
        step_done(engine, run, why);
        return;
    }
    run->gate = arena_alloc(&run->arena, sizeof *run->gate);
    if (run->gate == NULL) {
        engine->nomem = true;
        step_denied(engine, run, "no memory to ask", false);
        return;
    }
    *run->gate =
        (struct gate){.since_ms = engine->now_ms, .ends_ms = engine->now_ms + ask->timeout_ms};
    run_state_set(engine, run, RUN_WAITING);
    run_give_back(engine, run);
    gate_asks(engine, run);
    approve_look(engine, run);
}

static void arm(struct engine *engine, struct run *run, int64_t due_ms)
{
    engine_timer_set(engine, &run->timer, due_ms, run->number | UINT64_C(1) << 63);
}

static void pass(struct engine *engine, struct run *run, const char *why)
{
    run->gate->passed_ms = engine->now_ms;
    run->gate->passed = run_keep(run, why);
    engine_trace(engine, "gate %s %s", run->id, why);
}

static void guards_again(struct engine *engine, struct run *run, struct guard_verdict *verdict)
{
    struct event event;
    struct scope scope;
    scope_run(engine, run, &event, &scope);
    struct ask ask = {.stage = run->effects ? STAGE_AGAIN : STAGE_AGAIN | STAGE_RESUME,
                      .policy = run->policy,
                      .instance = run->instance,
                      .host = run->host,
                      .domain = run->domain,
                      .run = run,
                      .effect = policy_effect(run->policy),
                      .scope = &scope};
    guards_ask(engine, &ask, verdict);
}

/* Enough said yes: now the guards say. */
static void go(struct engine *engine, struct run *run)
{
    struct gate *gate = run->gate;
    struct guard_verdict verdict = {0};
    guards_again(engine, run, &verdict);
    if (verdict.block == BLOCK_NONE) {
        run_claim(engine, run, run->otherwise ? NSH_READS : policy_effect(run->policy));
        run->activity_ms = engine->now_ms;
        step_done(engine, run, gate->passed);
        return;
    }
    const char *text =
        scratch_printf(engine, "%s; but guard %s: %s", gate->passed, verdict.guard, verdict.text);
    bool wait =
        verdict.block == BLOCK_DEFER && engine->now_ms - gate->passed_ms < engine->guards->queue_ms;
    if (wait) {
        gate_says(engine, run, text);
        arm(engine, run, engine->now_ms + GATE_AGAIN_MS);
        return;
    }
    bool goes_on = run->otherwise || run->steps[run->at].step->on_fail == ON_FAIL_CONTINUE;
    if (goes_on || verdict.block == BLOCK_DEFER) {
        step_denied(engine, run, text, false);
        return;
    }
    step_blocked(engine, run, &verdict);
}

void approve_look(struct engine *engine, struct run *run)
{
    const struct policy_ask *ask = ask_of(run);
    struct gate *gate = run->gate;
    if (run->cleared && !run->pulse) {
        step_done(engine, run, "the alarm is cleared: nobody needs to be asked");
        return;
    }
    if (gate->passed_ms == 0 && engine->now_ms < gate->ends_ms) {
        arm(engine, run, gate->ends_ms);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_add_chars(&text, ask->veto ? "nobody vetoed it within " : "not approved within ");
    textbuf_add_duration(&text, ask->timeout_ms);
    if (gate->passed_ms == 0 && ask->on_timeout == ON_TIMEOUT_DENY) {
        textbuf_addf(&text, ", %u of %u said yes: denied", gate->words_count, ask->count);
        step_denied(engine, run, text.at == NULL ? "" : text.at, false);
        return;
    }
    if (gate->passed_ms == 0) {
        textbuf_add_chars(&text, ask->veto ? "" : ": allowed, as the policy says");
        pass(engine, run, text.at == NULL ? "" : text.at);
    }
    go(engine, run);
}

/* Nobody could answer meanwhile: downtime is not waiting time. */
void approve_resume(struct engine *engine, struct run *run, int64_t down_ms)
{
    if (run->gate == NULL) {
        run->steps[run->at].state = STEP_TODO; /* Asked anew. */
        return;
    }
    run->gate->ends_ms += down_ms > 0 ? down_ms : 0;
    run->gate->passed_ms = run->gate->passed_ms == 0 ? 0 : engine->now_ms;
    if (run->gate->passed_ms == 0) {
        gate_asks(engine, run);
    }
    approve_look(engine, run);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

/* "uid:1000(ops)" is ops and uid:1000, "token:ci" is ci. */
static bool named(struct text actor, const char *who)
{
    size_t count = strlen(who);
    const char *paren = memchr(actor.at, '(', actor.count);
    size_t before = paren == NULL ? actor.count : (size_t)(paren - actor.at);
    if (text_is(actor, who) || (count == before && strncmp(actor.at, who, count) == 0)) {
        return true;
    }
    if (paren != NULL) {
        size_t inside = actor.count - before - 2;
        return count == inside && strncmp(paren + 1, who, count) == 0;
    }
    return actor.count == count + 6 && strncmp(actor.at, "token:", 6) == 0 &&
           strncmp(actor.at + 6, who, count) == 0;
}

static bool may_answer(const struct policy_ask *ask, const struct engine_command *command)
{
    const struct nsh_value *teams = nsh_get(&command->args, "teams");
    for (size_t i = 0; i < ask->by_count; i++) {
        if (named(command->actor, ask->by[i])) {
            return true;
        }
        for (uint32_t t = 0; teams != NULL && teams->type == NSH_LIST && t < teams->count; t++) {
            if (teams->items[t].type == NSH_STRING &&
                strcmp(teams->items[t].text, ask->by[i]) == 0) {
                return true;
            }
        }
    }
    return ask->by_count == 0;
}

/* The run that asks, and that the actor may answer. */
static int asked(struct engine *engine, const struct engine_command *command, struct run **ret_run,
                 struct nsh_error *err)
{
    const char *id = nsh_get_text(&command->args, "id", "");
    struct run *run = map_get(&engine->runs, text_of(id));
    if (run == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "%s: no such run is alive", id);
    }
    if (!approve_waits(run) || run->gate->passed_ms != 0) {
        return nsh_fail(err, NSH_CONFLICT, "%s asks for nothing now: it is %s%s", id,
                        run_state_word(run->state), approve_waits(run) ? ", and was approved" : "");
    }
    if (!may_answer(ask_of(run), command)) {
        CLEANUP(textbuf_donep) struct textbuf who = {0};
        by_words(ask_of(run), &who);
        return nsh_fail(err, NSH_DENIED, "%s is asked of %s, and %.*s is none of them", id,
                        who.at == NULL ? "others" : who.at, PT(command->actor));
    }
    *ret_run = run;
    return 0;
}

static void answer_reply(struct engine *engine, const char *id, const char *state, const char *text)
{
    struct textbuf *json = &engine->reply;
    textbuf_add_char(json, '{');
    json_chars(json, "id", id);
    json_chars(json, "state", state);
    json_chars(json, "text", text);
    textbuf_add_char(json, '}');
}

static int yes(struct engine *engine, struct run *run, const struct engine_command *command,
               struct nsh_error *err)
{
    struct gate *gate = run->gate;
    char actor[128];
    snprintf(actor, sizeof actor, "%.*s", PT(command->actor));
    for (uint32_t i = 0; i < gate->words_count; i++) {
        if (strcmp(gate->words[i].who, actor) == 0) {
            return nsh_fail(err, NSH_EXISTS,
                            "%s approved %s already, at %s: %u different persons must", actor,
                            run->id, engine_time(engine, gate->words[i].ms), ask_of(run)->count);
        }
    }
    NSH_ASSERT(gate->words_count < POLICY_ASK_COUNT_MAX);
    gate->words[gate->words_count++] =
        (struct gate_word){.who = run_keep(run, actor),
                           .reason = run_keep(run, nsh_get_text(&command->args, "reason", "")),
                           .ms = engine->now_ms};
    return 0;
}

int command_approve(struct engine *engine, const struct engine_command *command,
                    struct nsh_error *err)
{
    struct run *run = NULL;
    int result = asked(engine, command, &run, err);
    result = result == 0 ? yes(engine, run, command, err) : result;
    if (result < 0) {
        return result;
    }
    const struct policy_ask *ask = ask_of(run);
    struct gate *gate = run->gate;
    if (gate->words_count < ask->count) {
        gate_asks(engine, run);
        answer_reply(engine, run->id, "waiting",
                     scratch_printf(engine, "%u of %u approved: another person is needed",
                                    gate->words_count, ask->count));
        return 0;
    }
    CLEANUP(textbuf_donep) struct textbuf why = {0};
    textbuf_add_chars(&why, "approved by ");
    said_words(gate, &why);
    pass(engine, run, why.at == NULL ? "" : why.at);
    approve_look(engine, run);
    step_advance(engine, run);
    answer_reply(engine, run->id, run_state_word(run->state),
                 run->ended             ? run->reason
                 : approve_waits(run)   ? run->steps[run->at].text
                 : run->failure != NULL ? run->failure
                                        : "approved: it goes on");
    return 0;
}

int command_deny(struct engine *engine, const struct engine_command *command, struct nsh_error *err)
{
    struct run *run = NULL;
    const char *reason = nsh_get_text(&command->args, "reason", "");
    if (reason[0] == 0) {
        return nsh_fail(err, NSH_INVALID, "a no needs a reason: others will ask");
    }
    int result = asked(engine, command, &run, err);
    if (result < 0) {
        return result;
    }
    const char *text =
        scratch_printf(engine, "%s by %.*s: %s", ask_of(run)->veto ? "vetoed" : "denied",
                       PT(command->actor), reason);
    step_denied(engine, run, text, true);
    if (!run->ended) {
        step_advance(engine, run);
    }
    answer_reply(engine, run->id, run_state_word(run->state), "no step of it is done");
    return 0;
}

/* ---- kept and shown ---------------------------------------------------------------------------
 */

static void words_json(const struct gate *gate, struct textbuf *json)
{
    textbuf_add_chars(json, ",\"approved\":[");
    for (uint32_t i = 0; i < gate->words_count; i++) {
        textbuf_add_chars(json, i == 0 ? "{" : ",{");
        json_chars(json, "by", gate->words[i].who);
        json_chars(json, "reason", gate->words[i].reason);
        json_int(json, "time_ms", gate->words[i].ms);
        textbuf_add_char(json, '}');
    }
    textbuf_add_char(json, ']');
}

static void gate_members(const struct run *run, struct textbuf *json)
{
    const struct policy_ask *ask = ask_of(run);
    const struct gate *gate = run->gate;
    json_chars(json, "for", ask->veto ? "veto" : "approval");
    json_chars(json, "what", verb_word(ask));
    json_int(json, "count", ask->count);
    json_int(json, "given", gate->words_count);
    json_chars(json, "on_timeout", ask->on_timeout == ON_TIMEOUT_ALLOW ? "allow" : "deny");
    json_int(json, "since_ms", gate->since_ms);
    json_int(json, "ends_ms", gate->ends_ms);
    json_int(json, "passed_ms", gate->passed_ms);
    json_chars(json, "passed", gate->passed);
    textbuf_add_chars(json, ",\"by\":[");
    for (size_t i = 0; i < ask->by_count; i++) {
        textbuf_add_chars(json, i == 0 ? "" : ",");
        textbuf_add_json(json, text_of(ask->by[i]));
    }
    textbuf_add_char(json, ']');
    words_json(gate, json);
}

void approve_json(const struct engine *engine, const struct run *run, struct textbuf *json)
{
    textbuf_add_char(json, '{');
    gate_members(run, json);
    textbuf_add_char(json, '}');
}

void approvals_json(struct engine *engine, struct textbuf *json)
{
    bool first = true;
    textbuf_add_char(json, '[');
    for (struct run *run = engine->runs_first; run != NULL; run = run->next) {
        if (run->ended || !approve_waits(run)) {
            continue;
        }
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        int64_t left_ms = run->gate->ends_ms - engine->now_ms;
        textbuf_add_chars(json, first ? "{" : ",{");
        first = false;
        json_chars(json, "id", run->id);
        json_chars(json, "policy", run->policy_name);
        json_chars(json, "subject", run->subject);
        json_chars(json, "host", run->host == NULL ? "" : run->host->name);
        json_chars(json, "alarm", run->alarm);
        json_chars(json, "step", run->steps[run->at].step->name);
        json_int(json, "left_ms", left_ms > 0 ? left_ms : 0);
        approve_words(engine, run, &text);
        json_chars(json, "text", text.at == NULL ? "" : text.at);
        gate_members(run, json);
        textbuf_add_char(json, '}');
    }
    textbuf_add_char(json, ']');
}

void approve_load(struct run *run, const struct nsh_value *value)
{
    if (value == NULL || value->type != NSH_MAP || run->at >= run->steps_count ||
        run->steps[run->at].step->kind != STEP_ASK) {
        return;
    }
    struct gate *gate = run->gate = arena_alloc(&run->arena, sizeof *run->gate);
    if (gate == NULL) {
        return;
    }
    const char *passed = nsh_get_text(value, "passed", "");
    *gate = (struct gate){.since_ms = nsh_get_int(value, "since_ms", 0),
                          .ends_ms = nsh_get_int(value, "ends_ms", 0),
                          .passed_ms = nsh_get_int(value, "passed_ms", 0),
                          .passed = passed[0] == 0 ? NULL : run_keep(run, passed)};
    const struct nsh_value *words = nsh_get(value, "approved");
    for (uint32_t i = 0; words != NULL && words->type == NSH_LIST && i < words->count &&
                         gate->words_count < POLICY_ASK_COUNT_MAX;
         i++) {
        gate->words[gate->words_count++] = (struct gate_word){
            .who = run_keep(run, nsh_get_text(&words->items[i], "by", "")),
            .reason = run_keep(run, nsh_get_text(&words->items[i], "reason", "")),
            .ms = nsh_get_int(&words->items[i], "time_ms", 0)};
    }
}
