/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From checked tree to code: one node each, with slots, shapes and constants resolved. Calls of
 * constants are evaluated here once, with a budget of their own; what fails then is left to fail
 * where it stands (something may absorb it).
 */

#include "cel/cel_eval.h"
#include "cel/cel_time.h"

#define FOLD_STEPS_MAX 20000 /* For all constants of a program together. */

struct builder {
    struct cel_program *program;
    struct arena *arena;
    struct cel_problems *problems;
    struct cel_run *fold; /* NULL: folding is off. */
    struct cel_shape *shapes;
    uint16_t shapes_count;
};

/* --- shapes -------------------------------------------------------------------------------- */

static uint16_t shape_of(struct builder *builder, const struct cel_type *type, unsigned depth);

static uint16_t shape_of_record(struct builder *builder, const struct cel_type *type,
                                unsigned depth)
{
    for (uint16_t i = 1; i < builder->shapes_count; i++) {
        if (builder->shapes[i].record == type->record) {
            return i;
        }
    }
    uint16_t shape = builder->shapes_count++;
    uint16_t *fields = arena_array(builder->arena, type->record->fields_count, sizeof *fields);
    if (fields == NULL) {
        builder->problems->nomem = true;
        return 0;
    }
    builder->shapes[shape] =
        (struct cel_shape){.kind = CEL_RECORD, .record = type->record, .fields = fields};
    for (size_t i = 0; i < type->record->fields_count; i++) {
        fields[i] = shape_of(builder, &type->record->fields[i].type, depth + 1);
    }
    return shape;
}

static uint16_t shape_of(struct builder *builder, const struct cel_type *type, unsigned depth)
{
    if (type == NULL || type->kind == CEL_DYN || depth > NSH_VALUE_DEPTH_MAX ||
        builder->shapes_count == CEL_SHAPES_MAX) {
        return 0;
    }
    if (type->kind == CEL_RECORD) {
        return shape_of_record(builder, type, depth);
    }
    uint16_t of = shape_of(builder, type->of, depth + 1);
    for (uint16_t i = 1; i < builder->shapes_count; i++) {
        if (builder->shapes[i].kind == type->kind && builder->shapes[i].of == of &&
            builder->shapes[i].record == NULL) {
            return i;
        }
    }
    if (builder->shapes_count == CEL_SHAPES_MAX) {
        return 0;
    }
    builder->shapes[builder->shapes_count] =
        (struct cel_shape){.kind = (uint8_t)type->kind, .of = of};
    return builder->shapes_count++;
}

/* The shape and field index that a selection will meet, when its operand is a declared record. */
static bool known_field(const struct builder *builder, const struct cel_ast *ast,
                        struct cel_code *code)
{
    const struct cel_ty *operand = ast->args[0]->type;
    if (operand->kind != CEL_RECORD) {
        return false;
    }
    for (uint16_t i = 1; i < builder->shapes_count; i++) {
        if (builder->shapes[i].record != operand->record) {
            continue;
        }
        for (size_t f = 0; f < operand->record->fields_count; f++) {
            if (text_is(ast->name, operand->record->fields[f].name)) {
                code->shape = i;
                code->slot = (uint32_t)f;
                return true;
            }
        }
    }
    return false;
}

/* --- nodes --------------------------------------------------------------------------------- */

struct operator_row {
    const char *name;
    cel_run_fn *run;
};

static const struct operator_row operator_rows[] = {
    {"_&&_", cel_run_and},        {"_||_", cel_run_or},         {"!_", cel_run_not},
    {"_?_:_", cel_run_ternary},   {"_==_", cel_run_equal},      {"_!=_", cel_run_not_equal},
    {"_<_", cel_run_less},        {"_<=_", cel_run_less_equal}, {"_>_", cel_run_more},
    {"_>=_", cel_run_more_equal}, {"_[_]", cel_run_index},      {"_[?_]", cel_run_optional_index},
};

