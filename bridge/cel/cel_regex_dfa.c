/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The automaton for plain matching, built at the first text: a state is the set of instructions a
 * match may stand at. Patterns with word or line assertions, or with more than REGEX_STATES_MAX
 * states, do without.
 */

#include "cel/cel_regex.h"

#define DFA_PROGRAM_MAX 512
#define SET_WORDS (DFA_PROGRAM_MAX / 64)

struct set {
    uint64_t bits[SET_WORDS];
};

struct dfa {
    const struct cel_regex *regex;
    struct regex_automaton *automaton;
    uint32_t words; /* Of a set, as many as the program needs. */
    uint32_t count;
    struct set states[REGEX_STATES_MAX];
    struct set closures[DFA_PROGRAM_MAX]; /* Of an instruction, without assertions. */
    bool closed[DFA_PROGRAM_MAX];
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

static bool has_match(const struct set *set)
{
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
    return (uint8_t)((has_match(set) ? 1 : 0) | (has_match(&at_end) ? 2 : 0));
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

static void find_classes(const struct cel_regex *regex, struct regex_automaton *automaton)
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
        automaton->classes[byte] = (uint8_t) class;
    }
    automaton->classes_count = class + 1;
}

static bool same_set(const struct dfa *dfa, const struct set *a, const struct set *b)
{
    uint64_t difference = 0;
    for (uint32_t i = 0; i < dfa->words; i++) {
        difference |= a->bits[i] ^ b->bits[i];
    }
    return difference == 0;
}

/* The state of a set, new or known; -1: too many. */
static int state_of(struct dfa *dfa, const struct set *set, bool begin)
{
    static const struct set empty = {{0}};
    for (uint32_t i = begin ? dfa->count : 1; i < dfa->count; i++) {
        if (same_set(dfa, &dfa->states[i], set)) {
            return (int)i;
        }
    }
    if (dfa->count == REGEX_STATES_MAX) {
        return -1;
    }
    if (!begin && same_set(dfa, set, &empty)) {
        dfa->automaton->dead = (uint16_t)dfa->count;
    }
    dfa->states[dfa->count] = *set;
    dfa->automaton->accepts[dfa->count] = accepts_of(dfa->regex, set, begin);
    return (int)dfa->count++;
}

static void add_closure(struct dfa *dfa, uint32_t at, struct set *set)
{
    struct set *closure = &dfa->closures[at];
    if (!dfa->closed[at]) {
        *closure = (struct set){{0}};
        close_over(dfa->regex, closure, at, 0);
        dfa->closed[at] = true;
    }
    for (uint32_t i = 0; i < dfa->words; i++) {
        set->bits[i] |= closure->bits[i];
    }
}

static void step(struct dfa *dfa, const struct set *from, uint8_t byte, struct set *set)
{
    for (uint32_t word = 0; word < dfa->words; word++) {
        for (uint64_t left = from->bits[word]; left != 0; left &= left - 1) {
            const struct regex_inst *inst =
                &dfa->regex->program[word * 64 + (uint32_t)__builtin_ctzll(left)];
            if (inst->op == REGEX_OP_RANGE && byte >= inst->low && byte <= inst->high) {
                add_closure(dfa, inst->a, set);
            }
        }
    }
}

/* Where a state leads to by each class; the first byte of a class stands for all. */
static bool build_row(struct dfa *dfa, uint32_t state, const struct set *restart)
{
    const struct regex_automaton *automaton = dfa->automaton;
    uint16_t *row = automaton->next + (size_t)state * automaton->classes_count;
    for (uint32_t byte = 0, class = 0; byte < 256; byte++) {
        if (automaton->classes[byte] != class) {
            continue;
        }
        int next = (int)state; /* Matched already. */
        if ((automaton->accepts[state] & 1) == 0) {
            struct set set = *restart;
            step(dfa, &dfa->states[state], (uint8_t)byte, &set);
            next = state_of(dfa, &set, false);
        }
        if (next < 0) {
            return false;
        }
        row[class ++] = (uint16_t)next;
    }
    return true;
}

/* Only state 0 stands at the beginning; it is never come back to. */
static bool build(struct dfa *dfa)
{
    const struct cel_regex *regex = dfa->regex;
    struct set first = {{0}}, restart = {{0}};
    close_over(regex, &first, regex->start, ASSERT_BEGIN_TEXT);
    close_over(regex, &restart, regex->start, 0);
    state_of(dfa, &first, true);
    bool fits = true;
    for (uint32_t state = 0; fits && state < dfa->count; state++) {
        fits = build_row(dfa, state, &restart);
    }
    return fits;
}

void regex_reserve_automaton(struct arena *arena, struct cel_regex *regex)
{
    struct regex_automaton *automaton = NULL;
    if (is_simple(regex)) {
        automaton = arena_alloc(arena, sizeof *automaton);
    }
    if (automaton == NULL) {
        return;
    }
    *automaton = (struct regex_automaton){.dead = UINT16_MAX};
    find_classes(regex, automaton);
    size_t cells = (size_t)REGEX_STATES_MAX * automaton->classes_count;
    automaton->next = arena_alloc(arena, cells * sizeof *automaton->next);
    automaton->accepts = arena_alloc(arena, REGEX_STATES_MAX);
    if (automaton->next != NULL && automaton->accepts != NULL) {
        regex->automaton = automaton;
    }
}

const struct regex_automaton *regex_automaton_of(const struct cel_regex *regex)
{
    struct regex_automaton *automaton = regex->automaton;
    if (automaton == NULL || automaton->tried) {
        return automaton != NULL && automaton->built ? automaton : NULL;
    }
    struct arena scratch = ARENA_INIT;
    struct dfa *dfa = arena_alloc(&scratch, sizeof *dfa);
    if (dfa != NULL) {
        dfa->regex = regex;
        dfa->automaton = automaton;
        dfa->words = (regex->program_count + 63) / 64;
        automaton->tried = true;
        automaton->built = build(dfa);
    }
    arena_done(&scratch);
    return automaton->built ? automaton : NULL;
}
