/* SPDX-License-Identifier: Apache-2.0 */
#include "source/snmp/poll_oid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool poll_oid_read(const char *chars, struct poll_oid *ret_oid)
{
    struct poll_oid oid = {0};
    const char *at = chars[0] == '.' ? chars + 1 : chars;
    for (;;) {
        uint64_t arc = 0;
        if (*at < '0' || *at > '9' || oid.count == POLL_ARCS_MAX) {
            return false;
        }
        while (*at >= '0' && *at <= '9' && arc <= UINT32_MAX) {
            arc = arc * 10 + (uint64_t)(*at++ - '0');
        }
        if (arc > UINT32_MAX) {
            return false;
        }
        oid.arcs[oid.count++] = (uint32_t)arc;
        if (*at == '\0') {
            break;
        }
        if (*at++ != '.') {
            return false;
        }
    }
    if (oid.count < 2 || oid.arcs[0] > 2 || (oid.arcs[0] < 2 && oid.arcs[1] > 39)) {
        return false;
    }
    *ret_oid = oid;
    return true;
}

size_t poll_oid_write(const uint32_t *arcs, size_t arcs_count, char *chars, size_t room)
{
    size_t used = 0;
    chars[0] = '\0';
    for (size_t i = 0; i < arcs_count; i++) {
        int count = snprintf(chars + used, room - used, "%s%u", i == 0 ? "" : ".", arcs[i]);
        if (count < 0 || (size_t)count >= room - used) {
            chars[used] = '\0';
            break;
        }
        used += (size_t)count;
    }
    return used;
}

bool poll_oid_under(const struct poll_oid *oid, const struct poll_oid *prefix)
{
    return oid->count > prefix->count &&
           memcmp(oid->arcs, prefix->arcs, prefix->count * sizeof oid->arcs[0]) == 0;
}

int poll_oid_compare(const struct poll_oid *a, const struct poll_oid *b)
{
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        if (a->arcs[i] != b->arcs[i]) {
            return a->arcs[i] < b->arcs[i] ? -1 : 1;
        }
    }
    return a->count < b->count ? -1 : a->count > b->count;
}

size_t poll_oid_bytes(const struct poll_oid *oid)
{
    size_t bytes = 1; /* The first two arcs. */
    for (uint32_t i = 2; i < oid->count; i++) {
        for (uint32_t arc = oid->arcs[i]; arc > 0x7f; arc >>= 7) {
            bytes++;
        }
        bytes++;
    }
    return bytes;
}

bool poll_value_number(const struct poll_value *value, double *ret_number)
{
    char chars[64];
    char *end = NULL;
    switch (value->type) {
    case POLL_INTEGER:
        *ret_number = (double)value->integer;
        return true;
    case POLL_UNSIGNED:
    case POLL_COUNTER32:
    case POLL_COUNTER64:
        *ret_number = (double)value->natural;
        return true;
    case POLL_REAL:
        *ret_number = value->real;
        return true;
    case POLL_OCTETS:
        if (value->octets.count == 0 || value->octets.count >= sizeof chars) {
            return false;
        }
        memcpy(chars, value->octets.at, value->octets.count);
        chars[value->octets.count] = '\0';
        *ret_number = strtod(chars, &end);
        return end != chars && *end == '\0' && isfinite(*ret_number);
    case POLL_NOTHING:
    case POLL_OID:
        return false;
    }
    return false;
}
