/* SPDX-License-Identifier: Apache-2.0 */
/* What the next events of a batch will touch: asked for while the present one is worked on. */

#include "engine_private.h"

/* How many events ahead each link of the chain is followed: what it leads to was asked for when
 * the link before was. */
#define AHEAD_SLOTS 8
#define AHEAD_ENTRIES 6
#define AHEAD_STATES 4
#define AHEAD_INSTANCES 3
#define AHEAD_POLICIES 2

#define LINE_BYTES 64

static void fetch(const void *at, size_t bytes)
{
    for (size_t i = 0; at != NULL && i < bytes; i += LINE_BYTES) {
        __builtin_prefetch((const char *)at + i);
    }
}

static void slots(const struct engine *engine, const struct event *event)
{
    dedup_ahead(engine, event);
    map_fetch_slot(&engine->hosts, text_hash(event->host));
    map_fetch_slot(&engine->types, text_hash(event->type));
}

static void entries(const struct engine *engine, const struct event *event)
{
    map_fetch_entry(&engine->hosts, text_hash(event->host));
    map_fetch_entry(&engine->types, text_hash(event->type));
}

static void states(const struct engine *engine, const struct event *event)
{
    const struct host_state *host = map_guess(&engine->hosts, text_hash(event->host));
    const struct type_state *type = map_guess(&engine->types, text_hash(event->type));
    fetch(host, sizeof *host);
    fetch(type, sizeof *type);
}

static void instances(const struct engine *engine, const struct event *event)
{
    const struct host_state *host = map_guess(&engine->hosts, text_hash(event->host));
    const struct type_state *type = map_guess(&engine->types, text_hash(event->type));
    fetch(host == NULL ? NULL : host->instances, sizeof(struct instance));
    fetch(host == NULL ? NULL : host->name, 1);
    fetch(type == NULL ? NULL : type->policies, 1);
}

static void policies(const struct engine *engine, const struct event *event)
{
    const struct host_state *host = map_guess(&engine->hosts, text_hash(event->host));
    const struct instance *instance = host == NULL ? NULL : host->instances;
    if (instance != NULL) {
        fetch(instance->policy, offsetof(struct policy, unless));
        fetch(instance->event, instance->event_bytes);
    }
}

void look_ahead(const struct engine *engine, const struct event *items, size_t count, size_t index)
{
    static const struct {
        size_t by;
        void (*fetch)(const struct engine *engine, const struct event *event);
    } stages[] = {{AHEAD_SLOTS, slots},
                  {AHEAD_ENTRIES, entries},
                  {AHEAD_STATES, states},
                  {AHEAD_INSTANCES, instances},
                  {AHEAD_POLICIES, policies}};
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        if (index + stages[i].by < count) {
            stages[i].fetch(engine, &items[index + stages[i].by]);
        }
    }
}
