/* SPDX-License-Identifier: Apache-2.0 */
#include "source/map/source_over.h"

#include "base/assert.h"

struct item {
    struct source_standing alarm;
    bool telling;
};

/* ---- what stands ---- */

struct sweep {
    struct source_over *over;
    bool failed;
};

static void sweep_each(void *arg, const struct source_standing *alarm)
{
    struct sweep *sweep = arg;
    struct source_over *over = sweep->over;
    if (over->watched(over->arg, alarm)) {
        return;
    }
    const char *texts[] = {alarm->host, alarm->subject, alarm->type, alarm->resource,
                           alarm->qualifier};
    struct item *item = arena_alloc(&over->arena, sizeof *item);
    const char *key = arena_printf(&over->arena, "%s\n%s\n%s\n%s\n%s", texts[0], texts[1], texts[2],
                                   texts[3], texts[4]);
    bool kept = item != NULL && key != NULL;
    for (size_t i = 0; kept && i < sizeof texts / sizeof texts[0]; i++) {
        texts[i] = arena_copy(&over->arena, texts[i], strlen(texts[i]));
        kept = texts[i] != NULL;
    }
    if (kept && map_get(&over->items, text_of(key)) != NULL) {
        return; /* It waits already. */
    }
    if (!kept || over->items.count >= SOURCE_OVER_MAX) {
        sweep->failed = true;
        return;
    }
    *item = (struct item){.alarm = {.host = texts[0],
                                    .subject = texts[1],
                                    .type = texts[2],
                                    .resource = texts[3],
                                    .qualifier = texts[4],
                                    .severity = alarm->severity,
                                    .source = over->source}};
    sweep->failed = map_set(&over->items, text_of(key), item) < 0 || sweep->failed;
}

/* What was found until a failure is told; the rest after the next read. */
static bool over_sweep(struct source_over *over, int64_t now_ms)
{
    const struct source_services *services = over->services;
    struct sweep sweep = {over, false};
    struct nsh_error err = {0};
    bool repeated = over->again.wait_ms > 0;
    int result = services->standing(services->arg, over->source, sweep_each, &sweep, &err);
    if (result == 0 && sweep.failed) {
        result = nsh_fail(&err, NSH_LIMIT, "too many alarms of what is not looked at any more");
    }
    if (result < 0) {
        services->log(services->arg, true, err.text);
    }
    source_again_tried(&over->again, result == 0, now_ms);
    over->sweep = result < 0;
    return result == 0 && repeated;
}

/* ---- telling ---- */

/* Whose it is must be what it is in the alarm: its host, by name, or without one its subject. */
static struct event event_of(const struct source_over *over, const struct source_standing *alarm,
                             int64_t now_ms, struct arena *arena)
{
    const char *whose = alarm->host[0] == '\0' ? alarm->subject : alarm->host;
    const char *hint = alarm->host[0] == '\0' ? "" : arena_printf(arena, "host=%s", alarm->host);
    return (struct event){
        .severity = SEVERITY_INFO,
        .state = EVENT_CLEAR,
        .source = text_of(over->source),
        .subject = text_of(whose),
        .hint = text_of(hint == NULL ? "" : hint),
        .type = text_of(alarm->type),
        .resource = text_of(alarm->resource),
        .qualifier = text_of(alarm->qualifier),
        .name = TEXT("over"),
        .message = TEXT("it is not looked at any more"),
        .received_ms = now_ms,
        .id = text_of(arena_printf(arena, "%s/over/%s/%s/%s/%s/%lld", over->source, whose,
                                   alarm->type, alarm->resource, alarm->qualifier,
                                   (long long)now_ms)),
    };
}

static void items_check_end(struct source_over *over)
{
    if (over->items.count == 0) {
        map_done(&over->items);
        over->items = (struct map){0};
        arena_reset(&over->arena);
    }
}

static void batch_end(struct source_over *over, bool durable)
{
    MAP_EACH (&over->items, at) {
        struct item *item = at->value;
        if (item->telling && durable) {
            map_remove(&over->items, at->key);
        }
        item->telling = false;
    }
    over->telling = false;
    items_check_end(over);
}

static void on_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct source_over *over = arg;
    batch_end(over, durable);
    over->settled(over->arg);
}

static bool watched_drop(struct source_over *over)
{
    bool dropped = false;
    MAP_EACH (&over->items, at) {
        const struct item *item = at->value;
        if (over->watched(over->arg, &item->alarm)) {
            map_remove(&over->items, at->key);
            dropped = true;
        }
    }
    items_check_end(over);
    return dropped;
}

static void batch_tell(struct source_over *over, int64_t now_ms)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct source_row *row = over->services->row;
    struct nsh_error err = {0};
    uint32_t count = 0;
    struct event *events = arena_array(&arena, SOURCE_OVER_BATCH_MAX, sizeof *events);
    if (events == NULL) {
        return;
    }
    MAP_EACH (&over->items, at) {
        struct item *item = at->value;
        if (count < SOURCE_OVER_BATCH_MAX) {
            item->telling = true;
            events[count++] = event_of(over, &item->alarm, now_ms, &arena);
        }
    }
    const struct source_events made = {.items = events, .count = count, .rule = -1};
    over->delivery = (struct source_delivery){
        .row = row, .received_ms = now_ms, .done = on_durable, .arg = over};
    over->telling = true;
    over->again_ms = now_ms + SOURCE_OVER_AGAIN_MS;
    source_count(row, SOURCE_COUNT_received, 1);
    if (source_push(over->services->intake, &made, &over->delivery, &arena, &err) < 0) {
        batch_end(over, false);
    }
}

bool source_over_tick(struct source_over *over)
{
    bool back = false;
    int64_t now_ms = intake_now_ms(over->services->intake);
    over->sweep = over->sweep && over->services->standing != NULL;
    if (over->sweep && source_again_due(&over->again, now_ms)) {
        back = over_sweep(over, now_ms);
    }
    if (over->telling || over->items.count == 0 || now_ms < over->again_ms) {
        return back;
    }
    back = watched_drop(over) || back;
    if (over->items.count > 0) {
        batch_tell(over, now_ms);
    }
    return back;
}

void source_over_done(struct source_over *over)
{
    NSH_ASSERT(!over->telling);
    map_done(&over->items);
    arena_done(&over->arena);
}
