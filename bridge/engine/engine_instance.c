/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One policy on one subject: idle -> pending (for) -> settling -> decision -> active -> idle.
 *
 * A level is true, false or unknown. Time that is not known to be true does not count: it freezes
 * `for` and `settle`, and after `stale_after` the state is dropped. When that is because nobody
 * said it again after a restart or a sleep, a person is told: what was raised is never lost without
 * a decision. One activation gives one decision; the subject must become idle before there is
 * another.
 */

#include "engine_private.h"

#include <stdlib.h>

#define TO(state) (1u << (state))

static const struct {
    const char *word;
    unsigned to;
} arrows[] = {
    [INST_IDLE] = {"idle", TO(INST_PENDING) | TO(INST_SETTLING)},
    [INST_PENDING] = {"pending", TO(INST_IDLE) | TO(INST_SETTLING)},
    [INST_SETTLING] = {"settling", TO(INST_IDLE) | TO(INST_DEFERRED) | TO(INST_ACTIVE)},
    [INST_DEFERRED] = {"deferred", TO(INST_IDLE) | TO(INST_ACTIVE)},
    [INST_ACTIVE] = {"active", TO(INST_IDLE)},
};

const char *instance_state_word(enum instance_state state)
{
    return arrows[state].word;
}

int instance_state_of(const char *word)
{
    for (int i = 0; i <= INST_ACTIVE; i++) {
        if (strcmp(arrows[i].word, word) == 0) {
            return i;
        }
    }
    return -1;
}

static bool counts_as_waiting(enum instance_state state)
{
    return state == INST_PENDING || state == INST_SETTLING || state == INST_DEFERRED;
}

static void state_put(struct engine *engine, struct instance *instance, enum instance_state state)
{
    engine->waiting_count -= counts_as_waiting(instance->state);
    engine->waiting_count += counts_as_waiting(state);
    instance->state = state;
    instance_touch(engine, instance);
}

void instance_state_set(struct engine *engine, struct instance *instance, enum instance_state state)
{
    NSH_ASSERT((arrows[instance->state].to & TO(state)) != 0);
    state_put(engine, instance, state);
}

void instance_touch(struct engine *engine, struct instance *instance)
{
    if (instance->dirty) {
        return;
    }
    instance->dirty = true;
    instance->dirty_next = NULL;
    if (engine->dirty_instances_last == NULL) {
        engine->dirty_instances = instance;
    } else {
        engine->dirty_instances_last->dirty_next = instance;
    }
    engine->dirty_instances_last = instance;
}

uint64_t instance_order(const struct instance *instance)
{
    return (uint64_t)instance->policy->index << 32 | (instance->number & UINT32_MAX);
}

int64_t policy_once_within(const struct engine *engine, const struct policy *policy)
{
    return policy->limits.once_within_ms >= 0 ? policy->limits.once_within_ms
                                              : engine->guards->cooldown_ms;
}

/* ---- life ----------------------------------------------------------------------------------- */

static struct text key_of(struct engine *engine, const struct policy *policy,
                          const struct host_state *host, const struct domain_state *domain)
{
    textbuf_clear(&engine->key);
    textbuf_add_chars(&engine->key, policy->name);
    textbuf_add_char(&engine->key, 0x1f);
    textbuf_add(&engine->key, domain != NULL ? domain->key : host->key);
    return engine_key(engine);
}

#define SUBJECT_LOOKS_MAX 8 /* The few activations of most subjects are found without a hash. */

/* By name: a run may walk a policy of an older set. */
static bool is_of(const struct instance *instance, const struct policy *policy)
{
    size_t count = strlen(policy->name);
    return instance->key.count > count && instance->key.at[count] == 0x1f &&
           memcmp(instance->key.at, policy->name, count) == 0;
}

