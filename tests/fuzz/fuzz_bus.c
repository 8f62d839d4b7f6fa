/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_bus
/*
 * What brokers send, by the first byte: MQTT's packets and NATS' lines as streams (never more is
 * taken than came, and what is taken is inside), addresses, or a message that becomes events:
 * refused, or it packs and unpacks as the same.
 */

#include "base/assert.h"
#include "source/bus/bus_private.h"
#include "source/bus/bus_values.h"
#include "source/bus/mqtt_codec.h"
#include "source/bus/nats_codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static void inside(struct text text, const void *bytes, size_t count)
{
    const char *at = bytes;
    NSH_ASSERT(text.count == 0 || (text.at >= at && text.at + text.count <= at + count));
}

static void try_mqtt(const uint8_t *bytes, size_t count)
{
    struct mqtt_packet packet;
    size_t used = 0;
    while (count > 0 && mqtt_read(bytes, count, 1 << 20, &packet, &used, NULL) == 1) {
        NSH_ASSERT(used > 0 && used <= count);
        inside(packet.topic, bytes, count);
        inside(packet.payload, bytes, count);
        bytes += used;
        count -= used;
    }
}

static void try_nats(const char *bytes, size_t count)
{
    struct nats_op op;
    size_t used = 0;
    while (count > 0 && nats_read(bytes, count, 1 << 20, &op, &used, NULL) == 1) {
        struct nats_place place;
        struct text headers = op.headers, name, value;
        NSH_ASSERT(used > 0 && used <= count);
        inside(op.payload, bytes, count);
        inside(op.headers, bytes, count);
        nats_status(headers);
        while (nats_header_next(&headers, &name, &value)) {
            inside(name, bytes, count);
            inside(value, bytes, count);
        }
        if (nats_place_read(op.reply, &place)) {
            inside(place.sequence, bytes, count);
        }
        bytes += used;
        count -= used;
    }
}

static void check_packed(const struct bus_decoded *decoded, struct arena *arena)
{
    const uint8_t *packed = decoded->packed;
    size_t packed_bytes = decoded->packed_bytes, offset = 0;
    struct event event;
    if (packed == NULL &&
        source_events_pack(&decoded->events, arena, &packed, &packed_bytes, NULL) < 0) {
        return;
    }
    while (offset < packed_bytes) {
        long used = event_unpack(packed + offset, packed_bytes - offset, &event, NULL);
        NSH_ASSERT(used > 0);
        offset += (size_t)used;
    }
}

static void try_message(const char *format, const char *bytes, size_t count)
{
    static struct arena kept;
    static struct diags diags;
    static const struct source_type type = {.name = "kafka", .flags = SOURCE_MAY_MAP};
    static struct source_config configs[3];
    size_t index = format == NULL ? 0 : strcmp(format, "openstack") == 0 ? 1 : 2;
    struct source_config *config = &configs[index];
    if (config->name == NULL) {
        config->name = "bus";
        config->type = &type;
        NSH_ASSERT(format == NULL || source_format_read(format, NULL, (struct nsh_place){0}, &kept,
                                                        &diags, &config->format));
    }
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct bus_decoded decoded;
    struct bus_message message = {.bytes = bytes, .bytes_count = count, .id = "t/0/1"};
    message.headers[0] = (struct bus_pair){"ce_type", "x y%"};
    message.headers_count = 1;
    if (bus_decode(config, &message, 1, NULL, &arena, &decoded, NULL) == 0) {
        check_packed(&decoded, &arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    struct bus_url url;
    if (bytes_count < 2) {
        return 0;
    }
    size_t count = bytes_count - 1;
    char *copy = malloc(count + 1); /* Its end is where the sanitizer looks. */
    NSH_ASSERT(copy != NULL);
    memcpy(copy, bytes + 1, count);
    copy[count] = '\0';
    switch (bytes[0] % 6) {
    case 0:
        try_mqtt(bytes + 1, count);
        break;
    case 1:
        try_nats(copy, count);
        break;
    case 2:
        bus_url_read(copy, &url);
        break;
    case 3:
        try_message("openstack", copy, count);
        break;
    case 4:
        try_message("contrail-kafka", copy, count);
        break;
    default:
        try_message(NULL, copy, count);
        break;
    }
    free(copy);
    return 0;
}
