/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision: once for each activation, when `for` and `settle` have passed. The guards are asked
 * in their order; what they said is kept with the conditions and their values.
 */

#include "engine_private.h"

#include <stdio.h>

enum outcome { RUN, WOULD_RUN, SUGGESTED, SKIPPED, REFUSED, DEFERRED, HELD, EXPIRED };

static const char *const outcome_words[] = {
    [RUN] = "run",         [WOULD_RUN] = "would-run", [SUGGESTED] = "suggested",
    [SKIPPED] = "skipped", [REFUSED] = "refused",     [DEFERRED] = "deferred",
    [HELD] = "held",       [EXPIRED] = "expired",
};

struct judgement {
    enum outcome outcome;
    const char *reason;
    const char *guards;     /* JSON list without brackets. */
    const char *conditions; /* The same, texts. */
    struct waiting *wait_on;
    char run[ID_BYTES];
};

static void lines_to_json(struct textbuf *lines, struct textbuf *json)
{
    const char *at = lines->at == NULL ? "" : lines->at;
    while (*at != 0) {
        size_t count = strcspn(at, "\n");
        if (count > 0) {
            textbuf_add_chars(json, json->count == 0 ? "" : ",");
            textbuf_add_json(json, (struct text){at, (uint32_t)count});
        }
        at += count + (at[count] == '\n');
    }
}

static const char *explain(struct engine *engine, const struct instance *instance,
                           struct scope *scope)
{
    CLEANUP(textbuf_donep) struct textbuf lines = {0};
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    const struct policy *policy = scope->policy;
    if (policy->when.severity_min > SEVERITY_INFO && scope->event != NULL) {
        textbuf_addf(&lines, "event.severity >= %s = true (event.severity = %s)\n",
                     severity_word(policy->when.severity_min),
                     severity_word(scope->event->severity));
    }
    eval_explain(scope, &policy->when.condition, &lines);
    textbuf_add_chars(&lines, lines.count > 0 && lines.at[lines.count - 1] != '\n' ? "\n" : "");
    why_trigger(engine, instance, &lines);
    for (size_t i = 0; i < policy->unless_count; i++) {
        textbuf_add_chars(&lines, lines.count > 0 && lines.at[lines.count - 1] != '\n' ? "\n" : "");
        CLEANUP(textbuf_donep) struct textbuf unless = {0};
        eval_explain(scope, &policy->unless[i], &unless);
        if (unless.count > 0) {
            textbuf_addf(&lines, "unless %s", unless.at);
        }
    }
    lines_to_json(&lines, &json);
    return scratch_printf(engine, "%s", json.at == NULL ? "" : json.at);
}

/* What becomes of it when the guards have spoken. */
static enum outcome outcome_of(const struct policy *policy, const struct guard_verdict *verdict)
{
    bool enforce = policy->mode >= POLICY_APPROVE;
    switch (verdict->block) {
    case BLOCK_SKIP:
        return SKIPPED;
    case BLOCK_REFUSE:
        return REFUSED;
    case BLOCK_HOLD:
        return HELD;
    case BLOCK_EXPIRE:
        return EXPIRED;
    case BLOCK_DEFER:
        if (enforce) {
            return DEFERRED;
        }
        break;
    case BLOCK_NONE:
        if (enforce) {
            return RUN;
        }
        break;
    }
    return policy->mode == POLICY_OBSERVE ? WOULD_RUN : SUGGESTED;
}

static const char *reason_of(struct engine *engine, const struct policy *policy,
                             const struct guard_verdict *verdict, enum outcome outcome)
{
    if (verdict->block == BLOCK_DEFER && outcome != DEFERRED) {
        return scratch_printf(engine, "mode %s; it would wait: %s", policy_mode_word(policy->mode),
                              verdict->text);
    }
    if (verdict->block != BLOCK_NONE) {
        return verdict->text;
    }
    switch (policy->mode) {
    case POLICY_OBSERVE:
        return "mode observe: all guards pass, nothing is done";
    case POLICY_SUGGEST:
        return "mode suggest: all guards pass, a person may do it";
    case POLICY_APPROVE:
        return "mode approve: all guards pass, a person is asked";
    case POLICY_ENFORCE:
        break;
    }
    return "all guards pass";
}

