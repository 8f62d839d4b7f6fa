/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warnings within one policy: what loads and works, and is probably not what was meant.
 *
 * Nothing is guessed: a condition is called never or always true only when the reasoning of
 * cel/cel_reason.h found it so. Policies between each other: policy_lint_set.c.
 */

#include "policy/policy_lint.h"

#include "policy/policy_private.h"

#define CALLS_MAX 16 /* matches() of one condition. */
#define ARENA_BYTES_MAX ((size_t)4 << 20)

/* ---- what is known before anything happens ------------------------------------------------ */

size_t policy_lint_known(struct cel_known *known, const char *const *events, size_t events_count,
                         enum severity severity_min)
{
    size_t count = 0;
#define SEVERITY(NAME, word)                                                                       \
    known[count++] = (struct cel_known){                                                           \
        .path = (word), .bounded = true, .min = SEVERITY_##NAME, .max = SEVERITY_##NAME};
#include "model/severity.def"
#undef SEVERITY
    known[count++] = (struct cel_known){.path = "event.severity",
                                        .bounded = true,
                                        .min = severity_min,
                                        .max = SEVERITIES_COUNT - 1};
    if (events_count > 0) {
        known[count++] =
            (struct cel_known){.path = "event.type", .globs = events, .globs_count = events_count};
    }
    return count;
}

/* ---- conditions that are never, or always, true ------------------------------------------- */

/* The words for one kind of condition. */
struct lint_words {
    const char *never, *always;
    const char *always_remedy; /* NULL: "leave it out" */
};

static const struct lint_words words_if = {"this is never true: the policy never runs",
                                           "this is always true", NULL};
static const struct lint_words words_branch = {"this is never true: this condition never is",
                                               "this is always true", NULL};
static const struct lint_words words_ends = {"this is never true: it ends nothing",
                                             "this is always true", NULL};
static const struct lint_words words_unless = {"this is never true: it forbids nothing",
                                               "this is always true: the policy never runs",
                                               "a policy that only looks says mode = \"observe\""};
static const struct lint_words words_step_if = {"this is never true: the step never runs",
                                                "this is always true", NULL};
static const struct lint_words words_check = {"this is never true: the check cannot succeed",
                                              "this is always true: the check proves nothing",
                                              "ask for what shows that it helped, such as "
                                              "\"cleared\""};

static void add_list(struct textbuf *out, const char *const *items, size_t count)
{
    for (size_t i = 0; i < count && i < 4; i++) {
        textbuf_addf(out, "%s%s", i == 0 ? "" : ", ", items[i]);
    }
    textbuf_add_chars(out, count > 4 ? ", ..." : "");
}

/* Why it never is: what contradicts what. */
static void explain_never(const struct cel_conflict *conflict, struct textbuf *out)
{
    if (conflict->known != NULL && conflict->known->globs != NULL) {
        textbuf_add_chars(out, "'event' lists only ");
        add_list(out, conflict->known->globs, conflict->known->globs_count);
    } else if (conflict->known != NULL) {
        textbuf_addf(out, "%s is from %s to %s here", conflict->known->path,
                     severity_word((enum severity)conflict->known->min),
                     severity_word((enum severity)conflict->known->max));
    } else if (conflict->whole) {
        textbuf_add_chars(out, "each of its alternatives contradicts the rest");
    } else if (conflict->against != NULL) {
        textbuf_addf(out, "it contradicts %s", conflict->against);
    }
}

static void explain_always(const struct cel_conflict *conflict, const struct lint_words *words,
                           struct textbuf *out)
{
    const struct cel_known *known = conflict->known;
    if (words->always_remedy != NULL) {
        textbuf_add_chars(out, words->always_remedy);
    } else if (known != NULL && known->globs != NULL) {
        textbuf_add_chars(out, "'event' says so already: leave it out");
    } else if (known != NULL && known->min > SEVERITY_INFO) {
        textbuf_add_chars(out, "'severity' says so already: leave it out");
    } else {
        textbuf_add_chars(out, "leave it out");
    }
}

struct lint {
    struct policy_loader *loader;
    struct arena arena;
    struct cel_known known[POLICY_LINT_KNOWN_MAX];
    size_t known_count;
};

static void lint_condition(struct lint *lint, const struct conf *setting,
                           const struct policy_condition *condition, const struct lint_words *words)
{
    struct cel_claim claim = {condition->program, false};
    struct cel_conflict conflict;
    if (setting == NULL || setting->type != CONF_STRING || condition->program == NULL) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    const char *text = NULL;
    if (cel_contradict(&claim, 1, lint->known, lint->known_count, &lint->arena, &conflict)) {
        explain_never(&conflict, &remedy);
        text = words->never;
    } else {
        claim.negated = true;
        if (cel_contradict(&claim, 1, lint->known, lint->known_count, &lint->arena, &conflict)) {
            explain_always(&conflict, words, &remedy);
            text = words->always;
        }
    }
    if (text != NULL) {
        diag_add(lint->loader->diags, DIAG_WARNING,
                 conf_text_place(setting, conflict.offset, conflict.length),
                 remedy.count == 0 ? NULL : remedy.at, "%s", text);
    }
    arena_reset(&lint->arena);
}

/* ---- patterns that are found anywhere ----------------------------------------------------- */

/* In a policy that takes hosts down, 'db1' must not mean 'db10'. */
static void lint_patterns(struct lint *lint, const struct conf *setting,
                          const struct policy_condition *condition)
{
    struct cel_call calls[CALLS_MAX];
    size_t count = condition->program == NULL || setting == NULL || setting->type != CONF_STRING
                       ? 0
                       : cel_program_calls(condition->program, "matches", calls, CALLS_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(calls[i].literal);
        bool begins = calls[i].literal[0] == '^';
        bool ends = bytes > 0 && calls[i].literal[bytes - 1] == '$';
        if (begins && ends) {
            continue;
        }
        diag_add(lint->loader->diags, DIAG_WARNING,
                 conf_text_place(setting, calls[i].offset, calls[i].length),
                 "write '^' in front and '$' behind, or use contains()",
                 "this pattern is looked for %s, and the policy takes hosts down",
                 begins ? "at the beginning of the text only"
                 : ends ? "at the end of the text only"
                        : "anywhere in the text");
    }
}

/* ---- all conditions of a policy ----------------------------------------------------------- */

static void lint_steps(struct lint *lint, struct conf *list, const struct policy_step *steps,
                       size_t steps_count)
{
    size_t i = 0;
    for (struct conf *group = list == NULL ? NULL : list->first; group != NULL && i < steps_count;
         group = group->next, i++) {
        struct conf *check = conf_get(group, "check");
        lint_condition(lint, conf_get(group, "if"), &steps[i].run_if, &words_step_if);
        lint_condition(lint, check, &steps[i].check, &words_check);
    }
}

static void lint_unless(struct lint *lint, struct conf *setting, const struct policy *policy,
                        bool takes_down)
{
    struct conf *item = setting == NULL                ? NULL
                        : setting->type == CONF_STRING ? setting
                                                       : setting->first;
    for (size_t i = 0; item != NULL && i < policy->unless_count; i++) {
        lint_condition(lint, item, &policy->unless[i], &words_unless);
        if (takes_down) {
            lint_patterns(lint, item, &policy->unless[i]);
        }
        item = item == setting ? NULL : item->next;
    }
}

/* The conditions of all, any, sequence; of absent and without the first is the trigger's own. */
static void lint_branches(struct lint *lint, struct conf *list, const struct policy_when *when,
                          bool ends, bool takes_down)
{
    bool single = list != NULL && list->type == CONF_GROUP;
    struct conf *group = list == NULL ? NULL : single ? list : list->first;
    for (size_t i = 0; group != NULL && i < when->branches_count; i++) {
        const struct policy_branch *branch = &when->branches[i];
        bool own = i == 0 && (when->trigger == TRIGGER_WITHOUT || when->trigger == TRIGGER_ABSENT);
        if (branch->ends != ends || own) {
            continue;
        }
        struct conf *condition = group->type == CONF_GROUP ? conf_get(group, "if") : NULL;
        lint->known_count = policy_lint_known(lint->known, branch->events, branch->events_count,
                                              branch->severity_min);
        lint_condition(lint, condition, &branch->condition,
                       ends                           ? &words_ends
                       : when->trigger == TRIGGER_ANY ? &words_branch
                                                      : &words_if);
        if (takes_down) {
            lint_patterns(lint, condition, &branch->condition);
        }
        group = single ? NULL : group->next;
    }
}

static void lint_trigger(struct lint *lint, struct conf *group, const struct policy *policy)
{
    static const char *const begins[] = {"all", "any", "sequence"};
    static const char *const ends[] = {"unless", "without"};
    bool takes_down = lint->loader->interrupts != NULL;
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        lint_branches(lint, conf_get(group, begins[i]), &policy->when, false, takes_down);
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        lint_branches(lint, conf_get(group, ends[i]), &policy->when, true, false);
    }
}

