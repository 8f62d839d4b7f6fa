/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a host's bindings carries an action out, and that the next one is taken only when the
 * one before certainly did nothing. */

#include "rig.h"

#define HOST(more)                                                                                 \
    "hosts: ( { name = \"r1h01\"; rack = \"r1\"; site = \"dc1\"; " more                            \
    " bmc = { driver = \"ipmi\"; address = \"10.1.1.1\"; }; "                                      \
    "outlet = { driver = \"snmp\"; address = \"10.1.9.1\"; outlets = \"1, 10.1.9.2/1\"; }; } );"
#define BOTH HOST("reach = { power = [\"bmc\", \"outlet\"]; };")

static void run_memory(struct rig *rig)
{
    rig_raise(rig, "r1h01", "memory.uncorrectable");
    rig_at(rig, 4 * MIN);
}

static void test_the_first_is_well(void **state)
{
    (void)state;
    struct rig *rig = rig_new(BOTH, MEMORY_POLICY);
    run_memory(rig);
    assert_int_equal(rig_host(rig, "r1h01")->offs, 1);
    assert_int_equal(rig_host(rig, "r1h01/outlet")->orders, 0);
    assert_has(rig_body(rig, RECORD_ACTION, "r1h01"), "\"binding\":\"bmc\"");
    assert_null(strstr(rig_body(rig, RECORD_ACTION, "r1h01"), "instead"));
    rig_free(rig);
}

static void test_the_first_is_not_there(void **state)
{
    (void)state;
    struct rig *rig = rig_new(BOTH, MEMORY_POLICY);
    rig_host(rig, "r1h01")->bmc = BMC_GONE;
    run_memory(rig);
    assert_int_equal(rig_host(rig, "r1h01/outlet")->offs, 1);
    assert_int_equal(rig_host(rig, "r1h01/outlet")->ons, 1);
    assert_int_equal(rig->pages, 0);
    assert_trace(rig, "falls back to outlet (snmp)");
    const char *action = rig_body(rig, RECORD_ACTION, "r1h01");
    assert_has(action, "\"binding\":\"outlet\"");
    assert_has(action, "\"driver\":\"snmp\"");
    assert_has(action, "\"verified\":true");
    assert_has(action, "\"instead\":\"bmc (ipmi): unreachable: ");
    assert_has(action, "nothing was done");
    /* Both are records: what was tried, and what was done. */
    assert_has(rig_record(rig, RECORD_ACTION, "act-000001")->body, "\"state\":\"failed\"");
    assert_has(rig_body(rig, RECORD_RUN, "r1h01"), "by its outlet, after bmc (ipmi): unreachable");
    rig_free(rig);
}

