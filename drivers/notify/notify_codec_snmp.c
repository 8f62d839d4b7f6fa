/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages by way of net-snmp: its sessions are only descriptions here, nothing is opened. What it
 * keeps for the process is the table of USM users and of engine clocks, by engine id.
 */

#include "notify_codec_snmp.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <stdlib.h>
#include <string.h>

#define PASSWORD_LEAST 8 /* RFC 3414, 11.2 */
#define ARCS_MAX 32
#define APP "nightshift"
#define EPOCH_S                                                                                    \
    1600000000 /* Seconds since then are our engine's time, of its only boot: until 2088. */

struct notify_wire {
    netsnmp_session session; /* Its pointers are ours. */
    char *community, *user;
    char context[1]; /* The default one: "". */
    bool v3, informs, discovered;
    oid base[ARCS_MAX];
    size_t base_count;
};

/* ---- once for the process ---- */

static bool started;

/* When the driver is unloaded. */
__attribute__((destructor)) static void library_end(void)
{
    if (started) {
        snmp_shutdown(APP);
    }
}

/* Another module of the process may use net-snmp as well: who comes first sets it up. */
static void library_start(void)
{
    if (netsnmp_ds_get_string(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_APPTYPE) != NULL) {
        return;
    }
    started = true;
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_REVERSE_ENCODE, 1);
    snmp_disable_log(); /* What it says of a datagram is told as an error instead. */
    netsnmp_ds_set_string(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_APPTYPE, APP);
    /* The parts of init_snmp() that messages need: USM, its salts and the user of discoveries. */
    init_snmpv3(APP);
    snmp_call_callbacks(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_POST_PREMIB_READ_CONFIG, NULL);
    snmp_call_callbacks(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_POST_READ_CONFIG, NULL);
}

/* ---- credentials ---- */

static const struct {
    const char *word;
    const oid *protocol;
    size_t count;
} protocols[] = {
    {"sha", usmHMACSHA1AuthProtocol, USM_AUTH_PROTO_SHA_LEN},
    {"sha256", usmHMAC192SHA256AuthProtocol, USM_AUTH_PROTO_SHA_LEN},
    {"sha512", usmHMAC384SHA512AuthProtocol, USM_AUTH_PROTO_SHA_LEN},
    {"aes", usmAESPrivProtocol, USM_PRIV_PROTO_AES_LEN},
    {"no auth", usmNoAuthProtocol, USM_AUTH_PROTO_NOAUTH_LEN},
    {"no priv", usmNoPrivProtocol, USM_PRIV_PROTO_NOPRIV_LEN},
};

static int protocol_find(const char *word, struct nsh_error *err)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        if (strcmp(protocols[i].word, word) == 0) {
            return (int)i;
        }
    }
    return nsh_fail(err, NSH_INVALID, "no protocol %s", word);
}

/* The key of a password; localised with the engine id by net-snmp, later. */
static int key_make(const char *what, const char *password, int auth, u_char *key,
                    size_t *ret_bytes, struct nsh_error *err)
{
    size_t bytes = strlen(password);
    if (bytes < PASSWORD_LEAST) {
        return nsh_fail(err, NSH_INVALID, "%s: %d characters at least, got %zu", what,
                        PASSWORD_LEAST, bytes);
    }
    *ret_bytes = USM_AUTH_KU_LEN;
    if (generate_Ku(protocols[auth].protocol, (u_int)protocols[auth].count,
                    (const u_char *)password, bytes, key, ret_bytes) != SNMPERR_SUCCESS) {
        return nsh_fail(err, NSH_UNSUPPORTED, "%s: this build of net-snmp has no such protocol",
                        what);
    }
    return 0;
}

