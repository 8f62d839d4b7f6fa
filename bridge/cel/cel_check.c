/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checker: resolves names and gives every node a type. Without it (env->unchecked) names are
 * still resolved, every type is dyn and nothing is refused.
 */

#include "cel/cel_check.h"

#include <stdio.h>

/* --- names --------------------------------------------------------------------------------- */

static int local_of(const struct cel_checker *checker, struct text name)
{
    for (uint32_t i = checker->scopes_count; i > 0; i--) {
        if (text_equal(checker->scopes[i - 1].name, name)) {
            return (int)i - 1;
        }
    }
    return -1;
}

bool cel_check_chain(const struct cel_checker *checker, const struct cel_ast *ast,
                     char name[CEL_NAME_MAX], bool *ret_absolute)
{
    const struct cel_ast *parts[CEL_DEPTH_MAX];
    uint32_t count = 0;
    while (ast->kind == CEL_AST_SELECT && !ast->test && !ast->optional && !ast->quoted &&
           count < CEL_DEPTH_MAX) {
        parts[count++] = ast;
        ast = ast->args[0];
    }
    if (ast->kind != CEL_AST_IDENT || (!ast->absolute && local_of(checker, ast->name) >= 0)) {
        return false;
    }
    size_t used = 0;
    for (uint32_t i = 0; i <= count; i++) {
        struct text part = i == 0 ? ast->name : parts[count - i]->name;
        if (used + part.count + 2 > CEL_NAME_MAX) {
            return false;
        }
        if (i > 0) {
            name[used++] = '.';
        }
        memcpy(name + used, part.at, part.count);
        used += part.count;
    }
    name[used] = '\0';
    *ret_absolute = ast->absolute;
    return true;
}

bool cel_check_names(const struct cel_checker *checker, const char *name, bool absolute,
                     bool (*try)(void *arg, const char *full), void *arg)
{
    const char *container = checker->env->container;
    size_t count = absolute || container == NULL ? 0 : strlen(container);
    char full[2 * CEL_NAME_MAX];
    while (count > 0 && count < CEL_NAME_MAX) {
        snprintf(full, sizeof full, "%.*s.%s", (int)count, container, name);
        if (try(arg, full)) {
            return true;
        }
        while (count > 0 && container[count - 1] != '.') {
            count--;
        }
        count -= count > 0;
    }
    return try(arg, name);
}

struct variable_search {
    struct cel_checker *checker;
    struct cel_ast *ast;
};

static const struct cel_ty *type_of_declaration(struct cel_checker *checker, const char *text)
{
    struct cel_ty_names names = {0};
    return cel_ty_parse(checker->arena, checker->vars, &names, &text);
}

static bool try_variable(void *arg, const char *full)
{
    struct variable_search *search = arg;
    const struct cel_env *env = search->checker->env;
    for (size_t i = 0; i < env->variables_count; i++) {
        if (strcmp(env->variables[i].name, full) == 0) {
            search->ast->resolved = CEL_RES_VARIABLE;
            search->ast->slot = (uint32_t)i;
            search->ast->type = cel_ty_of(search->checker->arena, env->variables[i].type);
            return true;
        }
    }
    for (size_t i = 0; i < env->declarations_count; i++) {
        const struct cel_declaration *declaration = &env->declarations[i];
        if (strcmp(declaration->name, full) == 0 && !cel_is_function_type(declaration->type)) {
            search->ast->resolved = CEL_RES_VARIABLE;
            search->ast->slot = (uint32_t)(env->variables_count + i);
            search->ast->type = type_of_declaration(search->checker, declaration->type);
            return true;
        }
    }
    return false;
}

struct type_name {
    const char *name, *text;
};

