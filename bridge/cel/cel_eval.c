/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluator: one function for each kind of node. Errors are values: && || ?: and the
 * quantifiers absorb them, every other node hands the first one on. run->stop (budget, memory) is
 * never absorbed.
 */

#include "cel/cel_eval.h"

#include <stdio.h>

CEL_NODE(cel_run_constant)
{
    *out = code->value;
}

CEL_NODE(cel_run_local)
{
    *out = run->locals[code->slot];
}

CEL_NODE(cel_run_unknown)
{
    if (code->ast->kind == CEL_AST_CALL && code->ast->known) {
        cel_error(run, code, out, "%s() does not take these arguments", code->ast->name.at);
    } else if (code->ast->kind == CEL_AST_CALL) {
        cel_error(run, code, out, "there is no function '%s'", code->ast->name.at);
    } else {
        cel_error(run, code, out, "'%s' is not known", code->ast->name.at);
    }
}

static const char *variable_name(const struct cel_env *env, uint32_t slot)
{
    return slot < env->variables_count ? env->variables[slot].name
                                       : env->declarations[slot - env->variables_count].name;
}

CEL_NODE(cel_run_variable)
{
    const struct cel_inputs *inputs = run->inputs;
    if (inputs != NULL && inputs->variable != NULL) {
        const struct nsh_value *value = inputs->variable(inputs->arg, code->slot);
        if (value != NULL) {
            cel_from_outside(run, value, code->shape, out);
            return;
        }
    }
    if (inputs != NULL && inputs->value != NULL && inputs->value(inputs->arg, code->slot, out)) {
        return;
    }
    cel_error(run, code, out, "%s is not known", variable_name(run->env, code->slot));
}

/* --- selections ---------------------------------------------------------------------------- */

