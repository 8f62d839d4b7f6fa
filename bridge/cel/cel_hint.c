/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong and what would be right: the messages of the checker. */

#include "cel/cel_check.h"

#include <stdio.h>

#define HINT_NAMES_MAX 512

void cel_problem(struct cel_problems *problems, bool warning, uint32_t offset, uint32_t length,
                 const char *remedy, const char *format, ...)
{
    if (!warning) {
        problems->errors++;
    }
    if (problems->count == CEL_PROBLEMS_MAX) {
        return;
    }
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *copy = arena_copy(problems->arena, text, strlen(text));
    problems->items[problems->count++] = (struct cel_problem){
        .warning = warning,
        .offset = offset,
        .length = length == 0 ? 1 : length,
        .text = copy == NULL ? "out of memory" : copy,
        .remedy = remedy,
    };
}

struct names {
    const char *at[HINT_NAMES_MAX + 1];
    size_t count;
};

static void add_name(struct names *names, const char *name)
{
    if (names->count < HINT_NAMES_MAX) {
        names->at[names->count++] = name;
        names->at[names->count] = NULL;
    }
}

static const char *did_you_mean(struct arena *arena, struct text word, const struct names *names)
{
    const char *best = names->count == 0 ? NULL : text_nearest(word, names->at);
    return best == NULL ? NULL : arena_printf(arena, "did you mean '%s'?", best);
}

void cel_hint_name(struct cel_checker *checker, const struct cel_ast *ast, const char *name)
{
    if (checker->env->unchecked) {
        return;
    }
    struct names names;
    names.count = 0;
    for (size_t i = 0; i < checker->env->variables_count; i++) {
        add_name(&names, checker->env->variables[i].name);
    }
    for (uint32_t i = 0; i < checker->scopes_count; i++) {
        add_name(&names, checker->scopes[i].name.at);
    }
    cel_problem(checker->problems, false, ast->offset, ast->length,
                did_you_mean(checker->arena, text_of(name), &names), "'%.100s' is not known here",
                name);
}

/* "(host has: id, name, ...)" */
static void add_fields(struct textbuf *out, const char *operand, const struct cel_record *record)
{
    textbuf_addf(out, "(%s has: ", operand);
    for (size_t i = 0; i < record->fields_count; i++) {
        if (i == 9 && record->fields_count > 10) {
            textbuf_add_chars(out, ", ...");
            break;
        }
        textbuf_addf(out, "%s%s", i == 0 ? "" : ", ", record->fields[i].name);
    }
    textbuf_add_char(out, ')');
}

void cel_hint_field(struct cel_checker *checker, const struct cel_ast *ast,
                    const struct cel_record *record)
{
    if (checker->env->unchecked) {
        return;
    }
    struct names names;
    names.count = 0;
    for (size_t i = 0; i < record->fields_count; i++) {
        add_name(&names, record->fields[i].name);
    }
    const char *best = did_you_mean(checker->arena, ast->name, &names);
    CLEANUP(textbuf_donep) struct textbuf operand = {0}, remedy = {0};
    if (ast->kind == CEL_AST_SELECT && ast->count > 0) {
        cel_print_ast(ast->args[0], &operand);
    } else {
        textbuf_add_chars(&operand, record->name);
    }
    textbuf_addf(&remedy, "%s%s", best == NULL ? "" : best, best == NULL ? "" : "  ");
    add_fields(&remedy, operand.at == NULL ? "it" : operand.at, record);
    cel_problem(checker->problems, false, ast->offset, ast->length,
                arena_copy(checker->arena, remedy.at, remedy.count), "%.80s has no field '%.80s'",
                operand.at == NULL ? "it" : operand.at, ast->name.at);
}

