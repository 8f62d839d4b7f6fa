/* SPDX-License-Identifier: Apache-2.0 */
/* What is told: states that turned, one batch for a table; devices that do not answer; restarts. */

#include "poll_private.h"

#include "base/assert.h"
#include "fleet/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA_BYTES_MAX 4096
#define NAME_BYTES_MAX 256
#define ROOM_MIN 8
#define OWN_MEMBERS 5

/* One state on its way; entry NULL: of before the start, and over is its. */
struct item {
    struct poll_entry *entry;
    uint32_t state;
    bool raise;
    bool *over;
};

struct poll_batch {
    struct source_delivery delivery;
    struct poll_source *source;
    struct poll_device *device;
    const struct poll_table *table;
    struct arena arena; /* All of it. */
    struct event *events;
    struct item *items;
    uint32_t count, room;
    char owner[NAME_BYTES_MAX];
    bool known; /* owner is a host of the inventory. */
};

/* ---- what all events have ---- */

static void identity_put(const struct poll_device *device, struct arena *arena, struct event *event)
{
    const char *hint = device->of_host
                           ? arena_printf(arena, "host=%s", device->name)
                           : arena_printf(arena, "host=%s,addr=%s", device->name, device->address);
    event->hint = text_of(hint);
    event->source = text_of(device->source->config->name);
    event->received_ms = intake_now_ms(device->source->services->intake);
}

/*
 * Whose an alarm is must be what it is for the traps of the same device: the host, or without one
 * the source of its traps. Then a trap and a poll of the same thing are one alarm.
 */
bool poll_owner(const struct poll_device *device, char *room, size_t room_bytes)
{
    const struct source_services *services = device->source->services;
    const struct inventory *inventory = services->inventory(services->arg);
    char hint[2 * NAME_BYTES_MAX];
    snprintf(hint, sizeof hint, device->of_host ? "host=%s" : "host=%s,addr=%s", device->name,
             device->address);
    const struct event event = {.hint = text_of(hint)};
    bool conflict = false;
    const struct host *host =
        inventory == NULL ? NULL : fleet_resolve(inventory, &event, &conflict);
    snprintf(room, room_bytes, host == NULL ? "trap/%s" : "%s",
             host == NULL ? device->address : host->name);
    return host != NULL;
}

bool poll_event_of(const struct poll_table *table, const struct poll_turn *turn, const char *name,
                   const char *address, struct arena *arena, struct event *ret_event)
{
    struct nsh_member members[OWN_MEMBERS + POLL_LABELS_MAX] = {
        {"device", nsh_text(name)},
        {"address", nsh_text(address)},
        {"index", nsh_text(arena_copy(arena, turn->index.at, turn->index.count))},
        {"value", nsh_int(turn->number)},
        {"word", nsh_text(turn->word)},
    };
    size_t count = OWN_MEMBERS;
    for (uint32_t i = 0; i < table->labels_count; i++) {
        members[count++] = (struct nsh_member){table->labels[i].name, nsh_text(turn->labels[i])};
    }
    const struct nsh_value data = nsh_map(members, count);
    const char *resource = arena_copy(arena, turn->resource, strlen(turn->resource));
    const char *message = arena_copy(arena, turn->message, strlen(turn->message));
    *ret_event = (struct event){
        .severity = turn->severity,
        .state = turn->raise ? EVENT_RAISE : EVENT_CLEAR,
        .type = text_of(table->states[turn->state].type),
        .resource = text_of(resource),
        .name = text_of(table->name),
        .message = text_of(message),
        .data = source_pack_data(&data, DATA_BYTES_MAX, arena),
    };
    return resource != NULL && message != NULL && ret_event->data.count > 0;
}

/* ---- batches ---- */

struct poll_batch *poll_batch_new(struct poll_device *device, const struct poll_table *table)
{
    struct poll_batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        batch->source = device->source;
        batch->device = device;
        batch->table = table;
    }
    return batch;
}

static bool batch_grow(struct poll_batch *batch)
{
    uint32_t room = batch->room == 0 ? ROOM_MIN : batch->room * 2;
    struct event *events = arena_array(&batch->arena, room, sizeof *events);
    struct item *items = arena_array(&batch->arena, room, sizeof *items);
    if (events == NULL || items == NULL) {
        return false;
    }
    if (batch->count > 0) {
        memcpy(events, batch->events, batch->count * sizeof *events);
        memcpy(items, batch->items, batch->count * sizeof *items);
    }
    batch->events = events;
    batch->items = items;
    batch->room = room;
    return true;
}

