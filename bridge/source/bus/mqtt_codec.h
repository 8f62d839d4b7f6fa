/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_BUS_MQTT_CODEC_H
#define SOURCE_BUS_MQTT_CODEC_H

/*
 * MQTT 3.1.1, the packets that a receiver needs; pure. Our own, because the usual client library
 * acknowledges a message before it hands it over: then it is lost when we are killed.
 */

#include "abi/error.h"
#include "base/text.h"

enum mqtt_kind {
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP = 13,
    MQTT_DISCONNECT = 14,
};

struct mqtt_packet {
    enum mqtt_kind kind;
    bool again, session; /* PUBLISH: sent before; CONNACK: the broker kept our session. */
    uint8_t qos, code;   /* CONNACK, and the first refused one of SUBACK: 0 is well. */
    uint16_t id;
    struct text topic, payload;
};

/* 1: a packet, *ret_used bytes; 0: it is not whole yet; -NSH_PROTOCOL; -NSH_LIMIT: larger than
 * bytes_max. */
int mqtt_read(const uint8_t *bytes, size_t count, size_t bytes_max, struct mqtt_packet *ret_packet,
              size_t *ret_used, struct nsh_error *err);

struct mqtt_login {
    const char *client, *user, *password; /* user, password: NULL: none. */
    uint16_t keep_alive_s;
};

/* Bytes written, 0: no room. */
size_t mqtt_write_connect(const struct mqtt_login *login, uint8_t *bytes, size_t room);
size_t mqtt_write_subscribe(uint16_t id, const char *const *topics, size_t topics_count,
                            uint8_t *bytes, size_t room);
size_t mqtt_write_puback(uint16_t id, uint8_t bytes[4]);
size_t mqtt_write_empty(enum mqtt_kind kind, uint8_t bytes[2]); /* PINGREQ, DISCONNECT */

#endif
