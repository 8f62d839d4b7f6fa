/* SPDX-License-Identifier: Apache-2.0 */
/* What happens in a test, out of the records and calls of the engine: what people would see too. */

#include "rehearse/rehearse_private.h"

#include <stdlib.h>

static const char *keep(struct observer *observer, const char *chars)
{
    const char *copy = arena_copy(&observer->rehearsal->test, chars, strlen(chars));
    observer->no_memory = observer->no_memory || copy == NULL;
    return copy == NULL ? "" : copy;
}

static const char *keep_text(struct observer *observer, struct text text)
{
    const char *copy = arena_text(&observer->rehearsal->test, text).at;
    observer->no_memory = observer->no_memory || copy == NULL;
    return copy == NULL ? "" : copy;
}

static void happened(struct observer *observer, struct happening happening)
{
    if (observer->items_count == observer->items_room) {
        size_t room = observer->items_room == 0 ? 64 : observer->items_room * 2;
        struct happening *grown =
            room > HAPPENINGS_MAX ? NULL : realloc(observer->items, room * sizeof *grown);
        if (grown == NULL) {
            observer->no_memory = true;
            return;
        }
        observer->items = grown;
        observer->items_room = room;
    }
    happening.at_ms = observer->world->now_ms - observer->rehearsal->start_ms;
    observer->items[observer->items_count++] = happening;
}

static const struct policy *policy_named(const struct observer *observer, const char *name)
{
    return map_get(&observer->rehearsal->policies->by_name, text_of(name));
}

static void decision_seen(struct observer *observer, const struct nsh_value *body)
{
    const char *outcome = keep(observer, nsh_get_text(body, "outcome", ""));
    const char *policy = keep(observer, nsh_get_text(body, "policy", ""));
    happened(observer,
             (struct happening){.kind = HAPPENED_DECISION,
                                .policy = policy,
                                .subject = keep(observer, nsh_get_text(body, "subject", "")),
                                .name = outcome,
                                .text = keep(observer, nsh_get_text(body, "reason", ""))});
    const struct policy *known = policy_named(observer, policy);
    if (observer->coverage != NULL && known != NULL) {
        coverage_decision(observer->coverage, known, outcome);
    }
}

static struct seen_run *run_of(struct observer *observer, struct text id,
                               const struct nsh_value *body)
{
    struct seen_run *run = map_get(&observer->runs, id);
    if (run != NULL) {
        return run;
    }
    run = arena_alloc(&observer->rehearsal->test, sizeof *run);
    if (run == NULL) {
        observer->no_memory = true;
        return NULL;
    }
    run->id = keep_text(observer, id);
    run->policy = keep(observer, nsh_get_text(body, "policy", ""));
    run->subject = keep(observer, nsh_get_text(body, "subject", ""));
    observer->no_memory =
        map_set(&observer->runs, text_of(run->id), run) < 0 || observer->no_memory;
    return run;
}

static void run_step_seen(struct observer *observer, struct seen_run *run,
                          const struct nsh_value *step)
{
    int64_t number = nsh_get_int(step, "n", 0);
    const char *state = nsh_get_text(step, "state", "");
    bool act = strcmp(nsh_get_text(step, "kind", ""), "act") == 0;
    if (number < 0 || (size_t)number >= sizeof run->steps || run->steps[number] == 2 ||
        strcmp(state, "waiting") == 0) {
        return;
    }
    struct happening happening = {.policy = run->policy,
                                  .subject = run->subject,
                                  .name = keep(observer, nsh_get_text(step, "name", "")),
                                  .state = keep(observer, state),
                                  .text = keep(observer, nsh_get_text(step, "text", ""))};
    if (run->steps[number] == 0 && !act && strcmp(state, "skipped") != 0) {
        happening.kind = HAPPENED_BEGIN;
        happened(observer, happening);
    }
    run->steps[number] = 1;
    if (strcmp(state, "running") == 0) {
        return;
    }
    run->steps[number] = 2;
    happening.kind = HAPPENED_STEP;
    happened(observer, happening);
    const struct policy *policy = policy_named(observer, run->policy);
    if (observer->coverage != NULL && policy != NULL) {
        coverage_step(observer->coverage, policy, happening.name, happening.state);
    }
}

