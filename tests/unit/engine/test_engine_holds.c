/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds a host, and whether we see: each rule is broken on purpose. */

#include "rig.h"

/* STEPS for each x.failed of a host, as often as asked. */
#define POLICY(steps)                                                                              \
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "      \
    "\"enforce\"; when = { event = \"x.failed\"; }; limits = { once_within = \"0s\"; };"           \
    " do = ( " steps " ); } );"
#define OFF "{ step = \"off\"; action = \"power.off\"; timeout = \"1m\"; }"
#define ON "{ step = \"on\"; action = \"power.on\"; timeout = \"1m\"; }"
#define CYCLE "{ step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; }"
#define DRAIN "{ step = \"drain\"; action = \"drain\"; timeout = \"1m\"; }"
#define UNDRAIN "{ step = \"back\"; action = \"undrain\"; timeout = \"1m\"; }"
#define REST "{ step = \"rest\"; wait = \"5m\"; }"

static struct policy_defaults defaults_of(void)
{
    struct policy_defaults defaults = policy_defaults_builtin();
    defaults.step_timeout_ms = 60 * S;
    defaults.guards.witnesses = 1;
    return defaults;
}

static struct rig *node_rig(const char *policies, enum policy_power_on power_on)
{
    struct policy_defaults defaults = defaults_of();
    defaults.guards.power_on = power_on;
    return rig_new_with(inventory_of("{ name = \"h\"; rack = \"r1\"; addresses = [\"10.0.0.1\"]; "
                                     "bmc = { driver = \"redfish\"; address = \"10.1.0.1\"; }; "
                                     "node = { driver = \"k8s\"; }; }"),
                        policies, &defaults);
}

static void restart(struct rig *rig)
{
    rig_kill(rig);
    rig_start(rig, rig->now - RIG_START + S);
}

/* ---- holds -------------------------------------------------------------------------------------
 */

/* What a run drained is its own, over a restart, and is given back. */
static void test_own(void **state)
{
    struct rig *rig = node_rig(POLICY(DRAIN ", " REST ", " UNDRAIN), POLICY_POWER_ON_FREE);
    rig->hold_durable = true;
    rig_raise(rig, "h", "x.failed");
    rig_at(rig, 1 * S);
    assert_string_equal(rig_state(rig, RECORD_HOLD, "h"), "held"); /* Written with the intent. */
    assert_int_equal(rig->calls, 0);
    rig->hold_durable = false;
    rig_durable(rig);
    rig_at(rig, 1 * MIN);
    assert_has(rig_body(rig, RECORD_HOLD, "h"),
               "\"what\":\"drained\",\"owner\":\"nightshift\",\"reason\":\"drain of p\",\"run\":"
               "\"run-000001\",\"action\":\"act-000001\"");
    restart(rig);
    rig_at(rig, 10 * MIN);
    assert_string_equal(rig_state(rig, RECORD_RUN, "h"), "done");
    assert_string_equal(rig_state(rig, RECORD_HOLD, "h"), "released");
    assert_has(rig_body(rig, RECORD_HOLD, "h"), "of run-000001\",\"run\":\"run-000001\"");
    rig_free(rig);
}

#define ANN(what) "{\"host\":\"h\",\"what\":\"" what "\",\"owner\":\"ann\",\"reason\":\"DIMM\"}"

