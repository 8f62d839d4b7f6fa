/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/json.h"
#include "base/pack.h"
#include "model/event.h"

#include <stdio.h>
#include <stdlib.h>

static struct event sample(const struct text data)
{
    return (struct event){
        .seq = 7,
        .time_ms = 1772445600123,
        .received_ms = -5,
        .severity = SEVERITY_CRITICAL,
        .state = EVENT_RAISE,
        .unmatched = true,
        .id = TEXT("id-1"),
        .source = TEXT("trap/127.0.1.7"),
        .type = TEXT("power.supply.failed"),
        .host = TEXT("r12-h3"),
        .resource = TEXT("psu/1"),
        .message = TEXT("PSU 1 \"failed\""),
        .hint = TEXT("addr=127.0.1.7"),
        .data = data,
    };
}

static struct text pack_map(uint8_t *bytes, size_t room)
{
    const struct nsh_member members[] = {{"volts", nsh_double(11.5)}, {"slot", nsh_int(1)}};
    const struct nsh_value map = nsh_map(members, ROWS(members));
    struct pack_writer writer = {.at = bytes, .room = room};
    pack_value(&writer, &map);
    assert_false(writer.failed);
    return (struct text){(const char *)bytes, (uint32_t)writer.count};
}

static void assert_same(const struct event *a, const struct event *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->received_ms, b->received_ms);
    assert_int_equal(a->severity, b->severity);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->unmatched, b->unmatched);
    const struct text *texts_a[] = {&a->id,      &a->source,   &a->type,      &a->subject,
                                    &a->host,    &a->resource, &a->qualifier, &a->name,
                                    &a->message, &a->hint,     &a->data};
    const struct text *texts_b[] = {&b->id,      &b->source,   &b->type,      &b->subject,
                                    &b->host,    &b->resource, &b->qualifier, &b->name,
                                    &b->message, &b->hint,     &b->data};
    for (size_t i = 0; i < ROWS(texts_a); i++) {
        assert_true(text_equal(*texts_a[i], *texts_b[i]));
    }
}

static void test_pack_round_trip(void **state)
{
    (void)state;
    uint8_t data[64], bytes[1024];
    struct event event = sample(pack_map(data, sizeof data)), empty = {0}, back;
    size_t first = event_pack(&event, bytes, sizeof bytes);
    assert_int_equal(first, event_packed_bytes(&event));
    size_t second = event_pack(&empty, bytes + first, sizeof bytes - first);
    /* Records stand one behind the other; each says where the next begins. */
    assert_int_equal(event_unpack(bytes, first + second, &back, NULL), first);
    assert_same(&event, &back);
    assert_int_equal(event_unpack(bytes + first, second, &back, NULL), second);
    assert_same(&empty, &back);
}

/* Wherever a record is cut, and whatever one byte becomes, unpacking refuses or stays inside. */
static void test_unpack_hostile(void **state)
{
    (void)state;
    uint8_t data[64], bytes[1024];
    struct event event = sample(pack_map(data, sizeof data)), back;
    size_t count = event_pack(&event, bytes, sizeof bytes);
    for (size_t cut = 0; cut < count; cut++) {
        uint8_t *exact = malloc(cut + 1);
        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        assert_int_equal(event_unpack(exact, cut, &back, NULL), -NSH_CORRUPT);
        free(exact);
    }
    for (size_t at = 0; at < count; at++) {
        uint8_t *exact = malloc(count);
        assert_non_null(exact);
        for (unsigned value = 0; value < 256; value++) {
            memcpy(exact, bytes, count);
            exact[at] = (uint8_t)value;
            CLEANUP(textbuf_donep) struct textbuf json = {0};
            long used = event_unpack(exact, count, &back, NULL);
            assert_true(used == -NSH_CORRUPT || used == (long)count);
            if (used > 0) {
                assert_in_range(back.severity, 0, SEVERITIES_COUNT - 1);
                assert_in_range(back.state, 0, EVENT_CLEAR);
                event_to_json(&back, &json);
            }
        }
        free(exact);
    }
}

static void test_words(void **state)
{
    (void)state;
    for (int i = 0; i < SEVERITIES_COUNT; i++) {
        assert_int_equal(severity_of(text_of(severity_word((enum severity)i))), i);
    }
    assert_int_equal(severity_of(TEXT("loud")), -1);
    assert_string_equal(event_state_word(EVENT_CLEAR), "clear");
}

