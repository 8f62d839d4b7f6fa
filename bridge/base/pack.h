/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PACK_H
#define BASE_PACK_H

/*
 * Packing: little-endian, length-prefixed bytes for pipes and the journal.
 * A reader that runs past the end sets failed and returns zeros from then on: check once, at the
 * end.
 */

#include "abi/error.h"
#include "base/arena.h"

struct pack_writer {
    uint8_t *at;
    size_t count, room; /* Writing past room sets failed. With at == NULL it only counts. */
    bool failed;
};

struct pack_reader {
    const uint8_t *at;
    size_t count, offset;
    bool failed;
};

void pack_u8(struct pack_writer *writer, uint8_t value);
void pack_u32(struct pack_writer *writer, uint32_t value);
void pack_u64(struct pack_writer *writer, uint64_t value);
void pack_varint(struct pack_writer *writer, uint64_t value); /* LEB128 */
void pack_text(struct pack_writer *writer, struct text text); /* varint count, bytes */
void pack_value(struct pack_writer *writer, const struct nsh_value *value);

uint8_t unpack_u8(struct pack_reader *reader);
uint32_t unpack_u32(struct pack_reader *reader);
uint64_t unpack_u64(struct pack_reader *reader);
uint64_t unpack_varint(struct pack_reader *reader);
struct text unpack_text(struct pack_reader *reader); /* Borrows from the reader. */

/* A packed value into arena (texts are copied, NUL-terminated). -NSH_CORRUPT, -NSH_NOMEM. */
int unpack_value(struct pack_reader *reader, struct arena *arena, struct nsh_value *ret_value,
                 struct nsh_error *err);

#endif
