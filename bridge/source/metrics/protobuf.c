/* SPDX-License-Identifier: Apache-2.0 */
#include "protobuf.h"

#define VARINT_BYTES_MAX 10

struct protobuf protobuf_of(struct text bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    return (struct protobuf){at, at + bytes.count, false};
}

static uint64_t varint_long(struct protobuf *reader)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && reader->at < reader->end; i++) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i); /* The tenth byte's upper bits fall out. */
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    reader->failed = true;
    return 0;
}

/* Nearly all are one byte long: tags, lengths of labels. */
static inline uint64_t varint(struct protobuf *reader)
{
    return reader->at < reader->end && *reader->at < 0x80 ? *reader->at++ : varint_long(reader);
}

static uint64_t fixed(struct protobuf *reader, unsigned bytes)
{
    uint64_t value = 0;
    if ((size_t)(reader->end - reader->at) < bytes) {
        reader->failed = true;
        return 0;
    }
    const uint8_t *at = reader->at;
    for (unsigned i = 0; i < bytes; i++) { /* One load where the machine has them in this order. */
        value |= (uint64_t)at[i] << (8 * i);
    }
    reader->at += bytes;
    return value;
}

static struct text run(struct protobuf *reader)
{
    uint64_t count = varint(reader);
    if (reader->failed || count > (uint64_t)(reader->end - reader->at)) {
        reader->failed = true;
        return (struct text){"", 0};
    }
    struct text bytes = {(const char *)reader->at, (uint32_t)count};
    reader->at += count;
    return bytes;
}

bool protobuf_next(struct protobuf *reader, struct protobuf_field *ret_field)
{
    if (reader->failed || reader->at == reader->end) {
        return false;
    }
    uint64_t tag = varint(reader);
    *ret_field = (struct protobuf_field){.number = (uint32_t)(tag >> 3), .bytes = {"", 0}};
    reader->failed = reader->failed || tag >> 3 == 0 || tag >> 3 > 0x1fffffff;
    switch (tag & 7) {
    case PROTOBUF_VARINT:
        ret_field->wire = PROTOBUF_VARINT;
        ret_field->value = varint(reader);
        break;
    case PROTOBUF_FIXED64:
        ret_field->wire = PROTOBUF_FIXED64;
        ret_field->value = fixed(reader, 8);
        break;
    case PROTOBUF_BYTES:
        ret_field->wire = PROTOBUF_BYTES;
        ret_field->bytes = run(reader);
        break;
    case PROTOBUF_FIXED32:
        ret_field->wire = PROTOBUF_FIXED32;
        ret_field->value = fixed(reader, 4);
        break;
    default:
        reader->failed = true;
        break;
    }
    return !reader->failed;
}

double protobuf_double(const struct protobuf_field *field)
{
    double value;
    memcpy(&value, &field->value, sizeof value);
    return value;
}

bool protobuf_packed64(struct protobuf *reader, uint64_t *ret_value)
{
    if (reader->failed || reader->at == reader->end) {
        return false;
    }
    *ret_value = fixed(reader, 8);
    return !reader->failed;
}
