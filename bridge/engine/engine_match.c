/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which policies an event concerns. Candidates are found once for each type of event and policy
 * set, and indexed there (engine_index.h); so the cost of an event follows those that it matches.
 */

#include "engine_domain.h"
#include "engine_index.h"

#include <stdlib.h>

struct candidates {
    const struct policy **items;
    uint32_t count, room;
    bool failed;
};

static void candidate_add(struct candidates *all, const struct policy *policy)
{
    if (all->count == all->room) {
        uint32_t room = all->room == 0 ? 8 : all->room * 2;
        const struct policy **grown = realloc(all->items, room * sizeof(struct policy *));
        if (grown == NULL) {
            all->failed = true;
            return;
        }
        all->items = grown;
        all->room = room;
    }
    all->items[all->count++] = policy;
}

static bool glob_matches(const struct policy *policy, struct text name)
{
    for (size_t i = 0; i < policy->when.events_count; i++) {
        if (text_glob(text_of(policy->when.events[i]), name)) {
            return true;
        }
    }
    return false;
}

static int policy_compare(const void *a, const void *b)
{
    uint32_t x = (*(const struct policy *const *)a)->index;
    uint32_t y = (*(const struct policy *const *)b)->index;
    return x < y ? -1 : x > y;
}

static void type_fill(struct engine *engine, struct type_state *type)
{
    struct candidates all = {0};
    const struct policy_list *exact = map_get(&engine->set->by_event, type->name);
    for (size_t i = 0; exact != NULL && i < exact->count; i++) {
        candidate_add(&all, exact->items[i]);
    }
    for (size_t i = 0; i < engine->set->globs_count; i++) {
        if (glob_matches(engine->set->globs[i], type->name)) {
            candidate_add(&all, engine->set->globs[i]);
        }
    }
    engine->nomem = engine->nomem || all.failed;
    if (all.count > 1) {
        qsort(all.items, all.count, sizeof(struct policy *), policy_compare);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < all.count; i++) {
        if (kept == 0 || all.items[kept - 1] != all.items[i]) {
            all.items[kept++] = all.items[i];
        }
    }
    free(type->policies);
    type->policies = all.items;
    type->policies_count = kept;
    type->generation = engine->generation;
    index_free(type->index);
    type->index = type == &engine->type_spare ? NULL : index_new(engine, type);
}

struct type_state *type_get(struct engine *engine, struct text name)
{
    struct type_state *type = map_get(&engine->types, name);
    if (type != NULL) {
        return type;
    }
    if (engine->types.count >= TYPES_MAX) {
        return NULL;
    }
    type = engine_alloc(engine, sizeof *type + name.count + 1);
    if (type == NULL) {
        return NULL;
    }
    char *copy = (char *)(type + 1);
    if (name.count > 0) {
        memcpy(copy, name.at, name.count);
    }
    *type = (struct type_state){.name = {copy, name.count}};
    if (map_set(&engine->types, type->name, type) < 0) {
        free(type);
        return NULL;
    }
    return type;
}

/* Types beyond the bound are looked up each time, in a place of their own. */
const struct type_state *type_ready(struct engine *engine, struct type_state *type,
                                    struct text name)
{
    if (type == NULL) {
        type = &engine->type_spare;
        type->name = name;
        type->generation = 0;
    }
    if (type->generation != engine->generation) {
        type_fill(engine, type);
    }
    return type;
}

struct link *link_add(struct engine *engine, struct alarm *alarm, struct instance *instance)
{
    struct link *link = engine_alloc(engine, sizeof *link);
    if (link != NULL) {
        *link = (struct link){.alarm = alarm,
                              .instance = instance,
                              .alarm_next = alarm->links,
                              .instance_next = instance->links};
        alarm->links = link;
        instance->links = link;
    }
    return link;
}

void link_drop(struct engine *engine, struct link *link)
{
    struct link **at = &link->alarm->links;
    while (*at != link) {
        at = &(*at)->alarm_next;
    }
    *at = link->alarm_next;
    at = &link->instance->links;
    while (*at != link) {
        at = &(*at)->instance_next;
    }
    *at = link->instance_next;
    free(link);
}

static struct link *link_find(struct alarm *alarm, const struct instance *instance)
{
    struct link *link = alarm->links;
    while (link != NULL && link->instance != instance) {
        link = link->alarm_next;
    }
    return link;
}