/* Nobody saw it again: nothing is done to the host, a person is told. */
static void judge_unseen(const struct instance *instance, struct judgement *judgement,
                         const char *why)
{
    bool acts = judgement->outcome == RUN || judgement->outcome == DEFERRED;
    if (!acts && judgement->outcome > SUGGESTED) {
        return; /* A guard had a better reason. */
    }
    judgement->outcome = instance->policy->mode >= POLICY_APPROVE ? REFUSED : EXPIRED;
    judgement->reason = why;
    judgement->wait_on = NULL;
}

static void judge(struct engine *engine, struct instance *instance, struct scope *scope,
                  struct judgement *judgement)
{
    CLEANUP(textbuf_donep) struct textbuf guards = {0};
    struct ask ask = {.stage = STAGE_DECIDE,
                      .policy = instance->policy,
                      .instance = instance,
                      .host = instance->host,
                      .domain = instance->domain,
                      .effect = policy_effect(instance->policy),
                      .scope = scope};
    struct guard_verdict verdict = {.json = &guards};
    guards_ask(engine, &ask, &verdict);
    if (verdict.block == BLOCK_NONE && engine->runs.count >= ENGINE_RUNS_MAX) {
        verdict.block = BLOCK_HOLD;
        verdict.text = "as many runs are alive as there may be";
    }
    judgement->outcome = outcome_of(instance->policy, &verdict);
    judgement->wait_on = ask.wait_on;
    int64_t waited_ms = engine->now_ms - instance->decided_ms;
    if (judgement->outcome == DEFERRED && instance->state == INST_DEFERRED &&
        waited_ms >= engine->guards->queue_ms) {
        judgement->outcome = REFUSED;
        CLEANUP(textbuf_donep) struct textbuf waited = {0};
        textbuf_add_span(&waited, waited_ms);
        judgement->reason =
            scratch_printf(engine, "waited %s, and still %s", waited.at, verdict.text);
    } else {
        judgement->reason = reason_of(engine, instance->policy, &verdict, judgement->outcome);
    }
    judgement->guards = scratch_printf(engine, "%s", guards.at == NULL ? "" : guards.at);
    judgement->conditions = explain(engine, instance, scope);
}

static void decision_record(struct engine *engine, struct instance *instance,
                            const struct judgement *judgement)
{
    struct textbuf *json = &engine->json;
    const char *word = outcome_words[judgement->outcome];
    const char *host = instance->host == NULL ? "" : instance->host->name;
    textbuf_clear(json);
    textbuf_add_char(json, '{');
    json_chars(json, "id", instance->decision);
    json_chars(json, "policy", instance->policy->name);
    json_chars(json, "mode", policy_mode_word(instance->policy->mode));
    json_text(json, "subject", instance->subject);
    json_chars(json, "host", host);
    json_chars(json, "alarm", instance->alarm);
    json_chars(json, "outcome", word);
    json_chars(json, "reason", judgement->reason);
    json_int(json, "time", engine->now_ms);
    textbuf_addf(json, ",\"conditions\":[%s],\"guards\":[%s]", judgement->conditions,
                 judgement->guards);
    json_chars(json, "run", judgement->run);
    textbuf_add_char(json, '}');
    record_emit(engine, &(struct record){.kind = RECORD_DECISION,
                                         .time_ms = engine->now_ms,
                                         .id = text_of(instance->decision),
                                         .host = text_of(host),
                                         .policy = text_of(instance->policy->name),
                                         .state = text_of(word),
                                         .body = {json->at, (uint32_t)json->count}});
    engine_trace(engine, "decision %s %s %.*s %s: %s", instance->decision, instance->policy->name,
                 PT(instance->subject), word, judgement->reason);
}

static void start(struct engine *engine, struct instance *instance,
                  const struct judgement *judgement, const struct event *event)
{
    run_start(engine, &(struct run_order){
                          .policy = instance->policy,
                          .set = engine->set,
                          .instance = instance,
                          .host = instance->host,
                          .domain = instance->domain,
                          .subject = instance->subject.at,
                          .alarm = instance->alarm,
                          .decision = instance->decision,
                          .id = judgement->run,
                          .event = {(const char *)instance->event, (uint32_t)instance->event_bytes},
                          .severity = event == NULL ? SEVERITY_MAJOR : event->severity,
                          .pulse = instance->pulse,
                          .refused = judgement->outcome == REFUSED ? judgement->reason : NULL,
                      });
}