struct instance *instance_find(struct engine *engine, const struct policy *policy,
                               struct host_state *host, struct domain_state *domain)
{
    struct instance *instance = domain != NULL ? domain->instances : host->instances;
    for (uint32_t i = 0; i < SUBJECT_LOOKS_MAX; i++) {
        if (instance == NULL || instance->policy == policy || is_of(instance, policy)) {
            return instance;
        }
        instance = instance->subject_next;
    }
    return map_get(&engine->instances, key_of(engine, policy, host, domain));
}

static void phase_fire(struct engine *engine, void *owner);
static void keep_fire(struct engine *engine, void *owner);

static void forget_fire(struct engine *engine, void *owner)
{
    instance_touch(engine, owner);
}

static struct instance **subject_list(const struct instance *instance)
{
    return instance->domain != NULL ? &instance->domain->instances : &instance->host->instances;
}

static void subject_link(struct instance *instance)
{
    struct instance **list = subject_list(instance);
    instance->subject_next = *list;
    if (*list != NULL) {
        (*list)->subject_previous = instance;
    }
    *list = instance;
}

static void subject_unlink(struct instance *instance)
{
    *(instance->subject_previous == NULL ? subject_list(instance)
                                         : &instance->subject_previous->subject_next) =
        instance->subject_next;
    if (instance->subject_next != NULL) {
        instance->subject_next->subject_previous = instance->subject_previous;
    }
}

struct instance *instance_get(struct engine *engine, const struct policy *policy,
                              struct host_state *host, struct domain_state *domain)
{
    struct instance *instance = instance_find(engine, policy, host, domain);
    struct text key = {NULL, 0};
    if (instance == NULL) {
        key = key_of(engine, policy, host, domain);
    }
    if (instance != NULL || key.at == NULL) {
        return instance;
    }
    char *copy = engine_alloc(engine, (size_t)key.count + 1);
    instance = copy == NULL ? NULL : engine_alloc(engine, sizeof *instance);
    if (instance == NULL) {
        free(copy);
        return NULL;
    }
    memcpy(copy, key.at, key.count);
    uint32_t skip = (uint32_t)strlen(policy->name) + 1;
    *instance = (struct instance){
        .key = {copy, key.count},
        .subject = {copy + skip, key.count - skip},
        .policy = policy,
        .host = domain == NULL ? host : domain->owner,
        .domain = domain,
        .number = ++engine->instances_number,
        .once_ms = INT64_MIN,
        .timer = {.fire = phase_fire, .owner = instance},
        .keep_timer = {.fire = keep_fire, .owner = instance},
        .window_timer = {.fire = window_fire, .owner = instance},
        .forget_timer = {.fire = forget_fire, .owner = instance},
    };
    if (map_set(&engine->instances, instance->key, instance) < 0) {
        engine->nomem = true;
        free(copy);
        free(instance);
        return NULL;
    }
    subject_link(instance);
    return instance;
}

bool instance_forgettable(const struct engine *engine, const struct instance *instance)
{
    bool remembered =
        instance->once_ms != INT64_MIN &&
        engine->now_ms - instance->once_ms < policy_once_within(engine, instance->policy);
    return instance->state == INST_IDLE && instance->links == NULL && instance->run == NULL &&
           instance->window_count == 0 && operator_idle(instance) && metric_idle(instance) &&
           !remembered;
}

void instance_free(struct engine *engine, struct instance *instance)
{
    while (instance->links != NULL) {
        link_drop(engine, instance->links);
    }
    instance_raising(engine, instance, false);
    subject_unlink(instance);
    instance_unwait(instance);
    engine_timer_stop(engine, &instance->timer);
    engine_timer_stop(engine, &instance->keep_timer);
    engine_timer_stop(engine, &instance->window_timer);
    engine_timer_stop(engine, &instance->forget_timer);
    operator_free(engine, instance);
    metric_free(engine, instance);
    free(instance->window);
    free(instance->event);
    matched_free(instance);
    char *key = NULL;
    memcpy(&key, &instance->key.at, sizeof key);
    free(key);
    free(instance);
}

