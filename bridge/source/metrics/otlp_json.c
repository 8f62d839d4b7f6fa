/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP as JSON: the same messages, names in camelCase, 64-bit integers as texts. */

#include "otlp.h"

#include "base/json.h"
#include "otlp_point.h"

#include <math.h>
#include <stdlib.h>

enum kind { NUMBER, HISTOGRAM, EXPONENTIAL, SUMMARY };

static const struct {
    const char *name;
    enum kind kind;
} data[] = {{"gauge", NUMBER},
            {"sum", NUMBER},
            {"histogram", HISTOGRAM},
            {"exponentialHistogram", EXPONENTIAL},
            {"summary", SUMMARY}};

static int wrong(struct otlp *otlp, const char *what)
{
    return nsh_fail(otlp->err, NSH_INVALID, "data point %zu: %s", otlp->points, what);
}

/* The items of a list member; none when it is not there. */
static const struct nsh_value *items(const struct nsh_value *map, const char *name,
                                     size_t *ret_count)
{
    const struct nsh_value *list = nsh_get(map, name);
    *ret_count = list != NULL && list->type == NSH_LIST ? list->count : 0;
    return *ret_count == 0 ? NULL : list->items;
}

/* A number, or a text that is one. */
static bool number(const struct nsh_value *value, double *ret_number)
{
    char *end = NULL;
    if (value == NULL) {
        return false;
    }
    switch (value->type) {
    case NSH_INT:
        *ret_number = (double)value->integer;
        return true;
    case NSH_DOUBLE:
        *ret_number = value->real;
        return true;
    case NSH_STRING: /* Also "NaN" and "Infinity". */
        *ret_number = strtod(value->text, &end);
        return end != value->text && *end == '\0';
    case NSH_NULL:
    case NSH_BOOL:
    case NSH_LIST:
    case NSH_MAP:
    case NSH_DURATION:
    case NSH_SECRET:
    default:
        return false;
    }
}

static struct text value_text(struct otlp *otlp, const struct nsh_value *any)
{
    const struct nsh_value *value =
        any != NULL && any->type == NSH_MAP && any->count == 1 ? &any->members[0].value : NULL;
    double real = 0;
    if (value == NULL || value->type == NSH_MAP || value->type == NSH_LIST) {
        return (struct text){NULL, 0};
    }
    if (value->type == NSH_STRING) {
        return (struct text){value->text, value->count};
    }
    if (value->type == NSH_BOOL) {
        return value->boolean ? TEXT("true") : TEXT("false");
    }
    if (value->type == NSH_INT) {
        return otlp_integer_text(otlp, value->integer);
    }
    return number(value, &real) ? otlp_number_text(otlp, real) : (struct text){NULL, 0};
}

static int read_attributes(struct otlp *otlp, const struct nsh_value *map, bool resource)
{
    size_t count = 0;
    int result = 0;
    const struct nsh_value *list = items(map, "attributes", &count);
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct text key = text_of(nsh_get_text(&list[i], "key", ""));
        struct text value = value_text(otlp, nsh_get(&list[i], "value"));
        if (value.at == NULL) {
            continue;
        }
        if (resource) {
            otlp_resource_label(otlp, key, value);
        } else {
            result = otlp_point_label(otlp, key, value);
        }
    }
    return result;
}

static int read_buckets(struct otlp *otlp, const struct nsh_value *map, struct otlp_point *point)
{
    size_t bounds_count = 0, buckets_count = 0;
    const struct nsh_value *bounds_list = items(map, "explicitBounds", &bounds_count);
    const struct nsh_value *buckets_list = items(map, "bucketCounts", &buckets_count);
    if (bounds_count > OTLP_BUCKETS_MAX || buckets_count > OTLP_BUCKETS_MAX) {
        return wrong(otlp, "too many buckets");
    }
    double *bounds = arena_array(otlp->arena, bounds_count + 1, sizeof *bounds);
    uint64_t *buckets = arena_array(otlp->arena, buckets_count + 1, sizeof *buckets);
    bool good = bounds != NULL && buckets != NULL;
    for (size_t i = 0; good && i < bounds_count; i++) {
        good = number(&bounds_list[i], &bounds[i]);
    }
    for (size_t i = 0; good && i < buckets_count; i++) {
        double count = 0;
        good = number(&buckets_list[i], &count) && count >= 0 && count < 1e19;
        buckets[i] = good ? (uint64_t)count : 0;
    }
    point->bounds = bounds;
    point->buckets = buckets;
    point->bounds_count = bounds_count;
    point->buckets_count = buckets_count;
    return good ? 0 : wrong(otlp, "a bucket that is no number");
}

