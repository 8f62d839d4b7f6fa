/* SPDX-License-Identifier: Apache-2.0 */
/* `approve` and `veto`: they become steps of their own, in front of what they are about. */

#include "policy/policy_private.h"

#define ASK_MS_MAX (30LL * 24 * 3600 * 1000)
#define ASK_MS_DEFAULT (30LL * 60 * 1000)
#define ASK_WHO_BYTES_MAX 64

static void read_by(struct policy_loader *loader, struct conf *setting, void *object);
static void read_tell(struct policy_loader *loader, struct conf *setting, void *object);

/* In the order of enum policy_on_timeout. */
static const char *const on_timeout_words[] = {"deny", "allow", NULL};

#define BY_ROW                                                                                     \
    {                                                                                              \
        .name = "by", .kind = KEY_READ, .read = read_by,                                           \
        .help = "Users, groups or tokens, one or a list; without it every operator.",              \
    }
#define IF_ROW                                                                                     \
    {                                                                                              \
        .name = "if", .kind = KEY_CONDITION, .offset = offsetof(struct policy_ask, ask_if),        \
        .help = "Nobody is asked unless this is true.",                                            \
    }
#define TELL_ROW                                                                                   \
    {                                                                                              \
        .name = "tell", .kind = KEY_READ, .read = read_tell,                                       \
        .help = "page, notify or ticket when it begins.",                                          \
    }

static const struct policy_key approve_rows[] = {
    BY_ROW,
    {.name = "count",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_ask, count),
     .min = 1,
     .max = POLICY_ASK_COUNT_MAX,
     .help = "How many different persons must say yes."},
    {.name = "timeout",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_ask, timeout_ms),
     .min = 1000,
     .max = ASK_MS_MAX,
     .help = "How long it waits for an answer."},
    {.name = "on_timeout",
     .kind = KEY_WORD,
     .offset = offsetof(struct policy_ask, on_timeout),
     .words = on_timeout_words,
     .help = "What no answer means: deny, allow."},
    IF_ROW,
    TELL_ROW,
};

static const struct policy_key veto_rows[] = {
    {.name = "for",
     .kind = KEY_DURATION,
     .flags = KEY_REQUIRED,
     .offset = offsetof(struct policy_ask, timeout_ms),
     .min = 1000,
     .max = ASK_MS_MAX,
     .example = "for = \"10m\"",
     .help = "How long it waits for a no."},
    BY_ROW,
    IF_ROW,
    TELL_ROW,
};

const struct policy_keys policy_keys_approve = {"approve", approve_rows,
                                                sizeof approve_rows / sizeof approve_rows[0]};
const struct policy_keys policy_keys_veto = {"veto", veto_rows,
                                             sizeof veto_rows / sizeof veto_rows[0]};

static void add_who(struct policy_loader *loader, struct conf *setting, struct policy_ask *ask)
{
    const char *who = conf_text(setting, NULL, loader->diags);
    if (who == NULL) {
        return;
    }
    if (setting->text_bytes == 0 || setting->text_bytes > ASK_WHO_BYTES_MAX ||
        ask->by_count == POLICY_ASK_BY_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "by = [\"alice\", \"dc-facility\"]",
                 "'by' names up to %d users, groups or tokens of 1 to %d bytes", POLICY_ASK_BY_MAX,
                 ASK_WHO_BYTES_MAX);
        return;
    }
    ask->by[ask->by_count++] = policy_keep(loader, who);
}

static void read_by(struct policy_loader *loader, struct conf *setting, void *object)
{
    if (setting->type != CONF_ARRAY && setting->type != CONF_LIST) {
        add_who(loader, setting, object);
        return;
    }
    if (setting->children_count == 0) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "leave 'by' out for every operator",
                 "nobody can answer");
    }
    for (struct conf *item = setting->first; item != NULL; item = item->next) {
        add_who(loader, item, object);
    }
}

