/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_REGEX_H
#define CEL_REGEX_H

/*
 * Regular expressions in RE2 syntax, in time linear to the text: pattern -> tree -> program over
 * bytes of UTF-8 -> (when small) a deterministic automaton for plain matching. Nothing ever
 * backtracks.
 */

#include "cel/cel_private.h"

#define REGEX_DEPTH_MAX 64
#define REGEX_REPEAT_MAX 1000
#define REGEX_PROGRAM_MAX 4000 /* Instructions. */
#define REGEX_RANGES_MAX 2400  /* Of one character class; letters of all scripts have 1,900. */
#define REGEX_CODE_POINT_MAX 0x10ffff
#define REGEX_STATES_MAX 160 /* Of the automaton; more: it is left out. */

enum regex_node_kind {
    REGEX_EMPTY,
    REGEX_CLASS,
    REGEX_CONCAT,
    REGEX_ALTERNATE,
    REGEX_REPEAT,
    REGEX_GROUP,
    REGEX_ASSERT,
};

enum {
    ASSERT_BEGIN_TEXT = 1,
    ASSERT_END_TEXT = 2,
    ASSERT_BEGIN_LINE = 4,
    ASSERT_END_LINE = 8,
    ASSERT_WORD = 16,
    ASSERT_NOT_WORD = 32
};

struct regex_range {
    uint32_t low, high;
};

struct regex_ranges {
    struct regex_range at[REGEX_RANGES_MAX];
    uint32_t count;
    bool full; /* More than REGEX_RANGES_MAX were added. */
};

struct regex_node {
    enum regex_node_kind kind;
    const struct regex_node *a, *b; /* Concat and alternate: a then b. */
    const struct regex_range *ranges;
    uint32_t ranges_count;
    uint32_t min, max; /* Repeat; max UINT32_MAX: no end. */
    bool lazy;
    uint32_t group; /* From 1. */
    uint8_t asserts;
};

enum regex_op { REGEX_OP_RANGE, REGEX_OP_SPLIT, REGEX_OP_SAVE, REGEX_OP_ASSERT, REGEX_OP_MATCH };

struct regex_inst {
    uint8_t op, low, high, asserts;
    uint32_t a, b; /* Next; split: a is preferred. */
};

/* Built when the first text comes, into room that was reserved with the pattern: most conditions
 * are loaded long before they are needed. The only thing that changes in a program; one thread at a
 * time. */
struct regex_automaton {
    bool tried, built; /* Tried, but not built: more than REGEX_STATES_MAX states. */
    uint16_t dead;     /* The state nothing leads out of; UINT16_MAX: there is none. */
    uint32_t classes_count;
    uint8_t classes[256];
    uint16_t *next;   /* state * classes + class */
    uint8_t *accepts; /* Per state: 1 here, 2 at the end of the text. */
};

struct cel_regex {
    struct regex_inst *program;
    uint32_t program_count, start;
    uint32_t groups;                   /* Without the whole match. */
    bool anchored;                     /* Begins with the start of the text. */
    struct regex_automaton *automaton; /* NULL: the pattern does without. */
};

void regex_add_range(struct regex_ranges *ranges, uint32_t low, uint32_t high);
void regex_sort_ranges(struct regex_ranges *ranges);
void regex_negate_ranges(struct regex_ranges *ranges);
/* Add every other case of what is in ranges (Unicode's simple foldings). */
void regex_fold_ranges(struct regex_ranges *ranges);
/* Add a category (L, Lu), a script (Greek) or Any; false: there is none of that name. */
bool regex_add_unicode(struct regex_ranges *ranges, struct text name);

const struct regex_node *regex_parse(struct arena *arena, struct text pattern, uint32_t *ret_groups,
                                     const char **ret_problem);
/* Reserve the automaton's room, if the pattern can have one. */
void regex_reserve_automaton(struct arena *arena, struct cel_regex *regex);
/* The automaton, built if it was not; NULL: there is none. */
const struct regex_automaton *regex_automaton_of(const struct cel_regex *regex);

#endif
