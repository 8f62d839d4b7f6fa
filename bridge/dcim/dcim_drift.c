/* SPDX-License-Identifier: Apache-2.0 */
/* In what an inventory differs from the register: only where the register says something. */

#include "dcim/dcim.h"

#include <stdio.h>
#include <string.h>

struct drift {
    const struct dcim *dcim;
    struct arena *arena;
    struct dcim_difference *differences;
    size_t count, room;
};

static void differ(struct drift *drift, const char *host, const char *field, const char *inventory,
                   const char *says, const char *url)
{
    if (drift->count < drift->room) {
        drift->differences[drift->count] = (struct dcim_difference){
            .host = host,
            .field = field,
            .inventory = inventory,
            .register_says = says,
            .url = url,
        };
    }
    drift->count++;
}

static const char *texts_join(struct arena *arena, const struct dcim_texts *texts)
{
    const char *joined = "";

    for (size_t i = 0; i < texts->count && joined != NULL; i++) {
        joined = arena_printf(arena, "%s%s%s", joined, i == 0 ? "" : ", ", texts->at[i]);
    }
    return joined == NULL ? "" : joined;
}

static void inventory_texts(const struct host *host, enum dcim_field field,
                            struct dcim_texts *texts)
{
    if (field == DCIM_SERIAL || field == DCIM_ROLE) {
        dcim_texts_add(texts, field == DCIM_SERIAL ? host->serial : host->role);
        return;
    }
    if (field == DCIM_ADDRESSES) {
        for (size_t i = 0; i < host->addresses_count; i++) {
            dcim_texts_add(texts, host->addresses[i]);
        }
        return;
    }
    for (size_t i = 0; i < host->domains_count; i++) {
        if (strcmp(host->domains[i].kind, dcim_field_words[field]) == 0) {
            dcim_texts_add(texts, host->domains[i].name);
        }
    }
}

static bool texts_hold(const struct dcim_texts *texts, const struct dcim_texts *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        bool found = false;
        for (size_t j = 0; j < texts->count && !found; j++) {
            found = strcmp(texts->at[j], wanted->at[i]) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static void field_compare(struct drift *drift, const struct host *host,
                          const struct dcim_host *known, enum dcim_field field)
{
    struct dcim_texts own = {.count = 0};
    const struct dcim_texts *says = &known->fields[field];

    if (says->count == 0) {
        return;
    }
    inventory_texts(host, field, &own);
    bool same = texts_hold(&own, says) && (field == DCIM_ADDRESSES || own.count == says->count);
    if (!same) {
        differ(drift, host->name, dcim_field_words[field], texts_join(drift->arena, &own),
               texts_join(drift->arena, says), known->url);
    }
}

static bool address_same(const char *one, const char *two)
{
    char a[FLEET_ADDRESS_BYTES_MAX], b[FLEET_ADDRESS_BYTES_MAX];

    return fleet_address(text_of(one), a) && fleet_address(text_of(two), b) && strcmp(a, b) == 0;
}

/* The same outlets, whatever blanks stand between them. */
static bool outlets_same(const char *one, const char *two)
{
    while (*one != '\0' || *two != '\0') {
        if (*one == ' ' || *two == ' ') {
            one += *one == ' ' ? 1 : 0;
            two += *two == ' ' ? 1 : 0;
        } else if (*one++ != *two++) {
            return false;
        }
    }
    return true;
}

static void bindings_compare(struct drift *drift, const struct host *host,
                             const struct dcim_host *known)
{
    const struct binding *bmc = host_binding(host, BINDING_BMC);
    const struct binding *outlet = host_binding(host, BINDING_OUTLET);
    const char *address = bmc == NULL ? "" : nsh_get_text(&bmc->settings, "address", "");

    if (known->bmc != NULL && !address_same(address, known->bmc)) {
        differ(drift, host->name, "bmc", address, known->bmc, known->url);
    }
    if (known->outlets == NULL || outlet == NULL || strcmp(outlet->driver, "snmp") != 0) {
        return;
    }
    const char *pdu = nsh_get_text(&outlet->settings, "address", "");
    const char *outlets = nsh_get_text(&outlet->settings, "outlets", "");
    if (!address_same(pdu, known->pdu_address) || !outlets_same(outlets, known->outlets)) {
        differ(drift, host->name, "outlet", arena_printf(drift->arena, "%s: %s", pdu, outlets),
               arena_printf(drift->arena, "%s: %s", known->pdu_address, known->outlets),
               known->url);
    }
}

static void host_compare(struct drift *drift, const struct host *host,
                         const struct dcim_host *known)
{
    for (enum dcim_field field = 0; field < DCIM_FIELDS_COUNT; field++) {
        field_compare(drift, host, known, field);
    }
    if (known->maintenance && !host->maintenance) {
        differ(drift, host->name, "maintenance", "false", known->status, known->url);
    }
    bindings_compare(drift, host, known);
}

size_t dcim_drift(const struct dcim *dcim, const struct inventory *inventory, struct arena *arena,
                  struct dcim_difference *ret_differences, size_t room)
{
    struct drift drift = {
        .dcim = dcim, .arena = arena, .differences = ret_differences, .room = room};

    for (size_t i = 0; i < inventory->hosts_count; i++) {
        const struct host *host = &inventory->hosts[i];
        const struct dcim_host *known = dcim_find(dcim, host->name);
        if (known == NULL) {
            differ(&drift, host->name, "host", "is there", "is not there", "");
        } else if (known->left_out) {
            differ(&drift, host->name, "host", "is there", known->status, known->url);
        } else {
            host_compare(&drift, host, known);
        }
    }
    for (size_t i = 0; i < dcim->hosts_count; i++) {
        const struct dcim_host *known = &dcim->hosts[i];
        if (!known->left_out && inventory_host(inventory, text_of(known->name)) == NULL) {
            differ(&drift, known->name, "host", "is not there", known->status, known->url);
        }
    }
    return drift.count;
}
