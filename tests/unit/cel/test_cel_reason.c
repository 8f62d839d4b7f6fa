/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reasoning about conditions: what it calls impossible is impossible. Thousands of conditions made
 * by chance are tried on every input there is; and of the plain ones it must find most.
 */

#include "../unit.h"

#include "cel/cel_parts.h"
#include "cel/cel_reason.h"

#include <stdio.h>

#define ROUNDS 20000

static const struct cel_variable variables[] = {
    {.name = "a", .type = {.kind = CEL_INT}},    {.name = "b", .type = {.kind = CEL_INT}},
    {.name = "s", .type = {.kind = CEL_STRING}}, {.name = "t", .type = {.kind = CEL_BOOL}},
    {.name = "two", .type = {.kind = CEL_INT}},
};
static const struct cel_env env = {
    .variables = variables, .variables_count = 5, .wanted = {.kind = CEL_BOOL}};

static const char *const words[] = {"x", "y", "z"};
static const char *const globs[] = {"x", "y*"};

/* a is 0..4 (known), b -1..5, s "x" or "y" (known), t anything, two is 2. */
static const struct cel_known known[] = {
    {.path = "a", .bounded = true, .min = 0, .max = 4},
    {.path = "two", .bounded = true, .min = 2, .max = 2},
    {.path = "s", .globs = globs, .globs_count = 2},
};

static uint64_t state = 7;

static unsigned chance(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

static void make_leaf(struct textbuf *out)
{
    static const char *const signs[] = {"<", "<=", ">", ">=", "==", "!="};
    switch (chance(7)) {
    case 0:
        textbuf_addf(out, "%u %s a", chance(6), signs[chance(6)]);
        break;
    case 1:
        textbuf_addf(out, "a %s two", signs[chance(6)]);
        break;
    case 2:
        textbuf_addf(out, "b %s %u", signs[chance(6)], chance(5));
        break;
    case 3:
        textbuf_addf(out, "s %s '%s'", signs[4 + chance(2)], words[chance(3)]);
        break;
    case 4:
        textbuf_addf(out, "s in ['%s', '%s']", words[chance(3)], words[chance(3)]);
        break;
    case 5:
        textbuf_addf(out, "a %s b", signs[chance(6)]);
        break;
    default:
        textbuf_add_chars(out, chance(5) > 0 ? "t" : "a in [two, 4]");
        break;
    }
}

static void make(struct textbuf *out, unsigned depth)
{
    unsigned kind = depth == 0 ? 0 : chance(6);
    if (kind < 2) {
        make_leaf(out);
        return;
    }
    textbuf_add_chars(out, kind == 5 ? "!(" : "(");
    make(out, depth - 1);
    if (kind < 5) {
        textbuf_add_chars(out, kind == 2 ? " || " : " && ");
        make(out, depth - 1);
    }
    textbuf_add_chars(out, ")");
}

static const struct nsh_value *variable(void *arg, size_t index)
{
    return &((const struct nsh_value *)arg)[index];
}

static bool holds(const struct cel_program *program, struct nsh_value values[5],
                  struct arena *arena)
{
    struct cel_inputs inputs = {.variable = variable, .arg = values};
    struct cel_value value;
    assert_int_equal(cel_eval(program, &inputs, arena, &value, NULL), 0);
    return value.boolean;
}

/* How many of all inputs make it true. */
static unsigned tried(const struct cel_program *program, struct arena *arena)
{
    unsigned count = 0;
    for (int i = 0; i < 5 * 7 * 2 * 2; i++) {
        struct nsh_value values[] = {nsh_int(i % 5), nsh_int(i / 5 % 7 - 1),
                                     nsh_text(words[i / 35 % 2]), nsh_bool(i / 70 == 1),
                                     nsh_int(2)};
        count += holds(program, values, arena);
    }
    return count;
}

static struct cel_program *compile(const char *source, struct arena *arena)
{
    struct cel_program *program = NULL;
    assert_int_equal(cel_compile(&env, source, arena, &program, NULL, NULL), 0);
    return program;
}

static void test_sound(void **unused)
{
    (void)unused;
    unsigned never = 0, found = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        CLEANUP(textbuf_donep) struct textbuf source = {0};
        make(&source, 3);
        struct cel_program *program = compile(source.at, &arena);
        struct cel_claim claim = {program, round % 2 == 1};
        unsigned count = tried(program, &arena);
        bool possible = round % 2 == 1 ? count < 140 : count > 0;
        bool contradict = cel_contradict(&claim, 1, known, 3, &arena, NULL);
        if (contradict && possible) {
            fail_msg("%s%s is possible", claim.negated ? "not " : "", source.at);
        }
        never += !possible;
        found += contradict;
    }
    assert_true(never > ROUNDS / 50);
    assert_true(found > never * 8 / 10); /* Not found: what compares a with b. */
}

struct row {
    const char *source;
    bool negated;
    const char *part, *against, *known; /* NULL: possible, or nothing of that kind. */
};

