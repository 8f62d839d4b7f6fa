/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restart: the living records become the state again. Nothing fires because of it: downtime is
 * unknown time, what waited must be seen again, what was decided stays decided.
 */

#include "engine_domain.h"

#include <stdio.h>
#include <stdlib.h>

static const char *text_at(const struct nsh_value *value, const char *name)
{
    return nsh_get_text(value, name, "");
}

int load_record(struct engine *engine, const struct record *record, struct nsh_error *err)
{
    struct loaded *loaded = arena_alloc(&engine->load, sizeof *loaded);
    if (loaded == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the records");
    }
    loaded->kind = record->kind;
    if (json_parse(record->body.at, record->body.count, &engine->load, &loaded->value, err) < 0) {
        return nsh_wrap(err, "record %s %.*s", record_word(record->kind), PT(record->id));
    }
    if (loaded->value.type != NSH_MAP) {
        return nsh_fail(err, NSH_CORRUPT, "record %s %.*s is no object", record_word(record->kind),
                        PT(record->id));
    }
    if (engine->loaded_last == NULL) {
        engine->loaded_first = loaded;
    } else {
        engine->loaded_last->next = loaded;
    }
    engine->loaded_last = loaded;
    if (record->time_ms > engine->known_ms) {
        engine->known_ms = record->time_ms;
    }
    return 0;
}

/* ---- one function for each kind
 * ------------------------------------------------------------------- */

static void load_meta(struct engine *engine, const struct nsh_value *value)
{
    static const char *const names[] = {"run",   "action",  "decision", "alarm", "freeze",
                                        "brake", "command", "hold",     "lease"};
    blind_load(engine, value);
    for (int i = 0; i < COUNTERS_COUNT; i++) {
        uint64_t number = (uint64_t)nsh_get_int(value, names[i], 0);
        if (number > engine->numbers[i]) {
            engine->numbers[i] = engine->reserved[i] = number;
        }
    }
}

static void load_host(struct engine *engine, const struct nsh_value *value)
{
    struct host_state *host = host_get(engine, text_of(text_at(value, "id")));
    const struct nsh_value *stamps = nsh_get(value, "stamps");
    if (host == NULL) {
        return;
    }
    for (uint32_t i = 0; stamps != NULL && stamps->type == NSH_LIST && i < stamps->count; i++) {
        const struct nsh_value *pair = &stamps->items[i];
        if (pair->type == NSH_LIST && pair->count == 2 && pair->items[0].type == NSH_INT &&
            pair->items[1].type == NSH_INT) {
            ring_add(engine, &host->interrupts,
                     (struct stamp){.ms = pair->items[0].integer,
                                    .action = (uint64_t)pair->items[1].integer},
                     HOST_STAMPS_MAX);
        }
    }
    host->runs_count = (uint32_t)nsh_get_int(value, "runs", 0);
    host->escalations_count = (uint32_t)nsh_get_int(value, "escalations", 0);
    host->last_ms = nsh_get_int(value, "last_ms", 0);
    snprintf(host->last_run, sizeof host->last_run, "%s", text_at(value, "last_run"));
    const char *serial = text_at(value, "serial");
    if (serial[0] != 0 && (host->serial == NULL || strcmp(serial, host->serial) != 0)) {
        free(host->serial); /* Of then: when the inventory is taken, it is seen what changed. */
        host->serial = engine_copy(engine, text_of(serial));
    }
    move_load(engine, host, value);
}

static void load_alarm(struct engine *engine, const struct nsh_value *value)
{
    int severity = severity_of(text_of(text_at(value, "severity")));
    struct event event = {
        .host = text_of(text_at(value, "host")),
        .type = text_of(text_at(value, "type")),
        .resource = text_of(text_at(value, "resource")),
        .qualifier = text_of(text_at(value, "qualifier")),
        .source = text_of(text_at(value, "source")),
        .subject = text_of(text_at(value, "subject")),
    };
    if (strcmp(text_at(value, "state"), "raised") != 0 || severity < 0) {
        return;
    }
    struct alarm *alarm = alarm_new(engine, &event);
    if (alarm == NULL) {
        return;
    }
    snprintf(alarm->id, sizeof alarm->id, "%s", text_at(value, "id"));
    alarm->severity = (enum severity)severity;
    alarm->source = engine_copy(engine, event.source);
    const char *seconded = text_at(value, "seconded");
    alarm->seconded = seconded[0] == 0 ? NULL : engine_copy(engine, text_of(seconded));
    alarm->name = engine_copy(engine, text_of(text_at(value, "name")));
    alarm->message = engine_copy(engine, text_of(text_at(value, "message")));
    alarm->count = (uint64_t)nsh_get_int(value, "count", 1);
    alarm->seq = (uint64_t)nsh_get_int(value, "seq", 0);
    alarm->raised_ms = nsh_get_int(value, "raised_ms", 0);
    alarm->changed_ms = nsh_get_int(value, "changed_ms", 0);
    alarm->raise_at = nsh_get_int(value, "raise_at_ms", 0);
    if (map_set(&engine->alarm_ids, text_of(alarm->id), alarm) < 0) {
        engine->nomem = true;
    }
    alarm_raised(engine, alarm);
    alarm->unhealthy = alarm->severity >= SEVERITY_MAJOR && alarm->host != NULL;
    if (alarm->unhealthy) {
        alarm->host->unhealthy++; /* A restart is no storm, and does not hide one. */
        brake_host_restore(engine, alarm->host, alarm->raised_ms);
    }
}

