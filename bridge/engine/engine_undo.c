/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undo: when a run is abandoned (failed, cancelled, expired), what its steps did and say how to
 * take back is taken back, the last first, before `else` is walked or the run ends.
 *
 * Only what this run did and what is known to be done; what is in doubt is left to a person. These
 * actions pass the guards and are verified as any other.
 */

#include "engine_private.h"

static bool did_something(const struct run_step *step)
{
    bool did = step->did;
    for (uint32_t i = 0; i < step->items_count; i++) {
        did = did || step->items[i].did;
    }
    return did;
}

bool undo_begin(struct engine *engine, struct run *run, enum run_state after, const char *reason)
{
    bool wanted = false;
    for (uint32_t i = run->undo_first; i < run->steps_count && !run->undone; i++) {
        wanted = wanted || did_something(run->steps[i].source);
    }
    run->undone = true;
    if (!wanted || run->parent_id[0] != 0) {
        return false;
    }
    run->undoing = true;
    run->after = after;
    run->after_reason = run_keep(run, reason);
    run->at = run->undo_first;
    run->activity_ms = engine->now_ms;
    run_touch(engine, run);
    engine_trace(engine, "run %s %s %s undoes: %s", run->id, run->subject, run->policy_name,
                 reason);
    return true;
}

bool undo_wanted(const struct run_step *step)
{
    return step->source == NULL || did_something(step->source);
}

void undo_finish(struct engine *engine, struct run *run)
{
    run->undoing = false;
    run_touch(engine, run);
    if (run->after == RUN_RUNNING) {
        run_otherwise(engine, run, run->after_reason);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_add_chars(&text, run->after_reason);
    for (uint32_t i = run->undo_first; i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        if (step->state != STEP_TODO) {
            textbuf_addf(&text, "; %s %s", step->step->name, step_state_word(step->state));
        }
    }
    run_end(engine, run, run->after, text.at == NULL ? run->after_reason : text.at);
}

void run_abandon(struct engine *engine, struct run *run, enum run_state state, const char *reason)
{
    if (!undo_begin(engine, run, state, reason)) {
        run_end(engine, run, state, reason);
    }
}
