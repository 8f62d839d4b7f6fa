/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the edge table that are about more than one subject, gate or policy: U1, G1, G2, X1,
 * F7, and silent sources (A4 with a source that is watched). The others are rows of
 * test_engine_levels.c, under their ids.
 */

#include "rig.h"

#define POLICY(name, keys)                                                                         \
    "{ name = \"" name "\"; summary = \"s\"; owner = \"o\"; mode = \"enforce\"; " keys " }"
#define TELL "do = ( { step = \"tell\"; action = \"notify\"; with = { title = \"t\"; }; } );"

static int64_t fired(const struct rig *rig, const char *host, const char *outcome)
{
    int64_t at = -1;
    for (size_t i = 0; i < rig->records_count; i++) {
        const struct rig_record *record = &rig->records[i];
        if (record->kind == RECORD_DECISION && strcmp(record->host, host) == 0 &&
            strcmp(record->state, outcome) == 0) {
            assert_int_equal(at, -1); /* Once. */
            at = record->time_ms - RIG_START;
        }
    }
    return at;
}

/* F7 | for 60 | r0, wall clock +3600 at 10 | 60: a source whose clock jumped changes nothing. */
static void test_f7_wall_clock(void **state)
{
    struct rig *rig =
        rig_new(racks_of(1, 1),
                "policies: ( " POLICY("p", "subject = \"host\"; when = { event = \"x\"; for "
                                           "= \"60s\"; }; " TELL) " );");
    rig_raise(rig, "r1h01", "x");
    rig_at(rig, 10 * S);
    struct event event = event_of("r1h01", "x", EVENT_RAISE);
    event.time_ms = rig->now + HOUR;
    rig_event(rig, &event);
    rig_at(rig, 5 * MIN);
    assert_int_equal(fired(rig, "r1h01", "run"), 60 * S);
    rig_free(rig);
}

/* U1 | unless g | r0, g true at 0, false at 5, still raised | -: one activation, one decision. */
static void test_u1_skipped_stays_skipped(void **state)
{
    struct rig *rig = rig_new(
        racks_of(1, 1), "policies: ( " POLICY("p", "subject = \"host\"; when = { event = \"x\"; }; "
                                                   "unless = ( \"active('g')\" ); " TELL) " );");
    rig_raise(rig, "r1h01", "g");
    rig_raise(rig, "r1h01", "x");
    rig_at(rig, 5 * S);
    rig_clear(rig, "r1h01", "g");
    rig_raise(rig, "r1h01", "x");
    rig_at(rig, HOUR);
    assert_int_equal(fired(rig, "r1h01", "skipped"), 0);
    assert_int_equal(fired(rig, "r1h01", "run"), -1);
    rig_free(rig);
}

/* G1 | concurrent 1, queue 600 | hosts A at 0 (runs 100 s), B at 10 | A 0, B when A is done. */
static void test_g1_deferred_in_turn(void **state)
{
    struct rig *rig = rig_new(
        racks_of(1, 12),
        "policies: ( " POLICY("p", "subject = \"host\"; when = { event = \"x\"; settle = \"0s\"; "
                                   "}; unless = (); limits = { concurrent = { rack = 1; }; }; "
                                   "do = ( { step = \"cycle\"; action = \"power.cycle\"; }, { step "
                                   "= \"wait\"; wait = \"90s\"; } );") " );");
    rig_raise(rig, "r1h01", "x");
    rig_at(rig, 10 * S);
    rig_raise(rig, "r1h02", "x");
    rig_at(rig, 10 * MIN);
    assert_int_equal(fired(rig, "r1h01", "run"), 0);
    assert_int_equal(fired(rig, "r1h02", "deferred"), -1); /* Its record became the run's. */
    int64_t ended = -1;
    for (size_t i = 0; i < rig->records_count; i++) {
        const struct rig_record *record = &rig->records[i];
        const char *end = record->kind == RECORD_RUN && strcmp(record->host, "r1h01") == 0
                              ? strstr(record->body, "\"ended_ms\":")
                              : NULL;
        ended = end == NULL ? ended : strtoll(end + strlen("\"ended_ms\":"), NULL, 10) - RIG_START;
    }
    assert_true(ended >= 90 * S && ended < 120 * S);
    assert_int_equal(fired(rig, "r1h02", "run"), ended);
    rig_free(rig);
}

