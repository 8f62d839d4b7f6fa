/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents 1.0: HTTP protocol binding, JSON event format, JSON batch format. */

#include "source/cloudevents/cloudevents.h"

#include "base/json.h"

#include <strings.h>

#define ATTRIBUTE_NAME_BYTES_MAX 64
#define PREFIX "ce-"
#define PREFIX_BYTES 3

enum cloudevents_mode { MODE_BINARY, MODE_STRUCTURED, MODE_BATCH };

/* ---- content types --------------------------------------------------------------------------- */

/* "Application/JSON ; charset=utf-8" begins with type, and nothing but blanks or ';' follows. */
static bool type_is(const char *content_type, const char *type)
{
    size_t count = strlen(type);
    return strncasecmp(content_type, type, count) == 0 &&
           strchr(" \t;", content_type[count]) != NULL; /* Also its end. */
}

static bool type_is_json(const char *content_type)
{
    size_t count = strcspn(content_type, " \t;");
    return type_is(content_type, "application/json") || type_is(content_type, "text/json") ||
           (count > 5 && strncasecmp(content_type + count - 5, "+json", 5) == 0);
}

/* The charset parameter, if any, must be one whose bytes are UTF-8. */
static bool type_is_utf8(const char *content_type)
{
    const char *charset = strcasestr(content_type, "charset=");
    if (charset == NULL) {
        return true;
    }
    charset += strlen("charset=");
    charset += *charset == '"';
    size_t count = strcspn(charset, " \t;\"");
    return (count == 5 && strncasecmp(charset, "utf-8", 5) == 0) ||
           (count == 4 && strncasecmp(charset, "utf8", 4) == 0) ||
           (count == 8 && strncasecmp(charset, "us-ascii", 8) == 0);
}

static int mode_of(const struct cloudevents_message *message, enum cloudevents_mode *ret_mode,
                   struct nsh_error *err)
{
    static const char batch[] = "application/cloudevents-batch";
    static const char structured[] = "application/cloudevents";
    const char *type = message->content_type;
    *ret_mode = MODE_BINARY;
    if (strncasecmp(type, batch, sizeof batch - 1) == 0) { /* The longer prefix first. */
        *ret_mode = MODE_BATCH;
    } else if (strncasecmp(type, structured, sizeof structured - 1) == 0) {
        *ret_mode = MODE_STRUCTURED;
    }
    bool known = *ret_mode == MODE_BINARY ||
                 type_is(type, *ret_mode == MODE_BATCH ? "application/cloudevents-batch+json"
                                                       : "application/cloudevents+json");
    if (!known) {
        return nsh_fail(err, NSH_UNSUPPORTED,
                        "content type %.100s: only the JSON formats of CloudEvents are spoken here "
                        "(application/cloudevents+json, application/cloudevents-batch+json)",
                        type);
    }
    if (*ret_mode != MODE_BINARY && !type_is_utf8(type)) {
        return nsh_fail(err, NSH_UNSUPPORTED, "content type %.100s: only UTF-8 is spoken here",
                        type);
    }
    return 0;
}

/* ---- binary mode: attributes out of headers ----------------------------------------------------
 */

