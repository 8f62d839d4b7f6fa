/* SPDX-License-Identifier: Apache-2.0 */

/* Building blocks of the inventory's reader: texts kept once, trees copied, owners of hints. */

#include "fleet/fleet_private.h"

#include <stdio.h>

const char *const fleet_key_words[KEYS_COUNT + 1] = {
#define KEY(NAME, word, default_ok) [KEY_##NAME] = (word),
    FLEET_KEYS(KEY)
#undef KEY
};

void *fleet_array(struct fleet_build *build, size_t count, size_t bytes)
{
    void *array = arena_array(build->arena, count, bytes);
    build->no_memory = build->no_memory || array == NULL;
    return array;
}

const char *fleet_copy(struct fleet_build *build, const char *chars)
{
    const char *copy = arena_copy(build->arena, chars, strlen(chars));
    build->no_memory = build->no_memory || copy == NULL;
    return copy == NULL ? "" : copy;
}

const char *fleet_word(struct fleet_build *build, const char *chars)
{
    char *known = map_get(&build->words, text_of(chars));
    if (known != NULL) {
        return known;
    }
    char *copy = arena_copy(build->arena, chars, strlen(chars));
    if (copy == NULL || map_set(&build->words, text_of(copy), copy) < 0) {
        build->no_memory = true;
        return "";
    }
    return copy;
}

static struct nsh_value value_tree(struct fleet_build *build, struct conf *setting)
{
    size_t count = 0;
    if (setting->type == CONF_GROUP) {
        struct nsh_member *members = fleet_array(build, setting->children_count, sizeof *members);
        for (struct conf *child = setting->first; child != NULL && members != NULL;
             child = child->next) {
            members[count++] =
                (struct nsh_member){fleet_word(build, child->name), fleet_value(build, child)};
        }
        return nsh_map(members, count);
    }
    struct nsh_value *items = fleet_array(build, setting->children_count, sizeof *items);
    for (struct conf *child = setting->first; child != NULL && items != NULL; child = child->next) {
        items[count++] = fleet_value(build, child);
    }
    return nsh_list(items, count);
}

/* The depth is bounded: conf_read() refuses deep nesting. */
struct nsh_value fleet_value(struct fleet_build *build, struct conf *setting)
{
    setting->seen = true;
    switch (setting->type) {
    case CONF_STRING:
        return nsh_text(fleet_word(build, setting->text));
    case CONF_INT:
        return nsh_int(setting->integer);
    case CONF_FLOAT:
        return nsh_double(setting->real);
    case CONF_BOOL:
        return nsh_bool(setting->boolean);
    case CONF_GROUP:
    case CONF_LIST:
    case CONF_ARRAY:
        break;
    }
    return value_tree(build, setting);
}

const char *fleet_text(struct fleet_build *build, struct conf *setting)
{
    const char *text = conf_text(setting, NULL, build->diags);
    if (text == NULL || text[0] == '\0') {
        return NULL;
    }
    if (strlen(text) > FLEET_TEXT_BYTES_MAX) {
        diag_add(build->diags, DIAG_ERROR, setting->value_at, NULL,
                 "at most %d bytes are possible here, got %zu", FLEET_TEXT_BYTES_MAX, strlen(text));
        return NULL;
    }
    return text;
}

void fleet_keys(struct fleet_build *build, struct conf *group, struct conf *ret_at[KEYS_COUNT])
{
    bool unknown = false;
    for (struct conf *child = group->first; child != NULL; child = child->next) {
        int key = 0;
        while (key < KEYS_COUNT && strcmp(child->name, fleet_key_words[key]) != 0) {
            key++;
        }
        if (key == KEYS_COUNT) {
            unknown = true;
            continue;
        }
        child->seen = true;
        ret_at[key] = child;
    }
    if (unknown) {
        conf_unknown(group, fleet_key_words, build->diags);
    }
}

static void claim_conflict(struct fleet_build *build, const char *prefix, const char *value,
                           const struct fleet_owner *first, struct nsh_place at,
                           const struct host *host)
{
    const char *what = strcmp(prefix, "addr") == 0   ? "address"
                       : strcmp(prefix, "host") == 0 ? "name"
                                                     : prefix;
    const char *file = first->at.file == NULL ? "" : first->at.file;
    diag_add(build->diags, DIAG_ERROR, at, NULL, "%s %s of host %s is taken by host %s (%s:%u)",
             what, value, host->name, first->host->name, file, first->at.line);
    diag_add(build->diags, DIAG_NOTE, first->at, NULL, "here it was said first");
}

void fleet_claim(struct fleet_build *build, const char *prefix, const char *value,
                 struct host *host, struct nsh_place at, bool own)
{
    char *key = arena_printf(build->arena, "%s=%s", prefix, value);
    if (key == NULL) {
        build->no_memory = true;
        return;
    }
    struct fleet_owner *first = map_get(&build->owners, text_of(key));
    if (first == NULL) {
        struct fleet_owner *owner = arena_alloc(&build->scratch, sizeof *owner);
        if (owner == NULL || map_set(&build->owners, text_of(key), owner) < 0) {
            build->no_memory = true;
            return;
        }
        *owner = (struct fleet_owner){.host = host, .at = at, .own = own};
        return;
    }
    if (first->host == host) {
        first->own = first->own || own;
    } else if (!first->own && !own) {
        first->ambiguous = true;
    } else {
        claim_conflict(build, prefix, value, first, at, host);
    }
}
