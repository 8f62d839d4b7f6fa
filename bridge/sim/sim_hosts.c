/* SPDX-License-Identifier: Apache-2.0 */
/* The hosts: they break, tell of it, and heal when they were really off and on. */

#include "sim/sim_private.h"

#include <stdio.h>

#define BOOT_MS 4000        /* Mean, from power on until it says that it is well. */
#define SLOW_BOOT_MS 720000 /* The same of a slow one. */
#define LOOP_MS 60000       /* Well for so long in a boot loop. */
#define AGAIN_MS 35000      /* Informs without an answer; the daemon is down for up to a minute. */
#define CLEAR_LOST_MS (40 * SIM_MINUTE_MS)
#define RETELL_MS 30000 /* A daemon that starts again hears of what is still wrong ... */
#define RETELL_MS_MAX (2 * SIM_HOUR_MS) /* ... less and less often. */

void sim_hosts_build(struct sim_world *world)
{
    const struct inventory *inventory = world->options->inventory;
    uint32_t most = world->options->hosts_count;
    size_t count = most > 0 && most < inventory->hosts_count ? most : inventory->hosts_count;
    world->hosts = calloc(count + 1, sizeof world->hosts[0]);
    NSH_ASSERT(world->hosts != NULL);
    world->hosts_count = count;
    for (size_t i = 0; i < world->hosts_count; i++) {
        world->hosts[i] = (struct sim_host){
            .host = &inventory->hosts[i],
            .name_first = inventory->hosts[i].name,
            .random = world->options->seed ^ (i + 1) * 0x9e3779b97f4a7c15u,
            .known = true,
            .on = true,
            .shown_on = true,
        };
    }
}

struct sim_host *sim_host_of(struct sim_world *world, struct text name)
{
    return map_get(&world->by_name, name);
}

void sim_host_break(struct sim_world *world, struct sim_host *host, const struct sim_break *how)
{
    if (host->broken) {
        return;
    }
    host->broken = true;
    host->broken_ms = world->now_ms;
    host->care_ms = host->said_raise ? host->care_ms : world->now_ms;
    host->cure = how->cure;
    host->type = how->type;
    host->message = how->message;
    host->severity = how->severity;
    host->heals_permille = how->heals_permille;
    host->fault = how->fault;
    host->outcome =
        how->fault != NULL && how->fault->kind == SIM_TRACED && world->options->outcomes != NULL
            ? &world->options->outcomes[how->fault - world->faults]
            : NULL;
    host->terse = how->cure == CURE_TERSE;
    host->retell_ms = RETELL_MS;
    host->late_ms = 0;
    world->report->broken++;
    sim_plan(world, how->tell_ms,
             (struct sim_event){.kind = SIM_DO_ALARM, .host = host, .raise = true});
}

static void host_loops(struct sim_world *world, struct sim_host *host)
{
    int64_t left_ms = host->fault == NULL ? 0
                                          : SIM_EPOCH_MS + host->fault->at_ms +
                                                host->fault->lasting_ms - world->now_ms;
    if (left_ms > LOOP_MS) {
        sim_plan(world, LOOP_MS,
                 (struct sim_event){.kind = SIM_DO_BREAK, .host = host, .fault = host->fault});
    }
}

void sim_host_heal(struct sim_world *world, struct sim_host *host, bool by_engine)
{
    if (!host->broken) {
        return;
    }
    host->broken = false;
    world->report->heals += by_engine;
    if (host->outcome != NULL) {
        host->outcome->recovered_ms = world->now_ms - SIM_EPOCH_MS - host->fault->at_ms;
        host->outcome->by_engine = by_engine;
    }
    if (host->cure == CURE_LOOP) {
        host_loops(world, host);
    }
    if (host->no_clear) { /* Much later, when nobody thinks of it any more. */
        host->no_clear = false;
        sim_plan(world, CLEAR_LOST_MS,
                 (struct sim_event){.kind = SIM_DO_EVENT, .host = host, .type = host->type});
        return;
    }
    int64_t in_ms = sim_spread(&host->random, host->cure == CURE_SLOW ? SLOW_BOOT_MS : BOOT_MS);
    sim_plan(world, in_ms, (struct sim_event){.kind = SIM_DO_ALARM, .host = host});
}

