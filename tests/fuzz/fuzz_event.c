/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: model
/* Any bytes as a packed event: refused, or packed again as the same bytes. Texts that begin with
 * '{' as CloudEvents, too. */

#include "base/assert.h"
#include "base/json.h"
#include "model/event.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

/* A CloudEvent: refused with a reason, or packed, unpacked, printed and read again as the same. */
static void cloud_event(const char *bytes, size_t bytes_count)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    struct nsh_error err = {0};
    struct nsh_value value;
    struct event event, again;
    if (json_parse(bytes, bytes_count, &arena, &value, &err) < 0 ||
        event_from_value(&value, &arena, &event, &err) < 0) {
        NSH_ASSERT(err.code != NSH_OK && err.text[0] != 0);
        return;
    }
    size_t wanted = event_packed_bytes(&event);
    uint8_t *packed = arena_alloc(&arena, wanted);
    NSH_ASSERT(wanted <= EVENT_PACKED_BYTES_MAX && packed != NULL);
    NSH_ASSERT(event_pack(&event, packed, wanted) == wanted);
    NSH_ASSERT(event_unpack(packed, wanted, &again, NULL) == (long)wanted);
    event_to_json(&again, &json);
    NSH_ASSERT(json_parse(json.at, json.count, &arena, &value, &err) == 0);
    NSH_ASSERT(event_from_value(&value, &arena, &again, &err) == 0);
    NSH_ASSERT(text_equal(event.id, again.id) && text_equal(event.data, again.data));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    struct event event, again;
    if (bytes_count > 0 && bytes[0] == '{') {
        cloud_event((const char *)bytes, bytes_count);
    }
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
