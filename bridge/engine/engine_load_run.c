/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs and actions after a restart.
 *
 * An action whose record was durable may have been sent, whatever its record says: it is in doubt
 * and is verified by reading. Words to people are said again with the same token: to be woken twice
 * is better than not at all. A run goes on with the definition it started with, or with a person.
 */

#include "engine_domain.h"

#include <stdio.h>
#include <stdlib.h>

/* For a run whose policy is gone or was changed: nothing but a page is left of its ladder. */
static const struct policy lost_policy = {
    .name = "(changed)", .owner = "", .summary = "", .subject = "host", .mode = POLICY_ENFORCE};

/* Stands for the step whose action is in doubt. */
static const struct policy_step lost_step = {.name = "in doubt", .kind = STEP_ACT};

static const char *text_at(const struct nsh_value *value, const char *name)
{
    return nsh_get_text(value, name, "");
}

static struct text event_of(struct engine *engine, const struct nsh_value *value)
{
    struct event event;
    if (value == NULL || value->type != NSH_MAP ||
        event_from_kept(value, &engine->scratch, &event, NULL) < 0) {
        return (struct text){0};
    }
    size_t room = event_packed_bytes(&event);
    uint8_t *bytes = arena_alloc(&engine->scratch, room);
    struct text packed = {0};
    if (bytes != NULL) {
        packed.at = (const char *)bytes;
        packed.count = (uint32_t)event_pack(&event, bytes, room);
    }
    return packed;
}

static void way_restore(struct run *run, struct run_step *step, const struct nsh_value *value)
{
    int via = binding_of(text_of(text_at(value, "via")));
    int64_t way = nsh_get_int(value, "way", 0);
    if (via > BINDING_NONE) {
        step->via = (enum binding_kind)via;
    } else if (step->step->verb != NULL) {
        step->via = step->step->verb->binding;
    }
    if (way > 0 && way < HOST_REACH_MAX) {
        step->way = (uint32_t)way;
        step->instead = run_keep(run, text_at(value, "instead"));
    }
}

static void steps_restore(struct engine *engine, struct run *run, const struct nsh_value *steps)
{
    for (uint32_t i = 0; steps != NULL && steps->type == NSH_LIST && i < steps->count; i++) {
        const struct nsh_value *value = &steps->items[i];
        int64_t number = nsh_get_int(value, "n", -1);
        int state = step_state_of(text_at(value, "state"));
        if (number < 0 || number >= (int64_t)run->steps_count || state < 0) {
            continue;
        }
        struct run_step *step = &run->steps[number];
        step->state = (enum step_state)state;
        step->text = run_keep(run, text_at(value, "text"));
        step->started_ms = nsh_get_int(value, "started_ms", 0);
        step->ended_ms = nsh_get_int(value, "ended_ms", 0);
        step->attempts = (uint32_t)nsh_get_int(value, "attempts", 0);
        snprintf(step->action, sizeof step->action, "%s", text_at(value, "action"));
        const struct nsh_value *values = nsh_get(value, "values");
        if (values != NULL && !arena_value(&run->arena, values, &step->result)) {
            step->result = nsh_null();
        }
        step->did = nsh_get_bool(value, "did", false);
        step->silent = nsh_get_bool(value, "silent", false);
        way_restore(run, step, value);
        each_restore(engine, run, step, nsh_get(value, "items"));
        bool bad = step->state == STEP_FAILED || step->state == STEP_REFUSED;
        if (bad && number < (int64_t)run->page_at) {
            run->failed_step = step->step->name;
            run->failed_error = step->text;
        }
    }
}

/* The definition it started with; NULL: it is no longer there. */
static const struct policy *definition(struct engine *engine, const struct nsh_value *value)
{
    const char *name = text_at(value, "policy");
    const struct policy *policy = map_get(&engine->set->by_name, text_of(name));
    if (strcmp(name, builtin_brake_policy()->name) == 0) {
        policy = builtin_brake_policy();
    } else if (strcmp(name, builtin_owed_policy()->name) == 0) {
        policy = builtin_owed_policy();
    }
    uint64_t revision = strtoull(text_at(value, "policy_revision"), NULL, 16);
    return policy != NULL && policy->revision == revision ? policy : NULL;
}

