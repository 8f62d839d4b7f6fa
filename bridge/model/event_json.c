/* SPDX-License-Identifier: Apache-2.0 */
/* Events as CloudEvents 1.0 JSON, both ways. */

#include "base/json.h"
#include "base/pack.h"
#include "model/event.h"

#include <stdio.h>

#define DATA_MEMBERS_MAX 256

static void member_text(struct textbuf *out, const char *name, struct text text)
{
    if (text.count > 0) {
        textbuf_addf(out, ",\"%s\":", name);
        textbuf_add_json(out, text);
    }
}

static void member_time(struct textbuf *out, const char *name, int64_t unix_ms)
{
    if (unix_ms != 0) {
        textbuf_addf(out, ",\"%s\":\"", name);
        textbuf_add_time(out, unix_ms);
        textbuf_add_char(out, '"');
    }
}

void event_to_json(const struct event *event, struct textbuf *out)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    textbuf_add_chars(out, "{\"specversion\":\"1.0\"");
    textbuf_addf(out, ",\"seq\":%llu", (unsigned long long)event->seq);
    member_text(out, "id", event->id);
    member_text(out, "source", event->source);
    member_text(out, "type", event->type);
    member_text(out, "subject", event->subject);
    member_time(out, "time", event->time_ms);
    textbuf_addf(out, ",\"received_ms\":%lld", (long long)event->received_ms);
    textbuf_addf(out, ",\"severity\":\"%s\",\"state\":\"%s\"", severity_word(event->severity),
                 event_state_word(event->state));
    if (event->unmatched) {
        textbuf_add_chars(out, ",\"unmatched\":true");
    }
    member_text(out, "host", event->host);
    member_text(out, "resource", event->resource);
    member_text(out, "qualifier", event->qualifier);
    member_text(out, "name", event->name);
    member_text(out, "message", event->message);
    struct nsh_value data;
    struct pack_reader reader = {.at = (const uint8_t *)event->data.at, .count = event->data.count};
    if (event->data.count > 0 && unpack_value(&reader, &arena, &data, NULL) == 0) {
        textbuf_add_chars(out, ",\"data\":");
        json_write(&data, out);
    }
    textbuf_add_char(out, '}');
}

/* RFC 3339 -> Unix milliseconds. */
static bool time_read(const char *text, int64_t *ret_ms)
{
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, used = 0;
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
               &second, &used) != 6 ||
        used != 19 || year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return false;
    }
    const char *at = text + used;
    int64_t ms = 0, scale = 100;
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10) {
            ms += (*at - '0') * scale;
        }
    }
    int zone_hour = 0, zone_minute = 0, sign = *at == '-' ? -1 : 1;
    if (*at == 'Z' || *at == 'z') {
        at++;
    } else if ((*at == '+' || *at == '-') &&
               sscanf(at + 1, "%2d:%2d%n", &zone_hour, &zone_minute, &used) == 2 && used == 5) {
        at += 6;
    } else {
        return false;
    }
    int64_t y = month <= 2 ? year - 1 : year, era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
    int64_t zone_s = sign * (zone_hour * 3600 + zone_minute * 60);
    *ret_ms = (days * 86400 + hour * 3600 + minute * 60 + second - zone_s) * 1000 + ms;
    return *at == 0;
}

/* The text member called name; missing is empty, and an error when it is wanted. */
static int text_take(const struct nsh_value *value, const char *name, bool wanted,
                     struct text *ret_text, struct nsh_error *err)
{
    const struct nsh_value *member = nsh_get(value, name);
    if (member == NULL || member->type == NSH_NULL) {
        return wanted ? nsh_fail(err, NSH_INVALID, "attribute %s is missing", name) : 0;
    }
    if (member->type != NSH_STRING) {
        return nsh_fail(err, NSH_INVALID, "attribute %s wants a string", name);
    }
    if (member->count > EVENT_TEXT_BYTES_MAX || (wanted && member->count == 0)) {
        return nsh_fail(err, NSH_INVALID, "attribute %s wants 1 to %d bytes, got %u", name,
                        EVENT_TEXT_BYTES_MAX, member->count);
    }
    *ret_text = (struct text){member->text, member->count};
    return 0;
}

