/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_CEL_TREE_H
#define FUZZ_CEL_TREE_H

/*
 * A second evaluator of conditions, to compare the product's with: it walks the checked tree, finds
 * operators, names and fields by their text, and knows no slots, shapes, constants made
 * beforehand or short cuts. It shares with the product what makes values and the table of
 * functions; operators, selections, indexes, loops, equality and order are written again here from
 * the language definition.
 */

#include "cel/cel_time.h"
#include "cel_tree_value.h"

static struct cel_value tree_eval(struct tree *tree, const struct cel_ast *ast);

/* --- what comes from outside: made whole, by its declared type ------------------------------ */

static struct cel_value tree_outside(struct tree *tree, const struct nsh_value *from,
                                     const struct cel_type *type);

static struct cel_value tree_outside_map(struct tree *tree, const struct nsh_value *from,
                                         const struct cel_type *type)
{
    struct cel_value map;
    struct cel_value *pairs = cel_make_map(tree->run, from->count, &map);
    if (pairs == NULL) {
        return map;
    }
    map.count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct nsh_member *member = &from->members[i];
        const struct cel_type *of = type == NULL ? NULL : type->of;
        const struct cel_record *record = type == NULL ? NULL : type->record;
        for (size_t f = 0; record != NULL && f < record->fields_count; f++) {
            of = strcmp(record->fields[f].name, member->name) == 0 ? &record->fields[f].type : of;
        }
        pairs[2 * map.count] = cel_of_text(text_of(member->name));
        pairs[2 * map.count + 1] = tree_outside(tree, &member->value, of);
        map.count++;
    }
    return map;
}

static struct cel_value tree_outside(struct tree *tree, const struct nsh_value *from,
                                     const struct cel_type *type)
{
    struct cel_value value;
    enum cel_kind kind = type == NULL ? CEL_DYN : type->kind;
    if (from->type == NSH_MAP) {
        return tree_outside_map(tree, from, type);
    }
    if (from->type == NSH_LIST) {
        struct cel_value *items = cel_make_list(tree->run, from->count, &value);
        for (uint32_t i = 0; items != NULL && i < from->count; i++) {
            items[i] = tree_outside(tree, &from->items[i], type == NULL ? NULL : type->of);
        }
        return value;
    }
    cel_from_outside(tree->run, from, 0, &value);
    if (kind == CEL_DOUBLE && tree_is(&value, CEL_INT)) {
        return cel_of_double((double)value.integer);
    }
    if (kind == CEL_TIMESTAMP && tree_is(&value, CEL_STRING)) {
        struct cel_value time;
        return cel_parse_timestamp(cel_text(&value), &time) ? time : tree_error("no time");
    }
    return value;
}

static struct cel_value tree_variable(struct tree *tree, uint32_t slot)
{
    const struct cel_inputs *inputs = tree->run->inputs;
    struct cel_value value;
    if (inputs->variable != NULL && slot < tree->env->variables_count) {
        const struct nsh_value *from = inputs->variable(inputs->arg, slot);
        return from == NULL ? tree_error("not known")
                            : tree_outside(tree, from, &tree->env->variables[slot].type);
    }
    return inputs->value != NULL && inputs->value(inputs->arg, slot, &value)
               ? value
               : tree_error("not known");
}

static struct cel_value tree_name(struct tree *tree, const struct cel_ast *ast)
{
    if (ast->resolved == CEL_RES_VARIABLE) {
        return tree_variable(tree, ast->slot);
    }
    if (ast->resolved == CEL_RES_TYPE) {
        return ast->literal;
    }
    for (uint32_t i = tree->locals_count; i > 0 && ast->kind == CEL_AST_IDENT; i--) {
        if (text_equal(tree->locals[i - 1].name, ast->name)) {
            return tree->locals[i - 1].value;
        }
    }
    return tree_error("not known");
}

static void tree_push(struct tree *tree, struct text name, struct cel_value value)
{
    NSH_ASSERT(tree->locals_count < TREE_LOCALS_MAX);
    tree->locals[tree->locals_count].name = name;
    tree->locals[tree->locals_count++].value = value;
}

/* --- fields and indexes --------------------------------------------------------------------- */

static struct cel_value tree_some(struct tree *tree, struct cel_value value)
{
    struct cel_value some;
    if (tree_is(&value, CEL_ERROR)) {
        return value;
    }
    cel_make_optional(tree->run, &value, &some);
    return some;
}

