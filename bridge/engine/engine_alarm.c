/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms: stateful conditions by RFC 8632 key (host or source, resource, type, qualifier): raised,
 * changed, repeated, cleared.
 *
 * A repeat costs no allocation and no record of its own: its count is written every few seconds. A
 * cleared alarm is remembered for ALARM_FORGET_MS, so that what was late is known to be late.
 */

#include "engine_domain.h"

#include <stdlib.h>

#define KEY_SEPARATOR 0x1f

int64_t event_at(const struct engine *engine, const struct event *event)
{
    int64_t at = event->time_ms > 0       ? event->time_ms
                 : event->received_ms > 0 ? event->received_ms
                                          : engine->now_ms;
    return at > engine->now_ms ? engine->now_ms : at;
}

static void key_add(struct textbuf *key, struct text text)
{
    textbuf_add_char(key, KEY_SEPARATOR);
    textbuf_add(key, text);
}

/* host, resource, type, qualifier; who has no host is told apart by source and subject. */
static struct text key_of(struct engine *engine, const struct event *event)
{
    struct textbuf *key = &engine->key;
    textbuf_clear(key);
    textbuf_add(key, event->host);
    key_add(key, event->resource);
    key_add(key, event->type);
    key_add(key, event->qualifier);
    if (event->host.count == 0) {
        key_add(key, event->source);
        key_add(key, event->subject);
    }
    return engine_key(engine);
}

static uint64_t content_of(const struct event *event)
{
    uint64_t content = text_hash(event->message);
    content = content * UINT64_C(0x9E3779B97F4A7C15) + text_hash(event->data);
    content = content * UINT64_C(0x9E3779B97F4A7C15) + text_hash(event->name);
    return content * 8 + (uint64_t)event->severity;
}

void alarm_touch(struct engine *engine, struct alarm *alarm)
{
    if (alarm->dirty) {
        return;
    }
    alarm->dirty = true;
    alarm->dirty_next = NULL;
    if (engine->dirty_alarms_last == NULL) {
        engine->dirty_alarms = alarm;
    } else {
        engine->dirty_alarms_last->dirty_next = alarm;
    }
    engine->dirty_alarms_last = alarm;
}

/* Its count is written soon. */
static void alarm_touch_soon(struct engine *engine, struct alarm *alarm)
{
    if (alarm->dirty || alarm->soon) {
        return;
    }
    alarm->soon = true;
    alarm->soon_next = NULL;
    if (engine->soon_last == NULL) {
        engine->soon_first = alarm;
        engine_timer_set(engine, &engine->soon_timer, engine->now_ms + ALARM_REPEAT_RECORD_MS, 0);
    } else {
        engine->soon_last->soon_next = alarm;
    }
    engine->soon_last = alarm;
}

void alarm_soon_fire(struct engine *engine, void *owner)
{
    for (struct alarm *alarm = engine->soon_first, *next = NULL; alarm != NULL; alarm = next) {
        next = alarm->soon_next;
        alarm->soon = false;
        alarm_touch(engine, alarm);
    }
    engine->soon_first = engine->soon_last = NULL;
}

static bool alarm_texts(struct engine *engine, struct alarm *alarm, const struct event *event)
{
    struct text key = key_of(engine, event);
    if (key.at == NULL) {
        return false;
    }
    char *block = engine_alloc(engine, (size_t)key.count + 1);
    if (block == NULL) {
        return false;
    }
    memcpy(block, key.at, key.count);
    const char *at = block;
    alarm->key = (struct text){block, key.count};
    alarm->host_name = (struct text){at, event->host.count};
    at += event->host.count + 1;
    alarm->resource = (struct text){at, event->resource.count};
    at += event->resource.count + 1;
    alarm->type = (struct text){at, event->type.count};
    at += event->type.count + 1;
    alarm->qualifier = (struct text){at, event->qualifier.count};
    return true;
}