static cel_run_fn *const loop_runs[] = {
    [CEL_LOOP_ALL] = cel_run_quantifier,
    [CEL_LOOP_EXISTS] = cel_run_quantifier,
    [CEL_LOOP_EXISTS_ONE] = cel_run_quantifier,
    [CEL_LOOP_MAP] = cel_run_gather,
    [CEL_LOOP_MAP_IF] = cel_run_gather,
    [CEL_LOOP_FILTER] = cel_run_gather,
    [CEL_LOOP_ALL2] = cel_run_quantifier,
    [CEL_LOOP_EXISTS2] = cel_run_quantifier,
    [CEL_LOOP_EXISTS_ONE2] = cel_run_quantifier,
    [CEL_LOOP_TRANSFORM_LIST] = cel_run_gather,
    [CEL_LOOP_TRANSFORM_LIST_IF] = cel_run_gather,
    [CEL_LOOP_TRANSFORM_MAP] = cel_run_gather_map,
    [CEL_LOOP_TRANSFORM_MAP_IF] = cel_run_gather_map,
    [CEL_LOOP_TRANSFORM_ENTRY] = cel_run_gather_map,
    [CEL_LOOP_TRANSFORM_ENTRY_IF] = cel_run_gather_map,
    [CEL_LOOP_SORT_BY] = cel_run_sort_by,
    [CEL_LOOP_OPT_MAP] = cel_run_optional_map,
    [CEL_LOOP_OPT_FLAT_MAP] = cel_run_optional_map,
    [CEL_LOOP_BIND] = cel_run_bind,
};

static cel_run_fn *run_of_call(const struct cel_ast *ast)
{
    for (size_t i = 0; i < sizeof operator_rows / sizeof *operator_rows; i++) {
        if (text_is(ast->name, operator_rows[i].name)) {
            return operator_rows[i].run;
        }
    }
    if (ast->overloads_count == 1 && ast->overloads->params[0] != NULL &&
        ast->overloads->params[0]->kind == CEL_OPTIONAL && ast->count == 2) {
        return cel_run_or_else; /* or, orValue: all that optionals have with an argument. */
    }
    return ast->overloads_count == 0 ? cel_run_unknown : cel_run_call;
}

static void build_variable(struct builder *builder, const struct cel_ast *ast,
                           struct cel_code *code)
{
    const struct cel_env *env = builder->program->env;
    code->slot = ast->slot;
    code->count = 0;
    switch ((enum cel_resolved)ast->resolved) {
    case CEL_RES_VARIABLE:
        code->run = cel_run_variable;
        if (ast->slot < env->variables_count) {
            code->shape = shape_of(builder, &env->variables[ast->slot].type, 0);
        }
        break;
    case CEL_RES_LOCAL:
        code->run = cel_run_local;
        break;
    case CEL_RES_TYPE:
        code->run = cel_run_constant;
        code->value = ast->literal;
        break;
    case CEL_RES_NONE:
        code->run = cel_run_unknown;
        break;
    }
}

static void build_select(struct builder *builder, const struct cel_ast *ast, struct cel_code *code)
{
    code->value = cel_of_text(ast->name);
    code->run = ast->test                         ? cel_run_test
                : ast->optional                   ? cel_run_optional_select
                : known_field(builder, ast, code) ? cel_run_record_field
                                                  : cel_run_select;
}

static bool may_fold(const struct builder *builder, const struct cel_code *code)
{
    cel_run_fn *run = code->run;
    if (builder->fold == NULL || run == cel_run_constant || run == cel_run_unknown ||
        run == cel_run_variable || run == cel_run_local || code->ast->kind == CEL_AST_LOOP) {
        return false;
    }
    for (uint32_t i = 0; i < code->overloads_count; i++) {
        if (code->overloads[i].impl == NULL && run == cel_run_call) {
            return false;
        }
    }
    for (uint32_t i = 0; i < code->count; i++) {
        if (code->args[i]->run != cel_run_constant) {
            return false;
        }
    }
    return true;
}

static void fold(struct builder *builder, struct cel_code *code)
{
    struct cel_value value;
    if (!may_fold(builder, code)) {
        return;
    }
    cel_eval_code(builder->fold, code, &value);
    if (builder->fold->stop != 0) {
        builder->fold->stop = 0;
        builder->fold->steps = 0;
        return;
    }
    if (value.kind != CEL_ERROR) {
        code->run = cel_run_constant;
        code->value = value;
        code->overloads_count = 0; /* They stood where the value does now. */
    }
}

