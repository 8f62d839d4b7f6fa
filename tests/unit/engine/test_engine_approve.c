/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that ask: approve with one and two persons, time-outs, veto windows, guards afterwards. */

#include "rig.h"

#define MEMORY "memory.uncorrectable"
#define HEAD                                                                                       \
    "policies: ( { name = \"asks\"; subject = \"host\"; owner = \"dc\";\n"                         \
    "  when = { event = \"memory.uncorrectable\"; settle = \"0s\"; };\n"                           \
    "  limits = { once_within = \"1s\"; };\n"
#define CYCLE                                                                                      \
    "  do = ( { step = \"cycle\"; action = \"power.cycle\"; },\n"                                  \
    "         { step = \"verify\"; check = \"cleared\"; within = \"2m\"; every = \"5s\"; } ); } "  \
    ");"
#define BY_MODE HEAD "  mode = \"approve\";\n" CYCLE
#define TWO                                                                                        \
    HEAD "  mode = \"approve\"; approve = { by = [\"alice\", \"noc\"]; count = 2; timeout = "      \
         "\"1h\"; };\n" CYCLE
#define VETO HEAD "  mode = \"enforce\"; veto = { for = \"10m\"; tell = \"page\"; };\n" CYCLE
#define STEP(key)                                                                                  \
    HEAD "  mode = \"enforce\";\n  do = ( { step = \"cycle\"; action = \"power.cycle\"; " key      \
         " },\n"                                                                                   \
         "         { step = \"after\"; wait = \"1s\"; } ); } );"

static int says(struct rig *rig, const char *name, const char *actor, const char *json)
{
    struct arena arena = ARENA_INIT;
    struct nsh_value args;
    assert_int_equal(json_parse(json, strlen(json), &arena, &args, NULL), 0);
    rig_step(rig, &(struct engine_input){
                      .kind = INPUT_COMMAND,
                      .command = {.name = text_of(name), .args = args, .actor = text_of(actor)}});
    arena_done(&arena);
    return rig->result;
}

#define RUN_1 "{\"id\":\"run-000001\",\"reason\":\"seen on camera\"}"
#define ALICE "uid:1000(alice)"
#define BOB "uid:1001(bob)"
#define NOC "{\"id\":\"run-000001\",\"teams\":[\"users\",\"noc\"]}"

static struct rig *asking(const char *policies)
{
    struct rig *rig = rig_new(racks_of(2, 3), policies);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    return rig;
}

static void wants(struct rig *rig, unsigned orders, const char *state)
{
    if (rig_host(rig, "r1h01")->orders != orders ||
        strcmp(rig_state(rig, RECORD_RUN, "r1h01"), state) != 0) {
        fail_msg("%u orders, run %s; wanted %u, %s\n%s", rig_host(rig, "r1h01")->orders,
                 rig_state(rig, RECORD_RUN, "r1h01"), orders, state, rig->trace.at);
    }
}

static void test_mode(void **state)
{
    struct rig *rig = asking(BY_MODE);
    wants(rig, 0, "waiting");
    assert_has(rig_body(rig, RECORD_RUN, "r1h01"), "\"waits\":{\"for\":\"approval\"");
    assert_has(rig_body(rig, RECORD_RUN, "r1h01"), "power.cycle of asks on r1h01");
    rig_command(rig, "plan", "{}");
    assert_has(rig->reply, "0 of 1 given");
    assert_has(rig->reply, "in 29m");
    rig_command(rig, "approvals", "{}");
    assert_has(rig->reply, "\"id\":\"run-000001\"");
    assert_has(rig->reply, "\"left_ms\":1740000");
    rig_command(rig, "status", "{}");
    assert_has(rig->reply, "\"approvals\":[{\"id\":\"run-000001\"");
    assert_int_equal(says(rig, "approve", ALICE, RUN_1), 0);
    assert_has(rig->reply, "it goes on");
    rig_at(rig, 5 * MIN);
    wants(rig, 1, "done");
    assert_has(rig_body(rig, RECORD_RUN, "r1h01"), "approved by uid:1000(alice): seen on camera");
    assert_int_equal(says(rig, "approve", ALICE, RUN_1), -NSH_NOT_FOUND);
    rig_free(rig);
}

