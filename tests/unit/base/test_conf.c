/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/confscan.h"
#include "base/json.h"

static void test_syntax_errors(void **state)
{
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *says;
    } rows[] = {
        {"a = [1, 2,];", 1, 10, "must not end with a comma"},
        {"a = 4294967296;", 1, 5, "does not fit in 32 bits"},
        {"a = {\n  b = 1;\n", 1, 5, "not closed"},
        {"a = 1;\na = 2;", 2, 1, "set twice"},
        {"a 1;", 1, 3, "'=' must follow"},
        {"a = yes;", 1, 5, "stands in quotes"},
        {"a = \"open", 1, 5, "not closed"},
        {"a = 1;; b = 2;", 1, 7, "no setting stands before"},
        {"a = (1 2);", 1, 8, "between the items"},
        {"a = \"\xff\";", 1, 6, "UTF-8"},
        {"/* open", 1, 1, "comment is not closed"},
        {"a = [1, \"x\"];", 1, 9, "of one type"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        assert_null(conf_read_text("t.conf", rows[i].text, &arena, &diags));
        assert_true(diags.errors_count >= 1);
        const struct diag *diag = &diags.items[diags.count - 1];
        for (size_t d = 0; d < diags.count; d++) {
            diag = diags.items[d].level == DIAG_ERROR ? &diags.items[d] : diag;
        }
        if (strstr(diag->text, rows[i].says) == NULL || diag->at.line != rows[i].line ||
            diag->at.column != rows[i].column) {
            fail_msg("%s: %u:%u %s", rows[i].text, diag->at.line, diag->at.column, diag->text);
        }
        diags_done(&diags);
    }
}

static void test_reads_and_places(void **state)
{
    (void)state;
    static const char text[] =
        "# comment\n"
        "name = \"one \" /* joined */\n"
        "    \"t\\\"wo\";\n"
        "wait = \"90s\"; count = 7; on = TRUE; big = 5000000000L; hex = 0x10;\n"
        "group: { list = ( { a = 1; }, \"x\", 2.5 ); }\n";
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct conf *root = conf_read_text("t.conf", text, &arena, &diags);
    assert_non_null(root);
    struct conf *name = conf_get(root, "name");
    assert_string_equal(conf_text(name, "", &diags), "one t\"wo");
    struct nsh_place at = conf_text_place(name, 5, 1);
    assert_int_equal(at.line, 3);
    assert_int_equal(at.column, 7);
    assert_int_equal(conf_duration_ms(conf_get(root, "wait"), 0, 0, INT64_MAX, &diags), 90000);
    assert_int_equal(conf_int(conf_get(root, "big"), 0, 0, INT64_MAX, &diags), 5000000000);
    assert_int_equal(conf_int(conf_get(root, "hex"), 0, 0, 100, &diags), 16);
    assert_true(conf_bool(conf_get(root, "on"), false, &diags));
    struct nsh_value group;
    assert_true(conf_value(conf_get(root, "group"), &arena, &group));
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    json_write(&group, &json);
    assert_string_equal(json.at, "{\"list\":[{\"a\":1},\"x\",2.5]}");
    assert_int_equal(diags.errors_count, 0);
    static const char *const known[] = {"name", "wait", "counts", NULL};
    conf_unknown(root, known, &diags);
    assert_int_equal(diags.errors_count, 1);
    assert_string_equal(diags.items[0].remedy, "did you mean 'counts'?");
    assert_int_equal(conf_duration_ms(conf_get(root, "count"), 3, 0, 10, &diags), 3);
    assert_string_equal(diags.items[1].text, "'count' needs a unit");
    diags_done(&diags);
}

static void test_print(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    static const char source[] = "one\nlimits = { once_witin = 1; };\n";
    diag_add(&diags, DIAG_ERROR, (struct nsh_place){"p.policy", 2, 12, 10},
             "did you mean 'once_within'?", "unknown key");
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    diags_print(&diags, source, false, &out);
    assert_string_equal(out.at, "p.policy:2:12: error: unknown key\n"
                                "    2 | limits = { once_witin = 1; };\n"
                                "      |            ^~~~~~~~~~\n"
                                "      = did you mean 'once_within'?\n");
    diags_done(&diags);
}

static void test_json(void **state)
{
    static const struct {
        const char *text, *back; /* NULL: refused */
    } rows[] = {
        {"{\"a\":[1,-2.5,true,null,\"x\"]}", "{\"a\":[1,-2.5,true,null,\"x\"]}"},
        {" 7 ", "7"},
        {"9223372036854775807", "9223372036854775807"},
        {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
        {"{\"a\":1} x", NULL},
        {"{\"a\":\"\\u0000\"}", NULL},
        {"[1,]", NULL},
        {"", NULL},
        {"{'a':1}", NULL},
        {"1e999", NULL},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct nsh_value value;
        struct nsh_error err = {0};
        int result = json_parse(rows[i].text, strlen(rows[i].text), &arena, &value, &err);
        if (rows[i].back == NULL) {
            if (result >= 0) {
                fail_msg("%s was accepted", rows[i].text);
            }
            continue;
        }
        if (result < 0) {
            fail_msg("%s: %s", rows[i].text, err.text);
        }
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        json_write(&value, &out);
        assert_string_equal(out.at, rows[i].back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax_errors),
        cmocka_unit_test(test_reads_and_places),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
