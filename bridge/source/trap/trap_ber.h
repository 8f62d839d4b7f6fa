/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_BER_H
#define SOURCE_TRAP_TRAP_BER_H

/* Writing BER from the end to the front: what is inside comes first, its header after it. For
 * answers only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ber {
    uint8_t *bytes;
    size_t room;
    size_t count; /* Bytes written, standing at the end of room. */
    bool failed;  /* No room; what was written is worthless. */
};

static inline uint8_t *ber_at(const struct ber *ber)
{
    return ber->bytes + (ber->room - ber->count);
}

void ber_put_bytes(struct ber *ber, const void *bytes, size_t count);
void ber_put_header(struct ber *ber, uint8_t type, size_t count);
void ber_put_octets(struct ber *ber, const void *bytes, size_t count);
void ber_put_unsigned(struct ber *ber, uint8_t type, uint32_t value);

/* A header for everything written since count was `mark`. */
void ber_wrap(struct ber *ber, uint8_t type, size_t mark);

#endif
