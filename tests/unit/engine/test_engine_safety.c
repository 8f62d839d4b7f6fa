/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The safety rules that remember: witnesses, the ladder of a chassis, endpoints, holds, sight. Each
 * is broken on purpose, and says why it stopped.
 */

#include "rig.h"

/* STEPS for each x.failed of a host, as often as asked. */
#define POLICY(limits, steps)                                                                      \
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "      \
    "\"enforce\";"                                                                                 \
    " when = { event = \"x.failed\"; }; limits = { once_within = \"0s\"; " limits " };"            \
    " do = ( " steps " ); } );"
#define OFF "{ step = \"off\"; action = \"power.off\"; timeout = \"1m\"; }"
#define LOOK "{ step = \"look\"; action = \"power.status\"; timeout = \"20s\"; }"
#define CYCLE "{ step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; }"

/* As a site that configures nothing, but for how fast it may go. */
static struct policy_defaults defaults_of(void)
{
    struct policy_defaults defaults = policy_defaults_builtin();
    defaults.step_timeout_ms = 60 * S;
    return defaults;
}

static struct rig *rig_of(const char *policies)
{
    struct policy_defaults defaults = defaults_of();
    return rig_new_with(racks_of(2, 10), policies, &defaults);
}

static void rig_restart(struct rig *rig)
{
    rig_kill(rig);
    rig_start(rig, rig->now - RIG_START + S);
}

static void rig_inventory(struct rig *rig, const char *text)
{
    struct inventory *before = rig->inventory;
    rig->inventory = inventory_text(text);
    rig_step(rig, &(struct engine_input){.kind = INPUT_INVENTORY, .inventory = rig->inventory});
    inventory_free(before);
}

/* ---- witnesses ---------------------------------------------------------------------------------
 */

static void raise_from(struct rig *rig, const char *type, const char *source)
{
    struct event event = event_of("r1h01", type, EVENT_RAISE);
    event.source = text_of(source);
    rig_event(rig, &event);
}

static void test_witnesses(void **state)
{
    static const struct {
        const char *policies, *other, *outcome, *text;
        uint32_t offs;
        const char *why;
    } rows[] = {
        {POLICY("", OFF), NULL, "refused",
         "1 of 2 witnesses on different paths for power.off: x.failed from trap/10.9.0.1", 0,
         "one sender is not two"},
        {POLICY("", OFF), "trap/10.9.0.1", "refused", "1 of 2 witnesses", 0,
         "two alarms of one sender neither"},
        {POLICY("", OFF), "trap/10.9.0.2", "refused", "1 of 2 witnesses", 0,
         "two traps may be one forger's"},
        {POLICY("", OFF), "alertmanager", "run", "2 of 2 witnesses", 1, "two senders are"},
        {POLICY("", LOOK ", " OFF), NULL, "run", "to be read: power.status from bmc", 1,
         "what the ladder reads first is one"},
        {POLICY("", OFF ", " LOOK), NULL, "refused", "1 of 2 witnesses", 0,
         "what it reads afterwards is none"},
        {POLICY("witnesses = 3;", LOOK ", " OFF), NULL, "refused", "2 of 3 witnesses", 0,
         "a policy may want more"},
        {POLICY("", CYCLE), NULL, "run", "nothing is switched off", 1,
         "a cycle ends with the host on"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = rig_of(rows[i].policies);
        if (rows[i].other != NULL) {
            raise_from(rig, "other.failed", rows[i].other);
        }
        raise_from(rig, "x.failed", "trap/10.9.0.1");
        rig_at(rig, 2 * MIN);
        print_message("%s\n", rows[i].why);
        assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), rows[i].outcome);
        assert_has(rig_body(rig, RECORD_DECISION, "r1h01"), rows[i].text);
        assert_int_equal(rig_host(rig, "r1h01")->offs, rows[i].offs);
        rig_free(rig);
    }
}

/* The same alarm of two senders, one of whom spoke before a restart. */
static void test_witness_seconds(void **state)
{
    struct rig *rig = rig_of(POLICY("", OFF));
    raise_from(rig, "other.failed", "trap/10.9.0.1");
    raise_from(rig, "other.failed", "alertmanager");
    rig_restart(rig);
    raise_from(rig, "x.failed", "trap/10.9.0.1");
    rig_at(rig, 2 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->offs, 1);
    assert_has(rig_body(rig, RECORD_DECISION, "r1h01"), "other.failed from alertmanager");
    rig_free(rig);
}

