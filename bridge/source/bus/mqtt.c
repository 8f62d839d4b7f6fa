/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MQTT: a session that the broker keeps under our client id, at least once; a message is
 * acknowledged when it is durable. The broker's own bound of what it sends unacknowledged (20 with
 * mosquitto: max_inflight_messages) is the back-pressure. A message that makes no sense is
 * acknowledged as well, MQTT knows nothing else.
 *
 * What we cannot know: a message has no name that stays. One that was durable, but whose
 * acknowledgement was lost, is known again only by an id in it: let the map say `id`.
 */

#include "bus_private.h"
#include "bus_stream.h"
#include "bus_values.h"
#include "mqtt_codec.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP_ALIVE_S 30
#define TOPICS_MAX 64
#define PACKET_BYTES_MAX (BUS_MESSAGE_BYTES_MAX + 65536u)
#define WRITE_MS 10000

struct bus_link {
    struct bus_stream *stream;
    uint64_t tag;
    size_t taken;  /* Of what was peeked: the last message, to be passed over at the next call. */
    uint16_t *ids; /* By tag modulo window: the packets to acknowledge; 0: no need to. */
    unsigned window;
    uint64_t settled; /* The last tag that was. */
    bool pinged;
    int64_t heard_ms, pinged_ms;
    char topic[512];
};

static void link_close(struct bus_link *link)
{
    uint8_t bytes[2];
    if (link->stream != NULL) {
        bus_stream_write(link->stream, bytes, mqtt_write_empty(MQTT_DISCONNECT, bytes), 0, NULL);
        bus_stream_close(link->stream);
    }
    free(link->ids);
}

/* 1: a packet, borrowed until the next call; 0: none yet. */
static int packet_next(struct bus_link *link, int wait_ms, struct mqtt_packet *ret_packet,
                       struct nsh_error *err)
{
    const uint8_t *bytes = NULL;
    size_t count = 0, used = 0;
    bus_stream_take(link->stream, link->taken);
    link->taken = 0;
    int64_t until_ms = bus_clock_ms() + wait_ms;
    for (;;) {
        int64_t left_ms = until_ms - bus_clock_ms();
        int over = bus_stream_peek(link->stream, PACKET_BYTES_MAX, left_ms > 0 ? (int)left_ms : 0,
                                   &bytes, &count, err);
        int result =
            bytes == NULL ? 0 : mqtt_read(bytes, count, PACKET_BYTES_MAX, ret_packet, &used, err);
        if (result != 0 || over < 0) {
            link->taken = result > 0 ? used : 0;
            link->heard_ms = bus_clock_ms();
            return result != 0 ? result : over;
        }
        if (left_ms <= 0) {
            return 0;
        }
    }
}

static const char *refusal(uint8_t code)
{
    static const char *const words[] = {"accepted",         "wrong version of the protocol",
                                        "client id",        "the broker is not available",
                                        "user or password", "not authorised"};
    return code < sizeof words / sizeof words[0] ? words[code] : "for an unknown reason";
}

static int expect(struct bus_link *link, enum mqtt_kind kind, const char *what,
                  struct mqtt_packet *ret_packet, struct nsh_error *err)
{
    int result = packet_next(link, BUS_OPEN_MS, ret_packet, err);
    if (result <= 0) {
        return result < 0 ? result : nsh_fail(err, NSH_TIMEOUT, "%s: no answer", what);
    }
    return ret_packet->kind == kind
               ? 0
               : nsh_fail(err, NSH_PROTOCOL, "%s: an answer of kind %d", what, ret_packet->kind);
}

static int hello(struct bus_link *link, const struct nsh_value *settings, struct nsh_error *err)
{
    uint8_t bytes[2048];
    struct mqtt_packet packet;
    struct mqtt_login login = {.client = nsh_get_text(settings, "client", ""),
                               .user = bus_text(settings, "user"),
                               .password = bus_text(settings, "password"),
                               .keep_alive_s = KEEP_ALIVE_S};
    size_t count = mqtt_write_connect(&login, bytes, sizeof bytes);
    if (count == 0) {
        return nsh_fail(err, NSH_INVALID, "client, user and password are too long");
    }
    int result = bus_stream_write(link->stream, bytes, count, WRITE_MS, err);
    OPENSSL_cleanse(bytes, sizeof bytes);
    result = result < 0 ? result : expect(link, MQTT_CONNACK, "login", &packet, err);
    if (result == 0 && packet.code != 0) {
        result = nsh_fail(err, NSH_AUTH, "the broker refuses us: %s", refusal(packet.code));
    }
    return result;
}

