/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples at work: an event of type metric.sample goes into the rings of every policy that looks at
 * its metric, and triggers on that metric are asked anew. What a sample said holds until the next;
 * when two are missing it is not known any more.
 */

#include "engine_domain.h"
#include "engine_series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SAMPLE_TEXT_BYTES_MAX 4096 /* Of data: a metric and a number. */

static void metric_fire(struct engine *engine, void *owner);

/* ---- memory --------------------------------------------------------------------------------- */

static struct series_state *state_of(struct engine *engine, struct instance *instance)
{
    if (instance->series != NULL) {
        return instance->series;
    }
    uint32_t count = (uint32_t)instance->policy->series_count;
    struct series_state *state =
        engine_alloc(engine, sizeof *state + count * sizeof(struct series));
    if (state != NULL) {
        *state = (struct series_state){.timer = {.fire = metric_fire, .owner = instance},
                                       .count = count};
        instance->series = state;
    }
    return state;
}

static struct series *series_of(struct engine *engine, struct instance *instance, const char *name)
{
    const struct policy *policy = instance->policy;
    struct series_state *state = state_of(engine, instance);
    for (uint32_t i = 0; state != NULL && i < state->count; i++) {
        struct series *series = &state->items[i];
        if (strcmp(policy->series[i].metric->name, name) != 0) {
            continue;
        }
        if (series->items == NULL) {
            uint32_t room = series_room(&policy->series[i]);
            series->items = engine_alloc(engine, room * sizeof *series->items);
            series->room = series->items == NULL ? 0 : room;
        }
        return series->items == NULL ? NULL : series;
    }
    return NULL;
}

void metric_free(struct engine *engine, struct instance *instance)
{
    struct series_state *state = instance->series;
    if (state == NULL) {
        return;
    }
    engine_timer_stop(engine, &state->timer);
    for (uint32_t i = 0; i < state->count; i++) {
        free(state->items[i].items);
    }
    free(state);
    instance->series = NULL;
}

bool metric_idle(const struct instance *instance)
{
    return instance->series == NULL;
}

bool metric_drives(const struct policy *policy)
{
    bool drives = policy->when.metric != NULL;
    for (size_t i = 0; i < policy->when.branches_count; i++) {
        drives = drives || policy->when.branches[i].metric != NULL;
    }
    return drives;
}

/* How long samples matter to the policy: its longest window, or until they say nothing. */
static int64_t memory_ms(const struct policy *policy)
{
    int64_t longest = 0;
    for (size_t i = 0; i < policy->series_count; i++) {
        const struct policy_series *series = &policy->series[i];
        int64_t silent = SAMPLE_MISSES * series->metric->interval_ms;
        int64_t ms = series->window_ms > silent ? series->window_ms : silent;
        longest = ms > longest ? ms : longest;
    }
    return longest;
}

static int64_t interval_of(const struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->series_count; i++) {
        if (strcmp(policy->series[i].metric->name, name) == 0) {
            return policy->series[i].metric->interval_ms;
        }
    }
    return 0;
}

/* When what the newest samples said is not known any more; INT64_MAX: nothing is known. */
static int64_t unknown_at(const struct instance *instance)
{
    const struct policy *policy = instance->policy;
    int64_t due = INT64_MAX;
    if (policy->when.metric != NULL && instance->metric_ms > 0) {
        due = instance->metric_ms + SAMPLE_MISSES * interval_of(policy, policy->when.metric);
    }
    for (uint32_t i = 0; instance->op != NULL && i < instance->op->branches_count; i++) {
        const struct branch_state *branch = &instance->op->branches[i];
        if (branch->metric && branch->level != LEVEL_UNKNOWN) {
            int64_t ms = branch->at_ms +
                         SAMPLE_MISSES * interval_of(policy, policy->when.branches[i].metric);
            due = ms < due ? ms : due;
        }
    }
    return due;
}

static void arm(struct engine *engine, struct instance *instance)
{
    struct series_state *state = instance->series;
    int64_t forget = state->heard_ms + memory_ms(instance->policy);
    int64_t unknown = unknown_at(instance);
    engine_timer_set(engine, &state->timer, unknown < forget ? unknown : forget,
                     instance_order(instance));
}

/* ---- asking --------------------------------------------------------------------------------- */

struct sampled {
    const struct event *event;
    const char *metric;
    struct sample sample;
};

