/* SPDX-License-Identifier: Apache-2.0 */
#include "trap_ber.h"

#include <string.h>

void ber_put_bytes(struct ber *ber, const void *bytes, size_t count)
{
    if (ber->failed || count > ber->room - ber->count) {
        ber->failed = true;
        return;
    }
    ber->count += count;
    if (count > 0) {
        memcpy(ber_at(ber), bytes, count);
    }
}

void ber_put_header(struct ber *ber, uint8_t type, size_t count)
{
    uint8_t header[4];
    size_t used = 0;
    header[used++] = type;
    if (count < 0x80) {
        header[used++] = (uint8_t)count;
    } else if (count < 0x100) {
        header[used++] = 0x81;
        header[used++] = (uint8_t)count;
    } else if (count < 0x10000) {
        header[used++] = 0x82;
        header[used++] = (uint8_t)(count >> 8);
        header[used++] = (uint8_t)count;
    } else {
        ber->failed = true;
        return;
    }
    ber_put_bytes(ber, header, used);
}

void ber_put_octets(struct ber *ber, const void *bytes, size_t count)
{
    ber_put_bytes(ber, bytes, count);
    ber_put_header(ber, 0x04, count);
}

void ber_put_unsigned(struct ber *ber, uint8_t type, uint32_t value)
{
    size_t mark = ber->count;
    do {
        ber_put_bytes(ber, &(uint8_t){(uint8_t)value}, 1);
        value >>= 8;
    } while (value != 0);
    if (!ber->failed && (*ber_at(ber) & 0x80) != 0) {
        ber_put_bytes(ber, &(uint8_t){0}, 1);
    }
    ber_wrap(ber, type, mark);
}

void ber_wrap(struct ber *ber, uint8_t type, size_t mark)
{
    ber_put_header(ber, type, ber->count - mark);
}