void instance_arm_forget(struct engine *engine, struct instance *instance)
{
    engine_timer_set(engine, &instance->forget_timer,
                     instance->once_ms + policy_once_within(engine, instance->policy),
                     instance_order(instance));
}

void instance_wait(struct instance *instance, struct waiting *waiting, bool front)
{
    NSH_ASSERT(instance->waiting == NULL);
    instance->waiting = waiting;
    struct instance *next = front ? waiting->first : NULL;
    struct instance *previous = front ? NULL : waiting->last;
    instance->wait_previous = previous;
    instance->wait_next = next;
    if (previous == NULL) {
        waiting->first = instance;
    } else {
        previous->wait_next = instance;
    }
    if (next == NULL) {
        waiting->last = instance;
    } else {
        next->wait_previous = instance;
    }
}

void instance_unwait(struct instance *instance)
{
    struct waiting *waiting = instance->waiting;
    if (waiting == NULL) {
        return;
    }
    if (instance->wait_previous != NULL) {
        instance->wait_previous->wait_next = instance->wait_next;
    } else {
        waiting->first = instance->wait_next;
    }
    if (instance->wait_next != NULL) {
        instance->wait_next->wait_previous = instance->wait_previous;
    } else {
        waiting->last = instance->wait_previous;
    }
    instance->waiting = NULL;
    instance->wait_previous = instance->wait_next = NULL;
}

/* While it is active its policy's own alarm (`raises`) stands on the subject. */
void instance_raising(struct engine *engine, struct instance *instance, bool on)
{
    if (instance->raising == on || (on && instance->policy->raises == NULL)) {
        return;
    }
    struct instance **list =
        instance->domain != NULL ? &instance->domain->raising : &instance->host->raising;
    instance->raising = on;
    if (on) {
        instance->raising_next = *list;
        *list = instance;
        return;
    }
    while (*list != instance) {
        list = &(*list)->raising_next;
    }
    *list = instance->raising_next;
}

void instance_event(struct engine *engine, struct instance *instance, const struct event *event,
                    const struct alarm *alarm)
{
    size_t bytes = event_packed_bytes(event);
    if (bytes > instance->event_room) {
        uint8_t *grown = realloc(instance->event, bytes);
        if (grown == NULL) {
            engine->nomem = true;
            return;
        }
        instance->event = grown;
        instance->event_room = bytes;
    }
    instance->event_bytes = event_pack(event, instance->event, instance->event_room);
    instance->lag_ms = engine->now_ms - event_at(engine, event);
    matched_add(engine, instance, event);
    memset(instance->alarm, 0, sizeof instance->alarm);
    if (alarm != NULL) {
        memcpy(instance->alarm, alarm->id, sizeof instance->alarm);
    }
}

/* ---- levels --------------------------------------------------------------------------------- */

static bool waits(const struct instance *instance)
{
    return instance->state == INST_PENDING || instance->state == INST_SETTLING;
}

static int64_t phase_ms(const struct engine *engine, const struct instance *instance)
{
    const struct policy_when *when = &instance->policy->when;
    if (instance->state == INST_PENDING) {
        return when->for_ms;
    }
    return when->settle_ms >= 0 ? when->settle_ms : engine->set->defaults.settle_ms;
}

/* Known true from now on: wait for what is left of the phase, or go on. */
static void phase_arm(struct engine *engine, struct instance *instance)
{
    while (waits(instance)) {
        int64_t due = instance->since_ms + (phase_ms(engine, instance) - instance->held_ms);
        if (due > engine->now_ms) {
            engine_timer_set(engine, &instance->timer, due, instance_order(instance));
            return;
        }
        engine_timer_stop(engine, &instance->timer);
        instance->held_ms = 0;
        instance->since_ms = engine->now_ms;
        if (instance->state == INST_SETTLING) {
            decide(engine, instance);
            return;
        }
        instance_state_set(engine, instance, INST_SETTLING);
    }
}

#define WHY_ENDED "ended"

