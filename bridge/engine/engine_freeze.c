/* SPDX-License-Identifier: Apache-2.0 */
/* Freezes: leases that stop actions, with owner, reason, scope and an end. */

#include "engine_private.h"

#include <stdlib.h>

static bool scope_covers(const struct freeze *freeze, const struct policy *policy,
                         const struct host_state *host, const struct domain_state *domain)
{
    if (freeze->name == NULL) {
        return true; /* all */
    }
    if (strcmp(freeze->kind, "policy") == 0) {
        return policy != NULL && strcmp(policy->name, freeze->name) == 0;
    }
    if (strcmp(freeze->kind, "host") == 0) {
        return host != NULL && strcmp(host->name, freeze->name) == 0;
    }
    if (domain != NULL && strcmp(domain->key.at, freeze->scope) == 0) {
        return true;
    }
    for (uint32_t i = 0; host != NULL && i < host->domains_count; i++) {
        if (strcmp(host->domains[i]->key.at, freeze->scope) == 0) {
            return true;
        }
    }
    return false;
}

const struct freeze *freeze_over(const struct engine *engine, const struct ask *ask)
{
    for (const struct freeze *freeze = engine->freezes; freeze != NULL; freeze = freeze->next) {
        if (!freeze->ended && freeze->expires_ms > engine->now_ms &&
            scope_covers(freeze, ask->policy, ask->host, ask->domain) && hold_covers(freeze, ask)) {
            return freeze;
        }
    }
    return NULL;
}

/* "all", "host=r1h05", "policy=psu-lost", "rack=r3", any domain. One that names nothing is refused:
 * it would stop nothing. */
int freeze_scope(struct engine *engine, const char *scope, struct freeze *freeze,
                 struct nsh_error *err)
{
    const char *equals = strchr(scope, '=');
    if (strcmp(scope, "all") == 0) {
        equals = scope + 3;
    } else if (equals == NULL || equals == scope || equals[1] == 0) {
        return nsh_fail(err, NSH_INVALID,
                        "scope must be all, host=NAME, policy=NAME or a domain such as rack=r4, "
                        "got %s",
                        scope[0] == 0 ? "nothing" : scope);
    }
    freeze->scope = engine_copy(engine, text_of(scope));
    freeze->kind = engine_copy(engine, (struct text){scope, (uint32_t)(equals - scope)});
    freeze->name = *equals == 0 ? NULL : engine_copy(engine, text_of(equals + 1));
    return freeze->scope == NULL || freeze->kind == NULL || (*equals != 0 && freeze->name == NULL)
               ? nsh_fail(err, NSH_NOMEM, "no memory for a freeze")
               : 0;
}

void freezes_follow(struct engine *engine, const char *name, const struct host_state *to)
{
    for (struct freeze *freeze = engine->freezes; freeze != NULL; freeze = freeze->next) {
        bool his = freeze->name != NULL && strcmp(freeze->kind, "host") == 0 &&
                   strcmp(freeze->name, name) == 0;
        if (his && !freeze->ended) {
            freeze->follows = to;
        }
    }
}

static void freeze_takes(struct engine *engine, struct freeze *freeze, const char *name)
{
    char *copy = engine_copy(engine, text_of(name));
    char *scope = engine_copy(engine, text_of(scratch_printf(engine, "host=%s", name)));
    if (copy == NULL || scope == NULL) {
        free(copy);
        free(scope);
        return;
    }
    free(freeze->name);
    free(freeze->scope);
    freeze->name = copy;
    freeze->scope = scope;
    freeze->dirty = true;
}

void freezes_followed(struct engine *engine)
{
    for (struct freeze *freeze = engine->freezes; freeze != NULL; freeze = freeze->next) {
        if (freeze->follows != NULL) {
            freeze_takes(engine, freeze, freeze->follows->name);
            freeze->follows = NULL;
        }
    }
}

static void freeze_fire(struct engine *engine, void *owner)
{
    freeze_end(engine, owner, "expired");
}

void freeze_arm(struct engine *engine, struct freeze *freeze)
{
    freeze->timer = (struct timer){.fire = freeze_fire, .owner = freeze};
    freeze->dirty = true;
    freeze->next = engine->freezes;
    engine->freezes = freeze;
    engine->counters.freezes_active++;
    engine_timer_set(engine, &freeze->timer, freeze->expires_ms, 0);
}

void freeze_end(struct engine *engine, struct freeze *freeze, const char *why)
{
    NSH_ASSERT(!freeze->ended);
    freeze->ended = freeze->dirty = true;
    engine->counters.freezes_active--;
    engine_timer_stop(engine, &freeze->timer);
    engine_trace(engine, "freeze %s %s %s", freeze->id, freeze->scope, why);
}

void freeze_free(struct engine *engine, struct freeze *freeze)
{
    NSH_ASSERT(freeze != NULL);
    struct freeze **at = &engine->freezes;
    while (*at != NULL && *at != freeze) {
        at = &(*at)->next;
    }
    if (*at == freeze) {
        *at = freeze->next;
    }
    engine_timer_stop(engine, &freeze->timer);
    free(freeze->scope);
    free(freeze->kind);
    free(freeze->name);
    free(freeze->owner);
    free(freeze->reason);
    free(freeze->policy);
    free(freeze->actions);
    free(freeze);
}
