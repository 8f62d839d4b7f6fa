/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must never happen, looked at from outside the engine: when a call leaves, and when the world
 * has been quiet for two hours. Each check knows only the world, never what the engine thought.
 */

#include "sim/sim_private.h"

#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>

#define DAY_MS (24LL * 3600 * 1000)
#define SETTLE_GRACE_MS 2000 /* Alarms that came this recently may not have been looked at. */

void sim_violation(struct sim_world *world, const char *format, ...)
{
    if (world->report->violation[0] != '\0') {
        return;
    }
    char *text = world->report->violation;
    size_t room = sizeof world->report->violation;
    int used =
        snprintf(text, room, "seed %llu at %lld ms: ", (unsigned long long)world->options->seed,
                 (long long)world->now_ms);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, room - (size_t)used, format, arguments);
    va_end(arguments);
}

/* An order leaves only when its intent is durable, and only once, ever. */
static void check_intent(struct sim_world *world, const struct engine_call *call,
                         const struct verb *verb)
{
    char key[96];
    snprintf(key, sizeof key, "action/%.*s", (int)call->action.count, call->action.at);
    const struct sim_row *row = map_get(&world->rows, text_of(key));
    bool reads = verb != NULL && verb->effect == NSH_READS; /* Looking needs no intent. */
    if (row == NULL && !reads) {
        sim_violation(world, "%s leaves without a durable intent", key);
    }
    if (sim_call_of(world, call->action) != NULL) {
        sim_violation(world, "%s is sent twice", key);
    }
    if (!world->store_ok) {
        sim_violation(world, "%s leaves while the store is failing", key);
    }
}

static void check_budgets(struct sim_world *world, const struct sim_host *host)
{
    const struct policy_guards *guards = &world->options->policies->defaults.guards;
    uint32_t recent = 0;
    for (size_t i = 0; i < host->interrupts_count; i++) {
        recent += host->interrupts[i] > world->now_ms - DAY_MS;
    }
    if (recent >= guards->host_interrupts_max) {
        sim_violation(world, "%s: interrupt number %u in 24 h", host->host->name, recent + 1);
    }
    uint32_t running = 0, broken = 0, size = 0;
    for (size_t i = 0; i < world->hosts_count; i++) {
        const struct sim_host *other = &world->hosts[i];
        if (strcmp(other->rack, host->rack) == 0) {
            size++;
            running += other->interrupting != NULL;
            broken += other->broken && other->told_ms >= other->broken_ms &&
                      other->broken_ms > world->now_ms - guards->brake_window_ms &&
                      other->told_ms < world->now_ms - SETTLE_GRACE_MS;
        }
    }
    if (running >= guards->rack_concurrent_max) {
        sim_violation(world, "rack %s: %u interrupting orders at once", host->rack, running + 1);
    }
    uint32_t brake = size * guards->brake_percent / 100;
    brake = brake < guards->brake_hosts_min ? guards->brake_hosts_min : brake;
    if (broken > brake) {
        sim_violation(world, "rack %s: %s is interrupted while %u of %u hosts are broken",
                      host->rack, host->host->name, broken, size);
    }
}

void sim_check_call(struct sim_world *world, const struct engine_call *call, struct sim_host *host,
                    const struct verb *verb)
{
    check_intent(world, call, verb);
    if (verb == NULL || (call->host.count > 0 && host == NULL)) {
        sim_violation(world, "a call of %.*s on %.*s", (int)call->verb.count, call->verb.at,
                      (int)call->host.count, call->host.at);
        return;
    }
    if (verb->binding == BINDING_NONE) {
        return;
    }
    if (host == NULL) {
        sim_violation(world, "%s without a host", verb->name);
        return;
    }
    if (verb->effect != NSH_READS && host->in_doubt) {
        sim_violation(world, "%s on %s, whose last order is in doubt, before anybody looked",
                      verb->name, host->host->name);
    }
    if (verb->effect < NSH_INTERRUPTS) {
        return;
    }
    if (host->interrupting != NULL) {
        sim_violation(world, "%s on %s while another order runs", verb->name, host->host->name);
    }
    if (world->now_ms < world->frozen_until_ms && strcmp(world->frozen, host->rack) == 0) {
        sim_violation(world, "%s on %s, whose rack is frozen", verb->name, host->host->name);
    }
    check_budgets(world, host);
}

/* Since it broke there was a decision about it, or a run ended. */
static bool cared_for(struct sim_world *world, const struct sim_host *host)
{
    MAP_EACH (&world->rows, entry) {
        const struct record *record = &((struct sim_row *)entry->value)->record;
        if ((record->kind == RECORD_RUN || record->kind == RECORD_DECISION) &&
            record->time_ms >= host->broken_ms &&
            text_equal(record->host, text_of(host->host->name))) {
            return true;
        }
    }
    return false;
}

/* Nothing hangs: with the world quiet every run and action has ended, and who is still broken had a
 * page. */
void sim_check_end(struct sim_world *world)
{
    MAP_EACH (&world->rows, entry) {
        const struct record *record = &((struct sim_row *)entry->value)->record;
        bool run = record->kind == RECORD_RUN &&
                   (text_is(record->state, "running") || text_is(record->state, "waiting") ||
                    text_is(record->state, "verifying"));
        bool action = record->kind == RECORD_ACTION &&
                      (text_is(record->state, "intended") || text_is(record->state, "sent") ||
                       text_is(record->state, "unknown") || text_is(record->state, "verifying"));
        if (run || action) {
            sim_violation(world, "after two quiet hours %.*s is %.*s", (int)record->id.count,
                          record->id.at, (int)record->state.count, record->state.at);
        }
    }
    for (size_t i = 0; i < world->hosts_count; i++) {
        if (!world->hosts[i].on && !world->hosts[i].liar) {
            sim_violation(world, "%s was left off", world->hosts[i].host->name);
        }
        if (world->hosts[i].broken && !cared_for(world, &world->hosts[i])) {
            sim_violation(world, "%s broke at %lld ms, and nothing was decided, run or told",
                          world->hosts[i].host->name, (long long)world->hosts[i].broken_ms);
        }
    }
}
