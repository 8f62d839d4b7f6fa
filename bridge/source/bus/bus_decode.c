/* SPDX-License-Identifier: Apache-2.0 */
/* One message of a broker -> events: by the source's map, or as CloudEvents. Pure. */

#include "bus_private.h"

#include "base/json.h"
#include "source/cloudevents/cloudevents.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define ID_BYTES_MAX 400

static struct nsh_value map_of(const struct bus_pair *pairs, size_t count, struct arena *arena,
                               bool lower)
{
    struct nsh_member *members = arena_array(arena, count + 2, sizeof *members);
    size_t used = 0;
    for (size_t i = 0; members != NULL && i < count; i++) {
        struct text value = text_of(pairs[i].value);
        char *name = arena_copy(arena, pairs[i].name, strlen(pairs[i].name));
        char *kept = arena_copy(arena, value.at, value.count);
        bool known = false;
        if (name == NULL || kept == NULL || !text_is_utf8(name, strlen(name)) ||
            !text_is_utf8(value.at, value.count)) {
            continue;
        }
        for (char *c = name; lower && *c != '\0'; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        for (size_t m = 0; m < used; m++) {
            known = known || strcmp(members[m].name, name) == 0;
        }
        if (!known) {
            members[used++] = (struct nsh_member){name, nsh_text(kept)};
        }
    }
    return nsh_map(members, used);
}

/* ---- CloudEvents ---- */

/* The name after "ce_", "ce-", "cloudEvents:" or "cloudEvents_", as brokers' bindings have them. */
static const char *attribute_name(const char *header)
{
    static const char *const prefixes[] = {"ce_", "ce-", "cloudEvents:", "cloudEvents_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncasecmp(header, prefixes[i], strlen(prefixes[i])) == 0) {
            return header + strlen(prefixes[i]);
        }
    }
    return NULL;
}

/* Values go through HTTP's percent-decoding there; here they are as they are meant. */
static const char *encoded(const char *value, struct arena *arena)
{
    size_t count = strlen(value);
    char *out = arena_alloc(arena, 3 * count + 1), *at = out;
    for (size_t i = 0; out != NULL && i < count; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c > ' ' && c < 0x7f && c != '%' && c != '"') {
            *at++ = (char)c;
        } else {
            at += snprintf(at, 4, "%%%02X", c);
        }
    }
    return out;
}

