/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp_codec.h"

#include "abi/snmp/snmp_pdu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct snmp_wire {
    struct snmp_peer peer;
};

int snmp_wire_new(const struct snmp_credentials *from, struct snmp_wire **ret_wire,
                  struct nsh_error *err)
{
    struct snmp_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = snmp_peer_open(&wire->peer, from, err);
    if (result < 0) {
        snmp_wire_free(wire);
        return result;
    }
    *ret_wire = wire;
    return 0;
}

void snmp_wire_free(struct snmp_wire *wire)
{
    if (wire != NULL) {
        snmp_peer_close(&wire->peer);
        free(wire);
    }
}

bool snmp_wire_discovers(const struct snmp_wire *wire)
{
    return !wire->peer.discovered;
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

size_t snmp_wire_build(struct snmp_wire *wire, const struct snmp_ask *ask, int32_t id,
                       uint8_t out[SNMP_MESSAGE_MAX])
{
    netsnmp_pdu *pdu =
        snmp_peer_pdu(&wire->peer, ask->what == SNMP_GET ? SNMP_MSG_GET : SNMP_MSG_SET);
    if (pdu == NULL) {
        return 0;
    }
    size_t count = !wire->peer.discovered || ask_add(pdu, ask)
                       ? snmp_peer_build(&wire->peer, pdu, id, out)
                       : 0;
    snmp_free_pdu(pdu);
    return count;
}

/* ---- reading ---- */

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

static enum snmp_verdict pdu_read(const struct snmp_ask *ask, const netsnmp_pdu *pdu,
                                  struct snmp_answer *answer)
{
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
    netsnmp_pdu *pdu = NULL;
    enum snmp_verdict verdict = snmp_peer_read(&wire->peer, id, bytes, bytes_count, &pdu, err);
    if (verdict == SNMP_ANSWERED) {
        verdict = pdu_read(ask, pdu, ret_answer);
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
