/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How rare a distance is for its series: the series' own past as a histogram of logarithmic slots,
 * which are the upper bits of a float (sign, exponent, two bits of the fraction). A rarity, unlike
 * a distance in deviations, means the same on every series, heavy tails or not.
 */

#include "signal_rarity.h"

#include "signal_number.h"

#include <string.h>

#define SLOT_BITS 21    /* Of the fraction, below the slot. */
#define TOTAL_MAX 60000 /* Then all are halved: slow change is followed. */
#define FIRST_SLOT 24   /* Where the first distance goes: room for larger ones. */
#define TAIL_DECADES (0.75 * 0.301029995663981195) /* For each slot beyond all that was seen. */

static int slot_of(const struct signal_rarity *rarity, float distance)
{
    return (int)(signal_float_bits(distance) >> SLOT_BITS) - rarity->base;
}

static double part_of_slot(float distance)
{
    uint32_t mask = (1u << SLOT_BITS) - 1;
    return (double)(signal_float_bits(distance) & mask) / (double)(mask + 1);
}

/*
 * How many lie in higher slots. All of them are added, masked: where the slot lies is chance, and
 * a loop that ends there costs more in wrong guesses than the whole row. Beyond the highest slot
 * all are 0.
 */
static uint32_t counts_above(const struct signal_rarity *rarity, int slot)
{
    static const uint16_t masks[2 * SIGNAL_RARITY_SLOTS] = {
        [SIGNAL_RARITY_SLOTS... 2 * SIGNAL_RARITY_SLOTS - 1] = UINT16_MAX};
    const uint16_t *mask = masks + SIGNAL_RARITY_SLOTS - 1 - slot;
    uint64_t above = 0; /* Four sums; no carry, since all counts together fit into one. */
    for (int i = 0; i < SIGNAL_RARITY_SLOTS; i += 4) {
        uint64_t four, kept;
        memcpy(&four, rarity->counts + i, sizeof four);
        memcpy(&kept, mask + i, sizeof kept);
        above += four & kept;
    }
    above += above >> 32;
    above += above >> 16;
    return (uint32_t)(above & UINT16_MAX);
}

/* slot: not below 0; part: of the slot, below the distance. */
static double decades_of(const struct signal_rarity *rarity, int slot, double part)
{
    double all = (double)rarity->total + 1;
    if (rarity->top >= 0 && slot > rarity->top) {
        return TAIL_DECADES * (slot - rarity->top) - signal_log10(0.25 / all);
    }
    if (slot >=
        SIGNAL_RARITY_SLOTS) { /* Only zeros were seen so far: nothing says how far is far. */
        slot = SIGNAL_RARITY_SLOTS - 1;
    }
    double rarer = (double)counts_above(rarity, slot) + rarity->counts[slot] * (1 - part) + 0.25;
    double decades = -signal_log10(rarer / all);
    return decades > 0 ? decades : 0;
}

static void count_up(struct signal_rarity *rarity, int slot, uint32_t times)
{
    while (times > 0) {
        uint32_t room = TOTAL_MAX + 1u - rarity->total;
        uint32_t now = times < room ? times : room;
        rarity->counts[slot] = (uint16_t)(rarity->counts[slot] + now);
        rarity->total = (uint16_t)(rarity->total + now);
        times -= now;
        if (rarity->total <= TOTAL_MAX) {
            return;
        }
        rarity->total = 0;
        rarity->top = rarity->top < 0 ? -1 : 0;
        for (int i = 0; i < SIGNAL_RARITY_SLOTS; i++) {
            rarity->counts[i] /= 2;
            rarity->total = (uint16_t)(rarity->total + rarity->counts[i]);
            if (rarity->top >= 0 && rarity->counts[i] > 0) {
                rarity->top = (int8_t)i;
            }
        }
    }
}

/* A distance above the highest slot: the base goes up, and what falls below it counts in slot 0. */
static void base_up(struct signal_rarity *rarity, int by)
{
    uint32_t low = 0;
    for (int i = 0; i < SIGNAL_RARITY_SLOTS && i <= by; i++) {
        low += rarity->counts[i];
    }
    if (by < SIGNAL_RARITY_SLOTS) {
        size_t kept = (size_t)(SIGNAL_RARITY_SLOTS - by);
        memmove(rarity->counts, rarity->counts + by, kept * sizeof rarity->counts[0]);
        memset(rarity->counts + kept, 0, (size_t)by * sizeof rarity->counts[0]);
    } else {
        memset(rarity->counts, 0, sizeof rarity->counts);
    }
    rarity->counts[0] = (uint16_t)low;
    rarity->base = (int16_t)(rarity->base + by);
    rarity->top = (int8_t)(rarity->top > by ? rarity->top - by : 0);
}

void signal_rarity_put_zeros(struct signal_rarity *rarity, uint32_t times)
{
    rarity->top = rarity->total == 0 ? -1 : rarity->top;
    count_up(rarity, 0, times);
}

double signal_rarity_put(struct signal_rarity *rarity, float distance)
{
    if (!(distance > 0)) {
        signal_rarity_put_zeros(rarity, 1);
        return 0;
    }
    int slot = slot_of(rarity, distance);
    double decades = rarity->total == 0 ? 0
                     : slot < 0         ? decades_of(rarity, 0, 0)
                                        : decades_of(rarity, slot, part_of_slot(distance));
    if (rarity->total == 0 || rarity->top < 0) {
        rarity->base = (int16_t)((int)(signal_float_bits(distance) >> SLOT_BITS) - FIRST_SLOT);
        rarity->top = FIRST_SLOT;
        slot = FIRST_SLOT;
    }
    if (slot >= SIGNAL_RARITY_SLOTS) {
        base_up(rarity, slot - (SIGNAL_RARITY_SLOTS - 1));
        slot = SIGNAL_RARITY_SLOTS - 1;
    }
    slot = slot < 0 ? 0 : slot;
    rarity->top = (int8_t)(slot > rarity->top ? slot : rarity->top);
    count_up(rarity, slot, 1);
    return decades;
}

double signal_rarity_radius(const struct signal_rarity *rarity, double one_in)
{
    double wanted = (double)rarity->total / one_in, above = 0;
    for (int i = (int)rarity->top; i > 0; i--) {
        above += rarity->counts[i];
        if (above > wanted) {
            uint32_t bits = (uint32_t)(rarity->base + i + 1) << SLOT_BITS; /* Its upper end. */
            float radius;
            memcpy(&radius, &bits, sizeof radius);
            return (double)radius;
        }
    }
    return 0;
}
