/* SPDX-License-Identifier: Apache-2.0 */
/* Inventories in force, one after the other: the one of the options, changed as the hosts are told
 * to be. */

#include "sim/sim_private.h"

#define MEMBERS_MAX 64

static const char *copy_name(struct sim_world *world, const char *name, const char *more)
{
    const char *text = arena_printf(&world->arena, "%s%s", name, more);
    NSH_ASSERT(text != NULL);
    return text;
}

/* The map that conditions see, with the members that changed. */
static struct nsh_value record_of(struct arena *arena, const struct host *host, const char *rack)
{
    uint32_t count = host->record.count;
    struct nsh_member *members = arena_array(arena, count + 1, sizeof *members);
    NSH_ASSERT(members != NULL && host->record.type == NSH_MAP && count < MEMBERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        members[i] = host->record.members[i];
        if (strcmp(members[i].name, "name") == 0 || strcmp(members[i].name, "id") == 0) {
            members[i].value = nsh_text(host->name);
        } else if (strcmp(members[i].name, "rack") == 0 && rack != NULL) {
            members[i].value = nsh_text(rack);
        } else if (strcmp(members[i].name, "maintenance") == 0) {
            members[i].value = nsh_bool(host->maintenance);
        }
    }
    return nsh_map(members, count);
}

static void host_move(struct arena *arena, struct host *host, const char *rack)
{
    struct domain *domains = arena_array(arena, host->domains_count + 1, sizeof *domains);
    NSH_ASSERT(domains != NULL);
    for (size_t i = 0; i < host->domains_count; i++) {
        domains[i] = host->domains[i];
        if (strcmp(domains[i].kind, "rack") == 0) {
            domains[i].name = rack;
        }
    }
    host->domains = domains;
}

static struct host host_of(struct sim_world *world, struct arena *arena,
                           const struct sim_host *from)
{
    struct host host = *from->host;
    const char *rack = host_domain(&host, "rack");
    if (from->renamed) {
        host.name = copy_name(world, host.name, "-new");
    }
    if (from->moved && rack != NULL) {
        const struct sim_host *other =
            &world->hosts[world->hosts_count - 1 - (size_t)(from - world->hosts)];
        const char *theirs = host_domain(other->host, "rack");
        rack = theirs == NULL ? rack : theirs;
        host_move(arena, &host, rack);
    }
    host.maintenance = host.maintenance || from->maintenance_wanted;
    host.record = record_of(arena, &host, rack);
    return host;
}

static void hosts_point(struct sim_world *world, const struct inventory *inventory)
{
    map_done(&world->by_name);
    world->by_name = (struct map){0};
    size_t at = 0;
    for (size_t i = 0; i < world->hosts_count; i++) {
        struct sim_host *host = &world->hosts[i];
        if (!host->known || i >= world->hosts_count - world->shrunken) {
            host->maintenance = false;
            host->name = host->name == NULL ? host->name_first : host->name;
            host->rack = host->rack == NULL ? "" : host->rack;
            continue;
        }
        const struct host *now = &inventory->hosts[at++];
        const char *rack = host_domain(now, "rack");
        host->name = now->name;
        host->rack = rack == NULL ? "" : rack;
        host->maintenance = now->maintenance;
        NSH_ASSERT(map_set(&world->by_name, text_of(now->name), host) == 0);
    }
}

const struct inventory *sim_inventory_now(const struct sim_world *world)
{
    return world->inventories[world->inventories_count - 1];
}

static void pools_count(struct arena *arena, struct inventory *inventory,
                        const struct inventory *from)
{
    struct pool *pools = arena_array(arena, from->pools_count + 1, sizeof *pools);
    NSH_ASSERT(pools != NULL);
    for (size_t i = 0; i < from->pools_count; i++) {
        pools[i] = (struct pool){.name = from->pools[i].name};
        for (size_t k = 0; k < inventory->hosts_count; k++) {
            const char *pool = inventory->hosts[k].pool;
            pools[i].hosts_count += pool != NULL && strcmp(pool, pools[i].name) == 0;
        }
    }
    inventory->pools = pools;
    inventory->pools_count = from->pools_count;
}

static void hint_add(struct inventory *inventory, struct host *host)
{
    if (host->serial != NULL) {
        const char *hint = arena_printf(&inventory->arena, "serial=%s", host->serial);
        NSH_ASSERT(hint != NULL && map_set(&inventory->by_hint, text_of(hint), host) == 0);
    }
}

void sim_inventory_make(struct sim_world *world)
{
    const struct inventory *from = world->options->inventory;
    struct inventory *inventory = calloc(1, sizeof *inventory);
    NSH_ASSERT(inventory != NULL);
    inventory->revision = from->revision + world->inventories_count;
    struct host *hosts = arena_array(&inventory->arena, world->hosts_count + 1, sizeof *hosts);
    NSH_ASSERT(hosts != NULL);
    for (size_t i = 0; i < world->hosts_count - world->shrunken; i++) {
        if (world->hosts[i].known) {
            struct host *host = &hosts[inventory->hosts_count];
            *host = host_of(world, &inventory->arena, &world->hosts[i]);
            host->index = (uint32_t)inventory->hosts_count++;
            NSH_ASSERT(map_set(&inventory->by_name, text_of(host->name), host) == 0);
            hint_add(inventory, host);
        }
    }
    inventory->hosts = hosts;
    pools_count(&inventory->arena, inventory, from);
    world->inventories = /* NOLINTNEXTLINE(bugprone-sizeof-expression): a list of pointers. */
        realloc(world->inventories, (world->inventories_count + 1) * sizeof world->inventories[0]);
    NSH_ASSERT(world->inventories != NULL);
    world->inventories[world->inventories_count++] = inventory;
    hosts_point(world, inventory);
}

void sim_inventory_done(struct sim_world *world)
{
    for (size_t i = 0; i < world->inventories_count; i++) {
        inventory_free(world->inventories[i]);
    }
    free(world->inventories);
    map_done(&world->by_name);
}
