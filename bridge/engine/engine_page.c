/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person is told: the arguments of page, notify and ticket. What the policy says stays; what
 * it leaves out is filled in, and the evidence is always there: the alarm, the decision, each step
 * and action with what came of it.
 */

#include "engine_private.h"

#define EVIDENCE_LINES_MAX 60
#define ARGUMENTS_MAX 48
#define BRAKE_HOSTS_SHOWN 20

struct page {
    struct engine *engine;
    struct run *run;
    struct nsh_value lines[EVIDENCE_LINES_MAX];
    size_t lines_count;
    struct nsh_member members[ARGUMENTS_MAX];
    size_t members_count;
};

static void line(struct page *page, const char *text)
{
    if (page->lines_count < EVIDENCE_LINES_MAX) {
        page->lines[page->lines_count++] = nsh_text(text);
    }
}

static void step_lines(struct page *page)
{
    struct engine *engine = page->engine;
    const struct run *run = page->run;
    for (uint32_t i = 0; i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        if (step->state == STEP_TODO || (step->state == STEP_RUNNING && i == run->at)) {
            continue;
        }
        line(page, scratch_printf(engine, "step %s: %s%s%s",
                                  step->step->name == NULL ? "-" : step->step->name,
                                  step_state_word(step->state), step->text == NULL ? "" : ": ",
                                  step->text == NULL ? "" : step->text));
    }
}

static void action_lines(struct page *page)
{
    struct engine *engine = page->engine;
    for (const struct action *action = page->run->actions; action != NULL; action = action->next) {
        if (verb_speaks(action->verb)) {
            continue;
        }
        line(page, scratch_printf(
                       engine, "action %s: %s via %s: %s%s%s", action->id, action->verb->name,
                       action->driver, action_state_word(action->state),
                       action->text == NULL ? "" : ": ", action->text == NULL ? "" : action->text));
        if (action->trace != NULL) {
            line(page, scratch_printf(engine, "trace %s: %s", action->id, action->trace));
        }
    }
}

static void brake_lines(struct page *page, const struct brake *brake)
{
    struct engine *engine = page->engine;
    uint32_t shown = 0;
    for (const struct host_state *host = brake->hosts; host != NULL; host = host->brake_next) {
        if (shown++ == BRAKE_HOSTS_SHOWN) {
            line(page, scratch_printf(engine, "... %u hosts in all", brake->hosts_count));
            return;
        }
        const struct alarm *alarm = host->alarms;
        line(page, scratch_printf(engine, "host %s: %.*s %s", host->name,
                                  alarm == NULL ? 0 : (int)alarm->type.count,
                                  alarm == NULL ? "" : alarm->type.at,
                                  alarm == NULL || alarm->message == NULL ? "" : alarm->message));
    }
}

static void evidence(struct page *page, const struct alarm *alarm, const struct event *event)
{
    struct engine *engine = page->engine;
    const struct run *run = page->run;
    if (alarm != NULL) {
        line(page,
             scratch_printf(engine, "alarm %s: %s %.*s %.*s, %s, %llu times: %s", alarm->id,
                            severity_word(alarm->severity), PT(alarm->type), PT(alarm->resource),
                            alarm->raised ? "raised" : "cleared", (unsigned long long)alarm->count,
                            alarm->message == NULL ? "" : alarm->message));
    } else if (event != NULL) {
        line(page,
             scratch_printf(engine, "event: %s %.*s %.*s: %.*s", severity_word(event->severity),
                            PT(event->type), PT(event->resource), PT(event->message)));
    }
    if (run->failure != NULL) {
        line(page, scratch_printf(engine, "why: %s", run->failure));
    }
    if (run->domain != NULL && run->domain->brake != NULL) {
        brake_lines(page, run->domain->brake);
    }
    step_lines(page);
    action_lines(page);
    if (run->host != NULL) {
        line(page, scratch_printf(engine, "host %s: %u interrupts in 24h, %u runs, %u escalations",
                                  run->host->name,
                                  ring_count(&run->host->interrupts, engine->now_ms, DAY_MS),
                                  run->host->runs_count, run->host->escalations_count));
    }
}

static void fill(struct page *page, const char *name, struct nsh_value value)
{
    for (size_t i = 0; i < page->members_count; i++) {
        if (strcmp(page->members[i].name, name) == 0) {
            return; /* The policy said it. */
        }
    }
    if (page->members_count < ARGUMENTS_MAX && value.type != NSH_NULL) {
        page->members[page->members_count++] = (struct nsh_member){name, value};
    }
}

static const char *title(struct engine *engine, const struct run *run)
{
    if (run->policy == builtin_brake_policy()) {
        return scratch_printf(engine, "%s: storm brake, interrupting actions are held",
                              run->subject);
    }
    return scratch_printf(engine, "%s: %s", run->subject, run->policy_name);
}

static const char *text(struct engine *engine, const struct run *run)
{
    if (run->policy == builtin_brake_policy()) {
        const struct brake *brake = run->domain == NULL ? NULL : run->domain->brake;
        return scratch_printf(engine,
                              "%s: %s. The cause is probably not the hosts: interrupting actions "
                              "there are held until it is over, or until brake %s is released.",
                              run->subject, run->failure == NULL ? "" : run->failure,
                              brake == NULL ? "" : brake->id);
    }
    const char *asks = approve_page_text(engine, run);
    if (asks != NULL) {
        return asks;
    }
    if (run->failure == NULL) {
        return scratch_printf(engine, "%s on %s", run->policy_name, run->subject);
    }
    return scratch_printf(engine, "%s on %s needs a person: %s", run->policy_name, run->subject,
                          run->failure);
}

void page_arguments(struct engine *engine, struct run *run, struct nsh_value *args)
{
    struct page *page = arena_alloc(&engine->scratch, sizeof *page);
    if (page == NULL) {
        engine->nomem = true;
        return;
    }
    page->engine = engine;
    page->run = run;
    for (uint32_t i = 0; args->type == NSH_MAP && i < args->count && i < ARGUMENTS_MAX - 12; i++) {
        page->members[page->members_count++] = args->members[i];
    }
    struct event event;
    struct scope scope;
    scope_run(engine, run, &event, &scope);
    evidence(page, scope.alarm, scope.event);
    fill(page, "title", nsh_text(title(engine, run)));
    fill(page, "text", nsh_text(text(engine, run)));
    fill(page, "severity", nsh_text(severity_word(run->severity)));
    fill(page, "host", run->host == NULL ? nsh_null() : nsh_text(run->host->name));
    fill(page, "policy", nsh_text(run->policy_name));
    fill(page, "run", nsh_text(run->id));
    fill(page, "alarm", run->alarm[0] == 0 ? nsh_null() : nsh_text(run->alarm));
    fill(page, "reason", run->failure == NULL ? nsh_null() : nsh_text(run->failure));
    fill(page, "evidence", nsh_list(page->lines, page->lines_count));
    fill(page, "time_ms", nsh_int(engine->now_ms));
    struct nsh_value filled = nsh_map(page->members, page->members_count);
    if (!arena_value(&run->arena, &filled, args)) {
        engine->nomem = true;
    }
}
