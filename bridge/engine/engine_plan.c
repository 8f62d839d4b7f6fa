/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would be done now (plan) and how things are (status): both change nothing.
 *
 * They walk everything raised: for people, not for machines that ask every second.
 */

#include "engine_domain.h"

#define PLAN_ROWS_MAX 2000

struct planning {
    struct textbuf *json;
    const struct event *event;
    struct alarm *alarm;
    uint32_t rows;
};

static const struct verb *first_act(const struct policy *policy)
{
    for (size_t i = 0; i < policy->steps_count; i++) {
        if (policy->steps[i].kind == STEP_ACT) {
            return policy->steps[i].verb;
        }
    }
    return NULL;
}

static const char *outcome_word(const struct policy *policy, const struct guard_verdict *verdict)
{
    static const char *const words[] = {
        [BLOCK_NONE] = "run",       [BLOCK_SKIP] = "skipped", [BLOCK_REFUSE] = "refused",
        [BLOCK_DEFER] = "deferred", [BLOCK_HOLD] = "held",    [BLOCK_EXPIRE] = "expired"};
    if (verdict->block == BLOCK_NONE && policy->mode < POLICY_APPROVE) {
        return policy->mode == POLICY_OBSERVE ? "would-run" : "suggested";
    }
    return words[verdict->block];
}

/* The outcome of a subject whose time has not come, or is over; NULL: the guards say. */
static const char *not_now(const struct instance *instance)
{
    if (instance == NULL || instance->state == INST_IDLE) {
        return NULL;
    }
    return instance->state == INST_ACTIVE ? "decided" : "waiting";
}

static void not_now_why(struct engine *engine, const struct instance *instance,
                        const struct guard_verdict *verdict, struct textbuf *why)
{
    if (instance->state == INST_ACTIVE) {
        const struct run *run = instance->run;
        textbuf_addf(why, "%s%s%s: nothing more for this alarm", instance->decision,
                     run == NULL ? "" : ", ", run == NULL ? "" : run->id);
        const struct run_step *step =
            run == NULL || run->at >= run->steps_count ? NULL : &run->steps[run->at];
        if (run != NULL && approve_waits(run)) {
            textbuf_add_chars(why, "; ");
            approve_words(engine, run, why);
        } else if (step != NULL && step->state == STEP_RUNNING && step->text != NULL) {
            textbuf_addf(why, "; step %s: %s", step->step->name, step->text);
        }
        return;
    }
    textbuf_add_chars(why, instance_state_word(instance->state));
    if (heap_has(&instance->timer.node) && instance->timer.node.due > engine->now_ms) {
        textbuf_add_chars(why, ", due in ");
        textbuf_add_span(why, instance->timer.node.due - engine->now_ms);
    }
    textbuf_addf(why, "; then %s",
                 verdict->block == BLOCK_NONE ? "all guards pass" : verdict->text);
}

static void plan_row(struct engine *engine, const struct policy *policy, struct host_state *host,
                     struct domain_state *domain, void *arg)
{
    struct planning *planning = arg;
    if (planning->rows++ >= PLAN_ROWS_MAX) {
        return;
    }
    struct instance *known = instance_find(engine, policy, host, domain);
    struct instance fresh = {.policy = policy, .once_ms = INT64_MIN};
    struct instance *instance = known == NULL ? &fresh : known;
    struct scope scope = {.engine = engine,
                          .event = planning->event,
                          .host = host,
                          .domain = domain,
                          .subject = domain == NULL ? host->name : domain->key.at,
                          .policy = policy,
                          .alarm = planning->alarm,
                          .alarm_id = planning->alarm->id};
    struct ask ask = {.stage = STAGE_DECIDE,
                      .policy = policy,
                      .instance = instance,
                      .host = domain == NULL ? host : domain->owner,
                      .domain = domain,
                      .effect = policy_effect(policy),
                      .scope = &scope};
    struct guard_verdict verdict = {0};
    const char *early = not_now(known);
    CLEANUP(textbuf_donep) struct textbuf why = {0};
    guards_ask(engine, &ask, &verdict);
    if (early != NULL) {
        not_now_why(engine, known, &verdict, &why);
    } else {
        textbuf_add_chars(&why, verdict.block != BLOCK_NONE ? verdict.text : "all guards pass");
    }
    const struct verb *verb = first_act(policy);
    struct textbuf *json = planning->json;
    textbuf_add_chars(json, planning->rows == 1 ? "{" : ",{");
    json_chars(json, "verb", verb == NULL ? "" : verb->name);
    json_chars(json, "host", domain == NULL || domain->owner != NULL ? host->name : "");
    json_chars(json, "subject", scope.subject);
    json_chars(json, "policy", policy->name);
    json_chars(json, "mode", policy_mode_word(policy->mode));
    json_chars(json, "alarm", planning->alarm->id);
    json_chars(json, "outcome", early != NULL ? early : outcome_word(policy, &verdict));
    json_chars(json, "reason", why.at == NULL ? "" : why.at);
    textbuf_add_char(json, '}');
}

