/* SPDX-License-Identifier: Apache-2.0 */
/* The ladder: steps that act, check or wait. */

#include "policy/policy_private.h"

#define STEP_MS_MAX (30LL * 24 * 3600 * 1000)

static void read_name(struct policy_loader *loader, struct conf *setting, void *object);
static void read_action(struct policy_loader *loader, struct conf *setting, void *object);
static void read_with(struct policy_loader *loader, struct conf *setting, void *object);
static void read_calendar(struct policy_loader *loader, struct conf *setting, void *object);
static void read_on_fail(struct policy_loader *loader, struct conf *setting, void *object);
static void read_early(struct policy_loader *loader, struct conf *setting, void *object);
static void read_fallback(struct policy_loader *loader, struct conf *setting, void *object);
static void read_approve(struct policy_loader *loader, struct conf *setting, void *object);
static void read_veto(struct policy_loader *loader, struct conf *setting, void *object);

/* In the order of enum policy_on_fail. */
static const char *const on_fail_words[] = {"else", "continue", "stop", NULL};

static const struct policy_key step_rows[] = {
    {.name = "step",
     .kind = KEY_READ,
     .flags = KEY_REQUIRED,
     .read = read_name,
     .example = "step = \"cycle\"",
     .help = "Its name: letters, digits, '_'."},
    {.name = "action",
     .kind = KEY_READ,
     .flags = KEY_OF_ACT,
     .read = read_action,
     .example = "action = \"power.cycle\"",
     .help = "The verb to carry out."},
    {.name = "check",
     .kind = KEY_CONDITION,
     .flags = KEY_OF_CHECK,
     .offset = offsetof(struct policy_step, check),
     .help = "Wait until this is true."},
    {.name = "wait",
     .kind = KEY_DURATION,
     .flags = KEY_OF_WAIT,
     .offset = offsetof(struct policy_step, wait_ms),
     .min = 1,
     .max = STEP_MS_MAX,
     .help = "Do nothing for this long."},
    {.name = "if",
     .kind = KEY_CONDITION,
     .offset = offsetof(struct policy_step, run_if),
     .help = "Skip the step unless this is true."},
    {.name = "with",
     .kind = KEY_READ,
     .flags = KEY_OF_ACT,
     .read = read_with,
     .help = "Arguments of the verb; ${} in their texts."},
    {.name = "timeout",
     .kind = KEY_DURATION,
     .flags = KEY_OF_ACT | KEY_OF_WINDOW,
     .offset = offsetof(struct policy_step, timeout_ms),
     .min = 1000,
     .max = STEP_MS_MAX,
     .help = "How long the action may take, or the calendar may stay closed."},
    {.name = "calendar",
     .kind = KEY_READ,
     .flags = KEY_OF_ACT | KEY_OF_WINDOW,
     .read = read_calendar,
     .help = "Wait until this calendar is open; with an action: only while it is."},
    {.name = "need_left",
     .kind = KEY_DURATION,
     .flags = KEY_OF_ACT | KEY_OF_WINDOW,
     .offset = offsetof(struct policy_step, need_left_ms),
     .min = 1000,
     .max = STEP_MS_MAX,
     .help = "And stays open for this long."},
    {.name = "retries",
     .kind = KEY_COUNT,
     .flags = KEY_OF_ACT,
     .offset = offsetof(struct policy_step, retries),
     .min = 0,
     .max = POLICY_RETRIES_MAX,
     .help = "How often a failed action is tried again."},
    {.name = "retry_delay",
     .kind = KEY_DURATION,
     .flags = KEY_OF_ACT,
     .offset = offsetof(struct policy_step, retry_delay_ms),
     .min = 0,
     .max = STEP_MS_MAX,
     .help = "How long before each of these."},
    {.name = "fallback",
     .kind = KEY_READ,
     .flags = KEY_OF_ACT,
     .read = read_fallback,
     .help = "false: no other binding of the host, though its inventory names one."},
    {.name = "within",
     .kind = KEY_DURATION,
     .flags = KEY_OF_CHECK,
     .offset = offsetof(struct policy_step, within_ms),
     .min = 1000,
     .max = STEP_MS_MAX,
     .example = "within = \"10m\"",
     .help = "How long the check may take to become true."},
    {.name = "every",
     .kind = KEY_DURATION,
     .flags = KEY_OF_CHECK,
     .offset = offsetof(struct policy_step, every_ms),
     .min = 100,
     .max = STEP_MS_MAX,
     .help = "How often it is looked at."},
    {.name = "each",
     .kind = KEY_READ,
     .flags = KEY_OF_ACT,
     .read = read_early,
     .help = "A list: the action once for each `item` of it."},
    {.name = "parallel",
     .kind = KEY_COUNT,
     .flags = KEY_OF_ACT,
     .offset = offsetof(struct policy_step, parallel),
     .min = 1,
     .max = POLICY_PARALLEL_MAX,
     .help = "So many of them at once."},
    {.name = "undo",
     .kind = KEY_READ,
     .flags = KEY_OF_ACT,
     .read = read_early,
     .help = "The verb that takes it back when the run is abandoned."},
    {.name = "on_fail",
     .kind = KEY_READ,
     .read = read_on_fail,
     .help = "What a failure leads to: else, continue, stop."},
    {.name = "need",
     .kind = KEY_READ,
     .flags = KEY_OF_CHECK | KEY_OF_ACT,
     .read = policy_need_read,
     .help = "true: a proof, without which nothing below runs; of an action: what must be so."},
    {.name = "approve",
     .kind = KEY_READ,
     .flags = KEY_OF_ACT | KEY_OF_ASK,
     .read = read_approve,
     .help = "A person must say yes first."},
    {.name = "veto",
     .kind = KEY_READ,
     .flags = KEY_OF_ACT | KEY_OF_ASK,
     .read = read_veto,
     .help = "Announced so long before; a person may say no."},
};

