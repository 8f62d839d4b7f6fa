/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values: made in the arena of a run, read from outside without copying, compared. Whatever grows
 * with data takes steps from the budget.
 */

#include "cel/cel_private.h"

#include <math.h>
#include <stdio.h>

bool cel_spend(struct cel_run *run, uint64_t steps, struct cel_value *out)
{
    if (run->stop == 0 && run->steps >= (int64_t)steps) {
        run->steps -= (int64_t)steps;
        return true;
    }
    run->steps = 0;
    run->stop = run->stop == 0 ? NSH_LIMIT : run->stop;
    if (out != NULL) {
        *out = (struct cel_value){.kind = CEL_ERROR, .text = "too many steps"};
    }
    return false;
}

void *cel_room(struct cel_run *run, size_t bytes, struct cel_value *out)
{
    if (!cel_spend(run, bytes / 32, out)) {
        return NULL;
    }
    void *room = arena_alloc(run->arena, bytes == 0 ? 1 : bytes);
    if (room == NULL) {
        run->stop = NSH_NOMEM;
        *out = (struct cel_value){.kind = CEL_ERROR, .text = "out of memory"};
    }
    return room;
}

void cel_error(struct cel_run *run, const struct cel_code *code, struct cel_value *out,
               const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    uint32_t offset = code != NULL && code->ast != NULL ? code->ast->offset + 1 : 0;
    *out = (struct cel_value){.kind = CEL_ERROR, .count = offset, .text = "an error"};
    if (run->stop == 0 && cel_spend(run, 1, out)) {
        char *copy = arena_copy(run->arena, text, strlen(text));
        out->text = copy == NULL ? "out of memory" : copy;
    }
}

void cel_make_text(struct cel_run *run, struct text text, struct cel_value *out)
{
    char *copy = cel_room(run, (size_t)text.count + 1, out);
    if (copy != NULL) {
        memcpy(copy, text.at == NULL ? "" : text.at, text.count);
        *out = cel_of_text((struct text){copy, text.count});
    }
}

void cel_take_textbuf(struct cel_run *run, struct textbuf *buf, struct cel_value *out)
{
    cel_make_text(run, (struct text){buf->at, (uint32_t)buf->count}, out);
    textbuf_done(buf);
}

struct cel_value *cel_make_list(struct cel_run *run, uint32_t count, struct cel_value *out)
{
    struct cel_value *items = cel_room(run, (size_t)count * sizeof *items, out);
    if (items != NULL) {
        *out = (struct cel_value){.kind = CEL_LIST, .count = count, .pointer = items};
    }
    return items;
}

struct cel_value *cel_make_map(struct cel_run *run, uint32_t count, struct cel_value *out)
{
    struct cel_value *pairs = cel_room(run, (size_t)count * 2 * sizeof *pairs, out);
    if (pairs != NULL) {
        *out = (struct cel_value){.kind = CEL_MAP, .count = count, .pointer = pairs};
    }
    return pairs;
}

void cel_make_optional(struct cel_run *run, const struct cel_value *value, struct cel_value *out)
{
    struct cel_value *copy = NULL;
    if (value != NULL) {
        struct cel_value kept = *value;
        copy = cel_room(run, sizeof *copy, out);
        if (copy == NULL) {
            return;
        }
        *copy = kept;
    }
    *out = (struct cel_value){.kind = CEL_OPTIONAL, .pointer = copy};
}

/* --- from outside -------------------------------------------------------------------------- */

static void outside_dyn(const struct nsh_value *from, uint16_t shape, struct cel_value *out)
{
    switch (from->type) {
    case NSH_BOOL:
        *out = cel_of_bool(from->boolean);
        return;
    case NSH_INT:
        *out = cel_of_int(from->integer);
        return;
    case NSH_DOUBLE:
        *out = cel_of_double(from->real);
        return;
    case NSH_STRING:
        *out = cel_of_text((struct text){from->text, from->count});
        return;
    case NSH_LIST:
    case NSH_MAP:
        *out = (struct cel_value){.kind = from->type == NSH_LIST ? CEL_LIST : CEL_MAP,
                                  .form = CEL_FORM_OUTSIDE,
                                  .shape = shape,
                                  .count = from->count,
                                  .pointer = from};
        return;
    case NSH_NULL:
    case NSH_DURATION:
    case NSH_SECRET:
        break;
    }
    *out = (struct cel_value){.kind = CEL_NULL};
}

