/* SPDX-License-Identifier: Apache-2.0 */
/* What a test expects: read, compared with what happened, and said well when it did not. */

#include "rehearse/rehearse_private.h"

#include <stdio.h>

static const char *const expect_words[] = {
#define EXPECT(NAME, word) [EXPECT_##NAME] = (word),
#include "rehearse/expects.def"
#undef EXPECT
};

static const char *const expect_keys[] = {
#define EXPECT(NAME, word) (word),
#include "rehearse/expects.def"
#undef EXPECT
    "at",      "by",    "before", "count", "policy", "subject",
    "because", "error", "ok",     "state", "with",   NULL};

static const char *const end_words[] = {"done",    "escalated", "refused",
                                        "expired", "cancelled", NULL};
static const char *const state_words[] = {"done", "failed", "skipped", "refused", NULL};

/* ---- reading ----------------------------------------------------------------------------------
 */

static bool one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(word, *words) == 0) {
            return true;
        }
    }
    return false;
}

static void unknown_name(struct rehearsal *rehearsal, const struct conf *setting, const char *what,
                         const char *const *names, struct diags *diags)
{
    const char *nearest = text_nearest(text_of(setting->text), names);
    const char *remedy =
        nearest == NULL ? NULL : arena_printf(&rehearsal->arena, "did you mean '%s'?", nearest);
    diag_add(diags, DIAG_ERROR, setting->value_at, remedy, "no %s is called '%s' here", what,
             setting->text);
}

static size_t policy_names(const struct rehearsal *rehearsal, const char **names, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < rehearsal->policies->policies_count && count < max; i++) {
        names[count++] = rehearsal->policies->policies[i].name;
    }
    names[count] = NULL;
    return count;
}

static size_t step_names(const struct rehearsal *rehearsal, const char **names, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < rehearsal->policies->policies_count; i++) {
        const struct policy *policy = &rehearsal->policies->policies[i];
        for (size_t s = 0; s < policy->steps_count && count < max; s++) {
            names[count++] = policy->steps[s].name;
        }
        for (size_t s = 0; s < policy->steps_count && count < max; s++) {
            if (policy->steps[s].undo != NULL) {
                names[count++] = policy->steps[s].undo->name;
            }
        }
        for (size_t s = 0; s < policy->otherwise_count && count < max; s++) {
            names[count++] = policy->otherwise[s].name;
        }
    }
    names[count] = NULL;
    return count;
}

static size_t verb_names(const struct policy_set *set, const char **names, size_t max)
{
    size_t count = 0;
    while (count < max && verb_at(count) != NULL) {
        names[count] = verb_at(count)->name;
        count++;
    }
    for (size_t i = 0; i < set->functions_count && count < max; i++) {
        names[count++] = set->functions[i].name;
    }
    names[count] = NULL;
    return count;
}

#define NAMES_MAX 4096

/* A name that nothing has would make `never` and `count = 0` always true. */
static void name_check(struct rehearsal *rehearsal, const struct expectation *expectation,
                       struct conf *setting, struct diags *diags)
{
    const char *names[NAMES_MAX + 1];
    const char *what = "policy";
    size_t count = 0;
    switch (expectation->kind) {
    case EXPECT_STEP:
        what = "step";
        step_names(rehearsal, names, NAMES_MAX);
        break;
    case EXPECT_ACTION:
        what = "verb";
        verb_names(rehearsal->policies, names, NAMES_MAX);
        break;
    case EXPECT_END:
        what = "end (done, escalated, refused, expired, cancelled)";
        memcpy(names, end_words, sizeof end_words);
        break;
    case EXPECT_NEVER:
        what = "policy, verb or step";
        names[count++] = "run";
        count += verb_names(rehearsal->policies, names + count, NAMES_MAX / 4);
        count += step_names(rehearsal, names + count, NAMES_MAX / 4);
        policy_names(rehearsal, names + count, NAMES_MAX / 4);
        break;
    case EXPECT_RUN:
    case EXPECT_WOULD_RUN:
    case EXPECT_SUGGESTED:
    case EXPECT_SKIPPED:
    case EXPECT_REFUSED:
    case EXPECT_DEFERRED:
    case EXPECT_HELD:
    case EXPECT_EXPIRED:
    case EXPECT_PENDING:
    case EXPECT_KINDS_COUNT:
        policy_names(rehearsal, names, NAMES_MAX);
        break;
    }
    if (!one_of(expectation->name, names)) {
        unknown_name(rehearsal, setting, what, names, diags);
    }
}

