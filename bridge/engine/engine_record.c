/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: what changed in a step, each object once, in a fixed order. They are both what people
 * see and what a restart is made from.
 */

#include "engine_private.h"

void json_comma(struct textbuf *json)
{
    char last = json->count == 0 ? '{' : json->at[json->count - 1];
    textbuf_add_chars(json, last == '{' || last == '[' ? "" : ",");
}

void json_raw(struct textbuf *json, const char *name)
{
    json_comma(json);
    textbuf_add_char(json, '"'); /* Every member of every record comes by here: no printf. */
    textbuf_add_chars(json, name);
    textbuf_add(json, TEXT("\":"));
}

void json_text(struct textbuf *json, const char *name, struct text text)
{
    json_raw(json, name);
    textbuf_add_json(json, text);
}

void json_chars(struct textbuf *json, const char *name, const char *chars)
{
    json_text(json, name, text_of(chars));
}

void json_int(struct textbuf *json, const char *name, int64_t value)
{
    json_raw(json, name);
    json_write(&(struct nsh_value){.type = NSH_INT, .integer = value}, json);
}

void json_bool(struct textbuf *json, const char *name, bool value)
{
    json_raw(json, name);
    textbuf_add_chars(json, value ? "true" : "false");
}

static void json_value(struct textbuf *json, const char *name, const struct nsh_value *value)
{
    json_raw(json, name);
    json_write(value, json);
}

struct envelope {
    enum record_kind kind;
    const char *id;
    const char *host;
    const char *policy, *state;
    bool live, remove, covers;
};

static struct textbuf *body_begin(struct engine *engine)
{
    textbuf_clear(&engine->json);
    textbuf_add_char(&engine->json, '{');
    return &engine->json;
}

static bool body_end(struct engine *engine, const struct envelope *envelope)
{
    struct textbuf *json = &engine->json;
    textbuf_add_char(json, '}');
    if (json->failed) {
        engine->nomem = true;
        textbuf_done(json);
        return false;
    }
    uint64_t through = engine->records_through;
    record_emit(engine, &(struct record){.kind = envelope->kind,
                                         .remove = envelope->remove,
                                         .covers = envelope->covers,
                                         .live = envelope->live,
                                         .time_ms = engine->now_ms,
                                         .id = text_of(envelope->id),
                                         .host = text_of(envelope->host),
                                         .policy = text_of(envelope->policy),
                                         .state = text_of(envelope->state),
                                         .body = {json->at, (uint32_t)json->count}});
    return engine->records_through > through;
}

/* Nobody wants to know what only a restart reads: the records are there, without it. */
static bool bare(const struct engine *engine)
{
    return engine->output->state_unwanted;
}

/* ---- one function for each kind
 * ------------------------------------------------------------------ */

static void alarm_body(struct textbuf *json, const struct alarm *alarm, const char *host,
                       const char *state)
{
    json_chars(json, "id", alarm->id);
    json_chars(json, "host", host);
    json_text(json, "type", alarm->type);
    json_text(json, "resource", alarm->resource);
    json_text(json, "qualifier", alarm->qualifier);
    json_chars(json, "severity", severity_word(alarm->severity));
    json_chars(json, "state", state);
    json_int(json, "count", (int64_t)alarm->count);
    json_int(json, "raised_ms", alarm->raised_ms);
    json_int(json, "changed_ms", alarm->changed_ms);
    json_int(json, "cleared_ms", alarm->cleared_ms);
    json_chars(json, "source", alarm->source);
    if (alarm->seconded != NULL) {
        json_chars(json, "seconded", alarm->seconded);
    }
    json_chars(json, "name", alarm->name);
    json_chars(json, "message", alarm->message);
    json_int(json, "seq", (int64_t)alarm->seq);
    if (alarm->host_name.count == 0) {
        /* What else is in its key, so that a restart finds it again. */
        struct text rest = alarm->key;
        uint32_t skip = (uint32_t)(alarm->qualifier.at - alarm->key.at) + alarm->qualifier.count;
        rest = (struct text){rest.at + skip, rest.count - skip};
        json_chars(json, "subject", rest.count <= 1 ? "" : strrchr(rest.at, 0x1f) + 1);
    }
    json_int(json, "raise_at_ms", alarm->raise_at == INT64_MIN ? 0 : alarm->raise_at);
}

