/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened, as expectations: every decision, step, call and end in order, and what never came.
 * A person reads them before they are worth anything: they say what is, not what should be.
 */

#include "rehearse/rehearse_private.h"

#define RECORDED_MAX 200 /* Lines; a longer story is no test. */

struct recording {
    const struct rehearsal *rehearsal;
    const struct observer *observer;
    bool several; /* Subjects: then each line names its own. */
    size_t lines;
    struct textbuf out;
};

/* libconfig knows few escapes: what it cannot say is left out. */
static void add_text(struct textbuf *out, const char *text)
{
    textbuf_add_char(out, '"');
    for (const char *at = text; *at != 0; at++) {
        if (*at == '"' || *at == '\\') {
            textbuf_add_char(out, '\\');
        }
        if (*at == '\n') {
            textbuf_add_chars(out, "\\n");
        } else if ((unsigned char)*at >= 0x20) {
            textbuf_add_char(out, *at);
        }
    }
    textbuf_add_char(out, '"');
}

static void add_member(struct textbuf *out, const char *name, const char *text)
{
    textbuf_addf(out, " %s = ", name);
    add_text(out, text);
    textbuf_add_char(out, ';');
}

static bool begin(struct recording *recording, int64_t at_ms)
{
    if (recording->lines == RECORDED_MAX) {
        return false;
    }
    textbuf_add_chars(&recording->out, recording->lines++ == 0 ? "    {" : ",\n    {");
    if (at_ms >= 0) {
        textbuf_add_chars(&recording->out, " at = \"");
        textbuf_add_duration(&recording->out, at_ms);
        textbuf_add_chars(&recording->out, "\";");
    }
    return true;
}

static void end(struct recording *recording, const char *subject)
{
    if (subject != NULL) {
        add_member(&recording->out, "subject", subject);
    }
    textbuf_add_chars(&recording->out, " }");
}

static const struct policy_step *step_of(const struct recording *recording,
                                         const struct happening *happening)
{
    const struct policy *policy =
        map_get(&recording->rehearsal->policies->by_name, text_of(happening->policy));
    for (size_t i = 0; policy != NULL && i < policy->steps_count + policy->otherwise_count; i++) {
        const struct policy_step *step = i < policy->steps_count
                                             ? &policy->steps[i]
                                             : &policy->otherwise[i - policy->steps_count];
        if (strcmp(step->name, happening->step) == 0) {
            return step;
        }
    }
    return NULL;
}

static bool says(const struct policy_step *step, const char *name)
{
    for (size_t i = 0; step != NULL && i < step->with_count; i++) {
        if (strcmp(step->with[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Arguments that the policy says and that are plain; others are left to the person. */
static void add_args(struct textbuf *out, const struct policy_step *step,
                     const struct nsh_value *args)
{
    bool first = true;
    for (uint32_t i = 0; args->type == NSH_MAP && i < args->count; i++) {
        const struct nsh_value *value = &args->members[i].value;
        bool plain = value->type == NSH_STRING || value->type == NSH_BOOL ||
                     (value->type == NSH_INT && value->integer >= 0 && value->integer < INT32_MAX);
        if (!plain || !says(step, args->members[i].name)) {
            continue;
        }
        textbuf_add_chars(out, first ? " with = {" : "");
        first = false;
        if (value->type == NSH_STRING) {
            add_member(out, args->members[i].name, value->text);
        } else if (value->type == NSH_BOOL) {
            textbuf_addf(out, " %s = %s;", args->members[i].name,
                         value->boolean ? "true" : "false");
        } else {
            textbuf_addf(out, " %s = %lld;", args->members[i].name, (long long)value->integer);
        }
    }
    textbuf_add_chars(out, first ? "" : " };");
}

static void record_step(struct recording *recording, const struct happening *happening)
{
    struct textbuf *out = &recording->out;
    add_member(out, "step", happening->name);
    if (strcmp(happening->state, "done") == 0) {
        textbuf_add_chars(out, " ok = true;");
    } else {
        add_member(out, "state", happening->state);
        if (strcmp(happening->state, "failed") == 0 && happening->text[0] != 0) {
            add_member(out, "error", happening->text);
        }
    }
}

static void record_one(struct recording *recording, const struct happening *happening)
{
    struct textbuf *out = &recording->out;
    bool decision = happening->kind == HAPPENED_DECISION;
    bool subject = decision || happening->kind == HAPPENED_PENDING || recording->several;
    if (happening->kind == HAPPENED_BEGIN || !begin(recording, happening->at_ms)) {
        return;
    }
    switch (happening->kind) {
    case HAPPENED_DECISION:
        add_member(out, happening->name, happening->policy);
        if (strcmp(happening->name, "run") != 0) {
            add_member(out, "because", happening->text);
        }
        break;
    case HAPPENED_PENDING:
        add_member(out, "pending", happening->policy);
        break;
    case HAPPENED_STEP:
        record_step(recording, happening);
        break;
    case HAPPENED_CALL:
        add_member(out, "step", happening->step);
        add_member(out, "action", happening->name);
        add_args(out, step_of(recording, happening), &happening->args);
        break;
    case HAPPENED_END:
        add_member(out, "end", happening->name);
        break;
    case HAPPENED_BEGIN:
        break;
    }
    end(recording, subject ? happening->subject : NULL);
}

static bool happened(const struct observer *observer, enum happening_kind kind, const char *name)
{
    for (size_t i = 0; i < observer->items_count; i++) {
        if (observer->items[i].kind == kind && strcmp(observer->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* What the policies could have done to hosts, and did not. */
static void record_never(struct recording *recording)
{
    struct map seen = {0};
    const struct policy_set *set = recording->rehearsal->policies;
    for (size_t i = 0; i < set->policies_count; i++) {
        const struct policy *policy = &set->policies[i];
        for (size_t j = 0; j < policy->steps_count + policy->otherwise_count; j++) {
            const struct policy_step *step = j < policy->steps_count
                                                 ? &policy->steps[j]
                                                 : &policy->otherwise[j - policy->steps_count];
            bool worth = step->verb != NULL && step->verb->effect > NSH_READS &&
                         map_get(&seen, text_of(step->verb->name)) == NULL &&
                         !happened(recording->observer, HAPPENED_CALL, step->verb->name);
            if (worth && map_set(&seen, text_of(step->verb->name), recording) == 0 &&
                begin(recording, -1)) {
                add_member(&recording->out, "never", step->verb->name);
                end(recording, NULL);
            }
        }
    }
    map_done(&seen);
}

static bool several_subjects(const struct observer *observer)
{
    for (size_t i = 1; i < observer->items_count; i++) {
        if (strcmp(observer->items[i].subject, observer->items[0].subject) != 0) {
            return true;
        }
    }
    return false;
}

const char *expectations_record(const struct rehearsal *rehearsal, const struct observer *observer,
                                struct arena *arena)
{
    struct recording recording = {
        .rehearsal = rehearsal, .observer = observer, .several = several_subjects(observer)};
    textbuf_add_chars(&recording.out, "  expect = (\n");
    for (size_t i = 0; i < observer->items_count; i++) {
        record_one(&recording, &observer->items[i]);
    }
    if (!happened(observer, HAPPENED_DECISION, "run") && begin(&recording, -1)) {
        textbuf_add_chars(&recording.out, " never = \"run\"; }");
    }
    record_never(&recording);
    textbuf_add_chars(&recording.out, "\n  );\n");
    const char *text =
        recording.out.failed ? NULL : arena_copy(arena, recording.out.at, recording.out.count);
    textbuf_done(&recording.out);
    return text;
}