static void test_from_value(void **state)
{
#define HEAD "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""
    static const struct {
        const char *json;
        const char *says; /* NULL: accepted. */
        const char *data; /* When accepted: the data as JSON, NULL for none. */
    } rows[] = {
        {"{" HEAD "}", NULL, NULL},
        {"[]", "wants a JSON object", NULL},
        {"{\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}", "specversion wants \"1.0\"", NULL},
        {"{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}", "got 0.3",
         NULL},
        {"{\"specversion\":\"1.0\",\"source\":\"/s\",\"type\":\"t\"}", "id is missing", NULL},
        {"{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/s\",\"type\":\"t\"}", "id wants 1 to",
         NULL},
        {"{\"specversion\":\"1.0\",\"id\":1,\"source\":\"/s\",\"type\":\"t\"}", "id wants a string",
         NULL},
        {"{" HEAD ",\"severity\":\"loud\"}", "severity wants", NULL},
        {"{" HEAD ",\"state\":\"up\"}", "state wants pulse, raise or clear", NULL},
        {"{" HEAD ",\"time\":\"yesterday\"}", "time wants RFC 3339", NULL},
        {"{" HEAD ",\"data\":{\"a\":1}}", NULL, "{\"a\":1}"},
        {"{" HEAD ",\"data\":{}}", NULL, "{}"},
        {"{" HEAD ",\"data\":[1,2]}", NULL, "{\"value\":[1,2]}"},
        {"{" HEAD ",\"data_base64\":\"AA==\"}", NULL, "{\"base64\":\"AA==\"}"},
        {"{" HEAD ",\"data_base64\":1}", "data_base64 wants a string", NULL},
        {"{" HEAD ",\"data_base64\":\"\",\"data\":1}", "no data beside it", NULL},
        {"{" HEAD ",\"rack\":\"r12\"}", NULL, "{\"rack\":\"r12\"}"},
        {"{" HEAD ",\"rack\":\"r12\",\"a\":2,\"data\":{\"a\":1}}", NULL,
         "{\"a\":1,\"rack\":\"r12\"}"},
        {"{" HEAD ",\"seq\":9,\"received_ms\":9,\"unmatched\":true}", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        struct nsh_value value, data;
        struct nsh_error err = {0};
        struct event event;
        assert_int_equal(json_parse(rows[i].json, strlen(rows[i].json), &arena, &value, &err), 0);
        int result = event_from_value(&value, &arena, &event, &err);
        if ((result < 0) != (rows[i].says != NULL) ||
            (result < 0 && strstr(err.text, rows[i].says) == NULL)) {
            fail_msg("%s: %s", rows[i].json, err.text);
        }
        if (result < 0) {
            continue;
        }
        struct pack_reader reader = {.at = (const uint8_t *)event.data.at,
                                     .count = event.data.count};
        assert_int_equal(event.data.count == 0, rows[i].data == NULL);
        if (rows[i].data != NULL) {
            assert_int_equal(unpack_value(&reader, &arena, &data, &err), 0);
            json_write(&data, &out);
            assert_string_equal(out.at, rows[i].data);
        }
    }
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"1970-01-01T00:00:01Z", 1000},
        {"2026-03-02T10:00:00.123Z", 1772445600123},
        {"2026-03-02t12:00:00.1239+02:00", 1772445600123},
        {"2026-03-02 05:30:00.123-04:30", 1772445600123},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"2023-02-29T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-03-02T24:00:00Z", -1},
        {"2026-03-02T10:00:00", -1},
        {"2026-03-02T10:00:00.Z", -1},
        {"2026-03-02T10:00:00+2:00", -1},
        {"2026-03-02T10:00:00Zx", -1},
        {"+026-03-02T10:00:00Z", -1},
        {" 026-03-02T10:00:00Z", -1},
        {"2026-03-02", -1},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct event event = {0};
        const struct nsh_member members[] = {{"specversion", nsh_text("1.0")},
                                             {"id", nsh_text("1")},
                                             {"source", nsh_text("/s")},
                                             {"type", nsh_text("t")},
                                             {"time", nsh_text(rows[i].text)}};
        const struct nsh_value value = nsh_map(members, ROWS(members));
        int result = event_from_value(&value, &arena, &event, NULL);
        if ((result < 0) != (rows[i].ms < 0) || (result == 0 && event.time_ms != rows[i].ms)) {
            fail_msg("%s gives %lld", rows[i].text, (long long)event.time_ms);
        }
    }
}

