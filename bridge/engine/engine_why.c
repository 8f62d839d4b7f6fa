/* SPDX-License-Identifier: Apache-2.0 */
/* What a trigger waits for, or why it is true, in words: for decisions and for what is pending. */

#include "engine_operator.h"

static void ago(struct textbuf *lines, int64_t now_ms, int64_t at_ms)
{
    textbuf_add_span(lines, now_ms > at_ms ? now_ms - at_ms : 0);
    textbuf_add_chars(lines, " ago");
}

static void branch_name(struct textbuf *lines, const struct policy_branch *branch)
{
    textbuf_add_chars(lines, branch->metric == NULL ? "" : branch->metric);
    for (size_t i = 0; i < branch->events_count; i++) {
        textbuf_addf(lines, "%s%s", i == 0 ? "" : " or ", branch->events[i]);
    }
    if (branch->condition.source != NULL) {
        textbuf_addf(lines, " (%s)", branch->condition.source);
    }
}

static void why_for(struct engine *engine, const struct instance *instance, struct textbuf *lines)
{
    const struct policy_when *when = &instance->policy->when;
    if (when->for_ms > 0 && instance->state == INST_PENDING) {
        int64_t held_ms = instance->held_ms;
        if (instance->level == LEVEL_TRUE) {
            held_ms += engine->now_ms - instance->since_ms;
        }
        textbuf_add_chars(lines, "for: true for ");
        textbuf_add_span(lines, held_ms);
        textbuf_add_chars(lines, " of ");
        textbuf_add_duration(lines, when->for_ms);
        textbuf_add_chars(lines, instance->level == LEVEL_UNKNOWN ? ", not known now\n" : "\n");
    }
    if (instance->keeping) {
        textbuf_add_chars(lines, "keep: it ended, and counts as true for another ");
        textbuf_add_span(lines, instance->keep_until_ms - engine->now_ms);
        textbuf_add_char(lines, '\n');
    }
}

static void why_count(const struct instance *instance, struct textbuf *lines)
{
    const struct policy_when *when = &instance->policy->when;
    uint32_t most = window_most(instance);
    textbuf_addf(lines, "count: %u of %u%s%s within ", most, when->count,
                 when->distinct.program == NULL ? "" : " distinct",
                 when->by.program == NULL ? "" : " of one group");
    textbuf_add_duration(lines, when->within_ms);
    textbuf_addf(lines, " = %s\n", most >= when->count ? "true" : "false");
}

static void why_absent(struct engine *engine, const struct instance *instance,
                       struct textbuf *lines)
{
    const struct policy_when *when = &instance->policy->when;
    const struct operator_state *op = instance->op;
    textbuf_add_chars(lines, "absent: ");
    branch_name(lines, &when->branches[0]);
    if (op == NULL || op->seen_ms == NEVER) {
        textbuf_add_chars(lines, " was never seen");
    } else {
        textbuf_add_chars(lines, " last seen ");
        ago(lines, engine->now_ms, op->seen_ms);
    }
    if (op == NULL || !op->armed) {
        textbuf_add_chars(lines, ", and is not waited for\n");
        return;
    }
    textbuf_add_chars(lines, "; silent for ");
    textbuf_add_span(lines, engine->now_ms - op->since_ms);
    textbuf_add_chars(lines, " of ");
    textbuf_add_duration(lines, when->absent_ms);
    textbuf_addf(lines, "%s = %s\n", engine->blind[0] != 0 ? ", the sources are silent" : "",
                 instance->level == LEVEL_TRUE ? "true" : "false");
}

static void why_without(struct engine *engine, const struct instance *instance,
                        struct textbuf *lines)
{
    const struct policy_when *when = &instance->policy->when;
    const struct operator_state *op = instance->op;
    textbuf_add_chars(lines, "without: ");
    branch_name(lines, &when->branches[0]);
    if (op == NULL || op->since_ms == NEVER || (!op->armed && instance->state == INST_IDLE)) {
        textbuf_add_chars(lines, " is not open = false\n");
        return;
    }
    textbuf_add_char(lines, ' ');
    ago(lines, engine->now_ms, op->since_ms);
    textbuf_add_chars(lines, ", not followed by ");
    for (size_t i = 1; i < when->branches_count; i++) {
        textbuf_add_chars(lines, i == 1 ? "" : " or ");
        branch_name(lines, &when->branches[i]);
    }
    textbuf_add_chars(lines, " within ");
    textbuf_add_duration(lines, when->within_ms);
    textbuf_addf(lines, "%s = %s\n", op->doubt ? ", and nobody watched for a while" : "",
                 op->armed ? "false" : "true");
}

