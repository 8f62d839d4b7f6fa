/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timestamps (years 1 to 9999) and durations (64 bits of nanoseconds, about 292 years), both kept
 * as seconds rounded down and nanoseconds.
 */

#include "cel/cel_time.h"

#include <inttypes.h>
#include <stdio.h>

#define TIMESTAMP_MIN (-62135596800)
#define TIMESTAMP_MAX 253402300799
#define DURATION_MAX 9223372036
#define DAY 86400

bool cel_timestamp_in_range(int64_t seconds)
{
    return seconds >= TIMESTAMP_MIN && seconds <= TIMESTAMP_MAX;
}

bool cel_duration_in_range(int64_t seconds, uint32_t nanos)
{
    return seconds >= -DURATION_MAX && seconds <= DURATION_MAX - (nanos > 0);
}

/* --- calendar ------------------------------------------------------------------------------ */

int64_t cel_days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool cel_is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

void cel_civil(int64_t seconds, struct cel_civil *ret_civil)
{
    int64_t days = seconds / DAY, rest = seconds % DAY;
    if (rest < 0) {
        rest += DAY;
        days--;
    }
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t shifted_month = (5 * of_year + 2) / 153;
    struct cel_civil civil = {
        .day = of_year - (153 * shifted_month + 2) / 5 + 1,
        .month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9,
        .year = years + era * 400,
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
        .weekday = ((days + 4) % 7 + 7) % 7,
    };
    civil.year += civil.month <= 2;
    civil.yearday = days - cel_days_from_civil(civil.year, 1, 1);
    *ret_civil = civil;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && cel_is_leap(year) ? 29 : days[month - 1];
}

/* --- RFC 3339 ------------------------------------------------------------------------------ */

struct scan {
    const char *at, *end;
    bool bad;
};

static int64_t scan_digits(struct scan *scan, unsigned count)
{
    int64_t all = 0;
    for (unsigned i = 0; i < count; i++) {
        if (scan->at == scan->end || *scan->at < '0' || *scan->at > '9') {
            scan->bad = true;
            return 0;
        }
        all = all * 10 + (*scan->at++ - '0');
    }
    return all;
}

static bool scan_char(struct scan *scan, char c)
{
    if (scan->at < scan->end && *scan->at == c) {
        scan->at++;
        return true;
    }
    return false;
}

static void scan_expect(struct scan *scan, char c)
{
    if (!scan_char(scan, c)) {
        scan->bad = true;
    }
}

/* The digits after a point, as nanoseconds; more than nine are cut. */
static uint32_t scan_fraction(struct scan *scan)
{
    uint32_t nanos = 0, unit = CEL_NANOS / 10;
    if (scan->at == scan->end || *scan->at < '0' || *scan->at > '9') {
        scan->bad = true;
    }
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        nanos += (uint32_t)(*scan->at++ - '0') * unit;
        unit /= 10;
    }
    return nanos;
}

static int64_t scan_offset(struct scan *scan)
{
    if (scan_char(scan, 'Z')) {
        return 0;
    }
    bool minus = scan_char(scan, '-');
    if (!minus) {
        scan_expect(scan, '+');
    }
    int64_t hours = scan_digits(scan, 2);
    scan_expect(scan, ':');
    int64_t minutes = scan_digits(scan, 2);
    scan->bad = scan->bad || hours > 23 || minutes > 59;
    return (hours * 3600 + minutes * 60) * (minus ? -1 : 1);
}

