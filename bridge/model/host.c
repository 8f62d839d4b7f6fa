/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in the inventory. */

#include "model/host.h"

#include <stdlib.h>

const struct host *inventory_host(const struct inventory *inventory, struct text name)
{
    return inventory == NULL ? NULL : map_get(&inventory->by_name, name);
}

const struct binding *host_binding(const struct host *host, enum binding_kind kind)
{
    for (size_t i = 0; i < host->bindings_count; i++) {
        if (host->bindings[i].kind == kind) {
            return &host->bindings[i];
        }
    }
    return NULL;
}

/* In whose place: what hosts without a controller, an operating system of ours ... have. Outlets
 * stand in for nobody by themselves: they take the power from all that hangs on them. */
static const uint8_t stand_ins[BINDINGS_COUNT][HOST_REACH_MAX] = {
    [BINDING_BMC] = {BINDING_BMC, BINDING_INSTANCE, BINDING_NODE},
    [BINDING_OUTLET] = {BINDING_OUTLET},
    [BINDING_OS] = {BINDING_OS, BINDING_NODE, BINDING_INSTANCE},
    [BINDING_NODE] = {BINDING_NODE, BINDING_INSTANCE},
    [BINDING_INSTANCE] = {BINDING_INSTANCE, BINDING_NODE},
};

static size_t ways_of_driver(const struct host *host, const struct verb *verb,
                             const struct binding *ret_ways[HOST_REACH_MAX])
{
    const struct binding *own = host_binding(host, verb->binding);
    if (own != NULL && strcmp(own->driver, verb->driver) == 0) {
        ret_ways[0] = own;
        return 1;
    }
    for (size_t i = 0; i < host->bindings_count; i++) {
        if (strcmp(host->bindings[i].driver, verb->driver) == 0) {
            ret_ways[0] = host_binding(host, host->bindings[i].kind);
            return strcmp(ret_ways[0]->driver, verb->driver) == 0;
        }
    }
    return 0;
}

/* The first `most` of order that the host has. */
static size_t ways_in_order(const struct host *host, const uint8_t order[HOST_REACH_MAX],
                            size_t most, const struct binding *ret_ways[HOST_REACH_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < HOST_REACH_MAX && order[i] != BINDING_NONE && count < most; i++) {
        ret_ways[count] = host_binding(host, (enum binding_kind)order[i]);
        count += ret_ways[count] != NULL;
    }
    return count;
}

size_t host_reach(const struct host *host, const struct verb *verb,
                  const struct binding *ret_ways[HOST_REACH_MAX])
{
    if (verb->driver != NULL) {
        return ways_of_driver(host, verb, ret_ways);
    }
    size_t count = host->reach == NULL ? 0
                                       : ways_in_order(host, host->reach->order[verb->binding],
                                                       HOST_REACH_MAX, ret_ways);
    return count > 0 ? count : ways_in_order(host, stand_ins[verb->binding], 1, ret_ways);
}

const char *host_domain(const struct host *host, const char *kind)
{
    for (size_t i = 0; i < host->domains_count; i++) {
        if (strcmp(host->domains[i].kind, kind) == 0) {
            return host->domains[i].name;
        }
    }
    return NULL;
}

void inventory_free(struct inventory *inventory)
{
    if (inventory != NULL) {
        map_done(&inventory->by_name);
        map_done(&inventory->by_hint);
        arena_done(&inventory->arena);
        free(inventory);
    }
}