bool cloudevents_is_attribute(const char *header_name)
{
    return strncasecmp(header_name, PREFIX, PREFIX_BYTES) == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo quoting as RFC 7230 has it, then one pass of percent-decoding. NULL: that cannot be. */
static char *value_decode(const char *value, struct arena *arena, uint32_t *ret_count)
{
    size_t count = strlen(value), used = 0;
    char *decoded = arena_alloc(arena, count + 1);
    bool quoted = count >= 2 && value[0] == '"' && value[count - 1] == '"';
    const char *end = value + count - quoted;
    for (const char *at = value + quoted; decoded != NULL && at < end; at++) {
        if (quoted && *at == '\\' && at + 1 < end) {
            at++;
        }
        if (*at != '%') {
            decoded[used++] = *at;
            continue;
        }
        int high = end - at < 3 ? -1 : hex_digit(at[1]);
        int low = high < 0 ? -1 : hex_digit(at[2]);
        if (low < 0) {
            return NULL;
        }
        decoded[used++] = (char)(high * 16 + low);
        at += 2;
    }
    if (decoded == NULL || !text_is_utf8(decoded, used)) {
        return NULL;
    }
    *ret_count = (uint32_t)used;
    return decoded;
}

static int attribute_read(const struct cloudevents_header *header, struct arena *arena,
                          struct nsh_member *ret_member, struct nsh_error *err)
{
    size_t count = strlen(header->name) - PREFIX_BYTES;
    char *name = count == 0 || count > ATTRIBUTE_NAME_BYTES_MAX
                     ? NULL
                     : arena_copy(arena, header->name + PREFIX_BYTES, count);
    if (name == NULL) {
        return nsh_fail(err, NSH_INVALID,
                        "header %.80s: an attribute's name has 1 to %d characters", header->name,
                        ATTRIBUTE_NAME_BYTES_MAX);
    }
    for (char *at = name; *at != 0; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at | 0x20) : *at;
        if (!((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9'))) {
            return nsh_fail(err, NSH_INVALID,
                            "header %.80s: an attribute's name is made of letters and digits",
                            header->name);
        }
    }
    if (strcmp(name, "data") == 0 || strcmp(name, "datacontenttype") == 0) {
        return nsh_fail(err, NSH_INVALID, "header %.80s may not be: %s", header->name,
                        strcmp(name, "data") == 0 ? "the data is the body"
                                                  : "Content-Type says it in binary mode");
    }
    uint32_t value_count = 0;
    const char *value = value_decode(header->value, arena, &value_count);
    if (value == NULL) {
        return nsh_fail(err, NSH_INVALID,
                        "attribute %s: the header's value is not percent-encoded UTF-8", name);
    }
    ret_member->name = name;
    ret_member->value = (struct nsh_value){.type = NSH_STRING, .count = value_count, .text = value};
    return 0;
}

static struct nsh_value base64_value(const char *bytes, size_t count, struct arena *arena)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = arena_alloc(arena, (count + 2) / 3 * 4 + 1), *at = text;
    for (size_t i = 0; text != NULL && i < count; i += 3) {
        size_t left = count - i;
        uint32_t group = (uint32_t)(uint8_t)bytes[i] << 16 |
                         (left > 1 ? (uint32_t)(uint8_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)(uint8_t)bytes[i + 2] : 0);
        *at++ = digits[group >> 18];
        *at++ = digits[group >> 12 & 63];
        *at++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[group & 63] : '=';
    }
    return nsh_text(text);
}

/* The body as the attribute data or data_base64; false in *ret_has: there is none. */
static int data_read(const struct cloudevents_message *message, struct arena *arena,
                     struct nsh_member *ret_member, bool *ret_has, struct nsh_error *err)
{
    const char *type = message->content_type;
    *ret_has = message->body_bytes > 0;
    ret_member->name = "data";
    if (!*ret_has) {
        return 0;
    }
    if (type_is_json(type) || type[0] == 0) {
        int result = json_parse(message->body, message->body_bytes, arena, &ret_member->value, err);
        return result < 0 ? nsh_wrap(err, "data") : 0;
    }
    if (strncasecmp(type, "text/", 5) == 0 && type_is_utf8(type) &&
        text_is_utf8(message->body, message->body_bytes)) {
        char *text = arena_copy(arena, message->body, message->body_bytes);
        ret_member->value = nsh_text(text);
        return text == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
    }
    ret_member->name = "data_base64";
    ret_member->value = base64_value(message->body, message->body_bytes, arena);
    return ret_member->value.type == NSH_NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}

static int binary_read(const struct cloudevents_message *message, struct arena *arena,
                       struct nsh_value *ret_value, struct nsh_error *err)
{
    struct nsh_member *members = arena_array(arena, CLOUDEVENTS_HEADERS_MAX + 1, sizeof *members);
    size_t count = 0;
    if (members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < message->headers_count; i++) {
        if (!cloudevents_is_attribute(message->headers[i].name)) {
            continue;
        }
        if (count == CLOUDEVENTS_HEADERS_MAX) {
            return nsh_fail(err, NSH_INVALID, "more than %d attributes", CLOUDEVENTS_HEADERS_MAX);
        }
        int result = attribute_read(&message->headers[i], arena, &members[count], err);
        struct nsh_value so_far = nsh_map(members, count);
        if (result == 0 && nsh_get(&so_far, members[count].name) != NULL) {
            result = nsh_fail(err, NSH_INVALID, "attribute %s comes twice", members[count].name);
        }
        if (result < 0) {
            return result;
        }
        count++;
    }
    if (count == 0) {
        return nsh_fail(err, NSH_INVALID,
                        "no CloudEvent: neither headers (ce-id, ce-source, ce-type, "
                        "ce-specversion) nor the content type application/cloudevents+json");
    }
    bool has_data = false;
    int result = data_read(message, arena, &members[count], &has_data, err);
    if (result == 0) {
        *ret_value = nsh_map(members, count + has_data);
    }
    return result;
}

/* ---- packing --------------------------------------------------------------------------------- */

static struct text hint_of(const struct event *event, struct arena *arena)
{
    if (event->host.count > 0 || event->subject.count == 0 ||
        event->hint.count + event->subject.count + strlen(",host=") > EVENT_TEXT_BYTES_MAX ||
        memchr(event->subject.at, ',', event->subject.count) != NULL) {
        return event->hint;
    }
    return text_of(arena_printf(arena, "%.*s%shost=%.*s", (int)event->hint.count,
                                event->hint.count == 0 ? "" : event->hint.at,
                                event->hint.count == 0 ? "" : ",", (int)event->subject.count,
                                event->subject.at));
}

static int events_read(const struct nsh_value *items, size_t count, int64_t received_ms,
                       struct arena *arena, struct event *events, struct nsh_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int result = event_from_value(&items[i], arena, &events[i], err);
        if (result < 0) {
            return count > 1 ? nsh_wrap(err, "event %zu of %zu", i, count) : result;
        }
        events[i].received_ms = received_ms;
        events[i].hint = hint_of(&events[i], arena);
    }
    return 0;
}

