/* SPDX-License-Identifier: Apache-2.0 */
/* JSON by json-c's tokener, turned into values. */

#include "base/json.h"

#include "base/json_plain.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int value_of(struct json_object *object, struct arena *arena, struct nsh_value *ret_value,
                    unsigned depth, struct nsh_error *err);

static int text_value(const char *bytes, size_t count, struct arena *arena,
                      struct nsh_value *ret_value, struct nsh_error *err)
{
    if (!text_is_utf8(bytes, count)) {
        return nsh_fail(err, NSH_INVALID, "a string holds NUL or invalid UTF-8");
    }
    char *copy = arena_copy(arena, bytes, count);
    if (copy == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *ret_value = (struct nsh_value){.type = NSH_STRING, .count = (uint32_t)count, .text = copy};
    return 0;
}

static int list_value(struct json_object *object, struct arena *arena, struct nsh_value *ret_value,
                      unsigned depth, struct nsh_error *err)
{
    size_t count = json_object_array_length(object);
    struct nsh_value *items = arena_array(arena, count, sizeof *items);
    if (items == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        int result =
            value_of(json_object_array_get_idx(object, i), arena, &items[i], depth + 1, err);
        if (result < 0) {
            return result;
        }
    }
    *ret_value = nsh_list(items, count);
    return 0;
}

static int map_value(struct json_object *object, struct arena *arena, struct nsh_value *ret_value,
                     unsigned depth, struct nsh_error *err)
{
    size_t count = (size_t)json_object_object_length(object), used = 0;
    struct nsh_member *members = arena_array(arena, count, sizeof *members);
    if (members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    json_object_object_foreach(object, name, member)
    {
        struct nsh_value name_value = nsh_null();
        int result = text_value(name, strlen(name), arena, &name_value, err);
        if (result == 0) {
            members[used].name = name_value.text;
            result = value_of(member, arena, &members[used].value, depth + 1, err);
        }
        if (result < 0) {
            return result;
        }
        used++;
    }
    *ret_value = nsh_map(members, used);
    return 0;
}

static int value_of(struct json_object *object, struct arena *arena, struct nsh_value *ret_value,
                    unsigned depth, struct nsh_error *err)
{
    if (depth > NSH_VALUE_DEPTH_MAX) {
        return nsh_fail(err, NSH_LIMIT, "JSON deeper than %d", NSH_VALUE_DEPTH_MAX);
    }
    switch (json_object_get_type(object)) {
    case json_type_null:
        *ret_value = nsh_null();
        return 0;
    case json_type_boolean:
        *ret_value = nsh_bool(json_object_get_boolean(object));
        return 0;
    case json_type_double:
        *ret_value = nsh_double(json_object_get_double(object));
        return isfinite(ret_value->real) ? 0
                                         : nsh_fail(err, NSH_INVALID, "a number is out of range");
    case json_type_int:
        /* json-c keeps what only fits an unsigned 64-bit integer apart. */
        *ret_value =
            json_object_get_uint64(object) > INT64_MAX && json_object_get_int64(object) == INT64_MAX
                ? nsh_double((double)json_object_get_uint64(object))
                : nsh_int(json_object_get_int64(object));
        return 0;
    case json_type_string:
        return text_value(json_object_get_string(object),
                          (size_t)json_object_get_string_len(object), arena, ret_value, err);
    case json_type_array:
        return list_value(object, arena, ret_value, depth, err);
    case json_type_object:
        return map_value(object, arena, ret_value, depth, err);
    }
    return nsh_fail(err, NSH_INVALID, "no JSON");
}

/* ---- what json-c lets pass although it is strict --------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes of the number at i. */
static size_t number_bytes(const char *bytes, size_t bytes_count, size_t i)
{
    size_t end = i;
    while (end < bytes_count && bytes[end] != 0 && strchr("+-.eE0123456789", bytes[end]) != NULL) {
        end++;
    }
    return end - i;
}

/* An integer beyond 64 bits: json-c would make the nearest one that fits of it, without a word. */
static bool is_huge(const char *bytes, size_t count)
{
    size_t sign = count > 0 && bytes[0] == '-' ? 1 : 0;
    unsigned long long value = 0;
    bool overflow = false;
    for (size_t i = sign; i < count; i++) {
        if (!is_digit(bytes[i])) {
            return false;
        }
        overflow = overflow || __builtin_mul_overflow(value, 10u, &value) ||
                   __builtin_add_overflow(value, (unsigned)(bytes[i] - '0'), &value);
    }
    return overflow || (sign == 1 && value > (unsigned long long)INT64_MAX + 1);
}

/* Bytes to step over inside a string; 0 when what stands there may not. */
static size_t string_step(const char *bytes, size_t left)
{
    if ((unsigned char)bytes[0] < 0x20 || (left >= 6 && memcmp(bytes, "\\u0000", 6) == 0)) {
        return 0;
    }
    return bytes[0] == '\\' && left > 1 ? 2 : 1;
}

/*
 * Refuse NUL, single quotes, raw control characters and "1."; put "e0" behind integers beyond
 * 64 bits, so that they are read as doubles: then out holds the document, else it stays empty.
 */
static int json_guard(const char *bytes, size_t bytes_count, struct textbuf *out,
                      struct nsh_error *err)
{
    bool inside = false;
    size_t copied = 0, step = 1;
    for (size_t i = 0; i < bytes_count; i += step) {
        step = inside ? string_step(bytes + i, bytes_count - i) : bytes[i] != 0 && bytes[i] != '\'';
        if (step == 0) {
            return nsh_fail(err, NSH_INVALID, "no JSON at byte %zu: %s", i,
                            bytes[i] == '\'' ? "strings stand in \"double quotes\""
                                             : "NUL, or a control character that is not escaped");
        }
        inside = bytes[i] == '"' ? !inside : inside;
        if (inside || !(is_digit(bytes[i]) || bytes[i] == '-')) {
            continue;
        }
        step = number_bytes(bytes, bytes_count, i);
        const char *dot = memchr(bytes + i, '.', step);
        if (dot != NULL && (dot + 1 == bytes + bytes_count || !is_digit(dot[1]))) {
            return nsh_fail(err, NSH_INVALID, "no JSON at byte %zu: digits must follow '.'", i);
        }
        if (is_huge(bytes + i, step)) {
            textbuf_add(out, (struct text){bytes + copied, (uint32_t)(i + step - copied)});
            textbuf_add_chars(out, "e0");
            copied = i + step;
        }
    }
    if (copied > 0) {
        textbuf_add(out, (struct text){bytes + copied, (uint32_t)(bytes_count - copied)});
    }
    return out->failed ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}

int json_parse(const char *bytes, size_t bytes_count, struct arena *arena,
               struct nsh_value *ret_value, struct nsh_error *err)
{
    return json_plain(bytes, bytes_count, arena, ret_value)
               ? 0
               : json_parse_careful(bytes, bytes_count, arena, ret_value, err);
}

int json_parse_careful(const char *bytes, size_t bytes_count, struct arena *arena,
                       struct nsh_value *ret_value, struct nsh_error *err)
{
    if (bytes_count > INT32_MAX / 2) {
        return nsh_fail(err, NSH_LIMIT, "JSON of %zu bytes", bytes_count);
    }
    CLEANUP(textbuf_donep) struct textbuf guarded = {.count_max = INT32_MAX};
    int guard = json_guard(bytes, bytes_count, &guarded, err);
    if (guard < 0) {
        return guard;
    }
    if (guarded.count > 0) {
        bytes = guarded.at;
        bytes_count = guarded.count;
    }
    struct json_tokener *tokener = json_tokener_new_ex(NSH_VALUE_DEPTH_MAX);
    if (tokener == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, bytes, (int)bytes_count);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    bool ended_inside = error != json_tokener_continue;
    if (!ended_inside) {
        /* A number at the very end is only known to be whole after a byte that is none. */
        object = json_tokener_parse_ex(tokener, "\n", 1);
        error = json_tokener_get_error(tokener);
    }
    size_t end = ended_inside ? json_tokener_get_parse_end(tokener) : bytes_count;
    int result = 0;
    if (error != json_tokener_success) {
        result = nsh_fail(err, NSH_INVALID, "no JSON at byte %zu: %s", end,
                          json_tokener_error_desc(error));
    } else {
        for (size_t i = end; result == 0 && i < bytes_count; i++) {
            if (strchr(" \t\r\n", bytes[i]) == NULL || bytes[i] == 0) {
                result = nsh_fail(err, NSH_INVALID,
                                  "something follows the JSON document at byte %zu", i);
            }
        }
    }
    struct nsh_value value;
    result = result == 0 ? value_of(object, arena, &value, 0, err) : result;
    json_object_put(object);
    json_tokener_free(tokener);
    if (result == 0) {
        *ret_value = value;
    }
    return result;
}

static void write_break(struct textbuf *out, int level)
{
    if (level >= 0) {
        textbuf_addf(out, "\n%*s", level * 2, "");
    }
}

/* Every number of every record comes by here: no printf. */
static void write_int(struct textbuf *out, int64_t number)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0) {
        *--at = '-';
    }
    textbuf_add(out, (struct text){at, (uint32_t)(digits + sizeof digits - at)});
}

