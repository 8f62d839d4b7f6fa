/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SNMP_POLL_OID_H
#define SOURCE_SNMP_POLL_OID_H

/* Object identifiers, and the values of objects. */

#include "base/text.h"

#define POLL_ARCS_MAX 48          /* Of those that are looked at; RFC 2578 allows 128. */
#define POLL_OID_CHARS_MAX 540    /* All of them as text. */
#define POLL_OCTETS_BYTES_MAX 255 /* Of a text: what is longer is cut. */

struct poll_oid {
    uint32_t count;
    uint32_t arcs[POLL_ARCS_MAX];
};

enum poll_type {
    POLL_NOTHING, /* noSuchObject, noSuchInstance, endOfMibView, or of a type that has no use. */
    POLL_INTEGER,
    POLL_UNSIGNED, /* Gauge32, Unsigned32, TimeTicks. */
    POLL_COUNTER32,
    POLL_COUNTER64,
    POLL_REAL,
    POLL_OCTETS,
    POLL_OID,
};

struct poll_value {
    enum poll_type type;
    union {
        int64_t integer;  /* POLL_INTEGER */
        uint64_t natural; /* POLL_UNSIGNED, the counters */
        double real;
        struct text octets; /* Any bytes; of POLL_OID its numbers with dots. */
    };
};

/* "1.3.6.1"; false: no object identifier, or longer than POLL_ARCS_MAX. */
bool poll_oid_read(const char *chars, struct poll_oid *ret_oid);
/* The numbers of arcs with dots between; returns the count of chars, cut at room - 1. */
size_t poll_oid_write(const uint32_t *arcs, size_t arcs_count, char *chars, size_t room);
bool poll_oid_under(const struct poll_oid *oid, const struct poll_oid *prefix);
int poll_oid_compare(const struct poll_oid *a, const struct poll_oid *b);
/* Bytes of it in a message. */
size_t poll_oid_bytes(const struct poll_oid *oid);
/* The number that it is, also one that is written as a text ("0.42"); false: it is none. */
bool poll_value_number(const struct poll_value *value, double *ret_number);

#endif
