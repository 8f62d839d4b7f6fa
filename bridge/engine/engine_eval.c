/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What conditions and templates see. A variable is made when it is first read, in the scratch arena
 * of the step; a condition that errs is unknown, never true.
 */

#include "engine_domain.h"

#include "cel/cel_parts.h"

static struct nsh_value text_value(struct scope *scope, struct text text)
{
    char *copy = arena_copy(&scope->engine->scratch, text.at, text.count);
    return nsh_text(copy == NULL ? "" : copy);
}

static struct nsh_value chars_value(const char *chars)
{
    return nsh_text(chars == NULL ? "" : chars);
}

static struct nsh_value time_value(struct scope *scope, int64_t ms)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_add_time(&text, ms);
    return text_value(scope, (struct text){text.at, (uint32_t)text.count});
}

static struct nsh_value map_value(struct scope *scope, const struct nsh_member *members,
                                  size_t count)
{
    struct nsh_member *copy = arena_array(&scope->engine->scratch, count, sizeof *copy);
    if (copy == NULL) {
        scope->engine->nomem = true;
        return nsh_map(NULL, 0);
    }
    memcpy(copy, members, count * sizeof *copy);
    return nsh_map(copy, count);
}

static struct nsh_value data_value(struct scope *scope, struct text data)
{
    struct nsh_value value = nsh_map(NULL, 0);
    if (data.count > 0) {
        struct pack_reader reader = {.at = (const uint8_t *)data.at, .count = data.count};
        if (unpack_value(&reader, &scope->engine->scratch, &value, NULL) < 0) {
            return nsh_map(NULL, 0);
        }
    }
    return value;
}

struct nsh_value eval_event(struct scope *scope)
{
    const struct event *event = scope->event;
    const struct nsh_member members[] = {
        {"id", text_value(scope, event->id)},
        {"source", text_value(scope, event->source)},
        {"type", text_value(scope, event->type)},
        {"subject", text_value(scope, event->subject)},
        {"time", time_value(scope, event_at(scope->engine, event))},
        {"severity", nsh_int((int64_t)event->severity)},
        {"state", nsh_text(event_state_word(event->state))},
        {"host", text_value(scope, event->host)},
        {"resource", text_value(scope, event->resource)},
        {"qualifier", text_value(scope, event->qualifier)},
        {"name", text_value(scope, event->name)},
        {"message", text_value(scope, event->message)},
        {"data", data_value(scope, event->data)},
    };
    return map_value(scope, members, sizeof members / sizeof members[0]);
}

static struct nsh_value subject_value(struct scope *scope)
{
    const struct nsh_member members[] = {
        {"name", chars_value(scope->domain != NULL ? scope->domain->name : scope->subject)},
        {"kind", chars_value(scope->domain != NULL ? scope->domain->kind : "host")},
    };
    return map_value(scope, members, 2);
}

static struct nsh_value policy_value(struct scope *scope)
{
    const struct policy *policy = scope->policy;
    const struct nsh_member members[] = {
        {"name", chars_value(policy->name)},
        {"owner", chars_value(policy->owner)},
        {"mode", chars_value(policy_mode_word(policy->mode))},
        {"summary", chars_value(policy->summary)},
    };
    return map_value(scope, members, 4);
}

static struct nsh_value run_value(struct scope *scope)
{
    const struct run *run = scope->run;
    const char *id = run->parent_id[0] != 0 ? run->parent_id : run->id;
    int64_t attempt = run->at < run->steps_count ? run->steps[run->at].attempts : 1;
    const struct nsh_member members[] = {
        {"id", nsh_text(id)},
        {"attempt", nsh_int(attempt)},
    };
    return map_value(scope, members, 2);
}