static bool milliseconds(uint8_t kind, int64_t ms, struct cel_value *out)
{
    int64_t seconds = ms / 1000, rest = ms % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    *out = (struct cel_value){.kind = kind, .count = (uint32_t)rest * 1000000, .integer = seconds};
    return kind == CEL_TIMESTAMP ? cel_timestamp_in_range(seconds)
                                 : cel_duration_in_range(seconds, out->count);
}

/* A value that is not of the kind its schema declares, made so where that loses nothing. */
static bool outside_convert(uint8_t kind, const struct nsh_value *from, struct cel_value *out)
{
    if (kind == CEL_DOUBLE && from->type == NSH_INT) {
        *out = cel_of_double((double)from->integer);
        return true;
    }
    if (kind == CEL_INT && from->type == NSH_DOUBLE && from->real == floor(from->real) &&
        fabs(from->real) < 9e15) {
        *out = cel_of_int((int64_t)from->real);
        return true;
    }
    if (kind == CEL_UINT && from->type == NSH_INT && from->integer >= 0) {
        *out = cel_of_uint((uint64_t)from->integer);
        return true;
    }
    if (kind == CEL_BYTES && from->type == NSH_STRING) {
        outside_dyn(from, 0, out);
        out->kind = CEL_BYTES;
        return true;
    }
    if (kind == CEL_TIMESTAMP || kind == CEL_DURATION) {
        struct text text = {from->text, from->count};
        if (from->type == NSH_INT) {
            return milliseconds(kind, from->integer, out);
        }
        return from->type == NSH_STRING && (kind == CEL_TIMESTAMP ? cel_parse_timestamp(text, out)
                                                                  : cel_parse_duration(text, out));
    }
    return false;
}

static bool is_kind(const struct cel_value *value, uint8_t kind)
{
    return value->kind == kind || (kind == CEL_RECORD && value->kind == CEL_MAP);
}

void cel_from_outside(struct cel_run *run, const struct nsh_value *from, uint16_t shape,
                      struct cel_value *out)
{
    uint8_t kind = shape == 0 ? CEL_DYN : run->shapes[shape].kind;
    outside_dyn(from, shape, out);
    if (kind == CEL_DYN || is_kind(out, kind) || outside_convert(kind, from, out)) {
        return;
    }
    if (kind >= CEL_TYPE) {
        return; /* Declared as something no JSON carries; what it is will show. */
    }
    cel_error(run, NULL, out, "a value from outside is a %s, not a %s", cel_type_name(out),
              cel_type_name(&(struct cel_value){.kind = kind}));
}

/* Whether a null there counts as no value. */
static bool is_absent(const struct cel_run *run, const struct nsh_value *from, uint16_t shape)
{
    uint8_t kind = shape == 0 ? CEL_DYN : run->shapes[shape].kind;
    return from->type == NSH_NULL && kind != CEL_DYN && kind != CEL_NULL;
}

static uint16_t field_shape(const struct cel_run *run, uint16_t shape, const char *name)
{
    if (shape == 0) {
        return 0;
    }
    const struct cel_shape *at = &run->shapes[shape];
    if (at->record == NULL) {
        return at->of;
    }
    for (size_t i = 0; i < at->record->fields_count; i++) {
        if (strcmp(at->record->fields[i].name, name) == 0) {
            return at->fields[i];
        }
    }
    return 0;
}

/* --- lists and maps ------------------------------------------------------------------------ */

void cel_list_at(struct cel_run *run, const struct cel_value *list, uint32_t index,
                 struct cel_value *out)
{
    if (list->form == CEL_FORM_OUTSIDE) {
        const struct nsh_value *from = list->pointer;
        uint16_t of = list->shape == 0 ? 0 : run->shapes[list->shape].of;
        cel_from_outside(run, &from->items[index], of, out);
    } else {
        *out = ((const struct cel_value *)list->pointer)[index];
    }
}

void cel_map_at(struct cel_run *run, const struct cel_value *map, uint32_t index,
                struct cel_value *ret_key, struct cel_value *ret_value)
{
    if (map->form == CEL_FORM_OUTSIDE) {
        const struct nsh_member *member = &((const struct nsh_value *)map->pointer)->members[index];
        *ret_key = cel_of_text(text_of(member->name));
        if (ret_value != NULL) {
            cel_from_outside(run, &member->value, field_shape(run, map->shape, member->name),
                             ret_value);
        }
        return;
    }
    const struct cel_value *pairs = map->pointer;
    *ret_key = pairs[2 * (size_t)index];
    if (ret_value != NULL) {
        *ret_value = pairs[2 * (size_t)index + 1];
    }
}

