/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calendars: the one thing that looks at the clock on the wall. Engine time never steps; when the
 * wall does, whoever waits for a window is asked again, and nothing else changes.
 *
 * A run that waits for a window before it did anything gives its host back: others may work on it
 * meanwhile. It asks for it again when the window opens.
 */

#include "engine_private.h"

#define WALL_STEP_MS (1 * SECOND_MS)     /* Less than that is the clock being steered. */
#define WINDOW_AGAIN_MS (30 * SECOND_MS) /* The window is open, but others are at work. */

static int64_t wall_ms(const struct engine *engine)
{
    return engine->now_ms + engine->wall_offset_ms;
}

/* "open until 2026-03-03T05:00:00Z" */
static void state_add(struct textbuf *text, const char *name, struct calendar_state state)
{
    textbuf_addf(text, "calendar %s is %s", name, state.inside ? "open" : "closed");
    if (state.edge_ms == INT64_MAX) {
        textbuf_add_chars(text, state.inside ? "" : ", and opens no more");
        return;
    }
    textbuf_add_chars(text, state.inside ? " until " : " until it opens at ");
    textbuf_add_time(text, state.edge_ms);
}

bool calendar_open(const struct engine *engine, const struct policy_set *set, struct text name,
                   bool *ret_open)
{
    uint32_t calendar = set == NULL ? 0 : policy_calendar_find(set, name);
    if (calendar == 0) {
        return false;
    }
    *ret_open = policy_calendar_at(set, calendar, wall_ms(engine)).inside;
    return true;
}

/* ---- guards ---------------------------------------------------------------------------------- */

static const struct policy_set *set_of(const struct engine *engine, const struct ask *ask)
{
    return ask->run != NULL && ask->run->set != NULL ? ask->run->set : engine->set;
}

/* No calendar of the site that freezes is open. */
static bool unfrozen(const struct engine *engine, struct textbuf *text)
{
    uint32_t frozen = engine->guards->freeze_calendars;
    for (uint32_t i = 1; frozen != 0; i++, frozen >>= 1) {
        struct calendar_state state = {false, 0};
        if ((frozen & 1) != 0) {
            state = policy_calendar_at(engine->set, i, wall_ms(engine));
        }
        if (state.inside) {
            textbuf_add_chars(text, "nothing is changed: ");
            state_add(text, policy_calendar_name(engine->set, i), state);
            return false;
        }
    }
    return true;
}

/* Inside the window of a step that acts, with enough of it left. */
static bool step_inside(const struct engine *engine, const struct ask *ask, struct textbuf *text)
{
    const struct policy_step *step = ask->action == NULL ? NULL : ask->action->step->step;
    if (step == NULL || step->calendar == 0 || ask->action->completes) {
        return true;
    }
    const struct policy_set *set = set_of(engine, ask);
    struct calendar_state state = policy_calendar_at(set, step->calendar, wall_ms(engine));
    bool enough =
        state.edge_ms == INT64_MAX || state.edge_ms - wall_ms(engine) >= step->need_left_ms;
    state_add(text, policy_calendar_name(set, step->calendar), state);
    if (state.inside && !enough) {
        textbuf_add_chars(text, ", and the step needs ");
        textbuf_add_duration(text, step->need_left_ms);
    }
    return state.inside && enough;
}

bool calendar_check(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    if (ask->effect >= NSH_CHANGES && !unfrozen(engine, text)) {
        return false;
    }
    if ((ask->stage & (STAGE_DECIDE | STAGE_AGAIN)) == 0) {
        ask->instead = BLOCK_REFUSE;
        bool inside = step_inside(engine, ask, text);
        textbuf_add_chars(text, text->count == 0 ? "no calendar stands in the way" : "");
        return inside;
    }
    if (ask->policy->calendar == 0) {
        textbuf_add_chars(text, "no calendar stands in the way");
        return true;
    }
    struct calendar_state state =
        policy_calendar_at(set_of(engine, ask), ask->policy->calendar, wall_ms(engine));
    state_add(text, policy_calendar_name(set_of(engine, ask), ask->policy->calendar), state);
    return state.inside;
}

/* ---- a host that is given back meanwhile ------------------------------------------------------
 */

bool calendar_waits(const struct run *run)
{
    const struct run_step *step = run->at < run->steps_count ? &run->steps[run->at] : NULL;
    return step != NULL && step->state == STEP_RUNNING && step->step->kind == STEP_WINDOW;
}

bool calendar_is_away(const struct run *run)
{
    return (calendar_waits(run) || approve_waits(run)) && !run->effects;
}

