/* SPDX-License-Identifier: Apache-2.0 */
/* Trees -> programs over bytes. Compiled from the end to the start: every piece knows what follows
 * it. */

#include "cel/cel_regex.h"

#define SHARED_MAX 1024 /* Byte ranges that may be shared: a power of two. */

struct compiler {
    struct arena *arena;
    struct regex_inst *program;
    uint32_t count;
    bool full;
    uint32_t shared[SHARED_MAX]; /* Instructions by what they are; 0: none yet. */
};

static uint32_t emit(struct compiler *compiler, struct regex_inst inst)
{
    if (compiler->count == REGEX_PROGRAM_MAX) {
        compiler->full = true;
        return 0;
    }
    compiler->program[compiler->count] = inst;
    return compiler->count++;
}

static uint32_t emit_split(struct compiler *compiler, uint32_t a, uint32_t b, bool lazy)
{
    return emit(compiler,
                (struct regex_inst){.op = REGEX_OP_SPLIT, .a = lazy ? b : a, .b = lazy ? a : b});
}

/* Large classes end in the same few ranges of bytes over and over: those are kept once. */
static uint32_t emit_range(struct compiler *compiler, uint8_t low, uint8_t high, uint32_t next)
{
    uint32_t key = (low * 31u + high) * 257u + next * 7919u;
    uint32_t *shared = &compiler->shared[key & (SHARED_MAX - 1)];
    const struct regex_inst *known = &compiler->program[*shared];
    if (*shared != 0 && known->low == low && known->high == high && known->a == next) {
        return *shared;
    }
    struct regex_inst inst = {.op = REGEX_OP_RANGE, .low = low, .high = high, .a = next};
    return *shared = emit(compiler, inst);
}

/* --- code points to bytes ------------------------------------------------------------------ */

/* The alternatives of a class so far; 0 stands for none yet (instruction 0 is the match). */
static void add_choice(struct compiler *compiler, uint32_t *choices, uint32_t choice)
{
    *choices = *choices == 0 ? choice : emit_split(compiler, choice, *choices, false);
}

static void add_bytes(struct compiler *compiler, uint32_t *choices, const char low[4],
                      const char high[4], uint32_t length, uint32_t next)
{
    for (uint32_t i = length; i > 0; i--) {
        next = emit_range(compiler, (uint8_t)low[i - 1], (uint8_t)high[i - 1], next);
    }
    add_choice(compiler, choices, next);
}

/* Split [low, high] until each part is one sequence of byte ranges. */
static void add_code_points(struct compiler *compiler, uint32_t *choices, uint32_t low,
                            uint32_t high, uint32_t next)
{
    static const uint32_t ends[] = {0x7f, 0x7ff, 0xffff};
    if (low > high || compiler->full) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        if (low <= ends[i] && high > ends[i]) {
            add_code_points(compiler, choices, low, ends[i], next);
            add_code_points(compiler, choices, ends[i] + 1, high, next);
            return;
        }
    }
    char from[4], to[4];
    uint32_t length = cel_encode(low, from);
    for (uint32_t i = 1; i < length; i++) {
        uint32_t mask = (1u << (6 * i)) - 1;
        if ((low & ~mask) == (high & ~mask)) {
            continue;
        }
        if ((low & mask) != 0) {
            add_code_points(compiler, choices, low, low | mask, next);
            add_code_points(compiler, choices, (low | mask) + 1, high, next);
            return;
        }
        if ((high & mask) != mask) {
            add_code_points(compiler, choices, low, (high & ~mask) - 1, next);
            add_code_points(compiler, choices, high & ~mask, high, next);
            return;
        }
    }
    cel_encode(high, to);
    add_bytes(compiler, choices, from, to, length, next);
}

static uint32_t compile_class(struct compiler *compiler, const struct regex_node *node,
                              uint32_t next)
{
    uint32_t choices = 0;
    for (uint32_t i = node->ranges_count; i > 0; i--) {
        const struct regex_range *range = &node->ranges[i - 1];
        add_code_points(compiler, &choices, range->low, range->high, next);
    }
    /* A class of nothing: a byte range that no byte is in. */
    return choices != 0
               ? choices
               : emit(compiler,
                      (struct regex_inst){.op = REGEX_OP_RANGE, .low = 1, .high = 0, .a = next});
}

