/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents over HTTP: the three modes, what is refused, and with which words. */

#include "../unit.h"

#include "source/cloudevents/cloudevents.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define STRUCTURED "application/cloudevents+json"
#define BATCH "application/cloudevents-batch+json"
#define EVENT "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}"
#define HEADERS                                                                                    \
    {"Host", "x"}, {"ce-specversion", "1.0"}, {"CE-Id", "1"}, {"ce-source", "/s"},                 \
    {                                                                                              \
        "ce-type", "t"                                                                             \
    }

static int decode(const char *type, const char *body, const struct cloudevents_header *headers,
                  size_t headers_count, struct arena *arena, struct cloudevents *ret_events,
                  struct nsh_error *err)
{
    const struct cloudevents_message message = {type, body, strlen(body), headers, headers_count};
    return cloudevents_decode(&message, 1234, arena, ret_events, err);
}

/* The JSON of event number index. */
static const char *event_text(const struct cloudevents *events, uint32_t index, struct arena *arena)
{
    size_t offset = 0;
    struct event event = {0};
    for (uint32_t i = 0; i <= index; i++) {
        long used =
            event_unpack(events->bytes + offset, events->bytes_count - offset, &event, NULL);
        assert_true(used > 0);
        offset += (size_t)used;
    }
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    textbuf_addf(&json, "hint=%.*s ", (int)event.hint.count, event.hint.at);
    event_to_json(&event, &json);
    return arena_printf(arena, "%s", json.at);
}