static struct nsh_value alarm_value(struct scope *scope)
{
    const struct alarm *alarm = scope->alarm;
    const struct event *event = scope->event;
    struct text none = {0};
    const struct nsh_member members[] = {
        {"id", chars_value(scope->alarm_id)},
        {"type", text_value(scope, alarm != NULL   ? alarm->type
                                   : event != NULL ? event->type
                                                   : none)},
        {"severity", nsh_int(alarm != NULL   ? (int64_t)alarm->severity
                             : event != NULL ? (int64_t)event->severity
                                             : 0)},
        {"resource", text_value(scope, alarm != NULL   ? alarm->resource
                                       : event != NULL ? event->resource
                                                       : none)},
        {"count", nsh_int(alarm != NULL ? (int64_t)alarm->count : 1)},
        {"raised", alarm != NULL ? time_value(scope, alarm->raised_ms) : nsh_text("")},
        {"text", alarm != NULL   ? chars_value(alarm->message)
                 : event != NULL ? text_value(scope, event->message)
                                 : nsh_text("")},
    };
    return map_value(scope, members, sizeof members / sizeof members[0]);
}

/* Steps that were not reached are not there: a condition that asks for them is unknown. */
static struct nsh_value steps_value(struct scope *scope)
{
    const struct run *run = scope->run->parent != NULL ? scope->run->parent : scope->run;
    struct nsh_member *members =
        arena_array(&scope->engine->scratch, run->steps_count, sizeof *members);
    size_t count = 0;
    for (uint32_t i = 0; members != NULL && i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        if (step->state == STEP_TODO || step->state == STEP_RUNNING || step->step->name == NULL) {
            continue;
        }
        bool ok = step->state == STEP_OK;
        const struct nsh_member fields[] = {
            {"ok", nsh_bool(ok)},
            {"error", chars_value(ok ? "" : step->text)},
            {"result", step->step->each.program != NULL ? each_results(scope->engine, step)
                       : step->result.type == NSH_MAP   ? step->result
                                                        : nsh_map(NULL, 0)},
        };
        members[count++] = (struct nsh_member){step->step->name, map_value(scope, fields, 3)};
    }
    return nsh_map(members, members == NULL ? 0 : count);
}

/* The run that failed: not the one of a single item. */
static const struct run *told_by(const struct scope *scope)
{
    return scope->run->parent != NULL ? scope->run->parent : scope->run;
}

static struct nsh_value failed_value(struct scope *scope)
{
    const struct nsh_member members[] = {
        {"step", chars_value(told_by(scope)->failed_step)},
        {"error", chars_value(told_by(scope)->failed_error)},
    };
    return map_value(scope, members, 2);
}

static bool variable_make(struct scope *scope, size_t index, struct nsh_value *ret_value)
{
    bool made = true;
    switch ((enum policy_variable)index) {
    case VAR_EVENT:
        made = scope->event != NULL;
        *ret_value = made ? eval_event(scope) : nsh_null();
        break;
    case VAR_HOST:
        made = scope->host != NULL && scope->host->host != NULL;
        *ret_value = made ? scope->host->host->record : nsh_null();
        break;
    case VAR_SUBJECT:
        *ret_value = subject_value(scope);
        break;
    case VAR_POLICY:
        *ret_value = policy_value(scope);
        break;
    case VAR_RUN:
        made = scope->run != NULL;
        *ret_value = made ? run_value(scope) : nsh_null();
        break;
    case VAR_ALARM:
        *ret_value = alarm_value(scope);
        break;
    case VAR_STEPS:
        made = scope->run != NULL;
        *ret_value = made ? steps_value(scope) : nsh_null();
        break;
    case VAR_FAILED:
        made = scope->run != NULL;
        *ret_value = made ? failed_value(scope) : nsh_null();
        break;
    case VAR_FAILURE:
        made = scope->run != NULL;
        *ret_value = chars_value(made ? told_by(scope)->failure : NULL);
        break;
    case VAR_CLEARED:
        made = scope->run != NULL;
        *ret_value = nsh_bool(made && scope->run->cleared);
        break;
    case VAR_MATCHED:
        made = scope->event != NULL;
        *ret_value = made ? matched_list(scope) : nsh_null();
        break;
    case VAR_HOSTS:
        made = eval_hosts(scope, ret_value);
        break;
    case VAR_SELF:
        made = eval_self(scope, ret_value);
        break;
    case VAR_ITEM:
        made = scope->run != NULL && scope->run->parent_id[0] != 0;
        *ret_value = made ? scope->run->item_value : nsh_null();
        break;
    case VAR_INFO:
    case VAR_WARNING:
    case VAR_MINOR:
    case VAR_MAJOR:
    case VAR_CRITICAL:
    case VAR_FATAL:
        *ret_value = nsh_int((int64_t)index - VAR_INFO);
        break;
    case POLICY_VARIABLES_COUNT:
        made = false;
        break;
    }
    return made;
}

