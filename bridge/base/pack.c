/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian bytes; a writer past its room and a reader past its end set failed. */

#include "base/pack.h"

#include <math.h>

static void put(struct pack_writer *writer, const void *bytes, size_t count)
{
    if (writer->at != NULL) {
        if (writer->failed || count > writer->room - writer->count) {
            writer->failed = true;
            return;
        }
        if (count > 0) {
            memcpy(writer->at + writer->count, bytes, count);
        }
    }
    writer->count += count;
}

void pack_u8(struct pack_writer *writer, uint8_t value)
{
    if (writer->at != NULL && !writer->failed && writer->count < writer->room) {
        writer->at[writer->count++] = value; /* Most of all that is packed: without a call. */
        return;
    }
    put(writer, &value, 1);
}

void pack_u32(struct pack_writer *writer, uint32_t value)
{
    uint8_t bytes[4];
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    put(writer, bytes, sizeof bytes);
}

void pack_u64(struct pack_writer *writer, uint64_t value)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    put(writer, bytes, sizeof bytes);
}

void pack_varint(struct pack_writer *writer, uint64_t value)
{
    if (value <= 0x7f) {
        pack_u8(writer, (uint8_t)value);
        return;
    }
    uint8_t bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
    put(writer, bytes, count);
}

void pack_text(struct pack_writer *writer, struct text text)
{
    pack_varint(writer, text.count);
    put(writer, text.at, text.count);
}

static void pack_value_at(struct pack_writer *writer, const struct nsh_value *value, unsigned depth)
{
    uint64_t bits = 0;
    if (depth > NSH_VALUE_DEPTH_MAX) {
        writer->failed = true;
        return;
    }
    pack_u8(writer, (uint8_t)value->type);
    switch (value->type) {
    case NSH_NULL:
        break;
    case NSH_BOOL:
        pack_u8(writer, value->boolean);
        break;
    case NSH_INT:
        /* Zigzag: small negative numbers stay short. */
        pack_varint(writer,
                    ((uint64_t)value->integer << 1) ^ (value->integer < 0 ? UINT64_MAX : 0));
        break;
    case NSH_DOUBLE:
        memcpy(&bits, &value->real, sizeof bits);
        pack_u64(writer, bits);
        break;
    case NSH_STRING:
    case NSH_DURATION:
    case NSH_SECRET:
        pack_text(writer, (struct text){value->text, value->count});
        break;
    case NSH_LIST:
        pack_varint(writer, value->count);
        for (uint32_t i = 0; i < value->count; i++) {
            pack_value_at(writer, &value->items[i], depth + 1);
        }
        break;
    case NSH_MAP:
        pack_varint(writer, value->count);
        for (uint32_t i = 0; i < value->count; i++) {
            pack_text(writer, text_of(value->members[i].name));
            pack_value_at(writer, &value->members[i].value, depth + 1);
        }
        break;
    }
}

void pack_value(struct pack_writer *writer, const struct nsh_value *value)
{
    pack_value_at(writer, value, 0);
}

static const uint8_t *take(struct pack_reader *reader, size_t count)
{
    static const uint8_t zeros[16];
    if (reader->failed || count > reader->count - reader->offset) {
        reader->failed = true;
        return zeros;
    }
    const uint8_t *at = reader->at + reader->offset;
    reader->offset += count;
    return at;
}

uint8_t unpack_u8(struct pack_reader *reader)
{
    return take(reader, 1)[0];
}

uint32_t unpack_u32(struct pack_reader *reader)
{
    const uint8_t *at = take(reader, 4);
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        value |= (uint32_t)at[i] << (8 * i);
    }
    return value;
}

