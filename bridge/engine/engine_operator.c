/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triggers that remember, at work: which branches an event meets, what that does to the subject's
 * memory, and when time alone makes them true.
 *
 * What is not known never starts anything: a branch that cannot be told is no step of a sequence,
 * but it does end one, and it answers a `without`; a sighting that cannot be told is one. Time in
 * which nobody watched (a restart, a sleep, silent sources) is no silence.
 */

#include "engine_operator.h"
#include "engine_domain.h"

#include <stdlib.h>

struct hits {
    const struct event *event;
    struct alarm *alarm;
    const struct domain_state *first; /* The subject that was asked. */
    bool occurs;                      /* Not the repetition of an alarm that is raised. */
    int64_t at;
    uint32_t asked, yes, maybe; /* Bits of branches. */
};

static bool waits(const struct instance *instance)
{
    return instance->state == INST_PENDING || instance->state == INST_SETTLING;
}

static bool is_silence(const struct policy_when *when)
{
    return when->trigger == TRIGGER_ABSENT || when->trigger == TRIGGER_WITHOUT;
}

/* ---- memory --------------------------------------------------------------------------------- */

static void operator_fire(struct engine *engine, void *owner);

struct operator_state *operator_of(struct engine *engine, struct instance *instance)
{
    if (instance->op != NULL) {
        return instance->op;
    }
    uint32_t count = (uint32_t)instance->policy->when.branches_count;
    struct operator_state *op =
        engine_alloc(engine, sizeof *op + count * sizeof(struct branch_state));
    if (op != NULL) {
        *op = (struct operator_state){.timer = {.fire = operator_fire, .owner = instance},
                                      .since_ms = NEVER,
                                      .seen_ms = NEVER,
                                      .ended_ms = NEVER,
                                      .branches_count = count};
        for (uint32_t i = 0; i < count; i++) {
            op->branches[i].metric = instance->policy->when.branches[i].metric != NULL;
            op->branches[i].begin_ms = op->branches[i].at_ms = NEVER;
            op->branches[i].level = op->branches[i].metric ? LEVEL_UNKNOWN : LEVEL_FALSE;
        }
        instance->op = op;
    }
    return op;
}

static void watch(struct engine *engine, struct operator_state *op, bool on)
{
    engine->operators_armed += on && !op->watched;
    engine->operators_armed -= !on && op->watched;
    op->watched = on;
}

static void disarm(struct engine *engine, struct operator_state *op)
{
    engine_timer_stop(engine, &op->timer);
    watch(engine, op, false);
}

void operator_arm(struct engine *engine, struct instance *instance)
{
    struct operator_state *op = instance->op;
    const struct policy_when *when = &instance->policy->when;
    if (op == NULL) {
        return;
    }
    bool silence = is_silence(when) && op->armed;
    bool deaf = silence && engine->blind[0] != 0;
    int64_t due = silence ? rule_due(op, when) : rule_stale(op, when);
    disarm(engine, op);
    if (due != INT64_MAX && !deaf) {
        engine_timer_set(engine, &op->timer, due, instance_order(instance));
        watch(engine, op, silence);
    }
}

bool operator_idle(const struct instance *instance)
{
    const struct operator_state *op = instance->op;
    return op == NULL || (!op->armed && rule_stale(op, &instance->policy->when) == INT64_MAX);
}

void operator_free(struct engine *engine, struct instance *instance)
{
    if (instance->op != NULL) {
        disarm(engine, instance->op);
        free(instance->op);
        instance->op = NULL;
    }
}

/* ---- absent --------------------------------------------------------------------------------- */

static void absent_seen(struct engine *engine, struct instance *instance, const struct hits *hits)
{
    struct operator_state *op = instance->op;
    bool newer = hits->at > op->since_ms;
    op->seen_ms = hits->at > op->seen_ms ? hits->at : op->seen_ms;
    op->since_ms = newer ? hits->at : op->since_ms;
    op->armed = instance->policy->when.expect.program == NULL || op->expected;
    if (rule_due(op, &instance->policy->when) > engine->now_ms) {
        instance_event(engine, instance, hits->event, hits->alarm);
        instance_level_set(engine, instance, LEVEL_FALSE);
    }
    operator_arm(engine, instance);
}

