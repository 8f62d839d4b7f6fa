/* SPDX-License-Identifier: Apache-2.0 */
/* The face of the library: compile, evaluate, explain. */

#include "cel/cel_eval.h"
#include "cel/cel_parts.h"

#include <stdio.h>

#define EXPLAIN_LINES_MAX 16
#define EXPLAIN_OPERANDS_MAX 4
#define TO_VALUE_MAX 65536 /* Values of one result. */

/* --- compile ------------------------------------------------------------------------------- */

static bool source_fits(struct text source, struct cel_problems *problems)
{
    if (source.count > CEL_SOURCE_BYTES_MAX) {
        cel_problem(problems, false, CEL_SOURCE_BYTES_MAX, 1, NULL,
                    "the expression is longer than %d bytes", CEL_SOURCE_BYTES_MAX);
        return false;
    }
    for (uint32_t at = 0, length = 0; at < source.count; at += length) {
        uint32_t code_point = cel_decode(source.at + at, source.count - at, &length);
        if (code_point == 0xfffd && length == 1) {
            cel_problem(problems, false, at, 1, NULL, "this is not UTF-8");
            return false;
        }
    }
    return true;
}

static int compile(struct cel_program *program, struct text source, struct arena *arena,
                   struct cel_problems *problems)
{
    struct text copy = arena_text(arena, source);
    if (copy.at == NULL) {
        return -NSH_NOMEM;
    }
    program->ast = cel_parse(program->env, copy, problems);
    if (program->ast == NULL) {
        return problems->nomem ? -NSH_NOMEM : -NSH_INVALID;
    }
    cel_check(program->env, program->ast, arena, problems, &program->type, &program->locals_count);
    if (program->env->strict) {
        cel_check_cost(problems, program->ast);
    }
    if (problems->nomem || problems->errors > 0) {
        return problems->nomem ? -NSH_NOMEM : -NSH_INVALID;
    }
    int r = cel_build(program, arena, problems);
    return r < 0 ? r : problems->errors > 0 ? -NSH_INVALID : 0;
}

int cel_compile_text(const struct cel_env *env, struct text source, struct arena *arena,
                     struct cel_program **ret_program, struct cel_problem *problems,
                     size_t *ret_problems_count)
{
    struct cel_problem own[CEL_PROBLEMS_MAX];
    struct cel_problems all = {.arena = arena, .items = problems == NULL ? own : problems};
    struct cel_program *program = arena_alloc(arena, sizeof *program);
    int r = -NSH_NOMEM;
    if (program != NULL) {
        program->env = env;
        r = source_fits(source, &all) ? compile(program, source, arena, &all) : -NSH_INVALID;
    }
    if (ret_problems_count != NULL) {
        *ret_problems_count = all.count;
    }
    if (r == 0) {
        *ret_program = program;
    }
    return r;
}

int cel_compile(const struct cel_env *env, const char *source, struct arena *arena,
                struct cel_program **ret_program, struct cel_problem *problems,
                size_t *ret_problems_count)
{
    size_t count = strlen(source);
    uint32_t kept = (uint32_t)(count > CEL_SOURCE_BYTES_MAX ? CEL_SOURCE_BYTES_MAX + 1 : count);
    return cel_compile_text(env, (struct text){source, kept}, arena, ret_program, problems,
                            ret_problems_count);
}

static struct cel_type type_of(const struct cel_ty *type)
{
    return (struct cel_type){.kind =
                                 type->kind == CEL_TY_WRAPPER ? CEL_DYN : (enum cel_kind)type->kind,
                             .record = type->record};
}

struct cel_type cel_program_type(const struct cel_program *program)
{
    return type_of(program->type);
}

struct cel_type cel_program_item(const struct cel_program *program)
{
    const struct cel_ty *item =
        program->type->kind == CEL_LIST ? program->type->params[0] : &cel_ty_dyn;
    bool plain = item->kind == CEL_RECORD || item->params_count == 0;
    struct cel_type type = type_of(plain ? item : &cel_ty_dyn);
    return type.kind <= CEL_DURATION ? type : (struct cel_type){.kind = CEL_DYN};
}

static bool is_path(const struct cel_ast *ast, const char *variable, const char *field)
{
    return ast->kind == CEL_AST_SELECT && !ast->test && !ast->optional &&
           text_is(ast->name, field) && ast->args[0]->kind == CEL_AST_IDENT &&
           text_is(ast->args[0]->name, variable);
}

static const char *equals(const struct cel_ast *ast, const char *variable, const char *field)
{
    if (ast->kind != CEL_AST_CALL) {
        return NULL;
    }
    if (text_is(ast->name, "_&&_")) {
        for (uint32_t i = 0; i < ast->count; i++) {
            const char *found = equals(ast->args[i], variable, field);
            if (found != NULL) {
                return found;
            }
        }
        return NULL;
    }
    if (!text_is(ast->name, "_==_")) {
        return NULL;
    }
    bool left = is_path(ast->args[0], variable, field);
    if (!left && !is_path(ast->args[1], variable, field)) {
        return NULL;
    }
    const struct cel_ast *literal = ast->args[left ? 1 : 0];
    return literal->kind == CEL_AST_LITERAL && literal->literal.kind == CEL_STRING
               ? literal->literal.text
               : NULL;
}

