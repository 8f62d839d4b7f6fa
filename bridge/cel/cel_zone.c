/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IANA time zones from TZif files (RFC 8536), version 2 and later: the list of transitions, and the
 * rule of the footer for times after the last one. Old names that some systems ship apart are
 * mapped to today's.
 */

#include "cel/cel_time.h"

#include <stdio.h>
#include <stdlib.h>

#define ZONE_FOLDER "/usr/share/zoneinfo/"
#define ZONE_BYTES_MAX 65536
#define ZONE_NAME_MAX 64
#define HEADER_BYTES 44

struct rule_day {
    char form; /* 'M', 'J' or 'D' (zero-based day) */
    int month, week, day;
    int64_t seconds;
};

struct cel_zone {
    const unsigned char *times, *types, *infos; /* Big-endian, as in the file. */
    uint32_t times_count, infos_count;
    bool rule, daylight;
    int64_t standard, summer;
    struct rule_day start, end;
};

struct alias {
    const char *old, *name;
};

static const struct alias aliases[] = {
    {"US/Alaska", "America/Anchorage"},    {"US/Arizona", "America/Phoenix"},
    {"US/Central", "America/Chicago"},     {"US/Eastern", "America/New_York"},
    {"US/Hawaii", "Pacific/Honolulu"},     {"US/Mountain", "America/Denver"},
    {"US/Pacific", "America/Los_Angeles"}, {"US/Michigan", "America/Detroit"},
    {"Asia/Calcutta", "Asia/Kolkata"},     {"Asia/Katmandu", "Asia/Kathmandu"},
};

static uint32_t big32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t big64(const unsigned char *at)
{
    return (int64_t)((uint64_t)big32(at) << 32 | big32(at + 4));
}

/* --- fixed offsets ------------------------------------------------------------------------- */

bool cel_zone_is_fixed(struct text name, int64_t *ret_offset)
{
    if (text_is(name, "UTC") || text_is(name, "Z") || text_is(name, "GMT") || name.count == 0) {
        *ret_offset = 0;
        return true;
    }
    char text[16];
    int hours = 0, minutes = 0, used = 0;
    if (name.count >= sizeof text || strspn(name.at, "+-0123456789:") < name.count) {
        return false;
    }
    memcpy(text, name.at, name.count);
    text[name.count] = '\0';
    bool minus = text[0] == '-';
    const char *digits = text + (minus || text[0] == '+');
    if (sscanf(digits, "%2d:%2d%n", &hours, &minutes, &used) != 2 || digits[used] != '\0' ||
        hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
        return false;
    }
    *ret_offset = (hours * 3600 + minutes * 60) * (minus ? -1 : 1);
    return true;
}

/* --- the footer: "CET-1CEST,M3.5.0,M10.5.0/3" ----------------------------------------------- */

