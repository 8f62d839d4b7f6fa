/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calendars in the engine: conditions, the gate of a policy, the site's freeze, steps that wait
 * for a window and steps that act only inside one; the clock on the wall, restarts. It is Monday,
 * 2 March 2026, 10:00 UTC.
 */

#include "rig.h"

#define MEMORY "memory.uncorrectable"

static const char site[] =
    "calendars: ( { name = \"noon\"; from = \"12:00\"; to = \"14:00\"; },\n"
    "             { name = \"morning\"; from = \"06:00\"; to = \"11:00\"; },\n"
    "             { name = \"past\"; dates = [\"2020-01-01\"]; },\n"
    "             { name = \"tuesday\"; days = [\"tue\"]; from = \"01:00\"; to = \"05:00\";\n"
    "               zone = \"Europe/Berlin\"; } );\n";

static struct rig *rig_site(const char *policies, const char *guards)
{
    static struct policy_defaults defaults;
    struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    char text[2048];
    snprintf(text, sizeof text, "%s%s", site, guards);
    defaults = policy_defaults_builtin();
    struct conf *root = conf_read_text("site.conf", text, &arena, &diags);
    assert_non_null(root);
    policy_defaults_read(root, &defaults, &diags);
    assert_int_equal(diags.errors_count, 0);
    arena_done(&arena);
    diags_done(&diags);
    return rig_new_with(racks_of(1, 5), policies, &defaults);
}

#define POLICY(keys, steps)                                                                        \
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\";\n"            \
    "  mode = \"enforce\"; when = { event = \"memory.uncorrectable\"; };\n" keys                   \
    "  limits = { once_within = \"1s\"; }; unless = ();\n"                                         \
    "  do = ( " steps " ); } );"

#define CYCLE                                                                                      \
    "{ step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; },"                           \
    "{ step = \"verify\"; check = \"cleared\"; within = \"5m\"; every = \"5s\"; }"

/* Raised at 10:00: the decision. */
static const struct {
    const char *keys, *guards, *outcome, *reason, *why;
} gates[] = {
    {"", "", "run", "all guards pass", "no calendar at all"},
    {"calendar = \"morning\";", "", "run", "all guards pass", "its window is open"},
    {"calendar = \"noon\";", "", "skipped",
     "calendar noon is closed until it opens at 2026-03-02T12:00:00.000Z", "not yet"},
    {"calendar = \"past\";", "", "skipped", "calendar past is closed, and opens no more", "over"},
    {"", "guards = { freeze = [\"noon\", \"morning\"]; };", "skipped",
     "nothing is changed: calendar morning is open until 2026-03-02T11:00:00.000Z",
     "the site's freeze"},
    {"", "guards = { freeze = [\"noon\"]; };", "run", "all guards pass", "a freeze not begun"},
};

static void test_gates(void **state)
{
    for (size_t i = 0; i < ROWS(gates); i++) {
        char text[2048];
        snprintf(text, sizeof text, POLICY("%s", CYCLE), gates[i].keys);
        struct rig *rig = rig_site(text, gates[i].guards);
        rig_raise(rig, "r1h01", MEMORY);
        rig_at(rig, 1 * MIN);
        const char *decision = rig_body(rig, RECORD_DECISION, "r1h01");
        if (strcmp(rig_state(rig, RECORD_DECISION, "r1h01"), gates[i].outcome) != 0 ||
            strstr(decision, gates[i].reason) == NULL) {
            fail_msg("%s: wanted %s (%s), got %s", gates[i].why, gates[i].outcome, gates[i].reason,
                     decision);
        }
        rig_free(rig);
    }
}

static void test_condition(void **state)
{
    struct rig *rig = rig_site(POLICY("", "{ step = \"a\"; action = \"notify\"; "
                                          "if = \"in_calendar('morning')\"; },"
                                          "{ step = \"b\"; action = \"notify\"; "
                                          "if = \"in_calendar('noon')\"; }"),
                               "");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * MIN);
    assert_trace(rig, "step run-000001 a done");
    assert_trace(rig, "step run-000001 b skipped: in_calendar(\"noon\") is false");
    rig_free(rig);
}

/* The freeze begins while a run is at work: nothing more is changed, a person is told. */
static void test_freeze_begins(void **state)
{
    struct rig *rig = rig_site(POLICY("", "{ step = \"lit\"; action = \"identify\"; },"
                                          "{ step = \"pause\"; wait = \"2h\"; }," CYCLE),
                               "guards = { freeze = [\"noon\"]; };");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 3 * HOUR);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_trace(rig, "guard calendar: nothing is changed: calendar noon is open");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

#define WAITS                                                                                      \
    "{ step = \"window\"; calendar = \"noon\"; need_left = \"30m\"; timeout = \"1d\"; }," CYCLE

static void test_waits(void **state)
{
    struct rig *rig = rig_site(POLICY("", WAITS), "");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 2 * HOUR - 1);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_has(rig_body(rig, RECORD_RUN, "r1h01"),
               "calendar noon is closed until it opens at 2026-03-02T12:00:00.000Z");
    rig_command(rig, "plan", "{}");
    assert_has(rig->reply, "step window: calendar noon is closed until");
    rig_at(rig, 2 * HOUR);
    assert_trace(rig, "step run-000001 window done: calendar noon is open until");
    rig_at(rig, 2 * HOUR + 2 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "done");
    rig_free(rig);
}