static bool tree_index(const struct cel_value *list, const struct cel_value *key,
                       uint32_t *ret_index)
{
    double index = tree_double(key);
    bool inside = index >= 0 && index < list->count && floor(index) >= index;
    *ret_index = inside ? (uint32_t)index : 0;
    return inside;
}

/* from[key]. want_optional: a missing one is none, and what is there stands in an optional. */
static struct cel_value tree_at(struct tree *tree, struct cel_value from, struct cel_value key,
                                bool want_optional, bool field)
{
    struct cel_value found = tree_error("not there"), none = {.kind = CEL_OPTIONAL};
    uint32_t index = 0;
    if (tree_is(&from, CEL_OPTIONAL)) {
        return from.pointer == NULL
                   ? from
                   : tree_at(tree, *(const struct cel_value *)from.pointer, key, true, field);
    }
    if (tree_is(&from, CEL_MAP)) {
        bool may = tree_number(&key) || tree_is(&key, CEL_BOOL) || tree_is(&key, CEL_STRING);
        if (!may) {
            return tree_error("no key");
        }
        if (!tree_find(tree, &from, &key, &found)) {
            return want_optional ? none : found;
        }
    } else if (!field && tree_is(&from, CEL_LIST) && tree_number(&key)) {
        if (tree_is(&key, CEL_DOUBLE) &&
            (!isfinite(key.real) || floor(key.real) < key.real || fabs(key.real) >= 9e15)) {
            return tree_error("no index");
        }
        if (!tree_index(&from, &key, &index)) {
            return want_optional ? none : found;
        }
        cel_list_at(tree->run, &from, index, &found);
    } else {
        return tree_error("it has no parts");
    }
    return want_optional ? tree_some(tree, found) : found;
}

static struct cel_value tree_select(struct tree *tree, const struct cel_ast *ast)
{
    struct cel_value from = tree_eval(tree, ast->args[0]);
    struct cel_value name = cel_of_text(ast->name), ignored;
    if (tree_is(&from, CEL_ERROR)) {
        return from;
    }
    if (!ast->test) {
        return tree_at(tree, from, name, ast->optional, true);
    }
    for (int i = 0; i < 2 && tree_is(&from, CEL_OPTIONAL); i++) {
        if (from.pointer == NULL) {
            return cel_of_bool(false);
        }
        from = i == 0 ? *(const struct cel_value *)from.pointer : from;
    }
    return tree_is(&from, CEL_MAP) ? cel_of_bool(tree_find(tree, &from, &name, &ignored))
                                   : tree_error("has() of what has no fields");
}

/* --- calls ----------------------------------------------------------------------------------- */

static struct cel_value tree_logic(struct tree *tree, const struct cel_ast *ast, bool decides)
{
    struct cel_value error = {.kind = CEL_NULL};
    for (uint32_t i = 0; i < ast->count; i++) {
        struct cel_value value = tree_eval(tree, ast->args[i]);
        if (tree_is(&value, CEL_BOOL) && value.boolean == decides) {
            return value;
        }
        if (!tree_is(&value, CEL_BOOL)) {
            error = tree_error("no bool");
        }
    }
    return tree_is(&error, CEL_ERROR) ? error : cel_of_bool(!decides);
}

static bool tree_operator(const struct cel_ast *ast, const char *name)
{
    return text_is(ast->name, name);
}

/* Comparisons and indexes; false: it is none of them. */
static bool tree_binary(struct tree *tree, const struct cel_ast *ast, const struct cel_value *args,
                        struct cel_value *ret_value)
{
    static const struct {
        const char *name;
        bool less, equal, more;
    } orders[] = {{"_<_", true, false, false},
                  {"_<=_", true, true, false},
                  {"_>_", false, false, true},
                  {"_>=_", false, true, true}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (tree_operator(ast, orders[i].name)) {
            int order = tree_order(&args[0], &args[1]);
            *ret_value = order == 3 ? tree_error("no order")
                                    : cel_of_bool((order == -1 && orders[i].less) ||
                                                  (order == 0 && orders[i].equal) ||
                                                  (order == 1 && orders[i].more));
            return true;
        }
    }
    if (tree_operator(ast, "_==_") || tree_operator(ast, "_!=_")) {
        *ret_value =
            cel_of_bool(tree_equal(tree, &args[0], &args[1]) == tree_operator(ast, "_==_"));
        return true;
    }
    if (tree_operator(ast, "_[_]") || tree_operator(ast, "_[?_]")) {
        *ret_value = tree_at(tree, args[0], args[1], tree_operator(ast, "_[?_]"), false);
        return true;
    }
    return false;
}