static void decided(struct engine *engine, struct instance *instance,
                    const struct judgement *judgement, const struct event *event)
{
    struct waiting *before = instance->waiting;
    instance_unwait(instance);
    if (judgement->outcome == DEFERRED) {
        if (instance->state != INST_DEFERRED) {
            instance_state_set(engine, instance, INST_DEFERRED);
            instance->decided_ms = engine->now_ms;
            engine_timer_set(engine, &instance->timer, engine->now_ms + engine->guards->queue_ms,
                             (uint64_t)instance->policy->index << 32 |
                                 (instance->number & UINT32_MAX));
        }
        if (judgement->wait_on != NULL) {
            instance_wait(instance, judgement->wait_on, judgement->wait_on == before);
        }
        return;
    }
    engine_timer_stop(engine, &instance->timer);
    instance->decided_ms = engine->now_ms;
    instance_state_set(engine, instance, INST_ACTIVE);
    instance_raising(engine, instance, true);
    if (judgement->outcome <= SUGGESTED || judgement->outcome == REFUSED) {
        instance->once_ms = engine->now_ms;
        instance_arm_forget(engine, instance);
    }
    if (judgement->outcome == RUN) {
        policy_holds(engine, instance);
    }
    if (judgement->run[0] != 0) {
        start(engine, instance, judgement, event);
    }
    if (instance->pulse && instance->state == INST_ACTIVE) {
        instance_pulse_over(engine, instance);
    }
}

/* unseen: NULL, or why it can only be a person's. */
static void decide_as(struct engine *engine, struct instance *instance, const char *unseen)
{
    NSH_ASSERT(instance->state == INST_SETTLING || instance->state == INST_DEFERRED);
    struct event event;
    bool known = instance->event_bytes > 0 &&
                 event_unpack(instance->event, instance->event_bytes, &event, NULL) > 0;
    struct scope scope = {.engine = engine,
                          .event = known ? &event : NULL,
                          .host = instance->host != NULL ? instance->host
                                  : known                ? map_get(&engine->hosts, event.host)
                                                         : NULL,
                          .domain = instance->domain,
                          .subject = instance->subject.at,
                          .policy = instance->policy,
                          .alarm = map_get(&engine->alarm_ids, text_of(instance->alarm)),
                          .alarm_id = instance->alarm};
    struct judgement judgement = {0};
    bool again = instance->state == INST_DEFERRED;
    judge(engine, instance, &scope, &judgement);
    if (unseen != NULL) {
        judge_unseen(instance, &judgement, unseen);
    }
    if (!again) {
        engine_id(engine, COUNT_DECISION, "dec", instance->decision);
        engine->counters.decisions++;
    }
    bool pages = instance->policy->mode >= POLICY_APPROVE;
    if (judgement.outcome == RUN || (judgement.outcome == REFUSED && pages)) {
        engine_id(engine, COUNT_RUN, "run", judgement.run);
    }
    if (!again || judgement.outcome != DEFERRED) {
        decision_record(engine, instance, &judgement);
    }
    decided(engine, instance, &judgement, known ? &event : NULL);
}

void decide(struct engine *engine, struct instance *instance)
{
    decide_as(engine, instance, NULL);
}

void decide_unseen(struct engine *engine, struct instance *instance, const char *why)
{
    decide_as(engine, instance, why);
}

/* The first in line is asked until one must wait on. */
void decide_again(struct engine *engine, struct waiting *waiting)
{
    struct instance *first = NULL;
    while ((first = waiting->first) != NULL) {
        decide(engine, first);
        scratch_relax(engine);
        if (waiting->first == first) {
            return;
        }
    }
}

void decide_dropped(struct engine *engine, struct instance *instance, const char *why)
{
    instance_unwait(instance);
    if (instance->state != INST_DEFERRED) {
        engine_id(engine, COUNT_DECISION, "dec", instance->decision);
        engine->counters.decisions++;
    }
    struct judgement judgement = {.outcome = EXPIRED,
                                  .reason = scratch_printf(engine, "%s while it waited", why),
                                  .guards = "",
                                  .conditions = ""};
    decision_record(engine, instance, &judgement);
}