static const char *text_read(struct conf *group, const char *name, struct diags *diags)
{
    return conf_text(conf_get(group, name), NULL, diags);
}

static int64_t time_read(struct conf *group, const char *name, struct diags *diags)
{
    return conf_duration_ms(conf_get(group, name), -1, 0, REHEARSE_AT_MAX, diags);
}

static void details_read(struct rehearsal *rehearsal, struct conf *group,
                         struct expectation *expectation, struct diags *diags)
{
    struct conf *ok = conf_get(group, "ok"), *with = conf_get(group, "with");
    struct conf *state = conf_get(group, "state"), *policy = conf_get(group, "policy");
    expectation->at_ms = time_read(group, "at", diags);
    expectation->by_ms = time_read(group, "by", diags);
    expectation->before_ms = time_read(group, "before", diags);
    expectation->count = conf_int(conf_get(group, "count"), -1, 0, HAPPENINGS_MAX, diags);
    expectation->ok = ok == NULL ? -1 : conf_bool(ok, false, diags);
    expectation->policy = conf_text(policy, NULL, diags);
    expectation->subject = text_read(group, "subject", diags);
    expectation->because = text_read(group, "because", diags);
    expectation->error = text_read(group, "error", diags);
    expectation->state = conf_text(state, NULL, diags);
    if (expectation->state != NULL && !one_of(expectation->state, state_words)) {
        unknown_name(rehearsal, state, "state of a step", state_words, diags);
    }
    const char *names[NAMES_MAX + 1];
    policy_names(rehearsal, names, NAMES_MAX);
    if (expectation->policy != NULL && !one_of(expectation->policy, names)) {
        unknown_name(rehearsal, policy, "policy", names, diags);
    }
    expectation->with_wanted = with != NULL;
    if (with != NULL &&
        (with->type != CONF_GROUP || !conf_value(with, &rehearsal->arena, &expectation->with))) {
        diag_add(diags, DIAG_ERROR, with->value_at, NULL, "'with' is a group of arguments");
    }
}

bool expectation_read(struct rehearsal *rehearsal, struct conf *group,
                      struct expectation *expectation, struct diags *diags)
{
    struct conf *named = NULL;
    *expectation = (struct expectation){.at = group->value_at};
    for (int kind = 0; kind < EXPECT_KINDS_COUNT; kind++) {
        struct conf *found = conf_get(group, expect_words[kind]);
        if (found == NULL) {
            continue;
        }
        if (named != NULL && strcmp(named->name, "step") == 0 && kind == EXPECT_ACTION) {
            expectation->action = conf_text(found, NULL, diags); /* step = ...; action = ...; */
        } else if (named != NULL) {
            diag_add(diags, DIAG_ERROR, found->at, NULL,
                     "one thing at a time: '%s' stands here already", named->name);
        } else {
            named = found;
            expectation->kind = (enum expect_kind)kind;
            expectation->name = conf_text(found, "", diags);
        }
    }
    details_read(rehearsal, group, expectation, diags);
    conf_unknown(group, expect_keys, diags);
    if (named == NULL) {
        diag_add(diags, DIAG_ERROR, group->at,
                 "run, would-run, suggested, skipped, refused, deferred, held, expired, pending, "
                 "step, action, end or never",
                 "what is expected?");
        return false;
    }
    if (named->type == CONF_STRING) {
        name_check(rehearsal, expectation, named, diags);
    }
    return true;
}

/* ---- comparing --------------------------------------------------------------------------------
 */

/* How far something is from what was wanted: 0 fits; the nearest one is told. */
enum misfit { FITS, WRONG_TIME, WRONG_DETAIL, WRONG_THING };

