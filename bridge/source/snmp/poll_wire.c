/* SPDX-License-Identifier: Apache-2.0 */
#include "source/snmp/poll_wire.h"

#include "abi/snmp/snmp_pdu.h"

#include <math.h>
#include <stdlib.h>

struct poll_wire {
    struct snmp_peer peer;
};

int poll_wire_new(const struct snmp_credentials *credentials, const struct poll_wire *like,
                  struct poll_wire **ret_wire, struct nsh_error *err)
{
    struct poll_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = like == NULL ? snmp_peer_open(&wire->peer, credentials, err)
                              : snmp_peer_open_like(&wire->peer, &like->peer, err);
    if (result < 0) {
        poll_wire_free(wire);
        return result;
    }
    *ret_wire = wire;
    return 0;
}

void poll_wire_free(struct poll_wire *wire)
{
    if (wire != NULL) {
        snmp_peer_close(&wire->peer);
        free(wire);
    }
}

bool poll_wire_discovers(const struct poll_wire *wire)
{
    return !wire->peer.discovered;
}

void poll_wire_forget(struct poll_wire *wire)
{
    snmp_peer_forget(&wire->peer);
}

/* ---- building ---- */

static bool ask_put(netsnmp_pdu *pdu, const struct poll_ask *ask)
{
    for (uint32_t i = 0; i < ask->count; i++) {
        oid arcs[POLL_ARCS_MAX];
        for (uint32_t a = 0; a < ask->oids[i].count; a++) {
            arcs[a] = ask->oids[i].arcs[a];
        }
        if (snmp_add_null_var(pdu, arcs, ask->oids[i].count) == NULL) {
            return false;
        }
    }
    return true;
}

size_t poll_wire_build(struct poll_wire *wire, const struct poll_ask *ask, int32_t id,
                       uint8_t out[SNMP_MESSAGE_MAX])
{
    bool bulk = ask->repetitions > 0;
    netsnmp_pdu *pdu = snmp_peer_pdu(&wire->peer, bulk ? SNMP_MSG_GETBULK : SNMP_MSG_GET);
    size_t count = 0;
    if (pdu == NULL) {
        return 0;
    }
    if (wire->peer.discovered && bulk) {
        pdu->non_repeaters = 0;
        pdu->max_repetitions = (long)ask->repetitions;
    }
    if (!wire->peer.discovered || ask_put(pdu, ask)) {
        count = snmp_peer_build(&wire->peer, pdu, id, out);
    }
    snmp_free_pdu(pdu);
    return count;
}

/* ---- reading ---- */

static struct text text_put(struct poll_answer *answer, const char *chars, size_t count)
{
    size_t left = sizeof answer->texts - answer->texts_bytes;
    count = count > POLL_OCTETS_BYTES_MAX ? POLL_OCTETS_BYTES_MAX : count;
    count = count > left ? left : count;
    char *at = answer->texts + answer->texts_bytes;
    if (count > 0) {
        memcpy(at, chars, count);
    }
    answer->texts_bytes += count;
    return (struct text){at, (uint32_t)count};
}

static struct text oid_put(struct poll_answer *answer, const netsnmp_variable_list *var)
{
    uint32_t arcs[POLL_ARCS_MAX];
    char chars[POLL_OID_CHARS_MAX];
    size_t count = var->val_len / sizeof(oid);
    count = count > POLL_ARCS_MAX ? POLL_ARCS_MAX : count;
    for (size_t i = 0; i < count; i++) {
        arcs[i] = (uint32_t)var->val.objid[i];
    }
    return text_put(answer, chars, poll_oid_write(arcs, count, chars, sizeof chars));
}

static struct poll_value real_of(double real)
{
    return isfinite(real) ? (struct poll_value){.type = POLL_REAL, .real = real}
                          : (struct poll_value){.type = POLL_NOTHING};
}

static struct poll_value natural_of(enum poll_type type, uint64_t natural)
{
    return (struct poll_value){.type = type, .natural = natural};
}

static struct poll_value wide_of(const netsnmp_variable_list *var)
{
    uint64_t natural = (uint64_t)(uint32_t)var->val.counter64->high << 32 |
                       (uint64_t)(uint32_t)var->val.counter64->low;
    return var->type == ASN_OPAQUE_I64
               ? (struct poll_value){.type = POLL_INTEGER, .integer = (int64_t)natural}
               : natural_of(POLL_COUNTER64, natural);
}

static struct poll_value value_of(struct poll_answer *answer, const netsnmp_variable_list *var)
{
    switch (var->type) {
    case ASN_INTEGER:
        return (struct poll_value){.type = POLL_INTEGER, .integer = *var->val.integer};
    case ASN_COUNTER:
        return natural_of(POLL_COUNTER32, (uint32_t)*var->val.integer);
    case ASN_GAUGE:
    case ASN_TIMETICKS:
    case ASN_UINTEGER:
        return natural_of(POLL_UNSIGNED, (uint32_t)*var->val.integer);
    case ASN_COUNTER64:
    case ASN_OPAQUE_COUNTER64:
    case ASN_OPAQUE_U64:
    case ASN_OPAQUE_I64:
        return wide_of(var);
    case ASN_OPAQUE_FLOAT:
        return real_of((double)*var->val.floatVal);
    case ASN_OPAQUE_DOUBLE:
        return real_of(*var->val.doubleVal);
    case ASN_OCTET_STR:
    case ASN_IPADDRESS:
        return (struct poll_value){
            .type = POLL_OCTETS,
            .octets = text_put(answer, (const char *)var->val.string, var->val_len)};
    case ASN_OBJECT_ID:
        return (struct poll_value){.type = POLL_OID, .octets = oid_put(answer, var)};
    default:
        return (struct poll_value){.type = POLL_NOTHING};
    }
}

static void answer_fill(struct poll_answer *answer, const netsnmp_pdu *pdu)
{
    answer->error = (int)pdu->errstat;
    answer->error_index = pdu->errindex > 0 ? (uint32_t)pdu->errindex : 0;
    answer->count = 0;
    answer->texts_bytes = 0;
    const netsnmp_variable_list *var = pdu->variables;
    for (; var != NULL && answer->count < POLL_BINDINGS_MAX; var = var->next_variable) {
        struct poll_binding *item = &answer->items[answer->count++];
        item->oid.count = 0; /* One that is too long has none: its column ends. */
        for (size_t i = 0; var->name_length <= POLL_ARCS_MAX && i < var->name_length; i++) {
            item->oid.arcs[i] = (uint32_t)var->name[i];
            item->oid.count++;
        }
        item->value = value_of(answer, var);
    }
}

enum snmp_verdict poll_wire_read(struct poll_wire *wire, int32_t id, const uint8_t *bytes,
                                 size_t bytes_count, struct poll_answer *ret_answer,
                                 struct nsh_error *err)
{
    netsnmp_pdu *pdu = NULL;
    enum snmp_verdict verdict = snmp_peer_read(&wire->peer, id, bytes, bytes_count, &pdu, err);
    if (verdict == SNMP_ANSWERED) {
        answer_fill(ret_answer, pdu);
        snmp_free_pdu(pdu);
    }
    return verdict;
}

const char *poll_error_word(int error)
{
    const char *word = snmp_errstring(error);
    return word == NULL ? "an error without name" : word;
}
