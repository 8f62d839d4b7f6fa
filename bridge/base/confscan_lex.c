/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of libconfig 1.5, which this follows letter by letter, stricter where libconfig is silent
 * about a mistake: integers that do not fit, numbers that run into a word, NUL, text that is no
 * UTF-8.
 */

#include "base/confscan_lex.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- characters
 * ---------------------------------------------------------------------------------------------- */

static int peek(const struct conf_source *source, size_t ahead)
{
    return ahead < (size_t)(source->end - source->at) ? (unsigned char)source->at[ahead] : -1;
}

static void advance(struct conf_source *source, size_t bytes)
{
    for (size_t i = 0; i < bytes && source->at < source->end; i++, source->at++) {
        char c = *source->at;
        if (c == '\n') {
            source->line++;
            source->column = 1;
            source->line_is_blank = true;
        } else {
            source->column += ((unsigned char)c & 0xc0) != 0x80;
            source->line_is_blank = source->line_is_blank && (c == ' ' || c == '\t');
        }
    }
}

static struct nsh_place place_here(const struct conf_source *source, uint32_t length)
{
    return (struct nsh_place){source->name, source->line, source->column, length};
}

static bool is_name_start(int c)
{
    return c == '*' || (c < 128 && isalpha(c));
}

static bool is_name(int c)
{
    return is_name_start(c) || c == '-' || c == '_' || (c < 128 && isdigit(c));
}

/* ---- sources
 * -------------------------------------------------------------------------------------------------
 */

static void flush(struct conf_lexer *lexer, struct conf_source *source, const char *upto)
{
    if (source->flushed == upto) {
        return;
    }
    if (lexer->segments_count < sizeof lexer->segments / sizeof lexer->segments[0]) {
        lexer->segments[lexer->segments_count++] =
            (struct conf_segment){lexer->flat_lines_count + 1, source->name, source->flushed_line};
    }
    textbuf_add(&lexer->flat, (struct text){source->flushed, (uint32_t)(upto - source->flushed)});
    for (const char *at = source->flushed; at < upto; at++) {
        lexer->flat_lines_count += *at == '\n';
    }
    source->flushed = upto;
}

/* The first byte that is not part of valid UTF-8 is an error; ends of line of another system are a
 * warning. */
static void check_encoding(struct conf_lexer *lexer, const struct conf_source *source)
{
    struct conf_source walk = *source;
    bool told = false;
    while (walk.at < walk.end) {
        size_t step = 1;
        while (step < 5 && peek(&walk, step) >= 0x80 && peek(&walk, step) < 0xc0) {
            step++;
        }
        if (!text_is_utf8(walk.at, step)) {
            diag_add(lexer->diags, DIAG_ERROR, place_here(&walk, 1), "save the file as UTF-8",
                     *walk.at == 0 ? "a NUL byte" : "no valid UTF-8 (byte 0x%02x)",
                     (unsigned char)*walk.at);
            return;
        }
        if (*walk.at == '\r' && !told) {
            told = true;
            diag_add(lexer->diags, DIAG_WARNING, place_here(&walk, 1),
                     "save the file with plain line ends",
                     "a carriage return, which stays inside strings of several lines");
        }
        advance(&walk, step);
    }
}

static bool source_push(struct conf_lexer *lexer, const char *name, const char *text,
                        size_t bytes_count)
{
    struct conf_source *source = arena_alloc(lexer->arena, sizeof *source);
    if (source == NULL || bytes_count > CONF_FILE_BYTES_MAX) {
        diag_add(lexer->diags, DIAG_ERROR, (struct nsh_place){.file = name}, NULL,
                 "the file is too large (%zu bytes)", bytes_count);
        return false;
    }
    bool has_mark = bytes_count >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    *source = (struct conf_source){
        .includer = lexer->source,
        .name = name,
        .at = text + (has_mark ? 3 : 0),
        .end = text + bytes_count,
        .flushed = text + (has_mark ? 3 : 0),
        .line = 1,
        .column = 1,
        .flushed_line = 1,
        .line_is_blank = true,
        .depth = lexer->source == NULL ? 0 : lexer->source->depth + 1,
    };
    check_encoding(lexer, source);
    lexer->source = source;
    lexer->files_count++;
    return true;
}

/* libconfig wants an end of line after a comment, and included text must not run into what follows.
 */
