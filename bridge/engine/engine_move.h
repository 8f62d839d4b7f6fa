/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_MOVE_H
#define ENGINE_ENGINE_MOVE_H

/* Hosts whose name or domains changed: what is remembered follows. Part of engine_private.h. */

struct domain_state;
struct engine;
struct host;
struct host_state;
struct inventory;
struct nsh_value;
struct run;
struct textbuf;

#define MOVE_STAMPS_MAX 256 /* Of one host, in domains that it left. */
#define MOVE_LEFT_MAX 64    /* Domains left while something counted it. */

struct left_stamp {
    int64_t ms;
    uint64_t action;
    struct domain_state *domain;
};

struct moved {
    struct host_state *now;       /* Its chassis bears that name now; NULL: it does not. */
    struct domain_state **before; /* Its domains before the inventory that is taken. */
    uint32_t before_count;
    /* Domains it was taken out of while a run or a lease counted it: it counts there too, until
     * they end. */
    struct domain_state **left;
    uint32_t left_count;
    uint32_t counts;           /* Runs and leases that count it. */
    struct left_stamp *stamps; /* Its interrupts, in domains that it left: they happened there. */
    uint32_t stamps_count;
};

/* change: 1 or -1, in each domain the host is in or left. */
void host_counts(struct engine *engine, struct host_state *host, int change);
/* Nothing counts it any more: the domains it left forget it, and whoever waits there is asked. */
void host_settles(struct engine *engine, struct host_state *host);
void host_stamps_drop(struct host_state *host, uint64_t action); /* In domains that it left. */

/* The state of the chassis that had this name when a record was written. */
struct host_state *host_by_record(struct engine *engine, const char *name);
/* "S123", or "uuid=..." of a host whose serial is not known; NULL: nothing is known. */
const char *host_identity(struct engine *engine, const struct host *host);

/* The steps of an inventory, in this order. */
void move_begin(struct engine *engine);
void move_names(struct engine *engine, const struct inventory *inventory); /* All are bound. */
void move_domains(struct engine *engine);

void move_json(const struct host_state *host, struct textbuf *json);
void move_load(struct engine *engine, struct host_state *host, const struct nsh_value *value);
void move_settles(struct engine *engine); /* What nobody counts is forgotten. */
void move_free(struct host_state *host);

#endif