static bool find_outside(struct cel_run *run, const struct cel_value *map,
                         const struct cel_value *key, struct cel_value *ret_value)
{
    const struct nsh_value *from = map->pointer;
    if (key->kind != CEL_STRING) {
        return false;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        const struct nsh_member *member = &from->members[i];
        if ((key->count == 0 || member->name[0] == key->text[0]) &&
            strncmp(member->name, key->text, key->count) == 0 && member->name[key->count] == '\0') {
            uint16_t shape = field_shape(run, map->shape, member->name);
            if (is_absent(run, &member->value, shape)) {
                return false;
            }
            if (ret_value != NULL) {
                cel_from_outside(run, &member->value, shape, ret_value);
            }
            return true;
        }
    }
    return false;
}

bool cel_map_find(struct cel_run *run, const struct cel_value *map, const struct cel_value *key,
                  struct cel_value *ret_value)
{
    struct cel_value ignored;
    if (!cel_spend(run, 1 + map->count / 8, ret_value == NULL ? &ignored : ret_value)) {
        return ret_value != NULL;
    }
    if (map->form == CEL_FORM_OUTSIDE) {
        return find_outside(run, map, key, ret_value);
    }
    const struct cel_value *pairs = map->pointer;
    for (uint32_t i = 0; i < map->count; i++) {
        if (cel_equal(run, &pairs[2 * (size_t)i], key)) {
            if (ret_value != NULL) {
                *ret_value = pairs[2 * (size_t)i + 1];
            }
            return true;
        }
    }
    return false;
}

bool cel_key_allowed(const struct cel_value *key)
{
    return key->kind == CEL_BOOL || key->kind == CEL_INT || key->kind == CEL_UINT ||
           key->kind == CEL_STRING;
}

/* --- comparison ---------------------------------------------------------------------------- */

static int sign_of(bool less, bool more)
{
    return less ? -1 : more;
}

/* The suite wants integers compared with doubles as doubles, beyond 2^53 too. */
static int compare_doubles(double a, double b)
{
    bool unordered = isnan(a) || isnan(b);
    return unordered ? 2 : sign_of(a<b, a> b);
}

static int compare_numbers(const struct cel_value *a, const struct cel_value *b)
{
    if (a->kind == b->kind) {
        if (a->kind == CEL_INT) {
            return sign_of(a->integer<b->integer, a->integer> b->integer);
        }
        if (a->kind == CEL_UINT) {
            return sign_of(
                a->unsigned_integer<b->unsigned_integer, a->unsigned_integer> b->unsigned_integer);
        }
        return compare_doubles(a->real, b->real);
    }
    if (a->kind == CEL_INT && b->kind == CEL_UINT) {
        return a->integer < 0
                   ? -1
                   : sign_of((uint64_t)a->integer<b->unsigned_integer, (uint64_t)a->integer> b
                                 ->unsigned_integer);
    }
    if (b->kind == CEL_DOUBLE) {
        return compare_doubles(
            a->kind == CEL_INT ? (double)a->integer : (double)a->unsigned_integer, b->real);
    }
    int other = compare_numbers(b, a);
    return other == 2 ? 2 : -other;
}

static bool is_number(const struct cel_value *value)
{
    return value->kind == CEL_INT || value->kind == CEL_DOUBLE || value->kind == CEL_UINT;
}

int cel_compare(const struct cel_value *a, const struct cel_value *b)
{
    if (is_number(a) && is_number(b)) {
        return compare_numbers(a, b);
    }
    if (a->kind != b->kind) {
        return 3;
    }
    switch (a->kind) {
    case CEL_BOOL:
        return (int)a->boolean - (int)b->boolean;
    case CEL_STRING:
    case CEL_BYTES: {
        uint32_t count = a->count < b->count ? a->count : b->count;
        int order = count == 0 ? 0 : memcmp(a->text, b->text, count);
        return order != 0 ? sign_of(order<0, order> 0)
                          : sign_of(a->count<b->count, a->count> b->count);
    }
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        return a->integer != b->integer ? sign_of(a->integer < b->integer, true)
                                        : sign_of(a->count<b->count, a->count> b->count);
    default:
        return 3;
    }
}

