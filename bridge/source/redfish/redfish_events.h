/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_REDFISH_REDFISH_EVENTS_H
#define SOURCE_REDFISH_REDFISH_EVENTS_H

/*
 * Events of BMCs, `/v1/redfish/NAME`: who may send, and of which host it speaks. A BMC says its
 * context with every event: HOST/TOKEN, where the token is made of the source's key, its name and
 * the host, so that nothing has to be remembered and a BMC cannot speak for another one. Besides,
 * it must come from the BMC's address.
 */

#include "source/map/source_type.h"

#define REDFISH_EVENT_BYTES_MAX (256u * 1024)
#define REDFISH_CONTEXT_BYTES_MAX 320 /* A host's name, '/', the token. */
#define REDFISH_TOKEN_CHARS 32
#define REDFISH_SYSTEMS_MAX 64 /* Hosts behind one BMC. */

extern const struct source_type source_type_redfish;

struct redfish_events;

/*
 * May peer send this body? Any thread. ret_source: what a map sees as `source`: {name, type, peer,
 * bmc, host, systems}; in arena.
 *
 * NSH_DENIED  no BMC has this address: HTTP 403
 * NSH_AUTH    no context, or one that is not of this BMC: HTTP 401
 */
int redfish_events_admit(struct redfish_events *source, const struct nsh_value *body,
                         const char *peer, struct arena *arena, struct nsh_value *ret_source,
                         struct nsh_error *err);

/*
 * The body without its contexts, in arena: what a map, and whoever looks at events, may see.
 * -NSH_NOMEM
 */
int redfish_events_shown(const struct nsh_value *body, struct arena *arena,
                         struct nsh_value *ret_shown);

/*
 * A body's records with what the BMC's own registries say of them (redfish_registry.h). address:
 * the BMC's, `bmc` of admit's ret_source. Any thread. -NSH_NOMEM
 */
int redfish_events_words(struct redfish_events *source, const char *address,
                         const struct nsh_value *body, struct arena *arena,
                         struct nsh_value *ret_body);
/*
 * What source says of a body that was admitted (admit's ret_source): the values of a metric report
 * go to the signals. Any thread. -NSH_NOMEM
 */
int redfish_events_report(struct redfish_events *source, const struct nsh_value *body,
                          const struct nsh_value *who, struct arena *arena);
/* Events of a body were handed over: what stands now. Any thread. */
void redfish_events_note(struct redfish_events *source, const struct source_events *events);

/* HOST/TOKEN. False: out of memory, or the name is too long. */
bool redfish_context(const char *key, const char *source, const char *host,
                     char ret_context[REDFISH_CONTEXT_BYTES_MAX]);

#endif
