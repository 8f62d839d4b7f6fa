/* SPDX-License-Identifier: Apache-2.0 */
/* What a record of a BMC's log becomes, alone and beside the trap of the same event; files; marks.
 */

#include "../unit.h"

#include "base/pack.h"
#include "source/sel/sel_private.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW_MS 1772445600000 /* 2026-03-02T10:00:00Z */
#define NOW_S 1772445600u
#define HOUR_S 3600u

static struct trap_tables *tables;
static struct trap_mapper *mapper;
static struct arena arena;

static int set_up(void **state)
{
    struct diags diags = {0};
    struct nsh_error err = {0};
    if (trap_tables_read(TEST_SOURCE_DIR "/etc/traps", &diags, &tables, &err) < 0) {
        return -1;
    }
    diags_done(&diags);
    mapper = trap_mapper_new(tables);
    return mapper == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    trap_mapper_free(mapper);
    trap_tables_free(tables);
    arena_done(&arena);
    return 0;
}

static struct sel_record record_of(const char *hex)
{
    uint8_t bytes[SEL_RECORD_BYTES];
    struct sel_record record;
    assert_true(sel_record_hex(hex, bytes));
    sel_record_read(bytes, &record);
    return record;
}

static struct event event_of(const char *hex, const char *name, uint32_t clock_s)
{
    struct sel_record record = record_of(hex);
    struct event event;
    const struct sel_reading reading = {.source = "sel",
                                        .host = "r1h01",
                                        .address = "10.1.1.1",
                                        .now_ms = NOW_MS,
                                        .clock_s = clock_s};
    arena_reset(&arena);
    assert_true(sel_event(mapper, &record, name, &reading, &arena, &event));
    return event;
}

static struct nsh_value data_of(const struct event *event)
{
    struct pack_reader reader = {.at = (const uint8_t *)event->data.at, .count = event->data.count};
    struct nsh_value data;
    assert_int_equal(unpack_value(&reader, &arena, &data, NULL), 0);
    return data;
}