static bool batch_add(struct poll_batch *batch, struct event *event, const struct item *item)
{
    struct poll_device *device = batch->device;
    if (batch->count == POLL_BATCH_MAX) {
        return false;
    }
    if (batch->count == 0) {
        batch->known = poll_owner(device, batch->owner, sizeof batch->owner);
    }
    if (batch->count == batch->room && !batch_grow(batch)) {
        return false;
    }
    identity_put(device, &batch->arena, event);
    if (batch->known) {
        event->subject = text_of(arena_printf(&batch->arena, "%s", device->name));
    } else {
        event->source = text_of(batch->owner);
    }
    event->id = text_of(arena_printf(
        &batch->arena, "%s/%s/%.*s/%.*s/%lld", device->source->config->name, device->name,
        (int)event->type.count, event->type.at, (int)event->resource.count, event->resource.at,
        (long long)event->received_ms));
    batch->events[batch->count] = *event;
    batch->items[batch->count++] = *item;
    return true;
}

void poll_batch_turn(void *arg, const struct poll_turn *turn)
{
    struct poll_batch *batch = arg;
    const struct item item = {turn->entry, turn->state, turn->raise, NULL};
    struct event event;
    if (!poll_event_of(batch->table, turn, batch->device->name, batch->device->address,
                       &batch->arena, &event) ||
        !batch_add(batch, &event, &item)) {
        poll_turn_told(&batch->device->memory, batch->table, turn->entry, turn->state, turn->raise,
                       false); /* No memory, or too many: at the next read. */
    }
}

/* Not told: at the next read of its table. */
static void over_again(struct poll_device *device, bool *over)
{
    *over = false;
    device->known = 0;
}

void poll_batch_over(struct poll_batch *batch, const char *type, const char *resource, bool *over)
{
    const char *kept = arena_copy(&batch->arena, resource, strlen(resource));
    struct event event = {
        .severity = SEVERITY_INFO,
        .state = EVENT_CLEAR,
        .type = text_of(type),
        .resource = text_of(kept),
        .name = text_of(batch->table->name),
        .message = TEXT("it is over, or gone: seen at the first read after a start"),
    };
    *over = kept != NULL && batch_add(batch, &event, &(struct item){.over = over});
    if (!*over) {
        over_again(batch->device, over);
    }
}

static void batch_told(struct poll_batch *batch, bool durable)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct item *item = &batch->items[i];
        if (item->entry != NULL) {
            poll_turn_told(&batch->device->memory, batch->table, item->entry, item->state,
                           item->raise, durable);
        } else if (!durable) {
            over_again(batch->device, item->over);
        }
        /* Raised, and its device has left meanwhile. */
        batch->source->over.sweep |= durable && item->raise && batch->device->gone;
    }
}

static void batch_free(struct poll_batch *batch)
{
    arena_done(&batch->arena);
    free(batch);
}

static void on_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct poll_batch *batch = arg;
    struct poll_source *source = batch->source;
    struct poll_device *device = batch->device;
    batch_told(batch, durable);
    batch_free(batch);
    NSH_ASSERT(device->telling > 0 && source->telling > 0);
    source->telling--;
    if (--device->telling == 0 && device->gone && !device->flying) {
        poll_device_free(device);
    }
    poll_maybe_done(source);
}

void poll_batch_push(struct poll_batch *batch)
{
    struct poll_source *source = batch->source;
    struct nsh_error err = {0};
    if (batch->count == 0) {
        batch_free(batch);
        return;
    }
    const struct source_events events = {.items = batch->events, .count = batch->count};
    batch->delivery =
        (struct source_delivery){.row = source->services->row,
                                 .received_ms = intake_now_ms(source->services->intake),
                                 .done = on_durable,
                                 .arg = batch};
    source_count(source->services->row, SOURCE_COUNT_received, 1);
    if (source_push(source->services->intake, &events, &batch->delivery, &batch->arena, &err) < 0) {
        batch_told(batch, false);
        batch_free(batch);
        return;
    }
    source->telling++;
    batch->device->telling++;
}

/* ---- whether it answers ---- */

/* The target is found again by its name: a reload may have moved it. */
struct word {
    struct source_delivery delivery;
    struct poll_source *source;
    enum probe_say say;
    char name[NAME_BYTES_MAX]; /* "": all of them. */
};

static void on_word(void *arg, bool durable, uint32_t duplicates)
{
    struct word *word = arg;
    struct poll_source *source = word->source;
    const struct poll_device *device =
        word->name[0] == '\0' ? NULL : map_get(&source->by_name, text_of(word->name));
    if (word->say == PROBE_SAY_NOTHING) {
        /* A pulse: nothing is kept of it. */
    } else if (word->name[0] == '\0') {
        probe_told(&source->group.told, &source->group.telling, word->say, durable);
    } else if (device != NULL && device->target < source->group.count) {
        struct probe_target *target = &source->group.targets[device->target];
        probe_told(&target->told, &target->telling, word->say, durable);
    } else {
        source->over.sweep |= durable; /* Its device has left meanwhile. */
    }
    free(word);
    source->telling--;
    poll_maybe_done(source);
}