static void run_place(struct engine *engine, struct run *run)
{
    const struct verb *only = run->parent == NULL ? NULL : run->steps[0].step->verb;
    enum nsh_effect effect = run->policy == &lost_policy ? NSH_INTERRUPTS
                             : only == NULL              ? policy_effect(run->policy)
                             : verb_speaks(only)         ? NSH_READS
                                                         : only->effect;
    if (run->refused || run->policy == builtin_brake_policy() || calendar_is_away(run)) {
        return;
    }
    if (run->host != NULL && effect >= NSH_CHANGES && run->host->run == NULL) {
        run->host->run = run;
        host_touch(engine, run->host);
    }
    if (effect >= NSH_INTERRUPTS) {
        concurrent_take(engine, run);
    }
}

static void run_flags(struct run *run, const struct nsh_value *value)
{
    run->otherwise = nsh_get_bool(value, "otherwise", false);
    run->refused = nsh_get_bool(value, "refused", false);
    run->cleared = nsh_get_bool(value, "cleared", false);
    run->effects = nsh_get_bool(value, "effects", false);
    run->interrupted = nsh_get_bool(value, "interrupted", false);
    run->told = nsh_get_bool(value, "told", false);
    run->owes = nsh_get_bool(value, "owes", false);
    run->undoing = nsh_get_bool(value, "undoing", false);
    run->undone = nsh_get_bool(value, "undone", false);
    int after = run_state_of(text_at(value, "after"));
    run->after = after < 0 ? RUN_CANCELLED : (enum run_state)after;
    run->after_reason = run_keep(run, text_at(value, "after_reason"));
    run->started_ms = nsh_get_int(value, "started_ms", 0);
    const char *failure = text_at(value, "failure");
    run->failure = failure[0] == 0 ? NULL : run_keep(run, failure);
}

static void run_subject(struct engine *engine, struct run_order *order,
                        const struct nsh_value *value)
{
    const char *host = text_at(value, "host");
    const char *equals = strchr(order->subject, '=');
    bool part = equals != NULL && (strncmp(order->subject, "disk=", 5) == 0 ||
                                   strncmp(order->subject, "outlet=", 7) == 0);
    if (host[0] != 0) {
        order->host = host_by_record(engine, host);
        order->domain = part ? part_named(engine, order->subject) : NULL;
    } else if (equals != NULL) {
        const char *kind =
            scratch_printf(engine, "%.*s", (int)(equals - order->subject), order->subject);
        order->domain = domain_get(engine, kind, text_of(equals + 1));
    }
}

static void load_run(struct engine *engine, const struct nsh_value *value)
{
    bool item = text_at(value, "parent")[0] != 0;
    const struct policy *policy = item ? NULL : definition(engine, value);
    int severity = severity_of(text_of(text_at(value, "severity")));
    struct run_order order = {
        .policy = policy == NULL ? &lost_policy : policy,
        .set = policy == NULL || policy == builtin_brake_policy() ? NULL : engine->set,
        .subject = text_at(value, "subject"),
        .alarm = text_at(value, "alarm"),
        .decision = text_at(value, "decision"),
        .id = text_at(value, "id"),
        .event = event_of(engine, nsh_get(value, "event")),
        .severity = severity < 0 ? SEVERITY_MAJOR : (enum severity)severity,
        .pulse = nsh_get_bool(value, "pulse", false),
        .only = policy == builtin_owed_policy() ? builtin_owed_step() : NULL,
    };
    run_subject(engine, &order, value);
    struct run *run = run_new(engine, &order);
    if (run == NULL) {
        return;
    }
    run_flags(run, value);
    matched_load_run(engine, run, nsh_get(value, "matched"));
    if (policy == NULL) {
        run->policy_name = run_keep(run, text_at(value, "policy"));
        run->lost = "its policy was changed or removed while the daemon was down";
    } else {
        int64_t at = nsh_get_int(value, "at", 0);
        run->at = at >= 0 && at < (int64_t)run->steps_count ? (uint32_t)at : run->page_at;
        steps_restore(engine, run, nsh_get(value, "steps"));
        approve_load(run, nsh_get(value, "waits"));
        if (run->domain == NULL && run->host != NULL) {
            run->instance = instance_find(engine, policy, run->host, NULL);
        } else if (run->domain != NULL) {
            run->instance = instance_find(engine, policy, NULL, run->domain);
        }
    }
    if (run->instance != NULL && run->instance->run == NULL) {
        run->instance->run = run;
        run->cleared = run->cleared || (!run->pulse && run->instance->state != INST_ACTIVE);
    } else {
        run->instance = NULL;
        run->orphan = true;
    }
    run_place(engine, run);
    run_touch(engine, run);
    engine_trace(engine, "run %s %s %s resumed", run->id, run->subject, run->policy_name);
}