static const struct row rows[] = {
    {"a > 3 && b == 1 && a < two", false, "a < two", "a > 3", NULL},
    {"b > 3 && b < 4", false, "b < 4", "b > 3", NULL}, /* Nothing between two integers. */
    {"a > 4", false, "a > 4", NULL, "a"},
    {"a >= 0", true, "!(a >= 0)", NULL, "a"},
    {"s == 'q'", false, "s == \"q\"", NULL, "s"},
    {"s == 'yes'", false, NULL, NULL, NULL}, /* A glob. */
    {"t && !t", false, "!t", "t", NULL},
    {"t == (a > 3) && a == 1", false, NULL, NULL, NULL}, /* Not followed. */
    {"1 + 1 == 3", false, "1 + 1 == 3", NULL, NULL},
    {"two > 3", false, "two > 3", NULL, NULL},
    {"a == 1 || a == 2", true, NULL, NULL, NULL},
    {"b > 9223372036854775806", false, NULL, NULL, NULL}, /* Beyond what doubles tell apart. */
    {"b == 1 && b != 1", false, "b != 1", "b == 1", NULL},
    {"s != 'x' && s == 'x'", false, "s == \"x\"", "s != \"x\"", NULL},
};

static void assert_text(const char *got, const char *wanted)
{
    if (wanted == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, wanted);
    }
}

static void test_reasons(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct cel_claim claim = {compile(rows[i].source, &arena), rows[i].negated};
        struct cel_conflict conflict = {0};
        bool contradict = cel_contradict(&claim, 1, known, 3, &arena, &conflict);
        if (contradict != (rows[i].part != NULL)) {
            fail_msg("%s: %d", rows[i].source, contradict);
        }
        assert_text(conflict.part, rows[i].part);
        assert_text(conflict.against, rows[i].against);
        assert_text(conflict.known == NULL ? NULL : conflict.known->path, rows[i].known);
    }
}

static void test_several_claims(void **unused)
{
    (void)unused;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct cel_program *narrow = compile("a > 2 && s == 'x'", &arena),
                       *wide = compile("a > 1 || t", &arena);
    /* Whatever meets the narrow one meets the wide one; not the other way round. */
    struct cel_claim implied[] = {{narrow, false}, {wide, true}},
                     reverse[] = {{wide, false}, {narrow, true}};
    assert_true(cel_contradict(implied, 2, known, 3, &arena, NULL));
    assert_false(cel_contradict(reverse, 2, known, 3, &arena, NULL));
}

/* What would take too long is taken for possible, soon. */
static void test_bound(void **unused)
{
    (void)unused;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf source = {0};
    for (int i = 0; i < 40; i++) {
        textbuf_addf(&source, "%s(a == %d || b == %d || s == 'x')", i == 0 ? "" : " && ", i % 5,
                     i % 3);
    }
    struct cel_claim claim = {compile(source.at, &arena), true};
    assert_false(cel_contradict(&claim, 1, known, 3, &arena, NULL));
}

static const struct nsh_value *input(void *arg, size_t index)
{
    return index == 0 ? arg : NULL;
}

/* Operands of a conjunction that are known to be true are not evaluated; the others are. */
static void test_rest(void **unused)
{
    (void)unused;
    static const struct cel_variable event = {.name = "e", .type = {.kind = CEL_DYN}};
    static const struct cel_env events = {
        .variables = &event, .variables_count = 1, .wanted = {.kind = CEL_BOOL}};
    static const struct {
        const char *source;
        uint64_t parts, known;
        int want;
        const char *why;
    } asked[] = {
        {"e.a == 1 && e.b > 2 && e.s == 'x'", 5, 0, 0, "all is asked: a is 3"},
        {"e.a == 1 && e.b > 2 && e.s == 'x'", 5, 1, 1, "a is said to be right: the rest is"},
        {"e.a == 1 && e.b > 9 && e.s == 'x'", 5, 5, 0, "what is not known counts"},
        {"e.a == 1 && (e.s == 'y' && e.b > 2)", 1, 1, 0, "what stands deeper has no bit"},
        {"e.a == 1 && 1 / (e.b - 4) > 1", 1, 1, -NSH_INVALID, "an error of the rest stays one"},
        {"e.a == 1 && e.b > 2", 1, 3, 1, "nothing is left to ask"},
        {"e.a == 1", 0, 1, 0, "no conjunction: everything is asked"},
    };
    struct nsh_member members[] = {{"a", nsh_int(3)}, {"b", nsh_int(4)}, {"s", nsh_text("x")}};
    struct nsh_value world = nsh_map(members, 3);
    struct cel_inputs inputs = {.variable = input, .arg = &world};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct cel_program *program = NULL;
        struct cel_part items[4];
        struct cel_parts parts = {.items = items, .max = 4};
        struct cel_value value = {0};
        uint64_t bits = 0;
        assert_int_equal(cel_compile(&events, asked[i].source, &arena, &program, NULL, NULL), 0);
        cel_program_parts(program, &parts);
        for (size_t p = 0; p < parts.count; p++) {
            bits |= items[p].operand;
        }
        int r = cel_eval_rest(program, asked[i].known, &inputs, &arena, &value, NULL);
        if (bits != asked[i].parts || (r < 0 ? r : value.boolean) != asked[i].want) {
            fail_msg("%s: parts %llx, gives %d: %s", asked[i].source, (unsigned long long)bits,
                     r < 0 ? r : value.boolean, asked[i].why);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),          cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_several_claims), cmocka_unit_test(test_bound),
        cmocka_unit_test(test_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
