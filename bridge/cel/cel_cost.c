/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program may cost, told from its source: loops inside loops multiply. Lists whose length
 * the source does not say count as CEL_COST_ITEMS; longer ones meet CEL_STEPS_MAX when they come.
 */

#include "cel/cel_private.h"

#define COST_MAX (UINT64_C(1) << 40) /* More is all the same. */

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a + b > COST_MAX ? COST_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) || product > COST_MAX ? COST_MAX : product;
}

/* How many items a range has at most. */
static uint64_t items_of(const struct cel_ast *range)
{
    static const char *const same[] = {"reverse", "sort", "distinct", "slice", "filter", "map"};
    if (range->kind == CEL_AST_LIST) {
        return range->count;
    }
    if (range->kind == CEL_AST_MAP) {
        return range->count / 2;
    }
    bool range_call = range->kind == CEL_AST_CALL && text_is(range->name, "range") &&
                      range->count == 2 && range->args[1]->kind == CEL_AST_LITERAL;
    bool qualified = range->kind == CEL_AST_CALL && text_is(range->name, "lists.range") &&
                     range->count == 1 && range->args[0]->kind == CEL_AST_LITERAL;
    if (range_call || qualified) {
        int64_t count = range->args[range->count - 1]->literal.integer;
        return count < 0 ? 0 : (uint64_t)count;
    }
    bool loop = range->kind == CEL_AST_LOOP && range->loop != CEL_LOOP_BIND;
    bool keeps = loop;
    for (size_t i = 0; i < sizeof same / sizeof *same && !keeps; i++) {
        keeps = range->kind == CEL_AST_CALL && range->member && text_is(range->name, same[i]);
    }
    return keeps && range->count > 0 ? items_of(range->args[0]) : CEL_COST_ITEMS;
}

static bool repeats(const struct cel_ast *ast)
{
    return ast->kind == CEL_AST_LOOP && ast->loop != CEL_LOOP_BIND &&
           ast->loop != CEL_LOOP_OPT_MAP && ast->loop != CEL_LOOP_OPT_FLAT_MAP;
}

uint64_t cel_ast_cost(const struct cel_ast *ast)
{
    uint64_t cost = ast->kind == CEL_AST_CALL, body = 1;
    bool loop = repeats(ast);
    for (uint32_t i = 0; i < ast->count; i++) {
        uint64_t *part = loop && i > 0 ? &body : &cost;
        *part = plus(*part, cel_ast_cost(ast->args[i]));
    }
    return loop ? plus(cost, times(items_of(ast->args[0]), body)) : cost;
}

/* The loop that costs the most at the least size: what a message points at. */
static const struct cel_ast *dearest(const struct cel_ast *ast)
{
    const struct cel_ast *best = ast;
    for (uint32_t i = 0; i < ast->count; i++) {
        if (cel_ast_cost(ast->args[i]) > CEL_STEPS_MAX) {
            best = dearest(ast->args[i]);
        }
    }
    return best;
}

void cel_check_cost(struct cel_problems *problems, const struct cel_ast *root)
{
    uint64_t cost = cel_ast_cost(root);
    if (cost <= CEL_STEPS_MAX) {
        return;
    }
    const struct cel_ast *at = dearest(root);
    cel_problem(problems, false, at->offset, at->length,
                "go over fewer lists inside one another; filter the outer one first",
                "this may take %llu%s steps for lists of %d items; %d are allowed",
                (unsigned long long)cost, cost == COST_MAX ? " or more" : "", CEL_COST_ITEMS,
                CEL_STEPS_MAX);
}

uint64_t cel_program_cost(const struct cel_program *program)
{
    return cel_ast_cost(program->ast);
}