static void write_alarm(struct engine *engine, struct alarm *alarm)
{
    struct textbuf *json = body_begin(engine);
    const char *host = scratch_printf(engine, "%.*s", PT(alarm->host_name));
    const char *state = alarm->raised ? "raised" : "cleared";
    if (!bare(engine)) {
        alarm_body(json, alarm, host, state);
    }
    body_end(engine, &(struct envelope){.kind = RECORD_ALARM,
                                        .id = alarm->id,
                                        .host = host,
                                        .state = state,
                                        .live = alarm->raised});
}

static void host_body(const struct engine *engine, struct textbuf *json, struct host_state *host,
                      const char *state)
{
    json_chars(json, "id", host->name);
    json_chars(json, "name", host->name);
    json_chars(json, "state", state);
    json_chars(json, "run", host->run == NULL ? "" : host->run->id);
    json_int(json, "interrupts", ring_count(&host->interrupts, engine->now_ms, DAY_MS));
    json_chars(json, "serial", host->serial);
    json_int(json, "runs", host->runs_count);
    json_int(json, "escalations", host->escalations_count);
    json_chars(json, "last_run", host->last_run);
    json_int(json, "last_ms", host->last_ms);
    json_raw(json, "stamps");
    textbuf_add_char(json, '[');
    for (uint32_t i = 0; i < host->interrupts.count; i++) {
        textbuf_addf(json, "%s[%lld,%llu]", i == 0 ? "" : ",",
                     (long long)host->interrupts.items[i].ms,
                     (unsigned long long)host->interrupts.items[i].action);
    }
    textbuf_add_char(json, ']');
    move_json(host, json);
}

static void write_host(struct engine *engine, struct host_state *host)
{
    struct textbuf *json = body_begin(engine);
    const char *state = host->run != NULL ? "working" : host->unhealthy > 0 ? "unhealthy" : "ok";
    if (!bare(engine)) {
        host_body(engine, json, host, state);
    }
    body_end(engine, &(struct envelope){.kind = RECORD_HOST,
                                        .id = host->name,
                                        .host = host->name,
                                        .state = state,
                                        .live = true});
}

static void write_step(struct textbuf *json, const struct run_step *step, uint32_t number)
{
    static const char *const kinds[] = {[STEP_ACT] = "act",
                                        [STEP_CHECK] = "check",
                                        [STEP_WAIT] = "wait",
                                        [STEP_WINDOW] = "window",
                                        [STEP_ASK] = "ask"};
    json_comma(json);
    textbuf_add_char(json, '{');
    const struct verb *verb = step->step->verb;
    bool failed = step->state == STEP_FAILED || step->state == STEP_REFUSED;
    json_int(json, "n", number);
    json_chars(json, "name", step->step->name);
    json_chars(json, "kind", kinds[step->step->kind]);
    if (step->step->kind == STEP_ACT) {
        json_chars(json, "verb", verb == NULL ? "page" : verb->name);
    }
    json_chars(json, "state", step_state_word(step->state));
    json_chars(json, "text", step->text);
    json_chars(json, failed ? "error" : "result", step->text);
    json_int(json, "started_ms", step->started_ms);
    json_int(json, "ended_ms", step->ended_ms);
    json_chars(json, "action", step->action);
    json_int(json, "attempts", step->attempts);
    if (step->result.type == NSH_MAP) {
        json_value(json, "values", &step->result);
    }
    if (step->did) {
        json_bool(json, "did", true);
    }
    if (step->via != BINDING_NONE) {
        json_chars(json, "via", binding_word(step->via));
    }
    if (step->way > 0) {
        json_int(json, "way", step->way);
        json_chars(json, "instead", step->instead);
    }
    if (step->silent) {
        json_bool(json, "silent", true);
    }
    if (step->items != NULL) {
        each_write(json, step);
    }
    textbuf_add_char(json, '}');
}

