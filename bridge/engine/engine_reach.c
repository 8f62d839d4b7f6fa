/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of a host's bindings carries an action out, and when the next one may.
 *
 * Only the inventory's `reach` names more than one. The next one is taken when the one before
 * certainly did nothing (its driver says so, or it was never sent because its endpoint is left
 * alone), with a code that `reach` accepts, and the step does not forbid it. It is an action of its
 * own: with an intent, all guards, a proof read by the binding that did it. An outcome that is not
 * known never leads here: what one way may have begun, no other one does again.
 */

#include "engine_private.h"

static size_t ways_of(const struct action *action, const struct binding *ret_ways[HOST_REACH_MAX])
{
    const struct host_state *host = action->run->host;
    return verb_speaks(action->verb) || host == NULL || host->host == NULL
               ? 0
               : host_reach(host->host, action->verb, ret_ways);
}

bool reach_choose(struct engine *engine, struct action *action, const char **ret_text)
{
    const struct run *run = action->run;
    const struct verb *verb = action->verb;
    const struct binding *ways[HOST_REACH_MAX];
    if (verb_speaks(verb)) {
        action->driver = verb->driver == NULL ? "" : verb->driver;
        return true;
    }
    if (run->host == NULL || run->host->host == NULL) {
        *ret_text = scratch_printf(engine, "%s is no host of the inventory: %s has no target",
                                   run->subject, verb->name);
        return false;
    }
    if (verb->binding == BINDING_FUNCTION) {
        action->driver = verb->driver;
        return true;
    }
    size_t count = ways_of(action, ways);
    if (count == 0 && verb->driver != NULL) {
        *ret_text = scratch_printf(engine, "%s has no binding of %s for %s", run->host->name,
                                   verb->driver, verb->name);
        return false;
    }
    if (count == 0) {
        *ret_text = scratch_printf(engine, "%s has no %s binding for %s", run->host->name,
                                   binding_word(verb->binding), verb->name);
        return false;
    }
    struct run_step *step = action->step;
    if (step->source != NULL && step->way == 0 && step->instead == NULL &&
        step->source->step->verb->binding == verb->binding) {
        step->way = step->source->way; /* What one way did, it takes back. */
        step->instead = step->source->instead;
    }
    /* The inventory may have changed since the one before. */
    step->way = step->way < count ? step->way : (uint32_t)count - 1;
    const struct binding *way = ways[step->way];
    action->binding = step->via = way->kind;
    action->driver = run_keep(action->run, way->driver);
    action->instead = step->instead;
    return true;
}

/* The next binding that the inventory names; NULL: there is none, or it may not be taken. */
static const struct binding *next_way(const struct action *action)
{
    const struct binding *ways[HOST_REACH_MAX];
    const struct run *run = action->run;
    size_t count = ways_of(action, ways);
    bool stops = action->completes || run->cancel != NULL || action->step->step->first_only;
    return stops || action->step->way + 1 >= count ? NULL : ways[action->step->way + 1];
}

static void take_next(struct engine *engine, struct action *action, const struct binding *next,
                      const char *why)
{
    struct run_step *step = action->step;
    const char *text = scratch_printf(
        engine, "%s%s%s (%s): %s", step->instead == NULL ? "" : step->instead,
        step->instead == NULL ? "" : "; ", binding_word(action->binding), action->driver, why);
    step->instead = run_keep(action->run, text);
    step->way++;
    step->attempts = 1;
    engine_trace(engine, "action %s %s falls back to %s (%s)", action->id, action->verb->name,
                 binding_word(next->kind), next->driver);
}

bool reach_falls(struct engine *engine, struct action *action)
{
    const struct binding *next = next_way(action);
    const struct reach *reach = next == NULL ? NULL : action->run->host->host->reach;
    NSH_ASSERT(action->state != ACTION_UNKNOWN && action->state != ACTION_VERIFYING);
    if (reach == NULL || action->code <= NSH_OK || (reach->when & 1u << action->code) == 0) {
        return false;
    }
    take_next(engine, action, next,
              scratch_printf(engine, "%s: %s; nothing was done", nsh_code_word(action->code),
                             action->text == NULL ? "" : action->text));
    return true;
}

bool reach_falls_unsent(struct engine *engine, struct action *action,
                        const struct guard_verdict *verdict)
{
    const struct binding *next = next_way(action);
    if (next == NULL || verdict->block != BLOCK_DEFER || strcmp(verdict->guard, "breaker") != 0) {
        return false;
    }
    take_next(engine, action, next, scratch_printf(engine, "never sent: %s", verdict->text));
    return true;
}

enum binding_kind reach_path(const struct host_state *host, const struct verb *verb)
{
    const struct binding *ways[HOST_REACH_MAX];
    bool known = host != NULL && host->host != NULL && host_reach(host->host, verb, ways) > 0;
    return known ? ways[0]->kind : verb->binding;
}
