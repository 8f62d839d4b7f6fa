/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over plain JSON; everything unusual ends it, and the careful reader begins anew. */

#include "base/json_plain.h"

#include "abi/json_value.h"

#define MEMBERS_MAX 32 /* Of one object or list; larger ones are not plain. */
#define DEPTH_MAX 6
#define DIGITS_MAX 18 /* Fit an int64 whatever they are. */

struct plain {
    const char *at, *end;
    struct arena *arena;
};

static bool value_read(struct plain *plain, unsigned depth, struct nsh_value *ret_value);

static void skip_blanks(struct plain *plain)
{
    while (plain->at < plain->end &&
           (*plain->at == ' ' || *plain->at == '\n' || *plain->at == '\t' || *plain->at == '\r')) {
        plain->at++;
    }
}

static bool take(struct plain *plain, char c)
{
    skip_blanks(plain);
    if (plain->at == plain->end || *plain->at != c) {
        return false;
    }
    plain->at++;
    return true;
}

/* A text of ASCII without escapes, copied with a NUL behind it. */
static bool text_read(struct plain *plain, struct nsh_value *ret_value)
{
    if (!take(plain, '"')) {
        return false;
    }
    const char *begin = plain->at, *at = begin;
    while (at < plain->end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20 &&
           (unsigned char)*at < 0x7f) {
        at++;
    }
    if (at == plain->end || *at != '"') {
        return false;
    }
    const char *copy = arena_copy(plain->arena, begin, (size_t)(at - begin));
    *ret_value =
        (struct nsh_value){.type = NSH_STRING, .count = (uint32_t)(at - begin), .text = copy};
    plain->at = at + 1;
    return copy != NULL;
}

static bool number_read(struct plain *plain, struct nsh_value *ret_value)
{
    bool negative = *plain->at == '-';
    const char *begin = plain->at + negative, *at = begin;
    uint64_t number = 0; /* One digit too many fits as well. */
    while (at < plain->end && *at >= '0' && *at <= '9' && at - begin <= DIGITS_MAX) {
        number = number * 10 + (uint64_t)(*at++ - '0');
    }
    bool zeros = at - begin > 1 && *begin == '0';
    bool more = at < plain->end && *at != ',' && *at != '}' && *at != ']' && *at != ' ' &&
                *at != '\n' && *at != '\r' && *at != '\t';
    if (at == begin || at - begin > DIGITS_MAX || zeros || more || (negative && number == 0)) {
        return false; /* Fractions, exponents, -0: not plain. */
    }
    *ret_value = nsh_int(negative ? -(int64_t)number : (int64_t)number);
    plain->at = at;
    return true;
}

static bool word_read(struct plain *plain, struct nsh_value *ret_value)
{
    size_t bytes = nsh_json_word(plain->at, (size_t)(plain->end - plain->at), ret_value);
    plain->at += bytes;
    return bytes > 0;
}

static bool known(const struct nsh_member *members, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].name[0] == name[0] && strcmp(members[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool map_read(struct plain *plain, unsigned depth, struct nsh_value *ret_value)
{
    struct nsh_member members[MEMBERS_MAX];
    size_t count = 0;
    plain->at++;
    while (count > 0 ? take(plain, ',') : !take(plain, '}')) {
        struct nsh_value name;
        if (count == MEMBERS_MAX || !text_read(plain, &name) || known(members, count, name.text) ||
            !take(plain, ':') || !value_read(plain, depth, &members[count].value)) {
            return false;
        }
        members[count++].name = name.text;
    }
    if (count > 0 && !take(plain, '}')) {
        return false;
    }
    struct nsh_member *kept = arena_array(plain->arena, count, sizeof *kept);
    if (kept == NULL) {
        return false;
    }
    memcpy(kept, members, count * sizeof *kept);
    *ret_value = nsh_map(kept, count);
    return true;
}

static bool list_read(struct plain *plain, unsigned depth, struct nsh_value *ret_value)
{
    struct nsh_value items[MEMBERS_MAX];
    size_t count = 0;
    plain->at++;
    while (count > 0 ? take(plain, ',') : !take(plain, ']')) {
        if (count == MEMBERS_MAX || !value_read(plain, depth, &items[count])) {
            return false;
        }
        count++;
    }
    if (count > 0 && !take(plain, ']')) {
        return false;
    }
    struct nsh_value *kept = arena_array(plain->arena, count, sizeof *kept);
    if (kept == NULL) {
        return false;
    }
    memcpy(kept, items, count * sizeof *kept);
    *ret_value = nsh_list(kept, count);
    return true;
}

static bool value_read(struct plain *plain, unsigned depth, struct nsh_value *ret_value)
{
    skip_blanks(plain);
    if (plain->at == plain->end || depth == DEPTH_MAX) {
        return false;
    }
    switch (*plain->at) {
    case '"':
        return text_read(plain, ret_value);
    case '{':
        return map_read(plain, depth + 1, ret_value);
    case '[':
        return list_read(plain, depth + 1, ret_value);
    case 't':
    case 'f':
    case 'n':
        return word_read(plain, ret_value);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return number_read(plain, ret_value);
    default:
        return false;
    }
}

bool json_plain(const char *bytes, size_t bytes_count, struct arena *arena,
                struct nsh_value *ret_value)
{
    struct plain plain = {bytes, bytes + bytes_count, arena};
    struct nsh_value value;
    if (!value_read(&plain, 0, &value)) {
        return false;
    }
    skip_blanks(&plain);
    if (plain.at != plain.end) {
        return false;
    }
    *ret_value = value;
    return true;
}