static bool write_run(struct engine *engine, struct run *run)
{
    struct textbuf *json = body_begin(engine);
    const char *host = run->host == NULL ? "" : run->host->name;
    const struct run_step *at = run->at < run->steps_count ? &run->steps[run->at] : NULL;
    json_chars(json, "id", run->id);
    json_chars(json, "policy", run->policy_name);
    json_chars(json, "policy_revision",
               scratch_printf(engine, "%016llx", (unsigned long long)run->policy_revision));
    json_chars(json, "mode", policy_mode_word(run->mode));
    json_chars(json, "subject", run->subject);
    json_chars(json, "host", host);
    json_chars(json, "alarm", run->alarm);
    json_chars(json, "decision", run->decision);
    json_chars(json, "state", run_state_word(run->state));
    json_chars(json, "step", at == NULL || run->ended ? "" : at->step->name);
    json_chars(json, "reason", run->reason != NULL ? run->reason : run->failure);
    json_chars(json, "failure", run->failure);
    json_int(json, "started_ms", run->started_ms);
    json_int(json, "ended_ms", run->ended_ms);
    json_raw(json, "steps");
    textbuf_add_char(json, '[');
    for (uint32_t i = 0; i < run->steps_count; i++) {
        bool own = i < run->undo_first && run->steps[i].step != builtin_page();
        bool reached = run->steps[i].state != STEP_TODO || run->steps[i].attempts > 0;
        if (reached || (own && i < run->do_count && !run->ended)) {
            write_step(json, &run->steps[i], i);
        }
    }
    textbuf_add_char(json, ']');
    if (run->parent_id[0] != 0) {
        json_chars(json, "parent", run->parent_id);
        json_int(json, "item_n", run->item);
    }
    if (run->undoing) {
        json_chars(json, "after", run_state_word(run->after));
        json_chars(json, "after_reason", run->after_reason);
    }
    if (!run->ended) {
        json_bool(json, "undoing", run->undoing);
        json_bool(json, "undone", run->undone);
        if (approve_waits(run)) {
            json_raw(json, "waits");
            approve_json(engine, run, json);
        }
        json_int(json, "at", run->at);
        json_bool(json, "otherwise", run->otherwise);
        json_bool(json, "refused", run->refused);
        json_bool(json, "cleared", run->cleared);
        json_bool(json, "pulse", run->pulse);
        json_bool(json, "effects", run->effects);
        json_bool(json, "interrupted", run->interrupted);
        json_bool(json, "told", run->told);
        json_bool(json, "owes", run->owes);
        json_int(json, "activity_ms", run->activity_ms);
        json_chars(json, "severity", severity_word(run->severity));
        matched_write_run(json, run);
        struct event event;
        if (run->event.count > 0 &&
            event_unpack((const uint8_t *)run->event.at, run->event.count, &event, NULL) > 0) {
            json_raw(json, "event");
            event_to_json(&event, json);
        }
    }
    return body_end(engine, &(struct envelope){.kind = RECORD_RUN,
                                               .id = run->id,
                                               .host = host,
                                               .policy = run->policy_name,
                                               .state = run_state_word(run->state),
                                               .live = !run->ended});
}

static bool action_is_over(const struct action *action)
{
    return action->state >= ACTION_DONE;
}

