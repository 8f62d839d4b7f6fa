/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only door: engine_step(). What came in is taken, what is due is done, what changed becomes
 * records.
 *
 * Events go before timers of the same instant; timers that were due before go first. Forbidden
 * order: nothing leaves (engine_call_out) for an action whose record is not durable.
 */

#include "engine_index.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMERS_PER_STEP_MAX 1000000 /* More than can wait: a loop of ours, not work. */

#define SCRATCH_BYTES_KEPT (16u << 10) /* Small: it stays in the nearest cache. */

void scratch_relax(struct engine *engine)
{
    if (engine->scratch.used_bytes > SCRATCH_BYTES_KEPT) {
        arena_reset(&engine->scratch);
    }
}

void *engine_alloc(struct engine *engine, size_t bytes)
{
    void *at = calloc(1, bytes == 0 ? 1 : bytes);
    if (at == NULL) {
        engine->nomem = true;
    }
    return at;
}

struct text engine_key(struct engine *engine)
{
    if (engine->key.failed || engine->key.at == NULL) {
        engine->nomem = true;
        return (struct text){NULL, 0};
    }
    return (struct text){engine->key.at, (uint32_t)engine->key.count};
}

char *engine_copy(struct engine *engine, struct text text)
{
    size_t count = text.count > TEXT_KEPT_MAX ? TEXT_KEPT_MAX : text.count;
    /* Cut between characters. */
    while (count > 0 && count < text.count && ((unsigned char)text.at[count] & 0xC0) == 0x80) {
        count--;
    }
    char *copy = engine_alloc(engine, count + 1);
    if (copy != NULL && count > 0) {
        memcpy(copy, text.at, count);
    }
    return copy;
}

void engine_timer_set(struct engine *engine, struct timer *timer, int64_t due_ms, uint64_t order)
{
    NSH_ASSERT(timer->fire != NULL);
    heap_remove(&engine->timers, &timer->node);
    timer->node.due = due_ms;
    timer->node.order = order;
    if (heap_add(&engine->timers, &timer->node) < 0) {
        engine->nomem = true;
    }
}

void engine_timer_stop(struct engine *engine, struct timer *timer)
{
    heap_remove(&engine->timers, &timer->node);
}

uint64_t engine_number(struct engine *engine, enum counter_id id)
{
    uint64_t number = ++engine->numbers[id];
    if (number > engine->reserved[id]) {
        engine->reserved[id] = number + IDS_RESERVE - 1;
        engine->numbers_dirty = true;
    }
    return number;
}

void engine_id(struct engine *engine, enum counter_id id, const char *prefix, char ret_id[ID_BYTES])
{
    snprintf(ret_id, ID_BYTES, "%s-%06llu", prefix, (unsigned long long)engine_number(engine, id));
}

void engine_trace(struct engine *engine, const char *format, ...)
{
    if (engine->output == NULL || !engine->output->trace_wanted) {
        return;
    }
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int count = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *line = count < 0 ? NULL : arena_alloc(&engine->scratch, (size_t)count + 1);
    if (line != NULL) {
        vsnprintf(line, (size_t)count + 1, format, again);
        textbuf_add_chars(&engine->trace, line);
        textbuf_add_char(&engine->trace, '\n');
    }
    va_end(again);
}

const char *scratch_printf(struct engine *engine, const char *format, ...)
{
    char most[256]; /* Nearly all of them fit, and are formatted once. */
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int count = vsnprintf(most, sizeof most, format, arguments);
    va_end(arguments);
    char *text = count < 0 ? NULL : arena_alloc(&engine->scratch, (size_t)count + 1);
    if (text != NULL && (size_t)count < sizeof most) {
        memcpy(text, most, (size_t)count + 1);
    } else if (text != NULL) {
        vsnprintf(text, (size_t)count + 1, format, again);
    } else {
        engine->nomem = true;
    }
    va_end(again);
    return text == NULL ? "(no memory for the text)" : text;
}

const char *engine_time(struct engine *engine, int64_t ms)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_add_time(&text, ms);
    return scratch_printf(engine, "%s", text.at == NULL ? "" : text.at);
}