static void read_tell(struct policy_loader *loader, struct conf *setting, void *object)
{
    static const char *const words[] = {"page", "notify", "ticket", NULL};
    struct policy_ask *ask = object;
    const char *word = conf_text(setting, NULL, loader->diags);
    for (size_t i = 0; word != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            ask->tell = verb_find(text_of(word));
            return;
        }
    }
    if (word != NULL) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "one of: page, notify, ticket",
                 "'tell' cannot be \"%.80s\"", word);
    }
}

static struct policy_ask *ask_new(struct policy_loader *loader)
{
    struct policy_ask *ask = policy_alloc(loader, 1, sizeof *ask);
    if (ask != NULL) {
        ask->count = 1;
        ask->timeout_ms = ASK_MS_DEFAULT;
    }
    return ask;
}

const struct policy_ask *policy_approve_read(struct policy_loader *loader, struct conf *setting)
{
    struct policy_ask *ask = ask_new(loader);
    if (ask == NULL ||
        !policy_is(
            loader, setting, CONF_GROUP,
            "approve = { by = \"dc-facility\"; timeout = \"1h\"; on_timeout = \"deny\"; }")) {
        return NULL;
    }
    policy_keys_read(loader, setting, &policy_keys_approve, ask);
    return ask;
}

const struct policy_ask *policy_veto_read(struct policy_loader *loader, struct conf *setting)
{
    struct policy_ask *ask = ask_new(loader);
    if (ask == NULL) {
        return NULL;
    }
    ask->veto = true;
    ask->on_timeout = ON_TIMEOUT_ALLOW;
    if (setting->type == CONF_STRING) {
        setting->seen = true;
        ask->timeout_ms =
            conf_duration_ms(setting, ask->timeout_ms, 1000, ASK_MS_MAX, loader->diags);
        return ask;
    }
    if (!policy_is(loader, setting, CONF_GROUP, "veto = \"10m\"")) {
        return NULL;
    }
    policy_keys_read(loader, setting, &policy_keys_veto, ask);
    return ask;
}

/* ---- the steps they become ---------------------------------------------------------------- */

static const char *gate_name(struct policy_loader *loader, const char *of, const char *what)
{
    CLEANUP(textbuf_donep) struct textbuf name = {0};
    textbuf_addf(&name, "%s%s%s", of, of[0] == 0 ? "" : "_", what);
    const char *kept = name.at == NULL ? NULL : policy_keep(loader, name.at);
    if (kept != NULL && loader->step_names_count < STEP_NAMES_MAX) {
        loader->step_names[loader->step_names_count++] = kept;
    }
    return kept;
}

static size_t tell_step(struct policy_loader *loader, const struct policy_step *step,
                        const struct policy_ask *ask, const char *of, struct policy_step *gate)
{
    if (ask->tell == NULL) {
        return 0;
    }
    *gate = (struct policy_step){
        .name = gate_name(loader, of, ask->veto ? "veto_tell" : "approve_tell"),
        .kind = STEP_ACT,
        .verb = ask->tell,
        .run_if = step->run_if,
        .timeout_ms = loader->set->defaults.step_timeout_ms,
        .on_fail = ON_FAIL_CONTINUE,
        .tells = ask,
        .at = step->at,
    };
    return 1;
}

/* One that stands in front of step, with skip steps that are what it is about. */
static size_t ask_steps(struct policy_loader *loader, const struct policy_step *step,
                        const struct policy_ask *read, uint32_t skip, struct policy_step *gates)
{
    struct policy_ask *ask = policy_alloc(loader, 1, sizeof *ask);
    if (ask == NULL) {
        return 0;
    }
    *ask = *read;
    ask->verb = step->verb;
    ask->skip = skip;
    size_t count = tell_step(loader, step, ask, step->name, gates);
    gates[count++] = (struct policy_step){
        .name = gate_name(loader, step->name, ask->veto ? "veto" : "approve"),
        .kind = STEP_ASK,
        .run_if = step->run_if,
        .on_fail = step->on_fail,
        .ask = ask,
        .at = step->at,
    };
    return count;
}

