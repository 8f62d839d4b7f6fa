/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: signal
/*
 * What a value costs: many series in turn (so that each is cold in the caches, as at a site), in
 * rounds; one line of JSON with nanoseconds a value (median of the rounds) and bytes a series.
 *
 *     signalrate [--series N] [--rounds N]
 */

#include "signal/signal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW_MS 300000
#define START INT64_C(1772445600000)

/* A series remembers what its kind needs, and nothing beside it. */
struct states {
    struct signal_baseline *baselines;
    struct signal_level *levels;
    struct signal_forecast *forecasts;
    struct signal_decay decay;
};

static uint64_t chance = 88172645463325252u;

static double noise(void)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (double)(chance >> 11) / 9007199254740992.0;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum part { BASELINE, LEVEL, FORECAST, PARTS };

static double sink;

static void one(struct states *all, size_t i, enum part part, int64_t at_ms, double value)
{
    static const struct signal_level_rule rule = {
        .raise = 1.1, .clear = 0.9, .raise_for_ms = WINDOW_MS, .clear_for_ms = WINDOW_MS};
    struct signal_score score = {0};
    if (part == BASELINE) {
        (void)signal_baseline_put(&all->baselines[i], at_ms, value, &score);
        sink += score.news;
    } else if (part == LEVEL) {
        sink += (double)(int)signal_level_put(&all->levels[i], &rule, at_ms, value);
    } else {
        (void)signal_forecast_put(&all->forecasts[i], &all->decay, 259200000, at_ms, value);
    }
}

static double rounds_run(struct states *all, size_t count, unsigned rounds, enum part part)
{
    double *values = calloc(count, sizeof *values), *took = calloc(rounds, sizeof *took);
    if (values == NULL || took == NULL) {
        exit(1);
    }
    for (unsigned round = 0; round < rounds; round++) {
        int64_t at_ms = START + (int64_t)round * WINDOW_MS;
        for (size_t i = 0; i < count; i++) {
            values[i] = (double)(i % 97) + noise() * noise();
        }
        double begin = seconds();
        for (size_t i = 0; i < count; i++) {
            one(all, i, part, at_ms, values[i]);
        }
        took[round] = (seconds() - begin) * 1e9 / (double)count;
    }
    qsort(took, rounds, sizeof *took, by_value);
    double median = took[rounds / 2];
    free(values);
    free(took);
    return median;
}

int main(int argc, char **argv)
{
    size_t count = 100000;
    unsigned rounds = 300;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--series") == 0) {
            count = (size_t)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--rounds") == 0) {
            rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
        }
    }
    struct states all = {.baselines = calloc(count, sizeof *all.baselines),
                         .levels = calloc(count, sizeof *all.levels),
                         .forecasts = calloc(count, sizeof *all.forecasts)};
    if (all.baselines == NULL || all.levels == NULL || all.forecasts == NULL || count == 0 ||
        rounds == 0) {
        fprintf(stderr, "signalrate [--series N] [--rounds N]\n");
        return 2;
    }
    double ns[PARTS];
    for (int part = 0; part < PARTS; part++) {
        ns[part] = rounds_run(&all, count, rounds, (enum part)part);
    }
    printf("{\"series\":%zu,\"baseline_ns\":%.1f,\"level_ns\":%.1f,\"forecast_ns\":%.1f,\"baseline_"
           "bytes\":%zu,"
           "\"level_bytes\":%zu,\"forecast_bytes\":%zu,\"sink\":%.0f}\n",
           count, ns[BASELINE], ns[LEVEL], ns[FORECAST], sizeof(struct signal_baseline),
           sizeof(struct signal_level), sizeof(struct signal_forecast), sink);
    free(all.baselines);
    free(all.levels);
    free(all.forecasts);
    return 0;
}