static int64_t stale_ms(const struct engine *engine, const struct instance *instance)
{
    int64_t own_ms = instance->policy->when.stale_after_ms;
    int64_t set_ms = engine->set->defaults.stale_after_ms;
    int64_t stale_ms = set_ms > 0 ? set_ms : ENGINE_STALE_MS;
    for (size_t i = 0; i < instance->policy->series_count; i++) {
        int64_t three_ms = 3 * instance->policy->series[i].metric->interval_ms;
        stale_ms = three_ms > stale_ms ? three_ms : stale_ms;
    }
    return own_ms > 0 ? own_ms : stale_ms;
}

static void fall(struct engine *engine, struct instance *instance, const char *why)
{
    engine_timer_stop(engine, &instance->timer);
    engine_timer_stop(engine, &instance->keep_timer);
    instance->keeping = false;
    instance->level = LEVEL_FALSE;
    instance->held_ms = 0;
    instance->pulse = false;
    instance->unwatched = false;
    instance_raising(engine, instance, false);
    switch (instance->state) {
    case INST_IDLE:
        instance_touch(engine, instance);
        return;
    case INST_PENDING:
    case INST_SETTLING:
        engine_trace(engine, "activation %s %.*s dropped: %s", instance->policy->name,
                     PT(instance->subject), why);
        if (strcmp(why, WHY_ENDED) != 0) {
            decide_dropped(engine, instance, why);
        }
        break;
    case INST_DEFERRED:
        decide_dropped(engine, instance, why);
        break;
    case INST_ACTIVE:
        break;
    }
    instance_state_set(engine, instance, INST_IDLE);
    if (instance->run != NULL) {
        run_cleared(engine, instance->run);
    }
}

void instance_drop(struct engine *engine, struct instance *instance)
{
    if (instance->state != INST_IDLE) {
        fall(engine, instance, WHY_ENDED);
    }
}

/* It was raised before a restart or a sleep, and nobody said it again: it becomes a person's. */
static void lose(struct engine *engine, struct instance *instance)
{
    CLEANUP(textbuf_donep) struct textbuf unseen = {0};
    textbuf_add_span(&unseen, engine->now_ms - instance->unknown_ms);
    const char *why =
        instance->pulse
            ? "it happened before a restart or a sleep, and is not said again: a person must look"
            : scratch_printf(engine,
                             "raised before a restart or a sleep, not seen again for %s: a person "
                             "must look",
                             unseen.at == NULL ? "long" : unseen.at);
    engine_timer_stop(engine, &instance->keep_timer);
    instance->keeping = instance->unwatched = false;
    instance->lag_ms = 0; /* Its age is the reason, not an excuse. */
    if (instance->state == INST_PENDING) {
        instance_state_set(engine, instance, INST_SETTLING);
    }
    decide_unseen(engine, instance, why);
}

/* Nobody watched since then. A pulse cannot be seen again; all else has its time for it. */
static void unwatched(struct engine *engine, struct instance *instance)
{
    int64_t dropped_ms = instance->unknown_ms + stale_ms(engine, instance);
    int64_t again_ms = engine->now_ms + ENGINE_AGAIN_MS;
    int64_t due_ms = dropped_ms > again_ms ? dropped_ms : again_ms;
    instance->unwatched = true;
    engine_timer_set(engine, &instance->timer, instance->pulse ? engine->now_ms : due_ms,
                     instance_order(instance));
}

static void phase_fire(struct engine *engine, void *owner)
{
    struct instance *instance = owner;
    if (instance->state == INST_DEFERRED) {
        decide(engine, instance);
    } else if (waits(instance) && instance->level == LEVEL_UNKNOWN && instance->unwatched) {
        lose(engine, instance);
    } else if (waits(instance) && instance->level == LEVEL_UNKNOWN) {
        fall(engine, instance, "not known for too long");
    } else {
        phase_arm(engine, instance);
    }
}

static void keep_fire(struct engine *engine, void *owner)
{
    fall(engine, owner, WHY_ENDED);
}

