/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_CEL_H
#define CEL_CEL_H

/*
 * CEL, the Common Expression Language: source -> checked program -> value. A library of its own: no
 * domain words here.
 *
 * cel_compile() parses and type-checks against declared variables and functions; cel_eval() runs
 * it, allocating only from the arena handed in, within a step budget. Errors are values (cel.dev
 * language definition): && || ?: absorb them.
 */

#include "abi/error.h"
#include "base/arena.h"

enum cel_kind {
    CEL_DYN, /* As a type: not checked. */
    CEL_NULL,
    CEL_BOOL,
    CEL_INT,
    CEL_UINT,
    CEL_DOUBLE,
    CEL_STRING,
    CEL_BYTES,
    CEL_LIST,
    CEL_MAP,
    CEL_RECORD, /* As a type: a map with declared fields. */
    CEL_TIMESTAMP,
    CEL_DURATION,
    CEL_TYPE,
    CEL_OPTIONAL,
    CEL_OPAQUE, /* Addresses, networks, quantities, versions. */
    CEL_ERROR,  /* As a value only. */
};

struct cel_record;

struct cel_type {
    enum cel_kind kind;
    const struct cel_type *of; /* Items of a list, values of a map (keys: string); NULL: dyn. */
    const struct cel_record *record; /* CEL_RECORD. */
};

struct cel_field {
    const char *name;
    struct cel_type type;
};

struct cel_record {
    const char *name;
    const struct cel_field *fields;
    size_t fields_count;
};

struct cel_variable {
    const char *name;
    struct cel_type type;
};

/*
 * A value at run time, 16 bytes; what it points to lives in the arena of the evaluation, the
 * program or the inputs. Whoever makes one (results of functions) sets kind, count for a string,
 * and the member; the rest stays zero.
 */
struct cel_value {
    uint8_t kind; /* enum cel_kind */
    uint8_t form; /* The implementation's: who owns a list or map. */
    uint16_t
        shape; /* The implementation's: declared type of a list or map that came from outside. */
    uint32_t count; /* Bytes of a string, items of a list; nanoseconds of CEL_TIMESTAMP and
                       CEL_DURATION. */
    union {
        bool boolean;
        int64_t integer; /* Also the seconds of CEL_DURATION and CEL_TIMESTAMP, rounded down. */
        uint64_t unsigned_integer;
        double real;
        const char *text;
        const void *pointer; /* The implementation's. */
    };
};

#define CEL_PARAMS_MAX 4

/* A function of the embedding: active(string) -> bool. */
struct cel_function {
    const char *name;
    struct cel_type params[CEL_PARAMS_MAX];
    size_t params_count;
    struct cel_type result;
    bool literal_args; /* Arguments must be literals, so that they are known when the file is
                          loaded. */
};

struct cel_declaration {
    const char *name, *type;
};

struct cel_env {
    const struct cel_variable *variables;
    size_t variables_count;
    const struct cel_function *functions;
    size_t functions_count;
    struct cel_type wanted; /* Type the whole expression must have; CEL_DYN: any. */
    const char *container; /* Names are tried inside it first ("a.b": a.b.x, a.x, x); NULL: none. */
    bool unchecked;        /* No type checker: mistakes are found when they are evaluated. */
    bool no_macros, no_folding; /* For tests. */
    /* What the language allows and nobody means is a mistake: a division of integers compared with
     * a double, and loops that may take more than CEL_STEPS_MAX steps (cel_program_cost()). */
    bool strict;
    /* Further names by type text, for embeddings beyond the types above: {"x", "map(int, string)"}
     * is a variable (numbered after variables), {"f", ".string, T -> list(T)"} a member function
     * without implementation. */
    const struct cel_declaration *declarations;
    size_t declarations_count;
};

/* A mistake in a source: byte offset and length of the range, text, remedy (or NULL). In the arena
 * of cel_compile(). */
struct cel_problem {
    bool warning;
    uint32_t offset, length;
    const char *text, *remedy;
};

