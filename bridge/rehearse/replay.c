/* SPDX-License-Identifier: Apache-2.0 */
/* A replay: the engine, a clock that follows the events, and a note of each decision. */

#include "rehearse/replay.h"

#include "base/json.h"
#include "rehearse/world.h"

#include <stdlib.h>

#define REPLAY_TAIL_MS INT64_C(86400000) /* Watched on after the last event. */
#define REPLAY_ACTIONS_MAX 16            /* Named of one run. */
#define REPLAY_ARENA_BYTES_MAX ((size_t)2 << 30)

struct replay_run {
    const char *verbs[REPLAY_ACTIONS_MAX];
    size_t verbs_count;
};

struct replay {
    struct world world;
    struct arena arena;   /* What is kept. */
    struct arena scratch; /* Of one record. */
    const struct policy_set *policies;
    struct replay_decision *items;
    size_t items_count, items_room;
    struct map decisions; /* id -> index + 1 */
    struct map runs;      /* id -> struct replay_run */
    struct map texts;     /* Equal reasons are kept once. */
    struct map actions;   /* id: seen */
    struct map alarms;    /* id -> index + 1 of the newest decision about it */
    struct replay_report report;
    bool started, no_memory;
};

static const char *keep(struct replay *replay, const char *text)
{
    const char *kept = map_get(&replay->texts, text_of(text));
    if (kept == NULL) {
        char *copy = arena_copy(&replay->arena, text, strlen(text));
        if (copy == NULL || map_set(&replay->texts, text_of(copy), copy) < 0) {
            replay->no_memory = true;
            return "";
        }
        kept = copy;
    }
    return kept;
}

static struct replay_decision *decision_room(struct replay *replay)
{
    if (replay->items_count >= REPLAY_DECISIONS_MAX) {
        replay->report.dropped++;
        return NULL;
    }
    if (replay->items_count == replay->items_room) {
        size_t room = replay->items_room == 0 ? 256 : replay->items_room * 2;
        struct replay_decision *grown = realloc(replay->items, room * sizeof *grown);
        if (grown == NULL) {
            replay->no_memory = true;
            return NULL;
        }
        replay->items = grown;
        replay->items_room = room;
    }
    return &replay->items[replay->items_count++];
}

/* A deferred one is decided again, under the same id: the last word counts. */
static void decision_seen(struct replay *replay, const struct record *record,
                          const struct nsh_value *body)
{
    uintptr_t known = (uintptr_t)map_get(&replay->decisions, record->id);
    struct replay_decision *decision =
        known > 0 ? &replay->items[known - 1] : decision_room(replay);
    replay->report.decisions += known == 0;
    if (decision == NULL) {
        return;
    }
    if (known == 0) {
        struct text id = arena_text(&replay->arena, record->id);
        if (id.at == NULL ||
            map_set(&replay->decisions, id, (void *)(uintptr_t)replay->items_count) < 0) {
            replay->no_memory = true;
        }
    }
    *decision = (struct replay_decision){
        .at_ms = nsh_get_int(body, "time", 0),
        .policy = keep(replay, nsh_get_text(body, "policy", "")),
        .subject = keep(replay, nsh_get_text(body, "subject", "")),
        .outcome = keep(replay, nsh_get_text(body, "outcome", "")),
        .reason = keep(replay, nsh_get_text(body, "reason", "")),
        .run = keep(replay, nsh_get_text(body, "run", "")),
        .actions = "",
        .cleared_ms = -1,
    };
    const char *alarm = keep(replay, nsh_get_text(body, "alarm", ""));
    uintptr_t index = (uintptr_t)(decision - replay->items) + 1;
    if (alarm[0] != 0 && map_set(&replay->alarms, text_of(alarm), (void *)index) < 0) {
        replay->no_memory = true;
    }
}

static void alarm_cleared(struct replay *replay, const struct record *record)
{
    uintptr_t index = (uintptr_t)map_get(&replay->alarms, record->id);
    if (index > 0 && replay->items[index - 1].cleared_ms < 0) {
        struct replay_decision *decision = &replay->items[index - 1];
        decision->cleared_ms = replay->world.now_ms - decision->at_ms;
    }
}