static enum level ask(struct engine *engine, struct instance *instance,
                      const struct policy_condition *condition, const struct event *event)
{
    if (condition->program == NULL) {
        return LEVEL_TRUE;
    }
    struct scope scope = {.engine = engine,
                          .event = event,
                          .host = instance->host != NULL ? instance->host
                                                         : map_get(&engine->hosts, event->host),
                          .domain = instance->domain,
                          .subject = instance->subject.at,
                          .policy = instance->policy,
                          .instance = instance,
                          .alarm_id = ""};
    enum level level = eval_condition(&scope, condition, NULL);
    engine->counters.conditions_unknown += level == LEVEL_UNKNOWN;
    return level;
}

/* Hysteresis: once true, true until `if` is false and `clear` is true. */
static enum level latched(struct engine *engine, struct instance *instance,
                          const struct event *event)
{
    const struct policy_when *when = &instance->policy->when;
    struct series_state *state = instance->series;
    enum level level = ask(engine, instance, &when->condition, event);
    if (level == LEVEL_TRUE) {
        state->latched = true;
    } else if (level == LEVEL_FALSE && when->clear.program == NULL) {
        state->latched = false;
    } else if (level == LEVEL_FALSE && state->latched) {
        state->latched = ask(engine, instance, &when->clear, event) != LEVEL_TRUE;
        level = state->latched ? LEVEL_TRUE : LEVEL_FALSE;
    }
    return level;
}

static void trigger_sampled(struct engine *engine, struct instance *instance,
                            const struct event *event)
{
    const struct policy_when *when = &instance->policy->when;
    instance->metric_ms = engine->now_ms;
    enum level level = latched(engine, instance, event);
    if (level == LEVEL_TRUE) {
        instance_event(engine, instance, event, NULL);
    }
    if (when->count == 0) {
        instance_level_set(engine, instance, level);
    } else if (level == LEVEL_TRUE) {
        instance_count(engine, instance, event);
    }
}

static void branches_sampled(struct engine *engine, struct instance *instance,
                             const struct sampled *sampled)
{
    const struct policy_when *when = &instance->policy->when;
    struct operator_state *op = operator_of(engine, instance);
    for (uint32_t i = 0; op != NULL && i < when->branches_count; i++) {
        const struct policy_branch *branch = &when->branches[i];
        if (branch->metric == NULL || strcmp(branch->metric, sampled->metric) != 0) {
            continue;
        }
        struct branch_state *known = &op->branches[i];
        enum level level = ask(engine, instance, &branch->condition, sampled->event);
        if (level == LEVEL_TRUE && (known->level != LEVEL_TRUE || when->updates)) {
            known->begin_ms = sampled->sample.at;
        }
        known->level = (uint8_t)level;
        known->at_ms = engine->now_ms;
        known->heard = true;
        if (level == LEVEL_TRUE) {
            instance_event(engine, instance, sampled->event, NULL);
        }
        operator_level(engine, instance);
    }
}

static void subject_sampled(struct engine *engine, const struct policy *policy,
                            struct host_state *host, struct domain_state *domain, void *arg)
{
    const struct sampled *sampled = arg;
    struct instance *instance = instance_get(engine, policy, host, domain);
    struct series *series = instance == NULL ? NULL : series_of(engine, instance, sampled->metric);
    if (series == NULL) {
        return;
    }
    struct series_state *state = instance->series;
    state->heard_ms = engine->now_ms;
    if (sampled->sample.at > engine->now_ms - memory_ms(policy)) {
        series_put(series, sampled->sample);
    }
    if (policy->when.metric != NULL && strcmp(policy->when.metric, sampled->metric) == 0) {
        trigger_sampled(engine, instance, sampled->event);
    } else if (policy->when.branches_count > 0) {
        branches_sampled(engine, instance, sampled);
    }
    arm(engine, instance);
    int64_t part = memory_ms(policy) / SERIES_RECORD_PART;
    if (engine->now_ms - state->written_ms >= (part > SERIES_RECORD_MS ? part : SERIES_RECORD_MS)) {
        instance_touch(engine, instance);
    }
}

/* ---- events --------------------------------------------------------------------------------- */

bool metric_is_sample(const struct event *event)
{
    return event->state == EVENT_PULSE && text_is(event->type, POLICY_SAMPLE_TYPE);
}

static bool number_of(const struct nsh_value *value, double *ret_number)
{
    if (value == NULL || (value->type != NSH_INT && value->type != NSH_DOUBLE)) {
        return false;
    }
    *ret_number = value->type == NSH_INT ? (double)value->integer : value->real;
    return isfinite(*ret_number);
}

