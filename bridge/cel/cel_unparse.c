/* SPDX-License-Identifier: Apache-2.0 */
/* Trees as canonical source: one spelling of blanks, quotes and brackets, so that equal programs
 * print equally. */

#include "cel/cel_private.h"

#define POSTFIX 7
#define UNARY 6

struct binary {
    const char *function, *sign;
    unsigned binds;
};

static const struct binary binaries[] = {
    {"_||_", "||", 1}, {"_&&_", "&&", 2}, {"_==_", "==", 3}, {"_!=_", "!=", 3}, {"_<_", "<", 3},
    {"_<=_", "<=", 3}, {"_>_", ">", 3},   {"_>=_", ">=", 3}, {"@in", "in", 3},  {"_+_", "+", 4},
    {"_-_", "-", 4},   {"_*_", "*", 5},   {"_/_", "/", 5},   {"_%_", "%", 5},
};

static void print(const struct cel_ast *ast, unsigned binds, struct textbuf *out);

static const struct binary *binary_of(const struct cel_ast *ast)
{
    for (size_t i = 0; ast->kind == CEL_AST_CALL && i < sizeof binaries / sizeof *binaries; i++) {
        if (text_is(ast->name, binaries[i].function)) {
            return &binaries[i];
        }
    }
    return NULL;
}

static unsigned binds_of(const struct cel_ast *ast)
{
    const struct binary *binary = binary_of(ast);
    if (binary != NULL) {
        return binary->binds;
    }
    if (ast->kind == CEL_AST_CALL && text_is(ast->name, "_?_:_")) {
        return 0;
    }
    if (ast->kind == CEL_AST_CALL && (text_is(ast->name, "-_") || text_is(ast->name, "!_"))) {
        return UNARY;
    }
    return POSTFIX;
}

static void print_args(const struct cel_ast *ast, uint32_t first, struct textbuf *out)
{
    for (uint32_t i = first; i < ast->count; i++) {
        textbuf_add_chars(out, i == first ? "" : ", ");
        if (ast->kind == CEL_AST_LIST && ast->args[i]->entry) {
            textbuf_add_char(out, '?');
        }
        if (ast->args[i]->expanded) {
            print_args(ast->args[i], 0, out);
        } else {
            print(ast->args[i], 0, out);
        }
    }
}

static void print_map(const struct cel_ast *ast, struct textbuf *out)
{
    textbuf_add_char(out, '{');
    for (uint32_t i = 0; i < ast->count; i += 2) {
        textbuf_add_chars(out, i == 0 ? "" : ", ");
        textbuf_add_chars(out, ast->args[i]->entry ? "?" : "");
        print(ast->args[i], 0, out);
        textbuf_add_chars(out, ": ");
        print(ast->args[i + 1], 0, out);
    }
    textbuf_add_char(out, '}');
}

static void print_select(const struct cel_ast *ast, struct textbuf *out)
{
    textbuf_add_chars(out, ast->test ? "has(" : "");
    print(ast->args[0], POSTFIX, out);
    textbuf_addf(out, ".%s%s%s%s%s", ast->optional ? "?" : "", ast->quoted ? "`" : "", ast->name.at,
                 ast->quoted ? "`" : "", ast->test ? ")" : "");
}

static void print_loop(const struct cel_ast *ast, struct textbuf *out)
{
    bool bind = ast->loop == CEL_LOOP_BIND;
    if (bind) {
        textbuf_add_chars(out, "cel");
    } else {
        print(ast->args[0], POSTFIX, out);
    }
    const char *name = text_is(ast->name, "existsOne") ? "exists_one" : ast->name.at;
    textbuf_addf(out, ".%s(%s", name, ast->vars[0].at);
    if (ast->vars[1].at != NULL) {
        textbuf_addf(out, ", %s", ast->vars[1].at);
    }
    for (uint32_t i = bind ? 0 : 1; i < ast->count; i++) {
        textbuf_add_chars(out, ", ");
        print(ast->args[i], 0, out);
    }
    textbuf_add_char(out, ')');
}

static void print_operator(const struct cel_ast *ast, struct textbuf *out)
{
    const struct binary *binary = binary_of(ast);
    if (binary != NULL) {
        /* A chain of && or || is one node: an inner one of the same kind was in brackets. */
        bool chain = binary->binds <= 2;
        for (uint32_t i = 0; i < ast->count; i++) {
            if (i > 0) {
                textbuf_addf(out, " %s ", binary->sign);
            }
            print(ast->args[i], binary->binds + (i > 0 || chain ? 1 : 0), out);
        }
        return;
    }
    if (text_is(ast->name, "_?_:_")) {
        print(ast->args[0], 1, out);
        textbuf_add_chars(out, " ? ");
        print(ast->args[1], 1, out);
        textbuf_add_chars(out, " : ");
        print(ast->args[2], 0, out);
        return;
    }
    textbuf_add_char(out, ast->name.at[0]);
    const struct cel_ast *operand = ast->args[0];
    /* -(1) is a call and -1 a literal; -(-x) is two calls and --x none. */
    bool apart = operand->kind == CEL_AST_LITERAL || binds_of(operand) == UNARY;
    textbuf_add_chars(out, apart ? "(" : "");
    print(operand, apart ? 0 : POSTFIX, out);
    textbuf_add_chars(out, apart ? ")" : "");
}

static void print_call(const struct cel_ast *ast, struct textbuf *out)
{
    if (binds_of(ast) < POSTFIX) {
        print_operator(ast, out);
        return;
    }
    if (text_is(ast->name, "_[_]") || text_is(ast->name, "_[?_]")) {
        print(ast->args[0], POSTFIX, out);
        textbuf_add_chars(out, ast->name.at[2] == '?' ? "[?" : "[");
        print(ast->args[1], 0, out);
        textbuf_add_char(out, ']');
        return;
    }
    if (ast->member) {
        print(ast->args[0], POSTFIX, out);
        textbuf_add_char(out, '.');
    }
    textbuf_addf(out, "%s%s(", ast->absolute ? "." : "", ast->name.at);
    print_args(ast, ast->member ? 1 : 0, out);
    textbuf_add_char(out, ')');
}

static void print(const struct cel_ast *ast, unsigned binds, struct textbuf *out)
{
    bool brackets = binds_of(ast) < binds;
    textbuf_add_chars(out, brackets ? "(" : "");
    switch ((enum cel_ast_kind)ast->kind) {
    case CEL_AST_LITERAL:
        cel_value_print(&ast->literal, out);
        break;
    case CEL_AST_IDENT:
        textbuf_addf(out, "%s%s", ast->absolute ? "." : "", ast->name.at);
        break;
    case CEL_AST_SELECT:
        print_select(ast, out);
        break;
    case CEL_AST_CALL:
        print_call(ast, out);
        break;
    case CEL_AST_LIST:
        textbuf_add_char(out, '[');
        print_args(ast, 0, out);
        textbuf_add_char(out, ']');
        break;
    case CEL_AST_MAP:
        print_map(ast, out);
        break;
    case CEL_AST_LOOP:
        print_loop(ast, out);
        break;
    }
    textbuf_add_chars(out, brackets ? ")" : "");
}

void cel_print_ast(const struct cel_ast *ast, struct textbuf *out)
{
    print(ast, 0, out);
}