const char *cel_program_equals(const struct cel_program *program, const char *variable,
                               const char *field)
{
    return equals(program->ast, variable, field);
}

void cel_program_print(const struct cel_program *program, struct textbuf *out)
{
    cel_print_ast(program->ast, out);
}

/* --- evaluate ------------------------------------------------------------------------------ */

static void run_start(struct cel_run *run, const struct cel_program *program,
                      const struct cel_inputs *inputs, struct arena *arena)
{
    run->env = program->env;
    run->shapes = program->shapes;
    run->inputs = inputs;
    run->arena = arena;
    bool fewer =
        inputs != NULL && inputs->steps_left != NULL && *inputs->steps_left < CEL_STEPS_MAX;
    run->steps = fewer ? *inputs->steps_left : CEL_STEPS_MAX;
    run->budget = run->steps;
    run->stop = 0;
}

static int run_end(const struct cel_run *run, const struct cel_value *value,
                   struct cel_value *ret_value, struct nsh_error *err)
{
    if (run->inputs != NULL && run->inputs->steps_left != NULL) {
        *run->inputs->steps_left -= run->budget - run->steps;
    }
    if (run->stop == NSH_LIMIT) {
        return nsh_fail(err, NSH_LIMIT, "the condition took more than %d steps", CEL_STEPS_MAX);
    }
    if (run->stop != 0) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (value->kind == CEL_ERROR) {
        int r = nsh_fail(err, NSH_INVALID, "%s", value->text);
        if (err != NULL) {
            err->column = value->count; /* From 1, in bytes of the source; 0: not known. */
        }
        return r;
    }
    *ret_value = *value;
    return 0;
}

int cel_eval(const struct cel_program *program, const struct cel_inputs *inputs,
             struct arena *arena, struct cel_value *ret_value, struct nsh_error *err)
{
    struct cel_run run;
    struct cel_value value;
    run_start(&run, program, inputs, arena);
    cel_eval_code(&run, program->code, &value);
    return run_end(&run, &value, ret_value, err);
}

int cel_eval_rest(const struct cel_program *program, uint64_t known,
                  const struct cel_inputs *inputs, struct arena *arena, struct cel_value *ret_value,
                  struct nsh_error *err)
{
    struct cel_run run;
    struct cel_value value;
    if (program->code->run != cel_run_and) {
        known = 0;
    }
    run_start(&run, program, inputs, arena);
    run.known = known;
    if (known == 0) {
        cel_eval_code(&run, program->code, &value);
    } else {
        cel_run_and_rest(&run, program->code, &value);
    }
    return run_end(&run, &value, ret_value, err);
}

struct copier {
    struct arena *arena;
    size_t left;
};

static bool copy_value(struct copier *copier, const struct cel_value *value, unsigned depth,
                       struct nsh_value *ret_value);

static bool copy_list(struct copier *copier, const struct cel_value *list, unsigned depth,
                      struct nsh_value *ret_value)
{
    const struct cel_value *from = list->pointer;
    struct nsh_value *items = arena_array(copier->arena, list->count, sizeof *items);
    for (uint32_t i = 0; i < list->count; i++) {
        if (items == NULL || !copy_value(copier, &from[i], depth + 1, &items[i])) {
            return false;
        }
    }
    *ret_value = nsh_list(items, list->count);
    return items != NULL;
}

static bool copy_map(struct copier *copier, const struct cel_value *map, unsigned depth,
                     struct nsh_value *ret_value)
{
    const struct cel_value *pairs = map->pointer;
    struct nsh_member *members = arena_array(copier->arena, map->count, sizeof *members);
    for (uint32_t i = 0; i < map->count; i++) {
        const struct cel_value *key = &pairs[2 * (size_t)i];
        if (members == NULL || key->kind != CEL_STRING ||
            memchr(key->text, '\0', key->count) != NULL ||
            !copy_value(copier, key + 1, depth + 1, &members[i].value)) {
            return false;
        }
        members[i].name = arena_copy(copier->arena, key->text, key->count);
        if (members[i].name == NULL) {
            return false;
        }
    }
    *ret_value = nsh_map(members, map->count);
    return members != NULL;
}