/* ---- without -------------------------------------------------------------------------------- */

static void without_answered(struct engine *engine, struct instance *instance, int64_t at)
{
    struct operator_state *op = instance->op;
    op->ended_ms = at > op->ended_ms ? at : op->ended_ms;
    if (at < op->since_ms) {
        return; /* It came before what it would answer. */
    }
    op->armed = op->doubt = false;
    if (instance->state != INST_IDLE) {
        instance_level_set(engine, instance, LEVEL_FALSE);
    }
}

/* The first open trigger counts; one that was decided is over when the next one comes. */
static void without_opened(struct engine *engine, struct instance *instance,
                           const struct hits *hits)
{
    struct operator_state *op = instance->op;
    bool open = op->armed && !op->doubt;
    if (open || hits->at < op->ended_ms || waits(instance) || instance->state == INST_DEFERRED) {
        return;
    }
    instance_level_set(engine, instance, LEVEL_FALSE);
    instance_event(engine, instance, hits->event, hits->alarm);
    op->armed = true;
    op->doubt = false;
    op->since_ms = hits->at;
}

static void without_event(struct engine *engine, struct instance *instance, const struct hits *hits)
{
    const struct policy_when *when = &instance->policy->when;
    uint32_t answers = hits->yes | hits->maybe;
    if ((answers & ~1u) != 0) {
        without_answered(engine, instance, hits->at);
    }
    if ((hits->yes & 1u) != 0 && (hits->occurs || when->updates)) {
        without_opened(engine, instance, hits);
    }
    operator_arm(engine, instance);
}

/* ---- sequence ------------------------------------------------------------------------------- */

static uint32_t ends_mask(const struct policy_when *when)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < when->branches_count; i++) {
        mask |= when->branches[i].ends ? 1u << i : 0;
    }
    return mask;
}

static void sequence_event(struct engine *engine, struct instance *instance,
                           const struct hits *hits)
{
    const struct policy_when *when = &instance->policy->when;
    struct operator_state *op = instance->op;
    uint32_t ends = ends_mask(when);
    if (((hits->yes | hits->maybe) & ends) != 0) {
        rule_sequence_ends(op, hits->at);
    }
    uint32_t steps = hits->yes & ~ends;
    if (steps != 0 && (hits->occurs || when->updates) &&
        rule_sequence(op, when, steps, hits->at, engine->now_ms)) {
        instance_event(engine, instance, hits->event, hits->alarm);
        instance_pulse(engine, instance);
    }
    operator_arm(engine, instance);
}

/* ---- all, any ------------------------------------------------------------------------------- */

static struct link *link_of(const struct alarm *alarm, const struct instance *instance,
                            uint32_t branch)
{
    struct link *link = alarm->links;
    while (link != NULL && (link->instance != instance || link->branch != branch)) {
        link = link->alarm_next;
    }
    return link;
}

static void branch_alarm(struct engine *engine, struct instance *instance, const struct hits *hits,
                         uint32_t branch)
{
    bool updates = instance->policy->when.updates;
    struct link *link = link_of(hits->alarm, instance, branch);
    if ((hits->yes & 1u << branch) != 0) {
        bool fresh = link == NULL;
        link = fresh ? link_add(engine, hits->alarm, instance) : link;
        if (link != NULL) {
            link->branch = (uint8_t)branch;
            link->since_ms = fresh || updates ? hits->at : link->since_ms;
            link->known = true;
        }
    } else if (link != NULL && (hits->maybe & 1u << branch) != 0) {
        link->known = false;
    } else if (link != NULL) {
        link_drop(engine, link);
    }
}

/* Some alarm, or some metric. A metric of which this subject never had a sample is none of its own:
 * else a host whose alarm was raised once would stay undecided for ever. */
static enum level any_level(const struct instance *instance)
{
    enum level level = instance_links_level(instance);
    for (uint32_t i = 0; instance->op != NULL && i < instance->op->branches_count; i++) {
        const struct branch_state *branch = &instance->op->branches[i];
        if (branch->metric && branch->heard && branch->level > (uint8_t)level) {
            level = (enum level)branch->level;
        }
    }
    return level;
}

