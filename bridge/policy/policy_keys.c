/* SPDX-License-Identifier: Apache-2.0 */
/* Reading groups by their tables of keys: types, ranges, unknown, misplaced and missing keys. */

#include "policy/policy_private.h"

/* Where a key may have been meant to stand. */
static const struct policy_keys *const policy_places[] = {
    &policy_keys_policy, &policy_keys_when, &policy_keys_branch,
    &policy_keys_limits, &policy_keys_step,
};

#define POLICY_KEYS_MAX 40 /* Rows of one table. */

const struct policy_key *policy_key_of(const struct policy_keys *keys, const char *name)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->rows[i].name, name) == 0) {
            return &keys->rows[i];
        }
    }
    return NULL;
}

bool policy_is(struct policy_loader *loader, struct conf *setting, enum conf_type type,
               const char *example)
{
    static const char *const words[] = {
        [CONF_GROUP] = "a group { }", [CONF_LIST] = "a list ( )", [CONF_ARRAY] = "an array [ ]",
        [CONF_STRING] = "a string",   [CONF_INT] = "an integer",  [CONF_FLOAT] = "a number",
        [CONF_BOOL] = "a boolean",
    };
    setting->seen = true;
    if (setting->type == type) {
        return true;
    }
    bool named = setting->name != NULL;
    diag_add(loader->diags, DIAG_ERROR, setting->value_at, example, "%s%s%s must be %s, got %s",
             named ? "'" : "", named ? setting->name : "this item", named ? "'" : "", words[type],
             words[setting->type]);
    return false;
}

/* ---- unknown keys ------------------------------------------------------------------------- */

/* The table that has a key of that name, when only one has. */
static const struct policy_keys *other_place(const struct policy_keys *keys, const char *name)
{
    const struct policy_keys *found = NULL;
    for (size_t i = 0; i < sizeof policy_places / sizeof policy_places[0]; i++) {
        if (policy_places[i] != keys && policy_key_of(policy_places[i], name) != NULL) {
            found = found == NULL ? policy_places[i] : keys;
        }
    }
    return found == keys ? NULL : found;
}

static void tell_unknown(struct policy_loader *loader, const struct policy_keys *keys,
                         const struct conf *setting)
{
    const char *names[POLICY_KEYS_MAX + 1] = {NULL};
    if (keys == &policy_keys_policy && strcmp(setting->name, "choose") == 0) {
        policy_tell_choose(loader, setting);
        return;
    }
    for (size_t i = 0; i < keys->count && i < POLICY_KEYS_MAX; i++) {
        names[i] = keys->rows[i].name;
    }
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    const char *nearest = text_nearest(text_of(setting->name), names);
    const struct policy_keys *other = other_place(keys, setting->name);
    if (other != NULL) {
        textbuf_addf(&remedy, "'%s' belongs in %s", setting->name, other->where);
    } else if (nearest != NULL) {
        textbuf_addf(&remedy, "did you mean '%s'?", nearest);
    } else {
        for (size_t i = 0; names[i] != NULL; i++) {
            textbuf_addf(&remedy, "%s%s", i == 0 ? "known here: " : ", ", names[i]);
        }
    }
    diag_add(loader->diags, DIAG_ERROR, setting->at, remedy.at, "unknown key '%.80s' in %s",
             setting->name, keys->where);
}

/* ---- values ------------------------------------------------------------------------------- */

static void store(void *object, const struct policy_key *key, const void *value, size_t bytes)
{
    memcpy((char *)object + key->offset, value, bytes);
}

static const char *bounded_text(struct policy_loader *loader, struct conf *setting,
                                const struct policy_key *key)
{
    const char *text = conf_text(setting, NULL, loader->diags);
    if (text == NULL) {
        return NULL;
    }
    if (setting->text_bytes < key->min || setting->text_bytes > key->max) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, key->example,
                 setting->text_bytes == 0 ? "'%s' must not be empty"
                                          : "'%s' is longer than %lld bytes",
                 key->name, (long long)key->max);
        return NULL;
    }
    return text;
}

/* Offset of the first character a name may not have, or its length. */
static uint32_t name_end(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t first = strspn(name, letters);
    return first == 0 ? 0
                      : (uint32_t)(first + strspn(name + first, "-_.abcdefghijklmnopqrstuvwxyz"
                                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                                "0123456789"));
}

