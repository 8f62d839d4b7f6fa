/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a host is, told to the drivers that can check it: where a driver has the option `serial` or
 * `uuid` and the binding does not say it, it gets the host's own. A BMC whose cable was swapped
 * then refuses to be switched.
 */

#include "generation.h"

static bool driver_has_option(const struct nsh_driver *driver, const char *name)
{
    for (size_t i = 0; i < driver->options_count; i++) {
        if (strcmp(driver->options[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool binding_fill(struct arena *arena, const struct nsh_driver *driver, const char *name,
                         const char *text, struct nsh_value *settings)
{
    if (text == NULL || !driver_has_option(driver, name) || nsh_get(settings, name) != NULL) {
        return true;
    }
    struct nsh_member *members = arena_array(arena, settings->count + 1, sizeof *members);
    if (members == NULL) {
        return false;
    }
    memcpy(members, settings->members, settings->count * sizeof *members);
    members[settings->count] = (struct nsh_member){name, nsh_text(text)};
    *settings = nsh_map(members, settings->count + 1);
    return true;
}

bool generation_tell_identity(struct inventory *inventory, const struct drivers *drivers)
{
    for (size_t h = 0; h < inventory->hosts_count; h++) {
        const struct host *host = &inventory->hosts[h];
        for (size_t b = 0; b < host->bindings_count; b++) {
            /* Nobody else has seen the inventory yet: it is still ours to write. */
            struct binding *binding = (struct binding *)(uintptr_t)&host->bindings[b];
            const struct nsh_driver *driver = drivers_learn(drivers, binding->driver);
            if (driver != NULL && (!binding_fill(&inventory->arena, driver, "serial", host->serial,
                                                 &binding->settings) ||
                                   !binding_fill(&inventory->arena, driver, "uuid", host->uuid,
                                                 &binding->settings))) {
                return false;
            }
        }
    }
    return true;
}