void operator_level(struct engine *engine, struct instance *instance)
{
    const struct policy_when *when = &instance->policy->when;
    struct operator_state *op = instance->op;
    if (when->trigger != TRIGGER_ALL && when->trigger != TRIGGER_ANY) {
        return;
    }
    bool all = when->trigger == TRIGGER_ALL;
    enum level level =
        all ? rule_all(op, when, instance->links, false, engine->now_ms) : any_level(instance);
    if (!instance->pulse || !waits(instance)) { /* What was true for an instant stays decided. */
        instance_level_set(engine, instance, level);
    }
    if (all && level != LEVEL_TRUE && op != NULL &&
        rule_all(op, when, instance->links, true, engine->now_ms) == LEVEL_TRUE) {
        rule_forget(op); /* Consumed. */
        instance_pulse(engine, instance);
    }
}

static void branches_event(struct engine *engine, struct instance *instance,
                           const struct hits *hits)
{
    const struct policy_when *when = &instance->policy->when;
    struct operator_state *op = instance->op;
    for (uint32_t i = 0; i < when->branches_count; i++) {
        bool yes = (hits->yes & 1u << i) != 0;
        if (hits->alarm != NULL && (hits->asked & 1u << i) != 0) {
            branch_alarm(engine, instance, hits, i);
        } else if (yes && hits->at > op->branches[i].at_ms) {
            op->branches[i].at_ms = hits->at;
        }
    }
    if (hits->yes != 0) {
        instance_event(engine, instance, hits->event, hits->alarm);
    }
    operator_level(engine, instance);
    if (when->trigger == TRIGGER_ANY && hits->alarm == NULL && hits->yes != 0) {
        rule_forget(op);
        instance_pulse(engine, instance);
    }
    operator_arm(engine, instance);
}

/* ---- events --------------------------------------------------------------------------------- */

static bool branch_listens(const struct policy_branch *branch, struct text type)
{
    for (size_t i = 0; i < branch->events_count; i++) {
        if (text_glob(text_of(branch->events[i]), type)) {
            return true;
        }
    }
    return false;
}

static enum level branch_ask(struct engine *engine, const struct policy *policy,
                             const struct policy_branch *branch, struct domain_state *domain,
                             const struct hits *hits)
{
    const struct event *event = hits->event;
    bool from = branch->from.count == 0 || policy_names_match(&branch->from, event->source);
    return event->severity < branch->severity_min || !from
               ? LEVEL_FALSE
               : match_program_at(engine, policy, &branch->condition, event, hits->alarm, domain);
}

/* Which branches the event meets, for one subject. */
static void hits_ask(struct engine *engine, const struct policy *policy,
                     struct domain_state *domain, struct hits *hits)
{
    hits->first = domain;
    hits->asked = hits->yes = hits->maybe = 0;
    for (uint32_t i = 0; i < policy->when.branches_count; i++) {
        const struct policy_branch *branch = &policy->when.branches[i];
        if (!branch_listens(branch, hits->event->type)) {
            continue;
        }
        enum level level = branch_ask(engine, policy, branch, domain, hits);
        hits->asked |= 1u << i;
        hits->yes |= level == LEVEL_TRUE ? 1u << i : 0;
        hits->maybe |= level == LEVEL_UNKNOWN ? 1u << i : 0;
    }
}