/* The longest window that a condition looks over; 0: it looks over none. */
static int64_t longest_window(const struct policy_condition *condition)
{
    static const char *const functions[] = {"avg_over",  "min_over",   "max_over",
                                            "rate_over", "delta_over", "predict"};
    int64_t longest_ms = 0;
    for (size_t f = 0; condition->program != NULL && f < sizeof functions / sizeof functions[0];
         f++) {
        struct cel_call calls[CALLS_MAX];
        size_t count = cel_program_calls(condition->program, functions[f], calls, CALLS_MAX);
        for (size_t i = 0; i < count; i++) {
            int64_t window_ms = 0;
            bool known = calls[i].args_count > 1 &&
                         text_to_duration_ms(text_of(calls[i].args[1].literal), &window_ms);
            longest_ms = known && window_ms > longest_ms ? window_ms : longest_ms;
        }
    }
    return longest_ms;
}

/* `clear` holds the trigger while its window remembers: one spike is true for as long. */
static void lint_spike(struct lint *lint, struct conf *group, const struct policy_when *when)
{
    int64_t window_ms = longest_window(&when->clear);
    struct conf *clear = conf_get(group, "clear");
    if (clear == NULL || when->for_ms == 0 || window_ms < when->for_ms) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_add_chars(&text, "one sample may hold this for ");
    textbuf_add_duration(&text, window_ms);
    textbuf_add_chars(&text, ", so 'for' = ");
    textbuf_add_duration(&text, when->for_ms);
    diag_add(
        lint->loader->diags, DIAG_WARNING, clear->value_at,
        "ask 'if' for the whole time, such as min_over('m', '2m') > x, and leave 'for' out; or "
        "give 'clear' a shorter window",
        "%s proves nothing", text.at);
}