static struct cel_value tree_table(struct tree *tree, const struct cel_ast *ast,
                                   const struct cel_value *args)
{
    struct cel_code code = {.ast = ast, .count = ast->count};
    struct cel_value result = tree_error("it does not go with these");
    bool zone = ast->member && ast->count == 2 && text_starts(ast->name, "get") &&
                ast->args[1]->kind == CEL_AST_LITERAL && tree_is(&args[1], CEL_STRING);
    if (zone) {
        code.extra = cel_zone_load(tree->run->arena, cel_text(&args[1])); /* NULL: +02:00 */
    }
    for (uint32_t i = 0; i < ast->overloads_count; i++) {
        const struct cel_overload *overload = &ast->overloads[i];
        bool fits = overload->params_count == ast->count;
        for (uint32_t a = 0; fits && a < ast->count; a++) {
            fits = cel_fits(&args[a], overload->params[a]);
        }
        if (fits && overload->impl != NULL) {
            overload->impl(tree->run, &code, args, &result);
            return result;
        }
        if (fits) {
            return tree_error("of the embedding");
        }
    }
    return result;
}

static struct cel_value tree_or(struct tree *tree, const struct cel_ast *ast)
{
    struct cel_value value = tree_eval(tree, ast->args[0]);
    bool whole = tree_operator(ast, "or");
    if (!tree_is(&value, CEL_OPTIONAL)) {
        return tree_error("no optional");
    }
    if (value.pointer != NULL) {
        return whole ? value : *(const struct cel_value *)value.pointer;
    }
    value = tree_eval(tree, ast->args[1]);
    return whole && !tree_is(&value, CEL_OPTIONAL) ? tree_error("no optional") : value;
}

static struct cel_value tree_call(struct tree *tree, const struct cel_ast *ast)
{
    struct cel_value args[CEL_PARAMS_MAX], result;
    if (tree_operator(ast, "_&&_") || tree_operator(ast, "_||_")) {
        return tree_logic(tree, ast, tree_operator(ast, "_||_"));
    }
    if (tree_operator(ast, "_?_:_")) {
        struct cel_value condition = tree_eval(tree, ast->args[0]);
        return tree_is(&condition, CEL_BOOL) ? tree_eval(tree, ast->args[condition.boolean ? 1 : 2])
                                             : tree_error("no bool");
    }
    if (ast->overloads_count == 0 || ast->count > CEL_PARAMS_MAX) {
        return tree_error("no such function");
    }
    if (ast->member && ast->count == 2 &&
        (tree_operator(ast, "or") || tree_operator(ast, "orValue"))) {
        return tree_or(tree, ast);
    }
    for (uint32_t i = 0; i < ast->count; i++) {
        args[i] = tree_eval(tree, ast->args[i]);
        if (tree_is(&args[i], CEL_ERROR)) {
            return args[i];
        }
    }
    if (tree_operator(ast, "!_")) {
        return tree_is(&args[0], CEL_BOOL) ? cel_of_bool(!args[0].boolean) : tree_error("no bool");
    }
    return ast->count == 2 && tree_binary(tree, ast, args, &result) ? result
                                                                    : tree_table(tree, ast, args);
}

/* --- literals of many ------------------------------------------------------------------------ */

/* What `?value` stands for; false: nothing. */
static bool tree_entry(bool optional, struct cel_value *value)
{
    if (!optional || tree_is(value, CEL_ERROR)) {
        return true;
    }
    if (!tree_is(value, CEL_OPTIONAL)) {
        *value = tree_error("no optional");
        return true;
    }
    if (value->pointer == NULL) {
        return false;
    }
    *value = *(const struct cel_value *)value->pointer;
    return true;
}

static struct cel_value tree_list(struct tree *tree, const struct cel_ast *ast)
{
    struct cel_value list, value;
    struct cel_value *items = cel_make_list(tree->run, ast->count, &list);
    list.count = items == NULL ? list.count : 0;
    for (uint32_t i = 0; items != NULL && i < ast->count; i++) {
        value = tree_eval(tree, ast->args[i]);
        if (tree_entry(ast->args[i]->entry, &value)) {
            items[list.count++] = value;
        }
        if (tree_is(&value, CEL_ERROR)) {
            return value;
        }
    }
    return list;
}

