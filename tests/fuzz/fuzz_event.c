/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: model
/* Any bytes as a packed event: refused, or packed again as the same bytes. */

#include "base/assert.h"
#include "model/event.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    struct event event, again;
    long used = event_unpack(bytes, bytes_count, &event, NULL);
    if (used < 0) {
        return 0;
    }
    size_t wanted = event_packed_bytes(&event);
    NSH_ASSERT(wanted == (size_t)used);
    uint8_t *packed = malloc(wanted);
    if (packed != NULL) {
        event_pack(&event, packed, wanted);
        NSH_ASSERT(event_unpack(packed, wanted, &again, NULL) == used);
        NSH_ASSERT(text_equal(event.message, again.message) && event.seq == again.seq);
    }
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    event_to_json(&event, &json);
    free(packed);
    return 0;
}
