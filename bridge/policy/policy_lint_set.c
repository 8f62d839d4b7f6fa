/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warnings about policies between each other: one that never gets its turn, two that act on the
 * same host for one event, one that acts before another could forbid it, a type that nobody sends.
 *
 * Candidates come from the set's index, and the pairs that are looked at are bounded: sets of ten
 * thousand policies load as fast as before.
 */

#include "policy/policy_lint.h"

#include "policy/policy_private.h"

#include <stdlib.h>

#define PAIRS_MAX 100000  /* Reasoned about. */
#define LOOKS_MAX 4000000 /* Asked for a type in common. */
#define CALLS_MAX 32
#define ARENA_BYTES_MAX ((size_t)16 << 20)

struct set_lint {
    const struct policy_set *set;
    struct diags *diags;
    struct arena arena;
    unsigned pairs_left, looks_left;
    struct map raised; /* Type -> a struct policy that raises it. */
};

/* ---- single policies ---------------------------------------------------------------------- */

static bool takes_down(const struct policy *policy)
{
    for (size_t i = 0; i < policy->steps_count; i++) {
        const struct verb *verb = policy->steps[i].verb;
        if (verb != NULL && verb->effect >= NSH_INTERRUPTS) {
            return true;
        }
    }
    return false;
}

static bool is_glob(const char *type)
{
    return strpbrk(type, "*?") != NULL;
}

static bool listens(const struct policy *policy, const char *type)
{
    for (size_t i = 0; i < policy->when.events_count; i++) {
        if (strcmp(policy->when.events[i], type) == 0 ||
            (!is_glob(type) && text_glob(text_of(policy->when.events[i]), text_of(type)))) {
            return true;
        }
    }
    return false;
}

static bool has_globs(const struct policy *policy)
{
    for (size_t i = 0; i < policy->when.events_count; i++) {
        if (is_glob(policy->when.events[i])) {
            return true;
        }
    }
    return false;
}

static int64_t delay_ms(const struct policy *policy)
{
    return policy->when.for_ms + policy->when.settle_ms;
}

static int64_t once_ms(const struct set_lint *lint, const struct policy *policy)
{
    return policy->limits.once_within_ms >= 0 ? policy->limits.once_within_ms
                                              : lint->set->defaults.guards.cooldown_ms;
}

static void warn(const struct set_lint *lint, const struct policy *policy, const char *remedy,
                 const char *text)
{
    diag_add(lint->diags, DIAG_WARNING, policy->places.name, remedy, "%s", text);
}

/* ---- pairs -------------------------------------------------------------------------------- */

/* The conditions of a policy as claims: its `if` is true and none of its `unless`. */
static size_t add_claims(const struct policy *policy, struct cel_claim *claims, size_t count)
{
    if (policy->when.condition.program != NULL && count < CEL_CLAIMS_MAX) {
        claims[count++] = (struct cel_claim){policy->when.condition.program, false};
    }
    for (size_t i = 0; i < policy->unless_count && count < CEL_CLAIMS_MAX; i++) {
        if (policy->unless[i].program != NULL) {
            claims[count++] = (struct cel_claim){policy->unless[i].program, true};
        }
    }
    return count;
}

/* Whether whenever second runs, first would too. */
static bool implies(struct set_lint *lint, const struct policy *second, const struct policy *first)
{
    struct cel_known known[POLICY_LINT_KNOWN_MAX];
    size_t known_count = policy_lint_known(known, second->when.events, second->when.events_count,
                                           second->when.severity_min);
    struct cel_claim claims[CEL_CLAIMS_MAX + 1];
    size_t count = add_claims(second, claims, 0);
    bool result = true;
    if (first->when.condition.program != NULL) {
        claims[count] = (struct cel_claim){first->when.condition.program, true};
        result = cel_contradict(claims, count + 1, known, known_count, &lint->arena, NULL);
    }
    for (size_t i = 0; result && i < first->unless_count; i++) {
        claims[count] = (struct cel_claim){first->unless[i].program, false};
        result = cel_contradict(claims, count + 1, known, known_count, &lint->arena, NULL);
    }
    arena_reset(&lint->arena);
    return result;
}

static bool comes_first(const struct policy *first, const struct policy *second)
{
    bool in_order =
        has_globs(first) == has_globs(second) ? first->index < second->index : has_globs(second);
    return delay_ms(first) < delay_ms(second) || (delay_ms(first) == delay_ms(second) && in_order);
}

