/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: one pass. The children of all lists and maps that are open stand on one stack; when a
 * list or map ends, its own are copied into the pool. Nothing is read twice, except names where a
 * large map has to be searched for doubles.
 */

#include "abi/json_value.h"

#include "abi/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES_MAX 64 /* Of a number that is no int64. */
#define SMALL_MEMBERS 24    /* Maps up to here are searched for doubles one by one. */

struct json_reader {
    const char *begin, *at, *end;
    struct nsh_pool *pool;
    struct nsh_error *err;
    struct nsh_member *stack; /* A list's items have no name. */
    size_t count, room;
    unsigned depth;
};

static int value_read(struct json_reader *reader, struct nsh_value *ret_value);

static int bad(const struct json_reader *reader, const char *why)
{
    return nsh_fail(reader->err, NSH_INVALID, "no JSON at byte %zu: %s",
                    (size_t)(reader->at - reader->begin), why);
}

static int no_memory(const struct json_reader *reader)
{
    return nsh_fail(reader->err, NSH_NOMEM, "out of memory");
}

/* The next byte that is no blank, or NUL at the end (a NUL is no part of JSON either). */
static char next(struct json_reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\t' || *reader->at == '\r')) {
        reader->at++;
    }
    return reader->at < reader->end ? *reader->at : '\0';
}

/* ---- texts ------------------------------------------------------------------------------ */

