/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of the world, and what the shell does with what it says. */

#include "sim/sim_private.h"

void sim_step(struct sim_world *world, const struct engine_input *input)
{
    if (world->report->violation[0] != '\0') {
        return;
    }
    struct engine_input now = *input;
    struct engine_output *output = &world->output;
    struct nsh_error err = {0};
    now.now_ms = world->now_ms;
    if (!world->options->once) {
        sim_tape_add(&world->tape, &now);
    }
    output->trace_wanted = world->trace != NULL;
    int result = engine_step(world->engine, &now, output, &err);
    if (result < 0 && input->kind != INPUT_COMMAND) {
        sim_violation(world, "a step failed: %s", err.text);
        return;
    }
    world->report->steps++;
    if (!world->options->once) {
        uint64_t hash = sim_output_hash(output, result);
        sim_tape_answered(&world->tape, hash);
        world->report->hash = (world->report->hash ^ hash) * 0x100000001b3u;
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
    return world->output.reply;
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
    NSH_ASSERT(engine_new(&world->engine, &err) == 0);
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
    engine_free(world->engine);
    engine_output_done(&world->output);
    world->engine = NULL;
    world->output = (struct engine_output){0};
    if (!world->options->once) {
        sim_tape_replay(world);
    }
    sim_tape_done(&world->tape);
}