/* ---- what is said of them
 * ------------------------------------------------------------------------
 */

static int64_t source_time(const struct sim_world *world, int64_t time_ms)
{
    if (world->clock_1970) {
        return 1000 + (time_ms - SIM_EPOCH_MS) / 1000;
    }
    return time_ms + world->clock_ms;
}

static void event_send(struct sim_world *world, const struct event *event, unsigned times)
{
    struct event copy = *event;
    for (unsigned i = 0; i < times; i++) {
        copy.seq = ++world->seq;
        sim_step(world, &(struct engine_input){.kind = INPUT_EVENTS, .events = {&copy, 1}});
    }
}

void sim_say(struct sim_world *world, struct sim_host *host, const struct sim_event *what)
{
    if (world->blind) { /* It waits in the source. */
        struct sim_event again = *what;
        again.time_ms = again.time_ms == 0 ? world->now_ms : again.time_ms;
        sim_plan(world, SIM_MINUTE_MS, again);
        return;
    }
    char id[32];
    snprintf(id, sizeof id, "e%llu", (unsigned long long)world->seq + 1);
    if (what->raise) {
        host->alarmed_ms = world->now_ms;
    }
    const char *message = host->message == NULL ? "Multi-bit memory errors" : host->message;
    struct event event = {
        .received_ms = world->now_ms,
        .time_ms = source_time(world, what->time_ms == 0 ? world->now_ms : what->time_ms),
        .severity = what->severity,
        .state = what->raise ? EVENT_RAISE : EVENT_CLEAR,
        .id = text_of(id),
        .source = TEXT("sim"),
        .type = text_of(what->type),
        .subject = text_of(host->name),
        .host = text_of(host->known ? host->name : ""),
        .message = text_of(message),
    };
    int64_t age_max_ms = world->options->policies->defaults.guards.event_max_age_ms;
    if (what->raise && event.received_ms - event.time_ms <= age_max_ms) {
        host->fresh_ms = world->now_ms;
    }
    event_send(world, &event, host->twice ? 3 : 1);
}

void sim_tell(struct sim_world *world, struct sim_host *host, bool raise)
{
    if (raise != host->broken || host->type == NULL) {
        return; /* Overtaken by what happened meanwhile. */
    }
    struct sim_event what = {.kind = SIM_DO_ALARM,
                             .host = host,
                             .type = host->type,
                             .severity = host->severity,
                             .raise = raise};
    if (world->blind) {
        sim_plan(world, SIM_MINUTE_MS, what);
        return;
    }
    bool odd = world->clock_1970 || world->clock_ms < -SIM_MINUTE_MS;
    bool first = host->told_ms < host->broken_ms || host->late_ms > 0;
    host->late_ms = odd && first && raise ? world->now_ms : 0;
    host->told_ms = world->now_ms;
    sim_say(world, host, &what);
    host->said_raise = raise;
    host->stuck = host->stuck || (odd && !raise); /* An old clear is none: it stays raised. */
    host->told_number = world->output.records_through;
    if (raise && !host->terse) { /* That is also how a new life hears of it. */
        sim_plan(world, host->retell_ms,
                 (struct sim_event){.kind = SIM_DO_ALARM, .host = host, .raise = true});
        host->retell_ms = host->retell_ms * 2 < RETELL_MS_MAX ? host->retell_ms * 2 : RETELL_MS_MAX;
    }
}

void sim_tell_again(struct sim_world *world)
{
    for (size_t i = 0; i < world->hosts_count; i++) {
        struct sim_host *host = &world->hosts[i];
        if (host->told_number > world->durable) {
            host->told_ms = 0; /* The next life does not know. */
            host->retell_ms = RETELL_MS;
            sim_plan(world, sim_spread(&host->random, AGAIN_MS),
                     (struct sim_event){.kind = SIM_DO_ALARM, .host = host, .raise = host->broken});
        }
        host->told_number = 0;
    }
}