static bool hex4(struct json_reader *reader, unsigned *ret_code)
{
    unsigned code = 0;
    if (reader->end - reader->at < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        char c = reader->at[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16u;
        if (digit == 16) {
            return false;
        }
        code = code * 16 + digit;
    }
    reader->at += 4;
    *ret_code = code;
    return true;
}

/* Behind "\u": the character, of one or of a pair. */
static int unicode_read(struct json_reader *reader, char **out)
{
    unsigned code = 0, low = 0;
    if (!hex4(reader, &code)) {
        return bad(reader, "four hexadecimal digits must follow \\u");
    }
    if (code >= 0xd800 && code < 0xdc00) {
        if (reader->end - reader->at < 6 || memcmp(reader->at, "\\u", 2) != 0) {
            return bad(reader, "half of a surrogate pair");
        }
        reader->at += 2;
        if (!hex4(reader, &low) || low < 0xdc00 || low > 0xdfff) {
            return bad(reader, "half of a surrogate pair");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code == 0 || (code >= 0xdc00 && code < 0xe000)) {
        return bad(reader, code == 0 ? "NUL in a text" : "half of a surrogate pair");
    }
    char *at = *out;
    if (code < 0x80) {
        *at++ = (char)code;
    } else if (code < 0x800) {
        *at++ = (char)(0xc0 | code >> 6);
        *at++ = (char)(0x80 | (code & 0x3f));
    } else {
        if (code < 0x10000) {
            *at++ = (char)(0xe0 | code >> 12);
        } else {
            *at++ = (char)(0xf0 | code >> 18);
            *at++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *at++ = (char)(0x80 | (code >> 6 & 0x3f));
        *at++ = (char)(0x80 | (code & 0x3f));
    }
    *out = at;
    return 0;
}

static int escape_read(struct json_reader *reader, char **out)
{
    static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    char name = reader->at < reader->end ? *reader->at : '\0';
    const char *found = name == '\0' ? NULL : strchr(names, name);
    if (name != 'u' && found == NULL) {
        return bad(reader, "no such escape");
    }
    reader->at++;
    if (name == 'u') {
        return unicode_read(reader, out);
    }
    *(*out)++ = means[found - names];
    return 0;
}

/* Where the text that begins at `at` ends: its closing quote, or end. */
static const char *text_end(const char *at, const char *end)
{
    while (at < end && *at != '"') {
        at += *at == '\\' ? 2 : 1;
    }
    return at < end ? at : end;
}

static int text_read(struct json_reader *reader, struct nsh_value *ret_value)
{
    reader->at++;
    const char *close = text_end(reader->at, reader->end);
    if (close == reader->end) {
        return bad(reader, "a text that does not end");
    }
    /* Escapes only get shorter. */
    char *text = nsh_pool_alloc(reader->pool, (size_t)(close - reader->at) + 1), *out = text;
    if (text == NULL) {
        return no_memory(reader);
    }
    while (reader->at < close) {
        size_t bytes = nsh_char_bytes(reader->at, (size_t)(close - reader->at));
        if (bytes == 0 || (unsigned char)*reader->at < 0x20) {
            return bad(reader, bytes == 0 ? "invalid UTF-8" : "a control character in a text");
        }
        if (*reader->at == '\\') {
            reader->at++;
            int result = escape_read(reader, &out);
            if (result < 0) {
                return result;
            }
            continue;
        }
        memcpy(out, reader->at, bytes);
        out += bytes;
        reader->at += bytes;
    }
    reader->at = close + 1;
    *ret_value =
        (struct nsh_value){.type = NSH_STRING, .count = (uint32_t)(out - text), .text = text};
    return 0;
}

/* ---- numbers and words ------------------------------------------------------------------ */

static const char *digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

static int real_read(struct json_reader *reader, const char *end, struct nsh_value *ret_value)
{
    char text[NUMBER_BYTES_MAX + 1];
    size_t count = (size_t)(end - reader->at);
    if (count > NUMBER_BYTES_MAX) {
        return bad(reader, "a number that is too long");
    }
    memcpy(text, reader->at, count);
    text[count] = '\0';
    *ret_value = nsh_double(strtod(text, NULL));
    if (!isfinite(ret_value->real)) {
        return bad(reader, "a number out of range");
    }
    reader->at = end;
    return 0;
}

static int number_read(struct json_reader *reader, struct nsh_value *ret_value)
{
    bool negative = *reader->at == '-', overflow = false;
    const char *first = reader->at + negative, *whole = digits(first, reader->end), *at = whole;
    if (whole == first || (*first == '0' && whole - first > 1)) {
        return bad(reader, "no number");
    }
    if (at < reader->end && *at == '.') {
        const char *fraction = at + 1;
        at = digits(fraction, reader->end);
        if (at == fraction) {
            return bad(reader, "digits must follow '.'");
        }
    }
    if (at < reader->end && (*at == 'e' || *at == 'E')) {
        const char *power = at + 1;
        power += power < reader->end && (*power == '+' || *power == '-');
        at = digits(power, reader->end);
        if (at == power) {
            return bad(reader, "digits must follow 'e'");
        }
    }
    int64_t integer = 0;
    for (const char *digit = first; at == whole && digit < whole && !overflow; digit++) {
        int value = *digit - '0';
        overflow = __builtin_mul_overflow(integer, 10, &integer) ||
                   __builtin_add_overflow(integer, negative ? -value : value, &integer);
    }
    if (at != whole || overflow || (negative && integer == 0)) {
        return real_read(reader, at, ret_value);
    }
    reader->at = at;
    *ret_value = nsh_int(integer);
    return 0;
}

size_t nsh_json_word(const char *at, size_t left, struct nsh_value *ret_value)
{
    static const struct {
        const char *word;
        size_t bytes;
        struct nsh_value value;
    } words[] = {
        {"true", 4, {.type = NSH_BOOL, .boolean = true}},
        {"false", 5, {.type = NSH_BOOL, .boolean = false}},
        {"null", 4, {.type = NSH_NULL}},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (left >= words[i].bytes && memcmp(at, words[i].word, words[i].bytes) == 0) {
            *ret_value = words[i].value;
            return words[i].bytes;
        }
    }
    return 0;
}

static int word_read(struct json_reader *reader, struct nsh_value *ret_value)
{
    size_t bytes = nsh_json_word(reader->at, (size_t)(reader->end - reader->at), ret_value);
    if (bytes == 0) {
        return bad(reader, reader->at == reader->end ? "it ends too early" : "no value");
    }
    reader->at += bytes;
    return 0;
}

/* ---- lists and maps --------------------------------------------------------------------- */

static int push(struct json_reader *reader, const char *name, const struct nsh_value *value)
{
    if (reader->count == reader->room) {
        size_t room = reader->room == 0 ? 64 : reader->room * 2;
        struct nsh_member *grown = realloc(reader->stack, room * sizeof *grown);
        if (grown == NULL) {
            return no_memory(reader);
        }
        reader->stack = grown;
        reader->room = room;
    }
    reader->stack[reader->count++] = (struct nsh_member){name, *value};
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct nsh_member *left = *(const struct nsh_member *const *)a,
                            *right = *(const struct nsh_member *const *)b;
    int order = strcmp(left->name, right->name);
    return order != 0 ? order : (left > right) - (left < right);
}

/* Take the name from all but the last of those with the same name. */
static bool doubles_mark(struct nsh_pool *pool, struct nsh_member *members, size_t count)
{
    if (count <= SMALL_MEMBERS) {
        for (size_t i = 0; i < count; i++) {
            for (size_t k = i + 1; members[i].name != NULL && k < count; k++) {
                if (strcmp(members[i].name, members[k].name) == 0) {
                    members[i].name = NULL;
                }
            }
        }
        return true;
    }
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): the items are pointers. */
    struct nsh_member **sorted = nsh_pool_array(pool, count, sizeof *sorted);
    if (sorted == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &members[i];
    }
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): the items are pointers. */
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i + 1 < count; i++) {
        if (strcmp(sorted[i]->name, sorted[i + 1]->name) == 0) {
            sorted[i]->name = NULL;
        }
    }
    return true;
}

