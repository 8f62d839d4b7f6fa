/* SPDX-License-Identifier: Apache-2.0 */
/* The world's clock: takes what is due, one after the other, until nothing can happen any more. */

#include "sim/sim_private.h"

#define START_MS 1790000000000LL
#define QUIET_MS (2LL * 3600 * 1000)
#define FREEZE_MS (10 * 60 * 1000)
#define STEPS_MAX 5000000 /* A world that does not come to rest is a failure. */

uint64_t sim_random(struct sim_world *world, uint64_t below)
{
    uint64_t z = world->random += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

bool sim_chance(struct sim_world *world, uint32_t permille)
{
    return sim_random(world, 1000) < permille;
}

int64_t sim_spread(struct sim_world *world, uint32_t mean_ms)
{
    return 1 + (int64_t)sim_random(world, 2ull * mean_ms);
}

void sim_plan(struct sim_world *world, int64_t in_ms, struct sim_event from)
{
    struct sim_event *event = malloc(sizeof *event);
    NSH_ASSERT(event != NULL);
    *event = from;
    event->node = (struct heap_node){.due = world->now_ms + in_ms, .order = ++world->order};
    NSH_ASSERT(heap_add(&world->events, &event->node) == 0);
}

static void plan_again(struct sim_world *world, enum sim_kind kind, uint32_t mean_ms)
{
    if (mean_ms > 0 && !world->quiet) {
        sim_plan(world, sim_spread(world, mean_ms), (struct sim_event){.kind = kind});
    }
}

static void happen_kill(struct sim_world *world)
{
    if (!world->quiet) {
        world->report->kills++;
        sim_stop(world);
        sim_tell_again(world);
        if (world->freeze_number > world->durable) {
            world->frozen_until_ms = 0; /* Nobody was told that it is frozen. */
        }
        world->freeze_number = 0;
        sim_store_killed(world);
        sim_orders_orphan(world);
        world->now_ms += (int64_t)sim_random(world, 60000);
        sim_start(world);
    }
    plan_again(world, SIM_KILL, world->options->kill_every_ms);
}

static void happen_freeze(struct sim_world *world)
{
    if (!world->quiet && world->now_ms >= world->frozen_until_ms && world->store_ok) {
        const struct sim_host *host = &world->hosts[sim_random(world, world->hosts_count)];
        char scope[80] = "rack=";
        strncat(scope, host->rack, sizeof scope - 8);
        struct nsh_member args[] = {
            {"scope", nsh_text(scope)},
            {"owner", nsh_text("sim")},
            {"reason", nsh_text("drill")},
            {"for_ms", nsh_int(FREEZE_MS)},
        };
        world->report->freezes++;
        strncpy(world->frozen, host->rack, sizeof world->frozen - 1);
        world->frozen_until_ms = world->now_ms + FREEZE_MS;
        sim_step(world, &(struct engine_input){
                            .kind = INPUT_COMMAND,
                            .command = {TEXT("freeze"), nsh_map(args, 4), TEXT("sim")},
                        });
        world->freeze_number = world->outputs[0].records_through;
    }
    plan_again(world, SIM_FREEZE, world->options->freeze_every_ms);
}

static void happen_sick(struct sim_world *world)
{
    world->store_ok = !world->store_ok || world->quiet;
    world->report->sick += !world->store_ok;
    sim_step(world,
             &(struct engine_input){.kind = INPUT_HEALTH, .health = {.store_ok = world->store_ok}});
    sim_store_write(world);
    if (!world->store_ok) {
        sim_plan(world, sim_spread(world, 20000), (struct sim_event){.kind = SIM_SICK});
    } else {
        plan_again(world, SIM_SICK, world->options->sick_every_ms);
    }
}

static void happen_durable(struct sim_world *world, const struct sim_event *event)
{
    if (event->number != world->life || world->writing == 0) {
        return;
    }
    if (!world->store_ok) { /* The batch is kept and tried again. */
        sim_plan(world, 1000, *event);
        return;
    }
    sim_store_committed(world);
    sim_step(world, &(struct engine_input){.kind = INPUT_DURABLE, .durable = world->durable});
    sim_store_write(world);
}

static void happen(struct sim_world *world, const struct sim_event *event)
{
    switch (event->kind) {
    case SIM_FAULT:
        sim_break(world);
        plan_again(world, SIM_FAULT, world->options->fault_every_ms);
        break;
    case SIM_ALARM:
        sim_tell(world, event->host, event->raise);
        break;
    case SIM_ANSWER:
        sim_call_answer(world, event->call);
        break;
    case SIM_DURABLE:
        happen_durable(world, event);
        break;
    case SIM_TICK:
        if (event->number == world->life && world->now_ms >= world->wake_ms) {
            world->wake_ms = INT64_MAX;
            sim_step(world, &(struct engine_input){.kind = INPUT_TICK});
        }
        break;
    case SIM_KILL:
        happen_kill(world);
        break;
    case SIM_FREEZE:
        happen_freeze(world);
        break;
    case SIM_SICK:
        happen_sick(world);
        break;
    }
}

static void world_done(struct sim_world *world)
{
    sim_stop(world);
    sim_store_done(world);
    while (heap_first(&world->events) != NULL) {
        struct sim_event *event = (struct sim_event *)heap_first(&world->events);
        heap_remove(&world->events, &event->node);
        free(event);
    }
    heap_done(&world->events);
    MAP_EACH (&world->calls, entry) {
        free(entry->value);
    }
    while (world->forgotten != NULL) {
        struct sim_call *next = world->forgotten->next_forgotten;
        free(world->forgotten);
        world->forgotten = next;
    }
    map_done(&world->calls);
    map_done(&world->by_name);
    free(world->hosts);
}

int sim_run(const struct sim_options *options, struct sim_report *ret_report, struct textbuf *trace)
{
    *ret_report = (struct sim_report){0};
    struct sim_world world = {
        .options = options,
        .report = ret_report,
        .trace = trace,
        .random = options->seed,
        .now_ms = START_MS,
        .store_ok = true,
    };
    int64_t end_ms = START_MS + options->duration_ms;
    sim_hosts_build(&world);
    sim_start(&world);
    plan_again(&world, SIM_FAULT, options->fault_every_ms);
    plan_again(&world, SIM_KILL, options->kill_every_ms);
    plan_again(&world, SIM_FREEZE, options->freeze_every_ms);
    plan_again(&world, SIM_SICK, options->sick_every_ms);
    while (ret_report->violation[0] == '\0') {
        struct sim_event *event = (struct sim_event *)heap_first(&world.events);
        if (event == NULL || event->node.due > end_ms + QUIET_MS) {
            sim_check_end(&world);
            break;
        }
        if (ret_report->steps > STEPS_MAX) {
            sim_violation(&world, "the world does not come to rest");
            break;
        }
        heap_remove(&world.events, &event->node);
        world.now_ms = event->node.due > world.now_ms ? event->node.due : world.now_ms;
        world.quiet = world.now_ms >= end_ms;
        happen(&world, event);
        free(event);
    }
    world_done(&world);
    return ret_report->violation[0] == '\0' ? 0 : -NSH_FAILED;
}
