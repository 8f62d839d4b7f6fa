/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_DOMAIN_H
#define ENGINE_ENGINE_DOMAIN_H

/* Subjects that are no host: failure domains, and parts of a host. */

#include "engine/engine_private.h"

#define PART_NAME_BYTES_MAX 128

/* The domain that an event without a host names as its subject; NULL: none that has hosts. */
struct domain_state *event_domain(const struct engine *engine, const struct event *event);

/* The first subject of policy that event concerns, when it is no host; a part is made when it is
 * new. NULL: a host, or none. */
struct domain_state *event_subject(struct engine *engine, const struct policy *policy,
                                   const struct event *event, struct host_state *host);

/* Calls fn for every subject of policy that event concerns; of a part with its host. */
void event_subjects(struct engine *engine, const struct policy *policy, const struct event *event,
                    struct host_state *host, match_subject_fn fn, void *arg);

/* The part of that name, made when it is new; NULL: too many, or no name. */
struct domain_state *part_get(struct engine *engine, struct host_state *host, const char *kind,
                              struct text name);
/* "disk=r1h05/3" */
struct domain_state *part_named(struct engine *engine, const char *subject);

bool policy_listens(const struct policy *policy, struct text type);

/* The list that a raised alarm is on: its host's, or its domain's; NULL: none. */
struct alarm **alarm_list(struct alarm *alarm);

/* `rack`, `disk` ... in conditions. False: no memory, or too many hosts. */
bool eval_self(struct scope *scope, struct nsh_value *ret_value);
bool eval_hosts(struct scope *scope, struct nsh_value *ret_value);

#endif
