/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts and domains as the engine knows them. They outlive an inventory: what is remembered of a
 * host stays when it is taken out and put in again.
 *
 * Every host is in its domains of the inventory, in its pool, and in exactly one site.
 */

#include "engine_private.h"

#include <stdlib.h>

#define SITE_NAME "all" /* Of hosts whose inventory names no site. */

struct host_state *host_get(struct engine *engine, struct text name)
{
    struct host_state *host = map_get(&engine->hosts, name);
    if (host != NULL) {
        return host;
    }
    host = engine_alloc(engine, sizeof *host);
    char *copy = host == NULL ? NULL : engine_copy(engine, name);
    if (copy == NULL) {
        free(host);
        return NULL;
    }
    *host = (struct host_state){.name = copy, .key = text_of(copy)};
    if (map_set(&engine->hosts, host->key, host) < 0) {
        engine->nomem = true;
        free(copy);
        free(host);
        return NULL;
    }
    return host;
}

struct domain_state *domain_get(struct engine *engine, const char *kind, struct text name)
{
    textbuf_clear(&engine->key);
    textbuf_addf(&engine->key, "%s=%.*s", kind, PT(name));
    struct text key = engine_key(engine);
    struct domain_state *domain = key.at == NULL ? NULL : map_get(&engine->domains, key);
    if (domain != NULL || key.at == NULL) {
        return domain;
    }
    domain = engine_alloc(engine, sizeof *domain);
    char *copies[] = {engine_copy(engine, key), engine_copy(engine, text_of(kind)),
                      engine_copy(engine, name)};
    if (domain != NULL && copies[0] != NULL && copies[1] != NULL && copies[2] != NULL) {
        *domain =
            (struct domain_state){.kind = copies[1], .name = copies[2], .key = text_of(copies[0])};
        if (map_set(&engine->domains, domain->key, domain) == 0) {
            return domain;
        }
        engine->nomem = true;
    }
    free(domain);
    free(copies[0]);
    free(copies[1]);
    free(copies[2]);
    return NULL;
}

struct domain_state *host_domain_of(const struct host_state *host, const char *kind)
{
    for (uint32_t i = 0; host != NULL && i < host->domains_count; i++) {
        if (strcmp(host->domains[i]->kind, kind) == 0) {
            return host->domains[i];
        }
    }
    return NULL;
}

void host_touch(struct engine *engine, struct host_state *host)
{
    if (host == NULL || host->dirty) {
        return;
    }
    host->dirty = true;
    host->dirty_next = NULL;
    if (engine->dirty_hosts_last == NULL) {
        engine->dirty_hosts = host;
    } else {
        engine->dirty_hosts_last->dirty_next = host;
    }
    engine->dirty_hosts_last = host;
}

static void host_bind(struct engine *engine, struct host_state *state, const struct host *host)
{
    struct domain_state *found[HOST_DOMAINS_MAX + 2];
    uint32_t count = 0;
    for (size_t i = 0; i < host->domains_count && i < HOST_DOMAINS_MAX; i++) {
        const struct domain *domain = &host->domains[i];
        found[count++] = domain_get(engine, domain->kind, text_of(domain->name));
    }
    if (host->pool != NULL) {
        found[count++] = domain_get(engine, "pool", text_of(host->pool));
    }
    if (host_domain(host, "site") == NULL) {
        found[count++] = domain_get(engine, "site", TEXT(SITE_NAME));
    }
    free(state->domains);
    state->domains = engine_alloc(engine, count * sizeof(struct domain_state *));
    state->domains_count = 0;
    state->host = host;
    for (uint32_t i = 0; state->domains != NULL && i < count; i++) {
        if (found[i] != NULL) {
            state->domains[state->domains_count++] = found[i];
            found[i]->hosts_count++;
        }
    }
}

/* Smallest first; equals in the order of the inventory. */
static void domains_sort(struct host_state *host)
{
    for (uint32_t i = 1; i < host->domains_count; i++) {
        struct domain_state *domain = host->domains[i];
        uint32_t at = i;
        while (at > 0 && host->domains[at - 1]->hosts_count > domain->hosts_count) {
            host->domains[at] = host->domains[at - 1];
            at--;
        }
        host->domains[at] = domain;
    }
}

static void quorum_add(struct engine *engine, struct host_state *host)
{
    struct text group = text_of(host->host->quorum);
    struct quorum *quorum = map_get(&engine->quorums, group);
    if (quorum == NULL) {
        quorum = engine_alloc(engine, sizeof *quorum);
        if (quorum == NULL || map_set(&engine->quorums, group, quorum) < 0) {
            free(quorum);
            engine->nomem = true;
            return;
        }
    }
    if (quorum->count == quorum->room) {
        uint32_t room = quorum->room == 0 ? 8 : quorum->room * 2;
        struct host_state **grown = realloc(quorum->members, room * sizeof(struct host_state *));
        if (grown == NULL) {
            engine->nomem = true;
            return;
        }
        quorum->members = grown;
        quorum->room = room;
    }
    quorum->members[quorum->count++] = host;
}

