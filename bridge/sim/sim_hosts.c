/* SPDX-License-Identifier: Apache-2.0 */
/* The hosts: they break, tell of it, take orders, and heal when they were really off and on. */

#include "sim/sim_private.h"

#include <stdio.h>

#define ANSWER_MS 1500  /* An ordinary BMC, mean. */
#define BOOT_MS 4000    /* Mean, from power on until it says that it is well. */
#define AGAIN_MS 35000  /* Informs without an answer; the daemon is down for up to a minute. */
#define RETELL_MS 30000 /* A daemon that starts again hears of what is still wrong. */

void sim_hosts_build(struct sim_world *world)
{
    const struct inventory *inventory = world->options->inventory;
    world->hosts = calloc(inventory->hosts_count, sizeof world->hosts[0]);
    NSH_ASSERT(world->hosts != NULL);
    world->hosts_count = inventory->hosts_count;
    for (size_t i = 0; i < world->hosts_count; i++) {
        const char *rack = host_domain(&inventory->hosts[i], "rack");
        world->hosts[i] = (struct sim_host){
            .host = &inventory->hosts[i],
            .rack = rack == NULL ? "" : rack,
            .on = true,
            .liar = sim_chance(world, world->options->liars_permille),
            .terse = sim_chance(world, world->options->terse_permille),
        };
        NSH_ASSERT(map_set(&world->by_name, text_of(inventory->hosts[i].name), &world->hosts[i]) ==
                   0);
    }
}

struct sim_host *sim_host_of(struct sim_world *world, struct text name)
{
    return map_get(&world->by_name, name);
}

struct sim_call *sim_call_of(struct sim_world *world, struct text action)
{
    struct sim_call *call = map_get(&world->calls, action);
    bool again = call != NULL && call->life != world->life &&
                 (call->verb->effect == NSH_READS || call->verb->binding == BINDING_NONE);
    return again ? NULL : call;
}

/* A look of a former life: nobody waits for it, its answer may still be under way. */
static void call_forget(struct sim_world *world, struct text action)
{
    struct sim_call *old = map_remove(&world->calls, action);
    if (old != NULL) {
        old->next_forgotten = world->forgotten;
        world->forgotten = old;
    }
}

static void host_break(struct sim_world *world, struct sim_host *host)
{
    if (host->broken) {
        return;
    }
    host->broken = true;
    host->broken_ms = world->now_ms;
    host->pages_since_broken = 0;
    world->report->faults++;
    sim_plan(world, (int64_t)sim_random(world, 1500),
             (struct sim_event){.kind = SIM_ALARM, .host = host, .raise = true});
}

void sim_break(struct sim_world *world)
{
    struct sim_host *host = &world->hosts[sim_random(world, world->hosts_count)];
    if (!sim_chance(world, world->options->rack_fault_permille)) {
        host_break(world, host);
        return;
    }
    world->report->rack_faults++;
    for (size_t i = 0; i < world->hosts_count; i++) {
        if (strcmp(world->hosts[i].rack, host->rack) == 0) {
            host_break(world, &world->hosts[i]);
        }
    }
}

void sim_tell(struct sim_world *world, struct sim_host *host, bool raise)
{
    if (raise != host->broken) {
        return; /* Overtaken by what happened meanwhile. */
    }
    char id[32];
    snprintf(id, sizeof id, "%llu", (unsigned long long)++world->seq);
    host->told_ms = world->now_ms;
    struct event event = {
        .seq = world->seq,
        .received_ms = world->now_ms,
        .severity = SEVERITY_CRITICAL,
        .state = raise ? EVENT_RAISE : EVENT_CLEAR,
        .id = text_of(id),
        .source = TEXT("sim"),
        .type = TEXT("memory.uncorrectable"),
        .subject = text_of(host->host->name),
        .host = text_of(host->host->name),
        .message = TEXT("Multi-bit memory errors"),
    };
    sim_step(world, &(struct engine_input){.kind = INPUT_EVENTS, .events = {&event, 1}});
    host->told_number = world->outputs[0].records_through;
    if (raise && !host->terse) { /* That is also how a new life hears of it. */
        sim_plan(world, RETELL_MS,
                 (struct sim_event){.kind = SIM_ALARM, .host = host, .raise = true});
    }
}

void sim_tell_again(struct sim_world *world)
{
    for (size_t i = 0; i < world->hosts_count; i++) {
        struct sim_host *host = &world->hosts[i];
        if (host->told_number > world->durable) {
            host->told_ms = 0; /* The next life does not know. */
            sim_plan(world, sim_spread(world, AGAIN_MS),
                     (struct sim_event){.kind = SIM_ALARM, .host = host, .raise = host->broken});
        }
        host->told_number = 0;
    }
}

