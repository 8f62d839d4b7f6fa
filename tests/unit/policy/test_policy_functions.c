/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the configuration: declared with types, used by policies as a driver's verb is. */

#include "../unit.h"

#include "policy/policy.h"

#include <stdio.h>

static const char site[] =
    "functions = (\n"
    "  { name = \"reseat_psu\"; effect = \"interrupts\"; help = \"Off and on.\"; timeout = "
    "\"2m\";\n"
    "    verify = \"psu_status\"; proof = \"psu=ok\";\n"
    "    params = { slot = { type = \"int\"; min = 1; max = 4; required = true; };\n"
    "               wait = { type = \"duration\"; default = \"5s\"; max = \"1m\"; };\n"
    "               side = { type = \"text\"; choices = [\"a\", \"b\"]; }; dry = \"bool\"; };\n"
    "    run = { driver = \"exec\"; program = \"/opt/fn/reseat\"; }; },\n"
    "  { name = \"psu_status\"; effect = \"reads\"; run = { driver = \"exec\"; program = \"/s\"; "
    "}; "
    "},\n"
    "  { name = \"quiet_fans\"; effect = \"changes\"; restores = true; verify = \"power.status\";\n"
    "    proof = \"power=on\"; run = { driver = \"function\"; kind = \"fission\"; url = "
    "\"http://f\"; }; } );\n";

static void site_read(const char *text, struct arena *arena, struct policy_defaults *defaults,
                      struct diags *diags)
{
    *defaults = policy_defaults_builtin();
    struct conf *root = conf_read_text("site.conf", text, arena, diags);
    if (root != NULL) {
        policy_functions_read(root, arena, defaults, diags);
    }
}

static void test_declared(void **state)
{
    struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct policy_defaults defaults;
    site_read(site, &arena, &defaults, &diags);
    assert_int_equal(diags.count, 0);
    assert_int_equal(defaults.functions_count, 3);
    const struct policy_declared *psu = policy_function_find(&defaults, TEXT("reseat_psu"));
    assert_non_null(psu);
    assert_int_equal(psu->verb.effect, NSH_INTERRUPTS);
    assert_int_equal(psu->verb.timeout_ms_default, 120000);
    assert_string_equal(psu->verb.proof, "psu=ok");
    assert_int_equal(psu->verb.args_count, 4);
    assert_string_equal(psu->verb.args[0].min, "1");
    assert_int_equal(psu->verb.args[0].flags & NSH_REQUIRED, NSH_REQUIRED);
    assert_int_equal(psu->verb.args[1].type, NSH_DURATION);
    assert_string_equal(psu->verb.args[1].preset, "5s");
    assert_string_equal(psu->verb.args[2].choices[1], "b");
    assert_null(psu->verb.args[2].choices[2]);
    assert_string_equal(psu->driver, "exec");
    assert_string_equal(nsh_get_text(&psu->settings, "program", ""), "/opt/fn/reseat");
    assert_null(nsh_get(&psu->settings, "driver"));
    struct verb verb = policy_function_verb(policy_function_find(&defaults, TEXT("quiet_fans")));
    assert_true(verb.restores);
    assert_int_equal(verb.binding, BINDING_FUNCTION);
    assert_string_equal(verb.driver, POLICY_FUNCTIONS_DRIVER);
    arena_done(&arena);
    diags_done(&diags);
}

#define RUN " run = { driver = \"exec\"; program = \"/p\"; }; "
#define ONE(text) "functions = ( { name = \"f\"; effect = \"changes\"; " text " } );"

/* What the configuration says wrong, and the words of the first error. */
static const struct {
    const char *text, *words, *why;
} mistakes[] = {
    {"functions = ( { effect = \"reads\";" RUN "} );", "name", "a name"},
    {"functions = ( { name = \"f\";" RUN "} );", "effect", "an effect is never guessed"},
    {"functions = ( { name = \"f\"; effect = \"breaks\";" RUN "} );", "effect", "one of four"},
    {"functions = ( { name = \"f\"; effect = \"reads\"; } );", "run", "something runs it"},
    {"functions = ( { name = \"power.on\"; effect = \"changes\";" RUN "} );", "may be a driver's",
     "the vocabulary stays what it is"},
    {"functions = ( { name = \"probe\"; effect = \"reads\";" RUN "} );", "may be a driver's",
     "a verb without a dot, too"},
    {ONE("run = { program = \"/p\"; };"), "names no driver", "which driver"},
    {ONE(RUN "verify = \"power.status\";"), "go together", "what would prove it"},
    {ONE(RUN "verify = \"power.status\"; proof = \"power\";"), "member=text", "what is looked at"},
    {ONE(RUN "verify = \"power.off\"; proof = \"power=off\";"), "does not only read",
     "a proof is no action"},
    {ONE(RUN "verify = \"nothing\"; proof = \"a=b\";"), "neither a function nor a verb", "a typo"},
    {ONE(RUN "undo = \"nothing\";"), "neither a function nor a verb", "a typo"},
    {ONE(RUN "timeout = \"2h\";"), "timeout", "no call takes hours"},
    {ONE(RUN "params = { a = \"integer\"; };"), "no type", "types have names"},
    {ONE(RUN "params = { a = { min = 1; }; };"), "type", "a parameter says its type"},
    {ONE(RUN "params = { a = { type = \"text\"; min = 1; }; };"), "min and max", "of numbers"},
    {ONE(RUN "params = { a = { type = \"int\"; mox = 1; }; };"), "mox", "unknown keys are told"},
    {ONE(RUN "parms = { };"), "parms", "the same of the function"},
    {"functions = ( { name = \"f\"; effect = \"reads\";" RUN "}, { name = \"f\"; effect = "
     "\"reads\";" RUN "} );",
     "another function", "names are unique"},
    {"functions = ( { name = \"f\"; effect = \"reads\"; restores = true;" RUN "} );",
     "only what changes", "the brake is no toy"},
};