void cel_hint_function(struct cel_checker *checker, const struct cel_ast *ast, const char *name)
{
    if (checker->env->unchecked) {
        return;
    }
    struct names names;
    names.count = 0;
    for (size_t i = 0; i < cel_function_rows_count; i++) {
        if ((cel_function_rows[i].type[0] == '.') == ast->member) {
            add_name(&names, cel_function_rows[i].name);
        }
    }
    for (size_t i = 0; i < checker->env->functions_count; i++) {
        add_name(&names, checker->env->functions[i].name);
    }
    const char *best = did_you_mean(checker->arena, text_of(name), &names);
    for (size_t i = 0; best == NULL && i < cel_function_rows_count; i++) {
        const struct cel_function_row *row = &cel_function_rows[i];
        if (strcmp(row->name, name) == 0) {
            best = ast->member ? arena_printf(checker->arena, "write %s(x)", name)
                               : arena_printf(checker->arena, "write x.%s(...)", name);
        }
    }
    cel_problem(checker->problems, false, ast->offset, ast->length, best,
                "there is no function '%.100s'", name);
}

/* --- overloads ----------------------------------------------------------------------------- */

struct operation {
    const char *function, *verb, *join;
};

static const struct operation operations[] = {
    {"_+_", "add", "and"},       {"_-_", "subtract", "and"}, {"_*_", "multiply", "with"},
    {"_/_", "divide", "by"},     {"_%_", "divide", "by"},    {"_==_", "compare", "with"},
    {"_!=_", "compare", "with"}, {"_<_", "order", "and"},    {"_<=_", "order", "and"},
    {"_>_", "order", "and"},     {"_>=_", "order", "and"},
};

static const struct operation *operation_of(const struct cel_ast *ast)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (text_is(ast->name, operations[i].function) && ast->count == 2) {
            return &operations[i];
        }
    }
    return NULL;
}

static const char *with_article(struct arena *arena, const struct cel_ty *type)
{
    const char *text = cel_ty_text(arena, type);
    const char *article = strchr("aeio", text[0]) != NULL ? "an" : "a";
    return arena_printf(arena, "%s %s", article, text);
}

/* How to write an operand that is one number type too many. */
static const char *number_remedy(struct arena *arena, const struct cel_ast *operand,
                                 const char *type)
{
    bool literal = operand->kind == CEL_AST_LITERAL;
    if (literal && operand->literal.kind == CEL_INT && strcmp(type, "double") == 0) {
        return arena_printf(arena, "write %lld.0", (long long)operand->literal.integer);
    }
    if (literal && operand->literal.kind == CEL_INT && strcmp(type, "uint") == 0) {
        return arena_printf(arena, "write %lldu", (long long)operand->literal.integer);
    }
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    cel_print_ast(operand, &text);
    return text.count > 60 ? arena_printf(arena, "convert one of them: %s(...)", type)
                           : arena_printf(arena, "write %s(%s)", type, text.at);
}

static const char *operation_remedy(struct arena *arena, const struct cel_ast *ast,
                                    const struct cel_ty *a, const struct cel_ty *b)
{
    if (a->kind == CEL_INT && b->kind == CEL_DOUBLE) {
        return number_remedy(arena, ast->args[0], "double");
    }
    if (a->kind == CEL_DOUBLE && b->kind == CEL_INT) {
        return number_remedy(arena, ast->args[1], "double");
    }
    if (a->kind == CEL_UINT && b->kind == CEL_INT) {
        return number_remedy(arena, ast->args[1], "uint");
    }
    if (a->kind == CEL_INT && b->kind == CEL_UINT) {
        return number_remedy(arena, ast->args[0], "uint");
    }
    if (a->kind == CEL_STRING && text_is(ast->name, "_+_")) {
        return "write string(x) to join it to a text";
    }
    return NULL;
}

static const struct cel_ty *arg_type(const struct cel_checker *checker, const struct cel_ast *ast,
                                     uint32_t index)
{
    return cel_ty_resolve(checker->arena, checker->vars, ast->args[index]->type);
}

