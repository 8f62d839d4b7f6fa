/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_codec.h"

#define LENGTH_BYTES_MAX 4

struct cursor {
    const uint8_t *at;
    size_t count;
    bool failed;
};

static uint8_t take_u8(struct cursor *cursor)
{
    if (cursor->count == 0) {
        cursor->failed = true;
        return 0;
    }
    cursor->count--;
    return *cursor->at++;
}

static uint16_t take_u16(struct cursor *cursor)
{
    uint16_t high = take_u8(cursor);
    return (uint16_t)(high << 8 | take_u8(cursor));
}

static struct text take_text(struct cursor *cursor)
{
    uint16_t count = take_u16(cursor);
    if (cursor->failed || count > cursor->count) {
        cursor->failed = true;
        return (struct text){"", 0};
    }
    struct text text = {(const char *)cursor->at, count};
    cursor->at += count;
    cursor->count -= count;
    return text;
}

static void read_publish(struct cursor *cursor, uint8_t flags, struct mqtt_packet *packet)
{
    packet->again = (flags & 8) != 0;
    packet->qos = (flags >> 1) & 3;
    packet->topic = take_text(cursor);
    packet->id = packet->qos == 0 ? 0 : take_u16(cursor);
    packet->payload = (struct text){(const char *)cursor->at, (uint32_t)cursor->count};
    cursor->failed = cursor->failed || packet->qos > 1 || packet->topic.count == 0 ||
                     (packet->qos == 1 && packet->id == 0);
}

static void read_suback(struct cursor *cursor, struct mqtt_packet *packet)
{
    packet->id = take_u16(cursor);
    while (cursor->count > 0) {
        uint8_t code = take_u8(cursor);
        packet->code = packet->code == 0 && code > 2 ? code : packet->code;
    }
}

static bool read_body(struct cursor *cursor, uint8_t flags, struct mqtt_packet *packet)
{
    switch (packet->kind) {
    case MQTT_CONNACK:
        packet->session = (take_u8(cursor) & 1) != 0;
        packet->code = take_u8(cursor);
        break;
    case MQTT_PUBLISH:
        read_publish(cursor, flags, packet);
        break;
    case MQTT_SUBACK:
        read_suback(cursor, packet);
        break;
    case MQTT_PINGRESP:
        break;
    case MQTT_CONNECT:
    case MQTT_PUBACK:
    case MQTT_SUBSCRIBE:
    case MQTT_PINGREQ:
    case MQTT_DISCONNECT:
    default:
        return false; /* No broker says that to one who only receives. */
    }
    return !cursor->failed;
}

int mqtt_read(const uint8_t *bytes, size_t count, size_t bytes_max, struct mqtt_packet *ret_packet,
              size_t *ret_used, struct nsh_error *err)
{
    size_t length = 0, at = 1;
    bool more = true;
    for (unsigned shift = 0; more; shift += 7, at++) {
        if (at > LENGTH_BYTES_MAX) {
            return nsh_fail(err, NSH_PROTOCOL, "a length of more than four bytes");
        }
        if (at >= count) {
            return 0;
        }
        length |= (size_t)(bytes[at] & 0x7f) << shift;
        more = (bytes[at] & 0x80) != 0;
    }
    if (length > bytes_max) {
        return nsh_fail(err, NSH_LIMIT, "a packet of %zu bytes", length);
    }
    if (count - at < length) {
        return 0;
    }
    struct cursor cursor = {bytes + at, length, false};
    struct mqtt_packet packet = {.kind = bytes[0] >> 4, .topic = TEXT(""), .payload = TEXT("")};
    if (!read_body(&cursor, bytes[0] & 15, &packet)) {
        return nsh_fail(err, NSH_PROTOCOL, "a packet of kind %d that makes no sense", packet.kind);
    }
    *ret_packet = packet;
    *ret_used = at + length;
    return 1;
}

/* ---- writing ---- */

struct writer {
    uint8_t *at;
    size_t count, room;
};

static void put(struct writer *writer, const void *bytes, size_t count)
{
    if (writer->count <= writer->room && count <= writer->room - writer->count) {
        memcpy(writer->at + writer->count, bytes, count);
        writer->count += count;
    } else {
        writer->count = writer->room + 1; /* No room, for good. */
    }
}

static void put_u16(struct writer *writer, size_t value)
{
    uint8_t bytes[] = {(uint8_t)(value >> 8), (uint8_t)value};
    put(writer, bytes, sizeof bytes);
}

static void put_text(struct writer *writer, const char *text)
{
    size_t count = strlen(text);
    put_u16(writer, count > UINT16_MAX ? UINT16_MAX : count);
    put(writer, text, count > UINT16_MAX ? UINT16_MAX : count);
}

static void put_head(struct writer *writer, uint8_t first, size_t length)
{
    put(writer, &first, 1);
    do {
        uint8_t byte = (uint8_t)(length & 0x7f);
        length >>= 7;
        byte |= length > 0 ? 0x80 : 0;
        put(writer, &byte, 1);
    } while (length > 0);
}

static size_t written(const struct writer *writer)
{
    return writer->count > writer->room ? 0 : writer->count;
}

size_t mqtt_write_connect(const struct mqtt_login *login, uint8_t *bytes, size_t room)
{
    struct writer writer = {bytes, 0, room};
    bool user = login->user != NULL, password = user && login->password != NULL;
    size_t length = 10 + 2 + strlen(login->client) + (user ? 2 + strlen(login->user) : 0) +
                    (password ? 2 + strlen(login->password) : 0);
    /* No clean session: the broker keeps what comes while we are away. */
    uint8_t flags = (uint8_t)((user ? 0x80 : 0) | (password ? 0x40 : 0));
    put_head(&writer, MQTT_CONNECT << 4, length);
    put_text(&writer, "MQTT");
    put(&writer, &(uint8_t){4}, 1);
    put(&writer, &flags, 1);
    put_u16(&writer, login->keep_alive_s);
    put_text(&writer, login->client);
    if (user) {
        put_text(&writer, login->user);
    }
    if (password) {
        put_text(&writer, login->password);
    }
    return written(&writer);
}

size_t mqtt_write_subscribe(uint16_t id, const char *const *topics, size_t topics_count,
                            uint8_t *bytes, size_t room)
{
    struct writer writer = {bytes, 0, room};
    size_t length = 2;
    for (size_t i = 0; i < topics_count; i++) {
        length += 3 + strlen(topics[i]);
    }
    put_head(&writer, MQTT_SUBSCRIBE << 4 | 2, length);
    put_u16(&writer, id);
    for (size_t i = 0; i < topics_count; i++) {
        put_text(&writer, topics[i]);
        put(&writer, &(uint8_t){1}, 1); /* At least once. */
    }
    return written(&writer);
}

size_t mqtt_write_puback(uint16_t id, uint8_t bytes[4])
{
    struct writer writer = {bytes, 0, 4};
    put_head(&writer, MQTT_PUBACK << 4, 2);
    put_u16(&writer, id);
    return written(&writer);
}

size_t mqtt_write_empty(enum mqtt_kind kind, uint8_t bytes[2])
{
    bytes[0] = (uint8_t)(kind << 4);
    bytes[1] = 0;
    return 2;
}
