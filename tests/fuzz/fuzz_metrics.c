/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_metrics series
/*
 * A body of samples in any of its forms, by the first byte: r remote-write (R: without Snappy), t
 * text, o OpenMetrics, p OTLP, j its JSON, z gzip. Refused with a reason and nothing handed over,
 * or labels in their bounds; a table takes whatever came, tells its turns, and is saved and loaded.
 */

#include "base/assert.h"
#include "series/series.h"
#include "source/metrics/exposition.h"
#include "source/metrics/gzip.h"
#include "source/metrics/otlp.h"
#include "source/metrics/remote_write.h"

#include <stdlib.h>

#define GZIP_BYTES_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

struct taken {
    struct series *table;
    size_t series;
};

static void take_labels(void *arg, const struct sample_label *labels, size_t count)
{
    struct taken *taken = arg;
    taken->series++;
    NSH_ASSERT(count > 0);
    for (size_t i = 0; i < count; i++) {
        NSH_ASSERT(labels[i].name.count > 0 && labels[i].name.count <= SAMPLE_NAME_BYTES_MAX);
        NSH_ASSERT(text_is_utf8(labels[i].value.at, labels[i].value.count));
    }
    series_labels(taken->table, labels, count);
}

static void take_value(void *arg, int64_t at_ms, double value)
{
    NSH_ASSERT(((struct taken *)arg)->series > 0);
    series_value(((struct taken *)arg)->table, at_ms, value);
}

static int read_text(struct text body, bool openmetrics, const struct sample_sink *sink,
                     struct nsh_error *err)
{
    size_t samples = 0;
    const struct sample_label extra[] = {{TEXT("job"), TEXT("fuzz")}};
    const struct exposition exposition = {
        .body = body, .openmetrics = openmetrics, .now_ms = 1000, .extra = extra, .extra_count = 1};
    return exposition_read(&exposition, sink, &samples, err);
}

static int read_any(char form, struct text body, struct arena *arena,
                    const struct sample_sink *sink, struct nsh_error *err)
{
    struct text plain;
    switch (form) {
    case 'r':
        return remote_write_decode(body.at, body.count, arena, sink, err);
    case 'R':
        return remote_write_read(body, sink, err);
    case 't':
    case 'o':
        return read_text(body, form == 'o', sink, err);
    case 'p':
        return otlp_read_protobuf(body, arena, sink, err);
    case 'j':
        return otlp_read_json(body, arena, sink, err);
    default:
        return gzip_read(body.at, body.count, GZIP_BYTES_MAX, arena, &plain, err);
    }
}

/* Told, saved, loaded. */
static void finish(struct series *table, const struct signals *signals)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(freep) uint8_t *bytes = malloc(SERIES_SLICE_BYTES_MAX);
    struct series_turns turns;
    size_t cursor = 0;
    NSH_ASSERT(bytes != NULL && series_turns(table, &arena, &turns));
    if (turns.count > 0) {
        series_told(table, &turns, true);
    }
    struct series *again = series_new(&(struct series_options){64, 1000});
    series_signals(again, signals);
    struct pack_writer writer = {.at = bytes, .room = SERIES_SLICE_BYTES_MAX};
    while (series_save(table, &cursor, &writer)) {
        struct pack_reader reader = {.at = bytes, .count = writer.count};
        NSH_ASSERT(!writer.failed && series_load(again, &reader) == 0);
        writer.count = 0;
    }
    series_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    static const char text[] = "signals: ( { name = \"a\"; metric = \"*\"; raise = { above = 1.0; "
                               "}; clear = { below = 0.5; "
                               "}; event = \"e\"; }, { name = \"b\"; metric = \"a*\"; window = "
                               "\"1s\"; baseline = { learn = "
                               "\"0s\"; }; event = \"e\"; }, { name = \"c\"; metric = \"*\"; "
                               "window = \"1s\"; forecast = { "
                               "reaches = 9.0; needs = \"0s\"; }; event = \"e\"; } );";
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct nsh_error err = {0};
    if (bytes_count == 0) {
        return 0;
    }
    struct conf *root = conf_read_text("fuzz", text, &arena, &diags);
    struct signals signals = signals_read(conf_get(root, "signals"), &arena, &diags);
    NSH_ASSERT(diags.errors_count == 0);
    struct taken taken = {series_new(&(struct series_options){64, 1000}), 0};
    series_now(taken.table, INT64_C(1) << 42);
    series_signals(taken.table, &signals);
    const struct sample_sink sink = {take_labels, take_value, &taken};
    const struct text body = {(const char *)bytes + 1, (uint32_t)bytes_count - 1};
    if (read_any((char)bytes[0], body, &arena, &sink, &err) < 0) {
        NSH_ASSERT(err.code != NSH_OK && err.text[0] != '\0');
        NSH_ASSERT(taken.series == 0 || err.code == NSH_NOMEM);
    }
    finish(taken.table, &signals);
    series_free(taken.table);
    diags_done(&diags);
    return 0;
}