static const struct type_name type_names[] = {
    {"bool", "bool"},
    {"int", "int"},
    {"uint", "uint"},
    {"double", "double"},
    {"string", "string"},
    {"bytes", "bytes"},
    {"null_type", "null_type"},
    {"list", "list"},
    {"map", "map"},
    {"type", "type"},
    {"optional_type", "optional_type"},
    {"google.protobuf.Timestamp", "timestamp"},
    {"google.protobuf.Duration", "duration"},
    {"net.IP", "net.IP"},
    {"net.CIDR", "net.CIDR"},
    {"kubernetes.Quantity", "kubernetes.Quantity"},
    {"kubernetes.Semver", "kubernetes.Semver"},
    {"kubernetes.NamedFormat", "kubernetes.NamedFormat"},
};

static bool try_type(void *arg, const char *full)
{
    struct variable_search *search = arg;
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (strcmp(type_names[i].name, full) == 0) {
            search->ast->resolved = CEL_RES_TYPE;
            search->ast->literal = cel_of_type(type_names[i].name);
            search->ast->type =
                cel_ty_make(search->checker->arena, CEL_TYPE,
                            type_of_declaration(search->checker, type_names[i].text), NULL);
            return true;
        }
    }
    return false;
}

/* The whole chain as one variable or type. */
static bool resolve_chain(struct cel_checker *checker, struct cel_ast *ast)
{
    char name[CEL_NAME_MAX];
    bool absolute = false;
    if (!cel_check_chain(checker, ast, name, &absolute)) {
        return false;
    }
    struct variable_search search = {checker, ast};
    return cel_check_names(checker, name, absolute, try_variable, &search) ||
           cel_check_names(checker, name, absolute, try_type, &search);
}

static void check_ident(struct cel_checker *checker, struct cel_ast *ast)
{
    int local = ast->absolute ? -1 : local_of(checker, ast->name);
    if (local >= 0) {
        ast->resolved = CEL_RES_LOCAL;
        ast->slot = (uint32_t)local;
        ast->type = checker->scopes[local].type;
        return;
    }
    if (!resolve_chain(checker, ast)) {
        ast->type = &cel_ty_error;
        cel_hint_name(checker, ast, ast->name.at);
    }
}

/* --- selections ---------------------------------------------------------------------------- */

static const struct cel_ty *field_type(struct cel_checker *checker, struct cel_ast *ast,
                                       const struct cel_ty *operand)
{
    const struct cel_record *record = operand->record;
    for (size_t i = 0; i < record->fields_count; i++) {
        if (text_is(ast->name, record->fields[i].name)) {
            return cel_ty_of(checker->arena, record->fields[i].type);
        }
    }
    cel_hint_field(checker, ast, record);
    return &cel_ty_error;
}

static const struct cel_ty *select_type(struct cel_checker *checker, struct cel_ast *ast,
                                        const struct cel_ty *operand)
{
    operand = cel_ty_walk(checker->vars, operand);
    switch (operand->kind) {
    case CEL_RECORD:
        return field_type(checker, ast, operand);
    case CEL_MAP:
        return operand->params[1];
    case CEL_DYN:
    case CEL_ERROR:
    case CEL_TY_PARAM:
        return &cel_ty_dyn;
    case CEL_OPTIONAL: {
        const struct cel_ty *inner = select_type(checker, ast, operand->params[0]);
        return inner->kind == CEL_OPTIONAL || ast->optional
                   ? inner
                   : cel_ty_make(checker->arena, CEL_OPTIONAL, inner, NULL);
    }
    default:
        cel_problem(checker->problems, false, ast->offset, ast->length, NULL,
                    "a value of type %s has no fields", cel_ty_text(checker->arena, operand));
        return &cel_ty_error;
    }
}

static void check_select(struct cel_checker *checker, struct cel_ast *ast)
{
    if (resolve_chain(checker, ast)) {
        return;
    }
    cel_check_node(checker, ast->args[0]);
    ast->type = select_type(checker, ast, ast->args[0]->type);
    if (ast->test) {
        ast->type = &cel_ty_bool;
    } else if (ast->optional) {
        ast->type = cel_ty_make(checker->arena, CEL_OPTIONAL, ast->type, NULL);
    }
}

/* --- literals of several ------------------------------------------------------------------- */

