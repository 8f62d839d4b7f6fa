/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder's memory: interrupting runs and escalations of a chassis over weeks, by its serial, so
 * that a host under another name is no new one. After so many runs it is a person's.
 */

#include "engine_private.h"

#include <stdlib.h>

/* The serial, or what stands for it. In scratch. */
static struct text chassis_key(struct engine *engine, const struct host_state *host)
{
    return host->serial != NULL && host->serial[0] != 0
               ? text_of(host->serial)
               : text_of(scratch_printf(engine, "host %s", host->name));
}

static struct chassis *chassis_get(struct engine *engine, struct text key)
{
    struct map *map = &engine->kept.chassis;
    struct chassis *chassis = map_get(map, key);
    if (chassis != NULL || map->count >= CHASSIS_MAX) {
        return chassis;
    }
    chassis = engine_alloc(engine, sizeof *chassis);
    char *copy = chassis == NULL ? NULL : engine_copy(engine, key);
    if (copy == NULL) {
        free(chassis);
        return NULL;
    }
    *chassis = (struct chassis){.key = text_of(copy), .host = ""};
    if (map_set(map, chassis->key, chassis) < 0) {
        engine->nomem = true;
        free(copy);
        free(chassis);
        return NULL;
    }
    return chassis;
}

/* The oldest goes: the bound is above every limit. */
static void stamp_add(int64_t *stamps, uint32_t *count, int64_t ms)
{
    if (*count == CHASSIS_STAMPS_MAX) {
        (*count)--;
        memmove(stamps, stamps + 1, *count * sizeof *stamps);
    }
    stamps[(*count)++] = ms;
}

static uint32_t stamps_since(const int64_t *stamps, uint32_t count, int64_t since_ms)
{
    uint32_t found = 0;
    while (found < count && stamps[count - 1 - found] > since_ms) {
        found++;
    }
    return found;
}

bool ladder_check(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct policy_guards *guards = engine->guards;
    if (ask->host == NULL) {
        textbuf_add_chars(text, "no host");
        return true;
    }
    struct text key = chassis_key(engine, ask->host);
    const struct chassis *chassis = map_get(&engine->kept.chassis, key);
    int64_t since_ms = engine->now_ms - guards->ladder_ms;
    uint32_t runs = chassis == NULL
                        ? 0
                        : stamps_since(chassis->interrupted, chassis->interrupted_count, since_ms);
    uint32_t escalations =
        chassis == NULL ? 0 : stamps_since(chassis->escalated, chassis->escalated_count, since_ms);
    textbuf_addf(text, "%u of %u interrupting runs on chassis %.*s in ", runs,
                 guards->ladder_runs_max, PT(key));
    textbuf_add_duration(text, guards->ladder_ms);
    textbuf_addf(text, ", %u ended with a person", escalations);
    return runs < guards->ladder_runs_max;
}

static void chassis_touch(struct engine *engine, struct chassis *chassis)
{
    if (chassis->dirty) {
        return;
    }
    chassis->dirty = true;
    chassis->dirty_next = NULL;
    if (engine->kept.dirty_chassis_last == NULL) {
        engine->kept.dirty_chassis = chassis;
    } else {
        engine->kept.dirty_chassis_last->dirty_next = chassis;
    }
    engine->kept.dirty_chassis_last = chassis;
}

void ladder_run_ended(struct engine *engine, const struct run *run)
{
    if (run->host == NULL || !run->interrupted) {
        return;
    }
    struct chassis *chassis = chassis_get(engine, chassis_key(engine, run->host));
    if (chassis == NULL) {
        return;
    }
    stamp_add(chassis->interrupted, &chassis->interrupted_count, engine->now_ms);
    if (run->state == RUN_ESCALATED) {
        stamp_add(chassis->escalated, &chassis->escalated_count, engine->now_ms);
    }
    chassis->host = run->host->name; /* Hosts outlive inventories. */
    chassis_touch(engine, chassis);
}

/* ---- kept --------------------------------------------------------------------------------------
 */

static void stamps_json(struct textbuf *json, const char *name, const int64_t *stamps,
                        uint32_t count)
{
    json_comma(json);
    textbuf_addf(json, "\"%s\":[", name);
    for (uint32_t i = 0; i < count; i++) {
        textbuf_addf(json, "%s%lld", i == 0 ? "" : ",", (long long)stamps[i]);
    }
    textbuf_add_char(json, ']');
}

void ladder_json(struct engine *engine, const struct chassis *chassis, struct textbuf *json)
{
    json_text(json, "id", chassis->key);
    json_chars(json, "host", chassis->host);
    stamps_json(json, "interrupted", chassis->interrupted, chassis->interrupted_count);
    stamps_json(json, "escalated", chassis->escalated, chassis->escalated_count);
}

static void stamps_load(const struct nsh_value *list, int64_t *stamps, uint32_t *count)
{
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        if (list->items[i].type == NSH_INT) {
            stamp_add(stamps, count, list->items[i].integer);
        }
    }
}

void ladder_load(struct engine *engine, const struct nsh_value *value)
{
    const char *id = nsh_get_text(value, "id", "");
    const char *name = nsh_get_text(value, "host", "");
    struct chassis *chassis = id[0] == 0 ? NULL : chassis_get(engine, text_of(id));
    struct host_state *host = name[0] == 0 ? NULL : host_get(engine, text_of(name));
    if (chassis == NULL) {
        return;
    }
    chassis->host = host == NULL ? "" : host->name;
    stamps_load(nsh_get(value, "interrupted"), chassis->interrupted, &chassis->interrupted_count);
    stamps_load(nsh_get(value, "escalated"), chassis->escalated, &chassis->escalated_count);
}

void ladder_free(struct engine *engine)
{
    MAP_EACH (&engine->kept.chassis, entry) {
        struct chassis *chassis = entry->value;
        char *key = NULL;
        memcpy(&key, &chassis->key.at, sizeof key);
        free(key);
        free(chassis);
    }
    map_done(&engine->kept.chassis);
}
