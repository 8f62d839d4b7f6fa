/* SPDX-License-Identifier: Apache-2.0 */
/* Macros: has() becomes a tested selection, the loops one comprehension node, math.least/greatest a
 * call. */

#include "cel/cel_parse.h"

struct loop_row {
    const char *name;
    uint32_t args, vars;
    enum cel_loop loop;
};

static const struct loop_row loop_rows[] = {
#define CEL_LOOP(ID, name, args, vars, type) {name, args, vars, CEL_LOOP_##ID},
#include "cel/cel_loops.def"
#undef CEL_LOOP
    /* Second names. */
    {"existsOne", 2, 1, CEL_LOOP_EXISTS_ONE},
    {"exists_one", 3, 2, CEL_LOOP_EXISTS_ONE2},
};

static struct cel_ast *macro_has(struct cel_parser *parser, struct cel_ast *call)
{
    struct cel_ast *arg = call->args[0];
    if (arg->kind != CEL_AST_SELECT || arg->test) {
        return cel_parse_fail(parser, arg->offset, arg->length, "write has(a.b)",
                              "has() asks for a field, and this is none");
    }
    struct cel_ast test = *arg;
    test.test = true;
    return cel_ast_new(parser, &test, arg->args, arg->count);
}

static bool loop_names(struct cel_parser *parser, struct cel_ast *loop, struct cel_ast *const *args,
                       uint32_t vars)
{
    for (uint32_t i = 0; i < vars; i++) {
        const struct cel_ast *arg = args[i];
        if (arg->kind != CEL_AST_IDENT || arg->absolute) {
            cel_parse_fail(parser, arg->offset, arg->length, NULL,
                           "the variable of a macro must be a simple name");
            return false;
        }
        if (text_is(arg->name, "__result__") || text_is(arg->name, "@result")) {
            cel_parse_fail(parser, arg->offset, arg->length, NULL,
                           "this name is kept for the macro itself");
            return false;
        }
        if (i == 1 && text_equal(arg->name, args[0]->name)) {
            cel_parse_fail(parser, arg->offset, arg->length, NULL,
                           "both variables have the same name");
            return false;
        }
        loop->vars[i] = arg->name;
    }
    return true;
}

/* args: range first, then the bodies. */
static struct cel_ast *macro_loop(struct cel_parser *parser, struct cel_ast *call,
                                  const struct loop_row *row)
{
    bool bind = row->loop == CEL_LOOP_BIND;
    struct cel_ast loop = *call;
    loop.kind = CEL_AST_LOOP;
    loop.loop = (uint8_t)row->loop;
    struct cel_ast *args[3] = {call->args[0], NULL, NULL};
    if (!loop_names(parser, &loop, call->args + 1, row->vars)) {
        return NULL;
    }
    uint32_t count = 1;
    if (bind) {
        count = 0; /* cel.bind(x, init, body): the receiver is the name cel. */
    }
    for (uint32_t i = 1 + row->vars; i < call->count; i++) {
        args[count++] = call->args[i];
    }
    return cel_ast_new(parser, &loop, args, count);
}

static bool is_name(const struct cel_ast *ast, const char *name)
{
    return ast->kind == CEL_AST_IDENT && text_is(ast->name, name);
}

/* math.least(a, b, ...) takes any number of arguments: all but one and two become a list. */
static struct cel_ast *macro_math(struct cel_parser *parser, struct cel_ast *call)
{
    if (call->count == 1) {
        return cel_parse_fail(parser, call->offset, call->length, NULL,
                              "math.%s() needs at least one argument", call->name.at);
    }
    for (uint32_t i = 1; i < call->count; i++) {
        const struct cel_ast *arg = call->args[i];
        uint8_t kind = arg->literal.kind;
        bool wrong = arg->kind == CEL_AST_LITERAL && kind != CEL_INT && kind != CEL_UINT &&
                     kind != CEL_DOUBLE;
        wrong = wrong || arg->kind == CEL_AST_MAP || (arg->kind == CEL_AST_LIST && call->count > 2);
        if (wrong) {
            return cel_parse_fail(parser, arg->offset, arg->length, NULL,
                                  "math.%s() takes numbers or one list of numbers", call->name.at);
        }
    }
    if (call->count <= 3) {
        return call;
    }
    struct cel_ast list = {
        .kind = CEL_AST_LIST, .offset = call->offset, .length = call->length, .expanded = true};
    struct cel_ast *args[2] = {call->args[0],
                               cel_ast_new(parser, &list, call->args + 1, call->count - 1)};
    return args[1] == NULL ? NULL : cel_ast_new(parser, call, args, 2);
}

static const struct loop_row *loop_of(const struct cel_ast *call)
{
    for (size_t i = 0; i < sizeof loop_rows / sizeof *loop_rows; i++) {
        const struct loop_row *row = &loop_rows[i];
        bool bind = row->loop == CEL_LOOP_BIND;
        const char *name = bind ? "bind" : row->name;
        if (call->count == row->args + 1 && text_is(call->name, name) &&
            (!bind || is_name(call->args[0], "cel"))) {
            return row;
        }
    }
    return NULL;
}

struct cel_ast *cel_macro(struct cel_parser *parser, struct cel_ast *call)
{
    if (parser->env->no_macros) {
        return call;
    }
    if (!call->member) {
        bool has = text_is(call->name, "has") && call->count == 1 && !call->absolute;
        return has ? macro_has(parser, call) : call;
    }
    const struct loop_row *row = loop_of(call);
    if (row != NULL) {
        return macro_loop(parser, call, row);
    }
    if (is_name(call->args[0], "math") &&
        (text_is(call->name, "least") || text_is(call->name, "greatest"))) {
        return macro_math(parser, call);
    }
    return call;
}
