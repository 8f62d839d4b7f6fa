/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_PROBE_PROBE_H
#define SOURCE_PROBE_PROBE_H

/*
 * Probes: nightshift itself looks whether hosts answer, each kind a witness on a path of its own.
 *
 *     sources = (
 *         { name = "ping"; type = "probe"; probe = "ping"; },
 *         { name = "ssh"; type = "probe"; probe = "ssh"; at = "os"; every = "30s"; },
 *         { name = "bmc"; type = "probe"; probe = "tcp"; at = "bmc"; port = 443; event =
 * "bmc.unreachable"; } );
 *
 * The pure part: what a result of one attempt means for its host and for all of them. A host is
 * silent after `fails` attempts in a row, and answers again after `recovers`. When more than half
 * of the hosts (PROBE_ISOLATED_MIN and more) were silent at their last attempt (a refusal is no
 * silence: something answered), it is rather we who are cut off: then no host is told silent, one
 * event says that, and those still silent are told when it is over. What was told and is not
 * durable is told again.
 */

#include "model/host.h"

#define PROBE_TARGETS_MAX 200000
#define PROBE_ISOLATED_MIN 4 /* Fewer hosts say nothing about the network between. */

enum probe_told { PROBE_UNTOLD, PROBE_TOLD_WELL, PROBE_TOLD_SILENT };

struct probe_target {
    const char *host, *address; /* Borrowed. */
    uint32_t failures, answers; /* In a row; one of them is 0. */
    enum probe_told told;       /* Durable. */
    bool silent, decided;
    bool suspect; /* Its last attempt met silence. */
    bool seen;    /* It was looked at since the start. */
    bool telling; /* On its way. */
    char why[96]; /* Of the last failure. */
    /* Of https: when its certificate ends, Unix; 0: not known. */
    int64_t expires_ms;
    enum probe_told expiry_told;
    bool expiry_telling;
};

struct probe_group {
    struct probe_target *targets;
    uint32_t count;
    uint32_t fails, recovers; /* Of the configuration. */
    uint32_t suspects, seen;
    enum probe_told told; /* Of the isolation: silent means that it was said. */
    bool isolated, telling;
    bool before; /* An isolation of before the start: it lasts until all were looked at once. */
};

#define PROBE_ISOLATED "probe.isolated"

/* One attempt's result; why is NULL for an answer; reached: something there said no. */
void probe_result(struct probe_group *group, uint32_t index, const char *why, bool reached);

/* Other targets: who is suspect and seen of them, and whether we are cut off. */
void probe_group_look(struct probe_group *group);
/* The isolation was said before the start; lasts: until all were looked at once. */
void probe_group_isolated_before(struct probe_group *group, bool lasts);

/* The address of a host that is looked at: its first ("host"), or that of its binding "os", "bmc",
 * "outlet"; NULL: it has none. */
const char *probe_address(const char *at, const struct host *host);

enum probe_say { PROBE_SAY_NOTHING, PROBE_SAY_RAISE, PROBE_SAY_CLEAR };

/* What is to be told of a target, and of the isolation. The caller sets telling while it does, and
 * calls probe_told() at the end. */
enum probe_say probe_wants(const struct probe_group *group, uint32_t index);
/* Its certificate: well, or ends within soon_ms. */
enum probe_say probe_wants_expiry(const struct probe_target *target, int64_t now_ms,
                                  int64_t soon_ms);
enum probe_say probe_wants_isolation(const struct probe_group *group);
void probe_told(enum probe_told *told, bool *telling, enum probe_say said, bool durable);

struct arena;
struct diags;
struct snmp_credentials;
struct source_config;
struct source_services;

/* ---- SNMP's login of sources: version, community, user and how a user signs and encrypts ---- */

extern const char *const probe_login_versions[]; /* That they speak; NULL at the end. */
#define PROBE_LOGIN_COMMUNITY "v2c: a community that may read."

/* What a table of options cannot say. */
void probe_login_check(const struct source_config *config, struct diags *diags);
/* The settings with their secrets, in arena. Errors as services->secret(). */
int probe_login_read(const struct source_services *services, const struct source_config *config,
                     struct arena *arena, struct snmp_credentials *ret_credentials,
                     struct nsh_error *err);

#endif