static const struct nsh_value *variable(void *arg, size_t index)
{
    struct scope *scope = arg;
    NSH_ASSERT(index < POLICY_VARIABLES_COUNT);
    if (!scope->made[index]) {
        if (!variable_make(scope, index, &scope->values[index])) {
            return NULL;
        }
        scope->made[index] = true;
    }
    return &scope->values[index];
}

static int call(void *arg, size_t index, const struct cel_value *args, size_t args_count,
                struct cel_value *ret_value, struct nsh_error *err)
{
    struct scope *scope = arg;
    if (index == FN_ACTIVE && args_count == 1 && args[0].kind == CEL_STRING) {
        struct text pattern = {args[0].text, args[0].count};
        bool active = eval_active(scope->policy, scope->host, scope->domain, pattern);
        *ret_value = (struct cel_value){.kind = CEL_BOOL, .boolean = active};
        return 0;
    }
    if (index == FN_SIGNAL && args_count == 1 && args[0].kind == CEL_STRING) {
        struct text name = {args[0].text, args[0].count};
        *ret_value = (struct cel_value){.kind = CEL_BOOL,
                                        .boolean = eval_signal(scope->host, scope->domain, name)};
        return 0;
    }
    if (index == FN_IN_CALENDAR && args_count == 1 && args[0].kind == CEL_STRING) {
        const struct policy_set *set =
            scope->run != NULL && scope->run->set != NULL ? scope->run->set : scope->engine->set;
        struct text name = {args[0].text, args[0].count};
        bool open = false;
        if (!calendar_open(scope->engine, set, name, &open)) {
            return nsh_fail(err, NSH_NOT_FOUND, "there is no calendar '%.*s'", PT(name));
        }
        *ret_value = (struct cel_value){.kind = CEL_BOOL, .boolean = open};
        return 0;
    }
    if (index >= FN_METRIC && index < POLICY_FUNCTIONS_COUNT && args_count > 0 &&
        args[0].kind == CEL_STRING) {
        return metric_call(scope, (enum policy_function)index, args, args_count, ret_value, err);
    }
    return nsh_fail(err, NSH_INVALID, "no such function");
}

static struct cel_inputs inputs_of(struct scope *scope)
{
    return (struct cel_inputs){
        .variable = variable, .call = call, .arg = scope, .now_ms = scope->engine->now_ms};
}

static enum level condition_ask(struct scope *scope, const struct policy_condition *condition,
                                struct nsh_error *err)
{
    struct cel_inputs inputs = inputs_of(scope);
    struct cel_value value = {.kind = CEL_NULL};
    if (cel_eval_rest(condition->program, scope->known, &inputs, &scope->engine->scratch, &value,
                      err) < 0) {
        return LEVEL_UNKNOWN;
    }
    if (value.kind != CEL_BOOL) {
        nsh_fail(err, NSH_INVALID, "the condition gave no bool");
        return LEVEL_UNKNOWN;
    }
    return value.boolean ? LEVEL_TRUE : LEVEL_FALSE;
}

/* Grows by doubling in the output's arena: what is left behind is small and short-lived. */
static void seen_add(struct engine_output *output, const struct policy_condition *condition,
                     enum level level)
{
    if (output->seen_count == output->seen_room) {
        size_t room = output->seen_room == 0 ? 16 : output->seen_room * 2;
        struct engine_seen *grown = arena_array(&output->arena, room, sizeof *grown);
        if (grown == NULL) {
            return;
        }
        if (output->seen_count > 0) {
            memcpy(grown, output->seen, output->seen_count * sizeof *grown);
        }
        output->seen = grown;
        output->seen_room = room;
    }
    output->seen[output->seen_count++] =
        (struct engine_seen){condition, level == LEVEL_TRUE    ? SEEN_TRUE
                                        : level == LEVEL_FALSE ? SEEN_FALSE
                                                               : SEEN_UNKNOWN};
}