static __attribute__((noinline, cold)) void no_field(struct cel_run *run,
                                                     const struct cel_code *code,
                                                     const struct cel_value *from,
                                                     struct cel_value *out)
{
    if (from->kind != CEL_MAP) {
        cel_error(run, code, out, "a value of type %s has no field '%s'", cel_type_name(from),
                  code->ast->name.at);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf operand = {.count_max = 128};
    cel_print_ast(code->ast->args[0], &operand);
    cel_error(run, code, out, "%s has no field '%s'", operand.at == NULL ? "it" : operand.at,
              code->ast->name.at);
}

/* 1: found, 0: not there, -1: from has no fields. */
static int find_field(struct cel_run *run, const struct cel_code *code,
                      const struct cel_value *from, struct cel_value *ret_value)
{
    if (from->kind != CEL_MAP) {
        return -1;
    }
    return cel_map_find(run, from, &code->value, ret_value);
}

/* A selection through an optional: none stays none, a missing field becomes none. */
static __attribute__((noinline, cold)) void select_optional(struct cel_run *run,
                                                            const struct cel_code *code,
                                                            const struct cel_value *from,
                                                            struct cel_value *out)
{
    if (cel_optional_empty(from)) {
        *out = *from;
        return;
    }
    const struct cel_value *inner = from->pointer;
    struct cel_value found;
    int there = find_field(run, code, inner, &found);
    if (there < 0) {
        no_field(run, code, inner, out);
    } else if (there > 0 && found.kind == CEL_ERROR) {
        *out = found;
    } else {
        cel_make_optional(run, there > 0 ? &found : NULL, out);
    }
}

CEL_NODE(cel_run_select)
{
    struct cel_value from;
    cel_eval_code(run, code->args[0], &from);
    if (from.kind == CEL_MAP) {
        if (!cel_map_find(run, &from, &code->value, out)) {
            no_field(run, code, &from, out);
        } else if (out->kind == CEL_ERROR && out->count == 0) {
            out->count = code->ast->offset + 1;
        }
    } else if (from.kind == CEL_OPTIONAL) {
        select_optional(run, code, &from, out);
    } else if (from.kind == CEL_ERROR) {
        *out = from;
    } else {
        no_field(run, code, &from, out);
    }
}

/* A field of a record from elsewhere than outside, or of what is none. */
static __attribute__((noinline, cold)) void select_field(struct cel_run *run,
                                                         const struct cel_code *code,
                                                         const struct cel_value *from,
                                                         struct cel_value *out)
{
    if (from->kind == CEL_ERROR) {
        *out = *from;
    } else if (from->kind == CEL_OPTIONAL) {
        select_optional(run, code, from, out);
    } else if (from->kind != CEL_MAP || !cel_map_find(run, from, &code->value, out)) {
        no_field(run, code, from, out);
    }
}

/* The record itself when it is a variable: without the way through a value; else NULL. */
static inline const struct nsh_value *record_variable(struct cel_run *run,
                                                      const struct cel_code *code, uint16_t shape)
{
    const struct cel_inputs *inputs = run->inputs;
    if (code->run != cel_run_variable || code->shape != shape || inputs == NULL ||
        inputs->variable == NULL) {
        return NULL;
    }
    const struct nsh_value *value = inputs->variable(inputs->arg, code->slot);
    return value != NULL && value->type == NSH_MAP ? value : NULL;
}

/* A field of a record from outside: name and shape are known since compilation. */
CEL_NODE(cel_run_record_field)
{
    struct cel_value from = {.kind = CEL_MAP};
    const struct nsh_value *map = record_variable(run, code->args[0], code->shape);
    if (map == NULL) {
        cel_eval_code(run, code->args[0], &from);
        if (from.kind != CEL_MAP || from.form != CEL_FORM_OUTSIDE || from.shape != code->shape) {
            select_field(run, code, &from, out);
            return;
        }
        map = from.pointer;
    }
    const char *name = code->value.text;
    uint16_t shape = run->shapes[code->shape].fields[code->slot];
    uint8_t kind = run->shapes[shape].kind;
    /* Most records have their fields in the order of the declaration. */
    bool ordered = code->slot < map->count && strcmp(map->members[code->slot].name, name) == 0;
    for (uint32_t i = ordered ? code->slot : 0; i < map->count; i++) {
        const struct nsh_member *member = &map->members[i];
        if (member->name[0] != name[0] || strcmp(member->name, name) != 0) {
            continue;
        }
        if (kind == CEL_STRING && member->value.type == NSH_STRING) {
            *out = cel_of_text((struct text){member->value.text, member->value.count});
            return;
        }
        if (kind == CEL_INT && member->value.type == NSH_INT) {
            *out = cel_of_int(member->value.integer);
            return;
        }
        if (kind == CEL_DOUBLE && member->value.type == NSH_DOUBLE) {
            *out = cel_of_double(member->value.real);
            return;
        }
        if (member->value.type == NSH_NULL && kind > CEL_NULL) {
            break;
        }
        cel_from_outside(run, &member->value, shape, out);
        if (out->kind == CEL_ERROR) {
            out->count = code->ast->offset + 1;
        }
        return;
    }
    no_field(run, code, &from, out);
}

CEL_NODE(cel_run_optional_select)
{
    struct cel_value from, some;
    cel_eval_code(run, code->args[0], &from);
    if (from.kind == CEL_ERROR) {
        *out = from;
        return;
    }
    if (from.kind != CEL_OPTIONAL) {
        some = from;
        from = (struct cel_value){.kind = CEL_OPTIONAL, .pointer = &some};
    }
    select_optional(run, code, &from, out);
}

CEL_NODE(cel_run_test)
{
    struct cel_value from;
    cel_eval_code(run, code->args[0], &from);
    if (from.kind == CEL_ERROR) {
        *out = from;
        return;
    }
    if (from.kind == CEL_OPTIONAL) {
        if (cel_optional_empty(&from)) {
            *out = cel_of_bool(false);
            return;
        }
        from = *(const struct cel_value *)from.pointer;
    }
    if (from.kind == CEL_OPTIONAL && cel_optional_empty(&from)) {
        *out = cel_of_bool(false);
        return;
    }
    int there = find_field(run, code, &from, NULL);
    if (there < 0) {
        no_field(run, code, &from, out);
    } else {
        *out = cel_of_bool(there > 0);
    }
}

/* --- logic --------------------------------------------------------------------------------- */

static __attribute__((noinline, cold)) void
not_bool(struct cel_run *run, const struct cel_code *code, struct cel_value *value)
{
    if (value->kind != CEL_ERROR) {
        cel_error(run, code, value, "a bool is needed here, and this is a %s",
                  cel_type_name(value));
    }
}

/* decides: the value that settles it, whatever else is there. known: operands that do not. */
static inline void run_logic(struct cel_run *run, const struct cel_code *code, bool decides,
                             uint64_t known, struct cel_value *out)
{
    struct cel_value error = {.kind = CEL_BOOL};
    for (uint32_t i = 0; i < code->count; i++) {
        struct cel_value value;
        if (i < 64 && (known >> i & 1) != 0) {
            continue;
        }
        cel_eval_code(run, code->args[i], &value);
        if (value.kind == CEL_BOOL) {
            if (value.boolean == decides) {
                *out = value;
                return;
            }
            continue;
        }
        not_bool(run, code->args[i], &value);
        if (run->stop != 0) {
            *out = value;
            return;
        }
        if (error.kind == CEL_BOOL) {
            error = value;
        }
    }
    *out = error.kind == CEL_BOOL ? cel_of_bool(!decides) : error;
}

CEL_NODE(cel_run_and)
{
    run_logic(run, code, false, 0, out);
}

CEL_NODE(cel_run_and_rest)
{
    run_logic(run, code, false, run->known, out);
}

CEL_NODE(cel_run_or)
{
    run_logic(run, code, true, 0, out);
}

CEL_NODE(cel_run_not)
{
    cel_eval_code(run, code->args[0], out);
    if (out->kind == CEL_BOOL) {
        out->boolean = !out->boolean;
    } else {
        not_bool(run, code, out);
    }
}

CEL_NODE(cel_run_ternary)
{
    struct cel_value condition;
    cel_eval_code(run, code->args[0], &condition);
    if (condition.kind != CEL_BOOL) {
        not_bool(run, code, &condition);
        *out = condition;
        return;
    }
    cel_eval_code(run, code->args[condition.boolean ? 1 : 2], out);
}

/* --- comparison ---------------------------------------------------------------------------- */

/* The value of a node: the constant itself, or what was made of it in room. */
static const struct cel_value *operand(struct cel_run *run, const struct cel_code *code,
                                       struct cel_value *room)
{
    if (code->run == cel_run_constant) {
        return &code->value;
    }
    cel_eval_code(run, code, room);
    return room;
}

struct operands {
    const struct cel_value *a, *b;
    struct cel_value room[2];
};

static inline bool two(struct cel_run *run, const struct cel_code *code, struct operands *ret_two,
                       struct cel_value *out)
{
    ret_two->a = operand(run, code->args[0], &ret_two->room[0]);
    if (ret_two->a->kind == CEL_ERROR) {
        *out = *ret_two->a;
        return false;
    }
    ret_two->b = operand(run, code->args[1], &ret_two->room[1]);
    if (ret_two->b->kind == CEL_ERROR) {
        *out = *ret_two->b;
        return false;
    }
    return true;
}

CEL_NODE(cel_run_equal)
{
    struct operands values;
    if (!two(run, code, &values, out)) {
        return;
    }
    if (values.a->kind == CEL_STRING && values.b->kind == CEL_STRING) {
        *out = cel_of_bool(text_equal(cel_text(values.a), cel_text(values.b)));
    } else {
        *out = cel_of_bool(cel_equal(run, values.a, values.b));
    }
}

CEL_NODE(cel_run_not_equal)
{
    struct operands values;
    if (two(run, code, &values, out)) {
        *out = cel_of_bool(!cel_equal(run, values.a, values.b));
    }
}

/* Bits of the orders that make it true: 1 less, 2 equal, 4 more. */
static inline void run_order(struct cel_run *run, const struct cel_code *code, unsigned wanted,
                             struct cel_value *out)
{
    struct operands values;
    if (!two(run, code, &values, out)) {
        return;
    }
    const struct cel_value *a = values.a, *b = values.b;
    int order = a->kind == CEL_INT && b->kind == CEL_INT
                    ? (a->integer > b->integer) - (a->integer < b->integer)
                    : cel_compare(a, b);
    if (order == 3) {
        cel_error(run, code, out, "a %s and a %s have no order", cel_type_name(a),
                  cel_type_name(b));
        return;
    }
    *out = cel_of_bool(order != 2 && (wanted & (1u << (order + 1))) != 0);
}

CEL_NODE(cel_run_less)
{
    run_order(run, code, 1, out);
}

CEL_NODE(cel_run_less_equal)
{
    run_order(run, code, 3, out);
}

CEL_NODE(cel_run_more)
{
    run_order(run, code, 4, out);
}

CEL_NODE(cel_run_more_equal)
{
    run_order(run, code, 6, out);
}

/* --- calls --------------------------------------------------------------------------------- */

static __attribute__((noinline, cold)) void no_overload(struct cel_run *run,
                                                        const struct cel_code *code,
                                                        const struct cel_value *args,
                                                        struct cel_value *out)
{
    char types[128] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < code->count && used < sizeof types - 1; i++) {
        int added = snprintf(types + used, sizeof types - used, "%s%s", i == 0 ? "" : ", ",
                             cel_type_name(&args[i]));
        used += added < 0 ? 0 : (size_t)added;
    }
    cel_error(run, code, out, "'%s' does not go with (%s)", code->ast->name.at, types);
}

