/* SPDX-License-Identifier: Apache-2.0 */
/* "%s".format([...]): the clauses %s %d %f %e %b %o %x %X, each with an optional precision for %f
 * and %e. */

#include "cel/cel_private.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PRECISION_DEFAULT 6
#define PRECISION_MAX 1000
#define FORMATTED_BYTES_MAX 65536

struct clause {
    char verb;
    int precision;
};

static bool add_string(struct cel_run *run, const struct cel_value *value, struct textbuf *out);

struct map_entry_text {
    struct text key, value;
};

static int by_key(const void *a, const void *b)
{
    return text_compare(((const struct map_entry_text *)a)->key,
                        ((const struct map_entry_text *)b)->key);
}

/* A value as a text of its own, in the arena of the run. */
static bool text_of_value(struct cel_run *run, const struct cel_value *value, struct text *ret_text)
{
    struct textbuf text = {.count_max = FORMATTED_BYTES_MAX};
    struct cel_value copy = {.kind = CEL_NULL};
    bool good = add_string(run, value, &text) && !text.failed;
    if (good) {
        cel_make_text(run, (struct text){text.at, (uint32_t)text.count}, &copy);
    }
    textbuf_done(&text);
    *ret_text = cel_text(&copy);
    return good && copy.kind == CEL_STRING;
}

/* Maps are written in the order of their keys' texts, so that equal maps look equal. */
static bool add_map(struct cel_run *run, const struct cel_value *map, struct textbuf *out)
{
    struct cel_value ignored, key, value;
    struct map_entry_text *entries = cel_room(run, (map->count + 1) * sizeof *entries, &ignored);
    for (uint32_t i = 0; entries != NULL && i < map->count; i++) {
        cel_map_at(run, map, i, &key, &value);
        if (!text_of_value(run, &key, &entries[i].key) ||
            !text_of_value(run, &value, &entries[i].value)) {
            return false;
        }
    }
    if (entries == NULL) {
        return false;
    }
    qsort(entries, map->count, sizeof *entries, by_key);
    textbuf_add_char(out, '{');
    for (uint32_t i = 0; i < map->count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ", ");
        textbuf_add(out, entries[i].key);
        textbuf_add_chars(out, ": ");
        textbuf_add(out, entries[i].value);
    }
    textbuf_add_char(out, '}');
    return true;
}

static bool add_list(struct cel_run *run, const struct cel_value *list, struct textbuf *out)
{
    bool good = true;
    textbuf_add_char(out, '[');
    for (uint32_t i = 0; i < list->count && good && !out->failed && run->stop == 0; i++) {
        struct cel_value item;
        cel_list_at(run, list, i, &item);
        textbuf_add_chars(out, i == 0 ? "" : ", ");
        good = add_string(run, &item, out);
    }
    textbuf_add_char(out, ']');
    return good;
}

/* False: some part of the value has no text. */
static bool add_string(struct cel_run *run, const struct cel_value *value, struct textbuf *out)
{
    if (!cel_spend(run, 1, NULL)) {
        return true;
    }
    switch (value->kind) {
    case CEL_STRING:
    case CEL_BYTES:
        textbuf_add(out, cel_text(value));
        return true;
    case CEL_UINT:
        textbuf_addf(out, "%" PRIu64, value->unsigned_integer);
        return true;
    case CEL_DOUBLE:
        cel_print_plain_double(value->real, out);
        return true;
    case CEL_LIST:
        return add_list(run, value, out);
    case CEL_MAP:
        return add_map(run, value, out);
    case CEL_OPTIONAL:
    case CEL_OPAQUE:
        return false;
    default:
        cel_value_print(value, out);
        return true;
    }
}

static void add_binary(uint64_t bits, struct textbuf *out)
{
    char digits[65];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + (bits & 1));
        bits >>= 1;
    } while (bits != 0);
    textbuf_add_chars(out, digits + at);
}

/* An integer in base 2, 8 or 16, negative ones with a sign. */
static void add_based(const struct cel_value *value, char verb, struct textbuf *out)
{
    uint64_t bits = value->kind == CEL_BOOL ? value->boolean : value->unsigned_integer;
    if (value->kind == CEL_INT && value->integer < 0) {
        textbuf_add_char(out, '-');
        bits = 0 - bits;
    }
    if (verb == 'b') {
        add_binary(bits, out);
    } else if (verb == 'o') {
        textbuf_addf(out, "%" PRIo64, bits);
    } else if (verb == 'x') {
        textbuf_addf(out, "%" PRIx64, bits);
    } else {
        textbuf_addf(out, "%" PRIX64, bits);
    }
}