/* Lists of the output grow in its arena: what was taken up there cannot get lost afterwards. */
static bool grow(struct engine *engine, void **items, size_t *room, size_t count, size_t bytes)
{
    if (count < *room) {
        return true;
    }
    size_t wanted = *room == 0 ? 64 : *room * 2;
    void *grown = arena_array(&engine->output->arena, wanted, bytes);
    if (grown == NULL) {
        engine->nomem = true;
        return false;
    }
    if (count > 0) {
        memcpy(grown, *items, count * bytes);
    }
    *items = grown;
    *room = wanted;
    return true;
}

void engine_call_out(struct engine *engine, const struct engine_call *call)
{
    struct engine_output *output = engine->output;
    void *items = output->calls;
    if (grow(engine, &items, &output->calls_room, output->calls_count, sizeof *call)) {
        output->calls = items;
        output->calls[output->calls_count++] = *call;
    }
}

void record_emit(struct engine *engine, const struct record *record)
{
    struct engine_output *output = engine->output;
    void *items = output->records;
    if (!grow(engine, &items, &output->records_room, output->records_count, sizeof *record)) {
        return;
    }
    output->records = items;
    struct arena *arena = &output->arena;
    struct record copy = *record;
    copy.id = arena_text(arena, record->id);
    copy.host = arena_text(arena, record->host);
    copy.policy = arena_text(arena, record->policy);
    copy.state = arena_text(arena, record->state);
    copy.body = arena_text(arena, record->body);
    if (copy.id.at == NULL || copy.host.at == NULL || copy.policy.at == NULL ||
        copy.state.at == NULL || copy.body.at == NULL) {
        engine->nomem = true;
        return;
    }
    output->records[output->records_count++] = copy;
    engine->records_through++;
}

int engine_new(struct engine **ret_engine, struct nsh_error *err)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the engine");
    }
    engine->store_ok = true;
    engine->now_ms = INT64_MIN;
    engine->promised_ms = INT64_MAX;
    engine->alarms.count_max = ENGINE_ALARMS_MAX;
    engine->instances.count_max = INSTANCES_MAX;
    engine->recent_timer = (struct timer){.fire = brake_recent_fire};
    engine->gone_timer = (struct timer){.fire = alarm_gone_fire};
    engine->soon_timer = (struct timer){.fire = alarm_soon_fire};
    *ret_engine = engine;
    return 0;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    while (engine->runs_first != NULL) {
        run_free(engine, engine->runs_first);
    }
    MAP_EACH (&engine->instances, entry) {
        instance_free(engine, entry->value);
    }
    MAP_EACH (&engine->alarms, entry) {
        alarm_free(engine, entry->value);
    }
    while (engine->freezes != NULL) {
        freeze_free(engine, engine->freezes);
    }
    while (engine->brakes != NULL) {
        brake_free(engine, engine->brakes);
    }
    while (engine->leases != NULL) {
        lease_free(engine, engine->leases);
    }
    holds_free(engine);
    fleet_free(engine);
    MAP_EACH (&engine->types, entry) {
        struct type_state *type = entry->value;
        free(type->policies);
        index_free(type->index);
        free(type);
    }
    free(engine->type_spare.policies);
    struct map *maps[] = {&engine->hosts,     &engine->domains, &engine->quorums,
                          &engine->alarms,    &engine->types,   &engine->alarm_ids,
                          &engine->instances, &engine->calls,   &engine->runs};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        map_done(maps[i]);
    }
    heap_done(&engine->timers);
    dedup_done(engine);
    breakers_free(engine);
    ladder_free(engine);
    arena_done(&engine->scratch);
    arena_done(&engine->load);
    textbuf_done(&engine->key);
    textbuf_done(&engine->json);
    textbuf_done(&engine->trace);
    textbuf_done(&engine->reply);
    free(engine);
}

/* What is due up to (and, when inclusive, at) now. */
static void timers_run(struct engine *engine, bool inclusive)
{
    for (uint32_t i = 0; i < TIMERS_PER_STEP_MAX; i++) {
        struct heap_node *node = heap_first(&engine->timers);
        if (node == NULL || node->due > engine->now_ms ||
            (!inclusive && node->due == engine->now_ms)) {
            return;
        }
        heap_remove(&engine->timers, node);
        struct timer *timer = (struct timer *)(void *)node; /* Its first member. */
        timer->fire(engine, timer->owner);
        scratch_relax(engine);
    }
    bool timers_set_each_other_without_end = true;
    NSH_ASSERT(!timers_set_each_other_without_end);
}