void plan_reply(struct engine *engine, struct textbuf *json)
{
    struct planning planning = {.json = json};
    uint64_t unknown = engine->counters.conditions_unknown;
    textbuf_add_chars(json, "{\"actions\":[");
    MAP_EACH (&engine->alarms, entry) {
        struct alarm *alarm = entry->value;
        const struct type_state *type =
            alarm->raised ? type_ready(engine, alarm->type_state, alarm->type) : NULL;
        struct text none = {NULL, 0};
        struct event event = {.host = alarm->host_name,
                              .subject = alarm->domain != NULL ? alarm->domain->key : none,
                              .type = alarm->type,
                              .resource = alarm->resource,
                              .qualifier = alarm->qualifier,
                              .source = text_of(alarm->source),
                              .name = text_of(alarm->name),
                              .message = text_of(alarm->message),
                              .severity = alarm->severity,
                              .state = EVENT_RAISE,
                              .seq = alarm->seq,
                              .time_ms = alarm->raise_at};
        planning.event = &event;
        planning.alarm = alarm;
        for (uint32_t i = 0; type != NULL && i < type->policies_count; i++) {
            const struct policy *policy = type->policies[i];
            if (match_condition(engine, policy, &event, alarm) == LEVEL_TRUE) {
                event_subjects(engine, policy, &event, alarm->host, plan_row, &planning);
            }
        }
    }
    textbuf_add_chars(json, "]");
    json_bool(json, "cut", planning.rows > PLAN_ROWS_MAX);
    textbuf_add_char(json, '}');
    engine->counters.conditions_unknown = unknown; /* Looking changes nothing. */
}

/* ---- status
 * ------------------------------------------------------------------------------------------ */

static void status_modes(struct engine *engine, struct textbuf *json)
{
    static const enum policy_mode modes[] = {POLICY_OBSERVE, POLICY_SUGGEST, POLICY_APPROVE,
                                             POLICY_ENFORCE};
    textbuf_add_chars(json, "\"modes\":{");
    for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
        int64_t count = 0;
        for (size_t i = 0; i < engine->set->policies_count; i++) {
            count += engine->set->policies[i].mode == modes[m];
        }
        if (count > 0) {
            json_int(json, policy_mode_word(modes[m]), count);
        }
    }
    textbuf_add_char(json, '}');
}

static void status_counts(struct engine *engine, struct textbuf *json)
{
    const struct engine_counters *counters = &engine->counters;
    const struct {
        const char *group, *name;
        uint64_t count;
    } rows[] = {
        {"alarms", "raised", counters->alarms_active},
        {"alarms", "events", counters->events},
        {"alarms", "duplicates", counters->duplicates},
        {"alarms", "unmatched", counters->unmatched},
        {"alarms", "unresolved", counters->unresolved},
        {"runs", "active", counters->runs_active},
        {"runs", "done", counters->runs_done},
        {"runs", "escalated", counters->runs_escalated},
        {"runs", "refused", counters->runs_refused},
        {"runs", "expired", counters->runs_expired},
        {"runs", "cancelled", counters->runs_cancelled},
        {"actions", "started", counters->actions_started},
        {"actions", "ok", counters->actions_ok},
        {"actions", "failed", counters->actions_failed},
        {"actions", "unknown", counters->actions_unknown},
        {"actions", "pages", counters->pages},
    };
    const char *group = "";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(group, rows[i].group) != 0) {
            textbuf_addf(json, "%s,\"%s\":{", i == 0 ? "" : "}", rows[i].group);
            group = rows[i].group;
        }
        json_int(json, rows[i].name, (int64_t)rows[i].count);
    }
    textbuf_add_char(json, '}');
}