static bool write_action(struct engine *engine, struct action *action)
{
    struct textbuf *json = body_begin(engine);
    const struct run *run = action->run;
    const char *host = run->host == NULL || verb_speaks(action->verb) ? "" : run->host->name;
    json_chars(json, "id", action->id);
    json_chars(json, "run", run->id);
    json_chars(json, "host", host);
    json_chars(json, "verb", action->verb->name);
    json_chars(json, "effect", effect_word(action->verb->effect));
    json_chars(json, "driver", action->driver);
    json_chars(json, "binding", binding_word(action->binding));
    if (action->instead != NULL) {
        json_chars(json, "instead", action->instead);
    }
    json_chars(json, "state", action_state_word(action->state));
    json_chars(json, "code",
               action->state == ACTION_INTENDED || action->state == ACTION_SENT
                   ? ""
                   : nsh_code_word(action->code));
    json_chars(json, "text", action->text);
    json_int(json, "attempt", action->attempt);
    json_int(json, "intended_ms", action->intended_ms);
    json_int(json, "sent_ms", action->sent_ms);
    json_int(json, "ended_ms", action->ended_ms);
    json_bool(json, "verified", action->state == ACTION_VERIFIED);
    json_chars(json, "seen", action->seen);
    json_chars(json, "trace", action->trace);
    json_chars(json, "step", action->step->step->name);
    json_bool(json, "completes", action->completes);
    if (run_is_owed(run)) {
        json_chars(json, "said_as", action->call); /* The token: that of the action before. */
    }
    json_int(json, "timeout_ms", action->timeout_ms);
    json_value(json, "args", &action->args);
    bool written =
        body_end(engine, &(struct envelope){.kind = RECORD_ACTION,
                                            .id = action->id,
                                            .host = host,
                                            .state = action_state_word(action->state),
                                            .covers = action->sent_ms != 0 &&
                                                      action->sent_ms == action->sent_written_ms,
                                            .live = !action_is_over(action)});
    /* The record of its end has all that the record of its sending had. */
    action->sent_written_ms = written && action->state == ACTION_SENT ? action->sent_ms : 0;
    if (written && action->queued && action->needs == UINT64_MAX) {
        action->needs = engine->records_through;
        engine->output->intents_wait = true;
    }
    return written;
}

static void instance_alarms(struct textbuf *json, const struct instance *instance)
{
    json_raw(json, "alarms");
    textbuf_add_char(json, '[');
    for (const struct link *link = instance->links; link != NULL; link = link->instance_next) {
        json_comma(json);
        textbuf_add_json(json, text_of(link->alarm->id));
    }
    textbuf_add_char(json, ']');
}

/* What waits may be decided without being seen again; the others are idle, or had their decision.
 */
static void instance_event_json(struct textbuf *json, const struct instance *instance)
{
    struct event event;
    if (instance->state != INST_IDLE && instance->state != INST_ACTIVE &&
        instance->event_bytes > 0 &&
        event_unpack(instance->event, instance->event_bytes, &event, NULL) > 0) {
        json_raw(json, "event");
        event_to_json(&event, json);
    }
}

/* What it waits for, for people. */
static void instance_waits(struct engine *engine, struct textbuf *json,
                           const struct instance *instance)
{
    CLEANUP(textbuf_donep) struct textbuf lines = {0};
    why_trigger(engine, instance, &lines);
    json_comma(json);
    textbuf_add_chars(json, "\"waits\":[");
    for (const char *at = lines.at; at != NULL && *at != 0;) {
        size_t count = strcspn(at, "\n");
        json_comma(json);
        textbuf_add_json(json, (struct text){at, (uint32_t)count});
        at += count + (at[count] == '\n');
    }
    textbuf_add_char(json, ']');
    json_int(json, "waits_ms", engine->now_ms); /* When these words were true. */
}

