/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser: precedence climbing, one token ahead, one good message for the first mistake.
 * Recursion and the depth of the tree are bounded by CEL_DEPTH_MAX, so that no later pass needs a
 * check of its own.
 */

#include "cel/cel_parse.h"

#include <stdio.h>

struct infix {
    const char *sign, *function;
    unsigned binds; /* Higher binds tighter. */
};

static const struct infix operators[] = {
    {"||", "_||_", 1}, {"&&", "_&&_", 2}, {"==", "_==_", 3}, {"!=", "_!=_", 3}, {"<=", "_<=_", 3},
    {"<", "_<_", 3},   {">=", "_>=_", 3}, {">", "_>_", 3},   {"in", "@in", 3},  {"+", "_+_", 4},
    {"-", "_-_", 4},   {"*", "_*_", 5},   {"/", "_/_", 5},   {"%", "_%_", 5},
};

static const char *const reserved[] = {
    "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
    "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};

static struct cel_ast *parse_expr(struct cel_parser *parser);

struct cel_ast *cel_parse_fail(struct cel_parser *parser, uint32_t offset, uint32_t length,
                               const char *remedy, const char *format, ...)
{
    if (!parser->failed) {
        char text[256];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        cel_problem(parser->problems, false, offset, length == 0 ? 1 : length, remedy, "%s", text);
    }
    parser->failed = true;
    return NULL;
}

struct cel_ast *cel_ast_new(struct cel_parser *parser, const struct cel_ast *from,
                            struct cel_ast *const *args, uint32_t count)
{
    struct cel_ast *ast = arena_alloc(parser->arena, sizeof *ast);
    struct cel_ast **copy = arena_array(parser->arena, count, sizeof(void *));
    if (ast == NULL || copy == NULL) {
        parser->problems->nomem = true;
        parser->failed = true;
        return NULL;
    }
    *ast = *from;
    ast->args = copy;
    ast->count = count;
    ast->depth = 0;
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = args[i];
        ast->depth = args[i]->depth > ast->depth ? args[i]->depth : ast->depth;
    }
    ast->depth++;
    if (ast->depth > CEL_DEPTH_MAX) {
        return cel_parse_fail(parser, ast->offset, ast->length, NULL,
                              "nested deeper than %d levels", CEL_DEPTH_MAX);
    }
    return ast;
}

static void advance(struct cel_parser *parser)
{
    cel_lex(&parser->lexer, &parser->token);
    if (parser->token.kind == CEL_TOKEN_BAD) {
        parser->failed = true;
    }
}

static bool take(struct cel_parser *parser, const char *sign)
{
    if (parser->failed || !cel_token_is(&parser->token, sign)) {
        return false;
    }
    advance(parser);
    return true;
}

/* Words people write for operators. */
static struct cel_ast *unexpected(struct cel_parser *parser, const char *wanted)
{
    const struct cel_token *token = &parser->token;
    static const char *const words[] = {"and", "or", "not", "AND", "OR", "NOT"};
    for (size_t i = 0; token->kind == CEL_TOKEN_IDENT && i < 6; i++) {
        if (text_is(token->text, words[i])) {
            return cel_parse_fail(parser, token->offset, token->length,
                                  "write '&&' (and), '||' (or), '!' (not)",
                                  "'%s' is not an operator", words[i]);
        }
    }
    if (token->kind == CEL_TOKEN_END) {
        return cel_parse_fail(parser, token->offset, 1, NULL,
                              "the expression ends here, %s expected", wanted);
    }
    return cel_parse_fail(parser, token->offset, token->length, NULL,
                          "'%.*s' is not expected here, but %s", (int)token->length,
                          parser->lexer.source.at + token->offset, wanted);
}

static bool expect(struct cel_parser *parser, const char *sign, const char *wanted)
{
    if (!parser->failed && !take(parser, sign)) {
        unexpected(parser, wanted);
    }
    return !parser->failed;
}

static struct text copy_text(struct cel_parser *parser, struct text text)
{
    struct text copy = arena_text(parser->arena, text);
    if (copy.at == NULL) {
        parser->problems->nomem = true;
        parser->failed = true;
        return TEXT("");
    }
    return copy;
}

static struct cel_ast *new_leaf(struct cel_parser *parser, struct cel_ast leaf)
{
    return cel_ast_new(parser, &leaf, NULL, 0);
}

/* --- lists of things ----------------------------------------------------------------------- */

/* Things collected so far, on the parser's stack from base on. */
struct items {
    uint32_t base;
};

static struct items items_start(const struct cel_parser *parser)
{
    return (struct items){parser->stack_count};
}