static void read_text(struct policy_loader *loader, struct conf *setting,
                      const struct policy_key *key, void *object)
{
    const char *text = bounded_text(loader, setting, key);
    if (text == NULL) {
        return;
    }
    uint32_t end = key->kind == KEY_NAME ? name_end(text) : setting->text_bytes;
    if (end < setting->text_bytes) {
        diag_add(loader->diags, DIAG_ERROR, conf_text_place(setting, end, 1),
                 "letters, digits, and behind the first also '-', '_' and '.'",
                 "'%s' cannot hold this character", key->name);
        return;
    }
    text = policy_keep(loader, text);
    store(object, key, &text, sizeof text);
}

static void read_word(struct policy_loader *loader, struct conf *setting,
                      const struct policy_key *key, void *object)
{
    const char *text = conf_text(setting, NULL, loader->diags);
    if (text == NULL) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    for (int i = 0; key->words[i] != NULL; i++) {
        if (strcmp(key->words[i], text) == 0) {
            store(object, key, &i, sizeof i);
            return;
        }
        textbuf_addf(&remedy, "%s%s", i == 0 ? "one of: " : ", ", key->words[i]);
    }
    const char *nearest = text_nearest(text_of(text), key->words);
    if (nearest != NULL) {
        textbuf_clear(&remedy);
        textbuf_addf(&remedy, "did you mean \"%s\"?", nearest);
    }
    diag_add(loader->diags, DIAG_ERROR, setting->value_at, remedy.at, "'%s' cannot be \"%.80s\"",
             key->name, text);
}

static void read_number(struct policy_loader *loader, struct conf *setting,
                        const struct policy_key *key, void *object)
{
    if (key->kind == KEY_DURATION) {
        int64_t ms = 0;
        memcpy(&ms, (char *)object + key->offset, sizeof ms);
        ms = conf_duration_ms(setting, ms, key->min, key->max, loader->diags);
        store(object, key, &ms, sizeof ms);
    } else if (key->kind == KEY_COUNT) {
        uint32_t count = (uint32_t)conf_int(setting, key->min, key->min, key->max, loader->diags);
        store(object, key, &count, sizeof count);
    } else {
        bool yes = conf_bool(setting, false, loader->diags);
        store(object, key, &yes, sizeof yes);
    }
}

static void read_setting(struct policy_loader *loader, struct conf *setting,
                         const struct policy_key *key, void *object)
{
    void *at = (char *)object + key->offset;
    setting->seen = true;
    switch (key->kind) {
    case KEY_TEXT:
    case KEY_NAME:
        read_text(loader, setting, key, object);
        break;
    case KEY_WORD:
        read_word(loader, setting, key, object);
        break;
    case KEY_DURATION:
    case KEY_COUNT:
    case KEY_BOOL:
        read_number(loader, setting, key, object);
        break;
    case KEY_CONDITION:
        policy_condition_read(loader, setting, at);
        break;
    case KEY_VALUE:
        policy_value_read(loader, setting, at);
        break;
    case KEY_READ:
        key->read(loader, setting, object);
        break;
    }
}

/* An unknown key is this one, mistyped: told already. */
static bool is_mistyped(const struct conf *group, const struct policy_keys *keys,
                        const struct policy_key *key)
{
    const char *const names[] = {key->name, NULL};
    for (const struct conf *setting = group->first; setting != NULL; setting = setting->next) {
        if (policy_key_of(keys, setting->name) == NULL &&
            text_nearest(text_of(setting->name), names) != NULL) {
            return true;
        }
    }
    return false;
}

static void tell_missing(struct policy_loader *loader, struct conf *group,
                         const struct policy_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct policy_key *key = &keys->rows[i];
        if ((key->flags & KEY_REQUIRED) != 0 && conf_get(group, key->name) == NULL &&
            !is_mistyped(group, keys, key)) {
            CLEANUP(textbuf_donep) struct textbuf remedy = {0};
            textbuf_addf(&remedy, "such as %s", key->example);
            diag_add(loader->diags, DIAG_ERROR, group->name != NULL ? group->at : group->value_at,
                     remedy.at, "%s needs '%s'", keys->where, key->name);
        }
    }
}

void policy_keys_read(struct policy_loader *loader, struct conf *group,
                      const struct policy_keys *keys, void *object)
{
    for (struct conf *setting = group->first; setting != NULL; setting = setting->next) {
        const struct policy_key *key = policy_key_of(keys, setting->name);
        if (key == NULL) {
            tell_unknown(loader, keys, setting);
        } else {
            read_setting(loader, setting, key, object);
        }
    }
    tell_missing(loader, group, keys);
}
