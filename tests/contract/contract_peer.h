/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTRACT_PEER_H
#define CONTRACT_PEER_H

/*
 * A peer that answers datagrams, for drivers whose protocol cannot be written down as rules of
 * text. The C files of drivers/NAME/peer export one `contract_peer`; NAME.peer.json then says
 * "datagrams": true.
 */

#include "abi/value.h"

#include <stddef.h>
#include <stdint.h>

struct contract_reply {
    void (*answer)(void *arg, const uint8_t *bytes, size_t bytes_count);
    void *arg;
    bool effect;  /* Set when the datagram asked for something that changes a host. */
    bool refused; /* Set when the answer is a clear no. */
};

struct contract_peer {
    void *(*open)(const struct nsh_value *device); /* The device's member of NAME.peer.json. */
    void (*datagram)(void *peer, const uint8_t *bytes, size_t bytes_count,
                     struct contract_reply *reply);
    void (*close)(void *peer);
};

extern const struct contract_peer contract_peer;

#endif
