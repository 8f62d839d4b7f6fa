/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages by way of net-snmp: its sessions are only descriptions here, nothing is opened. What it
 * keeps for the process is the table of USM users and of engine clocks, by engine id.
 */

#include "snmp_codec.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD_LEAST 8 /* RFC 3414, 11.2 */

struct snmp_wire {
    netsnmp_session session; /* Its pointers are ours. */
    char *community, *user;
    char context[1]; /* The default one: "". */
    bool discovered;
};

/* ---- once for the process ---- */

static bool started;

/* When the driver is unloaded. */
__attribute__((destructor)) static void library_end(void)
{
    if (started) {
        snmp_shutdown("nightshift");
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
    netsnmp_ds_set_string(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_APPTYPE, "nightshift");
    /* The parts of init_snmp() that messages need: USM, its salts and the user of discoveries. */
    init_snmpv3("nightshift");
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

static int user_set(struct snmp_wire *wire, const struct snmp_credentials *from,
                    struct nsh_error *err)
{
    netsnmp_session *session = &wire->session;
    session->securityModel = SNMP_SEC_MODEL_USM;
    session->contextName = wire->context;
    session->isAuthoritative = SNMP_SESS_NONAUTHORITATIVE;
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

int snmp_wire_new(const struct snmp_credentials *from, struct snmp_wire **ret_wire,
                  struct nsh_error *err)
{
    struct snmp_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    library_start();
    netsnmp_session *session = &wire->session; /* Not by snmp_sess_init(): that never frees. */
    session->sndMsgMaxSize = SNMP_MESSAGE_MAX;
    session->rcvMsgMaxSize = SNMP_MAX_MSG_SIZE;
    session->version = from->version[0] == '1'   ? SNMP_VERSION_1
                       : from->version[0] == '2' ? SNMP_VERSION_2c
                                                 : SNMP_VERSION_3;
    wire->community = strdup(from->community);
    wire->user = strdup(from->user);
    wire->discovered = session->version != SNMP_VERSION_3;
    int result = wire->community == NULL || wire->user == NULL
                     ? nsh_fail(err, NSH_NOMEM, "out of memory")
                     : 0;
    if (result == 0 && session->version == SNMP_VERSION_3) {
        session->securityName = wire->user;
        session->securityNameLen = strlen(wire->user);
        result = user_set(wire, from, err);
    } else if (result == 0) {
        session->community = (u_char *)wire->community;
        session->community_len = strlen(wire->community);
    }
    if (result < 0) {
        snmp_wire_free(wire);
        return result;
    }
    *ret_wire = wire;
    return 0;
}

void snmp_wire_free(struct snmp_wire *wire)
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
    free(wire->community);
    free(wire->user);
    free(wire);
}

bool snmp_wire_discovers(const struct snmp_wire *wire)
{
    return !wire->discovered;
}

/* ---- building ---- */

static bool ask_add(netsnmp_pdu *pdu, const struct snmp_ask *ask)
{
    if (ask->what == SNMP_GET) {
        return snmp_add_null_var(pdu, ask->oid.arcs, ask->oid.count) != NULL;
    }
    bool is_unsigned = ask->what == SNMP_SET_UNSIGNED;
    return snmp_pdu_add_variable(pdu, ask->oid.arcs, ask->oid.count,
                                 is_unsigned ? ASN_GAUGE : ASN_INTEGER, &ask->value,
                                 sizeof ask->value) != NULL;
}

static bool pdu_fill(const struct snmp_wire *wire, netsnmp_pdu *pdu, const struct snmp_ask *ask)
{
    pdu->version = wire->session.version;
    if (wire->session.version == SNMP_VERSION_3) {
        pdu->securityModel = SNMP_SEC_MODEL_USM;
        pdu->securityLevel = wire->discovered ? wire->session.securityLevel : SNMP_SEC_LEVEL_NOAUTH;
        pdu->securityName = strdup(wire->discovered ? wire->user : "");
        pdu->securityNameLen = wire->discovered ? strlen(wire->user) : 0;
        if (pdu->securityName == NULL) {
            return false;
        }
    }
    return !wire->discovered || ask_add(pdu, ask);
}

size_t snmp_wire_build(struct snmp_wire *wire, const struct snmp_ask *ask, int32_t id,
                       uint8_t out[SNMP_MESSAGE_MAX])
{
    bool reads = !wire->discovered || ask->what == SNMP_GET;
    netsnmp_pdu *pdu = snmp_pdu_create(reads ? SNMP_MSG_GET : SNMP_MSG_SET);
    size_t room = SNMP_MESSAGE_MAX, count = 0, result = 0;
    u_char *packet = malloc(room);
    if (pdu != NULL && packet != NULL && pdu_fill(wire, pdu, ask)) {
        pdu->reqid = pdu->msgid = id;
        if (snmp_build(&packet, &room, &count, &wire->session, pdu) == 0 &&
            count <= SNMP_MESSAGE_MAX) {
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

bool snmp_wire_id(const uint8_t *bytes, size_t bytes_count, int32_t *ret_id)
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

static void text_take(const netsnmp_variable_list *variable, char text[SNMP_TEXT_MAX])
{
    size_t count = variable->val_len < SNMP_TEXT_MAX - 1 ? variable->val_len : SNMP_TEXT_MAX - 1;
    for (size_t i = 0; i < count; i++) {
        u_char c = variable->val.string[i];
        text[i] = c >= ' ' && c < 0x7f ? (char)c : '.';
    }
    text[count] = '\0';
}

static enum snmp_kind value_take(const netsnmp_variable_list *variable, struct snmp_answer *answer)
{
    switch (variable->type) {
    case ASN_INTEGER:
        answer->number = *variable->val.integer;
        return SNMP_NUMBER;
    case ASN_GAUGE:
    case ASN_COUNTER:
    case ASN_TIMETICKS:
        answer->number = (long)(*variable->val.integer & 0xffffffffL);
        return SNMP_NUMBER;
    case ASN_OCTET_STR:
        text_take(variable, answer->text);
        return SNMP_TEXT;
    case ASN_OBJECT_ID:
        answer->oid.count = variable->val_len / sizeof(oid);
        if (answer->oid.count > SNMP_ARCS_MAX) {
            return SNMP_MISSING;
        }
        memcpy(answer->oid.arcs, variable->val.objid, answer->oid.count * sizeof(oid));
        return SNMP_OID;
    default: /* noSuchObject, noSuchInstance, endOfMibView, and what no outlet has. */
        return SNMP_MISSING;
    }
}

static bool engine_learn(struct snmp_wire *wire, const netsnmp_pdu *pdu)
{
    netsnmp_session *session = &wire->session;
    u_char *engine = netsnmp_memdup(pdu->securityEngineID, pdu->securityEngineIDLen);
    if (engine == NULL) {
        return false;
    }
    free(session->securityEngineID);
    session->securityEngineID = engine;
    session->securityEngineIDLen = pdu->securityEngineIDLen;
    wire->discovered = usm_create_user_from_session(session) == SNMPERR_SUCCESS;
    return wire->discovered;
}

static enum snmp_verdict report_read(struct snmp_wire *wire, netsnmp_pdu *pdu,
                                     struct nsh_error *err)
{
    int what = snmpv3_get_report_type(pdu);
    if (what == SNMPERR_UNKNOWN_ENG_ID && pdu->securityEngineIDLen > 0) {
        return engine_learn(wire, pdu) ? SNMP_LEARNED : SNMP_FOREIGN;
    }
    if (what == SNMPERR_NOT_IN_TIME_WINDOW) {
        return SNMP_LEARNED; /* net-snmp took its clock. */
    }
    nsh_fail(err, what == SNMPERR_UNSUPPORTED_SEC_LEVEL ? NSH_DENIED : NSH_AUTH, "%s",
             snmp_api_errstring(what));
    return SNMP_REFUSED;
}

static enum snmp_verdict pdu_read(struct snmp_wire *wire, const struct snmp_ask *ask, int32_t id,
                                  netsnmp_pdu *pdu, struct snmp_answer *answer,
                                  struct nsh_error *err)
{
    if (pdu->command == SNMP_MSG_REPORT) {
        return report_read(wire, pdu, err);
    }
    if (pdu->command != SNMP_MSG_RESPONSE || pdu->reqid != id || !wire->discovered) {
        return SNMP_FOREIGN;
    }
    const netsnmp_variable_list *variable = pdu->variables;
    *answer = (struct snmp_answer){.error = (int)pdu->errstat};
    if (answer->error != 0) {
        return SNMP_ANSWERED;
    }
    if (variable == NULL || snmp_oid_compare(variable->name, variable->name_length, ask->oid.arcs,
                                             ask->oid.count) != 0) {
        return SNMP_FOREIGN; /* An answer to something else. */
    }
    answer->kind = value_take(variable, answer);
    return SNMP_ANSWERED;
}

enum snmp_verdict snmp_wire_read(struct snmp_wire *wire, const struct snmp_ask *ask, int32_t id,
                                 const uint8_t *bytes, size_t bytes_count,
                                 struct snmp_answer *ret_answer, struct nsh_error *err)
{
    int32_t its = 0;
    if (bytes_count > SNMP_MAX_MSG_SIZE || !snmp_wire_id(bytes, bytes_count, &its) || its != id) {
        return SNMP_FOREIGN;
    }
    u_char *copy = netsnmp_memdup(bytes, bytes_count); /* It is decrypted in place. */
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_RESPONSE);
    enum snmp_verdict verdict = SNMP_FOREIGN;
    if (copy != NULL && pdu != NULL) {
        pdu->version = wire->session.version;
        if (snmp_parse(NULL, &wire->session, pdu, copy, bytes_count) == 0) {
            verdict = pdu_read(wire, ask, id, pdu, ret_answer, err);
        }
    }
    free(copy);
    if (pdu != NULL) {
        snmp_free_pdu(pdu);
    }
    return verdict;
}

/* ---- object identifiers ---- */

bool snmp_oid_fill(const char *text, const char *index, struct snmp_oid *ret_oid)
{
    struct snmp_oid oid_read = {.count = 0};
    char whole[512];
    const char *mark = strstr(text, "{}");
    int bytes = mark == NULL ? snprintf(whole, sizeof whole, "%s", text)
                             : snprintf(whole, sizeof whole, "%.*s%s%s", (int)(mark - text), text,
                                        index, mark + 2);
    const char *at = whole[0] == '.' ? whole + 1 : whole;
    if (bytes < 0 || (size_t)bytes >= sizeof whole) {
        return false;
    }
    for (;;) {
        char *end = NULL;
        if (*at < '0' || *at > '9' || oid_read.count == SNMP_ARCS_MAX) {
            return false;
        }
        oid_read.arcs[oid_read.count] = strtoul(at, &end, 10);
        if (oid_read.arcs[oid_read.count++] > UINT32_MAX) {
            return false;
        }
        if (*end == '\0') {
            *ret_oid = oid_read;
            return oid_read.count >= 2;
        }
        if (*end != '.') {
            return false;
        }
        at = end + 1;
    }
}

bool snmp_oid_begins(const struct snmp_oid *oid_long, const struct snmp_oid *with)
{
    return oid_long->count >= with->count &&
           memcmp(oid_long->arcs, with->arcs, with->count * sizeof with->arcs[0]) == 0;
}

const char *snmp_error_word(int error)
{
    return snmp_errstring(error);
}