static void lint_conditions(struct policy_loader *loader, struct conf *group)
{
    const struct policy *policy = loader->policy;
    struct conf *when = conf_get(group, "when"), *condition = NULL;
    struct lint lint = {.loader = loader, .arena = {.bytes_max = ARENA_BYTES_MAX}};
    lint.known_count = policy_lint_known(lint.known, policy->when.events, policy->when.events_count,
                                         policy->when.severity_min);
    if (when != NULL && when->type == CONF_GROUP) {
        condition = conf_get(when, "if");
        lint_condition(&lint, condition, &policy->when.condition, &words_if);
        lint_trigger(&lint, when, policy);
        lint_spike(&lint, when, &policy->when);
    }
    /* Later the severity may be another. */
    lint.known_count = policy_lint_known(lint.known, policy->when.events, policy->when.events_count,
                                         SEVERITY_INFO);
    if (loader->interrupts != NULL) {
        lint_patterns(&lint, condition, &policy->when.condition);
    }
    lint_unless(&lint, conf_get(group, "unless"), policy, loader->interrupts != NULL);
    lint_steps(&lint, conf_get(group, "do"), policy->steps, policy->steps_count);
    lint_steps(&lint, conf_get(group, "else"), policy->otherwise, policy->otherwise_count);
    arena_done(&lint.arena);
}