static void test_denied(void **state)
{
    struct rig *rig = asking(BY_MODE);
    assert_int_equal(says(rig, "deny", ALICE, "{\"id\":\"run-000001\"}"), -NSH_INVALID);
    assert_int_equal(says(rig, "deny", ALICE, RUN_1), 0);
    wants(rig, 0, "cancelled");
    assert_has(rig_body(rig, RECORD_RUN, "r1h01"), "denied by uid:1000(alice): seen on camera");
    rig_at(rig, 2 * HOUR);
    assert_int_equal(rig->pages, 0); /* Whoever said no knows. */
    rig_free(rig);
}

static void test_two_persons(void **state)
{
    struct rig *rig = asking(TWO);
    assert_int_equal(says(rig, "approve", BOB, RUN_1), -NSH_DENIED);
    assert_has(rig_body(rig, RECORD_COMMAND, ""), "asked of alice, noc");
    assert_int_equal(says(rig, "approve", ALICE, RUN_1), 0);
    assert_has(rig->reply, "1 of 2 approved");
    assert_int_equal(says(rig, "approve", ALICE, NOC), -NSH_EXISTS);
    assert_has(rig_body(rig, RECORD_COMMAND, ""), "2 different persons");
    wants(rig, 0, "waiting");
    assert_int_equal(says(rig, "approve", BOB, NOC), 0);
    rig_at(rig, 5 * MIN);
    wants(rig, 1, "done");
    rig_free(rig);
}

static void test_nobody(void **state)
{
    struct rig *rig = asking(TWO);
    assert_int_equal(says(rig, "approve", ALICE, RUN_1), 0);
    rig_at(rig, 61 * MIN);
    wants(rig, 0, "escalated"); /* Nobody knows: a person is told. */
    assert_int_equal(rig->pages, 1);
    assert_has(rig_body(rig, RECORD_RUN, "r1h01"), "not approved within 1h, 1 of 2 said yes");
    rig_free(rig);
    rig = asking(STEP("approve = { timeout = \"3m\"; on_timeout = \"allow\"; };"));
    rig_at(rig, 2 * MIN);
    wants(rig, 0, "waiting");
    rig_at(rig, 5 * MIN);
    wants(rig, 1, "done");
    rig_free(rig);
}

static void test_veto(void **state)
{
    struct rig *rig = asking(VETO);
    assert_int_equal(rig->pages, 1);
    assert_has(rig->page.at, "nightshift veto run-000001");
    rig_command(rig, "plan", "{}");
    assert_has(rig->reply, "unless vetoed by any operator");
    assert_int_equal(says(rig, "veto", BOB, RUN_1), 0);
    wants(rig, 0, "cancelled");
    rig_at(rig, 1 * HOUR);
    wants(rig, 0, "cancelled");
    rig_free(rig);
    rig = asking(VETO);
    rig_at(rig, 9 * MIN);
    wants(rig, 0, "waiting");
    rig_at(rig, 15 * MIN);
    wants(rig, 1, "done");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

/* An approval overrides no guard. */
static void test_freeze_wins(void **state)
{
    struct rig *rig = asking(BY_MODE);
    rig_command(rig, "freeze",
                "{\"scope\":\"all\",\"reason\":\"works\",\"for_ms\":3600000,\"owner\":\"ops\"}");
    assert_int_equal(rig->result, 0);
    assert_int_equal(says(rig, "approve", ALICE, RUN_1), 0);
    assert_has(rig->reply, "frozen by ops");
    rig_at(rig, 10 * MIN);
    wants(rig, 0, "cancelled");
    rig_free(rig);
}

/* Waiting keeps no host and no budget; going on waits for its turn. */
static void test_host_is_free(void **state)
{
    static const char both[] =
        "policies: ( { name = \"asks\"; subject = \"host\"; mode = \"approve\";\n"
        "  when = { event = \"memory.uncorrectable\"; };\n"
        "  do = ( { step = \"c\"; action = \"power.cycle\"; } ); },\n"
        "  { name = \"acts\"; subject = \"host\"; mode = \"enforce\";\n"
        "  when = { event = \"fan.failed\"; };\n"
        "  do = ( { step = \"c\"; action = \"power.cycle\"; },\n"
        "         { step = \"w\"; wait = \"2m\"; } ); } );";
    struct rig *rig = asking(both);
    rig_raise(rig, "r1h02", "fan.failed");
    rig_at(rig, 90 * S);
    assert_int_equal(rig_host(rig, "r1h02")->orders, 1);
    assert_int_equal(says(rig, "approve", ALICE, RUN_1), 0);
    assert_has(rig->reply, "1 of 1 hosts worked on in rack=r1");
    wants(rig, 0, "waiting");
    rig_at(rig, 5 * MIN);
    wants(rig, 1, "done");
    rig_free(rig);
}

static void test_cleared(void **state)
{
    struct rig *rig = asking(BY_MODE);
    rig_clear(rig, "r1h01", MEMORY);
    wants(rig, 0, "done");
    rig_free(rig);
}

static void test_conditions(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 2),
                              STEP("approve = { if = \"host.pool == 'db'\"; timeout = \"1h\"; };"));
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 2 * MIN);
    wants(rig, 1, "done");
    rig_free(rig);
    /* Without its approval the step is not done, whatever on_fail says; the others are. */
    rig = asking(STEP("approve = { timeout = \"1h\"; }; on_fail = \"continue\";"));
    assert_int_equal(says(rig, "deny", ALICE, RUN_1), 0);
    rig_at(rig, 5 * MIN);
    wants(rig, 0, "done");
    assert_trace(rig, "step run-000001 cycle skipped: it was not approved");
    assert_trace(rig, "step run-000001 after done");
    rig_free(rig);
}

