/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of tests as a person meets them: messages.golden holds a NAME.test after each `===` line,
 * which says why it is there, and after `---` all that is printed of it. Rehearsed is t.policy,
 * below. NSH_ACCEPT=1 rewrites the file.
 */

#include "../unit.h"

#include "rehearse/rehearse.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN TEST_SOURCE_DIR "/tests/unit/rehearse/messages.golden"
#define CASES_MAX 100

static const char policy[] =
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\";\n"
    "  when = { event = \"fan.failed\"; if = \"event.resource != 'fan/0'\"; for = \"1m\"; };\n"
    "  unless = ( \"host.maintenance\" ); limits = { once_within = \"2h\"; };\n"
    "  do = ( { step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; },\n"
    "         { step = \"verify\"; check = \"cleared\"; within = \"5m\"; } );\n"
    "  else = ( { step = \"tell\"; action = \"page\"; with = { text = \"${failure}\"; }; } ); } "
    ");\n";

/* w.policy: what time and samples make true. */
static const char operators[] =
    "policies: ( { name = \"power-high\"; subject = \"host\";\n"
    "  when = { metric = \"power.input\"; if = \"avg_over('power.input', '1m') > 12.8\"; for = "
    "\"3m\";\n"
    "           clear = \"avg_over('power.input', '1m') < 11.2\"; };\n"
    "  do = ( { step = \"tell\"; action = \"notify\"; with = { text = \"${metric('power.input')} "
    "A\"; "
    "}; },\n"
    "         { step = \"calm\"; check = \"cleared\"; within = \"20m\"; } ); },\n"
    "{ name = \"silent\"; subject = \"host\"; when = { event = \"agent.heartbeat\"; absent = "
    "\"5m\"; "
    "};\n"
    "  do = ( { step = \"tell\"; action = \"notify\"; with = { text = \"x\"; }; } ); } );\n";

/* l.policy: a ladder with all that steps can say. */
static const char ladder[] =
    "policies: ( { name = \"rack-hot\"; subject = \"rack\"; when = { event = "
    "\"temperature.high\"; };\n"
    "  unless = ( \"in_calendar('freeze')\" ); limits = { once_within = \"1h\"; };\n"
    "  do = ( { step = \"window\"; calendar = \"noon\"; need_left = \"1h\"; timeout = \"2d\"; "
    "},\n"
    "         { step = \"move\"; action = \"drain\"; each = \"hosts\"; parallel = 2; undo = "
    "\"undrain\"; need = \"!cleared\"; },\n"
    "         { step = \"helped\"; check = \"cleared\"; within = \"10m\"; } ); } );\n";

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

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

static void print_never(const struct coverage *coverage, struct textbuf *out)
{
    MAP_EACH (&coverage->branches, entry) {
        const struct branch *branch = entry->value;
        if (!branch->taken) {
            textbuf_addf(out, "never: %s:%u:%u %s\n", branch->policy, branch->at.line,
                         branch->at.column, branch->what);
        }
    }
}

/* All that is to be said of a text; story: what happened, too. */
static void rehearse(const char *text, bool story, struct textbuf *out)
{
    struct diags diags = {0};
    struct coverage coverage = {0};
    struct policy_defaults defaults = policy_defaults_builtin();
    put("t.test", text);
    struct rehearsal *rehearsal = rehearsal_read("t.test", &defaults, &diags);
    assert_int_equal(rehearsal == NULL, diags.errors_count > 0);
    size_t count = rehearsal == NULL ? 0 : rehearsal_tests_count(rehearsal);
    for (size_t i = 0; i < count; i++) {
        struct rehearsal_test one;
        assert_int_equal(rehearsal_run(rehearsal, i, &coverage, &diags, &one, NULL), 0);
        textbuf_addf(out, "%s: %s\n", one.name, one.failed ? "failed" : "passed");
        if (story && one.failed) {
            textbuf_add_chars(out, one.trace);
        }
    }
    if (strstr(text, "# coverage") != NULL) {
        print_never(&coverage, out);
    }
    diags_print(&diags, NULL, false, out);
    coverage_done(&coverage);
    rehearsal_free(rehearsal);
    diags_done(&diags);
}

static void test_messages(void **state)
{
    (void)state;
    char *golden = read_all(GOLDEN);
    bool accept = getenv("NSH_ACCEPT") != NULL;
    CLEANUP(textbuf_donep) struct textbuf all = {0};
    size_t bad = 0, count = 0;
    for (char *at = golden, *next = NULL; at != NULL && *at != 0; at = next, count++) {
        assert_true(strncmp(at, "=== ", 4) == 0);
        char *text = strchr(at, '\n') + 1;
        next = strstr(text, "\n=== ");
        next = next == NULL ? NULL : next + 1;
        char *middle = strstr(text, "\n---\n");
        assert_non_null(middle);
        CLEANUP(textbuf_donep) struct textbuf title = {0};
        CLEANUP(textbuf_donep) struct textbuf wanted = {0};
        CLEANUP(textbuf_donep) struct textbuf got = {0};
        textbuf_addf(&title, "%.*s", (int)(text - at - 1), at);
        textbuf_add_chars(&wanted, "");
        textbuf_addf(&wanted, "%.*s",
                     next == NULL ? (int)strlen(middle + 5) : (int)(next - middle - 5), middle + 5);
        middle[1] = 0;
        rehearse(text, strstr(title.at, "story") != NULL, &got);
        textbuf_addf(&all, "%s\n%s---\n%s", title.at, text, got.at == NULL ? "" : got.at);
        if (!accept && strcmp(got.at == NULL ? "" : got.at, wanted.at) != 0) {
            print_error("%s\n--- wanted\n%s--- got\n%s\n", title.at, wanted.at, got.at);
            bad++;
        }
    }
    if (accept) {
        put(GOLDEN, all.at);
    }
    free(golden);
    assert_true(count >= 12);
    assert_int_equal(bad, 0);
}

/* The same inputs give the same story, byte for byte, however often. */
static void test_again(void **state)
{
    (void)state;
    static const char text[] =
        "racks = { r1 = 9; r2 = 9; };\n"
        "tests: ( { name = \"a\"; stubs = ( { action = \"power.cycle\"; } );\n"
        "  timeline = ( { repeat = { times = 20; every = \"17m\"; };\n"
        "    event = { type = \"fan.failed\"; host = \"r1h01\"; }; },\n"
        "    { at = \"7m\"; restart = { down_for = \"1m\"; }; } );\n"
        "  expect = ( { count = 99; action = \"page\"; } ); } );\n";
    CLEANUP(textbuf_donep) struct textbuf one = {0};
    CLEANUP(textbuf_donep) struct textbuf two = {0};
    rehearse(text, true, &one);
    rehearse(text, true, &two);
    assert_true(one.count > 1000);
    assert_string_equal(one.at, two.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages),
                                       cmocka_unit_test(test_again)};
    char folder[] = "/tmp/rehearse-XXXXXX";
    if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
        return 1;
    }
    put("t.policy", policy);
    put("w.policy", operators);
    put("l.policy", ladder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink("t.policy");
    unlink("w.policy");
    unlink("t.test");
    if (chdir("/") == 0) {
        rmdir(folder);
    }
    return failed;
}
