/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_LEASE_H
#define ENGINE_ENGINE_LEASE_H

/* Leases to disturb: other tools that reboot hosts obey the same budgets. Part of engine_private.h.
 */

#define LEASE_OF_DOMAIN (UINT64_C(1) << 61) /* A mark among the actions of a domain's budget. */
#define LEASES_MAX 10000
#define LEASE_MS_MAX (7 * DAY_MS)
#define LEASE_FLEETLOCK_MS DAY_MS /* The protocol knows no end but the host that comes back. */

struct lease {
    char id[ID_BYTES];
    struct host_state *host;     /* Or: */
    struct domain_state *domain; /* Some host of it: which one is not known. */
    char *owner, *reason;
    int64_t since_ms, expires_ms;
    bool ended, dirty;
    bool counted; /* Of a domain: nobody but it remembers that a host was disturbed. */
    struct timer timer;
    struct lease *next;
};

bool lease_check(struct engine *engine, struct ask *ask, struct textbuf *text); /* A guard. */
/* "; leased: r1h01 by zincati" */
void leases_in(const struct engine *engine, const struct domain_state *domain,
               struct textbuf *text);
void leases_recount(struct engine *engine); /* The domains were made anew. */
void lease_json(const struct lease *lease, struct textbuf *json);
void leases_json(struct engine *engine, struct textbuf *json); /* A list. */
void lease_load(struct engine *engine, const struct nsh_value *value);
void lease_free(struct engine *engine, struct lease *lease);

int command_lease(struct engine *engine, const struct engine_command *command,
                  struct nsh_error *err);
int command_lease_renew(struct engine *engine, const struct engine_command *command,
                        struct nsh_error *err);
int command_lease_release(struct engine *engine, const struct engine_command *command,
                          struct nsh_error *err);
int command_fleetlock(struct engine *engine, const struct engine_command *command,
                      struct nsh_error *err);
int command_fleetlock_release(struct engine *engine, const struct engine_command *command,
                              struct nsh_error *err);

#endif
