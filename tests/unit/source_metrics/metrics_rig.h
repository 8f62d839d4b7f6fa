/* SPDX-License-Identifier: Apache-2.0 */
#ifndef METRICS_RIG_H
#define METRICS_RIG_H

/* A sink that writes down what it is handed, and a writer of protocol buffers. */

#include "../unit.h"

#include "abi/error.h"
#include "base/arena.h"
#include "model/sample.h"

#include <string.h>

static inline void note_labels(void *arg, const struct sample_label *labels, size_t count)
{
    struct textbuf *out = arg;
    textbuf_add_chars(out, out->count == 0 ? "" : "; ");
    for (size_t i = 0; i < count; i++) {
        textbuf_addf(out, "%s%.*s=%.*s", i == 0 ? "" : ",", (int)labels[i].name.count,
                     labels[i].name.at, (int)labels[i].value.count, labels[i].value.at);
    }
}

static inline void note_value(void *arg, int64_t at_ms, double value)
{
    if (sample_is_stale(value)) {
        textbuf_addf(arg, " stale@%lld", (long long)at_ms);
    } else {
        textbuf_addf(arg, " %g@%lld", value, (long long)at_ms);
    }
}

struct message {
    uint8_t bytes[8192];
    size_t count;
};

static inline void message_varint(struct message *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        out->bytes[out->count++] = (uint8_t)(value | 0x80);
    }
    out->bytes[out->count++] = (uint8_t)value;
}

static inline void message_bytes(struct message *out, unsigned field, const void *bytes,
                                 size_t count)
{
    message_varint(out, field << 3 | 2);
    message_varint(out, count);
    memcpy(out->bytes + out->count, bytes, count);
    out->count += count;
}

static inline void message_text(struct message *out, unsigned field, const char *text)
{
    message_bytes(out, field, text, strlen(text));
}

static inline void message_in(struct message *out, unsigned field, const struct message *part)
{
    message_bytes(out, field, part->bytes, part->count);
}

static inline void message_double(struct message *out, unsigned field, double value)
{
    message_varint(out, field << 3 | 1);
    memcpy(out->bytes + out->count, &value, sizeof value);
    out->count += sizeof value;
}

static inline void message_fixed64(struct message *out, unsigned field, uint64_t value)
{
    message_varint(out, field << 3 | 1);
    memcpy(out->bytes + out->count, &value, sizeof value);
    out->count += sizeof value;
}

static inline void message_number(struct message *out, unsigned field, uint64_t value)
{
    message_varint(out, field << 3);
    message_varint(out, value);
}

#endif
