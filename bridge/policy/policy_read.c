/* SPDX-License-Identifier: Apache-2.0 */
/* One policy: its keys, its trigger, and what the keys must be together. */

#include "policy/policy_private.h"

#define WHEN_MS_MAX (30LL * 24 * 3600 * 1000)
#define WHEN_COUNT_MAX 10000

static void read_when(struct policy_loader *loader, struct conf *group, void *object);
static void read_unless(struct policy_loader *loader, struct conf *setting, void *object);
static void read_subject(struct policy_loader *loader, struct conf *setting, void *object);
static void read_raises(struct policy_loader *loader, struct conf *setting, void *object);
static void read_events(struct policy_loader *loader, struct conf *setting, void *object);
static void read_do(struct policy_loader *loader, struct conf *list, void *object);
static void read_else(struct policy_loader *loader, struct conf *list, void *object);

/* In the order of enum policy_mode. */
const char *const policy_mode_words[] = {"observe", "suggest", "approve", "enforce", NULL};

static const char *const subject_words[] = {"host", "rack", "feed",   "pool", "site", "room",
                                            "row",  "pdu",  "switch", "zone", NULL};

static const char *const severity_words[] = {
#define SEVERITY(NAME, word) word,
#include "model/severity.def"
#undef SEVERITY
    NULL,
};

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
     .read = read_when,
     .example = "when = { event = \"memory.uncorrectable\"; }",
     .help = "The trigger."},
    {.name = "unless",
     .kind = KEY_READ,
     .read = read_unless,
     .example = "unless = ( \"host.maintenance\" )",
     .help = "Conditions that forbid the run."},
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

static const struct policy_key when_rows[] = {
    {.name = "event",
     .kind = KEY_READ,
     .flags = KEY_REQUIRED,
     .read = read_events,
     .example = "event = \"memory.uncorrectable\"",
     .help = "A type, or several; '*' and '?' match."},
    {.name = "severity",
     .kind = KEY_WORD,
     .offset = offsetof(struct policy_when, severity_min),
     .words = severity_words,
     .help = "At least this severe."},
    {.name = "if",
     .kind = KEY_CONDITION,
     .offset = offsetof(struct policy_when, condition),
     .help = "And this is true."},
    {.name = "for",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, for_ms),
     .min = 0,
     .max = WHEN_MS_MAX,
     .help = "And stays so for this long."},
    {.name = "keep",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, keep_ms),
     .min = 0,
     .max = WHEN_MS_MAX,
     .help = "Counts as true for this long after it ended."},
    {.name = "count",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_when, count),
     .min = 1,
     .max = WHEN_COUNT_MAX,
     .help = "At least so many events ..."},
    {.name = "within",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, within_ms),
     .min = 1000,
     .max = WHEN_MS_MAX,
     .help = "... in this long."},
    {.name = "distinct",
     .kind = KEY_VALUE,
     .offset = offsetof(struct policy_when, distinct),
     .help = "Each value of this expression counts once."},
    {.name = "settle",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, settle_ms),
     .min = 0,
     .max = WHEN_MS_MAX,
     .help = "Wait this long before deciding, so that others can speak first."},
};

const struct policy_keys policy_keys_policy = {"a policy", policy_rows,
                                               sizeof policy_rows / sizeof policy_rows[0]};
const struct policy_keys policy_keys_when = {"when", when_rows,
                                             sizeof when_rows / sizeof when_rows[0]};

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

/* A type of events: dotted words, globs when allowed. NULL after a diagnostic. */
static const char *read_type(struct policy_loader *loader, struct conf *setting, bool globs)
{
    const char *type = conf_text(setting, NULL, loader->diags);
    if (type == NULL) {
        return NULL;
    }
    const char *allowed = globs ? "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-/:*?"
                                : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-/:";
    size_t good = strspn(type, allowed);
    if (setting->text_bytes == 0 || good < setting->text_bytes) {
        diag_add(loader->diags, DIAG_ERROR, conf_text_place(setting, (uint32_t)good, 1),
                 globs ? "such as \"memory.uncorrectable\" or \"memory.*\""
                       : "such as \"rack.correlated-loss\"",
                 "this is no event type");
        return NULL;
    }
    if (setting->text_bytes > EVENT_TEXT_BYTES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "an event type has at most %d bytes", EVENT_TEXT_BYTES_MAX);
        return NULL;
    }
    return policy_keep(loader, type);
}

