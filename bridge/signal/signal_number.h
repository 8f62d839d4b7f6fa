/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNAL_SIGNAL_NUMBER_H
#define SIGNAL_SIGNAL_NUMBER_H

/* Logarithm and power that are the same to the bit everywhere; libm's are not. */

#include <stdint.h>
#include <string.h>

#define SIGNAL_SQRT_2 UINT64_C(0x3ff6a09e667f3bcd) /* The bits of 1.4142... */

double signal_half_to(double halves); /* 2^-halves, halves >= 0; within 1e-9. */

static inline uint32_t signal_float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/*
 * value > 0 and normal; within 1e-7. The exponent, and ln(1 + u) = u P(u) for what is left, P
 * through eight Chebyshev points of its interval.
 */
static inline double signal_log10(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    bits = (bits & 0xfffffffffffffu) | 0x3ff0000000000000u;
    int half = bits > SIGNAL_SQRT_2; /* No branch: half of them would be guessed wrong. */
    exponent += half;
    bits -= (uint64_t)half << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    double u = m - 1, q = u * u;
    double low = (0.9999999681180598 + -0.50000375056289725 * u) +
                 q * (0.33334606023453711 + -0.24968906958954931 * u);
    double high = (0.19913347882345095 + -0.17278206066373422 * u) +
                  q * (0.16126247906155117 + -0.098953507372492228 * u);
    double log2_of_e = 1 / 0.69314718055994530942;
    return (exponent + u * (low + q * q * high) * log2_of_e) * 0.30102999566398119521;
}

#endif