static void test_mistakes(void **state)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        struct policy_defaults defaults;
        site_read(mistakes[i].text, &arena, &defaults, &diags);
        bool told = false;
        for (size_t d = 0; d < diags.count; d++) {
            told = told || (diags.items[d].level == DIAG_ERROR &&
                            strstr(diags.items[d].text, mistakes[i].words) != NULL);
        }
        if (!told) {
            fail_msg("row %zu (%s): %s", i, mistakes[i].why,
                     diags.count == 0 ? "nothing was told" : diags.items[0].text);
        }
        diags_done(&diags);
        arena_done(&arena);
    }
}

/* A step, and what is wrong with it; NULL: nothing. */
static const struct {
    const char *step, *words, *why;
} steps[] = {
    {"action = \"reseat_psu\"; with = { slot = 2; };", NULL, "as a driver's verb"},
    {"action = \"reseat_psu\"; with = { slot = \"${event.data.slot}\"; };", NULL, "known later"},
    {"action = \"reseat_psu\"; with = { slot = 2; wait = \"30s\"; side = \"a\"; dry = true; };",
     NULL, "all of them"},
    {"action = \"reseat_psu\";", "needs 'slot'", "required, without `with`"},
    {"action = \"reseat_psu\"; with = { dry = true; };", "needs 'slot'", "required"},
    {"action = \"reseat_psu\"; with = { slot = \"two\"; };", "must be an integer", "a type"},
    {"action = \"reseat_psu\"; with = { slot = 5; };", "must be between 1 and 4", "a range"},
    {"action = \"reseat_psu\"; with = { slot = 1; slto = 2; };", "takes no 'slto'", "a typo"},
    {"action = \"reseat_psu\"; with = { slot = 1; wait = \"2m\"; };", "must be between",
     "a duration's range"},
    {"action = \"reseat_psy\"; with = { slot = 1; };", "unknown action", "a typo in the name"},
    {"action = \"psu_status\"; with = { a = 1; };", "takes no 'a'", "it takes nothing"},
    {"action = \"reseat_psu\"; with = { slot = 1; }; undo = \"quiet_fans\";", NULL, "undone by it"},
};

static void test_steps(void **state)
{
    struct arena arena = ARENA_INIT;
    struct diags site_diags = {0};
    struct policy_defaults defaults;
    site_read(site, &arena, &defaults, &site_diags);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct diags diags = {0};
        char text[1024];
        snprintf(text, sizeof text,
                 "policies: ( { name = \"p\"; subject = \"host\"; when = { event = \"psu.failed\"; "
                 "}; do = ( { step = \"a\"; %s } ); } );",
                 steps[i].step);
        struct policy_set *set = policy_load_text("p.policy", text, &defaults, &diags);
        bool told = steps[i].words == NULL && set != NULL;
        for (size_t d = 0; d < diags.count && steps[i].words != NULL; d++) {
            told = told || strstr(diags.items[d].text, steps[i].words) != NULL;
        }
        if (!told || (set == NULL) != (steps[i].words != NULL)) {
            fail_msg("row %zu (%s): %s", i, steps[i].why,
                     diags.count == 0 ? "nothing was told" : diags.items[0].text);
        }
        diags_done(&diags);
        policy_set_free(set);
    }
    arena_done(&arena);
    diags_done(&site_diags);
}

/* The set keeps what it needs: the configuration may be gone. */
static void test_outlives(void **state)
{
    struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct policy_defaults defaults;
    site_read(site, &arena, &defaults, &diags);
    struct policy_set *set = policy_load_text(
        "p.policy",
        "policies: ( { name = \"p\"; subject = \"host\"; when = { event = \"psu.failed\"; };\n"
        "  do = ( { step = \"a\"; action = \"reseat_psu\"; with = { slot = 1; }; } ); } );",
        &defaults, &diags);
    assert_non_null(set);
    arena_done(&arena);
    const struct verb *verb = policy_set_verb(set, TEXT("reseat_psu"));
    assert_string_equal(verb->verify, "psu_status");
    assert_string_equal(set->policies[0].steps[0].verb->name, "reseat_psu");
    assert_null(set->defaults.functions);
    assert_null(policy_set_verb(set, TEXT("nothing")));
    assert_ptr_equal(policy_set_verb(set, TEXT("page")), verb_find(TEXT("page")));
    policy_set_free(set);
    diags_done(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declared),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_outlives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