static void instance_body(struct engine *engine, struct textbuf *json, struct instance *instance,
                          const char *id, bool gone)
{
    struct text policy = {instance->key.at,
                          (uint32_t)(instance->subject.at - instance->key.at) - 1};
    json_chars(json, "id", id);
    json_text(json, "policy", policy);
    json_text(json, "subject", instance->subject);
    json_chars(json, "state", instance_state_word(instance->state));
    json_bool(json, "known", instance->level == LEVEL_TRUE);
    json_int(json, "since_ms", instance->since_ms);
    json_int(json, "held_ms", instance->held_ms);
    json_int(json, "unknown_ms", instance->unknown_ms);
    json_int(json, "lag_ms", instance->lag_ms);
    json_int(json, "once_ms", instance->once_ms == INT64_MIN ? -1 : instance->once_ms);
    json_bool(json, "pulse", instance->pulse);
    json_chars(json, "alarm", instance->alarm);
    json_chars(json, "decision", instance->decision);
    json_int(json, "decided_ms", instance->decided_ms);
    json_int(json, "keep_until_ms", instance->keeping ? instance->keep_until_ms : 0);
    instance_event_json(json, instance);
    matched_write_instance(json, instance);
    instance_alarms(json, instance);
    json_raw(json, "window");
    textbuf_add_char(json, '[');
    for (uint32_t i = 0; i < instance->window_count; i++) {
        textbuf_addf(json, "%s[%lld,\"%016llx\"", i == 0 ? "" : ",",
                     (long long)instance->window[i].at,
                     (unsigned long long)instance->window[i].distinct);
        if (instance->window[i].group != 0) {
            textbuf_addf(json, ",\"%016llx\"", (unsigned long long)instance->window[i].group);
        }
        textbuf_add_char(json, ']');
    }
    textbuf_add_char(json, ']');
    operator_record(json, instance);
    metric_record(engine, json, instance);
    if (!gone) {
        instance_waits(engine, json, instance);
    }
}

static void write_instance(struct engine *engine, struct instance *instance)
{
    bool gone = instance_forgettable(engine, instance);
    if (gone && !instance->stored) {
        return;
    }
    struct textbuf *json = body_begin(engine);
    struct text policy = {instance->key.at,
                          (uint32_t)(instance->subject.at - instance->key.at) - 1};
    const char *id = scratch_printf(engine, "%.*s %.*s", PT(policy), PT(instance->subject));
    if (!bare(engine)) {
        instance_body(engine, json, instance, id, gone);
    }
    instance->stored =
        body_end(engine,
                 &(struct envelope){.kind = RECORD_PENDING,
                                    .id = id,
                                    .host = instance->host == NULL ? "" : instance->host->name,
                                    .state = instance_state_word(instance->state),
                                    .live = !gone,
                                    .remove = gone}) ||
        instance->stored;
}

static void write_freeze(struct engine *engine, struct freeze *freeze)
{
    struct textbuf *json = body_begin(engine);
    json_chars(json, "id", freeze->id);
    json_chars(json, "scope", freeze->scope);
    json_chars(json, "owner", freeze->owner);
    json_chars(json, "reason", freeze->reason);
    if (freeze->policy != NULL) {
        json_chars(json, "policy", freeze->policy);
        json_chars(json, "actions", freeze->actions);
    }
    json_int(json, "since_ms", freeze->since_ms);
    json_int(json, "expires_ms", freeze->expires_ms);
    json_raw(json, "expires");
    textbuf_add_char(json, '"');
    textbuf_add_time(json, freeze->expires_ms);
    textbuf_add_char(json, '"');
    json_chars(json, "state", freeze->ended ? "ended" : "active");
    body_end(engine,
             &(struct envelope){.kind = RECORD_FREEZE,
                                .id = freeze->id,
                                .host = strcmp(freeze->kind, "host") == 0 ? freeze->name : "",
                                .state = freeze->ended ? "ended" : "active",
                                .live = !freeze->ended});
}