static void end_line(struct conf_lexer *lexer)
{
    if (lexer->flat.count > 0 && lexer->flat.at[lexer->flat.count - 1] != '\n') {
        textbuf_add_char(&lexer->flat, '\n');
        lexer->flat_lines_count++;
    }
}

static void source_pop(struct conf_lexer *lexer)
{
    struct conf_source *source = lexer->source;
    flush(lexer, source, source->end);
    end_line(lexer);
    lexer->source = source->includer;
}

char *conf_file_read(const char *path, struct nsh_place at, struct arena *arena,
                     struct diags *diags, size_t *ret_bytes)
{
    CLEANUP(textbuf_donep) struct textbuf buf = {.count_max = CONF_FILE_BYTES_MAX};
    FILE *file = fopen(path, "re");
    char block[16384];
    errno = file == NULL ? errno : 0;
    for (size_t count = 1; file != NULL && count > 0 && !buf.failed;) {
        count = fread(block, 1, sizeof block, file);
        textbuf_add(&buf, (struct text){block, (uint32_t)count});
    }
    int failure = file == NULL || ferror(file) != 0 ? errno : 0;
    if (file != NULL) {
        fclose(file);
    }
    char *text = failure != 0 || buf.failed ? NULL : arena_copy(arena, buf.at, buf.count);
    if (text == NULL) {
        diag_add(diags, DIAG_ERROR, at, NULL, "cannot read %s: %s", path,
                 failure != 0 ? strerror(failure) : "too large, or out of memory");
        return NULL;
    }
    *ret_bytes = buf.count;
    return text;
}

/* ---- @include
 * ------------------------------------------------------------------------------------------------
 */

static const char *include_path(struct conf_lexer *lexer, struct text wanted)
{
    const char *name = lexer->source->name, *slash = strrchr(name, '/');
    if (slash == NULL || (wanted.count > 0 && wanted.at[0] == '/')) {
        return arena_copy(lexer->arena, wanted.at, wanted.count);
    }
    return arena_printf(lexer->arena, "%.*s/%.*s", (int)(slash - name), name, (int)wanted.count,
                        wanted.at);
}

/* The directive is consumed, the rest of its line must be empty; then the included text is next. */
static void include(struct conf_lexer *lexer)
{
    struct conf_source *source = lexer->source;
    const char *line_start = source->at;
    struct nsh_place at = place_here(source, 8);
    flush(lexer, source, line_start);
    advance(source, 8);
    while (peek(source, 0) == ' ' || peek(source, 0) == '\t') {
        advance(source, 1);
    }
    struct text wanted = {source->at + 1, 0};
    while (peek(source, wanted.count + 1) >= ' ' && peek(source, wanted.count + 1) != '"') {
        wanted.count++;
    }
    bool named =
        peek(source, 0) == '"' && peek(source, wanted.count + 1) == '"' && wanted.count > 0;
    if (!named) {
        diag_add(lexer->diags, DIAG_ERROR, at, "write @include \"FILE\" on a line of its own",
                 "@include wants a file name in quotes");
        advance(source, strcspn(source->at, "\n"));
    } else {
        at = place_here(source, wanted.count + 2);
        advance(source, wanted.count + 2);
    }
    source->flushed = source->at;
    source->flushed_line = source->line;
    if (!named) {
        return;
    }
    if (source->depth + 1 > CONF_INCLUDE_DEPTH_MAX || lexer->files_count >= CONF_FILES_MAX) {
        diag_add(lexer->diags, DIAG_ERROR, at, "does a file include itself?",
                 "@include is nested deeper than %d, or reads more than %d files",
                 CONF_INCLUDE_DEPTH_MAX, CONF_FILES_MAX);
        return;
    }
    size_t bytes_count = 0;
    const char *path = include_path(lexer, wanted);
    char *text =
        path == NULL ? NULL : conf_file_read(path, at, lexer->arena, lexer->diags, &bytes_count);
    if (text != NULL) {
        source_push(lexer, path, text, bytes_count);
    }
}

/* ---- blanks and comments
 * ------------------------------------------------------------------------------------- */

static void skip_comment(struct conf_lexer *lexer, struct conf_source *source)
{
    struct nsh_place at = place_here(source, 2);
    if (peek(source, 0) == '#' || peek(source, 1) == '/') {
        while (peek(source, 0) >= 0 && peek(source, 0) != '\n') {
            advance(source, 1);
        }
        return;
    }
    advance(source, 2);
    while (peek(source, 0) >= 0 && !(peek(source, 0) == '*' && peek(source, 1) == '/')) {
        advance(source, 1);
    }
    if (peek(source, 0) < 0) {
        diag_add(lexer->diags, DIAG_ERROR, at, "add '*/'", "this comment is not closed");
    }
    advance(source, 2);
}