static bool equal_lists(struct cel_run *run, const struct cel_value *a, const struct cel_value *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        struct cel_value x, y;
        cel_list_at(run, a, i, &x);
        cel_list_at(run, b, i, &y);
        if (!cel_equal(run, &x, &y)) {
            return false;
        }
    }
    return true;
}

static bool equal_maps(struct cel_run *run, const struct cel_value *a, const struct cel_value *b)
{
    for (uint32_t i = 0; i < a->count && run->stop == 0; i++) {
        struct cel_value key, x, y;
        cel_map_at(run, a, i, &key, &x);
        if (!cel_map_find(run, b, &key, &y) || !cel_equal(run, &x, &y)) {
            return false;
        }
    }
    return true;
}

static bool equal_pointed(struct cel_run *run, const struct cel_value *a, const struct cel_value *b)
{
    if (a->kind == CEL_OPTIONAL) {
        return a->pointer == NULL || b->pointer == NULL ? a->pointer == b->pointer
                                                        : cel_equal(run, a->pointer, b->pointer);
    }
    const struct cel_opaque *x = a->pointer, *y = b->pointer;
    return x->class == y->class && x->class->equal(x, y);
}

bool cel_equal(struct cel_run *run, const struct cel_value *a, const struct cel_value *b)
{
    if (a->kind == CEL_STRING && b->kind == CEL_STRING) {
        return a->count == b->count && memcmp(a->text, b->text, a->count) == 0;
    }
    if (!cel_spend(run, 1, NULL)) {
        return false;
    }
    if (is_number(a) && is_number(b)) {
        return compare_numbers(a, b) == 0;
    }
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case CEL_NULL:
        return true;
    case CEL_LIST:
        return a->count == b->count && equal_lists(run, a, b);
    case CEL_MAP:
        return a->count == b->count && equal_maps(run, a, b);
    case CEL_TYPE:
        return strcmp(a->text, b->text) == 0;
    case CEL_OPTIONAL:
    case CEL_OPAQUE:
        return equal_pointed(run, a, b);
    default:
        return cel_compare(a, b) == 0;
    }
}

/* --- kinds --------------------------------------------------------------------------------- */

const char *cel_type_name(const struct cel_value *value)
{
    static const char *const names[] = {
        [CEL_DYN] = "dyn",
        [CEL_NULL] = "null_type",
        [CEL_BOOL] = "bool",
        [CEL_INT] = "int",
        [CEL_UINT] = "uint",
        [CEL_DOUBLE] = "double",
        [CEL_STRING] = "string",
        [CEL_BYTES] = "bytes",
        [CEL_LIST] = "list",
        [CEL_MAP] = "map",
        [CEL_RECORD] = "map",
        [CEL_TIMESTAMP] = "google.protobuf.Timestamp",
        [CEL_DURATION] = "google.protobuf.Duration",
        [CEL_TYPE] = "type",
        [CEL_OPTIONAL] = "optional_type",
        [CEL_OPAQUE] = "opaque",
        [CEL_ERROR] = "error",
    };
    return value->kind == CEL_OPAQUE && value->pointer != NULL
               ? ((const struct cel_opaque *)value->pointer)->class->name
               : names[value->kind];
}

bool cel_fits(const struct cel_value *value, const struct cel_ty *type)
{
    switch (type->kind) {
    case CEL_DYN:
    case CEL_TY_PARAM:
        return true;
    case CEL_RECORD:
        return value->kind == CEL_MAP;
    case CEL_TY_WRAPPER:
        return value->kind == CEL_NULL || cel_fits(value, type->params[0]);
    case CEL_OPAQUE:
        return value->kind == CEL_OPAQUE && strcmp(cel_type_name(value), type->name) == 0;
    default:
        return value->kind == type->kind;
    }
}

bool cel_is_zero(const struct cel_value *value)
{
    switch (value->kind) {
    case CEL_NULL:
        return true;
    case CEL_BOOL:
        return !value->boolean;
    case CEL_INT:
    case CEL_UINT:
        return value->integer == 0;
    case CEL_DOUBLE:
        return fpclassify(value->real) == FP_ZERO;
    case CEL_STRING:
    case CEL_BYTES:
    case CEL_LIST:
    case CEL_MAP:
        return value->count == 0;
    case CEL_DURATION:
        return value->integer == 0 && value->count == 0;
    case CEL_OPTIONAL:
        return value->pointer == NULL;
    default:
        return false;
    }
}
