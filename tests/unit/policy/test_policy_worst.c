/* SPDX-License-Identifier: Apache-2.0 */
/* The worst case of a set, and policies that are weaker than the site: both lines are named. */

#include "../unit.h"

#include "policy/policy.h"

#define POLICY(name, mode, verb, limits)                                                           \
    "{ name = \"" name "\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = \"" mode    \
    "\"; when = { event = \"" name                                                                 \
    ".failed\"; }; unless = (); limits = { once_within = \"1h\"; " limits                          \
    " };\n  do = ( { step = \"a\"; action = \"" verb "\"; timeout = \"1m\"; }, { step = "          \
    "\"b\"; check = \"cleared\"; within = \"1m\"; } ); }"
#define SET(policies) "policies: ( " policies " );"

static void guards_read(const char *text, struct policy_defaults *ret)
{
    struct diags diags = {0};
    struct arena arena = ARENA_INIT;
    *ret = policy_defaults_builtin();
    struct conf *root = conf_read_text("site.conf", text, &arena, &diags);
    assert_non_null(root);
    policy_defaults_read(root, ret, &diags);
    assert_int_equal(diags.errors_count, 0);
    diags_done(&diags);
    arena_done(&arena);
}

static void test_guards(void **state)
{
    struct policy_defaults defaults;
    guards_read(
        "guards = { worst_case = { rack = 1; pool = 2; site = 3; }; witnesses = 4;\n"
        "  silence = ( { source = \"alertm*\"; after = \"1m\"; }, { source = \"trap/*\"; after "
        "= \"1h\"; } ); shrink_percent = 30; power_on = \"own\";\n"
        "  ladder = { runs = 6; within = \"7d\"; };\n"
        "  breaker = { failures = 7; open = \"8s\"; open_max = \"9m\"; }; };",
        &defaults);
    const struct policy_guards *guards = &defaults.guards;
    assert_int_equal(guards->worst_rack_max, 1);
    assert_int_equal(guards->worst_pool_max, 2);
    assert_int_equal(guards->worst_site_max, 3);
    assert_int_equal(guards->witnesses, 4);
    assert_int_equal(guards->silences_count, 2);
    assert_string_equal(guards->silences[0].source, "alertm*");
    assert_int_equal(guards->silences[1].after_ms, 3600000);
    assert_int_equal(guards->shrink_percent, 30);
    assert_int_equal(guards->power_on, POLICY_POWER_ON_OWN);
    assert_int_equal(guards->ladder_runs_max, 6);
    assert_int_equal(guards->ladder_ms, 7 * 24 * 3600000LL);
    assert_int_equal(guards->breaker_failures, 7);
    assert_int_equal(guards->breaker_open_ms, 8000);
    assert_int_equal(guards->breaker_open_ms_max, 9 * 60000);
    struct nsh_place at = policy_guard_place(guards, POLICY_GUARD_WITNESSES);
    assert_string_equal(at.file, "site.conf");
    assert_int_equal(at.line, 1);
    assert_null(policy_guard_place(guards, POLICY_GUARD_RATES_RACK).file);
}

/* What is wrong is said where it stands. */
static void test_guards_wrong(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"guards = { silence = ( { after = \"1m\"; } ); };", "guards.silence needs 'source'"},
        {"guards = { silence = ( { source = \"x\"; } ); };", "guards.silence needs 'after'"},
        {"guards = { silence = ( { source = \"\"; after = \"1m\"; } ); };", "a source has 1 to 63"},
        {"guards = { silence = \"x\"; };", "'silence' must be a list"},
        {"guards = { power_on = \"never\"; };", "'power_on' cannot be \"never\""},
        {"guards = { witnesses = 0; };", "between 1 and 8"},
        {"guards = { ladder = { runs = 51; }; };", "between 1 and 50"},
        {"guards = { breaker = { opne = \"1s\"; }; };", "did you mean 'open'?"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct diags diags = {0};
        struct arena arena = ARENA_INIT;
        struct policy_defaults defaults = policy_defaults_builtin();
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        policy_defaults_read(conf_read_text("site.conf", rows[i].text, &arena, &diags), &defaults,
                             &diags);
        assert_true(diags.errors_count > 0);
        diags_print(&diags, NULL, false, &out);
        if (strstr(out.at, rows[i].message) == NULL) {
            fail_msg("no \"%s\" in\n%s", rows[i].message, out.at);
        }
        diags_done(&diags);
        arena_done(&arena);
    }
}