static int texts_take(const struct nsh_value *value, struct event *event, struct nsh_error *err)
{
    const struct {
        const char *name;
        bool wanted;
        struct text *text;
    } rows[] = {
        {"id", true, &event->id},
        {"source", true, &event->source},
        {"type", true, &event->type},
        {"subject", false, &event->subject},
        {"host", false, &event->host},
        {"resource", false, &event->resource},
        {"qualifier", false, &event->qualifier},
        {"name", false, &event->name},
        {"message", false, &event->message},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int result = text_take(value, rows[i].name, rows[i].wanted, rows[i].text, err);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int words_take(const struct nsh_value *value, struct event *event, struct nsh_error *err)
{
    struct text severity = TEXT("info"), state = TEXT("pulse"), time = {NULL, 0};
    int result = text_take(value, "severity", false, &severity, err);
    result = result == 0 ? text_take(value, "state", false, &state, err) : result;
    result = result == 0 ? text_take(value, "time", false, &time, err) : result;
    if (result < 0) {
        return result;
    }
    int found = severity_of(severity);
    if (found < 0) {
        return nsh_fail(
            err, NSH_INVALID,
            "attribute severity wants info, warning, minor, major, critical or fatal, got %.*s",
            (int)severity.count, severity.at);
    }
    event->severity = (enum severity)found;
    for (event->state = EVENT_PULSE; !text_is(state, event_state_word(event->state));
         event->state++) {
        if (event->state == EVENT_CLEAR) {
            return nsh_fail(err, NSH_INVALID,
                            "attribute state wants pulse, raise or clear, got %.*s",
                            (int)state.count, state.at);
        }
    }
    if (time.count > 0 && !time_read(time.at, &event->time_ms)) {
        return nsh_fail(err, NSH_INVALID, "attribute time wants RFC 3339, got %.*s",
                        (int)time.count, time.at);
    }
    return 0;
}

static bool attribute_known(const char *name)
{
    static const char *const known[] = {
        "specversion", "id",          "source",          "type",       "subject",  "time",
        "data",        "data_base64", "datacontenttype", "dataschema", "severity", "state",
        "host",        "resource",    "qualifier",       "name",       "message"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The data as a map: what is no map is wrapped; unknown extension attributes join it under their
 * names. */
static int data_take(const struct nsh_value *value, struct arena *arena, struct event *event,
                     struct nsh_error *err)
{
    const struct nsh_value *data = nsh_get(value, "data"), *base64 = nsh_get(value, "data_base64");
    uint32_t room = value->count + (data != NULL && data->type == NSH_MAP ? data->count : 1) + 1;
    struct nsh_member *members = arena_array(arena, room, sizeof *members);
    if (members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    uint32_t count = 0;
    if (data != NULL && data->type == NSH_MAP) {
        memcpy(members, data->members, data->count * sizeof *members);
        count = data->count;
    } else if (data != NULL && data->type != NSH_NULL) {
        members[count++] = (struct nsh_member){"value", *data};
    }
    if (base64 != NULL && base64->type == NSH_STRING) {
        members[count++] = (struct nsh_member){"base64", *base64};
    }
    for (uint32_t i = 0; i < value->count; i++) {
        struct nsh_value so_far = nsh_map(members, count);
        if (!attribute_known(value->members[i].name) &&
            nsh_get(&so_far, value->members[i].name) == NULL) {
            members[count++] = value->members[i];
        }
    }
    if (count == 0) {
        return 0;
    }
    struct nsh_value map = nsh_map(members, count);
    struct pack_writer measure = {0};
    pack_value(&measure, &map);
    if (measure.failed || measure.count > EVENT_DATA_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "data of %zu bytes, at most %d", measure.count,
                        EVENT_DATA_BYTES_MAX);
    }
    struct pack_writer writer = {.at = arena_alloc(arena, measure.count), .room = measure.count};
    if (writer.at == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    pack_value(&writer, &map);
    event->data = (struct text){(const char *)writer.at, (uint32_t)writer.count};
    return 0;
}

int event_from_value(const struct nsh_value *value, struct arena *arena, struct event *ret_event,
                     struct nsh_error *err)
{
    if (value->type != NSH_MAP) {
        return nsh_fail(err, NSH_INVALID, "an event wants a JSON object");
    }
    const char *version = nsh_get_text(value, "specversion", NULL);
    if (version == NULL || strcmp(version, "1.0") != 0) {
        return nsh_fail(err, NSH_INVALID, "attribute specversion wants \"1.0\"%s%.20s",
                        version == NULL ? "" : ", got ", version == NULL ? "" : version);
    }
    struct event event = {0};
    int result = texts_take(value, &event, err);
    result = result == 0 ? words_take(value, &event, err) : result;
    result = result == 0 ? data_take(value, arena, &event, err) : result;
    if (result == 0) {
        *ret_event = event;
    }
    return result;
}