const struct policy_keys policy_keys_step = {"a step", step_rows,
                                             sizeof step_rows / sizeof step_rows[0]};

/* What makes a step one of its kind. */
static const struct {
    const char *key;
    uint32_t flag;
    const char *does;
} step_kinds[] = {
    [STEP_ACT] = {"action", KEY_OF_ACT, "acts"},
    [STEP_CHECK] = {"check", KEY_OF_CHECK, "checks"},
    [STEP_WAIT] = {"wait", KEY_OF_WAIT, "waits"},
    [STEP_WINDOW] = {"calendar", KEY_OF_WINDOW, "waits for a calendar"},
    [STEP_ASK] = {"approve", KEY_OF_ASK, "asks"},
    [STEP_ASK + 1] = {"veto", KEY_OF_ASK, "asks"},
};
#define STEP_KINDS 6

/* ---- keys --------------------------------------------------------------------------------- */

static bool is_identifier(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    size_t first = strspn(name, letters);
    return first > 0 && first + strspn(name + first, "abcdefghijklmnopqrstuvwxyz"
                                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") ==
                            strlen(name);
}

static void read_name(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_step *step = object;
    const char *name = conf_text(setting, NULL, loader->diags);
    if (name == NULL) {
        return;
    }
    if (!is_identifier(name) || setting->text_bytes > POLICY_NAME_BYTES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "letters, digits and '_', so that conditions can say steps.NAME.ok",
                 "\"%.80s\" cannot be the name of a step", name);
        return;
    }
    for (size_t i = 0; i < loader->step_names_count; i++) {
        if (strcmp(loader->step_names[i], name) == 0) {
            diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                     "names are unique in do and else together", "there is a step '%s' before",
                     name);
            return;
        }
    }
    step->name = policy_keep(loader, name);
}

static const char *keep_or_null(struct policy_loader *loader, const char *text)
{
    return text == NULL ? NULL : policy_keep(loader, text);
}

const struct verb *policy_keep_verb(struct policy_loader *loader, const struct verb *verb)
{
    struct verb *kept = map_get(&loader->verbs, text_of(verb->name));
    if (kept != NULL) {
        return kept;
    }
    kept = policy_alloc(loader, 1, sizeof *kept);
    if (kept == NULL) {
        return NULL;
    }
    *kept = *verb;
    kept->name = policy_keep(loader, verb->name);
    kept->verify = keep_or_null(loader, verb->verify);
    kept->proof = keep_or_null(loader, verb->proof);
    kept->completes = keep_or_null(loader, verb->completes);
    kept->driver = keep_or_null(loader, verb->driver);
    kept->help = keep_or_null(loader, verb->help);
    if (map_set(&loader->verbs, text_of(kept->name), kept) < 0) {
        loader->no_memory = true;
    }
    return kept;
}