/* ---- what a policy that takes hosts down should say --------------------------------------- */

static const char *missing_remedy(const char *first)
{
    static const struct {
        const char *key, *remedy;
    } rows[] = {
        {"unless", "unless = ( \"host.maintenance\" ), or unless = () when that is meant"},
        {"limits", "such as limits = { once_within = \"6h\"; concurrent = { rack = 1; }; }"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].key, first) == 0) {
            return rows[i].remedy;
        }
    }
    return "for the person who reads it at 3 a.m.";
}

static void lint_interrupting(struct policy_loader *loader, struct conf *group)
{
    const struct conf *action = loader->interrupts;
    if (action == NULL) {
        return;
    }
    if (!loader->verified) {
        diag_add(loader->diags, DIAG_WARNING, action->at,
                 "add { step = \"verify\"; check = \"cleared\"; within = \"10m\"; }",
                 "%s takes the host down, and no step behind it checks that it helped",
                 action->text);
    }
    static const char *const wanted[] = {"unless", "limits", "owner", "summary"};
    CLEANUP(textbuf_donep) struct textbuf missing = {0};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (conf_get(group, wanted[i]) == NULL) {
            textbuf_addf(&missing, "%s'%s'", missing.count == 0 ? "" : ", ", wanted[i]);
            first = first == NULL ? wanted[i] : first;
        }
    }
    if (first != NULL) {
        diag_add(loader->diags, DIAG_WARNING, group->value_at, missing_remedy(first),
                 "a policy that takes hosts down should have %s", missing.at);
    }
}

/* ---- the doors ---------------------------------------------------------------------------- */

void policy_type_mention(struct policy_loader *loader, struct nsh_place at, struct text type)
{
    bool glob =
        memchr(type.at, '*', type.count) != NULL || memchr(type.at, '?', type.count) != NULL;
    if (glob || loader->mentions_count == POLICY_MENTIONS_MAX) {
        return;
    }
    const char *nearest = map_get(&loader->types, type);
    if (nearest == NULL) { /* Asked once for each type. */
        const char *key = arena_copy(&loader->keys, type.at, type.count);
        nearest = event_type_nearest(type);
        nearest = nearest == NULL ? "" : nearest;
        if (key == NULL || map_set(&loader->types, text_of(key), (void *)(uintptr_t)nearest) < 0) {
            loader->no_memory = true;
            return;
        }
    }
    struct policy_mention *mention =
        text_is(type, nearest) ? NULL : arena_alloc(&loader->keys, sizeof *mention);
    const char *kept = arena_copy(&loader->keys, type.at, type.count);
    if (mention == NULL || kept == NULL) {
        return; /* Known; or a warning less. */
    }
    at = policy_keep_place(loader, at);
    *mention = (struct policy_mention){kept, nearest, at, loader->mentions};
    loader->mentions = mention;
    loader->mentions_count++;
}

static struct nsh_place value_place(struct policy_loader *loader, struct conf *group,
                                    const char *name)
{
    struct conf *setting =
        group == NULL || group->type != CONF_GROUP ? NULL : conf_get(group, name);
    struct nsh_place nowhere = {.file = NULL};
    return setting == NULL ? nowhere : policy_keep_place(loader, setting->value_at);
}

void policy_lint_read(struct policy_loader *loader, struct conf *group)
{
    struct conf *when = conf_get(group, "when");
    loader->policy->places = (struct policy_places){
        .name = value_place(loader, group, "name"),
        .settle = value_place(loader, when, "settle"),
        .within = value_place(loader, when, "within"),
    };
    lint_interrupting(loader, group);
    lint_conditions(loader, group);
}
