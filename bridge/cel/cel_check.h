/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_CHECK_H
#define CEL_CHECK_H

/* Between the files of the checker. */

#include "cel/cel_private.h"

struct cel_scope {
    struct text name;
    const struct cel_ty *type;
};

struct cel_checker {
    const struct cel_env *env;
    struct arena *arena;
    struct cel_problems *problems;
    struct cel_ty_vars *vars;
    struct cel_scope scopes[CEL_LOCALS_MAX];
    uint32_t scopes_count, scopes_max;
};

#define CEL_NAME_MAX 256 /* Bytes of a qualified name with its container. */

/* Gives ast->type. */
void cel_check_node(struct cel_checker *checker, struct cel_ast *ast);
void cel_check_call(struct cel_checker *checker, struct cel_ast *ast);

/* The dotted name of a chain of selections, whose root is no local variable; false: it is none. */
bool cel_check_chain(const struct cel_checker *checker, const struct cel_ast *ast,
                     char name[CEL_NAME_MAX], bool *ret_absolute);
/* Call try with name inside the container, then in each outer one; stops when it gives true. */
bool cel_check_names(const struct cel_checker *checker, const char *name, bool absolute,
                     bool (*try)(void *arg, const char *full), void *arg);

/* Messages. */
void cel_hint_name(struct cel_checker *checker, const struct cel_ast *ast, const char *name);
void cel_hint_field(struct cel_checker *checker, const struct cel_ast *ast,
                    const struct cel_record *record);
void cel_hint_function(struct cel_checker *checker, const struct cel_ast *ast, const char *name);
void cel_hint_overload(struct cel_checker *checker, const struct cel_ast *ast,
                       const struct cel_overload *candidates, uint32_t count);
void cel_hint_division(struct cel_checker *checker, const struct cel_ast *ast);
/* 13 / 16 > 0.8: the language takes it, and it is never what was meant. */
void cel_hint_quotient(struct cel_checker *checker, const struct cel_ast *ast);

static inline bool cel_is_function_type(const char *type)
{
    return strstr(type, "->") != NULL;
}

#endif