bool cel_parse_timestamp(struct text text, struct cel_value *out)
{
    struct scan scan = {text.at, text.at + text.count, false};
    int64_t year = scan_digits(&scan, 4);
    scan_expect(&scan, '-');
    int64_t month = scan_digits(&scan, 2);
    scan_expect(&scan, '-');
    int64_t day = scan_digits(&scan, 2);
    scan_expect(&scan, 'T');
    int64_t hour = scan_digits(&scan, 2);
    scan_expect(&scan, ':');
    int64_t minute = scan_digits(&scan, 2);
    scan_expect(&scan, ':');
    int64_t second = scan_digits(&scan, 2);
    uint32_t nanos = scan_char(&scan, '.') ? scan_fraction(&scan) : 0;
    int64_t offset = scan_offset(&scan);
    if (scan.bad || scan.at != scan.end || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    int64_t days = cel_days_from_civil(year, month, day);
    int64_t seconds = days * DAY + hour * 3600 + minute * 60 + second - offset;
    *out = (struct cel_value){.kind = CEL_TIMESTAMP, .count = nanos, .integer = seconds};
    return cel_timestamp_in_range(seconds);
}

static void print_fraction(uint32_t nanos, struct textbuf *out)
{
    if (nanos > 0) {
        char digits[12];
        snprintf(digits, sizeof digits, "%09u", nanos);
        size_t count = 9;
        while (digits[count - 1] == '0') {
            count--;
        }
        textbuf_addf(out, ".%.*s", (int)count, digits);
    }
}

void cel_print_timestamp(const struct cel_value *value, struct textbuf *out)
{
    struct cel_civil civil;
    cel_civil(value->integer, &civil);
    textbuf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d", (int)civil.year, (int)civil.month,
                 (int)civil.day, (int)civil.hour, (int)civil.minute, (int)civil.second);
    print_fraction(value->count, out);
    textbuf_add_char(out, 'Z');
}

/* --- durations ----------------------------------------------------------------------------- */

struct unit {
    const char *name;
    int64_t nanos;
};

static const struct unit units[] = {
    {"ns", 1},       {"us", 1000},     {"\302\265s", 1000},     {"\316\274s", 1000},
    {"ms", 1000000}, {"s", CEL_NANOS}, {"m", 60LL * CEL_NANOS}, {"h", 3600LL * CEL_NANOS},
};

static int64_t scan_unit(struct scan *scan)
{
    const char *start = scan->at;
    while (scan->at < scan->end && *scan->at != '.' && (*scan->at < '0' || *scan->at > '9')) {
        scan->at++;
    }
    struct text name = {start, (uint32_t)(scan->at - start)};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (text_is(name, units[i].name)) {
            return units[i].nanos;
        }
    }
    scan->bad = true;
    return 0;
}

/* One "1.5h" of it, in nanoseconds. */
static __int128 scan_part(struct scan *scan)
{
    __int128 whole = 0, fraction = 0, scale = 1;
    const char *start = scan->at;
    unsigned digits = 0;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9' && digits < 20) {
        whole = whole * 10 + (*scan->at++ - '0');
        digits++;
    }
    if (scan_char(scan, '.')) {
        while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
            if (scale < 1000000000000) {
                fraction = fraction * 10 + (*scan->at - '0');
                scale *= 10;
            }
            scan->at++;
            digits++;
        }
    }
    scan->bad = scan->bad || digits == 0 || scan->at == start;
    int64_t unit = scan_unit(scan);
    return whole * unit + fraction * unit / scale;
}

static bool from_nanos(__int128 nanos, struct cel_value *out)
{
    __int128 seconds = nanos / CEL_NANOS, rest = nanos % CEL_NANOS;
    if (rest < 0) {
        rest += CEL_NANOS;
        seconds--;
    }
    if (seconds > DURATION_MAX || seconds < -DURATION_MAX) {
        return false;
    }
    *out = (struct cel_value){
        .kind = CEL_DURATION, .count = (uint32_t)rest, .integer = (int64_t)seconds};
    return cel_duration_in_range(out->integer, out->count);
}

bool cel_parse_duration(struct text text, struct cel_value *out)
{
    struct scan scan = {text.at, text.at + text.count, false};
    bool minus = scan_char(&scan, '-');
    if (!minus) {
        scan_char(&scan, '+');
    }
    if (scan.end - scan.at == 1 && *scan.at == '0') {
        return from_nanos(0, out);
    }
    __int128 all = 0;
    scan.bad = scan.at == scan.end;
    while (!scan.bad && scan.at < scan.end) {
        all += scan_part(&scan);
        if (all > (__int128)1 << 100) {
            return false;
        }
    }
    return !scan.bad && from_nanos(minus ? -all : all, out);
}

static __int128 nanos_of(const struct cel_value *value)
{
    return (__int128)value->integer * CEL_NANOS + value->count;
}