/* Up to the next token; false at the end of everything. */
static bool skip_blanks(struct conf_lexer *lexer)
{
    for (;;) {
        struct conf_source *source = lexer->source;
        int c = peek(source, 0), next = peek(source, 1);
        if (c < 0 && source->includer == NULL) {
            flush(lexer, source, source->end);
            end_line(lexer);
            return false;
        }
        if (c < 0) {
            source_pop(lexer);
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            advance(source, 1);
        } else if (c == '#' || (c == '/' && (next == '/' || next == '*'))) {
            skip_comment(lexer, source);
        } else if (c == '@' && source->line_is_blank && source->end - source->at > 8 &&
                   memcmp(source->at, "@include", 8) == 0) {
            include(lexer);
        } else {
            return true;
        }
    }
}

/* ---- strings
 * -------------------------------------------------------------------------------------------------
 */

/* From here on, offsets in the joined string and columns in the file run side by side. */
static void piece_add(struct conf_lexer *lexer, const struct conf_source *source)
{
    if (lexer->pieces_count == lexer->pieces_room) {
        size_t room = lexer->pieces_room == 0 ? 64 : lexer->pieces_room * 2;
        struct conf_piece *grown = realloc(lexer->pieces, room * sizeof *grown);
        if (grown == NULL) {
            lexer->joined.failed = true;
            return;
        }
        lexer->pieces = grown;
        lexer->pieces_room = room;
    }
    lexer->pieces[lexer->pieces_count++] =
        (struct conf_piece){(uint32_t)lexer->joined.count, source->line, source->column};
}

/* The backslash is next: what it stands for goes into the joined string. */
static void escape(struct conf_lexer *lexer, struct conf_source *source)
{
    static const char from[] = "nrtf\\\"", to[] = "\n\r\t\f\\\"";
    int c = peek(source, 1), high = peek(source, 2), low = peek(source, 3);
    const char *known = c <= 0 ? NULL : strchr(from, c);
    if (known != NULL) {
        textbuf_add_char(&lexer->joined, to[known - from]);
        advance(source, 2);
    } else if ((c == 'x' || c == 'X') && high > 0 && low > 0 && isxdigit(high) && isxdigit(low)) {
        const char digits[3] = {(char)high, (char)low, 0};
        long code = strtol(digits, NULL, 16);
        if (code == 0 || code > 0x7f) {
            diag_add(lexer->diags, DIAG_ERROR, place_here(source, 4),
                     code == 0 ? "remove it" : "write the character itself",
                     code == 0 ? "a string cannot hold NUL"
                               : "\\x%s is no character of its own in UTF-8",
                     digits);
        }
        textbuf_add_char(&lexer->joined, (char)code);
        advance(source, 4);
    } else {
        /* Escapes that a condition or a regular expression inside the string may mean pass unseen.
         */
        if (c > 0 && isalpha(c) && strchr("abvuUdDwWsSBAzpPQExXC", c) == NULL) {
            diag_add(lexer->diags, DIAG_WARNING, place_here(source, 2),
                     "write two backslashes, or none", "'\\%c' is no escape: the backslash stays",
                     c);
        }
        textbuf_add_char(&lexer->joined, '\\');
        advance(source, 1);
        return;
    }
    piece_add(lexer, source);
}

static void string(struct conf_lexer *lexer, struct conf_source *source)
{
    struct nsh_place start = place_here(source, 1);
    const char *end = NULL;
    advance(source, 1);
    piece_add(lexer, source);
    for (int c = peek(source, 0); c != '"'; c = peek(source, 0)) {
        if (c < 0) {
            diag_add(lexer->diags, DIAG_ERROR, start, "add '\"'", "this string is not closed");
            return;
        }
        if (c == '\\') {
            escape(lexer, source);
            continue;
        }
        textbuf_add_char(&lexer->joined, (char)c);
        advance(source, 1);
        if (c == '\n') {
            lexer->token.lines_count++;
            piece_add(lexer, source);
        }
    }
    advance(source, 1);
    end = memchr(lexer->token.text.at, '\n', (size_t)(source->at - lexer->token.text.at));
    if (end == NULL) {
        lexer->token.at.length = source->column - start.column;
    }
}