/* NULL, or why the pair cannot be added. */
static const char *tree_add(struct tree *tree, struct cel_value *map, struct cel_value key,
                            struct cel_value value)
{
    struct cel_value old, *pairs = NULL;
    if (!tree_is(&key, CEL_BOOL) && !tree_is(&key, CEL_INT) && !tree_is(&key, CEL_UINT) &&
        !tree_is(&key, CEL_STRING)) {
        return "no key";
    }
    if (tree_find(tree, map, &key, &old)) {
        return "twice";
    }
    memcpy(&pairs, &map->pointer, sizeof pairs); /* Made here, so it may be written. */
    pairs[2 * (size_t)map->count] = key;
    pairs[2 * (size_t)map->count + 1] = value;
    map->count++;
    return NULL;
}

static struct cel_value tree_map(struct tree *tree, const struct cel_ast *ast)
{
    struct cel_value map;
    if (cel_make_map(tree->run, ast->count / 2, &map) == NULL) {
        return map;
    }
    map.count = 0;
    for (uint32_t i = 0; i < ast->count; i += 2) {
        struct cel_value key = tree_eval(tree, ast->args[i]);
        struct cel_value value = tree_is(&key, CEL_ERROR) ? key : tree_eval(tree, ast->args[i + 1]);
        bool add = tree_entry(ast->args[i]->entry, &value);
        if (tree_is(&value, CEL_ERROR)) {
            return value;
        }
        const char *why = add ? tree_add(tree, &map, key, value) : NULL;
        if (why != NULL) {
            return tree_error(why);
        }
    }
    return map;
}

/* --- loops ----------------------------------------------------------------------------------- */

struct tree_loop {
    uint32_t trues, errors;
    struct cel_value list, map;
    struct cel_value *items, *keys;
    const char *why; /* It is an error. */
};

static struct cel_value tree_body(struct tree *tree, const struct cel_ast *ast)
{
    return tree_eval(tree, ast->args[ast->count - 1]);
}

static bool tree_quantifies(uint8_t loop)
{
    return loop == CEL_LOOP_ALL || loop == CEL_LOOP_EXISTS || loop == CEL_LOOP_EXISTS_ONE ||
           loop == CEL_LOOP_ALL2 || loop == CEL_LOOP_EXISTS2 || loop == CEL_LOOP_EXISTS_ONE2;
}

static void tree_map_item(struct tree *tree, const struct cel_ast *ast, struct tree_loop *at)
{
    struct cel_value key = tree->locals[tree->locals_count - 2].value;
    struct cel_value value = tree_body(tree, ast);
    bool entry = ast->loop == CEL_LOOP_TRANSFORM_ENTRY || ast->loop == CEL_LOOP_TRANSFORM_ENTRY_IF;
    if (tree_is(&value, CEL_ERROR)) {
        at->why = "body";
    } else if (!entry) {
        at->why = tree_add(tree, &at->map, key, value);
    } else if (!tree_is(&value, CEL_MAP) || value.count > 1) {
        at->why = "no entry";
    } else if (value.count == 1) {
        struct cel_value pair[2];
        cel_map_at(tree->run, &value, 0, &pair[0], &pair[1]);
        at->why = tree_add(tree, &at->map, pair[0], pair[1]);
    }
}

/* One item, its variables set. False: the rest does not matter. */
static bool tree_item(struct tree *tree, const struct cel_ast *ast, struct tree_loop *at)
{
    struct cel_value item = tree->locals[tree->locals_count - 1].value, value;
    if (tree_quantifies(ast->loop)) {
        value = tree_eval(tree, ast->args[1]);
        at->trues += tree_is(&value, CEL_BOOL) && value.boolean;
        at->errors += !tree_is(&value, CEL_BOOL);
        return true; /* All of them, although often fewer would do. */
    }
    if (ast->loop == CEL_LOOP_SORT_BY) {
        at->items[at->list.count] = item;
        at->keys[at->list.count] = tree_eval(tree, ast->args[1]);
        at->why = tree_is(&at->keys[at->list.count++], CEL_ERROR) ? "key" : NULL;
        return at->why == NULL;
    }
    if (ast->loop == CEL_LOOP_FILTER || ast->count == 3) {
        value = tree_eval(tree, ast->args[1]);
        if (!tree_is(&value, CEL_BOOL)) {
            at->why = "no bool";
            return false;
        }
        if (!value.boolean) {
            return true;
        }
    }
    bool list = ast->loop == CEL_LOOP_FILTER || ast->loop == CEL_LOOP_MAP ||
                ast->loop == CEL_LOOP_MAP_IF || ast->loop == CEL_LOOP_TRANSFORM_LIST ||
                ast->loop == CEL_LOOP_TRANSFORM_LIST_IF;
    if (!list) {
        tree_map_item(tree, ast, at);
        return at->why == NULL;
    }
    value = ast->loop == CEL_LOOP_FILTER ? item : tree_body(tree, ast);
    at->why = tree_is(&value, CEL_ERROR) ? "body" : NULL;
    at->items[at->list.count++] = value;
    return at->why == NULL;
}

