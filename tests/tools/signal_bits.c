/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: signal
/*
 * signal_bits: all that signals compute of 200,000 made values, as one hash of its bytes. The
 * same line whatever compiled it: tests/integration/signal_bits.sh.
 */

#include "signal/signal.h"

#include <stdio.h>
#include <string.h>

#define VALUES 200000
#define SERIES 16
#define WINDOW_MS 300000
#define START_MS INT64_C(1772409600000)

static uint64_t chance = 88172645463325252u, hash = UINT64_C(0xcbf29ce484222325);

static uint64_t next(void)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance;
}

static void mix(const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
}

static void mix_double(double value)
{
    mix(&value, sizeof value);
}

/* Daily patterns, spikes, counters, constants, the very large and the very small. */
static double made(unsigned series, unsigned row)
{
    double noise = (double)(next() >> 11) / 9007199254740992.0;
    switch (series % 8) {
    case 0:
        return 21.5;
    case 1:
        return (row / 288 % 7 < 5 && row % 288 > 96 ? 300 : 200) + 13 * noise;
    case 2:
        return noise > 0.999 ? 1e6 * noise : noise * noise;
    case 3:
        return row * 17.25 + noise;
    case 4:
        return 1e30 * (noise - 0.5);
    case 5:
        return 1e-30 * noise;
    case 6:
        return 0.3 + row * 1e-5 + noise / 100;
    default:
        return (double)(next() >> 60);
    }
}

struct state {
    struct signal_baseline baseline;
    struct signal_level level;
    struct signal_forecast forecast;
    struct signal_decay decay;
    struct signal_top top;
    struct signal_fold folds[SIGNAL_FOLDS_COUNT];
};

static void put(struct state *state, int64_t at_ms, double value)
{
    static const struct signal_level_rule rule = {.compare = SIGNAL_OUTSIDE,
                                                  .raise = 10,
                                                  .raise_low = 1,
                                                  .clear = 8,
                                                  .clear_low = 2,
                                                  .of_k = 2,
                                                  .of_n = 3};
    struct signal_score score;
    struct signal_line line;
    double low = 0, high = 0, early = 0, late = 0;
    if (signal_baseline_put(&state->baseline, at_ms, value, &score)) {
        mix_double(score.score);
        mix_double(score.news);
        mix_double(score.expected);
        mix_double(signal_score_unit(score.score));
    }
    if (signal_baseline_usual(&state->baseline, at_ms, &low, &high)) {
        mix_double(low);
        mix_double(high);
    }
    if (signal_forecast_put(&state->forecast, &state->decay, INT64_C(259200000), at_ms, value) &&
        signal_forecast_line(&state->forecast, INT64_C(259200000), &line)) {
        mix_double(line.value);
        mix_double(line.slope_low);
        if (signal_forecast_reaches(&line, 0.95, &early, &late)) {
            mix_double(early);
            mix_double(late);
        }
    }
    for (int kind = 0; kind < SIGNAL_FOLDS_COUNT; kind++) {
        struct signal_folded folded;
        state->folds[kind].top = kind == SIGNAL_P95 ? &state->top : NULL;
        if (signal_fold_put(&state->folds[kind], (enum signal_fold_kind)kind, 7 * WINDOW_MS, at_ms,
                            value, &folded) &&
            folded.closed) {
            mix_double(folded.value);
        }
    }
    enum signal_turn turn = signal_level_put(&state->level, &rule, at_ms, value);
    mix(&turn, sizeof turn);
}

int main(void)
{
    static struct state states[SERIES];
    uint8_t bytes[SIGNAL_BASELINE_BYTES];
    for (unsigned i = 0; i < VALUES; i++) {
        unsigned series = i % SERIES, row = i / SERIES;
        put(&states[series], START_MS + (int64_t)row * WINDOW_MS, made(series, row));
    }
    for (unsigned series = 0; series < SERIES; series++) {
        struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
        signal_baseline_save(&states[series].baseline, &writer);
        mix(bytes, writer.count);
    }
    printf("%016llx\n", (unsigned long long)hash);
    return 0;
}
