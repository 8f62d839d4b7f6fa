/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events that made a trigger true, for `matched` in the steps: kept only for policies that
 * name it, the newest MATCHED_MAX of each subject.
 *
 * A trigger with `within` keeps those of that time; any other those since it was last idle, each
 * alarm once. A run gets a copy when it begins.
 */

#include "engine_private.h"

#include <stdlib.h>

#define MATCHED_MAX 32          /* Of one subject. */
#define MATCHED_BYTES_MAX 16384 /* One event, packed; a larger one is left out. */

struct matched {
    uint32_t count;
    struct matched_event {
        int64_t at;
        uint64_t alarm; /* What it is about, as a number. */
        uint8_t *bytes;
        size_t bytes_count;
    } items[MATCHED_MAX];
};

static void item_drop(struct matched *matched, uint32_t index)
{
    free(matched->items[index].bytes);
    matched->count--;
    memmove(&matched->items[index], &matched->items[index + 1],
            (matched->count - index) * sizeof matched->items[0]);
}

void matched_free(struct instance *instance)
{
    while (instance->matched != NULL && instance->matched->count > 0) {
        item_drop(instance->matched, instance->matched->count - 1);
    }
    free(instance->matched);
    instance->matched = NULL;
}

static uint64_t about(const struct event *event)
{
    const struct text parts[] = {event->host, event->subject, event->type, event->resource,
                                 event->qualifier};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        hash = (hash ^ text_hash(parts[i])) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* What no longer counts when this event comes. */
static void prune(struct engine *engine, struct instance *instance, uint64_t alarm,
                  const struct matched_event *fresh)
{
    struct matched *matched = instance->matched;
    const struct policy_when *when = &instance->policy->when;
    bool once = when->within_ms == 0 || when->distinct.program != NULL;
    for (uint32_t i = matched->count; i > 0; i--) {
        const struct matched_event *item = &matched->items[i - 1];
        bool old = when->within_ms > 0 && item->at <= engine->now_ms - when->within_ms;
        bool over = when->within_ms == 0 && instance->state == INST_IDLE && engine->ready;
        bool same = item->bytes_count == fresh->bytes_count &&
                    memcmp(item->bytes, fresh->bytes, fresh->bytes_count) == 0;
        if (old || over || same || (once && item->alarm == alarm)) {
            item_drop(matched, i - 1);
        }
    }
    if (matched->count == MATCHED_MAX) {
        item_drop(matched, 0);
    }
}

void matched_add(struct engine *engine, struct instance *instance, const struct event *event)
{
    if (!instance->policy->names_matched) {
        return;
    }
    struct matched_event fresh = {.at = event_at(engine, event),
                                  .alarm = about(event),
                                  .bytes_count = event_packed_bytes(event)};
    if (fresh.bytes_count > MATCHED_BYTES_MAX) {
        return;
    }
    if (instance->matched == NULL) {
        instance->matched = engine_alloc(engine, sizeof *instance->matched);
    }
    fresh.bytes = instance->matched == NULL ? NULL : engine_alloc(engine, fresh.bytes_count);
    if (fresh.bytes == NULL) {
        return;
    }
    fresh.bytes_count = event_pack(event, fresh.bytes, fresh.bytes_count);
    prune(engine, instance, fresh.alarm, &fresh);
    instance->matched->items[instance->matched->count++] = fresh;
}

/* ---- of a run -------------------------------------------------------------------------------- */

void matched_take(struct run *run, const struct instance *instance)
{
    const struct matched *matched = instance->matched;
    struct text *copies =
        matched == NULL ? NULL : arena_array(&run->arena, matched->count + 1, sizeof *copies);
    for (uint32_t i = 0; copies != NULL && i < matched->count; i++) {
        struct text packed = {(const char *)matched->items[i].bytes,
                              (uint32_t)matched->items[i].bytes_count};
        copies[run->matched_count] = arena_text(&run->arena, packed);
        run->matched_count += copies[run->matched_count].at != NULL;
    }
    run->matched = copies;
}

struct nsh_value matched_list(struct scope *scope)
{
    struct engine *engine = scope->engine;
    const struct run *run = scope->run;
    run = run != NULL && run->parent != NULL ? run->parent : run;
    uint32_t count = run == NULL ? 0 : run->matched_count, made = 0;
    struct nsh_value *items = arena_array(&engine->scratch, count + 1, sizeof *items);
    struct event *events = arena_array(&engine->scratch, count + 1, sizeof *events);
    if (items == NULL || events == NULL) {
        engine->nomem = true;
        return nsh_list(NULL, 0);
    }
    const struct event *newest = scope->event;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *bytes = (const uint8_t *)run->matched[i].at;
        if (event_unpack(bytes, run->matched[i].count, &events[i], NULL) > 0) {
            scope->event = &events[i];
            items[made++] = eval_event(scope);
        }
    }
    scope->event = newest;
    if (made == 0 && newest != NULL) {
        items[made++] = eval_event(scope);
    }
    return nsh_list(items, made);
}

/* ---- kept over a restart ----------------------------------------------------------------------
 */

static void event_add(struct textbuf *json, struct text packed)
{
    struct event event;
    if (event_unpack((const uint8_t *)packed.at, packed.count, &event, NULL) > 0) {
        json_comma(json);
        event_to_json(&event, json);
    }
}

void matched_write_instance(struct textbuf *json, const struct instance *instance)
{
    const struct matched *matched = instance->matched;
    bool idle = instance->state == INST_IDLE && instance->policy->when.within_ms == 0;
    if (matched == NULL || matched->count == 0 || idle || instance->state == INST_ACTIVE) {
        return; /* They are over, or its run has them. */
    }
    textbuf_add_chars(json, ",\"matched\":[");
    for (uint32_t i = 0; i < matched->count; i++) {
        event_add(json, (struct text){(const char *)matched->items[i].bytes,
                                      (uint32_t)matched->items[i].bytes_count});
    }
    textbuf_add_char(json, ']');
}

void matched_write_run(struct textbuf *json, const struct run *run)
{
    textbuf_add_chars(json, run->matched_count == 0 ? "" : ",\"matched\":[");
    for (uint32_t i = 0; i < run->matched_count; i++) {
        event_add(json, run->matched[i]);
    }
    textbuf_add_chars(json, run->matched_count == 0 ? "" : "]");
}

void matched_load_instance(struct engine *engine, struct instance *instance,
                           const struct nsh_value *list)
{
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        struct event event;
        if (list->items[i].type == NSH_MAP &&
            event_from_kept(&list->items[i], &engine->scratch, &event, NULL) == 0) {
            matched_add(engine, instance, &event);
        }
    }
}

void matched_load_run(struct engine *engine, struct run *run, const struct nsh_value *list)
{
    if (list == NULL || list->type != NSH_LIST || list->count > MATCHED_MAX) {
        return;
    }
    struct text *copies = arena_array(&run->arena, list->count + 1, sizeof *copies);
    for (uint32_t i = 0; copies != NULL && i < list->count; i++) {
        struct event event;
        if (list->items[i].type != NSH_MAP ||
            event_from_kept(&list->items[i], &engine->scratch, &event, NULL) < 0) {
            continue;
        }
        size_t room = event_packed_bytes(&event);
        uint8_t *bytes = arena_alloc(&run->arena, room);
        if (bytes != NULL) {
            uint32_t packed = (uint32_t)event_pack(&event, bytes, room);
            copies[run->matched_count++] = (struct text){(const char *)bytes, packed};
        }
    }
    run->matched = copies;
}
