/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fifteen safety rules, a row each: it is broken on purpose with a site that configures
 * nothing, and what was wanted is not done, with the reason of the guard in the record.
 */

#include "rig.h"

#define POLICY(mode, steps)                                                                        \
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; " mode        \
    " when = { event = \"x.failed\"; }; unless = (); limits = { once_within = \"0s\"; };"          \
    " do = ( " steps " ); } );"
#define ENFORCE(steps) POLICY("mode = \"enforce\";", steps)
#define RACK(steps)                                                                                \
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"rack\"; mode = "      \
    "\"enforce\"; when = { event = \"x.failed\"; }; unless = (); limits = { once_within = "        \
    "\"0s\"; }; do = ( " steps " ); } );"
#define CYCLE "{ step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; }"
#define OFF "{ step = \"off\"; action = \"power.off\"; timeout = \"1m\"; }"
#define LOOK "{ step = \"look\"; action = \"power.status\"; timeout = \"20s\"; }"
#define UNDRAIN "{ step = \"back\"; action = \"undrain\"; timeout = \"1m\"; }"
#define STUBBORN                                                                                   \
    "{ step = \"on\"; action = \"power.on\"; timeout = \"1m\"; retries = 10; retry_delay = "       \
    "\"1s\"; }"

static int64_t passed(const struct rig *rig)
{
    return rig->now - RIG_START;
}

static void activate(struct rig *rig, const char *host)
{
    rig_raise(rig, host, "x.failed");
    rig_at(rig, passed(rig) + 90 * S);
    rig_clear(rig, host, "x.failed");
}

static void once(struct rig *rig)
{
    activate(rig, "r1h01");
}

static void node(struct rig *rig)
{
    activate(rig, "h1");
}

static void three_in_a_rack(struct rig *rig)
{
    activate(rig, "r1h02");
    activate(rig, "r1h03");
    activate(rig, "r1h01");
}

static void thrice_in_a_day(struct rig *rig)
{
    for (int i = 0; i < 3; i++) {
        rig_at(rig, i * 2 * HOUR);
        activate(rig, "r1h01");
    }
}

static void storm(struct rig *rig)
{
    static const char *const hosts[] = {"r1h02", "r1h03", "r1h04", "r1h05"};
    for (size_t i = 0; i < ROWS(hosts); i++) {
        rig_raise(rig, hosts[i], "other.failed");
    }
    activate(rig, "r1h01");
}

static void blind(struct rig *rig)
{
    rig_health(rig, true, "source trap silent for 10m");
    activate(rig, "r1h01");
}

static void liar(struct rig *rig)
{
    rig_host(rig, "r1h01")->bmc = BMC_LIES;
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 5 * MIN);
}

static void late(struct rig *rig)
{
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 11 * MIN);
    rig->hold_durable = false;
    rig_durable(rig);
}

static void weeks(struct rig *rig)
{
    for (int i = 0; i < 6; i++) {
        rig_at(rig, i * 48 * HOUR);
        activate(rig, "r1h01");
    }
}

static void frozen(struct rig *rig)
{
    rig_command(rig, "freeze",
                "{\"scope\":\"rack=r1\",\"owner\":\"ann\",\"reason\":\"PDU\",\"for_ms\":600000}");
    rig_kill(rig);
    rig_start(rig, passed(rig) + S);
    activate(rig, "r1h01");
}

static void dead_endpoint(struct rig *rig)
{
    rig_host(rig, "r1h01")->bmc = BMC_GONE;
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 25 * S);
}

static void second_of_three(struct rig *rig)
{
    rig_raise(rig, "q2", "other.failed");
    activate(rig, "q1");
}

#define MEMBER(n)                                                                                  \
    "{ name = \"q" #n "\"; rack = \"q" #n "\"; quorum = \"etcd\"; addresses = [\"10.9.0." #n       \
    "\"]; bmc = { driver = \"redfish\"; address = \"10.9.1." #n "\"; }; }"

