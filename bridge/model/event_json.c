/* SPDX-License-Identifier: Apache-2.0 */
/* Events as CloudEvents 1.0 JSON, both ways. */

#include "base/json.h"
#include "base/pack.h"
#include "model/event.h"

#include <string.h>

#define EXTENSIONS_MAX                                                                             \
    256 /* Unknown attributes of one event: each is compared with those before. */

/* Each member of each event comes by here: no printf. */
static void member_name(struct textbuf *out, const char *name)
{
    textbuf_add(out, TEXT(",\""));
    textbuf_add_chars(out, name);
    textbuf_add(out, TEXT("\":"));
}

static void member_int(struct textbuf *out, const char *name, int64_t number)
{
    member_name(out, name);
    json_write(&(struct nsh_value){.type = NSH_INT, .integer = number}, out);
}

static void member_text(struct textbuf *out, const char *name, struct text text)
{
    if (text.count > 0) {
        member_name(out, name);
        textbuf_add_json(out, text);
    }
}

static void member_time(struct textbuf *out, const char *name, int64_t unix_ms)
{
    if (unix_ms != 0) {
        member_name(out, name);
        textbuf_add_char(out, '"');
        textbuf_add_time(out, unix_ms);
        textbuf_add_char(out, '"');
    }
}

void event_to_json(const struct event *event, struct textbuf *out)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    textbuf_add_chars(out, "{\"specversion\":\"1.0\"");
    member_int(out, "seq", (int64_t)event->seq);
    member_text(out, "id", event->id);
    member_text(out, "source", event->source);
    member_text(out, "type", event->type);
    member_text(out, "subject", event->subject);
    member_time(out, "time", event->time_ms);
    member_int(out, "received_ms", event->received_ms);
    member_text(out, "severity", text_of(severity_word(event->severity)));
    member_text(out, "state", text_of(event_state_word(event->state)));
    if (event->unmatched) {
        textbuf_add_chars(out, ",\"unmatched\":true");
    }
    member_text(out, "host", event->host);
    member_text(out, "identity", event->hint);
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

/* Two digits at *at, or -1; *at moves behind them. */
static int two_digits(const char **at)
{
    const char *digits = *at;
    if (digits[0] < '0' || digits[0] > '9' || digits[1] < '0' || digits[1] > '9') {
        return -1;
    }
    *at += 2;
    return (digits[0] - '0') * 10 + digits[1] - '0';
}

static bool take_char(const char **at, const char *wanted)
{
    bool found = **at != 0 && strchr(wanted, **at) != NULL;
    *at += found;
    return found;
}

/* Minutes east of UTC. */
static bool zone_read(const char **at, int *ret_minutes)
{
    *ret_minutes = 0;
    if (take_char(at, "Zz")) {
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    if (!take_char(at, "+-")) {
        return false;
    }
    int hour = two_digits(at);
    bool colon = hour >= 0 && take_char(at, ":");
    int minute = colon ? two_digits(at) : -1;
    *ret_minutes = sign * (hour * 60 + minute);
    return hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59;
}

/* Days of 1970-01-01 to the date (H. Hinnant's algorithm). */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

bool event_time_read(const char *at, int64_t *ret_ms)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int parts[7], zone = 0; /* century, year of it, month, day, hour, minute, second */
    static const char *const separators[] = {"", "-", "-", "Tt ", ":", ":", ""};
    for (unsigned i = 0; i < 7; i++) {
        parts[i] = two_digits(&at);
        if (parts[i] < 0 || (separators[i][0] != 0 && !take_char(&at, separators[i]))) {
            return false;
        }
    }
    int year = parts[0] * 100 + parts[1], month = parts[2], day = parts[3];
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1 || month < 1 || month > 12 || day < 1 ||
        day > month_days[month - 1] + (month == 2 && leap) || parts[4] > 23 || parts[5] > 59 ||
        parts[6] > 60) {
        return false;
    }
    int64_t ms = 0, scale = 100;
    if (take_char(&at, ".")) {
        const char *digits = at;
        for (; *at >= '0' && *at <= '9'; at++, scale /= 10) {
            ms += (*at - '0') * scale;
        }
        if (at == digits) {
            return false;
        }
    }
    if (!zone_read(&at, &zone) || *at != 0) {
        return false;
    }
    *ret_ms = (days_of(year, month, day) * 86400 + parts[4] * 3600 + parts[5] * 60 + parts[6] -
               zone * 60) *
                  1000 +
              ms;
    return true;
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

