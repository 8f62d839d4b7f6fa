/* SPDX-License-Identifier: Apache-2.0 */
/* The world's clock: takes what is due, one after the other, until nothing can happen any more. */

#include "sim/sim_private.h"

#define STEPS_MAX_PER_FAULT 20000 /* A world that does not come to rest is a failure. */

uint64_t sim_random_of(uint64_t *state, uint64_t below)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return below == 0 ? 0 : (z ^ (z >> 31)) % below;
}

uint64_t sim_random(struct sim_world *world, uint64_t below)
{
    return sim_random_of(&world->random, below);
}

bool sim_chance(struct sim_host *host, uint32_t permille)
{
    return sim_random_of(&host->random, 1000) < permille;
}

int64_t sim_spread(uint64_t *state, uint32_t mean_ms)
{
    return 1 + (int64_t)sim_random_of(state, 2ull * mean_ms);
}

void sim_plan(struct sim_world *world, int64_t in_ms, struct sim_event from)
{
    struct sim_event *event = malloc(sizeof *event);
    NSH_ASSERT(event != NULL);
    *event = from;
    event->node = (struct heap_node){.due = world->now_ms + in_ms, .order = ++world->order};
    NSH_ASSERT(heap_add(&world->events, &event->node) == 0);
}

/* Freezes that nobody was told of are none. */
static void freezes_killed(struct sim_world *world, int64_t before_ms)
{
    for (size_t i = 0; i < world->freezes_count; i++) {
        struct sim_freeze *freeze = &world->freezes[i];
        if (freeze->number > world->durable || freeze->since_ms >= before_ms) {
            freeze->until_ms = 0;
        }
        freeze->number = 0;
    }
}

void sim_kill(struct sim_world *world, int64_t down_ms, bool restore)
{
    world->report->kills++;
    world->kill_at = KILL_NOT;
    sim_stop(world);
    if (restore) {
        sim_store_restore(world);
        sim_calls_restore(world);
    }
    sim_tell_again(world);
    freezes_killed(world, restore ? world->backup_ms : INT64_MAX);
    sim_said_killed(world, restore ? world->backup_ms : INT64_MAX);
    world->brake_excused_ms = restore ? world->now_ms + SIM_HOUR_MS : world->brake_excused_ms;
    world->backup_ms = restore ? 0 : world->backup_ms;
    sim_store_killed(world);
    sim_calls_orphan(world);
    world->now_ms += down_ms;
    sim_start(world);
}

void sim_kill_later(struct sim_world *world)
{
    world->kill_at = KILL_NOT;
    sim_plan(world, (int64_t)sim_random(world, 2000), (struct sim_event){.kind = SIM_DO_KILL});
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
    if (world->kill_at == KILL_BEFORE) {
        sim_kill(world, 1000, false);
        return;
    }
    sim_store_committed(world);
    if (world->kill_at == KILL_AFTER) {
        sim_kill(world, 1000, false);
        return;
    }
    sim_step(world, &(struct engine_input){.kind = INPUT_DURABLE, .durable = world->durable});
    sim_store_write(world);
}

static void happen_break(struct sim_world *world, const struct sim_event *event)
{
    if (event->fault == NULL) {
        sim_host_heal(world, event->host, false);
        return;
    }
    uint64_t number = event->fault->number;
    static const char *const types[] = {"memory.uncorrectable", "os.watchdog.expired",
                                        "host.unreachable"};
    bool loops = event->fault->kind == SIM_HOST_BOOT_LOOP;
    sim_host_break(world, event->host,
                   &(struct sim_break){
                       .cure = loops ? CURE_LOOP : CURE_CYCLE,
                       .type = types[number % 3],
                       .severity = SEVERITY_CRITICAL,
                       .tell_ms = 1 + (int64_t)(number % 1500),
                       .fault = event->fault,
                   });
}

static void happen_tick(struct sim_world *world, const struct sim_event *event)
{
    if (event->number == world->life && world->now_ms >= world->wake_ms) {
        world->wake_ms = INT64_MAX;
        sim_step(world, &(struct engine_input){.kind = INPUT_TICK});
    }
}

