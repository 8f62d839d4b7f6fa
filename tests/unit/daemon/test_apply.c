/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies on trial: wherever the work stops, what is there after the next start is the old set,
 * whole, or the new one that still waits.
 */

#include "../unit.h"

#include "apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void drop(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

/* "a=1 b=2": what the files hold; "-": there is none. */
static void assert_files(const char *a, const char *b, const char *c)
{
    const char *const names[] = {"a.policy", "b.policy", "c.test"}, *const wanted[] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        char path[256], text[64] = "-";
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        FILE *file = fopen(path, "re");
        if (file != NULL) {
            text[fread(text, 1, sizeof text - 1, file)] = 0;
            fclose(file);
        }
        assert_string_equal(text, wanted[i]);
    }
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/nightshift-apply.XXXXXX");
    assert_non_null(mkdtemp(folder));
    put("a.policy", "old a");
    put("b.policy", "old b");
    put("README", "not ours");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static const struct apply_note note = {.until_ms = 1000, .actor = "me", .reason = "why \"so\""};

/* a is changed, b is gone, c is new. */
static void begin(void)
{
    struct nsh_member a[] = {{"name", nsh_text("a.policy")}, {"text", nsh_text("new a")}},
                      c[] = {{"name", nsh_text("c.test")}, {"text", nsh_text("new c")}};
    struct nsh_value files[] = {nsh_map(a, 2), nsh_map(c, 2)};
    struct nsh_value list = nsh_list(files, 2);
    assert_int_equal(apply_stage(folder, &list, true, NULL), 0);
    assert_files("old a", "old b", "-"); /* Staged is not in force. */
    assert_int_equal(apply_begin(folder, &note, NULL), 0);
    assert_files("new a", "-", "new c");
}

static void assert_recovered(int64_t now_ms, bool wanted)
{
    bool undone = !wanted;
    assert_int_equal(apply_recover(folder, now_ms, &undone, NULL), 0);
    assert_int_equal(undone, wanted);
}

static void test_waits_then_back(void **state)
{
    (void)state;
    struct apply_note seen;
    struct nsh_error err = {0};
    begin();
    assert_true(apply_waits(folder, &seen));
    assert_string_equal(seen.actor, "me");
    assert_string_equal(seen.reason, "why \"so\"");
    assert_int_equal(apply_begin(folder, &note, &err), -NSH_BUSY);
    assert_recovered(999, false);
    assert_files("new a", "-", "new c");
    assert_recovered(1000, true);
    assert_files("old a", "old b", "-");
    assert_false(apply_waits(folder, &seen));
    assert_recovered(2000, false);
}

static void test_kept(void **state)
{
    (void)state;
    begin();
    assert_int_equal(apply_keep(folder, NULL), 0);
    assert_recovered(5000, false);
    assert_files("new a", "-", "new c");
}

/* Stopped while the new files were put there: some are, some are not, one is half written. */
static void test_stopped_while_changing(void **state)
{
    (void)state;
    static const char *const marks[] = {
        "{\"state\":\"changing\",\"until_ms\":99999}",
        "{\"state\":\"undoing\",\"until_ms\":99999}",
        "{\"sta", /* The disk was full. */
        "",
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        begin();
        put(".confirm", marks[i]);
        put("b.policy", "half");
        drop("a.policy");
        put(".new", "hal");
        assert_recovered(1, true);
        assert_files("old a", "old b", "-");
    }
}

static void test_names(void **state)
{
    (void)state;
    static const char *const wrong[] = {"../x.policy", ".x.policy", "x.conf",
                                        "/etc/x.test", "",          "a/b.policy"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct nsh_member file[] = {{"name", nsh_text(wrong[i])}, {"text", nsh_text("x")}};
        struct nsh_value files[] = {nsh_map(file, 2)};
        struct nsh_value list = nsh_list(files, 1);
        assert_int_equal(apply_stage(folder, &list, true, NULL), -NSH_INVALID);
    }
    assert_files("old a", "old b", "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waits_then_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stopped_while_changing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
