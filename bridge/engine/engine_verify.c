/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification: what an action did is read back by the verb's `verify`, until its `proof` shows or
 * the time is over. "member=text" is the proof.
 *
 * In doubt (unknown outcome, restart) an interrupting action must be proven twice, a few seconds
 * apart: what is still under way looks finished. One that left the host off is completed, once, by
 * the verb's `completes`; it is never sent again.
 */

#include "engine_private.h"

#include <stdio.h>

static void read_later(struct engine *engine, struct action *action, int64_t delay_ms)
{
    engine_timer_set(engine, &action->timer, engine->now_ms + delay_ms,
                     action->number | UINT64_C(3) << 62);
}

void verify_read(struct engine *engine, struct action *action)
{
    action->reads++;
    action->reading = true;
    snprintf(action->call, sizeof action->call, "%s.%u", action->id, action->reads);
    action_queue(engine, action);
}

void verify_begin(struct engine *engine, struct action *action)
{
    int64_t ends_ms = action->intended_ms + action->timeout_ms;
    int64_t least_ms = engine->now_ms + VERIFY_MS_MIN;
    action->deadline_ms = ends_ms > least_ms ? ends_ms : least_ms;
    run_state_set(engine, action->run, RUN_VERIFYING);
    verify_read(engine, action);
}

/* "power=on": is it so? ret_seen says what was read. */
static bool proven(struct engine *engine, const struct action *action,
                   const struct nsh_value *result, const char **ret_seen)
{
    const char *proof = action->verb->proof;
    const char *equals = strchr(proof, '=');
    NSH_ASSERT(equals != NULL);
    const char *member = scratch_printf(engine, "%.*s", (int)(equals - proof), proof);
    const char *value = nsh_get_text(result, member, NULL);
    *ret_seen = scratch_printf(engine, "%s=%s", member, value == NULL ? "(not said)" : value);
    return value != NULL && strcmp(value, equals + 1) == 0;
}

static void achieved(struct engine *engine, struct action *action)
{
    struct run *run = action->run;
    if (action->doomed != NULL) {
        const char *text =
            scratch_printf(engine, "%s; read back: %s", action->doomed, action->seen);
        action_ends(engine, action, ACTION_FAILED, text);
        step_failed(engine, run, text);
        return;
    }
    const char *text = scratch_printf(
        engine, "%s%sverified: %s", action->completes ? "was interrupted, completed by " : "",
        action->completes ? scratch_printf(engine, "%s, ", action->verb->name)
        : action->doubt   ? "outcome was unknown, "
                          : "",
        action->seen);
    action->step->did = true;
    action_ends(engine, action, ACTION_VERIFIED, text);
    step_done(engine, run, text);
}

static void not_achieved(struct engine *engine, struct action *action, const char *why, bool known)
{
    struct run *run = action->run;
    const char *before = action->doomed;
    if (before == NULL && action->doubt) {
        before = scratch_printf(engine, "%s: %s", action->verb->name, nsh_code_word(action->code));
    }
    const char *text = scratch_printf(engine, "%s%s%s, wanted %s", before == NULL ? "" : before,
                                      before == NULL ? "" : "; ", why, action->verb->proof);
    if (action->code == NSH_OK) {
        action->code = NSH_UNVERIFIED;
    }
    action_ends(engine, action, ACTION_FAILED, text);
    if (!known && action->doubt) {
        step_unknown(engine, run, text);
    } else {
        step_failed(engine, run, text);
    }
}

/*
 * What brings back a host that an interrupted action left off: the verb's `completes`; or the
 * completing verb itself, when its own outcome was unknown and the state read back says that it was
 * not done. NULL: nothing, or often enough.
 */
static const char *completes(const struct action *action)
{
    if (action->run->cancel != NULL || action->step->completions >= COMPLETIONS_MAX) {
        return NULL;
    }
    return action->completes && action->doubt ? action->verb->name : action->verb->completes;
}

/* It left the host off: switch it on, which is a new action with an intent of its own. */
static void complete(struct engine *engine, struct action *action)
{
    struct run *run = action->run;
    const struct verb *verb = verb_find(text_of(completes(action)));
    NSH_ASSERT(verb != NULL);
    action->step->completions++;
    action_ends(engine, action, ACTION_FAILED,
                scratch_printf(engine, "interrupted: read back %s; %s completes it", action->seen,
                               verb->name));
    action_begin(engine, run, action->step, verb, true);
}

static void not_proven(struct engine *engine, struct action *action)
{
    action->proven_once = false;
    if (action->off_ms == 0) {
        action->off_ms = engine->now_ms;
    }
    bool late = engine->now_ms >= action->deadline_ms;
    bool long_off = engine->now_ms - action->off_ms >= VERIFY_COMPLETE_MS;
    bool may_complete = completes(action) != NULL;
    if (may_complete && (late || (action->doubt && long_off))) {
        complete(engine, action);
    } else if (late) {
        not_achieved(engine, action, scratch_printf(engine, "read back: %s", action->seen), true);
    } else {
        int64_t delay_ms = SECOND_MS << (action->reads > 3 ? 3 : action->reads - 1);
        read_later(engine, action, delay_ms < VERIFY_EVERY_MS_MAX ? delay_ms : VERIFY_EVERY_MS_MAX);
    }
}

void verify_result(struct engine *engine, struct action *action, const struct engine_result *result)
{
    if (result->code != NSH_OK) {
        const char *text = scratch_printf(engine, "%s: %s: %.*s", action->verb->verify,
                                          nsh_code_word(result->code), PT(result->text));
        engine_trace(engine, "verify %s %s", action->id, text);
        action->undone = false;
        action->seen = run_keep(action->run, text);
        if (engine->now_ms >= action->deadline_ms) {
            not_achieved(engine, action, scratch_printf(engine, "not known: %s", text), false);
        } else {
            read_later(engine, action, VERIFY_EVERY_MS_MAX);
        }
        return;
    }
    const char *seen = NULL;
    bool holds = proven(engine, action, &result->result, &seen);
    if (action->seen == NULL || strcmp(action->seen, seen) != 0) {
        action->seen = run_keep(action->run, seen);
        engine_trace(engine, "verify %s %s", action->id, seen);
    }
    action->undone = !holds;
    if (!holds) {
        not_proven(engine, action);
        return;
    }
    action->off_ms = 0;
    if (action->doubt && action->verb->effect >= NSH_INTERRUPTS && !action->proven_once) {
        action->proven_once = true;
        read_later(engine, action, VERIFY_DOUBT_GAP_MS);
        return;
    }
    achieved(engine, action);
}

void verify_gone(struct engine *engine, struct action *action)
{
    struct engine_result gone = {.action = text_of(action->call),
                                 .code = NSH_UNREACHABLE,
                                 .text = TEXT("the host left the inventory"),
                                 .result = nsh_null()};
    action->reading = false;
    verify_result(engine, action, &gone);
}
