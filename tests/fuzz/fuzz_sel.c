/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_sel
/*
 * A file of records, any bytes: refused, or each record is an event that can be packed and read
 * again, under an id of its own bytes; the same bytes as a mark are a mark that writes as it reads.
 */

#include "base/assert.h"
#include "source/sel/sel_private.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static struct trap_tables *tables;
static struct trap_mapper *mapper;

static void records_try(const char *bytes, size_t bytes_count, struct arena *arena)
{
    uint8_t(*records)[SEL_RECORD_BYTES] = NULL;
    size_t count = 0;
    struct nsh_error err = {0};
    if (sel_file_read(bytes, bytes_count, arena, &records, &count, &err) < 0) {
        NSH_ASSERT(err.text[0] != '\0');
        return;
    }
    NSH_ASSERT(count <= SEL_FILE_RECORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct sel_record record;
        struct event event, again;
        uint8_t back[SEL_RECORD_BYTES];
        sel_record_read(records[i], &record);
        const struct sel_reading reading = {.source = "sel",
                                            .host = "h",
                                            .address = "a",
                                            .now_ms = 1772445600000,
                                            .clock_s = record.time_s ^ records[i][15]};
        NSH_ASSERT(sel_event(mapper, &record, "DIMM A1", &reading, arena, &event));
        NSH_ASSERT(event.time_ms <= reading.now_ms && event.type.count > 0);
        NSH_ASSERT(event.id.count == 2 + 2 * SEL_RECORD_BYTES);
        char *hex = arena_copy(arena, event.id.at + 2, 2 * SEL_RECORD_BYTES);
        NSH_ASSERT(hex != NULL && sel_record_hex(hex, back));
        NSH_ASSERT(memcmp(back, records[i], SEL_RECORD_BYTES) == 0);
        size_t room = event_packed_bytes(&event);
        uint8_t *packed = arena_alloc(arena, room);
        NSH_ASSERT(packed != NULL);
        size_t used = event_pack(&event, packed, room);
        NSH_ASSERT(event_unpack(packed, used, &again, NULL) == (long)used);
        NSH_ASSERT(text_equal(again.resource, event.resource));
    }
}

static void mark_try(const char *text)
{
    struct sel_mark mark, again;
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    if (sel_mark_read(text, &mark) && strpbrk(mark.seen, "\"\\") == NULL) {
        sel_mark_write(&mark, &out);
        (void)(sel_mark_read(out.at, &again) || strlen(out.at) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(freep) char *text = malloc(bytes_count + 1);
    if (mapper == NULL) {
        struct diags diags = {0};
        NSH_ASSERT(trap_tables_read(TEST_SOURCE_DIR "/etc/traps", &diags, &tables, NULL) == 0);
        diags_done(&diags);
        mapper = trap_mapper_new(tables);
        NSH_ASSERT(mapper != NULL);
    }
    NSH_ASSERT(text != NULL);
    memcpy(text, bytes, bytes_count);
    text[bytes_count] = '\0';
    records_try(text, bytes_count, &arena);
    mark_try(text);
    return 0;
}
