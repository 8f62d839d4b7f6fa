/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTRACT_PEER_H
#define CONTRACT_PEER_H

/*
 * A peer that answers datagrams or streams, for drivers whose protocol cannot be written down as
 * rules of text. The C files of drivers/NAME/peer export one `contract_peer`; NAME.peer.json then
 * says "datagrams": true, or "streams": true. What is inside the protocol may still be rules:
 * ask() answers a request by those of the device.
 */

#include "abi/value.h"

#include <stddef.h>
#include <stdint.h>

/* What a rule says to a request; borrowed until the peer's function returns. */
struct contract_answer {
    int status;
    const char *output, *errors;
    bool hang_up; /* "hang_up": true */
};

struct contract_reply {
    void (*answer)(void *arg, const uint8_t *bytes, size_t bytes_count);
    void *arg;
    bool effect;  /* Set when the datagram asked for something that changes a host. */
    bool refused; /* Set when the answer is a clear no. */
    bool hang_up; /* Streams: set when the peer ends the connection after what it answered. */
    /* Streams: by the rules of the device, which also set effect and refused; false: no rule. */
    bool (*ask)(void *arg, const char *request, struct contract_answer *ret_answer);
};

struct contract_peer {
    void *(*open)(const struct nsh_value *device); /* The device's member of NAME.peer.json. */
    void (*datagram)(void *peer, const uint8_t *bytes, size_t bytes_count,
                     struct contract_reply *reply);
    void (*close)(void *peer);
    /* Streams: a connection begins (NULL: it is refused), bytes came, it is over. */
    void *(*connected)(void *peer, struct contract_reply *reply);
    void (*received)(void *connection, const uint8_t *bytes, size_t bytes_count,
                     struct contract_reply *reply);
    void (*disconnected)(void *connection);
};

extern const struct contract_peer contract_peer;

#endif