static __attribute__((noinline, cold)) void
call_external(struct cel_run *run, const struct cel_code *code, const struct cel_overload *overload,
              const struct cel_value *args, struct cel_value *out)
{
    struct nsh_error error = {0};
    struct cel_value result = {0};
    if (overload->external == NULL || run->inputs == NULL || run->inputs->call == NULL) {
        cel_error(run, code, out, "%s() has no implementation here", code->ast->name.at);
        return;
    }
    int r =
        run->inputs->call(run->inputs->arg, overload->index, args, code->count, &result, &error);
    if (r < 0) {
        cel_error(run, code, out, "%s", error.text);
    } else {
        *out = result;
    }
}

static bool overload_fits(const struct cel_overload *overload, const struct cel_value *args,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool same = args[i].kind == overload->params[i]->kind && args[i].kind != CEL_OPAQUE;
        if (!same && !cel_fits(&args[i], overload->params[i])) {
            return false;
        }
    }
    return true;
}

CEL_NODE(cel_run_call)
{
    struct cel_value args[CEL_PARAMS_MAX];
    for (uint32_t i = 0; i < code->count; i++) {
        cel_eval_code(run, code->args[i], &args[i]);
        if (args[i].kind == CEL_ERROR) {
            *out = args[i];
            return;
        }
    }
    if (!cel_spend(run, 1, out)) {
        return;
    }
    for (uint32_t i = 0; i < code->overloads_count; i++) {
        const struct cel_overload *overload = &code->overloads[i];
        if (overload_fits(overload, args, code->count)) {
            if (overload->impl != NULL) {
                overload->impl(run, code, args, out);
            } else {
                call_external(run, code, overload, args, out);
            }
            return;
        }
    }
    no_overload(run, code, args, out);
}

