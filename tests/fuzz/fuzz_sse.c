/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_sse
/*
 * An event stream: any bytes, cut anywhere, held after any event. What comes in one piece and what
 * comes in two are the same events; bounds are kept.
 */

#include "source/sse/sse_decode.h"

#include <stdlib.h>

#define EVENT_BYTES 64

struct heard {
    uint64_t hash;
    size_t events;
    bool holds;
};

static void hear_text(struct heard *heard, struct text text)
{
    for (uint32_t i = 0; i < text.count; i++) {
        heard->hash = (heard->hash ^ (uint8_t)text.at[i]) * 1099511628211u;
    }
    heard->hash = heard->hash * 31 + text.count;
}

static bool hear(void *arg, const struct sse_event *event)
{
    struct heard *heard = arg;
    heard->events++;
    if (event->data.count > EVENT_BYTES || event->data.at[event->data.count] != '\0' ||
        event->id.at[event->id.count] != '\0' || (event->large && event->data.count > 0)) {
        abort();
    }
    hear_text(heard, event->type);
    hear_text(heard, event->data);
    hear_text(heard, event->id);
    heard->hash += event->large;
    return !heard->holds;
}

static void feed(struct sse_decoder *decoder, struct heard *heard, const char *bytes, size_t count)
{
    while (count > 0) {
        size_t taken = 0;
        if (sse_decode(decoder, bytes, count, hear, heard, &taken, NULL) < 0 || taken == 0 ||
            taken > count) {
            abort();
        }
        bytes += taken;
        count -= taken;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard whole = {0}, cut = {.holds = true};
    struct sse_decoder one, two;
    size_t at = size == 0 ? 0 : data[size - 1] % (size + 1);
    sse_decoder_init(&one, EVENT_BYTES);
    sse_decoder_init(&two, EVENT_BYTES);
    feed(&one, &whole, (const char *)data, size);
    feed(&two, &cut, (const char *)data, at);
    feed(&two, &cut, (const char *)data + at, size - at);
    if (whole.hash != cut.hash || whole.events != cut.events || one.retry_ms != two.retry_ms ||
        one.comments_count != two.comments_count) {
        abort();
    }
    sse_decoder_done(&one);
    sse_decoder_done(&two);
    return 0;
}