static const char *skip_name(const char *at)
{
    if (*at == '<') {
        const char *end = strchr(at, '>');
        return end == NULL ? at : end + 1;
    }
    while ((*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z')) {
        at++;
    }
    return at;
}

/* [+-]hh[:mm[:ss]] */
static const char *take_clock(const char *at, int64_t *ret_seconds)
{
    int64_t sign = *at == '-' ? -1 : 1, all = 0, unit = 3600;
    at += *at == '-' || *at == '+';
    for (;;) {
        char *end = NULL;
        all += strtol(at, &end, 10) * unit;
        unit /= 60;
        if (*end != ':' || unit == 0) {
            *ret_seconds = sign * all;
            return end;
        }
        at = end + 1;
    }
}

static const char *take_day(const char *at, struct rule_day *day)
{
    char *end = NULL;
    day->form = *at == 'M' || *at == 'J' ? *at : 'D';
    at += day->form != 'D';
    if (day->form == 'M') {
        day->month = (int)strtol(at, &end, 10);
        day->week = *end == '.' ? (int)strtol(end + 1, &end, 10) : 0;
        day->day = *end == '.' ? (int)strtol(end + 1, &end, 10) : 0;
    } else {
        day->day = (int)strtol(at, &end, 10);
    }
    day->seconds = 7200;
    return *end == '/' ? take_clock(end + 1, &day->seconds) : end;
}

static bool day_is_sane(const struct rule_day *day)
{
    return day->form != 'M' || (day->month >= 1 && day->month <= 12 && day->week >= 1 &&
                                day->week <= 5 && day->day >= 0 && day->day <= 6);
}

static void take_rule(struct cel_zone *zone, const char *at)
{
    int64_t west = 0;
    at = skip_name(at);
    at = take_clock(at, &west);
    zone->standard = -west;
    zone->summer = zone->standard + 3600;
    zone->rule = true;
    if (*at == '\0') {
        return;
    }
    at = skip_name(at);
    if (*at != ',' && *at != '\0') {
        at = take_clock(at, &west);
        zone->summer = -west;
    }
    if (*at == ',') {
        at = take_day(at + 1, &zone->start);
        zone->daylight = *at == ',';
        if (zone->daylight) {
            take_day(at + 1, &zone->end);
        }
    }
    zone->daylight = zone->daylight && day_is_sane(&zone->start) && day_is_sane(&zone->end);
}

/* Local seconds, from 1970, at which a rule's day comes in a year. */
static int64_t day_seconds(const struct rule_day *rule, int64_t year)
{
    int64_t day = 0;
    if (rule->form == 'M') {
        int64_t first = cel_days_from_civil(year, rule->month, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7;
        day = first + (rule->day - weekday + 7) % 7 + 7LL * (rule->week - 1);
        int64_t next = rule->month == 12 ? cel_days_from_civil(year + 1, 1, 1)
                                         : cel_days_from_civil(year, rule->month + 1, 1);
        while (day >= next) {
            day -= 7;
        }
    } else {
        day = cel_days_from_civil(year, 1, 1) + rule->day - (rule->form == 'J');
        day += rule->form == 'J' && rule->day >= 60 && cel_is_leap(year);
    }
    return day * 86400 + rule->seconds;
}

static int64_t rule_offset(const struct cel_zone *zone, int64_t seconds)
{
    if (!zone->daylight) {
        return zone->standard;
    }
    struct cel_civil civil;
    cel_civil(seconds + zone->standard, &civil);
    int64_t start = day_seconds(&zone->start, civil.year) - zone->standard;
    int64_t end = day_seconds(&zone->end, civil.year) - zone->summer;
    bool summer =
        start < end ? seconds >= start && seconds < end : seconds >= start || seconds < end;
    return summer ? zone->summer : zone->standard;
}

/* --- the file ------------------------------------------------------------------------------ */

static size_t block_bytes(const unsigned char *header, unsigned time_bytes)
{
    size_t isut = big32(header + 20), isstd = big32(header + 24), leap = big32(header + 28),
           times = big32(header + 32), types = big32(header + 36), chars = big32(header + 40);
    return times * (time_bytes + 1) + types * 6 + chars + leap * (time_bytes + 4) + isstd + isut;
}

static bool counts_are_sane(const unsigned char *header)
{
    for (unsigned at = 20; at < HEADER_BYTES; at += 4) {
        if (big32(header + at) > ZONE_BYTES_MAX) {
            return false;
        }
    }
    return memcmp(header, "TZif", 4) == 0;
}

static bool parse_file(struct cel_zone *zone, const unsigned char *bytes, size_t count)
{
    if (count < HEADER_BYTES || !counts_are_sane(bytes) || bytes[4] < '2') {
        return false;
    }
    size_t second = HEADER_BYTES + block_bytes(bytes, 4);
    if (second + HEADER_BYTES > count || !counts_are_sane(bytes + second)) {
        return false;
    }
    const unsigned char *header = bytes + second, *data = header + HEADER_BYTES;
    size_t footer = second + HEADER_BYTES + block_bytes(header, 8);
    zone->times_count = big32(header + 32);
    zone->infos_count = big32(header + 36);
    if (footer > count || zone->infos_count == 0) {
        return false;
    }
    zone->times = data;
    zone->types = data + (size_t)zone->times_count * 8;
    zone->infos = zone->types + zone->times_count;
    /* The bytes end in NUL: they were copied so. */
    if (footer < count && bytes[footer] == '\n') {
        char rule[128];
        const char *text = (const char *)bytes + footer + 1;
        snprintf(rule, sizeof rule, "%.*s", (int)strcspn(text, "\n"), text);
        if (rule[0] != '\0') {
            take_rule(zone, rule);
        }
    }
    return true;
}

static const unsigned char *read_file(struct arena *arena, const char *name, size_t *ret_count)
{
    char path[sizeof ZONE_FOLDER + ZONE_NAME_MAX];
    snprintf(path, sizeof path, ZONE_FOLDER "%s", name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    char *bytes = malloc(ZONE_BYTES_MAX);
    size_t count = bytes == NULL ? 0 : fread(bytes, 1, ZONE_BYTES_MAX, file);
    fclose(file);
    char *copy = count == 0 ? NULL : arena_copy(arena, bytes, count);
    free(bytes);
    *ret_count = count;
    return (const unsigned char *)copy;
}

static bool name_is_safe(const char *name)
{
    return name[0] != '/' && name[0] != '.' && strstr(name, "..") == NULL &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
               strlen(name);
}

const struct cel_zone *cel_zone_load(struct arena *arena, struct text text)
{
    char name[ZONE_NAME_MAX];
    size_t count = 0;
    if (text.count == 0 || text.count >= sizeof name) {
        return NULL;
    }
    memcpy(name, text.at, text.count);
    name[text.count] = '\0';
    if (!name_is_safe(name)) {
        return NULL;
    }
    const unsigned char *bytes = read_file(arena, name, &count);
    for (size_t i = 0; bytes == NULL && i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(aliases[i].old, name) == 0) {
            bytes = read_file(arena, aliases[i].name, &count);
        }
    }
    struct cel_zone *zone = bytes == NULL ? NULL : arena_alloc(arena, sizeof *zone);
    return zone != NULL && parse_file(zone, bytes, count) ? zone : NULL;
}

static int64_t info_offset(const struct cel_zone *zone, uint32_t index)
{
    return index < zone->infos_count ? (int32_t)big32(zone->infos + (size_t)index * 6) : 0;
}

bool cel_zone_offset(const struct cel_zone *zone, struct text name, int64_t seconds,
                     int64_t *ret_offset)
{
    if (cel_zone_is_fixed(name, ret_offset)) {
        return true;
    }
    if (zone == NULL) {
        return false;
    }
    uint32_t low = 0, high = zone->times_count; /* Transitions at or before seconds. */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (big64(zone->times + (size_t)middle * 8) <= seconds) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == zone->times_count && zone->rule) {
        *ret_offset = rule_offset(zone, seconds);
    } else if (low > 0) {
        *ret_offset = info_offset(zone, zone->types[low - 1]);
    } else {
        *ret_offset = info_offset(zone, 0);
    }
    return true;
}
