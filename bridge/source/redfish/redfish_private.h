/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_REDFISH_REDFISH_PRIVATE_H
#define SOURCE_REDFISH_REDFISH_PRIVATE_H

/* What the files of the source share. */

#include "abi/driver.h"
#include "loop/peer_address.h"
#include "redfish_events.h"

#include "model/host.h"

#include <pthread.h>

#define REDFISH_PATH_BYTES_MAX 256
#define REDFISH_WHY_BYTES 160
#define KEEPER_VISITS_MAX 16  /* BMCs that are asked at once. */
#define KEEPER_MEMBERS_MAX 64 /* Subscriptions of one BMC that are looked at. */

struct redfish_visit;

/* One host behind a BMC; a BMC has one, or several that differ by their system. */
struct redfish_system {
    const char *host, *system; /* system: the last part of its path, or "". */
};

/* One BMC: the hosts whose binding has the same address. */
struct redfish_bmc {
    const char *address; /* As the binding writes it. */
    uint8_t from[16];    /* Its own address, IPv4 as ::ffff:a.b.c.d. */
    bool numeric;        /* Else the address is a name, and from nothing. */
    struct redfish_system *systems;
    size_t systems_count;
    const struct nsh_value *settings; /* Of the first host's binding; in the table's arena. */
    char context[REDFISH_CONTEXT_BYTES_MAX];
    /* Of the loop thread alone. */
    bool visiting, subscribed;
    int64_t due_ms;                    /* By the loop's clock. */
    char path[REDFISH_PATH_BYTES_MAX]; /* Of its subscription, or empty. */
    char why[REDFISH_WHY_BYTES];       /* It is not subscribed, or empty. */
};

/* The BMCs of one inventory. */
struct redfish_table {
    struct arena arena;
    struct map by_host;    /* struct redfish_bmc, by the first host's name. */
    struct map by_address; /* The same, by the binding's address. */
    struct redfish_bmc *items;
    size_t count;
    uint64_t revision;
};

struct redfish_events {
    const struct source_services *services;
    const struct source_config *config;
    struct arena arena;
    const char *key; /* In the arena; wiped. */
    struct peer_networks networks;
    pthread_mutex_t lock; /* Of the table, against the loop's replacing it. */
    struct redfish_table *table;
    uv_timer_t tick;
    uint64_t strangers;      /* Bodies that were refused, under the lock. */
    const char *destination; /* Where BMCs shall send to; NULL: they are subscribed by hand. */
    int64_t every_ms;
    struct redfish_visit *visits[KEEPER_VISITS_MAX];
    size_t next;   /* BMC to look at. */
    uint64_t lost; /* Subscriptions that were made anew. */
    void (*done)(void *arg);
    void *arg;
};

/* ---- redfish_keeper.c: on the loop thread ---- */

void redfish_keep(struct redfish_events *source); /* Begin the visits that are due. */
void redfish_keep_end(struct redfish_events *source);

/* ---- redfish_table.c ---- */

int redfish_table_new(const struct redfish_events *source, const struct inventory *inventory,
                      struct redfish_table **ret_table, struct nsh_error *err);
void redfish_table_free(struct redfish_table *table);
/* An address without port; IPv4 as ::ffff:a.b.c.d. False: it is none. */
bool redfish_address_bytes(struct text address, uint8_t ret_bytes[16]);
/* Does peer, an address as text, stand in networks? */
bool redfish_peer_in(const struct peer_networks *networks, const char *peer);

#endif