static bool items_add(struct cel_parser *parser, struct cel_ast *item)
{
    if (item == NULL || parser->failed) {
        return false;
    }
    if (parser->stack_count == CEL_STACK_MAX) {
        cel_parse_fail(parser, item->offset, item->length, NULL, "more than %d entries at once",
                       CEL_STACK_MAX);
        return false;
    }
    parser->stack[parser->stack_count++] = item;
    return true;
}

/* A node of what was collected. */
static struct cel_ast *items_node(struct cel_parser *parser, struct items items,
                                  const struct cel_ast *from)
{
    uint32_t count = parser->stack_count - items.base;
    parser->stack_count = items.base;
    return cel_ast_new(parser, from, parser->stack + items.base, count);
}

/* Arguments up to ')'. */
static bool parse_args(struct cel_parser *parser)
{
    while (!parser->failed && !cel_token_is(&parser->token, ")")) {
        if (!items_add(parser, parse_expr(parser))) {
            return false;
        }
        if (cel_token_is(&parser->token, ")")) {
            break;
        }
        if (!expect(parser, ",", "',' or ')'")) {
            return false;
        }
        if (cel_token_is(&parser->token, ")")) {
            unexpected(parser, "an argument");
        }
    }
    return expect(parser, ")", "')'");
}

static struct cel_ast *parse_list(struct cel_parser *parser, struct cel_token open)
{
    struct items items = items_start(parser);
    bool lone = take(parser, ","); /* [,] is []. */
    while (!parser->failed && !lone && !cel_token_is(&parser->token, "]")) {
        bool optional = take(parser, "?");
        struct cel_ast *item = parse_expr(parser);
        if (!items_add(parser, item)) {
            return NULL;
        }
        item->entry = optional;
        if (!cel_token_is(&parser->token, "]") && !expect(parser, ",", "',' or ']'")) {
            return NULL;
        }
    }
    if (!expect(parser, "]", "']'")) {
        return NULL;
    }
    return items_node(parser, items,
                      &(struct cel_ast){.kind = CEL_AST_LIST, .offset = open.offset, .length = 1});
}

static struct cel_ast *parse_map(struct cel_parser *parser, struct cel_token open)
{
    struct items items = items_start(parser);
    bool lone = take(parser, ","); /* {,} is {}. */
    while (!parser->failed && !lone && !cel_token_is(&parser->token, "}")) {
        bool optional = take(parser, "?");
        struct cel_ast *key = parse_expr(parser);
        if (!items_add(parser, key) || !expect(parser, ":", "':'")) {
            return NULL;
        }
        struct cel_ast *value = parse_expr(parser);
        if (!items_add(parser, value)) {
            return NULL;
        }
        key->entry = optional;
        if (!cel_token_is(&parser->token, "}") && !expect(parser, ",", "',' or '}'")) {
            return NULL;
        }
    }
    if (!expect(parser, "}", "'}'")) {
        return NULL;
    }
    return items_node(parser, items,
                      &(struct cel_ast){.kind = CEL_AST_MAP, .offset = open.offset, .length = 1});
}

/* --- primaries ----------------------------------------------------------------------------- */

static bool is_reserved(struct text name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (text_is(name, reserved[i])) {
            return true;
        }
    }
    return false;
}

static struct cel_ast *parse_name(struct cel_parser *parser, bool absolute)
{
    struct cel_token name = parser->token;
    if (name.kind != CEL_TOKEN_IDENT) {
        return unexpected(parser, "a name");
    }
    if (is_reserved(name.text)) {
        return cel_parse_fail(parser, name.offset, name.length, NULL, "'%.*s' is a reserved word",
                              (int)name.text.count, name.text.at);
    }
    struct cel_ast ast = {.kind = CEL_AST_IDENT,
                          .absolute = absolute,
                          .offset = name.offset,
                          .length = name.length,
                          .name = copy_text(parser, name.text)};
    advance(parser);
    if (!take(parser, "(")) {
        return parser->failed ? NULL : new_leaf(parser, ast);
    }
    struct items items = items_start(parser);
    if (!parse_args(parser)) {
        return NULL;
    }
    ast.kind = CEL_AST_CALL;
    struct cel_ast *call = items_node(parser, items, &ast);
    return call == NULL ? NULL : cel_macro(parser, call);
}