static const struct verb *find_verb(struct policy_loader *loader, const char *name)
{
    const struct verb *verb = policy_set_verb(loader->set, text_of(name));
    for (size_t i = 0; verb == NULL && i < loader->extra_verbs_count; i++) {
        if (strcmp(loader->extra_verbs[i].name, name) == 0) {
            return policy_keep_verb(loader, &loader->extra_verbs[i]);
        }
    }
    return verb;
}

/* The verbs that begin alike: "power.cycl" names those of power. */
static void list_family(const struct policy_loader *loader, const char *name, struct textbuf *out)
{
    size_t family = strcspn(name, "."), listed = 0;
    for (size_t i = 0; loader->verb_names[i] != NULL && listed < 8; i++) {
        const char *other = loader->verb_names[i];
        if (strncmp(other, name, family) == 0 && other[family] == '.') {
            textbuf_addf(out, "%s%s", listed++ == 0 ? "there is: " : ", ", other);
        }
    }
    for (size_t i = 0; loader->verb_names[i] != NULL && listed == 0 && i < 40; i++) {
        textbuf_addf(out, "%s%s", i == 0 ? "there is: " : ", ", loader->verb_names[i]);
    }
}

const struct verb *policy_verb(struct policy_loader *loader, struct conf *setting)
{
    const char *name = conf_text(setting, NULL, loader->diags);
    const struct verb *verb = name == NULL ? NULL : find_verb(loader, name);
    if (name == NULL || verb != NULL) {
        return verb;
    }
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    const char *nearest = text_nearest(text_of(name), loader->verb_names);
    if (nearest != NULL) {
        textbuf_addf(&remedy, "did you mean '%s'?", nearest);
    } else {
        list_family(loader, name, &remedy);
    }
    diag_add(loader->diags, DIAG_ERROR, setting->value_at, remedy.at, "unknown action \"%.80s\"",
             name);
    return NULL;
}

static void read_action(struct policy_loader *loader, struct conf *setting, void *object)
{
    const struct policy_step *step = object;
    if (step->verb == NULL) {
        (void)policy_verb(loader, setting);
    }
}

/* Read before or after the other keys, wherever it stands. */
static void read_early(struct policy_loader *loader, struct conf *setting, void *object)
{
    (void)loader;
    (void)setting;
    (void)object;
}

static void read_on_fail(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_step *step = object;
    const char *word = conf_text(setting, NULL, loader->diags);
    const char *nearest = word == NULL ? NULL : text_nearest(text_of(word), on_fail_words);
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    for (int i = 0; word != NULL && on_fail_words[i] != NULL; i++) {
        if (strcmp(word, on_fail_words[i]) == 0) {
            step->on_fail = (enum policy_on_fail)i;
            return;
        }
        textbuf_addf(&remedy, "%s%s", i == 0 ? "one of: " : ", ", on_fail_words[i]);
    }
    if (word != NULL && strcmp(word, "replan") == 0) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "say \"else\", \"continue\" or \"stop\"",
                 "\"replan\" chooses again what a policy with 'choose' plans, and there is no "
                 "'choose' yet");
        return;
    }
    if (nearest != NULL) {
        textbuf_clear(&remedy);
        textbuf_addf(&remedy, "did you mean \"%s\"?", nearest);
    }
    if (word != NULL) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, remedy.at,
                 "'on_fail' cannot be \"%.80s\"", word);
    }
}

static void read_with(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_step *step = object;
    loader->item_type = step->each.program == NULL ? NULL : &step->item_type;
    policy_args_read(loader, setting, step->verb, step);
    loader->item_type = NULL;
}

static void read_calendar(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_step *step = object;
    step->calendar = policy_calendar_of(&loader->set->defaults.calendars, setting, loader->diags);
    step->calendar_name = step->calendar == 0 ? NULL : policy_keep(loader, setting->text);
}

static void read_fallback(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_step *step = object;
    step->first_only = !conf_bool(setting, true, loader->diags);
}

static void read_approve(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_step *step = object;
    step->approve = policy_approve_read(loader, setting);
}

static void read_veto(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_step *step = object;
    step->veto = policy_veto_read(loader, setting);
}

/* ---- a step as a whole -------------------------------------------------------------------- */

