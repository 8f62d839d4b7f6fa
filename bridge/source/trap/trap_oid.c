/* SPDX-License-Identifier: Apache-2.0 */
/* Object identifiers as words, and the hashes of tables: on the hot path, hence without printf. */

#include "trap.h"

size_t trap_oid_write(struct trap_oid oid, char *chars, size_t room)
{
    size_t used = 0;
    for (uint32_t i = 0; i < oid.count; i++) {
        char digits[10];
        size_t count = 0;
        uint32_t arc = oid.arcs[i];
        do {
            digits[count++] = (char)('0' + arc % 10);
            arc /= 10;
        } while (arc != 0);
        if (used + count + 1 > room) {
            return 0;
        }
        if (i > 0) {
            chars[used++] = '.';
        }
        while (count > 0) {
            chars[used++] = digits[--count];
        }
    }
    return used;
}

int trap_oid_read(const char *chars, uint32_t arcs[TRAP_OID_ARCS_MAX], uint32_t *ret_count)
{
    uint32_t count = 0;
    const char *at = chars[0] == '.' ? chars + 1 : chars;
    for (;;) {
        if (*at < '0' || *at > '9' || count == TRAP_OID_ARCS_MAX) {
            return -NSH_INVALID;
        }
        uint64_t arc = 0;
        while (*at >= '0' && *at <= '9') {
            arc = arc * 10 + (uint64_t)(*at++ - '0');
            if (arc > UINT32_MAX) {
                return -NSH_INVALID;
            }
        }
        arcs[count++] = (uint32_t)arc;
        if (*at == '\0') {
            break;
        }
        if (*at++ != '.') {
            return -NSH_INVALID;
        }
    }
    if (count < 2) {
        return -NSH_INVALID;
    }
    *ret_count = count;
    return 0;
}

bool trap_oid_equal(struct trap_oid a, struct trap_oid b)
{
    return a.count == b.count &&
           (a.count == 0 || memcmp(a.arcs, b.arcs, a.count * sizeof *a.arcs) == 0);
}

bool trap_varbind_equal(const struct trap_varbind *a, const struct trap_varbind *b)
{
    if (a->type != b->type || !trap_oid_equal(a->oid, b->oid)) {
        return false;
    }
    switch (a->type) {
    case TRAP_OCTETS:
    case TRAP_OPAQUE:
    case TRAP_IPADDRESS:
        return text_equal(a->octets, b->octets);
    case TRAP_OID:
        return trap_oid_equal(a->objid, b->objid);
    case TRAP_NULL:
        return true;
    case TRAP_INTEGER:
    case TRAP_UNSIGNED:
    case TRAP_COUNTER32:
    case TRAP_COUNTER64:
    case TRAP_TIMETICKS:
    case TRAP_UINT64:
    case TRAP_INT64:
    case TRAP_REAL: /* Bit by bit, as all numbers. */
        break;
    }
    return a->natural == b->natural;
}

bool trap_oid_starts(struct trap_oid oid, struct trap_oid prefix)
{
    return oid.count >= prefix.count &&
           memcmp(oid.arcs, prefix.arcs, prefix.count * sizeof *prefix.arcs) == 0;
}

uint64_t trap_hash_arcs(uint64_t hash, const uint32_t *arcs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ arcs[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash;
}

uint64_t trap_hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    uint64_t word;
    for (; count >= sizeof word; count -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    word = count;
    for (size_t i = 0; i < count; i++) {
        word = word << 8 | at[i];
    }
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}
