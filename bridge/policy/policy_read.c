/* SPDX-License-Identifier: Apache-2.0 */
/* One policy: its keys, its trigger, and what the keys must be together. */

#include "policy/policy_private.h"

static void read_unless(struct policy_loader *loader, struct conf *setting, void *object);
static void read_subject(struct policy_loader *loader, struct conf *setting, void *object);
static void read_raises(struct policy_loader *loader, struct conf *setting, void *object);
static void read_do(struct policy_loader *loader, struct conf *list, void *object);
static void read_calendar(struct policy_loader *loader, struct conf *setting, void *object);
static void read_approve(struct policy_loader *loader, struct conf *setting, void *object);
static void read_veto(struct policy_loader *loader, struct conf *setting, void *object);
static void read_else(struct policy_loader *loader, struct conf *list, void *object);

/* In the order of enum policy_mode. */
const char *const policy_mode_words[] = {"observe", "suggest", "approve", "enforce", NULL};

static const char *const subject_words[] = {"host",   "rack", "feed", "pool",   "site",
                                            "room",   "row",  "pdu",  "switch", "zone",
                                            "outlet", "disk", NULL};

bool policy_subject_is_part(const char *subject)
{
    return strcmp(subject, "disk") == 0 || strcmp(subject, "outlet") == 0;
}

static const struct policy_key policy_rows[] = {
    {.name = "name",
     .kind = KEY_NAME,
     .flags = KEY_REQUIRED,
     .offset = offsetof(struct policy, name),
     .min = 1,
     .max = POLICY_NAME_BYTES_MAX,
     .example = "name = \"memory-fatal\"",
     .help = "Unique; what explanations and commands call it."},
    {.name = "summary",
     .kind = KEY_TEXT,
     .offset = offsetof(struct policy, summary),
     .min = 1,
     .max = POLICY_TEXT_BYTES_MAX,
     .example = "summary = \"Fatal memory error: power-cycle once, else page\"",
     .help = "One sentence for the person who reads it at 3 a.m."},
    {.name = "owner",
     .kind = KEY_TEXT,
     .offset = offsetof(struct policy, owner),
     .min = 1,
     .max = POLICY_NAME_BYTES_MAX,
     .example = "owner = \"dc-compute\"",
     .help = "Who answers for it."},
    {.name = "subject",
     .kind = KEY_READ,
     .flags = KEY_REQUIRED,
     .read = read_subject,
     .example = "subject = \"host\"",
     .help = "What it has one state and one run for."},
    {.name = "mode",
     .kind = KEY_WORD,
     .offset = offsetof(struct policy, mode),
     .words = policy_mode_words,
     .help = "observe, suggest, approve, enforce."},
    {.name = "raises",
     .kind = KEY_READ,
     .read = read_raises,
     .example = "raises = \"rack.correlated-loss\"",
     .help = "An alarm type that is active while the trigger is."},
    {.name = "when",
     .kind = KEY_READ,
     .flags = KEY_REQUIRED,
     .read = policy_when_read,
     .example = "when = { event = \"memory.uncorrectable\"; }",
     .help = "The trigger."},
    {.name = "unless",
     .kind = KEY_READ,
     .read = read_unless,
     .example = "unless = ( \"host.maintenance\" )",
     .help = "Conditions that forbid the run."},
    {.name = "hold",
     .kind = KEY_READ,
     .read = policy_hold_read,
     .example = "hold = { actions = [\"power.*\"]; for = \"30m\"; }",
     .help = "What no other policy may do to the subject for a time."},
    {.name = "deny",
     .kind = KEY_READ,
     .read = policy_deny_read,
     .example = "deny = [\"power.off\", \"fence*\"]",
     .help = "Actions that no step of it may name."},
    {.name = "tags",
     .kind = KEY_READ,
     .read = policy_tags_read,
     .example = "tags = [\"power\"]",
     .help = "Words to find it by."},
    {.name = "calendar",
     .kind = KEY_READ,
     .read = read_calendar,
     .example = "calendar = \"weekly-maint\"",
     .help = "Only while this calendar of the site is open."},
    {.name = "approve",
     .kind = KEY_READ,
     .read = read_approve,
     .help = "Who must say yes before the first step."},
    {.name = "veto",
     .kind = KEY_READ,
     .read = read_veto,
     .help = "Announced so long before the first step; a person may say no."},
    {.name = "limits",
     .kind = KEY_READ,
     .read = policy_limits_read,
     .help = "Limits of its own, tighter than the site's."},
    {.name = "do",
     .kind = KEY_READ,
     .flags = KEY_REQUIRED,
     .read = read_do,
     .example = "do = ( { step = \"cycle\"; action = \"power.cycle\"; } )",
     .help = "The steps."},
    {.name = "else",
     .kind = KEY_READ,
     .read = read_else,
     .help = "The steps when one of do fails."},
};

const struct policy_keys policy_keys_policy = {"a policy", policy_rows,
                                               sizeof policy_rows / sizeof policy_rows[0]};
const char *policy_mode_word(enum policy_mode mode)
{
    return policy_mode_words[mode];
}

int policy_mode_of(struct text word)
{
    for (int i = 0; policy_mode_words[i] != NULL; i++) {
        if (text_is(word, policy_mode_words[i])) {
            return i;
        }
    }
    return -1;
}

