/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes -> struct trap. Pure: no clock, no file, no allocation after trap_decoder_new().
 *
 * The BER is read by net-snmp's own primitives (asn_parse_*, snmp_parse_var_op), the ones snmptrapd
 * stands on, but for varbinds in the form that nearly all have (trap_short.c); its session layer is
 * left out: it allocates 1.2 KB a varbind, and reads configuration and MIB files when initialised.
 */

#include "trap.h"
#include "trap_short.h"
#include "trap_usm.h"

#include "base/assert.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/types.h>

#include <net-snmp/library/asn1.h>
#include <net-snmp/library/snmp.h>
#include <net-snmp/library/snmp_api.h>
#include <stdlib.h>

struct trap_decoder {
    struct usm *usm;
    bool by_library;
    uint8_t reply[TRAP_DATAGRAM_BYTES_MAX];
};

struct cursor {
    u_char *at;
    size_t left;
};

/* Identifiers below snmpMIB and sysUpTime that RFC 3584 gives a meaning of their own. */
static const uint32_t oid_uptime[] = {1, 3, 6, 1, 2, 1, 1, 3, 0};
static const uint32_t oid_trap[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
static const uint32_t oid_enterprise[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 3, 0};
static const uint32_t oid_address[] = {1, 3, 6, 1, 6, 3, 18, 1, 3, 0};
static const uint32_t oid_community[] = {1, 3, 6, 1, 6, 3, 18, 1, 4, 0};
static const uint32_t oid_traps[] = {1, 3, 6, 1, 6, 3, 1, 1, 5};

#define OID_IS(oid, constant)                                                                      \
    trap_oid_equal((oid), (struct trap_oid){sizeof(constant) / sizeof(uint32_t), (constant)})

static bool take_int(struct cursor *cursor, long *ret_value)
{
    u_char type = 0;
    if (cursor->left == 0) {
        return false;
    }
    u_char *next = asn_parse_int(cursor->at, &cursor->left, &type, ret_value, sizeof *ret_value);
    if (next == NULL || type != ASN_INTEGER) {
        return false;
    }
    cursor->at = next;
    return true;
}

/* Enter (for a sequence) or take (for a string) the next element of that type: ret_inner is its
 * content. */
static bool take(struct cursor *cursor, u_char wanted, struct cursor *ret_inner)
{
    u_char type = 0;
    size_t length = cursor->left;
    if (cursor->left < 2) {
        return false;
    }
    u_char *content = asn_parse_header(cursor->at, &length, &type);
    if (content == NULL || type != wanted ||
        length > cursor->left - (size_t)(content - cursor->at)) {
        return false;
    }
    *ret_inner = (struct cursor){content, length};
    cursor->left -= (size_t)(content - cursor->at) + length;
    cursor->at = content + length;
    return true;
}

static struct text text_at(struct cursor inner)
{
    return (struct text){(const char *)inner.at, (uint32_t)inner.left};
}

static bool keep_oid(struct trap *trap, const oid *arcs, size_t count, struct trap_oid *ret_oid)
{
    if (count > TRAP_ARCS_MAX - trap->arcs_count) {
        return false;
    }
    uint32_t *kept = trap->arcs + trap->arcs_count;
    for (size_t i = 0; i < count; i++) {
        kept[i] = (uint32_t)arcs[i];
    }
    trap->arcs_count += count;
    *ret_oid = (struct trap_oid){(uint32_t)count, kept};
    return true;
}

static bool take_oid(struct trap *trap, struct cursor *cursor, struct trap_oid *ret_oid)
{
    oid arcs[MAX_OID_LEN];
    size_t count = MAX_OID_LEN;
    u_char type = 0;
    if (cursor->left == 0) {
        return false;
    }
    u_char *next = asn_parse_objid(cursor->at, &cursor->left, &type, arcs, &count);
    if (next == NULL || type != ASN_OBJECT_ID) {
        return false;
    }
    cursor->at = next;
    return keep_oid(trap, arcs, count, ret_oid);
}

/* A number out of an Opaque wrapper (net-snmp's extension): 0x9f, 0x78..0x7b, length, big-endian
 * content. */
static void unwrap_opaque(struct trap_varbind *varbind)
{
    const uint8_t *at = (const uint8_t *)varbind->octets.at;
    uint32_t count = varbind->octets.count;
    if (count < 4 || at[0] != ASN_OPAQUE_TAG1 || at[2] != count - 3 || at[2] > 8) {
        return;
    }
    uint8_t tag = at[1];
    uint64_t number = tag == ASN_OPAQUE_I64 && (at[3] & 0x80) != 0 ? UINT64_MAX : 0;
    for (uint32_t i = 3; i < count; i++) {
        number = number << 8 | at[i];
    }
    if (tag == ASN_OPAQUE_U64 || tag == ASN_OPAQUE_COUNTER64) {
        varbind->type = TRAP_UINT64;
        varbind->natural = number;
    } else if (tag == ASN_OPAQUE_I64) {
        varbind->type = TRAP_INT64;
        varbind->integer = (int64_t)number;
    } else if (tag == ASN_OPAQUE_FLOAT && at[2] == 4) {
        uint32_t bits = (uint32_t)number;
        float real;
        memcpy(&real, &bits, sizeof real);
        varbind->type = TRAP_REAL;
        varbind->real = (double)real;
    } else if (tag == ASN_OPAQUE_DOUBLE && at[2] == 8) {
        varbind->type = TRAP_REAL;
        memcpy(&varbind->real, &number, sizeof varbind->real);
    }
}

static bool take_octets(struct trap_varbind *varbind, u_char type, struct cursor value)
{
    /* By hand: net-snmp's asn_parse_header() looks into Opaque itself. */
    u_long length = 0;
    u_char *content = value.left < 2 ? NULL : asn_parse_length(value.at + 1, &length);
    if (content == NULL || content > value.at + value.left ||
        length > value.left - (size_t)(content - value.at)) {
        return false;
    }
    varbind->octets = (struct text){(const char *)content, (uint32_t)length};
    if (type == ASN_IPADDRESS) {
        varbind->type = TRAP_IPADDRESS;
        return length == 4;
    }
    varbind->type = type == ASN_OPAQUE ? TRAP_OPAQUE : TRAP_OCTETS;
    if (type == ASN_OPAQUE) {
        unwrap_opaque(varbind);
    }
    return true;
}

static bool take_number(struct trap_varbind *varbind, u_char type, struct cursor value)
{
    if (type == ASN_INTEGER) {
        long integer = 0;
        if (asn_parse_int(value.at, &value.left, &type, &integer, sizeof integer) == NULL) {
            return false;
        }
        varbind->type = TRAP_INTEGER;
        varbind->integer = integer;
        return true;
    }
    if (type == ASN_COUNTER64) {
        struct counter64 number = {0};
        if (asn_parse_unsigned_int64(value.at, &value.left, &type, &number, sizeof number) ==
            NULL) {
            return false;
        }
        varbind->type = TRAP_COUNTER64;
        varbind->natural = (uint64_t)(number.high & UINT32_MAX) << 32 | (number.low & UINT32_MAX);
        return true;
    }
    u_long natural = 0;
    if (asn_parse_unsigned_int(value.at, &value.left, &type, &natural, sizeof natural) == NULL) {
        return false;
    }
    varbind->type = type == ASN_COUNTER     ? TRAP_COUNTER32
                    : type == ASN_TIMETICKS ? TRAP_TIMETICKS
                                            : TRAP_UNSIGNED;
    varbind->natural = natural & UINT32_MAX;
    return true;
}

static bool take_value(struct trap *trap, struct trap_varbind *varbind, u_char type,
                       struct cursor value)
{
    switch (type) {
    case ASN_INTEGER:
    case ASN_COUNTER64:
    case ASN_COUNTER:
    case ASN_GAUGE:
    case ASN_TIMETICKS:
    case ASN_UINTEGER:
        return take_number(varbind, type, value);
    case ASN_OCTET_STR:
    case ASN_IPADDRESS:
    case ASN_OPAQUE:
    case ASN_NSAP:
    case ASN_BIT_STR:
        return take_octets(varbind, type, value);
    case ASN_OPAQUE_COUNTER64: /* net-snmp looked into the wrapper: so do we. */
    case ASN_OPAQUE_U64:
    case ASN_OPAQUE_I64:
    case ASN_OPAQUE_FLOAT:
    case ASN_OPAQUE_DOUBLE:
        return take_octets(varbind, ASN_OPAQUE, value);
    case ASN_OBJECT_ID:
        varbind->type = TRAP_OID;
        return take_oid(trap, &value, &varbind->objid);
    case ASN_NULL:
    case SNMP_NOSUCHOBJECT:
    case SNMP_NOSUCHINSTANCE:
    case SNMP_ENDOFMIBVIEW:
        varbind->type = TRAP_NULL;
        return true;
    default:
        return false;
    }
}

/* The varbinds that RFC 3584 reads as parts of the message; true when varbind was one. */
static bool take_special(struct trap *trap, const struct trap_varbind *varbind, bool *ret_has_trap)
{
    if (OID_IS(varbind->oid, oid_uptime) && varbind->type == TRAP_TIMETICKS) {
        trap->uptime = (uint32_t)varbind->natural;
        return true;
    }
    if (OID_IS(varbind->oid, oid_trap) && varbind->type == TRAP_OID && !*ret_has_trap) {
        trap->trap_oid = varbind->objid;
        *ret_has_trap = true;
        return true;
    }
    if (OID_IS(varbind->oid, oid_enterprise) && varbind->type == TRAP_OID) {
        trap->enterprise = varbind->objid;
        return true;
    }
    if (OID_IS(varbind->oid, oid_address) && varbind->type == TRAP_IPADDRESS) {
        memcpy(trap->agent, varbind->octets.at, sizeof trap->agent);
        trap->has_agent = true;
        return true;
    }
    return OID_IS(varbind->oid, oid_community); /* A secret of a kind: not for the journal. */
}

static int take_varbind(struct trap *trap, struct cursor *list, struct trap_varbind *ret_varbind,
                        struct nsh_error *err)
{
    oid arcs[MAX_OID_LEN];
    size_t count = MAX_OID_LEN;
    u_char type = 0;
    struct cursor value = {0};
    u_char *next =
        snmp_parse_var_op(list->at, arcs, &count, &type, &value.left, &value.at, &list->left);
    if (next == NULL) {
        return nsh_fail(err, NSH_PROTOCOL, "varbind %zu is no name and value",
                        trap->varbinds_count + 1);
    }
    list->at = next;
    value.left = (size_t)(next - value.at); /* With its header. */
    if (!keep_oid(trap, arcs, count, &ret_varbind->oid)) {
        return nsh_fail(err, NSH_LIMIT, "more than %d sub-identifiers", TRAP_ARCS_MAX);
    }
    if (!take_value(trap, ret_varbind, type, value)) {
        return nsh_fail(err, NSH_PROTOCOL, "varbind %zu: value of type 0x%02x is wrong",
                        trap->varbinds_count + 1, type);
    }
    return 0;
}

static int decode_varbinds(struct trap *trap, struct cursor list, bool is_v1, struct nsh_error *err)
{
    bool has_trap = is_v1;
    bool first = true;
    while (list.left > 0) {
        if (trap->varbinds_count == TRAP_VARBINDS_MAX) {
            return nsh_fail(err, NSH_LIMIT, "more than %d varbinds", TRAP_VARBINDS_MAX);
        }
        struct trap_varbind *varbind = &trap->varbinds[trap->varbinds_count];
        size_t used = trap->by_library ? 0 : trap_short_varbind(trap, list.at, list.left, varbind);
        list.at += used;
        list.left -= used;
        int r = used > 0 ? 0 : take_varbind(trap, &list, varbind, err);
        if (r < 0) {
            return r;
        }
        if (!take_special(trap, varbind, &has_trap)) {
            trap->varbinds_count++;
        } else if (first) {
            trap->payload = text_at(list); /* Behind sysUpTime, where it belongs. */
        }
        first = false;
    }
    return has_trap ? 0 : nsh_fail(err, NSH_PROTOCOL, "no snmpTrapOID.0");
}

/* RFC 3584 3.1: the notification's name out of enterprise, generic and specific trap. */
static bool name_v1(struct trap *trap)
{
    oid arcs[MAX_OID_LEN];
    size_t count = 0;
    if (trap->generic >= 0 && trap->generic <= 5) {
        for (; count < sizeof oid_traps / sizeof oid_traps[0]; count++) {
            arcs[count] = oid_traps[count];
        }
        arcs[count++] = (oid)trap->generic + 1;
    } else {
        if (trap->enterprise.count > MAX_OID_LEN - 2) {
            return false;
        }
        for (; count < trap->enterprise.count; count++) {
            arcs[count] = trap->enterprise.arcs[count];
        }
        arcs[count++] = 0;
        arcs[count++] = (uint32_t)trap->specific;
    }
    return keep_oid(trap, arcs, count, &trap->trap_oid);
}

static int decode_v1(struct trap *trap, struct cursor pdu, struct nsh_error *err)
{
    struct cursor address;
    struct cursor list;
    long generic = 0;
    long specific = 0;
    u_char type = 0;
    u_long ticks = 0;
    if (!take_oid(trap, &pdu, &trap->enterprise)) {
        return nsh_fail(err, NSH_PROTOCOL, "v1 trap without enterprise");
    }
    if (!take(&pdu, ASN_IPADDRESS, &address) || address.left != sizeof trap->agent) {
        return nsh_fail(err, NSH_PROTOCOL, "v1 trap without agent address");
    }
    memcpy(trap->agent, address.at, sizeof trap->agent);
    trap->has_agent = true;
    if (!take_int(&pdu, &generic) || !take_int(&pdu, &specific) || generic < 0 || generic > 6 ||
        specific < INT32_MIN || specific > UINT32_MAX) {
        return nsh_fail(err, NSH_PROTOCOL, "v1 trap without generic and specific trap");
    }
    trap->generic = (int32_t)generic;
    trap->specific = (int32_t)specific;
    if (pdu.left == 0) {
        return nsh_fail(err, NSH_PROTOCOL, "v1 trap without time stamp");
    }
    u_char *next = asn_parse_unsigned_int(pdu.at, &pdu.left, &type, &ticks, sizeof ticks);
    if (next == NULL || type != ASN_TIMETICKS) {
        return nsh_fail(err, NSH_PROTOCOL, "v1 trap without time stamp");
    }
    pdu.at = next;
    trap->uptime = (uint32_t)ticks;
    if (!take(&pdu, ASN_SEQUENCE | ASN_CONSTRUCTOR, &list)) {
        return nsh_fail(err, NSH_PROTOCOL, "v1 trap without varbind list");
    }
    trap->payload = text_at(list);
    if (!name_v1(trap)) {
        return nsh_fail(err, NSH_LIMIT, "v1 trap: enterprise is too long");
    }
    return decode_varbinds(trap, list, true, err);
}

static int decode_v2(struct trap *trap, struct cursor pdu, struct nsh_error *err)
{
    long request = 0;
    long status = 0;
    long index = 0;
    struct cursor list;
    if (!take_int(&pdu, &request) || !take_int(&pdu, &status) || !take_int(&pdu, &index)) {
        return nsh_fail(err, NSH_PROTOCOL, "PDU without request id, error status and index");
    }
    trap->request_id = (uint32_t)request;
    if (!take(&pdu, ASN_SEQUENCE | ASN_CONSTRUCTOR, &list)) {
        return nsh_fail(err, NSH_PROTOCOL, "PDU without varbind list");
    }
    trap->payload = text_at(list);
    return decode_varbinds(trap, list, false, err);
}

/* The PDU at cursor: which one, and its content. */
static int enter_pdu(struct cursor *cursor, u_char *ret_command, struct cursor *ret_pdu,
                     struct nsh_error *err)
{
    if (cursor->left < 2) {
        return nsh_fail(err, NSH_PROTOCOL, "message without PDU");
    }
    *ret_command = *cursor->at;
    if (*ret_command < SNMP_MSG_GET || *ret_command > SNMP_MSG_REPORT ||
        !take(cursor, *ret_command, ret_pdu)) {
        return nsh_fail(err, NSH_PROTOCOL, "no PDU of SNMP: tag 0x%02x", *ret_command);
    }
    return 0;
}

/* The answer to a v1/v2c inform is the message itself with the PDU called a response (RFC
 * 3416 4.2.7). */
static void answer_community(struct trap_decoder *decoder, const uint8_t *bytes, size_t bytes_count,
                             const u_char *pdu_tag, struct trap *trap)
{
    size_t offset = (size_t)(pdu_tag - bytes);
    if (bytes_count <= sizeof decoder->reply) {
        memcpy(decoder->reply, bytes, bytes_count);
        decoder->reply[offset] = SNMP_MSG_RESPONSE;
        trap->reply = decoder->reply;
        trap->reply_bytes = bytes_count;
    }
}

static int decode_community(struct trap_decoder *decoder, struct trap *trap, struct cursor message,
                            const uint8_t *bytes, struct nsh_error *err)
{
    struct cursor community;
    struct cursor pdu;
    u_char command = 0;
    if (!take(&message, ASN_OCTET_STR, &community) || community.left > 255) {
        return nsh_fail(err, NSH_PROTOCOL, "message without community");
    }
    trap->community = text_at(community);
    const u_char *pdu_tag = message.at;
    int r = enter_pdu(&message, &command, &pdu, err);
    if (r < 0) {
        return r;
    }
    if (command == SNMP_MSG_TRAP && trap->version == TRAP_V1) {
        return decode_v1(trap, pdu, err);
    }
    if ((command != SNMP_MSG_TRAP2 && command != SNMP_MSG_INFORM) || trap->version != TRAP_V2C) {
        return nsh_fail(err, NSH_UNSUPPORTED, "no notification: PDU 0x%02x", command);
    }
    r = decode_v2(trap, pdu, err);
    if (r == 0 && command == SNMP_MSG_INFORM) {
        trap->inform = true;
        answer_community(decoder, bytes, (size_t)(pdu.at + pdu.left - bytes), pdu_tag, trap);
    }
    return r;
}

static bool take_header_v3(struct cursor *message, struct usm_message *ret)
{
    struct cursor header;
    struct cursor flags;
    struct cursor wrapped;
    struct cursor params;
    struct cursor field;
    long number = 0;
    if (!take(message, ASN_SEQUENCE | ASN_CONSTRUCTOR, &header) || !take_int(&header, &number)) {
        return false;
    }
    ret->msg_id = (uint32_t)number;
    if (!take_int(&header, &number) || !take(&header, ASN_OCTET_STR, &flags) || flags.left != 1 ||
        !take_int(&header, &number) || number != 3) {
        return false;
    }
    ret->flags = *flags.at;
    if ((ret->flags & USM_FLAG_PRIV) != 0 && (ret->flags & USM_FLAG_AUTH) == 0) {
        return false;
    }
    if (!take(message, ASN_OCTET_STR, &wrapped) ||
        !take(&wrapped, ASN_SEQUENCE | ASN_CONSTRUCTOR, &params) ||
        !take(&params, ASN_OCTET_STR, &field)) {
        return false;
    }
    ret->engine = text_at(field);
    if (!take_int(&params, &number) || number < 0 || number > INT32_MAX) {
        return false;
    }
    ret->boots = (uint32_t)number;
    if (!take_int(&params, &number) || number < 0 || number > INT32_MAX ||
        !take(&params, ASN_OCTET_STR, &field)) {
        return false;
    }
    ret->time = (uint32_t)number;
    ret->user = text_at(field);
    if (!take(&params, ASN_OCTET_STR, &field)) {
        return false;
    }
    ret->auth = text_at(field);
    if (!take(&params, ASN_OCTET_STR, &field)) {
        return false;
    }
    ret->salt = text_at(field);
    return true;
}

/* Scoped PDU: context engine, context name, PDU. scoped is narrowed to its exact bytes. */
static int enter_scoped(struct text *scoped, const u_char **ret_tag, struct cursor *ret_pdu,
                        struct nsh_error *err)
{
    u_char command = 0;
    struct cursor cursor = {(u_char *)(uintptr_t)scoped->at, scoped->count};
    struct cursor inner;
    struct cursor skipped;
    if (!take(&cursor, ASN_SEQUENCE | ASN_CONSTRUCTOR, &inner)) {
        return nsh_fail(err, NSH_PROTOCOL, "no scoped PDU");
    }
    scoped->count = (uint32_t)(inner.at + inner.left - (const u_char *)scoped->at);
    for (int i = 0; i < 2; i++) { /* contextEngineID, contextName */
        if (!take(&inner, ASN_OCTET_STR, &skipped)) {
            return nsh_fail(err, NSH_PROTOCOL, "scoped PDU without context");
        }
    }
    *ret_tag = inner.at;
    return enter_pdu(&inner, &command, ret_pdu, err);
}

static int refuse_v3(struct trap_decoder *decoder, struct trap *trap,
                     const struct usm_message *message, enum usm_verdict verdict, int64_t now_s,
                     struct nsh_error *err)
{
    static const char *const reasons[] = {
        [USM_OK] = "",
        [USM_UNKNOWN_ENGINE] = "unknown engine id",
        [USM_UNKNOWN_USER] = "unknown user",
        [USM_LEVEL] = "security level is not the user's",
        [USM_WRONG_DIGEST] = "wrong digest",
        [USM_NOT_IN_WINDOW] = "not in the time window",
        [USM_DECRYPTION] = "does not decrypt",
    };
    struct text scoped = {(const char *)message->data, (uint32_t)message->data_bytes};
    struct cursor pdu = {0};
    const u_char *tag = NULL;
    u_char command = 0;
    long request = 0;
    bool readable =
        (message->flags & USM_FLAG_PRIV) == 0 && enter_scoped(&scoped, &tag, &pdu, NULL) == 0;
    if (readable) {
        command = *tag;
        (void)take_int(&pdu, &request);
    }
    trap->reply_bytes =
        usm_report(decoder->usm, message, verdict, (uint32_t)request, now_s, &trap->reply);
    if (readable && command != SNMP_MSG_TRAP2 && command != SNMP_MSG_INFORM) {
        return nsh_fail(err, NSH_UNSUPPORTED, "no notification: PDU 0x%02x", command);
    }
    return nsh_fail(err, verdict == USM_NOT_IN_WINDOW ? NSH_STALE : NSH_AUTH, "SNMPv3: %s",
                    reasons[verdict]);
}

static void answer_v3(struct trap_decoder *decoder, struct trap *trap,
                      const struct usm_message *message, struct text scoped, const u_char *pdu_tag,
                      int64_t now_s)
{
    size_t offset = (size_t)(pdu_tag - (const u_char *)scoped.at);
    NSH_ASSERT(scoped.count <= sizeof decoder->reply && offset < scoped.count);
    memcpy(decoder->reply, scoped.at, scoped.count);
    decoder->reply[offset] = SNMP_MSG_RESPONSE;
    trap->reply_bytes =
        usm_answer(decoder->usm, message, decoder->reply, scoped.count, now_s, &trap->reply);
}

static int decode_v3(struct trap_decoder *decoder, struct trap *trap, struct cursor message,
                     const uint8_t *bytes, int64_t now_s, struct nsh_error *err)
{
    struct usm_message usm = {.whole = bytes,
                              .whole_bytes = (size_t)(message.at + message.left - bytes)};
    struct cursor encrypted;
    struct cursor pdu;
    struct text scoped;
    const u_char *tag = NULL;
    if (!take_header_v3(&message, &usm)) {
        return nsh_fail(err, NSH_PROTOCOL, "SNMPv3 header is wrong");
    }
    usm.data = message.at;
    usm.data_bytes = message.left;
    if ((usm.flags & USM_FLAG_PRIV) != 0) {
        if (!take(&message, ASN_OCTET_STR, &encrypted)) {
            return nsh_fail(err, NSH_PROTOCOL, "SNMPv3: encrypted PDU is no string");
        }
        usm.data = encrypted.at;
        usm.data_bytes = encrypted.left;
    }
    enum usm_verdict verdict = usm_check(decoder->usm, &usm, now_s, &scoped);
    if (verdict != USM_OK) {
        return refuse_v3(decoder, trap, &usm, verdict, now_s, err);
    }
    trap->user = usm.user;
    trap->engine = usm.engine;
    trap->level = usm.flags & (USM_FLAG_AUTH | USM_FLAG_PRIV);
    int r = enter_scoped(&scoped, &tag, &pdu, err);
    if (r < 0) {
        return r;
    }
    u_char command = *tag;
    bool own = usm_is_own(decoder->usm, usm.engine);
    if ((command == SNMP_MSG_INFORM) != own &&
        (command == SNMP_MSG_INFORM || command == SNMP_MSG_TRAP2)) {
        /* The authoritative side of a trap is its sender, of an inform its receiver. */
        return refuse_v3(decoder, trap, &usm, USM_UNKNOWN_ENGINE, now_s, err);
    }
    if (command != SNMP_MSG_TRAP2 && command != SNMP_MSG_INFORM) {
        return nsh_fail(err, NSH_UNSUPPORTED, "no notification: PDU 0x%02x", command);
    }
    r = decode_v2(trap, pdu, err);
    if (r == 0 && command == SNMP_MSG_INFORM) {
        trap->inform = true;
        answer_v3(decoder, trap, &usm, scoped, tag, now_s);
    }
    return r;
}

int trap_decoder_new(const struct trap_user *users, size_t users_count,
                     const struct trap_engine *engine, struct trap_decoder **ret_decoder,
                     struct nsh_error *err)
{
    struct trap_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the trap decoder");
    }
    static const struct trap_engine none;
    int r = usm_new(users, users_count, engine == NULL ? &none : engine, &decoder->usm, err);
    if (r < 0) {
        free(decoder);
        return r;
    }
    *ret_decoder = decoder;
    return 0;
}