/* Each row: a world in which the outlet stays as it is, and why. */
static void test_nobody_falls_back(void **state)
{
    (void)state;
    static const struct {
        const char *inventory;
        enum bmc bmc;
        const char *why;
    } rows[] = {
        {HOST(""), BMC_GONE, "the inventory does not permit it"},
        {BOTH, BMC_DEAF, "no answer: what it did is not known"},
        {BOTH, BMC_MUTE, "it did it, and the answer was lost"},
        {BOTH, BMC_LIES, "it says done, and nothing happened: that is known, and is no silence"},
        {BOTH, BMC_ADMITS, "its driver says that it did not work, and something may have happened"},
        {BOTH, BMC_BUSY, "busy is not among the reasons"},
        {HOST("reach = { power = [\"bmc\", \"outlet\"]; when = [\"auth\"]; };"), BMC_GONE,
         "only refused credentials are a reason here"},
        {HOST("reach = { fence = [\"outlet\", \"bmc\"]; };"), BMC_GONE, "another purpose"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = rig_new(rows[i].inventory, MEMORY_POLICY);
        rig_host(rig, "r1h01")->bmc = rows[i].bmc;
        rig_host(rig, "r1h01")->busy_times = 99;
        rig_raise(rig, "r1h01", "memory.uncorrectable");
        rig_at(rig, 20 * MIN);
        if (rig_host(rig, "r1h01/outlet")->orders != 0 || trace_count(rig, "falls back") != 0) {
            fail_msg("%s: it fell back\n%s", rows[i].why, rig->trace.at);
        }
        rig_free(rig);
    }
}

static void test_the_policy_forbids(void **state)
{
    (void)state;
    char policy[4096];
    const char *at = strstr(MEMORY_POLICY, "timeout = \"1m\";");
    assert_non_null(at);
    snprintf(policy, sizeof policy, "%.*sfallback = false; %s", (int)(at - MEMORY_POLICY),
             MEMORY_POLICY, at);
    struct rig *rig = rig_new(BOTH, policy);
    rig_host(rig, "r1h01")->bmc = BMC_GONE;
    run_memory(rig);
    assert_int_equal(rig_host(rig, "r1h01/outlet")->orders, 0);
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_every_way_fails(void **state)
{
    (void)state;
    struct rig *rig = rig_new(BOTH, MEMORY_POLICY);
    rig_host(rig, "r1h01")->bmc = BMC_GONE;
    rig_host(rig, "r1h01/outlet")->bmc = BMC_GONE;
    run_memory(rig);
    assert_int_equal(rig->pages, 1);
    assert_has(rig->page.at, "power.cycle: unreachable");
    assert_has(rig->page.at, "by its outlet, after bmc (ipmi): unreachable");
    rig_free(rig);
}

/* The second one's outcome is unknown: it is read back by the second one, and the first stays away.
 */
static void test_the_second_is_in_doubt(void **state)
{
    (void)state;
    struct rig *rig = rig_new(BOTH, MEMORY_POLICY);
    rig_host(rig, "r1h01")->bmc = BMC_GONE;
    rig_host(rig, "r1h01/outlet")->bmc = BMC_HALFWAY;
    run_memory(rig);
    assert_int_equal(rig_host(rig, "r1h01/outlet")->offs, 1);
    assert_int_equal(rig_host(rig, "r1h01/outlet")->ons, 1);
    assert_false(rig_host(rig, "r1h01/outlet")->off);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1); /* The one that found nobody. */
    assert_has(rig_body(rig, RECORD_ACTION, "r1h01"), "\"verb\":\"power.on\"");
    assert_has(rig_body(rig, RECORD_ACTION, "r1h01"), "\"binding\":\"outlet\"");
    rig_free(rig);
}

/* kill -9 after every step: never more than one cycle, and the binding that did it is asked. */
static void test_over_a_restart(void **state)
{
    (void)state;
    unsigned resumed = 0;
    for (uint32_t kill = 1; kill < 40; kill++) {
        struct rig *rig = rig_new(BOTH, MEMORY_POLICY);
        rig_host(rig, "r1h01")->bmc = BMC_GONE;
        rig->kill_after = rig->steps + kill;
        rig->lose = kill % 2 == 0;
        run_memory(rig);
        bool dead = rig->dead;
        if (dead) {
            int64_t at = rig->now - RIG_START;
            rig_kill(rig);
            rig_start(rig, at + 2 * S);
            resumed += trace_count(rig, "falls back") > 0;
            rig_at(rig, at + 20 * MIN);
        }
        assert_true(rig_host(rig, "r1h01/outlet")->offs <= 1);
        assert_false(rig_host(rig, "r1h01/outlet")->off);
        rig_free(rig);
    }
    assert_true(resumed > 0);
}

/* An endpoint that is left alone got nothing: the other way is free at once. */
static void test_the_breaker_is_open(void **state)
{
    (void)state;
    struct rig *rig = rig_new(
        "hosts: ( "
        "{ name = \"r1h01\"; rack = \"r1\"; reach = { power = [\"bmc\", \"outlet\"]; }; "
        "bmc = { driver = \"ipmi\"; address = \"10.1.1.1\"; system = \"1\"; }; "
        "outlet = { driver = \"snmp\"; address = \"10.1.9.1\"; outlets = \"1\"; }; }, "
        "{ name = \"r2h01\"; rack = \"r2\"; bmc = { driver = \"ipmi\"; address = \"10.1.1.1\"; "
        "system = \"2\"; }; } );",
        "policies: ( { name = \"look\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "
        "\"enforce\"; when = { event = \"look\"; }; do = ( { step = \"a\"; action = "
        "\"power.status\"; retries = 10; retry_delay = \"1s\"; } ); }, "
        "{ name = \"cycle\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "
        "\"enforce\"; "
        "when = { event = \"memory.uncorrectable\"; }; do = ( { step = \"a\"; action = "
        "\"power.cycle\"; } ); } );");
    rig_host(rig, "r1h01")->bmc = rig_host(rig, "r2h01")->bmc = BMC_GONE;
    rig_pulse(rig, "r2h01", "look");
    rig_at(rig, 20 * S);
    assert_trace(rig, "breaker ipmi 10.1.1.1 open");
    rig_raise(rig, "r1h01", "memory.uncorrectable");
    rig_at(rig, 2 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_int_equal(rig_host(rig, "r1h01/outlet")->offs, 1);
    assert_has(rig_body(rig, RECORD_ACTION, "r1h01"), "never sent: endpoint ipmi 10.1.1.1 is open");
    rig_free(rig);
}

/* Hosts that have no controller: who stands in for it. */
static void test_who_stands_in(void **state)
{
    (void)state;
    static const struct {
        const char *bindings, *verb, *who, *why;
    } rows[] = {
        {"bmc = { driver = \"a\"; }; instance = { driver = \"b\"; };", "power.cycle", "a",
         "its own"},
        {"instance = { driver = \"b\"; };", "power.cycle", "b", "a cloud's server"},
        {"node = { driver = \"c\"; };", "power.cycle", "c", "a node that its cluster can restart"},
        {"node = { driver = \"c\"; }; instance = { driver = \"b\"; };", "power.cycle", "b",
         "the server before the node"},
        {"outlet = { driver = \"d\"; };", "power.cycle", NULL, "an outlet never by itself"},
        {"outlet = { driver = \"d\"; }; reach = { power = [\"outlet\"]; };", "power.cycle", "d",
         "... but when the inventory says so"},
        {"instance = { driver = \"b\"; };", "drain", "b", "an instance of a group"},
        {"node = { driver = \"c\"; };", "remove", "c", "the node object"},
        {"node = { driver = \"c\"; };", "probe", "c", "the cluster knows"},
        {"bmc = { driver = \"a\"; };", "fence", NULL, "a fence is the outlets'"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[512];
        snprintf(text, sizeof text, "hosts: ( { name = \"h\"; %s } );", rows[i].bindings);
        struct inventory *inventory = inventory_text(text);
        const struct binding *ways[HOST_REACH_MAX];
        size_t count = host_reach(&inventory->hosts[0], verb_find(text_of(rows[i].verb)), ways);
        const char *who = count == 0 ? NULL : ways[0]->driver;
        if ((who == NULL) != (rows[i].who == NULL) ||
            (who != NULL && strcmp(who, rows[i].who) != 0)) {
            fail_msg("%s: %s", rows[i].why, who == NULL ? "nobody" : who);
        }
        inventory_free(inventory);
    }
}

/* A verb of one driver goes by the binding that has it. */
static void test_verbs_of_one_driver(void **state)
{
    (void)state;
    struct inventory *inventory = inventory_text(
        "hosts: ( { name = \"h\"; bmc = { driver = \"a\"; }; node = { driver = \"c\"; }; } );");
    const struct binding *ways[HOST_REACH_MAX];
    struct verb verb = {.name = "c.cordon", .binding = BINDING_BMC, .driver = "c"};
    assert_int_equal(host_reach(&inventory->hosts[0], &verb, ways), 1);
    assert_int_equal(ways[0]->kind, BINDING_NODE);
    verb.driver = "z";
    assert_int_equal(host_reach(&inventory->hosts[0], &verb, ways), 0);
    inventory_free(inventory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_is_well), cmocka_unit_test(test_the_first_is_not_there),
        cmocka_unit_test(test_nobody_falls_back), cmocka_unit_test(test_the_policy_forbids),
        cmocka_unit_test(test_every_way_fails),   cmocka_unit_test(test_the_second_is_in_doubt),
        cmocka_unit_test(test_over_a_restart),    cmocka_unit_test(test_the_breaker_is_open),
        cmocka_unit_test(test_who_stands_in),     cmocka_unit_test(test_verbs_of_one_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
