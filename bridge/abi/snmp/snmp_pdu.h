/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SNMP_PDU_H
#define SNMP_PDU_H

/*
 * Messages by way of net-snmp: its sessions are only descriptions here, nothing is opened. What it
 * keeps for the process is the table of USM users and of engine clocks, by engine id. The engine id
 * and clock of a v3 peer are learned from its reports: until then what is built is the discovery
 * message. Only codecs include this.
 */

#include "abi/snmp/snmp_kit.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

struct snmp_peer {
    netsnmp_session session; /* Its pointers are ours. */
    char *community, *user;
    char context[1]; /* The default one: "". */
    bool discovered;
};

/* Fills a peer of zeros; snmp_peer_close() is wanted also after a failure. It does not move. */
int snmp_peer_open(struct snmp_peer *peer, const struct snmp_credentials *from,
                   struct nsh_error *err);
/* The same with the credentials of another, whose keys need not be made again (milliseconds each).
 */
int snmp_peer_open_like(struct snmp_peer *peer, const struct snmp_peer *like,
                        struct nsh_error *err);
void snmp_peer_close(struct snmp_peer *peer);
/* We are the authority of our messages, as of traps in v3: nothing is discovered. */
int snmp_peer_authority(struct snmp_peer *peer, const uint8_t *engine, size_t engine_bytes,
                        struct nsh_error *err);
/* Ask again who a v3 peer is. */
void snmp_peer_forget(struct snmp_peer *peer);

/* For snmp_peer_build(): of this command, to be filled when the peer is discovered, else a GET that
 * asks nothing but who it is. NULL: no memory. */
netsnmp_pdu *snmp_peer_pdu(const struct snmp_peer *peer, int command);
/* Bytes written, or 0 when there is no memory. */
size_t snmp_peer_build(struct snmp_peer *peer, netsnmp_pdu *pdu, int32_t id,
                       uint8_t out[SNMP_MESSAGE_MAX]);
/* SNMP_ANSWERED: the response to this id is in *ret_pdu, for snmp_free_pdu(); its error-status is
 * the caller's to judge. */
enum snmp_verdict snmp_peer_read(struct snmp_peer *peer, int32_t id, const uint8_t *bytes,
                                 size_t bytes_count, netsnmp_pdu **ret_pdu, struct nsh_error *err);

#endif
