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

bool policy_takes_down(const struct policy *policy)
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

/* ---- views -------------------------------------------------------------------------------- */

/* One way in which a policy begins: its trigger, or one condition of several. */
struct view {
    const char *const *events;
    size_t events_count;
    enum severity severity_min;
    const struct policy_names *from;
    const struct policy_condition *condition;
};

static size_t views_count(const struct policy *policy)
{
    return policy->when.branches_count == 0 ? 1 : policy->when.branches_count;
}

/* False: it begins nothing (it ends something, or looks at samples). */
static bool view_of(const struct policy *policy, size_t i, struct view *ret_view)
{
    const struct policy_when *when = &policy->when;
    if (when->branches_count == 0) {
        *ret_view = (struct view){when->events, when->events_count, when->severity_min, &when->from,
                                  &when->condition};
        return when->metric == NULL;
    }
    const struct policy_branch *branch = &when->branches[i];
    *ret_view = (struct view){branch->events, branch->events_count, branch->severity_min,
                              &branch->from, &branch->condition};
    return branch->metric == NULL && !branch->ends && when->trigger != TRIGGER_ABSENT;
}

static bool view_listens(const struct view *view, const char *type)
{
    for (size_t i = 0; i < view->events_count; i++) {
        if (strcmp(view->events[i], type) == 0 ||
            (!is_glob(type) && text_glob(text_of(view->events[i]), text_of(type)))) {
            return true;
        }
    }
    return false;
}

/* ---- pairs -------------------------------------------------------------------------------- */

static size_t add_claim(const struct policy_condition *condition, bool negated,
                        struct cel_claim *claims, size_t count)
{
    if (condition->program != NULL && count < CEL_CLAIMS_MAX) {
        claims[count++] = (struct cel_claim){condition->program, negated};
    }
    return count;
}

/* What is true when the policy runs by that view: its `if`, where all are needed those of the
 * others too, and none of its `unless`. */
static size_t add_claims(const struct policy *policy, const struct view *view,
                         struct cel_claim *claims, size_t count)
{
    bool together = policy->when.trigger == TRIGGER_ALL || policy->when.trigger == TRIGGER_SEQUENCE;
    count = add_claim(view->condition, false, claims, count);
    for (size_t i = 0; together && i < policy->when.branches_count; i++) {
        const struct policy_branch *branch = &policy->when.branches[i];
        if (!branch->ends && &branch->condition != view->condition) {
            count = add_claim(&branch->condition, false, claims, count);
        }
    }
    for (size_t i = 0; i < policy->unless_count; i++) {
        count = add_claim(&policy->unless[i], true, claims, count);
    }
    return count;
}

/* Whether whenever second runs by that view, first would too by its own. */
static bool implies(struct set_lint *lint, const struct policy *second, const struct view *by,
                    const struct policy *first, const struct view *own)
{
    struct cel_known known[POLICY_LINT_KNOWN_MAX];
    size_t known_count = policy_lint_known(known, by->events, by->events_count, by->severity_min);
    struct cel_claim claims[CEL_CLAIMS_MAX + 1];
    size_t count = add_claims(second, by, claims, 0);
    bool result = true;
    if (own->condition->program != NULL) {
        claims[count] = (struct cel_claim){own->condition->program, true};
        result = cel_contradict(claims, count + 1, known, known_count, &lint->arena, NULL);
    }
    for (size_t i = 0; result && i < first->unless_count; i++) {
        claims[count] = (struct cel_claim){first->unless[i].program, false};
        result = cel_contradict(claims, count + 1, known, known_count, &lint->arena, NULL);
    }
    arena_reset(&lint->arena);
    return result;
}

/* Sooner, but not by so much that its run may be over when the other one's time comes: that is the
 * next rung, not a shadow. */
static bool comes_first(const struct set_lint *lint, const struct policy *first,
                        const struct policy *second)
{
    bool in_order =
        has_globs(first) == has_globs(second) ? first->index < second->index : has_globs(second);
    int64_t later_ms = delay_ms(second) - delay_ms(first);
    return (later_ms > 0 && later_ms <= lint->set->defaults.guards.queue_ms) ||
           (later_ms == 0 && in_order);
}

/* One event is enough for it. */
static bool is_plain(const struct policy *policy)
{
    return (policy->when.trigger == TRIGGER_EVENT || policy->when.trigger == TRIGGER_ANY) &&
           policy->when.count == 0 && policy->when.metric == NULL && policy->calendar == 0;
}

