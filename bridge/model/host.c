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