void cel_print_duration(const struct cel_value *value, struct textbuf *out)
{
    __int128 nanos = nanos_of(value);
    if (nanos < 0) {
        textbuf_add_char(out, '-');
        nanos = -nanos;
    }
    textbuf_addf(out, "%" PRId64, (int64_t)(nanos / CEL_NANOS));
    print_fraction((uint32_t)(nanos % CEL_NANOS), out);
    textbuf_add_char(out, 's');
}

/* --- arithmetic ---------------------------------------------------------------------------- */

static void finish(struct cel_run *run, const struct cel_code *code, uint8_t kind, __int128 nanos,
                   struct cel_value *out)
{
    struct cel_value result = {.kind = kind};
    bool fits = false;
    if (kind == CEL_DURATION) {
        fits = from_nanos(nanos, &result);
    } else {
        __int128 seconds = nanos / CEL_NANOS, rest = nanos % CEL_NANOS;
        seconds -= rest < 0;
        result.integer = (int64_t)seconds;
        result.count = (uint32_t)(rest < 0 ? rest + CEL_NANOS : rest);
        fits = cel_timestamp_in_range(result.integer);
    }
    if (fits) {
        *out = result;
    } else {
        cel_error(run, code, out, "the resulting %s is out of range",
                  kind == CEL_DURATION ? "duration" : "timestamp");
    }
}

CEL_IMPL(cel_add_time)
{
    bool both = args[0].kind == CEL_DURATION && args[1].kind == CEL_DURATION;
    finish(run, code, both ? CEL_DURATION : CEL_TIMESTAMP, nanos_of(&args[0]) + nanos_of(&args[1]),
           out);
}

CEL_IMPL(cel_subtract_time)
{
    bool both = args[0].kind == args[1].kind;
    finish(run, code, both ? CEL_DURATION : CEL_TIMESTAMP, nanos_of(&args[0]) - nanos_of(&args[1]),
           out);
}

/* --- parts --------------------------------------------------------------------------------- */

/* The civil time of args[0] in the zone args[1], UTC without. */
static bool civil_of(struct cel_run *run, const struct cel_code *code, const struct cel_value *args,
                     struct cel_civil *ret_civil, struct cel_value *out)
{
    int64_t offset = 0;
    if (code->count > 1 &&
        !cel_zone_offset(code->extra, cel_text(&args[1]), args[0].integer, &offset)) {
        cel_error(
            run, code, out,
            "the time zone is not known (IANA names must be written out where they are used)");
        return false;
    }
    cel_civil(args[0].integer + offset, ret_civil);
    return true;
}

#define CIVIL(NAME, expression)                                                                    \
    CEL_IMPL(NAME)                                                                                 \
    {                                                                                              \
        struct cel_civil civil;                                                                    \
        if (civil_of(run, code, args, &civil, out)) {                                              \
            *out = cel_of_int(expression);                                                         \
        }                                                                                          \
    }

CIVIL(cel_get_year, civil.year)
CIVIL(cel_get_month, civil.month - 1)
CIVIL(cel_get_date, civil.day)
CIVIL(cel_get_day_of_month, civil.day - 1)
CIVIL(cel_get_day_of_week, civil.weekday)
CIVIL(cel_get_day_of_year, civil.yearday)
CIVIL(cel_get_hours, civil.hour)
CIVIL(cel_get_minutes, civil.minute)
CIVIL(cel_get_seconds, civil.second)

CEL_IMPL(cel_get_milliseconds)
{
    *out = cel_of_int(args[0].count / 1000000);
}

#define WHOLE(NAME, expression)                                                                    \
    CEL_IMPL(NAME)                                                                                 \
    {                                                                                              \
        __int128 nanos = nanos_of(&args[0]);                                                       \
        *out = cel_of_int((int64_t)(expression));                                                  \
    }

WHOLE(cel_duration_hours, nanos / (3600LL * CEL_NANOS))
WHOLE(cel_duration_minutes, nanos / (60LL * CEL_NANOS))
WHOLE(cel_duration_seconds, nanos / CEL_NANOS)
WHOLE(cel_duration_milliseconds, nanos / 1000000 % 1000)