static void write_brake(struct engine *engine, struct brake *brake)
{
    struct textbuf *json = body_begin(engine);
    json_chars(json, "id", brake->id);
    json_chars(json, "domain", brake->domain_key);
    json_chars(json, "reason", brake->reason);
    json_int(json, "since_ms", brake->since_ms);
    json_chars(json, "state", brake->released ? "released" : "active");
    json_bool(json, "paged", brake->paged);
    json_bool(json, "page_wanted", brake->page_wanted);
    json_int(json, "hosts_most", brake->hosts_most);
    json_raw(json, "hosts");
    textbuf_add_char(json, '[');
    for (const struct host_state *host = brake->hosts; host != NULL; host = host->brake_next) {
        json_comma(json);
        textbuf_add_json(json, host->key);
    }
    textbuf_add_char(json, ']');
    body_end(engine, &(struct envelope){.kind = RECORD_BRAKE,
                                        .id = brake->id,
                                        .host = "",
                                        .state = brake->released ? "released" : "active",
                                        .live = !brake->released});
}

static void write_meta(struct engine *engine)
{
    if (engine->numbers_dirty) {
        static const char *const names[] = {"run",   "action",  "decision", "alarm", "freeze",
                                            "brake", "command", "hold",     "lease"};
        struct textbuf *json = body_begin(engine);
        for (int i = 0; i < COUNTERS_COUNT; i++) {
            json_int(json, names[i], (int64_t)engine->reserved[i]);
        }
        if (body_end(
                engine,
                &(struct envelope){
                    .kind = RECORD_META, .id = "numbers", .host = "", .state = "", .live = true})) {
            engine->numbers_dirty = false;
        }
    }
    if (engine->kept.fleet_dirty) {
        struct textbuf *json = body_begin(engine);
        json_int(json, "fleet_hosts", (int64_t)engine->kept.fleet_hosts);
        json_chars(json, "shrunken", engine->kept.shrunken);
        if (body_end(
                engine,
                &(struct envelope){
                    .kind = RECORD_META, .id = "fleet", .host = "", .state = "", .live = true})) {
            engine->kept.fleet_dirty = false;
        }
    }
    if (engine->clock_dirty) {
        struct textbuf *json = body_begin(engine);
        json_int(json, "time_ms", engine->now_ms);
        if (body_end(
                engine,
                &(struct envelope){
                    .kind = RECORD_META, .id = "clock", .host = "", .state = "", .live = true})) {
            engine->clock_dirty = false;
        }
    }
}

static void flush_leases(struct engine *engine)
{
    for (struct lease *lease = engine->leases, *next = NULL; lease != NULL; lease = next) {
        next = lease->next;
        const char *state = lease->ended ? "ended" : "active";
        if (lease->dirty) {
            lease_json(lease, body_begin(engine));
            body_end(engine,
                     &(struct envelope){.kind = RECORD_LEASE,
                                        .id = lease->id,
                                        .host = lease->host == NULL ? "" : lease->host->name,
                                        .state = state,
                                        .live = !lease->ended || lease->counted});
            lease->dirty = false;
        }
        if (lease->ended && !lease->counted) {
            lease_free(engine, lease);
        }
    }
}

/* ---- all that changed
 * ---------------------------------------------------------------------------- */

static void flush_rare(struct engine *engine)
{
    for (struct freeze *freeze = engine->freezes, *next = NULL; freeze != NULL; freeze = next) {
        next = freeze->next;
        if (freeze->dirty) {
            write_freeze(engine, freeze);
            freeze->dirty = false;
        }
        if (freeze->ended) {
            freeze_free(engine, freeze);
        }
    }
    for (struct brake *brake = engine->brakes, *next = NULL; brake != NULL; brake = next) {
        next = brake->next;
        if (brake->dirty) {
            write_brake(engine, brake);
            brake->dirty = false;
        }
        if (brake->released) {
            brake_free(engine, brake);
        }
    }
}

static void flush_alarms(struct engine *engine)
{
    for (struct alarm *alarm = engine->dirty_alarms, *next = NULL; alarm != NULL; alarm = next) {
        next = alarm->dirty_next;
        alarm->dirty = false;
        alarm->written_ms = engine->now_ms;
        write_alarm(engine, alarm);
        scratch_relax(engine);
    }
    engine->dirty_alarms = engine->dirty_alarms_last = NULL;
}

