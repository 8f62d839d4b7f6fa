/* SPDX-License-Identifier: Apache-2.0 */
/* Writing, in two passes of the same code: the first, without room, measures. And looking up. */

#include "abi/encode.h"
#include "abi/json_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_writer {
    char *at; /* NULL: only count. */
    size_t count;
};

static void add(struct json_writer *out, const char *bytes, size_t count)
{
    if (out->at != NULL) {
        memcpy(out->at + out->count, bytes, count);
    }
    out->count += count;
}

static void add_chars(struct json_writer *out, const char *chars)
{
    add(out, chars, strlen(chars));
}

/* Quoted and escaped; bytes that are no UTF-8 become U+FFFD. */
static void add_text(struct json_writer *out, const char *text, size_t count)
{
    static const char names[] = "\"\\bfnrt", means[] = "\"\\\b\f\n\r\t";
    add(out, "\"", 1);
    for (size_t i = 0, step = 0; i < count; i += step) {
        size_t bytes = nsh_char_bytes(text + i, count - i);
        const char *escape = text[i] == '\0' ? NULL : strchr(means, text[i]);
        char escaped[8];
        step = bytes == 0 ? 1 : bytes;
        if (bytes == 0) {
            add_chars(out, "\xef\xbf\xbd");
        } else if (escape != NULL) {
            escaped[0] = '\\';
            escaped[1] = names[escape - means];
            add(out, escaped, 2);
        } else if ((unsigned char)text[i] < 0x20) {
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)(unsigned char)text[i]);
            add(out, escaped, 6);
        } else {
            add(out, text + i, bytes);
        }
    }
    add(out, "\"", 1);
}

/* With as few digits as read back the same. */
static void add_real(struct json_writer *out, double real)
{
    char number[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, real);
        double back = strtod(number, NULL);
        if (!(back < real) && !(back > real)) {
            break;
        }
    }
    add_chars(out, number);
    add_chars(out, strpbrk(number, ".en") == NULL ? ".0" : "");
}

static void add_value(struct json_writer *out, const struct nsh_value *value)
{
    char number[24];
    switch (value->type) {
    case NSH_NULL:
        add_chars(out, "null");
        break;
    case NSH_BOOL:
        add_chars(out, value->boolean ? "true" : "false");
        break;
    case NSH_INT:
        snprintf(number, sizeof number, "%lld", (long long)value->integer);
        add_chars(out, number);
        break;
    case NSH_DOUBLE:
        add_real(out, value->real);
        break;
    case NSH_STRING:
    case NSH_DURATION:
    case NSH_SECRET:
        add_text(out, value->text, value->count);
        break;
    case NSH_LIST:
        add(out, "[", 1);
        for (uint32_t i = 0; i < value->count; i++) {
            add_chars(out, i == 0 ? "" : ",");
            add_value(out, &value->items[i]);
        }
        add(out, "]", 1);
        break;
    case NSH_MAP:
        add(out, "{", 1);
        for (uint32_t i = 0; i < value->count; i++) {
            add_chars(out, i == 0 ? "" : ",");
            add_text(out, value->members[i].name, strlen(value->members[i].name));
            add(out, ":", 1);
            add_value(out, &value->members[i].value);
        }
        add(out, "}", 1);
        break;
    }
}

char *nsh_json_write(struct nsh_pool *pool, const struct nsh_value *value)
{
    struct json_writer out = {0};
    add_value(&out, value);
    out.at = nsh_pool_alloc(pool, out.count + 1);
    if (out.at != NULL) {
        out.count = 0;
        add_value(&out, value);
    }
    return out.at;
}

/* ---- looking up -------------------------------------------------------------------------- */

/* One step of a path: the member of that name, or the item of that number. */
static const struct nsh_value *child(const struct nsh_value *value, const char *name, size_t count)
{
    if (value->type == NSH_MAP) {
        for (uint32_t i = 0; i < value->count; i++) {
            const char *other = value->members[i].name;
            if (strncmp(other, name, count) == 0 && other[count] == '\0') {
                return &value->members[i].value;
            }
        }
    }
    if (value->type == NSH_LIST && count > 0 && count <= 9 && strspn(name, "0123456789") >= count) {
        unsigned long index = strtoul(name, NULL, 10);
        return index < value->count ? &value->items[index] : NULL;
    }
    return NULL;
}

const struct nsh_value *nsh_at(const struct nsh_value *value, const char *path)
{
    while (value != NULL && *path != '\0') {
        size_t count = strcspn(path, ".");
        value = child(value, path, count);
        path += count;
        path += *path == '.';
    }
    return value;
}

const char *nsh_at_text(const struct nsh_value *value, const char *path, const char *fallback)
{
    const struct nsh_value *found = nsh_at(value, path);
    return found != NULL && found->type == NSH_STRING ? found->text : fallback;
}

int64_t nsh_at_int(const struct nsh_value *value, const char *path, int64_t fallback)
{
    const struct nsh_value *found = nsh_at(value, path);
    return found != NULL && found->type == NSH_INT ? found->integer : fallback;
}

bool nsh_at_bool(const struct nsh_value *value, const char *path, bool fallback)
{
    const struct nsh_value *found = nsh_at(value, path);
    return found != NULL && found->type == NSH_BOOL ? found->boolean : fallback;
}

size_t nsh_at_count(const struct nsh_value *value, const char *path)
{
    const struct nsh_value *found = nsh_at(value, path);
    return found != NULL && found->type == NSH_LIST ? found->count : 0;
}

const struct nsh_value *nsh_at_item(const struct nsh_value *value, const char *path, size_t index)
{
    return index < nsh_at_count(value, path) ? &nsh_at(value, path)->items[index] : NULL;
}