static struct cel_ast *parse_primary(struct cel_parser *parser)
{
    struct cel_token token = parser->token;
    if (parser->failed) {
        return NULL;
    }
    if (token.kind == CEL_TOKEN_LITERAL) {
        advance(parser);
        return new_leaf(parser, (struct cel_ast){.kind = CEL_AST_LITERAL,
                                                 .offset = token.offset,
                                                 .length = token.length,
                                                 .literal = token.literal});
    }
    if (take(parser, "(")) {
        struct cel_ast *inner = parse_expr(parser);
        return expect(parser, ")", "')'") ? inner : NULL;
    }
    if (take(parser, "[")) {
        return parse_list(parser, token);
    }
    if (take(parser, "{")) {
        return parse_map(parser, token);
    }
    bool absolute = take(parser, ".");
    if (!absolute && token.kind != CEL_TOKEN_IDENT) {
        return unexpected(parser, "a value");
    }
    return parse_name(parser, absolute);
}

/* --- postfix: .field .call() [index] -------------------------------------------------------- */

static struct cel_ast *parse_member(struct cel_parser *parser, struct cel_ast *operand)
{
    bool optional = take(parser, "?");
    struct cel_token name = parser->token;
    if (name.kind != CEL_TOKEN_IDENT && name.kind != CEL_TOKEN_QUOTED) {
        if (name.kind == CEL_TOKEN_LITERAL || cel_token_is(&name, "in")) {
            return cel_parse_fail(parser, name.offset, name.length,
                                  "write ['name'] for a field of this name",
                                  "'%.*s' is a word of the language, not a field", (int)name.length,
                                  parser->lexer.source.at + name.offset);
        }
        return unexpected(parser, "the name of a field");
    }
    struct cel_ast ast = {.kind = CEL_AST_SELECT,
                          .optional = optional,
                          .quoted = name.kind == CEL_TOKEN_QUOTED,
                          .offset = name.offset,
                          .length = name.length,
                          .name = copy_text(parser, name.text)};
    advance(parser);
    if (ast.quoted || optional || !take(parser, "(")) {
        return parser->failed ? NULL : cel_ast_new(parser, &ast, &operand, 1);
    }
    struct items items = items_start(parser);
    if (!items_add(parser, operand) || !parse_args(parser)) {
        return NULL;
    }
    ast.kind = CEL_AST_CALL;
    ast.member = true;
    struct cel_ast *call = items_node(parser, items, &ast);
    return call == NULL ? NULL : cel_macro(parser, call);
}

static struct cel_ast *parse_index(struct cel_parser *parser, struct cel_ast *operand,
                                   struct cel_token open)
{
    bool optional = take(parser, "?");
    struct cel_ast *args[2] = {operand, parse_expr(parser)};
    if (args[1] == NULL || !expect(parser, "]", "']'")) {
        return NULL;
    }
    return cel_ast_new(parser,
                       &(struct cel_ast){.kind = CEL_AST_CALL,
                                         .offset = open.offset,
                                         .length = 1,
                                         .name = optional ? TEXT("_[?_]") : TEXT("_[_]")},
                       args, 2);
}

static struct cel_ast *parse_postfix(struct cel_parser *parser, struct cel_ast *ast)
{
    while (ast != NULL && !parser->failed) {
        struct cel_token token = parser->token;
        if (take(parser, ".")) {
            ast = parse_member(parser, ast);
        } else if (take(parser, "[")) {
            ast = parse_index(parser, ast, token);
        } else {
            return ast;
        }
    }
    return NULL;
}

/* --- operators ----------------------------------------------------------------------------- */

static struct cel_ast *parse_negative_number(struct cel_parser *parser, struct cel_token minus)
{
    struct cel_token token = parser->token;
    advance(parser);
    if (token.literal.kind == CEL_DOUBLE) {
        token.literal.real = -token.literal.real;
    }
    struct cel_ast *ast =
        new_leaf(parser, (struct cel_ast){.kind = CEL_AST_LITERAL,
                                          .offset = minus.offset,
                                          .length = token.offset + token.length - minus.offset,
                                          .literal = token.literal});
    return parse_postfix(parser, ast);
}

static bool is_number(const struct cel_token *token)
{
    return token->kind == CEL_TOKEN_LITERAL &&
           (token->literal.kind == CEL_INT || token->literal.kind == CEL_DOUBLE);
}

