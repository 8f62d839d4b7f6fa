/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: which overloads of a name fit these arguments. Those that may fit at run time stay with
 * the node. */

#include "cel/cel_check.h"

#include <stdio.h>

#define OVERLOADS_MAX 48

struct candidates {
    struct cel_checker *checker;
    bool member;
    uint32_t args_count;
    bool known; /* Some function has this name, whatever its arguments. */
    struct cel_overload at[OVERLOADS_MAX];
    uint32_t count;
};

/* --- collecting ---------------------------------------------------------------------------- */

/* "(.)type, type -> type" */
static void parse_overload(struct cel_checker *checker, const char *text,
                           struct cel_overload *overload)
{
    struct cel_ty_names names = {0};
    overload->member = *text == '.';
    text += overload->member;
    for (;;) {
        text += strspn(text, " ,");
        if (text[0] == '-' && text[1] == '>') {
            break;
        }
        NSH_ASSERT(overload->params_count < CEL_PARAMS_MAX);
        overload->params[overload->params_count++] =
            cel_ty_parse(checker->arena, checker->vars, &names, &text);
    }
    text += 2;
    overload->result = cel_ty_parse(checker->arena, checker->vars, &names, &text);
}

static void add(struct candidates *candidates, const struct cel_overload *overload)
{
    if (overload->params_count == candidates->args_count &&
        overload->member == candidates->member && candidates->count < OVERLOADS_MAX) {
        candidates->at[candidates->count++] = *overload;
    }
}

static void add_external(struct candidates *candidates, uint32_t index)
{
    const struct cel_function *function = &candidates->checker->env->functions[index];
    struct cel_overload overload = {.external = function, .index = index};
    overload.params_count = (uint8_t)function->params_count;
    for (size_t i = 0; i < function->params_count; i++) {
        overload.params[i] = cel_ty_of(candidates->checker->arena, function->params[i]);
    }
    overload.result = cel_ty_of(candidates->checker->arena, function->result);
    add(candidates, &overload);
}

static bool collect(void *arg, const char *full)
{
    struct candidates *candidates = arg;
    const struct cel_env *env = candidates->checker->env;
    bool found = false;
    for (size_t i = 0; i < cel_function_rows_count; i++) {
        const struct cel_function_row *row = &cel_function_rows[i];
        if (row->name[0] == full[0] && strcmp(row->name, full) == 0) {
            struct cel_overload overload = {.impl = row->impl};
            if ((row->type[0] == '.') == candidates->member) {
                parse_overload(candidates->checker, row->type, &overload);
                add(candidates, &overload);
            }
            found = found || overload.member == candidates->member;
        }
    }
    for (uint32_t i = 0; i < env->functions_count; i++) {
        if (strcmp(env->functions[i].name, full) == 0) {
            found = true;
            add_external(candidates, i);
        }
    }
    for (size_t i = 0; i < env->declarations_count; i++) {
        if (strcmp(env->declarations[i].name, full) == 0 &&
            cel_is_function_type(env->declarations[i].type)) {
            struct cel_overload overload = {0};
            parse_overload(candidates->checker, env->declarations[i].type, &overload);
            add(candidates, &overload);
            found = true;
        }
    }
    candidates->known = candidates->known || found;
    return found;
}

static void candidates_start(struct candidates *candidates, struct cel_checker *checker,
                             bool member, uint32_t args_count)
{
    candidates->checker = checker;
    candidates->member = member;
    candidates->args_count = args_count;
    candidates->known = false;
    candidates->count = 0;
}

/* --- choosing ------------------------------------------------------------------------------ */

static bool fits(struct cel_checker *checker, const struct cel_ast *ast,
                 const struct cel_overload *overload)
{
    uint32_t trail = checker->vars->trail_count;
    for (uint32_t i = 0; i < ast->count; i++) {
        if (!cel_ty_assign(checker->vars, overload->params[i], ast->args[i]->type)) {
            cel_ty_undo(checker->vars, trail);
            return false;
        }
    }
    return true;
}

static void choose(struct cel_checker *checker, struct cel_ast *ast,
                   const struct candidates *candidates)
{
    struct cel_overload chosen[OVERLOADS_MAX];
    uint32_t count = 0;
    checker->vars->trail_count = 0;
    ast->type = NULL;
    for (uint32_t i = 0; i < candidates->count; i++) {
        const struct cel_overload *overload = &candidates->at[i];
        if (!checker->env->unchecked && !fits(checker, ast, overload)) {
            continue;
        }
        chosen[count++] = *overload;
        const struct cel_ty *result =
            cel_ty_substitute(checker->arena, checker->vars, overload->result);
        ast->type = count == 1 || cel_ty_same(ast->type, result) ? result : &cel_ty_dyn;
    }
    if (count == 0) {
        ast->type = &cel_ty_error;
        if (!checker->env->unchecked) {
            cel_hint_overload(checker, ast, candidates->at, candidates->count);
        }
        return;
    }
    struct cel_overload *copy = arena_array(checker->arena, count, sizeof *copy);
    if (copy == NULL) {
        checker->problems->nomem = true;
        return;
    }
    memcpy(copy, chosen, count * sizeof *copy);
    ast->overloads = copy;
    ast->overloads_count = count;
}