/* The children from `first` on leave the stack. */
static int map_close(struct json_reader *reader, size_t first, struct nsh_value *ret_value)
{
    size_t count = reader->count - first, used = 0;
    struct nsh_member *kept = nsh_pool_array(reader->pool, count, sizeof *kept);
    if (kept == NULL || (count > 0 && !doubles_mark(reader->pool, reader->stack + first, count))) {
        return no_memory(reader);
    }
    for (size_t i = first; i < reader->count; i++) {
        if (reader->stack[i].name != NULL) {
            kept[used++] = reader->stack[i];
        }
    }
    reader->count = first;
    *ret_value = nsh_map(kept, used);
    return 0;
}

static int list_close(struct json_reader *reader, size_t first, struct nsh_value *ret_value)
{
    size_t count = reader->count - first;
    struct nsh_value *items = nsh_pool_array(reader->pool, count, sizeof *items);
    if (items == NULL) {
        return no_memory(reader);
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = reader->stack[first + i].value;
    }
    reader->count = first;
    *ret_value = nsh_list(items, count);
    return 0;
}

static int name_read(struct json_reader *reader, const char **ret_name)
{
    struct nsh_value name;
    if (next(reader) != '"') {
        return bad(reader, "a member's name must stand here");
    }
    int result = text_read(reader, &name);
    if (result == 0 && next(reader) != ':') {
        result = bad(reader, "':' must follow a name");
    }
    if (result == 0) {
        reader->at++;
        *ret_name = name.text;
    }
    return result;
}

static int children_read(struct json_reader *reader, char close, struct nsh_value *ret_value)
{
    size_t first = reader->count;
    bool map = close == '}';
    reader->at++;
    if (next(reader) == close) {
        reader->at++;
        return map ? map_close(reader, first, ret_value) : list_close(reader, first, ret_value);
    }
    for (;;) {
        const char *name = NULL;
        struct nsh_value value;
        int result = map ? name_read(reader, &name) : 0;
        result = result == 0 ? value_read(reader, &value) : result;
        result = result == 0 ? push(reader, name, &value) : result;
        if (result < 0) {
            return result;
        }
        char after = next(reader);
        if (after != ',' && after != close) {
            return bad(reader, map ? "',' or '}' must stand here" : "',' or ']' must stand here");
        }
        reader->at++;
        if (after == close) {
            return map ? map_close(reader, first, ret_value) : list_close(reader, first, ret_value);
        }
    }
}

static int value_read(struct json_reader *reader, struct nsh_value *ret_value)
{
    char c = next(reader);
    if (c == '"') {
        return text_read(reader, ret_value);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return number_read(reader, ret_value);
    }
    if (c != '{' && c != '[') {
        return word_read(reader, ret_value);
    }
    if (reader->depth == NSH_VALUE_DEPTH_MAX) {
        return nsh_fail(reader->err, NSH_LIMIT, "JSON deeper than %d", NSH_VALUE_DEPTH_MAX);
    }
    reader->depth++;
    int result = children_read(reader, c == '{' ? '}' : ']', ret_value);
    reader->depth--;
    return result;
}

int nsh_json_read(struct nsh_pool *pool, const char *bytes, size_t bytes_count,
                  struct nsh_value *ret_value, struct nsh_error *err)
{
    struct json_reader reader = {
        .begin = bytes, .at = bytes, .end = bytes + bytes_count, .pool = pool, .err = err};
    struct nsh_value value;
    if (bytes_count > INT32_MAX) {
        return nsh_fail(err, NSH_LIMIT, "JSON of %zu bytes", bytes_count);
    }
    int result = value_read(&reader, &value);
    next(&reader);
    if (result == 0 && reader.at != reader.end) {
        result = bad(&reader, "something follows the document");
    }
    free(reader.stack);
    if (result == 0) {
        *ret_value = value;
    }
    return result;
}
