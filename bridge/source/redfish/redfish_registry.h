/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_REDFISH_REDFISH_REGISTRY_H
#define SOURCE_REDFISH_REDFISH_REGISTRY_H

/*
 * Message registries, as BMCs have them (DSP0266): what a MessageId means, how severe it is, what
 * it clears. Pure. Hostile as every reply: bounded, and what does not fit is left out.
 */

#include "abi/error.h"
#include "base/arena.h"

#define REDFISH_MESSAGES_MAX 8192
#define REDFISH_WORDS_BYTES_MAX 512
#define REDFISH_REGISTRIES_MAX 16 /* Of one BMC. */

struct redfish_message {
    const char *key, *severity, *message; /* severity, message: "" when it has none. */
    const char *clears;                   /* The key of what it ends, or "". */
    bool clearable;                       /* Another message ends it. */
};

struct redfish_registry {
    const char *prefix, *version;     /* "Lab", "1.2.0" */
    struct redfish_message *messages; /* By key. */
    size_t count;
    bool cut;
};

/*
 * NSH_INVALID  no message registry
 * NSH_NOMEM
 */
int redfish_registry_read(const struct nsh_value *body, struct arena *arena,
                          struct redfish_registry *ret_registry, struct nsh_error *err);

/*
 * The message of that MessageId ("Lab.1.2.CoolantLow", or a key alone) among registries: of the
 * same version, else of the same prefix. ret_registry: whose it is. NULL: none.
 */
const struct redfish_message *
redfish_registries_find(const struct redfish_registry *const *registries, size_t count,
                        const char *message_id, const struct redfish_registry **ret_registry);

/*
 * A record of an event with what its registry says of it, copied into arena: MessageSeverity and
 * Message where it has none, and Registry: {Name, Severity, Clears, Clearable}. The record itself
 * when none knows it. -NSH_NOMEM
 */
int redfish_record_words(const struct nsh_value *record,
                         const struct redfish_registry *const *registries, size_t count,
                         struct arena *arena, struct nsh_value *ret_record);

#endif