void run_give_back(struct engine *engine, struct run *run)
{
    if (run->effects) {
        return; /* In the middle of something: nobody else touches it. */
    }
    concurrent_return(engine, run);
    if (run->host != NULL && run->host->run == run) {
        run->host->run = NULL;
        host_touch(engine, run->host);
    }
    run->woken = false;
    engine->given_back = true; /* Who waits for the host is asked when this step is over. */
}

/* False: others are at work; text says who. */
static bool host_take_back(struct engine *engine, struct run *run, const char **ret_text)
{
    enum nsh_effect effect = policy_effect(run->policy);
    struct guard_verdict verdict = {0};
    struct ask ask = {.stage = STAGE_RESUME,
                      .policy = run->policy,
                      .host = run->host,
                      .domain = run->domain,
                      .run = run,
                      .effect = effect};
    if (!run->effects) {
        guards_ask(engine, &ask, &verdict);
    }
    if (verdict.block != BLOCK_NONE) {
        *ret_text = scratch_printf(engine, "guard %s: %s", verdict.guard, verdict.text);
        return false;
    }
    run_claim(engine, run, effect);
    return true;
}

/* ---- the step -------------------------------------------------------------------------------- */

static void step_says(struct engine *engine, struct run *run, struct run_step *step,
                      const char *text)
{
    if (step->text == NULL || strcmp(step->text, text) != 0) {
        step->text = run_keep(run, text);
        run_touch(engine, run);
        engine_trace(engine, "step %s %s waits: %s", run->id, step->step->name, text);
    }
}

static void calendar_missed(struct engine *engine, struct run *run, struct run_step *step)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_addf(&text, "no time in calendar %s within ",
                 policy_calendar_name(run->set, step->step->calendar));
    textbuf_add_duration(&text, step->step->timeout_ms);
    if (step->text != NULL) {
        textbuf_addf(&text, "; %s", step->text);
    }
    step_failed(engine, run, text.at == NULL ? "the window did not open" : text.at);
}

void calendar_look(struct engine *engine, struct run *run)
{
    struct run_step *step = &run->steps[run->at];
    uint32_t calendar = step->step->calendar;
    int64_t ends_ms = step->started_ms + step->step->timeout_ms, now_ms = engine->now_ms;
    int64_t opens_ms =
        policy_calendar_next(run->set, calendar, wall_ms(engine), step->step->need_left_ms);
    struct calendar_state state = policy_calendar_at(run->set, calendar, wall_ms(engine));
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    state_add(&words, policy_calendar_name(run->set, calendar), state);
    const char *text = scratch_printf(engine, "%s", words.at == NULL ? "" : words.at);
    bool open = opens_ms == wall_ms(engine);
    const char *busy = text;
    if (run->cleared && !run->effects) {
        step_done(engine, run, "the alarm is cleared: no window is needed");
        return;
    }
    if (open && host_take_back(engine, run, &busy)) {
        step_done(engine, run, text);
        return;
    }
    if (now_ms >= ends_ms) {
        calendar_missed(engine, run, step);
        return;
    }
    step_says(engine, run, step, busy);
    int64_t due_ms = open                    ? now_ms + WINDOW_AGAIN_MS
                     : opens_ms == INT64_MAX ? ends_ms
                                             : opens_ms - engine->wall_offset_ms;
    engine_timer_set(engine, &run->timer, due_ms < ends_ms ? due_ms : ends_ms,
                     run->number | UINT64_C(1) << 63);
}

void calendar_begin(struct engine *engine, struct run *run)
{
    run_state_set(engine, run, RUN_WAITING);
    run_give_back(engine, run);
    calendar_look(engine, run);
}

/* ---- the clock on the wall --------------------------------------------------------------------
 */

void wall_take(struct engine *engine, int64_t given_ms)
{
    int64_t offset_ms = given_ms == 0 ? 0 : given_ms - engine->now_ms;
    int64_t change_ms = offset_ms - engine->wall_offset_ms;
    if (change_ms > -WALL_STEP_MS && change_ms < WALL_STEP_MS) {
        return;
    }
    engine->wall_offset_ms = offset_ms;
    engine_trace(engine, "wall clock %+lldms", (long long)change_ms);
    for (struct run *run = engine->runs_first, *next = NULL; engine->ready && run != NULL;
         run = next) {
        next = run->next;
        if (calendar_waits(run)) {
            calendar_look(engine, run);
            step_advance(engine, run);
        }
    }
}
