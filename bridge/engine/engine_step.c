/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rungs of a ladder: act, check, wait; each with its `if`, its retries, its `on_fail`.
 *
 * When the alarm is cleared in between, nothing more is done to the host but what restores; checks,
 * waits and words to people go on.
 */

#include "engine_private.h"

#define CHECK_EVERY_MS (5 * SECOND_MS) /* When a check does not say. */
#define STORE_RETRY_MS (5 * SECOND_MS)

static const char *const step_words[] = {
    [STEP_TODO] = "waiting",  [STEP_RUNNING] = "running", [STEP_OK] = "done",
    [STEP_FAILED] = "failed", [STEP_SKIPPED] = "skipped", [STEP_REFUSED] = "refused",
};

const char *step_state_word(enum step_state state)
{
    return step_words[state];
}

int step_state_of(const char *word)
{
    for (int i = 0; i <= STEP_REFUSED; i++) {
        if (strcmp(step_words[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

static struct run_step *current(struct run *run)
{
    NSH_ASSERT(run->at < run->steps_count);
    return &run->steps[run->at];
}

static const char *name_of(const struct run_step *step)
{
    return step->step->name == NULL ? "step" : step->step->name;
}

/* The verb of a step; the built-in page has none of its own. */
static const struct verb *verb_of(const struct run_step *step)
{
    return step->step->verb != NULL ? step->step->verb : verb_find(TEXT("page"));
}

static void step_close(struct engine *engine, struct run *run, enum step_state state,
                       const char *text)
{
    struct run_step *step = current(run);
    step->state = state;
    if (step->instead != NULL && (state == STEP_OK || state == STEP_FAILED)) {
        text = scratch_printf(engine, "%s; by its %s, after %s", text == NULL ? "" : text,
                              binding_word(step->via), step->instead);
    }
    step->text = run_keep(run, text);
    step->ended_ms = run->activity_ms = engine->now_ms;
    engine_timer_stop(engine, &run->timer);
    run_touch(engine, run);
    engine_trace(engine, "step %s %s %s: %s", run->id, name_of(step), step_state_word(state),
                 step->text == NULL ? "" : step->text);
}

void step_done(struct engine *engine, struct run *run, const char *text)
{
    step_close(engine, run, STEP_OK, text);
    run->at++;
}

void step_skipped(struct engine *engine, struct run *run, const char *text)
{
    step_close(engine, run, STEP_SKIPPED, text);
    run->at++;
}

/* A step did not do what it should: what its policy says happens. */
static void step_missed(struct engine *engine, struct run *run, const char *text)
{
    const struct run_step *step = current(run);
    const char *failure =
        scratch_printf(engine, "step %s %s: %s", name_of(step), step_state_word(step->state), text);
    if (run->parent_id[0] != 0) {
        run_end(engine, run, step->state == STEP_REFUSED ? RUN_REFUSED : RUN_ESCALATED, failure);
        return;
    }
    if (!run->undoing && (run->failed_step == NULL || !run->otherwise)) {
        run->failed_step = name_of(step);
        run->failed_error = step->text;
    }
    if (run->otherwise || run->undoing ||
        (step->step->on_fail == ON_FAIL_CONTINUE && !step->step->need)) {
        run->at++;
    } else if (step->step->on_fail == ON_FAIL_STOP) {
        run_abandon(engine, run, RUN_CANCELLED,
                    scratch_printf(engine, "%s; it says stop", failure));
    } else {
        run_otherwise(engine, run, failure);
    }
}

void step_failed(struct engine *engine, struct run *run, const char *text)
{
    step_close(engine, run, STEP_FAILED, text);
    step_missed(engine, run, text);
}

/*
 * An order left, and what became of it could not be read: nothing else is done to the host,
 * whatever the policy says of a failed step. The rest is a person's.
 */
void step_unknown(struct engine *engine, struct run *run, const char *text)
{
    struct run_step *step = current(run);
    if (run->otherwise || step->step->on_fail == ON_FAIL_STOP) {
        step_failed(engine, run, text);
        return;
    }
    step_close(engine, run, STEP_FAILED, text);
    run->failed_step = name_of(step);
    run->failed_error = step->text;
    run_otherwise(engine, run, scratch_printf(engine, "step %s failed: %s", name_of(step), text));
}

void step_retry(struct engine *engine, struct run *run, int64_t delay_ms, const char *text)
{
    struct run_step *step = current(run);
    step->text = run_keep(run, text);
    run_state_set(engine, run, RUN_WAITING);
    engine_timer_set(engine, &run->timer, engine->now_ms + delay_ms,
                     run->number | UINT64_C(1) << 63);
    engine_trace(engine, "step %s %s again in %lldms: %s", run->id, name_of(step),
                 (long long)delay_ms, text);
}

/* A guard stands in the way of a run that is under way. */
void step_blocked(struct engine *engine, struct run *run, const struct guard_verdict *verdict)
{
    const char *text = scratch_printf(engine, "guard %s: %s", verdict->guard, verdict->text);
    bool going = run->otherwise || run->undoing;
    int64_t asked_ms = engine->now_ms + verdict->again_ms;
    bool fresh = asked_ms - run->activity_ms <= engine->guards->intent_max_age_ms;
    if (verdict->block == BLOCK_DEFER && (fresh || run->otherwise)) {
        current(run)->state = STEP_RUNNING; /* The store, an endpoint: asked again. */
        current(run)->attempts--;
        step_retry(engine, run, verdict->again_ms > 0 ? verdict->again_ms : STORE_RETRY_MS, text);
        return;
    }
    step_close(engine, run, STEP_REFUSED, text);
    bool brake = strcmp(verdict->guard, "brake") == 0;
    bool breaker = strcmp(verdict->guard, "breaker") == 0; /* Nobody else knows that it is dead. */
    if (going || verdict->block == BLOCK_REFUSE || breaker || (run->effects && !brake)) {
        step_missed(engine, run, text);
        return;
    }
    /* Nothing was done yet, and whoever stopped it knows; or the brake's page tells. */
    run_abandon(engine, run, verdict->block == BLOCK_EXPIRE ? RUN_EXPIRED : RUN_CANCELLED, text);
}

void step_denied(struct engine *engine, struct run *run, const char *text, bool person)
{
    const struct policy_step *asked = current(run)->step;
    uint32_t skip = asked->ask->skip;
    step_close(engine, run, STEP_REFUSED, text);
    if (person && !run->otherwise && !run->effects && asked->on_fail == ON_FAIL_ELSE) {
        run_end(engine, run, RUN_CANCELLED, text); /* Whoever said so knows. */
        return;
    }
    bool otherwise = run->otherwise;
    uint32_t next = run->at + 1;
    step_missed(engine, run, text);
    bool goes_on = !run->ended && run->otherwise == otherwise && run->at == next;
    for (uint32_t i = 0; goes_on && i < skip; i++) {
        step_close(engine, run, STEP_SKIPPED, "it was not approved");
        run->at++;
    }
}

/* ---- begin --------------------------------------------------------------------------------------
 */

static bool cleared_skips(const struct run *run, const struct verb *verb)
{
    return run->cleared && !run->undoing && !verb_speaks(verb) && !verb->restores &&
           verb->effect >= NSH_CHANGES;
}

bool step_cleared_skips(const struct run *run, const struct run_step *step)
{
    return cleared_skips(run, verb_of(step));
}

/* It tells of a question that is not asked. */
static bool tells_nothing(struct engine *engine, struct run *run, const struct policy_step *step)
{
    const char *why = NULL;
    return step->tells != NULL && !approve_needed(engine, run, step->tells, &why);
}

/* True when the step may begin; otherwise it is over. */
static bool step_wanted(struct engine *engine, struct run *run, struct run_step *step)
{
    if (step->step->kind == STEP_ACT && cleared_skips(run, verb_of(step))) {
        step_close(engine, run, STEP_SKIPPED, "the alarm is cleared");
        run->at++;
        return false;
    }
    if (run->parent_id[0] != 0) {
        return true; /* Who began it asked. */
    }
    struct event event;
    struct scope scope;
    struct nsh_error err = {0};
    scope_run(engine, run, &event, &scope);
    enum level level = eval_condition(&scope, &step->step->run_if, &err);
    if (level == LEVEL_TRUE) {
        return true;
    }
    const char *text =
        level == LEVEL_FALSE
            ? scratch_printf(engine, "%s is false", step->step->run_if.source)
            : scratch_printf(engine, "%s is not known: %s", step->step->run_if.source, err.text);
    engine->counters.conditions_unknown += level == LEVEL_UNKNOWN;
    if (step->step->need) {
        step_failed(engine, run, text);
    } else {
        step_close(engine, run, STEP_SKIPPED, text);
        run->at++;
    }
    return false;
}

static void step_begin(struct engine *engine, struct run *run, struct run_step *step)
{
    if (step->attempts == 0) {
        step->started_ms = engine->now_ms;
        if (!step_wanted(engine, run, step)) {
            return;
        }
        if (tells_nothing(engine, run, step->step)) {
            step_close(engine, run, STEP_SKIPPED, "nobody is asked");
            run->at++;
            return;
        }
    } else if (step->step->kind == STEP_ACT && cleared_skips(run, verb_of(step))) {
        step_close(engine, run, STEP_SKIPPED, "the alarm is cleared");
        run->at++;
        return;
    }
    step->attempts++;
    step->state = STEP_RUNNING;
    switch (step->step->kind) {
    case STEP_ACT:
        if (each_is(run)) {
            each_begin(engine, run);
            break;
        }
        action_begin(engine, run, step, verb_of(step), false);
        break;
    case STEP_CHECK:
        run_state_set(engine, run, RUN_VERIFYING);
        step_check(engine, run);
        break;
    case STEP_WAIT:
        run_state_set(engine, run, RUN_WAITING);
        engine_timer_set(engine, &run->timer, engine->now_ms + step->step->wait_ms,
                         run->number | UINT64_C(1) << 63);
        break;
    case STEP_WINDOW:
        calendar_begin(engine, run);
        break;
    case STEP_ASK:
        approve_begin(engine, run);
        break;
    }
}

void step_check(struct engine *engine, struct run *run)
{
    struct run_step *step = current(run);
    struct event event;
    struct scope scope;
    struct nsh_error err = {0};
    scope_run(engine, run, &event, &scope);
    enum level level = eval_condition(&scope, &step->step->check, &err);
    const char *source = step->step->check.source == NULL ? "" : step->step->check.source;
    if (level == LEVEL_TRUE) {
        step_done(engine, run, scratch_printf(engine, "%s is true", source));
        return;
    }
    engine->counters.conditions_unknown += level == LEVEL_UNKNOWN;
    int64_t ends_ms = step->started_ms + step->step->within_ms;
    if (engine->now_ms >= ends_ms) {
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        textbuf_addf(&text, "%s was not true within ", source);
        textbuf_add_duration(&text, step->step->within_ms);
        if (level == LEVEL_UNKNOWN) {
            textbuf_addf(&text, ": %s", err.text);
        }
        step_failed(engine, run, text.at == NULL ? source : text.at);
        return;
    }
    int64_t every_ms = step->step->every_ms > 0 ? step->step->every_ms : CHECK_EVERY_MS;
    int64_t due_ms = engine->now_ms + every_ms < ends_ms ? engine->now_ms + every_ms : ends_ms;
    engine_timer_set(engine, &run->timer, due_ms, run->number | UINT64_C(1) << 63);
}

/* ---- onwards
 * -------------------------------------------------------------------------------------- */

static bool acted(const struct run *run)
{
    for (uint32_t i = 0; i < run->do_count; i++) {
        if (run->steps[i].state == STEP_OK && run->steps[i].step->kind == STEP_ACT) {
            return true;
        }
    }
    return false;
}

static void do_finished(struct engine *engine, struct run *run)
{
    const char *reason = run->cleared && !acted(run) ? "the alarm cleared before anything was done"
                         : run->cleared              ? "done, and the alarm is cleared"
                                                     : "done";
    run_end(engine, run, RUN_DONE, reason);
}

/* True when the built-in page is still to be walked. */
static bool otherwise_finished(struct engine *engine, struct run *run)
{
    if (run->at == run->page_at && !run->told) {
        return true;
    }
    run_end(engine, run, run->refused ? RUN_REFUSED : RUN_ESCALATED, run->failure);
    return false;
}

/* Cancelled or lost, and nothing of it is in progress. True: it ended, or goes another way now. */
static bool turned(struct engine *engine, struct run *run)
{
    if (run->action != NULL || run->undoing) {
        return false;
    }
    if (run->cancel != NULL) {
        run_abandon(engine, run, RUN_CANCELLED, run->cancel);
        return true;
    }
    if (run->lost != NULL && run->parent_id[0] != 0 && run->parent != NULL) {
        run_end(engine, run, RUN_CANCELLED, run->lost);
        return true;
    }
    if (run->lost != NULL && !run->otherwise) {
        run_otherwise(engine, run, run->lost);
        return true;
    }
    return false;
}

/* True: there is a step to look at. False: it ended, or must be looked at again. */
static bool settled(struct engine *engine, struct run *run)
{
    if (turned(engine, run)) {
        return false;
    }
    if (run->undoing && run->parent_id[0] == 0) {
        while (run->at < run->steps_count && !undo_wanted(current(run))) {
            run->at++;
        }
        if (run->at >= run->steps_count) {
            undo_finish(engine, run);
            return false;
        }
        return true;
    }
    if (!run->otherwise && run->at >= run->do_count) {
        do_finished(engine, run);
        return false;
    }
    return !run->otherwise || run->at < run->page_at || otherwise_finished(engine, run);
}

void step_advance(struct engine *engine, struct run *run)
{
    if (run->advancing) {
        return;
    }
    run->advancing = true;
    while (!run->ended && run->children == 0) {
        if (!settled(engine, run)) {
            continue;
        }
        struct run_step *step = current(run);
        if (step->state == STEP_RUNNING) {
            break;
        }
        NSH_ASSERT(step->state == STEP_TODO);
        step_begin(engine, run, step);
    }
    run->advancing = false;
}
