/* SPDX-License-Identifier: Apache-2.0 */

/* One host of the inventory: its names, its places, its labels, and the record that conditions see.
 */

#include "fleet/fleet_private.h"

#include <ctype.h>
#include <stdio.h>

static bool host_name_ok(const char *name)
{
    size_t count = strlen(name);
    if (count == 0 || count > FLEET_NAME_BYTES_MAX || !isalnum((unsigned char)name[0])) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!isalnum((unsigned char)name[i]) && strchr("._-:", name[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* False: without a name there is nothing to say about the rest. */
static bool host_read_name(struct fleet_build *build, struct conf *setting, struct host *host)
{
    const char *name = fleet_text(build, setting);
    if (name == NULL) {
        return false;
    }
    if (!host_name_ok(name)) {
        diag_add(build->diags, DIAG_ERROR, setting->value_at,
                 "letters, digits and . _ - : with a letter or digit first, at most 253",
                 "\"%s\" is no host name", name);
        return false;
    }
    host->name = fleet_copy(build, name);
    fleet_claim(build, "host", host->name, host, setting->value_at, true);
    return true;
}

/* What factories write when they write nothing: no identity, and the same in many machines. */
static bool host_is_placeholder(const char *uuid)
{
    static const char *const placeholders[] = {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
    };
    for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++) {
        if (strcmp(uuid, placeholders[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void host_read_identity(struct fleet_build *build, struct conf *const at[KEYS_COUNT],
                               struct host *host)
{
    const char *serial = fleet_text(build, at[KEY_SERIAL]);
    if (serial != NULL) {
        host->serial = fleet_copy(build, serial);
        fleet_claim(build, "serial", host->serial, host, at[KEY_SERIAL]->value_at, true);
    }
    const char *text = fleet_text(build, at[KEY_UUID]);
    char uuid[FLEET_UUID_BYTES];
    if (text == NULL) {
        return;
    }
    if (!fleet_uuid(text_of(text), uuid)) {
        diag_add(build->diags, DIAG_ERROR, at[KEY_UUID]->value_at,
                 "such as 4c4c4544-0039-3510-8051-b7c04f4a4e31", "\"%s\" is no UUID", text);
    } else if (host_is_placeholder(uuid)) {
        diag_add(build->diags, DIAG_WARNING, at[KEY_UUID]->value_at, NULL,
                 "%s is what boards carry that were never given a UUID; it is ignored", uuid);
    } else {
        host->uuid = fleet_copy(build, uuid);
        fleet_claim(build, "uuid", uuid, host, at[KEY_UUID]->value_at, true);
    }
}

/* The texts of a setting that may be one text or several; returns how many there are. */
static size_t host_texts(struct fleet_build *build, struct conf *setting, struct conf **ret_first)
{
    *ret_first = NULL;
    if (setting == NULL) {
        return 0;
    }
    if (setting->type == CONF_ARRAY || setting->type == CONF_LIST) {
        *ret_first = setting->first;
        return setting->children_count;
    }
    if (setting->type != CONF_STRING) {
        diag_add(build->diags, DIAG_ERROR, setting->value_at, NULL,
                 "'%s' must be a string or an array of strings", setting->name);
        return 0;
    }
    *ret_first = setting;
    return 1;
}

static void host_read_addresses(struct fleet_build *build, struct conf *setting, struct host *host)
{
    struct conf *child;
    size_t count = host_texts(build, setting, &child);
    const char **addresses = fleet_array(build, count, sizeof *addresses);
    for (size_t i = 0; i < count && addresses != NULL; i++, child = child->next) {
        const char *text = fleet_text(build, child);
        char address[FLEET_ADDRESS_BYTES_MAX];
        if (text == NULL) {
            continue;
        }
        if (!fleet_address(text_of(text), address)) {
            diag_add(build->diags, DIAG_ERROR, child->value_at, NULL, "\"%s\" is no address", text);
            continue;
        }
        addresses[host->addresses_count++] = fleet_copy(build, address);
        fleet_claim(build, "addr", address, host, child->value_at, true);
    }
    host->addresses = addresses;
}

static void host_read_engines(struct fleet_build *build, struct conf *setting, struct host *host)
{
    struct conf *child;
    size_t count = host_texts(build, setting, &child);
    for (size_t i = 0; i < count; i++, child = child->next) {
        const char *text = fleet_text(build, child);
        char engine[FLEET_ADDRESS_BYTES_MAX];
        size_t used = 0;
        if (text == NULL) {
            continue;
        }
        const char *digits = strncasecmp(text, "0x", 2) == 0 ? text + 2 : text;
        for (; used < sizeof engine - 1 && digits[used] != '\0'; used++) {
            engine[used] = (char)tolower((unsigned char)digits[used]);
        }
        engine[used] = '\0';
        if (strspn(engine, "0123456789abcdef") != strlen(digits) || used < 10 || used > 64) {
            diag_add(build->diags, DIAG_ERROR, child->value_at,
                     "5 to 32 octets in hexadecimal, such as 0x80001f8803...",
                     "\"%s\" is no SNMP engine id", text);
            continue;
        }
        fleet_claim(build, "engine", engine, host, child->value_at, true);
    }
}

/* Where it hangs on switches: an alarm of that port is about this host as well. */
static void host_read_ports(struct fleet_build *build, struct conf *setting, struct host *host)
{
    struct conf *child;
    size_t count = host_texts(build, setting, &child);
    for (size_t i = 0; i < count; i++, child = child->next) {
        const char *text = fleet_text(build, child);
        const char *slash = text == NULL ? NULL : strchr(text, '/');
        if (text == NULL) {
            continue;
        }
        if (slash == NULL || slash == text || slash[1] == '\0' || strchr(text, ',') != NULL) {
            diag_add(build->diags, DIAG_ERROR, child->value_at, "such as \"sw1/Ethernet1/7\"",
                     "\"%s\" is no port of a switch", text);
            continue;
        }
        fleet_claim(build, "port", text, host, child->value_at, true);
    }
}

static void host_read_domains(struct fleet_build *build, struct conf *const at[KEYS_COUNT],
                              struct host *host)
{
    struct domain domains[HOST_DOMAINS_MAX];
    size_t domains_count = 0;
    for (int key = KEY_DOMAIN_FIRST; key <= KEY_DOMAIN_LAST; key++) {
        struct conf *child;
        size_t count = host_texts(build, at[key], &child);
        for (size_t i = 0; i < count; i++, child = child->next) {
            const char *text = fleet_text(build, child);
            if (text == NULL) {
                continue;
            }
            if (domains_count == HOST_DOMAINS_MAX) {
                diag_add(build->diags, DIAG_ERROR, child->value_at, NULL,
                         "a host is in at most %d failure domains", HOST_DOMAINS_MAX);
                return;
            }
            domains[domains_count++] =
                (struct domain){fleet_key_words[key], fleet_word(build, text)};
        }
    }
    struct domain *kept = fleet_array(build, domains_count, sizeof *kept);
    if (kept != NULL && domains_count > 0) {
        memcpy(kept, domains, domains_count * sizeof *kept);
        host->domains = kept;
        host->domains_count = domains_count;
    }
}

/* The labels of the host, then those of the defaults that it does not have itself. */
static void host_read_labels(struct fleet_build *build, struct conf *own, struct conf *preset,
                             struct host *host)
{
    struct conf *const groups[] = {own, preset == own ? NULL : preset};
    size_t room = 0;
    for (size_t i = 0; i < 2; i++) {
        if (groups[i] != NULL && groups[i]->type != CONF_GROUP) {
            diag_add(build->diags, DIAG_ERROR, groups[i]->value_at, "labels = { env = \"prod\"; };",
                     "'labels' must be a group of strings");
            return;
        }
        room += groups[i] == NULL ? 0 : groups[i]->children_count;
    }
    struct nsh_member *members = fleet_array(build, room, sizeof *members);
    size_t count = 0;
    for (size_t i = 0; i < 2 && members != NULL; i++) {
        struct conf *child = groups[i] == NULL ? NULL : groups[i]->first;
        for (; child != NULL; child = child->next) {
            struct nsh_value known = nsh_map(members, count);
            const char *text = conf_text(child, NULL, build->diags);
            if (text != NULL && nsh_get(&known, child->name) == NULL) {
                members[count++] = (struct nsh_member){fleet_word(build, child->name),
                                                       nsh_text(fleet_word(build, text))};
            }
        }
    }
    host->labels = nsh_map(members, count);
}

static void host_count_in_pool(struct fleet_build *build, const char *name)
{
    struct pool *pool = map_get(&build->pools, text_of(name));
    if (pool == NULL) {
        pool = arena_alloc(&build->scratch, sizeof *pool);
        if (pool == NULL) {
            build->no_memory = true;
            return;
        }
        pool->name = name;
        build->no_memory = map_set(&build->pools, text_of(name), pool) < 0 || build->no_memory;
    }
    pool->hosts_count++;
}

static struct nsh_value record_text(const char *text)
{
    return nsh_text(text == NULL ? "" : text);
}

/* What conditions see as `host`. Every member is always there: unknown is "". */
static void host_build_record(struct fleet_build *build, struct host *host)
{
    struct nsh_value *addresses = fleet_array(build, host->addresses_count, sizeof *addresses);
    for (size_t i = 0; i < host->addresses_count && addresses != NULL; i++) {
        addresses[i] = nsh_text(host->addresses[i]);
    }
    struct nsh_value *bindings = fleet_array(build, host->bindings_count, sizeof *bindings);
    size_t kinds = 0;
    for (size_t i = 0; i < host->bindings_count && bindings != NULL; i++) {
        if (host_binding(host, host->bindings[i].kind) == &host->bindings[i]) {
            bindings[kinds++] = nsh_text(binding_word(host->bindings[i].kind));
        }
    }
    const struct nsh_member members[] = {
        {"id", nsh_text(host->name)},
        {"name", nsh_text(host->name)},
        {"role", record_text(host->role)},
        {"rack", record_text(host_domain(host, "rack"))},
        {"site", record_text(host_domain(host, "site"))},
        {"room", record_text(host_domain(host, "room"))},
        {"row", record_text(host_domain(host, "row"))},
        {"pool", record_text(host->pool)},
        {"serial", record_text(host->serial)},
        {"uuid", record_text(host->uuid)},
        {"maintenance", nsh_bool(host->maintenance)},
        {"quorum", record_text(host->quorum)},
        {"labels", host->labels},
        {"addresses", nsh_list(addresses, host->addresses_count)},
        {"bindings", nsh_list(bindings, kinds)},
    };
    struct nsh_member *kept = fleet_array(build, 1, sizeof members);
    if (kept != NULL) {
        memcpy(kept, members, sizeof members);
        host->record = nsh_map(kept, sizeof members / sizeof members[0]);
    }
}

void fleet_read_host(struct fleet_build *build, struct conf *const own[KEYS_COUNT],
                     struct host *host)
{
    struct conf *at[KEYS_COUNT];
    for (int key = 0; key < KEYS_COUNT; key++) {
        at[key] = own[key] != NULL ? own[key] : build->defaults[key];
    }
    if (!host_read_name(build, at[KEY_NAME], host)) {
        host->name = "?";
    }
    host_read_identity(build, at, host);
    host_read_addresses(build, at[KEY_ADDRESSES], host);
    host_read_engines(build, at[KEY_ENGINE], host);
    host_read_ports(build, at[KEY_PORTS], host);
    host_read_domains(build, at, host);
    host_read_labels(build, at[KEY_LABELS], build->defaults[KEY_LABELS], host);
    const char *role = fleet_text(build, at[KEY_ROLE]);
    const char *pool = fleet_text(build, at[KEY_POOL]);
    const char *quorum = fleet_text(build, at[KEY_QUORUM]);
    if (quorum == NULL) {
        quorum = nsh_get_text(&host->labels, "quorum", NULL);
    }
    host->role = role == NULL ? "" : fleet_word(build, role);
    host->quorum = quorum == NULL ? NULL : fleet_word(build, quorum);
    host->maintenance = conf_bool(at[KEY_MAINTENANCE], false, build->diags);
    if (pool != NULL) {
        host->pool = fleet_word(build, pool);
        host_count_in_pool(build, host->pool);
    }
    fleet_read_bindings(build, own, host);
    fleet_read_reach(build, at[KEY_REACH], own[KEY_REACH] != NULL, host);
    host_build_record(build, host);
}
