/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_CODEC_SNMP_H
#define NOTIFY_CODEC_SNMP_H

/*
 * Traps and informs (v2c, v3) with the objects of NIGHTSHIFT-MIB; no sockets. Of a trap we are the
 * authority: our engine id, and a count of boots that only grows. Of an inform the receiver is: its
 * engine id and clock are learned from its reports; until then notify_wire_build() writes the
 * discovery message.
 */

#include "abi/snmp/snmp_kit.h"
#include "notify_codec.h"

#define NOTIFY_ENTERPRISE "1.3.6.1.4.1.8072.9999.9999.746" /* Below net-snmp's netSnmpPlaypen. */

struct notify_snmp {
    bool v3, informs;
    const char *community;
    const char *user, *auth_protocol, *auth_password, *priv_protocol, *priv_password; /* "": none */
    const char *engine;     /* "0x8000...": ours, for v3 traps; "": made of `name`. */
    const char *name;       /* What tells us from others: the instance. */
    const char *enterprise; /* Where NIGHTSHIFT-MIB is rooted. */
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
                         struct notify_clocks clocks, int32_t id, uint8_t out[SNMP_MESSAGE_MAX]);
enum snmp_verdict notify_wire_read(struct notify_wire *wire, int32_t id, const uint8_t *bytes,
                                   size_t bytes_count, struct nsh_error *err);

#endif
