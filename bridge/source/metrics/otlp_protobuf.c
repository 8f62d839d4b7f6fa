/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP as protocol buffers: opentelemetry/proto/metrics/v1/metrics.proto, by field numbers. */

#include "otlp.h"

#include "otlp_point.h"
#include "protobuf.h"

enum kind { NUMBER, HISTOGRAM, EXPONENTIAL, SUMMARY };

/* Metric: field of the data -> kind; and where the points have their attributes. */
static const struct {
    uint32_t field;
    enum kind kind;
    uint32_t attributes;
} data[] = {
    {5, NUMBER, 7}, {7, NUMBER, 7}, {9, HISTOGRAM, 9}, {10, EXPONENTIAL, 1}, {11, SUMMARY, 7}};

typedef int nested_fn(struct otlp *otlp, struct text bytes, size_t which);

static int damaged(struct otlp *otlp)
{
    return nsh_fail(otlp->err, NSH_INVALID,
                    "data point %zu: no ExportMetricsServiceRequest of OTLP", otlp->points);
}

/* fn for each message under that field. */
static int each(struct otlp *otlp, struct text bytes, uint32_t number, nested_fn *fn, size_t which)
{
    struct protobuf reader = protobuf_of(bytes);
    struct protobuf_field field;
    int result = 0;
    while (result == 0 && protobuf_next(&reader, &field)) {
        if (field.number == number && field.wire == PROTOBUF_BYTES) {
            result = fn(otlp, field.bytes, which);
        }
    }
    return result < 0 ? result : reader.failed ? damaged(otlp) : 0;
}

/* ---- attributes ---- */

/* AnyValue as a text; lists and maps are left out: .at NULL. */
static int read_value(struct otlp *otlp, struct text bytes, struct text *ret_text)
{
    struct protobuf reader = protobuf_of(bytes);
    struct protobuf_field field;
    *ret_text = (struct text){"", 0};
    while (protobuf_next(&reader, &field)) {
        switch (field.number) {
        case 1:
            *ret_text = field.bytes;
            break;
        case 2:
            *ret_text = field.value != 0 ? TEXT("true") : TEXT("false");
            break;
        case 3:
            *ret_text = otlp_integer_text(otlp, (int64_t)field.value);
            break;
        case 4:
            *ret_text = otlp_number_text(otlp, protobuf_double(&field));
            break;
        default:
            *ret_text = (struct text){NULL, 0};
            break;
        }
    }
    return reader.failed ? damaged(otlp) : 0;
}

/* KeyValue; which: 1 of a resource, 0 of a point. */
static int read_attribute(struct otlp *otlp, struct text bytes, size_t which)
{
    struct protobuf reader = protobuf_of(bytes);
    struct protobuf_field field;
    struct text key = {"", 0}, value = {"", 0};
    int result = 0;
    while (result == 0 && protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.wire == PROTOBUF_BYTES) {
            key = field.bytes;
        } else if (field.number == 2 && field.wire == PROTOBUF_BYTES) {
            result = read_value(otlp, field.bytes, &value);
        }
    }
    if (result < 0 || reader.failed) {
        return result < 0 ? result : damaged(otlp);
    }
    if (value.at == NULL) {
        return 0;
    }
    if (which == 1) {
        otlp_resource_label(otlp, key, value);
        return 0;
    }
    return otlp_point_label(otlp, key, value);
}

/* ---- points ---- */

static int read_packed(struct otlp *otlp, struct text bytes, uint64_t **ret_values,
                       size_t *ret_count)
{
    size_t count = bytes.count / 8;
    uint64_t *values = arena_array(otlp->arena, count + 1, sizeof *values);
    struct protobuf reader = protobuf_of(bytes);
    if (values == NULL) {
        return nsh_fail(otlp->err, NSH_NOMEM, "out of memory");
    }
    if (count > OTLP_BUCKETS_MAX || bytes.count % 8 != 0) {
        return damaged(otlp);
    }
    for (size_t i = 0; i < count; i++) {
        protobuf_packed64(&reader, &values[i]);
    }
    *ret_values = values;
    *ret_count = count;
    return 0;
}

static int read_bounds(struct otlp *otlp, struct text bytes, struct otlp_point *point)
{
    uint64_t *values = NULL;
    int result = read_packed(otlp, bytes, &values, &point->bounds_count);
    double *bounds = arena_array(otlp->arena, point->bounds_count + 1, sizeof *bounds);
    if (result < 0 || bounds == NULL) {
        return result < 0 ? result : nsh_fail(otlp->err, NSH_NOMEM, "out of memory");
    }
    memcpy(bounds, values, point->bounds_count * sizeof *bounds);
    point->bounds = bounds;
    return 0;
}

static int number_field(const struct protobuf_field *field, struct otlp_point *point)
{
    switch (field->number) {
    case 4:
        point->value = protobuf_double(field);
        break;
    case 6:
        point->value = (double)(int64_t)field->value;
        break;
    case 8:
        point->nothing = field->wire == PROTOBUF_VARINT && (field->value & 1) != 0;
        break;
    default:
        break;
    }
    return 0;
}