/* ---- numbers and names
 * --------------------------------------------------------------------------------------- */

static size_t digits_at(const struct conf_source *source, size_t i)
{
    size_t count = 0;
    while (peek(source, i + count) >= '0' && peek(source, i + count) <= '9') {
        count++;
    }
    return count;
}

/* Bytes of an exponent at i, or 0. */
static size_t exponent_at(const struct conf_source *source, size_t i)
{
    if (peek(source, i) != 'e' && peek(source, i) != 'E') {
        return 0;
    }
    size_t sign = peek(source, i + 1) == '-' || peek(source, i + 1) == '+' ? 1 : 0;
    size_t digits = digits_at(source, i + 1 + sign);
    return digits == 0 ? 0 : 1 + sign + digits;
}

/* Bytes of the number that begins here, 0 when none does. */
static size_t number_bytes(const struct conf_source *source, enum conf_token_kind *ret_kind)
{
    size_t i = peek(source, 0) == '-' || peek(source, 0) == '+' ? 1 : 0;
    size_t whole = digits_at(source, i), count = 0;
    *ret_kind = TOKEN_INT;
    if (i == 0 && peek(source, 0) == '0' && (peek(source, 1) | 0x20) == 'x' &&
        peek(source, 2) > 0 && isxdigit(peek(source, 2))) {
        for (count = 2; peek(source, count) > 0 && isxdigit(peek(source, count)); count++) {
        }
    } else if (peek(source, i + whole) == '.' && whole + digits_at(source, i + whole + 1) > 0) {
        *ret_kind = TOKEN_FLOAT;
        count = i + whole + 1 + digits_at(source, i + whole + 1);
        return count + exponent_at(source, count);
    } else if (whole > 0 && exponent_at(source, i + whole) > 0) {
        *ret_kind = TOKEN_FLOAT;
        return i + whole + exponent_at(source, i + whole);
    } else if (whole > 0) {
        count = i + whole;
    }
    if (count > 0 && peek(source, count) == 'L') {
        *ret_kind = TOKEN_INT64;
        count += peek(source, count + 1) == 'L' ? 2 : 1;
    }
    return count;
}

/* "4Gi" for 4294967296, or NULL when no unit divides the number. */
static const char *quantity(struct arena *arena, int64_t number)
{
    static const char *const units[] = {"Ti", "Gi", "Mi", "Ki"};
    for (unsigned i = 0; i < 4; i++) {
        int64_t size = INT64_C(1) << (10 * (4 - i));
        if (number >= size && number % size == 0) {
            return arena_printf(arena, "%lld%s", (long long)(number / size), units[i]);
        }
    }
    return NULL;
}

static void check_integer(struct conf_lexer *lexer, const char *digits)
{
    struct conf_token *token = &lexer->token;
    bool hex = token->text.count > 1 && (token->text.at[1] | 0x20) == 'x';
    errno = 0;
    /* Beyond 64 bits strtoll saturates and says so; hexadecimal ones have no sign. */
    token->integer = strtoll(digits, NULL, hex ? 16 : 10);
    if (errno == ERANGE) {
        diag_add(lexer->diags, DIAG_ERROR, token->at, "write it as a string with a unit",
                 "integer does not fit in 64 bits (libconfig reads it as %d)",
                 token->integer < 0 ? 0 : -1);
    } else if (token->kind == TOKEN_INT &&
               (token->integer > INT32_MAX || token->integer < INT32_MIN)) {
        const char *unit = quantity(lexer->arena, token->integer);
        const char *remedy = arena_printf(lexer->arena, "write %sL%s%s%s", digits,
                                          unit == NULL ? "" : ", or a quantity: \"",
                                          unit == NULL ? "" : unit, unit == NULL ? "" : "\"");
        diag_add(lexer->diags, DIAG_ERROR, token->at, remedy,
                 "integer does not fit in 32 bits (libconfig reads it as %d)",
                 (int)(uint32_t)(uint64_t)token->integer);
    }
}