uint64_t unpack_u64(struct pack_reader *reader)
{
    const uint8_t *at = take(reader, 8);
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

uint64_t unpack_varint(struct pack_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take(reader, 1)[0];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    reader->failed = true;
    return 0;
}

struct text unpack_text(struct pack_reader *reader)
{
    uint64_t count = unpack_varint(reader);
    if (reader->failed || count > reader->count - reader->offset) {
        reader->failed = true;
        return (struct text){"", 0};
    }
    struct text text = {(const char *)reader->at + reader->offset, (uint32_t)count};
    reader->offset += count;
    return text;
}

static int unpack_value_at(struct pack_reader *reader, struct arena *arena, struct nsh_value *value,
                           unsigned depth, struct nsh_error *err);

static int unpack_children(struct pack_reader *reader, struct arena *arena, struct nsh_value *value,
                           unsigned depth, struct nsh_error *err)
{
    uint64_t count = unpack_varint(reader);
    /* Every child takes a byte at least: a count beyond the bytes left is a lie. */
    if (reader->failed || count > reader->count - reader->offset) {
        return nsh_fail(err, NSH_CORRUPT, "packed value: %llu children do not fit",
                        (unsigned long long)count);
    }
    struct nsh_member *members =
        value->type == NSH_MAP ? arena_array(arena, count, sizeof *members) : NULL;
    struct nsh_value *items =
        value->type == NSH_LIST ? arena_array(arena, count, sizeof *items) : NULL;
    if (members == NULL && items == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (uint64_t i = 0; i < count; i++) {
        if (members != NULL) {
            struct text name = unpack_text(reader);
            if (!text_is_utf8(name.at, name.count)) {
                return nsh_fail(err, NSH_CORRUPT, "packed value: a name is no UTF-8");
            }
            members[i].name = arena_copy(arena, name.at, name.count);
            if (members[i].name == NULL) {
                return nsh_fail(err, NSH_NOMEM, "out of memory");
            }
        }
        int result = unpack_value_at(reader, arena, members != NULL ? &members[i].value : &items[i],
                                     depth + 1, err);
        if (result < 0) {
            return result;
        }
    }
    value->count = (uint32_t)count;
    if (members != NULL) {
        value->members = members;
    } else {
        value->items = items;
    }
    return 0;
}

static int unpack_value_at(struct pack_reader *reader, struct arena *arena, struct nsh_value *value,
                           unsigned depth, struct nsh_error *err)
{
    uint8_t type = unpack_u8(reader);
    if (reader->failed || type > NSH_MAP || depth > NSH_VALUE_DEPTH_MAX) {
        return nsh_fail(err, NSH_CORRUPT, "packed value: type %u at depth %u", type, depth);
    }
    *value = (struct nsh_value){.type = (enum nsh_type)type};
    uint64_t bits = 0;
    struct text text;
    switch (value->type) {
    case NSH_BOOL:
        value->boolean = unpack_u8(reader) != 0;
        break;
    case NSH_INT:
        bits = unpack_varint(reader);
        value->integer = (int64_t)((bits >> 1) ^ (0 - (bits & 1)));
        break;
    case NSH_DOUBLE:
        bits = unpack_u64(reader);
        memcpy(&value->real, &bits, sizeof bits);
        if (!isfinite(value->real)) {
            return nsh_fail(err, NSH_CORRUPT, "packed value: a number is not finite");
        }
        break;
    case NSH_STRING:
        text = unpack_text(reader);
        if (!text_is_utf8(text.at, text.count)) {
            return nsh_fail(err, NSH_CORRUPT, "packed value: a text is no UTF-8");
        }
        value->count = text.count;
        value->text = arena_copy(arena, text.at, text.count);
        if (value->text == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
        break;
    case NSH_LIST:
    case NSH_MAP:
        return unpack_children(reader, arena, value, depth, err);
    case NSH_NULL:
    case NSH_DURATION:
    case NSH_SECRET:
        break;
    }
    return reader->failed ? nsh_fail(err, NSH_CORRUPT, "packed value: ends too early") : 0;
}

int unpack_value(struct pack_reader *reader, struct arena *arena, struct nsh_value *ret_value,
                 struct nsh_error *err)
{
    struct nsh_value value;
    int result = unpack_value_at(reader, arena, &value, 0, err);
    if (result == 0) {
        *ret_value = value;
    }
    return result;
}
