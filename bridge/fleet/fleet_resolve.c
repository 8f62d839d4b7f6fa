/* SPDX-License-Identifier: Apache-2.0 */

/* Which host an event is about: by the hints its source gave, the strongest first. Never guessed.
 */

#include "fleet/fleet_private.h"

#include <ctype.h>

/* Strongest first. `as` is what the inventory calls it. */
static const struct {
    const char *name, *as;
} hint_ranks[] = {
    {"host", "host"},     {"uuid", "uuid"},         {"serial", "serial"},
    {"engine", "engine"}, {"instance", "instance"}, {"node", "node"},
    {"port", "port"},     {"agent", "addr"},        {"addr", "addr"},
};

#define HINTS_MAX 32 /* Of one event: what is behind them is not looked at. */

static const struct host *resolve_key(const struct inventory *inventory, const char *name,
                                      const char *value)
{
    char key[EVENT_TEXT_BYTES_MAX + 16];
    const struct text parts[] = {text_of(name), TEXT("="), text_of(value)};
    uint32_t used = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) { /* Of every event: no printf. */
        if (parts[i].count > sizeof key - used) {
            return NULL;
        }
        memcpy(key + used, parts[i].at, parts[i].count);
        used += parts[i].count;
    }
    return map_get(&inventory->by_hint, (struct text){key, used});
}

static const struct host *resolve_uuid(const struct inventory *inventory, struct text value)
{
    char uuid[FLEET_UUID_BYTES], swapped[FLEET_UUID_BYTES];
    if (!fleet_uuid(value, uuid)) {
        return NULL;
    }
    const struct host *host = resolve_key(inventory, "uuid", uuid);
    if (host == NULL) {
        fleet_uuid_swap(uuid, swapped);
        host = resolve_key(inventory, "uuid", swapped);
    }
    return host;
}

static const struct host *resolve_engine(const struct inventory *inventory, struct text value)
{
    char engine[FLEET_ADDRESS_BYTES_MAX];
    if (value.count > 2 && value.at[0] == '0' && (value.at[1] == 'x' || value.at[1] == 'X')) {
        value = (struct text){value.at + 2, value.count - 2};
    }
    if (value.count >= sizeof engine) {
        return NULL;
    }
    for (uint32_t i = 0; i < value.count; i++) {
        engine[i] = (char)tolower((unsigned char)value.at[i]);
    }
    engine[value.count] = '\0';
    return resolve_key(inventory, "engine", engine);
}

static const struct host *resolve_hint(const struct inventory *inventory, size_t rank,
                                       struct text value)
{
    const char *as = hint_ranks[rank].as;
    char chars[EVENT_TEXT_BYTES_MAX];
    if (value.count == 0 || value.count >= sizeof chars) {
        return NULL;
    }
    if (strcmp(as, "uuid") == 0) {
        return resolve_uuid(inventory, value);
    }
    if (strcmp(as, "engine") == 0) {
        return resolve_engine(inventory, value);
    }
    if (strcmp(as, "addr") == 0) {
        char address[FLEET_ADDRESS_BYTES_MAX];
        return fleet_address(value, address) ? resolve_key(inventory, "addr", address) : NULL;
    }
    memcpy(chars, value.at, value.count);
    chars[value.count] = '\0';
    return resolve_key(inventory, as, chars);
}

/* Take the next "name=value" off hints. False: there is none. */
static bool hint_next(struct text *hints, struct text *ret_name, struct text *ret_value)
{
    if (hints->count == 0) {
        return false;
    }
    const char *comma = memchr(hints->at, ',', hints->count);
    uint32_t count = comma == NULL ? hints->count : (uint32_t)(comma - hints->at);
    const char *equals = memchr(hints->at, '=', count);
    uint32_t name_count = equals == NULL ? count : (uint32_t)(equals - hints->at);
    *ret_name = (struct text){hints->at, name_count};
    *ret_value = equals == NULL ? (struct text){hints->at, 0}
                                : (struct text){equals + 1, count - name_count - 1};
    uint32_t skip = comma == NULL ? count : count + 1;
    *hints = (struct text){hints->at + skip, hints->count - skip};
    return true;
}

const struct host *fleet_resolve(const struct inventory *inventory, const struct event *event,
                                 bool *ret_conflict)
{
    enum { RANKS_COUNT = sizeof hint_ranks / sizeof hint_ranks[0] };
    const struct host *found[RANKS_COUNT] = {NULL};
    *ret_conflict = false;
    struct text hints = event->hint;
    struct text name, value;
    for (int i = 0; i < HINTS_MAX && hint_next(&hints, &name, &value); i++) {
        for (size_t rank = 0; rank < RANKS_COUNT; rank++) {
            if (!text_is(name, hint_ranks[rank].name)) {
                continue;
            }
            const struct host *host = resolve_hint(inventory, rank, value);
            *ret_conflict =
                *ret_conflict || (host != NULL && found[rank] != NULL && found[rank] != host);
            found[rank] = found[rank] == NULL ? host : found[rank];
        }
    }
    const struct host *best =
        event->host.count == 0 ? NULL : inventory_host(inventory, event->host);
    for (size_t rank = 0; rank < RANKS_COUNT; rank++) {
        *ret_conflict =
            *ret_conflict || (best != NULL && found[rank] != NULL && found[rank] != best);
        best = best == NULL ? found[rank] : best;
    }
    return best;
}