static void check_literal_args(struct cel_checker *checker, const struct cel_ast *ast)
{
    bool wanted = ast->overloads_count > 0 && ast->overloads[0].external != NULL &&
                  ast->overloads[0].external->literal_args;
    for (uint32_t i = 0; wanted && i < ast->count; i++) {
        if (ast->args[i]->kind != CEL_AST_LITERAL) {
            cel_problem(checker->problems, false, ast->args[i]->offset, ast->args[i]->length, NULL,
                        "the arguments of %s() must be written out, so that they are known when "
                        "this is loaded",
                        ast->name.at);
        }
    }
}

/* a.b.f(x) as the global function a.b.f; the receiver goes. Not inlined: its frame must not stay in
 * the recursion. */
static __attribute__((noinline)) bool as_qualified(struct cel_checker *checker, struct cel_ast *ast)
{
    char name[CEL_NAME_MAX];
    bool absolute = false;
    if (!ast->member || !cel_check_chain(checker, ast->args[0], name, &absolute) ||
        strlen(name) + ast->name.count + 2 > sizeof name) {
        return false;
    }
    size_t used = strlen(name);
    snprintf(name + used, sizeof name - used, ".%s", ast->name.at);
    struct candidates candidates;
    candidates_start(&candidates, checker, false, ast->count - 1);
    if (!cel_check_names(checker, name, absolute, collect, &candidates)) {
        return false;
    }
    char *copy = arena_copy(checker->arena, name, strlen(name));
    if (copy == NULL) {
        checker->problems->nomem = true;
        return false;
    }
    ast->offset = ast->args[0]->offset < ast->offset ? ast->args[0]->offset : ast->offset;
    ast->length = (uint32_t)strlen(name);
    ast->name = text_of(copy);
    ast->absolute = absolute;
    ast->member = false;
    ast->args++;
    ast->count--;
    return true;
}

static bool is_logic(const struct cel_ast *ast)
{
    return text_is(ast->name, "_&&_") || text_is(ast->name, "_||_");
}

static void check_logic(struct cel_checker *checker, struct cel_ast *ast)
{
    for (uint32_t i = 0; i < ast->count; i++) {
        struct cel_ast *arg = ast->args[i];
        cel_check_node(checker, arg);
        if (!checker->env->unchecked && !cel_ty_assign(checker->vars, &cel_ty_bool, arg->type)) {
            cel_problem(checker->problems, false, arg->offset, arg->length, NULL,
                        "'%s' joins bools, and this is %s", ast->name.at[1] == '&' ? "&&" : "||",
                        cel_ty_text(checker->arena,
                                    cel_ty_resolve(checker->arena, checker->vars, arg->type)));
        }
    }
    ast->type = &cel_ty_bool;
}

/* a["field"] on a record is a.field. */
static bool check_record_index(struct cel_checker *checker, struct cel_ast *ast)
{
    if (checker->env->unchecked || ast->count != 2 ||
        (!text_is(ast->name, "_[_]") && !text_is(ast->name, "_[?_]"))) {
        return false;
    }
    const struct cel_ty *operand = cel_ty_walk(checker->vars, ast->args[0]->type);
    if (operand->kind != CEL_RECORD) {
        return false;
    }
    const struct cel_ast *key = ast->args[1];
    bool optional = ast->name.at[2] == '?';
    ast->type = &cel_ty_dyn;
    if (key->kind == CEL_AST_LITERAL && key->literal.kind == CEL_STRING) {
        const struct cel_record *record = operand->record;
        size_t i = 0;
        while (i < record->fields_count &&
               !text_is(cel_text(&key->literal), record->fields[i].name)) {
            i++;
        }
        struct cel_ast named = *key;
        named.name = cel_text(&key->literal);
        if (i == record->fields_count) {
            cel_hint_field(checker, &named, record);
        } else {
            ast->type = cel_ty_of(checker->arena, record->fields[i].type);
        }
    }
    if (optional) {
        ast->type = cel_ty_make(checker->arena, CEL_OPTIONAL, ast->type, NULL);
    }
    return true;
}

static __attribute__((noinline)) void finish_call(struct cel_checker *checker, struct cel_ast *ast)
{
    struct candidates candidates;
    candidates_start(&candidates, checker, ast->member, ast->count);
    if (ast->member) {
        collect(&candidates, ast->name.at);
    } else {
        cel_check_names(checker, ast->name.at, ast->absolute, collect, &candidates);
    }
    if (!candidates.known) {
        ast->type = &cel_ty_error;
        cel_hint_function(checker, ast, ast->name.at);
        return;
    }
    ast->known = true;
    bool record = check_record_index(checker, ast);
    const struct cel_ty *type = ast->type;
    choose(checker, ast, &candidates);
    if (record) {
        ast->type = type;
    }
    check_literal_args(checker, ast);
    if (text_is(ast->name, "_/_")) {
        cel_hint_division(checker, ast);
    } else if (checker->env->strict) {
        cel_hint_quotient(checker, ast);
    }
}

void cel_check_call(struct cel_checker *checker, struct cel_ast *ast)
{
    if (is_logic(ast)) {
        check_logic(checker, ast);
        return;
    }
    as_qualified(checker, ast);
    for (uint32_t i = 0; i < ast->count; i++) {
        cel_check_node(checker, ast->args[i]);
    }
    finish_call(checker, ast);
}