/* Which kind it is; -1 after a diagnostic. */
static int step_kind(struct policy_loader *loader, struct conf *group)
{
    int found = -1;
    for (int kind = 0; kind < STEP_KINDS; kind++) {
        struct conf *setting = conf_get(group, step_kinds[kind].key);
        if (setting != NULL && found == STEP_ACT && kind >= STEP_WINDOW) {
            continue; /* It acts, inside the window, or when it was approved. */
        }
        if (setting != NULL && found >= 0) {
            CLEANUP(textbuf_donep) struct textbuf remedy = {0};
            textbuf_addf(&remedy, "make two steps of it");
            diag_add(loader->diags, DIAG_ERROR, setting->at, remedy.at,
                     "a step has one of action, check, wait, calendar, approve, veto; this one "
                     "has '%s' already",
                     step_kinds[found].key);
            return -1;
        }
        found = setting != NULL ? kind : found;
    }
    if (found < 0) {
        diag_add(loader->diags, DIAG_ERROR, group->value_at,
                 "add action = \"power.cycle\", or check = \"cleared\", or wait = \"30s\"",
                 "this step neither acts, checks nor waits");
    }
    return found;
}

/* Keys of another kind of step. */
static void check_kind_keys(struct policy_loader *loader, const struct conf *group, int kind)
{
    for (const struct conf *setting = group->first; setting != NULL; setting = setting->next) {
        const struct policy_key *key = policy_key_of(&policy_keys_step, setting->name);
        uint32_t of = key == NULL ? 0 : key->flags & KEY_OF_ANY;
        if (of == 0 || (of & step_kinds[kind].flag) != 0) {
            continue;
        }
        for (int other = 0; other < STEP_KINDS; other++) {
            if ((of & step_kinds[other].flag) != 0) {
                diag_add(loader->diags, DIAG_ERROR, setting->at, NULL,
                         "'%s' belongs in a step that %s; this one %s", setting->name,
                         step_kinds[other].does, step_kinds[kind].does);
                break;
            }
        }
    }
}

static void finish_check(struct policy_loader *loader, struct conf *group, struct policy_step *step)
{
    if (conf_get(group, "within") == NULL) {
        diag_add(loader->diags, DIAG_ERROR, group->value_at, "such as within = \"10m\"",
                 "a step that checks needs 'within'");
        return;
    }
    struct conf *every = conf_get(group, "every");
    if (every == NULL) {
        step->every_ms = step->within_ms < 15000 ? step->within_ms : 15000;
    } else if (step->every_ms > step->within_ms) {
        diag_add(loader->diags, DIAG_ERROR, every->value_at, "look more often, or wait longer",
                 "'every' is longer than 'within'");
    }
}

static void finish_act(struct policy_loader *loader, struct conf *group, struct policy_step *step)
{
    struct conf *delay = conf_get(group, "retry_delay");
    policy_args_required(loader, group, step);
    bool interrupts = step->verb != NULL && step->verb->effect >= NSH_INTERRUPTS;
    if (interrupts && loader->scope == SCOPE_STEP && loader->interrupts == NULL) {
        loader->interrupts = conf_get(group, "action");
        loader->verified = false;
    }
    if (delay != NULL && step->retries == 0) {
        diag_add(loader->diags, DIAG_WARNING, delay->at, "such as retries = 2",
                 "'retry_delay' has no effect without 'retries'");
    }
}

static void finish_calendar(struct policy_loader *loader, struct conf *group, int kind)
{
    struct conf *left = conf_get(group, "need_left");
    if (left != NULL && conf_get(group, "calendar") == NULL) {
        diag_add(loader->diags, DIAG_ERROR, left->at, "such as calendar = \"weekly-maint\"",
                 "'need_left' needs 'calendar'");
    }
    if (kind == STEP_WINDOW && conf_get(group, "timeout") == NULL) {
        diag_add(loader->diags, DIAG_ERROR, group->value_at, "such as timeout = \"14d\"",
                 "a step that waits for a calendar needs 'timeout'");
    }
}