static int decode_cloudevents(const struct bus_message *message, int64_t received_ms,
                              struct arena *arena, struct bus_decoded *ret_decoded,
                              struct nsh_error *err)
{
    struct cloudevents_header *headers = arena_array(arena, BUS_PAIRS_MAX, sizeof *headers);
    struct cloudevents events;
    size_t count = 0;
    const char *type = message->content_type == NULL ? "" : message->content_type;
    for (size_t i = 0; headers != NULL && i < message->headers_count; i++) {
        const char *name = attribute_name(message->headers[i].name);
        if (name != NULL) {
            headers[count++] = (struct cloudevents_header){
                arena_printf(arena, "ce-%s", name), encoded(message->headers[i].value, arena)};
        } else if (strcasecmp(message->headers[i].name, "content-type") == 0 && type[0] == '\0') {
            type = message->headers[i].value;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name == NULL || headers[i].value == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
    }
    bool binary = count > 0 && strncasecmp(type, "application/cloudevents", 23) != 0;
    if (!binary && strncasecmp(type, "application/cloudevents", 23) != 0) {
        type = "application/cloudevents+json"; /* Nothing else is understood without a map. */
    }
    struct cloudevents_message request = {.content_type =
                                              binary && type[0] == '\0' ? "application/json" : type,
                                          .body = message->bytes,
                                          .body_bytes = message->bytes_count,
                                          .headers = headers,
                                          .headers_count = binary ? count : 0};
    int result = cloudevents_decode(&request, received_ms, arena, &events, err);
    if (result == 0) {
        ret_decoded->packed = events.bytes;
        ret_decoded->packed_bytes = events.bytes_count;
        ret_decoded->packed_count = events.events_count;
    }
    return result;
}

/* ---- by a map ---- */

/* An event without an id of its own gets the message's place, so that it is known when it comes
 * again. */
static void name_events(const struct bus_message *message, struct arena *arena,
                        struct source_events *events)
{
    for (uint32_t i = 0; message->id != NULL && i < events->count; i++) {
        if (events->items[i].id.count == 0) {
            char *id =
                arena_printf(arena, i == 0 ? "%.*s" : "%.*s#%u", ID_BYTES_MAX, message->id, i);
            events->items[i].id = id == NULL ? (struct text){"", 0} : text_of(id);
        }
    }
}

/* OpenStack's envelope, {"oslo.version": "2.0", "oslo.message": "{...}"}: what it holds is the
 * message. In arena. */
static struct text unwrapped(struct text bytes, struct arena *arena)
{
    static const char mark[] = "\"oslo.message\"";
    struct nsh_value body = nsh_null();
    if (bytes.count == 0 || memmem(bytes.at, bytes.count, mark, sizeof mark - 1) == NULL ||
        json_parse(bytes.at, bytes.count, arena, &body, NULL) < 0) {
        return bytes;
    }
    const struct nsh_value *inner = nsh_get(&body, "oslo.message");
    bool envelope =
        nsh_get(&body, "oslo.version") != NULL && inner != NULL && inner->type == NSH_STRING;
    return envelope ? (struct text){inner->text, inner->count} : bytes;
}

static int decode_map(const struct source_config *config, const struct bus_message *message,
                      int64_t received_ms, struct source_row *row, struct arena *arena,
                      struct source_events *ret_events, struct nsh_error *err)
{
    struct bus_pair pairs[10] = {{"name", config->name}, {"type", config->type->name}};
    memcpy(pairs + 2, message->attributes, message->attributes_count * sizeof pairs[0]);
    struct nsh_value source = map_of(pairs, message->attributes_count + 2, arena, false);
    struct nsh_value headers = map_of(message->headers, message->headers_count, arena, true);
    struct source_message seen = {
        .headers = &headers, .source = &source, .name = config->name, .received_ms = received_ms};
    struct text bytes =
        unwrapped((struct text){message->bytes, (uint32_t)message->bytes_count}, arena);
    if (bytes.count == 0) { /* Kafka: that key is no more. */
        *ret_events = (struct source_events){.ignored = 1, .why = "it is empty", .rule = -1};
        return 0;
    }
    int result = source_decode(config->format.map, bytes.at, bytes.count, &seen, row, arena,
                               ret_events, err);
    if (result == 0) {
        name_events(message, arena, ret_events);
    }
    return result;
}

int bus_decode(const struct source_config *config, const struct bus_message *message,
               int64_t received_ms, struct source_row *row, struct arena *arena,
               struct bus_decoded *ret_decoded, struct nsh_error *err)
{
    *ret_decoded = (struct bus_decoded){0};
    if (config->format.map != NULL) {
        return decode_map(config, message, received_ms, row, arena, &ret_decoded->events, err);
    }
    struct nsh_error own = {0};
    int result = decode_cloudevents(message, received_ms, arena, ret_decoded, &own);
    if (result < 0 && result != -NSH_NOMEM) {
        source_count(row, SOURCE_COUNT_malformed, 1);
        source_complain(row, received_ms, own.text);
    }
    if (result < 0 && err != NULL) {
        *err = own;
    }
    return result;
}

int bus_decode_file(const struct source_config *config, const char *bytes, size_t bytes_count,
                    struct arena *arena, struct source_events *ret_events, struct nsh_error *err)
{
    struct bus_message message = {.bytes = bytes, .bytes_count = bytes_count};
    struct bus_decoded decoded;
    int result = bus_decode(config, &message, 0, NULL, arena, &decoded, err);
    if (result < 0 || decoded.packed == NULL) {
        *ret_events = result < 0 ? *ret_events : decoded.events;
        return result;
    }
    struct event *items = arena_array(arena, decoded.packed_count + 1, sizeof *items);
    size_t offset = 0;
    for (uint32_t i = 0; items != NULL && i < decoded.packed_count; i++) {
        long used =
            event_unpack(decoded.packed + offset, decoded.packed_bytes - offset, &items[i], err);
        if (used < 0) {
            return (int)used;
        }
        offset += (size_t)used;
    }
    *ret_events = (struct source_events){.items = items, .count = decoded.packed_count};
    return items == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}
