/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in values. */

#include "abi/value.h"

#include <string.h>

struct nsh_value nsh_text(const char *text)
{
    if (text == NULL) {
        return nsh_null();
    }
    return (struct nsh_value){.type = NSH_STRING, .count = (uint32_t)strlen(text), .text = text};
}

struct nsh_value nsh_list(const struct nsh_value *items, size_t count)
{
    return (struct nsh_value){.type = NSH_LIST, .count = (uint32_t)count, .items = items};
}

struct nsh_value nsh_map(const struct nsh_member *members, size_t count)
{
    return (struct nsh_value){.type = NSH_MAP, .count = (uint32_t)count, .members = members};
}

const struct nsh_value *nsh_get(const struct nsh_value *map, const char *name)
{
    if (map == NULL || map->type != NSH_MAP) {
        return NULL;
    }
    for (uint32_t i = 0; i < map->count; i++) {
        const char *other = map->members[i].name;
        if (other[0] == name[0] && strcmp(other, name) == 0) {
            return &map->members[i].value;
        }
    }
    return NULL;
}

const char *nsh_get_text(const struct nsh_value *map, const char *name, const char *fallback)
{
    const struct nsh_value *value = nsh_get(map, name);
    return value != NULL && value->type == NSH_STRING ? value->text : fallback;
}

int64_t nsh_get_int(const struct nsh_value *map, const char *name, int64_t fallback)
{
    const struct nsh_value *value = nsh_get(map, name);
    return value != NULL && value->type == NSH_INT ? value->integer : fallback;
}

bool nsh_get_bool(const struct nsh_value *map, const char *name, bool fallback)
{
    const struct nsh_value *value = nsh_get(map, name);
    return value != NULL && value->type == NSH_BOOL ? value->boolean : fallback;
}

static bool equal_map(const struct nsh_value *a, const struct nsh_value *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        const struct nsh_value *other = nsh_get(b, a->members[i].name);
        if (other == NULL || !nsh_equal(&a->members[i].value, other)) {
            return false;
        }
    }
    return true;
}

bool nsh_equal(const struct nsh_value *a, const struct nsh_value *b)
{
    if (a->type != b->type || a->count != b->count) {
        return false;
    }
    switch (a->type) {
    case NSH_NULL:
        return true;
    case NSH_BOOL:
        return a->boolean == b->boolean;
    case NSH_INT:
        return a->integer == b->integer;
    case NSH_DOUBLE:
        return !(a->real < b->real) && !(a->real > b->real);
    case NSH_STRING:
    case NSH_SECRET:
    case NSH_DURATION:
        return memcmp(a->text, b->text, a->count) == 0;
    case NSH_LIST:
        for (uint32_t i = 0; i < a->count; i++) {
            if (!nsh_equal(&a->items[i], &b->items[i])) {
                return false;
            }
        }
        return true;
    case NSH_MAP:
        return equal_map(a, b);
    }
    return false;
}
