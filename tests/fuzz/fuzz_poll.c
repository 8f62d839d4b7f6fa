/* SPDX-License-Identifier: Apache-2.0 */
/* ROOMS: source_poll */
/*
 * What an agent may say, twice: as an answer's bytes (the second byte on, after a choice) and as
 * the text of a walk. Alarms and samples are made of whatever comes; a walk ends.
 */

#include "source/poll/poll_private.h"

#include <stdlib.h>

#define ASKS_MAX 64

static const struct poll_set *sets_once(size_t *ret_count)
{
    static struct poll_set sets[POLL_SETS_MAX];
    static struct arena arena;
    static size_t count;
    for (; count == 0 || poll_set_name(count) != NULL; count++) {
        struct diags diags = {0};
        if (!poll_set_find(poll_set_name(count), NULL, (struct nsh_place){0}, &arena, &diags,
                           &sets[count])) {
            abort();
        }
        diags_done(&diags);
    }
    *ret_count = count;
    return sets;
}

static void on_labels(void *arg, const struct sample_label *labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!text_is_utf8(labels[i].value.at, labels[i].value.count)) {
            abort();
        }
    }
}

static void on_value(void *arg, int64_t at_ms, double value)
{
}

static void on_turn(void *arg, const struct poll_turn *turn)
{
    struct poll_meaning *meaning = arg;
    if (!text_is_utf8(turn->message, strlen(turn->message))) {
        abort();
    }
    poll_turn_told(meaning->memory, meaning->table, turn->entry, turn->state, turn->raise, true);
}

/* The same bytes answer every request: a walk has to end by itself. */
static void answer_fuzz(const uint8_t *bytes, size_t bytes_count, const struct poll_table *table)
{
    static struct poll_answer answer;
    static struct poll_walk walk;
    const struct snmp_credentials credentials = {.version = "2c", .community = "", .user = ""};
    struct poll_wire *wire = NULL;
    struct poll_rows rows = {0};
    struct poll_memory memory = {0};
    struct nsh_error err = {0};
    int32_t id = 0;
    if (poll_wire_new(&credentials, NULL, &wire, &err) < 0) {
        abort();
    }
    if (snmp_message_id(bytes, bytes_count, &id) &&
        poll_wire_read(wire, id, bytes, bytes_count, &answer, &err) == SNMP_ANSWERED) {
        enum poll_step step = POLL_STEP_ON;
        struct poll_ask ask;
        poll_rows_begin(&rows, table->columns_count);
        poll_walk_begin(&walk, table);
        for (int i = 0; i < ASKS_MAX && step == POLL_STEP_ON; i++) {
            poll_walk_ask(&walk, POLL_ROOM_BYTES, &ask);
            step = poll_walk_take(&walk, &answer, &rows, &err);
        }
        if (step == POLL_STEP_ON) {
            abort();
        }
        struct arena arena = ARENA_INIT;
        const struct sample_sink sink = {on_labels, on_value, NULL};
        struct poll_meaning meaning = {
            .memory = &memory, .table = table, .rows = &rows, .arena = &arena};
        for (int i = 0; i < 2; i++) {
            poll_mean_samples(&meaning, &sink);
            poll_mean_states(&meaning, on_turn, &meaning);
        }
        arena_done(&arena);
    }
    poll_memory_done(&memory);
    poll_rows_done(&rows);
    poll_wire_free(wire);
}

/* All tables, as a source without the key has them: read once. */
static const struct poll_source *source_once(void)
{
    static const struct source_config config = {.name = "fuzz"};
    static struct poll_source source;
    if (source.config == NULL) {
        struct diags diags = {0};
        source.config = &config;
        if (!poll_tables_read(&config, &source.arena, &diags, &source)) {
            abort();
        }
        diags_done(&diags);
    }
    return &source;
}

static void walk_fuzz(const uint8_t *bytes, size_t bytes_count)
{
    struct arena arena = ARENA_INIT;
    struct source_events events = {0};
    struct nsh_error err = {0};
    const struct text text = {(const char *)bytes, (uint32_t)bytes_count};
    if (poll_decode_text(source_once(), text, &arena, &events, &err) == 0) {
        const uint8_t *packed = NULL;
        size_t packed_count = 0;
        source_events_pack(&events, &arena, &packed, &packed_count, &err);
    }
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = 0;
    const struct poll_set *sets = sets_once(&count);
    if (size < 2) {
        return 0;
    }
    if (data[0] == 'w') {
        walk_fuzz(data + 1, size - 1);
        return 0;
    }
    const struct poll_set *set = &sets[data[0] % count];
    answer_fuzz(data + 2, size - 2, &set->tables[data[1] % set->tables_count]);
    return 0;
}
