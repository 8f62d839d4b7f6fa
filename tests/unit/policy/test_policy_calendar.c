/* SPDX-License-Identifier: Apache-2.0 */
/* Calendars: when a window is open, in every zone, over midnight and over the change of clocks. */

#include "../unit.h"

#include "model/event.h"
#include "policy/policy.h"

static const char conf[] =
    "calendars: ( { name = \"maint\"; days = [\"tue\", \"thu\"]; from = \"01:00\"; to = "
    "\"05:00\";\n"
    "               zone = \"Europe/Berlin\"; },\n"
    "             { name = \"freeze\"; dates = [\"2026-12-18/2027-01-04\", \"2027-05-01\"];\n"
    "               zone = \"Europe/Berlin\"; },\n"
    "             { name = \"night\"; days = [\"fri\"]; from = \"22:00\"; to = \"04:00\"; },\n"
    "             { name = \"gap\"; from = \"02:30\"; to = \"03:30\"; zone = \"Europe/Berlin\"; "
    "},\n"
    "             { name = \"weekend\"; days = [\"sat\", \"sun\"]; zone = \"+05:30\"; },\n"
    "             { name = \"eaten\"; from = \"02:10\"; to = \"02:50\"; zone = \"Europe/Berlin\"; "
    "} );\n"
    "guards = { freeze = [\"freeze\"]; };\n";

static void site_read(const char *text, struct policy_defaults *defaults, struct diags *diags)
{
    struct arena arena = ARENA_INIT;
    *defaults = policy_defaults_builtin();
    struct conf *root = conf_read_text("site.conf", text, &arena, diags);
    assert_non_null(root);
    policy_defaults_read(root, defaults, diags);
    arena_done(&arena);
}

static struct policy_set *set_new(void)
{
    static const char policy[] =
        "policies: ( { name = \"p\"; subject = \"host\"; when = { event = \"fan.failed\"; };\n"
        "  do = ( { step = \"a\"; action = \"notify\"; } ); } );";
    static struct policy_defaults defaults;
    struct diags diags = {0};
    site_read(conf, &defaults, &diags);
    struct policy_set *set = policy_load_text("p.policy", policy, &defaults, &diags);
    assert_int_equal(diags.errors_count, 0);
    assert_non_null(set);
    diags_done(&diags);
    return set;
}

static int64_t at(const char *text)
{
    int64_t ms = 0;
    if (strcmp(text, "never") == 0) {
        return INT64_MAX;
    }
    assert_true(event_time_read(text, &ms));
    return ms;
}

static const struct {
    const char *calendar, *now;
    bool inside;
    const char *edge, *why;
} states[] = {
    {"maint", "2026-03-02T10:00:00Z", false, "2026-03-03T00:00:00Z", "Monday: opens in the night"},
    {"maint", "2026-03-03T00:00:00Z", true, "2026-03-03T04:00:00Z", "the first instant is inside"},
    {"maint", "2026-03-02T23:59:59Z", false, "2026-03-03T00:00:00Z", "the one before is not"},
    {"maint", "2026-03-03T03:59:59Z", true, "2026-03-03T04:00:00Z", "the last one is"},
    {"maint", "2026-03-03T04:00:00Z", false, "2026-03-05T00:00:00Z", "the end is outside"},
    {"maint", "2026-07-06T23:00:00Z", true, "2026-07-07T03:00:00Z", "summer: an hour earlier"},
    {"freeze", "2026-12-17T22:59:59Z", false, "2026-12-17T23:00:00Z", "begins at midnight there"},
    {"freeze", "2026-12-24T12:00:00Z", true, "2027-01-04T23:00:00Z", "days that touch are one"},
    {"freeze", "2027-01-05T12:00:00Z", false, "2027-04-30T22:00:00Z", "the next range, in summer"},
    {"freeze", "2027-05-02T12:00:00Z", false, "never", "all dates are over"},
    {"night", "2026-03-06T21:59:59Z", false, "2026-03-06T22:00:00Z", "Friday evening"},
    {"night", "2026-03-07T01:00:00Z", true, "2026-03-07T04:00:00Z", "the Saturday it reaches into"},
    {"night", "2026-03-06T01:00:00Z", false, "2026-03-06T22:00:00Z", "not the Friday's own night"},
    {"gap", "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z",
     "02:30 does not exist: at 03:00"},
    {"gap", "2026-03-29T01:00:00Z", true, "2026-03-29T01:30:00Z", "half an hour is left of it"},
    {"gap", "2026-10-25T00:30:00Z", true, "2026-10-25T02:30:00Z", "02:30 comes twice: the first"},
    {"weekend", "2026-03-06T18:30:00Z", true, "2026-03-08T18:30:00Z", "two days that touch"},
    {"eaten", "2026-03-28T23:00:00Z", false, "2026-03-30T00:10:00Z", "a window that a gap ate"},
};

static void test_states(void **state)
{
    struct policy_set *set = set_new();
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        uint32_t calendar = policy_calendar_find(set, text_of(states[i].calendar));
        assert_true(calendar > 0);
        struct calendar_state is = policy_calendar_at(set, calendar, at(states[i].now));
        if (is.inside != states[i].inside || is.edge_ms != at(states[i].edge)) {
            fail_msg("%s at %s (%s): %s, edge %lld, wanted %lld", states[i].calendar, states[i].now,
                     states[i].why, is.inside ? "inside" : "outside", (long long)is.edge_ms,
                     (long long)at(states[i].edge));
        }
    }
    assert_int_equal(policy_calendar_find(set, TEXT("other")), 0);
    assert_int_equal(set->defaults.guards.freeze_calendars, 2);
    policy_set_free(set);
}

