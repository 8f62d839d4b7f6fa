/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_CEL_TREE_VALUE_H
#define FUZZ_CEL_TREE_VALUE_H

/* Of the second evaluator (cel_tree.h): equality, order and keys, from the language definition. */

#include "cel/cel_private.h"

#include <math.h>

#define TREE_LOCALS_MAX 64

struct tree {
    struct cel_run *run;
    const struct cel_env *env;
    struct {
        struct text name;
        struct cel_value value;
    } locals[TREE_LOCALS_MAX];
    uint32_t locals_count;
};

static struct cel_value tree_error(const char *text)
{
    return (struct cel_value){.kind = CEL_ERROR, .text = text};
}

static bool tree_is(const struct cel_value *value, uint8_t kind)
{
    return value->kind == kind;
}

/* --- equality and order -------------------------------------------------------------------- */

static bool tree_number(const struct cel_value *value)
{
    return tree_is(value, CEL_INT) || tree_is(value, CEL_UINT) || tree_is(value, CEL_DOUBLE);
}

static double tree_double(const struct cel_value *value)
{
    return tree_is(value, CEL_INT)    ? (double)value->integer
           : tree_is(value, CEL_UINT) ? (double)value->unsigned_integer
                                      : value->real;
}

/* -1, 0, 1; 2: NaN. */
static int tree_order_numbers(const struct cel_value *a, const struct cel_value *b)
{
    if (tree_is(a, CEL_DOUBLE) || tree_is(b, CEL_DOUBLE)) {
        double x = tree_double(a), y = tree_double(b);
        return isnan(x) || isnan(y) ? 2 : x < y ? -1 : x > y ? 1 : 0;
    }
    bool minus_a = tree_is(a, CEL_INT) && a->integer < 0;
    bool minus_b = tree_is(b, CEL_INT) && b->integer < 0;
    if (minus_a != minus_b) {
        return minus_a ? -1 : 1;
    }
    uint64_t x = a->unsigned_integer, y = b->unsigned_integer; /* Two's complement keeps order. */
    return x < y ? -1 : x > y ? 1 : 0;
}

static int tree_order_bytes(const struct cel_value *a, const struct cel_value *b)
{
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        unsigned char x = (unsigned char)a->text[i], y = (unsigned char)b->text[i];
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return a->count < b->count ? -1 : a->count > b->count ? 1 : 0;
}

/* 3: they have none. */
static int tree_order(const struct cel_value *a, const struct cel_value *b)
{
    if (tree_number(a) && tree_number(b)) {
        return tree_order_numbers(a, b);
    }
    if (a->kind != b->kind) {
        return 3;
    }
    if (tree_is(a, CEL_BOOL)) {
        return a->boolean == b->boolean ? 0 : a->boolean ? 1 : -1;
    }
    if (tree_is(a, CEL_STRING) || tree_is(a, CEL_BYTES)) {
        return tree_order_bytes(a, b);
    }
    if (tree_is(a, CEL_TIMESTAMP) || tree_is(a, CEL_DURATION)) {
        return a->integer < b->integer   ? -1
               : a->integer > b->integer ? 1
               : a->count < b->count     ? -1
               : a->count > b->count     ? 1
                                         : 0;
    }
    return 3;
}

static bool tree_equal(struct tree *tree, const struct cel_value *a, const struct cel_value *b);

/* The value of key in map; false: it has none. */
static bool tree_find(struct tree *tree, const struct cel_value *map, const struct cel_value *key,
                      struct cel_value *ret_value)
{
    for (uint32_t i = 0; i < map->count && cel_spend(tree->run, 1, NULL); i++) {
        struct cel_value at, value;
        cel_map_at(tree->run, map, i, &at, &value);
        if (tree_equal(tree, &at, key)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool tree_equal_many(struct tree *tree, const struct cel_value *a, const struct cel_value *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        struct cel_value key, x, y;
        if (tree_is(a, CEL_LIST)) {
            cel_list_at(tree->run, a, i, &x);
            cel_list_at(tree->run, b, i, &y);
        } else {
            cel_map_at(tree->run, a, i, &key, &x);
            if (!tree_find(tree, b, &key, &y)) {
                return false;
            }
        }
        if (!tree_equal(tree, &x, &y)) {
            return false;
        }
    }
    return true;
}

static bool tree_equal(struct tree *tree, const struct cel_value *a, const struct cel_value *b)
{
    if (!cel_spend(tree->run, 1, NULL)) {
        return false;
    }
    int order = tree_order(a, b);
    if (order != 3) {
        return order == 0;
    }
    if (a->kind != b->kind) {
        return false;
    }
    if (tree_is(a, CEL_LIST) || tree_is(a, CEL_MAP)) {
        return tree_equal_many(tree, a, b);
    }
    if (tree_is(a, CEL_OPTIONAL)) {
        return a->pointer == NULL || b->pointer == NULL ? a->pointer == b->pointer
                                                        : tree_equal(tree, a->pointer, b->pointer);
    }
    return cel_equal(tree->run, a, b); /* null, types, addresses and the like: the table's. */
}

#endif
