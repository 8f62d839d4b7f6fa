/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a record, its time, its event. */

#include "sel_record.h"

#include "source/map/source_push.h"

#include <stdio.h>

#define TYPE_SENSOR 0x02
#define TYPE_OEM_TIMED 0xc0
#define TYPE_OEM 0xe0
#define SPECIFIC 0x6f
#define ANY_OFFSET 0xff
#define MEMBERS_MAX 32
#define DATA_BYTES_MAX 4096
#define AHEAD_S                                                                                    \
    60 /* A record may be that much ahead of its clock: it was read a moment before.               \
        */

/* ---- fields ---- */

static uint32_t little(const uint8_t *bytes, size_t count)
{
    uint32_t value = 0;
    while (count-- > 0) {
        value = value << 8 | bytes[count];
    }
    return value;
}

void sel_record_read(const uint8_t bytes[SEL_RECORD_BYTES], struct sel_record *ret_record)
{
    *ret_record = (struct sel_record){.id = (uint16_t)little(bytes, 2), .type = bytes[2]};
    memcpy(ret_record->bytes, bytes, SEL_RECORD_BYTES);
    ret_record->of_sensor = bytes[2] == TYPE_SENSOR;
    if (bytes[2] < TYPE_OEM) {
        ret_record->time_s = little(bytes + 3, 4);
        ret_record->has_time =
            ret_record->time_s >= SEL_TIME_SET && ret_record->time_s != UINT32_MAX;
    }
    if (bytes[2] >= TYPE_OEM_TIMED && bytes[2] < TYPE_OEM) {
        ret_record->manufacturer = little(bytes + 7, 3);
    }
    if (ret_record->of_sensor) {
        ret_record->generator = (uint16_t)little(bytes + 7, 2);
        ret_record->sensor_type = bytes[10];
        ret_record->sensor_number = bytes[11];
        ret_record->event_type = bytes[12] & 0x7f;
        ret_record->asserted = (bytes[12] & 0x80) == 0;
        ret_record->offset = bytes[13] & 0x0f;
        memcpy(ret_record->data, bytes + 13, 3);
    }
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool sel_record_hex(const char *text, uint8_t ret_bytes[SEL_RECORD_BYTES])
{
    uint8_t bytes[SEL_RECORD_BYTES];
    for (size_t i = 0; i < SEL_RECORD_BYTES; i++, text += 2) {
        int high = digit_of(text[0]), low = high < 0 ? -1 : digit_of(text[1]);
        if (low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (text[0] != '\0') {
        return false;
    }
    memcpy(ret_bytes, bytes, sizeof bytes);
    return true;
}

void sel_record_write(const uint8_t bytes[SEL_RECORD_BYTES],
                      char ret_text[2 * SEL_RECORD_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SEL_RECORD_BYTES; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * SEL_RECORD_BYTES] = '\0';
}

int64_t sel_record_age_s(const struct sel_record *record, uint32_t clock_s)
{
    if (!record->has_time || clock_s < SEL_TIME_SET || clock_s == UINT32_MAX ||
        (int64_t)record->time_s > (int64_t)clock_s + AHEAD_S) {
        return -1;
    }
    return record->time_s > clock_s ? 0 : (int64_t)clock_s - record->time_s;
}

/* The same, unless it cannot be. */
static int64_t age_of(const struct sel_record *record, const struct sel_reading *reading)
{
    int64_t age_s = sel_record_age_s(record, reading->clock_s);
    int64_t most_s = (reading->now_ms - reading->since_ms) / 1000 + AHEAD_S;
    return reading->since_ms > 0 && age_s > most_s ? -1 : age_s;
}

/* ---- what the specification says of event data 2 and 3 ---- */

struct members {
    struct nsh_member items[MEMBERS_MAX];
    size_t count;
};

static void add(struct members *members, const char *name, struct nsh_value value)
{
    if (members->count < MEMBERS_MAX) {
        members->items[members->count++] = (struct nsh_member){name, value};
    }
}

static void add_threshold(const struct sel_record *record, struct members *members)
{
    if ((record->data[0] >> 6 & 3) == 1) {
        add(members, "reading_raw", nsh_int(record->data[1]));
    }
    if ((record->data[0] >> 4 & 3) == 1) {
        add(members, "threshold_raw", nsh_int(record->data[2]));
    }
}

/* One row for a sensor type that says something there: byte 2, byte 3 (NULL words: a number). */
struct extra {
    const char *name;
    const char *const *words;
    uint8_t words_count, sensor_type;
    uint8_t offset; /* ANY_OFFSET: any */
    uint8_t byte;   /* 2 or 3 */
    uint8_t mask;
};

static const char *const slot_kinds[] = {
    "PCI",  "drive array", "external peripheral", "docking", "internal",  "entity's", "AdvancedTCA",
    "DIMM", "fan",         "PCI Express",         "SCSI",    "SATA / SAS"};
static const char *const timer_uses[] = {"reserved", "BIOS FRB2", "BIOS/POST",
                                         "OS load",  "SMS/OS",    "OEM"};
static const char *const restart_causes[] = {
    "unknown",        "chassis control", "reset button", "power button",    "watchdog",   "OEM",
    "power restored", "power restored",  "PEF reset",    "PEF power cycle", "soft reset", "RTC"};
static const char *const supply_errors[] = {"vendor mismatch", "revision mismatch",
                                            "processor missing", "rating mismatch",
                                            "voltage rating mismatch"};
#define WORDS(list) (list), sizeof(list) / sizeof(list)[0]

/* IPMI 2.0, table 42-3. The byte must be said to be there, as a sensor-specific extension. */
static const struct extra extras[] = {
    {"dimm", NULL, 0, 0x0c, ANY_OFFSET, 3, 0xff},
    {"dimm", NULL, 0, 0x10, 0, 2, 0xff},
    {"percent_full", NULL, 0, 0x10, 5, 3, 0xff},
    {"config_error", WORDS(supply_errors), 0x08, 6, 3, 0x0f},
    {"post_code", NULL, 0, 0x0f, ANY_OFFSET, 2, 0xff},
    {"pef_action", NULL, 0, 0x12, 4, 2, 0x3f},
    {"restart_cause", WORDS(restart_causes), 0x1d, 7, 2, 0x0f},
    {"slot_kind", WORDS(slot_kinds), 0x21, ANY_OFFSET, 2, 0x7f},
    {"slot", NULL, 0, 0x21, ANY_OFFSET, 3, 0xff},
    {"timer_use", WORDS(timer_uses), 0x23, ANY_OFFSET, 2, 0x0f},
    {"user_id", NULL, 0, 0x2a, ANY_OFFSET, 2, 0x3f},
};

static void add_extras(const struct sel_record *record, struct members *members)
{
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
        const struct extra *extra = &extras[i];
        unsigned said = record->data[0] >> (extra->byte == 2 ? 6 : 4) & 3u;
        if (extra->sensor_type != record->sensor_type || said != 3 ||
            (extra->offset != ANY_OFFSET && extra->offset != record->offset)) {
            continue;
        }
        unsigned value = record->data[extra->byte - 1] & extra->mask;
        add(members, extra->name,
            extra->words == NULL         ? nsh_int(value)
            : value < extra->words_count ? nsh_text(extra->words[value])
                                         : nsh_text("other"));
    }
}

/* ---- severity ---- */

/*
 * As a platform event trap carries it (1 monitor, 2 information, 4 OK, 8 non-critical, 10h
 * critical, 20h non-recoverable), from the generic event types of table 42-2: a trap has it from
 * the BMC, a log does not.
 */
static uint8_t severity_of_type(const struct sel_record *record)
{
    static const uint8_t threshold[] = {8, 8, 16, 16, 32, 32, 8, 8, 16, 16, 32, 32};
    static const uint8_t state[] = {4, 8, 16, 32, 8, 16, 32, 1, 2};
    static const uint8_t availability[] = {4, 2, 2, 2, 8, 2, 8, 2, 16};
    static const uint8_t redundancy[] = {4, 16, 8, 8, 8, 16, 8, 8};
    uint8_t offset = record->offset;

    switch (record->event_type) {
    case 0x01:
        return offset < sizeof threshold ? threshold[offset] : 2;
    case 0x03:
    case 0x04:
    case 0x05:
    case 0x06:
        return offset == 0 ? 4 : 8;
    case 0x07:
        return offset < sizeof state ? state[offset] : 2;
    case 0x08: /* Absent, present. */
    case 0x09: /* Disabled, enabled. */
        return offset == 0 ? 8 : 4;
    case 0x0a:
        return offset < sizeof availability ? availability[offset] : 2;
    case 0x0b:
        return offset < sizeof redundancy ? redundancy[offset] : 2;
    default:
        return 2;
    }
}

/* ---- the event ---- */

static const char *sensor_text(const struct sel_record *record, const char *name,
                               struct arena *arena)
{
    const char *type = sel_type_words(record->sensor_type);
    if (name[0] != '\0') {
        return name;
    }
    return type[0] != '\0' ? arena_printf(arena, "%s #0x%02x", type, record->sensor_number)
                           : arena_printf(arena, "sensor type %02xh #0x%02x", record->sensor_type,
                                          record->sensor_number);
}

static const char *event_text(const struct sel_record *record, struct arena *arena)
{
    const char *words = sel_event_words(record);
    return words[0] != '\0' ? words
                            : arena_printf(arena, "event type %02xh, offset %u", record->event_type,
                                           record->offset);
}

/* "memory: uncorrectable ECC error (DIMM A1: Uncorrectable ECC)" */
static struct text message_of(const struct sel_record *record, const char *name, struct text row,
                              struct arena *arena)
{
    const char *sensor = sensor_text(record, name, arena);
    const char *what = event_text(record, arena);
    const char *text =
        sensor == NULL || what == NULL
            ? NULL
            : arena_printf(arena, "%.*s (%s: %s%s)", (int)row.count, row.at == NULL ? "" : row.at,
                           sensor, what, record->asserted ? "" : ", deasserted");
    if (text == NULL) {
        return (struct text){0};
    }
    return text_of(text);
}

static void add_common(const struct sel_record *record, const struct sel_reading *reading,
                       const char *raw, struct members *members)
{
    int64_t age_s = age_of(record, reading);
    add(members, "record", nsh_int(record->id));
    add(members, "record_type", nsh_int(record->type));
    add(members, "raw", nsh_text(raw));
    if (record->type < TYPE_OEM) {
        add(members, "bmc_time", nsh_int(record->time_s));
    }
    if (age_s >= 0) {
        add(members, "age_s", nsh_int(age_s));
    }
    add(members, "address", nsh_text(reading->address));
}

static bool event_identity(const struct sel_record *record, const struct sel_reading *reading,
                           const char *raw, struct arena *arena, struct event *event)
{
    int64_t age_s = age_of(record, reading);
    bool of_host = reading->host[0] != '\0';
    const char *id = arena_printf(arena, "%s/%s", reading->address, raw);
    const char *hint = of_host ? arena_printf(arena, "host=%s", reading->host) : "";
    event->source = text_of(reading->source);
    event->received_ms = reading->now_ms;
    event->time_ms = reading->now_ms - (age_s > 0 ? age_s * 1000 : 0);
    event->host = event->subject = text_of(reading->host);
    event->id = text_of(id == NULL ? "" : id);
    event->hint = text_of(hint == NULL ? "" : hint);
    return id != NULL && hint != NULL;
}

static bool pack(struct members *members, struct arena *arena, struct text *ret_data)
{
    const struct nsh_value map = nsh_map(members->items, members->count);
    struct text data = source_pack_data(&map, DATA_BYTES_MAX, arena);
    if (data.at == NULL) {
        return false;
    }
    *ret_data = data;
    return true;
}

/* A maker's own record: what it means, the maker knows. */
static bool event_oem(const struct sel_record *record, struct members *members, struct arena *arena,
                      struct event *event)
{
    char hex[2 * SEL_RECORD_BYTES + 1];
    sel_record_write(record->bytes, hex);
    bool timed = record->type >= TYPE_OEM_TIMED && record->type < TYPE_OEM;
    if (timed) {
        add(members, "manufacturer", nsh_int(record->manufacturer));
    }
    const char *data = arena_copy(arena, hex + (timed ? 20 : 6), timed ? 12 : 26);
    const char *name = arena_printf(arena, "IPMI-SEL::oem%02X", record->type);
    if (data == NULL || name == NULL) {
        return false;
    }
    add(members, "event_data", nsh_text(data));
    const char *text =
        timed ? arena_printf(arena, "record %02Xh of manufacturer %u: %s", record->type,
                             record->manufacturer, data)
              : arena_printf(arena, "record %02Xh of its maker: %s", record->type, data);
    event->type = TEXT("ipmi.event");
    event->severity = SEVERITY_INFO;
    event->state = EVENT_PULSE;
    event->name = text_of(name);
    event->resource = TEXT("oem");
    event->message = text_of(text == NULL ? "" : text);
    return text != NULL && pack(members, arena, &event->data);
}

static void add_sensor(const struct sel_record *record, const char *name, const char *data,
                       struct members *members)
{
    add(members, "sensor_number", nsh_int(record->sensor_number));
    add(members, "sensor_name", nsh_text(name));
    add(members, "sensor_words", nsh_text(sel_type_words(record->sensor_type)));
    add(members, "event_words", nsh_text(sel_event_words(record)));
    add(members, "generator", nsh_int(record->generator));
    add(members, "event_data", nsh_text(data));
    if (record->event_type == 0x01) {
        add_threshold(record, members);
    } else if (record->event_type == SPECIFIC) {
        add_extras(record, members);
    }
}

static struct text keep(struct arena *arena, struct text text, bool *ret_failed)
{
    struct text copy = text.count == 0 ? (struct text){"", 0} : arena_text(arena, text);
    *ret_failed = *ret_failed || copy.at == NULL;
    return copy;
}

bool sel_event(struct trap_mapper *mapper, const struct sel_record *record, const char *name,
               const struct sel_reading *reading, struct arena *arena, struct event *ret_event)
{
    struct event event = {0};
    struct members members = {.count = 0};
    char hex[2 * SEL_RECORD_BYTES + 1];
    sel_record_write(record->bytes, hex);
    const char *raw = arena_copy(arena, hex, sizeof hex - 1);
    const char *data = arena_copy(arena, hex + 26, 6);
    if (raw == NULL || data == NULL) {
        return false;
    }
    add_common(record, reading, raw, &members);
    if (!record->of_sensor) {
        if (!event_identity(record, reading, raw, arena, &event) ||
            !event_oem(record, &members, arena, &event)) {
            return false;
        }
        *ret_event = event;
        return true;
    }
    add_sensor(record, name, data, &members);
    const struct pet pet = {.sensor_type = record->sensor_type,
                            .event_type = record->event_type,
                            .offset = record->offset,
                            .deasserted = !record->asserted,
                            .severity = severity_of_type(record)};
    trap_map_pet(mapper, &pet, members.items, members.count, &event);
    bool failed = false;
    event.resource = keep(arena, event.resource, &failed); /* The mapper's until its next one. */
    event.data = keep(arena, event.data, &failed);
    event.message = message_of(record, name, event.message, arena);
    failed =
        failed || event.message.at == NULL || !event_identity(record, reading, raw, arena, &event);
    *ret_event = event;
    return !failed;
}

bool sel_events_overtake(struct event *items, uint32_t count, struct arena *arena)
{
    for (uint32_t i = 0; i < count; i++) {
        struct event *event = &items[i];
        bool over = false;
        for (uint32_t n = i + 1; n < count && !over && event->state == EVENT_RAISE; n++) {
            over = items[n].state == EVENT_CLEAR && text_equal(items[n].type, event->type) &&
                   text_equal(items[n].resource, event->resource) &&
                   text_equal(items[n].qualifier, event->qualifier);
        }
        if (over) {
            const char *text = arena_printf(arena, "over already: %.*s", (int)event->message.count,
                                            event->message.at);
            if (text == NULL) {
                return false;
            }
            event->state = EVENT_PULSE;
            event->severity = SEVERITY_INFO;
            event->message = text_of(text);
        }
    }
    return true;
}

bool sel_event_full(const struct sel_reading *reading, bool full, int64_t entries,
                    int64_t free_bytes, bool overflow, struct arena *arena, struct event *ret_event)
{
    struct members members = {.count = 0};
    const char *text =
        overflow && full
            ? arena_printf(arena, "the event log of %s is full and lost records: %lld entries",
                           reading->address, (long long)entries)
            : arena_printf(arena, "the event log of %s %s: %lld entries, room for %lld",
                           reading->address, full ? "is nearly full" : "has room again",
                           (long long)entries, (long long)free_bytes / SEL_RECORD_BYTES);
    const char *hint = arena_printf(arena, "host=%s", reading->host);
    if (text == NULL || hint == NULL) {
        return false;
    }
    add(&members, "entries", nsh_int(entries));
    add(&members, "free", nsh_int(free_bytes));
    add(&members, "overflow", nsh_bool(overflow));
    add(&members, "address", nsh_text(reading->address));
    /* As rows of sensor type 10h call it: a BMC that logs it too raises the same alarm. */
    *ret_event = (struct event){.type = TEXT("event-log.full"),
                                .name = TEXT("IPMI-SEL::full"),
                                .state = full ? EVENT_RAISE : EVENT_CLEAR,
                                .severity = !full      ? SEVERITY_INFO
                                            : overflow ? SEVERITY_MAJOR
                                                       : SEVERITY_WARNING,
                                .source = text_of(reading->source),
                                .time_ms = reading->now_ms,
                                .received_ms = reading->now_ms,
                                .host = text_of(reading->host),
                                .subject = text_of(reading->host),
                                .hint = text_of(hint),
                                .message = text_of(text)};
    return pack(&members, arena, &ret_event->data);
}

/* ---- files ---- */

static bool is_text(const char *bytes, size_t bytes_count)
{
    for (size_t i = 0; i < bytes_count; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c > 0x7e || (c < 0x20 && c != '\n' && c != '\r' && c != '\t')) {
            return false;
        }
    }
    return true;
}

/* One line; 0: nothing on it, 1: a record. */
static int line_read(const char *line, size_t count, uint8_t record[SEL_RECORD_BYTES])
{
    char digits[2 * SEL_RECORD_BYTES + 1] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && line[i] != '#'; i++) {
        bool prefix = line[i] == '0' && i + 1 < count && (line[i + 1] == 'x' || line[i + 1] == 'X');
        if (prefix) {
            i++;
        } else if (strchr(" \t\r,:", line[i]) == NULL) {
            if (used == sizeof digits - 1) {
                return -1;
            }
            digits[used++] = line[i];
        }
    }
    digits[used] = '\0';
    return used == 0 ? 0 : sel_record_hex(digits, record) ? 1 : -1;
}

