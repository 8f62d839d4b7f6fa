/* SPDX-License-Identifier: Apache-2.0 */
/* The lexer: numbers, strings with their escapes, names, signs. Reads the source once, never behind
 * its end. */

#include "cel/cel_lex.h"

#include <errno.h>
#include <stdlib.h>

static const char *const signs[] = {"==", "!=", "<=", ">=", "&&", "||", "<", ">",
                                    "+",  "-",  "*",  "/",  "%",  "!",  "?", ":",
                                    ".",  ",",  "(",  ")",  "[",  "]",  "{", "}"};

bool cel_token_is(const struct cel_token *token, const char *sign)
{
    return token->kind == CEL_TOKEN_SIGN && text_is(token->text, sign);
}

static char peek(const struct cel_lexer *lexer, uint32_t ahead)
{
    uint32_t at = lexer->at + ahead;
    return at < lexer->source.count ? lexer->source.at[at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_of(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void bad(struct cel_lexer *lexer, struct cel_token *token, const char *remedy,
                const char *text)
{
    uint32_t end = lexer->at > token->offset ? lexer->at : token->offset + 1;
    cel_problem(lexer->problems, false, token->offset, end - token->offset, remedy, "%s", text);
    token->kind = CEL_TOKEN_BAD;
}

static void skip_blanks(struct cel_lexer *lexer)
{
    for (;;) {
        char c = peek(lexer, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            lexer->at++;
        } else if (c == '/' && peek(lexer, 1) == '/') {
            while (lexer->at < lexer->source.count && peek(lexer, 0) != '\n') {
                lexer->at++;
            }
        } else {
            return;
        }
    }
}

/* --- numbers ------------------------------------------------------------------------------- */

static bool scan_exponent(struct cel_lexer *lexer)
{
    char c = peek(lexer, 0);
    if (c != 'e' && c != 'E') {
        return false;
    }
    uint32_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-' ? 1 : 0;
    if (!is_digit(peek(lexer, 1 + sign))) {
        return false;
    }
    lexer->at += 1 + sign;
    while (is_digit(peek(lexer, 0))) {
        lexer->at++;
    }
    return true;
}

static void take_double(struct cel_lexer *lexer, struct cel_token *token)
{
    char *chars =
        arena_copy(lexer->arena, lexer->source.at + token->offset, lexer->at - token->offset);
    if (chars == NULL) {
        lexer->problems->nomem = true;
        token->kind = CEL_TOKEN_BAD;
        return;
    }
    double real = strtod(chars, NULL);
    if (real > 1.7976931348623157e308) {
        bad(lexer, token, NULL, "the number is too large for a double");
        return;
    }
    token->literal = cel_of_double(real);
}

static void take_integer(struct cel_lexer *lexer, struct cel_token *token, uint32_t digits_at,
                         unsigned base)
{
    uint64_t all = 0;
    bool over = false;
    for (uint32_t i = digits_at; i < lexer->at; i++) {
        uint64_t digit = (uint64_t)hex_of(lexer->source.at[i]);
        over = over || __builtin_mul_overflow(all, (uint64_t)base, &all) ||
               __builtin_add_overflow(all, digit, &all);
    }
    if (peek(lexer, 0) == 'u' || peek(lexer, 0) == 'U') {
        lexer->at++;
        token->literal = cel_of_uint(all);
        if (over) {
            bad(lexer, token, NULL, "the number is too large for a uint (64 bits)");
        }
        return;
    }
    uint64_t max = (uint64_t)INT64_MAX + (lexer->negative ? 1 : 0);
    if (over || all > max) {
        bad(lexer, token, "a double is written 1e30, a uint 5u",
            "the number is too large for an int (64 bits)");
        return;
    }
    token->literal = cel_of_int(lexer->negative ? (int64_t)(0 - all) : (int64_t)all);
}

static void lex_number(struct cel_lexer *lexer, struct cel_token *token)
{
    token->kind = CEL_TOKEN_LITERAL;
    if (peek(lexer, 0) == '0' && peek(lexer, 1) == 'x' && hex_of(peek(lexer, 2)) >= 0) {
        lexer->at += 2;
        while (hex_of(peek(lexer, 0)) >= 0) {
            lexer->at++;
        }
        take_integer(lexer, token, token->offset + 2, 16);
        return;
    }
    while (is_digit(peek(lexer, 0))) {
        lexer->at++;
    }
    bool real = false;
    if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
        real = true;
        lexer->at++;
        while (is_digit(peek(lexer, 0))) {
            lexer->at++;
        }
    }
    real = scan_exponent(lexer) || real;
    if (real) {
        take_double(lexer, token);
    } else {
        take_integer(lexer, token, token->offset, 10);
    }
}

/* --- strings ------------------------------------------------------------------------------- */

struct quoted {
    bool raw, bytes;
    char quote;
    uint32_t quotes; /* 1 or 3 */
    struct textbuf out;
};

static void add_code_point(struct quoted *quoted, uint32_t code_point)
{
    char bytes[4];
    uint32_t count = cel_encode(code_point, bytes);
    textbuf_add(&quoted->out, (struct text){bytes, count});
}

/* digits of base from the lexer's place; -1 when one is missing. */
static int64_t take_digits(struct cel_lexer *lexer, uint32_t digits, unsigned base)
{
    int64_t all = 0;
    for (uint32_t i = 0; i < digits; i++) {
        int digit = hex_of(peek(lexer, 0));
        if (digit < 0 || (unsigned)digit >= base) {
            return -1;
        }
        all = all * base + digit;
        lexer->at++;
    }
    return all;
}

static bool escape_number(struct cel_lexer *lexer, struct quoted *quoted, uint32_t digits,
                          unsigned base)
{
    int64_t number = take_digits(lexer, digits, base);
    if (number < 0 || number > 0x10ffff || (number >= 0xd800 && number < 0xe000)) {
        return false;
    }
    bool as_byte = digits <= 3;
    if (as_byte && number > 0xff) {
        return false;
    }
    if (quoted->bytes && !as_byte) {
        return false; /* \u has no meaning in bytes. */
    }
    if (quoted->bytes) {
        textbuf_add_char(&quoted->out, (char)number);
    } else {
        add_code_point(quoted, (uint32_t)number);
    }
    return true;
}

static bool escape(struct cel_lexer *lexer, struct quoted *quoted)
{
    static const char from[] = "abfnrtv\\?\"'`", to[] = "\a\b\f\n\r\t\v\\?\"'`";
    char c = peek(lexer, 0);
    const char *known = c == '\0' ? NULL : strchr(from, c);
    if (known != NULL) {
        lexer->at++;
        textbuf_add_char(&quoted->out, to[known - from]);
        return true;
    }
    if (c >= '0' && c <= '3') {
        return escape_number(lexer, quoted, 3, 8);
    }
    lexer->at++;
    switch (c) {
    case 'x':
    case 'X':
        return escape_number(lexer, quoted, 2, 16);
    case 'u':
        return escape_number(lexer, quoted, 4, 16);
    case 'U':
        return escape_number(lexer, quoted, 8, 16);
    default:
        return false;
    }
}

static bool at_closing(const struct cel_lexer *lexer, const struct quoted *quoted)
{
    for (uint32_t i = 0; i < quoted->quotes; i++) {
        if (peek(lexer, i) != quoted->quote) {
            return false;
        }
    }
    return true;
}

/* The inside of a string; NULL, or what is wrong. */
static const char *lex_inside(struct cel_lexer *lexer, struct quoted *quoted)
{
    while (!at_closing(lexer, quoted)) {
        if (lexer->at >= lexer->source.count) {
            return "the string is not closed";
        }
        char c = peek(lexer, 0);
        if ((c == '\n' || c == '\r') && quoted->quotes == 1) {
            return "the string is not closed on its line";
        }
        lexer->at++;
        if (c == '\\' && !quoted->raw) {
            if (!escape(lexer, quoted)) {
                return "this escape is not known";
            }
        } else {
            textbuf_add_char(&quoted->out, c);
        }
    }
    lexer->at += quoted->quotes;
    return NULL;
}

static void lex_string(struct cel_lexer *lexer, struct cel_token *token)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    struct quoted quoted = {.quotes = 1};
    for (char c = peek(lexer, 0); c != '"' && c != '\''; c = peek(lexer, 0)) {
        quoted.raw = quoted.raw || (c | 0x20) == 'r';
        quoted.bytes = quoted.bytes || (c | 0x20) == 'b';
        lexer->at++;
    }
    quoted.quote = peek(lexer, 0);
    if (peek(lexer, 1) == quoted.quote && peek(lexer, 2) == quoted.quote) {
        quoted.quotes = 3;
    }
    lexer->at += quoted.quotes;
    const char *problem = lex_inside(lexer, &quoted);
    out = quoted.out;
    if (problem != NULL) {
        bool escapes = strstr(problem, "escape") != NULL;
        bad(lexer, token, escapes ? "for regular expressions use a raw string: r'\\d+'" : NULL,
            problem);
        return;
    }
    char *copy = arena_copy(lexer->arena, out.at, out.count);
    if (copy == NULL || out.failed) {
        lexer->problems->nomem = true;
        token->kind = CEL_TOKEN_BAD;
        return;
    }
    token->kind = CEL_TOKEN_LITERAL;
    token->literal = cel_of_text((struct text){copy, (uint32_t)out.count});
    token->literal.kind = quoted.bytes ? CEL_BYTES : CEL_STRING;
}

static bool starts_string(const struct cel_lexer *lexer)
{
    uint32_t ahead = 0;
    bool raw = false, bytes = false;
    for (; ahead < 2; ahead++) {
        char c = (char)(peek(lexer, ahead) | 0x20);
        if (c == 'r' && !raw) {
            raw = true;
        } else if (c == 'b' && !bytes) {
            bytes = true;
        } else {
            break;
        }
    }
    return peek(lexer, ahead) == '"' || peek(lexer, ahead) == '\'';
}

/* --- names and signs ----------------------------------------------------------------------- */

static void lex_name(struct cel_lexer *lexer, struct cel_token *token)
{
    while (is_name_start(peek(lexer, 0)) || is_digit(peek(lexer, 0))) {
        lexer->at++;
    }
    token->text = (struct text){lexer->source.at + token->offset, lexer->at - token->offset};
    token->kind = CEL_TOKEN_LITERAL;
    if (text_is(token->text, "true") || text_is(token->text, "false")) {
        token->literal = cel_of_bool(token->text.count == 4);
    } else if (text_is(token->text, "null")) {
        token->literal = (struct cel_value){.kind = CEL_NULL};
    } else {
        token->kind = text_is(token->text, "in") ? CEL_TOKEN_SIGN : CEL_TOKEN_IDENT;
    }
}

static void lex_quoted_name(struct cel_lexer *lexer, struct cel_token *token)
{
    lexer->at++;
    uint32_t start = lexer->at;
    for (char c = peek(lexer, 0);
         is_name_start(c) || is_digit(c) || c == '.' || c == '-' || c == '/' || c == ' ';
         c = peek(lexer, 0)) {
        lexer->at++;
    }
    if (peek(lexer, 0) != '`' || lexer->at == start) {
        bad(lexer, token, "letters, digits, '_', '.', '-', '/' and blanks may stand in it",
            "this quoted name is not closed, or holds a character it must not");
        return;
    }
    token->kind = CEL_TOKEN_QUOTED;
    token->text = (struct text){lexer->source.at + start, lexer->at - start};
    lexer->at++;
}

static void lex_sign(struct cel_lexer *lexer, struct cel_token *token)
{
    struct text rest = {lexer->source.at + lexer->at, lexer->source.count - lexer->at};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (text_starts(rest, signs[i])) {
            token->kind = CEL_TOKEN_SIGN;
            token->text = (struct text){rest.at, (uint32_t)strlen(signs[i])};
            lexer->at += token->text.count;
            return;
        }
    }
    char c = rest.at[0];
    if (c == '=') {
        bad(lexer, token, "write '=='", "'=' does not compare");
    } else if (c == '&' || c == '|') {
        bad(lexer, token, c == '&' ? "write '&&'" : "write '||'",
            "a single '&' or '|' is no operator");
    } else {
        uint32_t length = 1;
        cel_decode(rest.at, rest.count, &length);
        lexer->at += length;
        bad(lexer, token, NULL, "this character has no meaning here");
    }
}

void cel_lex(struct cel_lexer *lexer, struct cel_token *ret_token)
{
    skip_blanks(lexer);
    struct cel_token token = {.kind = CEL_TOKEN_END, .offset = lexer->at};
    char c = peek(lexer, 0);
    if (lexer->at >= lexer->source.count) {
        token.offset = lexer->source.count;
    } else if (starts_string(lexer)) {
        lex_string(lexer, &token);
    } else if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1)))) {
        lex_number(lexer, &token);
    } else if (is_name_start(c)) {
        lex_name(lexer, &token);
    } else if (c == '`') {
        lex_quoted_name(lexer, &token);
    } else {
        lex_sign(lexer, &token);
    }
    token.length = lexer->at - token.offset;
    if (token.kind == CEL_TOKEN_LITERAL && token.text.at == NULL) {
        token.text = (struct text){lexer->source.at + token.offset, token.length};
    }
    *ret_token = token;
}