/* The run of one item: its step is where the run that began it stands. */
static void load_child(struct engine *engine, const struct nsh_value *value)
{
    struct run *parent = map_get(&engine->runs, text_of(text_at(value, "parent")));
    int64_t number = nsh_get_int(value, "item_n", -1);
    bool known = parent != NULL && each_is(parent) && number >= 0 &&
                 number < (int64_t)parent->steps[parent->at].items_count;
    if (!known) {
        load_run(engine, value); /* Without its ladder: what is in doubt is resolved. */
        struct run *run = map_get(&engine->runs, text_of(text_at(value, "id")));
        if (run != NULL && parent != NULL && run->policy == &lost_policy) {
            run->parent = parent;
            run->item = UINT32_MAX;
            parent->children++;
        }
        return;
    }
    struct run *child = each_child(engine, parent, (uint32_t)number, text_at(value, "id"));
    if (child == NULL) {
        return;
    }
    run_flags(child, value);
    steps_restore(engine, child, nsh_get(value, "steps"));
    child->cleared = child->cleared || parent->cleared;
    child->undoing = parent->undoing;
    run_place(engine, child);
    run_touch(engine, child);
    engine_trace(engine, "run %s %s %s resumed", child->id, child->subject, child->policy_name);
}

/* ---- what was in flight
 * -------------------------------------------------------------------------- */

/* The step of an action: where the run stands, or a stand-in when its ladder is gone. */
static struct run_step *step_of(struct run *run)
{
    if (run->policy != &lost_policy && run->at < run->steps_count) {
        struct run_step *step = &run->steps[run->at];
        step->state = STEP_RUNNING;
        step->attempts = step->attempts == 0 ? 1 : step->attempts;
        return step;
    }
    struct run_step *steps = arena_array(&run->arena, 2, sizeof *steps);
    if (steps == NULL) {
        return NULL;
    }
    steps[0] = (struct run_step){.step = &lost_step, .state = STEP_RUNNING, .attempts = 1};
    steps[1] = (struct run_step){.step = builtin_page()};
    run->steps = steps;
    run->steps_count = run->undo_first = 2;
    run->do_count = run->page_at = 1;
    run->at = 0;
    return steps;
}

static void resume_words(struct engine *engine, struct action *action, const struct nsh_value *args)
{
    if (args == NULL || !arena_value(&action->run->arena, args, &action->args)) {
        page_arguments(engine, action->run, &action->args);
    }
    action->attempt++;
    action->text = "the daemon stopped before it heard whether this arrived: said again";
    run_state_set(engine, action->run, RUN_RUNNING);
    action_touch(engine, action);
    action_queue(engine, action);
}

static void resume_doubt(struct engine *engine, struct action *action)
{
    struct run *run = action->run;
    action->doubt = true;
    action->code = NSH_UNKNOWN;
    action->text = "the daemon stopped while it was in flight";
    run->effects = true;
    run->interrupted = run->interrupted || action->verb->effect >= NSH_INTERRUPTS;
    engine->counters.actions_unknown++;
    action_move(engine, action, ACTION_UNKNOWN);
    if (action->verb->verify == NULL || action->verb->proof == NULL) {
        const char *text = scratch_printf(
            engine, "%s: the daemon stopped while it was in flight; what it did is not known",
            action->verb->name);
        action_ends(engine, action, ACTION_FAILED, text);
        step_failed(engine, run, text);
        return;
    }
    action_move(engine, action, ACTION_VERIFYING);
    verify_begin(engine, action);
}