static bool is_integer(const struct cel_value *value)
{
    return value->kind == CEL_INT || value->kind == CEL_UINT;
}

static bool is_text(const struct cel_value *value)
{
    return value->kind == CEL_STRING || value->kind == CEL_BYTES;
}

static bool add_real(const struct cel_value *value, const struct clause *clause,
                     struct textbuf *out)
{
    double real = value->kind == CEL_INT    ? (double)value->integer
                  : value->kind == CEL_UINT ? (double)value->unsigned_integer
                                            : value->real;
    if (!is_integer(value) && value->kind != CEL_DOUBLE) {
        return false;
    }
    if (!isfinite(real)) {
        cel_print_double(real, out);
    } else if (clause->verb == 'f') {
        textbuf_addf(out, "%.*f", clause->precision, real);
    } else {
        textbuf_addf(out, "%.*e", clause->precision, real);
    }
    return true;
}

/* False: the clause does not take such a value. */
static bool add_clause(struct cel_run *run, const struct clause *clause,
                       const struct cel_value *value, struct textbuf *out)
{
    switch (clause->verb) {
    case 's':
        return add_string(run, value, out);
    case 'd':
        return (is_integer(value) || value->kind == CEL_DOUBLE) && add_string(run, value, out);
    case 'f':
    case 'e':
        return add_real(value, clause, out);
    case 'x':
    case 'X':
        if (is_text(value)) {
            for (uint32_t i = 0; i < value->count; i++) {
                textbuf_addf(out, clause->verb == 'x' ? "%02x" : "%02X", (uint8_t)value->text[i]);
            }
            return true;
        }
        break;
    case 'b':
        if (value->kind == CEL_BOOL) {
            add_based(value, 'b', out);
            return true;
        }
        break;
    default:
        break;
    }
    if (is_integer(value)) {
        add_based(value, clause->verb, out);
    }
    return is_integer(value);
}

/* The clause after a '%'; false: it is none. */
static bool take_clause(struct text format, uint32_t *at, struct clause *ret_clause)
{
    struct clause clause = {.precision = PRECISION_DEFAULT};
    if (*at < format.count && format.at[*at] == '.') {
        clause.precision = 0;
        (*at)++;
        while (*at < format.count && format.at[*at] >= '0' && format.at[*at] <= '9' &&
               clause.precision <= PRECISION_MAX) {
            clause.precision = clause.precision * 10 + (format.at[(*at)++] - '0');
        }
    }
    if (*at == format.count || clause.precision > PRECISION_MAX) {
        return false;
    }
    clause.verb = format.at[(*at)++];
    *ret_clause = clause;
    return clause.verb != '\0' && strchr("sdfebxXo", clause.verb) != NULL;
}

static bool format_all(struct cel_run *run, const struct cel_code *code,
                       const struct cel_value *args, struct textbuf *buf, struct cel_value *out)
{
    struct text format = cel_text(&args[0]);
    uint32_t used = 0;
    for (uint32_t at = 0; at < format.count;) {
        char c = format.at[at++];
        if (c != '%') {
            textbuf_add_char(buf, c);
            continue;
        }
        if (at < format.count && format.at[at] == '%') {
            textbuf_add_char(buf, '%');
            at++;
            continue;
        }
        struct clause clause;
        struct cel_value value;
        if (!take_clause(format, &at, &clause)) {
            cel_error(run, code, out, "format() knows %%s %%d %%f %%e %%b %%o %%x %%X");
            return false;
        }
        if (used == args[1].count) {
            cel_error(run, code, out, "format() has more clauses than values");
            return false;
        }
        cel_list_at(run, &args[1], used++, &value);
        if (!add_clause(run, &clause, &value, buf)) {
            cel_error(run, code, out, "%%%c does not take a %s", clause.verb,
                      cel_type_name(&value));
            return false;
        }
    }
    return cel_spend(run, buf->count / 32, out);
}

CEL_IMPL(cel_string_format)
{
    struct textbuf buf = {.count_max = FORMATTED_BYTES_MAX};
    if (!format_all(run, code, args, &buf, out)) {
        textbuf_done(&buf);
    } else if (buf.failed) {
        textbuf_done(&buf);
        cel_error(run, code, out, "the text would be too long");
    } else {
        cel_take_textbuf(run, &buf, out);
    }
}
