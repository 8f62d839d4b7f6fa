/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons of paths with constants, found in the tree of a program. */

#include "cel/cel_parts.h"

#include "cel/cel_private.h"

static bool is_call(const struct cel_ast *ast, const char *name)
{
    return ast->kind == CEL_AST_CALL && text_is(ast->name, name);
}

static bool is_constant(const struct cel_ast *ast)
{
    return ast->kind == CEL_AST_LITERAL;
}

static bool is_text(const struct cel_ast *ast)
{
    return ast->kind == CEL_AST_LITERAL && ast->literal.kind == CEL_STRING;
}

/* Operators on single values: a condition of 8 KiB made of these never meets its step budget. */
static bool is_cheap(const struct cel_ast *ast)
{
    static const char *const names[] = {"_&&_", "_||_", "!_", "_?_:_", "_[_]", "-_"};
    static const char *const comparisons[] = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"};
    bool good = ast->kind == CEL_AST_LITERAL || ast->kind == CEL_AST_IDENT ||
                ast->kind == CEL_AST_SELECT || ast->kind == CEL_AST_LIST;
    for (size_t i = 0; i < sizeof names / sizeof *names && !good; i++) {
        good = is_call(ast, names[i]);
    }
    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons && !good; i++) {
        good = is_call(ast, comparisons[i]) &&
               (is_constant(ast->args[0]) || is_constant(ast->args[1]) ||
                ast->args[1]->kind == CEL_AST_IDENT);
    }
    good = good || (is_call(ast, "@in") && ast->args[1]->kind == CEL_AST_LIST);
    for (uint32_t i = 0; i < ast->count && good; i++) {
        good = is_cheap(ast->args[i]);
    }
    return good;
}

/* a.b['c'].d with a variable at its root. */
static bool path_of(const struct cel_ast *ast, struct cel_part *part)
{
    const char *names[CEL_PATH_MAX];
    uint32_t count = 0;
    while (ast->kind != CEL_AST_IDENT) {
        bool select = ast->kind == CEL_AST_SELECT && !ast->test && !ast->optional &&
                      ast->resolved == CEL_RES_NONE;
        bool index = is_call(ast, "_[_]") && is_text(ast->args[1]);
        if ((!select && !index) || count == CEL_PATH_MAX - 1) {
            return false;
        }
        struct text name = select ? ast->name : cel_text(&ast->args[1]->literal);
        if (memchr(name.at, '\0', name.count) != NULL) {
            return false;
        }
        names[count++] = name.at;
        ast = ast->args[0];
    }
    if (ast->resolved != CEL_RES_VARIABLE || count == 0) {
        return false;
    }
    part->path[0] = ast->name.at;
    part->path_count = count + 1;
    for (uint32_t i = 0; i < count; i++) {
        part->path[i + 1] = names[count - 1 - i];
    }
    return true;
}

static bool value_add(struct cel_part *part, const struct cel_ast *ast)
{
    uint8_t kind = ast->literal.kind;
    if (ast->kind != CEL_AST_LITERAL || part->values_count == CEL_PART_VALUES_MAX ||
        (kind != CEL_STRING && kind != CEL_INT && kind != CEL_BOOL) ||
        (part->values_count > 0 && part->values[0].kind != kind)) {
        return false;
    }
    part->values[part->values_count++] = ast->literal;
    return true;
}

static bool values_of(const struct cel_ast *ast, bool list, struct cel_part *part)
{
    if (list) {
        bool good = ast->kind == CEL_AST_LIST && ast->count > 0;
        for (uint32_t i = 0; good && i < ast->count; i++) {
            good = !ast->args[i]->entry && value_add(part, ast->args[i]);
        }
        return good;
    }
    if (ast->kind == CEL_AST_IDENT && ast->resolved == CEL_RES_VARIABLE) {
        part->word = ast->name.at;
        return true;
    }
    return value_add(part, ast);
}

static bool part_of(const struct cel_ast *ast, struct cel_part *part)
{
    bool in = is_call(ast, "@in"), equal = is_call(ast, "_==_");
    bool more = is_call(ast, "_>=_"), less = is_call(ast, "_<=_");
    if (!in && !equal && !more && !less) {
        return false;
    }
    part->relation = in || equal ? CEL_PART_EQUALS : CEL_PART_AT_LEAST;
    bool left = !less && path_of(ast->args[0], part);
    bool right = !left && (equal || less) && path_of(ast->args[1], part);
    return (left || right) && values_of(ast->args[left ? 1 : 0], in, part);
}

/* False: nothing more is looked for. */
static bool find(struct cel_parts *parts, const struct cel_ast *ast)
{
    if (is_call(ast, "_&&_")) {
        bool goes_on = true;
        for (uint32_t i = 0; i < ast->count && goes_on; i++) {
            goes_on = find(parts, ast->args[i]);
        }
        return goes_on;
    }
    if (parts->count == parts->max || !is_cheap(ast)) {
        parts->complete = false;
        return false;
    }
    struct cel_part *part = &parts->items[parts->count];
    *part = (struct cel_part){.path_count = 0};
    if (part_of(ast, part)) {
        parts->count++;
    } else {
        parts->complete = false;
    }
    return true;
}

void cel_program_parts(const struct cel_program *program, struct cel_parts *parts)
{
    const struct cel_ast *root = program->ast;
    parts->count = 0;
    parts->complete = true;
    if (!is_call(root, "_&&_")) {
        find(parts, root);
        return;
    }
    bool goes_on = true;
    for (uint32_t i = 0; i < root->count && goes_on; i++) {
        size_t before = parts->count;
        goes_on = find(parts, root->args[i]);
        if (parts->count > before && !is_call(root->args[i], "_&&_") && i < 64) {
            parts->items[before].operand = UINT64_C(1) << i;
        }
    }
}
