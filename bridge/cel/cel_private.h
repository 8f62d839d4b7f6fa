/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_PRIVATE_H
#define CEL_PRIVATE_H

/*
 * What the files of this room share: text -> cel_ast (lex, parse, macro) -> types (check) ->
 * cel_code (compile) -> value (eval, and the functions of cel_functions.def).
 */

#include "base/assert.h"
#include "cel/cel.h"

#include <stdarg.h>

#define CEL_LOCALS_MAX 64 /* Iteration variables that live at once. */
#define CEL_ARGS_MAX                                                                               \
    64 /* Arguments of one call as written; the table's functions take at most 4. */
#define CEL_TYPE_VARS_MAX 2048 /* Type parameters of one program. */
#define CEL_NANOS 1000000000

/* --- types --------------------------------------------------------------------------------- */

enum { CEL_TY_PARAM = 32, CEL_TY_WRAPPER };

/* A type as the checker sees it. kind: enum cel_kind or CEL_TY_*. */
struct cel_ty {
    uint8_t kind, params_count;
    uint32_t var;                    /* CEL_TY_PARAM: its number. */
    const char *name;                /* CEL_OPAQUE. */
    const struct cel_record *record; /* CEL_RECORD. */
    const struct cel_ty
        *params[3]; /* List: item; map: key, value; optional, type, opaque: theirs. */
};

extern const struct cel_ty cel_ty_dyn, cel_ty_error, cel_ty_bool, cel_ty_int, cel_ty_string,
    cel_ty_null, cel_ty_timestamp, cel_ty_duration, cel_ty_uint, cel_ty_double, cel_ty_bytes;

struct cel_ty_vars {
    const struct cel_ty *bound[CEL_TYPE_VARS_MAX];
    uint32_t count;
    uint32_t trail[CEL_TYPE_VARS_MAX]; /* What to undo when an overload did not fit. */
    const struct cel_ty *trail_old[CEL_TYPE_VARS_MAX];
    uint32_t trail_count;
};

const struct cel_ty *cel_ty_make(struct arena *arena, uint8_t kind, const struct cel_ty *a,
                                 const struct cel_ty *b);
const struct cel_ty *cel_ty_of(struct arena *arena, struct cel_type type);
/* Parse one type of a text; letters maps capital names to variables made so far. */
struct cel_ty_names {
    char letters[26];
    const struct cel_ty *vars[26];
};
const struct cel_ty *cel_ty_parse(struct arena *arena, struct cel_ty_vars *vars,
                                  struct cel_ty_names *names, const char **text);
const struct cel_ty *cel_ty_fresh(struct arena *arena, struct cel_ty_vars *vars);
bool cel_ty_assign(struct cel_ty_vars *vars, const struct cel_ty *to, const struct cel_ty *from);
void cel_ty_undo(struct cel_ty_vars *vars, uint32_t trail_count);
const struct cel_ty *cel_ty_walk(const struct cel_ty_vars *vars, const struct cel_ty *type);
const struct cel_ty *cel_ty_resolve(struct arena *arena, const struct cel_ty_vars *vars,
                                    const struct cel_ty *type);
/* The same, but type parameters that are still free stay so. */
const struct cel_ty *cel_ty_substitute(struct arena *arena, const struct cel_ty_vars *vars,
                                       const struct cel_ty *type);
const struct cel_ty *cel_ty_general(const struct cel_ty *a, const struct cel_ty *b);
bool cel_ty_same(const struct cel_ty *a, const struct cel_ty *b);
void cel_ty_print(const struct cel_ty *type, struct textbuf *out);
char *cel_ty_text(struct arena *arena, const struct cel_ty *type);

/* --- tree ---------------------------------------------------------------------------------- */

enum cel_ast_kind {
    CEL_AST_LITERAL,
    CEL_AST_IDENT,
    CEL_AST_SELECT,
    CEL_AST_CALL,
    CEL_AST_LIST,
    CEL_AST_MAP,
    CEL_AST_LOOP,
};

enum cel_loop {
#define CEL_LOOP(ID, names, args, vars, type) CEL_LOOP_##ID,
#include "cel/cel_loops.def"
#undef CEL_LOOP
};

enum cel_resolved { CEL_RES_NONE, CEL_RES_VARIABLE, CEL_RES_LOCAL, CEL_RES_TYPE };

struct cel_ast {
    uint8_t kind, loop, resolved;
    bool absolute; /* .a */
    bool optional; /* a.?b */
    bool entry;    /* As an entry of a list, or the key of one of a map: ?x */
    bool test;     /* has(a.b) */
    bool member;   /* a.f(b): a is args[0] */
    bool quoted;   /* a.`b` */
    bool known;    /* A call: functions of this name exist, whatever their arguments. */
    bool expanded; /* Made by a macro that prints as what it was written as (name). */
    uint16_t depth;
    uint32_t offset, length; /* What a message underlines. */
    uint32_t count;          /* Map: keys and values in turn. */
    struct cel_ast **args;
    struct text name; /* Identifier, field or function; NUL-terminated. */
    struct cel_value literal;
    struct text vars[2]; /* Loops. */
    const struct cel_ty *type;
    uint32_t slot; /* Of what is resolved; of a loop: its first local. */
    const struct cel_overload *overloads;
    uint32_t overloads_count;
};

