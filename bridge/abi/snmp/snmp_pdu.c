/* SPDX-License-Identifier: Apache-2.0 */
#include "abi/snmp/snmp_pdu.h"

#include <stdlib.h>
#include <string.h>

#define PASSWORD_LEAST 8 /* RFC 3414, 11.2 */
#define APP "nightshift"

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

static void user_name(struct snmp_peer *peer)
{
    netsnmp_session *session = &peer->session;
    session->securityModel = SNMP_SEC_MODEL_USM;
    session->contextName = peer->context;
    session->isAuthoritative = SNMP_SESS_NONAUTHORITATIVE;
    session->securityName = peer->user;
    session->securityNameLen = strlen(peer->user);
}

static int protocols_copy(netsnmp_session *session, const oid *auth, size_t auth_count,
                          const oid *priv, size_t priv_count, struct nsh_error *err)
{
    session->securityAuthProto = snmp_duplicate_objid(auth, auth_count);
    session->securityAuthProtoLen = auth_count;
    session->securityPrivProto = snmp_duplicate_objid(priv, priv_count);
    session->securityPrivProtoLen = priv_count;
    return session->securityAuthProto == NULL || session->securityPrivProto == NULL
               ? nsh_fail(err, NSH_NOMEM, "out of memory")
               : 0;
}

static int user_set(struct snmp_peer *peer, const struct snmp_credentials *from,
                    struct nsh_error *err)
{
    netsnmp_session *session = &peer->session;
    user_name(peer);
    bool signs = from->auth_password != NULL, hides = from->priv_password != NULL;
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
    int result = protocols_copy(session, protocols[auth].protocol, protocols[auth].count,
                                protocols[priv].protocol, protocols[priv].count, err);
    if (result < 0) {
        return result;
    }
    result = !signs ? 0
                    : key_make("auth_password", from->auth_password, auth, session->securityAuthKey,
                               &session->securityAuthKeyLen, err);
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
    session->flags &= ~(u_long)SNMP_FLAGS_USER_CREATED; /* Else it believes it has one. */
    return usm_create_user_from_session(session) == SNMPERR_SUCCESS;
}

/* ---- peers ---- */

