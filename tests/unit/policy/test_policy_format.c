/* SPDX-License-Identifier: Apache-2.0 */
/* The form of policies: rows that say why; and whatever is formatted is formatted for good. */

#include "../unit.h"

#include "policy/policy.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *text, *wanted, *why;
} rows[] = {
    {"", "", "nothing stays nothing"},
    {"\n\n \t\n", "", "so do blanks"},
    {"a=1;", "a = 1;\n", "blanks around =, an end of line"},
    {"a   = 1;\nbcde= 2;\n", "a   = 1;\nbcde = 2;\n", "what is lined up stays so"},
    {"a = 1 ;b = 2;", "a = 1; b = 2;\n", "none before ;, one behind"},
    {"a = 1;\n\n\n\nb = 2;   \n\n", "a = 1;\n\nb = 2;\n",
     "one empty line at most, none at the end"},
    {"\r\na = 1;\r\n", "a = 1;\n", "lines end as they do here"},
    {"g = {a=1;};", "g = { a = 1; };\n", "air inside brackets"},
    {"g = { };l=();", "g = {}; l = ();\n", "but not in empty ones"},
    {"e = [ \"a\",\"b\" ];", "e = [\"a\", \"b\"];\n", "arrays are tight"},
    {"g = {\na = 1;\n};", "g = {\n  a = 1;\n};\n", "two in, and out again"},
    {"g = { a = 1;\nb = 2; };", "g = { a = 1;\n      b = 2; };\n", "below the first one"},
    {"p: (\n{\na = 1;\n}\n);", "p: (\n{\n  a = 1;\n}\n);\n", "the file's list moves nothing in"},
    {"a = \"x\"\n\"y\";", "a = \"x\"\n    \"y\";\n", "joined texts stand below each other"},
    {"a =\n1;", "a =\n    1;\n", "a value on a line of its own"},
    {"a = \"=,;{ #//\";", "a = \"=,;{ #//\";\n", "texts are not touched"},
    {"a = \"\\\"=\";b=1;", "a = \"\\\"=\"; b = 1;\n", "nor is what is escaped in them"},
    {"a = 1;# x ;= \nb=2;", "a = 1; # x ;=\nb = 2;\n", "comments: only blanks at their end go"},
    {"a = 1;      # x", "a = 1;      # x\n", "a comment that is lined up stays so"},
    {"// one\n/* two\n  three */ a=1;", "// one\n/* two\n  three */ a = 1;\n",
     "every kind of comment"},
    {"a = 1;b = 2//x;y", "a = 1; b = 2 //x;y\n", "a comment that touches a word"},
    {"g = { # why\na=1;\n};", "g = { # why\n  a = 1;\n};\n", "a comment is no first child"},
    {"  @include \"x\"\na=1;", "@include \"x\"\na = 1;\n", "what is included stands at the left"},
};

static void test_rows(void **state)
{
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        assert_true(policy_format(rows[i].text, &out));
        if (strcmp(out.at == NULL ? "" : out.at, rows[i].wanted) != 0) {
            print_error("%s: wanted\n%sgot\n%s\n", rows[i].why, rows[i].wanted, out.at);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void assert_once(const char *text)
{
    CLEANUP(textbuf_donep) struct textbuf one = {0};
    CLEANUP(textbuf_donep) struct textbuf two = {0};
    if (!policy_format(text, &one)) {
        return; /* Too deep. */
    }
    assert_true(policy_format(one.at == NULL ? "" : one.at, &two));
    assert_string_equal(one.at == NULL ? "" : one.at, two.at == NULL ? "" : two.at);
}

/* Texts without sense, of the bytes that matter here. */
static void test_for_good(void **state)
{
    (void)state;
    static const char bytes[] = "ab=:,;{}()[]\"\\ \t\n\n  #/*@1";
    uint32_t seed = 7;
    for (unsigned i = 0; i < 20000; i++) {
        char text[48];
        size_t count = 0;
        do {
            seed = seed * 1664525u + 1013904223u;
            text[count++] = bytes[(seed >> 16) % (sizeof bytes - 1)];
        } while (count < sizeof text - 1 && (seed >> 8) % 40 != 0);
        text[count] = 0;
        assert_once(text);
    }
}

static void test_too_deep(void **state)
{
    (void)state;
    char text[200];
    memset(text, '{', sizeof text - 1);
    text[sizeof text - 1] = 0;
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    assert_false(policy_format(text, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_for_good),
        cmocka_unit_test(test_too_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