static void test_modes(void **state)
{
    (void)state;
    static const struct cloudevents_header plain[] = {HEADERS};
    static const struct cloudevents_header full[] = {
        HEADERS,
        {"ce-subject", "r1h01"},
        {"ce-severity", "major"},
        {"ce-state", "raise"},
        {"ce-time", "2026-11-25T10:00:00Z"},
        {"ce-message", "Euro%20%E2%82%AC%20%25"},
        {"ce-comexampleextension", "\"quoted \\\" %41\""},
        {"x-other", "no attribute"},
    };
    const struct {
        const char *type, *body;
        const struct cloudevents_header *headers;
        size_t headers_count;
        uint32_t count;
        const char *has, *why;
    } rows[] = {
        {STRUCTURED, EVENT, NULL, 0, 1, "\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"", "plain"},
        {"Application/CloudEvents+JSON; charset=UTF-8", EVENT, NULL, 0, 1, "\"id\":\"1\"",
         "types ignore case"},
        {STRUCTURED, EVENT, NULL, 0, 1, "\"received_ms\":1234", "when it came is ours to say"},
        {BATCH, "[]", NULL, 0, 0, NULL, "an empty batch is legal"},
        {BATCH, "[" EVENT "," EVENT "]", NULL, 0, 2, "\"id\":\"1\"", "a batch"},
        {"application/json", "{\"a\":1}", plain, ROWS(plain), 1, "\"data\":{\"a\":1}", "JSON data"},
        {"application/vnd.x+json", "[1]", plain, ROWS(plain), 1, "\"data\":{\"value\":[1]}",
         "+json is JSON"},
        {"", "7", plain, ROWS(plain), 1, "\"data\":{\"value\":7}", "no type: JSON"},
        {"text/plain", "hot", plain, ROWS(plain), 1, "\"data\":{\"value\":\"hot\"}", "text"},
        {"application/octet-stream", "\x01\xff", plain, ROWS(plain), 1,
         "\"data\":{\"base64\":\"Af8=\"}", "bytes"},
        {"text/plain; charset=latin1", "\xe9", plain, ROWS(plain), 1,
         "\"data\":{\"base64\":\"6Q==\"}", "text in a charset we do not know is bytes"},
        {"application/json", "", plain, ROWS(plain), 1, "\"type\":\"t\"", "no data at all"},
        {"", "", full, ROWS(full), 1, "\"severity\":\"major\",\"state\":\"raise\"", "extensions"},
        {"", "", full, ROWS(full), 1, "\"message\":\"Euro \xe2\x82\xac %\"",
         "percent-decoded once"},
        {"", "", full, ROWS(full), 1, "\"comexampleextension\":\"quoted \\\" A\"",
         "unquoted, then decoded"},
        {"", "", full, ROWS(full), 1, "hint=host=r1h01 ", "the subject may name the host"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct cloudevents events = {0};
        struct nsh_error err = {0};
        if (decode(rows[i].type, rows[i].body, rows[i].headers, rows[i].headers_count, &arena,
                   &events, &err) < 0) {
            fail_msg("%s: %s", rows[i].why, err.text);
        }
        assert_int_equal(events.events_count, rows[i].count);
        const char *text = rows[i].count == 0 ? "" : event_text(&events, rows[i].count - 1, &arena);
        if (rows[i].has != NULL && strstr(text, rows[i].has) == NULL) {
            fail_msg("%s: want %s in %s", rows[i].why, rows[i].has, text);
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct cloudevents_header missing[] = {{"ce-specversion", "1.0"}, {"ce-id", "1"}};
    static const struct cloudevents_header escape[] = {HEADERS, {"ce-message", "50%"}};
    static const struct cloudevents_header utf8[] = {HEADERS, {"ce-message", "%ff"}};
    static const struct cloudevents_header nul[] = {HEADERS, {"ce-message", "a%00b"}};
    static const struct cloudevents_header twice[] = {HEADERS, {"ce-id", "2"}};
    static const struct cloudevents_header name[] = {HEADERS, {"ce-my_name", "2"}};
    static const struct cloudevents_header empty[] = {HEADERS, {"ce-", "2"}};
    static const struct cloudevents_header own[] = {HEADERS, {"ce-datacontenttype", "text/plain"}};
    static const struct cloudevents_header plain[] = {HEADERS};
    const struct {
        const char *type, *body;
        const struct cloudevents_header *headers;
        size_t headers_count;
        int result;
        const char *has;
    } rows[] = {
        {STRUCTURED, "{", NULL, 0, -NSH_INVALID, "no JSON"},
        {STRUCTURED, "[]", NULL, 0, -NSH_INVALID, "wants a JSON object"},
        {STRUCTURED, "{\"specversion\":\"0.3\"}", NULL, 0, -NSH_INVALID, "specversion"},
        {BATCH, EVENT, NULL, 0, -NSH_INVALID, "wants a JSON array"},
        {BATCH, "[" EVENT ",{\"specversion\":\"1.0\",\"id\":\"2\",\"type\":\"t\"}]", NULL, 0,
         -NSH_INVALID, "event 1 of 2: attribute source is missing"},
        {"application/cloudevents+avro", EVENT, NULL, 0, -NSH_UNSUPPORTED, "avro"},
        {"application/cloudevents", EVENT, NULL, 0, -NSH_UNSUPPORTED, "JSON formats"},
        {"application/cloudevents-batch+xml", EVENT, NULL, 0, -NSH_UNSUPPORTED, "xml"},
        {STRUCTURED "; charset=latin1", EVENT, NULL, 0, -NSH_UNSUPPORTED, "UTF-8"},
        {"application/json", EVENT, NULL, 0, -NSH_INVALID, "no CloudEvent"},
        {"", "", missing, ROWS(missing), -NSH_INVALID, "source is missing"},
        {"", "", escape, ROWS(escape), -NSH_INVALID, "attribute message"},
        {"", "", utf8, ROWS(utf8), -NSH_INVALID, "attribute message"},
        {"", "", nul, ROWS(nul), -NSH_INVALID, "attribute message"},
        {"", "", twice, ROWS(twice), -NSH_INVALID, "id comes twice"},
        {"", "", name, ROWS(name), -NSH_INVALID, "letters and digits"},
        {"", "", empty, ROWS(empty), -NSH_INVALID, "1 to 64"},
        {"", "", own, ROWS(own), -NSH_INVALID, "Content-Type says it"},
        {"application/json", "{", plain, ROWS(plain), -NSH_INVALID, "data: no JSON"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct cloudevents events = {.events_count = 77};
        struct nsh_error err = {0};
        int result = decode(rows[i].type, rows[i].body, rows[i].headers, rows[i].headers_count,
                            &arena, &events, &err);
        if (result != rows[i].result || strstr(err.text, rows[i].has) == NULL) {
            fail_msg("row %zu: want %s, got %d %s", i, rows[i].has, result, err.text);
        }
        assert_int_equal(err.code, -rows[i].result);
        assert_int_equal(events.events_count, 77); /* Untouched: nothing is half taken. */
    }
}

/* Bounds of an event are the sender's to keep: they are no sign that the daemon is full. */
static void test_bounds(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    struct cloudevents events;
    struct nsh_error err = {0};
    textbuf_add_chars(&body, "[");
    for (unsigned i = 0; i <= CLOUDEVENTS_BATCH_MAX; i++) {
        textbuf_add_chars(&body, i == 0 ? EVENT : "," EVENT);
    }
    textbuf_add_chars(&body, "]");
    assert_int_equal(decode(BATCH, body.at, NULL, 0, &arena, &events, &err), -NSH_INVALID);
    assert_non_null(strstr(err.text, "a batch of 10001 events"));

    textbuf_clear(&body);
    textbuf_addf(&body,
                 "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\","
                 "\"data\":\"%0*d\"}",
                 EVENT_DATA_BYTES_MAX, 7);
    assert_int_equal(decode(STRUCTURED, body.at, NULL, 0, &arena, &events, &err), -NSH_INVALID);
    assert_non_null(strstr(err.text, "data is too large"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
