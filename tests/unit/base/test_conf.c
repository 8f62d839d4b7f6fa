/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/confscan.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The message at line:column must be among those of the text. */
static bool told(const struct diags *diags, uint32_t line, uint32_t column, const char *says)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *diag = &diags->items[i];
        if (diag->at.line == line && diag->at.column == column &&
            (strstr(diag->text, says) != NULL ||
             (diag->remedy != NULL && strstr(diag->remedy, says) != NULL))) {
            return true;
        }
    }
    return false;
}

static void test_syntax_errors(void **state)
{
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *says;
        size_t errors_count; /* All at once, and no nonsense after the first. */
    } rows[] = {
        {"a = [1, 2,];", 1, 10, "an array must not end with a comma", 1},
        {"a = ( {x = 1;},\n);", 1, 15, "remove it (the list ends in line 2)", 1},
        {"a = 4294967296;", 1, 5, "in 32 bits (libconfig reads it as 0)", 1},
        {"a = 4294967296;", 1, 5, "write 4294967296L, or a quantity: \"4Gi\"", 1},
        {"a = 0xFFFFFFFF;", 1, 5, "in 32 bits (libconfig reads it as -1)", 1},
        {"a = 99999999999999999999;", 1, 5, "does not fit in 64 bits", 1},
        {"a = 30s;", 1, 5, "write \"30s\"", 1},
        {"a = {\n  b = 1;\n", 1, 5, "this group is not closed", 1},
        {"w = {\n  a = 1;\nd = ( 1 );\n", 3, 1, "'d' cannot stand inside 'w'", 1},
        {"w = {\n  a = 1;\nd = ( 1 );\n", 1, 5, "close it before 'd'", 1},
        {"a = ( 1, 2 };", 1, 12, "')' must close this list, got '}'", 1},
        {"a = { b = ( 1 }; c = 2;", 1, 15, "')' must close this list", 1},
        {"a = 1; } b = 2;", 1, 8, "this '}' closes nothing", 1},
        {"a = 1;\na = 2;", 2, 1, "'a' is set twice", 1},
        {"a = 1;\na = 2;", 1, 1, "it is set here first", 1},
        {"a 1;", 1, 3, "'=' must follow 'a'", 1},
        {"a = yes;", 1, 5, "write true, or \"yes\"", 1},
        {"a = enforce; b = 1;", 1, 5, "write \"enforce\"", 1},
        {"a = 'x'; b = 1;", 1, 5, "a string stands in double quotes", 1},
        {"\"a\" = 1;", 1, 1, "names stand without quotes", 1},
        {"a.b = 1;", 1, 2, "names hold letters", 1},
        {"a = ;\nb = ;", 2, 5, "a value must follow '=', got ';'", 2},
        {"a = \"open", 1, 5, "this string is not closed", 1},
        {"a = \"x;\nb = \"y\";", 1, 5, "is its closing quote missing?", 2},
        {"a = 1;; b = 2;", 1, 7, "no setting stands before this ';'", 1},
        {"a = (1 2);", 1, 8, "',' stands between the items of a list", 1},
        {"a = [1, \"x\"];", 1, 9, "of one type", 1},
        {"a = [{b = 1;}];", 1, 6, "an array holds plain values only", 1},
        {"a = \"\xc3\xa9\xff\";", 1, 7, "no valid UTF-8 (byte 0xff)", 1},
        {"a = \"\\x00\";", 1, 6, "cannot hold NUL", 1},
        {"/* open", 1, 1, "this comment is not closed", 1},
        {"a = 1; @include \"x\"", 1, 8, "on a line of its own", 1},
        {"@include \"/no/such/file\"\nb = ;", 1, 10, "cannot read /no/such/file", 2},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        assert_null(conf_read_text("t.conf", rows[i].text, &arena, &diags));
        if (!told(&diags, rows[i].line, rows[i].column, rows[i].says) ||
            diags.errors_count != rows[i].errors_count) {
            CLEANUP(textbuf_donep) struct textbuf out = {0};
            diags_print(&diags, rows[i].text, false, &out);
            print_error("%s\nnot as wanted (%s):\n%s", rows[i].text, rows[i].says, out.at);
            diags_done(&diags);
            fail();
        }
        diags_done(&diags);
    }
}