static void subject_hit(struct engine *engine, const struct policy *policy, struct host_state *host,
                        struct domain_state *domain, void *arg)
{
    struct hits *hits = arg;
    if (domain != hits->first) {
        hits_ask(engine, policy, domain, hits);
    }
    bool levels = policy->when.trigger == TRIGGER_ALL || policy->when.trigger == TRIGGER_ANY;
    if (hits->yes == 0 && hits->maybe == 0 && !(levels && hits->asked != 0)) {
        return;
    }
    struct instance *instance = hits->yes != 0 ? instance_get(engine, policy, host, domain)
                                               : instance_find(engine, policy, host, domain);
    if (instance == NULL || operator_of(engine, instance) == NULL) {
        return;
    }
    switch (policy->when.trigger) {
    case TRIGGER_ABSENT:
        absent_seen(engine, instance, hits);
        break;
    case TRIGGER_WITHOUT:
        without_event(engine, instance, hits);
        break;
    case TRIGGER_SEQUENCE:
        sequence_event(engine, instance, hits);
        break;
    case TRIGGER_ALL:
    case TRIGGER_ANY:
        branches_event(engine, instance, hits);
        break;
    case TRIGGER_EVENT:
        break;
    }
    instance_touch(engine, instance);
}

bool operator_event(struct engine *engine, const struct policy *policy, const struct event *event,
                    struct alarm *alarm, bool fresh)
{
    const struct policy_when *when = &policy->when;
    struct hits hits = {
        .event = event, .alarm = alarm, .occurs = fresh, .at = event_at(engine, event)};
    struct host_state *host = alarm != NULL ? alarm->host : map_get(&engine->hosts, event->host);
    hits_ask(engine, policy, event_subject(engine, policy, event, host), &hits);
    bool yes = hits.yes != 0;
    bool levels = when->trigger == TRIGGER_ALL || when->trigger == TRIGGER_ANY;
    bool several = hits.first != NULL && hits.first->owner == NULL && hits.asked != 0;
    if (yes || hits.maybe != 0 || several || (levels && hits.asked != 0)) {
        event_subjects(engine, policy, event, host, subject_hit, &hits);
    }
    return yes;
}

/* ---- time ----------------------------------------------------------------------------------- */

static bool subject_gone(const struct instance *instance)
{
    return instance->host != NULL && instance->host->host == NULL;
}

static void silence_over(struct engine *engine, struct instance *instance)
{
    struct operator_state *op = instance->op;
    bool doubt = op->doubt;
    disarm(engine, op);
    if (subject_gone(instance)) {
        op->armed = false;
        return;
    }
    /* Silence counts from the return of a source; while it is silent itself it says nothing. */
    int64_t from_ms = blind_sources(engine) ? engine->now_ms : engine->sources_back_ms;
    if (from_ms > op->since_ms) {
        op->since_ms = from_ms;
        op->doubt = instance->policy->when.trigger == TRIGGER_WITHOUT;
        operator_arm(engine, instance);
        return;
    }
    instance->lag_ms = 0; /* It is true now, whatever the age of the last event. */
    if (instance->policy->when.trigger == TRIGGER_WITHOUT) {
        op->armed = op->doubt = false;
    }
    if (!doubt) {
        instance_level_set(engine, instance, LEVEL_TRUE);
    } else if (instance->state == INST_IDLE) {
        instance->level = LEVEL_TRUE;
        instance_state_set(engine, instance, INST_PENDING);
        instance_state_set(engine, instance, INST_SETTLING);
        decide_unseen(engine, instance,
                      "nobody watched meanwhile, so the answer may have come: a person must look");
    }
}

/* What is too old to matter is forgotten. */
static void prune(struct engine *engine, struct instance *instance)
{
    const struct policy_when *when = &instance->policy->when;
    struct operator_state *op = instance->op;
    int64_t oldest = engine->now_ms - when->within_ms;
    op->ended_ms = op->ended_ms <= oldest ? NEVER : op->ended_ms;
    for (uint32_t i = 0; i < op->branches_count; i++) {
        struct branch_state *branch = &op->branches[i];
        int64_t at = when->trigger == TRIGGER_SEQUENCE ? branch->begin_ms : branch->at_ms;
        if (!branch->metric && at != NEVER && at <= oldest) {
            *branch = (struct branch_state){.begin_ms = NEVER, .at_ms = NEVER};
        }
    }
    operator_arm(engine, instance);
}

static void operator_fire(struct engine *engine, void *owner)
{
    struct instance *instance = owner;
    const struct policy_when *when = &instance->policy->when;
    if (!is_silence(when) || !instance->op->armed) {
        prune(engine, instance);
    } else if (rule_due(instance->op, when) > engine->now_ms) {
        operator_arm(engine, instance);
    } else {
        silence_over(engine, instance);
    }
    instance_touch(engine, instance);
}

