/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CONFSCAN_H
#define BASE_CONFSCAN_H

/*
 * libconfig text -> a tree of settings that know where they stand.
 *
 * libconfig stays the parser of record; a scanner beside it (the same tokens, nothing else) keeps
 * columns, ranges and the map from offsets in joined strings back to the file, catches what
 * libconfig swallows (integers over 32 bits, trailing commas, unknown escapes), and explains syntax
 * errors. Both must agree or the file is refused.
 */

#include "base/diag.h"

enum conf_type { CONF_GROUP, CONF_LIST, CONF_ARRAY, CONF_STRING, CONF_INT, CONF_FLOAT, CONF_BOOL };

struct conf {
    enum conf_type type;
    const char *name;    /* NULL inside lists and arrays, and for the root. */
    struct nsh_place at; /* Of the name, or of the value when there is no name. */
    struct nsh_place value_at;
    struct conf *parent, *next, *first; /* first: first child; next: sibling */
    size_t children_count;
    bool seen; /* A reader asked for it: conf_unknown() reports the others. */
    bool boolean;
    int64_t integer;
    double real;
    const char *text; /* CONF_STRING: joined and unescaped. */
    uint32_t text_bytes;
    const struct conf_piece *pieces; /* Where each piece of the string stands in the file. */
    size_t pieces_count;
};

struct conf_piece {
    uint32_t offset; /* In text. */
    uint32_t line, column;
};

/* Read a file. @include works relative to the file, depth 10. NULL when diags got an error. Memory
 * is in arena. */
struct conf *conf_read(const char *path, struct arena *arena, struct diags *diags);
/* The same for a text; name stands in the messages. */
struct conf *conf_read_text(const char *name, const char *text, struct arena *arena,
                            struct diags *diags);

/* The child called name (marks it seen), or NULL. */
struct conf *conf_get(struct conf *group, const char *name);

/* The place in the file of a byte offset (and length) inside a string setting. */
struct nsh_place conf_text_place(const struct conf *setting, uint32_t offset, uint32_t length);

/*
 * Typed reads: NULL setting gives the fallback; a wrong type or range is a diagnostic and the
 * fallback. Durations are strings with a unit.
 */
const char *conf_text(struct conf *setting, const char *fallback, struct diags *diags);
int64_t conf_int(struct conf *setting, int64_t fallback, int64_t min, int64_t max,
                 struct diags *diags);
bool conf_bool(struct conf *setting, bool fallback, struct diags *diags);
int64_t conf_duration_ms(struct conf *setting, int64_t fallback, int64_t min, int64_t max,
                         struct diags *diags);

/* A setting (with all below) as a value. */
bool conf_value(struct conf *setting, struct arena *arena, struct nsh_value *ret_value);

/* One error for each child of group that nobody asked for, with did-you-mean out of known
 * (NULL-terminated). */
void conf_unknown(struct conf *group, const char *const *known, struct diags *diags);

#endif
