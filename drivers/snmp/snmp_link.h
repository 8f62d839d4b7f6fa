/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SNMP_LINK_H
#define SNMP_LINK_H

/*
 * The requests to one agent, one at a time: PDUs are slow with several. A reading is repeated when
 * no answer comes, a SET is never: whoever asked reads the state instead.
 */

#include "abi/address.h"
#include "snmp_codec.h"

#define SNMP_PORT 161

struct snmp_result {
    int code;  /* NSH_OK: an answer came, `answer` says which. */
    bool sent; /* The request left; with a failure of a SET it may have been carried out. */
    struct snmp_answer answer;
    const char *text; /* With a failure. */
};

struct snmp_request {
    struct snmp_ask ask;
    void (*done)(void *arg, const struct snmp_result *result);
    void *arg;
    /* The link's. */
    struct snmp_request *next;
    unsigned tries, learned;
    int32_t id;
    bool queued, sent;
};

struct snmp_link {
    struct nsh_services *services;
    char address[80]; /* As configured: for texts. */
    struct nsh_address peer;
    struct snmp_wire *wire;
    struct nsh_flow *flow;
    struct nsh_timer *timer;
    struct snmp_request *queue; /* The first is on its way. */
    int32_t id;                 /* Of the newest message. */
};

/* done follows once, never from inside; unless snmp_link_abort() comes before. The request is the
 * caller's and stays until then. */
int snmp_link_request(struct snmp_link *link, struct snmp_request *request, struct nsh_error *err);
void snmp_link_abort(struct snmp_link *link, struct snmp_request *request);
void snmp_link_close(struct snmp_link *link);

#endif
