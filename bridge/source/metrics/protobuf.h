/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_METRICS_PROTOBUF_H
#define SOURCE_METRICS_PROTOBUF_H

/*
 * Reading protocol buffers' wire format, field by field, without a schema: what the few messages
 * here need. Pure; nothing is copied. A reader that meets damage sets failed and ends.
 */

#include "base/text.h"

enum protobuf_wire {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5
};

struct protobuf {
    const uint8_t *at, *end;
    bool failed;
};

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire wire;
    uint64_t value;    /* Of the other three. */
    struct text bytes; /* PROTOBUF_BYTES. */
};

struct protobuf protobuf_of(struct text bytes);
/* The next field; false: the end, or damage (failed). Groups are damage: nobody sends them. */
bool protobuf_next(struct protobuf *reader, struct protobuf_field *ret_field);
double protobuf_double(const struct protobuf_field *field); /* Of PROTOBUF_FIXED64. */
/* The next of packed fixed64 values. */
bool protobuf_packed64(struct protobuf *reader, uint64_t *ret_value);

#endif
