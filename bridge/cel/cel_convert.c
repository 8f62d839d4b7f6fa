/* SPDX-License-Identifier: Apache-2.0 */
/* Conversions between scalars; what does not fit is an error, never a different number. */

#include "cel/cel_private.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

CEL_IMPL(cel_to_bool)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    struct text text = cel_text(&args[0]);
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (text_is(text, yes[i]) || text_is(text, no[i])) {
            *out = cel_of_bool(text_is(text, yes[i]));
            return;
        }
    }
    cel_error(run, code, out, "this text is no bool");
}

static bool parse_unsigned(struct text text, uint64_t max, uint64_t *ret_value)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < text.count; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || __builtin_mul_overflow(all, 10u, &all) ||
            __builtin_add_overflow(all, (uint64_t)(text.at[i] - '0'), &all)) {
            return false;
        }
    }
    *ret_value = all;
    return text.count > 0 && all <= max;
}

static bool text_to_int64(struct text text, int64_t *ret_value)
{
    uint64_t value = 0;
    bool negative = text.count > 0 && text.at[0] == '-';
    bool sign = negative || (text.count > 0 && text.at[0] == '+');
    struct text digits = {text.at + sign, text.count - sign};
    if (!parse_unsigned(digits, (uint64_t)INT64_MAX + negative, &value)) {
        return false;
    }
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

CEL_IMPL(cel_to_int)
{
    int64_t value = 0;
    bool fits = true;
    switch (args[0].kind) {
    case CEL_UINT:
        value = args[0].integer;
        fits = value >= 0;
        break;
    case CEL_DOUBLE:
        fits = args[0].real > -9223372036854775808.0 && args[0].real < 9223372036854775808.0;
        value = fits ? (int64_t)args[0].real : 0;
        break;
    case CEL_STRING:
        fits = text_to_int64(cel_text(&args[0]), &value);
        break;
    case CEL_DURATION:
        fits = !__builtin_mul_overflow(args[0].integer, CEL_NANOS, &value) &&
               !__builtin_add_overflow(value, (int64_t)args[0].count, &value);
        break;
    default:
        value = args[0].integer; /* Seconds of a timestamp. */
        break;
    }
    if (fits) {
        *out = cel_of_int(value);
    } else {
        cel_error(run, code, out, "the value does not fit in an int (range)");
    }
}

CEL_IMPL(cel_to_uint)
{
    uint64_t value = 0;
    bool fits = true;
    if (args[0].kind == CEL_INT) {
        value = args[0].unsigned_integer;
        fits = args[0].integer >= 0;
    } else if (args[0].kind == CEL_DOUBLE) {
        fits = args[0].real > -1 && args[0].real < 18446744073709551616.0;
        value = fits && args[0].real > 0 ? (uint64_t)args[0].real : 0;
        fits = fits && args[0].real >= 0;
    } else {
        fits = parse_unsigned(cel_text(&args[0]), UINT64_MAX, &value);
    }
    if (fits) {
        *out = cel_of_uint(value);
    } else {
        cel_error(run, code, out, "the value does not fit in a uint (range)");
    }
}

#define NUMBER_TEXT_MAX 1024

/* Decimal, NaN, Infinity; no hexadecimal and no blanks, which strtod() would take. */
static bool parse_double(struct text text, double *ret_value)
{
    char chars[NUMBER_TEXT_MAX], *end = NULL;
    if (text.count == 0 || text.count >= sizeof chars ||
        memchr(text.at, '\0', text.count) != NULL) {
        return false;
    }
    memcpy(chars, text.at, text.count);
    chars[text.count] = '\0';
    bool named =
        strspn(chars, "+-") < text.count && strchr("iInN", chars[strspn(chars, "+-")]) != NULL;
    if (!named && strspn(chars, "0123456789+-.eE") != text.count) {
        return false;
    }
    *ret_value = strtod(chars, &end);
    return *end == '\0' && (named || isfinite(*ret_value));
}

CEL_IMPL(cel_to_double)
{
    double value = 0;
    if (args[0].kind == CEL_INT) {
        value = (double)args[0].integer;
    } else if (args[0].kind == CEL_UINT) {
        value = (double)args[0].unsigned_integer;
    } else if (!parse_double(cel_text(&args[0]), &value)) {
        cel_error(run, code, out, "this text is no double");
        return;
    }
    *out = cel_of_double(value);
}

static bool is_utf8(struct text text)
{
    for (uint32_t at = 0, length = 0; at < text.count; at += length) {
        if (cel_decode(text.at + at, text.count - at, &length) == 0xfffd && length == 1) {
            return false;
        }
    }
    return true;
}

CEL_IMPL(cel_to_string)
{
    struct textbuf buf = {0};
    switch (args[0].kind) {
    case CEL_BYTES:
        if (is_utf8(cel_text(&args[0]))) {
            *out = cel_of_text(cel_text(&args[0]));
        } else {
            cel_error(run, code, out, "the bytes are no text (invalid UTF-8)");
        }
        return;
    case CEL_DOUBLE:
        if (isinf(args[0].real)) { /* The reference's spelling; format() has another. */
            textbuf_add_chars(&buf, args[0].real > 0 ? "+Inf" : "-Inf");
        } else {
            cel_print_double(args[0].real, &buf);
        }
        break;
    case CEL_UINT:
        textbuf_addf(&buf, "%" PRIu64, args[0].unsigned_integer);
        break;
    default:
        cel_value_print(&args[0], &buf);
        break;
    }
    cel_take_textbuf(run, &buf, out);
}

CEL_IMPL(cel_to_bytes)
{
    *out = args[0];
    out->kind = CEL_BYTES;
}

CEL_IMPL(cel_to_timestamp)
{
    struct cel_value value = {.kind = CEL_TIMESTAMP, .integer = args[0].integer};
    bool fits = args[0].kind == CEL_INT ? cel_timestamp_in_range(value.integer)
                                        : cel_parse_timestamp(cel_text(&args[0]), &value);
    if (fits) {
        *out = value;
    } else if (args[0].kind == CEL_INT) {
        cel_error(run, code, out, "a timestamp lies in the years 1 to 9999 (range)");
    } else {
        cel_error(run, code, out, "this text is no timestamp (2026-03-02T10:00:00Z)");
    }
}

CEL_IMPL(cel_to_duration)
{
    struct cel_value value = {.kind = CEL_DURATION, .integer = args[0].integer};
    bool fits = args[0].kind == CEL_INT ? cel_duration_in_range(value.integer, 0)
                                        : cel_parse_duration(cel_text(&args[0]), &value);
    if (fits) {
        *out = value;
    } else {
        cel_error(run, code, out, "this is no duration (1h30m, 2.5s; range 10000 years)");
    }
}
