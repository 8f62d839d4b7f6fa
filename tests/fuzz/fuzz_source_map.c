/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_map
/*
 * A body through every format that is built in: the first line names one, or all are tried. Refused
 * with a reason, or events that pack, unpack and fill their bytes; nothing that was sent is lost.
 */

#include "base/assert.h"
#include "base/json.h"
#include "source/map/source_map.h"

#include <stdlib.h>

#define FORMATS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static struct arena formats_arena;
static struct source_format formats[FORMATS_MAX];
static size_t formats_count;

static void formats_load(void)
{
    struct diags diags = {0};
    for (const char *name; (name = source_format_name(formats_count)) != NULL; formats_count++) {
        NSH_ASSERT(formats_count < FORMATS_MAX);
        NSH_ASSERT(source_format_read(name, NULL, (struct nsh_place){0}, &formats_arena, &diags,
                                      &formats[formats_count]));
    }
    diags_done(&diags);
}

static void check_text(struct text text)
{
    NSH_ASSERT(text.count <= EVENT_TEXT_BYTES_MAX && text_is_utf8(text.at, text.count));
}

static void check(const struct source_events *events, struct arena *arena)
{
    const uint8_t *bytes = NULL;
    size_t bytes_count = 0, offset = 0;
    NSH_ASSERT(source_events_pack(events, arena, &bytes, &bytes_count, NULL) == 0);
    for (uint32_t i = 0; i < events->count; i++) {
        struct event event;
        long used = event_unpack(bytes + offset, bytes_count - offset, &event, NULL);
        NSH_ASSERT(used > 0 && event.received_ms == 5 && event.type.count > 0);
        check_text(event.type);
        check_text(event.message);
        check_text(event.hint);
        check_text(event.qualifier);
        check_text(event.source);
        offset += (size_t)used;
    }
    NSH_ASSERT(offset == bytes_count);
    NSH_ASSERT(events->unmatched <= events->count);
    NSH_ASSERT(events->unmatched == 0 || events->why != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;
    if (formats_count == 0) {
        formats_load();
    }
    if (json_parse((const char *)bytes, bytes_count, &arena, &body, NULL) < 0) {
        return 0;
    }
    for (size_t i = 0; i < formats_count; i++) {
        struct source_events events;
        struct nsh_error err = {0};
        const struct source_message message = {
            .body = &body, .headers = &body, .name = formats[i].name, .received_ms = 5};
        if (source_map_run(formats[i].map, &message, &arena, &events, &err) == 0) {
            check(&events, &arena);
        } else {
            NSH_ASSERT(err.code != NSH_OK && err.text[0] != 0);
        }
    }
    return 0;
}
