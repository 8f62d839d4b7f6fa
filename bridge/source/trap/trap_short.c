/* SPDX-License-Identifier: Apache-2.0 */
#include "trap_short.h"

#define TAG_INTEGER 0x02
#define TAG_OCTETS 0x04
#define TAG_OID 0x06
#define TAG_SEQUENCE 0x30
#define TAG_IPADDRESS 0x40
#define TAG_COUNTER32 0x41
#define TAG_GAUGE32 0x42
#define TAG_TIMETICKS 0x43
#define LONG_FORM 0x80
#define ARC_BYTES_MAX 4

/* The content of an identifier into arcs; the number of arcs, or 0. */
static uint32_t read_arcs(const uint8_t *at, size_t count, uint32_t *arcs, size_t room)
{
    if (count == 0 || at[0] >= 80 || room < count + 1 || count >= TRAP_OID_ARCS_MAX) {
        return 0;
    }
    const uint8_t *end = at + count;
    uint32_t used = 2;
    arcs[0] = *at / 40;
    arcs[1] = *at++ % 40;
    while (at < end) {
        uint32_t arc = *at & 0x7f;
        const uint8_t *first = at;
        if (*at == 0x80) {
            return 0; /* Padded. */
        }
        while ((*at++ & 0x80) != 0) {
            if (at == end || at - first == ARC_BYTES_MAX) {
                return 0;
            }
            arc = arc << 7 | (*at & 0x7f);
        }
        arcs[used++] = arc;
    }
    return used;
}

static bool read_oid(struct trap *trap, const uint8_t *at, size_t count, struct trap_oid *ret_oid)
{
    uint32_t *arcs = trap->arcs + trap->arcs_count;
    uint32_t used = read_arcs(at, count, arcs, TRAP_ARCS_MAX - trap->arcs_count);
    trap->arcs_count += used;
    *ret_oid = (struct trap_oid){used, arcs};
    return used > 0;
}

/* Big-endian, 1..4 bytes, the first bit is the sign. */
static bool read_number(const uint8_t *at, size_t count, int64_t *ret_number)
{
    if (count == 0 || count > 4) {
        return false;
    }
    uint64_t number = (at[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < count; i++) {
        number = number << 8 | at[i];
    }
    *ret_number = (int64_t)number;
    return true;
}

static bool read_value(struct trap *trap, const uint8_t *at, struct trap_varbind *varbind)
{
    const uint8_t *content = at + 2;
    size_t count = at[1];
    int64_t number = 0;
    switch (at[0]) {
    case TAG_OCTETS:
    case TAG_IPADDRESS:
        varbind->type = at[0] == TAG_OCTETS ? TRAP_OCTETS : TRAP_IPADDRESS;
        varbind->octets = (struct text){(const char *)content, (uint32_t)count};
        return at[0] == TAG_OCTETS || count == 4;
    case TAG_INTEGER:
        varbind->type = TRAP_INTEGER;
        return read_number(content, count, &varbind->integer);
    case TAG_COUNTER32:
    case TAG_GAUGE32:
    case TAG_TIMETICKS:
        varbind->type = at[0] == TAG_COUNTER32 ? TRAP_COUNTER32
                        : at[0] == TAG_GAUGE32 ? TRAP_UNSIGNED
                                               : TRAP_TIMETICKS;
        if (!read_number(content, count, &number) || number < 0) {
            return false;
        }
        varbind->natural = (uint64_t)number;
        return true;
    case TAG_OID:
        varbind->type = TRAP_OID;
        return read_oid(trap, content, count, &varbind->objid);
    default:
        return false;
    }
}

size_t trap_short_varbind(struct trap *trap, const uint8_t *bytes, size_t bytes_count,
                          struct trap_varbind *ret_varbind)
{
    size_t before = trap->arcs_count;
    if (bytes_count < 6 || bytes[0] != TAG_SEQUENCE || bytes[1] >= LONG_FORM ||
        (size_t)bytes[1] + 2 > bytes_count || bytes[2] != TAG_OID || bytes[3] >= LONG_FORM) {
        return 0;
    }
    size_t whole = (size_t)bytes[1] + 2;
    size_t value = (size_t)bytes[3] + 4;
    /* The value fills the rest, exactly. */
    if (value + 2 > whole || bytes[value + 1] >= LONG_FORM ||
        value + 2 + bytes[value + 1] != whole) {
        return 0;
    }
    if (!read_oid(trap, bytes + 4, bytes[3], &ret_varbind->oid) ||
        !read_value(trap, bytes + value, ret_varbind)) {
        trap->arcs_count = before;
        return 0;
    }
    return whole;
}