/* The reading that was promised did not speak: the action is stopped, and a person told. */
static void test_witness_silent(void **state)
{
    struct rig *rig = rig_of(
        POLICY("", "{ step = \"look\"; action = \"power.status\"; timeout = \"20s\"; on_fail = "
                   "\"continue\"; }, " OFF));
    rig_host(rig, "r1h01")->unreadable = 1;
    raise_from(rig, "x.failed", "trap/10.9.0.1");
    rig_at(rig, 2 * MIN);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "run");
    assert_int_equal(rig_host(rig, "r1h01")->offs, 0);
    assert_trace(rig, "off refused: guard witness: 1 of 2 witnesses on different paths for "
                      "power.off: x.failed from trap/10.9.0.1");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

/* What a probe says decides whether it is a sign; that it failed does not. Also over a restart. */
static void test_witness_probe(void **state)
{
    static const struct {
        int probed;
        uint32_t offs;
        const char *why;
    } rows[] = {
        {NSH_SILENT, 1, "it was looked for and found silent"},
        {NSH_OK, 0, "it answers: no sign that it is dead"},
        {NSH_UNREACHABLE, 0, "the service that knows could not be asked"},
        {NSH_TIMEOUT, 0, "no answer is none"},
        {NSH_AUTH, 0, "who asked was not let in"},
        {NSH_FAILED, 0, "the program that looks broke"},
    };
    for (size_t i = 0; i < 2 * ROWS(rows); i++) {
        struct policy_defaults defaults = defaults_of();
        struct rig *rig = rig_new_with(
            inventory_of("{ name = \"r1h01\"; rack = \"r1\"; site = \"dc1\"; addresses = "
                         "[\"10.1.0.1\"]; bmc = { driver = \"redfish\"; address = \"10.1.1.1\"; }; "
                         "os = { driver = \"exec\"; }; }"),
            POLICY("", "{ step = \"look\"; action = \"probe\"; timeout = \"20s\"; on_fail = "
                       "\"continue\"; }, { step = \"pause\"; wait = \"10s\"; }, " OFF),
            &defaults);
        print_message("%s%s\n", rows[i / 2].why, i % 2 ? ", before a restart" : "");
        rig_host(rig, "r1h01")->probed = rows[i / 2].probed;
        raise_from(rig, "x.failed", "trap/10.9.0.1");
        rig_at(rig, 6 * S);
        if (i % 2) {
            rig_restart(rig);
        }
        rig_at(rig, 5 * MIN);
        assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "run");
        assert_int_equal(rig_host(rig, "r1h01")->offs, rows[i / 2].offs);
        rig_free(rig);
    }
}

/* ---- the ladder's memory -----------------------------------------------------------------------
 */

static void cycle_at(struct rig *rig, const char *host, int64_t at)
{
    rig_at(rig, at);
    rig_raise(rig, host, "x.failed");
    rig_at(rig, at + 5 * MIN);
    rig_clear(rig, host, "x.failed");
}

static void test_ladder(void **state)
{
    struct rig *rig = rig_of(POLICY("", CYCLE));
    for (int day = 0; day < 5; day++) {
        cycle_at(rig, "r1h01", day * 48 * HOUR);
    }
    assert_int_equal(rig_host(rig, "r1h01")->offs, 5);
    rig_restart(rig); /* Weeks are longer than a process lives. */
    cycle_at(rig, "r1h01", 10 * 24 * HOUR);
    assert_int_equal(rig_host(rig, "r1h01")->offs, 5);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "refused");
    assert_has(rig_body(rig, RECORD_DECISION, "r1h01"),
               "5 of 5 interrupting runs on chassis S1-1 in 21d, 0 ended with a person");
    assert_int_equal(rig->pages, 1);
    cycle_at(rig, "r1h02", 10 * 24 * HOUR + HOUR); /* Another chassis. */
    assert_int_equal(rig_host(rig, "r1h02")->offs, 1);
    cycle_at(rig, "r1h01", 22 * 24 * HOUR); /* The first of them is three weeks old. */
    assert_int_equal(rig_host(rig, "r1h01")->offs, 6);
    rig_free(rig);
}

