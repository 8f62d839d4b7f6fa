/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_VALUE_H
#define NSH_VALUE_H

/*
 * Values: the immutable JSON-like tree that crosses every border (driver settings, arguments,
 * results, event data).
 *
 * A value owns nothing. Texts and children are borrowed from whoever built the tree (an arena, a
 * literal), are NUL-terminated and valid UTF-8; a text may contain no NUL. Trees are at most
 * NSH_VALUE_DEPTH_MAX deep.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NSH_VALUE_DEPTH_MAX 32

enum nsh_type {
    NSH_NULL,
    NSH_BOOL,
    NSH_INT,    /* int64_t */
    NSH_DOUBLE, /* finite */
    NSH_STRING,
    NSH_LIST,
    NSH_MAP,      /* members in insertion order, names unique */
    NSH_DURATION, /* only as the type of an option: text such as "30s" in, NSH_INT of milliseconds
                     out */
    NSH_SECRET,   /* only as the type of an option: a reference such as "file:/path" in, the secret
                     text out */
};

struct nsh_member;

struct nsh_value {
    enum nsh_type type;
    uint32_t count; /* bytes of a string, items of a list, members of a map */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text;
        const struct nsh_value *items;
        const struct nsh_member *members;
    };
};

struct nsh_member {
    const char *name;
    struct nsh_value value;
};

static inline struct nsh_value nsh_null(void)
{
    return (struct nsh_value){.type = NSH_NULL};
}

static inline struct nsh_value nsh_bool(bool boolean)
{
    return (struct nsh_value){.type = NSH_BOOL, .boolean = boolean};
}

static inline struct nsh_value nsh_int(int64_t integer)
{
    return (struct nsh_value){.type = NSH_INT, .integer = integer};
}

static inline struct nsh_value nsh_double(double real)
{
    return (struct nsh_value){.type = NSH_DOUBLE, .real = real};
}

struct nsh_value nsh_text(const char *text); /* Borrowed; NULL gives null. */
struct nsh_value nsh_list(const struct nsh_value *items, size_t count);
struct nsh_value nsh_map(const struct nsh_member *members, size_t count);

/* The member of a map, or NULL when value is no map or has no such member. */
const struct nsh_value *nsh_get(const struct nsh_value *map, const char *name);

/* Typed look-ups with a fallback for a missing member or another type. */
const char *nsh_get_text(const struct nsh_value *map, const char *name, const char *fallback);
int64_t nsh_get_int(const struct nsh_value *map, const char *name, int64_t fallback);
bool nsh_get_bool(const struct nsh_value *map, const char *name, bool fallback);

bool nsh_equal(const struct nsh_value *a, const struct nsh_value *b);

#endif
