/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_HOST_H
#define MODEL_HOST_H

/*
 * Hosts and the inventory: an immutable snapshot of one generation. Everything is borrowed from its
 * arena.
 */

#include "base/arena.h"
#include "base/map.h"
#include "model/verb.h"

struct binding {
    enum binding_kind kind;
    const char *driver;
    struct nsh_value
        settings; /* A map as written; secrets are still references ("file:...", "env:..."). */
};

#define HOST_REACH_MAX 4 /* Ways to do one thing to a host. */

/*
 * Who else may carry verbs out, as the inventory says: the bindings in order for the verbs of each
 * (binding_verbs), BINDING_NONE after the last. The next one is taken only when the one before did
 * certainly nothing, and said so with a code of `when` (a bit for each).
 */
struct reach {
    uint8_t order[BINDINGS_COUNT][HOST_REACH_MAX];
    uint32_t when;
};

/* What can be said in `when`, and what it is when nothing is said: the way was not there. */
#define REACH_WHEN_PRESET                                                                          \
    (1u << NSH_UNREACHABLE | 1u << NSH_TIMEOUT | 1u << NSH_DISCONNECTED | 1u << NSH_PROTOCOL)
#define REACH_WHEN_ALL                                                                             \
    (REACH_WHEN_PRESET | 1u << NSH_AUTH | 1u << NSH_DENIED | 1u << NSH_BUSY |                      \
     1u << NSH_UNSUPPORTED | 1u << NSH_LIMIT)

/* A failure domain a host is in: {"rack", "r12"}. Kinds: site room row rack feed pdu switch zone;
 * others are labels. */
struct domain {
    const char *kind, *name;
};

#define HOST_BINDINGS_MAX 8
#define HOST_DOMAINS_MAX 12
#define HOSTS_MAX 200000

struct host {
    const char *name;          /* The id. */
    const char *serial, *uuid; /* NULL: unknown. uuid in lower case with dashes. */
    const char *role;          /* "" when none */
    const char *pool;          /* NULL: none */
    const char *quorum;        /* NULL: none */
    bool maintenance;
    const struct domain *domains;
    size_t domains_count;
    const char *const *addresses; /* Own addresses and names, for identity. */
    size_t addresses_count;
    const struct binding *bindings;
    size_t bindings_count;
    const struct reach *reach; /* NULL: nothing is said. */
    struct nsh_value labels;   /* A map of texts. */
    struct nsh_value
        record; /* The map conditions see as `host`: id name role rack pool ... (fleet/fleet.h). */
    uint32_t index; /* Position in the inventory. */
};

struct pool {
    const char *name;
    uint32_t hosts_count;
};

struct inventory {
    struct arena arena;
    uint64_t revision; /* Hash of the text it came from. */
    const struct host *hosts;
    size_t hosts_count;
    const struct pool *pools;
    size_t pools_count;
    struct map by_name; /* name -> struct host */
    struct map by_hint; /* "addr=127.0.0.1", "uuid=..", "serial=..", "engine=..", "host=.." ->
                           struct host */
};

const struct host *inventory_host(const struct inventory *inventory,
                                  struct text name); /* NULL: unknown. */
const struct binding *host_binding(const struct host *host,
                                   enum binding_kind kind); /* NULL: none. */
/*
 * The bindings that may carry verb out, the best first; returns how many, 0: none can. A verb of
 * one driver goes by the binding that has this driver. Without a `reach` it is one: the verb's own,
 * or what a host has in its place (a cloud's server has no controller: its instance switches it).
 */
size_t host_reach(const struct host *host, const struct verb *verb,
                  const struct binding *ret_ways[HOST_REACH_MAX]);
const char *host_domain(const struct host *host, const char *kind); /* NULL: none. */
void inventory_free(struct inventory *inventory);

#endif