/* What functions make of a literal argument once. */
static void prepare_regex(struct builder *builder, const struct cel_ast *ast, struct cel_code *code)
{
    static const char *const names[] = {"matches",       "regex.extract", "regex.extractAll",
                                        "regex.replace", "find",          "findAll"};
    bool takes = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        takes = takes || text_is(ast->name, names[i]);
    }
    if (!takes || code->run != cel_run_call || code->count < 2 ||
        code->args[1]->run != cel_run_constant || code->args[1]->value.kind != CEL_STRING) {
        return;
    }
    const char *problem = NULL;
    code->extra = cel_regex_compile(builder->arena, cel_text(&code->args[1]->value), &problem);
    if (code->extra == NULL) {
        const struct cel_ast *at = ast->args[1];
        cel_problem(builder->problems, builder->program->env->unchecked, at->offset, at->length,
                    NULL, "this is no regular expression: %s", problem);
    }
}

/* getHours(x, "Europe/Berlin"): the zone is read here, so that evaluation touches no file. */
static void prepare_zone(struct builder *builder, const struct cel_ast *ast, struct cel_code *code)
{
    int64_t offset = 0;
    if (!ast->member || code->run != cel_run_call || code->count != 2 ||
        !text_starts(ast->name, "get") || code->args[1]->run != cel_run_constant ||
        code->args[1]->value.kind != CEL_STRING ||
        cel_zone_is_fixed(cel_text(&code->args[1]->value), &offset)) {
        return;
    }
    code->extra = cel_zone_load(builder->arena, cel_text(&code->args[1]->value));
    if (code->extra == NULL) {
        const struct cel_ast *at = ast->args[1];
        cel_problem(builder->problems, builder->program->env->unchecked, at->offset, at->length,
                    "write an IANA name (Europe/Berlin) or an offset (+02:00)",
                    "the time zone is not known");
    }
}

static const struct cel_code *build(struct builder *builder, const struct cel_ast *ast)
{
    struct cel_code *code = arena_alloc(builder->arena, sizeof *code);
    const struct cel_code **args =
        ast->count == 0 ? NULL : arena_array(builder->arena, ast->count, sizeof(void *));
    if (code == NULL || (args == NULL && ast->count > 0)) {
        builder->problems->nomem = true;
        return NULL;
    }
    *code = (struct cel_code){.args = args, .count = ast->count, .ast = ast, .loop = ast->loop};
    bool variable = ast->kind == CEL_AST_IDENT ||
                    (ast->kind == CEL_AST_SELECT && ast->resolved != CEL_RES_NONE);
    for (uint32_t i = 0; i < ast->count && !variable; i++) {
        args[i] = build(builder, ast->args[i]);
        if (args[i] == NULL) {
            return NULL;
        }
    }
    switch ((enum cel_ast_kind)ast->kind) {
    case CEL_AST_LITERAL:
        code->run = cel_run_constant;
        code->value = ast->literal;
        break;
    case CEL_AST_IDENT:
        build_variable(builder, ast, code);
        break;
    case CEL_AST_SELECT:
        if (variable) {
            build_variable(builder, ast, code);
        } else {
            build_select(builder, ast, code);
        }
        break;
    case CEL_AST_CALL:
        code->run = run_of_call(ast);
        code->overloads = ast->overloads;
        code->overloads_count = ast->overloads_count;
        prepare_regex(builder, ast, code);
        prepare_zone(builder, ast, code);
        break;
    case CEL_AST_LIST:
        code->run = cel_run_list;
        break;
    case CEL_AST_MAP:
        code->run = cel_run_map;
        break;
    case CEL_AST_LOOP:
        code->run = loop_runs[ast->loop];
        code->slot = ast->slot;
        break;
    }
    fold(builder, code);
    return code;
}

int cel_build(struct cel_program *program, struct arena *arena, struct cel_problems *problems)
{
    struct cel_shape shapes[CEL_SHAPES_MAX];
    struct cel_run run = {.env = program->env, .arena = arena, .steps = FOLD_STEPS_MAX};
    struct builder builder = {.program = program,
                              .arena = arena,
                              .problems = problems,
                              .shapes = shapes,
                              .shapes_count = 1};
    builder.fold = program->env->no_folding ? NULL : &run;
    shapes[0] = (struct cel_shape){0};
    run.shapes = shapes;
    program->code = build(&builder, program->ast);
    struct cel_shape *copy = arena_array(arena, builder.shapes_count, sizeof *copy);
    if (program->code == NULL || copy == NULL || problems->nomem) {
        return -NSH_NOMEM;
    }
    memcpy(copy, shapes, builder.shapes_count * sizeof *copy);
    program->shapes = copy;
    return 0;
}