/* Nobody ticked for long: the machine slept. That time is unknown time. */
static void gap_check(struct engine *engine, int64_t now_ms)
{
    if (engine->promised_ms == INT64_MAX || engine->promised_ms + ENGINE_GAP_MS >= now_ms) {
        return;
    }
    int64_t since_ms = engine->now_ms;
    engine->now_ms = now_ms;
    engine_trace(engine, "gap %lldms", (long long)(now_ms - since_ms));
    instances_unknown(engine, since_ms);
}

static int policies_take(struct engine *engine, const struct policy_set *set, struct nsh_error *err)
{
    uint32_t kept = 0;
    bool known = false;
    for (uint32_t i = 0; i < engine->sets_count; i++) {
        if (engine->sets[i].runs > 0 || engine->sets[i].set == set) {
            known = known || engine->sets[i].set == set;
            engine->sets[kept++] = engine->sets[i];
        }
    }
    engine->sets_count = kept;
    if (!known) {
        if (engine->sets_count == SETS_MAX) {
            return nsh_fail(err, NSH_LIMIT, "runs still use %d older policy sets", SETS_MAX);
        }
        engine->sets[engine->sets_count++] = (struct set_use){.set = set};
    }
    engine->set = set;
    engine->guards = &set->defaults.guards;
    blind_policies(engine);
    engine->generation++;
    engine->stamp_keep_ms = DAY_MS;
    if (engine->guards->host_interrupts_ms > engine->stamp_keep_ms) {
        engine->stamp_keep_ms = engine->guards->host_interrupts_ms;
    }
    for (size_t i = 0; i < set->policies_count; i++) {
        const struct policy_limits *limits = &set->policies[i].limits;
        for (size_t r = 0; r < limits->rates_count; r++) {
            if (limits->rates[r].window_ms > engine->stamp_keep_ms) {
                engine->stamp_keep_ms = limits->rates[r].window_ms;
            }
        }
    }
    if (engine->ready) {
        instances_reload(engine);
        operators_expect(engine);
    }
    engine_trace(engine, "policies %zu", set->policies_count);
    return 0;
}

void engine_set_index(struct engine *engine, bool on)
{
    engine->index_off = !on;
    engine->generation++;
}

bool engine_policies_in_use(const struct engine *engine, const struct policy_set *set)
{
    for (uint32_t i = 0; i < engine->sets_count; i++) {
        if (engine->sets[i].set == set) {
            return engine->sets[i].runs > 0 || engine->set == set;
        }
    }
    return false;
}

static void health_take(struct engine *engine, const struct engine_health *health)
{
    bool recovered = health->store_ok && !engine->store_ok;
    bool was_blind = engine->blind[0] != 0;
    engine->store_ok = health->store_ok;
    snprintf(engine->blind, sizeof engine->blind, "%.*s", PT(health->blind));
    engine_trace(engine, "health store %s%s%s", health->store_ok ? "ok" : "failing",
                 engine->blind[0] == 0 ? "" : ", blind: ", engine->blind);
    if (was_blind != (engine->blind[0] != 0)) {
        operators_blind(engine, !was_blind);
    }
    if (recovered) {
        decide_again(engine, &engine->waiting_store);
    }
}

static void ready_check(struct engine *engine)
{
    if (!engine->ready && engine->loaded && engine->inventory != NULL && engine->set != NULL) {
        engine->ready = true;
        load_finish(engine);
    }
}

