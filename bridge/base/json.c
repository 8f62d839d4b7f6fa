/* SPDX-License-Identifier: Apache-2.0 */
/* JSON by json-c's tokener, turned into values. */

#include "base/json.h"

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

/* json-c takes 'single quotes' even when it is strict. The offset of one outside a string, or
 * SIZE_MAX. */
static size_t single_quote(const char *bytes, size_t bytes_count)
{
    bool inside = false;
    for (size_t i = 0; i < bytes_count; i++) {
        if (inside && bytes[i] == '\\') {
            i++;
        } else if (bytes[i] == '"') {
            inside = !inside;
        } else if (!inside && bytes[i] == '\'') {
            return i;
        }
    }
    return SIZE_MAX;
}

int json_parse(const char *bytes, size_t bytes_count, struct arena *arena,
               struct nsh_value *ret_value, struct nsh_error *err)
{
    if (bytes_count > INT32_MAX / 2) {
        return nsh_fail(err, NSH_LIMIT, "JSON of %zu bytes", bytes_count);
    }
    size_t quote = single_quote(bytes, bytes_count);
    if (quote != SIZE_MAX) {
        return nsh_fail(err, NSH_INVALID, "no JSON at byte %zu: strings stand in \"double quotes\"",
                        quote);
    }
    struct json_tokener *tokener = json_tokener_new_ex(NSH_VALUE_DEPTH_MAX);
    if (tokener == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, bytes, (int)bytes_count);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    if (error == json_tokener_continue) {
        /* A number at the very end is only known to be whole after a byte that is none. */
        object = json_tokener_parse_ex(tokener, "\n", 1);
        error = json_tokener_get_error(tokener);
    }
    size_t end = json_tokener_get_parse_end(tokener);
    int result = 0;
    if (error != json_tokener_success) {
        result = nsh_fail(err, NSH_INVALID, "no JSON at byte %zu: %s", end,
                          json_tokener_error_desc(error));
    } else {
        for (size_t i = end; result == 0 && i < bytes_count && end > 1; i++) {
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
        textbuf_addf(out, "%lld", (long long)value->integer);
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
