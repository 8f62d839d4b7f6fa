/* SPDX-License-Identifier: Apache-2.0 */
/* The protocols that are ours: MQTT's packets, NATS' lines; and addresses of brokers. */

#include "../unit.h"

#include "source/bus/bus_values.h"
#include "source/bus/mqtt_codec.h"
#include "source/bus/nats_codec.h"

#include <stdio.h>

/* ---- MQTT ---- */

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static const struct {
    const uint8_t *bytes;
    size_t count;
    int result;
    enum mqtt_kind kind;
    unsigned qos, id, code;
    const char *topic, *payload, *why;
} packets[] = {
    {BYTES("\x20\x02\x01\x00"), 1, MQTT_CONNACK, 0, 0, 0, "", "",
     "accepted, with the session that was"},
    {BYTES("\x20\x02\x00\x05"), 1, MQTT_CONNACK, 0, 0, 5, "", "", "refused"},
    {BYTES("\x30\x07\x00\x03"
           "a/b"
           "hi"),
     1, MQTT_PUBLISH, 0, 0, 0, "a/b", "hi", "at most once: no id"},
    {BYTES("\x3a\x07\x00\x03"
           "a/b"
           "\x12\x34"),
     1, MQTT_PUBLISH, 1, 0x1234, 0, "a/b", "", "at least once, again, empty"},
    {BYTES("\x90\x04\x00\x01\x01\x80"), 1, MQTT_SUBACK, 0, 1, 0x80, "", "",
     "the second topic is refused"},
    {BYTES("\xd0\x00"), 1, MQTT_PINGRESP, 0, 0, 0, "", "", "an answer to our ping"},
    {BYTES("\x30\x07\x00\x03"
           "a/b"
           "h"),
     0, 0, 0, 0, 0, NULL, NULL, "not whole"},
    {BYTES("\x30"), 0, 0, 0, 0, 0, NULL, NULL, "no length yet"},
    {BYTES("\x30\x83\x80\x80\x80\x00\x00\x01"
           "a"),
     -NSH_PROTOCOL, 0, 0, 0, 0, NULL, NULL, "a length of five bytes"},
    {BYTES("\x30\xff\xff\xff\x7f"), -NSH_LIMIT, 0, 0, 0, 0, NULL, NULL, "larger than is wanted"},
    {BYTES("\x34\x05\x00\x01"
           "a"
           "\x00\x01"),
     -NSH_PROTOCOL, 0, 0, 0, 0, NULL, NULL, "exactly once was not asked for"},
    {BYTES("\x32\x05\x00\x01"
           "a"
           "\x00\x00"),
     -NSH_PROTOCOL, 0, 0, 0, 0, NULL, NULL, "an id of zero"},
    {BYTES("\x30\x04\x00\x09"
           "ab"),
     -NSH_PROTOCOL, 0, 0, 0, 0, NULL, NULL, "a topic that is longer than its packet"},
    {BYTES("\x10\x00"), -NSH_PROTOCOL, 0, 0, 0, 0, NULL, NULL, "no broker logs in to us"},
};

static void test_mqtt_read(void **state)
{
    for (size_t i = 0; i < ROWS(packets); i++) {
        struct mqtt_packet packet;
        size_t used = 0;
        struct nsh_error err = {0};
        int result = mqtt_read(packets[i].bytes, packets[i].count, 1000, &packet, &used, &err);
        if (result != packets[i].result) {
            fail_msg("%s: got %d %s", packets[i].why, result, err.text);
        }
        if (result != 1) {
            continue;
        }
        assert_int_equal(used, packets[i].count);
        assert_int_equal(packet.kind, packets[i].kind);
        assert_int_equal(packet.qos, packets[i].qos);
        assert_int_equal(packet.id, packets[i].id);
        assert_int_equal(packet.code, packets[i].code);
        assert_true(text_is(packet.topic, packets[i].topic));
        assert_true(text_is(packet.payload, packets[i].payload));
    }
}

static void test_mqtt_write(void **state)
{
    uint8_t bytes[64];
    const char *const topics[] = {"a/#", "b"};
    static const char connect[] =
        "\x10\x15\x00\x04MQTT\x04\xc0\x00\x1e\x00\x02me\x00\x01u\x00\x02pw";
    static const char subscribe[] = "\x82\x0c\x00\x07\x00\x03"
                                    "a/#\x01\x00\x01"
                                    "b\x01";
    struct mqtt_login login = {.client = "me", .user = "u", .password = "pw", .keep_alive_s = 30};
    assert_int_equal(mqtt_write_connect(&login, bytes, sizeof bytes), sizeof connect - 1);
    assert_memory_equal(bytes, connect, sizeof connect - 1);
    assert_int_equal(mqtt_write_connect(&login, bytes, 10), 0);
    assert_int_equal(mqtt_write_subscribe(7, topics, 2, bytes, sizeof bytes), sizeof subscribe - 1);
    assert_memory_equal(bytes, subscribe, sizeof subscribe - 1);
    assert_int_equal(mqtt_write_puback(0x102, bytes), 4);
    assert_memory_equal(bytes, "\x40\x02\x01\x02", 4);
}

/* ---- NATS ---- */

