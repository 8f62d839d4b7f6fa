/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_METRICS_METRICS_LABELS_H
#define SOURCE_METRICS_METRICS_LABELS_H

#include "abi/error.h"
#include "model/sample.h"

/* Names and values in their bounds, UTF-8, no name twice, a metric's name among them. number: of
 * the series, for the message. NSH_INVALID. */
int metrics_labels_check(const struct sample_label *labels, size_t count, size_t number,
                         struct nsh_error *err);

#endif
