/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CONFSCAN_LEX_H
#define BASE_CONFSCAN_LEX_H

/*
 * The tokens of libconfig texts, with their places. Private to confscan.
 *
 * Follows @include itself (relative to the including file) and keeps the flattened text with which
 * libconfig, which cannot do that, is fed afterwards.
 */

#include "base/confscan.h"

#define CONF_FILE_BYTES_MAX (64u << 20)
#define CONF_INCLUDE_DEPTH_MAX 10
#define CONF_FILES_MAX 256 /* Per reading: a fan of includes stays bounded. */

enum conf_token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INT,
    TOKEN_INT64,
    TOKEN_FLOAT,
    TOKEN_BOOL,
    TOKEN_EQUALS,
    TOKEN_COMMA,
    TOKEN_SEMICOLON,
    TOKEN_GROUP_OPEN,
    TOKEN_GROUP_CLOSE,
    TOKEN_LIST_OPEN,
    TOKEN_LIST_CLOSE,
    TOKEN_ARRAY_OPEN,
    TOKEN_ARRAY_CLOSE,
    TOKEN_GARBAGE,
};

struct conf_token {
    enum conf_token_kind kind;
    struct nsh_place at;
    struct text text; /* As it stands in the file. */
    bool first_on_line;
    bool boolean;
    int64_t integer;
    double real;
    uint32_t lines_count; /* Of a string: how many ends of line it holds. */
};

struct conf_source {
    struct conf_source *includer;
    const char *name; /* As in the messages, and what includes are relative to. */
    const char *at, *end;
    const char *flushed; /* Up to here the text is in the flattened one. */
    uint32_t line, column, flushed_line;
    bool line_is_blank; /* Nothing but blanks so far on this line. */
    unsigned depth;
};

/* From this line on, the flattened text is that of file from its line on. */
struct conf_segment {
    uint32_t flat_line;
    const char *file;
    uint32_t line;
};

struct conf_lexer {
    struct arena *arena;
    struct diags *diags;
    struct conf_source *source;
    struct conf_token token;
    struct textbuf flat;
    uint32_t flat_lines_count;
    struct conf_segment segments[2 * CONF_FILES_MAX + 2];
    size_t segments_count, files_count;
    struct textbuf
        joined; /* Adjacent strings so far: valid until the token after the next one is read. */
    struct conf_piece *pieces;
    size_t pieces_count, pieces_room;
};

/* Begin with a text of that name. False: a diagnostic says why. */
bool conf_lexer_open(struct conf_lexer *lexer, const char *name, const char *text,
                     size_t bytes_count);

/* Read the next token into lexer->token. Mistakes inside a token are told, and the token is made
 * up. */
void conf_lexer_next(struct conf_lexer *lexer);

/* The whole of a file into arena; NULL after a diagnostic at `at`. */
char *conf_file_read(const char *path, struct nsh_place at, struct arena *arena,
                     struct diags *diags, size_t *ret_bytes);

/* Where a line of the flattened text comes from. */
struct nsh_place conf_lexer_place(const struct conf_lexer *lexer, uint32_t flat_line);

void conf_lexer_done(struct conf_lexer *lexer);

#endif
