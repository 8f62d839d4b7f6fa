/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bindings: how a host is reached. What a host's binding does not say, the defaults' binding of
 * that kind does; a host that has no such binding gets none from the defaults. `credentials` adds a
 * user and a password, as references.
 */

#include "fleet/fleet_private.h"

#include "base/json.h"

#include <stdio.h>

static const char *const credential_keys[] = {"name", "user", "password", NULL};

static void credential_add(struct fleet_build *build, struct conf *group, size_t index)
{
    if (group->type != CONF_GROUP) {
        diag_add(build->diags, DIAG_ERROR, group->value_at,
                 "{ name = \"lab\"; user = \"admin\"; password = \"file:bmc.password\"; }",
                 "credentials is a list of groups");
        return;
    }
    struct conf *name = conf_get(group, "name");
    conf_text(conf_get(group, "user"), NULL, build->diags);
    conf_text(conf_get(group, "password"), NULL, build->diags);
    conf_unknown(group, credential_keys, build->diags);
    const char *text = fleet_text(build, name);
    if (text == NULL) {
        if (name == NULL) {
            diag_add(build->diags, DIAG_ERROR, group->at, NULL, "credentials need a name");
        }
        return;
    }
    struct conf *first = map_get(&build->credentials, text_of(text));
    if (first != NULL) {
        diag_add(build->diags, DIAG_ERROR, name->value_at, NULL,
                 "credentials %s were given before (%s:%u)", text, first->at.file, first->at.line);
        return;
    }
    if (map_set(&build->credentials, text_of(text), group) < 0) {
        build->no_memory = true;
        return;
    }
    build->credential_names[index] = text;
}

void fleet_read_credentials(struct fleet_build *build, struct conf *list)
{
    size_t count = list == NULL ? 0 : list->children_count;
    build->credential_names = arena_array(&build->scratch, count + 1, sizeof(char *));
    if (build->credential_names == NULL) {
        build->no_memory = true;
        return;
    }
    if (list == NULL) {
        return;
    }
    if (list->type != CONF_LIST) {
        diag_add(build->diags, DIAG_ERROR, list->value_at,
                 "( { name = \"lab\"; user = \"admin\"; password = \"file:bmc.password\"; } )",
                 "credentials is a list of groups");
        return;
    }
    size_t index = 0;
    for (struct conf *child = list->first; child != NULL; child = child->next) {
        credential_add(build, child, index);
        index += build->credential_names[index] != NULL;
    }
}

/* Members under way: a binding's settings before they are kept. */
struct binding_members {
    struct nsh_member *items;
    size_t count;
};

static bool members_have(const struct binding_members *members, const char *name)
{
    struct nsh_value map = nsh_map(members->items, members->count);
    return nsh_get(&map, name) != NULL;
}

/* The settings of group that are not there yet; `driver` and `credentials` are ours. */
static void members_add(struct fleet_build *build, struct conf *group,
                        struct binding_members *members)
{
    struct conf *child = group == NULL ? NULL : group->first;
    for (; child != NULL; child = child->next) {
        if (strcmp(child->name, "driver") == 0 || strcmp(child->name, "credentials") == 0 ||
            members_have(members, child->name)) {
            continue;
        }
        members->items[members->count++] =
            (struct nsh_member){fleet_word(build, child->name), fleet_value(build, child)};
    }
}

static void members_add_credentials(struct fleet_build *build, struct conf *setting,
                                    struct binding_members *members)
{
    const char *name = setting == NULL ? NULL : fleet_text(build, setting);
    if (name == NULL) {
        return;
    }
    struct conf *group = map_get(&build->credentials, text_of(name));
    if (group == NULL) {
        const char *nearest = text_nearest(text_of(name), build->credential_names);
        const char *remedy = nearest == NULL
                                 ? "add them to the credentials list"
                                 : arena_printf(&build->scratch, "did you mean '%s'?", nearest);
        diag_add(build->diags, DIAG_ERROR, setting->value_at, remedy, "no credentials named \"%s\"",
                 name);
        return;
    }
    for (struct conf *child = group->first; child != NULL; child = child->next) {
        if (strcmp(child->name, "name") != 0 && !members_have(members, child->name)) {
            members->items[members->count++] =
                (struct nsh_member){fleet_word(build, child->name), fleet_value(build, child)};
        }
    }
}

static struct conf *binding_setting(struct conf *own, struct conf *preset, const char *name)
{
    struct conf *setting = conf_get(own, name);
    return setting != NULL ? setting : conf_get(preset, name);
}

/*
 * Two hosts with the very same controller or outlet are a slip of the hand that switches off the
 * wrong machine. The same address with another system or outlet number is fine.
 */
static void binding_check_endpoint(struct fleet_build *build, const struct binding *binding,
                                   struct host *host, struct nsh_place at)
{
    if (binding->kind != BINDING_BMC && binding->kind != BINDING_OUTLET) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_addf(&text, "%s %s ", binding_word(binding->kind), binding->driver);
    json_write(&binding->settings, &text);
    const char *key = text.failed ? NULL : arena_copy(&build->scratch, text.at, text.count);
    struct fleet_owner *first = key == NULL ? NULL : map_get(&build->endpoints, text_of(key));
    if (first != NULL && first->host != host) {
        diag_add(
            build->diags, DIAG_ERROR, at, NULL,
            "host %s and host %s (%s:%u) have the same %s: an action for one would hit the other",
            host->name, first->host->name, first->at.file, first->at.line,
            binding_word(binding->kind));
        diag_add(build->diags, DIAG_NOTE, first->at, NULL, "here it was said first");
        return;
    }
    struct fleet_owner *owner = arena_alloc(&build->scratch, sizeof *owner);
    if (key == NULL || owner == NULL) {
        build->no_memory = true;
        return;
    }
    *owner = (struct fleet_owner){.host = host, .at = at};
    build->no_memory = map_set(&build->endpoints, text_of(key), owner) < 0 || build->no_memory;
}