static void action_seen(struct replay *replay, const struct record *record,
                        const struct nsh_value *body)
{
    struct text id = arena_text(&replay->arena, record->id);
    const char *run_id = keep(replay, nsh_get_text(body, "run", ""));
    struct replay_run *run = map_get(&replay->runs, text_of(run_id));
    if (run == NULL) {
        run = arena_alloc(&replay->arena, sizeof *run);
        if (run == NULL || map_set(&replay->runs, text_of(run_id), run) < 0) {
            replay->no_memory = true;
            return;
        }
    }
    if (id.at == NULL || map_set(&replay->actions, id, run) < 0) {
        replay->no_memory = true;
    }
    if (run->verbs_count < REPLAY_ACTIONS_MAX) {
        run->verbs[run->verbs_count++] = keep(replay, nsh_get_text(body, "verb", ""));
    }
}

static void record_seen(void *arg, const struct record *record)
{
    struct replay *replay = arg;
    bool decision = record->kind == RECORD_DECISION;
    bool action = record->kind == RECORD_ACTION && map_get(&replay->actions, record->id) == NULL;
    struct nsh_value body;
    if (record->kind == RECORD_ALARM && text_is(record->state, "cleared")) {
        alarm_cleared(replay, record);
    }
    if (!decision && !action) {
        return;
    }
    arena_reset(&replay->scratch);
    if (json_parse(record->body.at, record->body.count, &replay->scratch, &body, NULL) < 0) {
        replay->no_memory = true;
    } else if (decision) {
        decision_seen(replay, record, &body);
    } else {
        action_seen(replay, record, &body);
    }
}

int replay_new(const struct inventory *inventory, const struct policy_set *policies,
               struct replay **ret_replay, struct nsh_error *err)
{
    struct replay *replay = calloc(1, sizeof *replay);
    if (replay == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a replay");
    }
    replay->arena.bytes_max = REPLAY_ARENA_BYTES_MAX;
    replay->policies = policies;
    replay->world = (struct world){.inventory = inventory,
                                   .all_well = true,
                                   .steps_max = REPLAY_STEPS_MAX,
                                   .output.state_unwanted = true,
                                   .record = record_seen,
                                   .arg = replay};
    *ret_replay = replay;
    return 0;
}

void replay_free(struct replay *replay)
{
    if (replay == NULL) {
        return;
    }
    world_done(&replay->world);
    map_done(&replay->decisions);
    map_done(&replay->runs);
    map_done(&replay->texts);
    map_done(&replay->actions);
    map_done(&replay->alarms);
    arena_done(&replay->scratch);
    arena_done(&replay->arena);
    free(replay->items);
    free(replay);
}

static int failed(struct replay *replay, int result, struct nsh_error *err)
{
    if (result == 0 && replay->no_memory) {
        return nsh_fail(err, NSH_NOMEM, "no memory to keep the decisions");
    }
    return result == 0 ? 0 : nsh_fail(err, (enum nsh_code) - result, "%s", replay->world.err.text);
}

int replay_event(struct replay *replay, const struct event *event, struct nsh_error *err)
{
    struct world *world = &replay->world;
    int64_t at_ms = event->received_ms;
    int result = 0;
    if (!replay->started) {
        replay->started = true;
        replay->report.first_ms = at_ms;
        result = world_start(world, at_ms, world->inventory, replay->policies);
    }
    if (result == 0 && at_ms > world->now_ms) {
        result = world_next(world) < at_ms ? world_pass(world, at_ms - 1) : 0;
        world->now_ms = at_ms;
    }
    result = result == 0 ? world_event(world, event) : result;
    replay->report.events++;
    replay->report.last_ms = world->now_ms;
    /* Full tables are the engine's to count, not a reason to stop. */
    return failed(replay, result == -NSH_LIMIT && world->err.code == 0 ? 0 : result, err);
}

static void actions_join(struct replay *replay, struct replay_decision *decision)
{
    const struct replay_run *run = map_get(&replay->runs, text_of(decision->run));
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    for (size_t i = 0; run != NULL && decision->run[0] != 0 && i < run->verbs_count; i++) {
        textbuf_addf(&text, "%s%s", i == 0 ? "" : ", ", run->verbs[i]);
    }
    decision->actions = text.count == 0 ? "" : keep(replay, text.at);
}

int replay_end(struct replay *replay, struct replay_report *ret_report, struct nsh_error *err)
{
    int result =
        replay->started ? world_pass(&replay->world, replay->world.now_ms + REPLAY_TAIL_MS) : 0;
    for (size_t i = 0; i < replay->items_count; i++) {
        actions_join(replay, &replay->items[i]);
    }
    replay->report.steps = replay->world.steps;
    replay->report.items = replay->items;
    replay->report.items_count = replay->items_count;
    *ret_report = replay->report;
    return failed(replay, result, err);
}