static void number(struct conf_lexer *lexer, struct conf_source *source, size_t count)
{
    struct conf_token *token = &lexer->token;
    char digits[64] = "";
    size_t word = count;
    while (is_name(peek(source, word)) || peek(source, word) == '%') {
        word++;
    }
    token->at.length = (uint32_t)word;
    token->text.count = (uint32_t)word;
    memcpy(digits, token->text.at, count < sizeof digits ? count : sizeof digits - 1);
    digits[strcspn(digits, "L")] = 0;
    if (word > count) {
        diag_add(lexer->diags, DIAG_ERROR, token->at,
                 arena_printf(lexer->arena, "write \"%.*s\"", (int)(word < 40 ? word : 40),
                              token->text.at),
                 "a number with a unit must stand in quotes");
    } else if (count >= sizeof digits) {
        diag_add(lexer->diags, DIAG_ERROR, token->at, NULL, "a number of %zu characters", count);
    } else if (token->kind == TOKEN_FLOAT) {
        token->real = strtod(digits, NULL);
    } else {
        check_integer(lexer, digits);
    }
    advance(source, word);
}

static void name(struct conf_lexer *lexer, struct conf_source *source)
{
    struct conf_token *token = &lexer->token;
    size_t count = 1;
    while (is_name(peek(source, count))) {
        count++;
    }
    token->text.count = (uint32_t)count;
    token->at.length = (uint32_t)count;
    token->kind = TOKEN_NAME;
    if ((count == 4 && strncasecmp(token->text.at, "true", 4) == 0) ||
        (count == 5 && strncasecmp(token->text.at, "false", 5) == 0)) {
        token->kind = TOKEN_BOOL;
        token->boolean = count == 4;
    }
    advance(source, count);
}

/* ---- the face
 * ------------------------------------------------------------------------------------------------
 */

bool conf_lexer_open(struct conf_lexer *lexer, const char *file_name, const char *text,
                     size_t bytes_count)
{
    lexer->flat.count_max = 2 * (size_t)CONF_FILE_BYTES_MAX;
    return source_push(lexer, file_name, text, bytes_count);
}

void conf_lexer_next(struct conf_lexer *lexer)
{
    static const char marks[] = "=:,;{}()[]";
    static const enum conf_token_kind kinds[] = {
        TOKEN_EQUALS,      TOKEN_EQUALS,    TOKEN_COMMA,      TOKEN_SEMICOLON,  TOKEN_GROUP_OPEN,
        TOKEN_GROUP_CLOSE, TOKEN_LIST_OPEN, TOKEN_LIST_CLOSE, TOKEN_ARRAY_OPEN, TOKEN_ARRAY_CLOSE,
    };
    if (lexer->token.kind != TOKEN_STRING) {
        textbuf_clear(&lexer->joined);
        lexer->pieces_count = 0;
    }
    bool more = skip_blanks(lexer);
    struct conf_source *source = lexer->source;
    lexer->token = (struct conf_token){
        .kind = more ? TOKEN_GARBAGE : TOKEN_END,
        .at = place_here(source, 1),
        .text = {source->at, more ? 1 : 0},
        .first_on_line = source->line_is_blank,
    };
    if (!more) {
        return;
    }
    int c = peek(source, 0);
    const char *mark = c == 0 ? NULL : strchr(marks, c);
    enum conf_token_kind kind = TOKEN_INT;
    size_t count = number_bytes(source, &kind);
    if (mark != NULL) {
        lexer->token.kind = kinds[mark - marks];
        advance(source, 1);
    } else if (c == '"') {
        lexer->token.kind = TOKEN_STRING;
        string(lexer, source);
    } else if (count > 0) {
        lexer->token.kind = kind;
        number(lexer, source, count);
    } else if (is_name_start(c)) {
        name(lexer, source);
    } else {
        /* One whole character, so that messages show what stands there. */
        while (peek(source, lexer->token.text.count) >= 0x80 &&
               peek(source, lexer->token.text.count) < 0xc0) {
            lexer->token.text.count++;
        }
        advance(source, lexer->token.text.count);
    }
}

struct nsh_place conf_lexer_place(const struct conf_lexer *lexer, uint32_t flat_line)
{
    struct nsh_place place = {.line = 0};
    for (size_t i = 0; i < lexer->segments_count && lexer->segments[i].flat_line <= flat_line;
         i++) {
        const struct conf_segment *segment = &lexer->segments[i];
        place = (struct nsh_place){segment->file, segment->line + (flat_line - segment->flat_line),
                                   1, 1};
    }
    return place;
}

void conf_lexer_done(struct conf_lexer *lexer)
{
    free(lexer->pieces);
    textbuf_done(&lexer->flat);
    textbuf_done(&lexer->joined);
}
