/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_CODEC_SNMP_H
#define NOTIFY_CODEC_SNMP_H

/*
 * Traps and informs (v2c: RFC 3416; v3: RFC 3414, 7860, 3826) with the objects of NIGHTSHIFT-MIB,
 * built and read by net-snmp; no sockets. Of a trap we are the authority: our engine id, and a
 * count of boots that only grows. Of an inform the receiver is: its engine id and clock are learned
 * from its reports; until then notify_wire_build() writes the discovery message.
 */

#include "notify_codec.h"

#define NOTIFY_MESSAGE_MAX 1472 /* Fits one Ethernet frame. */
#define NOTIFY_ENGINE_BYTES_MAX 32
#define NOTIFY_ENTERPRISE "1.3.6.1.4.1.8072.9999.9999.746" /* Below net-snmp's netSnmpPlaypen. */

struct notify_snmp {
    bool v3, informs;
    const char *community;
    const char *user, *auth_protocol, *auth_password, *priv_protocol, *priv_password; /* "": none */
    const char *engine;     /* "0x8000...": ours, for v3 traps; "": made of `name`. */
    const char *name;       /* What tells us from others: the instance. */
    const char *enterprise; /* Where NIGHTSHIFT-MIB is rooted. */
};

enum notify_verdict {
    NOTIFY_FOREIGN,  /* No answer to this id: as if it had not come. */
    NOTIFY_ANSWERED, /* The receiver has it. */
    NOTIFY_LEARNED,  /* A report: the engine, or its clock. Send the inform again. */
    NOTIFY_REFUSED,  /* A report, or an error-status; the error says which. */
};

struct notify_wire;

int notify_wire_new(const struct notify_snmp *from, struct notify_wire **ret_wire,
                    struct nsh_error *err);
void notify_wire_free(struct notify_wire *wire);
/* True when the next message asks nothing but who the receiver is. */
bool notify_wire_discovers(const struct notify_wire *wire);
/* Ask that of the receiver of informs again. */
void notify_wire_forget(struct notify_wire *wire);
struct notify_clocks {
    int64_t up_ms;   /* How long we are up: sysUpTime. */
    int64_t unix_ms; /* The clock of our engine, without a memory of its boots. */
};
/* Bytes written, or 0 when there is no memory. */
size_t notify_wire_build(struct notify_wire *wire, const struct notify_notice *notice,
                         struct notify_clocks clocks, int32_t id, uint8_t out[NOTIFY_MESSAGE_MAX]);
/* The id (request id; v3: message id) of a message, in clear; false: no SNMP message. */
bool notify_wire_id(const uint8_t *bytes, size_t bytes_count, int32_t *ret_id);
enum notify_verdict notify_wire_read(struct notify_wire *wire, int32_t id, const uint8_t *bytes,
                                     size_t bytes_count, struct nsh_error *err);

#endif