static int subscribe(struct bus_link *link, const struct nsh_value *settings, struct nsh_error *err)
{
    const char *topics[TOPICS_MAX];
    uint8_t bytes[16384];
    size_t count = 0;
    while (count < TOPICS_MAX &&
           (topics[count] = bus_item(settings, "topics", (uint32_t)count)) != NULL) {
        count++;
    }
    size_t length = count == 0 ? 0 : mqtt_write_subscribe(1, topics, count, bytes, sizeof bytes);
    return length == 0 ? nsh_fail(err, NSH_INVALID, "topics: none, or too long")
                       : bus_stream_write(link->stream, bytes, length, WRITE_MS, err);
}

static int start(struct bus_link *link, const struct bus_options *options, struct nsh_error *err)
{
    struct bus_url url;
    const struct nsh_value *settings = options->settings;
    bool good = bus_url_read(bus_text(settings, "url"), &url);
    bool tls = good && strcmp(url.scheme, "mqtts") == 0;
    if (!good || (!tls && strcmp(url.scheme, "mqtt") != 0)) {
        return nsh_fail(err, NSH_INVALID, "url is mqtt://HOST:PORT or mqtts://HOST:PORT");
    }
    int port = url.port != 0 ? url.port : tls ? 8883 : 1883;
    int result = bus_stream_open(url.host, port, BUS_OPEN_MS, &link->stream, err);
    if (result == 0 && tls) {
        result = bus_stream_tls(link->stream, settings, url.host, BUS_OPEN_MS, err);
    }
    result = result < 0 ? result : hello(link, settings, err);
    return result < 0 ? result : subscribe(link, settings, err);
}

static int link_open(const struct bus_options *options, struct bus_link *link,
                     struct nsh_error *err)
{
    link->window = options->window + 1;
    link->ids = calloc(link->window, sizeof *link->ids);
    return link->ids == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                             : start(link, options, err);
}

static void link_watch(struct bus_link *link, struct pollfd *ret_poll)
{
    bus_stream_watch(link->stream, ret_poll);
}

static int link_receive(struct bus_link *link, struct bus_message *ret_message,
                        struct nsh_error *err)
{
    struct mqtt_packet packet;
    int result;
    while ((result = packet_next(link, 0, &packet, err)) == 1) {
        if (packet.kind == MQTT_SUBACK && packet.code != 0) {
            return nsh_fail(err, NSH_DENIED, "the broker refuses a topic");
        }
        if (packet.kind != MQTT_PUBLISH) {
            continue;
        }
        ret_message->tag = ++link->tag;
        ret_message->bytes = packet.payload.at;
        ret_message->bytes_count = packet.payload.count;
        ret_message->again = packet.again;
        snprintf(link->topic, sizeof link->topic, "%.*s", (int)packet.topic.count, packet.topic.at);
        ret_message->attributes[0] = (struct bus_pair){"topic", link->topic};
        ret_message->attributes_count = 1;
        link->ids[link->tag % link->window] = packet.qos == 1 ? packet.id : 0;
        return 1;
    }
    return result;
}

static int link_settle(struct bus_link *link, uint64_t tag, bool kept, struct nsh_error *err)
{
    uint8_t bytes[4 * 64];
    size_t count = 0;
    int result = 0;
    while (link->settled < tag && result == 0) {
        uint16_t id = link->ids[++link->settled % link->window];
        count += id == 0 ? 0 : mqtt_write_puback(id, bytes + count);
        if (count == sizeof bytes || link->settled == tag) {
            result = bus_stream_write(link->stream, bytes, count, WRITE_MS, err);
            count = 0;
        }
    }
    return result;
}

/* Also while nothing is received the broker hears of us; its answer waits behind what it sent. */
static int link_tend(struct bus_link *link, bool paused, struct nsh_error *err)
{
    uint8_t bytes[2];
    int64_t now_ms = bus_clock_ms();
    if (!paused && link->pinged && now_ms - link->heard_ms > 2 * KEEP_ALIVE_S * 1000) {
        return nsh_fail(err, NSH_TIMEOUT, "the broker is silent");
    }
    if (now_ms - link->pinged_ms < KEEP_ALIVE_S * 1000 / 2) {
        return 0;
    }
    link->pinged = true;
    link->pinged_ms = now_ms;
    link->heard_ms = paused ? now_ms : link->heard_ms;
    return bus_stream_write(link->stream, bytes, mqtt_write_empty(MQTT_PINGREQ, bytes), WRITE_MS,
                            err);
}

const struct bus_transport bus_mqtt = BUS_TRANSPORT("mqtt");
