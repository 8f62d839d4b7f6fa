/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLEET_FLEET_PRIVATE_H
#define FLEET_FLEET_PRIVATE_H

/* What the parts of the inventory's reader share. */

#include "base/confscan.h"
#include "fleet/fleet.h"

#define FLEET_NAME_BYTES_MAX 253  /* As a DNS name. */
#define FLEET_TEXT_BYTES_MAX 1024 /* Any other text. */
#define FLEET_UUID_BYTES 37       /* With the NUL. */

/* KEY(NAME, word, default_ok): what a host may say. Bindings come last, in the order of
 * model/bindings.def. */
#define FLEET_KEYS(KEY)                                                                            \
    KEY(NAME, "name", false)                                                                       \
    KEY(SERIAL, "serial", false)                                                                   \
    KEY(UUID, "uuid", false)                                                                       \
    KEY(ADDRESSES, "addresses", false)                                                             \
    KEY(ENGINE, "engine", false)                                                                   \
    KEY(PORTS, "ports", false)                                                                     \
    KEY(ROLE, "role", true)                                                                        \
    KEY(POOL, "pool", true)                                                                        \
    KEY(QUORUM, "quorum", true)                                                                    \
    KEY(MAINTENANCE, "maintenance", true)                                                          \
    KEY(LABELS, "labels", true)                                                                    \
    KEY(REACH, "reach", true)                                                                      \
    KEY(SITE, "site", true)                                                                        \
    KEY(ROOM, "room", true)                                                                        \
    KEY(ROW, "row", true)                                                                          \
    KEY(RACK, "rack", true)                                                                        \
    KEY(FEED, "feed", true)                                                                        \
    KEY(PDU, "pdu", true)                                                                          \
    KEY(SWITCH, "switch", true)                                                                    \
    KEY(ZONE, "zone", true)                                                                        \
    KEY(BMC, "bmc", true)                                                                          \
    KEY(OUTLET, "outlet", true)                                                                    \
    KEY(OS, "os", true)                                                                            \
    KEY(NODE, "node", true)                                                                        \
    KEY(INSTANCE, "instance", true)

enum fleet_key {
#define KEY(NAME, word, default_ok) KEY_##NAME,
    FLEET_KEYS(KEY)
#undef KEY
        KEYS_COUNT,
    KEY_DOMAIN_FIRST = KEY_SITE,
    KEY_DOMAIN_LAST = KEY_ZONE,
    KEY_BINDING_FIRST = KEY_BMC,
};

extern const char *const fleet_key_words[KEYS_COUNT + 1]; /* NULL-terminated. */

/* Who said that an address (uuid, serial ...) is its own. */
struct fleet_owner {
    struct host *host;
    struct nsh_place at;
    bool own;       /* The host's own, not where a binding points. */
    bool ambiguous; /* Several bindings point there: no hint for anybody. */
};

struct fleet_build {
    struct inventory *inventory;
    struct arena *arena;  /* The inventory's. */
    struct arena scratch; /* Of this reading. */
    struct diags *diags;
    struct conf *defaults[KEYS_COUNT];
    struct map credentials;        /* name -> struct conf, a group. */
    const char **credential_names; /* For did-you-mean. NULL-terminated. */
    struct map words;              /* Texts that repeat are kept once. */
    struct map owners;             /* hint -> struct fleet_owner */
    struct map endpoints;          /* binding in full -> struct fleet_owner */
    const struct reach *reach;     /* Of the defaults, when it was read. */
    bool reach_read;
    struct map pools; /* name -> struct pool of the scratch arena */
    struct host *hosts;
    size_t hosts_count;
    bool no_memory;
};

/* Texts and trees into the inventory's arena; on failure no_memory is set and something harmless
 * comes back. */
const char *fleet_copy(struct fleet_build *build, const char *chars);
const char *fleet_word(struct fleet_build *build, const char *chars); /* Kept once. */
struct nsh_value fleet_value(struct fleet_build *build, struct conf *setting);
void *fleet_array(struct fleet_build *build, size_t count, size_t bytes);

/* The text of a setting; NULL when there is none, it is empty or (said already) wrong. */
const char *fleet_text(struct fleet_build *build, struct conf *setting);

/* Note that hint "prefix=value" means host. A second owner is an error that names both places, see
 * fleet_owner. */
void fleet_claim(struct fleet_build *build, const char *prefix, const char *value,
                 struct host *host, struct nsh_place at, bool own);

/* Sort the settings of a group by key; what is no key is an error. */
void fleet_keys(struct fleet_build *build, struct conf *group, struct conf *ret_at[KEYS_COUNT]);

void fleet_read_credentials(struct fleet_build *build, struct conf *list);
/* Read one host (its settings and the defaults, by key) into host. */
void fleet_read_host(struct fleet_build *build, struct conf *const at[KEYS_COUNT],
                     struct host *host);
void fleet_read_bindings(struct fleet_build *build, struct conf *const at[KEYS_COUNT],
                         struct host *host);

/* Read who else may carry verbs out; after the bindings. own: the host says so itself. */
void fleet_read_reach(struct fleet_build *build, struct conf *setting, bool own, struct host *host);

/* Lower case with dashes; false: that is no UUID. */
bool fleet_uuid(struct text text, char ret_uuid[FLEET_UUID_BYTES]);
/* The other byte order of the first three fields, as SMBIOS and IPMI disagree about it. */
void fleet_uuid_swap(const char *uuid, char ret_uuid[FLEET_UUID_BYTES]);

#endif
