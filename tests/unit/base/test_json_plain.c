/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fast way to read JSON is never of another opinion than the careful one: texts made by
 * chance, whole and damaged, are read both ways.
 */

#include "../unit.h"

#include "base/json.h"
#include "base/json_plain.h"

#include <stdio.h>

#define ROUNDS 200000

static uint64_t state = 11;

static unsigned chance(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

static void make(struct textbuf *out, unsigned depth)
{
    static const char *const plain[] = {
        "1",
        "0",
        "-1",
        "00",
        "-0",
        "123456789012345678",
        "1234567890123456789",
        "1.5",
        "true",
        "false",
        "null",
        "nul",
        "\"\"",
        "\"x\"",
        "\"a b\"",
        "\"\\n\"",
        "\"\xc3\xa9\"",
        "1e3",
        "tru",
        "-",
        "\"\x01\"",
        "\"\x7f\"",
        "'x'",
    };
    unsigned kind = depth == 0 ? 0 : chance(4), count = chance(4);
    if (kind < 2) {
        textbuf_add_chars(out, plain[chance(chance(3) > 0 ? 3 : 23)]);
        return;
    }
    textbuf_add_chars(out, kind == 2 ? "{" : "[");
    for (unsigned i = 0; i < count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : chance(40) > 0 ? "," : " ,\n");
        if (kind == 2) {
            textbuf_addf(out, "\"%c\":%s", (char)('a' + chance(6)), chance(9) > 0 ? "" : " ");
        }
        make(out, depth - 1);
    }
    textbuf_add_chars(out, chance(60) > 0 ? "" : ",");
    textbuf_add_chars(out, chance(80) == 0 ? "" : kind == 2 ? "}" : "]");
}

static void test_same(void **unused)
{
    (void)unused;
    unsigned taken = 0, good = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        struct nsh_value fast, careful;
        make(&text, 4);
        if (chance(20) == 0) { /* Damaged. */
            text.at[chance((unsigned)text.count)] = "{}[],:\"0 x\\"[chance(11)];
        }
        int result = json_parse_careful(text.at, text.count, &arena, &careful, NULL);
        bool plain = json_plain(text.at, text.count, &arena, &fast);
        if (plain && (result < 0 || !nsh_equal(&fast, &careful))) {
            fail_msg("read otherwise: %s", text.at);
        }
        taken += plain;
        good += result == 0;
    }
    assert_true(good > ROUNDS / 3);
    assert_true(taken > good / 2); /* Else it is of no use. */
}

static void test_rows(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        bool plain;
    } rows[] = {
        {"{\"a\":[1,{\"b\":null}],\"c\":\"x\"} \r\n", true},
        {"{\"a\":1,\"a\":2}", false}, /* The last wins: the careful way knows. */
        {"[999999999999999999]", true},
        {"[9999999999999999999]", false},
        {"[-999999999999999999,-1]", true},
        {"{\"a\":1}{", false},
        {"", false},
        {"[1 2]", false},
        {"{\"a\" 1}", false},
        {"[[[[[[[1]]]]]]]", false}, /* Deep. */
        {"[\"\\u0041\"]", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct nsh_value value;
        if (json_plain(rows[i].text, strlen(rows[i].text), &arena, &value) != rows[i].plain) {
            fail_msg("%s", rows[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
