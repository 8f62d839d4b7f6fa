/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_METRICS_EXPOSITION_H
#define SOURCE_METRICS_EXPOSITION_H

/*
 * What an exporter answers to a scrape: the text format 0.0.4 of Prometheus, or OpenMetrics 1.0.
 * Pure. Comments, types, units and exemplars are passed over.
 */

#include "abi/error.h"
#include "base/arena.h"
#include "model/sample.h"

#define EXPOSITION_LINE_BYTES_MAX 65536
#define EXPOSITION_EXTRA_MAX 16 /* Labels of the target. */

struct exposition {
    struct text body;
    bool openmetrics;                 /* Times are seconds, the end is marked. */
    int64_t now_ms;                   /* Of samples that do not say their time. */
    const struct sample_label *extra; /* job, instance and further labels of the target. */
    size_t extra_count; /* A label of the body with the same name becomes "exported_NAME". */
};

/* By the Content-Type of the answer. */
bool exposition_is_openmetrics(const char *content_type);

/*
 * Hand every sample of the body to sink, in order, or none when anything is wrong with it.
 *
 * NSH_INVALID  the text names line and column
 */
int exposition_read(const struct exposition *exposition, const struct sample_sink *sink,
                    size_t *ret_samples, struct nsh_error *err);

#endif