static bool shadows(struct set_lint *lint, const struct policy *first, const struct policy *second)
{
    if (first->mode != second->mode || first->subject == NULL || second->subject == NULL ||
        strcmp(first->subject, second->subject) != 0 || first->when.count > 0 ||
        first->when.severity_min > second->when.severity_min ||
        once_ms(lint, first) > once_ms(lint, second) || !comes_first(first, second)) {
        return false;
    }
    for (size_t i = 0; i < second->when.events_count; i++) {
        if (!listens(first, second->when.events[i])) {
            return false;
        }
    }
    return implies(lint, second, first);
}

static bool may_both_act(struct set_lint *lint, const struct policy *a, const struct policy *b,
                         const char *type)
{
    enum severity least =
        a->when.severity_min > b->when.severity_min ? a->when.severity_min : b->when.severity_min;
    struct cel_known known[POLICY_LINT_KNOWN_MAX];
    size_t known_count = policy_lint_known(known, &type, 1, least);
    struct cel_claim claims[CEL_CLAIMS_MAX];
    size_t count = add_claims(b, claims, add_claims(a, claims, 0));
    bool result = !cel_contradict(claims, count, known, known_count, &lint->arena, NULL);
    arena_reset(&lint->arena);
    return result;
}

static void note(const struct set_lint *lint, const struct policy *policy, const char *text)
{
    diag_add(lint->diags, DIAG_NOTE, policy->places.name, NULL, "%s", text);
}

static void lint_pair(struct set_lint *lint, const struct policy *a, const struct policy *b,
                      const char *type)
{
    if (a->when.branches_count > 0 || b->when.branches_count > 0) {
        return; /* Sharing one condition of several says little. */
    }
    const struct policy *first = shadows(lint, a, b) ? a : shadows(lint, b, a) ? b : NULL;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    if (first != NULL) {
        const struct policy *second = first == a ? b : a;
        textbuf_addf(&text, "'%s' never gets the host: '%s' takes it first", second->name,
                     first->name);
        warn(lint, second, "narrow the other one's 'if', or make one policy of both", text.at);
        note(lint, first, "it listens to the same events, and its condition is not narrower");
    } else if (a->mode == POLICY_ENFORCE && b->mode == POLICY_ENFORCE &&
               may_both_act(lint, a, b, type)) {
        textbuf_addf(&text, "'%s' and '%s' may both act on a host for one \"%s\"", a->name, b->name,
                     type);
        warn(lint, b, "let the 'if' of one exclude the other", text.at);
        note(lint, a, "the other one is here");
    }
}

/* The first type of a that b listens to as well; NULL: none. */
static const char *shared_type(const struct policy *a, const struct policy *b)
{
    for (size_t i = 0; i < a->when.events_count; i++) {
        if (listens(b, a->when.events[i])) {
            return a->when.events[i];
        }
    }
    for (size_t i = 0; i < b->when.events_count; i++) {
        if (listens(a, b->when.events[i])) {
            return b->when.events[i];
        }
    }
    return NULL;
}

static void lint_with(struct set_lint *lint, const struct policy *policy,
                      const struct policy *other, const char *type)
{
    if (lint->pairs_left == 0 || lint->looks_left == 0 || other->index >= policy->index) {
        return;
    }
    lint->looks_left--;
    const char *shared = takes_down(other) ? shared_type(other, policy) : NULL;
    if (shared != NULL && (type == NULL || strcmp(shared, type) == 0)) {
        lint->pairs_left--;
        lint_pair(lint, other, policy, shared);
    }
}

/* Every pair once: with those before it, at the first type that both have. */
static void lint_pairs(struct set_lint *lint, const struct policy *policy)
{
    const struct policy_set *set = lint->set;
    if (!takes_down(policy)) {
        return;
    }
    if (has_globs(policy)) {
        for (size_t i = 0; i < policy->index && lint->looks_left > 0; i++) {
            lint_with(lint, policy, &set->policies[i], NULL);
        }
        return;
    }
    for (size_t i = 0; i < policy->when.events_count; i++) {
        const struct policy_list *list = map_get(&set->by_event, text_of(policy->when.events[i]));
        for (size_t j = 0; list != NULL && j < list->count; j++) {
            if (!has_globs(list->items[j])) {
                lint_with(lint, policy, list->items[j], policy->when.events[i]);
            }
        }
    }
    for (size_t i = 0; i < set->globs_count && lint->looks_left > 0; i++) {
        lint_with(lint, policy, set->globs[i], NULL);
    }
}

