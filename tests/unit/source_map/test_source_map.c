/* SPDX-License-Identifier: Apache-2.0 */
/* Maps: which rule takes a message, what becomes of its members, what is told of mistakes. */

#include "../unit.h"

#include "base/json.h"
#include "source/map/source_map.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct arena arena;
    struct diags diags;
};

static struct source_map *map_of(struct fixture *fixture, const char *text)
{
    struct conf *root = conf_read_text("t.conf", text, &fixture->arena, &fixture->diags);
    return root == NULL ? NULL
                        : source_map_read(conf_get(root, "map"), &fixture->arena, &fixture->diags);
}

static void fixture_done(struct fixture *fixture)
{
    diags_done(&fixture->diags);
    arena_done(&fixture->arena);
}

/* The events of a body as JSON lines, without what every event has. */
static const char *events_of(struct fixture *fixture, const struct source_map *map,
                             const char *body_json, struct source_events *ret_events)
{
    struct nsh_value body, headers, source;
    struct textbuf out = {0};
    struct nsh_error err = {0};
    assert_int_equal(json_parse(body_json, strlen(body_json), &fixture->arena, &body, &err), 0);
    static const char given[] = "{\"x-kind\":\"fan\"}", own[] = "{\"name\":\"src\",\"type\":\"t\"}";
    assert_int_equal(json_parse(given, sizeof given - 1, &fixture->arena, &headers, NULL), 0);
    assert_int_equal(json_parse(own, sizeof own - 1, &fixture->arena, &source, NULL), 0);
    const struct source_message message = {
        .body = &body, .headers = &headers, .source = &source, .name = "src", .received_ms = 7};
    struct source_events events;
    if (source_map_run(map, &message, &fixture->arena, &events, &err) < 0) {
        return arena_printf(&fixture->arena, "%s: %s", nsh_code_word(err.code), err.text);
    }
    for (uint32_t i = 0; i < events.count; i++) {
        const struct event *event = &events.items[i];
        assert_int_equal(event->received_ms, 7);
        textbuf_addf(&out, "%s%.*s %s %s%s", i == 0 ? "" : "; ", (int)event->type.count,
                     event->type.at, event_state_word(event->state), severity_word(event->severity),
                     event->unmatched ? " unmatched" : "");
        const struct {
            const char *name;
            struct text text;
        } texts[] = {{"host", event->host},      {"resource", event->resource},
                     {"qual", event->qualifier}, {"id", event->id},
                     {"hint", event->hint},      {"msg", event->message},
                     {"subject", event->subject}};
        for (size_t t = 0; t < ROWS(texts); t++) {
            if (texts[t].text.count > 0) {
                textbuf_addf(&out, " %s=%.*s", texts[t].name, (int)texts[t].text.count,
                             texts[t].text.at);
            }
        }
        if (!text_is(event->source, "src")) {
            textbuf_addf(&out, " from=%.*s", (int)event->source.count, event->source.at);
        }
        if (event->time_ms != 0) {
            textbuf_addf(&out, " at=%lld", (long long)event->time_ms);
        }
    }
    const char *text = arena_copy(&fixture->arena, out.at == NULL ? "" : out.at, out.count);
    textbuf_done(&out);
    if (ret_events != NULL) {
        *ret_events = events;
    }
    return text;
}

