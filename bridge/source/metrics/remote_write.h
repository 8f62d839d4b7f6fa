/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_METRICS_REMOTE_WRITE_H
#define SOURCE_METRICS_REMOTE_WRITE_H

/*
 * Prometheus remote-write 1.0: a body compressed by Snappy (block format) holds a WriteRequest.
 * Pure. Histograms in the native form, exemplars and metadata are passed over.
 */

#include "abi/error.h"
#include "base/arena.h"
#include "model/sample.h"

#define REMOTE_WRITE_BYTES_MAX (16u << 20) /* Of a body, uncompressed. */

/*
 * Hand every sample of body to sink, in order, or none when anything is wrong with it.
 *
 * NSH_INVALID  no Snappy, no WriteRequest, a series without a name or with too many labels
 * NSH_LIMIT    longer than REMOTE_WRITE_BYTES_MAX when uncompressed
 */
int remote_write_decode(const char *body, size_t body_bytes, struct arena *arena,
                        const struct sample_sink *sink, struct nsh_error *err);

/* The WriteRequest itself. */
int remote_write_read(struct text request, const struct sample_sink *sink, struct nsh_error *err);

#endif
