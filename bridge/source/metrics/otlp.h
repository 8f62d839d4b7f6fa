/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_METRICS_OTLP_H
#define SOURCE_METRICS_OTLP_H

/*
 * OTLP/HTTP metrics (ExportMetricsServiceRequest), as protocol buffers or as JSON. Pure.
 *
 * Names and attributes stay as they are sent (dots and all). Of a resource the attributes that say
 * where it is become labels: host.name, host.id, k8s.node.name, service.name as job,
 * service.instance.id as instance; others change with every start of a process and would make new
 * series. A histogram gives NAME_count, NAME_sum, NAME_min, NAME_max and NAME_bucket with le, as
 * Prometheus has it; a summary its quantiles; an exponential histogram count, sum, min, max.
 */

#include "abi/error.h"
#include "base/arena.h"
#include "model/sample.h"

#define OTLP_BYTES_MAX (16u << 20) /* Of a body, uncompressed. */
#define OTLP_BUCKETS_MAX 1024      /* Of one histogram. */

/*
 * Hand every value of the request to sink, or none when anything is wrong with it.
 *
 * NSH_INVALID, NSH_NOMEM
 */
int otlp_read_protobuf(struct text request, struct arena *arena, const struct sample_sink *sink,
                       struct nsh_error *err);
int otlp_read_json(struct text request, struct arena *arena, const struct sample_sink *sink,
                   struct nsh_error *err);

#endif