size_t policy_ask_gates(struct policy_loader *loader, struct policy_step *step,
                        struct policy_step *gates)
{
    if (step->name == NULL) {
        return 0;
    }
    if (step->kind == STEP_ASK) {
        step->ask = step->approve != NULL ? step->approve : step->veto;
        if (step->ask == NULL) { /* Told already. */
            step->kind = STEP_WAIT;
            return 0;
        }
        return tell_step(loader, step, step->ask, step->name, gates);
    }
    size_t count = 0;
    if (step->approve != NULL) {
        uint32_t veto = step->veto == NULL ? 0 : 1 + (step->veto->tell != NULL);
        count += ask_steps(loader, step, step->approve, 1 + veto, gates);
    }
    if (step->veto != NULL) {
        count += ask_steps(loader, step, step->veto, 1, gates + count);
    }
    return count;
}

static const struct policy_ask *of_mode(struct policy_loader *loader, const struct policy *policy)
{
    bool asks = policy->mode == POLICY_APPROVE || loader->set->defaults.asks_always;
    if (policy->approve != NULL || !asks) {
        return policy->approve;
    }
    struct policy_ask *ask = ask_new(loader);
    if (ask != NULL) {
        ask->of_mode = true;
    }
    return ask;
}

static const struct verb *first_verb(const struct policy *policy)
{
    for (size_t i = 0; i < policy->steps_count; i++) {
        if (policy->steps[i].kind == STEP_ACT && policy->steps[i].verb != NULL &&
            policy->steps[i].verb->effect >= NSH_CHANGES) {
            return policy->steps[i].verb;
        }
    }
    return policy->steps_count > 0 ? policy->steps[0].verb : NULL;
}

static bool names_free(struct policy_loader *loader, struct conf *group,
                       const struct policy_step *gates, size_t count)
{
    for (size_t g = 0; g < count; g++) {
        size_t found = 0;
        for (size_t i = 0; gates[g].name != NULL && i < loader->step_names_count; i++) {
            found += strcmp(loader->step_names[i], gates[g].name) == 0;
        }
        if (found > 1) {
            diag_add(loader->diags, DIAG_ERROR, group->value_at, "give that step another name",
                     "the step that asks is called '%s', and there is one of that name",
                     gates[g].name);
            return false;
        }
    }
    return true;
}

void policy_ask_ladder(struct policy_loader *loader, struct conf *group)
{
    struct policy *policy = loader->policy;
    policy->approve = of_mode(loader, policy);
    if ((policy->approve == NULL && policy->veto == NULL) || policy->steps_count == 0) {
        return;
    }
    struct policy_step *steps =
        policy_alloc(loader, policy->steps_count + POLICY_ASK_STEPS_MAX, sizeof *steps);
    struct policy_step first = {.name = "", .verb = first_verb(policy), .at = policy->steps[0].at};
    size_t count = 0;
    if (steps == NULL) {
        return;
    }
    if (policy->approve != NULL) {
        count += ask_steps(loader, &first, policy->approve, 0, steps);
    }
    if (policy->veto != NULL) {
        count += ask_steps(loader, &first, policy->veto, 0, steps + count);
    }
    if (!names_free(loader, group, steps, count)) {
        return;
    }
    if (count + policy->steps_count > POLICY_STEPS_MAX) {
        diag_add(loader->diags, DIAG_ERROR, group->value_at, NULL,
                 "at most %d steps, with those that ask these are %zu", POLICY_STEPS_MAX,
                 count + policy->steps_count);
        return;
    }
    memcpy(steps + count, policy->steps, policy->steps_count * sizeof *steps);
    policy->steps = steps;
    policy->steps_count += count;
}
