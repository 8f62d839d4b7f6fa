/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SNMP_CODEC_H
#define SNMP_CODEC_H

/*
 * SNMP messages of one manager to one agent: v1 (RFC 1157), v2c (RFC 3416), v3 with USM (RFC 3414,
 * 7860, 3826), built and read by net-snmp; no sockets. The engine id and clock of a v3 agent are
 * learned from its reports: until then snmp_wire_build() writes the discovery message.
 */

#include "abi/driver.h"

#define SNMP_MESSAGE_MAX 1472 /* Fits one Ethernet frame. */
#define SNMP_ARCS_MAX 64
#define SNMP_TEXT_MAX 128

struct snmp_oid {
    unsigned long arcs[SNMP_ARCS_MAX];
    size_t count;
};

struct snmp_credentials {
    const char *version; /* "1", "2c", "3" */
    const char *community;
    const char *user;                                                          /* v3 */
    const char *auth_protocol, *auth_password, *priv_protocol, *priv_password; /* NULL: none */
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

enum snmp_verdict {
    SNMP_FOREIGN, /* No message, or not an answer to this id: as if it had not come. */
    SNMP_ANSWERED,
    SNMP_LEARNED, /* A report: the engine, or its clock. Send the request again. */
    SNMP_REFUSED, /* A report: user, key or level is wrong; the error says which. */
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
/* The id (request id; v3: message id) of a message, in clear; false: no SNMP message. */
bool snmp_wire_id(const uint8_t *bytes, size_t bytes_count, int32_t *ret_id);
enum snmp_verdict snmp_wire_read(struct snmp_wire *wire, const struct snmp_ask *ask, int32_t id,
                                 const uint8_t *bytes, size_t bytes_count,
                                 struct snmp_answer *ret_answer, struct nsh_error *err);

/* "1.3.6.1" with "{}" replaced by the index; false: no object identifier. */
bool snmp_oid_fill(const char *text, const char *index, struct snmp_oid *ret_oid);
bool snmp_oid_begins(const struct snmp_oid *oid, const struct snmp_oid *with);
const char *snmp_error_word(int error);

#endif
