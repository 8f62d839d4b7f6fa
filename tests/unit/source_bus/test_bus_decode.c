/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What messages of brokers become: OpenStack's own samples against a golden file (NSH_ACCEPT=1
 * rewrites it), with and without their envelope; CloudEvents in a broker's headers; ids out of
 * places.
 */

#include "../unit.h"

#include "../golden.h"

#include "source/bus/bus_private.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLDER TEST_SOURCE_DIR "/tests/data/openstack"

static const struct source_type type = {.name = "amqp", .flags = SOURCE_MAY_MAP};

static struct source_config config_of(const char *format, struct arena *arena)
{
    struct source_config config = {.name = "bus", .type = &type};
    struct diags diags = {0};
    if (format != NULL &&
        !source_format_read(format, NULL, (struct nsh_place){0}, arena, &diags, &config.format)) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        fail_msg("%s", out.at);
    }
    diags_done(&diags);
    return config;
}

#define SENT_TOKEN "gAAAA-a-token" /* Nova's unversioned notifications hold the caller's. */

static void add_event(const struct event *event, struct textbuf *out)
{
    assert_true(event->data.count == 0 ||
                memmem(event->data.at, event->data.count, SENT_TOKEN, strlen(SENT_TOKEN)) == NULL);
    textbuf_addf(out, " | %.*s %s %s host=%.*s hint=%.*s resource=%.*s id=%.*s: %.*s%s",
                 (int)event->type.count, event->type.at, event_state_word(event->state),
                 severity_word(event->severity), (int)event->host.count, event->host.at,
                 (int)event->hint.count, event->hint.at, (int)event->resource.count,
                 event->resource.at, (int)event->id.count, event->id.at, (int)event->message.count,
                 event->message.at, event->unmatched ? " (unmatched)" : "");
}

static void decode(const struct source_config *config, const struct bus_message *message,
                   struct textbuf *out)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct bus_decoded decoded;
    struct nsh_error err = {0};
    int result = bus_decode(config, message, 7, NULL, &arena, &decoded, &err);
    if (result < 0) {
        textbuf_addf(out, " | %s", nsh_code_word(-result));
        return;
    }
    size_t offset = 0;
    for (uint32_t i = 0; i < decoded.packed_count; i++) {
        struct event event;
        long used =
            event_unpack(decoded.packed + offset, decoded.packed_bytes - offset, &event, &err);
        assert_true(used > 0);
        offset += (size_t)used;
        add_event(&event, out);
    }
    for (uint32_t i = 0; i < decoded.events.count; i++) {
        add_event(&decoded.events.items[i], out);
    }
    if (decoded.packed_count + decoded.events.count == 0) {
        textbuf_addf(out, " | ignored: %s", decoded.events.why);
    }
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    struct textbuf buf = {0};
    for (int c = file == NULL ? EOF : fgetc(file); c != EOF; c = fgetc(file)) {
        textbuf_add_char(&buf, (char)c);
    }
    if (file != NULL) {
        fclose(file);
    }
    return buf.at == NULL ? calloc(1, 1) : buf.at;
}

/* One line for each sample. */
static void decode_samples(bool envelope, struct textbuf *out)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct source_config config = config_of("openstack", &arena);
    char *samples = read_file(FOLDER "/notifications.jsonl");
    unsigned count = 0;
    for (char *line = strtok(samples, "\n"); line != NULL; line = strtok(NULL, "\n"), count++) {
        struct nsh_value sample = nsh_null();
        assert_int_equal(json_parse(line, strlen(line), &arena, &sample, NULL), 0);
        CLEANUP(textbuf_donep) struct textbuf body = {0}, wrapped = {0};
        json_write(nsh_get(&sample, "body"), &body);
        textbuf_add_chars(&wrapped, "{\"oslo.version\": \"2.0\", \"oslo.message\": ");
        textbuf_add_json(&wrapped, (struct text){body.at, (uint32_t)body.count});
        textbuf_add_char(&wrapped, '}');
        struct textbuf *bytes = envelope ? &wrapped : &body;
        struct bus_message message = {.bytes = bytes->at, .bytes_count = bytes->count};
        textbuf_addf(out, "%s", nsh_get_text(&sample, "id", ""));
        decode(&config, &message, out);
        textbuf_add_char(out, '\n');
    }
    assert_true(count > 100);
    free(samples);
}