/* The same chassis under another name is no new one; another chassis under the old name is. */
static void test_ladder_moves(void **state)
{
    struct policy_defaults defaults = defaults_of();
    defaults.guards.ladder_runs_max = 1;
    struct rig *rig = rig_new_with(
        inventory_of("{ name = \"old\"; serial = \"S7\"; addresses = [\"10.0.0.1\"]; bmc = { "
                     "driver = \"redfish\"; address = \"10.1.0.1\"; }; }"),
        POLICY("", CYCLE), &defaults);
    cycle_at(rig, "old", 0);
    rig_inventory(rig,
                  inventory_of("{ name = \"old\"; serial = \"S8\"; addresses = [\"10.0.0.1\"]; bmc "
                               "= { driver = \"redfish\"; address = \"10.1.0.1\"; }; }, "
                               "{ name = \"new\"; serial = \"S7\"; addresses = [\"10.0.0.2\"]; bmc "
                               "= { driver = \"redfish\"; address = \"10.1.0.2\"; }; }"));
    cycle_at(rig, "new", 48 * HOUR);
    assert_int_equal(rig_host(rig, "new")->offs, 0);
    assert_has(rig_body(rig, RECORD_DECISION, "new"), "1 of 1 interrupting runs on chassis S7");
    cycle_at(rig, "old", 49 * HOUR);
    assert_int_equal(rig_host(rig, "old")->offs, 2);
    rig_free(rig);
}

/* A run of a rack that works through hosts asks for each of them. */
static void test_ladder_each(void **state)
{
    struct policy_defaults defaults = defaults_of();
    defaults.guards.ladder_runs_max = 1;
    struct rig *rig = rig_new_with(
        racks_of(2, 10),
        "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"rack\"; mode = "
        "\"enforce\"; when = { event = \"x.failed\"; }; limits = { once_within = \"0s\"; }; do = ( "
        "{ step = \"all\"; each = \"['r1h01']\"; action = \"power.cycle\"; timeout = \"1m\"; } ); "
        "} );",
        &defaults);
    cycle_at(rig, "r1h01", 0);
    assert_int_equal(rig_host(rig, "r1h01")->offs, 1);
    cycle_at(rig, "r1h01", 48 * HOUR);
    assert_int_equal(rig_host(rig, "r1h01")->offs, 1);
    assert_trace(rig, "guard ladder: 1 of 1 interrupting runs on chassis S1-1 in 21d");
    rig_free(rig);
}

/* ---- breakers ----------------------------------------------------------------------------------
 */

#define STUBBORN                                                                                   \
    "{ step = \"on\"; action = \"power.on\"; timeout = \"1m\"; retries = 10; retry_delay = "       \
    "\"1s\"; }"

static void test_breaker(void **state)
{
    struct rig *rig = rig_of(POLICY("", STUBBORN));
    struct rig_host *host = rig_host(rig, "r1h01");
    host->bmc = BMC_GONE;
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 30 * S);
    assert_int_equal(host->orders, 5); /* Then it is left alone. */
    assert_trace(rig, "breaker redfish 10.1.1.1 open");
    assert_has(rig_body(rig, RECORD_RUN, "r1h01"),
               "guard breaker: endpoint redfish 10.1.1.1 is open: 5 failures in a row, the last "
               "unreachable; tried again in ");
    rig_raise(rig, "r1h02", "x.failed"); /* Others have their own. */
    rig_at(rig, 35 * S);
    assert_int_equal(rig_host(rig, "r1h02")->orders, 1);
    rig_at(rig, 50 * S);
    assert_int_equal(host->orders, 6); /* One tried it, in vain. */
    rig_at(rig, 100 * S);
    assert_int_equal(host->orders, 6); /* Now it is a minute. */
    assert_int_equal(rig_command(rig, "breakers", "{}"), 0);
    assert_has(rig->reply, "{\"endpoint\":\"redfish 10.1.1.1\",\"state\":\"open\",\"failures\":6,"
                           "\"failures_total\":6,\"opens\":2,\"deferred\":");
    host->bmc = BMC_WELL;
    rig_at(rig, 200 * S);
    assert_int_equal(host->orders, 7);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "done");
    rig_command(rig, "breakers", "{}");
    assert_has(rig->reply, "\"state\":\"closed\",\"failures\":0");
    rig_free(rig);
}

/* A restart is no reason to knock again: it stays open until its time, and for as long as before.
 */