static int events_pack(const struct event *events, size_t count, struct arena *arena,
                       struct cloudevents *ret_events, struct nsh_error *err)
{
    size_t wanted = 0, used = 0;
    for (size_t i = 0; i < count; i++) {
        wanted += event_packed_bytes(&events[i]);
    }
    uint8_t *bytes = arena_alloc(arena, wanted + 1);
    if (bytes == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        used += event_pack(&events[i], bytes + used, wanted - used);
    }
    *ret_events = (struct cloudevents){bytes, used, (uint32_t)count};
    return 0;
}

static int message_read(const struct cloudevents_message *message, struct arena *arena,
                        struct nsh_value *ret_value, const struct nsh_value **ret_items,
                        size_t *ret_count, struct nsh_error *err)
{
    enum cloudevents_mode mode = MODE_BINARY;
    int result = mode_of(message, &mode, err);
    *ret_items = ret_value;
    *ret_count = 1;
    if (result < 0) {
        return result;
    }
    if (mode == MODE_BINARY) {
        return binary_read(message, arena, ret_value, err);
    }
    result = json_parse(message->body, message->body_bytes, arena, ret_value, err);
    if (result < 0 || mode == MODE_STRUCTURED) {
        return result;
    }
    if (ret_value->type != NSH_LIST) {
        return nsh_fail(err, NSH_INVALID, "a batch wants a JSON array of events");
    }
    if (ret_value->count > CLOUDEVENTS_BATCH_MAX) {
        return nsh_fail(err, NSH_INVALID, "a batch of %u events, at most %d", ret_value->count,
                        CLOUDEVENTS_BATCH_MAX);
    }
    *ret_items = ret_value->items;
    *ret_count = ret_value->count;
    return 0;
}

int cloudevents_decode(const struct cloudevents_message *message, int64_t received_ms,
                       struct arena *arena, struct cloudevents *ret_events, struct nsh_error *err)
{
    struct nsh_error own = {0};
    struct nsh_value value = nsh_null();
    const struct nsh_value *items = NULL;
    size_t count = 0;
    int result = message_read(message, arena, &value, &items, &count, &own);
    struct event *events = result < 0 ? NULL : arena_array(arena, count + 1, sizeof *events);
    if (result == 0 && events == NULL) {
        result = nsh_fail(&own, NSH_NOMEM, "out of memory");
    }
    result = result == 0 ? events_read(items, count, received_ms, arena, events, &own) : result;
    result = result == 0 ? events_pack(events, count, arena, ret_events, &own) : result;
    if (result == -NSH_LIMIT) { /* A bound of the event: the sender's mistake, not our load. */
        own.code = NSH_INVALID;
        result = -NSH_INVALID;
    }
    if (result < 0 && err != NULL) {
        *err = own;
    }
    return result;
}