struct alarm *alarm_new(struct engine *engine, const struct event *event)
{
    struct alarm *alarm = engine_alloc(engine, sizeof *alarm);
    if (alarm == NULL || !alarm_texts(engine, alarm, event)) {
        free(alarm);
        return NULL;
    }
    alarm->raise_at = alarm->clear_at = INT64_MIN;
    alarm->host = event->host.count == 0 ? NULL : host_get(engine, event->host);
    alarm->domain = event_domain(engine, event);
    alarm->type_state = type_get(engine, alarm->type);
    int result = map_set(&engine->alarms, alarm->key, alarm);
    if (result < 0) {
        if (result == -NSH_LIMIT) {
            engine->alarms_refused++;
        } else {
            engine->nomem = true;
        }
        alarm_free(engine, alarm);
        return NULL;
    }
    return alarm;
}

void alarm_free(struct engine *engine, struct alarm *alarm)
{
    while (alarm->links != NULL) {
        link_drop(engine, alarm->links);
    }
    char *block = NULL;
    memcpy(&block, &alarm->key.at, sizeof block);
    free(block);
    free(alarm->source);
    free(alarm->seconded);
    free(alarm->name);
    free(alarm->message);
    free(alarm);
}

/* Raised ones hang on what they are about. */
static void subject_list_add(struct alarm *alarm)
{
    struct alarm **list = alarm_list(alarm);
    if (list != NULL) {
        alarm->host_previous = NULL;
        alarm->host_next = *list;
        if (*list != NULL) {
            (*list)->host_previous = alarm;
        }
        *list = alarm;
    }
}

static void subject_list_remove(struct alarm *alarm)
{
    struct alarm **list = alarm_list(alarm);
    if (list != NULL) {
        if (alarm->host_previous != NULL) {
            alarm->host_previous->host_next = alarm->host_next;
        } else {
            *list = alarm->host_next;
        }
        if (alarm->host_next != NULL) {
            alarm->host_next->host_previous = alarm->host_previous;
        }
        alarm->host_previous = alarm->host_next = NULL;
    }
}

void alarm_raised(struct engine *engine, struct alarm *alarm)
{
    alarm->raised = true;
    engine->counters.alarms_active++;
    subject_list_add(alarm);
}

/* Whether it makes its host unhealthy, which is what storms are made of. */
static void alarm_weigh(struct engine *engine, struct alarm *alarm, bool fresh)
{
    if (alarm->host == NULL) {
        return;
    }
    bool unhealthy = alarm->raised && alarm->severity >= SEVERITY_MAJOR;
    if (unhealthy && !alarm->unhealthy) {
        alarm->host->unhealthy++;
    }
    if (!unhealthy && alarm->unhealthy) {
        alarm->host->unhealthy--;
    }
    bool worse = unhealthy && (fresh || !alarm->unhealthy);
    bool healed = !unhealthy && alarm->unhealthy && alarm->host->unhealthy == 0;
    alarm->unhealthy = unhealthy;
    if (worse) {
        brake_host_broke(engine, alarm->host);
    }
    if (healed) {
        brake_host_healed(engine, alarm->host);
    }
}

static void text_replace(struct engine *engine, char **text, struct text with)
{
    if (*text != NULL && text_equal(text_of(*text), with)) {
        return;
    }
    char *copy = engine_copy(engine, with);
    if (copy != NULL) {
        free(*text);
        *text = copy;
    }
}

static void alarm_fill(struct engine *engine, struct alarm *alarm, const struct event *event)
{
    alarm->severity = event->severity;
    text_replace(engine, &alarm->source, event->source);
    text_replace(engine, &alarm->name, event->name);
    text_replace(engine, &alarm->message, event->message);
}

/* The list of cleared ones is in order of clearing. */
static void gone_remove(struct engine *engine, struct alarm *alarm)
{
    if (!alarm->gone) {
        return;
    }
    alarm->gone = false;
    if (alarm->gone_previous == NULL) {
        engine->gone_first = alarm->gone_next;
    } else {
        alarm->gone_previous->gone_next = alarm->gone_next;
    }
    if (alarm->gone_next == NULL) {
        engine->gone_last = alarm->gone_previous;
    } else {
        alarm->gone_next->gone_previous = alarm->gone_previous;
    }
    alarm->gone_previous = alarm->gone_next = NULL;
}