static const struct {
    const char *bytes;
    int result;
    enum nats_kind kind;
    const char *subject, *reply, *headers, *payload, *why;
} ops[] = {
    {"INFO {\"headers\":true}\r\n", 1, NATS_INFO, "", "", "", " {\"headers\":true}",
     "the greeting"},
    {"PING\r\n", 1, NATS_PING, "", "", "", "", "a question"},
    {"-ERR 'Authorization Violation'\r\n", 1, NATS_ERR, "", "", "", " 'Authorization Violation'",
     "a refusal"},
    {"MSG a.b 1 5\r\nhello\r\n", 1, NATS_MSG, "a.b", "", "", "hello",
     "without an address for answers"},
    {"MSG a.b 1 re.ply 0\r\n\r\n", 1, NATS_MSG, "a.b", "re.ply", "", "", "with one, empty"},
    {"HMSG a 1 r 26 28\r\nNATS/1.0 408 x\r\nA: b\r\n\r\n\r\nhi\r\n", 1, NATS_MSG, "a", "r",
     "NATS/1.0 408 x\r\nA: b\r\n\r\n\r\n", "hi", "headers"},
    {"MSG a 1 5\r\nhel", 0, 0, NULL, NULL, NULL, NULL, "not whole"},
    {"PIN", 0, 0, NULL, NULL, NULL, NULL, "no line yet"},
    {"MSG a 1 2\r\nhello\r\n", -NSH_PROTOCOL, 0, NULL, NULL, NULL, NULL, "longer than it says"},
    {"MSG a 1 -5\r\n", -NSH_PROTOCOL, 0, NULL, NULL, NULL, NULL, "less than nothing"},
    {"MSG a 1 99999999\r\n", -NSH_LIMIT, 0, NULL, NULL, NULL, NULL, "larger than is wanted"},
    {"HMSG a 1 9 5\r\n", -NSH_PROTOCOL, 0, NULL, NULL, NULL, NULL,
     "headers that are larger than all"},
    {"MSG a b c d e f g 1\r\n", -NSH_PROTOCOL, 0, NULL, NULL, NULL, NULL, "too many words"},
    {"HELLO\r\n", -NSH_PROTOCOL, 0, NULL, NULL, NULL, NULL, "nobody knows that"},
    {"\r\n", -NSH_PROTOCOL, 0, NULL, NULL, NULL, NULL, "an empty line"},
};

static void test_nats_read(void **state)
{
    for (size_t i = 0; i < ROWS(ops); i++) {
        struct nats_op op;
        size_t used = 0;
        struct nsh_error err = {0};
        int result = nats_read(ops[i].bytes, strlen(ops[i].bytes), 1000, &op, &used, &err);
        if (result != ops[i].result) {
            fail_msg("%s: got %d %s", ops[i].why, result, err.text);
        }
        if (result != 1) {
            continue;
        }
        assert_int_equal(used, strlen(ops[i].bytes));
        assert_int_equal(op.kind, ops[i].kind);
        assert_true(text_is(op.subject, ops[i].subject) && text_is(op.reply, ops[i].reply));
        assert_true(text_is(op.headers, ops[i].headers));
        assert_true(text_is(op.payload, ops[i].payload));
    }
}

static void test_nats_headers(void **state)
{
    struct text headers = TEXT("NATS/1.0 503\r\nce-id: 7\r\nce-type:x: y\r\n\r\n"), name, value;
    assert_int_equal(nats_status(headers), 503);
    assert_int_equal(nats_status(TEXT("NATS/1.0\r\n\r\n")), 0);
    assert_int_equal(nats_status(TEXT("")), 0);
    assert_true(nats_header_next(&headers, &name, &value));
    assert_true(text_is(name, "ce-id") && text_is(value, "7"));
    assert_true(nats_header_next(&headers, &name, &value));
    assert_true(text_is(name, "ce-type") && text_is(value, "x: y"));
    assert_false(nats_header_next(&headers, &name, &value));
}

static void test_nats_place(void **state)
{
    struct nats_place place;
    assert_true(nats_place_read(TEXT("$JS.ACK.ST.CO.2.41.42.1700.0"), &place));
    assert_true(text_is(place.stream, "ST") && text_is(place.sequence, "41"));
    assert_int_equal(place.delivered, 2);
    assert_true(nats_place_read(TEXT("$JS.ACK.dom.HASH.ST.CO.1.7.8.1700.0.token"), &place));
    assert_true(text_is(place.stream, "ST") && text_is(place.sequence, "7"));
    assert_false(nats_place_read(TEXT("_INBOX.1.m"), &place));
    assert_false(nats_place_read(TEXT("$JS.ACK.ST.CO.x.41.42.1700.0"), &place));
}

/* ---- addresses ---- */

static const struct {
    const char *url;
    bool good;
    const char *scheme, *host, *path;
    int port;
} urls[] = {
    {"amqps://rabbit.example:5671/dc1", true, "amqps", "rabbit.example", "dc1", 5671},
    {"mqtt://h", true, "mqtt", "h", "", 0},
    {"nats://[::1]:4222", true, "nats", "::1", "", 4222},
    {"amqp://h/%2F", true, "amqp", "h", "%2F", 0},
    {"amqp://user:secret@h/", false, "", "", "", 0},
    {"amqp://h:99999/", false, "", "", "", 0},
    {"amqp://h:x/", false, "", "", "", 0},
    {"amqp://:1/", false, "", "", "", 0},
    {"amqp://[::1", false, "", "", "", 0},
    {"h:5672", false, "", "", "", 0},
};

static void test_urls(void **state)
{
    struct bus_url url;
    for (size_t i = 0; i < ROWS(urls); i++) {
        if (bus_url_read(urls[i].url, &url) != urls[i].good) {
            fail_msg("%s", urls[i].url);
        }
        if (urls[i].good) {
            assert_string_equal(url.scheme, urls[i].scheme);
            assert_string_equal(url.host, urls[i].host);
            assert_string_equal(url.path, urls[i].path);
            assert_int_equal(url.port, urls[i].port);
        }
    }
    assert_false(bus_url_read(NULL, &url));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mqtt_read),  cmocka_unit_test(test_mqtt_write),
        cmocka_unit_test(test_nats_read),  cmocka_unit_test(test_nats_headers),
        cmocka_unit_test(test_nats_place), cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