static struct cel_value tree_loop_end(struct tree *tree, const struct cel_ast *ast,
                                      struct tree_loop *at, uint32_t count)
{
    struct cel_code code = {.ast = ast, .count = ast->count};
    struct cel_value error = tree_error(at->why == NULL ? "of an item" : at->why);
    if (at->why != NULL) {
        return error;
    }
    switch ((enum cel_loop)ast->loop) {
    case CEL_LOOP_ALL:
    case CEL_LOOP_ALL2:
        return at->trues + at->errors < count ? cel_of_bool(false)
               : at->errors > 0               ? error
                                              : cel_of_bool(true);
    case CEL_LOOP_EXISTS:
    case CEL_LOOP_EXISTS2:
        return at->trues > 0 ? cel_of_bool(true) : at->errors > 0 ? error : cel_of_bool(false);
    case CEL_LOOP_EXISTS_ONE:
    case CEL_LOOP_EXISTS_ONE2:
        return at->errors > 0 ? error : cel_of_bool(at->trues == 1);
    case CEL_LOOP_SORT_BY:
        error = at->list;
        cel_sort(tree->run, &code, at->items, at->keys, at->list.count, &error);
        return error;
    case CEL_LOOP_TRANSFORM_MAP:
    case CEL_LOOP_TRANSFORM_MAP_IF:
    case CEL_LOOP_TRANSFORM_ENTRY:
    case CEL_LOOP_TRANSFORM_ENTRY_IF:
        return at->map;
    case CEL_LOOP_MAP:
    case CEL_LOOP_MAP_IF:
    case CEL_LOOP_FILTER:
    case CEL_LOOP_TRANSFORM_LIST:
    case CEL_LOOP_TRANSFORM_LIST_IF:
    case CEL_LOOP_OPT_MAP:
    case CEL_LOOP_OPT_FLAT_MAP:
    case CEL_LOOP_BIND:
        break;
    }
    return at->list;
}

static struct cel_value tree_range(struct tree *tree, const struct cel_ast *ast)
{
    struct cel_value range = tree_eval(tree, ast->args[0]), ignored;
    bool two = ast->vars[1].at != NULL;
    struct tree_loop at = {0};
    if (!tree_is(&range, CEL_LIST) &&
        (!tree_is(&range, CEL_MAP) || ast->loop == CEL_LOOP_SORT_BY)) {
        return tree_error("no range");
    }
    at.items = cel_make_list(tree->run, range.count, &at.list);
    at.keys = cel_make_list(tree->run, range.count, &ignored);
    if (at.items == NULL || at.keys == NULL ||
        cel_make_map(tree->run, range.count, &at.map) == NULL) {
        return tree_error("no memory");
    }
    at.list.count = at.map.count = 0;
    uint32_t before = tree->locals_count;
    for (uint32_t i = 0; i < range.count; i++) {
        struct cel_value first = cel_of_int(i), second;
        if (tree_is(&range, CEL_MAP)) {
            cel_map_at(tree->run, &range, i, &first, &second);
        } else {
            cel_list_at(tree->run, &range, i, two ? &second : &first);
        }
        tree_push(tree, ast->vars[0], first);
        if (two) {
            tree_push(tree, ast->vars[1], second);
        }
        bool goes_on = cel_spend(tree->run, 1, NULL) && tree_item(tree, ast, &at);
        tree->locals_count = before;
        if (!goes_on) {
            break;
        }
    }
    return tree_loop_end(tree, ast, &at, range.count);
}