/* Killed at every step: one order at most, none without both persons; what was said is kept. */
static bool crash(uint32_t after, bool lose)
{
    struct rig *rig = rig_new(racks_of(1, 3), TWO);
    rig->kill_after = rig->steps + after;
    rig->lose = lose;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * MIN);
    if (!rig->dead) {
        says(rig, "approve", ALICE, RUN_1);
    }
    rig_at(rig, 2 * MIN);
    bool first = !rig->dead;
    if (first) {
        says(rig, "approve", BOB, NOC);
        rig_at(rig, 10 * MIN);
    }
    bool killed = rig->dead;
    if (killed) {
        int64_t at = rig->now - RIG_START + MIN;
        rig_kill(rig);
        rig_start(rig, at);
        rig_raise(rig, "r1h01", MEMORY);
        rig_at(rig, at + MIN);
        assert_true(first || rig_host(rig, "r1h01")->orders == 0);
        int alice = says(rig, "approve", ALICE, RUN_1);
        int again = says(rig, "approve", ALICE, RUN_1);
        assert_true(alice == 0 || again < 0);
        assert_true(again < 0);
        assert_true(first || rig_host(rig, "r1h01")->orders == 0);
        says(rig, "approve", BOB, NOC);
        rig_heal(rig, "r1h01");
        rig_at(rig, at + 3 * HOUR);
    }
    if (rig_host(rig, "r1h01")->orders > 1) {
        fail_msg("killed after %u: %u orders\n%s", after, rig_host(rig, "r1h01")->orders,
                 rig->trace.at);
    }
    for (size_t i = 0; i < rig->records_count; i++) {
        assert_false(rig->records[i].live && rig->records[i].kind == RECORD_RUN);
    }
    rig_free(rig);
    return killed;
}

static void test_restarts(void **state)
{
    uint32_t after = 1;
    while (crash(after, false) && crash(after, true)) {
        after++;
    }
    assert_true(after > 12);
    /* Downtime is not waiting time: nobody could say no. */
    struct rig *rig = asking(VETO);
    rig_kill(rig);
    rig_start(rig, 3 * HOUR);
    wants(rig, 0, "waiting");
    rig_at(rig, 3 * HOUR + 8 * MIN);
    wants(rig, 0, "waiting");
    rig_at(rig, 3 * HOUR + 15 * MIN);
    wants(rig, 1, "done");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode),         cmocka_unit_test(test_denied),
        cmocka_unit_test(test_two_persons),  cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_veto),         cmocka_unit_test(test_freeze_wins),
        cmocka_unit_test(test_host_is_free), cmocka_unit_test(test_cleared),
        cmocka_unit_test(test_conditions),   cmocka_unit_test(test_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
