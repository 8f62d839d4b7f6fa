/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a policy in words: steps, conditions of a trigger, holds. */

#include "policy/policy_private.h"

#include "base/json.h"

static void list_words(struct textbuf *words, const char *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        textbuf_addf(words, "%s%s", i == 0 ? "" : ", ", items[i]);
    }
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

/* "${host.name}: ${failure}", as it was written but for the form of the conditions in it. */
static void template_words(struct textbuf *words, const struct policy_template *template)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    if (template->pieces_count == 0) {
        json_write(&template->literal, words);
        return;
    }
    for (size_t i = 0; i < template->pieces_count; i++) {
        const struct policy_piece *piece = &template->pieces[i];
        if (piece->text != NULL) {
            textbuf_add_chars(&text, piece->text);
            continue;
        }
        textbuf_add_chars(&text, "${");
        cel_program_print(piece->program, &text);
        textbuf_add_char(&text, '}');
    }
    textbuf_add_json(words, (struct text){text.at, (uint32_t)text.count});
}

/* The next of the settings in brackets. */
static void setting_begin(struct textbuf *words, size_t *count, const char *name)
{
    textbuf_addf(words, "%s%s ", (*count)++ == 0 ? " (" : "; ", name);
}

static void setting_ms(struct textbuf *words, size_t *count, const char *name, int64_t ms)
{
    if (ms > 0) {
        setting_begin(words, count, name);
        textbuf_add_duration(words, ms);
    }
}

/* By the names of their keys, so that they are found in the file. */
static void step_settings(struct textbuf *words, const struct policy_step *step,
                          enum policy_on_fail usual)
{
    size_t count = 0;
    for (size_t i = 0; i < step->with_count; i++) {
        setting_begin(words, &count, step->with[i].name);
        template_words(words, &step->with[i]);
    }
    setting_ms(words, &count, "timeout", step->kind == STEP_ACT ? step->timeout_ms : 0);
    setting_ms(words, &count, "every", step->kind == STEP_CHECK ? step->every_ms : 0);
    if (step->first_only) {
        setting_begin(words, &count, "fallback");
        textbuf_add_chars(words, "false");
    }
    if (step->kind == STEP_ACT && step->retries > 0) {
        setting_begin(words, &count, "retries");
        textbuf_addf(words, "%u", step->retries);
        setting_ms(words, &count, "retry_delay", step->retry_delay_ms);
    }
    if (step->need) {
        setting_begin(words, &count, "need");
        textbuf_add_chars(words, "true");
    }
    if (step->on_fail != usual) {
        setting_begin(words, &count, "on_fail");
        textbuf_add_chars(words, step->on_fail == ON_FAIL_STOP       ? "stop"
                                 : step->on_fail == ON_FAIL_CONTINUE ? "continue"
                                                                     : "else");
    }
    textbuf_add_chars(words, count > 0 ? ")" : "");
}

static void ask_words(struct textbuf *words, const struct policy_ask *ask)
{
    if (ask->veto) {
        textbuf_add_chars(words, "announce it, and wait for a veto ");
    } else {
        textbuf_addf(words, "ask %u to approve, at most ", ask->count);
    }
    textbuf_add_duration(words, ask->timeout_ms);
    textbuf_add_chars(words, ask->by_count > 0 ? ", of " : ", of the operators");
    list_words(words, ask->by, ask->by_count);
    if (!ask->veto) {
        textbuf_addf(words, ", else it is %s",
                     ask->on_timeout == ON_TIMEOUT_ALLOW ? "allowed" : "denied");
    }
    if (ask->ask_if.program != NULL) {
        textbuf_addf(words, ", only if %s", ask->ask_if.source);
    }
    if (ask->tell != NULL) {
        textbuf_addf(words, ", told by %s", ask->tell->name);
    }
}

void policy_step_words(struct textbuf *words, const struct policy_step *step,
                       enum policy_on_fail usual)
{
    textbuf_addf(words, "%s: ", step->name == NULL ? "step" : step->name);
    switch (step->kind) {
    case STEP_ACT:
        textbuf_add_chars(words, step->verb->name);
        break;
    case STEP_CHECK:
        textbuf_addf(words, "check %s within ", step->check.source);
        textbuf_add_duration(words, step->within_ms);
        break;
    case STEP_WINDOW:
        textbuf_add_chars(words, "wait at most ");
        textbuf_add_duration(words, step->timeout_ms);
        break;
    case STEP_ASK:
        ask_words(words, step->ask);
        break;
    case STEP_WAIT:
    default:
        textbuf_add_chars(words, "wait ");
        textbuf_add_duration(words, step->wait_ms);
        break;
    }
    step_words(words, step);
    step_settings(words, step, usual);
}

/* "fan.failed, from alertmanager*, severity major if event.data.fan == '3'" */
void policy_branch_words(struct textbuf *words, const struct policy_when *when,
                         const struct policy_branch *branch)
{
    if (branch->ends) {
        textbuf_add_chars(words, when->trigger == TRIGGER_SEQUENCE ? "unless " : "without ");
    }
    if (branch->metric != NULL) {
        textbuf_addf(words, "metric %s", branch->metric);
    } else {
        list_words(words, branch->events, branch->events_count);
    }
    if (branch->from.count > 0) {
        textbuf_add_chars(words, ", from ");
        list_words(words, branch->from.items, branch->from.count);
    }
    if (branch->severity_min > 0) {
        textbuf_addf(words, ", severity %s", severity_word(branch->severity_min));
    }
    if (branch->condition.program != NULL) {
        textbuf_addf(words, " if %s", branch->condition.source);
    }
}

void policy_hold_words(struct textbuf *words, const struct policy_hold *hold)
{
    textbuf_add_chars(words, "no other policy may do ");
    if (hold->actions.count == 0) {
        textbuf_add_chars(words, "anything");
    }
    list_words(words, hold->actions.items, hold->actions.count);
    textbuf_add_chars(words, " for ");
    textbuf_add_duration(words, hold->for_ms);
}
