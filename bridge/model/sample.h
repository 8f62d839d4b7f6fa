/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_SAMPLE_H
#define MODEL_SAMPLE_H

/*
 * A sample: a number of a metric at a time. Decoders hand samples over one series at a time: its
 * labels once, then its values.
 *
 * Labels are as Prometheus has them; the metric's name is the label "__name__". Texts are borrowed,
 * valid UTF-8, without NUL, and only good for the call.
 */

#include "base/text.h"

#define SAMPLE_LABELS_MAX 64
#define SAMPLE_NAME_BYTES_MAX 256
#define SAMPLE_VALUE_BYTES_MAX 1024
#define SAMPLE_METRIC "__name__"

struct sample_label {
    struct text name, value;
};

/* "This series has no value any more", as Prometheus writes it: one of the NaNs. */
#define SAMPLE_STALE_BITS UINT64_C(0x7ff0000000000002)

static inline bool sample_is_stale(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == SAMPLE_STALE_BITS;
}

struct sample_sink {
    void (*labels)(void *arg, const struct sample_label *labels, size_t count);
    void (*value)(void *arg, int64_t at_ms, double value); /* Of the last labels. Any double. */
    void *arg;
};

#endif