static void happen(struct sim_world *world, const struct sim_event *event)
{
    switch (event->kind) {
    case SIM_DO_BEGIN:
        sim_fault_begin(world, event->fault);
        break;
    case SIM_DO_AGAIN:
        sim_fault_traced(world, event->fault);
        break;
    case SIM_DO_END:
        sim_fault_end(world, event->fault);
        break;
    case SIM_DO_BREAK:
        happen_break(world, event);
        break;
    case SIM_DO_ALARM:
        sim_tell(world, event->host, event->raise);
        break;
    case SIM_DO_EVENT:
        sim_say(world, event->host, event);
        break;
    case SIM_DO_ANSWER:
        sim_call_answer(world, event->call);
        break;
    case SIM_DO_EFFECT:
        sim_call_effect_late(world, event->call);
        break;
    case SIM_DO_DURABLE:
        happen_durable(world, event);
        break;
    case SIM_DO_TICK:
        happen_tick(world, event);
        break;
    case SIM_DO_PERSON:
        sim_person(world, event);
        break;
    case SIM_DO_KILL:
        sim_kill(world, (int64_t)sim_random(world, 30000), false);
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
    sim_said_done(world);
    sim_inventory_done(world);
    arena_done(&world->arena);
    free(world->hosts);
}

static void world_live(struct sim_world *world, int64_t end_ms)
{
    uint64_t steps_max = STEPS_MAX_PER_FAULT * (world->faults_count + 10);
    while (world->report->violation[0] == '\0') {
        struct sim_event *event = (struct sim_event *)heap_first(&world->events);
        if (event == NULL || event->node.due > end_ms) {
            sim_check_end(world);
            break;
        }
        if (world->report->steps > steps_max) {
            sim_violation(world, "the world does not come to rest");
            break;
        }
        heap_remove(&world->events, &event->node);
        world->now_ms = event->node.due > world->now_ms ? event->node.due : world->now_ms;
        happen(world, event);
        free(event);
    }
}

static int64_t faults_plan(struct sim_world *world)
{
    int64_t end_ms = SIM_EPOCH_MS + world->options->duration_ms;
    for (size_t i = 0; i < world->faults_count; i++) {
        const struct sim_fault *fault = &world->faults[i];
        int64_t over_ms = SIM_EPOCH_MS + fault->at_ms + fault->lasting_ms;
        end_ms = over_ms > end_ms ? over_ms : end_ms;
        sim_plan(world, fault->at_ms, (struct sim_event){.kind = SIM_DO_BEGIN, .fault = fault});
    }
    return end_ms;
}

int sim_run(const struct sim_options *options, struct sim_report *ret_report, struct textbuf *trace)
{
    struct sim_fault *made = NULL;
    size_t made_count = 0;
    *ret_report = (struct sim_report){0};
    if (options->faults == NULL && sim_faults_make(options, &made, &made_count) < 0) {
        return -NSH_NOMEM;
    }
    struct sim_world *world = calloc(1, sizeof *world);
    if (world == NULL) {
        free(made);
        return -NSH_NOMEM;
    }
    *world = (struct sim_world){
        .options = options,
        .report = ret_report,
        .trace = trace,
        .faults = made != NULL ? made : options->faults,
        .faults_count = made != NULL ? made_count : options->faults_count,
        .random = options->seed,
        .now_ms = SIM_EPOCH_MS,
        .store_ok = true,
        .policies = options->policies,
    };
    for (size_t i = 0; options->outcomes != NULL && i < options->faults_count; i++) {
        options->outcomes[i] = (struct sim_outcome){.recovered_ms = -1};
    }
    sim_hosts_build(world);
    sim_inventory_make(world);
    sim_start(world);
    world_live(world, faults_plan(world) + SIM_QUIET_MS);
    world_done(world);
    free(world);
    free(made);
    return ret_report->violation[0] == '\0' ? 0 : -NSH_FAILED;
}