/* What libconfig 1.5 accepts in odd spellings is accepted, and read as it reads it. */
static void test_accepted(void **state)
{
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"", "{}"},
        {"# only a comment", "{}"},
        {"a = 1 b : 2, c = 3;", "{\"a\":1,\"b\":2,\"c\":3}"},
        {"a = 1e3; b = .5; c = 5.; d = -1.5e-2;",
         "{\"a\":1000.0,\"b\":0.5,\"c\":5.0,\"d\":-0.015}"},
        {"a = 010; b = 0x1F; c = 5000000000L; d = -7;",
         "{\"a\":10,\"b\":31,\"c\":5000000000,\"d\":-7}"},
        {"a = TRUE; b = fAlse;", "{\"a\":true,\"b\":false}"},
        {"a = (); b = []; c = {};", "{\"a\":[],\"b\":[],\"c\":{}}"},
        {"a = \"x\" // c\n \"y\" /* d */ \"z\";", "{\"a\":\"xyz\"}"},
        {"a = \"\\n\\t\\x41\\\\\\\"\\d\";", "{\"a\":\"\\n\\tA\\\\\\\"\\\\d\"}"},
        {"if = 1; for = 2; *x = 3;", "{\"if\":1,\"for\":2,\"*x\":3}"},
        {"\xef\xbb\xbf"
         "a = \"\xc3\xa9\";",
         "{\"a\":\"\xc3\xa9\"}"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        struct diags diags = {0};
        struct nsh_value value;
        struct conf *root = conf_read_text("t.conf", rows[i].text, &arena, &diags);
        if (root == NULL) {
            diags_print(&diags, rows[i].text, false, &out);
            print_error("%s\n", out.at);
        }
        diags_done(&diags);
        assert_non_null(root);
        assert_true(conf_value(root, &arena, &value));
        json_write(&value, &out);
        assert_string_equal(out.at, rows[i].json);
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Includes stand relative to the file that includes, also two deep; places name the file they are
 * in. */
static void test_includes(void **state)
{
    (void)state;
    char folder[] = "/tmp/test-conf-XXXXXX", sub[64], path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(sub, sizeof sub, "%s/sub", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    snprintf(path, sizeof path, "%s/main.conf", folder);
    write_file(folder, "main.conf", "a = {\n  @include \"sub/one.conf\"\n};\nz = 1;\n");
    write_file(sub, "one.conf", "b = 2;\n@include \"two.conf\" # beside one.conf\nd = 4;");
    write_file(sub, "two.conf", "# no setting, no end of line");
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct conf *root = conf_read(path, &arena, &diags);
    assert_non_null(root);
    struct conf *d = conf_get(conf_get(root, "a"), "d");
    assert_int_equal(conf_int(d, 0, 0, 10, &diags), 4);
    assert_int_equal(d->at.line, 3);
    assert_non_null(strstr(d->at.file, "/sub/one.conf"));
    assert_int_equal(conf_get(root, "z")->at.line, 4);

    write_file(sub, "two.conf", "@include \"one.conf\"\n");
    assert_null(conf_read(path, &arena, &diags));
    bool deep = false;
    for (size_t i = 0; i < diags.count; i++) {
        deep = deep || strstr(diags.items[i].text, "deeper than 10") != NULL;
    }
    assert_true(deep);
    diags_done(&diags);
    static const char *const names[] = {"main.conf", "sub/one.conf", "sub/two.conf", "sub", ""};
    for (size_t i = 0; i < ROWS(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(remove(path), 0);
    }
}

/* Offsets in a joined string back to the file: over pieces, escapes, lines and characters of
 * several bytes. */
static void test_places(void **state)
{
    static const char text[] = "if = \"a\\n\\\"b\" \"\xc3\xa9 cd\"\n  \"efg\nhij\";";
    /* Joined:                        a \n " b é(2) space c d e f g \n h i j   offsets 0 1 2 3 4-5 6
     * 7 8 9.. */
    static const struct {
        uint32_t offset, length, line, column, marked;
        const char *why;
    } rows[] = {
        {0, 1, 1, 7, 1, "the first character"},
        {1, 2, 1, 8, 4, "two escapes take four columns"},
        {3, 1, 1, 12, 1, "after escapes"},
        {4, 2, 1, 16, 1, "two bytes, one column"},
        {7, 2, 1, 18, 2, "after it"},
        {3, 5, 1, 12, 7, "over two pieces of one line"},
        {9, 2, 2, 4, 2, "a piece on the next line"},
        {8, 3, 1, 19, 1, "a range over lines ends with its first line"},
        {13, 2, 3, 1, 2, "after an end of line inside a piece"},
        {5, 12, 1, 17, 3, "a range that begins inside a character"},
        {16, 0, 3, 4, 1, "the end of the string"},
        {99, 9, 3, 4, 1, "beyond the end"},
    };
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct conf *setting = conf_get(conf_read_text("t", text, &arena, &diags), "if");
    assert_non_null(setting);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_place at = conf_text_place(setting, rows[i].offset, rows[i].length);
        if (at.line != rows[i].line || at.column != rows[i].column || at.length != rows[i].marked) {
            fail_msg("%s: %u:%u+%u", rows[i].why, at.line, at.column, at.length);
        }
    }
    diags_done(&diags);
}

/* Twenty a file are kept, the others counted; notes share the fate of what they belong to. */
static void test_diags_bounded(void **state)
{
    (void)state;
    struct diags diags = {0};
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    for (uint32_t i = 1; i <= 30; i++) {
        diag_add(&diags, DIAG_ERROR, (struct nsh_place){.file = "a"}, NULL, "error %u", i);
        diag_add(&diags, DIAG_NOTE, (struct nsh_place){.file = "b"}, NULL, "note %u", i);
    }
    diag_add(&diags, DIAG_WARNING, (struct nsh_place){.file = "c"}, NULL,
             "another file has its own bound");
    assert_int_equal(diags.errors_count, 30);
    assert_int_equal(diags.count, 41);
    diags_print(&diags, NULL, false, &out);
    assert_non_null(strstr(out.at, "c: warning: another file has its own bound\nand 10 more\n"));
    assert_null(strstr(out.at, "note 21"));
    diags_done(&diags);
}

/* A long line shows a window, a tab is one column, and what could deceive a terminal is a '?'. */
static void test_print_hostile_lines(void **state)
{
    (void)state;
    struct diags diags = {0};
    CLEANUP(textbuf_donep) struct textbuf out = {0}, source = {0};
    diag_add(&diags, DIAG_ERROR, (struct nsh_place){"f", 1, 4, 1}, NULL, "red \x1b[31m");
    diags_print(&diags,
                "\t\x1b\xe2\x80\xae"
                "d",
                false, &out);
    assert_string_equal(out.at, "f:1:4: error: red \\x1b[31m\n    1 |  ??d\n      |    ^\n");
    diags_done(&diags);
    for (int i = 0; i < 1000; i++) {
        textbuf_add_chars(&source, i == 500 ? "X" : "-");
    }
    diag_add(&diags, DIAG_ERROR, (struct nsh_place){"f", 1, 501, 400}, NULL, "long");
    textbuf_clear(&out);
    diags_print(&diags, source.at, false, &out);
    char *marker = strchr(out.at, '^'), *cross = strchr(out.at, 'X');
    assert_non_null(marker);
    assert_non_null(cross);
    char *line = strrchr(out.at, '|'), *source_line = strchr(out.at, '|');
    assert_int_equal(marker - line, cross - source_line);
    assert_true(out.count < 420);
    diags_done(&diags);
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
        {"\"it's\"", "\"it's\""},
        {"100000000000000000000", "1e+20"},
        {"[-9223372036854775809,-9223372036854775808]",
         "[-9.223372036854776e+18,-9223372036854775808]"},
        {"{\"a\\u0000b\":1}", NULL},
        {"\"\\\\u0000\"", "\"\\\\u0000\""},
        {"\"a\nb\"", NULL},
        {"1.", NULL},
        {"01", NULL},
        {"NaN", NULL},
        {"[1] /* c */", NULL},
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

/* However little memory there is: an error, or the whole tree. */
static void test_memory_sweep(void **state)
{
    static const char *const texts[] = {
        "a = \"x\" \"y\"; b = ( { c = [1, 2]; } );\n",
        "a = ( 1; b yes };\nc.d = 'x'; c = 4294967296; e = { f = 1;\n",
        "@include \"/dev/null\"\na = 1;\n",
    };
    (void)state;
    for (size_t i = 0; i < ROWS(texts); i++) {
        for (size_t bytes_max = 16; bytes_max < 6000; bytes_max += 16) {
            CLEANUP(arena_donep) struct arena arena = {.bytes_max = bytes_max};
            CLEANUP(textbuf_donep) struct textbuf out = {0};
            struct diags diags = {.arena = {.bytes_max = bytes_max}};
            struct nsh_value value;
            struct conf *root = conf_read_text("t.conf", texts[i], &arena, &diags);
            assert_int_equal(root == NULL, diags.errors_count > 0);
            if (root != NULL) {
                (void)conf_value(root, &arena, &value);
            }
            diags_print(&diags, texts[i], false, &out);
            diags_done(&diags);
        }
    }
    static const char json[] = "{\"a\":[1,\"x\",{\"b\":null}]}";
    for (size_t bytes_max = 16; bytes_max < 1024; bytes_max += 16) {
        CLEANUP(arena_donep) struct arena arena = {.bytes_max = bytes_max};
        struct nsh_value value;
        int result = json_parse(json, sizeof json - 1, &arena, &value, NULL);
        assert_true(result == 0 || result == -NSH_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax_errors),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_diags_bounded),
        cmocka_unit_test(test_print_hostile_lines),
        cmocka_unit_test(test_reads_and_places),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_memory_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
