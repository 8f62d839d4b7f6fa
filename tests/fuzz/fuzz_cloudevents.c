/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_cloudevents
/*
 * A request to the HTTP intake: lines "Name: value" until an empty one, then the body. Refused with
 * a reason, or events that unpack one by one and fill their bytes.
 */

#include "base/assert.h"
#include "source/cloudevents/cloudevents.h"

#include <stdlib.h>

#define FUZZ_HEADERS_MAX 80

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

/* Cut the next line off text; NULL: none. */
static char *line_take(char **text)
{
    char *line = *text, *end = strchr(line, '\n');
    if (end == NULL) {
        return NULL;
    }
    *end = 0;
    *text = end + 1;
    return line;
}

static void check(const struct cloudevents *events)
{
    size_t offset = 0;
    for (uint32_t i = 0; i < events->events_count; i++) {
        struct event event;
        long used =
            event_unpack(events->bytes + offset, events->bytes_count - offset, &event, NULL);
        NSH_ASSERT(used > 0 && event.received_ms == 5);
        NSH_ASSERT(text_is_utf8(event.message.at, event.message.count));
        NSH_ASSERT(text_is_utf8(event.hint.at, event.hint.count));
        offset += (size_t)used;
    }
    NSH_ASSERT(offset == events->bytes_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    char *copy = calloc(1, bytes_count + 1), *text = copy;
    struct cloudevents_header headers[FUZZ_HEADERS_MAX];
    struct cloudevents_message message = {.content_type = "", .headers = headers};
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, bytes, bytes_count);
    for (char *line; (line = line_take(&text)) != NULL && line[0] != 0;) {
        char *colon = strchr(line, ':');
        if (colon == NULL || message.headers_count == FUZZ_HEADERS_MAX) {
            continue;
        }
        *colon = 0;
        const char *value = colon + 1 + strspn(colon + 1, " ");
        if (strcmp(line, "Content-Type") == 0) {
            message.content_type = value;
        }
        headers[message.headers_count++] = (struct cloudevents_header){line, value};
    }
    message.body = text;
    message.body_bytes = bytes_count - (size_t)(text - copy);
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct cloudevents events;
    struct nsh_error err = {0};
    if (cloudevents_decode(&message, 5, &arena, &events, &err) == 0) {
        check(&events);
    } else {
        NSH_ASSERT(err.code != NSH_OK && err.text[0] != 0);
    }
    free(copy);
    return 0;
}