void metric_event(struct engine *engine, const struct event *event)
{
    struct pack_reader reader = {.at = (const uint8_t *)event->data.at, .count = event->data.count};
    struct nsh_value data = nsh_map(NULL, 0);
    struct sampled sampled = {.event = event, .sample.at = event_at(engine, event)};
    if (event->data.count == 0 || event->data.count > SAMPLE_TEXT_BYTES_MAX ||
        unpack_value(&reader, &engine->scratch, &data, NULL) < 0) {
        return;
    }
    sampled.metric = nsh_get_text(&data, "metric", "");
    const struct policy_list *list = map_get(&engine->set->by_metric, text_of(sampled.metric));
    if (list == NULL || !number_of(nsh_get(&data, "value"), &sampled.sample.value)) {
        return;
    }
    struct host_state *host = map_get(&engine->hosts, event->host);
    for (size_t i = 0; i < list->count; i++) {
        event_subjects(engine, list->items[i], event, host, subject_sampled, &sampled);
    }
}

/* ---- time ----------------------------------------------------------------------------------- */

static void turn_unknown(struct engine *engine, struct instance *instance)
{
    const struct policy_when *when = &instance->policy->when;
    int64_t now_ms = engine->now_ms;
    if (when->metric != NULL && instance->metric_ms > 0 && when->count == 0) {
        instance->metric_ms = 0;
        instance_level_set(engine, instance, LEVEL_UNKNOWN);
        return;
    }
    for (uint32_t i = 0; instance->op != NULL && i < instance->op->branches_count; i++) {
        struct branch_state *branch = &instance->op->branches[i];
        if (branch->metric && branch->level != LEVEL_UNKNOWN &&
            branch->at_ms +
                    SAMPLE_MISSES * interval_of(instance->policy, when->branches[i].metric) <=
                now_ms) {
            branch->level = LEVEL_UNKNOWN;
            operator_level(engine, instance);
        }
    }
    instance->metric_ms = 0;
}

static void metric_fire(struct engine *engine, void *owner)
{
    struct instance *instance = owner;
    struct series_state *state = instance->series;
    if (unknown_at(instance) <= engine->now_ms) {
        turn_unknown(engine, instance);
    }
    if (state->heard_ms + memory_ms(instance->policy) <= engine->now_ms && !state->latched) {
        metric_free(engine, instance);
        instance_touch(engine, instance);
        return;
    }
    if (state->heard_ms + memory_ms(instance->policy) > engine->now_ms ||
        unknown_at(instance) != INT64_MAX) {
        arm(engine, instance);
    }
}

void metric_gap(struct engine *engine, struct instance *instance)
{
    for (uint32_t i = 0; instance->op != NULL && i < instance->op->branches_count; i++) {
        struct branch_state *branch = &instance->op->branches[i];
        branch->level = branch->metric ? LEVEL_UNKNOWN : branch->level;
    }
    instance->metric_ms = 0;
}

/* ---- functions of conditions ---------------------------------------------------------------- */

static struct instance *instance_of(struct scope *scope)
{
    if (scope->instance != NULL) {
        return scope->instance;
    }
    if (scope->run != NULL) {
        return scope->run->instance;
    }
    bool known = scope->policy != NULL && (scope->domain != NULL || scope->host != NULL);
    return known ? instance_find(scope->engine, scope->policy, scope->host, scope->domain) : NULL;
}

static struct text text_of_value(const struct cel_value *value)
{
    return (struct text){value->text, value->count};
}

static int newest(const struct series *series, const struct policy_metric *metric, int64_t now_ms,
                  double *ret_value, struct nsh_error *err)
{
    const struct sample *sample = series_newest(series);
    if (sample == NULL || now_ms - sample->at > (SAMPLE_MISSES + 1) * metric->interval_ms) {
        return nsh_fail(err, NSH_INVALID, "no sample of %s for too long", metric->name);
    }
    *ret_value = sample->value;
    return 0;
}

int metric_call(struct scope *scope, enum policy_function function, const struct cel_value *args,
                size_t args_count, struct cel_value *ret_value, struct nsh_error *err)
{
    struct instance *instance = instance_of(scope);
    const struct policy *policy = instance == NULL ? NULL : instance->policy;
    struct text name = text_of_value(&args[0]);
    uint32_t i = 0;
    while (policy != NULL && i < policy->series_count &&
           !text_is(name, policy->series[i].metric->name)) {
        i++;
    }
    if (policy == NULL || i == policy->series_count || instance->series == NULL ||
        instance->series->items[i].count == 0) {
        return nsh_fail(err, NSH_INVALID, "no sample of %.*s yet", PT(name));
    }
    const struct series *series = &instance->series->items[i];
    struct series_ask asked = {
        .function = function, .metric = policy->series[i].metric, .now_ms = scope->engine->now_ms};
    *ret_value = (struct cel_value){.kind = CEL_DOUBLE};
    if (function == FN_METRIC) {
        return newest(series, asked.metric, asked.now_ms, &ret_value->real, err);
    }
    if (args_count < 2 || !text_to_duration_ms(text_of_value(&args[1]), &asked.window_ms) ||
        (args_count > 2 && !text_to_duration_ms(text_of_value(&args[2]), &asked.ahead_ms))) {
        return nsh_fail(err, NSH_INVALID, "no window");
    }
    double *values = function == FN_ANOMALY
                         ? arena_array(&scope->engine->scratch, series->count, sizeof *values)
                         : NULL;
    if (function == FN_ANOMALY && values == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a window");
    }
    if (!series_window(series, &asked, values, &ret_value->real)) {
        return nsh_fail(err, NSH_INVALID,
                        "too few samples of %.*s in %.*s: %u, one is expected each %llds", PT(name),
                        PT(text_of_value(&args[1])),
                        series_within(series, asked.window_ms, asked.now_ms),
                        (long long)(asked.metric->interval_ms / 1000));
    }
    return 0;
}

