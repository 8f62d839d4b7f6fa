/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_point.h"

#include "metrics_labels.h"

#include <math.h>

#define NS_PER_MS 1000000u

/* Where a resource is, and under which name. */
static const struct {
    const char *attribute, *label;
} places[] = {{"host.name", "host.name"},
              {"host.id", "host.id"},
              {"k8s.node.name", "k8s.node.name"},
              {"service.name", "job"},
              {"service.instance.id", "instance"}};

void otlp_resource_begin(struct otlp *otlp)
{
    otlp->resource_count = 0;
}

void otlp_resource_label(struct otlp *otlp, struct text key, struct text value)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (text_is(key, places[i].attribute) && otlp->resource_count < OTLP_RESOURCE_LABELS_MAX) {
            otlp->resource[otlp->resource_count++] =
                (struct sample_label){text_of(places[i].label), value};
        }
    }
}

void otlp_point_begin(struct otlp *otlp)
{
    otlp->count = 0;
    otlp->labels[otlp->count++] = (struct sample_label){TEXT(SAMPLE_METRIC), otlp->metric};
    otlp->points++;
}

int otlp_point_label(struct otlp *otlp, struct text key, struct text value)
{
    if (otlp->count == SAMPLE_LABELS_MAX) {
        return nsh_fail(otlp->err, NSH_INVALID, "data point %zu: more than %d attributes",
                        otlp->points, SAMPLE_LABELS_MAX - 1);
    }
    otlp->labels[otlp->count++] = (struct sample_label){key, value};
    return 0;
}

/* What the resource says, unless the point says it itself. */
static void add_resource(struct otlp *otlp)
{
    size_t own = otlp->count;
    for (size_t r = 0; r < otlp->resource_count; r++) {
        bool said = false;
        for (size_t i = 0; i < own; i++) {
            said = said || text_equal(otlp->labels[i].name, otlp->resource[r].name);
        }
        if (!said) {
            otlp->labels[otlp->count++] = otlp->resource[r];
        }
    }
}

static double ended(void)
{
    uint64_t bits = SAMPLE_STALE_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* One value under the metric's name and suffix; with one more label unless its name is NULL. */
static int emit(struct otlp *otlp, const struct otlp_point *point, const char *suffix,
                const char *label, struct text label_value, double value)
{
    size_t count = otlp->count;
    struct text metric = otlp->metric;
    if (suffix[0] != '\0') {
        const char *name =
            arena_printf(otlp->arena, "%.*s%s", (int)metric.count, metric.at, suffix);
        if (name == NULL) {
            return nsh_fail(otlp->err, NSH_NOMEM, "out of memory");
        }
        otlp->labels[0].value = text_of(name);
    }
    if (label != NULL) {
        otlp->labels[count++] = (struct sample_label){text_of(label), label_value};
    }
    int result = 0;
    if (otlp->sink == NULL) {
        result = metrics_labels_check(otlp->labels, count, otlp->points, otlp->err);
    } else {
        otlp->sink->labels(otlp->sink->arg, otlp->labels, count);
        otlp->sink->value(otlp->sink->arg, (int64_t)(point->time_ns / NS_PER_MS),
                          point->nothing ? ended() : value);
    }
    otlp->labels[0].value = metric;
    return result;
}

int otlp_point_number(struct otlp *otlp, const struct otlp_point *point)
{
    add_resource(otlp);
    return emit(otlp, point, "", NULL, (struct text){"", 0}, point->value);
}

static int emit_buckets(struct otlp *otlp, const struct otlp_point *point)
{
    double sum = 0;
    int result = 0;
    if (point->buckets_count != 0 && point->buckets_count != point->bounds_count + 1) {
        return nsh_fail(otlp->err, NSH_INVALID, "data point %zu: %zu buckets do not fit %zu bounds",
                        otlp->points, point->buckets_count, point->bounds_count);
    }
    for (size_t i = 0; result == 0 && i < point->buckets_count; i++) {
        sum += (double)point->buckets[i];
        struct text le =
            i < point->bounds_count ? otlp_number_text(otlp, point->bounds[i]) : TEXT("+Inf");
        result = le.at == NULL ? nsh_fail(otlp->err, NSH_NOMEM, "out of memory")
                               : emit(otlp, point, "_bucket", "le", le, sum);
    }
    return result;
}

int otlp_point_histogram(struct otlp *otlp, const struct otlp_point *point)
{
    const struct text none = {"", 0};
    add_resource(otlp);
    int result = emit(otlp, point, "_count", NULL, none, point->value);
    if (result == 0 && point->has_sum) {
        result = emit(otlp, point, "_sum", NULL, none, point->sum);
    }
    if (result == 0 && point->has_min) {
        result = emit(otlp, point, "_min", NULL, none, point->min);
    }
    if (result == 0 && point->has_max) {
        result = emit(otlp, point, "_max", NULL, none, point->max);
    }
    return result < 0 ? result : emit_buckets(otlp, point);
}

int otlp_point_quantile(struct otlp *otlp, const struct otlp_point *point, double quantile)
{
    struct text text = otlp_number_text(otlp, quantile);
    return text.at == NULL ? nsh_fail(otlp->err, NSH_NOMEM, "out of memory")
                           : emit(otlp, point, "", "quantile", text, point->value);
}

static struct text text_or_none(const char *chars)
{
    return (struct text){chars, chars == NULL ? 0 : (uint32_t)strlen(chars)};
}

struct text otlp_number_text(struct otlp *otlp, double number)
{
    return text_or_none(arena_printf(otlp->arena, "%.12g", number));
}

struct text otlp_integer_text(struct otlp *otlp, int64_t number)
{
    return text_or_none(arena_printf(otlp->arena, "%lld", (long long)number));
}
