/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting: at least n matching events within a time, by distinct values, apart for each group.
 *
 * The window keeps the newest entries that can decide: n of them, or WINDOW_GROUPS_MAX times as
 * many when it is kept by groups. "Exactly w old" is outside. It is full only by a new event, never
 * because of a restart.
 */

#include "engine_private.h"

#include <stdlib.h>

static uint32_t window_need(const struct instance *instance)
{
    uint32_t count = instance->policy->when.count;
    return count > WINDOW_EVENTS_MAX ? WINDOW_EVENTS_MAX : count;
}

static uint32_t window_keeps(const struct instance *instance)
{
    uint32_t need = window_need(instance);
    if (instance->policy->when.by.program == NULL) {
        return need;
    }
    uint64_t wide = (uint64_t)need * WINDOW_GROUPS_MAX;
    uint32_t most = need > WINDOW_GROUP_EVENTS_MAX ? need : WINDOW_GROUP_EVENTS_MAX;
    return wide > most ? most : (uint32_t)wide;
}

static uint32_t group_count(const struct instance *instance, uint64_t group)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < instance->window_count; i++) {
        count += instance->window[i].group == group;
    }
    return count;
}

uint32_t window_most(const struct instance *instance)
{
    uint32_t most = 0;
    if (instance->policy->when.by.program == NULL) {
        return instance->window_count;
    }
    for (uint32_t i = 0; i < instance->window_count; i++) {
        uint32_t count = group_count(instance, instance->window[i].group);
        most = count > most ? count : most;
    }
    return most;
}

/* "Exactly w old" is outside. */
static void window_prune(struct engine *engine, struct instance *instance)
{
    int64_t oldest = engine->now_ms - instance->policy->when.within_ms;
    uint32_t gone = 0;
    while (gone < instance->window_count && instance->window[gone].at <= oldest) {
        gone++;
    }
    if (gone > 0) {
        instance->window_count -= gone;
        memmove(instance->window, instance->window + gone,
                instance->window_count * sizeof *instance->window);
    }
}

static void window_insert(struct engine *engine, struct instance *instance,
                          struct window_entry entry)
{
    uint32_t keeps = window_keeps(instance);
    if (instance->window_room == 0) {
        instance->window = engine_alloc(engine, (keeps + 1) * sizeof *instance->window);
        instance->window_room = instance->window == NULL ? 0 : keeps + 1;
    }
    if (instance->window_room == 0) {
        return;
    }
    for (uint32_t i = 0; entry.distinct != 0 && i < instance->window_count; i++) {
        if (instance->window[i].distinct == entry.distinct &&
            instance->window[i].group == entry.group) {
            if (instance->window[i].at >= entry.at) {
                return;
            }
            instance->window_count--;
            memmove(instance->window + i, instance->window + i + 1,
                    (instance->window_count - i) * sizeof *instance->window);
            break;
        }
    }
    uint32_t at = instance->window_count;
    while (at > 0 && instance->window[at - 1].at > entry.at) {
        instance->window[at] = instance->window[at - 1];
        at--;
    }
    instance->window[at] = entry;
    instance->window_count++;
    if (instance->window_count > keeps) {
        instance->window_count--; /* Only the newest ones can decide. */
        memmove(instance->window, instance->window + 1,
                instance->window_count * sizeof *instance->window);
    }
}

static void window_level(struct engine *engine, struct instance *instance, bool occurred)
{
    window_prune(engine, instance);
    bool full = window_most(instance) >= window_need(instance);
    if (instance->window_count > 0) {
        engine_timer_set(engine, &instance->window_timer,
                         instance->window[0].at + instance->policy->when.within_ms,
                         instance_order(instance));
    } else {
        engine_timer_stop(engine, &instance->window_timer);
    }
    if (full && occurred) {
        instance_level_set(engine, instance, LEVEL_TRUE);
    } else if (!full && instance->state != INST_IDLE && !instance->unwatched) {
        instance_level_set(engine, instance, LEVEL_FALSE);
    }
    instance_touch(engine, instance);
}

void window_fire(struct engine *engine, void *owner)
{
    window_level(engine, owner, false);
}

/* What an expression says about an event, as one number; 0: there is no expression. */
static bool value_of(struct engine *engine, struct instance *instance, const struct event *event,
                     const struct policy_condition *condition, uint64_t *ret_value)
{
    *ret_value = 0;
    if (condition->program == NULL) {
        return true;
    }
    struct scope scope = {.engine = engine,
                          .event = event,
                          .host = map_get(&engine->hosts, event->host),
                          .domain = instance->domain,
                          .subject = instance->subject.at,
                          .policy = instance->policy,
                          .alarm_id = instance->alarm};
    struct nsh_value value;
    if (eval_value(&scope, condition->program, &value, NULL) < 0) {
        engine->counters.conditions_unknown++;
        return false; /* Not known to be another one. */
    }
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    json_write(&value, &text);
    *ret_value = text_hash((struct text){text.at, (uint32_t)text.count}) | 1;
    return !text.failed;
}

void instance_count(struct engine *engine, struct instance *instance, const struct event *event)
{
    const struct policy_when *when = &instance->policy->when;
    struct window_entry entry = {.at = event_at(engine, event)};
    if (!value_of(engine, instance, event, &when->distinct, &entry.distinct) ||
        !value_of(engine, instance, event, &when->by, &entry.group)) {
        return;
    }
    window_prune(engine, instance);
    if (entry.at > engine->now_ms - when->within_ms) {
        window_insert(engine, instance, entry);
        window_level(engine, instance, true);
    }
}

void window_clear(struct engine *engine, struct instance *instance)
{
    free(instance->window);
    instance->window = NULL;
    instance->window_count = instance->window_room = 0;
    engine_timer_stop(engine, &instance->window_timer);
}

/* After a restart. */
void instance_window_arm(struct engine *engine, struct instance *instance)
{
    if (instance->window_count > 0) {
        engine_timer_set(engine, &instance->window_timer,
                         instance->window[0].at + instance->policy->when.within_ms,
                         instance_order(instance));
    }
}

void instance_window_restore(struct engine *engine, struct instance *instance,
                             struct window_entry entry)
{
    window_insert(engine, instance, entry);
}
