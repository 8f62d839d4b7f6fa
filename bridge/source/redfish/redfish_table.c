/* SPDX-License-Identifier: Apache-2.0 */
/* The BMCs of an inventory: bindings bmc whose driver is redfish, one BMC for each address. */

#include "redfish_private.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

bool redfish_context(const char *key, const char *source, const char *host,
                     char ret_context[REDFISH_CONTEXT_BYTES_MAX])
{
    char said[REDFISH_CONTEXT_BYTES_MAX + SOURCE_NAME_BYTES_MAX];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_bytes = 0;
    size_t room = REDFISH_CONTEXT_BYTES_MAX;
    if (strlen(host) + REDFISH_TOKEN_CHARS + 2 > room) {
        return false;
    }
    int count = snprintf(said, sizeof said, "%s/%s", source, host);
    if (HMAC(EVP_sha256(), key, (int)strlen(key), (const uint8_t *)said, (size_t)count, digest,
             &digest_bytes) == NULL) {
        return false;
    }
    size_t at = (size_t)snprintf(ret_context, room, "%s/", host);
    for (size_t i = 0; i < REDFISH_TOKEN_CHARS / 2; i++) {
        snprintf(ret_context + at + 2 * i, 3, "%02x", digest[i]);
    }
    return true;
}

/* ---- addresses ---- */

bool redfish_address_bytes(struct text address, uint8_t ret_bytes[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char chars[PEER_ADDRESS_CHARS_MAX];
    if (address.count == 0 || address.count >= sizeof chars) {
        return false;
    }
    memcpy(chars, address.at, address.count);
    chars[address.count] = '\0';
    if (inet_pton(AF_INET, chars, ret_bytes + sizeof mapped) == 1) {
        memcpy(ret_bytes, mapped, sizeof mapped);
        return true;
    }
    return inet_pton(AF_INET6, chars, ret_bytes) == 1;
}

bool redfish_peer_in(const struct peer_networks *networks, const char *peer)
{
    struct sockaddr_storage from = {0};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (!redfish_address_bytes(text_of(peer), in6.sin6_addr.s6_addr)) {
        return false;
    }
    memcpy(&from, &in6, sizeof in6);
    return networks->count > 0 && peer_networks_have(networks, &from);
}

/* ---- the table ---- */

static int bmc_add(const struct redfish_events *source, struct redfish_table *table,
                   const struct host *host, const struct binding *binding)
{
    struct redfish_bmc *bmc = &table->items[table->count];
    struct nsh_value *settings = arena_alloc(&table->arena, sizeof *settings);
    bmc->address =
        arena_text(&table->arena, text_of(nsh_get_text(&binding->settings, "address", ""))).at;
    if (settings == NULL || bmc->address == NULL ||
        !arena_value(&table->arena, &binding->settings, settings) ||
        map_set(&table->by_address, text_of(bmc->address), bmc) < 0) {
        return -NSH_NOMEM;
    }
    bmc->settings = settings;
    bmc->numeric = redfish_address_bytes(source_host_of(text_of(bmc->address)), bmc->from);
    if (!redfish_context(source->key, source->config->name, host->name, bmc->context)) {
        return 0; /* A name that no context holds: it cannot send. */
    }
    table->count++;
    return 0;
}

static int system_add(struct redfish_table *table, struct redfish_bmc *bmc, const struct host *host,
                      const struct binding *binding)
{
    if (bmc->systems_count == REDFISH_SYSTEMS_MAX) {
        return 0;
    }
    if ((bmc->systems_count & (bmc->systems_count - 1)) == 0) { /* 0, 1, 2, 4, 8: grow. */
        size_t room = bmc->systems_count == 0 ? 1 : 2 * bmc->systems_count;
        struct redfish_system *more = arena_array(&table->arena, room, sizeof *more);
        if (more == NULL) {
            return -NSH_NOMEM;
        }
        if (bmc->systems_count > 0) {
            memcpy(more, bmc->systems, bmc->systems_count * sizeof *more);
        }
        bmc->systems = more;
    }
    const char *system = nsh_get_text(&binding->settings, "system", "");
    const char *last = strrchr(system, '/');
    struct redfish_system *added = &bmc->systems[bmc->systems_count];
    added->host = arena_text(&table->arena, text_of(host->name)).at;
    added->system = arena_text(&table->arena, text_of(last == NULL ? system : last + 1)).at;
    if (added->host == NULL || added->system == NULL ||
        (bmc->systems_count == 0 && map_set(&table->by_host, text_of(added->host), bmc) < 0)) {
        return -NSH_NOMEM;
    }
    bmc->systems_count++;
    return 0;
}

static int host_add(const struct redfish_events *source, struct redfish_table *table,
                    const struct host *host)
{
    const struct binding *binding = host_binding(host, BINDING_BMC);
    if (binding == NULL || strcmp(binding->driver, "redfish") != 0) {
        return 0;
    }
    const char *address = nsh_get_text(&binding->settings, "address", "");
    struct redfish_bmc *bmc = map_get(&table->by_address, text_of(address));
    if (bmc == NULL) {
        int result = bmc_add(source, table, host, binding);
        bmc = map_get(&table->by_address, text_of(address));
        if (result < 0 || bmc == NULL || bmc == &table->items[table->count]) {
            return result;
        }
    }
    return system_add(table, bmc, host, binding);
}

void redfish_table_free(struct redfish_table *table)
{
    if (table != NULL) {
        map_done(&table->by_host);
        map_done(&table->by_address);
        arena_done(&table->arena);
        free(table);
    }
}

int redfish_table_new(const struct redfish_events *source, const struct inventory *inventory,
                      struct redfish_table **ret_table, struct nsh_error *err)
{
    struct redfish_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = 0;
    table->revision = inventory->revision;
    table->items = arena_array(&table->arena, inventory->hosts_count + 1, sizeof *table->items);
    for (size_t i = 0; table->items != NULL && result == 0 && i < inventory->hosts_count; i++) {
        result = host_add(source, table, &inventory->hosts[i]);
    }
    if (table->items == NULL || result < 0) {
        redfish_table_free(table);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *ret_table = table;
    return 0;
}