/* What is printed is a CloudEvent that comes back as the same event. */
static void test_json_round_trip(void **state)
{
    (void)state;
    uint8_t data[64];
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    struct event event = sample(pack_map(data, sizeof data)), back;
    struct nsh_error err = {0};
    struct nsh_value value;
    event_to_json(&event, &json);
    assert_string_equal(
        json.at,
        "{\"specversion\":\"1.0\",\"seq\":7,\"id\":\"id-1\",\"source\":\"trap/127.0.1.7\","
        "\"type\":\"power.supply.failed\",\"time\":\"2026-03-02T10:00:00.123Z\","
        "\"received_ms\":-5,\"severity\":\"critical\",\"state\":\"raise\",\"unmatched\":true,"
        "\"host\":\"r12-h3\",\"identity\":\"addr=127.0.1.7\",\"resource\":\"psu/"
        "1\",\"message\":\"PSU 1 \\\"failed\\\"\","
        "\"data\":{\"volts\":11.5,\"slot\":1}}");
    assert_int_equal(json_parse(json.at, json.count, &arena, &value, &err), 0);
    assert_int_equal(event_from_kept(&value, &arena, &back, &err), 0);
    assert_same(&event, &back); /* From our own records all of it does. */
    assert_int_equal(event_from_value(&value, &arena, &back, &err), 0);
    /* What nightshift itself gave does not come from outside. */
    event.seq = 0;
    event.received_ms = 0;
    event.unmatched = false;
    assert_same(&event, &back);
}

/* A trap has no id; what comes from outside must. */
static void test_kept_without_id(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    struct event event = {.type = TEXT("fan.failed"), .host = TEXT("h1"), .message = TEXT("hot")};
    struct event back;
    struct nsh_value value, list = nsh_list(NULL, 0);
    event_to_json(&event, &json);
    assert_int_equal(json_parse(json.at, json.count, &arena, &value, NULL), 0);
    assert_int_equal(event_from_value(&value, &arena, &back, NULL), -NSH_INVALID);
    assert_int_equal(event_from_kept(&value, &arena, &back, NULL), 0);
    assert_same(&event, &back);
    assert_int_equal(event_from_kept(&list, &arena, &back, NULL), -NSH_INVALID);
}

static void test_extensions_bounded(void **state)
{
    (void)state;
    static char names[300][8];
    struct nsh_member members[304] = {{"specversion", nsh_text("1.0")},
                                      {"id", nsh_text("1")},
                                      {"source", nsh_text("/s")},
                                      {"type", nsh_text("t")}};
    for (size_t i = 0; i < 300; i++) {
        snprintf(names[i], sizeof names[i], "x%zu", i);
        members[4 + i] = (struct nsh_member){names[i], nsh_int(1)};
    }
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct event event;
    struct nsh_value value = nsh_map(members, 304);
    assert_int_equal(event_from_value(&value, &arena, &event, NULL), -NSH_LIMIT);
    value = nsh_map(members, 4 + 256);
    assert_int_equal(event_from_value(&value, &arena, &event, NULL), 0);
}

static void test_data_bounded(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    char *text = arena_alloc(&arena, EVENT_DATA_BYTES_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', EVENT_DATA_BYTES_MAX);
    struct event event;
    for (unsigned less = 0; less < 40; less += 39) {
        text[EVENT_DATA_BYTES_MAX - less] = 0;
        const struct nsh_member members[] = {{"specversion", nsh_text("1.0")},
                                             {"id", nsh_text("1")},
                                             {"source", nsh_text("/s")},
                                             {"type", nsh_text("t")},
                                             {"data", nsh_text(text)}};
        const struct nsh_value value = nsh_map(members, ROWS(members));
        assert_int_equal(event_from_value(&value, &arena, &event, NULL),
                         less == 0 ? -NSH_LIMIT : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_round_trip), cmocka_unit_test(test_unpack_hostile),
        cmocka_unit_test(test_words),           cmocka_unit_test(test_from_value),
        cmocka_unit_test(test_times),           cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_kept_without_id), cmocka_unit_test(test_extensions_bounded),
        cmocka_unit_test(test_data_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