static void step_read(struct policy_loader *loader, struct conf *group, struct policy_step *step)
{
    if (!policy_is(loader, group, CONF_GROUP, "{ step = \"cycle\"; action = \"power.cycle\"; }")) {
        return;
    }
    int kind = step_kind(loader, group);
    struct conf *action = conf_get(group, "action"), *on_fail = conf_get(group, "on_fail");
    step->at = policy_keep_place(loader, group->value_at);
    step->on_fail = loader->scope == SCOPE_ELSE ? ON_FAIL_CONTINUE : ON_FAIL_ELSE;
    step->verb =
        action != NULL && action->type == CONF_STRING ? find_verb(loader, action->text) : NULL;
    step->retry_delay_ms = loader->set->defaults.step_retry_delay_ms;
    struct conf *each = conf_get(group, "each"), *parallel = conf_get(group, "parallel");
    if (each != NULL) { /* First: others say `item`. */
        policy_each_read(loader, each, step);
    } else if (parallel != NULL) {
        diag_add(loader->diags, DIAG_ERROR, parallel->at, "such as each = \"hosts\"",
                 "'parallel' needs 'each'");
    }
    policy_keys_read(loader, group, &policy_keys_step, step);
    if (kind < 0) {
        return;
    }
    step->kind = kind > STEP_ASK ? STEP_ASK : (enum policy_step_kind)kind;
    check_kind_keys(loader, group, kind);
    finish_calendar(loader, group, kind);
    if (loader->scope == SCOPE_ELSE && on_fail != NULL) {
        diag_add(loader->diags, DIAG_ERROR, on_fail->at, "remove it",
                 "the steps of else go on whatever fails");
    }
    if (step->kind == STEP_CHECK) {
        loader->verified = true;
        finish_check(loader, group, step);
    } else if (step->kind == STEP_ACT) {
        finish_act(loader, group, step);
        step->retries =
            conf_get(group, "retries") == NULL ? loader->set->defaults.step_retries : step->retries;
        step->timeout_ms =
            step->timeout_ms == 0 ? loader->set->defaults.step_timeout_ms : step->timeout_ms;
        policy_undo_finish(loader, group, step);
    }
}

/* With those that ask. */
static size_t steps_room(struct conf *list)
{
    size_t room = 0;
    for (struct conf *group = list->first; group != NULL; group = group->next) {
        bool asks = group->type == CONF_GROUP &&
                    (conf_get(group, "approve") != NULL || conf_get(group, "veto") != NULL);
        room += asks ? POLICY_ASK_STEPS_MAX + 1 : 1;
    }
    return room;
}

/* Reads list into *ret_steps; NULL when there is none. */
static size_t list_read(struct policy_loader *loader, struct conf *list,
                        const struct policy_step **ret_steps)
{
    static const char example[] = "( { step = \"page\"; action = \"page\"; } )";
    if (!policy_is(loader, list, CONF_LIST, example)) {
        return 0;
    }
    if (list->children_count > POLICY_STEPS_MAX) {
        diag_add(loader->diags, DIAG_ERROR, list->at, NULL, "at most %d steps, these are %zu",
                 POLICY_STEPS_MAX, list->children_count);
        return 0;
    }
    if (list->children_count == 0) {
        diag_add(loader->diags, DIAG_ERROR, list->value_at, example, "'%s' has no step",
                 list->name);
        return 0;
    }
    struct policy_step *steps = policy_alloc(loader, steps_room(list), sizeof *steps);
    size_t count = 0;
    for (struct conf *group = list->first; group != NULL && steps != NULL; group = group->next) {
        struct policy_step step = {0};
        step_read(loader, group, &step);
        count += policy_ask_gates(loader, &step, &steps[count]);
        steps[count++] = step;
        if (step.name != NULL && loader->step_names_count < STEP_NAMES_MAX) {
            loader->step_names[loader->step_names_count++] = step.name;
        }
    }
    if (count > POLICY_STEPS_MAX) {
        diag_add(loader->diags, DIAG_ERROR, list->at, NULL,
                 "at most %d steps, with those that ask these are %zu", POLICY_STEPS_MAX, count);
        return 0;
    }
    *ret_steps = steps;
    return count;
}

void policy_steps_read(struct policy_loader *loader, struct conf *list, void *policy)
{
    struct policy *into = policy;
    into->steps_count = list_read(loader, list, &into->steps);
}

void policy_else_read(struct policy_loader *loader, struct conf *list, void *policy)
{
    struct policy *into = policy;
    into->otherwise_count = list_read(loader, list, &into->otherwise);
}