/* What a cluster or a cloud calls the host: what the binding says, a node without a word is called
 * as the host is. */
static void binding_claim_name(struct fleet_build *build, const struct binding *binding,
                               struct host *host, struct nsh_place at)
{
    static const char *const instance_keys[] = {"instance", "server", "vm", NULL};
    static const char *const node_keys[] = {"node", NULL};
    if (binding->kind != BINDING_INSTANCE && binding->kind != BINDING_NODE) {
        return;
    }
    bool node = binding->kind == BINDING_NODE;
    const char *name = NULL;
    for (const char *const *key = node ? node_keys : instance_keys; *key != NULL; key++) {
        name = name != NULL ? name : nsh_get_text(&binding->settings, *key, NULL);
    }
    name = name == NULL && node ? host->name : name;
    if (name != NULL && strchr(name, ',') == NULL) {
        fleet_claim(build, node ? "node" : "instance", name, host, at, false);
    }
}

/* Where a binding points tells whom an event is about: a controller and an operating system are one
 * host's. */
static void binding_claim(struct fleet_build *build, const struct binding *binding,
                          struct host *host, struct nsh_place at)
{
    const char *text = nsh_get_text(&binding->settings, "address", NULL);
    char address[FLEET_ADDRESS_BYTES_MAX];
    if (text == NULL || (binding->kind != BINDING_BMC && binding->kind != BINDING_OS)) {
        return;
    }
    if (!fleet_address(text_of(text), address)) {
        diag_add(build->diags, DIAG_ERROR, at, NULL, "\"%s\" is no address", text);
        return;
    }
    fleet_claim(build, "addr", address, host, at, false);
}

static bool binding_read(struct fleet_build *build, struct conf *own, struct conf *preset,
                         enum binding_kind kind, struct host *host, struct binding *ret_binding)
{
    struct conf *driver = binding_setting(own, preset, "driver");
    struct conf *credentials = binding_setting(own, preset, "credentials");
    const char *name = fleet_text(build, driver);
    if (name == NULL) {
        if (driver == NULL) {
            diag_add(build->diags, DIAG_ERROR, own->at, "such as driver = \"redfish\"",
                     "%s of host %s names no driver", binding_word(kind), host->name);
        }
        return false;
    }
    size_t room = own->children_count + (preset == NULL ? 0 : preset->children_count) + 3;
    struct binding_members members = {.items = fleet_array(build, room, sizeof *members.items)};
    if (members.items == NULL) {
        return false;
    }
    members_add(build, own, &members);
    members_add(build, preset, &members);
    members_add_credentials(build, credentials, &members);
    *ret_binding = (struct binding){
        .kind = kind,
        .driver = fleet_word(build, name),
        .settings = nsh_map(members.items, members.count),
    };
    struct conf *address = conf_get(own, "address");
    binding_claim(build, ret_binding, host, address == NULL ? own->at : address->value_at);
    binding_claim_name(build, ret_binding, host, own->at);
    if (address != NULL) {
        binding_check_endpoint(build, ret_binding, host, address->value_at);
    }
    return true;
}

/* One group, or for outlets a list of groups. */
static void bindings_read_kind(struct fleet_build *build, struct conf *setting,
                               enum binding_kind kind, struct host *host, struct binding *bindings)
{
    struct conf *preset = build->defaults[KEY_BINDING_FIRST + (int)kind - BINDING_BMC];
    preset = preset != NULL && preset->type == CONF_GROUP ? preset : NULL;
    bool several = setting->type == CONF_LIST;
    struct conf *group = several ? setting->first : setting;
    for (; group != NULL; group = several ? group->next : NULL) {
        if (group->type != CONF_GROUP) {
            diag_add(
                build->diags, DIAG_ERROR, group->value_at, NULL,
                "'%s' must be a group such as { driver = \"redfish\"; address = \"10.0.0.1\"; }",
                binding_word(kind));
            return;
        }
        if (host->bindings_count == HOST_BINDINGS_MAX) {
            diag_add(build->diags, DIAG_ERROR, group->at, NULL, "a host has at most %d bindings",
                     HOST_BINDINGS_MAX);
            return;
        }
        host->bindings_count +=
            binding_read(build, group, preset, kind, host, &bindings[host->bindings_count]);
    }
}

void fleet_read_bindings(struct fleet_build *build, struct conf *const own[KEYS_COUNT],
                         struct host *host)
{
    struct binding bindings[HOST_BINDINGS_MAX];
    for (int kind = BINDING_BMC; kind < BINDING_FUNCTION; kind++) {
        struct conf *setting = own[KEY_BINDING_FIRST + kind - BINDING_BMC];
        if (setting != NULL) {
            bindings_read_kind(build, setting, (enum binding_kind)kind, host, bindings);
        }
    }
    struct binding *kept = fleet_array(build, host->bindings_count, sizeof *kept);
    if (kept != NULL && host->bindings_count > 0) {
        memcpy(kept, bindings, host->bindings_count * sizeof *kept);
    }
    host->bindings = kept;
}