static char *text_or_null(struct engine *engine, const char *text)
{
    return text[0] == 0 ? NULL : engine_copy(engine, text_of(text));
}

static void load_freeze(struct engine *engine, const struct nsh_value *value)
{
    int64_t expires_ms = nsh_get_int(value, "expires_ms", 0);
    struct freeze *freeze = engine_alloc(engine, sizeof *freeze);
    if (freeze == NULL) {
        return;
    }
    freeze->owner = engine_copy(engine, text_of(text_at(value, "owner")));
    freeze->reason = engine_copy(engine, text_of(text_at(value, "reason")));
    freeze->since_ms = nsh_get_int(value, "since_ms", 0);
    freeze->policy = text_or_null(engine, text_at(value, "policy"));
    freeze->actions = text_or_null(engine, text_at(value, "actions"));
    freeze->expires_ms = expires_ms;
    snprintf(freeze->id, sizeof freeze->id, "%s", text_at(value, "id"));
    if (freeze_scope(engine, text_at(value, "scope"), freeze, NULL) < 0) {
        freeze_free(engine, freeze);
        return;
    }
    if (freeze->name != NULL && strcmp(freeze->kind, "host") == 0) {
        struct host_state *host = host_by_record(engine, freeze->name);
        freeze->follows = host != NULL && strcmp(host->name, freeze->name) != 0 ? host : NULL;
    }
    freeze_arm(engine, freeze); /* One that expired meanwhile ends with the next timers. */
}

static void instance_windows(struct engine *engine, struct instance *instance,
                             const struct nsh_value *window)
{
    for (uint32_t i = 0; window != NULL && window->type == NSH_LIST && i < window->count; i++) {
        const struct nsh_value *pair = &window->items[i];
        if (pair->type == NSH_LIST && pair->count >= 2 && pair->items[0].type == NSH_INT &&
            pair->items[1].type == NSH_STRING) {
            bool group = pair->count > 2 && pair->items[2].type == NSH_STRING;
            instance_window_restore(
                engine, instance,
                (struct window_entry){.at = pair->items[0].integer,
                                      .distinct = strtoull(pair->items[1].text, NULL, 16),
                                      .group =
                                          group ? strtoull(pair->items[2].text, NULL, 16) : 0});
        }
    }
    instance_window_arm(engine, instance);
}

static struct instance *instance_of(struct engine *engine, const struct policy *policy,
                                    const char *subject)
{
    if (strcmp(policy->subject, "host") == 0) {
        struct host_state *host = host_get(engine, text_of(subject));
        return host == NULL ? NULL : instance_get(engine, policy, host, NULL);
    }
    const char *equals = strchr(subject, '=');
    if (equals == NULL) {
        return NULL;
    }
    const char *kind = scratch_printf(engine, "%.*s", (int)(equals - subject), subject);
    struct domain_state *domain = policy_subject_is_part(kind)
                                      ? part_named(engine, subject)
                                      : domain_get(engine, kind, text_of(equals + 1));
    return domain == NULL ? NULL : instance_get(engine, policy, NULL, domain);
}

/* Whose policy is gone: its row goes too. */
static void instance_gone(struct engine *engine, const struct nsh_value *value)
{
    record_emit(engine, &(struct record){.kind = RECORD_PENDING,
                                         .remove = true,
                                         .time_ms = engine->now_ms,
                                         .id = text_of(text_at(value, "id")),
                                         .body = TEXT("{}")});
}

static void instance_links(struct engine *engine, struct instance *instance,
                           const struct nsh_value *value, bool known)
{
    const struct nsh_value *alarms = nsh_get(value, "alarms");
    for (uint32_t i = 0; alarms != NULL && alarms->type == NSH_LIST && i < alarms->count; i++) {
        struct alarm *alarm = alarms->items[i].type == NSH_STRING
                                  ? map_get(&engine->alarm_ids, text_of(alarms->items[i].text))
                                  : NULL;
        struct link *link =
            alarm == NULL || !alarm->raised ? NULL : link_add(engine, alarm, instance);
        if (link != NULL) {
            link->known = known;
            operator_load_link(link, value, i);
        }
    }
}

static void instance_last_event(struct engine *engine, struct instance *instance,
                                const struct nsh_value *value)
{
    struct event event;
    if (value != NULL && value->type == NSH_MAP &&
        event_from_kept(value, &engine->scratch, &event, NULL) == 0) {
        instance_event(engine, instance, &event,
                       map_get(&engine->alarm_ids, text_of(instance->alarm)));
    }
}