static bool call_has_effect(const struct sim_call *call)
{
    return !call->refused && call->host != NULL && !call->host->liar &&
           call->verb->effect != NSH_READS;
}

/* What an order does, at the moment it is done. */
static void call_effect(struct sim_world *world, struct sim_call *call)
{
    struct sim_host *host = call->host;
    bool was_on = host->on;
    host->on = strcmp(call->verb->name, "power.off") != 0;
    bool restarted = host->on && (call->interrupts || !was_on);
    if (restarted && host->broken) {
        host->broken = false;
        world->report->heals++;
        sim_plan(world, sim_spread(world, BOOT_MS),
                 (struct sim_event){.kind = SIM_ALARM, .host = host});
    }
}

void sim_call_start(struct sim_world *world, const struct engine_call *from)
{
    struct sim_call *call = sim_call_of(world, from->action);
    if (from->cancel) {
        if (call != NULL && !call->answered) {
            call->lost = true;
        }
        return;
    }
    struct sim_host *host = from->host.count == 0 ? NULL : sim_host_of(world, from->host);
    const struct verb *verb = verb_find(from->verb);
    sim_check_call(world, from, host, verb);
    if (call != NULL || verb == NULL) {
        return; /* A violation: it was noted. */
    }
    call = calloc(1, sizeof *call);
    NSH_ASSERT(call != NULL && from->action.count < sizeof call->action);
    memcpy(call->action, from->action.at, from->action.count);
    call->host = host;
    call->verb = verb;
    call->life = world->life;
    call->interrupts = host != NULL && verb->effect >= NSH_INTERRUPTS;
    call_forget(world, from->action);
    call->refused = host != NULL && sim_chance(world, world->options->refused_permille);
    call->lost = !call->refused && host != NULL && sim_chance(world, world->options->lost_permille);
    NSH_ASSERT(map_set(&world->calls, text_of(call->action), call) == 0);
    if (call->interrupts && host != NULL) {
        host->interrupting = call;
        if (!call->refused && host->interrupts_count < SIM_INTERRUPTS_KEPT) {
            host->interrupts[host->interrupts_count++] = world->now_ms;
        }
        world->report->orders++;
    }
    int64_t in_ms = call->lost ? (int64_t)from->timeout_ms : sim_spread(world, ANSWER_MS);
    sim_plan(world, in_ms, (struct sim_event){.kind = SIM_ANSWER, .call = call});
}

void sim_orders_orphan(struct sim_world *world)
{
    for (size_t i = 0; i < world->hosts_count; i++) {
        struct sim_host *host = &world->hosts[i];
        if (host->interrupting == NULL) {
            continue;
        }
        if (call_has_effect(host->interrupting) && sim_chance(world, 500)) {
            call_effect(world, host->interrupting);
        }
        host->interrupting->answered = true;
        host->interrupting = NULL;
        host->in_doubt = true;
    }
}

static void answer_people(struct sim_world *world, struct sim_call *call)
{
    world->report->pages += strcmp(call->verb->name, "page") == 0;
}

void sim_call_answer(struct sim_world *world, struct sim_call *call)
{
    struct sim_host *host = call->host;
    if (call->answered) {
        return;
    }
    call->answered = true;
    if (host == NULL) {
        answer_people(world, call);
    } else if (call_has_effect(call) && !(call->lost && sim_chance(world, 500))) {
        call_effect(world, call);
    }
    if (host != NULL && host->interrupting == call) {
        host->interrupting = NULL;
        host->in_doubt = call->lost;
    }
    if (call->life != world->life) {
        return; /* Nobody is there to hear it. */
    }
    bool reads = call->verb->effect == NSH_READS && host != NULL;
    if (reads && !call->lost && !call->refused) {
        host->in_doubt = false;
        world->report->reads++;
    }
    world->report->lost += call->lost;
    world->report->refused += call->refused;
    world->report->lies += host != NULL && host->liar && call->interrupts;
    struct nsh_member power = {"power", nsh_text(host != NULL && host->on ? "on" : "off")};
    struct engine_result result = {.action = text_of(call->action), .text = TEXT("ok")};
    if (call->lost) {
        result = (struct engine_result){result.action,     NSH_TIMEOUT, !reads, nsh_null(),
                                        TEXT("no answer"), 0,           {0}};
    } else if (call->refused) {
        result = (struct engine_result){result.action, NSH_BUSY, false, nsh_null(),
                                        TEXT("busy"),  1000,     {0}};
    } else if (reads) {
        result.result = nsh_map(&power, 1);
    }
    sim_step(world, &(struct engine_input){.kind = INPUT_RESULT, .result = result});
}
