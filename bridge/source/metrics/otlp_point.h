/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_METRICS_OTLP_POINT_H
#define SOURCE_METRICS_OTLP_POINT_H

/* What both forms of OTLP have in common: labels of a data point, and the values it gives. */

#include "abi/error.h"
#include "base/arena.h"
#include "model/sample.h"

#define OTLP_RESOURCE_LABELS_MAX 8
#define OTLP_NUMBER_BYTES 32

struct otlp {
    const struct sample_sink *sink; /* NULL: only look. */
    struct nsh_error *err;
    struct arena *arena;
    size_t points;
    struct sample_label resource[OTLP_RESOURCE_LABELS_MAX];
    size_t resource_count;
    struct text metric;
    /* The metric's name, attributes, resource, and room for le or quantile. */
    struct sample_label labels[SAMPLE_LABELS_MAX + OTLP_RESOURCE_LABELS_MAX + 2];
    size_t count;
};

/* A data point of any kind. */
struct otlp_point {
    uint64_t time_ns;
    bool nothing; /* "No recorded value": the series ended. */
    bool has_sum, has_min, has_max;
    double value, sum, min, max; /* value: also the count. */
    const double *bounds;
    const uint64_t *buckets; /* One more than bounds. */
    size_t bounds_count, buckets_count;
};

void otlp_resource_begin(struct otlp *otlp);
void otlp_resource_label(struct otlp *otlp, struct text key, struct text value);
/* Before the labels of each point. */
void otlp_point_begin(struct otlp *otlp);
int otlp_point_label(struct otlp *otlp, struct text key, struct text value);
int otlp_point_number(struct otlp *otlp, const struct otlp_point *point);
int otlp_point_histogram(struct otlp *otlp, const struct otlp_point *point);
int otlp_point_quantile(struct otlp *otlp, const struct otlp_point *point, double quantile);
/* Numbers as labels; in the arena. */
struct text otlp_number_text(struct otlp *otlp, double number);
struct text otlp_integer_text(struct otlp *otlp, int64_t number);

#endif
