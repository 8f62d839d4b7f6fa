/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The automaton for plain matching, built once: a state is the set of instructions a match may
 * stand at. Patterns with word or line assertions, or with more than REGEX_STATES_MAX states, do
 * without.
 */

#include "cel/cel_regex.h"

#define DFA_PROGRAM_MAX 512
#define SET_WORDS (DFA_PROGRAM_MAX / 64)

struct set {
    uint64_t bits[SET_WORDS];
};

struct dfa {
    const struct cel_regex *regex;
    struct set states[REGEX_STATES_MAX];
    uint16_t next[REGEX_STATES_MAX][256];
    uint8_t accepts[REGEX_STATES_MAX];
    uint32_t count;
};

static bool set_has(const struct set *set, uint32_t at)
{
    return (set->bits[at / 64] >> (at % 64) & 1) != 0;
}

/* Add what can be reached from at without a byte. asserts: those that hold here. */
static void close_over(const struct cel_regex *regex, struct set *set, uint32_t at,
                       unsigned asserts)
{
    uint32_t stack[2 * DFA_PROGRAM_MAX], count = 0;
    stack[count++] = at;
    while (count > 0) {
        at = stack[--count];
        if (set_has(set, at)) {
            continue;
        }
        set->bits[at / 64] |= 1ull << (at % 64);
        const struct regex_inst *inst = &regex->program[at];
        if (inst->op == REGEX_OP_SPLIT) {
            stack[count++] = inst->b;
            stack[count++] = inst->a;
        } else if (inst->op == REGEX_OP_SAVE ||
                   (inst->op == REGEX_OP_ASSERT && (inst->asserts & ~asserts) == 0)) {
            stack[count++] = inst->a;
        }
    }
}

static bool has_match(const struct cel_regex *regex, const struct set *set)
{
    (void)regex;
    return set_has(set, 0); /* Instruction 0 is the match. */
}

/* What a state accepts: at once, and when the text ends in it. */
static uint8_t accepts_of(const struct cel_regex *regex, const struct set *set, bool begin)
{
    struct set at_end = {{0}};
    unsigned asserts = ASSERT_END_TEXT | (begin ? (unsigned)ASSERT_BEGIN_TEXT : 0);
    for (uint32_t i = 0; i < regex->program_count; i++) {
        if (set_has(set, i)) {
            close_over(regex, &at_end, i, asserts);
        }
    }
    return (uint8_t)((has_match(regex, set) ? 1 : 0) | (has_match(regex, &at_end) ? 2 : 0));
}

static bool is_simple(const struct cel_regex *regex)
{
    for (uint32_t i = 0; i < regex->program_count; i++) {
        const struct regex_inst *inst = &regex->program[i];
        if (inst->op == REGEX_OP_ASSERT && inst->asserts != ASSERT_BEGIN_TEXT &&
            inst->asserts != ASSERT_END_TEXT) {
            return false;
        }
    }
    return regex->program_count <= DFA_PROGRAM_MAX;
}

static void find_classes(struct cel_regex *regex)
{
    bool starts[257] = {true};
    for (uint32_t i = 0; i < regex->program_count; i++) {
        const struct regex_inst *inst = &regex->program[i];
        if (inst->op == REGEX_OP_RANGE && inst->low <= inst->high) {
            starts[inst->low] = true;
            starts[inst->high + 1] = true;
        }
    }
    uint32_t class = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        class += byte > 0 && starts[byte];
        regex->classes[byte] = (uint8_t) class;
    }
    regex->classes_count = class + 1;
}

/* The state of a set, new or known; -1: too many. */
static int state_of(struct dfa *dfa, const struct set *set, bool begin)
{
    for (uint32_t i = begin ? dfa->count : 1; i < dfa->count; i++) {
        if (memcmp(&dfa->states[i], set, sizeof *set) == 0) {
            return (int)i;
        }
    }
    if (dfa->count == REGEX_STATES_MAX) {
        return -1;
    }
    dfa->states[dfa->count] = *set;
    dfa->accepts[dfa->count] = accepts_of(dfa->regex, set, begin);
    return (int)dfa->count++;
}

static void step(const struct cel_regex *regex, const struct set *from, uint8_t byte,
                 const struct set *restart, struct set *ret_set)
{
    *ret_set = *restart;
    for (uint32_t i = 0; i < regex->program_count; i++) {
        const struct regex_inst *inst = &regex->program[i];
        if (inst->op == REGEX_OP_RANGE && byte >= inst->low && byte <= inst->high &&
            set_has(from, i)) {
            close_over(regex, ret_set, inst->a, 0);
        }
    }
}

/* Only state 0 stands at the beginning; it is never come back to. */
static bool build(struct dfa *dfa)
{
    const struct cel_regex *regex = dfa->regex;
    struct set set = {{0}}, restart = {{0}};
    close_over(regex, &set, regex->start, ASSERT_BEGIN_TEXT);
    close_over(regex, &restart, regex->start, 0);
    state_of(dfa, &set, true);
    for (uint32_t state = 0; state < dfa->count; state++) {
        for (uint32_t byte = 0, class = 0; byte < 256; byte++) {
            if (regex->classes[byte] != class) {
                continue; /* The first byte of each class stands for all. */
            }
            if ((dfa->accepts[state] & 1) != 0) {
                dfa->next[state][class ++] = (uint16_t)state; /* Matched already. */
                continue;
            }
            step(regex, &dfa->states[state], (uint8_t)byte, &restart, &set);
            int next = state_of(dfa, &set, false);
            if (next < 0) {
                return false;
            }
            dfa->next[state][class ++] = (uint16_t)next;
        }
    }
    return true;
}

void regex_build_automaton(struct arena *arena, struct cel_regex *regex)
{
    if (!is_simple(regex)) {
        return;
    }
    find_classes(regex);
    struct arena scratch = ARENA_INIT;
    struct dfa *dfa = arena_alloc(&scratch, sizeof *dfa);
    if (dfa != NULL) {
        dfa->regex = regex;
        if (build(dfa)) {
            uint32_t classes = regex->classes_count;
            uint16_t *next = arena_array(arena, (size_t)dfa->count * classes, sizeof *next);
            uint8_t *accepts = (uint8_t *)arena_copy(arena, (const char *)dfa->accepts, dfa->count);
            static const struct set empty = {{0}};
            for (uint32_t i = 0; next != NULL && accepts != NULL && i < dfa->count; i++) {
                memcpy(next + (size_t)i * classes, dfa->next[i], classes * sizeof *next);
                if (i > 0 && memcmp(&dfa->states[i], &empty, sizeof empty) == 0) {
                    regex->dead = (uint16_t)i;
                }
            }
            regex->accepts = accepts;
            regex->next = accepts == NULL ? NULL : next;
        }
    }
    arena_done(&scratch);
}