/* ---- who acts before another can forbid it ------------------------------------------------ */

static void lint_settle_with(struct set_lint *lint, const struct policy *policy,
                             const struct policy *other)
{
    bool gathers = other->when.count > 1 || other->when.trigger == TRIGGER_ALL ||
                   other->when.trigger == TRIGGER_SEQUENCE;
    if (!gathers || other->when.within_ms <= delay_ms(policy)) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf window = {0}, text = {0}, remedy = {0};
    textbuf_add_duration(&window, other->when.within_ms);
    textbuf_addf(&text, "'%s' may act before '%s', which needs up to %s, can forbid it",
                 policy->name, other->name, window.at);
    bool settles = policy->places.settle.file != NULL;
    textbuf_add_chars(&remedy, "the first hosts would be taken down before the correlation is "
                               "complete; use settle = \"");
    textbuf_add_duration(&remedy, other->when.within_ms - policy->when.for_ms);
    textbuf_add_chars(&remedy, "\" at least");
    diag_add(lint->diags, DIAG_WARNING, settles ? policy->places.settle : policy->places.name,
             remedy.at, "%s", text.at);
    diag_add(lint->diags, DIAG_NOTE, other->places.within, NULL, "that window is set here");
}

/* Those that raise what the policy's `unless` asks for. */
static void lint_settle(struct set_lint *lint, const struct policy *policy)
{
    if (!takes_down(policy) || lint->raised.count == 0) {
        return;
    }
    for (size_t i = 0; i < policy->unless_count; i++) {
        struct cel_call calls[CALLS_MAX];
        size_t count =
            policy->unless[i].program == NULL
                ? 0
                : cel_program_calls(policy->unless[i].program, "active", calls, CALLS_MAX);
        for (size_t j = 0; j < count; j++) {
            const struct policy *other = map_get(&lint->raised, text_of(calls[j].literal));
            if (other != NULL && other != policy) {
                lint_settle_with(lint, policy, other);
            }
        }
    }
}

/* ---- types that nobody sends -------------------------------------------------------------- */

static const char **raised_types(struct set_lint *lint)
{
    const char **types = calloc(lint->raised.count + 1, sizeof *types);
    size_t count = 0;
    MAP_EACH (&lint->raised, entry) {
        if (types != NULL) {
            types[count++] = entry->key.at;
        }
    }
    return types;
}

/* Other sources may send any type: a warning only for what is nearly one that is known. */
static void lint_mentions(struct set_lint *lint, struct policy_mention *newest)
{
    const char **types = raised_types(lint);
    struct policy_mention *mention = NULL;
    while (newest != NULL) { /* In the order of the files. */
        struct policy_mention *next = newest->next;
        newest->next = mention;
        mention = newest;
        newest = next;
    }
    for (; mention != NULL && types != NULL; mention = mention->next) {
        struct text type = text_of(mention->type);
        const char *nearest = mention->nearest[0] != 0  ? mention->nearest
                              : lint->raised.count == 0 ? NULL
                                                        : text_nearest(type, types);
        if (nearest == NULL || map_get(&lint->raised, type) != NULL) {
            continue;
        }
        CLEANUP(textbuf_donep) struct textbuf remedy = {0};
        textbuf_addf(&remedy, "did you mean \"%s\"?", nearest);
        diag_add(lint->diags, DIAG_WARNING, mention->at, remedy.at,
                 "no trap table gives \"%.80s\", and no policy raises it", mention->type);
    }
    free(types);
}

/* ---- the whole ---------------------------------------------------------------------------- */

void policy_lint_set(struct policy_loader *loader)
{
    struct set_lint lint = {.set = loader->set,
                            .diags = loader->diags,
                            .arena = {.bytes_max = ARENA_BYTES_MAX},
                            .pairs_left = PAIRS_MAX,
                            .looks_left = LOOKS_MAX};
    for (size_t i = 0; i < lint.set->policies_count; i++) {
        const struct policy *policy = &lint.set->policies[i];
        if (policy->raises != NULL &&
            map_set(&lint.raised, text_of(policy->raises), (void *)(uintptr_t)policy) < 0) {
            loader->no_memory = true;
        }
    }
    for (size_t i = 0; i < lint.set->policies_count; i++) {
        lint_pairs(&lint, &lint.set->policies[i]);
        lint_settle(&lint, &lint.set->policies[i]);
    }
    lint_mentions(&lint, loader->mentions);
    map_done(&lint.raised);
    arena_done(&lint.arena);
}
