/* SPDX-License-Identifier: Apache-2.0 */
/* A policy as people and programs see it: the same from the daemon and from a file. */

#include "policy/policy.h"

static void add_text(struct textbuf *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        textbuf_addf(out, ",\"%s\":", name);
        textbuf_add_json(out, text_of(value));
    }
}

static void add_ms(struct textbuf *out, const char *name, int64_t ms)
{
    if (ms > 0) {
        textbuf_addf(out, ",\"%s\":%lld", name, (long long)ms);
    }
}

static void policy_members(struct textbuf *out, const struct policy *policy)
{
    textbuf_add_chars(out, "{\"name\":");
    textbuf_add_json(out, text_of(policy->name));
    add_text(out, "mode", policy_mode_word(policy->mode));
    add_text(out, "subject", policy->subject);
    add_text(out, "owner", policy->owner);
    add_text(out, "summary", policy->summary);
    add_text(out, "file", policy->file);
    textbuf_addf(out, ",\"line\":%u,\"revision\":\"%016llx\"", policy->at.line,
                 (unsigned long long)policy->revision);
}

/* What a step says beside what it does. */
static void step_words(struct textbuf *words, const struct policy_step *step)
{
    if (step->each.program != NULL) {
        textbuf_addf(words, " for each of %s, %u at once", step->each.source,
                     step->parallel == 0 ? 1 : step->parallel);
    }
    if (step->calendar_name != NULL) {
        textbuf_addf(words, "%s while calendar %s is open",
                     step->kind == STEP_WINDOW ? " for a time" : "", step->calendar_name);
    }
    if (step->need_left_ms > 0) {
        textbuf_add_chars(words, ", and for another ");
        textbuf_add_duration(words, step->need_left_ms);
    }
    if (step->run_if.source != NULL && step->run_if.program != NULL) {
        textbuf_addf(words, " if %s", step->run_if.source);
    }
    for (size_t i = 0; i < step->needs_count; i++) {
        textbuf_addf(words, "%s%s", i == 0 ? ", needs " : " and ", step->needs[i].source);
    }
    if (step->undo != NULL) {
        textbuf_addf(words, ", undone by %s", step->undo->verb->name);
    }
}

static void add_step(struct textbuf *out, const struct policy_step *step)
{
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    textbuf_addf(&words, "%s: ", step->name == NULL ? "step" : step->name);
    switch (step->kind) {
    case STEP_ACT:
        textbuf_add_chars(&words, step->verb->name);
        break;
    case STEP_CHECK:
        textbuf_addf(&words, "check %s within ", step->check.source);
        textbuf_add_duration(&words, step->within_ms);
        break;
    case STEP_WINDOW:
        textbuf_add_chars(&words, "wait at most ");
        textbuf_add_duration(&words, step->timeout_ms);
        break;
    case STEP_ASK:
        if (step->ask->veto) {
            textbuf_add_chars(&words, "announce it, and wait for a veto ");
        } else {
            textbuf_addf(&words, "ask %u to approve, at most ", step->ask->count);
        }
        textbuf_add_duration(&words, step->ask->timeout_ms);
        break;
    case STEP_WAIT:
    default:
        textbuf_add_chars(&words, "wait ");
        textbuf_add_duration(&words, step->wait_ms);
        break;
    }
    step_words(&words, step);
    textbuf_add_json(out, (struct text){words.at, (uint32_t)words.count});
}

static void add_steps(struct textbuf *out, const char *name, const struct policy_step *steps,
                      size_t count)
{
    textbuf_addf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        add_step(out, &steps[i]);
    }
    textbuf_add_char(out, ']');
}

static void add_branches(struct textbuf *out, const struct policy_when *when)
{
    textbuf_add_chars(out, ",\"branches\":[");
    for (size_t i = 0; i < when->branches_count; i++) {
        const struct policy_branch *branch = &when->branches[i];
        textbuf_addf(out, "%s{\"ends\":%s,\"severity\":\"%s\",\"events\":[", i == 0 ? "" : ",",
                     branch->ends ? "true" : "false", severity_word(branch->severity_min));
        for (size_t e = 0; e < branch->events_count; e++) {
            textbuf_add_chars(out, e == 0 ? "" : ",");
            textbuf_add_json(out, text_of(branch->events[e]));
        }
        textbuf_add_char(out, ']');
        add_text(out, "metric", branch->metric);
        add_text(out, "condition", branch->condition.source);
        textbuf_add_char(out, '}');
    }
    textbuf_add_char(out, ']');
}

/* What makes it true, beyond one event. */
static void add_trigger(struct textbuf *out, const struct policy_when *when)
{
    static const char *const words[] = {
        [TRIGGER_EVENT] = "event", [TRIGGER_ABSENT] = "absent",     [TRIGGER_ALL] = "all",
        [TRIGGER_ANY] = "any",     [TRIGGER_SEQUENCE] = "sequence", [TRIGGER_WITHOUT] = "without",
    };
    add_text(out, "trigger", words[when->trigger]);
    add_text(out, "metric", when->metric);
    add_text(out, "clear", when->clear.source);
    add_text(out, "distinct", when->distinct.source);
    add_text(out, "by", when->by.source);
    add_text(out, "expect", when->expect.source);
    add_ms(out, "keep_ms", when->keep_ms);
    add_ms(out, "within_ms", when->within_ms);
    add_ms(out, "absent_ms", when->absent_ms);
    add_ms(out, "stale_after_ms", when->stale_after_ms);
    textbuf_addf(out, ",\"count\":%u,\"updates\":%s", when->count,
                 when->updates ? "true" : "false");
    add_branches(out, when);
}

static void policy_details(struct textbuf *out, const struct policy *policy)
{
    textbuf_add_chars(out, ",\"events\":[");
    for (size_t i = 0; i < policy->when.events_count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        textbuf_add_json(out, text_of(policy->when.events[i]));
    }
    textbuf_addf(out, "],\"severity\":\"%s\"", severity_word(policy->when.severity_min));
    add_text(out, "condition", policy->when.condition.source);
    add_text(out, "calendar", policy->calendar_name);
    add_ms(out, "for_ms", policy->when.for_ms);
    add_ms(out, "settle_ms", policy->when.settle_ms);
    add_trigger(out, &policy->when);
    add_ms(out, "once_within_ms", policy->limits.once_within_ms);
    textbuf_add_chars(out, ",\"unless\":[");
    for (size_t i = 0; i < policy->unless_count; i++) {
        const char *source = policy->unless[i].source;
        textbuf_add_chars(out, i == 0 ? "" : ",");
        textbuf_add_json(out, text_of(source == NULL ? "true" : source));
    }
    textbuf_add_char(out, ']');
    add_steps(out, "steps", policy->steps, policy->steps_count);
    add_steps(out, "otherwise", policy->otherwise, policy->otherwise_count);
}

void policy_add_json(struct textbuf *out, const struct policy *policy, bool details)
{
    policy_members(out, policy);
    if (details) {
        policy_details(out, policy);
    }
}