static int lines_read(const char *bytes, size_t bytes_count, uint8_t (*records)[SEL_RECORD_BYTES],
                      size_t *ret_count, struct nsh_error *err)
{
    size_t count = 0, number = 0;
    for (size_t at = 0; at < bytes_count;) {
        const char *end = memchr(bytes + at, '\n', bytes_count - at);
        size_t length = end == NULL ? bytes_count - at : (size_t)(end - bytes) - at;
        uint8_t record[SEL_RECORD_BYTES];
        int result = line_read(bytes + at, length, record);
        number++;
        if (result < 0 || (result > 0 && count == SEL_FILE_RECORDS_MAX)) {
            return nsh_fail(err, NSH_INVALID, "line %zu is no record of 32 hex digits%s", number,
                            result > 0 ? ": too many" : "");
        }
        if (result > 0) {
            memcpy(records[count++], record, SEL_RECORD_BYTES);
        }
        at += length + 1;
    }
    *ret_count = count;
    return 0;
}

int sel_file_read(const char *bytes, size_t bytes_count, struct arena *arena,
                  uint8_t (**ret_records)[SEL_RECORD_BYTES], size_t *ret_count,
                  struct nsh_error *err)
{
    bool text = is_text(bytes, bytes_count);
    size_t room = text ? bytes_count / (2 * SEL_RECORD_BYTES) + 1 : bytes_count / SEL_RECORD_BYTES;
    if (!text && (bytes_count % SEL_RECORD_BYTES != 0 || room > SEL_FILE_RECORDS_MAX)) {
        return nsh_fail(err, NSH_INVALID, "%zu bytes are not 1 to %d records of %d bytes",
                        bytes_count, SEL_FILE_RECORDS_MAX, SEL_RECORD_BYTES);
    }
    uint8_t(*records)[SEL_RECORD_BYTES] = arena_array(arena, room + 1, sizeof *records);
    if (records == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *ret_records = records;
    if (text) {
        return lines_read(bytes, bytes_count, records, ret_count, err);
    }
    memcpy(records, bytes, bytes_count);
    *ret_count = room;
    return 0;
}