static int texts_take(const struct nsh_value *value, bool kept, struct event *event,
                      struct nsh_error *err)
{
    const struct {
        const char *name;
        bool wanted;
        struct text *text;
    } rows[] = {
        {"id", !kept, &event->id}, /* A trap has none. */
        {"source", !kept, &event->source},
        {"type", !kept, &event->type},
        {"subject", false, &event->subject},
        {"host", false, &event->host},
        {"identity", false, &event->hint},
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
    if (time.count > 0 && !event_time_read(time.at, &event->time_ms)) {
        return nsh_fail(err, NSH_INVALID, "attribute time wants RFC 3339, got %.*s",
                        (int)time.count, time.at);
    }
    return 0;
}

static bool attribute_known(const char *name)
{
    static const char *const known[] = {
        "specversion", "id", "source", "type", "subject", "time", "data", "data_base64",
        "datacontenttype", "dataschema", "severity", "state", "host", "identity", "resource",
        "qualifier", "name", "message",
        /* Ours, as event_to_json() writes them: an event that comes back gets new ones. */
        "seq", "received_ms", "unmatched"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i][0] == name[0] && strcmp(known[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The packed map; its size is checked before anything is compared with its members. */
static int data_pack(const struct nsh_value *map, struct arena *arena, struct text *ret_data,
                     struct nsh_error *err)
{
    struct pack_writer measure = {0};
    pack_value(&measure, map);
    if (measure.failed || measure.count > EVENT_DATA_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "data is %s (%zu bytes, at most %d)",
                        measure.failed ? "nested too deep" : "too large", measure.count,
                        EVENT_DATA_BYTES_MAX);
    }
    struct pack_writer writer = {.at = arena_alloc(arena, measure.count), .room = measure.count};
    if (writer.at == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    pack_value(&writer, map);
    *ret_data = (struct text){(const char *)writer.at, (uint32_t)writer.count};
    return 0;
}

/* Extension attributes that nobody knows join the data under their names, unless it has them. */
static int extensions_take(const struct nsh_value *value, struct nsh_member *members,
                           uint32_t *count, struct nsh_error *err)
{
    uint32_t unknown_count = 0;
    for (uint32_t i = 0; i < value->count; i++) {
        if (attribute_known(value->members[i].name)) {
            continue;
        }
        if (++unknown_count > EXTENSIONS_MAX) {
            return nsh_fail(err, NSH_LIMIT, "more than %d extension attributes", EXTENSIONS_MAX);
        }
        struct nsh_value so_far = nsh_map(members, *count);
        if (nsh_get(&so_far, value->members[i].name) == NULL) {
            members[(*count)++] = value->members[i];
        }
    }
    return 0;
}

/* The data as a map: what is no map is wrapped. */
static int data_take(const struct nsh_value *value, struct arena *arena, struct event *event,
                     struct nsh_error *err)
{
    const struct nsh_value *data = nsh_get(value, "data"), *base64 = nsh_get(value, "data_base64");
    const struct nsh_value *own = data != NULL && data->type == NSH_MAP ? data : NULL;
    if (base64 != NULL && (base64->type != NSH_STRING || data != NULL)) {
        return nsh_fail(err, NSH_INVALID,
                        "attribute data_base64 wants a string, and no data beside it");
    }
    int result = own != NULL ? data_pack(own, arena, &event->data, err) : 0;
    if (result < 0) {
        return result;
    }
    size_t room = (size_t)value->count + (own != NULL ? own->count : 1) + 1;
    struct nsh_member *members = arena_array(arena, room, sizeof *members);
    if (members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    uint32_t count = own != NULL ? own->count : 0;
    if (count > 0) {
        memcpy(members, own->members, count * sizeof *members);
    } else if (own == NULL && data != NULL && data->type != NSH_NULL) {
        members[count++] = (struct nsh_member){"value", *data};
    } else if (base64 != NULL) {
        members[count++] = (struct nsh_member){"base64", *base64};
    }
    result = extensions_take(value, members, &count, err);
    if (result < 0 || count == 0 || (own != NULL && count == own->count)) {
        return result; /* Nothing joined: what was packed first stands. */
    }
    struct nsh_value map = nsh_map(members, count);
    return data_pack(&map, arena, &event->data, err);
}

static int event_take(const struct nsh_value *value, bool kept, struct arena *arena,
                      struct event *event, struct nsh_error *err)
{
    int result = texts_take(value, kept, event, err);
    result = result == 0 ? words_take(value, event, err) : result;
    return result == 0 ? data_take(value, arena, event, err) : result;
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
    int result = event_take(value, false, arena, &event, err);
    if (result == 0) {
        *ret_event = event;
    }
    return result;
}

int event_from_kept(const struct nsh_value *value, struct arena *arena, struct event *ret_event,
                    struct nsh_error *err)
{
    if (value->type != NSH_MAP) {
        return nsh_fail(err, NSH_INVALID, "an event wants a JSON object");
    }
    struct event event = {
        .seq = (uint64_t)nsh_get_int(value, "seq", 0),
        .received_ms = nsh_get_int(value, "received_ms", 0),
        .unmatched = nsh_get_bool(value, "unmatched", false),
    };
    int result = event_take(value, true, arena, &event, err);
    if (result == 0) {
        *ret_event = event;
    }
    return result;
}