static int input_take(struct engine *engine, const struct engine_input *input,
                      struct nsh_error *err)
{
    bool needs_ready = input->kind == INPUT_EVENTS || input->kind == INPUT_COMMAND;
    if (needs_ready && !engine->ready) {
        return nsh_fail(err, NSH_INVALID,
                        "not ready: records, inventory and policies come before anything else");
    }
    int result = 0;
    switch (input->kind) {
    case INPUT_LOAD:
        return engine->loaded ? nsh_fail(err, NSH_INVALID, "a record after all were loaded")
                              : load_record(engine, input->record, err);
    case INPUT_LOADED:
        engine->loaded = true;
        break;
    case INPUT_INVENTORY:
        engine->inventory = input->inventory;
        fleet_take(engine, input->inventory);
        if (engine->ready) {
            blind_inventory(engine);
            move_settles(engine);
        }
        if (engine->ready) {
            operators_expect(engine);
        }
        break;
    case INPUT_POLICIES:
        result = policies_take(engine, input->policies, err);
        break;
    case INPUT_KNOWN:
        dedup_known(engine, input->events.items, input->events.count);
        break;
    case INPUT_EVENTS:
        blind_heard(engine, input->events.items, input->events.count);
        events_take(engine, input->events.items, input->events.count);
        break;
    case INPUT_TICK:
        break;
    case INPUT_DURABLE:
        NSH_ASSERT(input->durable <= engine->records_through);
        engine->durable = input->durable > engine->durable ? input->durable : engine->durable;
        break;
    case INPUT_RESULT:
        action_result(engine, &input->result);
        break;
    case INPUT_COMMAND:
        result = command_run(engine, &input->command, err);
        break;
    case INPUT_HEALTH:
        health_take(engine, &input->health);
        break;
    }
    ready_check(engine);
    return result;
}

/* Somebody waits for time: then a heartbeat tells, after a crash, how long we were watching. */
static bool heartbeat_wanted(const struct engine *engine)
{
    bool unwritten = engine->dirty_runs != NULL || engine->dirty_actions != NULL;
    return engine->ready && (engine->waiting_count > 0 || engine->operators_armed > 0 ||
                             engine->runs_first != NULL || unwritten);
}

static int64_t wake_ms(const struct engine *engine)
{
    struct heap_node *node = heap_first(&engine->timers);
    int64_t wake = node == NULL ? INT64_MAX : node->due;
    if (heartbeat_wanted(engine) && wake > engine->now_ms + ENGINE_HEARTBEAT_MS) {
        wake = engine->now_ms + ENGINE_HEARTBEAT_MS;
    }
    return wake;
}

static void output_fill(struct engine *engine, struct engine_output *output)
{
    struct arena *arena = &output->arena;
    output->records_through = engine->records_through;
    output->wake_ms = engine->promised_ms = wake_ms(engine);
    output->reply =
        arena_text(arena, (struct text){engine->reply.at, (uint32_t)engine->reply.count});
    output->trace =
        arena_text(arena, (struct text){engine->trace.at, (uint32_t)engine->trace.count});
    if (output->reply.at == NULL || output->trace.at == NULL || engine->reply.failed) {
        output->reply = output->trace = (struct text){NULL, 0};
        engine->nomem = true;
    }
}

static void output_reset(struct engine_output *output)
{
    arena_reset(&output->arena);
    *output = (struct engine_output){.arena = output->arena,
                                     .trace_wanted = output->trace_wanted,
                                     .seen_wanted = output->seen_wanted,
                                     .state_unwanted = output->state_unwanted};
}

int engine_step(struct engine *engine, const struct engine_input *input,
                struct engine_output *output, struct nsh_error *err)
{
    output_reset(output);
    engine->output = output;
    engine->nomem = false;
    textbuf_clear(&engine->trace);
    textbuf_clear(&engine->reply);
    int64_t now_ms = input->now_ms > engine->now_ms ? input->now_ms : engine->now_ms;
    if (engine->ready) {
        gap_check(engine, now_ms);
    }
    engine->now_ms = now_ms;
    wall_take(engine, input->wall_ms);
    if (engine->ready) {
        timers_run(engine, false);
    }
    int result = input_take(engine, input, err);
    if (engine->ready) {
        timers_run(engine, true);
        runs_wake(engine);
        if (heartbeat_wanted(engine) && now_ms - engine->clock_ms >= ENGINE_HEARTBEAT_MS) {
            engine->clock_dirty = true;
        }
        /* Records first: what they say is known. Then what was durable before may leave. */
        records_flush(engine);
        actions_release(engine);
        runs_wake(engine);
        records_flush(engine);
    }
    runs_free_ended(engine);
    output_fill(engine, output);
    engine->output = NULL;
    arena_reset(&engine->scratch);
    if (result == 0 && engine->nomem) {
        result = nsh_fail(err, NSH_NOMEM, "no memory; what did not fit was not done");
    }
    return result;
}

void engine_output_done(struct engine_output *output)
{
    arena_done(&output->arena);
    *output = (struct engine_output){0};
}

void engine_count(const struct engine *engine, struct engine_counters *ret_counters)
{
    *ret_counters = engine->counters;
}