static const struct cel_ty *join(struct cel_checker *checker, const struct cel_ty *all,
                                 const struct cel_ty *next)
{
    if (all == NULL) {
        return next;
    }
    uint32_t trail = checker->vars->trail_count;
    if (cel_ty_assign(checker->vars, all, next)) {
        return cel_ty_general(cel_ty_walk(checker->vars, all), cel_ty_walk(checker->vars, next));
    }
    cel_ty_undo(checker->vars, trail);
    return &cel_ty_dyn;
}

/* The type inside ?x. */
static const struct cel_ty *entry_type(struct cel_checker *checker, const struct cel_ast *entry,
                                       const struct cel_ty *type)
{
    if (!entry->entry) {
        return type;
    }
    type = cel_ty_walk(checker->vars, type);
    if (type->kind == CEL_OPTIONAL) {
        return type->params[0];
    }
    if (type->kind != CEL_DYN && type->kind != CEL_ERROR && type->kind != CEL_TY_PARAM &&
        !checker->env->unchecked) {
        cel_problem(checker->problems, false, entry->offset, entry->length, "write optional.of(x)",
                    "an entry with '?' must be an optional, and is %s",
                    cel_ty_text(checker->arena, type));
    }
    return &cel_ty_dyn;
}

static void check_list(struct cel_checker *checker, struct cel_ast *ast)
{
    const struct cel_ty *of = NULL;
    for (uint32_t i = 0; i < ast->count; i++) {
        cel_check_node(checker, ast->args[i]);
        of = join(checker, of, entry_type(checker, ast->args[i], ast->args[i]->type));
    }
    of = of == NULL ? cel_ty_fresh(checker->arena, checker->vars) : of;
    ast->type = cel_ty_make(checker->arena, CEL_LIST, of, NULL);
}

static void check_map(struct cel_checker *checker, struct cel_ast *ast)
{
    const struct cel_ty *key = NULL, *value = NULL;
    for (uint32_t i = 0; i < ast->count; i += 2) {
        cel_check_node(checker, ast->args[i]);
        cel_check_node(checker, ast->args[i + 1]);
        key = join(checker, key, ast->args[i]->type);
        value = join(checker, value, entry_type(checker, ast->args[i], ast->args[i + 1]->type));
    }
    key = key == NULL ? cel_ty_fresh(checker->arena, checker->vars) : key;
    value = value == NULL ? cel_ty_fresh(checker->arena, checker->vars) : value;
    ast->type = cel_ty_make(checker->arena, CEL_MAP, key, value);
}

/* --- comprehensions ------------------------------------------------------------------------ */

static const char *const loop_results[] = {
#define CEL_LOOP(ID, name, args, vars, type) type,
#include "cel/cel_loops.def"
#undef CEL_LOOP
};
static const uint32_t loop_vars[] = {
#define CEL_LOOP(ID, name, args, vars, type) vars,
#include "cel/cel_loops.def"
#undef CEL_LOOP
};

static void range_types(struct cel_checker *checker, const struct cel_ast *ast,
                        const struct cel_ty *ret_types[2])
{
    const struct cel_ast *range = ast->args[0];
    const struct cel_ty *type = cel_ty_walk(checker->vars, range->type);
    bool two = loop_vars[ast->loop] == 2;
    ret_types[0] = ret_types[1] = &cel_ty_dyn;
    switch (type->kind) {
    case CEL_LIST:
        ret_types[0] = two ? &cel_ty_int : type->params[0];
        ret_types[1] = type->params[0];
        return;
    case CEL_MAP:
        ret_types[0] = type->params[0];
        ret_types[1] = type->params[1];
        return;
    case CEL_RECORD:
        ret_types[0] = &cel_ty_string;
        return;
    case CEL_DYN:
    case CEL_ERROR:
    case CEL_TY_PARAM:
        return;
    default:
        cel_problem(checker->problems, false, ast->offset, ast->length, NULL,
                    "%.*s() goes over lists and maps, and this is %s", (int)ast->name.count,
                    ast->name.at, cel_ty_text(checker->arena, type));
    }
}

