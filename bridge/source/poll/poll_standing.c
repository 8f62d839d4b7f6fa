/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms that stood when the source began, raised by a poll of before or by a trap: after the first
 * read of a table those of its kind that are not bad now are over. So neither a restart of ours nor
 * a trap that was lost leaves an alarm that nobody clears. What the source raised of devices that
 * it does not poll any more is over as well.
 */

#include "poll_private.h"

#include <stdio.h>

#define GLOB_BYTES_MAX 256

struct standing {
    struct standing *next; /* Of the same owner. */
    const char *type, *resource;
    bool over;
};

static bool is_ours(const struct poll_source *source, const char *type)
{
    for (uint32_t i = 0; i < source->tables_count; i++) {
        for (uint32_t s = 0; s < source->tables[i]->states_count; s++) {
            if (strcmp(source->tables[i]->states[s].type, type) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void take(void *arg, const struct source_standing *alarm)
{
    struct poll_source *source = arg;
    struct arena *arena = &source->standing_arena;
    const char *whose = alarm->host[0] == '\0' ? alarm->source : alarm->host;
    const char *type = alarm->type, *resource = alarm->resource;
    if (!is_ours(source, type) || alarm->qualifier[0] != '\0') {
        return;
    }
    struct standing *standing = arena_alloc(arena, sizeof *standing);
    struct text owner = arena_text(arena, text_of(whose));
    if (standing == NULL || owner.at == NULL) {
        return;
    }
    *standing = (struct standing){
        .next = map_get(&source->standing, owner),
        .type = arena_copy(arena, type, strlen(type)),
        .resource = arena_copy(arena, resource, strlen(resource)),
    };
    if (standing->type != NULL && standing->resource != NULL) {
        map_set(&source->standing, owner, standing);
    }
}

void poll_standing_done(struct poll_source *source)
{
    map_done(&source->standing);
    arena_done(&source->standing_arena);
    map_done(&source->owners);
    arena_done(&source->owners_arena);
}

void poll_standing_tick(struct poll_source *source)
{
    struct nsh_error err = {0};
    const struct source_services *services = source->services;
    int64_t now_ms = intake_now_ms(services->intake);
    if (!source->stand || source->telling > 0 ||
        !source_again_due(&source->standing_again, now_ms)) {
        return; /* What is on its way points to what stood. */
    }
    map_done(&source->standing);
    arena_done(&source->standing_arena);
    source->standing = (struct map){0};
    source->standing_arena = (struct arena)ARENA_INIT;
    for (uint32_t i = 0; i < source->devices_count; i++) {
        source->devices[i]->known = 0;
    }
    source->standing.count_max = POLL_STANDING_MAX;
    int result = services->standing == NULL
                     ? 0
                     : services->standing(services->arg, NULL, take, source, &err);
    if (result < 0) {
        services->log(services->arg, true, err.text);
    }
    source->stand = result < 0;
    source_again_tried(&source->standing_again, result == 0, now_ms);
}

void poll_standing_table(struct poll_device *device, const struct poll_table *table,
                         struct poll_batch *batch)
{
    char owner[GLOB_BYTES_MAX], glob[GLOB_BYTES_MAX];
    if (device->source->standing.count == 0 || table->states_count == 0) {
        return;
    }
    poll_owner(device, owner, sizeof owner);
    struct standing *at = map_get(&device->source->standing, text_of(owner));
    for (; at != NULL; at = at->next) {
        for (uint32_t i = 0; !at->over && i < table->states_count; i++) {
            const struct poll_state *state = &table->states[i];
            poll_template_glob(state->resource, glob, sizeof glob);
            if (strcmp(state->type, at->type) == 0 &&
                text_glob(text_of(glob), text_of(at->resource)) &&
                !poll_memory_bad(&device->memory, table, i, text_of(at->resource))) {
                poll_batch_over(batch, state->type, at->resource, &at->over);
            }
        }
    }
}

/* ---- of devices that are not polled any more ---- */

static bool owners_add(struct poll_source *source, const struct poll_device *device)
{
    char owner[GLOB_BYTES_MAX];
    poll_owner(device, owner, sizeof owner);
    if (strcmp(owner, device->name) == 0) {
        return true; /* It is found by its name. */
    }
    const char *kept = arena_copy(&source->owners_arena, owner, strlen(owner));
    return kept != NULL && map_set(&source->owners, text_of(kept), source) == 0;
}

/* Of the devices as they are now. */
static bool owners_build(struct poll_source *source)
{
    bool whole = true;
    if (source->owners_generation == source->generation) {
        return true;
    }
    map_done(&source->owners);
    arena_done(&source->owners_arena);
    source->owners = (struct map){0};
    source->owners_arena = (struct arena)ARENA_INIT;
    for (uint32_t i = 0; i < source->devices_count && whole; i++) {
        whole = owners_add(source, source->devices[i]);
    }
    source->owners_generation = whole ? source->generation : 0; /* They begin with 1. */
    return whole;
}

bool poll_is_watched(void *arg, const struct source_standing *alarm)
{
    struct poll_source *source = arg;
    struct text whose = text_of(alarm->host[0] == '\0' ? alarm->subject : alarm->host);
    if (strcmp(alarm->type, PROBE_ISOLATED) == 0) {
        probe_group_isolated_before(&source->group, true);
        return true; /* By its group, which says when it is over. */
    }
    bool ours = strcmp(alarm->type, POLL_UNREACHABLE) == 0 || is_ours(source, alarm->type);
    return ours &&
           (map_get(&source->by_name, whose) != NULL || map_get(&source->owners, whose) != NULL);
}

void poll_standing_left(struct poll_source *source)
{
    if (!owners_build(source)) {
        return; /* Without memory nobody is called gone. */
    }
    if (source_over_tick(&source->over)) {
        source->stand = true; /* What came back has forgotten what was bad. */
    }
}