static const struct {
    const char *map, *body, *wanted, *why;
} run_rows[] = {
    {"map = { type = \"'a.b'\"; };", "{}", "a.b pulse warning", "the least a map needs"},
    {"map = { type = \"body.t\"; };", "{\"t\":\"x\"}", "x pulse warning", "out of the body"},
    {"map = { type = \"body.t\"; };", "{\"u\":1}",
     "src.unmatched pulse warning unmatched msg=no type: body has no field 't'",
     "without a type: kept, and said why"},
    {"map = { type = [\"body.t\", \"body.u\"]; };", "{\"u\":\"y\"}", "y pulse warning",
     "the first that gives something"},
    {"map = { type = [\"body.t\", \"'z'\"]; };", "{\"t\":\"\"}", "z pulse warning",
     "an empty text is nothing"},
    {"map = { type = [\"body.t\", \"'z'\"]; };", "{\"t\":null}", "z pulse warning",
     "null is nothing"},
    {"map = { type = \"'n'\"; id = \"body.n\"; resource = \"body.b\"; };", "{\"n\":42,\"b\":true}",
     "n pulse warning resource=true id=42", "numbers and truths as text"},
    {"map = { type = \"'n'\"; id = \"body.n\"; };", "{\"n\":{\"a\":1}}", "n pulse warning",
     "a map is no text"},
    {"map = { each = \"body.a\"; type = \"item.t\"; };", "{\"a\":[{\"t\":\"x\"},{\"t\":\"y\"}]}",
     "x pulse warning; y pulse warning", "one for each"},
    {"map = { each = \"body.a\"; type = \"item.t\"; };", "{\"a\":[]}", "",
     "an empty list is no event, and no mistake"},
    {"map = { each = \"body.a\"; type = \"item.t\"; };", "{\"b\":[]}",
     "src.unmatched pulse warning unmatched msg=no rule of the map takes it",
     "no list: the rule does not take it"},
    {"map = { each = \"body.a\"; type = \"item.t\"; };", "{\"a\":[{\"t\":\"x\"},5,{\"t\":\"y\"}]}",
     "x pulse warning; src.unmatched pulse warning unmatched msg=no type: a value of type int has "
     "no field 't';"
     " y pulse warning",
     "a bad one among good ones takes none with it"},
    {"map = { each = \"body.a\"; where = \"item.n > 1\"; type = \"'x'\"; id = \"item.n\"; };",
     "{\"a\":[{\"n\":1},{\"n\":2}]}", "x pulse warning id=2", "what is false is left out"},
    {"map = { each = \"body.a\"; where = \"item.n > 1\"; type = \"'x'\"; };", "{\"a\":[{}]}",
     "src.unmatched pulse warning unmatched msg=`where` fails: item has no field 'n'",
     "what cannot be told is not"},
    {"map = ({ when = \"body.k == 'beat'\"; ignore = \"beat\"; }, { type = \"'x'\"; });",
     "{\"k\":\"beat\"}", "", "left out on purpose"},
    {"map = ({ when = \"body.k == 'beat'\"; ignore = \"beat\"; }, { type = \"'x'\"; });", "{}",
     "x pulse warning", "a condition that fails is not true"},
    {"map = ({ when = \"headers['x-kind'] == 'fan'\"; type = \"source.name + '.fan'\"; });", "{}",
     "src.fan pulse warning", "headers and source"},
    {"map = { open = \"body.m\"; type = \"body.t\"; id = \"outer.i\"; };",
     "{\"m\":\"{\\\"t\\\":\\\"in\\\"}\",\"i\":\"9\"}", "in pulse warning id=9", "JSON in a text"},
    {"map = ({ open = \"body.m\"; type = \"body.t\"; }, { type = \"'plain'\"; });",
     "{\"m\":\"no json\"}", "plain pulse warning", "no JSON in it: the next rule"},
    {"map = { type = \"'x'\"; state = \"'raised'\"; severity = \"'page'\"; };", "{}",
     "x raise critical", "words of monitoring systems"},
    {"map = { type = \"'x'\"; state = \"'cleared'\"; severity = \"'MAJOR'\"; };", "{}",
     "x clear major", "our own, in any case"},
    {"map = { type = \"'x'\"; severity = \"'purple'\"; };", "{}", "x pulse warning",
     "a severity nobody knows is a warning, not a loss"},
    {"map = { type = \"'x'\"; state = \"body.s\"; };", "{\"s\":\"maybe\"}",
     "src.unmatched pulse warning unmatched msg=state wants raise, clear or pulse, got maybe",
     "raised or cleared is never guessed"},
    {"map = { type = \"'x'\"; state = \"body.s\"; };", "{}",
     "src.unmatched pulse warning unmatched msg=no state: body has no field 's'", "nor left out"},
    {"map = { type = \"'x'\"; host = \"host_of(body.i)\"; address = \"body.a\"; uuid = \"body.u\"; "
     "serial = \"body.s\"; };",
     "{\"i\":\"http://r1h1:9100/m\",\"a\":\"10.0.0.1\",\"u\":\"1-2\",\"s\":\"SN1\"}",
     "x pulse warning host=r1h1 hint=host=r1h1,uuid=1-2,serial=SN1,addr=10.0.0.1",
     "hints, strongest first"},
    {"map = { type = \"'x'\"; host = \"body.h\"; };", "{\"h\":\"a,uuid=1\"}",
     "x pulse warning host=a,uuid=1", "no hint is smuggled in by a comma"},
    {"map = { type = \"'x'\"; sender = \"'eu'\"; };", "{}", "x pulse warning from=src/eu",
     "who said it"},
    {"map = { type = \"'x'\"; time = \"body.t\"; };", "{\"t\":1523033019}",
     "x pulse warning at=1523033019000", "seconds"},
    {"map = { type = \"'x'\"; time = \"body.t\"; };", "{\"t\":1523033019000}",
     "x pulse warning at=1523033019000", "milliseconds"},
    {"map = { type = \"'x'\"; time = \"body.t\"; };", "{\"t\":\"2018-04-06T16:43:39Z\"}",
     "x pulse warning at=1523033019000", "RFC 3339"},
    {"map = { type = \"'x'\"; time = \"timestamp(body.t)\"; };", "{\"t\":\"2018-04-06T16:43:39Z\"}",
     "x pulse warning at=1523033019000", "a timestamp"},
    {"map = { type = \"'x'\"; time = \"body.t\"; };", "{\"t\":\"0001-01-01T00:00:00Z\"}",
     "x pulse warning", "year 1 is not yet"},
    {"map = { type = \"'x'\"; time = [\"body.t\", \"body.u\"]; };",
     "{\"t\":\"soon\",\"u\":\"2018-04-06T16:43:39Z\"}", "x pulse warning at=1523033019000",
     "what is no time gives way to the next"},
};

