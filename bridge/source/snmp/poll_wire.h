/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SNMP_POLL_WIRE_H
#define SOURCE_SNMP_POLL_WIRE_H

/*
 * Messages of a poller to one agent (v2c, v3), and what its answers hold; no sockets. Until a v3
 * agent is known, what is built is the message that asks who it is.
 */

#include "abi/snmp/snmp_kit.h"
#include "source/snmp/poll_oid.h"

#define POLL_ASK_MAX 16       /* Objects of one request. */
#define POLL_BINDINGS_MAX 160 /* Of one answer: as many as a datagram has room for. */
#define POLL_TEXTS_BYTES_MAX 4096

struct poll_ask {
    uint32_t repetitions; /* 0: GET; else GETBULK. */
    uint32_t count;
    struct poll_oid oids[POLL_ASK_MAX];
};

struct poll_binding {
    struct poll_oid oid;
    struct poll_value value; /* Texts are in the answer. */
};

/* Large: one for all agents of a loop. */
struct poll_answer {
    int error;            /* error-status of RFC 3416; 0: none. */
    uint32_t error_index; /* From 1; 0: of none in particular. */
    uint32_t count;
    struct poll_binding items[POLL_BINDINGS_MAX];
    size_t texts_bytes;
    char texts[POLL_TEXTS_BYTES_MAX];
};

#define POLL_TOO_BIG 1
#define POLL_GEN_ERR 5

struct poll_wire;

/* like: another one with the same credentials, whose keys need not be made again (that takes
 * milliseconds); or NULL. */
int poll_wire_new(const struct snmp_credentials *credentials, const struct poll_wire *like,
                  struct poll_wire **ret_wire, struct nsh_error *err);
void poll_wire_free(struct poll_wire *wire);
bool poll_wire_discovers(const struct poll_wire *wire);
/* Ask again who it is: another machine may have its address by now. */
void poll_wire_forget(struct poll_wire *wire);
/* Bytes written to out; 0: no memory, or longer than a message may be. */
size_t poll_wire_build(struct poll_wire *wire, const struct poll_ask *ask, int32_t id,
                       uint8_t out[SNMP_MESSAGE_MAX]);
enum snmp_verdict poll_wire_read(struct poll_wire *wire, int32_t id, const uint8_t *bytes,
                                 size_t bytes_count, struct poll_answer *ret_answer,
                                 struct nsh_error *err);
const char *poll_error_word(int error);

#endif
