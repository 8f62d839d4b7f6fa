/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: series source_metrics
/*
 * What a sample costs on its whole way, and a series in memory: bodies of remote-write as
 * Prometheus sends them (a sample each of 2,000 series with nine labels) are unpacked, read and
 * looked at by a signal, over 100,000 series in turn. One line of JSON.
 *
 *     metricsrate [SERIES [ROUNDS]]
 */

#include "series/series.h"
#include "source/metrics/exposition.h"
#include "source/metrics/remote_write.h"

#include <malloc.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EACH 2000 /* Series of one body. */
#define BODY_BYTES (4u << 20)
#define START_MS INT64_C(1772409600000)
#define STEP_MS INT64_C(300000)

static const char *const signal_texts[] = {
    "signals: ( { name = \"s\"; metric = \"node_hwmon_temp_celsius\"; raise = { above = 90.0; }; "
    "clear = { below = 80.0; }; event = \"e\"; } );",
    "signals: ( { name = \"s\"; metric = \"node_hwmon_temp_celsius\"; window = \"5m\"; baseline = "
    "{ "
    "}; event = \"e\"; } );",
    "signals: ( );"};
static const char *const signal_names[] = {"level", "baseline", "unwatched"};

/* Of this process: others may be busy. */
static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static size_t varint(char *out, uint64_t value)
{
    size_t count = 0;
    for (; value >= 0x80; value >>= 7) {
        out[count++] = (char)(value | 0x80);
    }
    out[count++] = (char)value;
    return count;
}

static size_t part(char *out, unsigned field, const char *bytes, size_t count)
{
    size_t used = varint(out, field << 3 | 2);
    used += varint(out + used, count);
    memcpy(out + used, bytes, count);
    return used + count;
}

static size_t label(char *out, const char *name, const char *value)
{
    char pair[512];
    size_t used = part(pair, 1, name, strlen(name));
    used += part(pair + used, 2, value, strlen(value));
    return part(out, 1, pair, used);
}

static size_t series(char *out, unsigned number, int64_t at_ms, double value)
{
    char bytes[4096], sample[32], host[32], sensor[32];
    snprintf(host, sizeof host, "r%uh%02u.ams1:9100", number / 800, number / 20 % 40);
    snprintf(sensor, sizeof sensor, "temp%u", number % 20);
    size_t used = label(bytes, "__name__", "node_hwmon_temp_celsius");
    used += label(bytes + used, "chip", "platform_coretemp_0");
    used += label(bytes + used, "cluster", "ams1-prod");
    used += label(bytes + used, "env", "production");
    used += label(bytes + used, "instance", host);
    used += label(bytes + used, "job", "node-exporter");
    used += label(bytes + used, "prometheus", "monitoring/k8s");
    used += label(bytes + used, "sensor", sensor);
    used += label(bytes + used, "site", "ams1");
    size_t count = varint(sample, 1 << 3 | 1);
    memcpy(sample + count, &value, 8);
    count += 8;
    count += varint(sample + count, 2 << 3);
    count += varint(sample + count, (uint64_t)at_ms);
    used += part(bytes + used, 2, sample, count);
    return part(out, 1, bytes, used);
}

static size_t body(unsigned first, unsigned round, char *plain, char *packed)
{
    size_t used = 0, count = BODY_BYTES;
    for (unsigned i = first; i < first + EACH; i++) {
        double value = 40 + (i * 7919u + round * 104729u) % 1000 / 100.0;
        used += series(plain + used, i, START_MS + round * STEP_MS, value);
    }
    return snappy_compress(plain, used, packed, &count) == SNAPPY_OK ? count : 0;
}

/* Nanoseconds a sample, from the second round on: the first makes the series. */
static double run(const char *text, unsigned count, unsigned rounds, size_t *ret_bytes)
{
    CLEANUP(arena_donep) struct arena conf = ARENA_INIT, scratch = ARENA_INIT;
    struct diags diags = {0};
    struct conf *root = conf_read_text("bench", text, &conf, &diags);
    struct signals signals = signals_read(conf_get(root, "signals"), &conf, &diags);
    char *plain = malloc(BODY_BYTES), *packed = malloc(BODY_BYTES);
    if (plain == NULL || packed == NULL) {
        exit(1);
    }
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct series *table = series_new(&(struct series_options){count, 86400000});
    double spent_ns = 0;
    series_signals(table, &signals);
    for (unsigned round = 0; round <= rounds; round++) {
        series_now(table, START_MS + round * STEP_MS);
        for (unsigned first = 0; first + EACH <= count; first += EACH) {
            size_t bytes = body(first, round, plain, packed);
            const struct sample_sink sink = series_sink(table);
            double from_ns = now_ns();
            if (remote_write_decode(packed, bytes, &scratch, &sink, NULL) < 0) {
                exit(1);
            }
            spent_ns += round == 0 ? 0 : now_ns() - from_ns;
            arena_reset(&scratch);
        }
    }
    arena_done(&scratch);
    *ret_bytes = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / count;
    struct series_counters counters;
    series_count(table, &counters);
    if (counters.values != (uint64_t)(rounds + 1) * count || counters.late + counters.refused > 0) {
        fprintf(stderr, "not all samples were taken\n");
        exit(1);
    }
    series_free(table);
    free(plain);
    free(packed);
    diags_done(&diags);
    return spent_ns / ((double)rounds * count);
}

static double run_exposition(unsigned count)
{
    struct textbuf text = {0};
    size_t samples = 0;
    static const struct signals none;
    const struct sample_label extra[] = {{TEXT("job"), TEXT("node")},
                                         {TEXT("instance"), TEXT("h:1")}};
    for (unsigned i = 0; i < count; i++) {
        textbuf_addf(&text,
                     "node_hwmon_temp_celsius{chip=\"platform_coretemp_0\",sensor=\"temp%u\"} "
                     "%u.5\n",
                     i, i % 90);
    }
    struct series *table = series_new(&(struct series_options){1000, 86400000});
    series_signals(table, &none);
    series_now(table, START_MS);
    const struct sample_sink sink = series_sink(table);
    const struct exposition exposition = {.body = {text.at, (uint32_t)text.count},
                                          .now_ms = START_MS,
                                          .extra = extra,
                                          .extra_count = 2};
    double from_ns = now_ns();
    if (exposition_read(&exposition, &sink, &samples, NULL) < 0 || samples != count) {
        exit(1);
    }
    double spent_ns = now_ns() - from_ns;
    series_free(table);
    textbuf_done(&text);
    return spent_ns / count;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    for (size_t i = 0; i < 3; i++) {
        size_t bytes = 0;
        double ns = run(signal_texts[i], count, rounds, &bytes);
        printf("%s\"%s_ns\":%.1f,\"%s_bytes\":%zu", i == 0 ? "{" : ",", signal_names[i], ns,
               signal_names[i], bytes);
    }
    printf(",\"exposition_ns\":%.1f,\"state_bytes\":%d}\n", run_exposition(count),
           SERIES_STATE_BYTES_MAX);
    return 0;
}