struct matching {
    const struct event *event;
    struct alarm *alarm;
    enum level level;
    const struct domain_state *first; /* The subject that level is about. */
    bool fresh, pulse;
    bool stays;     /* `if` is false, but `clear` is not true: what was true stays so. */
    uint64_t known; /* Operands of the condition that are true for `first`: engine_index.h. */
};

static enum level ask(struct engine *engine, const struct policy *policy,
                      const struct policy_condition *condition, const struct matching *matching,
                      struct domain_state *domain)
{
    const struct event *event = matching->event;
    if (condition->program == NULL) {
        return LEVEL_TRUE;
    }
    struct scope scope = {.engine = engine,
                          .event = event,
                          .host = map_get(&engine->hosts, event->host),
                          .domain = domain,
                          .policy = policy,
                          .known = matching->known,
                          .alarm = matching->alarm,
                          .alarm_id = matching->alarm == NULL ? "" : matching->alarm->id};
    scope.host = scope.host == NULL && domain != NULL ? domain->owner : scope.host;
    scope.subject = scope.domain != NULL ? scope.domain->key.at
                    : scope.host != NULL ? scope.host->name
                                         : "";
    enum level level = eval_condition(&scope, condition, NULL);
    if (level == LEVEL_UNKNOWN) {
        engine->counters.conditions_unknown++;
    }
    return level;
}

enum level match_program_at(struct engine *engine, const struct policy *policy,
                            const struct policy_condition *condition, const struct event *event,
                            struct alarm *alarm, struct domain_state *domain)
{
    return ask(engine, policy, condition, &(struct matching){.event = event, .alarm = alarm},
               domain);
}

enum level match_program(struct engine *engine, const struct policy *policy,
                         const struct policy_condition *condition, const struct event *event,
                         struct alarm *alarm)
{
    struct domain_state *domain =
        event_subject(engine, policy, event, map_get(&engine->hosts, event->host));
    return match_program_at(engine, policy, condition, event, alarm, domain);
}

/* What the keys beside `if` ask. */
static bool keys_match(const struct policy_when *when, const struct event *event)
{
    return event->severity >= when->severity_min &&
           (when->from.count == 0 || policy_names_match(&when->from, event->source));
}

enum level match_condition(struct engine *engine, const struct policy *policy,
                           const struct event *event, struct alarm *alarm)
{
    return keys_match(&policy->when, event)
               ? match_program(engine, policy, &policy->when.condition, event, alarm)
               : LEVEL_FALSE;
}

void match_subjects(struct engine *engine, const struct policy *policy, struct host_state *host,
                    match_subject_fn fn, void *arg)
{
    if (host == NULL || host->host == NULL) {
        return; /* Targets come from the inventory. */
    }
    if (strcmp(policy->subject, "host") == 0) {
        fn(engine, policy, host, NULL, arg);
        return;
    }
    for (uint32_t i = 0; i < host->domains_count; i++) {
        if (strcmp(host->domains[i]->kind, policy->subject) == 0) {
            fn(engine, policy, host, host->domains[i], arg);
        }
    }
}

static void matching_level(struct engine *engine, const struct policy *policy,
                           struct domain_state *domain, struct matching *matching)
{
    const struct policy_when *when = &policy->when;
    matching->first = domain;
    matching->level = !keys_match(when, matching->event) ? LEVEL_FALSE
                      : matching->known == INDEX_TRUE
                          ? LEVEL_TRUE
                          : ask(engine, policy, &when->condition, matching, domain);
    matching->known = 0; /* It was about this subject, and about `if`. */
    matching->stays = matching->level == LEVEL_FALSE && !matching->pulse &&
                      when->clear.program != NULL &&
                      ask(engine, policy, &when->clear, matching, domain) != LEVEL_TRUE;
}

static void matching_first(struct engine *engine, const struct policy *policy,
                           struct host_state *host, struct matching *matching)
{
    matching_level(engine, policy, event_subject(engine, policy, matching->event, host), matching);
}

