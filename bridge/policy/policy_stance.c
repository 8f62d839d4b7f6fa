/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy says beside its trigger and its steps: what it must never do (deny), what nobody
 * else may do meanwhile (hold), whose events it believes (from), words to find it by (tags).
 */

#include "policy/policy_private.h"

#define NAMES_MAX 32 /* Of one list. */
#define HOLD_MS_MIN (60LL * 1000)
#define HOLD_MS_MAX (7LL * 24 * 3600 * 1000)

/* ---- lists of names ------------------------------------------------------------------------ */

/* What a name of the list may be; NULL after a diagnostic. */
typedef const char *(*name_fn)(struct policy_loader *loader, struct conf *setting);

/* One text or a list of them; false after a diagnostic. */
static bool names_read(struct policy_loader *loader, struct conf *setting, name_fn read,
                       struct policy_names *ret_names)
{
    bool several = setting->type == CONF_ARRAY || setting->type == CONF_LIST;
    size_t room = several ? setting->children_count : 1;
    setting->seen = true;
    if (room == 0 || room > NAMES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, NULL,
                 room == 0 ? "'%s' names nothing" : "'%s' names at most %d", setting->name,
                 NAMES_MAX);
        return false;
    }
    const char **items = policy_alloc(loader, room, sizeof *items);
    struct policy_names names = {items, 0};
    struct conf *item = several ? setting->first : setting;
    for (; items != NULL && item != NULL; item = several ? item->next : NULL) {
        const char *name = read(loader, item);
        if (name != NULL) {
            items[names.count++] = name;
        }
    }
    *ret_names = names;
    return items != NULL && names.count == room;
}

bool policy_names_match(const struct policy_names *names, struct text name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (text_glob(text_of(names->items[i]), name)) {
            return true;
        }
    }
    return false;
}

bool policy_names_same(const struct policy_names *x, const struct policy_names *y)
{
    bool same = x->count == y->count;
    for (size_t i = 0; same && i < x->count; i++) {
        same = strcmp(x->items[i], y->items[i]) == 0;
    }
    return same;
}

/* A name of a bounded length without control characters. */
static const char *plain_name(struct policy_loader *loader, struct conf *setting)
{
    const char *text = conf_text(setting, NULL, loader->diags);
    if (text == NULL) {
        return NULL;
    }
    if (setting->text_bytes == 0 || setting->text_bytes > POLICY_NAME_BYTES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, NULL, "a name has 1 to %d bytes",
                 POLICY_NAME_BYTES_MAX);
        return NULL;
    }
    return policy_keep(loader, text);
}

/* A verb, or a glob that some verb matches. */
static const char *verb_glob(struct policy_loader *loader, struct conf *setting)
{
    const char *text = plain_name(loader, setting);
    if (text == NULL) {
        return NULL;
    }
    for (size_t i = 0; loader->verb_names[i] != NULL; i++) {
        if (text_glob(text_of(text), text_of(loader->verb_names[i]))) {
            return text;
        }
    }
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    const char *nearest = text_nearest(text_of(text), loader->verb_names);
    if (nearest != NULL) {
        textbuf_addf(&remedy, "did you mean '%s'?", nearest);
    }
    diag_add(loader->diags, DIAG_ERROR, setting->value_at,
             nearest != NULL ? remedy.at : "such as \"power.off\" or \"power.*\"",
             "no action is called \"%.80s\"", text);
    return NULL;
}

/* ---- keys ---------------------------------------------------------------------------------- */

void policy_tags_read(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    names_read(loader, setting, plain_name, &policy->tags);
}

void policy_deny_read(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    names_read(loader, setting, verb_glob, &policy->deny);
}

void policy_from_read(struct policy_loader *loader, struct conf *setting, void *object)
{
    names_read(loader, setting, plain_name, object);
}

static void read_hold_actions(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_hold *hold = object;
    names_read(loader, setting, verb_glob, &hold->actions);
}

static const struct policy_key hold_rows[] = {
    {.name = "actions",
     .kind = KEY_READ,
     .read = read_hold_actions,
     .example = "actions = [\"power.*\", \"fence\"]",
     .help = "What no other policy may do to the subject; without it nothing at all."},
    {.name = "for",
     .kind = KEY_DURATION,
     .flags = KEY_REQUIRED,
     .offset = offsetof(struct policy_hold, for_ms),
     .min = HOLD_MS_MIN,
     .max = HOLD_MS_MAX,
     .example = "for = \"30m\"",
     .help = "So long from the decision."},
};
const struct policy_keys policy_keys_hold = {"hold", hold_rows,
                                             sizeof hold_rows / sizeof hold_rows[0]};

void policy_hold_read(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    if (!policy_is(loader, setting, CONF_GROUP,
                   "hold = { actions = [\"power.*\"]; for = \"30m\"; }")) {
        return;
    }
    struct policy_hold *hold = policy_alloc(loader, 1, sizeof *hold);
    if (hold != NULL) {
        policy_keys_read(loader, setting, &policy_keys_hold, hold);
        policy->hold = hold;
    }
}

void policy_tell_choose(struct policy_loader *loader, const struct conf *setting)
{
    diag_add(loader->diags, DIAG_ERROR, setting->at,
             "capacity is asked for by steps with action = \"add\"",
             "'choose' belongs to capacity, which is not there yet");
}

/* ---- deny against the steps ---------------------------------------------------------------- */

static void deny_verb(struct policy_loader *loader, const struct conf *deny, struct conf *group,
                      const char *key)
{
    struct conf *setting = conf_get(group, key);
    if (setting != NULL && setting->type == CONF_STRING &&
        policy_names_match(&loader->policy->deny, text_of(setting->text))) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "'deny' forbids %s to this policy", setting->text);
        diag_add(loader->diags, DIAG_NOTE, deny->at, NULL, "it is denied here");
    }
}

void policy_deny_check(struct policy_loader *loader, struct conf *group)
{
    static const char *const lists[] = {"do", "else"};
    const struct conf *deny = conf_get(group, "deny");
    for (size_t i = 0; deny != NULL && i < 2; i++) {
        struct conf *list = conf_get(group, lists[i]);
        struct conf *step = list == NULL || list->type != CONF_LIST ? NULL : list->first;
        for (; step != NULL; step = step->next) {
            if (step->type == CONF_GROUP) {
                deny_verb(loader, deny, step, "action");
                deny_verb(loader, deny, step, "undo");
            }
        }
    }
}