static bool text_fits(const char *wanted, const char *got)
{
    return wanted == NULL || (got != NULL && strcmp(wanted, got) == 0);
}

static bool begins(const char *text, const char *start)
{
    for (; *start != 0; text++, start++) {
        bool quotes = (*text == '\'' || *text == '"') && (*start == '\'' || *start == '"');
        if (*text != *start && !quotes) {
            return false;
        }
    }
    return true;
}

/* Policies quote with ' where explanations quote with ": both are right here. */
static bool text_within(const char *wanted, const char *got)
{
    for (const char *at = got; wanted != NULL && at != NULL && *at != 0; at++) {
        if (begins(at, wanted)) {
            return true;
        }
    }
    return wanted == NULL;
}

static bool value_fits(const struct nsh_value *wanted, const struct nsh_value *got)
{
    if (got == NULL) {
        return false;
    }
    if (wanted->type == NSH_STRING && got->type == NSH_STRING) {
        return text_glob(text_of(wanted->text), text_of(got->text));
    }
    return nsh_equal(wanted, got);
}

static bool with_fits(const struct expectation *expectation, const struct happening *happening)
{
    for (uint32_t i = 0; expectation->with_wanted && i < expectation->with.count; i++) {
        const struct nsh_member *member = &expectation->with.members[i];
        if (!value_fits(&member->value, nsh_get(&happening->args, member->name))) {
            return false;
        }
    }
    return true;
}

static bool step_thing(const struct expectation *expectation, const struct happening *happening)
{
    bool ends = expectation->ok >= 0 || expectation->state != NULL || expectation->error != NULL;
    if (ends) {
        return happening->kind == HAPPENED_STEP && text_fits(expectation->name, happening->name);
    }
    return (happening->kind == HAPPENED_BEGIN && text_fits(expectation->name, happening->name)) ||
           (happening->kind == HAPPENED_CALL && text_fits(expectation->name, happening->step));
}

static bool never_thing(const struct expectation *expectation, const struct happening *happening)
{
    const char *name = expectation->name;
    bool decided_to = happening->kind == HAPPENED_DECISION && strcmp(happening->name, "run") == 0;
    return (decided_to && (strcmp(name, "run") == 0 || text_fits(name, happening->policy))) ||
           (happening->kind == HAPPENED_CALL &&
            (text_fits(name, happening->name) || text_fits(name, happening->step))) ||
           (happening->kind == HAPPENED_BEGIN && text_fits(name, happening->name));
}

static bool same_thing(const struct expectation *expectation, const struct happening *happening)
{
    switch (expectation->kind) {
    case EXPECT_NEVER:
        return never_thing(expectation, happening);
    case EXPECT_STEP:
        return step_thing(expectation, happening);
    case EXPECT_ACTION:
        return happening->kind == HAPPENED_CALL && text_fits(expectation->name, happening->name);
    case EXPECT_END:
        return happening->kind == HAPPENED_END;
    case EXPECT_PENDING:
        return happening->kind == HAPPENED_PENDING &&
               text_fits(expectation->name, happening->policy);
    case EXPECT_RUN:
    case EXPECT_WOULD_RUN:
    case EXPECT_SUGGESTED:
    case EXPECT_SKIPPED:
    case EXPECT_REFUSED:
    case EXPECT_DEFERRED:
    case EXPECT_HELD:
    case EXPECT_EXPIRED:
    case EXPECT_KINDS_COUNT:
        break;
    }
    return happening->kind == HAPPENED_DECISION && text_fits(expectation->name, happening->policy);
}

static bool details_fit(const struct expectation *expectation, const struct happening *happening)
{
    bool outcome = expectation->kind >= EXPECT_RUN && expectation->kind <= EXPECT_EXPIRED;
    if (outcome && strcmp(expect_words[expectation->kind], happening->name) != 0) {
        return false;
    }
    if (expectation->kind == EXPECT_END && strcmp(expectation->name, happening->name) != 0) {
        return false;
    }
    bool well = happening->state != NULL && strcmp(happening->state, "done") == 0;
    if (expectation->ok >= 0 && happening->kind == HAPPENED_STEP &&
        well != (expectation->ok == 1)) {
        return false;
    }
    if (expectation->action != NULL && happening->kind == HAPPENED_CALL &&
        strcmp(expectation->action, happening->name) != 0) {
        return false;
    }
    return text_within(expectation->because, happening->text) &&
           text_within(expectation->error, happening->text) &&
           text_fits(expectation->state, happening->state) && with_fits(expectation, happening);
}