static void load_action(struct engine *engine, const struct nsh_value *value)
{
    struct run *run = map_get(&engine->runs, text_of(text_at(value, "run")));
    const struct verb *verb = verb_find(text_of(text_at(value, "verb")));
    int state = action_state_of(text_at(value, "state"));
    struct run_step *at = run == NULL || run->at >= run->steps_count ? NULL : &run->steps[run->at];
    if (verb == NULL && at != NULL && at->step->verb != NULL &&
        strcmp(at->step->verb->name, text_at(value, "verb")) == 0) {
        verb = at->step->verb; /* A verb of one driver. */
    } else if (verb == NULL && run != NULL && run_is_owed(run)) {
        verb = owed_verb(engine, text_at(value, "verb"));
    }
    struct run_step *step =
        run == NULL || run->action != NULL || verb == NULL ? NULL : step_of(run);
    struct action *action =
        step == NULL ? NULL : action_new(engine, run, step, verb, text_at(value, "id"));
    if (action == NULL || state < 0 || state >= ACTION_DONE) {
        return;
    }
    run->action = action;
    action->driver = run_keep(run, text_at(value, "driver"));
    int binding = binding_of(text_of(text_at(value, "binding")));
    action->binding = binding < 0 ? verb->binding : (enum binding_kind)binding;
    const char *instead = text_at(value, "instead");
    action->instead = instead[0] == 0 ? NULL : run_keep(run, instead);
    action->attempt = (uint32_t)nsh_get_int(value, "attempt", 1);
    action->intended_ms = nsh_get_int(value, "intended_ms", 0);
    action->sent_ms = nsh_get_int(value, "sent_ms", 0);
    action->completes = nsh_get_bool(value, "completes", false);
    if (text_at(value, "said_as")[0] != 0) {
        snprintf(action->call, sizeof action->call, "%s", text_at(value, "said_as"));
    }
    action->timeout_ms = (uint32_t)nsh_get_int(value, "timeout_ms", 0);
    action->stamped = verb->effect >= NSH_INTERRUPTS;
    action_touch(engine, action);
    if (verb_speaks(verb)) {
        resume_words(engine, action, nsh_get(value, "args"));
    } else if (verb->effect == NSH_READS) {
        action_ends(engine, action, ACTION_CANCELLED, "the daemon stopped: it is read again");
        step->state = STEP_TODO;
    } else {
        resume_doubt(engine, action);
    }
}

/* ---- going on
 * -------------------------------------------------------------------------------------- */

static void run_resume(struct engine *engine, struct run *run)
{
    int64_t down_ms = engine->now_ms - engine->known_ms;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_add_chars(&text, "nightshift was down for ");
    textbuf_add_span(&text, down_ms);
    bool late =
        down_ms > engine->guards->intent_max_age_ms && !calendar_is_away(run) && !run_is_owed(run);
    if (run->lost == NULL && !run->otherwise && !run->undoing && late) {
        if (!run->effects && run->action == NULL && run->children == 0 && run->parent == NULL) {
            run_end(engine, run, RUN_EXPIRED, text.at == NULL ? "" : text.at);
            return;
        }
        run->lost = run_keep(run, text.at == NULL ? "" : text.at);
    }
    struct run_step *step = run->at < run->steps_count ? &run->steps[run->at] : NULL;
    if (step != NULL && step->state == STEP_RUNNING && run->action == NULL) {
        if (each_is(run)) {
            each_resume(engine, run);
        } else if (step->step->kind == STEP_ACT) {
            step->state = STEP_TODO; /* It waited for another try. */
        } else if (run->lost != NULL) {
            step->state = STEP_SKIPPED;
        } else if (step->step->kind == STEP_WINDOW) {
            calendar_look(engine, run);
        } else if (step->step->kind == STEP_ASK) {
            approve_resume(engine, run, down_ms);
        } else if (step->step->kind == STEP_CHECK) {
            step->started_ms = engine->now_ms; /* Downtime is unknown time. */
            run->state = RUN_VERIFYING;
            step_check(engine, run);
        } else {
            int64_t left_ms = step->started_ms + step->step->wait_ms - engine->known_ms;
            engine_timer_set(engine, &run->timer, engine->now_ms + (left_ms > 0 ? left_ms : 0),
                             run->number | UINT64_C(1) << 63);
        }
    }
    step_advance(engine, run);
}

void load_runs(struct engine *engine)
{
    for (const struct loaded *loaded = engine->loaded_first; loaded != NULL;
         loaded = loaded->next) {
        if (loaded->kind == RECORD_RUN && text_at(&loaded->value, "parent")[0] == 0) {
            load_run(engine, &loaded->value);
        }
    }
    for (const struct loaded *loaded = engine->loaded_first; loaded != NULL;
         loaded = loaded->next) {
        if (loaded->kind == RECORD_RUN && text_at(&loaded->value, "parent")[0] != 0) {
            load_child(engine, &loaded->value);
        }
    }
    for (const struct loaded *loaded = engine->loaded_first; loaded != NULL;
         loaded = loaded->next) {
        if (loaded->kind == RECORD_ACTION) {
            load_action(engine, &loaded->value);
        }
    }
    for (struct run *run = engine->runs_first, *next = NULL; run != NULL; run = next) {
        next = run->next;
        run_resume(engine, run);
    }
}