static void subject_matched(struct engine *engine, const struct policy *policy,
                            struct host_state *host, struct domain_state *domain, void *arg)
{
    struct matching *matching = arg;
    if (domain != matching->first) {
        matching_level(engine, policy, domain, matching);
    }
    struct instance *instance = matching->level == LEVEL_TRUE
                                    ? instance_get(engine, policy, host, domain)
                                    : instance_find(engine, policy, host, domain);
    if (instance == NULL) {
        return;
    }
    if (policy->when.count > 0) {
        if (matching->level == LEVEL_TRUE && matching->fresh) {
            instance_event(engine, instance, matching->event, matching->alarm);
            instance_count(engine, instance, matching->event);
        }
        return;
    }
    if (matching->pulse) {
        if (matching->level == LEVEL_TRUE) {
            instance_event(engine, instance, matching->event, NULL);
            instance_pulse(engine, instance);
        }
        return;
    }
    struct link *link = link_find(matching->alarm, instance);
    if (matching->level == LEVEL_TRUE) {
        link = link == NULL ? link_add(engine, matching->alarm, instance) : link;
        if (link == NULL) {
            return;
        }
        link->known = true;
        instance_event(engine, instance, matching->event, matching->alarm);
    } else if (link != NULL && matching->stays) {
        link->known = true;
    } else if (link != NULL && matching->level == LEVEL_UNKNOWN) {
        link->known = false;
    } else if (link != NULL) {
        link_drop(engine, link);
    }
    instance_level(engine, instance);
}

/* The text of a condition that can change although the event does not. */
static bool condition_moves(const struct policy *policy)
{
    return policy->when.condition.program != NULL && policy->when.condition.source != NULL &&
           (strstr(policy->when.condition.source, "active(") != NULL ||
            strstr(policy->when.condition.source, "in_calendar(") != NULL);
}

static const struct link *link_of_policy(const struct alarm *alarm, const struct policy *policy)
{
    const struct link *link = alarm->links;
    while (link != NULL && link->instance->policy != policy) {
        link = link->alarm_next;
    }
    return link;
}

void match_raise(struct engine *engine, struct alarm *alarm, const struct event *event, bool fresh,
                 bool changed)
{
    const struct type_state *type = type_ready(engine, alarm->type_state, alarm->type);
    const struct index_hit *hits = NULL;
    uint32_t count = index_find(engine, type, event, alarm->host, &hits);
    for (uint32_t i = 0; i < count; i++) {
        const struct policy *policy = type->policies[hits == NULL ? i : hits[i].position];
        if (policy->when.branches_count > 0) {
            operator_event(engine, policy, event, alarm, fresh);
            continue;
        }
        if (policy->when.count > 0 && !fresh && !policy->when.updates) {
            continue; /* An update is no new occurrence. */
        }
        const struct link *link = fresh || changed ? NULL : link_of_policy(alarm, policy);
        if (link != NULL && link->known && link->instance->level == LEVEL_TRUE &&
            link->instance->state != INST_IDLE && !condition_moves(policy)) {
            continue; /* The same event again, and it is already acted upon. */
        }
        struct matching matching = {.event = event,
                                    .alarm = alarm,
                                    .fresh = fresh || policy->when.updates,
                                    .known = hits == NULL ? 0 : hits[i].known};
        matching_first(engine, policy, alarm->host, &matching);
        event_subjects(engine, policy, event, alarm->host, subject_matched, &matching);
    }
}

void match_clear(struct engine *engine, struct alarm *alarm)
{
    for (struct link *link = alarm->links, *next = NULL; link != NULL; link = next) {
        struct instance *instance = link->instance;
        next = link->alarm_next; /* Levels drop no links. */
        link_drop(engine, link);
        instance_level(engine, instance);
    }
}

bool match_pulse(struct engine *engine, const struct event *event)
{
    const struct type_state *type = type_ready(engine, type_get(engine, event->type), event->type);
    struct host_state *host = map_get(&engine->hosts, event->host);
    const struct index_hit *hits = NULL;
    uint32_t count = index_find(engine, type, event, host, &hits);
    bool wanted = false;
    for (uint32_t i = 0; i < count; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a count has policies. */
        const struct policy *policy = type->policies[hits == NULL ? i : hits[i].position];
        if (policy->when.branches_count > 0) {
            wanted = operator_event(engine, policy, event, NULL, true) || wanted;
            continue;
        }
        struct matching matching = {.event = event,
                                    .fresh = true,
                                    .pulse = true,
                                    .known = hits == NULL ? 0 : hits[i].known};
        matching_first(engine, policy, host, &matching);
        wanted = wanted || matching.level == LEVEL_TRUE;
        event_subjects(engine, policy, event, host, subject_matched, &matching);
    }
    return wanted;
}