/* !x and -x; two of them are none. */
static struct cel_ast *parse_unary(struct cel_parser *parser)
{
    struct cel_token first = parser->token;
    bool minus = cel_token_is(&first, "-");
    if (!minus && !cel_token_is(&first, "!")) {
        return parse_postfix(parser, parse_primary(parser));
    }
    uint32_t count = 0;
    while (!parser->failed && cel_token_is(&parser->token, minus ? "-" : "!")) {
        parser->lexer.negative = minus && count == 0;
        advance(parser);
        parser->lexer.negative = false;
        count++;
        if (minus && count == 1 && !parser->failed && is_number(&parser->token)) {
            return parse_negative_number(parser, first);
        }
    }
    struct cel_ast *operand = parse_postfix(parser, parse_primary(parser));
    if (operand == NULL || count % 2 == 0) {
        return operand;
    }
    return cel_ast_new(parser,
                       &(struct cel_ast){.kind = CEL_AST_CALL,
                                         .offset = first.offset,
                                         .length = 1,
                                         .name = minus ? TEXT("-_") : TEXT("!_")},
                       &operand, 1);
}

static const struct infix *operator_at(const struct cel_parser *parser, unsigned binds_min)
{
    for (size_t i = 0; !parser->failed && i < sizeof operators / sizeof *operators; i++) {
        if (operators[i].binds >= binds_min && cel_token_is(&parser->token, operators[i].sign)) {
            return &operators[i];
        }
    }
    return NULL;
}

static bool is_logic(const struct infix *infix)
{
    return infix->binds <= 2;
}

static struct cel_ast *parse_binary(struct cel_parser *parser, unsigned binds_min);

/* a && b && c is one node of three. */
static struct cel_ast *parse_chain(struct cel_parser *parser, struct cel_ast *left,
                                   const struct infix *infix)
{
    struct items items = items_start(parser);
    struct cel_token sign = parser->token;
    items_add(parser, left);
    while (take(parser, infix->sign)) {
        if (!items_add(parser, parse_binary(parser, infix->binds + 1))) {
            return NULL;
        }
    }
    if (parser->failed) {
        return NULL;
    }
    return items_node(parser, items,
                      &(struct cel_ast){.kind = CEL_AST_CALL,
                                        .offset = sign.offset,
                                        .length = sign.length,
                                        .name = text_of(infix->function)});
}

static struct cel_ast *parse_binary(struct cel_parser *parser, unsigned binds_min)
{
    struct cel_ast *left = parse_unary(parser);
    const struct infix *infix;
    while (left != NULL && (infix = operator_at(parser, binds_min)) != NULL) {
        if (is_logic(infix)) {
            left = parse_chain(parser, left, infix);
            continue;
        }
        struct cel_token sign = parser->token;
        advance(parser);
        struct cel_ast *args[2] = {left, parse_binary(parser, infix->binds + 1)};
        if (args[1] == NULL) {
            return NULL;
        }
        left = cel_ast_new(parser,
                           &(struct cel_ast){.kind = CEL_AST_CALL,
                                             .offset = sign.offset,
                                             .length = sign.length,
                                             .name = text_of(infix->function)},
                           args, 2);
    }
    return left;
}

static struct cel_ast *parse_ternary(struct cel_parser *parser)
{
    struct cel_ast *condition = parse_binary(parser, 1);
    struct cel_token sign = parser->token;
    if (condition == NULL || !take(parser, "?")) {
        return parser->failed ? NULL : condition;
    }
    struct cel_ast *args[3] = {condition, parse_binary(parser, 1), NULL};
    if (args[1] == NULL || !expect(parser, ":", "':'") || (args[2] = parse_expr(parser)) == NULL) {
        return NULL;
    }
    return cel_ast_new(
        parser,
        &(struct cel_ast){
            .kind = CEL_AST_CALL, .offset = sign.offset, .length = 1, .name = TEXT("_?_:_")},
        args, 3);
}

static struct cel_ast *parse_expr(struct cel_parser *parser)
{
    if (parser->failed) {
        return NULL;
    }
    if (parser->depth == CEL_DEPTH_MAX) {
        return cel_parse_fail(parser, parser->token.offset, parser->token.length, NULL,
                              "nested deeper than %d levels", CEL_DEPTH_MAX);
    }
    parser->depth++;
    struct cel_ast *ast = parse_ternary(parser);
    parser->depth--;
    return parser->failed ? NULL : ast;
}

struct cel_ast *cel_parse(const struct cel_env *env, struct text source,
                          struct cel_problems *problems)
{
    struct cel_parser parser = {
        .env = env,
        .arena = problems->arena,
        .problems = problems,
        .lexer = {.source = source, .problems = problems, .arena = problems->arena},
    };
    advance(&parser);
    struct cel_ast *ast = parse_expr(&parser);
    if (!parser.failed && parser.token.kind != CEL_TOKEN_END) {
        unexpected(&parser, "an operator or the end");
    }
    return parser.failed ? NULL : ast;
}
