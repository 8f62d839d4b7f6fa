/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PDU for the contract suite: outlets of the make apc-rpdu (and apc-masterswitch), v1 and v2c,
 * made of net-snmp's own reading and writing. What it may be told (NAME.peer.json): outlets ("on
 * off"), community, error (of every SET), stays (accepts and nothing happens), status (a number all
 * outlets say).
 */

#include "contract_peer.h"
#include "snmp_codec.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <stdlib.h>
#include <string.h>

#define OUTLETS_MAX 8
#define SWITCH_COLUMN "1.3.6.1.4.1.318.1.1.4.4.2.1.3.{}" /* State and order in one. */

struct pdu_peer {
    bool on[OUTLETS_MAX + 1], stays;
    size_t count;
    long error, status;
    const char *community, *system;
};

static void *pdu_open(const struct nsh_value *device)
{
    struct pdu_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        abort();
    }
    for (const char *at = nsh_get_text(device, "outlets", "on"); at != NULL; peer->count++) {
        peer->on[peer->count + 1] = at[1] == 'n';
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
    }
    peer->stays = nsh_get_bool(device, "stays", false);
    peer->error = (long)nsh_get_int(device, "error", 0);
    peer->status = (long)nsh_get_int(device, "status", 0);
    peer->community = nsh_get_text(device, "community", "s3cr3t-m4rker");
    peer->system = nsh_get_text(device, "system", "1.3.6.1.4.1.318.1.3.4.5");
    return peer;
}

static void pdu_close(void *arg)
{
    free(arg);
}

/* The outlet an object is of, or 0. */
static size_t outlet_of(const struct pdu_peer *peer, const netsnmp_variable_list *variable,
                        const char *column)
{
    struct snmp_oid want;
    for (size_t i = 1; i <= peer->count; i++) {
        char index[4] = {(char)('0' + i)};
        snmp_oid_fill(column, index, &want);
        if (snmp_oid_compare(variable->name, variable->name_length, want.arcs, want.count) == 0) {
            return i;
        }
    }
    return 0;
}

static void answer_get(const struct pdu_peer *peer, netsnmp_pdu *pdu)
{
    netsnmp_variable_list *variable = pdu->variables;
    struct snmp_oid system;
    long value = 0;
    snmp_oid_fill("1.3.6.1.2.1.1.2.0", "", &system);
    size_t outlet = outlet_of(peer, variable, "1.3.6.1.4.1.318.1.1.12.3.5.1.1.4.{}");
    size_t named = outlet_of(peer, variable, "1.3.6.1.4.1.318.1.1.12.3.3.1.1.2.{}");
    outlet = outlet != 0 ? outlet : outlet_of(peer, variable, SWITCH_COLUMN);
    if (snmp_oid_compare(variable->name, variable->name_length, system.arcs, system.count) == 0) {
        snmp_oid_fill(peer->system, "", &system);
        snmp_set_var_typed_value(variable, ASN_OBJECT_ID, system.arcs,
                                 system.count * sizeof system.arcs[0]);
    } else if (outlet > 0) {
        value = peer->status != 0 ? peer->status : peer->on[outlet] ? 1 : 2;
        snmp_set_var_typed_value(variable, ASN_INTEGER, &value, sizeof value);
    } else if (named > 0) {
        snmp_set_var_typed_value(variable, ASN_OCTET_STR, "r1h01", 5);
    } else if (pdu->version == SNMP_VERSION_1) {
        pdu->errstat = SNMP_ERR_NOSUCHNAME;
        pdu->errindex = 1;
    } else {
        snmp_set_var_typed_value(variable, SNMP_NOSUCHINSTANCE, NULL, 0);
    }
}

static void answer_set(struct pdu_peer *peer, netsnmp_pdu *pdu, struct contract_reply *reply)
{
    const netsnmp_variable_list *variable = pdu->variables;
    size_t outlet = outlet_of(peer, variable, "1.3.6.1.4.1.318.1.1.12.3.3.1.1.4.{}");
    size_t same = outlet_of(peer, variable, SWITCH_COLUMN);
    outlet = outlet != 0 ? outlet : same;
    /* What an outlet of this make says may be said back to it. */
    reply->effect = same == 0 || variable->type != ASN_INTEGER ||
                    *variable->val.integer != (peer->on[same] ? 1 : 2);
    pdu->errstat =
        outlet == 0 || variable->type != ASN_INTEGER ? SNMP_ERR_NOTWRITABLE : peer->error;
    reply->refused = pdu->errstat != 0;
    pdu->errindex = pdu->errstat != 0 ? 1 : 0;
    if (pdu->errstat == 0 && !peer->stays) {
        peer->on[outlet] = *variable->val.integer == 1;
    }
}

static void pdu_datagram(void *arg, const uint8_t *bytes, size_t bytes_count,
                         struct contract_reply *reply)
{
    struct pdu_peer *peer = arg;
    netsnmp_session session = {.version = SNMP_VERSION_2c, .rcvMsgMaxSize = 1472};
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET);
    u_char copy[SNMP_MESSAGE_MAX], *packet = malloc(SNMP_MESSAGE_MAX);
    size_t room = SNMP_MESSAGE_MAX, count = 0;
    session.sndMsgMaxSize = SNMP_MESSAGE_MAX;
    session.version =
        bytes_count > 4 && bytes[2] == 2 && bytes[4] == 0 ? SNMP_VERSION_1 : SNMP_VERSION_2c;
    pdu->version = session.version;
    memcpy(copy, bytes, bytes_count);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_REVERSE_ENCODE, 1);
    if (snmp_parse(NULL, &session, pdu, copy, bytes_count) == 0 && pdu->variables != NULL &&
        pdu->community_len == strlen(peer->community) &&
        memcmp(pdu->community, peer->community, pdu->community_len) == 0) {
        if (pdu->command == SNMP_MSG_SET) {
            answer_set(peer, pdu, reply);
        } else {
            answer_get(peer, pdu);
        }
        pdu->command = SNMP_MSG_RESPONSE;
        if (snmp_build(&packet, &room, &count, &session, pdu) == 0) {
            reply->answer(reply->arg, packet + room - count, count);
        }
    }
    free(packet);
    snmp_free_pdu(pdu);
}

const struct contract_peer contract_peer = {
    .open = pdu_open, .datagram = pdu_datagram, .close = pdu_close};