static void read_raises(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy *policy = object;
    policy->raises = read_type(loader, setting, false);
}

/* Adds one type unless it is there. */
static void event_add(struct policy_loader *loader, struct conf *setting, const char **events,
                      size_t *count)
{
    const char *type = read_type(loader, setting, true);
    for (size_t i = 0; type != NULL && i < *count; i++) {
        if (strcmp(events[i], type) == 0) {
            diag_add(loader->diags, DIAG_WARNING, setting->value_at, "remove it",
                     "\"%s\" is there already", type);
            return;
        }
    }
    if (type != NULL) {
        policy_type_mention(loader, setting->value_at, text_of(type));
        events[(*count)++] = type;
    }
}

static void read_events(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_when *when = object;
    bool several = setting->type == CONF_ARRAY || setting->type == CONF_LIST;
    size_t room = several ? setting->children_count : 1, count = 0;
    if (several && (room == 0 || room > POLICY_EVENTS_MAX)) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "such as [\"fan.failed\"]",
                 room == 0 ? "a trigger needs at least one event type"
                           : "a trigger has at most %d event types",
                 POLICY_EVENTS_MAX);
        return;
    }
    const char **events = policy_alloc(loader, room, sizeof *events);
    if (events == NULL) {
        return;
    }
    if (!several) {
        event_add(loader, setting, events, &count);
    }
    for (struct conf *item = several ? setting->first : NULL; item != NULL; item = item->next) {
        event_add(loader, item, events, &count);
    }
    when->events = events;
    when->events_count = count;
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

/* ---- when --------------------------------------------------------------------------------- */

static void check_counting(struct policy_loader *loader, struct conf *group)
{
    struct conf *count = conf_get(group, "count"), *within = conf_get(group, "within");
    struct conf *distinct = conf_get(group, "distinct");
    if (count != NULL && within == NULL) {
        diag_add(loader->diags, DIAG_ERROR, count->at, "such as within = \"10m\"",
                 "'count' needs 'within'");
    }
    struct conf *lonely = count == NULL ? (within != NULL ? within : distinct) : NULL;
    if (lonely != NULL) {
        diag_add(loader->diags, DIAG_ERROR, lonely->at, "such as count = 3", "'%s' needs 'count'",
                 lonely->name);
    }
}

static void read_when(struct policy_loader *loader, struct conf *group, void *object)
{
    struct policy *policy = object;
    if (!policy_is(loader, group, CONF_GROUP, "when = { event = \"memory.uncorrectable\"; }")) {
        return;
    }
    loader->scope = SCOPE_WHEN;
    policy_keys_read(loader, group, &policy_keys_when, &policy->when);
    check_counting(loader, group);
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

static void lint_mode(struct policy_loader *loader, struct conf *group)
{
    struct conf *mode = conf_get(group, "mode");
    if (mode != NULL && loader->policy->mode == POLICY_APPROVE) {
        diag_add(loader->diags, DIAG_WARNING, mode->value_at, "\"suggest\" says what it does",
                 "nobody can approve yet: what it would do is only suggested");
    }
}

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
    *policy = (struct policy){
        .summary = "",
        .owner = "",
        .mode = defaults->mode,
        .when.settle_ms = defaults->settle_ms,
        .limits.once_within_ms = -1,
    };
    policy_keys_read(loader, group, &policy_keys_policy, policy);
    struct conf *otherwise = conf_get(group, "else");
    if (otherwise != NULL) {
        loader->scope = SCOPE_ELSE;
        policy_else_read(loader, otherwise, policy);
    }
    lint_mode(loader, group);
    policy_lint_read(loader, group);
    policy->at = policy_keep_place(loader, group->value_at);
    policy->file = policy->at.file;
    policy->revision = conf_hash(group, 0xcbf29ce484222325u);
}