static bool time_fits(const struct expectation *expectation, const struct happening *happening)
{
    return (expectation->at_ms < 0 || happening->at_ms == expectation->at_ms) &&
           (expectation->by_ms < 0 || happening->at_ms <= expectation->by_ms) &&
           (expectation->before_ms < 0 || happening->at_ms < expectation->before_ms);
}

static enum misfit misfit_of(const struct expectation *expectation,
                             const struct happening *happening)
{
    if (!same_thing(expectation, happening) ||
        !text_fits(expectation->subject, happening->subject) ||
        !text_fits(expectation->policy, happening->policy)) {
        return WRONG_THING;
    }
    return !details_fit(expectation, happening) ? WRONG_DETAIL
           : !time_fits(expectation, happening) ? WRONG_TIME
                                                : FITS;
}

/* ---- telling ----------------------------------------------------------------------------------
 */

static void add_at(struct textbuf *out, int64_t at_ms)
{
    textbuf_add_chars(out, " at ");
    textbuf_add_duration(out, at_ms);
}

/* "run fan-failed on r1h01 at 5m" */
static void wanted_add(const struct expectation *expectation, struct textbuf *out)
{
    if (expectation->kind != EXPECT_NEVER) {
        textbuf_addf(out, "%s ", expect_words[expectation->kind]);
    }
    textbuf_add_chars(out, expectation->name);
    if (expectation->ok >= 0) {
        textbuf_add_chars(out, expectation->ok == 1 ? " ok" : " not ok");
    }
    if (expectation->state != NULL) {
        textbuf_addf(out, " %s", expectation->state);
    }
    if (expectation->subject != NULL) {
        textbuf_addf(out, " on %s", expectation->subject);
    }
    if (expectation->at_ms >= 0) {
        add_at(out, expectation->at_ms);
    }
    if (expectation->by_ms >= 0) {
        textbuf_add_chars(out, " by ");
        textbuf_add_duration(out, expectation->by_ms);
    }
    if (expectation->before_ms >= 0) {
        textbuf_add_chars(out, " before ");
        textbuf_add_duration(out, expectation->before_ms);
    }
}

/* Of many arguments those that the expectation names. */
static void args_add(const struct expectation *expectation, const struct happening *happening,
                     struct textbuf *out)
{
    for (uint32_t i = 0; expectation->with_wanted && i < expectation->with.count; i++) {
        const char *name = expectation->with.members[i].name;
        const struct nsh_value *got = nsh_get(&happening->args, name);
        textbuf_addf(out, " %s = ", name);
        if (got == NULL) {
            textbuf_add_chars(out, "(not there)");
        } else {
            json_write(got, out);
        }
    }
}

static void got_add(const struct expectation *expectation, const struct happening *happening,
                    struct textbuf *out)
{
    textbuf_add_chars(out, "at ");
    textbuf_add_duration(out, happening->at_ms);
    textbuf_add_chars(out, ": ");
    switch (happening->kind) {
    case HAPPENED_DECISION:
        textbuf_addf(out, "%s %s on %s: %s", happening->policy, happening->name, happening->subject,
                     happening->text);
        break;
    case HAPPENED_PENDING:
        textbuf_addf(out, "%s pending on %s", happening->policy, happening->subject);
        break;
    case HAPPENED_BEGIN:
        textbuf_addf(out, "step %s begins on %s", happening->name, happening->subject);
        break;
    case HAPPENED_STEP:
        textbuf_addf(out, "step %s %s on %s: %s", happening->name, happening->state,
                     happening->subject, happening->text);
        break;
    case HAPPENED_CALL:
        textbuf_addf(out, "%s on %s", happening->name, happening->subject);
        args_add(expectation, happening, out);
        break;
    case HAPPENED_END:
        textbuf_addf(out, "%s on %s ends %s: %s", happening->policy, happening->subject,
                     happening->name, happening->text);
        break;
    }
}