static const struct cel_ty *optional_inner(struct cel_checker *checker, const struct cel_ast *ast)
{
    const struct cel_ty *type = cel_ty_walk(checker->vars, ast->type);
    if (type->kind == CEL_OPTIONAL) {
        return type->params[0];
    }
    if (type->kind != CEL_DYN && type->kind != CEL_ERROR && type->kind != CEL_TY_PARAM) {
        cel_problem(checker->problems, false, ast->offset, ast->length, NULL,
                    "this must be an optional, and is %s", cel_ty_text(checker->arena, type));
    }
    return &cel_ty_dyn;
}

static bool push(struct cel_checker *checker, const struct cel_ast *ast, struct text name,
                 const struct cel_ty *type)
{
    if (checker->scopes_count == CEL_LOCALS_MAX) {
        cel_problem(checker->problems, false, ast->offset, ast->length, NULL,
                    "more than %d variables of macros at once", CEL_LOCALS_MAX);
        return false;
    }
    checker->scopes[checker->scopes_count++] = (struct cel_scope){name, type};
    if (checker->scopes_count > checker->scopes_max) {
        checker->scopes_max = checker->scopes_count;
    }
    return true;
}

static void want_bool(struct cel_checker *checker, const struct cel_ast *ast)
{
    if (!checker->env->unchecked && !cel_ty_assign(checker->vars, &cel_ty_bool, ast->type)) {
        cel_problem(
            checker->problems, false, ast->offset, ast->length, NULL,
            "this must be a bool, and is %s",
            cel_ty_text(checker->arena, cel_ty_resolve(checker->arena, checker->vars, ast->type)));
    }
}

static const struct cel_ty *entry_result(struct cel_checker *checker, const struct cel_ast *body)
{
    const struct cel_ty *type = cel_ty_walk(checker->vars, body->type);
    if (type->kind != CEL_MAP && type->kind != CEL_DYN && type->kind != CEL_TY_PARAM &&
        type->kind != CEL_ERROR && !checker->env->unchecked) {
        cel_problem(checker->problems, false, body->offset, body->length, "write {key: value}",
                    "transformMapEntry() needs a map of one entry, and this is %s",
                    cel_ty_text(checker->arena, type));
    }
    return type->kind == CEL_MAP ? type : &cel_ty_dyn;
}

static const struct cel_ty *loop_type(struct cel_checker *checker, const struct cel_ast *ast,
                                      const struct cel_ty *const items[2])
{
    const struct cel_ast *body = ast->args[ast->count - 1];
    struct arena *arena = checker->arena;
    switch ((enum cel_loop)ast->loop) {
    case CEL_LOOP_FILTER:
    case CEL_LOOP_SORT_BY:
        return cel_ty_make(arena, CEL_LIST, items[0], NULL);
    case CEL_LOOP_OPT_MAP:
        return cel_ty_make(arena, CEL_OPTIONAL, body->type, NULL);
    case CEL_LOOP_OPT_FLAT_MAP:
        optional_inner(checker, body);
        return body->type;
    case CEL_LOOP_BIND:
        return body->type;
    case CEL_LOOP_TRANSFORM_ENTRY:
    case CEL_LOOP_TRANSFORM_ENTRY_IF:
        return entry_result(checker, body);
    case CEL_LOOP_TRANSFORM_MAP:
    case CEL_LOOP_TRANSFORM_MAP_IF:
        return cel_ty_make(arena, CEL_MAP, items[0], body->type);
    case CEL_LOOP_MAP:
    case CEL_LOOP_MAP_IF:
    case CEL_LOOP_TRANSFORM_LIST:
    case CEL_LOOP_TRANSFORM_LIST_IF:
        return cel_ty_make(arena, CEL_LIST, body->type, NULL);
    case CEL_LOOP_ALL:
    case CEL_LOOP_EXISTS:
    case CEL_LOOP_EXISTS_ONE:
    case CEL_LOOP_ALL2:
    case CEL_LOOP_EXISTS2:
    case CEL_LOOP_EXISTS_ONE2:
        break;
    }
    return &cel_ty_bool;
}

