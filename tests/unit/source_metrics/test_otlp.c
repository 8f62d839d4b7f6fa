/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP in both forms gives the same values; what is wrong leaves nothing; gzip is bounded. */

#include "metrics_rig.h"

#include "source/metrics/gzip.h"
#include "source/metrics/otlp.h"

#include <stdlib.h>
#include <zlib.h>

/* What both requests below say. */
static const char wanted[] =
    "__name__=system.cpu.load,cpu=0,busy=true,host.name=h1,job=agent 0.5@1000; "
    "__name__=net.errors,port=7,host.name=h1,job=agent 42@2000; "
    "__name__=gone,host.name=h1,job=agent stale@3000; "
    "__name__=lat_count,host.name=h1,job=agent 6@4000; "
    "__name__=lat_sum,host.name=h1,job=agent 3.5@4000; "
    "__name__=lat_max,host.name=h1,job=agent 2@4000; "
    "__name__=lat_bucket,host.name=h1,job=agent,le=0.1 1@4000; "
    "__name__=lat_bucket,host.name=h1,job=agent,le=1 4@4000; "
    "__name__=lat_bucket,host.name=h1,job=agent,le=+Inf 6@4000; "
    "__name__=q_count,host.name=h1,job=agent 9@5000; "
    "__name__=q_sum,host.name=h1,job=agent 90@5000; "
    "__name__=q,host.name=h1,job=agent,quantile=0.99 20@5000";

static const char json[] =
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":["
    "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"h1\"}},"
    "{\"key\":\"process.pid\",\"value\":{\"intValue\":\"77\"}},"
    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"agent\"}}]},"
    "\"scopeMetrics\":[{\"scope\":{\"name\":\"x\"},\"metrics\":["
    "{\"name\":\"system.cpu.load\",\"unit\":\"1\",\"gauge\":{\"dataPoints\":[{\"attributes\":["
    "{\"key\":\"cpu\",\"value\":{\"intValue\":\"0\"}},"
    "{\"key\":\"busy\",\"value\":{\"boolValue\":true}}],"
    "\"timeUnixNano\":\"1000000000\",\"asDouble\":0.5}]}},"
    "{\"name\":\"net.errors\",\"sum\":{\"isMonotonic\":true,\"dataPoints\":[{\"attributes\":["
    "{\"key\":\"port\",\"value\":{\"doubleValue\":7}}],"
    "\"timeUnixNano\":2000000000,\"asInt\":\"42\"}]}},"
    "{\"name\":\"gone\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":\"3000000000\",\"flags\":1}]}}"
    ","
    "{\"name\":\"lat\",\"histogram\":{\"dataPoints\":[{\"timeUnixNano\":\"4000000000\","
    "\"count\":\"6\",\"sum\":3.5,\"max\":2,\"bucketCounts\":[\"1\",3,\"2\"],"
    "\"explicitBounds\":[0.1,1]}]}},"
    "{\"name\":\"q\",\"summary\":{\"dataPoints\":[{\"timeUnixNano\":\"5000000000\",\"count\":9,"
    "\"sum\":90,\"quantileValues\":[{\"quantile\":0.99,\"value\":20}]}]}}"
    "]}]}]}";

static void attribute(struct message *out, unsigned field, const char *key, unsigned kind,
                      const char *text, double number)
{
    struct message value = {.count = 0}, pair = {.count = 0};
    if (kind == 1) {
        message_text(&value, 1, text);
    } else if (kind == 4) {
        message_double(&value, 4, number);
    } else {
        message_number(&value, kind, (uint64_t)number);
    }
    message_text(&pair, 1, key);
    message_in(&pair, 2, &value);
    message_in(out, field, &pair);
}

static void metric(struct message *scope, const char *name, unsigned kind,
                   const struct message *point)
{
    struct message data = {.count = 0}, out = {.count = 0};
    message_in(&data, 1, point);
    message_in(&out, kind, &data);
    message_text(&out, 1, name); /* Behind its data: order is free. */
    message_in(scope, 2, &out);
}

static void histogram_point(struct message *out)
{
    static const double bounds[] = {0.1, 1};
    static const uint64_t counts[] = {1, 3, 2};
    message_fixed64(out, 3, 4000000000);
    message_fixed64(out, 4, 6);
    message_double(out, 5, 3.5);
    message_bytes(out, 6, counts, sizeof counts);
    message_bytes(out, 7, bounds, sizeof bounds);
    message_double(out, 12, 2);
}

