/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines that take the same steps, and what the shell does with what they say. */

#include "sim/sim_private.h"

static uint64_t hash_add(uint64_t hash, struct text text)
{
    return (hash ^ text_hash(text)) * 0x9e3779b97f4a7c15u;
}

static uint64_t output_hash(const struct engine_output *output)
{
    uint64_t hash = output->records_through ^ (uint64_t)output->wake_ms;
    for (size_t i = 0; i < output->records_count; i++) {
        const struct record *record = &output->records[i];
        hash = hash_add(hash, record->id) + (uint64_t)record->kind + record->remove * 2u +
               record->live * 4u;
        hash = hash_add(hash_add(hash_add(hash, record->host), record->state), record->body);
    }
    for (size_t i = 0; i < output->calls_count; i++) {
        const struct engine_call *call = &output->calls[i];
        hash = hash_add(hash_add(hash_add(hash, call->action), call->host), call->verb) +
               call->timeout_ms;
    }
    return hash;
}

void sim_step(struct sim_world *world, const struct engine_input *input)
{
    if (world->report->violation[0] != '\0') {
        return;
    }
    struct engine_input now = *input;
    now.now_ms = world->now_ms;
    int results[2] = {0};
    size_t count = world->options->once ? 1 : 2;
    for (size_t i = 0; i < count; i++) {
        struct nsh_error err = {0};
        world->outputs[i].trace_wanted = i == 0 && world->trace != NULL;
        results[i] = engine_step(world->engines[i], &now, &world->outputs[i], &err);
        if (results[i] < 0 && input->kind != INPUT_COMMAND) {
            sim_violation(world, "a step failed: %s", err.text);
            return;
        }
    }
    const struct engine_output *output = &world->outputs[0];
    world->report->steps++;
    uint64_t hash = count == 2 ? output_hash(output) : 0;
    world->report->hash = (world->report->hash ^ hash) * 0x100000001b3u;
    if (count == 2 && (results[0] != results[1] || hash != output_hash(&world->outputs[1]))) {
        sim_violation(world, "two engines with the same inputs differ");
        return;
    }
    if (world->trace != NULL) {
        textbuf_add(world->trace, output->trace);
    }
    sim_store_take(world, output);
    for (size_t i = 0; i < output->calls_count; i++) {
        sim_call_start(world, &output->calls[i]);
    }
    if (output->wake_ms != INT64_MAX && output->wake_ms != world->wake_ms) {
        world->wake_ms = output->wake_ms;
        int64_t in_ms = output->wake_ms - world->now_ms;
        sim_plan(world, in_ms < 0 ? 0 : in_ms,
                 (struct sim_event){.kind = SIM_DO_TICK, .number = world->life});
    }
}

struct text sim_command(struct sim_world *world, const char *name, const struct nsh_member *args,
                        size_t count)
{
    sim_step(world, &(struct engine_input){
                        .kind = INPUT_COMMAND,
                        .command = {text_of(name), nsh_map(args, count), TEXT("sim")},
                    });
    return world->outputs[0].reply;
}

void sim_health(struct sim_world *world)
{
    struct engine_health health = {.store_ok = world->store_ok};
    if (world->blind) {
        health.blind = TEXT("source sim silent");
    }
    sim_step(world, &(struct engine_input){.kind = INPUT_HEALTH, .health = health});
}

void sim_start(struct sim_world *world)
{
    struct nsh_error err = {0};
    world->life++;
    world->wake_ms = INT64_MAX;
    for (size_t i = 0; i < (world->options->once ? 1 : 2); i++) {
        NSH_ASSERT(engine_new(&world->engines[i], &err) == 0);
    }
    MAP_EACH (&world->rows, entry) {
        const struct sim_row *row = entry->value;
        if (row->record.live) {
            sim_step(world, &(struct engine_input){.kind = INPUT_LOAD, .record = &row->record});
        }
    }
    sim_step(world, &(struct engine_input){.kind = INPUT_LOADED});
    sim_step(world, &(struct engine_input){.kind = INPUT_INVENTORY,
                                           .inventory = sim_inventory_now(world)});
    sim_step(world, &(struct engine_input){.kind = INPUT_POLICIES, .policies = world->policies});
    sim_health(world);
}

void sim_stop(struct sim_world *world)
{
    for (size_t i = 0; i < (world->options->once ? 1 : 2); i++) {
        engine_free(world->engines[i]);
        engine_output_done(&world->outputs[i]);
        world->engines[i] = NULL;
        world->outputs[i] = (struct engine_output){0};
    }
}