/* ---- single keys -------------------------------------------------------------------------- */

const char *policy_subject_word(struct text word)
{
    for (size_t i = 0; subject_words[i] != NULL; i++) {
        if (text_is(word, subject_words[i])) {
            return subject_words[i];
        }
    }
    return NULL;
}

/* Conditions name it by its kind, wherever the key stands. */
static const char *subject_of(struct conf *group)
{
    const struct conf *setting = conf_get(group, "subject");
    return setting == NULL || setting->type != CONF_STRING
               ? NULL
               : policy_subject_word(text_of(setting->text));
}

static void read_subject(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    const char *word = conf_text(setting, NULL, loader->diags);
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    for (size_t i = 0; word != NULL && subject_words[i] != NULL; i++) {
        if (strcmp(subject_words[i], word) == 0) {
            policy->subject = subject_words[i];
            return;
        }
        textbuf_addf(&remedy, "%s%s", i == 0 ? "one of: " : ", ", subject_words[i]);
    }
    const char *nearest = word == NULL ? NULL : text_nearest(text_of(word), subject_words);
    if (nearest != NULL) {
        textbuf_clear(&remedy);
        textbuf_addf(&remedy, "did you mean \"%s\"?", nearest);
    }
    if (word != NULL) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, remedy.at,
                 "'subject' cannot be \"%.80s\"", word);
    }
}

static void read_raises(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    policy->raises = policy_type_read(loader, setting, false);
}

static void read_unless(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    bool several = setting->type == CONF_LIST || setting->type == CONF_ARRAY;
    size_t room = several ? setting->children_count : 1;
    if (room > POLICY_UNLESS_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->at, "join some with ||",
                 "at most %d conditions", POLICY_UNLESS_MAX);
        return;
    }
    struct policy_condition *unless = policy_alloc(loader, room + 1, sizeof *unless);
    if (unless == NULL) {
        return;
    }
    loader->scope = SCOPE_WHEN;
    if (!several) {
        policy_condition_read(loader, setting, &unless[0]);
    }
    size_t i = 0;
    for (struct conf *item = several ? setting->first : NULL; item != NULL; item = item->next) {
        policy_condition_read(loader, item, &unless[i++]);
    }
    policy->unless = unless;
    policy->unless_count = room;
}

static void read_calendar(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    policy->calendar = policy_calendar_of(&loader->set->defaults.calendars, setting, loader->diags);
    policy->calendar_name = policy->calendar == 0 ? NULL : policy_keep(loader, setting->text);
}

static void read_approve(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    loader->scope = SCOPE_WHEN;
    policy->approve = policy_approve_read(loader, setting);
}

static void read_veto(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    loader->scope = SCOPE_WHEN;
    policy->veto = policy_veto_read(loader, setting);
}

/* ---- do and else -------------------------------------------------------------------------- */

static void read_do(struct policy_loader *loader, struct conf *list, void *object)
{
    loader->scope = SCOPE_STEP;
    policy_steps_read(loader, list, object);
}

/* Read once more after everything else: its steps see those of do, wherever it stands. */
static void read_else(struct policy_loader *loader, struct conf *list, void *object)
{
    (void)loader;
    (void)list;
    (void)object;
}

/* ---- the whole ---------------------------------------------------------------------------- */

/* A hash of names and values in their order: layout and comments do not change a policy. */
static uint64_t conf_hash(const struct conf *conf, uint64_t hash)
{
    uint64_t real = 0;
    memcpy(&real, &conf->real, sizeof real);
    struct text name = text_of(conf->name == NULL ? "" : conf->name);
    hash = (hash ^ text_hash(name)) * 0x100000001b3u + (uint64_t)conf->type;
    struct text text = {conf->type == CONF_STRING ? conf->text : "", conf->text_bytes};
    hash = (hash ^ text_hash(text)) * 0x100000001b3u;
    hash = (hash ^ (uint64_t)conf->integer ^ real ^ conf->boolean) * 0x100000001b3u;
    for (const struct conf *child = conf->first; child != NULL; child = child->next) {
        hash = conf_hash(child, hash);
    }
    return (hash ^ conf->children_count) * 0x100000001b3u;
}

void policy_read(struct policy_loader *loader, struct conf *group)
{
    const struct policy_defaults *defaults = &loader->set->defaults;
    struct policy *policy = loader->policy;
    loader->step_names_count = 0;
    loader->interrupts = NULL;
    loader->subject = subject_of(group);
    *policy = (struct policy){
        .summary = "",
        .owner = "",
        .mode = defaults->mode,
        .when.settle_ms = defaults->settle_ms,
        .when.stale_after_ms = -1,
        .limits.once_within_ms = -1,
    };
    policy_keys_read(loader, group, &policy_keys_policy, policy);
    struct conf *otherwise = conf_get(group, "else");
    if (otherwise != NULL) {
        loader->scope = SCOPE_ELSE;
        policy_else_read(loader, otherwise, policy);
    }
    policy_ask_ladder(loader, group);
    policy_deny_check(loader, group);
    policy_lint_read(loader, group);
    policy->at = policy_keep_place(loader, group->value_at);
    policy->file = policy->at.file;
    policy->revision = conf_hash(group, 0xcbf29ce484222325u);
}