enum level eval_condition(struct scope *scope, const struct policy_condition *condition,
                          struct nsh_error *err)
{
    if (condition->program == NULL) {
        return LEVEL_TRUE;
    }
    struct nsh_error own = {0};
    enum level level = condition_ask(scope, condition, err == NULL ? &own : err);
    struct engine_output *output = scope->engine->output;
    if (output != NULL && output->seen_wanted) {
        seen_add(output, condition, level);
    }
    return level;
}

void eval_explain(struct scope *scope, const struct policy_condition *condition,
                  struct textbuf *out)
{
    if (condition->program != NULL) {
        struct cel_inputs inputs = inputs_of(scope);
        cel_explain(condition->program, &inputs, &scope->engine->scratch, out);
    }
}

int eval_value(struct scope *scope, const struct cel_program *program, struct nsh_value *ret_value,
               struct nsh_error *err)
{
    struct cel_inputs inputs = inputs_of(scope);
    struct cel_value value = {.kind = CEL_NULL};
    int result = cel_eval(program, &inputs, &scope->engine->scratch, &value, err);
    if (result < 0) {
        return result;
    }
    return cel_to_value(&value, &scope->engine->scratch, ret_value)
               ? 0
               : nsh_fail(err, NSH_INVALID, "a value of that type cannot be handed on");
}

static void value_print(const struct nsh_value *value, struct textbuf *out)
{
    if (value->type == NSH_STRING) {
        textbuf_add(out, (struct text){value->text, value->count});
    } else {
        json_write(value, out);
    }
}

/* Pieces become one text; one lone program keeps its type. */
static int template_value(struct scope *scope, const struct policy_template *template,
                          struct nsh_value *ret_value, struct nsh_error *err)
{
    if (template->pieces_count == 0) {
        *ret_value = template->literal;
        return 0;
    }
    if (template->pieces_count == 1 && template->pieces[0].program != NULL) {
        return eval_value(scope, template->pieces[0].program, ret_value, err);
    }
    CLEANUP(textbuf_donep) struct textbuf text = {.count_max = CEL_SOURCE_BYTES_MAX * 2};
    for (size_t i = 0; i < template->pieces_count; i++) {
        const struct policy_piece *piece = &template->pieces[i];
        struct nsh_value value = nsh_text(piece->text);
        if (piece->program != NULL) {
            int result = eval_value(scope, piece->program, &value, err);
            if (result < 0) {
                return result;
            }
        }
        value_print(&value, &text);
    }
    if (text.failed) {
        return nsh_fail(err, NSH_LIMIT, "the text is longer than %d bytes",
                        CEL_SOURCE_BYTES_MAX * 2);
    }
    *ret_value = text_value(scope, (struct text){text.at, (uint32_t)text.count});
    return 0;
}

int eval_arguments(struct scope *scope, const struct policy_step *step, struct arena *arena,
                   struct nsh_value *ret_args, struct nsh_error *err)
{
    struct nsh_member *members =
        arena_array(&scope->engine->scratch, step->with_count, sizeof *members);
    if (members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the arguments");
    }
    for (size_t i = 0; i < step->with_count; i++) {
        members[i].name = step->with[i].name;
        if (template_value(scope, &step->with[i], &members[i].value, err) < 0) {
            return nsh_wrap(err, "argument %s", step->with[i].name);
        }
    }
    struct nsh_value args = nsh_map(members, step->with_count);
    return arena_value(arena, &args, ret_args)
               ? 0
               : nsh_fail(err, NSH_NOMEM, "no memory for the arguments");
}

void scope_run(struct engine *engine, struct run *run, struct event *ret_event,
               struct scope *ret_scope)
{
    const struct run *of = run->parent != NULL ? run->parent : run; /* `host` stays the run's. */
    *ret_scope = (struct scope){.engine = engine,
                                .host = of->host,
                                .domain = of->domain,
                                .subject = of->subject,
                                .policy = run->policy,
                                .run = run,
                                .alarm = map_get(&engine->alarm_ids, text_of(run->alarm)),
                                .alarm_id = run->alarm};
    if (run->event.count > 0 &&
        event_unpack((const uint8_t *)run->event.at, run->event.count, ret_event, NULL) > 0) {
        ret_scope->event = ret_event;
        if (ret_scope->host == NULL) {
            ret_scope->host = map_get(&engine->hosts, ret_event->host);
        }
    }
}