static void test_breaker_restart(void **state)
{
    struct policy_defaults defaults = defaults_of();
    defaults.guards.breaker_open_ms = 5 * MIN;
    struct rig *rig = rig_new_with(racks_of(2, 10), POLICY("", STUBBORN), &defaults);
    struct rig_host *host = rig_host(rig, "r1h01");
    host->bmc = BMC_GONE;
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 30 * S);
    assert_int_equal(host->orders, 5);
    rig_kill(rig);
    rig_start(rig, 1 * MIN);
    rig_command(rig, "breakers", "{}");
    assert_has(rig->reply, "{\"endpoint\":\"redfish 10.1.1.1\",\"state\":\"open\",\"failures\":5,"
                           "\"failures_total\":5,\"opens\":1,");
    assert_has(rig->reply, "\"last\":\"unreachable\",\"opens_in_a_row\":1");
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 5 * MIN);
    assert_int_equal(host->orders, 5);
    host->bmc = BMC_WELL;
    rig_at(rig, 7 * MIN);
    assert_int_equal(host->orders, 6);
    assert_trace(rig, "breaker redfish 10.1.1.1 closed");
    rig_kill(rig); /* Closed is nothing to keep. */
    rig_start(rig, 8 * MIN);
    rig_command(rig, "breakers", "{}");
    assert_has(rig->reply, "\"breakers\":[]");
    rig_free(rig);
}

/* It would be too late when it is tried again: nobody but a person can help, and knows. */
static void test_breaker_person(void **state)
{
    struct policy_defaults defaults = defaults_of();
    defaults.guards.breaker_open_ms = defaults.guards.breaker_open_ms_max = 20 * MIN;
    struct rig *rig = rig_new_with(racks_of(2, 10), POLICY("", STUBBORN), &defaults);
    rig_host(rig, "r1h01")->bmc = BMC_GONE;
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 1 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 5);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "escalated");
    assert_has(rig->page.at, "guard breaker: endpoint redfish 10.1.1.1 is open: 5 failures");
    assert_int_equal(rig->pages, 1);
    rig_clear(rig, "r1h01", "x.failed");
    rig_raise(rig, "r1h01", "x.failed"); /* And one that did nothing yet. */
    rig_at(rig, 2 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 5);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "escalated");
    assert_int_equal(rig->pages, 2);
    rig_free(rig);
}

/* Two that want the same dead endpoint: when it is tried again, one tries. */
static void test_half_open(void **state)
{
    struct policy_defaults defaults = defaults_of();
    struct rig *rig = rig_new_with(
        inventory_of("{ name = \"a\"; rack = \"r1\"; addresses = [\"10.0.0.1\"]; bmc = { driver = "
                     "\"exec\"; url = \"https://blades\"; }; }, "
                     "{ name = \"b\"; rack = \"r2\"; addresses = [\"10.0.0.2\"]; bmc = { driver = "
                     "\"exec\"; url = \"https://blades\"; }; }"),
        POLICY("", STUBBORN), &defaults);
    rig_host(rig, "a")->bmc = rig_host(rig, "b")->bmc = BMC_GONE;
    rig_raise(rig, "a", "x.failed");
    rig_at(rig, 16 * S);
    assert_int_equal(rig_host(rig, "a")->orders, 5);
    rig_raise(rig, "b", "x.failed");
    rig_at(rig, 40 * S);
    assert_int_equal(rig_host(rig, "b")->orders, 0); /* The endpoint is dead, whoever asks. */
    rig_at(rig, 60 * S);
    assert_int_equal(rig_host(rig, "a")->orders + rig_host(rig, "b")->orders, 6);
    rig_host(rig, "a")->bmc = rig_host(rig, "b")->bmc = BMC_WELL;
    rig_at(rig, 5 * MIN);
    assert_string_equal(rig_state(rig, RECORD_RUN, "a"), "done");
    assert_string_equal(rig_state(rig, RECORD_RUN, "b"), "done");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_witnesses),       cmocka_unit_test(test_witness_silent),
        cmocka_unit_test(test_witness_seconds), cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_witness_probe),   cmocka_unit_test(test_ladder_moves),
        cmocka_unit_test(test_ladder_each),     cmocka_unit_test(test_breaker),
        cmocka_unit_test(test_breaker_restart), cmocka_unit_test(test_breaker_person),
        cmocka_unit_test(test_half_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