/* 13:31 on the wall: too little of the window is left, so it waits for the next day's. */
static void test_need_left(void **state)
{
    struct rig *rig = rig_site(POLICY("", WAITS), "");
    rig->wall_offset = 3 * HOUR + 31 * MIN;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 22 * HOUR);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    rig_at(rig, 22 * HOUR + 30 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_free(rig);
}

/* The wall clock steps over the beginning: asked again at once. Nothing else moved. */
static void test_wall_steps(void **state)
{
    struct rig *rig = rig_site(POLICY("", WAITS), "");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * MIN);
    rig->wall_offset = 2 * HOUR;
    rig_step(rig, &(struct engine_input){.kind = INPUT_TICK});
    assert_trace(rig, "step run-000001 window done");
    rig_free(rig);
    rig = rig_site(POLICY("", WAITS), "");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * MIN);
    rig->wall_offset = -1 * HOUR; /* And back: an hour more to wait, by engine time. */
    rig_at(rig, 3 * HOUR - 1);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    rig_at(rig, 3 * HOUR + 1 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_free(rig);
}

static void test_too_long(void **state)
{
    struct rig *rig = rig_site(
        POLICY("", "{ step = \"window\"; calendar = \"past\"; timeout = \"3h\"; }," CYCLE), "");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 4 * HOUR);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_has(rig->page.at, "no time in calendar past within 3h");
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "escalated");
    rig_free(rig);
}

/* It got well before the window: no need to wait, nothing is done. */
static void test_cleared(void **state)
{
    struct rig *rig = rig_site(POLICY("", WAITS), "");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * HOUR);
    rig_clear(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * HOUR + 1 * S);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "done");
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    rig_free(rig);
}

/* While it waits, another policy works on the host and on the rack; the window opens meanwhile. */
static void test_host_is_free(void **state)
{
    static const char other[] =
        "{ name = \"q\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = \"enforce\";\n"
        "  when = { event = \"cpu.lost\"; }; unless = ();\n"
        "  do = ( { step = \"cycle\"; action = \"power.cycle\"; },\n"
        "         { step = \"verify\"; check = \"cleared\"; within = \"30m\"; every = \"5s\"; } ); "
        "}";
    char text[4096];
    snprintf(text, sizeof text, "policies: ( %s, %s", other, &POLICY("", WAITS)[12]);
    struct rig *rig = rig_site(text, "");
    rig_host(rig, "r1h01")->stays_ill = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 2 * HOUR - 5 * MIN);
    rig_raise(rig, "r1h01", "cpu.lost");
    rig_at(rig, 2 * HOUR - 3 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1); /* The other one is not kept waiting. */
    rig_at(rig, 2 * HOUR + 10 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1); /* One run at a time. */
    assert_trace(rig, "window waits: guard one-run");
    rig_clear(rig, "r1h01", "cpu.lost");
    rig_at(rig, 2 * HOUR + 12 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 2);
    rig_free(rig);
}

/* A step that acts, but only while the window is open. */
static void test_acts_inside(void **state)
{
    struct rig *rig =
        rig_site(POLICY("", "{ step = \"cycle\"; action = \"power.cycle\"; calendar = \"morning\"; "
                            "need_left = \"2h\"; },"
                            "{ step = \"verify\"; check = \"cleared\"; within = \"5m\"; }"),
                 "");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_has(rig->page.at,
               "calendar morning is open until 2026-03-02T11:00:00.000Z, and the step needs 2h");
    rig_free(rig);
    rig = rig_site(POLICY("", "{ step = \"cycle\"; action = \"power.cycle\"; "
                              "calendar = \"morning\"; need_left = \"1h\"; },"
                              "{ step = \"verify\"; check = \"cleared\"; within = \"5m\"; }"),
                   "");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_free(rig);
}

/* Down for longer than an intent may be old, asleep over the beginning: it still waits. */
static void test_restarts(void **state)
{
    struct rig *rig = rig_site(POLICY("", WAITS), "");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 10 * MIN);
    rig_kill(rig);
    rig_start(rig, 1 * HOUR);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 2 * HOUR - 1);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "waiting");
    rig->now = RIG_START + 2 * HOUR + 20 * MIN; /* The machine slept. */
    rig_step(rig, &(struct engine_input){.kind = INPUT_TICK});
    rig_at(rig, 2 * HOUR + 22 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "done");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates),         cmocka_unit_test(test_condition),
        cmocka_unit_test(test_freeze_begins), cmocka_unit_test(test_waits),
        cmocka_unit_test(test_need_left),     cmocka_unit_test(test_wall_steps),
        cmocka_unit_test(test_too_long),      cmocka_unit_test(test_cleared),
        cmocka_unit_test(test_host_is_free),  cmocka_unit_test(test_acts_inside),
        cmocka_unit_test(test_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