static void run_seen(struct observer *observer, const struct record *record,
                     const struct nsh_value *body)
{
    struct seen_run *run = run_of(observer, record->id, body);
    const struct nsh_value *steps = nsh_get(body, "steps");
    for (uint32_t i = 0; run != NULL && steps != NULL && i < steps->count; i++) {
        run_step_seen(observer, run, &steps->items[i]);
    }
    if (run != NULL && !run->ended && nsh_get_int(body, "ended_ms", 0) > 0) {
        run->ended = true;
        happened(observer,
                 (struct happening){.kind = HAPPENED_END,
                                    .policy = run->policy,
                                    .subject = run->subject,
                                    .name = keep_text(observer, record->state),
                                    .text = keep(observer, nsh_get_text(body, "reason", ""))});
    }
}

/* Which run and step a call belongs to: the record of its intent came before it. */
struct seen_action {
    const char *run, *step;
};

static void action_seen(struct observer *observer, const struct record *record,
                        const struct nsh_value *body)
{
    if (map_get(&observer->actions, record->id) != NULL) {
        return;
    }
    struct seen_action *action = arena_alloc(&observer->rehearsal->test, sizeof *action);
    if (action == NULL) {
        observer->no_memory = true;
        return;
    }
    *action = (struct seen_action){keep(observer, nsh_get_text(body, "run", "")),
                                   keep(observer, nsh_get_text(body, "step", ""))};
    struct text id = text_of(keep_text(observer, record->id));
    observer->no_memory = map_set(&observer->actions, id, action) < 0 || observer->no_memory;
}

static bool *waits_of(struct observer *observer, const struct record *record)
{
    bool *waits = map_get(&observer->pending, record->id);
    if (waits == NULL) {
        waits = arena_alloc(&observer->rehearsal->test, sizeof *waits);
        struct text id = text_of(keep_text(observer, record->id));
        if (waits == NULL || map_set(&observer->pending, id, waits) < 0) {
            observer->no_memory = true;
            return NULL;
        }
    }
    return waits;
}

/* The id is "POLICY SUBJECT". */
static void pending_seen(struct observer *observer, const struct record *record)
{
    bool *waited = waits_of(observer, record);
    bool waits = !record->remove &&
                 (text_is(record->state, "pending") || text_is(record->state, "settling"));
    if (waited != NULL && waits && !*waited) {
        const char *id = keep_text(observer, record->id);
        const char *space = strchr(id, ' ');
        size_t count = space == NULL ? strlen(id) : (size_t)(space - id);
        const char *policy = arena_copy(&observer->rehearsal->test, id, count);
        happened(observer, (struct happening){.kind = HAPPENED_PENDING,
                                              .policy = policy == NULL ? "" : policy,
                                              .subject = space == NULL ? "" : space + 1});
    }
    if (waited != NULL) {
        *waited = waits;
    }
}

/* The newest body of every living record: what a restart begins with. */
static void record_keep(struct observer *observer, const struct record *record)
{
    struct arena *arena = &observer->rehearsal->test;
    const char *key = arena_printf(arena, "%s/%.*s", record_word(record->kind),
                                   (int)record->id.count, record->id.at);
    struct record *copy = key == NULL ? NULL : map_get(&observer->kept, text_of(key));
    bool known = copy != NULL;
    copy = known ? copy : arena_alloc(arena, sizeof *copy);
    if (key == NULL || copy == NULL) {
        observer->no_memory = true;
        return;
    }
    *copy = *record;
    copy->id = arena_text(arena, record->id);
    copy->host = arena_text(arena, record->host);
    copy->state = arena_text(arena, record->state);
    copy->body = arena_text(arena, record->body);
    observer->no_memory =
        (!known && map_set(&observer->kept, text_of(key), copy) < 0) || observer->no_memory;
}

