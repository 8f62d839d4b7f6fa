/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_CEL_PARTS_H
#define CEL_CEL_PARTS_H

/*
 * What an index of conditions can be made of: those parts of a top-level conjunction that compare a
 * path with constants. Where the value at the path is there, has the constants' kind and is none of
 * them (or is less), the whole condition is false, whatever else it says: && absorbs errors.
 */

#include "cel/cel.h"

#define CEL_PATH_MAX 6
#define CEL_PART_VALUES_MAX 64 /* Of x in [...]; longer lists are left out. */

enum cel_part_relation {
    CEL_PART_EQUALS,   /* path == value, path in [values] */
    CEL_PART_AT_LEAST, /* path >= value */
};

struct cel_part {
    enum cel_part_relation relation;
    const char *path[CEL_PATH_MAX]; /* A variable, then fields: event.data['slot']. */
    uint32_t path_count;
    /* Constants of one kind: CEL_STRING, CEL_INT or CEL_BOOL; texts as long as the program. */
    struct cel_value values[CEL_PART_VALUES_MAX];
    uint32_t values_count;
    const char *word; /* Instead of values: the variable it is compared with. */
    uint64_t operand; /* Its bit for cel_eval_rest(); 0: it stands deeper, or too far behind. */
};

struct cel_parts {
    struct cel_part *items;
    size_t count, max;
    bool complete; /* The condition says nothing else: where all of them hold, it is true. */
};

/*
 * The parts of program in their order, at most parts->max of them. It ends before the first part
 * whose evaluation could use up the step budget: what stands after it decides nothing for certain.
 */
void cel_program_parts(const struct cel_program *program, struct cel_parts *parts);

/* cel_eval() of a conjunction some of whose operands are known to be true: those are left out. */
int cel_eval_rest(const struct cel_program *program, uint64_t known,
                  const struct cel_inputs *inputs, struct arena *arena, struct cel_value *ret_value,
                  struct nsh_error *err);

#endif