static void tell(const struct expectation *expectation, const struct happening *nearest,
                 struct diags *diags)
{
    CLEANUP(textbuf_donep) struct textbuf wanted = {0};
    CLEANUP(textbuf_donep) struct textbuf got = {0};
    bool never = expectation->kind == EXPECT_NEVER;
    wanted_add(expectation, &wanted);
    if (nearest != NULL) {
        textbuf_add_chars(&got, never ? "" : "nearest, ");
        got_add(expectation, nearest, &got);
    }
    diag_add(diags, DIAG_ERROR, expectation->at, got.at, "%s: %s",
             never ? "this was not to happen" : "expected, and did not happen",
             wanted.at == NULL ? "" : wanted.at);
}

static void tell_count(const struct expectation *expectation, int64_t count,
                       const struct happening *last, struct diags *diags)
{
    CLEANUP(textbuf_donep) struct textbuf wanted = {0};
    CLEANUP(textbuf_donep) struct textbuf got = {0};
    wanted_add(expectation, &wanted);
    if (last != NULL) {
        textbuf_add_chars(&got, "the last, ");
        got_add(expectation, last, &got);
    }
    diag_add(diags, DIAG_ERROR, expectation->at, got.at, "expected %lld of these, got %lld: %s",
             (long long)expectation->count, (long long)count, wanted.at == NULL ? "" : wanted.at);
}

/* WRONG_TIME is nearer than WRONG_DETAIL; of equals the one nearest in time. */
static bool nearer(const struct expectation *expectation, const struct happening *one,
                   enum misfit one_misfit, const struct happening *other, enum misfit other_misfit)
{
    if (other == NULL || one_misfit != other_misfit) {
        return other == NULL || one_misfit < other_misfit;
    }
    int64_t wanted_ms = expectation->at_ms >= 0 ? expectation->at_ms : 0;
    int64_t one_ms = one->at_ms > wanted_ms ? one->at_ms - wanted_ms : wanted_ms - one->at_ms;
    int64_t other_ms =
        other->at_ms > wanted_ms ? other->at_ms - wanted_ms : wanted_ms - other->at_ms;
    return one_ms < other_ms;
}

static void expectation_check(const struct expectation *expectation,
                              const struct observer *observer, struct diags *diags)
{
    int64_t count = 0;
    const struct happening *nearest = NULL, *last = NULL;
    enum misfit nearest_misfit = WRONG_THING;
    for (size_t i = 0; i < observer->items_count; i++) {
        const struct happening *happening = &observer->items[i];
        enum misfit misfit = misfit_of(expectation, happening);
        if (misfit == FITS) {
            count++;
            last = happening;
        } else if (misfit != WRONG_THING &&
                   nearer(expectation, happening, misfit, nearest, nearest_misfit)) {
            nearest = happening;
            nearest_misfit = misfit;
        }
    }
    if (expectation->kind == EXPECT_NEVER) {
        if (count > 0) {
            tell(expectation, last, diags);
        }
    } else if (expectation->count >= 0) {
        if (count != expectation->count) {
            tell_count(expectation, count, last, diags);
        }
    } else if (count == 0) {
        tell(expectation, nearest, diags);
    }
}

void expectations_check(const struct test *test, const struct observer *observer,
                        struct diags *diags)
{
    for (size_t i = 0; i < test->expects_count; i++) {
        expectation_check(&test->expects[i], observer, diags);
    }
    if (observer->unstubbed.type == NSH_MAP) {
        diag_add(diags, DIAG_ERROR, test->shown.at,
                 arena_printf(&observer->rehearsal->test, "stubs = ( { action = \"%s\"; } );",
                              nsh_get_text(&observer->unstubbed, "verb", "")),
                 "%s on %s was called, and no stub says what it does",
                 nsh_get_text(&observer->unstubbed, "verb", ""),
                 nsh_get_text(&observer->unstubbed, "host", ""));
    }
}
