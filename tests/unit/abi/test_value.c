/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "abi/value.h"

#include <string.h>

static void test_look_ups(void **state)
{
    (void)state;
    const struct nsh_member members[] = {{"power", nsh_text("on")},
                                         {"watts", nsh_int(120)},
                                         {"locked", nsh_bool(true)},
                                         {"none", nsh_text(NULL)}};
    const struct nsh_value map = nsh_map(members, ROWS(members)), number = nsh_int(1);
    assert_string_equal(nsh_get_text(&map, "power", "?"), "on");
    assert_string_equal(nsh_get_text(&map, "watts", "?"), "?"); /* Another type. */
    assert_int_equal(nsh_get_int(&map, "watts", -1), 120);
    assert_int_equal(nsh_get_int(&map, "absent", -1), -1);
    assert_true(nsh_get_bool(&map, "locked", false));
    assert_int_equal(nsh_get(&map, "none")->type, NSH_NULL);
    assert_null(nsh_get(&number, "power"));
    assert_null(nsh_get(NULL, "power"));
}

static void test_equal(void **state)
{
    const struct nsh_value one[] = {nsh_int(1), nsh_text("x")}, two[] = {nsh_int(1), nsh_text("y")};
    const struct nsh_member ab[] = {{"a", nsh_int(1)}, {"b", nsh_null()}},
                            ba[] = {{"b", nsh_null()}, {"a", nsh_int(1)}};
    const struct nsh_member ac[] = {{"a", nsh_int(1)}, {"c", nsh_null()}};
    const struct {
        struct nsh_value a, b;
        bool equal;
        const char *why;
    } rows[] = {
        {nsh_null(), nsh_null(), true, "null"},
        {nsh_int(1), nsh_double(1.0), false, "an integer is no double"},
        {nsh_double(0.5), nsh_double(0.5), true, "doubles"},
        {nsh_bool(true), nsh_bool(false), false, "booleans"},
        {nsh_text("x"), nsh_text("xy"), false, "a prefix"},
        {nsh_text(""), nsh_text(""), true, "empty texts"},
        {nsh_list(one, 2), nsh_list(one, 2), true, "lists"},
        {nsh_list(one, 2), nsh_list(two, 2), false, "lists item by item"},
        {nsh_list(one, 1), nsh_list(one, 2), false, "lists of other lengths"},
        {nsh_map(ab, 2), nsh_map(ba, 2), true, "the order of members means nothing"},
        {nsh_map(ab, 2), nsh_map(ac, 2), false, "other names"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (nsh_equal(&rows[i].a, &rows[i].b) != rows[i].equal) {
            fail_msg("%s", rows[i].why);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look_ups),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