static void optional(const struct protobuf_field *field, bool *ret_has, double *ret_number)
{
    if (field->wire == PROTOBUF_FIXED64) {
        *ret_has = true;
        *ret_number = protobuf_double(field);
    }
}

/* HistogramDataPoint and ExponentialHistogramDataPoint share what is read, but for numbers. */
static int histogram_field(struct otlp *otlp, const struct protobuf_field *field, bool exponential,
                           struct otlp_point *point)
{
    uint32_t number = field->number;
    uint64_t *values = NULL;
    if (number == 4) {
        point->value = (double)field->value;
    } else if (number == 5) {
        optional(field, &point->has_sum, &point->sum);
    } else if (number == 10 && field->wire == PROTOBUF_VARINT) {
        point->nothing = (field->value & 1) != 0;
    } else if (number == (exponential ? 12u : 11u)) {
        optional(field, &point->has_min, &point->min);
    } else if (number == (exponential ? 13u : 12u)) {
        optional(field, &point->has_max, &point->max);
    } else if (!exponential && number == 6 && field->wire == PROTOBUF_BYTES) {
        int result = read_packed(otlp, field->bytes, &values, &point->buckets_count);
        point->buckets = values;
        return result;
    } else if (!exponential && number == 7 && field->wire == PROTOBUF_BYTES) {
        return read_bounds(otlp, field->bytes, point);
    }
    return 0;
}

static int read_quantile(struct otlp *otlp, struct text bytes, struct otlp_point *point)
{
    struct protobuf reader = protobuf_of(bytes);
    struct protobuf_field field;
    double quantile = 0;
    struct otlp_point of = *point;
    of.value = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1) {
            quantile = protobuf_double(&field);
        } else if (field.number == 2) {
            of.value = protobuf_double(&field);
        }
    }
    return reader.failed ? damaged(otlp) : otlp_point_quantile(otlp, &of, quantile);
}

static int read_quantiles(struct otlp *otlp, struct text bytes, struct otlp_point *point)
{
    struct protobuf reader = protobuf_of(bytes);
    struct protobuf_field field;
    int result = 0;
    while (result == 0 && protobuf_next(&reader, &field)) {
        if (field.number == 6 && field.wire == PROTOBUF_BYTES) {
            result = read_quantile(otlp, field.bytes, point);
        }
    }
    return result;
}

static int read_point(struct otlp *otlp, struct text bytes, size_t which)
{
    enum kind kind = data[which].kind;
    struct otlp_point point = {0};
    otlp_point_begin(otlp);
    int result = each(otlp, bytes, data[which].attributes, read_attribute, 0);
    struct protobuf reader = protobuf_of(bytes);
    struct protobuf_field field;
    while (result == 0 && protobuf_next(&reader, &field)) {
        if (field.number == 3 && field.wire == PROTOBUF_FIXED64) {
            point.time_ns = field.value;
        } else if (kind == NUMBER) {
            result = number_field(&field, &point);
        } else if (kind == SUMMARY && field.number == 8) {
            point.nothing = (field.value & 1) != 0;
        } else if (kind != SUMMARY || field.number < 6) {
            result = histogram_field(otlp, &field, kind == EXPONENTIAL, &point);
        }
    }
    if (result < 0) {
        return result;
    }
    if (kind == NUMBER) {
        return otlp_point_number(otlp, &point);
    }
    result = otlp_point_histogram(otlp, &point);
    return result == 0 && kind == SUMMARY ? read_quantiles(otlp, bytes, &point) : result;
}

/* ---- metrics ---- */

static int read_metric(struct otlp *otlp, struct text bytes, size_t which)
{
    struct protobuf reader = protobuf_of(bytes);
    struct protobuf_field field;
    int result = 0;
    otlp->metric = (struct text){"", 0};
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.wire == PROTOBUF_BYTES) {
            otlp->metric = field.bytes;
        }
    }
    reader = protobuf_of(bytes);
    while (result == 0 && protobuf_next(&reader, &field)) {
        for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) {
            if (field.number == data[i].field && field.wire == PROTOBUF_BYTES) {
                result = each(otlp, field.bytes, 1, read_point, i);
            }
        }
    }
    return result < 0 ? result : reader.failed ? damaged(otlp) : 0;
}

static int read_scope(struct otlp *otlp, struct text bytes, size_t which)
{
    return each(otlp, bytes, 2, read_metric, 0);
}

static int read_resource(struct otlp *otlp, struct text bytes, size_t which)
{
    return each(otlp, bytes, 1, read_attribute, 1);
}

static int read_resource_metrics(struct otlp *otlp, struct text bytes, size_t which)
{
    otlp_resource_begin(otlp);
    int result = each(otlp, bytes, 1, read_resource, 0);
    return result < 0 ? result : each(otlp, bytes, 2, read_scope, 0);
}

int otlp_read_protobuf(struct text request, struct arena *arena, const struct sample_sink *sink,
                       struct nsh_error *err)
{
    struct otlp look = {.err = err, .arena = arena};
    int result = each(&look, request, 1, read_resource_metrics, 0);
    if (result < 0) {
        return result;
    }
    struct otlp take = {.err = err, .arena = arena, .sink = sink};
    return each(&take, request, 1, read_resource_metrics, 0);
}
