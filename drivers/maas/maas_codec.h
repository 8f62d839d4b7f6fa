/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAAS_CODEC_H
#define MAAS_CODEC_H

/* API keys and the OAuth header they make, machines as MAAS tells of them, what refusals mean.
 * Pure. */

#include "abi/encode.h"
#include "abi/json_value.h"

#define MAAS_NONCE_BYTES 16
#define MAAS_ID_BYTES_MAX 64
#define MAAS_NAME_BYTES_MAX 256
#define MAAS_TEXT_BYTES_MAX 128

struct maas_key {
    const char *consumer, *token, *secret;
};

/* "CONSUMER:TOKEN:SECRET", each of visible ASCII, into pool. NSH_INVALID: it is no API key. */
int maas_key_read(struct nsh_pool *pool, const char *text, struct maas_key *ret_key,
                  struct nsh_error *err);

/* "Authorization: OAuth ...", OAuth 1.0a PLAINTEXT without a consumer secret; NULL: no memory. */
char *maas_authorization(struct nsh_pool *pool, const struct maas_key *key, int64_t unix_ms,
                         const uint8_t nonce[MAAS_NONCE_BYTES]);

/* MAAS_STATE(NAME, word): in the order of MAAS' numbers. */
#define MAAS_STATES(MAAS_STATE)                                                                    \
    MAAS_STATE(NEW, "new")                                                                         \
    MAAS_STATE(COMMISSIONING, "commissioning")                                                     \
    MAAS_STATE(FAILED_COMMISSIONING, "failed-commissioning")                                       \
    MAAS_STATE(MISSING, "missing")                                                                 \
    MAAS_STATE(READY, "ready")                                                                     \
    MAAS_STATE(RESERVED, "reserved")                                                               \
    MAAS_STATE(DEPLOYED, "deployed")                                                               \
    MAAS_STATE(RETIRED, "retired")                                                                 \
    MAAS_STATE(BROKEN, "broken")                                                                   \
    MAAS_STATE(DEPLOYING, "deploying")                                                             \
    MAAS_STATE(ALLOCATED, "allocated")                                                             \
    MAAS_STATE(FAILED_DEPLOYMENT, "failed-deployment")                                             \
    MAAS_STATE(RELEASING, "releasing")                                                             \
    MAAS_STATE(FAILED_RELEASING, "failed-releasing")                                               \
    MAAS_STATE(DISK_ERASING, "disk-erasing")                                                       \
    MAAS_STATE(FAILED_DISK_ERASING, "failed-disk-erasing")                                         \
    MAAS_STATE(RESCUE, "rescue")                                                                   \
    MAAS_STATE(ENTERING_RESCUE, "entering-rescue")                                                 \
    MAAS_STATE(FAILED_ENTERING_RESCUE, "failed-entering-rescue")                                   \
    MAAS_STATE(EXITING_RESCUE, "exiting-rescue")                                                   \
    MAAS_STATE(FAILED_EXITING_RESCUE, "failed-exiting-rescue")                                     \
    MAAS_STATE(TESTING, "testing")                                                                 \
    MAAS_STATE(FAILED_TESTING, "failed-testing")

enum maas_state {
#define MAAS_STATE(NAME, word) MAAS_##NAME,
    MAAS_STATES(MAAS_STATE)
#undef MAAS_STATE
        MAAS_STATES_COUNT
};

const char *maas_state_word(enum maas_state state);

struct maas_machine {
    enum maas_state state;
    bool locked;
    char system_id[MAAS_ID_BYTES_MAX]; /* Good for a path. */
    char hostname[MAAS_NAME_BYTES_MAX];
    char serial[MAAS_TEXT_BYTES_MAX]; /* "": MAAS does not know it. */
    char power_type[MAAS_TEXT_BYTES_MAX];
    char power[16]; /* As MAAS last saw it: "on", "off", "unknown", "error". */
    char owner[MAAS_TEXT_BYTES_MAX], pool[MAAS_TEXT_BYTES_MAX], zone[MAAS_TEXT_BYTES_MAX];
    char series[MAAS_TEXT_BYTES_MAX];
    char message[MAAS_NAME_BYTES_MAX]; /* What MAAS says of the state. */
};

/* NSH_PROTOCOL: that is no machine, or its state or system_id is none; ret_machine is unchanged. */
int maas_machine_read(const struct nsh_value *json, struct maas_machine *ret_machine,
                      struct nsh_error *err);

/* Whether the machine is called so: by its host name, or by that with its domain. */
bool maas_machine_named(const struct nsh_value *json, const char *name);

/* What a refusal means, when the status alone (code) does not say it. */
int maas_refusal_means(int status, int code, bool retry_after, const char *words);

#endif