/* Without an alarm that is raised it is still what it was: silence, or what is kept for a while. */
static bool stands_alone(const struct instance *instance, enum instance_state state)
{
    const struct policy_when *when = &instance->policy->when;
    bool decided = state == INST_ACTIVE || state == INST_DEFERRED;
    return (when->trigger == TRIGGER_ABSENT && decided) ||
           (when->trigger == TRIGGER_WITHOUT && state != INST_IDLE) ||
           metric_drives(instance->policy) || (state == INST_ACTIVE && instance->keep_until_ms > 0);
}

static void load_pending(struct engine *engine, const struct nsh_value *value)
{
    const struct policy *policy = map_get(&engine->set->by_name, text_of(text_at(value, "policy")));
    int state = instance_state_of(text_at(value, "state"));
    struct instance *instance =
        policy == NULL || state < 0 ? NULL : instance_of(engine, policy, text_at(value, "subject"));
    if (instance == NULL) {
        instance_gone(engine, value);
        return;
    }
    int64_t once_ms = nsh_get_int(value, "once_ms", -1);
    bool known = nsh_get_bool(value, "known", false);
    instance->stored = true;
    instance->pulse = nsh_get_bool(value, "pulse", false);
    instance->since_ms = nsh_get_int(value, "since_ms", 0);
    instance->held_ms = nsh_get_int(value, "held_ms", 0);
    instance->decided_ms = nsh_get_int(value, "decided_ms", 0);
    instance->once_ms = once_ms < 0 ? INT64_MIN : once_ms;
    snprintf(instance->alarm, sizeof instance->alarm, "%s", text_at(value, "alarm"));
    snprintf(instance->decision, sizeof instance->decision, "%s", text_at(value, "decision"));
    if (instance->once_ms != INT64_MIN) {
        instance_arm_forget(engine, instance);
    }
    if (known && engine->known_ms > instance->since_ms) {
        instance->held_ms += engine->known_ms - instance->since_ms;
    }
    instance->keep_until_ms = nsh_get_int(value, "keep_until_ms", 0);
    instance_links(engine, instance, value, state == INST_ACTIVE || state == INST_DEFERRED);
    if (policy->when.count > 0) {
        instance_windows(engine, instance, nsh_get(value, "window"));
    } else if (!stands_alone(instance, (enum instance_state)state) && instance->links == NULL &&
               !instance->pulse) {
        state = INST_IDLE; /* What it was about is over. */
    }
    matched_load_instance(engine, instance, nsh_get(value, "matched"));
    instance_last_event(engine, instance, nsh_get(value, "event"));
    instance->lag_ms =
        nsh_get_int(value, "lag_ms", instance->lag_ms); /* Downtime is not its age. */
    instance_restore(engine, instance, (enum instance_state)state,
                     known ? engine->known_ms : nsh_get_int(value, "unknown_ms", 0));
    operator_load(engine, instance, value);
    metric_load(engine, instance, value);
}

/* ---- all of them
 * ------------------------------------------------------------------------------------ */

static void load_kind(struct engine *engine, enum record_kind kind,
                      void (*load)(struct engine *engine, const struct nsh_value *value))
{
    for (const struct loaded *loaded = engine->loaded_first; loaded != NULL;
         loaded = loaded->next) {
        if (loaded->kind == kind) {
            load(engine, &loaded->value);
        }
    }
}

/* Their turn may have come; one that waited too long meanwhile becomes a person's. */
static void deferred_again(struct engine *engine)
{
    MAP_EACH (&engine->instances, entry) {
        struct instance *instance = entry->value;
        if (instance->state == INST_DEFERRED) {
            engine_timer_set(engine, &instance->timer,
                             instance->decided_ms + engine->guards->queue_ms, 0);
            decide(engine, instance);
        }
    }
}

void load_finish(struct engine *engine)
{
    load_kind(engine, RECORD_META, load_meta);
    load_kind(engine, RECORD_HOST, load_host);
    load_kind(engine, RECORD_CHASSIS, ladder_load);
    load_kind(engine, RECORD_BREAKER, breaker_load);
    fleet_take(engine, engine->inventory); /* Budgets of domains come from their hosts. */
    blind_inventory(engine);
    load_kind(engine, RECORD_ALARM, load_alarm);
    load_kind(engine, RECORD_HOLD, hold_load);
    load_kind(engine, RECORD_LEASE, lease_load);
    load_kind(engine, RECORD_FREEZE, load_freeze);
    freezes_followed(engine);
    load_kind(engine, RECORD_BRAKE, brake_restore);
    load_kind(engine, RECORD_PENDING, load_pending);
    load_runs(engine);
    move_settles(engine);
    operators_expect(engine);
    deferred_again(engine);
    size_t count = 0;
    for (const struct loaded *loaded = engine->loaded_first; loaded != NULL;
         loaded = loaded->next) {
        count++;
    }
    engine_trace(engine, "loaded %zu records, %llu alarms, %zu runs", count,
                 (unsigned long long)engine->counters.alarms_active, engine->runs.count);
    engine->loaded_first = engine->loaded_last = NULL;
    arena_done(&engine->load);
}