static void quorums_free(struct engine *engine)
{
    MAP_EACH (&engine->quorums, entry) {
        struct quorum *quorum = entry->value;
        free(quorum->members);
        free(quorum);
    }
    map_done(&engine->quorums);
}

const struct quorum *host_quorum(const struct engine *engine, const struct host_state *host)
{
    return host == NULL || host->host == NULL || host->host->quorum == NULL
               ? NULL
               : map_get(&engine->quorums, text_of(host->host->quorum));
}

/* Another chassis under the same name begins with a clean ladder memory; its budgets stay. */
static void host_serial(struct engine *engine, struct host_state *host)
{
    const char *serial = host->host == NULL ? NULL : host_identity(engine, host->host);
    if (serial == NULL || (host->serial != NULL && strcmp(serial, host->serial) == 0)) {
        return;
    }
    if (host->serial != NULL && strncmp(host->serial, "uuid=", 5) != 0) {
        host->runs_count = host->escalations_count = 0;
        host_touch(engine, host);
    }
    free(host->serial);
    host->serial = engine_copy(engine, text_of(serial));
}

/* Nobody else knows them. */
static void stamps_of_leases(struct ring *ring)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ring->count; i++) {
        if ((ring->items[i].action & LEASE_OF_DOMAIN) != 0) {
            ring->items[kept++] = ring->items[i];
        }
    }
    ring->count = kept;
}

static void budgets_rebuild(struct engine *engine)
{
    MAP_EACH (&engine->domains, entry) {
        struct domain_state *domain = entry->value;
        stamps_of_leases(&domain->interrupts);
    }
    MAP_EACH (&engine->hosts, entry) {
        struct host_state *host = entry->value;
        for (uint32_t d = 0; d < host->domains_count; d++) {
            for (uint32_t i = 0; i < host->interrupts.count; i++) {
                ring_add(engine, &host->domains[d]->interrupts, host->interrupts.items[i],
                         UINT32_MAX);
            }
        }
        for (uint32_t i = 0; i < host->moved.stamps_count; i++) {
            const struct left_stamp *left = &host->moved.stamps[i];
            ring_add(engine, &left->domain->interrupts,
                     (struct stamp){.ms = left->ms, .action = left->action}, UINT32_MAX);
        }
    }
    MAP_EACH (&engine->domains, entry) {
        struct domain_state *domain = entry->value;
        ring_settle(&domain->interrupts, STAMPS_MAX);
    }
}

static void runs_recount(struct engine *engine)
{
    for (struct run *run = engine->runs_first; run != NULL; run = run->next) {
        if (run->interrupting && !run->ended && run->host != NULL) {
            host_counts(engine, run->host, 1);
        }
    }
}

static void hosts_bind(struct engine *engine, const struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->hosts_count; i++) {
        const struct host *host = &inventory->hosts[i];
        struct host_state *state = host_get(engine, text_of(host->name));
        if (state != NULL) {
            host_bind(engine, state, host);
            if (host->quorum != NULL) {
                quorum_add(engine, state);
            }
        }
    }
}

void fleet_take(struct engine *engine, const struct inventory *inventory)
{
    MAP_EACH (&engine->domains, entry) {
        struct domain_state *domain = entry->value;
        domain->hosts_count = domain->recent_count = domain->runs = 0;
    }
    move_begin(engine);
    quorums_free(engine);
    hosts_bind(engine, inventory);
    move_names(engine, inventory);
    MAP_EACH (&engine->hosts, entry) {
        host_serial(engine, entry->value);
        domains_sort(entry->value);
    }
    domains_members(engine);
    move_domains(engine);
    budgets_rebuild(engine);
    runs_recount(engine);
    leases_recount(engine);
    if (engine->ready) {
        brakes_inventory(engine);
    }
    engine_trace(engine, "inventory %zu hosts", inventory->hosts_count);
}

void fleet_free(struct engine *engine)
{
    MAP_EACH (&engine->hosts, entry) {
        struct host_state *host = entry->value;
        free(host->domains);
        move_free(host);
        free(host->interrupts.items);
        free(host->serial);
        free(host->name);
        free(host);
    }
    MAP_EACH (&engine->domains, entry) {
        struct domain_state *domain = entry->value;
        free(domain->interrupts.items);
        free(domain->members);
        char *key = NULL;
        memcpy(&key, &domain->key.at, sizeof key);
        free(key);
        free(domain->kind);
        free(domain->name);
        free(domain);
    }
    parts_free(engine);
    quorums_free(engine);
}