static void why_sequence(struct engine *engine, const struct instance *instance,
                         struct textbuf *lines)
{
    const struct policy_when *when = &instance->policy->when;
    const struct operator_state *op = instance->op;
    size_t steps = 0, reached = 0;
    for (; steps < when->branches_count && !when->branches[steps].ends; steps++) {
        bool came = op != NULL && op->branches[steps].begin_ms != NEVER;
        reached = came ? steps + 1 : reached;
    }
    if (instance->pulse || instance->state != INST_IDLE) {
        textbuf_addf(lines, "sequence: all %zu steps in their order within ", steps);
        textbuf_add_duration(lines, when->within_ms);
        textbuf_add_chars(lines, " = true\n");
        return;
    }
    textbuf_addf(lines, "sequence: %zu of %zu steps", reached, steps);
    if (reached > 0) {
        textbuf_add_chars(lines, ", begun ");
        ago(lines, engine->now_ms, op->branches[reached - 1].begin_ms);
    }
    textbuf_add_chars(lines, "; next ");
    branch_name(lines, &when->branches[reached]);
    textbuf_add_chars(lines, " within ");
    textbuf_add_duration(lines, when->within_ms);
    textbuf_add_chars(lines, " = false\n");
}

/* One condition of all or any. */
static void why_branch(struct engine *engine, const struct instance *instance, uint32_t branch,
                       struct textbuf *lines)
{
    const struct policy_when *when = &instance->policy->when;
    int64_t seen_ms = instance->op == NULL ? NEVER : instance->op->branches[branch].at_ms;
    const struct link *found = NULL;
    for (const struct link *link = instance->links; link != NULL; link = link->instance_next) {
        bool better = found == NULL || (link->known && !found->known);
        found = link->branch == branch && better ? link : found;
    }
    textbuf_add_chars(lines, when->trigger == TRIGGER_ALL ? "all: " : "any: ");
    branch_name(lines, &when->branches[branch]);
    if (when->branches[branch].metric != NULL) {
        enum level level =
            instance->op == NULL ? LEVEL_UNKNOWN : (enum level)instance->op->branches[branch].level;
        textbuf_addf(lines, " = %s\n",
                     level == LEVEL_TRUE    ? "true"
                     : level == LEVEL_FALSE ? "false"
                                            : "unknown");
        return;
    }
    if (found != NULL && found->known) {
        textbuf_add_chars(lines, " raised ");
        ago(lines, engine->now_ms, found->since_ms);
        textbuf_add_chars(lines, " = true\n");
    } else if (found != NULL) {
        textbuf_add_chars(lines, " was raised, not known now = unknown\n");
    } else if (seen_ms != NEVER) {
        textbuf_add_chars(lines, " seen ");
        ago(lines, engine->now_ms, seen_ms);
        textbuf_add_char(lines, '\n');
    } else if (instance->pulse) {
        textbuf_add_chars(lines, " seen or not raised\n");
    } else {
        textbuf_add_chars(lines, " not raised = false\n");
    }
}

static void why_branches(struct engine *engine, const struct instance *instance,
                         struct textbuf *lines)
{
    const struct policy_when *when = &instance->policy->when;
    metric_why(engine, instance, lines);
    for (uint32_t i = 0; i < when->branches_count; i++) {
        why_branch(engine, instance, i, lines);
    }
    if (when->trigger == TRIGGER_ALL) {
        textbuf_add_chars(lines, "all: together within ");
        textbuf_add_duration(lines, when->within_ms);
        textbuf_addf(lines, " = %s\n",
                     instance->level == LEVEL_TRUE      ? "true"
                     : instance->level == LEVEL_UNKNOWN ? "unknown"
                                                        : "false");
    }
}

void why_trigger(struct engine *engine, const struct instance *instance, struct textbuf *lines)
{
    const struct policy_when *when = &instance->policy->when;
    switch (when->trigger) {
    case TRIGGER_EVENT:
        metric_why(engine, instance, lines);
        if (when->count > 0) {
            why_count(instance, lines);
        }
        break;
    case TRIGGER_ABSENT:
        why_absent(engine, instance, lines);
        break;
    case TRIGGER_ALL:
    case TRIGGER_ANY:
        why_branches(engine, instance, lines);
        break;
    case TRIGGER_SEQUENCE:
        why_sequence(engine, instance, lines);
        break;
    case TRIGGER_WITHOUT:
        why_without(engine, instance, lines);
        break;
    }
    why_for(engine, instance, lines);
}
