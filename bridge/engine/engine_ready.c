/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy's people promised: `keep_ready` of the pool stays, and nobody else acts on what a
 * policy holds.
 */

#include "engine_domain.h"

#include <stdlib.h>

/* ---- keep_ready ----------------------------------------------------------------------------- */

static bool verb_takes(const struct verb *verb)
{
    return verb != NULL && !verb->restores &&
           (verb->effect >= NSH_INTERRUPTS || strcmp(verb->name, "drain") == 0);
}

/* Whether what is asked takes its host out of the pool for a while. */
static bool takes(const struct ask *ask)
{
    if ((ask->stage & STAGE_LEASE) != 0 || ask->verb != NULL) {
        return (ask->stage & STAGE_LEASE) != 0 || verb_takes(ask->verb);
    }
    size_t count = ask->policy == NULL ? 0 : ask->policy->steps_count;
    for (size_t i = 0; i < count; i++) {
        if (verb_takes(ask->policy->steps[i].verb)) {
            return true;
        }
    }
    return false;
}

/* It serves: nothing is wrong with it, and nobody works on it. */
static bool is_ready(const struct host_state *host)
{
    bool held = false;
    for (const struct hold *hold = host->holds; hold != NULL; hold = hold->host_next) {
        held = held || !hold->ended;
    }
    return host->unhealthy == 0 && host->brake == NULL && !host->host->maintenance &&
           host->lease == NULL && !held && (host->run == NULL || !host->run->interrupting);
}

bool pool_ready_check(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    uint32_t own = ask->policy == NULL ? 0 : ask->policy->limits.keep_ready;
    uint32_t percent = own > 0 ? own : engine->guards->keep_ready;
    const struct domain_state *pool = ask->host == NULL ? NULL : host_domain_of(ask->host, "pool");
    if (percent == 0 || pool == NULL || !takes(ask)) {
        textbuf_add_chars(text, percent == 0   ? "not asked for"
                                : pool == NULL ? "in no pool"
                                               : "takes nothing from the pool");
        return true;
    }
    uint32_t ready = 0;
    for (uint32_t i = 0; i < pool->members_count; i++) {
        ready += pool->members[i] != ask->host && is_ready(pool->members[i]);
    }
    uint32_t need = (uint32_t)(((uint64_t)pool->members_count * percent + 99) / 100);
    textbuf_addf(text, "%u of %u hosts of pool %s are ready without it, %u%% (%u) must be", ready,
                 pool->members_count, pool->name, percent, need);
    return ready >= need;
}

/* ---- hold ----------------------------------------------------------------------------------- */

/* What the freeze of a policy's `hold` forbids; without a list everything. */
static bool names_verb(const struct freeze *freeze, const struct verb *verb)
{
    const char *at = freeze->actions;
    while (*at != 0) {
        size_t count = strcspn(at, " ");
        if (text_glob((struct text){at, (uint32_t)count}, text_of(verb->name))) {
            return true;
        }
        at += count + (at[count] == ' ');
    }
    return false;
}

bool hold_covers(const struct freeze *freeze, const struct ask *ask)
{
    if (freeze->policy == NULL) {
        return true;
    }
    if (ask->policy != NULL && strcmp(ask->policy->name, freeze->policy) == 0) {
        return false; /* Who holds may act. */
    }
    if (freeze->actions == NULL || ask->policy == NULL) {
        return true;
    }
    if (ask->verb != NULL) {
        return names_verb(freeze, ask->verb);
    }
    for (size_t i = 0; i < ask->policy->steps_count; i++) {
        const struct verb *verb = ask->policy->steps[i].verb;
        if (verb != NULL && names_verb(freeze, verb)) {
            return true;
        }
    }
    return false;
}

static const char *hold_scope(struct engine *engine, const struct instance *instance)
{
    const struct domain_state *domain = instance->domain;
    const struct host_state *host = domain != NULL ? domain->owner : instance->host;
    return host != NULL ? scratch_printf(engine, "host=%s", host->name)
                        : scratch_printf(engine, "%s", domain->key.at);
}

static char *hold_actions(struct engine *engine, const struct policy_hold *hold)
{
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    for (size_t i = 0; i < hold->actions.count; i++) {
        textbuf_addf(&words, "%s%s", i == 0 ? "" : " ", hold->actions.items[i]);
    }
    return words.count == 0 ? NULL
                            : engine_copy(engine, (struct text){words.at, (uint32_t)words.count});
}

/* The same policy's hold on the same scope: it only lasts longer now. */
static struct freeze *hold_known(const struct engine *engine, const char *policy, const char *scope)
{
    for (struct freeze *freeze = engine->freezes; freeze != NULL; freeze = freeze->next) {
        if (!freeze->ended && freeze->policy != NULL && strcmp(freeze->policy, policy) == 0 &&
            strcmp(freeze->scope, scope) == 0) {
            return freeze;
        }
    }
    return NULL;
}

void policy_holds(struct engine *engine, const struct instance *instance)
{
    const struct policy *policy = instance->policy;
    if (policy->hold == NULL) {
        return;
    }
    const char *scope = hold_scope(engine, instance);
    struct freeze *freeze = hold_known(engine, policy->name, scope);
    int64_t expires_ms = engine->now_ms + policy->hold->for_ms;
    if (freeze != NULL) {
        freeze->expires_ms = expires_ms;
        freeze->dirty = true;
        engine_timer_set(engine, &freeze->timer, expires_ms, 0);
        return;
    }
    freeze = engine->counters.freezes_active >= FREEZES_MAX ? NULL
                                                            : engine_alloc(engine, sizeof *freeze);
    if (freeze == NULL) {
        engine_trace(engine, "hold of %s on %s: no room for it", policy->name, scope);
        return;
    }
    freeze->owner = engine_copy(engine, text_of(HOLD_OWNER));
    freeze->policy = engine_copy(engine, text_of(policy->name));
    freeze->actions = hold_actions(engine, policy->hold);
    freeze->reason = engine_copy(engine, text_of(scratch_printf(engine, "policy %s, decision %s",
                                                                policy->name, instance->decision)));
    freeze->since_ms = engine->now_ms;
    freeze->expires_ms = expires_ms;
    bool whole = freeze->owner != NULL && freeze->policy != NULL && freeze->reason != NULL &&
                 (freeze->actions != NULL || policy->hold->actions.count == 0);
    if (!whole || freeze_scope(engine, scope, freeze, NULL) < 0) {
        engine->nomem = true;
        freeze_free(engine, freeze);
        return;
    }
    engine_id(engine, COUNT_FREEZE, "frz", freeze->id);
    freeze_arm(engine, freeze);
    engine_trace(engine, "freeze %s %s on: held by %s", freeze->id, freeze->scope, policy->name);
}
