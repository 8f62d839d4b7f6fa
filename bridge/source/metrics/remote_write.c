/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes: the first finds what is wrong, the second hands over. So a request is taken whole or
 * not at all, and the sender's repeat means the same as its first try.
 */

#include "remote_write.h"

#include "metrics_labels.h"
#include "protobuf.h"

#include <snappy-c.h>

/* prometheus/prompb: WriteRequest, TimeSeries, Label, Sample. */
enum { REQUEST_SERIES = 1 };
enum { SERIES_LABEL = 1, SERIES_SAMPLE = 2 };
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { SAMPLE_VALUE = 1, SAMPLE_TIME = 2 };

struct pass {
    const struct sample_sink *sink; /* NULL: only look. */
    struct nsh_error *err;
    size_t series; /* Number of the one that is read, for messages. */
    struct sample_label labels[SAMPLE_LABELS_MAX];
};

static int damaged(const struct pass *pass)
{
    return nsh_fail(pass->err, NSH_INVALID, "series %zu: no WriteRequest of remote-write 1.0",
                    pass->series);
}

static int read_label(struct pass *pass, struct text bytes, struct sample_label *ret_label)
{
    struct protobuf reader = protobuf_of(bytes);
    struct protobuf_field field;
    *ret_label = (struct sample_label){{"", 0}, {"", 0}};
    while (protobuf_next(&reader, &field)) {
        if (field.wire == PROTOBUF_BYTES && field.number == LABEL_NAME) {
            ret_label->name = field.bytes;
        } else if (field.wire == PROTOBUF_BYTES && field.number == LABEL_VALUE) {
            ret_label->value = field.bytes;
        }
    }
    return reader.failed ? damaged(pass) : 0;
}

static int read_sample(struct pass *pass, struct text bytes)
{
    struct protobuf reader = protobuf_of(bytes);
    struct protobuf_field field;
    double value = 0;
    int64_t at_ms = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.wire == PROTOBUF_FIXED64 && field.number == SAMPLE_VALUE) {
            value = protobuf_double(&field);
        } else if (field.wire == PROTOBUF_VARINT && field.number == SAMPLE_TIME) {
            at_ms = (int64_t)field.value;
        }
    }
    if (reader.failed) {
        return damaged(pass);
    }
    if (pass->sink != NULL) {
        pass->sink->value(pass->sink->arg, at_ms, value);
    }
    return 0;
}

/* The labels of a series: they may stand behind its samples. */
static int read_labels(struct pass *pass, struct text series, size_t *ret_count)
{
    struct protobuf reader = protobuf_of(series);
    struct protobuf_field field;
    size_t count = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.wire != PROTOBUF_BYTES || field.number != SERIES_LABEL) {
            continue;
        }
        if (count == SAMPLE_LABELS_MAX) {
            return nsh_fail(pass->err, NSH_INVALID, "series %zu: more than %d labels", pass->series,
                            SAMPLE_LABELS_MAX);
        }
        int result = read_label(pass, field.bytes, &pass->labels[count++]);
        if (result < 0) {
            return result;
        }
    }
    *ret_count = count;
    return reader.failed ? damaged(pass) : 0;
}

static int read_series(struct pass *pass, struct text series)
{
    size_t count = 0;
    int result = read_labels(pass, series, &count);
    if (result == 0 && pass->sink == NULL) {
        result = metrics_labels_check(pass->labels, count, pass->series, pass->err);
    } else if (result == 0) {
        pass->sink->labels(pass->sink->arg, pass->labels, count);
    }
    struct protobuf reader = protobuf_of(series);
    struct protobuf_field field;
    while (result == 0 && protobuf_next(&reader, &field)) {
        if (field.wire == PROTOBUF_BYTES && field.number == SERIES_SAMPLE) {
            result = read_sample(pass, field.bytes);
        }
    }
    return result;
}

static int read_request(struct pass *pass, struct text request)
{
    struct protobuf reader = protobuf_of(request);
    struct protobuf_field field;
    int result = 0;
    while (result == 0 && protobuf_next(&reader, &field)) {
        if (field.wire == PROTOBUF_BYTES && field.number == REQUEST_SERIES) {
            result = read_series(pass, field.bytes);
            pass->series++;
        }
    }
    return result < 0 ? result : reader.failed ? damaged(pass) : 0;
}

int remote_write_read(struct text request, const struct sample_sink *sink, struct nsh_error *err)
{
    struct pass look = {.err = err};
    int result = read_request(&look, request);
    if (result < 0) {
        return result;
    }
    struct pass take = {.err = err, .sink = sink};
    return read_request(&take, request);
}

int remote_write_decode(const char *body, size_t body_bytes, struct arena *arena,
                        const struct sample_sink *sink, struct nsh_error *err)
{
    size_t bytes = 0;
    if (snappy_uncompressed_length(body, body_bytes, &bytes) != SNAPPY_OK) {
        return nsh_fail(err, NSH_INVALID, "the body is not compressed by Snappy (block format)");
    }
    if (bytes > REMOTE_WRITE_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%zu bytes uncompressed, at most %u are read", bytes,
                        REMOTE_WRITE_BYTES_MAX);
    }
    char *request = arena_alloc(arena, bytes + 1);
    if (request == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (snappy_uncompress(body, body_bytes, request, &bytes) != SNAPPY_OK) {
        return nsh_fail(err, NSH_INVALID, "the body is damaged: Snappy cannot read it");
    }
    return remote_write_read((struct text){request, (uint32_t)bytes}, sink, err);
}
