/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in the program and files of the same kind: which one a name means, and what is said of one
 * that means nothing. */

#include "../unit.h"

#include "base/embedded.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct embedded_row rows[] = {{"alpha", (const unsigned char *)"word = \"first\";"},
                                           {"beta", (const unsigned char *)"word = \"second\";"}};
static const struct embedded_texts texts = {.rows = rows,
                                            .count = ROWS(rows),
                                            .suffix = ".greek",
                                            .what = "letter",
                                            .remedy = "see Euclid"};

static void test_names(void **state)
{
    assert_string_equal(embedded_text(&texts, "beta"), "word = \"second\";");
    assert_null(embedded_text(&texts, "gamma"));
    assert_string_equal(embedded_name(&texts, 1), "beta");
    assert_null(embedded_name(&texts, 2));
    assert_true(embedded_names_file(&texts, "alpha.greek"));
    assert_false(embedded_names_file(&texts, ".greek")); /* No name is left. */
    assert_false(embedded_names_file(&texts, "alpha"));
}

static void test_read(void **state)
{
    char folder[] = "/tmp/nightshift-embedded.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/own.greek", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("word = \"own\";", file);
    fclose(file);
    const struct {
        const char *name, *folder;
        const char *word;        /* NULL: refused. */
        const char *said, *hint; /* NULL: not looked at. */
    } cases[] = {
        {"alpha", folder, "first", NULL, NULL},
        {"own.greek", folder, "own", NULL, NULL},
        {path, "/nowhere", "own", NULL, NULL}, /* Whole: the folder says nothing. */
        {path, NULL, "own", NULL, NULL},
        {"other.greek", folder, NULL, NULL, NULL},
        {"alpga", folder, NULL, "no letter 'alpga' is built in", "did you mean 'alpha'?"},
        {"omega-and-more", folder, NULL, "no letter 'omega-and-more' is built in", "see Euclid"},
    };
    for (size_t i = 0; i < ROWS(cases); i++) {
        struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        const struct embedded_wanted wanted = {.name = cases[i].name, .folder = cases[i].folder};
        struct conf *root = embedded_read(&texts, &wanted, &arena, &diags);
        if (cases[i].word != NULL) {
            assert_non_null(root);
            assert_string_equal(conf_text(conf_get(root, "word"), "", &diags), cases[i].word);
        } else {
            assert_null(root);
            assert_int_equal(diags.errors_count, 1);
        }
        if (cases[i].said != NULL) {
            assert_string_equal(diags.items[0].text, cases[i].said);
            assert_string_equal(diags.items[0].remedy, cases[i].hint);
        }
        diags_done(&diags);
        arena_done(&arena);
    }
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