static void write_value(const struct nsh_value *value, struct textbuf *out, int level)
{
    int deeper = level < 0 ? level : level + 1;
    char number[40];
    switch (value->type) {
    case NSH_NULL:
        textbuf_add_chars(out, "null");
        break;
    case NSH_BOOL:
        textbuf_add_chars(out, value->boolean ? "true" : "false");
        break;
    case NSH_INT:
        write_int(out, value->integer);
        break;
    case NSH_DOUBLE:
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(number, sizeof number, "%.*g", digits, value->real);
            if (digits == 17 ||
                !(strtod(number, NULL) < value->real || strtod(number, NULL) > value->real)) {
                break;
            }
        }
        textbuf_add_chars(out, number);
        if (strpbrk(number, ".en") == NULL) {
            textbuf_add_chars(out, ".0");
        }
        break;
    case NSH_STRING:
    case NSH_DURATION:
    case NSH_SECRET:
        textbuf_add_json(out, (struct text){value->text, value->count});
        break;
    case NSH_LIST:
        textbuf_add_char(out, '[');
        for (uint32_t i = 0; i < value->count; i++) {
            textbuf_add_chars(out, i == 0 ? "" : ",");
            write_break(out, deeper);
            write_value(&value->items[i], out, deeper);
        }
        write_break(out, value->count > 0 ? level : -1);
        textbuf_add_char(out, ']');
        break;
    case NSH_MAP:
        textbuf_add_char(out, '{');
        for (uint32_t i = 0; i < value->count; i++) {
            textbuf_add_chars(out, i == 0 ? "" : ",");
            write_break(out, deeper);
            textbuf_add_json(out, text_of(value->members[i].name));
            textbuf_add_chars(out, level < 0 ? ":" : ": ");
            write_value(&value->members[i].value, out, deeper);
        }
        write_break(out, value->count > 0 ? level : -1);
        textbuf_add_char(out, '}');
        break;
    }
}

void json_write(const struct nsh_value *value, struct textbuf *out)
{
    write_value(value, out, -1);
}

void json_write_pretty(const struct nsh_value *value, struct textbuf *out)
{
    write_value(value, out, 0);
}
