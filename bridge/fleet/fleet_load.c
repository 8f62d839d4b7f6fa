/* SPDX-License-Identifier: Apache-2.0 */

/*
 * inventory.conf -> an inventory. All mistakes are reported at once; with any error there is no
 * inventory, and the old one stays. Everything is read once, with maps: a hundred thousand hosts
 * cost time in proportion.
 */

#include "fleet/fleet_private.h"

#include <stdlib.h>

#define FLEET_ARENA_BYTES_MAX ((size_t)2 << 30)

static const char *const fleet_sections[] = {"credentials", "defaults", "hosts", NULL};

static const bool fleet_default_ok[KEYS_COUNT] = {
#define KEY(NAME, word, default_ok) default_ok,
    FLEET_KEYS(KEY)
#undef KEY
};

/* A hash of names and values in their order: layout and comments do not change an inventory. */
static uint64_t fleet_revision(const struct conf *conf, uint64_t hash)
{
    struct text name = text_of(conf->name == NULL ? "" : conf->name);
    hash = (hash ^ text_hash(name)) * 0x100000001b3u + (uint64_t)conf->type;
    if (conf->type == CONF_STRING) {
        hash = (hash ^ text_hash(text_of(conf->text))) * 0x100000001b3u;
    } else {
        uint64_t real;
        memcpy(&real, &conf->real, sizeof real);
        hash = (hash ^ (uint64_t)conf->integer ^ real ^ conf->boolean) * 0x100000001b3u;
    }
    for (const struct conf *child = conf->first; child != NULL; child = child->next) {
        hash = fleet_revision(child, hash);
    }
    return hash;
}

static void fleet_read_defaults(struct fleet_build *build, struct conf *group)
{
    if (group == NULL) {
        return;
    }
    if (group->type != CONF_GROUP) {
        diag_add(build->diags, DIAG_ERROR, group->value_at, NULL, "'defaults' must be a group");
        return;
    }
    fleet_keys(build, group, build->defaults);
    for (int key = 0; key < KEYS_COUNT; key++) {
        struct conf *setting = build->defaults[key];
        if (setting != NULL && !fleet_default_ok[key]) {
            diag_add(build->diags, DIAG_ERROR, setting->at, NULL,
                     "%s belongs to one host, it has no default", fleet_key_words[key]);
            build->defaults[key] = NULL;
        }
        if (setting != NULL && key >= KEY_BINDING_FIRST && setting->type != CONF_GROUP) {
            diag_add(build->diags, DIAG_ERROR, setting->value_at, NULL, "'%s' must be a group",
                     fleet_key_words[key]);
        }
    }
}

static void fleet_read_hosts(struct fleet_build *build, struct conf *root, struct conf *list)
{
    if (list == NULL || list->type != CONF_LIST) {
        diag_add(build->diags, DIAG_ERROR, list == NULL ? root->at : list->value_at,
                 "hosts: ( { name = \"r1h01\"; bmc = { driver = \"redfish\"; address = "
                 "\"10.0.1.1\"; }; } );",
                 "the inventory needs a list of hosts");
        return;
    }
    if (list->children_count > HOSTS_MAX) {
        diag_add(build->diags, DIAG_ERROR, list->at, NULL, "%zu hosts; at most %d are possible",
                 list->children_count, HOSTS_MAX);
        return;
    }
    if (list->children_count == 0) {
        diag_add(build->diags, DIAG_WARNING, list->at, NULL, "the inventory has no host");
    }
    build->hosts = fleet_array(build, list->children_count, sizeof *build->hosts);
    for (struct conf *child = list->first; child != NULL && !build->no_memory;
         child = child->next) {
        struct conf *at[KEYS_COUNT] = {NULL};
        if (child->type != CONF_GROUP) {
            diag_add(build->diags, DIAG_ERROR, child->value_at, NULL, "a host is a group { ... }");
            continue;
        }
        fleet_keys(build, child, at);
        if (at[KEY_NAME] == NULL) {
            diag_add(build->diags, DIAG_ERROR, child->value_at, "such as name = \"r1h01\"",
                     "a host needs a name");
        }
        struct host *host = &build->hosts[build->hosts_count];
        host->index = (uint32_t)build->hosts_count++;
        fleet_read_host(build, at, host);
    }
}