static int read_time(struct otlp *otlp, const struct nsh_value *map, struct otlp_point *point)
{
    const struct nsh_value *time = nsh_get(map, "timeUnixNano");
    point->nothing = (nsh_get_int(map, "flags", 0) & 1) != 0;
    if (time != NULL && time->type == NSH_STRING) {
        char *end = NULL;
        point->time_ns = strtoull(time->text, &end, 10);
        if (end == time->text || *end != '\0' || time->text[0] == '-') {
            return wrong(otlp, "timeUnixNano is no number");
        }
    } else if (time != NULL && time->type == NSH_INT && time->integer >= 0) {
        point->time_ns = (uint64_t)time->integer;
    } else {
        return wrong(otlp, "no timeUnixNano");
    }
    return 0;
}

static int read_number(struct otlp *otlp, const struct nsh_value *map, struct otlp_point *point)
{
    bool good = number(nsh_get(map, "asDouble"), &point->value) ||
                number(nsh_get(map, "asInt"), &point->value) || point->nothing;
    return good ? otlp_point_number(otlp, point) : wrong(otlp, "neither asDouble nor asInt");
}

static int read_quantiles(struct otlp *otlp, const struct nsh_value *map, struct otlp_point *point)
{
    size_t count = 0;
    int result = 0;
    const struct nsh_value *list = items(map, "quantileValues", &count);
    for (size_t i = 0; result == 0 && i < count; i++) {
        double quantile = 0;
        bool good = number(nsh_get(&list[i], "quantile"), &quantile) &&
                    number(nsh_get(&list[i], "value"), &point->value);
        result = good ? otlp_point_quantile(otlp, point, quantile)
                      : wrong(otlp, "a quantile that is no number");
    }
    return result;
}

static int read_point(struct otlp *otlp, const struct nsh_value *map, enum kind kind)
{
    struct otlp_point point = {0};
    otlp_point_begin(otlp);
    int result = read_attributes(otlp, map, false);
    result = result == 0 ? read_time(otlp, map, &point) : result;
    if (result < 0 || kind == NUMBER) {
        return result < 0 ? result : read_number(otlp, map, &point);
    }
    if (!number(nsh_get(map, "count"), &point.value)) {
        return wrong(otlp, "no count");
    }
    point.has_sum = number(nsh_get(map, "sum"), &point.sum);
    point.has_min = number(nsh_get(map, "min"), &point.min);
    point.has_max = number(nsh_get(map, "max"), &point.max);
    result = kind == HISTOGRAM ? read_buckets(otlp, map, &point) : 0;
    result = result == 0 ? otlp_point_histogram(otlp, &point) : result;
    return result == 0 && kind == SUMMARY ? read_quantiles(otlp, map, &point) : result;
}

static int read_metric(struct otlp *otlp, const struct nsh_value *metric)
{
    int result = 0;
    otlp->metric = text_of(nsh_get_text(metric, "name", ""));
    for (size_t d = 0; result == 0 && d < sizeof data / sizeof data[0]; d++) {
        size_t count = 0;
        const struct nsh_value *points = items(nsh_get(metric, data[d].name), "dataPoints", &count);
        for (size_t i = 0; result == 0 && i < count; i++) {
            result = read_point(otlp, &points[i], data[d].kind);
        }
    }
    return result;
}

static int read_scopes(struct otlp *otlp, const struct nsh_value *resource)
{
    size_t scopes_count = 0;
    int result = 0;
    const struct nsh_value *scopes = items(resource, "scopeMetrics", &scopes_count);
    for (size_t s = 0; result == 0 && s < scopes_count; s++) {
        size_t count = 0;
        const struct nsh_value *metrics = items(&scopes[s], "metrics", &count);
        for (size_t i = 0; result == 0 && i < count; i++) {
            result = read_metric(otlp, &metrics[i]);
        }
    }
    return result;
}

static int read_request(struct otlp *otlp, const struct nsh_value *request)
{
    size_t count = 0;
    int result = 0;
    const struct nsh_value *resources = items(request, "resourceMetrics", &count);
    for (size_t i = 0; result == 0 && i < count; i++) {
        otlp_resource_begin(otlp);
        const struct nsh_value *resource = nsh_get(&resources[i], "resource");
        result = resource == NULL ? 0 : read_attributes(otlp, resource, true);
        result = result == 0 ? read_scopes(otlp, &resources[i]) : result;
    }
    return result;
}

int otlp_read_json(struct text request, struct arena *arena, const struct sample_sink *sink,
                   struct nsh_error *err)
{
    struct nsh_value value;
    int result = json_parse(request.at, request.count, arena, &value, err);
    if (result == 0 && value.type != NSH_MAP) {
        result = nsh_fail(err, NSH_INVALID, "the body is no JSON object");
    }
    struct otlp look = {.err = err, .arena = arena};
    result = result == 0 ? read_request(&look, &value) : result;
    if (result < 0) {
        return result;
    }
    struct otlp take = {.err = err, .arena = arena, .sink = sink};
    return read_request(&take, &value);
}
