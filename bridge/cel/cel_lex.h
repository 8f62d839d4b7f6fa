/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_LEX_H
#define CEL_LEX_H

/* Tokens of a source, one at a time. A mistake is reported once and ends the stream with
 * CEL_TOKEN_BAD. */

#include "cel/cel_private.h"

enum cel_token_kind {
    CEL_TOKEN_BAD,
    CEL_TOKEN_END,
    CEL_TOKEN_LITERAL, /* Number, string, bytes, true, false, null. */
    CEL_TOKEN_IDENT,
    CEL_TOKEN_QUOTED, /* `a-b` */
    CEL_TOKEN_SIGN,   /* Operators and brackets, and the word in. */
};

struct cel_token {
    enum cel_token_kind kind;
    uint32_t offset, length;
    struct text text; /* As written; of CEL_TOKEN_QUOTED without the quotes. */
    struct cel_value literal;
};

struct cel_lexer {
    struct text source;
    uint32_t at;
    bool negative; /* The parser saw a '-' before the number: -9223372036854775808 is one. */
    struct cel_problems *problems;
    struct arena *arena;
};

void cel_lex(struct cel_lexer *lexer, struct cel_token *ret_token);
bool cel_token_is(const struct cel_token *token, const char *sign);

#endif
