/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every message of the loader, as a person sees it: messages.golden holds a text after each `===`
 * line, which says why it is there, and what must be printed after `---`. Titles that begin with
 * "conf" are read as nightshift.conf, others as policies. NSH_ACCEPT=1 rewrites the file.
 */

#include "../unit.h"

#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>

#define GOLDEN TEST_SOURCE_DIR "/tests/unit/policy/messages.golden"
#define CASES_MAX 200

struct golden_case {
    char *title, *text, *wanted;
};

static struct arena kept;

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    struct textbuf buf = {0};
    for (int c = getc(file); c != EOF; c = getc(file)) {
        textbuf_add_char(&buf, (char)c);
    }
    fclose(file);
    return buf.at;
}

/* Cuts the file in place: at each line that begins with "=== ". */
static size_t read_cases(char *golden, struct golden_case *cases)
{
    size_t count = 0;
    for (char *at = golden; at != NULL; count++) {
        assert_true(count < CASES_MAX && strncmp(at, "=== ", 4) == 0);
        struct golden_case *one = &cases[count];
        one->title = at + 4;
        one->text = strchr(one->title, '\n') + 1;
        one->text[-1] = 0;
        at = strstr(one->text, "\n=== ");
        if (at != NULL) {
            at[1] = 0; /* The first '=' of the next one: put back below. */
        }
        char *wanted = strstr(one->text, "\n---\n");
        assert_non_null(wanted);
        wanted[1] = 0;
        one->wanted = arena_copy(&kept, wanted + 5, strlen(wanted + 5));
        if (at != NULL) {
            *++at = '=';
        }
    }
    return count;
}

static void render_conf(const char *text, struct textbuf *out)
{
    struct diags diags = {0};
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct policy_defaults defaults = policy_defaults_builtin();
    struct conf *root = conf_read_text("nightshift.conf", text, &arena, &diags);
    assert_non_null(root);
    policy_defaults_read(root, &defaults, &diags);
    diags_print(&diags, text, false, out);
    diags_done(&diags);
}

static void render_policy(const char *text, struct textbuf *out)
{
    struct diags diags = {0};
    struct policy_defaults defaults = policy_defaults_builtin();
    struct policy_set *set = policy_load_text("t.policy", text, &defaults, &diags);
    assert_int_equal(set == NULL, diags.errors_count > 0);
    policy_set_free(set);
    diags_print(&diags, text, false, out);
    diags_done(&diags);
}

static void test_messages(void **state)
{
    (void)state;
    static struct golden_case cases[CASES_MAX];
    char *golden = read_all(GOLDEN);
    size_t count = read_cases(golden, cases), bad = 0;
    bool accept = getenv("NSH_ACCEPT") != NULL;
    CLEANUP(textbuf_donep) struct textbuf all = {0};
    assert_true(count > 40);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        bool conf = strncmp(cases[i].title, "conf", 4) == 0;
        (conf ? render_conf : render_policy)(cases[i].text, &out);
        const char *got = out.at == NULL ? "" : out.at;
        textbuf_addf(&all, "=== %s\n%s---\n%s", cases[i].title, cases[i].text, got);
        if (!accept && strcmp(got, cases[i].wanted) != 0) {
            print_error("%s\n--- wanted\n%s--- got\n%s\n", cases[i].title, cases[i].wanted, got);
            bad++;
        }
    }
    if (accept) {
        FILE *file = fopen(GOLDEN, "we");
        assert_non_null(file);
        fputs(all.at, file);
        fclose(file);
    }
    free(golden);
    arena_done(&kept);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