static void test_meaning(void **state)
{
    static const struct {
        const char *hex, *said, *why;
    } rows[] = {
        {"01000200000060200004"
         "0c086fa1ffff",
         "raise critical memory.uncorrectable dimm/8", "a specific event"},
        {"02000200000060200004"
         "0c08efa1ffff",
         "clear info memory.uncorrectable dimm/8", "its deassertion ends it"},
        {"03000200000060200004"
         "0c086fa0ffff",
         "pulse warning memory.correctable dimm/8", "nothing stays"},
        {"04000200000060200004"
         "01100159a0a5",
         "raise critical temperature.high sensor/16", "a threshold"},
        {"05000200000060200004"
         "011081590000",
         "clear info temperature.high sensor/16", "back below it"},
        {"06000200000060200004"
         "08026f00ffff",
         "clear info power.supply.absent psu/2", "a row that says good news"},
        {"07000200000060200004"
         "0802ef00ffff",
         "raise major power.supply.absent psu/2", "and its opposite"},
        {"08000200000060200004"
         "03220700ffff",
         "clear info current.abnormal sensor/34", "a row without severity: transition to OK"},
        {"09000200000060200004"
         "03220702ffff",
         "raise major current.abnormal sensor/34", "a row without severity: critical"},
        {"0a000200000060200004"
         "04300800ffff",
         "raise warning fan.failed sensor/48", "generic: device absent"},
        {"0b000200000060200004"
         "c7117001ffff",
         "pulse info ipmi.event sensor/17", "a maker's sensor type"},
        {"0c00c0000000605a3100"
         "010203040506",
         "pulse info ipmi.event oem", "a maker's record"},
        {"0d00e0010203040506070809"
         "0a0b0c0d",
         "pulse info ipmi.event oem", "without a time"},
        {"ffff0500000060200004"
         "0c086fa1ffff",
         "pulse info ipmi.event oem", "a record type that nobody defined"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char said[200];
        struct event event = event_of(rows[i].hex, "", NOW_S);
        snprintf(said, sizeof said, "%s %s %.*s %.*s", event_state_word(event.state),
                 severity_word(event.severity), (int)event.type.count, event.type.at,
                 (int)event.resource.count, event.resource.at);
        if (strcmp(said, rows[i].said) != 0) {
            fail_msg("%s: %s, wanted %s", rows[i].why, said, rows[i].said);
        }
        assert_true(text_is(event.host, "r1h01"));
        assert_false(event.unmatched);
        assert_true(event.message.count > 0);
    }
}

/* The varbind of a trap for the same thing: nothing that is not the same may make two alarms. */
static void test_trap_and_log_are_one_alarm(void **state)
{
    static const uint32_t enterprise[] = {1, 3, 6, 1, 4, 1, 3183, 1, 1};
    size_t compared = 0;
    for (unsigned type = 1; type <= 0x2c; type++) {
        for (unsigned offset = 0; offset < 16; offset++) {
            for (unsigned kind = 0; kind < 3; kind++) {
                unsigned event_type = kind == 0 ? 0x6f : kind == 1 ? 0x01 : 0x0b;
                char hex[2 * SEL_RECORD_BYTES + 1], pet_body[46] = {0};
                struct event of_trap, of_log;
                snprintf(hex, sizeof hex,
                         "010002000000602000"
                         "04%02x07%02x%02xffff",
                         type, event_type, offset);
                uint32_t arcs[10];
                memcpy(arcs, enterprise, sizeof enterprise);
                arcs[9] = type << 16 | event_type << 8 | offset;
                pet_body[26] = 0x10; /* critical */
                pet_body[28] = 7;    /* the sensor's number */
                struct trap trap = {.version = TRAP_V1, .trap_oid = {10, arcs}};
                trap.varbinds_count = 1;
                trap.varbinds[0].type = TRAP_OCTETS;
                trap.varbinds[0].octets = (struct text){pet_body, sizeof pet_body};
                trap_map(mapper, &trap, TEXT("10.1.1.1"), NOW_MS, &of_trap);
                char key[400];
                snprintf(key, sizeof key, "%.*s|%.*s|%.*s", (int)of_trap.type.count,
                         of_trap.type.at, (int)of_trap.resource.count, of_trap.resource.at,
                         (int)of_trap.qualifier.count, of_trap.qualifier.at);
                of_log = event_of(hex, "DIMM A1", NOW_S);
                char own[400];
                snprintf(own, sizeof own, "%.*s|%.*s|%.*s", (int)of_log.type.count, of_log.type.at,
                         (int)of_log.resource.count, of_log.resource.at,
                         (int)of_log.qualifier.count, of_log.qualifier.at);
                assert_string_equal(own, key);
                compared++;
            }
        }
    }
    assert_int_equal(compared, 0x2c * 16 * 3);
}

static void test_data(void **state)
{
    struct event event = event_of("0100023c6d526520000c0c086f31ff03", "DIMM A3", NOW_S);
    struct nsh_value data = data_of(&event);
    assert_int_equal(nsh_get_int(&data, "dimm", -1), 3);
    assert_string_equal(nsh_get_text(&data, "sensor_name", ""), "DIMM A3");
    assert_string_equal(nsh_get_text(&data, "event_words", ""), "Uncorrectable ECC");
    assert_string_equal(nsh_get_text(&data, "raw", ""), "0100023c6d526520000c0c086f31ff03");
    assert_int_equal(nsh_get_int(&data, "bmc_time", 0), 0x65526d3c);
    assert_true(text_is(event.id, "10.1.1.1/0100023c6d526520000c0c086f31ff03"));
    assert_non_null(memmem(event.message.at, event.message.count, "DIMM A3", 7));

    event = event_of("01000200000060200004"
                     "0c086fa1ff03",
                     "", NOW_S);
    data = data_of(&event);
    assert_int_equal(nsh_get_int(&data, "dimm", -1), -1); /* The maker's meaning, not this one. */

    event = event_of("01000200000060200004"
                     "01100159a0a5",
                     "", NOW_S);
    data = data_of(&event);
    assert_int_equal(nsh_get_int(&data, "reading_raw", -1), 0xa0);
    assert_int_equal(nsh_get_int(&data, "threshold_raw", -1), 0xa5);

    event = event_of("01000200000060200004"
                     "21056ff00907",
                     "", NOW_S);
    data = data_of(&event);
    assert_string_equal(nsh_get_text(&data, "slot_kind", ""), "PCI Express");
    assert_int_equal(nsh_get_int(&data, "slot", -1), 7);

    event = event_of("0c00c0000000605a3100"
                     "010203040506",
                     "", NOW_S);
    data = data_of(&event);
    assert_int_equal(nsh_get_int(&data, "manufacturer", -1), 0x315a);
    assert_string_equal(nsh_get_text(&data, "event_data", ""), "010203040506");
}

static struct event at_time(uint32_t time_s, uint32_t clock_s)
{
    char hex[2 * SEL_RECORD_BYTES + 1];
    snprintf(hex, sizeof hex, "010002%02x%02x%02x%02x2000040c086fa1ffff", time_s & 255,
             time_s >> 8 & 255, time_s >> 16 & 255, time_s >> 24);
    return event_of(hex, "", clock_s);
}

static void test_time(void **state)
{
    static const struct {
        uint32_t time_s, clock_s;
        int64_t ago_s;
        const char *why;
    } rows[] = {
        {NOW_S - HOUR_S, NOW_S, HOUR_S, "an hour ago"},
        {NOW_S - 10 * HOUR_S, NOW_S - 9 * HOUR_S, HOUR_S, "a clock that is nine hours behind"},
        {0x40000000u, 0x40000000u + HOUR_S, HOUR_S, "a clock that is in 2004"},
        {NOW_S - HOUR_S, 0, 0, "the BMC did not tell its clock"},
        {0x1000, 0x2000, 0, "since it started: its clock was never set"},
        {0x1000, NOW_S, 0, "before its clock was set"},
        {NOW_S + HOUR_S, NOW_S, 0, "still to come: the clock was set back"},
        {NOW_S + 5, NOW_S, 0, "a moment ahead"},
        {UINT32_MAX, NOW_S, 0, "no time"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct event event = at_time(rows[i].time_s, rows[i].clock_s);
        if (event.time_ms != NOW_MS - rows[i].ago_s * 1000) {
            fail_msg("%s: %lld s ago", rows[i].why, (long long)(NOW_MS - event.time_ms) / 1000);
        }
        assert_int_equal(event.received_ms, NOW_MS);
    }
}

static void test_over_already(void **state)
{
    static const struct {
        enum event_state state;
        const char *resource;
        enum event_state told;
        const char *why;
    } rows[] = {
        {EVENT_RAISE, "psu/1", EVENT_PULSE, "ended below"},
        {EVENT_RAISE, "psu/2", EVENT_RAISE, "another power supply"},
        {EVENT_CLEAR, "psu/1", EVENT_CLEAR, "the end of an alarm of before is told"},
        {EVENT_RAISE, "psu/1", EVENT_RAISE, "and again: it stands"},
        {EVENT_PULSE, "psu/2", EVENT_PULSE, "no state"},
    };
    struct event events[ROWS(rows)];
    arena_reset(&arena);
    for (size_t i = 0; i < ROWS(rows); i++) {
        events[i] = (struct event){.type = TEXT("power.supply.failed"),
                                   .resource = text_of(rows[i].resource),
                                   .severity = SEVERITY_CRITICAL,
                                   .message = TEXT("failed"),
                                   .state = rows[i].state};
    }
    assert_true(sel_events_overtake(events, ROWS(rows), &arena));
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (events[i].state != rows[i].told) {
            fail_msg("%s: %s", rows[i].why, event_state_word(events[i].state));
        }
        assert_int_equal(events[i].severity, i == 0 ? SEVERITY_INFO : SEVERITY_CRITICAL);
    }
    assert_true(text_is(events[0].message, "over already: failed"));
}

static void test_files(void **state)
{
    static const struct {
        const char *bytes;
        size_t bytes_count;
        int result;
        size_t count;
        const char *why;
    } rows[] = {
#define FILE_ROW(text, result, count, why) {text, sizeof(text) - 1, result, count, why}
        FILE_ROW("01000200000060200004"
                 "0c086fa1ffff",
                 0, 1, "one line, no end of line"),
        FILE_ROW("# a comment\n\n0x01 0x00 02 00000060,2000:04 0c086fa1FFFF # same\r\n", 0, 1,
                 "spaces, prefixes, comments"),
        FILE_ROW("", 0, 0, "nothing"),
        FILE_ROW("0100", -NSH_INVALID, 0, "too short"),
        FILE_ROW("01000200000060200004"
                 "0c086fa1ffff00",
                 -NSH_INVALID, 0, "too long"),
        FILE_ROW("hello\n", -NSH_INVALID, 0, "no digits"),
        FILE_ROW("\1\0\2\0\0\0\x60\x20\0\4\x0c\x08\x6f\xa1\xff\xff", 0, 1, "as they are"),
        FILE_ROW("\1\0\2\0\0\0\x60\x20\0\4\x0c\x08\x6f\xa1\xff", -NSH_INVALID, 0,
                 "as they are, cut"),
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint8_t(*records)[SEL_RECORD_BYTES] = NULL;
        size_t count = 0;
        struct nsh_error err = {0};
        arena_reset(&arena);
        int result =
            sel_file_read(rows[i].bytes, rows[i].bytes_count, &arena, &records, &count, &err);
        if (result != rows[i].result || count != rows[i].count) {
            fail_msg("%s: %d, %zu records", rows[i].why, result, count);
        }
        if (count == 1) {
            assert_int_equal(records[0][10], 0x0c);
            assert_int_equal(records[0][15], 0xff);
        }
    }
}

static void test_marks(void **state)
{
    struct sel_mark mark = {.past = true}, next, again;
    uint8_t records[SEL_ANCHORS_MAX + 3][SEL_RECORD_BYTES] = {{0}};
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    for (size_t i = 0; i < ROWS(records); i++) {
        records[i][0] = (uint8_t)(i + 1);
    }
    sel_mark_next(&mark, false, records, 3, &next);
    assert_int_equal(next.anchors_count, 3);
    assert_int_equal(next.anchors[0][0], 3); /* The newest first. */
    sel_mark_next(&next, false, records + 3, 7, &mark);
    assert_int_equal(mark.anchors_count, SEL_ANCHORS_MAX);
    assert_int_equal(mark.anchors[0][0], 10);
    assert_int_equal(mark.anchors[7][0], 3); /* One of before is kept. */
    sel_mark_next(&mark, true, records, 1, &next);
    assert_int_equal(next.anchors_count, 1); /* Cleared: the others are no help any more. */
    sel_mark_next(&mark, true, records, 0, &next);
    assert_int_equal(next.anchors_count, 0);

    snprintf(mark.seen, sizeof mark.seen, "10.20.30.40");
    mark.full = true;
    sel_mark_write(&mark, &text);
    assert_true(sel_mark_read(text.at, &again));
    assert_memory_equal(&again, &mark, sizeof mark);
    static const char *const bad[] = {
        "",   "{", "{}", "{\"after\":\"01\"}", "{\"after\":\"zz0002000000602000040c086fa1ffff\"}",
        "[1]"};
    for (size_t i = 0; i < ROWS(bad); i++) {
        assert_false(sel_mark_read(bad[i], &again));
    }
    assert_false(sel_mark_read(NULL, &again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meaning),      cmocka_unit_test(test_trap_and_log_are_one_alarm),
        cmocka_unit_test(test_data),         cmocka_unit_test(test_time),
        cmocka_unit_test(test_files),        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_over_already),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