static const char *forms(struct cel_checker *checker, const struct cel_overload *candidates,
                         uint32_t count, const char *name)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    for (uint32_t i = 0; i < count && i < 4; i++) {
        const struct cel_overload *overload = &candidates[i];
        textbuf_add_chars(&out, i == 0 ? "it takes: " : ", ");
        uint8_t first = overload->member;
        if (overload->member) {
            cel_ty_print(cel_ty_walk(checker->vars, overload->params[0]), &out);
            textbuf_add_char(&out, '.');
        }
        textbuf_addf(&out, "%s(", name);
        for (uint8_t p = first; p < overload->params_count; p++) {
            textbuf_add_chars(&out, p == first ? "" : ", ");
            cel_ty_print(cel_ty_walk(checker->vars, overload->params[p]), &out);
        }
        textbuf_add_char(&out, ')');
    }
    return out.at == NULL ? NULL : arena_copy(checker->arena, out.at, out.count);
}

void cel_hint_overload(struct cel_checker *checker, const struct cel_ast *ast,
                       const struct cel_overload *candidates, uint32_t count)
{
    struct arena *arena = checker->arena;
    const struct operation *operation = operation_of(ast);
    if (operation != NULL) {
        const struct cel_ty *a = arg_type(checker, ast, 0), *b = arg_type(checker, ast, 1);
        cel_problem(checker->problems, false, ast->offset, ast->length,
                    operation_remedy(arena, ast, a, b), "cannot %s %s %s %s", operation->verb,
                    with_article(arena, a), operation->join, with_article(arena, b));
        return;
    }
    if (text_is(ast->name, "_?_:_")) {
        bool condition = cel_ty_assign(checker->vars, &cel_ty_bool, ast->args[0]->type);
        cel_problem(checker->problems, false, ast->offset, ast->length, NULL,
                    condition ? "the two results have different types: %s and %s"
                              : "the condition must be a bool (results: %s and %s)",
                    cel_ty_text(arena, arg_type(checker, ast, 1)),
                    cel_ty_text(arena, arg_type(checker, ast, 2)));
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf types = {0};
    for (uint32_t i = 0; i < ast->count; i++) {
        textbuf_add_chars(&types, i == 0 ? "" : ", ");
        cel_ty_print(arg_type(checker, ast, i), &types);
    }
    const char *name = text_is(ast->name, "_[_]") || text_is(ast->name, "_[?_]") ? "[]"
                       : text_is(ast->name, "@in")                               ? "in"
                       : text_is(ast->name, "-_")                                ? "-"
                       : text_is(ast->name, "!_")                                ? "!"
                                                                                 : ast->name.at;
    cel_problem(checker->problems, false, ast->offset, ast->length,
                forms(checker, candidates, count, name), "'%s' does not go with (%s)", name,
                types.at == NULL ? "" : types.at);
}

void cel_hint_division(struct cel_checker *checker, const struct cel_ast *ast)
{
    if (checker->env->unchecked || ast->count != 2 || arg_type(checker, ast, 0)->kind != CEL_INT ||
        arg_type(checker, ast, 1)->kind != CEL_INT) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf a = {0}, b = {0};
    cel_print_ast(ast->args[0], &a);
    cel_print_ast(ast->args[1], &b);
    cel_problem(checker->problems, true, ast->offset, ast->length,
                a.count + b.count > 160
                    ? "use double(a) / double(b)"
                    : arena_printf(checker->arena, "use double(%s) / double(%s)", a.at, b.at),
                "division of two integers drops the remainder");
}

void cel_hint_quotient(struct cel_checker *checker, const struct cel_ast *ast)
{
    static const char *const names[] = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"};
    bool compares = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        compares = compares || text_is(ast->name, names[i]);
    }
    for (uint32_t i = 0; compares && i < 2; i++) {
        const struct cel_ast *quotient = ast->args[i];
        if (quotient->kind == CEL_AST_CALL && text_is(quotient->name, "_/_") &&
            arg_type(checker, ast, i)->kind == CEL_INT &&
            arg_type(checker, ast, 1 - i)->kind == CEL_DOUBLE) {
            cel_problem(checker->problems, false, ast->offset, ast->length,
                        "divide doubles: 13.0 / 16.0, double(x) / 16.0",
                        "a division of two integers gives an int, and is compared with a double");
        }
    }
}