static bool word_push(struct poll_source *source, struct event *event, const char *name,
                      enum probe_say say, struct arena *arena)
{
    struct word *word = calloc(1, sizeof *word);
    struct nsh_error err = {0};
    if (word == NULL) {
        return false;
    }
    *word = (struct word){.source = source, .say = say};
    snprintf(word->name, sizeof word->name, "%s", name);
    event->received_ms = intake_now_ms(source->services->intake);
    event->id = text_of(arena_printf(arena, "%s/%s/%.*s/%lld", source->config->name, name,
                                     (int)event->type.count, event->type.at,
                                     (long long)event->received_ms));
    word->delivery = (struct source_delivery){.row = source->services->row,
                                              .received_ms = event->received_ms,
                                              .done = on_word,
                                              .arg = word};
    const struct source_events events = {.items = event, .count = 1};
    source_count(source->services->row, SOURCE_COUNT_received, 1);
    if (source_push(source->services->intake, &events, &word->delivery, arena, &err) < 0) {
        free(word);
        return false;
    }
    source->telling++;
    return true;
}

static void tell_device(struct poll_source *source, struct poll_device *device,
                        struct probe_target *target, enum probe_say say)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    bool raise = say == PROBE_SAY_RAISE;
    const struct nsh_member members[] = {
        {"device", nsh_text(device->name)},
        {"address", nsh_text(device->address)},
        {"attempts", nsh_int((int64_t)(raise ? target->failures : target->answers))},
        {"why", nsh_text(raise ? target->why : "")},
    };
    const struct nsh_value data = nsh_map(members, sizeof members / sizeof members[0]);
    struct event event = {
        .type = TEXT(POLL_UNREACHABLE),
        .severity = raise ? SEVERITY_MAJOR : SEVERITY_INFO,
        .state = raise ? EVENT_RAISE : EVENT_CLEAR,
        .name = TEXT("snmp"),
        .data = source_pack_data(&data, DATA_BYTES_MAX, &arena),
        .message = text_of(raise ? arena_printf(&arena, "%s does not answer SNMP, %u times: %s",
                                                device->address, target->failures, target->why)
                                 : arena_printf(&arena, "%s answers SNMP", device->address)),
    };
    identity_put(device, &arena, &event);
    event.subject = text_of(device->name);
    target->telling = word_push(source, &event, device->name, say, &arena);
}

static void tell_isolation(struct poll_source *source, enum probe_say say)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const struct probe_group *group = &source->group;
    bool raise = say == PROBE_SAY_RAISE;
    struct event event = {
        .type = TEXT(PROBE_ISOLATED),
        .severity = raise ? SEVERITY_MAJOR : SEVERITY_INFO,
        .state = raise ? EVENT_RAISE : EVENT_CLEAR,
        .source = text_of(source->config->name),
        .subject = text_of(source->config->name),
        .name = TEXT("snmp"),
        .message = text_of(arena_printf(
            &arena,
            raise ? "%u of %u devices do not answer: rather nightshift is cut off; none is called "
                    "unreachable"
                  : "%u of %u devices do not answer: each is judged by itself again",
            group->suspects, group->count)),
    };
    source->group.telling = word_push(source, &event, "", say, &arena);
}

void poll_tell_isolated(struct poll_source *source)
{
    enum probe_say say = probe_wants_isolation(&source->group);
    if (say != PROBE_SAY_NOTHING) {
        tell_isolation(source, say);
    }
}

void poll_tell_answers(struct poll_source *source, uint32_t target)
{
    poll_tell_isolated(source);
    enum probe_say say = probe_wants(&source->group, target);
    if (say != PROBE_SAY_NOTHING) {
        tell_device(source, source->devices[target], &source->group.targets[target], say);
    }
}

void poll_tell_restart(struct poll_device *device, int64_t uptime_ms)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct event event = {
        .type = TEXT("agent.restarted"),
        .severity = SEVERITY_INFO,
        .state = EVENT_PULSE,
        .subject = text_of(device->name),
        .name = TEXT("sysUpTime"),
        .message = text_of(arena_printf(&arena, "%s started again %lld s ago", device->address,
                                        (long long)(uptime_ms / 1000))),
    };
    identity_put(device, &arena, &event);
    word_push(device->source, &event, device->name, PROBE_SAY_NOTHING, &arena);
}