static struct cel_value tree_loop(struct tree *tree, const struct cel_ast *ast)
{
    bool bind = ast->loop == CEL_LOOP_BIND, map = ast->loop == CEL_LOOP_OPT_MAP;
    if (!bind && !map && ast->loop != CEL_LOOP_OPT_FLAT_MAP) {
        return tree_range(tree, ast);
    }
    struct cel_value value = tree_eval(tree, ast->args[0]);
    if (!bind && !tree_is(&value, CEL_OPTIONAL)) {
        return tree_error("no optional");
    }
    if (!bind && value.pointer == NULL) {
        return value;
    }
    uint32_t before = tree->locals_count;
    tree_push(tree, ast->vars[0], bind ? value : *(const struct cel_value *)value.pointer);
    value = tree_body(tree, ast);
    tree->locals_count = before;
    if (bind || tree_is(&value, CEL_ERROR)) {
        return value;
    }
    return map                             ? tree_some(tree, value)
           : tree_is(&value, CEL_OPTIONAL) ? value
                                           : tree_error("no optional");
}

static struct cel_value tree_eval(struct tree *tree, const struct cel_ast *ast)
{
    if (!cel_spend(tree->run, 1, NULL)) {
        return tree_error("too much");
    }
    switch ((enum cel_ast_kind)ast->kind) {
    case CEL_AST_LITERAL:
        return ast->literal;
    case CEL_AST_IDENT:
        return tree_name(tree, ast);
    case CEL_AST_SELECT:
        return ast->resolved != CEL_RES_NONE ? tree_name(tree, ast) : tree_select(tree, ast);
    case CEL_AST_CALL:
        return tree_call(tree, ast);
    case CEL_AST_LIST:
        return tree_list(tree, ast);
    case CEL_AST_MAP:
        return tree_map(tree, ast);
    case CEL_AST_LOOP:
        return tree_loop(tree, ast);
    }
    return tree_error("unreachable");
}

/* --- outcomes as text ------------------------------------------------------------------------- */

/* Everything as conditions see it: cel_value_print() shows what is outside as it stands there. */
static void tree_print(struct cel_run *run, const struct cel_value *value, struct textbuf *out)
{
    struct cel_value key, item;
    if (tree_is(value, CEL_OPTIONAL) && value->pointer != NULL) {
        textbuf_add_chars(out, "optional ");
        tree_print(run, value->pointer, out);
        return;
    }
    if (!tree_is(value, CEL_LIST) && !tree_is(value, CEL_MAP)) {
        cel_value_print(value, out);
        return;
    }
    textbuf_add_chars(out, tree_is(value, CEL_LIST) ? "[" : "{");
    for (uint32_t i = 0; i < value->count; i++) {
        if (tree_is(value, CEL_LIST)) {
            cel_list_at(run, value, i, &item);
        } else {
            cel_map_at(run, value, i, &key, &item);
            tree_print(run, &key, out);
            textbuf_add_chars(out, ": ");
        }
        tree_print(run, &item, out);
        textbuf_add_chars(out, ", ");
    }
    textbuf_add_chars(out, tree_is(value, CEL_LIST) ? "]" : "}");
}

/* Evaluate program both ways. False: they differ, out tells. True too when a budget ended. */
static bool tree_agrees(const struct cel_program *program, const struct cel_inputs *inputs,
                        struct arena *arena, struct textbuf *compiled, struct textbuf *walked)
{
    static struct cel_run run;
    static struct tree tree;
    struct cel_value value;
    int r = cel_eval(program, inputs, arena, &value, NULL);
    run = (struct cel_run){.env = program->env,
                           .shapes = program->shapes,
                           .inputs = inputs,
                           .arena = arena,
                           .steps = 4 * CEL_STEPS_MAX}; /* It takes more of them. */
    tree.run = &run;
    tree.env = program->env;
    tree.locals_count = 0;
    struct cel_value other = tree_eval(&tree, program->ast);
    if (run.stop != 0 || (r < 0 && r != -NSH_INVALID)) {
        return true;
    }
    run.steps = CEL_STEPS_MAX;
    if (r < 0) {
        value = tree_error("");
    }
    if (tree_is(&value, CEL_ERROR) || tree_is(&other, CEL_ERROR)) {
        textbuf_add_chars(compiled, tree_is(&value, CEL_ERROR) ? "an error" : "a value");
        textbuf_add_chars(walked, tree_is(&other, CEL_ERROR) ? "an error" : "a value");
    } else {
        tree_print(&run, &value, compiled);
        tree_print(&run, &other, walked);
    }
    return compiled->count == walked->count &&
           memcmp(compiled->at, walked->at, compiled->count) == 0;
}

#endif
