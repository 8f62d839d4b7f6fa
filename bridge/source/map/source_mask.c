/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets in what senders tell: a request's context has its token, an object that somebody changed
 * its password. What policies see of a message is kept, logged and shown, so texts and numbers
 * under such names are replaced before it is. Labels are none: there "secret" names a Secret.
 */

#include "source/map/source_mask.h"

#include <ctype.h>
#include <string.h>

#define LEFT_OUT "left out"

/* How names end, in lower case, without what stands between words. */
static const char *const endings[] = {
    "password",     "passwd",       "passphrase",      "adminpass", "psk",           "authkey",
    "privatekey",   "presharedkey", "secretaccesskey", "apikey",    "authtoken",     "accesstoken",
    "refreshtoken", "clientsecret", "unsubscribeurl",  "cookie",    "authorization",
};
/* Names that are a secret only as a whole. */
static const char *const wholes[] = {"secret", "token"};

/* From the end; ret_rest: how much of name is left. */
static bool ends_with(const char *name, const char *ending, size_t *ret_rest)
{
    size_t at = strlen(name), left = strlen(ending);
    while (at > 0 && left > 0) {
        unsigned char one = (unsigned char)name[at - 1];
        if (isalnum(one) && tolower(one) != ending[--left]) {
            return false;
        }
        at--;
    }
    *ret_rest = at;
    return left == 0;
}

static bool is_secret(const char *name)
{
    size_t rest;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (ends_with(name, endings[i], &rest)) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof wholes / sizeof wholes[0]; i++) {
        if (ends_with(name, wholes[i], &rest) && rest == 0) {
            return true;
        }
    }
    return false;
}

static bool are_labels(const char *name)
{
    size_t rest;
    return ends_with(name, "labels", &rest);
}

static bool is_masked(const struct nsh_member *member)
{
    enum nsh_type type = member->value.type;
    bool says =
        type == NSH_INT || type == NSH_DOUBLE || (type == NSH_STRING && member->value.count > 0);
    return says && is_secret(member->name);
}

/* Most messages have none: then nothing is copied. Values are at most NSH_VALUE_DEPTH_MAX deep. */
static bool has_secret(const struct nsh_value *value)
{
    for (uint32_t i = 0; value->type == NSH_LIST && i < value->count; i++) {
        if (has_secret(&value->items[i])) {
            return true;
        }
    }
    for (uint32_t i = 0; value->type == NSH_MAP && i < value->count; i++) {
        const struct nsh_member *member = &value->members[i];
        if (is_masked(member) || (!are_labels(member->name) && has_secret(&member->value))) {
            return true;
        }
    }
    return false;
}

static bool list_mask(const struct nsh_value *list, struct arena *arena, struct nsh_value *ret_list)
{
    struct nsh_value *items = arena_array(arena, list->count, sizeof *items);
    bool good = items != NULL;
    for (uint32_t i = 0; good && i < list->count; i++) {
        good = source_mask(&list->items[i], arena, &items[i]);
    }
    if (good) {
        *ret_list = nsh_list(items, list->count);
    }
    return good;
}

static bool map_mask(const struct nsh_value *map, struct arena *arena, struct nsh_value *ret_map)
{
    struct nsh_member *members = arena_array(arena, map->count, sizeof *members);
    bool good = members != NULL;
    for (uint32_t i = 0; good && i < map->count; i++) {
        members[i] = map->members[i];
        if (is_masked(&members[i])) {
            members[i].value = nsh_text(LEFT_OUT);
        } else if (!are_labels(members[i].name)) {
            good = source_mask(&map->members[i].value, arena, &members[i].value);
        }
    }
    if (good) {
        *ret_map = nsh_map(members, map->count);
    }
    return good;
}

bool source_mask(const struct nsh_value *value, struct arena *arena, struct nsh_value *ret_value)
{
    if (!has_secret(value)) {
        *ret_value = *value;
        return true;
    }
    return value->type == NSH_MAP ? map_mask(value, arena, ret_value)
                                  : list_mask(value, arena, ret_value);
}
