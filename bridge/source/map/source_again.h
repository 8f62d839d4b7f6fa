/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_MAP_SOURCE_AGAIN_H
#define SOURCE_MAP_SOURCE_AGAIN_H

/* When something that failed here (a read of our own store) is tried again: after a pause that
 * doubles. Zeroed: at once. */

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_AGAIN_MS_MIN 1000
#define SOURCE_AGAIN_MS_MAX 60000

struct source_again {
    int64_t at_ms; /* Not before; by the clock of who asks. */
    int64_t wait_ms;
};

static inline bool source_again_due(const struct source_again *again, int64_t now_ms)
{
    return now_ms >= again->at_ms;
}

/* It was tried. */
static inline void source_again_tried(struct source_again *again, bool well, int64_t now_ms)
{
    int64_t wait_ms = again->wait_ms == 0 ? SOURCE_AGAIN_MS_MIN : 2 * again->wait_ms;
    wait_ms = wait_ms > SOURCE_AGAIN_MS_MAX ? SOURCE_AGAIN_MS_MAX : wait_ms;
    again->wait_ms = well ? 0 : wait_ms;
    again->at_ms = now_ms + again->wait_ms;
}

#endif