int snmp_peer_open(struct snmp_peer *peer, const struct snmp_credentials *from,
                   struct nsh_error *err)
{
    library_start();
    netsnmp_session *session = &peer->session; /* Not by snmp_sess_init(): that never frees. */
    session->sndMsgMaxSize = SNMP_MESSAGE_MAX;
    session->rcvMsgMaxSize = SNMP_MAX_MSG_SIZE;
    session->version = from->version[0] == '1'   ? SNMP_VERSION_1
                       : from->version[0] == '2' ? SNMP_VERSION_2c
                                                 : SNMP_VERSION_3;
    peer->community = strdup(from->community);
    peer->user = strdup(from->user);
    peer->discovered = session->version != SNMP_VERSION_3;
    if (peer->community == NULL || peer->user == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (session->version == SNMP_VERSION_3) {
        return user_set(peer, from, err);
    }
    session->community = (u_char *)peer->community;
    session->community_len = strlen(peer->community);
    return 0;
}

int snmp_peer_open_like(struct snmp_peer *peer, const struct snmp_peer *like, struct nsh_error *err)
{
    netsnmp_session *session = &peer->session;
    const netsnmp_session *from = &like->session;
    session->sndMsgMaxSize = from->sndMsgMaxSize;
    session->rcvMsgMaxSize = from->rcvMsgMaxSize;
    session->version = from->version;
    peer->community = strdup(like->community);
    peer->user = strdup(like->user);
    peer->discovered = session->version != SNMP_VERSION_3;
    if (peer->community == NULL || peer->user == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (session->version != SNMP_VERSION_3) {
        session->community = (u_char *)peer->community;
        session->community_len = strlen(peer->community);
        return 0;
    }
    user_name(peer);
    session->securityLevel = from->securityLevel;
    memcpy(session->securityAuthKey, from->securityAuthKey, sizeof session->securityAuthKey);
    session->securityAuthKeyLen = from->securityAuthKeyLen;
    memcpy(session->securityPrivKey, from->securityPrivKey, sizeof session->securityPrivKey);
    session->securityPrivKeyLen = from->securityPrivKeyLen;
    return protocols_copy(session, from->securityAuthProto, from->securityAuthProtoLen,
                          from->securityPrivProto, from->securityPrivProtoLen, err);
}

void snmp_peer_close(struct snmp_peer *peer)
{
    netsnmp_session *session = &peer->session;
    if (peer->community != NULL) {
        explicit_bzero(peer->community, strlen(peer->community));
    }
    explicit_bzero(session->securityAuthKey, sizeof session->securityAuthKey);
    explicit_bzero(session->securityPrivKey, sizeof session->securityPrivKey);
    free(session->securityAuthProto);
    free(session->securityPrivProto);
    free(session->securityEngineID);
    free(session->contextEngineID);
    free(peer->community);
    free(peer->user);
}

int snmp_peer_authority(struct snmp_peer *peer, const uint8_t *engine, size_t engine_bytes,
                        struct nsh_error *err)
{
    netsnmp_session *session = &peer->session;
    session->isAuthoritative = SNMP_SESS_AUTHORITATIVE;
    session->securityEngineID = netsnmp_memdup(engine, engine_bytes);
    session->securityEngineIDLen = engine_bytes;
    session->contextEngineID = netsnmp_memdup(engine, engine_bytes);
    session->contextEngineIDLen = engine_bytes;
    if (session->securityEngineID == NULL || session->contextEngineID == NULL ||
        !user_make(session)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory for an SNMPv3 user");
    }
    peer->discovered = true;
    return 0;
}

void snmp_peer_forget(struct snmp_peer *peer)
{
    netsnmp_session *session = &peer->session;
    if (session->version == SNMP_VERSION_3 &&
        session->isAuthoritative == SNMP_SESS_NONAUTHORITATIVE) {
        free(session->securityEngineID);
        session->securityEngineID = NULL;
        session->securityEngineIDLen = 0;
        peer->discovered = false;
    }
}

/* ---- building ---- */

static bool user_put(const struct snmp_peer *peer, netsnmp_pdu *pdu)
{
    pdu->securityModel = SNMP_SEC_MODEL_USM;
    pdu->securityLevel = peer->discovered ? peer->session.securityLevel : SNMP_SEC_LEVEL_NOAUTH;
    pdu->securityName = strdup(peer->discovered ? peer->user : "");
    pdu->securityNameLen = peer->discovered ? strlen(peer->user) : 0;
    return pdu->securityName != NULL;
}

netsnmp_pdu *snmp_peer_pdu(const struct snmp_peer *peer, int command)
{
    const int discovery = SNMP_MSG_GET;
    netsnmp_pdu *pdu = snmp_pdu_create(peer->discovered ? command : discovery);
    if (pdu == NULL) {
        return NULL;
    }
    pdu->version = peer->session.version;
    if (pdu->version == SNMP_VERSION_3 && !user_put(peer, pdu)) {
        snmp_free_pdu(pdu);
        return NULL;
    }
    return pdu;
}

size_t snmp_peer_build(struct snmp_peer *peer, netsnmp_pdu *pdu, int32_t id,
                       uint8_t out[SNMP_MESSAGE_MAX])
{
    size_t room = SNMP_MESSAGE_MAX, count = 0, result = 0;
    u_char *packet = malloc(room);
    pdu->reqid = pdu->msgid = id;
    if (packet != NULL && snmp_build(&packet, &room, &count, &peer->session, pdu) == 0 &&
        count <= SNMP_MESSAGE_MAX) {
        memcpy(out, packet + room - count, count); /* It is built from its end. */
        result = count;
    }
    free(packet);
    return result;
}

/* ---- reading ---- */

bool snmp_message_id(const uint8_t *bytes, size_t bytes_count, int32_t *ret_id)
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

static bool engine_learn(struct snmp_peer *peer, const netsnmp_pdu *pdu)
{
    netsnmp_session *session = &peer->session;
    u_char *engine = netsnmp_memdup(pdu->securityEngineID, pdu->securityEngineIDLen);
    if (engine == NULL) {
        return false;
    }
    free(session->securityEngineID);
    session->securityEngineID = engine;
    session->securityEngineIDLen = pdu->securityEngineIDLen;
    peer->discovered = user_make(session);
    return peer->discovered;
}

static enum snmp_verdict report_read(struct snmp_peer *peer, netsnmp_pdu *pdu,
                                     struct nsh_error *err)
{
    int what = snmpv3_get_report_type(pdu);
    if (what == SNMPERR_UNKNOWN_ENG_ID && pdu->securityEngineIDLen > 0) {
        return engine_learn(peer, pdu) ? SNMP_LEARNED : SNMP_FOREIGN;
    }
    if (what == SNMPERR_NOT_IN_TIME_WINDOW) {
        return SNMP_LEARNED; /* net-snmp took its clock. */
    }
    nsh_fail(err, what == SNMPERR_UNSUPPORTED_SEC_LEVEL ? NSH_DENIED : NSH_AUTH, "%s",
             snmp_api_errstring(what));
    return SNMP_REFUSED;
}

static enum snmp_verdict pdu_judge(struct snmp_peer *peer, int32_t id, netsnmp_pdu *pdu,
                                   struct nsh_error *err)
{
    if (pdu->command == SNMP_MSG_REPORT) {
        return report_read(peer, pdu, err);
    }
    return pdu->command != SNMP_MSG_RESPONSE || pdu->reqid != id || !peer->discovered
               ? SNMP_FOREIGN
               : SNMP_ANSWERED;
}

enum snmp_verdict snmp_peer_read(struct snmp_peer *peer, int32_t id, const uint8_t *bytes,
                                 size_t bytes_count, netsnmp_pdu **ret_pdu, struct nsh_error *err)
{
    int32_t its = 0;
    if (bytes_count > SNMP_MAX_MSG_SIZE || !snmp_message_id(bytes, bytes_count, &its) ||
        its != id) {
        return SNMP_FOREIGN;
    }
    u_char *copy = netsnmp_memdup(bytes, bytes_count); /* It is decrypted in place. */
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_RESPONSE);
    enum snmp_verdict verdict = SNMP_FOREIGN;
    if (copy != NULL && pdu != NULL) {
        pdu->version = peer->session.version;
        if (snmp_parse(NULL, &peer->session, pdu, copy, bytes_count) == 0) {
            verdict = pdu_judge(peer, id, pdu, err);
        }
    }
    free(copy);
    if (verdict == SNMP_ANSWERED) {
        *ret_pdu = pdu;
    } else if (pdu != NULL) {
        snmp_free_pdu(pdu);
    }
    return verdict;
}
