/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "abi/error.h"

#include <string.h>

static void test_fail_cleans(void **state)
{
    static const struct {
        const char *given, *kept, *why;
    } rows[] = {
        {"plain", "plain", "as it is"},
        {"two\nlines\r", "two lines ", "one line"},
        {"\x1b[31m\x7f", "?[31m?", "nothing a terminal would obey"},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80",
         "UTF-8 stays"},
        {"\xff|\xc0\xaf|\xed\xa0\x80|\xf5", "?|??|???|?", "bytes that are no UTF-8"},
        {"cut \xe2\x82", "cut ??", "a character cut off"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_error err = {0};
        assert_int_equal(nsh_fail(&err, NSH_BUSY, "%s", rows[i].given), -NSH_BUSY);
        assert_int_equal(err.code, NSH_BUSY);
        if (strcmp(err.text, rows[i].kept) != 0) {
            fail_msg("%s: got \"%s\"", rows[i].why, err.text);
        }
    }
    assert_int_equal(nsh_fail(NULL, NSH_IO, "nobody asks"), -NSH_IO);
}

static void test_bounds(void **state)
{
    (void)state;
    static char longer[4 * NSH_ERROR_TEXT_MAX];
    for (size_t i = 0; i + 2 < sizeof longer; i += 2) {
        longer[i] = (char)0xc3;
        longer[i + 1] = (char)0xbc;
    }
    struct nsh_error err = {0};
    nsh_fail(&err, NSH_INVALID, "x%s", longer);
    assert_true(strlen(err.text) < NSH_ERROR_TEXT_MAX);
    nsh_wrap(&err, "y%s", longer);
    assert_true(strlen(err.text) < NSH_ERROR_TEXT_MAX);
    struct nsh_place at = {.file = longer, .line = 1, .column = 2, .length = 3};
    nsh_fail_at(&err, at, "in a file with a long name");
    assert_true(strlen(err.file) < NSH_ERROR_FILE_MAX);
}

static void test_wrap_keeps_code_and_place(void **state)
{
    (void)state;
    struct nsh_error err = {0};
    struct nsh_place at = {.file = "a.conf", .line = 3, .column = 7, .length = 2};
    assert_int_equal(nsh_fail_at(&err, at, "want %d", 5), -NSH_INVALID);
    assert_int_equal(nsh_wrap(&err, "while loading %s", "x"), -NSH_INVALID);
    assert_string_equal(err.text, "while loading x: want 5");
    assert_string_equal(err.file, "a.conf");
    assert_int_equal(err.line, 3);
    /* The arguments may come out of the error itself. */
    nsh_fail(&err, NSH_FAILED, "again: %s", err.text);
    assert_string_equal(err.text, "again: while loading x: want 5");
    assert_int_equal(err.line, 0);
    assert_int_equal(nsh_wrap(NULL, "x"), -NSH_FAILED);
}

static void test_words(void **state)
{
    (void)state;
    for (int code = 0; code < NSH_CODES_COUNT; code++) {
        assert_int_equal(nsh_code_of(nsh_code_word(code)), code);
    }
    assert_string_equal(nsh_code_word(NSH_TIMEOUT), "timeout");
    assert_string_equal(nsh_code_word(-1), "unknown-code");
    assert_string_equal(nsh_code_word(NSH_CODES_COUNT), "unknown-code");
    assert_int_equal(nsh_code_of("no such word"), -1);
    assert_int_equal(nsh_code_of(NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_cleans),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_wrap_keeps_code_and_place),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
