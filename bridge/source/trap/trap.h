/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_H
#define SOURCE_TRAP_TRAP_H

/*
 * One decoded notification: SNMP v1, v2c and v3 look the same from here on (RFC 3584).
 *
 * Nothing in it is allocated: octets borrow from the datagram (or from the decoder's decrypted
 * copy), identifiers from the arcs inside. It lives until the next call of trap_decode() with the
 * same decoder, or until the datagram goes.
 */

#include "abi/error.h"
#include "base/text.h"

#define TRAP_VARBINDS_MAX 128
#define TRAP_DATAGRAM_BYTES_MAX 65536
#define TRAP_OID_ARCS_MAX 128 /* SMIv2 */
#define TRAP_ARCS_MAX 16384   /* Of all identifiers of one trap. */
#define TRAP_ENGINE_BYTES_MAX 32
#define TRAP_USER_BYTES_MAX 32

struct trap_oid {
    uint32_t count;
    const uint32_t *arcs;
};

enum trap_type {
    TRAP_INTEGER,  /* integer */
    TRAP_UNSIGNED, /* natural: Gauge32 */
    TRAP_COUNTER32,
    TRAP_COUNTER64,
    TRAP_TIMETICKS,
    TRAP_UINT64, /* natural, out of an Opaque wrapper; TRAP_INT64 alike, as integer */
    TRAP_INT64,
    TRAP_REAL, /* real, out of an Opaque wrapper */
    TRAP_OCTETS,
    TRAP_OPAQUE,    /* octets: the content that no one knows */
    TRAP_IPADDRESS, /* octets, 4 */
    TRAP_OID,
    TRAP_NULL,
};

struct trap_varbind {
    struct trap_oid oid;
    enum trap_type type;
    union {
        int64_t integer;
        uint64_t natural;
        double real;
        struct text octets;
        struct trap_oid objid;
    };
};

enum trap_version { TRAP_V1 = 0, TRAP_V2C = 1, TRAP_V3 = 3 };

struct trap {
    enum trap_version version;
    bool inform; /* Wants an answer, once it is durable: reply. */
    bool has_agent;
    bool by_library;           /* trap_decoder_by_library() */
    uint8_t level;             /* v3: 1 authenticated, 3 and encrypted; 0 neither */
    uint8_t agent[4];          /* v1 agent-addr, or snmpTrapAddress.0 */
    int32_t generic, specific; /* v1 */
    uint32_t request_id;
    uint32_t uptime; /* Hundredths of a second. */
    struct text community;
    struct text user, engine; /* v3 */
    struct trap_oid trap_oid;
    struct trap_oid enterprise; /* v1, or snmpTrapEnterprise.0; count 0: not said */
    size_t varbinds_count;      /* Without sysUpTime.0, snmpTrapOID.0 and the RFC 3584 ones. */
    struct trap_varbind varbinds[TRAP_VARBINDS_MAX];
    struct text payload; /* The variable bindings as sent, behind a leading sysUpTime: part of
                            trap_identity(). */
    /* What to send back: for an inform the response, after the commit; for a refused v3 message the
     * report, at once. */
    const uint8_t *reply;
    size_t reply_bytes;
    size_t arcs_count;
    uint32_t arcs[TRAP_ARCS_MAX];
};

/* An SNMPv3 user; secrets are pass phrases of at least 8 characters. */
struct trap_user {
    const char *name;
    const char *auth; /* "MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512"; NULL: none */
    const char *auth_secret;
    const char *priv; /* "AES" (128 bits); NULL: none */
    const char *priv_secret;
    const char *engine; /* "0x8000..": only this sender; NULL: any */
};

/* Who we are for informs: the receiver's engine is the authoritative one. */
struct trap_engine {
    uint8_t id[TRAP_ENGINE_BYTES_MAX];
    uint32_t id_bytes;
    uint32_t boots;  /* Must grow with every start of the daemon. */
    int64_t start_s; /* The `now_s` at which the engine's time was 0. */
};

struct trap_decoder;

/* NSH_INVALID: a user that is wrong; the text says which and why. Texts are not kept, keys are. */
int trap_decoder_new(const struct trap_user *users, size_t users_count,
                     const struct trap_engine *engine, struct trap_decoder **ret_decoder,
                     struct nsh_error *err);
void trap_decoder_free(struct trap_decoder *decoder); /* Wipes the keys. */

/* From now on all is read by net-snmp: so that tests and fuzzing compare the short way with it. */
void trap_decoder_by_library(struct trap_decoder *decoder);

/*
 * Decode one datagram. now_s is a clock that never goes back.
 *
 * NSH_PROTOCOL     it makes no sense as SNMP; NSH_LIMIT: more than a bound above
 * NSH_UNSUPPORTED  SNMP, but no notification (get, set, response ...); perhaps with a report to
 * send (discovery) NSH_AUTH         v3: unknown user or engine, wrong digest, level too low
 * NSH_STALE        v3: outside the time window, or replayed
 */
int trap_decode(struct trap_decoder *decoder, const uint8_t *bytes, size_t bytes_count,
                int64_t now_s, struct trap *ret_trap, struct nsh_error *err);

/* The words of identifiers. */
#define TRAP_OID_TEXT_MAX (TRAP_OID_ARCS_MAX * 11)
size_t trap_oid_write(struct trap_oid oid, char *chars,
                      size_t room); /* Bytes written, no NUL; 0: no room */
int trap_oid_read(const char *chars, uint32_t arcs[TRAP_OID_ARCS_MAX],
                  uint32_t *ret_count); /* 0 or -NSH_INVALID */
bool trap_oid_equal(struct trap_oid a, struct trap_oid b);
bool trap_varbind_equal(const struct trap_varbind *a, const struct trap_varbind *b);
bool trap_oid_starts(struct trap_oid oid, struct trap_oid prefix);
uint64_t trap_hash_arcs(uint64_t hash, const uint32_t *arcs, size_t count);
uint64_t trap_hash_bytes(uint64_t hash, const void *bytes, size_t count);
#define TRAP_HASH_SEED 0xcbf29ce484222325u

#endif
