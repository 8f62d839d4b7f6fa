/* SPDX-License-Identifier: Apache-2.0 */
#include "signal_number.h"

#define LN2 0.69314718055994530942
#define HALVES_MAX 1000.0

double signal_half_to(double halves)
{
    if (halves >= HALVES_MAX) {
        return 0;
    }
    double result = 1;
    int whole = (int)halves;
    double z = (halves - whole) * LN2, term = 1, sum = 1;
    for (int i = 1; i <= 12 && term * term > 1e-36; i++) { /* e^-z, z < 0.7 */
        term *= -z / i;
        sum += term;
    }
    for (int i = 0; i < whole; i++) {
        result *= 0.5;
    }
    return result * sum;
}