/* --- pieces -------------------------------------------------------------------------------- */

static uint32_t compile(struct compiler *compiler, const struct regex_node *node, uint32_t next);

static uint32_t compile_repeat(struct compiler *compiler, const struct regex_node *node,
                               uint32_t next)
{
    uint32_t at = next;
    if (node->max == UINT32_MAX) {
        at = emit_split(compiler, 0, next, node->lazy);
        uint32_t body = compile(compiler, node->a, at);
        if (node->lazy) {
            compiler->program[at].b = body;
        } else {
            compiler->program[at].a = body;
        }
    } else {
        for (uint32_t i = node->min; i < node->max && !compiler->full; i++) {
            at = emit_split(compiler, compile(compiler, node->a, at), next, node->lazy);
        }
    }
    for (uint32_t i = 0; i < node->min && !compiler->full; i++) {
        at = compile(compiler, node->a, at);
    }
    return at;
}

static uint32_t compile_group(struct compiler *compiler, const struct regex_node *node,
                              uint32_t next)
{
    uint8_t slot = (uint8_t)(node->group * 2);
    next = emit(compiler,
                (struct regex_inst){.op = REGEX_OP_SAVE, .low = (uint8_t)(slot + 1), .a = next});
    next = compile(compiler, node->a, next);
    return emit(compiler, (struct regex_inst){.op = REGEX_OP_SAVE, .low = slot, .a = next});
}

static uint32_t compile(struct compiler *compiler, const struct regex_node *node, uint32_t next)
{
    /* Concatenations and alternatives lean to the left; their left sides are a loop, not a
     * recursion. */
    while (node->kind == REGEX_CONCAT && !compiler->full) {
        next = compile(compiler, node->b, next);
        node = node->a;
    }
    if (node->kind == REGEX_ALTERNATE) {
        uint32_t choices = compile(compiler, node->b, next);
        const struct regex_node *left = node->a;
        for (; left->kind == REGEX_ALTERNATE && !compiler->full; left = left->a) {
            choices = emit_split(compiler, compile(compiler, left->b, next), choices, false);
        }
        return emit_split(compiler, compile(compiler, left, next), choices, false);
    }
    switch (node->kind) {
    case REGEX_CLASS:
        return compile_class(compiler, node, next);
    case REGEX_REPEAT:
        return compile_repeat(compiler, node, next);
    case REGEX_GROUP:
        return compile_group(compiler, node, next);
    case REGEX_ASSERT:
        return emit(compiler, (struct regex_inst){
                                  .op = REGEX_OP_ASSERT, .asserts = node->asserts, .a = next});
    case REGEX_EMPTY:
    case REGEX_CONCAT:
    case REGEX_ALTERNATE:
        break;
    }
    return next;
}

static bool starts_anchored(const struct regex_node *node)
{
    while (node->kind == REGEX_CONCAT || node->kind == REGEX_GROUP) {
        node = node->a;
    }
    return node->kind == REGEX_ASSERT && node->asserts == ASSERT_BEGIN_TEXT;
}

const struct cel_regex *cel_regex_compile(struct arena *arena, struct text pattern,
                                          const char **ret_problem)
{
    struct regex_inst program[REGEX_PROGRAM_MAX];
    struct compiler compiler = {.arena = arena, .program = program};
    struct cel_regex *regex = arena_alloc(arena, sizeof *regex);
    *ret_problem = "out of memory";
    if (regex == NULL) {
        return NULL;
    }
    const struct regex_node *node = regex_parse(arena, pattern, &regex->groups, ret_problem);
    if (node == NULL) {
        return NULL;
    }
    uint32_t match = emit(&compiler, (struct regex_inst){.op = REGEX_OP_MATCH});
    regex->start = compile(&compiler, node, match);
    if (compiler.full) {
        *ret_problem = "it is too large";
        return NULL;
    }
    regex->anchored = starts_anchored(node);
    regex->program_count = compiler.count;
    regex->program = arena_array(arena, compiler.count, sizeof *program);
    *ret_problem = "out of memory";
    if (regex->program == NULL) {
        return NULL;
    }
    memcpy(regex->program, program, compiler.count * sizeof *program);
    regex_reserve_automaton(arena, regex);
    return regex;
}

uint32_t cel_regex_groups(const struct cel_regex *regex)
{
    return regex->groups;
}