void observe_record(void *arg, const struct record *record)
{
    struct observer *observer = arg;
    if (observer->keeps) {
        record_keep(observer, record);
    }
    if (record->kind == RECORD_PENDING) {
        pending_seen(observer, record);
        return;
    }
    if (record->kind != RECORD_DECISION && record->kind != RECORD_RUN &&
        record->kind != RECORD_ACTION) {
        return;
    }
    if (record->kind == RECORD_ACTION && map_get(&observer->actions, record->id) != NULL) {
        return;
    }
    struct nsh_value body;
    arena_reset(&observer->scratch);
    if (json_parse(record->body.at, record->body.count, &observer->scratch, &body, NULL) < 0) {
        observer->no_memory = true;
        return;
    }
    if (record->kind == RECORD_DECISION) {
        decision_seen(observer, &body);
    } else if (record->kind == RECORD_RUN && nsh_get(&body, "parent") != NULL) {
        (void)run_of(observer, record->id, &body); /* One item of a step: for its calls. */
    } else if (record->kind == RECORD_RUN) {
        run_seen(observer, record, &body);
    } else if (record->kind == RECORD_RUN) {
        (void)run_of(observer, record->id, &body); /* An item of `each`: whose call it is. */
    } else if (record->kind == RECORD_ACTION) {
        action_seen(observer, record, &body);
    }
}

void observe_call(void *arg, const struct engine_call *call, const struct verb *verb, bool stubbed)
{
    struct observer *observer = arg;
    const struct seen_action *action = map_get(&observer->actions, call->action);
    if (action == NULL || verb == NULL) {
        return; /* A proof that is read back is no action of the policy. */
    }
    const struct seen_run *run = map_get(&observer->runs, text_of(action->run));
    struct arena *arena = &observer->rehearsal->test;
    struct happening happening = {.kind = HAPPENED_CALL,
                                  .policy = run == NULL ? "" : run->policy,
                                  .subject = run == NULL ? "" : run->subject,
                                  .name = verb->name,
                                  .step = action->step,
                                  .text = ""};
    if (!arena_value(arena, &call->args, &happening.args)) {
        observer->no_memory = true;
    }
    happened(observer, happening);
    if (!stubbed && observer->unstubbed.type != NSH_MAP) {
        struct nsh_member *members = arena_array(arena, 2, sizeof *members);
        if (members != NULL) {
            members[0] = (struct nsh_member){"verb", nsh_text(verb->name)};
            members[1] = (struct nsh_member){"host", nsh_text(happening.subject)};
            observer->unstubbed = nsh_map(members, 2);
        }
    }
}

static void trace_add(struct observer *observer, struct text trace)
{
    CLEANUP(textbuf_donep) struct textbuf at = {0};
    textbuf_add_duration(&at, observer->world->now_ms - observer->rehearsal->start_ms);
    for (const char *line = trace.at, *end = trace.at + trace.count; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop == NULL ? end : stop;
        if (observer->trace->count < REHEARSE_TRACE_BYTES_MAX) {
            textbuf_addf(observer->trace, "%10s  %.*s\n", at.at, (int)(stop - line), line);
        }
        line = stop + 1;
    }
}

void observe_step(void *arg, const struct engine_output *output)
{
    struct observer *observer = arg;
    for (size_t i = 0; observer->coverage != NULL && i < output->seen_count; i++) {
        coverage_seen(observer->coverage, observer->rehearsal->policies, &output->seen[i]);
    }
    if (observer->trace != NULL && output->trace.count > 0) {
        trace_add(observer, output->trace);
    }
}

void observer_done(struct observer *observer)
{
    map_done(&observer->runs);
    map_done(&observer->actions);
    map_done(&observer->pending);
    map_done(&observer->kept);
    arena_done(&observer->scratch);
    free(observer->items);
    observer->items = NULL;
}