static int user_set(struct notify_wire *wire, const struct notify_snmp *from, struct nsh_error *err)
{
    netsnmp_session *session = &wire->session;
    bool signs = from->auth_password[0] != '\0', hides = from->priv_password[0] != '\0';
    session->securityModel = SNMP_SEC_MODEL_USM;
    session->contextName = wire->context;
    session->isAuthoritative = from->informs ? SNMP_SESS_NONAUTHORITATIVE : SNMP_SESS_AUTHORITATIVE;
    session->securityName = wire->user;
    session->securityNameLen = strlen(wire->user);
    if (hides && !signs) {
        return nsh_fail(err, NSH_INVALID, "priv_password: needs auth_password as well");
    }
    int auth = protocol_find(signs ? from->auth_protocol : "no auth", err);
    int priv = protocol_find(hides ? from->priv_protocol : "no priv", err);
    if (auth < 0 || priv < 0) {
        return auth < 0 ? auth : priv;
    }
    session->securityLevel = hides   ? SNMP_SEC_LEVEL_AUTHPRIV
                             : signs ? SNMP_SEC_LEVEL_AUTHNOPRIV
                                     : SNMP_SEC_LEVEL_NOAUTH;
    session->securityAuthProto =
        snmp_duplicate_objid(protocols[auth].protocol, protocols[auth].count);
    session->securityAuthProtoLen = protocols[auth].count;
    session->securityPrivProto =
        snmp_duplicate_objid(protocols[priv].protocol, protocols[priv].count);
    session->securityPrivProtoLen = protocols[priv].count;
    if (session->securityAuthProto == NULL || session->securityPrivProto == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = !signs ? 0
                        : key_make("auth_password", from->auth_password, auth,
                                   session->securityAuthKey, &session->securityAuthKeyLen, err);
    return result < 0 || !hides
               ? result
               : key_make("priv_password", from->priv_password, auth, session->securityPrivKey,
                          &session->securityPrivKeyLen, err);
}

/* Anew: the user may be there with keys of before a reload. */
static bool user_make(netsnmp_session *session)
{
    struct usmUser *old = usm_get_user(session->securityEngineID, session->securityEngineIDLen,
                                       session->securityName);
    if (old != NULL) {
        usm_remove_user(old);
        usm_free_user(old);
    }
    return usm_create_user_from_session(session) == SNMPERR_SUCCESS;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Our engine id, as configured or made: enterprise 8072 (the arc our MIB is below), "text", name.
 */
static int engine_set(struct notify_wire *wire, const struct notify_snmp *from,
                      struct nsh_error *err)
{
    uint8_t id[NOTIFY_ENGINE_BYTES_MAX] = {0x80, 0x00, 0x1f, 0x88, 0x04};
    size_t count = 5;
    const char *at = from->engine;
    if (at[0] == '\0') {
        for (at = from->name; *at != '\0' && count < sizeof id; at++) {
            id[count++] = (uint8_t)*at;
        }
    } else {
        bool good = at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
        count = 0;
        for (at += 2; good && *at != '\0'; at += 2) {
            int high = nibble(at[0]), low = high < 0 ? -1 : nibble(at[1]);
            good = low >= 0 && count < sizeof id;
            if (good) {
                id[count++] = (uint8_t)(high * 16 + low);
            }
        }
        if (!good || count < 5) {
            return nsh_fail(err, NSH_INVALID, "engine: want 0x and 5 to 32 bytes in hex, got %.80s",
                            from->engine);
        }
    }
    netsnmp_session *session = &wire->session;
    session->securityEngineID = netsnmp_memdup(id, count);
    session->securityEngineIDLen = count;
    session->contextEngineID = netsnmp_memdup(id, count);
    session->contextEngineIDLen = count;
    if (session->securityEngineID == NULL || session->contextEngineID == NULL ||
        !user_make(session)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory for an SNMPv3 user");
    }
    return 0;
}

static int base_set(struct notify_wire *wire, const char *text, struct nsh_error *err)
{
    const char *at = text[0] == '.' ? text + 1 : text;
    for (;;) {
        char *end = NULL;
        unsigned long arc = *at < '0' || *at > '9' ? ULONG_MAX : strtoul(at, &end, 10);
        if (arc > UINT32_MAX || wire->base_count == ARCS_MAX - 4) {
            break;
        }
        wire->base[wire->base_count++] = arc;
        if (*end == '\0' && wire->base_count >= 7) {
            return 0;
        }
        if (*end != '.') {
            break;
        }
        at = end + 1;
    }
    return nsh_fail(err, NSH_INVALID,
                    "enterprise: want an object identifier such as 1.3.6.1.4.1.99999.1, got %.80s",
                    text);
}

int notify_wire_new(const struct notify_snmp *from, struct notify_wire **ret_wire,
                    struct nsh_error *err)
{
    struct notify_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    library_start();
    netsnmp_session *session = &wire->session; /* Not by snmp_sess_init(): that never frees. */
    session->sndMsgMaxSize = NOTIFY_MESSAGE_MAX;
    session->rcvMsgMaxSize = SNMP_MAX_MSG_SIZE;
    session->version = from->v3 ? SNMP_VERSION_3 : SNMP_VERSION_2c;
    wire->v3 = from->v3;
    wire->informs = from->informs;
    wire->community = strdup(from->community);
    wire->user = strdup(from->user);
    wire->discovered = !from->v3 || !from->informs;
    int result = wire->community == NULL || wire->user == NULL
                     ? nsh_fail(err, NSH_NOMEM, "out of memory")
                     : base_set(wire, from->enterprise, err);
    if (result == 0 && from->v3) {
        result = user_set(wire, from, err);
    } else if (result == 0) {
        session->community = (u_char *)wire->community;
        session->community_len = strlen(wire->community);
    }
    if (result == 0 && from->v3 && !from->informs) {
        result = engine_set(wire, from, err);
    }
    if (result < 0) {
        notify_wire_free(wire);
        return result;
    }
    *ret_wire = wire;
    return 0;
}

void notify_wire_free(struct notify_wire *wire)
{
    if (wire == NULL) {
        return;
    }
    netsnmp_session *session = &wire->session;
    if (wire->community != NULL) {
        explicit_bzero(wire->community, strlen(wire->community));
    }
    explicit_bzero(session->securityAuthKey, sizeof session->securityAuthKey);
    explicit_bzero(session->securityPrivKey, sizeof session->securityPrivKey);
    free(session->securityAuthProto);
    free(session->securityPrivProto);
    free(session->securityEngineID);
    free(session->contextEngineID);
    free(wire->community);
    free(wire->user);
    free(wire);
}

bool notify_wire_discovers(const struct notify_wire *wire)
{
    return !wire->discovered;
}

void notify_wire_forget(struct notify_wire *wire)
{
    if (wire->v3 && wire->informs) {
        free(wire->session.securityEngineID);
        wire->session.securityEngineID = NULL;
        wire->session.securityEngineIDLen = 0;
        wire->discovered = false;
    }
}

/* ---- building ---- */

static bool text_add(netsnmp_pdu *pdu, struct notify_wire *wire, oid column, const char *text,
                     size_t bytes_max)
{
    struct nsh_pool pool = {0};
    const char *cut = notify_cut(&pool, text, bytes_max);
    size_t count = wire->base_count;
    wire->base[count++] = 1;
    wire->base[count++] = column;
    wire->base[count++] = 0;
    bool good = cut != NULL && snmp_pdu_add_variable(pdu, wire->base, count, ASN_OCTET_STR, cut,
                                                     strlen(cut)) != NULL;
    nsh_pool_done(&pool);
    return good;
}

static bool number_add(netsnmp_pdu *pdu, struct notify_wire *wire, oid column, long value)
{
    size_t count = wire->base_count;
    wire->base[count++] = 1;
    wire->base[count++] = column;
    wire->base[count++] = 0;
    return snmp_pdu_add_variable(pdu, wire->base, count, ASN_INTEGER, &value, sizeof value) != NULL;
}

/* The columns of NIGHTSHIFT-MIB, in its order; together they fit the message. */
static bool objects_add(netsnmp_pdu *pdu, struct notify_wire *wire,
                        const struct notify_notice *notice, int64_t up_ms)
{
    static const oid up_time[] = {1, 3, 6, 1, 2, 1, 1, 3, 0};
    static const oid trap_oid[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
    long ticks = (long)((up_ms / 10) & 0xffffffff);
    size_t count = wire->base_count;
    wire->base[count++] = 0;
    wire->base[count++] = notice->resolved ? 2 : 1;
    return snmp_pdu_add_variable(pdu, up_time, 9, ASN_TIMETICKS, &ticks, sizeof ticks) != NULL &&
           snmp_pdu_add_variable(pdu, trap_oid, 11, ASN_OBJECT_ID, wire->base,
                                 count * sizeof wire->base[0]) != NULL &&
           text_add(pdu, wire, 1, notice->key, NOTIFY_KEY_BYTES_MAX) &&
           number_add(pdu, wire, 2, (long)notify_severity(notice) + 1) &&
           text_add(pdu, wire, 3, notice->title, 120) &&
           text_add(pdu, wire, 4, notice->text, 200) && text_add(pdu, wire, 5, notice->host, 64) &&
           text_add(pdu, wire, 6, notice->policy, 64) && text_add(pdu, wire, 7, notice->run, 32) &&
           text_add(pdu, wire, 8, notice->alarm, 32) &&
           text_add(pdu, wire, 9, notice->reason, 120) &&
           text_add(pdu, wire, 10, notice->token, 32);
}

static bool pdu_fill(struct notify_wire *wire, netsnmp_pdu *pdu, const struct notify_notice *notice,
                     struct notify_clocks clocks)
{
    netsnmp_session *session = &wire->session;
    pdu->version = session->version;
    if (wire->v3) {
        pdu->securityModel = SNMP_SEC_MODEL_USM;
        pdu->securityLevel = wire->discovered ? session->securityLevel : SNMP_SEC_LEVEL_NOAUTH;
        pdu->securityName = strdup(wire->discovered ? wire->user : "");
        pdu->securityNameLen = wire->discovered ? strlen(wire->user) : 0;
        if (pdu->securityName == NULL) {
            return false;
        }
    }
    if (wire->v3 && !wire->informs) {
        int64_t now_s = clocks.unix_ms / 1000;
        set_enginetime(session->securityEngineID, (u_int)session->securityEngineIDLen, 1,
                       now_s > EPOCH_S ? (u_int)(now_s - EPOCH_S) : 0, TRUE);
    }
    return !wire->discovered || objects_add(pdu, wire, notice, clocks.up_ms);
}

size_t notify_wire_build(struct notify_wire *wire, const struct notify_notice *notice,
                         struct notify_clocks clocks, int32_t id, uint8_t out[NOTIFY_MESSAGE_MAX])
{
    int command = !wire->discovered ? SNMP_MSG_GET
                  : wire->informs   ? SNMP_MSG_INFORM
                                    : SNMP_MSG_TRAP2;
    netsnmp_pdu *pdu = snmp_pdu_create(command);
    size_t room = NOTIFY_MESSAGE_MAX, count = 0, result = 0;
    u_char *packet = malloc(room);
    if (pdu != NULL && packet != NULL && pdu_fill(wire, pdu, notice, clocks)) {
        pdu->reqid = pdu->msgid = id;
        if (snmp_build(&packet, &room, &count, &wire->session, pdu) == 0 &&
            count <= NOTIFY_MESSAGE_MAX) {
            memcpy(out, packet + room - count, count); /* It is built from its end. */
            result = count;
        }
    }
    free(packet);
    if (pdu != NULL) {
        snmp_free_pdu(pdu);
    }
    return result;
}

/* ---- reading ---- */

bool notify_wire_id(const uint8_t *bytes, size_t bytes_count, int32_t *ret_id)
{
    u_char type = 0, text[256];
    size_t left = bytes_count, text_bytes = sizeof text;
    long number = 0;
    u_char *at = asn_parse_sequence((u_char *)(uintptr_t)bytes, &left, &type,
                                    ASN_SEQUENCE | ASN_CONSTRUCTOR, "message");
    at = at == NULL ? NULL : asn_parse_int(at, &left, &type, &number, sizeof number);
    if (at == NULL) {
        return false;
    }
    if (number == SNMP_VERSION_3) {
        at = asn_parse_sequence(at, &left, &type, ASN_SEQUENCE | ASN_CONSTRUCTOR, "header");
    } else {
        at = asn_parse_string(at, &left, &type, text, &text_bytes);
        at = at == NULL ? NULL : asn_parse_header(at, &left, &type);
    }
    at = at == NULL ? NULL : asn_parse_int(at, &left, &type, &number, sizeof number);
    if (at == NULL || number < INT32_MIN || number > INT32_MAX) {
        return false;
    }
    *ret_id = (int32_t)number;
    return true;
}

static bool engine_learn(struct notify_wire *wire, const netsnmp_pdu *pdu)
{
    netsnmp_session *session = &wire->session;
    u_char *engine = netsnmp_memdup(pdu->securityEngineID, pdu->securityEngineIDLen);
    if (engine == NULL) {
        return false;
    }
    free(session->securityEngineID);
    session->securityEngineID = engine;
    session->securityEngineIDLen = pdu->securityEngineIDLen;
    wire->discovered = user_make(session);
    return wire->discovered;
}

static enum notify_verdict report_read(struct notify_wire *wire, netsnmp_pdu *pdu,
                                       struct nsh_error *err)
{
    int what = snmpv3_get_report_type(pdu);
    if (what == SNMPERR_UNKNOWN_ENG_ID && pdu->securityEngineIDLen > 0) {
        return engine_learn(wire, pdu) ? NOTIFY_LEARNED : NOTIFY_FOREIGN;
    }
    if (what == SNMPERR_NOT_IN_TIME_WINDOW) {
        return NOTIFY_LEARNED; /* net-snmp took its clock. */
    }
    nsh_fail(err, what == SNMPERR_UNSUPPORTED_SEC_LEVEL ? NSH_DENIED : NSH_AUTH, "%s",
             snmp_api_errstring(what));
    return NOTIFY_REFUSED;
}

static enum notify_verdict pdu_read(struct notify_wire *wire, int32_t id, netsnmp_pdu *pdu,
                                    struct nsh_error *err)
{
    if (pdu->command == SNMP_MSG_REPORT) {
        return report_read(wire, pdu, err);
    }
    if (pdu->command != SNMP_MSG_RESPONSE || pdu->reqid != id || !wire->discovered) {
        return NOTIFY_FOREIGN;
    }
    if (pdu->errstat < 0 || pdu->errstat > MAX_SNMP_ERR) {
        return NOTIFY_FOREIGN; /* Damaged. */
    }
    if (pdu->errstat != 0) {
        nsh_fail(err, NSH_REFUSED, "%s", snmp_errstring((int)pdu->errstat));
        return NOTIFY_REFUSED;
    }
    return NOTIFY_ANSWERED;
}

enum notify_verdict notify_wire_read(struct notify_wire *wire, int32_t id, const uint8_t *bytes,
                                     size_t bytes_count, struct nsh_error *err)
{
    int32_t its = 0;
    if (bytes_count > SNMP_MAX_MSG_SIZE || !notify_wire_id(bytes, bytes_count, &its) || its != id) {
        return NOTIFY_FOREIGN;
    }
    u_char *copy = netsnmp_memdup(bytes, bytes_count); /* It is decrypted in place. */
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_RESPONSE);
    enum notify_verdict verdict = NOTIFY_FOREIGN;
    if (copy != NULL && pdu != NULL) {
        pdu->version = wire->session.version;
        if (snmp_parse(NULL, &wire->session, pdu, copy, bytes_count) == 0) {
            verdict = pdu_read(wire, id, pdu, err);
        }
    }
    free(copy);
    if (pdu != NULL) {
        snmp_free_pdu(pdu);
    }
    return verdict;
}