static void test_figures(void **state)
{
    static const struct {
        const char *guards, *set;
        uint32_t rack, pool, site;
        bool rack_by_guard;
        const char *why;
    } rows[] = {
        {"", SET(POLICY("p", "observe", "power.off", "")), 0, 0, 0, false, "it only looks"},
        {"", SET(POLICY("p", "suggest", "power.off", "")), 0, 0, 0, false, "a person acts"},
        {"", SET(POLICY("p", "enforce", "drain", "")), 0, 0, 0, false, "hosts stay up"},
        {"", SET(POLICY("p", "approve", "power.off", "")), 2, 3, 10, true, "the site bounds it"},
        {"", SET(POLICY("p", "enforce", "power.off", "rates = { rack = \"1 in 1h\"; };")), 1, 3, 10,
         false, "its own limit"},
        {"", SET(POLICY("p", "enforce", "power.off", "rates = { site = \"1 in 1h\"; };")), 1, 1, 1,
         false, "one in the site is one in a rack"},
        {"",
         SET(POLICY("p", "enforce", "power.off", "rates = { site = \"1 in 1h\"; };") ", " POLICY(
             "q", "enforce", "power.cycle", "rates = { site = \"4 in 10m\"; };")),
         2, 3, 5, true, "two together"},
        {"", SET(POLICY("p", "enforce", "power.off", "rates = { site = \"1 in 4m\"; };")), 2, 3, 3,
         true, "three times four minutes"},
        {"guards = { rates = { rack = [\"3 in 10m\", \"1 in 1h\"]; }; };",
         SET(POLICY("p", "enforce", "power.off", "")), 1, 3, 10, true, "an hour is longer"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct diags diags = {0};
        struct policy_defaults defaults;
        guards_read(rows[i].guards, &defaults);
        print_message("%s\n", rows[i].why);
        struct policy_set *set = policy_load_text("t.policy", rows[i].set, &defaults, &diags);
        assert_non_null(set);
        assert_int_equal(set->worst[POLICY_WORST_RACK].hosts, rows[i].rack);
        assert_int_equal(set->worst[POLICY_WORST_POOL].hosts, rows[i].pool);
        assert_int_equal(set->worst[POLICY_WORST_SITE].hosts, rows[i].site);
        assert_int_equal(set->worst[POLICY_WORST_RACK].by_guard, rows[i].rack_by_guard);
        policy_set_free(set);
        diags_done(&diags);
    }
}

/* What is refused, and every line that has to do with it. */
static void test_refused(void **state)
{
    static const struct {
        const char *guards, *set, *lines[4];
    } rows[] = {
        {"guards = { rates = { site = [\"50 in 10m\", \"100 in 1h\"]; }; };",
         SET(POLICY("p", "enforce", "power.off", "") ",\n" POLICY(
             "q", "enforce", "power.off",
             "rates = { site = \"3 in 5m\"; };") ",\n" POLICY("r", "observe", "power.off", "")),
         {"at worst 50 hosts of a site are interrupted within 10m, more than worst_case site = 20 "
          "(by the site's guards)",
          "policy p: as many as the site's guards let it, by no limit of its own",
          "policy q: 6 in 10m, by rates site = \"3 in 5m\"", NULL}},
        {"guards = {\n  worst_case = { site = 3; }; };",
         SET(POLICY("p", "enforce", "power.off", "rates = { site = \"4 in 10m\"; };")),
         {"site.conf:2:", "at worst 4 hosts of a site", "(by the limits of the policies)",
          "policy p: 4 in 10m, by rates site = \"4 in 10m\""}},
        {"guards = {\n\n  concurrent = { rack = 1; };\n};",
         SET(POLICY("p", "enforce", "power.off", "concurrent = { rack = 2; };")),
         {"t.policy:1:", "weaker than the site's guard: at most 1 at once in a rack",
          "site.conf:3:", "note: the site's guard is here"}},
        {"guards = { rates = {\n    site = \"2 in 1h\"; }; };",
         SET(POLICY("p", "enforce", "power.off", "rates = { site = \"3 in 1h\"; };")),
         {"t.policy:1:", "weaker than the site's guard: 2 in 1h for a site", "site.conf:2:", NULL}},
        {"guards = { witnesses = 3; };",
         SET(POLICY("p", "enforce", "power.off", "witnesses = 2;")),
         {"t.policy:1:", "weaker than the site's guard: 3 witnesses", "site.conf:1:", NULL}},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct diags diags = {0};
        struct policy_defaults defaults;
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        guards_read(rows[i].guards, &defaults);
        struct policy_set *set = policy_load_text("t.policy", rows[i].set, &defaults, &diags);
        assert_null(set);
        diags_print(&diags, NULL, false, &out);
        for (size_t l = 0; l < ROWS(rows[i].lines) && rows[i].lines[l] != NULL; l++) {
            if (strstr(out.at, rows[i].lines[l]) == NULL) {
                fail_msg("no \"%s\" in\n%s", rows[i].lines[l], out.at);
            }
        }
        assert_null(strstr(out.at, "policy r:")); /* It only looks. */
        diags_done(&diags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_guards_wrong),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