static void fleet_keep_pools(struct fleet_build *build)
{
    struct pool *pools = fleet_array(build, build->pools.count, sizeof *pools);
    size_t count = 0;
    MAP_EACH (&build->pools, entry) {
        if (pools != NULL) {
            pools[count++] = *(const struct pool *)entry->value;
        }
    }
    build->inventory->pools = pools;
    build->inventory->pools_count = count;
}

static void fleet_keep_maps(struct fleet_build *build)
{
    struct inventory *inventory = build->inventory;
    for (size_t i = 0; i < build->hosts_count; i++) {
        struct host *host = &build->hosts[i];
        build->no_memory =
            map_set(&inventory->by_name, text_of(host->name), host) < 0 || build->no_memory;
    }
    MAP_EACH (&build->owners, entry) {
        const struct fleet_owner *owner = entry->value;
        if (!owner->ambiguous) {
            build->no_memory =
                map_set(&inventory->by_hint, entry->key, owner->host) < 0 || build->no_memory;
        }
    }
    inventory->hosts = build->hosts;
    inventory->hosts_count = build->hosts_count;
}

static void fleet_read(struct fleet_build *build, struct conf *root, size_t errors_before)
{
    struct conf *defaults = conf_get(root, "defaults");
    struct conf *credentials = conf_get(root, "credentials");
    struct conf *hosts = conf_get(root, "hosts");
    conf_unknown(root, fleet_sections, build->diags);
    fleet_read_credentials(build, credentials);
    fleet_read_defaults(build, defaults);
    fleet_read_hosts(build, root, hosts);
    if (build->diags->errors_count == errors_before && !build->no_memory) {
        fleet_keep_pools(build);
        fleet_keep_maps(build);
        build->inventory->revision = fleet_revision(root, 0xcbf29ce484222325u);
    }
}

static void fleet_build_done(struct fleet_build *build)
{
    map_done(&build->credentials);
    map_done(&build->words);
    map_done(&build->owners);
    map_done(&build->endpoints);
    map_done(&build->pools);
    arena_done(&build->scratch);
}

static struct inventory *fleet_make(const char *path, struct conf *root, struct diags *diags)
{
    struct inventory *inventory = calloc(1, sizeof *inventory);
    if (inventory == NULL) {
        diag_add(diags, DIAG_ERROR, (struct nsh_place){.file = path}, NULL, "out of memory");
        return NULL;
    }
    inventory->arena.bytes_max = FLEET_ARENA_BYTES_MAX;
    struct fleet_build build = {
        .inventory = inventory,
        .arena = &inventory->arena,
        .scratch = {.bytes_max = FLEET_ARENA_BYTES_MAX},
        .diags = diags,
    };
    size_t errors_before = diags->errors_count;
    root = root != NULL ? root : conf_read(path, &build.scratch, diags);
    if (root != NULL) {
        fleet_read(&build, root, errors_before);
    }
    if (build.no_memory) {
        diag_add(diags, DIAG_ERROR, (struct nsh_place){.file = path}, NULL,
                 "out of memory while reading the inventory");
    }
    bool failed = root == NULL || diags->errors_count > errors_before;
    fleet_build_done(&build);
    if (failed) {
        inventory_free(inventory);
        return NULL;
    }
    return inventory;
}

struct inventory *fleet_load(const char *path, struct diags *diags)
{
    return fleet_make(path, NULL, diags);
}

struct inventory *fleet_load_conf(struct conf *root, struct diags *diags)
{
    return fleet_make(root->at.file, root, diags);
}
