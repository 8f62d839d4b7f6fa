/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_PARSE_H
#define CEL_PARSE_H

/* Between parser and macros. */

#include "cel/cel_lex.h"

#define CEL_STACK_MAX 2048

struct cel_parser {
    const struct cel_env *env;
    struct cel_lexer lexer;
    struct cel_token token; /* The next one. */
    struct arena *arena;
    struct cel_problems *problems;
    struct cel_ast *stack[CEL_STACK_MAX]; /* Entries of lists and calls not yet closed. */
    uint32_t stack_count;
    uint32_t depth;
    bool failed; /* The first mistake ends parsing. */
};

/* A new node of these arguments (borrowed); NULL after a mistake (too deep, no memory). */
struct cel_ast *cel_ast_new(struct cel_parser *parser, const struct cel_ast *from,
                            struct cel_ast *const *args, uint32_t count);
struct cel_ast *cel_parse_fail(struct cel_parser *parser, uint32_t offset, uint32_t length,
                               const char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Replace a call by what its macro means; the call itself when it is none. */
struct cel_ast *cel_macro(struct cel_parser *parser, struct cel_ast *call);

#endif