/* What found no memory for its record stays on the list: the next step writes it. */
static void flush_runs(struct engine *engine)
{
    struct run *run = engine->dirty_runs, *next = NULL;
    engine->dirty_runs = engine->dirty_runs_last = NULL;
    for (; run != NULL; run = next) {
        next = run->dirty_next;
        run->dirty = false;
        if (!write_run(engine, run)) {
            run_touch(engine, run);
        }
        scratch_relax(engine);
    }
}

static void flush_actions(struct engine *engine)
{
    struct action *action = engine->dirty_actions, *next = NULL;
    engine->dirty_actions = engine->dirty_actions_last = NULL;
    for (; action != NULL; action = next) {
        next = action->dirty_next;
        action->dirty = false;
        if (!write_action(engine, action)) {
            action_touch(engine, action);
        }
        scratch_relax(engine);
    }
}

static void flush_instances(struct engine *engine)
{
    for (struct instance *instance = engine->dirty_instances, *next = NULL; instance != NULL;
         instance = next) {
        next = instance->dirty_next;
        instance->dirty = false;
        write_instance(engine, instance);
        scratch_relax(engine);
        if (instance_forgettable(engine, instance)) {
            map_remove(&engine->instances, instance->key);
            instance_free(engine, instance);
        }
    }
    engine->dirty_instances = engine->dirty_instances_last = NULL;
}

static void flush_holds(struct engine *engine)
{
    for (struct hold *hold = engine->kept.dirty_holds, *next = NULL; hold != NULL; hold = next) {
        next = hold->dirty_next;
        hold_json(engine, hold, body_begin(engine));
        body_end(engine, &(struct envelope){.kind = RECORD_HOLD,
                                            .id = hold->id,
                                            .host = hold->host->name,
                                            .state = hold->ended ? "released" : "held",
                                            .live = !hold->ended});
        holds_written(engine, hold);
    }
    engine->kept.dirty_holds = NULL;
}

static void flush_chassis(struct engine *engine)
{
    struct guards_kept *kept = &engine->kept;
    for (struct chassis *chassis = kept->dirty_chassis, *next = NULL; chassis != NULL;
         chassis = next) {
        next = chassis->dirty_next;
        chassis->dirty = false;
        ladder_json(engine, chassis, body_begin(engine));
        body_end(engine, &(struct envelope){.kind = RECORD_CHASSIS,
                                            .id = scratch_printf(engine, "%.*s", PT(chassis->key)),
                                            .host = chassis->host,
                                            .state = "",
                                            .live = true});
        scratch_relax(engine);
    }
    kept->dirty_chassis = kept->dirty_chassis_last = NULL;
}

static void write_breaker(struct engine *engine, const struct breaker *breaker, bool live)
{
    const char *id = scratch_printf(engine, "%.*s", PT(breaker->key));
    struct textbuf *json = body_begin(engine);
    json_chars(json, "id", id);
    breaker_json(breaker, json);
    body_end(engine, &(struct envelope){.kind = RECORD_BREAKER,
                                        .id = id,
                                        .host = "",
                                        .state = breaker_word(breaker),
                                        .live = live});
}

void records_flush(struct engine *engine)
{
    uint64_t through = engine->records_through;
    flush_rare(engine);
    flush_leases(engine);
    flush_alarms(engine);
    for (struct host_state *host = engine->dirty_hosts, *next = NULL; host != NULL; host = next) {
        next = host->dirty_next;
        host->dirty = false;
        write_host(engine, host);
        scratch_relax(engine);
    }
    engine->dirty_hosts = engine->dirty_hosts_last = NULL;
    flush_chassis(engine);
    breakers_flush(engine, write_breaker);
    flush_holds(engine); /* Before the intents that begin them. */
    flush_runs(engine);
    flush_actions(engine);
    flush_instances(engine);
    write_meta(engine);
    if (engine->records_through > through) {
        engine->clock_ms = engine->now_ms; /* Every record tells the time. */
    }
}