void operator_gap(struct engine *engine, struct instance *instance)
{
    const struct policy_when *when = &instance->policy->when;
    struct operator_state *op = instance->op;
    if (op == NULL) {
        return;
    }
    if (when->trigger == TRIGGER_ABSENT && waits(instance)) {
        instance_drop(engine, instance); /* Silence begins anew. */
    }
    if (is_silence(when) && op->armed) {
        op->since_ms = engine->now_ms;
        op->doubt = when->trigger == TRIGGER_WITHOUT;
    }
    if (when->trigger == TRIGGER_SEQUENCE && ends_mask(when) != 0) {
        rule_forget(op); /* What ends it may have come. */
    }
    bool decided = instance->state == INST_ACTIVE || instance->state == INST_DEFERRED;
    for (struct link *link = decided ? NULL : instance->links; link != NULL;
         link = link->instance_next) {
        link->known = false;
    }
    operator_arm(engine, instance);
    instance_touch(engine, instance);
}

void operators_blind(struct engine *engine, bool blind)
{
    MAP_EACH (&engine->instances, entry) {
        struct instance *instance = entry->value;
        if (instance->op == NULL || !is_silence(&instance->policy->when)) {
            continue;
        }
        if (!blind) {
            operator_gap(engine, instance);
            continue;
        }
        disarm(engine, instance->op);
        if (waits(instance)) {
            instance_level_set(engine, instance, LEVEL_UNKNOWN);
        }
    }
}

/* ---- expect --------------------------------------------------------------------------------- */

static void expect_subject(struct engine *engine, const struct policy *policy,
                           struct host_state *host, struct domain_state *domain, void *arg)
{
    struct instance *instance = instance_get(engine, policy, host, domain);
    struct operator_state *op = instance == NULL ? NULL : operator_of(engine, instance);
    (void)arg;
    if (op == NULL || op->expected) {
        return;
    }
    op->expected = true;
    if (!op->armed) {
        op->armed = true;
        op->since_ms = op->seen_ms > engine->now_ms ? op->seen_ms : engine->now_ms;
        instance_touch(engine, instance);
    }
    operator_arm(engine, instance);
}

static void expect_host(struct engine *engine, const struct policy *policy, struct host_state *host)
{
    struct scope scope = {
        .engine = engine, .host = host, .subject = host->name, .policy = policy, .alarm_id = ""};
    enum level level = eval_condition(&scope, &policy->when.expect, NULL);
    engine->counters.conditions_unknown += level == LEVEL_UNKNOWN;
    if (level == LEVEL_TRUE) {
        match_subjects(engine, policy, host, expect_subject, NULL);
    }
}

/* Who was expected and is no longer: its silence means nothing. */
static void unexpected(struct engine *engine)
{
    MAP_EACH (&engine->instances, entry) {
        struct instance *instance = entry->value;
        struct operator_state *op = instance->op;
        if (op != NULL && op->armed && !op->expected &&
            instance->policy->when.expect.program != NULL) {
            op->armed = false;
            disarm(engine, op);
            instance_drop(engine, instance);
        }
    }
}

void operators_expect(struct engine *engine)
{
    bool any = false;
    for (size_t i = 0; i < engine->set->policies_count; i++) {
        any = any || engine->set->policies[i].when.expect.program != NULL;
    }
    if (!any) {
        return;
    }
    MAP_EACH (&engine->instances, entry) {
        struct instance *instance = entry->value;
        if (instance->op != NULL) {
            instance->op->expected = false;
        }
    }
    for (size_t i = 0; i < engine->set->policies_count; i++) {
        const struct policy *policy = &engine->set->policies[i];
        if (policy->when.expect.program == NULL) {
            continue;
        }
        MAP_EACH (&engine->hosts, entry) {
            struct host_state *host = entry->value;
            if (host->host != NULL) {
                expect_host(engine, policy, host);
                scratch_relax(engine);
            }
        }
    }
    unexpected(engine);
}