/* --- indexes ------------------------------------------------------------------------------- */

static bool list_index(const struct cel_value *key, uint32_t count, uint32_t *ret_index)
{
    if (key->kind == CEL_INT || key->kind == CEL_UINT) {
        *ret_index = (uint32_t)key->integer;
        return key->unsigned_integer < count;
    }
    *ret_index = key->real >= 0 && key->real < count ? (uint32_t)key->real : 0;
    return key->kind == CEL_DOUBLE && key->real >= 0 && key->real < count &&
           (double)*ret_index >= key->real;
}

static bool is_list_index(const struct cel_value *key)
{
    return key->kind == CEL_INT || key->kind == CEL_UINT ||
           (key->kind == CEL_DOUBLE && key->real > -9e15 && key->real < 9e15 &&
            (double)(int64_t)key->real >= key->real && (double)(int64_t)key->real <= key->real);
}

/* 1: found; 0: not there; -1: *out is an error. */
static int find_index(struct cel_run *run, const struct cel_code *code,
                      const struct cel_value *from, const struct cel_value *key,
                      struct cel_value *out)
{
    if (from->kind == CEL_MAP) {
        if (!cel_key_allowed(key) && key->kind != CEL_DOUBLE) {
            cel_error(run, code, out, "no such key: a %s is none", cel_type_name(key));
            return -1;
        }
        return cel_map_find(run, from, key, out);
    }
    if (from->kind != CEL_LIST) {
        cel_error(run, code, out, "a %s has no [index]", cel_type_name(from));
        return -1;
    }
    uint32_t index = 0;
    if (!is_list_index(key)) {
        cel_error(run, code, out, "the index of a list is an int, and this is a %s",
                  cel_type_name(key));
        return -1;
    }
    if (!list_index(key, from->count, &index)) {
        return 0;
    }
    cel_list_at(run, from, index, out);
    return 1;
}

static __attribute__((noinline, cold)) void
no_index(struct cel_run *run, const struct cel_code *code, const struct cel_value *from,
         const struct cel_value *key, struct cel_value *out)
{
    CLEANUP(textbuf_donep) struct textbuf text = {.count_max = 128};
    cel_value_print(key, &text);
    const char *shown = text.at == NULL ? "" : text.at;
    if (from->kind == CEL_LIST) {
        cel_error(run, code, out, "index %s is outside of the list (%u items)", shown, from->count);
    } else {
        cel_error(run, code, out, "no such key: %s", shown);
    }
}

/* In an optional; none when it is not there. */
static void index_optional(struct cel_run *run, const struct cel_code *code,
                           const struct cel_value *from, const struct cel_value *key,
                           struct cel_value *out)
{
    if (cel_optional_empty(from)) {
        *out = *from;
        return;
    }
    struct cel_value found;
    int there = find_index(run, code, from->pointer, key, &found);
    if (there < 0 || (there > 0 && found.kind == CEL_ERROR)) {
        *out = found;
    } else {
        cel_make_optional(run, there > 0 ? &found : NULL, out);
    }
}

CEL_NODE(cel_run_index)
{
    struct operands values;
    if (!two(run, code, &values, out)) {
        return;
    }
    if (values.a->kind == CEL_OPTIONAL) {
        index_optional(run, code, values.a, values.b, out);
    } else if (find_index(run, code, values.a, values.b, out) == 0) {
        no_index(run, code, values.a, values.b, out);
    }
}

CEL_NODE(cel_run_optional_index)
{
    struct operands values;
    if (!two(run, code, &values, out)) {
        return;
    }
    struct cel_value some = {.kind = CEL_OPTIONAL, .pointer = values.a};
    index_optional(run, code, values.a->kind == CEL_OPTIONAL ? values.a : &some, values.b, out);
}