void trap_decoder_by_library(struct trap_decoder *decoder)
{
    decoder->by_library = true;
}

void trap_decoder_free(struct trap_decoder *decoder)
{
    if (decoder != NULL) {
        usm_free(decoder->usm);
        free(decoder);
    }
}

int trap_decode(struct trap_decoder *decoder, const uint8_t *bytes, size_t bytes_count,
                int64_t now_s, struct trap *ret_trap, struct nsh_error *err)
{
    NSH_ASSERT(decoder != NULL && bytes != NULL);
    struct cursor datagram = {(u_char *)(uintptr_t)bytes, bytes_count};
    struct cursor message;
    long version = -1;
    memset(ret_trap, 0, offsetof(struct trap, varbinds));
    ret_trap->by_library = decoder->by_library;
    ret_trap->payload = (struct text){0};
    ret_trap->reply = NULL;
    ret_trap->reply_bytes = 0;
    ret_trap->arcs_count = 0;
    if (bytes_count > TRAP_DATAGRAM_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "datagram of %zu bytes, the limit is %d", bytes_count,
                        TRAP_DATAGRAM_BYTES_MAX);
    }
    if (!take(&datagram, ASN_SEQUENCE | ASN_CONSTRUCTOR, &message) ||
        !take_int(&message, &version)) {
        return nsh_fail(err, NSH_PROTOCOL, "no SNMP message");
    }
    switch (version) {
    case TRAP_V1:
    case TRAP_V2C:
        ret_trap->version = (enum trap_version)version;
        return decode_community(decoder, ret_trap, message, bytes, err);
    case TRAP_V3:
        ret_trap->version = TRAP_V3;
        return decode_v3(decoder, ret_trap, message, bytes, now_s, err);
    default:
        return nsh_fail(err, NSH_PROTOCOL, "SNMP version %ld", version);
    }
}