/* ---- records, words ------------------------------------------------------------------------- */

void metric_record(struct engine *engine, struct textbuf *json, struct instance *instance)
{
    struct series_state *state = instance->series;
    if (state == NULL) {
        return;
    }
    state->written_ms = engine->now_ms;
    json_bool(json, "latched", state->latched);
    json_comma(json);
    textbuf_add_chars(json, "\"series\":{");
    for (uint32_t i = 0; i < state->count; i++) {
        json_comma(json);
        textbuf_add_json(json, text_of(instance->policy->series[i].metric->name));
        textbuf_add_chars(json, ":[");
        for (uint32_t s = 0; s < state->items[i].count; s++) {
            struct sample sample = series_item(&state->items[i], s);
            char number[64];
            snprintf(number, sizeof number, "%.17g", sample.value);
            textbuf_addf(json, "%s[%lld,%s%s]", s == 0 ? "" : ",", (long long)sample.at, number,
                         strpbrk(number, ".e") == NULL ? ".0" : "");
        }
        textbuf_add_char(json, ']');
    }
    textbuf_add_char(json, '}');
}

static void series_load(struct engine *engine, struct instance *instance, const char *name,
                        const struct nsh_value *list)
{
    struct series *series = series_of(engine, instance, name);
    for (uint32_t i = 0; series != NULL && list->type == NSH_LIST && i < list->count; i++) {
        const struct nsh_value *pair = &list->items[i];
        double number = 0;
        if (pair->type == NSH_LIST && pair->count == 2 && pair->items[0].type == NSH_INT &&
            number_of(&pair->items[1], &number)) {
            series_put(series, (struct sample){pair->items[0].integer, number});
        }
    }
}

void metric_load(struct engine *engine, struct instance *instance, const struct nsh_value *value)
{
    const struct nsh_value *all = nsh_get(value, "series");
    if (all == NULL || all->type != NSH_MAP || instance->policy->series_count == 0) {
        return;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        series_load(engine, instance, all->members[i].name, &all->members[i].value);
    }
    struct series_state *state = state_of(engine, instance);
    if (state != NULL) {
        state->latched = nsh_get_bool(value, "latched", false);
        state->heard_ms = engine->now_ms;
        state->written_ms = engine->now_ms;
        arm(engine, instance);
    }
}

void metric_why(struct engine *engine, const struct instance *instance, struct textbuf *lines)
{
    const struct series_state *state = instance->series;
    for (uint32_t i = 0; i < instance->policy->series_count; i++) {
        const struct policy_series *wanted = &instance->policy->series[i];
        const struct series *series = state == NULL ? NULL : &state->items[i];
        const struct sample *sample = series == NULL ? NULL : series_newest(series);
        textbuf_addf(lines, "metric: %s", wanted->metric->name);
        if (sample == NULL) {
            textbuf_add_chars(lines, " was never seen\n");
            continue;
        }
        textbuf_addf(lines, " = %g%s%s, ", sample->value, wanted->metric->unit[0] == 0 ? "" : " ",
                     wanted->metric->unit);
        textbuf_add_span(lines, engine->now_ms - sample->at);
        textbuf_add_chars(lines, " ago");
        if (wanted->window_ms > 0) {
            textbuf_addf(lines, "; %u of %lld samples in ",
                         series_within(series, wanted->window_ms, engine->now_ms),
                         (long long)(wanted->window_ms / wanted->metric->interval_ms));
            textbuf_add_duration(lines, wanted->window_ms);
        }
        textbuf_add_char(lines, '\n');
    }
    if (state != NULL && state->latched && instance->policy->when.clear.program != NULL) {
        textbuf_add_chars(lines, "clear: it was true, and stays so until clear is\n");
    }
}
