/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SNMP_CODEC_H
#define SNMP_CODEC_H

/*
 * SNMP messages of one manager to one agent: one object read or set, and its answer; no sockets.
 * Until a v3 agent is known, snmp_wire_build() writes the discovery message.
 */

#include "abi/snmp/snmp_kit.h"

#define SNMP_ARCS_MAX 64
#define SNMP_TEXT_MAX 128

struct snmp_oid {
    unsigned long arcs[SNMP_ARCS_MAX];
    size_t count;
};

enum snmp_asks { SNMP_GET, SNMP_SET_INTEGER, SNMP_SET_UNSIGNED };

struct snmp_ask {
    enum snmp_asks what;
    struct snmp_oid oid;
    long value;
};

enum snmp_kind { SNMP_MISSING, SNMP_NUMBER, SNMP_OID, SNMP_TEXT };

struct snmp_answer {
    int error; /* error-status of RFC 3416, 0: none. */
    enum snmp_kind kind;
    long number;
    struct snmp_oid oid;      /* SNMP_OID: the value. */
    char text[SNMP_TEXT_MAX]; /* SNMP_TEXT: printable. */
};

struct snmp_wire;

int snmp_wire_new(const struct snmp_credentials *credentials, struct snmp_wire **ret_wire,
                  struct nsh_error *err);
void snmp_wire_free(struct snmp_wire *wire);
/* True when the next message asks nothing but who the agent is. */
bool snmp_wire_discovers(const struct snmp_wire *wire);
/* Bytes written to out, or 0 when there is no memory. */
size_t snmp_wire_build(struct snmp_wire *wire, const struct snmp_ask *ask, int32_t id,
                       uint8_t out[SNMP_MESSAGE_MAX]);
enum snmp_verdict snmp_wire_read(struct snmp_wire *wire, const struct snmp_ask *ask, int32_t id,
                                 const uint8_t *bytes, size_t bytes_count,
                                 struct snmp_answer *ret_answer, struct nsh_error *err);

/* "1.3.6.1" with "{}" replaced by the index; false: no object identifier. */
bool snmp_oid_fill(const char *text, const char *index, struct snmp_oid *ret_oid);
bool snmp_oid_begins(const struct snmp_oid *oid, const struct snmp_oid *with);
const char *snmp_error_word(int error);

#endif
