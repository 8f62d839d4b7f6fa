/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text for people. */

#include "cel/cel_private.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PRINT_BYTES_MAX 65536 /* A value that refers to itself many times ends here. */

/* The shortest decimal digits that give real back; returns the decimal exponent. */
static int shortest(double real, char digits[32])
{
    char text[40];
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, real);
        double back = strtod(text, NULL);
        if (back >= real && back <= real) {
            break;
        }
    }
    size_t used = 0;
    const char *at = text;
    for (; *at != 'e' && *at != '\0'; at++) {
        if (*at >= '0' && *at <= '9') {
            digits[used++] = *at;
        }
    }
    while (used > 1 && digits[used - 1] == '0') {
        used--;
    }
    digits[used] = '\0';
    return *at == 'e' ? (int)strtol(at + 1, NULL, 10) : 0;
}

static bool print_special(double real, struct textbuf *out)
{
    if (isnan(real) || isinf(real)) {
        textbuf_add_chars(out, isnan(real) ? "NaN" : real > 0 ? "Infinity" : "-Infinity");
        return true;
    }
    return false;
}

static void print_digits(const char *digits, int exponent, struct textbuf *out)
{
    int count = (int)strlen(digits);
    if (exponent < 0) {
        textbuf_add_chars(out, "0.");
        for (int i = -1; i > exponent; i--) {
            textbuf_add_char(out, '0');
        }
        textbuf_add_chars(out, digits);
    } else if (count <= exponent + 1) {
        textbuf_add_chars(out, digits);
        for (int i = count; i <= exponent; i++) {
            textbuf_add_char(out, '0');
        }
    } else {
        textbuf_addf(out, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
    }
}

void cel_print_double(double real, struct textbuf *out)
{
    char digits[32];
    if (print_special(real, out)) {
        return;
    }
    textbuf_add_chars(out, signbit(real) ? "-" : "");
    int exponent = shortest(fabs(real), digits), count = (int)strlen(digits);
    if (exponent < -4 || exponent >= 21) {
        textbuf_addf(out, "%c%s%se%c%02d", digits[0], count > 1 ? "." : "", digits + 1,
                     exponent < 0 ? '-' : '+', abs(exponent));
    } else {
        print_digits(digits, exponent, out);
    }
}

void cel_print_plain_double(double real, struct textbuf *out)
{
    char digits[32];
    if (!print_special(real, out)) {
        textbuf_add_chars(out, signbit(real) ? "-" : "");
        int exponent = shortest(fabs(real), digits);
        print_digits(digits, exponent, out);
    }
}

static void print_escaped(unsigned char c, bool bytes, struct textbuf *out)
{
    static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
    const char *known = c == '\0' ? NULL : strchr(from, c);
    if (known != NULL) {
        textbuf_addf(out, "\\%c", to[known - from]);
    } else if (bytes || c < 0x20 || c == 0x7f) {
        textbuf_addf(out, "\\%03o", c);
    } else {
        textbuf_add_char(out, (char)c);
    }
}

void cel_print_quoted(struct text text, bool bytes, struct textbuf *out)
{
    textbuf_add_chars(out, bytes ? "b\"" : "\"");
    for (uint32_t i = 0; i < text.count; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool plain = c >= 0x20 && c != 0x7f && c != '\\' && c != '"' && !(bytes && c >= 0x80);
        if (plain) {
            textbuf_add_char(out, (char)c);
        } else {
            print_escaped(c, bytes, out);
        }
    }
    textbuf_add_char(out, '"');
}

static void print_pair(const struct cel_value *map, uint32_t index, struct textbuf *out);

/* A value that came from outside, as its JSON would be read here. */
static void print_outside(const struct nsh_value *value, struct textbuf *out)
{
    bool map = value->type == NSH_MAP;
    struct cel_value plain = {.kind = CEL_NULL};
    if (map || value->type == NSH_LIST) {
        textbuf_add_char(out, map ? '{' : '[');
        for (uint32_t i = 0; i < value->count && out->count < PRINT_BYTES_MAX; i++) {
            textbuf_add_chars(out, i == 0 ? "" : ", ");
            if (map) {
                cel_print_quoted(text_of(value->members[i].name), false, out);
                textbuf_add_chars(out, ": ");
            }
            print_outside(map ? &value->members[i].value : &value->items[i], out);
        }
        textbuf_add_char(out, map ? '}' : ']');
        return;
    }
    cel_from_outside(NULL, value, 0, &plain);
    cel_value_print(&plain, out);
}

static void print_list(const struct cel_value *list, struct textbuf *out)
{
    const struct cel_value *items = list->pointer;
    textbuf_add_char(out, '[');
    for (uint32_t i = 0; i < list->count && out->count < PRINT_BYTES_MAX; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ", ");
        cel_value_print(&items[i], out);
    }
    textbuf_add_char(out, ']');
}