static void build(struct message *out)
{
    struct message resource = {.count = 0}, scope = {.count = 0}, metrics = {.count = 0},
                   point = {.count = 0}, quantile = {.count = 0};
    attribute(&resource, 1, "host.name", 1, "h1", 0);
    attribute(&resource, 1, "process.pid", 3, NULL, 77);
    attribute(&resource, 1, "service.name", 1, "agent", 0);
    attribute(&point, 7, "cpu", 3, NULL, 0);
    attribute(&point, 7, "busy", 2, NULL, 1);
    message_fixed64(&point, 3, 1000000000);
    message_double(&point, 4, 0.5);
    metric(&scope, "system.cpu.load", 5, &point);
    point.count = 0;
    attribute(&point, 7, "port", 4, NULL, 7);
    message_fixed64(&point, 3, 2000000000);
    message_fixed64(&point, 6, 42);
    metric(&scope, "net.errors", 7, &point);
    point.count = 0;
    message_fixed64(&point, 3, 3000000000);
    message_number(&point, 8, 1);
    metric(&scope, "gone", 5, &point);
    point.count = 0;
    histogram_point(&point);
    metric(&scope, "lat", 9, &point);
    point.count = 0;
    message_fixed64(&point, 3, 5000000000);
    message_fixed64(&point, 4, 9);
    message_double(&point, 5, 90);
    message_double(&quantile, 1, 0.99);
    message_double(&quantile, 2, 20);
    message_in(&point, 6, &quantile);
    metric(&scope, "q", 11, &point);
    message_in(&metrics, 1, &resource);
    message_in(&metrics, 2, &scope);
    message_in(out, 1, &metrics);
}

static void test_both(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    const struct sample_sink sink = {note_labels, note_value, &out};
    struct nsh_error err = {0};
    struct message request = {.count = 0};
    if (otlp_read_json((struct text){json, sizeof json - 1}, &arena, &sink, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(out.at, wanted);
    textbuf_clear(&out);
    build(&request);
    if (otlp_read_protobuf((struct text){(const char *)request.bytes, (uint32_t)request.count},
                           &arena, &sink, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(out.at, wanted);
}

static void test_cuts(void **state)
{
    (void)state;
    struct message request = {.count = 0};
    build(&request);
    for (size_t count = 1; count < request.count; count++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        const struct sample_sink sink = {note_labels, note_value, &out};
        uint8_t *exact = malloc(count);
        memcpy(exact, request.bytes, count);
        struct text cut = {(const char *)exact, (uint32_t)count};
        assert_int_equal(otlp_read_protobuf(cut, &arena, &sink, NULL), -NSH_INVALID);
        assert_int_equal(out.count, 0);
        free(exact);
    }
}

#define POINT(text)                                                                                \
    "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"a\",\"gauge\":{"           \
    "\"dataPoints\":[{\"timeUnixNano\":\"1\",\"asDouble\":1}," text "]}}]}]}]}"

static void test_wrong_json(void **state)
{
    (void)state;
    static const struct {
        const char *body, *has;
    } rows[] = {
        {"[]", "no JSON object"},
        {"{\"resourceMetrics\":", "JSON"},
        {POINT("{\"asDouble\":1}"), "data point 2: no timeUnixNano"},
        {POINT("{\"timeUnixNano\":\"x\",\"asDouble\":1}"), "timeUnixNano is no number"},
        {POINT("{\"timeUnixNano\":\"-1\",\"asDouble\":1}"), "timeUnixNano is no number"},
        {POINT("{\"timeUnixNano\":\"1\"}"), "neither asDouble nor asInt"},
        {POINT("{\"timeUnixNano\":\"1\",\"asInt\":\"1x\"}"), "neither asDouble nor asInt"},
        {POINT("{\"timeUnixNano\":\"1\",\"asDouble\":1,\"attributes\":[{\"key\":\"\",\"value\":{"
               "\"stringValue\":\"x\"}}]}"),
         "label's name is empty"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        const struct sample_sink sink = {note_labels, note_value, &out};
        struct nsh_error err = {0};
        int result = otlp_read_json(text_of(rows[i].body), &arena, &sink, &err);
        if (result != -NSH_INVALID || strstr(err.text, rows[i].has) == NULL || out.count > 0) {
            fail_msg("row %zu: %d %s", i, result, err.text);
        }
    }
}

static size_t pack(const char *text, size_t bytes, uint8_t *out, size_t room)
{
    z_stream stream = {.avail_in = (uInt)bytes, .avail_out = (uInt)room, .next_out = out};
    char *copy = malloc(bytes + 1);
    memcpy(copy, text, bytes);
    stream.next_in = (Bytef *)copy;
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    free(copy);
    return room - stream.avail_out;
}

static void test_gzip(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_error err = {0};
    uint8_t packed[4096];
    struct text text;
    char *long_text = calloc(1, 300000);
    size_t count = pack(json, sizeof json - 1, packed, sizeof packed);
    const char *body = (const char *)packed;
    assert_int_equal(gzip_read(body, count, 1 << 20, &arena, &text, &err), 0);
    assert_true(text_equal(text, (struct text){json, sizeof json - 1}));
    for (size_t cut = 0; cut < count; cut++) {
        assert_int_equal(gzip_read(body, cut, 1 << 20, &arena, &text, &err), -NSH_INVALID);
    }
    packed[count] = 'x';
    assert_int_equal(gzip_read(body, count + 1, 1 << 20, &arena, &text, &err), -NSH_INVALID);
    count = pack(long_text, 300000, packed, sizeof packed);
    assert_int_equal(gzip_read(body, count, 300000 + 1, &arena, &text, &err), 0);
    assert_int_equal(text.count, 300000);
    assert_int_equal(gzip_read(body, count, 299999, &arena, &text, &err), -NSH_LIMIT);
    free(long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_wrong_json),
        cmocka_unit_test(test_gzip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