static bool copy_text(struct copier *copier, const struct cel_value *value,
                      struct nsh_value *ret_value)
{
    CLEANUP(textbuf_donep) struct textbuf buf = {0};
    struct text text = cel_text(value);
    if (value->kind != CEL_STRING) {
        cel_value_print(value, &buf);
        text = (struct text){buf.at, (uint32_t)buf.count};
    }
    if (text.count > 0 && memchr(text.at, '\0', text.count) != NULL) {
        return false;
    }
    const char *copy = arena_copy(copier->arena, text.at, text.count);
    *ret_value = nsh_text(copy);
    return copy != NULL;
}

static bool copy_value(struct copier *copier, const struct cel_value *value, unsigned depth,
                       struct nsh_value *ret_value)
{
    if (depth > NSH_VALUE_DEPTH_MAX || copier->left == 0) {
        return false;
    }
    copier->left--;
    if (value->form == CEL_FORM_OUTSIDE && (value->kind == CEL_LIST || value->kind == CEL_MAP)) {
        *ret_value = *(const struct nsh_value *)value->pointer;
        return true;
    }
    switch (value->kind) {
    case CEL_NULL:
        *ret_value = nsh_null();
        return true;
    case CEL_BOOL:
        *ret_value = nsh_bool(value->boolean);
        return true;
    case CEL_UINT:
    case CEL_INT:
        *ret_value = nsh_int(value->integer);
        return value->kind == CEL_INT || value->integer >= 0;
    case CEL_DOUBLE:
        *ret_value = nsh_double(value->real);
        return __builtin_isfinite(value->real);
    case CEL_STRING:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        return copy_text(copier, value, ret_value);
    case CEL_LIST:
        return copy_list(copier, value, depth, ret_value);
    case CEL_MAP:
        return copy_map(copier, value, depth, ret_value);
    default:
        return false;
    }
}

bool cel_to_value(const struct cel_value *value, struct arena *arena, struct nsh_value *ret_value)
{
    struct copier copier = {.arena = arena, .left = TO_VALUE_MAX};
    return copy_value(&copier, value, 0, ret_value);
}

/* --- explain ------------------------------------------------------------------------------- */

static bool is_operand(const struct cel_code *code)
{
    const struct cel_ast *ast = code->ast;
    return (ast->kind == CEL_AST_SELECT && !ast->test) ||
           (ast->kind == CEL_AST_CALL &&
            (text_is(ast->name, "_[_]") || text_is(ast->name, "_[?_]")) &&
            ast->args[1]->kind == CEL_AST_LITERAL);
}

/* The first operands of a leaf that do not depend on a macro's variable. */
static void collect_operands(const struct cel_code *code, const struct cel_code **operands,
                             size_t *count)
{
    if (*count == EXPLAIN_OPERANDS_MAX) {
        return;
    }
    if (is_operand(code)) {
        operands[(*count)++] = code;
        return;
    }
    uint32_t end = code->ast->kind == CEL_AST_LOOP && code->count > 0 ? 1 : code->count;
    for (uint32_t i = 0; i < end; i++) {
        collect_operands(code->args[i], operands, count);
    }
}

static void add_value(struct cel_run *run, const struct cel_code *code, struct textbuf *out)
{
    struct cel_value value;
    cel_eval_code(run, code, &value);
    if (run->stop != 0) {
        textbuf_add_chars(out, "too many steps");
    } else if (value.kind == CEL_ERROR) {
        textbuf_addf(out, "unknown: %s", value.text);
    } else {
        cel_value_print(&value, out);
    }
}

static void explain_leaf(struct cel_run *run, const struct cel_code *code, struct textbuf *out)
{
    cel_print_ast(code->ast, out);
    textbuf_add_chars(out, " = ");
    add_value(run, code, out);
    const struct cel_code *operands[EXPLAIN_OPERANDS_MAX];
    size_t count = 0;
    if (!is_operand(code)) {
        collect_operands(code, operands, &count);
    }
    for (size_t i = 0; i < count; i++) {
        textbuf_add_chars(out, i == 0 ? " (" : ", ");
        cel_print_ast(operands[i]->ast, out);
        textbuf_add_chars(out, " = ");
        add_value(run, operands[i], out);
    }
    textbuf_add_chars(out, count > 0 ? ")\n" : "\n");
}

static void explain(struct cel_run *run, const struct cel_code *code, unsigned *lines,
                    struct textbuf *out)
{
    const struct cel_ast *ast = code->ast;
    if (ast->kind == CEL_AST_CALL && (text_is(ast->name, "_&&_") || text_is(ast->name, "_||_")) &&
        code->count > 0) {
        for (uint32_t i = 0; i < code->count; i++) {
            explain(run, code->args[i], lines, out);
        }
    } else if (*lines < EXPLAIN_LINES_MAX) {
        (*lines)++;
        explain_leaf(run, code, out);
    }
}

void cel_explain(const struct cel_program *program, const struct cel_inputs *inputs,
                 struct arena *arena, struct textbuf *out)
{
    struct cel_run run;
    unsigned lines = 0;
    run_start(&run, program, inputs, arena);
    explain(&run, program->code, &lines, out);
}