static void gone_add(struct engine *engine, struct alarm *alarm)
{
    alarm->gone = true;
    alarm->gone_next = NULL;
    alarm->gone_previous = engine->gone_last;
    if (engine->gone_last == NULL) {
        engine->gone_first = alarm;
        engine_timer_set(engine, &engine->gone_timer, engine->now_ms + ALARM_FORGET_MS, 0);
    } else {
        engine->gone_last->gone_next = alarm;
    }
    engine->gone_last = alarm;
}

static void raise_new(struct engine *engine, struct alarm *alarm, const struct event *event)
{
    if (alarm->id[0] == 0) {
        engine_id(engine, COUNT_ALARM, "alm", alarm->id);
        if (map_set(&engine->alarm_ids, text_of(alarm->id), alarm) < 0) {
            engine->nomem = true;
        }
    } else {
        gone_remove(engine, alarm);
    }
    alarm_fill(engine, alarm, event);
    alarm->raised_ms = alarm->changed_ms = engine->now_ms;
    alarm->cleared_ms = 0;
    alarm->count++;
    alarm_raised(engine, alarm);
    engine->counters.raised++;
    engine_trace(engine, "alarm %s %.*s %.*s raised %s", alarm->id, PT(alarm->host_name),
                 PT(alarm->type), severity_word(alarm->severity));
    alarm_touch(engine, alarm);
}

static void raise_again(struct engine *engine, struct alarm *alarm, const struct event *event,
                        bool changed)
{
    alarm->count++;
    if (!changed) {
        engine->counters.repeats++;
        alarm_touch_soon(engine, alarm);
        return;
    }
    bool severity = alarm->severity != event->severity;
    alarm_fill(engine, alarm, event);
    alarm->changed_ms = engine->now_ms;
    engine->counters.changed++;
    if (severity) {
        engine_trace(engine, "alarm %s %.*s %.*s changed %s", alarm->id, PT(alarm->host_name),
                     PT(alarm->type), severity_word(alarm->severity));
    }
    alarm_touch(engine, alarm);
}

/* Who else says so: the one that alarm->source is not going to be. */
static void alarm_second(struct engine *engine, struct alarm *alarm, const struct event *event,
                         bool fresh, bool changed)
{
    if (fresh) {
        free(alarm->seconded);
        alarm->seconded = NULL;
    } else if (alarm->source != NULL && !text_equal(text_of(alarm->source), event->source)) {
        bool first = alarm->seconded == NULL;
        text_replace(engine, &alarm->seconded, changed ? text_of(alarm->source) : event->source);
        if (first) {
            alarm_touch(engine, alarm);
        }
    }
}

static void alarm_raise(struct engine *engine, const struct event *event)
{
    struct alarm *alarm = map_get(&engine->alarms, key_of(engine, event));
    int64_t at = event_at(engine, event);
    if (alarm != NULL && at < alarm->clear_at) {
        engine->counters.stale++; /* Older than the last clear. */
        return;
    }
    if (alarm == NULL) {
        alarm = alarm_new(engine, event);
    }
    if (alarm == NULL) {
        return;
    }
    uint64_t content = content_of(event);
    bool fresh = !alarm->raised;
    bool changed = alarm->content != content;
    alarm_second(engine, alarm, event, fresh, changed);
    alarm->content = content;
    alarm->seq = event->seq;
    alarm->raise_at = at > alarm->raise_at ? at : alarm->raise_at;
    if (fresh) {
        raise_new(engine, alarm, event);
    } else {
        raise_again(engine, alarm, event, changed);
    }
    alarm_weigh(engine, alarm, fresh);
    match_raise(engine, alarm, event, fresh, changed);
}

/* Drop those cleared long enough ago. */
void alarm_gone_fire(struct engine *engine, void *owner)
{
    struct alarm *alarm = NULL;
    while ((alarm = engine->gone_first) != NULL &&
           alarm->cleared_ms + ALARM_FORGET_MS <= engine->now_ms) {
        if (alarm->dirty || alarm->soon) {
            break; /* Its record is written first. */
        }
        gone_remove(engine, alarm);
        map_remove(&engine->alarm_ids, text_of(alarm->id));
        map_remove(&engine->alarms, alarm->key);
        alarm_free(engine, alarm);
    }
    if (engine->gone_first != NULL) {
        int64_t due = engine->gone_first->cleared_ms + ALARM_FORGET_MS;
        engine_timer_set(engine, &engine->gone_timer,
                         due > engine->now_ms ? due : engine->now_ms + SECOND_MS, 0);
    }
}

