/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value that 95 of 100 do not exceed (nearest rank): one of the largest of a window, which are
 * all that is kept. When there are too many, those of even rank stand for twice as many, and from
 * then on every second value is left: the same values give the same result, always.
 */

#include "signal_top.h"

#include "base/assert.h"

#include <string.h>

#define ONE_IN 20 /* Above the 95th of a hundred. */
#define COUNTED_MAX 320

_Static_assert(COUNTED_MAX / ONE_IN + 2 == SIGNAL_TOP_VALUES, "ranks, before and after halving");

static void halve(struct signal_top *top)
{
    for (uint8_t i = 0; i < top->kept / 2; i++) {
        top->at[i] = top->at[2 * i + 1];
    }
    top->kept /= 2;
    top->counted /= 2;
    top->halved++;
}

void signal_top_put(struct signal_top *top, double value)
{
    uint32_t number = top->seen++;
    if (top->halved > 0 && (number & ((UINT32_C(1) << (top->halved & 31)) - 1)) != 0) {
        return;
    }
    float narrow = (float)value;
    uint8_t at = top->kept;
    while (at > 0 && top->at[at - 1] < narrow) {
        at--;
    }
    if (at < SIGNAL_TOP_VALUES) {
        top->kept = (uint8_t)(top->kept + (top->kept < SIGNAL_TOP_VALUES));
        memmove(&top->at[at + 1], &top->at[at], (top->kept - at - 1u) * sizeof top->at[0]);
        top->at[at] = narrow;
    }
    if (++top->counted >= COUNTED_MAX) {
        halve(top);
    }
}

double signal_top_p95(const struct signal_top *top)
{
    NSH_ASSERT(top->kept > 0);
    uint32_t rank = top->counted / ONE_IN; /* From the top, 0 is the largest. */
    return (double)top->at[rank < top->kept ? rank : top->kept - 1u];
}