static const struct {
    const char *calendar, *now;
    int64_t left_min;
    const char *next, *why;
} nexts[] = {
    {"maint", "2026-03-03T01:00:00Z", 120, "2026-03-03T01:00:00Z", "two of three hours are left"},
    {"maint", "2026-03-03T02:00:00Z", 120, "2026-03-03T02:00:00Z", "exactly enough is enough"},
    {"maint", "2026-03-03T02:00:01Z", 120, "2026-03-05T00:00:00Z", "too little: the next one"},
    {"maint", "2026-03-03T02:00:00Z", 300, "never", "no window is that long"},
    {"gap", "2026-03-28T12:00:00Z", 60, "2026-03-30T00:30:00Z", "the short one is passed over"},
    {"freeze", "2027-05-02T12:00:00Z", 0, "never", "it opens no more"},
};

static void test_next(void **state)
{
    struct policy_set *set = set_new();
    for (size_t i = 0; i < sizeof nexts / sizeof nexts[0]; i++) {
        uint32_t calendar = policy_calendar_find(set, text_of(nexts[i].calendar));
        int64_t next =
            policy_calendar_next(set, calendar, at(nexts[i].now), nexts[i].left_min * 60000);
        if (next != at(nexts[i].next)) {
            fail_msg("%s at %s (%s): %lld, wanted %lld", nexts[i].calendar, nexts[i].now,
                     nexts[i].why, (long long)next, (long long)at(nexts[i].next));
        }
    }
    policy_set_free(set);
}

/* Whoever asks at every quarter of an hour of a year sees what the edges say. */
static void test_edges_agree(void **state)
{
    struct policy_set *set = set_new();
    for (uint32_t calendar = 1; calendar <= set->defaults.calendars.count; calendar++) {
        int64_t now = at("2026-01-01T00:00:00Z"), end = at("2026-12-31T00:00:00Z");
        struct calendar_state is = policy_calendar_at(set, calendar, now);
        for (; now < end; now += 15 * 60000) {
            struct calendar_state fresh = policy_calendar_at(set, calendar, now);
            if (now < is.edge_ms) {
                assert_int_equal(fresh.inside, is.inside);
                assert_int_equal(fresh.edge_ms, is.edge_ms);
            }
            assert_true(fresh.edge_ms > now);
            is = fresh;
        }
    }
    policy_set_free(set);
}

static const struct {
    const char *text, *wanted, *remedy, *why;
} mistakes[] = {
    {"calendars: ( { name = \"a\"; days = [\"tuesday\"]; } );", "\"tuesday\" is no day",
     "one of: mon, tue", "words are short"},
    {"calendars: ( { name = \"a\"; from = \"1am\"; } );", "'from' is no time of day", "01:00",
     "24 hours"},
    {"calendars: ( { name = \"a\"; from = \"24:01\"; } );", "'from' is no time of day", "01:00",
     "beyond the day"},
    {"calendars: ( { name = \"a\"; dates = [\"2026-02-30\"]; } );", "this is no date",
     "the first day before", "no such day"},
    {"calendars: ( { name = \"a\"; dates = [\"2027-01-04/2026-12-18\"]; } );", "this is no date",
     "the first day before", "the wrong way round"},
    {"calendars: ( { name = \"a\"; days = [\"mon\"]; zone = \"Europe/Berln\"; } );",
     "there is no time zone", "such as", "no such zone"},
    {"calendars: ( { name = \"a\"; } );", "this calendar is always open", "say days",
     "a window without an end is none"},
    {"calendars: ( { name = \"a\"; days = [\"mon\"]; }, { name = \"a\"; days = [\"mon\"]; } );",
     "there is another calendar 'a'", "unique", "twice"},
    {"calendars: ( { name = \"maint\"; days = [\"mon\"]; } ); guards = { freeze = [\"mait\"]; };",
     "there is no calendar 'mait'", "did you mean 'maint'?", "a misspelt one"},
    {"guards = { freeze = \"maint\"; };", "there is no calendar 'maint'", "there is: maintenance",
     "none at all"},
};

static void test_mistakes(void **state)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        static struct policy_defaults defaults;
        struct diags diags = {0};
        site_read(mistakes[i].text, &defaults, &diags);
        bool found = false;
        for (size_t d = 0; d < diags.count; d++) {
            const struct diag *diag = &diags.items[d];
            found =
                found || (strstr(diag->text, mistakes[i].wanted) != NULL && diag->remedy != NULL &&
                          strstr(diag->remedy, mistakes[i].remedy) != NULL);
        }
        if (!found || diags.errors_count != 1) {
            fail_msg("%s: %zu errors, first: %s (%s)", mistakes[i].why, diags.errors_count,
                     diags.count == 0 ? "" : diags.items[0].text,
                     diags.count == 0 || diags.items[0].remedy == NULL ? ""
                                                                       : diags.items[0].remedy);
        }
        diags_done(&diags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_edges_agree),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