void alarm_end(struct engine *engine, struct alarm *alarm, int64_t at)
{
    NSH_ASSERT(alarm->raised);
    alarm->raised = false;
    alarm->cleared_ms = alarm->changed_ms = engine->now_ms;
    alarm->clear_at = at > alarm->clear_at ? at : alarm->clear_at;
    engine->counters.alarms_active--;
    engine->counters.cleared++;
    subject_list_remove(alarm);
    engine_trace(engine, "alarm %s %.*s %.*s cleared", alarm->id, PT(alarm->host_name),
                 PT(alarm->type));
    alarm_touch(engine, alarm);
    gone_add(engine, alarm);
    alarm_weigh(engine, alarm, false);
    match_clear(engine, alarm);
    struct run *run = alarm->host == NULL ? NULL : alarm->host->run;
    if (run != NULL && run->orphan && strcmp(run->alarm, alarm->id) == 0) {
        run_cleared(engine, run); /* Its activation is no longer there to tell it. */
    }
}

/* Of a host that has left the inventory since: by its name, and only by who raised it. */
static struct alarm *alarm_of_gone(struct engine *engine, const struct event *event)
{
    struct event named = *event;
    if (event->host.count > 0 || event->subject.count == 0) {
        return NULL;
    }
    named.host = event->subject;
    struct alarm *alarm = map_get(&engine->alarms, key_of(engine, &named));
    bool ours =
        alarm != NULL && alarm->source != NULL && text_equal(text_of(alarm->source), event->source);
    return ours ? alarm : NULL;
}

static void alarm_clear(struct engine *engine, const struct event *event)
{
    struct alarm *alarm = map_get(&engine->alarms, key_of(engine, event));
    alarm = alarm == NULL ? alarm_of_gone(engine, event) : alarm;
    int64_t at = event_at(engine, event);
    if (alarm == NULL) {
        return; /* Nothing to end: a clear makes no alarm. */
    }
    if (at < alarm->raise_at) {
        engine->counters.stale++; /* Older than the last raise. */
        return;
    }
    alarm->seq = event->seq;
    if (alarm->raised) {
        alarm_end(engine, alarm, at);
    } else {
        alarm->clear_at = at > alarm->clear_at ? at : alarm->clear_at;
    }
}

static void event_take(struct engine *engine, const struct event *event)
{
    if (event->host.count == 0) {
        engine->counters.unresolved++;
    }
    if (event->unmatched) {
        engine->counters.unmatched++;
    }
    switch (event->state) {
    case EVENT_RAISE:
        alarm_raise(engine, event);
        break;
    case EVENT_CLEAR:
        alarm_clear(engine, event);
        break;
    case EVENT_PULSE:
        if (metric_is_sample(event)) {
            metric_event(engine, event);
        }
        if (match_pulse(engine, event) && event->severity >= SEVERITY_MAJOR) {
            struct host_state *host = map_get(&engine->hosts, event->host);
            if (host != NULL) {
                brake_host_broke(engine, host);
            }
        }
        break;
    }
}

void events_take(struct engine *engine, const struct event *items, size_t count)
{
    bool *repeats = arena_array(&engine->output->arena, count, sizeof *repeats);
    uint64_t repeats_count = 0;
    if (repeats == NULL) {
        engine->nomem = true; /* None: whoever sent them must know which ones were new. */
        return;
    }
    for (size_t i = 0; i < count; i++) {
        look_ahead(engine, items, count, i);
        engine->counters.events++;
        repeats[i] = dedup_seen(engine, &items[i]);
        if (repeats[i]) {
            engine->counters.duplicates++;
            repeats_count++;
            continue;
        }
        struct event event = items[i];
        event.seq -= repeats_count;
        event_take(engine, &event);
        scratch_relax(engine);
    }
    engine->output->repeats = repeats;
}
