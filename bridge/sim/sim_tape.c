/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live equals replay: every input of a life of the daemon is kept, from the records it loaded on,
 * and what the engine answered. When that life ends, a fresh engine gets the tape from its
 * beginning and must answer the same, byte for byte. The copies are all it sees: what the live one
 * was given is gone by then.
 */

#include "base/json.h"
#include "sim/sim_private.h"

static uint64_t hash_bytes(uint64_t hash, struct text text)
{
    return (hash ^ text_hash(text) ^ text.count) * 0x9e3779b97f4a7c15u + 1;
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return (hash ^ number) * 0x9e3779b97f4a7c15u + (hash >> 29);
}

static uint64_t hash_record(uint64_t hash, const struct record *record)
{
    const struct text texts[] = {record->id, record->host, record->policy, record->state,
                                 record->body};
    hash = hash_number(hash, (uint64_t)record->kind * 4 + record->remove * 2u + record->live);
    hash = hash_number(hash, (uint64_t)record->time_ms);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        hash = hash_bytes(hash, texts[i]);
    }
    return hash;
}

static uint64_t hash_call(uint64_t hash, const struct engine_call *call)
{
    CLEANUP(textbuf_donep) struct textbuf args = {0};
    json_write(&call->args, &args);
    const struct text texts[] = {
        call->action, call->host, call->driver, call->verb, {args.at, (uint32_t)args.count}};
    hash = hash_number(hash, (uint64_t)call->binding * 2 + call->cancel);
    hash = hash_number(hash, call->timeout_ms);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        hash = hash_bytes(hash, texts[i]);
    }
    return hash;
}

uint64_t sim_output_hash(const struct engine_output *output, int result)
{
    uint64_t hash = hash_number((uint64_t)(int64_t)result, output->records_through);
    hash = hash_bytes(hash_number(hash, (uint64_t)output->wake_ms), output->reply);
    for (size_t i = 0; i < output->records_count; i++) {
        hash = hash_record(hash, &output->records[i]);
    }
    for (size_t i = 0; i < output->calls_count; i++) {
        hash = hash_call(hash, &output->calls[i]);
    }
    return hash;
}

/* ---- copies -----------------------------------------------------------------------------------
 */

static void texts_copy(struct arena *arena, struct text *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct text copy = arena_text(arena, *texts[i]);
        NSH_ASSERT(copy.count == texts[i]->count);
        *texts[i] = copy;
    }
}

static const struct record *record_copy(struct arena *arena, const struct record *from)
{
    struct record *record = arena_alloc(arena, sizeof *record);
    NSH_ASSERT(record != NULL);
    *record = *from;
    texts_copy(arena,
               (struct text *const[]){&record->id, &record->host, &record->policy, &record->state,
                                      &record->body},
               5);
    return record;
}

static const struct event *events_copy(struct arena *arena, const struct event *items, size_t count)
{
    struct event *events = arena_array(arena, count + 1, sizeof *events);
    NSH_ASSERT(events != NULL);
    for (size_t i = 0; i < count; i++) {
        struct event *event = &events[i];
        *event = items[i];
        texts_copy(arena,
                   (struct text *const[]){&event->id, &event->source, &event->type, &event->subject,
                                          &event->host, &event->resource, &event->qualifier,
                                          &event->name, &event->message, &event->hint,
                                          &event->data},
                   11);
    }
    return events;
}

static void value_copy(struct arena *arena, struct nsh_value *value)
{
    struct nsh_value copy;
    NSH_ASSERT(arena_value(arena, value, &copy));
    *value = copy;
}

static void input_copy(struct arena *arena, struct engine_input *input)
{
    struct engine_result *result = &input->result;
    struct engine_command *command = &input->command;
    switch (input->kind) {
    case INPUT_LOAD:
        input->record = record_copy(arena, input->record);
        break;
    case INPUT_KNOWN:
    case INPUT_EVENTS:
        input->events.items = events_copy(arena, input->events.items, input->events.count);
        break;
    case INPUT_RESULT:
        value_copy(arena, &result->result);
        texts_copy(arena, (struct text *const[]){&result->action, &result->text, &result->trace},
                   3);
        break;
    case INPUT_COMMAND:
        value_copy(arena, &command->args);
        texts_copy(arena, (struct text *const[]){&command->name, &command->actor}, 2);
        break;
    case INPUT_HEALTH:
        texts_copy(arena, (struct text *const[]){&input->health.blind}, 1);
        break;
    case INPUT_LOADED:
    case INPUT_INVENTORY: /* These two live as long as the world. */
    case INPUT_POLICIES:
    case INPUT_TICK:
    case INPUT_DURABLE:
        break;
    }
}

/* ---- the tape ---------------------------------------------------------------------------------
 */

void sim_tape_add(struct sim_tape *tape, const struct engine_input *input)
{
    if (tape->count == tape->room) {
        tape->room = tape->room * 2 + 256;
        tape->steps = realloc(tape->steps, tape->room * sizeof *tape->steps);
        NSH_ASSERT(tape->steps != NULL);
    }
    struct sim_taped *step = &tape->steps[tape->count++];
    *step = (struct sim_taped){.input = *input};
    input_copy(&tape->arena, &step->input);
}

void sim_tape_answered(struct sim_tape *tape, uint64_t hash)
{
    tape->steps[tape->count - 1].hash = hash;
}

static bool left_out(const struct sim_world *world, size_t step)
{
    uint32_t every = world->options->spoil_every;
    return every > 0 && step % every == every - 1 &&
           world->tape.steps[step].input.kind == INPUT_EVENTS;
}

void sim_tape_replay(struct sim_world *world)
{
    struct sim_tape *tape = &world->tape;
    struct engine *engine = NULL;
    struct engine_output output = {0};
    struct nsh_error err = {0};
    NSH_ASSERT(engine_new(&engine, &err) == 0);
    for (size_t i = 0; i < tape->count && world->report->violation[0] == '\0'; i++) {
        if (left_out(world, i)) {
            continue;
        }
        int result = engine_step(engine, &tape->steps[i].input, &output, &err);
        world->report->replayed++;
        if (sim_output_hash(&output, result) != tape->steps[i].hash) {
            sim_violation(world, "step %zu of %zu of life %llu is not what it was when replayed", i,
                          tape->count, (unsigned long long)world->life);
        }
    }
    engine_free(engine);
    engine_output_done(&output);
}

void sim_tape_done(struct sim_tape *tape)
{
    free(tape->steps);
    arena_done(&tape->arena);
    *tape = (struct sim_tape){0};
}