static const struct {
    int rule;
    const char *says, *policies;
    void (*break_it)(struct rig *rig);
    const char *host;
    uint32_t orders; /* That reached its controller. */
    enum record_kind kind;
    const char *state, *text;
} rules[] = {
    {1, "budgets by count and window", ENFORCE(CYCLE), three_in_a_rack, "r1h01", 0, RECORD_DECISION,
     "refused", "2 of 2 interrupts in rack=r1 in 10m"},
    {2, "two interrupts of a host in a day", ENFORCE(CYCLE), thrice_in_a_day, "r1h01", 2,
     RECORD_DECISION, "refused", "2 of 2 interrupts on r1h01 in 24h"},
    {3, "storm brake", ENFORCE(CYCLE), storm, "r1h01", 0, RECORD_DECISION, "held",
     "brake brk-000001 on rack=r1: 4 of 10 hosts broke within 5m, more than 3"},
    {4, "am I blind?", ENFORCE(CYCLE), blind, "r1h01", 0, RECORD_DECISION, "held",
     "blind: source trap silent for 10m"},
    {4, "an empty selection is no target", RACK(CYCLE), once, "", 0, RECORD_RUN, "escalated",
     "rack=r1 is no host of the inventory: power.cycle has no target"},
    {5, "two witnesses before an off", ENFORCE(OFF), once, "r1h01", 0, RECORD_DECISION, "refused",
     "1 of 2 witnesses on different paths for power.off: x.failed from test"},
    {6, "off means: proven off", ENFORCE(LOOK ", " OFF), liar, "r1h01", 1, RECORD_RUN, "escalated",
     "read back: power=on, wanted power=off"},
    {7, "intents expire", ENFORCE(CYCLE), late, "r1h01", 0, RECORD_ACTION, "cancelled",
     "never sent: guard expiry: intended 11m ago, at most 10m"},
    {8, "the ladder has memory and an end", ENFORCE(CYCLE), weeks, "r1h01", 5, RECORD_DECISION,
     "refused", "5 of 5 interrupting runs on chassis S1-1 in 21d"},
    {9, "nothing is undone that it did not do", ENFORCE(UNDRAIN), node, "h1", 0, RECORD_RUN,
     "escalated", "nobody holds it drained: nothing is undone that nightshift did not do"},
    {10, "a freeze survives a restart", ENFORCE(CYCLE), frozen, "r1h01", 0, RECORD_DECISION,
     "skipped", "rack=r1 is frozen by ann (frz-000001): PDU; until "},
    {11, "without an approval nothing is done", POLICY("mode = \"approve\";", CYCLE), once, "r1h01",
     0, RECORD_DECISION, NULL, "{\"name\":\"mode\",\"result\":\"pass\",\"text\":\"approve\"}"},
    {12, "new policies only look", POLICY("", CYCLE), once, "r1h01", 0, RECORD_DECISION,
     "would-run", "mode observe: all guards pass, nothing is done"},
    {13, "a breaker for each endpoint", ENFORCE(STUBBORN), dead_endpoint, "r1h01", 5, RECORD_RUN,
     "waiting", "guard breaker: endpoint redfish 10.1.1.1 is open: 5 failures in a row"},
    {15, "a quorum keeps its majority", ENFORCE(CYCLE), second_of_three, "q1", 0, RECORD_DECISION,
     "refused", "1 of 3 members of quorum etcd would be left, 2 are needed"},
};

/* Racks r1 and r2, a host with a node, and three of a quorum: all in one site. */
static char *site(void)
{
    static char text[65536];
    size_t count = (size_t)snprintf(text, sizeof text, "%s", racks_of(2, 10));
    count -= strlen(" );");
    snprintf(text + count, sizeof text - count,
             ", { name = \"h1\"; rack = \"h\"; addresses = [\"10.8.0.1\"]; node = { driver = "
             "\"k8s\"; }; }, " MEMBER(1) ", " MEMBER(2) ", " MEMBER(3) " );");
    return text;
}

static void test_rules(void **state)
{
    struct policy_defaults defaults = policy_defaults_builtin();
    for (size_t i = 0; i < ROWS(rules); i++) {
        print_message("rule %d: %s\n", rules[i].rule, rules[i].says);
        struct rig *rig = rig_new_with(site(), rules[i].policies, &defaults);
        rules[i].break_it(rig);
        assert_has(rig_body(rig, rules[i].kind, rules[i].host), rules[i].text);
        if (rules[i].state != NULL) {
            assert_string_equal(rig_state(rig, rules[i].kind, rules[i].host), rules[i].state);
        }
        assert_int_equal(rig_host(rig, rules[i].host)->orders, rules[i].orders);
        rig_free(rig);
    }
}

/* Rule 14: a set that could do too much is not even loaded. */
static void test_worst_case(void **state)
{
    struct diags diags = {0};
    struct policy_defaults defaults = policy_defaults_builtin();
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    defaults.guards.site_10min_max = defaults.guards.site_1h_max = 50;
    assert_null(policy_load_text("t.policy", ENFORCE(CYCLE), &defaults, &diags));
    diags_print(&diags, NULL, false, &out);
    assert_has(out.at, "at worst 50 hosts of a site are interrupted within 10m, more than "
                       "worst_case site = 20 (by the site's guards)");
    diags_done(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_worst_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