static void check_loop(struct cel_checker *checker, struct cel_ast *ast)
{
    cel_check_node(checker, ast->args[0]);
    const struct cel_ty *items[2] = {&cel_ty_dyn, &cel_ty_dyn};
    if (ast->loop == CEL_LOOP_BIND) {
        items[0] = ast->args[0]->type;
    } else if (ast->loop == CEL_LOOP_OPT_MAP || ast->loop == CEL_LOOP_OPT_FLAT_MAP) {
        items[0] = optional_inner(checker, ast->args[0]);
    } else {
        range_types(checker, ast, items);
    }
    uint32_t scopes = checker->scopes_count;
    ast->slot = scopes;
    for (uint32_t i = 0; i < 2 && i < loop_vars[ast->loop]; i++) {
        if (!push(checker, ast, ast->vars[i], items[i])) {
            ast->type = &cel_ty_error;
            return;
        }
    }
    for (uint32_t i = 1; i < ast->count; i++) {
        cel_check_node(checker, ast->args[i]);
        bool condition = strcmp(loop_results[ast->loop], "bool") == 0 || i + 1 < ast->count ||
                         ast->loop == CEL_LOOP_FILTER;
        if (condition) {
            want_bool(checker, ast->args[i]);
        }
    }
    checker->scopes_count = scopes;
    ast->type = loop_type(checker, ast, items);
}

/* ------------------------------------------------------------------------------------------- */

static const struct cel_ty *literal_type(const struct cel_ast *ast)
{
    switch (ast->literal.kind) {
    case CEL_NULL:
        return &cel_ty_null;
    case CEL_BOOL:
        return &cel_ty_bool;
    case CEL_INT:
        return &cel_ty_int;
    case CEL_UINT:
        return &cel_ty_uint;
    case CEL_DOUBLE:
        return &cel_ty_double;
    case CEL_BYTES:
        return &cel_ty_bytes;
    default:
        return &cel_ty_string;
    }
}

void cel_check_node(struct cel_checker *checker, struct cel_ast *ast)
{
    switch ((enum cel_ast_kind)ast->kind) {
    case CEL_AST_LITERAL:
        ast->type = literal_type(ast);
        break;
    case CEL_AST_IDENT:
        check_ident(checker, ast);
        break;
    case CEL_AST_SELECT:
        check_select(checker, ast);
        break;
    case CEL_AST_CALL:
        cel_check_call(checker, ast);
        break;
    case CEL_AST_LIST:
        check_list(checker, ast);
        break;
    case CEL_AST_MAP:
        check_map(checker, ast);
        break;
    case CEL_AST_LOOP:
        check_loop(checker, ast);
        break;
    }
    if (checker->env->unchecked) {
        ast->type = &cel_ty_dyn;
    }
}

static void resolve_types(struct cel_checker *checker, struct cel_ast *ast)
{
    if (ast->type != NULL) {
        ast->type = cel_ty_resolve(checker->arena, checker->vars, ast->type);
    }
    for (uint32_t i = 0; i < ast->count; i++) {
        resolve_types(checker, ast->args[i]);
    }
}

void cel_check(const struct cel_env *env, struct cel_ast *root, struct arena *arena,
               struct cel_problems *problems, const struct cel_ty **ret_type,
               uint32_t *ret_locals_count)
{
    struct cel_ty_vars vars;
    vars.count = vars.trail_count = 0;
    struct cel_checker checker = {.env = env, .arena = arena, .problems = problems, .vars = &vars};
    cel_check_node(&checker, root);
    const struct cel_ty *wanted = cel_ty_of(arena, env->wanted);
    if (problems->errors == 0 && !env->unchecked && !cel_ty_assign(&vars, wanted, root->type)) {
        cel_problem(problems, false, root->offset, root->length, NULL,
                    "the whole expression must be %s, and is %s", cel_ty_text(arena, wanted),
                    cel_ty_text(arena, cel_ty_resolve(arena, &vars, root->type)));
    }
    resolve_types(&checker, root);
    *ret_type = root->type;
    *ret_locals_count = checker.scopes_max;
}