static void test_others(void **state)
{
    static const struct {
        const char *policy, *hold, *decision, *text;
        uint32_t orders;
        enum policy_power_on power_on;
        const char *why;
    } rows[] = {
        {POLICY(UNDRAIN), NULL, "run",
         "guard hold: nobody holds it drained: nothing is undone that nightshift did not do", 0,
         POLICY_POWER_ON_FREE, "whoever drained it, it was not us"},
        {POLICY(UNDRAIN), ANN("drained"), "run", "h is held drained by ann (hld-000001): DIMM; sin",
         0, POLICY_POWER_ON_FREE, "it is ann's"},
        {POLICY(ON), ANN("off"), "run", "guard hold: h is held off by ann (hld-000001): DIMM", 0,
         POLICY_POWER_ON_FREE, "hands are in it"},
        {POLICY(CYCLE), ANN("off"), "skipped", "h is held off by ann (hld-000001): DIMM", 0,
         POLICY_POWER_ON_FREE, "a cycle would switch it on"},
        {POLICY(DRAIN), ANN("maintenance"), "skipped", "h is held maintenance by ann", 0,
         POLICY_POWER_ON_FREE, "people work on it"},
        {POLICY(ON), NULL, "run", "", 1, POLICY_POWER_ON_FREE, "power came back, nobody objects"},
        {POLICY(ON), NULL, "run", "nobody holds it off: nothing is undone that", 0,
         POLICY_POWER_ON_OWN, "the site wants to be asked"},
        {POLICY(OFF ", " REST ", " ON), NULL, "run", "", 2, POLICY_POWER_ON_OWN, "its own"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = node_rig(rows[i].policy, rows[i].power_on);
        print_message("%s\n", rows[i].why);
        if (rows[i].hold != NULL) {
            assert_int_equal(rig_command(rig, "hold", rows[i].hold), 0);
        }
        restart(rig);
        rig_raise(rig, "h", "x.failed");
        rig_at(rig, 10 * MIN);
        bool ran = strcmp(rows[i].decision, "run") == 0;
        assert_string_equal(rig_state(rig, RECORD_DECISION, "h"), rows[i].decision);
        assert_int_equal(rig_host(rig, "h")->orders, rows[i].orders);
        assert_has(rig_body(rig, ran ? RECORD_RUN : RECORD_DECISION, "h"), rows[i].text);
        rig_free(rig);
    }
}

/* What was surely not done is not held; what may have been done is. */
static void test_surely(void **state)
{
    static const struct {
        enum bmc bmc;
        uint32_t unreadable;
        const char *state;
    } rows[] = {
        {BMC_WELL, 0, "held"}, {BMC_GONE, 0, "released"}, {BMC_LIES, 0, "released"},
        {BMC_MUTE, 0, "held"}, {BMC_MUTE, 1000, "held"}, /* Nobody could read it: it may be off, by
                                                            us. */
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = node_rig(POLICY(OFF), POLICY_POWER_ON_FREE);
        rig_host(rig, "h")->bmc = rows[i].bmc;
        rig_host(rig, "h")->unreadable = rows[i].unreadable;
        rig_raise(rig, "h", "x.failed");
        rig_at(rig, 10 * MIN);
        assert_string_equal(rig_state(rig, RECORD_HOLD, "h"), rows[i].state);
        rig_free(rig);
    }
}

/* It was drained before we asked: whoever did that still wants it so. */
static void test_was_so(void **state)
{
    struct rig *rig = node_rig(POLICY(DRAIN ", " UNDRAIN), POLICY_POWER_ON_FREE);
    rig->hold_calls = true;
    rig_raise(rig, "h", "x.failed");
    const struct nsh_member members[] = {{"changed", nsh_bool(false)}};
    rig->due_count = 0;
    rig->hold_calls = false;
    rig_step(rig, &(struct engine_input){.kind = INPUT_RESULT,
                                         .result = {.action = TEXT("act-000001"),
                                                    .code = NSH_OK,
                                                    .result = nsh_map(members, 1)}});
    rig_at(rig, 5 * MIN);
    assert_has(rig_body(rig, RECORD_HOLD, "h"), "it was so already: somebody else's");
    assert_has(rig_body(rig, RECORD_RUN, "h"), "guard hold: nobody holds it drained");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_commands(void **state)
{
    static const struct {
        const char *name, *args;
        int result;
        const char *why;
    } rows[] = {
        {"hold", "{\"host\":\"r9\",\"reason\":\"x\"}", -NSH_NOT_FOUND, "no such host"},
        {"hold", "{\"host\":\"h\"}", -NSH_INVALID, "no reason"},
        {"hold", "{\"host\":\"h\",\"what\":\"lost\",\"reason\":\"x\"}", -NSH_INVALID, "no such"},
        {"hold", "{\"host\":\"h\",\"owner\":\"nightshift\",\"reason\":\"x\"}", -NSH_INVALID,
         "nobody may pretend"},
        {"hold.release", "{\"id\":\"hld-000001\"}", -NSH_NOT_FOUND, "nothing is held"},
        {"hold", "{\"host\":\"h\",\"reason\":\"x\"}", 0, "maintenance"},
        {"hold", "{\"host\":\"h\",\"reason\":\"y\"}", -NSH_EXISTS, "somebody else's already"},
        {"hold.release", "{\"id\":\"hld-000001\"}", 0, "over"},
    };
    struct rig *rig = node_rig(POLICY(ON), POLICY_POWER_ON_FREE);
    for (size_t i = 0; i < ROWS(rows); i++) {
        print_message("%s\n", rows[i].why);
        assert_int_equal(rig_command(rig, rows[i].name, rows[i].args), rows[i].result);
    }
    assert_has(rig->reply, "{\"id\":\"hld-000001\",\"host\":\"h\",\"what\":\"maintenance\","
                           "\"owner\":\"uid:1000(ops)\",\"state\":\"released\"}");
    assert_string_equal(rig_state(rig, RECORD_HOLD, "h"), "released");
    rig_raise(rig, "h", "x.failed");
    rig_at(rig, 2 * MIN);
    assert_int_equal(rig_host(rig, "h")->orders, 1);
    rig_free(rig);
}

/* ---- sight -------------------------------------------------------------------------------------
 */

static void held_because(struct rig *rig, const char *host, const char *text)
{
    uint32_t orders = rig_host(rig, host)->orders;
    rig_raise(rig, host, "x.failed");
    rig_at(rig, rig->now - RIG_START + 2 * MIN);
    assert_string_equal(rig_state(rig, RECORD_DECISION, host), "held");
    assert_has(rig_body(rig, RECORD_DECISION, host), text);
    assert_int_equal(rig_host(rig, host)->orders, orders);
    assert_int_equal(rig_command(rig, "status", "{}"), 0);
    assert_has(rig->reply, "\"warnings\":[\"blind: ");
    rig_clear(rig, host, "x.failed");
}

static void acts_on(struct rig *rig, const char *host)
{
    uint32_t orders = rig_host(rig, host)->orders;
    rig_raise(rig, host, "x.failed");
    rig_at(rig, rig->now - RIG_START + 2 * MIN);
    assert_int_equal(rig_host(rig, host)->orders, orders + 1);
    rig_clear(rig, host, "x.failed");
}

static void test_silent_source(void **state)
{
    struct policy_defaults defaults = defaults_of();
    defaults.guards.silences_count = 1;
    defaults.guards.silences[0] = (struct policy_silence){"alertm*", 10 * MIN};
    struct rig *rig = rig_new_with(racks_of(2, 10), POLICY(CYCLE), &defaults);
    rig_at(rig, 7 * MIN);
    acts_on(rig, "r1h01");
    rig_at(rig, 12 * MIN); /* That others speak is nothing. */
    held_because(rig, "r2h01", "blind: source alertm* silent for 12m, at most 10m");
    struct event beat = event_of("r2h09", "beat", EVENT_PULSE);
    beat.source = TEXT("alertmanager");
    rig_event(rig, &beat);
    acts_on(rig, "r2h02");
    rig_at(rig, 60 * MIN);
    defaults.guards.silences_count = 2; /* One more is watched: its hour begins now. */
    defaults.guards.silences[1] = defaults.guards.silences[0];
    defaults.guards.silences[0] = (struct policy_silence){"trap/*", HOUR};
    struct policy_set *before = rig->set;
    rig->set = policies_text(POLICY(CYCLE), &defaults);
    rig_step(rig, &(struct engine_input){.kind = INPUT_POLICIES, .policies = rig->set});
    held_because(rig, "r1h03", "blind: source alertm* silent for 46m, at most 10m");
    rig_step(rig, &(struct engine_input){.kind = INPUT_TICK});
    assert_false(engine_policies_in_use(rig->engine, before));
    policy_set_free(before);
    rig_free(rig);
}

static void take(struct rig *rig, const char *text)
{
    struct inventory *before = rig->inventory;
    rig->inventory = inventory_text(text);
    rig_step(rig, &(struct engine_input){.kind = INPUT_INVENTORY, .inventory = rig->inventory});
    inventory_free(before);
}

static void test_shrunken(void **state)
{
    struct policy_defaults defaults = defaults_of();
    struct rig *rig = rig_new_with(racks_of(2, 10), POLICY(CYCLE), &defaults);
    take(rig, racks_of(1, 10));
    held_because(rig, "r1h01", "blind: the inventory lost 10 of 20 hosts, more than 20 %");
    restart(rig); /* It is not believed because of a restart. */
    held_because(rig, "r1h02", "blind: the inventory lost 10 of 20 hosts, more than 20 %");
    take(rig, racks_of(2, 10));
    acts_on(rig, "r1h03");
    take(rig, racks_of(2, 9)); /* A tenth of them: people do that. */
    rig_at(rig, 30 * MIN);
    acts_on(rig, "r2h04");
    take(rig, racks_of(1, 9));
    held_because(rig, "r1h05", "blind: the inventory lost 9 of 18 hosts, more than 20 %");
    assert_int_equal(rig_command(rig, "inventory.confirm", "{\"reason\":\"row 2 was sold\"}"), 0);
    rig_at(rig, 90 * MIN);
    acts_on(rig, "r1h06");
    assert_true(rig_command(rig, "inventory.confirm", "{\"reason\":\"again\"}") < 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own),      cmocka_unit_test(test_others),
        cmocka_unit_test(test_surely),   cmocka_unit_test(test_was_so),
        cmocka_unit_test(test_commands), cmocka_unit_test(test_silent_source),
        cmocka_unit_test(test_shrunken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
