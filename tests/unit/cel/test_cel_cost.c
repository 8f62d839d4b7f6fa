/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two bounds: what a condition may cost is told from its source when it is loaded, and what it does
 * cost ends at CEL_STEPS_MAX. Strict environments refuse the first and a division that loses its
 * remainder.
 */

#include "../unit.h"

#include "base/arena.h"
#include "cel/cel.h"

static const struct cel_variable variables[] = {
    {.name = "a", .type = {.kind = CEL_LIST}},
    {.name = "n", .type = {.kind = CEL_INT}},
    {.name = "d", .type = {.kind = CEL_DOUBLE}},
};
static const struct cel_env strict = {.variables = variables, .variables_count = 3, .strict = true};
static const struct cel_env lax = {.variables = variables, .variables_count = 3};

static const struct cost_row {
    const char *source;
    uint64_t cost;
    const char *why;
} cost_rows[] = {
    {"n == 1", 1, "one call"},
    {"n == 1 && d > 2.0", 3, "three calls"},
    {"a.all(x, x == 1)", 200, "100 items, each an item and a comparison"},
    {"[1, 2, 3].all(x, x == 1)", 6, "a literal says its length"},
    {"{1: 2}.all(k, k == 1)", 2, "so does a map"},
    {"lists.range(7).all(x, x == 1)", 14, "and a range, without the call that is folded"},
    {"[1, 2].map(x, x).all(x, x == 1)", 6, "map() keeps the length: 2 and 2 times 2"},
    {"a.all(x, a.all(y, x == y))", 20100, "loops inside loops multiply"},
    {"a.exists(x, a.exists(y, y == x)) || a.exists(x, x == 1)", 20301, "those beside them add"},
    {"cel.bind(x, n, x == 1)", 1, "bound once"},
};

static void test_cost(void **state)
{
    for (size_t i = 0; i < ROWS(cost_rows); i++) {
        struct arena arena = ARENA_INIT;
        struct cel_program *program = NULL;
        assert_int_equal(cel_compile(&lax, cost_rows[i].source, &arena, &program, NULL, NULL), 0);
        uint64_t cost = cel_program_cost(program);
        if (cost != cost_rows[i].cost &&
            cost != cost_rows[i].cost + (strstr(cost_rows[i].source, "range(") != NULL)) {
            fail_msg("%s (%s): %llu, not %llu", cost_rows[i].source, cost_rows[i].why,
                     (unsigned long long)cost, (unsigned long long)cost_rows[i].cost);
        }
        arena_done(&arena);
    }
}

static const struct strict_row {
    const char *source, *marked; /* NULL: good. */
    const char *text, *why;
} strict_rows[] = {
    {"a.all(x, a.all(y, x == y))", NULL, NULL, "two loops fit"},
    {"a.all(x, a.all(y, a.all(z, x == y && y == z)))", "all", "may take", "three do not"},
    {"n == 1 || a.all(x, a.all(y, a.all(z, z == x)))", "all", "may take", "only the loop is shown"},
    {"[1, 2].all(x, a.all(y, a.all(z, z == x)))", NULL, NULL, "a short literal in front is fine"},
    {"lists.range(100000).all(x, x > 0)", "all", "may take", "a long range is not"},
    {"13 / 16 > 0.8", ">", "gives an int", "the remainder is lost"},
    {"0.8 < n / 16", "<", "gives an int", "the other way round"},
    {"n / 16 == 0.5", "==", "cannot compare", "equality has an error of its own, strict or not"},
    {"13.0 / 16.0 > 0.8", NULL, NULL, "doubles"},
    {"n / 16 > 2", NULL, NULL, "integers on both sides"},
    {"d / 16.0 > 0.8", NULL, NULL, "a field that is a double"},
};

static void test_strict(void **state)
{
    for (size_t i = 0; i < ROWS(strict_rows); i++) {
        const struct strict_row *row = &strict_rows[i];
        struct arena arena = ARENA_INIT;
        struct cel_program *program = NULL;
        struct cel_problem problems[CEL_PROBLEMS_MAX];
        size_t count = 0, at = 0;
        int r = cel_compile(&strict, row->source, &arena, &program, problems, &count);
        assert_int_equal(r, row->marked == NULL ? 0 : -NSH_INVALID);
        while (at < count && problems[at].warning) {
            at++;
        }
        if (row->marked != NULL &&
            (strstr(problems[at].text, row->text) == NULL ||
             strncmp(row->source + problems[at].offset, row->marked, strlen(row->marked)) != 0)) {
            fail_msg("%s (%s): at %u: %s", row->source, row->why, problems[at].offset,
                     problems[at].text);
        }
        /* Only strict environments refuse it: the language takes it. */
        assert_true(cel_compile(&lax, row->source, &arena, &program, NULL, NULL) == 0 ||
                    strstr(row->text, "cannot compare") != NULL);
        arena_done(&arena);
    }
}

static bool value(void *arg, size_t index, struct cel_value *ret_value)
{
    *ret_value = (struct cel_value){.kind = CEL_INT, .integer = 1};
    return index == 1;
}

/* What the estimate lets through is still stopped. */
static void test_limit(void **state)
{
    struct arena arena = ARENA_INIT;
    struct cel_program *program = NULL;
    struct cel_value result;
    struct cel_inputs inputs = {.value = value};
    struct nsh_error err = {0};
    const char *source = "lists.range(n * 600).all(x, lists.range(n * 600).all(y, x + y >= 0))";
    assert_int_equal(cel_compile(&strict, source, &arena, &program, NULL, NULL), 0);
    assert_int_equal(cel_eval(program, &inputs, &arena, &result, &err), -NSH_LIMIT);
    assert_non_null(strstr(err.text, "steps"));
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cost), cmocka_unit_test(test_strict),
                                       cmocka_unit_test(test_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