static void print_map(const struct cel_value *map, struct textbuf *out)
{
    textbuf_add_char(out, '{');
    for (uint32_t i = 0; i < map->count && out->count < PRINT_BYTES_MAX; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ", ");
        print_pair(map, i, out);
    }
    textbuf_add_char(out, '}');
}

static void print_pair(const struct cel_value *map, uint32_t index, struct textbuf *out)
{
    const struct cel_value *pairs = map->pointer;
    cel_value_print(&pairs[2 * (size_t)index], out);
    textbuf_add_chars(out, ": ");
    cel_value_print(&pairs[2 * (size_t)index + 1], out);
}

static void print_pointed(const struct cel_value *value, struct textbuf *out)
{
    if (value->kind == CEL_OPTIONAL && value->pointer == NULL) {
        textbuf_add_chars(out, "optional.none()");
    } else if (value->kind == CEL_OPTIONAL) {
        textbuf_add_chars(out, "optional.of(");
        cel_value_print(value->pointer, out);
        textbuf_add_char(out, ')');
    } else {
        const struct cel_opaque *opaque = value->pointer;
        opaque->class->print(opaque, out);
    }
}

static void print_double_value(double real, struct textbuf *out)
{
    size_t start = out->count;
    cel_print_double(real, out);
    bool whole = isfinite(real) && out->at != NULL && strpbrk(out->at + start, ".e") == NULL;
    textbuf_add_chars(out, whole ? ".0" : "");
}

void cel_value_print(const struct cel_value *value, struct textbuf *out)
{
    if (out->count >= PRINT_BYTES_MAX) {
        return;
    }
    if (value->form == CEL_FORM_OUTSIDE && (value->kind == CEL_LIST || value->kind == CEL_MAP)) {
        print_outside(value->pointer, out);
        return;
    }
    switch ((enum cel_kind)value->kind) {
    case CEL_DYN:
    case CEL_RECORD:
    case CEL_NULL:
        textbuf_add_chars(out, "null");
        break;
    case CEL_BOOL:
        textbuf_add_chars(out, value->boolean ? "true" : "false");
        break;
    case CEL_INT:
        textbuf_addf(out, "%" PRId64, value->integer);
        break;
    case CEL_UINT:
        textbuf_addf(out, "%" PRIu64 "u", value->unsigned_integer);
        break;
    case CEL_DOUBLE:
        print_double_value(value->real, out);
        break;
    case CEL_STRING:
    case CEL_BYTES:
        cel_print_quoted(cel_text(value), value->kind == CEL_BYTES, out);
        break;
    case CEL_LIST:
        print_list(value, out);
        break;
    case CEL_MAP:
        print_map(value, out);
        break;
    case CEL_TIMESTAMP:
        cel_print_timestamp(value, out);
        break;
    case CEL_DURATION:
        cel_print_duration(value, out);
        break;
    case CEL_TYPE:
        textbuf_add_chars(out, value->text);
        break;
    case CEL_OPTIONAL:
    case CEL_OPAQUE:
        print_pointed(value, out);
        break;
    case CEL_ERROR:
        textbuf_addf(out, "error: %s", value->text);
        break;
    }
}