/* --- mistakes ------------------------------------------------------------------------------ */

struct cel_problems {
    struct arena *arena;
    struct cel_problem *items;
    size_t count, errors;
    bool nomem;
};

void cel_problem(struct cel_problems *problems, bool warning, uint32_t offset, uint32_t length,
                 const char *remedy, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Parse; NULL with a problem. */
struct cel_ast *cel_parse(const struct cel_env *env, struct text source,
                          struct cel_problems *problems);

/* --- functions ----------------------------------------------------------------------------- */

struct cel_run;
struct cel_code;

#define CEL_IMPL(name)                                                                             \
    void name(struct cel_run *run, const struct cel_code *code, const struct cel_value *args,      \
              struct cel_value *out)

typedef CEL_IMPL(cel_impl_fn);

/* A row of cel_functions.def. */
struct cel_function_row {
    const char *name;
    const char *type; /* ".string, int -> T": a leading dot makes it a member. */
    cel_impl_fn *impl;
};

struct cel_overload {
    cel_impl_fn *impl; /* NULL: of the embedding (index), or without implementation. */
    const struct cel_function *external;
    uint32_t index;
    uint8_t params_count;
    bool member;
    const struct cel_ty *params[CEL_PARAMS_MAX];
    const struct cel_ty *result;
};

extern const struct cel_function_row cel_function_rows[];
extern const size_t cel_function_rows_count;

/* --- program ------------------------------------------------------------------------------- */

#define CEL_NODE(name)                                                                             \
    void name(struct cel_run *run, const struct cel_code *code, struct cel_value *out)
typedef CEL_NODE(cel_run_fn);

/* What an evaluation reads of a node comes first, and the whole is one line of the cache: with
 * thousands of programs the time to fetch them counts. */
struct cel_code {
    cel_run_fn *run;
    const struct cel_code **args;
    union {
        struct cel_value value; /* Constant, or the field's name. */
        struct {                /* Calls. */
            const struct cel_overload *overloads;
            const void *extra; /* What a function made of its literal arguments (a regex). */
        };
    };
    uint32_t count;
    uint32_t slot; /* Variable, local, or field index. */
    uint32_t overloads_count;
    uint16_t shape;
    uint8_t loop;
    const struct cel_ast *ast;
};

/* The declared type of what comes from outside. Shape 0: not declared. */
struct cel_shape {
    uint8_t kind;
    uint16_t of;
    const struct cel_record *record;
    const uint16_t *fields;
};

#define CEL_SHAPES_MAX 1024

struct cel_program {
    const struct cel_env *env;
    struct cel_ast *ast;
    const struct cel_code *code;
    const struct cel_shape *shapes;
    const struct cel_ty *type;
    uint32_t locals_count;
};

struct cel_run {
    const struct cel_env *env;
    const struct cel_shape *shapes;
    const struct cel_inputs *inputs;
    struct arena *arena;
    int64_t steps, budget; /* What is left, and was given. */
    uint64_t known;        /* cel_eval_rest(): operands of the outermost && that are true. */
    int stop;              /* NSH_LIMIT or NSH_NOMEM: everything returns at once. */
    struct cel_value locals[CEL_LOCALS_MAX];
};

enum { CEL_FORM_OWN, CEL_FORM_OUTSIDE };

static inline void cel_eval_code(struct cel_run *run, const struct cel_code *code,
                                 struct cel_value *out)
{
    code->run(run, code, out);
}

void cel_check(const struct cel_env *env, struct cel_ast *root, struct arena *arena,
               struct cel_problems *problems, const struct cel_ty **ret_type,
               uint32_t *ret_locals_count);
uint64_t cel_ast_cost(const struct cel_ast *ast);
/* A problem when loops inside loops may take more steps than are allowed. */
void cel_check_cost(struct cel_problems *problems, const struct cel_ast *root);
int cel_build(struct cel_program *program, struct arena *arena, struct cel_problems *problems);

/* --- values -------------------------------------------------------------------------------- */

struct cel_opaque;
struct cel_opaque_class {
    const char *name;
    bool (*equal)(const struct cel_opaque *a, const struct cel_opaque *b);
    void (*print)(const struct cel_opaque *value, struct textbuf *out);
};
/* The head of every opaque value; its data follow. */
struct cel_opaque {
    const struct cel_opaque_class *class;
};

static inline struct cel_value cel_of_bool(bool value)
{
    return (struct cel_value){.kind = CEL_BOOL, .boolean = value};
}

static inline struct cel_value cel_of_int(int64_t value)
{
    return (struct cel_value){.kind = CEL_INT, .integer = value};
}

static inline struct cel_value cel_of_uint(uint64_t value)
{
    return (struct cel_value){.kind = CEL_UINT, .unsigned_integer = value};
}

static inline struct cel_value cel_of_double(double value)
{
    return (struct cel_value){.kind = CEL_DOUBLE, .real = value};
}

static inline struct cel_value cel_of_text(struct text text)
{
    return (struct cel_value){.kind = CEL_STRING, .count = text.count, .text = text.at};
}

static inline struct text cel_text(const struct cel_value *value)
{
    return (struct text){value->text, value->count};
}

static inline struct cel_value cel_of_type(const char *name)
{
    return (struct cel_value){.kind = CEL_TYPE, .text = name};
}

/* Take steps from the budget; false when it ended (run->stop is set, *out an error). */
bool cel_spend(struct cel_run *run, uint64_t steps, struct cel_value *out);
/* Arena memory with steps for its bytes; NULL like above. */
void *cel_room(struct cel_run *run, size_t bytes, struct cel_value *out);
void cel_error(struct cel_run *run, const struct cel_code *code, struct cel_value *out,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Make an owned text; out becomes the string (or an error). */
void cel_make_text(struct cel_run *run, struct text text, struct cel_value *out);
/* A list with room for count items, to be filled; NULL: out is the error. */
struct cel_value *cel_make_list(struct cel_run *run, uint32_t count, struct cel_value *out);
struct cel_value *cel_make_map(struct cel_run *run, uint32_t count, struct cel_value *out);
void cel_make_optional(struct cel_run *run, const struct cel_value *value, struct cel_value *out);
static inline bool cel_optional_empty(const struct cel_value *value)
{
    return value->pointer == NULL;
}

void cel_from_outside(struct cel_run *run, const struct nsh_value *from, uint16_t shape,
                      struct cel_value *out);
void cel_list_at(struct cel_run *run, const struct cel_value *list, uint32_t index,
                 struct cel_value *out);
void cel_map_at(struct cel_run *run, const struct cel_value *map, uint32_t index,
                struct cel_value *ret_key, struct cel_value *ret_value);
/* Whether map has key; ret_value (may be NULL) is its value, possibly an error. */
bool cel_map_find(struct cel_run *run, const struct cel_value *map, const struct cel_value *key,
                  struct cel_value *ret_value);
bool cel_equal(struct cel_run *run, const struct cel_value *a, const struct cel_value *b);
/* -1, 0, 1; 2: unordered (NaN); 3: these types have no order. */
int cel_compare(const struct cel_value *a, const struct cel_value *b);
const char *cel_type_name(const struct cel_value *value);
bool cel_is_zero(const struct cel_value *value);
bool cel_key_allowed(const struct cel_value *key);
/* Whether the value fits a parameter's type, by its kind. */
bool cel_fits(const struct cel_value *value, const struct cel_ty *type);

/* --- texts --------------------------------------------------------------------------------- */

void cel_print_double(double real, struct textbuf *out);
/* Never with an exponent: 1e21 is 1000000000000000000000. */
void cel_print_plain_double(double real, struct textbuf *out);
void cel_print_quoted(struct text text, bool bytes, struct textbuf *out);
void cel_print_duration(const struct cel_value *value, struct textbuf *out);
void cel_print_timestamp(const struct cel_value *value, struct textbuf *out);
void cel_print_ast(const struct cel_ast *ast, struct textbuf *out);
bool cel_parse_duration(struct text text, struct cel_value *out);
bool cel_parse_timestamp(struct text text, struct cel_value *out);
bool cel_duration_in_range(int64_t seconds, uint32_t nanos);
bool cel_timestamp_in_range(int64_t seconds);
/* out := buf as string, buf freed. */
void cel_take_textbuf(struct cel_run *run, struct textbuf *buf, struct cel_value *out);

/* One code point at bytes, its length in *ret_length; invalid bytes count as one. */
uint32_t cel_decode(const char *bytes, uint32_t count, uint32_t *ret_length);
uint32_t cel_encode(uint32_t code_point, char bytes[4]);
uint32_t cel_code_points(struct text text);

/* --- regular expressions ------------------------------------------------------------------- */

struct cel_regex;
#define CEL_REGEX_GROUPS_MAX 16
/* NULL with *ret_problem set. */
const struct cel_regex *cel_regex_compile(struct arena *arena, struct text pattern,
                                          const char **ret_problem);
uint32_t cel_regex_groups(const struct cel_regex *regex);
bool cel_regex_matches(struct cel_run *run, const struct cel_regex *regex, struct text text);
/* Leftmost match from start on; spans: begin and end of each group, -1: not taken part. */
bool cel_regex_find(struct cel_run *run, const struct cel_regex *regex, struct text text,
                    uint32_t start, int32_t spans[2 * CEL_REGEX_GROUPS_MAX]);
/* Sort items by keys (the same array: by themselves); *out is an error when keys have no order. */
void cel_sort(struct cel_run *run, const struct cel_code *code, struct cel_value *items,
              struct cel_value *keys, uint32_t count, struct cel_value *out);

/* The regex of a code's literal argument, or of this text; NULL: out is the error. */
const struct cel_regex *cel_regex_of(struct cel_run *run, const struct cel_code *code,
                                     struct text pattern, struct cel_value *out);

#define CEL_FUNCTION(name, type, impl) CEL_IMPL(impl);
#include "cel/cel_functions.def"
#undef CEL_FUNCTION

#endif