#define CEL_SOURCE_BYTES_MAX 8192
#define CEL_DEPTH_MAX 200 /* Nesting of a source, and of its tree. */
#define CEL_STEPS_MAX 100000
#define CEL_PROBLEMS_MAX 8

struct cel_program;

/*
 * Compile source. 0, or -NSH_INVALID with problems filled (at least one error). Warnings may be
 * there on success too. The program lives in arena and borrows env for as long.
 */
int cel_compile(const struct cel_env *env, const char *source, struct arena *arena,
                struct cel_program **ret_program, struct cel_problem *problems,
                size_t *ret_problems_count);

/* The same for a source with a length: it may contain NUL in literals. */
int cel_compile_text(const struct cel_env *env, struct text source, struct arena *arena,
                     struct cel_program **ret_program, struct cel_problem *problems,
                     size_t *ret_problems_count);

#define CEL_COST_ITEMS 100 /* Of a list whose length the source does not say. */

/* Steps the program may take, for lists of CEL_COST_ITEMS items; the run-time limit is
 * CEL_STEPS_MAX, whatever comes. */
uint64_t cel_program_cost(const struct cel_program *program);

struct cel_type cel_program_type(const struct cel_program *program);
/* What the items of its list are: kind and record; CEL_DYN when that is not known. */
struct cel_type cel_program_item(const struct cel_program *program);

/*
 * What the index of candidates may use: if the program is a conjunction that contains
 * VARIABLE.FIELD == "literal", the literal; else NULL.
 */
const char *cel_program_equals(const struct cel_program *program, const char *variable,
                               const char *field);

/*
 * Everything a program reads while it runs. Values convert to their declared type on arrival: an
 * integer to double, a text to CEL_TIMESTAMP (RFC 3339) and CEL_DURATION ("90s"), an integer to
 * both as milliseconds; a null where a scalar is declared counts as missing; anything else of a
 * wrong type is an error when it is read.
 */
struct cel_inputs {
    /* The value of env->variables[index]; NULL: not known (the result is then an error naming it
     * unless absorbed). */
    const struct nsh_value *(*variable)(void *arg, size_t index);
    /* Call env->functions[index]; a negative return makes the result an error with err's text. */
    int (*call)(void *arg, size_t index, const struct cel_value *args, size_t args_count,
                struct cel_value *ret_value, struct nsh_error *err);
    /* Instead of variable, for values that no nsh_value carries; false: not known. */
    bool (*value)(void *arg, size_t index, struct cel_value *ret_value);
    void *arg;
    int64_t now_ms; /* Reserved for functions of the embedding; CEL itself has no clock. */
    /* What several evaluations may take together; each takes its steps off. NULL: only
     * CEL_STEPS_MAX counts. */
    int64_t *steps_left;
};

/*
 * 0: *ret_value is the result. -NSH_INVALID: an error value came out (missing field, overflow,
 * ...): err says what and the caller treats the condition as unknown. -NSH_LIMIT: the step budget
 * ended. -NSH_NOMEM.
 *
 * One thread at a time for each program: the first text that meets a literal pattern builds the
 * pattern's automaton.
 */
int cel_eval(const struct cel_program *program, const struct cel_inputs *inputs,
             struct arena *arena, struct cel_value *ret_value, struct nsh_error *err);

/* A result as value (strings borrowed); false for what values cannot carry. */
bool cel_to_value(const struct cel_value *value, struct arena *arena, struct nsh_value *ret_value);

/* As text for people: 3.5, "x", [1, 2]. */
void cel_value_print(const struct cel_value *value, struct textbuf *out);

/* The canonical source of a program: equal programs print equally. */
void cel_program_print(const struct cel_program *program, struct textbuf *out);

/*
 * For explanations: the leaves of a program's top-level && / || with what each gave in these
 * inputs: "event.severity >= critical = false (event.severity = 2)". Appended as lines to out, at
 * most 16.
 */
void cel_explain(const struct cel_program *program, const struct cel_inputs *inputs,
                 struct arena *arena, struct textbuf *out);

#endif