/* Some way of first is at least as wide as this one of second. */
static bool view_is_covered(struct set_lint *lint, const struct policy *second,
                            const struct view *by, const struct policy *first)
{
    struct view own;
    for (size_t i = 0; i < views_count(first); i++) {
        bool wide = view_of(first, i, &own) && own.severity_min <= by->severity_min &&
                    (own.from->count == 0 || policy_names_same(own.from, by->from));
        for (size_t e = 0; wide && e < by->events_count; e++) {
            wide = view_listens(&own, by->events[e]);
        }
        if (wide && implies(lint, second, by, first, &own)) {
            return true;
        }
    }
    return false;
}

static bool shadows(struct set_lint *lint, const struct policy *first, const struct policy *second)
{
    if (first->mode != second->mode || first->subject == NULL || second->subject == NULL ||
        strcmp(first->subject, second->subject) != 0 || !is_plain(first) || !is_plain(second) ||
        once_ms(lint, first) > once_ms(lint, second) || !comes_first(lint, first, second)) {
        return false;
    }
    struct view by;
    for (size_t i = 0; i < views_count(second); i++) {
        if (!view_of(second, i, &by) || !view_is_covered(lint, second, &by, first)) {
            return false;
        }
    }
    return true;
}

static bool views_meet(struct set_lint *lint, const struct policy *a, const struct view *x,
                       const struct policy *b, const struct view *y, const char *type)
{
    if (!view_listens(x, type) || !view_listens(y, type)) {
        return false;
    }
    enum severity least = x->severity_min > y->severity_min ? x->severity_min : y->severity_min;
    struct cel_known known[POLICY_LINT_KNOWN_MAX];
    size_t known_count = policy_lint_known(known, &type, 1, least);
    struct cel_claim claims[CEL_CLAIMS_MAX];
    size_t count = add_claims(b, y, claims, add_claims(a, x, claims, 0));
    bool result = !cel_contradict(claims, count, known, known_count, &lint->arena, NULL);
    arena_reset(&lint->arena);
    return result;
}

static bool may_both_act(struct set_lint *lint, const struct policy *a, const struct policy *b,
                         const char *type)
{
    struct view x, y;
    for (size_t i = 0; i < views_count(a); i++) {
        for (size_t j = 0; view_of(a, i, &x) && j < views_count(b); j++) {
            if (view_of(b, j, &y) && views_meet(lint, a, &x, b, &y, type)) {
                return true;
            }
        }
    }
    return false;
}

static void note(const struct set_lint *lint, const struct policy *policy, const char *text)
{
    diag_add(lint->diags, DIAG_NOTE, policy->places.name, NULL, "%s", text);
}

static void lint_pair(struct set_lint *lint, const struct policy *a, const struct policy *b,
                      const char *type)
{
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
    const char *shared = policy_takes_down(other) ? shared_type(other, policy) : NULL;
    if (shared != NULL && (type == NULL || strcmp(shared, type) == 0)) {
        lint->pairs_left--;
        lint_pair(lint, other, policy, shared);
    }
}

/* Every pair once: with those before it, at the first type that both have. */
static void lint_pairs(struct set_lint *lint, const struct policy *policy)
{
    const struct policy_set *set = lint->set;
    if (!policy_takes_down(policy)) {
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
    bool feeds = shared_type(policy, other) != NULL; /* The same events are what it waits for. */
    int64_t need_ms = (gathers ? other->when.within_ms : 0) + (feeds ? delay_ms(other) : 0);
    if ((!gathers && !feeds) || need_ms <= delay_ms(policy)) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf window = {0}, text = {0}, remedy = {0};
    textbuf_add_duration(&window, need_ms);
    textbuf_addf(&text, "'%s' may act before '%s', which needs up to %s, can forbid it",
                 policy->name, other->name, window.at);
    bool settles = policy->places.settle.file != NULL;
    textbuf_add_chars(&remedy, "the first hosts would be taken down before the correlation is "
                               "complete; use settle = \"");
    textbuf_add_duration(&remedy, need_ms - policy->when.for_ms);
    textbuf_add_chars(&remedy, "\" at least");
    diag_add(lint->diags, DIAG_WARNING, settles ? policy->places.settle : policy->places.name,
             remedy.at, "%s", text.at);
    if (other->places.within.file != NULL) {
        diag_add(lint->diags, DIAG_NOTE, other->places.within, NULL, "that window is set here");
    } else {
        note(lint, other, "it waits here");
    }
}

/* Those that raise what the policy's `unless` asks for. */
static void lint_settle(struct set_lint *lint, const struct policy *policy)
{
    if (!policy_takes_down(policy) || lint->raised.count == 0) {
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
                 "no table or source gives \"%.80s\", and no policy raises it", mention->type);
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