static void status_budgets(struct engine *engine, struct textbuf *json)
{
    const struct policy_guards *guards = engine->guards;
    const struct {
        const char *name;
        uint32_t max;
        int64_t window_ms;
    } rows[] = {{"site 10m", guards->site_10min_max, 10 * MINUTE_MS},
                {"site 1h", guards->site_1h_max, HOUR_MS},
                {"site 24h", guards->site_24h_max, DAY_MS}};
    textbuf_add_chars(json, ",\"budgets\":{");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t most = 0;
        MAP_EACH (&engine->domains, entry) {
            const struct domain_state *domain = entry->value;
            uint32_t count =
                strcmp(domain->kind, "site") == 0
                    ? ring_count(&domain->interrupts, engine->now_ms, rows[i].window_ms)
                    : 0;
            most = count > most ? count : most;
        }
        json_chars(json, rows[i].name, scratch_printf(engine, "%u/%u", most, rows[i].max));
    }
    textbuf_add_char(json, '}');
}

static void status_freezes(struct engine *engine, struct textbuf *json)
{
    textbuf_add_chars(json, ",\"freezes\":[");
    for (const struct freeze *freeze = engine->freezes; freeze != NULL; freeze = freeze->next) {
        if (freeze->ended) {
            continue;
        }
        json_comma(json);
        textbuf_add_char(json, '{');
        json_chars(json, "id", freeze->id);
        json_chars(json, "scope", freeze->scope);
        json_chars(json, "owner", freeze->owner);
        json_chars(json, "reason", freeze->reason);
        textbuf_add_chars(json, ",\"expires\":\"");
        textbuf_add_time(json, freeze->expires_ms);
        textbuf_add_chars(json, "\"}");
    }
    textbuf_add_char(json, ']');
}

static void status_brakes(struct engine *engine, struct textbuf *json)
{
    textbuf_add_chars(json, ",\"brakes\":[");
    for (const struct brake *brake = engine->brakes; brake != NULL; brake = brake->next) {
        if (brake->released) {
            continue;
        }
        json_comma(json);
        textbuf_add_char(json, '{');
        json_chars(json, "id", brake->id);
        json_chars(json, "scope", brake->domain_key);
        json_chars(json, "reason", brake->reason);
        json_chars(json, "text",
                   scratch_printf(engine, "%u hosts held, since %s", brake->hosts_count,
                                  engine_time(engine, brake->since_ms)));
        textbuf_add_char(json, '}');
    }
    textbuf_add_char(json, ']');
}

static void status_approvals(struct engine *engine, struct textbuf *json)
{
    textbuf_add_chars(json, ",\"approvals\":");
    approvals_json(engine, json);
    textbuf_add_chars(json, ",\"leases\":");
    leases_json(engine, json);
}

static void warning(struct textbuf *json, const char *text)
{
    json_comma(json);
    textbuf_add_json(json, text_of(text));
}

static void status_warnings(struct engine *engine, struct textbuf *json)
{
    textbuf_add_chars(json, ",\"warnings\":[");
    if (!engine->store_ok) {
        warning(json, "the store is failing: nothing acts");
    }
    CLEANUP(textbuf_donep) struct textbuf blind = {0};
    if (blind_why(engine, &blind)) {
        warning(json, scratch_printf(engine, "blind: %s; interrupting actions are held", blind.at));
    }
    if (engine->counters.breakers_open > 0) {
        warning(json, scratch_printf(engine, "%llu driver endpoints do not answer: breakers open",
                                     (unsigned long long)engine->counters.breakers_open));
    }
    if (engine->alarms_refused > 0) {
        warning(json,
                scratch_printf(engine, "%llu alarms were refused: %d are raised",
                               (unsigned long long)engine->alarms_refused, ENGINE_ALARMS_MAX));
    }
    if (engine->parts_refused > 0) {
        warning(json, "a host has more parts (disks, outlets) than are watched: further ones have "
                      "no policy");
    }
    if (engine->counters.conditions_unknown > 0) {
        warning(json, scratch_printf(engine, "%llu conditions could not be told",
                                     (unsigned long long)engine->counters.conditions_unknown));
    }
    textbuf_add_char(json, ']');
}

void status_reply(struct engine *engine, struct textbuf *json)
{
    textbuf_add_char(json, '{');
    status_modes(engine, json);
    status_counts(engine, json);
    status_budgets(engine, json);
    status_freezes(engine, json);
    status_brakes(engine, json);
    status_approvals(engine, json);
    status_warnings(engine, json);
    textbuf_add_char(json, '}');
}
