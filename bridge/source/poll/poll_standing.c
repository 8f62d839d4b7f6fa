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
}

void poll_standing_tick(struct poll_source *source)
{
    struct nsh_error err = {0};
    const struct source_services *services = source->services;
    if (!source->stand || source->telling > 0) {
        return; /* What is on its way points to what stood. */
    }
    source->stand = false;
    poll_standing_done(source);
    source->standing = (struct map){0};
    source->standing_arena = (struct arena)ARENA_INIT;
    for (uint32_t i = 0; i < source->devices_count; i++) {
        source->devices[i]->known = 0;
    }
    source->standing.count_max = POLL_STANDING_MAX;
    if (services->standing != NULL &&
        services->standing(services->arg, NULL, take, source, &err) < 0) {
        services->log(services->arg, true, err.text);
    }
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

struct watch {
    struct poll_source *source;
    struct map names; /* Of devices, and whose alarms theirs are. */
    struct arena arena;
};

static bool watch_add(struct watch *watch, const char *name)
{
    const char *kept = arena_copy(&watch->arena, name, strlen(name));
    return kept != NULL && map_set(&watch->names, text_of(kept), watch) == 0;
}

static bool is_watched(void *arg, const struct source_standing *alarm)
{
    const struct watch *watch = arg;
    const char *whose = alarm->host[0] == '\0' ? alarm->subject : alarm->host;
    if (strcmp(alarm->type, PROBE_ISOLATED) == 0) {
        probe_group_isolated_before(&watch->source->group, true);
        return true; /* By its group, which says when it is over. */
    }
    bool ours = strcmp(alarm->type, POLL_UNREACHABLE) == 0 || is_ours(watch->source, alarm->type);
    return ours && map_get(&watch->names, text_of(whose)) != NULL;
}

void poll_standing_sweep(struct poll_source *source)
{
    struct nsh_error err = {0};
    struct watch watch = {.source = source, .arena = ARENA_INIT};
    bool whole = true;
    for (uint32_t i = 0; i < source->devices_count && whole; i++) {
        char owner[GLOB_BYTES_MAX];
        poll_owner(source->devices[i], owner, sizeof owner);
        whole = watch_add(&watch, source->devices[i]->name) && watch_add(&watch, owner);
    }
    source->sweep = !whole; /* Without memory nobody is called gone. */
    if (whole && source_over_sweep(&source->over, is_watched, &watch, &err) < 0) {
        source->services->log(source->services->arg, true, err.text);
    }
    map_done(&watch.names);
    arena_done(&watch.arena);
}