static void test_openstack(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf bare = {0}, wrapped = {0};
    decode_samples(false, &bare);
    decode_samples(true, &wrapped);
    assert_string_equal(bare.at, wrapped.at);
    assert_null(strstr(bare.at, "(unmatched)"));
    golden_is(FOLDER "/notifications.golden", &bare);
}

#define CE                                                                                         \
    "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/"                                         \
    "r12\",\"type\":\"fan.failed\",\"severity\":\"major\"}"

static const struct {
    const char *format, *content_type, *bytes, *id;
    struct bus_pair headers[6];
    const char *wanted, *why;
} rows[] = {
    {NULL,
     "application/cloudevents+json",
     CE,
     NULL,
     {{0}},
     " | fan.failed pulse major host= hint= resource= id=1: ",
     "structured"},
    {NULL,
     NULL,
     CE,
     NULL,
     {{0}},
     " | fan.failed pulse major host= hint= resource= id=1: ",
     "structured, unsaid"},
    {NULL,
     "application/json",
     "{\"rpm\":0}",
     NULL,
     {{"ce_specversion", "1.0"},
      {"ce_id", "2"},
      {"ce_source", "/r12"},
      {"ce_type", "fan.failed"},
      {"ce_message", "fan 3 \xc3\xbc 100% still"}},
     " | fan.failed pulse info host= hint= resource= id=2: fan 3 \xc3\xbc 100% still",
     "binary, as Kafka has it"},
    {NULL,
     NULL,
     "",
     NULL,
     {{"cloudEvents:specversion", "1.0"},
      {"cloudEvents:id", "3"},
      {"cloudEvents:source", "/r12"},
      {"cloudEvents:type", "fan.ok"},
      {"content-type", "application/json"}},
     " | fan.ok pulse info host= hint= resource= id=3: ",
     "binary without data, as AMQP has it"},
    {NULL, NULL, "{\"type\":\"x\"}", NULL, {{0}}, " | invalid", "no CloudEvent, and no map"},
    {NULL, "text/plain", "hello", NULL, {{0}}, " | invalid", "no JSON at all"},
    {"contrail-kafka",
     NULL,
     "{\"__T\": 1700000000000000}",
     "uve/0/1",
     {{0}},
     " | ignored: a notice of a change: its values are in the analytics API",
     "a notice"},
    {"contrail-kafka", NULL, "", "uve/0/2", {{0}}, " | ignored: it is empty", "a key that is gone"},
    {"contrail-kafka",
     NULL,
     "{\"key\":\"ObjectVRouter:compute-7\",\"type\":\"UVEAlarms\",\"value\":{\"alarms\":[{\"type\":"
     "\"default-global-system-config:system-defined-process-status\",\"severity\":0,\"timestamp\":"
     "1700000000000000,\"description\":\"a process is down\"}]}}",
     NULL,
     {{0}},
     " | contrail.default-global-system-config:system-defined-process-status raise critical "
     "host=compute-7 hint=host=compute-7 resource= "
     "id=ObjectVRouter:compute-7/default-global-system-config:system-defined-process-status/"
     "1700000000000000: a process is down",
     "an alarm"},
    {"contrail-kafka",
     NULL,
     "{\"hostname\":\"compute-7\",\"severity\":2,\"appname\":\"vrouter\",\"msg\":\"flow table "
     "full\"}",
     "structured_syslog/3/41",
     {{0}},
     " | contrail.syslog pulse critical host=compute-7 hint=host=compute-7 resource= "
     "id=structured_syslog/3/41: flow table full",
     "structured syslog: the id is its place"},
    {"openstack", NULL, "[1]", NULL, {{0}}, NULL, "what no rule knows is kept"},
    {"openstack",
     NULL,
     "{\"oslo.version\":\"2.0\",\"oslo.message\":\"no JSON\"}",
     NULL,
     {{0}},
     " | invalid",
     "an envelope around nothing"},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        struct source_config config = config_of(rows[i].format, &arena);
        struct bus_message message = {.bytes = rows[i].bytes,
                                      .bytes_count = strlen(rows[i].bytes),
                                      .content_type = rows[i].content_type,
                                      .id = rows[i].id};
        while (rows[i].headers[message.headers_count].name != NULL) {
            message.headers[message.headers_count] = rows[i].headers[message.headers_count];
            message.headers_count++;
        }
        decode(&config, &message, &out);
        bool good = rows[i].wanted == NULL ? strstr(out.at, "(unmatched)") != NULL
                                           : strcmp(out.at, rows[i].wanted) == 0;
        if (!good) {
            fail_msg("%s: got '%s'", rows[i].why, out.at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_openstack),
                                       cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