/* G2 | guard expression errors | r0 | - (denied): what is not known forbids. */
static void test_g2_unknown_forbids(void **state)
{
    struct rig *rig =
        rig_new(racks_of(1, 1),
                "policies: ( " POLICY("p", "subject = \"host\"; when = { event = \"x\"; }; "
                                           "unless = ( \"event.data.none > 3\" ); " TELL) " );");
    rig_raise(rig, "r1h01", "x");
    rig_at(rig, 5 * MIN);
    assert_int_equal(fired(rig, "r1h01", "run"), -1);
    assert_int_equal(fired(rig, "r1h01", "refused"), 0);
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

/* X1 | correlation count 3 within 90, host policy settle 60 | 3 hosts at 0, 30, 80 | host 1 runs at
 * 60: the loader warns of it. */
static void test_x1_settle_too_short(void **state)
{
    static const char policies[] = "policies: ( " POLICY(
        "loss",
        "subject = \"rack\"; raises = \"rack.correlated-loss\"; when = { event = "
        "\"host.unreachable\"; count = 3; within = \"90s\"; distinct = "
        "\"event.host\"; keep = \"15m\"; }; " TELL) ", " POLICY("host",
                                                                "subject = \"host\"; when = { "
                                                                "event = \"host.unreachable\"; "
                                                                "settle = \"60s\"; }; "
                                                                "unless = ( "
                                                                "\"active('rack.correlated-loss')"
                                                                "\" ); limits = { once_within = "
                                                                "\"1h\"; }; do = ( { step = "
                                                                "\"cycle\"; action = "
                                                                "\"power.cycle\"; }, { step = "
                                                                "\"verify\"; check = \"cleared\"; "
                                                                "within = \"1m\"; } );") " );";
    struct diags diags = {0};
    struct policy_defaults defaults = policy_defaults_builtin();
    struct policy_set *set = policy_load_text("x1.policy", policies, &defaults, &diags);
    assert_non_null(set);
    CLEANUP(textbuf_donep) struct textbuf said = {0};
    diags_print(&diags, policies, false, &said);
    assert_has(said.at, "'host' may act before 'loss', which needs up to 1m30s, can forbid it");
    policy_set_free(set);
    diags_done(&diags);

    struct rig *rig = rig_new(racks_of(1, 20), policies);
    rig_raise(rig, "r1h01", "host.unreachable");
    rig_at(rig, 30 * S);
    rig_raise(rig, "r1h02", "host.unreachable");
    rig_at(rig, 80 * S);
    rig_raise(rig, "r1h03", "host.unreachable");
    rig_at(rig, 10 * MIN);
    assert_int_equal(fired(rig, "r1h01", "run"), 60 * S);
    assert_int_equal(fired(rig, "r1h02", "run"), -1);
    assert_int_equal(fired(rig, "r1h03", "run"), -1);
    assert_int_equal(fired(rig, "r1h03", "skipped"), 140 * S);
    rig_free(rig);
}

/* A4 with a source that is watched: it falls silent, so the silence of a host says nothing; when it
 * speaks again, the silence of the host begins. */
static void test_a4_source_silent(void **state)
{
    struct policy_defaults defaults = policy_defaults_builtin();
    defaults.settle_ms = 0;
    defaults.guards.silences[0] = (struct policy_silence){.source = "test", .after_ms = 60 * S};
    defaults.guards.silences_count = 1;
    struct rig *rig =
        rig_new_with(racks_of(1, 2),
                     "policies: ( " POLICY("p", "subject = \"host\"; when = { event = \"beat\"; "
                                                "absent = \"300s\"; }; " TELL) " );",
                     &defaults);
    rig_pulse(rig, "r1h01", "beat");
    rig_at(rig, 400 * S); /* Silent from 0 on. */
    for (int i = 0; i < 10; i++) {
        rig_pulse(rig, "r1h02", "beat");
        rig_at(rig, (440 + 40 * i) * S);
    }
    assert_int_equal(fired(rig, "r1h01", "run"), 700 * S);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f7_wall_clock),       cmocka_unit_test(test_u1_skipped_stays_skipped),
        cmocka_unit_test(test_g1_deferred_in_turn), cmocka_unit_test(test_g2_unknown_forbids),
        cmocka_unit_test(test_x1_settle_too_short), cmocka_unit_test(test_a4_source_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