static void level_true(struct engine *engine, struct instance *instance)
{
    bool unknown = instance->level == LEVEL_UNKNOWN;
    engine_timer_stop(engine, &instance->keep_timer);
    instance->keeping = false;
    instance->level = LEVEL_TRUE;
    if (instance->state == INST_IDLE) {
        instance->held_ms = 0;
        instance->since_ms = engine->now_ms;
        instance_state_set(engine, instance, INST_PENDING);
        phase_arm(engine, instance);
    } else if (unknown && waits(instance)) {
        if (instance->unwatched &&
            instance->unknown_ms + stale_ms(engine, instance) <= engine->now_ms) {
            instance->held_ms = 0; /* Too long ago: all of it again. */
            state_put(engine, instance, INST_PENDING);
        }
        instance->unwatched = false;
        instance->since_ms = engine->now_ms;
        instance_touch(engine, instance);
        phase_arm(engine, instance);
    }
}

/* From when on nobody could tell. */
static void level_unknown(struct engine *engine, struct instance *instance, int64_t since_ms)
{
    if (instance->state == INST_IDLE) {
        return;
    }
    if (waits(instance) && instance->level == LEVEL_TRUE) {
        if (since_ms > instance->since_ms) {
            instance->held_ms += since_ms - instance->since_ms;
        }
        instance->unknown_ms = since_ms;
        engine_timer_set(engine, &instance->timer, since_ms + stale_ms(engine, instance),
                         instance_order(instance));
        instance_touch(engine, instance);
    }
    instance->level = LEVEL_UNKNOWN;
}

/* It ended, and counts as true for a while. */
static void keep_begin(struct engine *engine, struct instance *instance)
{
    instance->keeping = true;
    instance->keep_until_ms = engine->now_ms + instance->policy->when.keep_ms;
    engine_timer_set(engine, &instance->keep_timer, instance->keep_until_ms,
                     instance_order(instance));
    instance_touch(engine, instance);
}

/* A pulse was decided: it was true for one instant, and is kept as others are. */
void instance_pulse_over(struct engine *engine, struct instance *instance)
{
    instance->level = LEVEL_FALSE;
    instance->pulse = false;
    if (instance->policy->when.keep_ms > 0) {
        keep_begin(engine, instance);
        return;
    }
    instance_raising(engine, instance, false);
    instance_state_set(engine, instance, INST_IDLE);
}

static void level_false(struct engine *engine, struct instance *instance)
{
    int64_t keep_ms = instance->policy->when.keep_ms;
    if (instance->keeping) {
        return;
    }
    /* What still waits was never acted upon: it is over at once. */
    if (keep_ms > 0 && instance->state == INST_ACTIVE && instance->level == LEVEL_TRUE) {
        keep_begin(engine, instance);
        return;
    }
    fall(engine, instance, WHY_ENDED);
}

enum level instance_links_level(const struct instance *instance)
{
    enum level level = LEVEL_FALSE;
    for (const struct link *link = instance->links; link != NULL; link = link->instance_next) {
        if (link->known) {
            return LEVEL_TRUE;
        }
        level = LEVEL_UNKNOWN;
    }
    return level;
}

void instance_level_set(struct engine *engine, struct instance *instance, enum level level)
{
    switch (level) {
    case LEVEL_TRUE:
        level_true(engine, instance);
        break;
    case LEVEL_UNKNOWN:
        level_unknown(engine, instance, engine->now_ms);
        break;
    case LEVEL_FALSE:
        level_false(engine, instance);
        break;
    }
}

void instance_level(struct engine *engine, struct instance *instance)
{
    if (instance->policy->when.branches_count > 0) {
        operator_level(engine, instance);
    } else {
        instance_level_set(engine, instance, instance_links_level(instance));
    }
}

