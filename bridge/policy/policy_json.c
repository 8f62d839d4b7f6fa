/* SPDX-License-Identifier: Apache-2.0 */
/* A policy as people and programs see it: the same from the daemon and from a file. */

#include "policy/policy_private.h"

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

static void add_texts(struct textbuf *out, const char *name, const char *const *items, size_t count)
{
    textbuf_addf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        textbuf_add_json(out, text_of(items[i]));
    }
    textbuf_add_char(out, ']');
}

static void add_names(struct textbuf *out, const char *name, const struct policy_names *names)
{
    add_texts(out, name, names->items, names->count);
}

static void add_steps(struct textbuf *out, const char *name, const struct policy_step *steps,
                      size_t count, enum policy_on_fail usual)
{
    textbuf_addf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        CLEANUP(textbuf_donep) struct textbuf words = {0};
        policy_step_words(&words, &steps[i], usual);
        textbuf_add_json(out, (struct text){words.at, (uint32_t)words.count});
    }
    textbuf_add_char(out, ']');
}

static void add_branches(struct textbuf *out, const struct policy_when *when)
{
    textbuf_add_chars(out, ",\"branches\":[");
    for (size_t i = 0; i < when->branches_count; i++) {
        const struct policy_branch *branch = &when->branches[i];
        textbuf_addf(out, "%s{\"ends\":%s,\"severity\":\"%s\"", i == 0 ? "" : ",",
                     branch->ends ? "true" : "false", severity_word(branch->severity_min));
        add_texts(out, "events", branch->events, branch->events_count);
        add_names(out, "from", &branch->from);
        add_text(out, "metric", branch->metric);
        add_text(out, "condition", branch->condition.source);
        textbuf_add_char(out, '}');
    }
    textbuf_add_chars(out, "],\"parts\":[");
    for (size_t i = 0; i < when->branches_count; i++) {
        CLEANUP(textbuf_donep) struct textbuf words = {0};
        policy_branch_words(&words, when, &when->branches[i]);
        textbuf_add_chars(out, i == 0 ? "" : ",");
        textbuf_add_json(out, (struct text){words.at, (uint32_t)words.count});
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

/* What it forbids to itself and to others. */
static void add_stance(struct textbuf *out, const struct policy *policy)
{
    add_text(out, "raises", policy->raises);
    add_names(out, "tags", &policy->tags);
    add_names(out, "deny", &policy->deny);
    if (policy->hold != NULL) {
        static const char *const anything[] = {"*"};
        bool all = policy->hold->actions.count == 0;
        textbuf_addf(out, ",\"hold\":{\"for_ms\":%lld", (long long)policy->hold->for_ms);
        add_texts(out, "actions", all ? anything : policy->hold->actions.items,
                  all ? 1 : policy->hold->actions.count);
        CLEANUP(textbuf_donep) struct textbuf words = {0};
        policy_hold_words(&words, policy->hold);
        add_text(out, "text", words.at);
        textbuf_add_char(out, '}');
    }
}

/* Its own limits; what it leaves to the site is not there. */
static void add_limits(struct textbuf *out, const struct policy_limits *limits)
{
    add_ms(out, "once_within_ms", limits->once_within_ms);
    textbuf_add_chars(out, ",\"concurrent\":[");
    for (size_t i = 0; i < limits->concurrent_count; i++) {
        textbuf_addf(out, "%s\"%u in a %s\"", i == 0 ? "" : ",", limits->concurrent[i].count,
                     limits->concurrent[i].kind);
    }
    textbuf_add_chars(out, "],\"rates\":[");
    for (size_t i = 0; i < limits->rates_count; i++) {
        textbuf_addf(out, "%s\"%s: %u in ", i == 0 ? "" : ",", limits->rates[i].kind,
                     limits->rates[i].count);
        textbuf_add_duration(out, limits->rates[i].window_ms);
        textbuf_add_char(out, '"');
    }
    textbuf_add_char(out, ']');
    if (limits->witnesses > 0) {
        textbuf_addf(out, ",\"witnesses\":%u", limits->witnesses);
    }
    if (limits->keep_ready > 0) {
        textbuf_addf(out, ",\"keep_ready\":\"%u%%\"", limits->keep_ready);
    }
}

static void policy_details(struct textbuf *out, const struct policy *policy)
{
    add_texts(out, "events", policy->when.events, policy->when.events_count);
    textbuf_addf(out, ",\"severity\":\"%s\"", severity_word(policy->when.severity_min));
    add_names(out, "from", &policy->when.from);
    add_text(out, "condition", policy->when.condition.source);
    add_text(out, "calendar", policy->calendar_name);
    add_ms(out, "for_ms", policy->when.for_ms);
    add_ms(out, "settle_ms", policy->when.settle_ms);
    add_trigger(out, &policy->when);
    add_stance(out, policy);
    add_limits(out, &policy->limits);
    textbuf_add_chars(out, ",\"unless\":[");
    for (size_t i = 0; i < policy->unless_count; i++) {
        const char *source = policy->unless[i].source;
        textbuf_add_chars(out, i == 0 ? "" : ",");
        textbuf_add_json(out, text_of(source == NULL ? "true" : source));
    }
    textbuf_add_char(out, ']');
    add_steps(out, "steps", policy->steps, policy->steps_count, ON_FAIL_ELSE);
    add_steps(out, "otherwise", policy->otherwise, policy->otherwise_count, ON_FAIL_CONTINUE);
}

void policy_add_json(struct textbuf *out, const struct policy *policy, bool details)
{
    policy_members(out, policy);
    if (details) {
        policy_details(out, policy);
    }
}