static void test_run(void **state)
{
    size_t failed = 0;
    for (size_t i = 0; i < ROWS(run_rows); i++) {
        struct fixture fixture = {0};
        struct source_map *map = map_of(&fixture, run_rows[i].map);
        if (map == NULL) {
            fail_msg("row %zu (%s): %s", i, run_rows[i].why,
                     fixture.diags.count > 0 ? fixture.diags.items[0].text : "no map");
        }
        const char *got = events_of(&fixture, map, run_rows[i].body, NULL);
        if (strcmp(got, run_rows[i].wanted) != 0) {
            print_error("row %zu (%s): wanted\n  %s\ngot\n  %s\n", i, run_rows[i].why,
                        run_rows[i].wanted, got);
            failed++;
        }
        fixture_done(&fixture);
    }
    assert_int_equal(failed, 0);
}

static const struct {
    const char *text, *wanted;
    unsigned line, column;
    const char *why;
} mistake_rows[] = {
    {"map = { };", "'type' is missing here", 1, 7, "no type"},
    {"map = 5;", "'map' must be a rule", 1, 7, "no group"},
    {"map = ( );", "'map' must be a rule", 1, 7, "no rule"},
    {"map = ( 1 );", "a rule must be a group", 1, 9, "a rule that is none"},
    {"map = { type = \"body.t\"; sevrity = \"body.s\"; };", "unknown", 1, 26, "a key nobody knows"},
    {"map = { type = \"body.\"; };", "", 1, 22, "a syntax error at its place"},
    {"map = {\n  type = \"'a' +\"\n         \" bdy.t\";\n};", "bdy", 3, 12,
     "a name nobody knows, in the second piece of the text"},
    {"map = { type = \"'a'\"; when = \"1 + 1\"; };", "", 1, 33, "a condition that is a number"},
    {"map = { type = \"[1]\"; };", "'type' wants an expression that gives a text", 1, 16,
     "a type that is a list"},
    {"map = { type = \"'a'\"; each = \"'b'\"; };", "'each' wants an expression that gives a list",
     1, 30, "each of a text"},
    {"map = { type = \"'a'\"; ignore = \"no\"; };", "not both", 1, 23, "a type and ignore"},
    {"map = { type = [ ]; };", "'type' has no expression", 1, 16, "no choice"},
    {"map = ({ type = \"'a'\"; }, { type = \"'b'\"; });", "never reached", 1, 7,
     "a rule behind one that takes everything"},
    {"map = { type = \"body.map(a, body.map(b, body.map(c, body.map(d, d))))[0]\"; };", "steps", 1,
     34, "loops in loops that could take forever"},
    {"map = { type = 5; };", "must be a string", 1, 16, "no expression at all"},
};

static void test_mistakes(void **state)
{
    size_t failed = 0;
    for (size_t i = 0; i < ROWS(mistake_rows); i++) {
        struct fixture fixture = {0};
        struct source_map *map = map_of(&fixture, mistake_rows[i].text);
        if (map != NULL || fixture.diags.errors_count == 0) {
            fail_msg("row %zu (%s): no mistake found", i, mistake_rows[i].why);
        }
        const struct diag *diag = &fixture.diags.items[0];
        if (strstr(diag->text, mistake_rows[i].wanted) == NULL ||
            diag->at.line != mistake_rows[i].line || diag->at.column != mistake_rows[i].column) {
            print_error("row %zu (%s): got %u:%u %s\n", i, mistake_rows[i].why, diag->at.line,
                        diag->at.column, diag->text);
            failed++;
        }
        fixture_done(&fixture);
    }
    assert_int_equal(failed, 0);
}

static void test_host_of(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"r1:9100", "r1"},
        {"r1", "r1"},
        {"10.0.0.1:80", "10.0.0.1"},
        {"[::1]:9100", "::1"},
        {"fe80::1", "fe80::1"},
        {"http://r1:80/x", "r1"},
        {"https://u:p@r1/x", "r1"},
        {"", ""},
        {":9100", ""},
        {"[::1", "::1"},
        {"://", ""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct text got = source_host_of(text_of(rows[i].text));
        if (!text_is(got, rows[i].wanted)) {
            fail_msg("%s: got %.*s", rows[i].text, (int)got.count, got.at);
        }
    }
}