void instance_pulse(struct engine *engine, struct instance *instance)
{
    if (instance->keeping && instance->state == INST_ACTIVE) {
        keep_begin(engine, instance);
    }
    if (instance->state != INST_IDLE || instance->policy->when.for_ms > 0) {
        return; /* One instant is never held for a while. */
    }
    instance->pulse = true;
    level_true(engine, instance);
}

/* As it was, but not known since unknown_ms: what waited must be seen again. */
void instance_restore(struct engine *engine, struct instance *instance, enum instance_state state,
                      int64_t unknown_ms)
{
    state_put(engine, instance, state);
    if (waits(instance)) {
        instance->level = LEVEL_UNKNOWN;
        instance->unknown_ms = unknown_ms;
        unwatched(engine, instance);
    } else if (state != INST_IDLE) {
        instance->level = instance->keep_until_ms > 0 ? LEVEL_FALSE : LEVEL_TRUE;
        instance_raising(engine, instance, state == INST_ACTIVE);
    }
    if (state == INST_ACTIVE && instance->keep_until_ms > 0) {
        instance->keeping = true;
        engine_timer_set(engine, &instance->keep_timer, instance->keep_until_ms,
                         instance_order(instance));
    }
}

/* ---- gaps and reloads ----------------------------------------------------------------------- */

static void gap_instance(struct engine *engine, struct instance *instance, int64_t since_ms)
{
    operator_gap(engine, instance);
    metric_gap(engine, instance);
    if (!waits(instance)) {
        return;
    }
    for (struct link *link = instance->links; link != NULL; link = link->instance_next) {
        link->known = false;
    }
    level_unknown(engine, instance, since_ms);
    unwatched(engine, instance);
}

void instances_unknown(struct engine *engine, int64_t since_ms)
{
    int64_t gap_ms = engine->now_ms - since_ms;
    MAP_EACH (&engine->instances, entry) {
        gap_instance(engine, entry->value, since_ms);
    }
    for (struct run *run = engine->runs_first; run != NULL; run = run->next) {
        struct timer *timers[] = {&run->timer, run->action == NULL ? NULL : &run->action->timer};
        for (size_t i = 0; i < 2; i++) {
            bool wall = i == 0 && calendar_waits(run); /* Goes by the clock on the wall. */
            if (timers[i] != NULL && heap_has(&timers[i]->node) && !wall) {
                engine_timer_set(engine, timers[i], timers[i]->node.due + gap_ms,
                                 timers[i]->node.order);
            }
        }
        if (run->action != NULL) {
            run->action->deadline_ms += gap_ms;
        }
        if (approve_waits(run)) {
            run->gate->ends_ms += gap_ms;
        }
    }
}

/* A policy that is gone: its instances go too, once their run does. */
static const struct policy gone_policy = {.name = "(gone)", .subject = "host"};

void instances_reload(struct engine *engine)
{
    MAP_EACH (&engine->instances, entry) {
        struct instance *instance = entry->value;
        struct text name = {instance->key.at,
                            (uint32_t)(instance->subject.at - instance->key.at) - 1};
        const struct policy *policy = map_get(&engine->set->by_name, name);
        bool same = policy != NULL && policy_when_same(&policy->when, &instance->policy->when) &&
                    policy_series_same(policy, instance->policy) &&
                    strcmp(policy->subject, instance->policy->subject) == 0;
        instance_raising(engine, instance, false);
        if (!same) {
            if (instance->run != NULL) { /* It finishes what it began. */
                instance->run->orphan = true;
                instance->run->instance = NULL;
                instance->run = NULL;
            }
            fall(engine, instance, "its policy changed");
            while (instance->links != NULL) {
                link_drop(engine, instance->links);
            }
            window_clear(engine, instance);
            operator_free(engine, instance);
            metric_free(engine, instance);
        }
        instance->policy = policy == NULL ? &gone_policy : policy;
        if (policy == NULL) {
            instance->once_ms = INT64_MIN;
        }
        instance_raising(engine, instance, instance->state == INST_ACTIVE);
        instance_touch(engine, instance);
    }
}