/* A list of count items, each {"n":i}. */
static char *long_body(size_t count)
{
    struct textbuf out = {0};
    textbuf_add_chars(&out, "{\"a\":[");
    for (size_t i = 0; i < count; i++) {
        textbuf_addf(&out, "%s{\"n\":%zu}", i == 0 ? "" : ",", i);
    }
    textbuf_add_chars(&out, "]}");
    return out.at;
}

static void test_bounds(void **state)
{
    struct fixture fixture = {0};
    struct source_events events;
    struct source_map *map =
        map_of(&fixture, "map = { each = \"body.a\"; type = \"'x'\"; id = \"item.n\"; };");
    assert_non_null(map);
    char *body = long_body(SOURCE_EVENTS_MAX);
    events_of(&fixture, map, body, &events);
    assert_int_equal(events.count, SOURCE_EVENTS_MAX);
    free(body);
    body = long_body(SOURCE_EVENTS_MAX + 1);
    assert_string_equal(events_of(&fixture, map, body, NULL),
                        "invalid: a message of 10001 items, at most 10000");
    free(body);
    fixture_done(&fixture);
}

/* Each item walks the whole list: the steps of one message are bounded, whatever it holds. */
static void test_steps(void **state)
{
    struct fixture fixture = {0};
    struct source_map *map =
        map_of(&fixture,
               "map = { each = \"body.a\"; type = \"body.a.exists(b, b.n < 0) ? 'y' : 'x'\"; };");
    assert_non_null(map);
    char *body = long_body(9000);
    assert_string_equal(events_of(&fixture, map, body, NULL),
                        "invalid: the message takes more than 20000000 steps");
    free(body);
    fixture_done(&fixture);
}

static void test_long_texts(void **state)
{
    struct fixture fixture = {0};
    struct source_events events;
    struct source_map *map = map_of(&fixture, "map = { type = \"'x'\"; id = \"body.l\"; message = "
                                              "\"body.l\"; data = \"{'l': body.d}\"; };");
    assert_non_null(map);
    struct textbuf body = {0};
    textbuf_add_chars(&body, "{\"l\":\"");
    for (int i = 0; i < 600; i++) {
        textbuf_add_chars(&body, "\xc3\xa4");
    }
    textbuf_add_chars(&body, "\",\"d\":\"");
    for (int i = 0; i < EVENT_DATA_BYTES_MAX; i++) {
        textbuf_add_char(&body, 'd');
    }
    textbuf_add_chars(&body, "\"}");
    events_of(&fixture, map, body.at, &events);
    textbuf_done(&body);
    assert_int_equal(events.count, 1);
    assert_int_equal(events.items[0].message.count, EVENT_TEXT_BYTES_MAX);
    assert_int_equal(events.items[0].id.count, 960 + 17); /* Cut, and told apart by a hash. */
    assert_true(events.items[0].data.count < 100);        /* That it was left out. */
    map = map_of(&fixture, "map = { type = \"'x'\"; host = \"body.l\"; };");
    assert_non_null(map);
    char *text = malloc(1200);
    snprintf(text, 1200, "{\"l\":\"%01100d\"}", 0);
    assert_string_equal(events_of(&fixture, map, text, NULL),
                        "src.unmatched pulse warning unmatched msg=host has 1100 bytes, at most "
                        "1024");
    free(text);
    fixture_done(&fixture);
}

/* Every format that is built in loads, and says what it is. */
static void test_formats(void **state)
{
    size_t count = 0;
    for (const char *name; (name = source_format_name(count)) != NULL; count++) {
        struct fixture fixture = {0};
        struct source_format format;
        if (!source_format_read(name, NULL, (struct nsh_place){0}, &fixture.arena, &fixture.diags,
                                &format) ||
            fixture.diags.count > 0) {
            const struct diag *diag = &fixture.diags.items[0];
            fail_msg("%s:%u:%u: %s", name, diag->at.line, diag->at.column, diag->text);
        }
        assert_non_null(format.summary);
        assert_non_null(format.map);
        fixture_done(&fixture);
    }
    assert_true(count >= 1);
    struct fixture fixture = {0};
    struct source_format format;
    assert_false(source_format_read("alertmanger", NULL, (struct nsh_place){0}, &fixture.arena,
                                    &fixture.diags, &format));
    assert_string_equal(fixture.diags.items[0].remedy, "did you mean 'alertmanager'?");
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),     cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_host_of), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_steps),   cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
