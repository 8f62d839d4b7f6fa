/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chassis keeps what is remembered of it when it gets another name or another rack: its run, its
 * interrupts, its lease, its holds, the freezes on it; whether the daemon was up or down when that
 * happened.
 */

#include "rig.h"

#define MEMORY "memory.uncorrectable"
#define HOST(name, rack, id, address)                                                              \
    "{ name = \"" name "\"; rack = \"" rack "\"; pool = \"web\"; " id                              \
    "; bmc = { driver = \"redfish\"; address = \"" address "\"; }; }"
#define S1(name, rack) HOST(name, rack, "serial = \"S1\"", "192.0.2.1")
#define S2(name) HOST(name, "r1", "serial = \"S2\"", "192.0.2.2")
#define S3 HOST("c", "r2", "serial = \"S3\"", "192.0.2.3")
#define S4 HOST("d", "r2", "serial = \"S4\"", "192.0.2.4")
#define OTHERS ", " S2("b") ", " S3 ", " S4
#define BEFORE S1("a", "r1") OTHERS
#define RENAMED S1("new", "r1") OTHERS
#define MOVED S1("a", "r2") OTHERS
#define GONE S2("b") ", " S3 ", " S4
#define SWAPPED S2("a") ", " S1("b", "r1") ", " S3 ", " S4
#define UUID "uuid = \"11111111-2222-3333-4444-555555555555\""
#define BY_UUID(name) HOST(name, "r1", UUID, "192.0.2.1") OTHERS

enum when { WHILE_UP, THEN_RESTART, WHILE_DOWN, WHENS };

static struct rig *rig_of(const char *hosts, uint32_t rack_10min_max)
{
    struct policy_defaults defaults = policy_defaults_builtin();
    defaults.settle_ms = 0;
    defaults.step_timeout_ms = 60 * S;
    defaults.guards.witnesses = 1;
    defaults.guards.shrink_percent = 90; /* These inventories are small. */
    defaults.guards.pool_percent_max = 100;
    defaults.guards.rack_10min_max = rack_10min_max;
    return rig_new_with(inventory_of(hosts), MEMORY_POLICY, &defaults);
}

static void becomes(struct rig *rig, const char *hosts, enum when when)
{
    struct inventory *before = rig->inventory;
    struct inventory *after = inventory_text(inventory_of(hosts));
    if (when == WHILE_DOWN) {
        rig_kill(rig);
        rig->inventory = after;
        rig_start(rig, rig->now - RIG_START + S);
    } else {
        rig->inventory = after;
        rig_step(rig, &(struct engine_input){.kind = INPUT_INVENTORY, .inventory = after});
    }
    if (when == THEN_RESTART) {
        rig_kill(rig);
        rig_start(rig, rig->now - RIG_START + S);
    }
    inventory_free(before);
}

static uint32_t orders(struct rig *rig)
{
    return rig_host(rig, "a")->orders + rig_host(rig, "new")->orders;
}

/* Its order is out when the name changes: under the new name nothing is begun beside it. */
static void test_one_run_of_a_renamed_host(void **state)
{
    static const char *const names[][2] = {{BEFORE, RENAMED}, {BY_UUID("a"), BY_UUID("new")}};
    for (unsigned i = 0; i < 2 * WHENS; i++) {
        struct rig *rig = rig_of(names[i / WHENS][0], 2);
        rig_host(rig, "a")->bmc = BMC_DEAF;
        rig_host(rig, "new")->bmc = BMC_DEAF;
        rig_raise(rig, "a", MEMORY);
        rig_at(rig, 3 * S);
        assert_int_equal(orders(rig), 1);
        becomes(rig, names[i / WHENS][1], (enum when)(i % WHENS));
        rig_raise(rig, "new", MEMORY);
        rig_at(rig, 20 * S);
        assert_int_equal(orders(rig), 1);
        assert_string_equal(rig_state(rig, RECORD_DECISION, "new"), "deferred");
        assert_has(rig_body(rig, RECORD_DECISION, "new"), "is at work on new");
        assert_has(rig_body(rig, RECORD_RUN, "new"), "\"subject\":\"a\"");
        rig_free(rig);
    }
}

/* Two interrupts of a chassis in a day, whatever it is called; also when names go round. */
static void test_interrupts_follow_the_name(void **state)
{
    static const struct {
        const char *why, *hosts, *name, *free;
    } rows[] = {
        {"another name", RENAMED, "new", "b"},
        {"two that change names", SWAPPED, "b", "a"},
    };
    for (unsigned i = 0; i < ROWS(rows) * WHENS; i++) {
        struct rig *rig = rig_of(BEFORE, 2);
        for (int64_t hour = 0; hour < 4; hour += 2) {
            rig_at(rig, hour * HOUR + S);
            rig_raise(rig, "a", MEMORY);
            rig_at(rig, hour * HOUR + 30 * MIN);
        }
        assert_int_equal(rig_host(rig, "a")->orders, 2);
        becomes(rig, rows[i / WHENS].hosts, (enum when)(i % WHENS));
        rig_raise(rig, rows[i / WHENS].name, MEMORY);
        rig_at(rig, 4 * HOUR);
        assert_int_equal(rig_host(rig, rows[i / WHENS].name)->orders, 0);
        assert_has(rig_body(rig, RECORD_DECISION, rows[i / WHENS].name), "2 of 2 interrupts on");
        /* The other chassis has its own two. */
        uint32_t before = rig_host(rig, rows[i / WHENS].free)->orders;
        rig_raise(rig, rows[i / WHENS].free, MEMORY);
        rig_at(rig, 4 * HOUR + 30 * MIN);
        assert_int_equal(rig_host(rig, rows[i / WHENS].free)->orders, before + 1);
        rig_free(rig);
    }
}

static void test_what_people_said_follows_the_name(void **state)
{
    static const struct {
        const char *command, *json, *because;
    } rows[] = {
        {"freeze", "{\"scope\":\"host=a\",\"reason\":\"works\",\"for_ms\":3600000}",
         "host=new is frozen"},
        {"hold", "{\"host\":\"a\",\"what\":\"off\",\"owner\":\"eve\",\"reason\":\"works\"}", "eve"},
        {"lease", "{\"host\":\"a\",\"owner\":\"kured\",\"reason\":\"kernel\",\"ttl_ms\":3600000}",
         "new is leased by kured"},
    };
    for (unsigned i = 0; i < ROWS(rows) * WHENS; i++) {
        struct rig *rig = rig_of(BEFORE, 2);
        assert_int_equal(rig_command(rig, rows[i / WHENS].command, rows[i / WHENS].json), 0);
        becomes(rig, RENAMED, (enum when)(i % WHENS));
        rig_raise(rig, "new", MEMORY);
        rig_at(rig, 5 * MIN);
        if (orders(rig) > 0) {
            fail_msg("%s, %u: %s", rows[i / WHENS].command, i % WHENS, rig->trace.at);
        }
        assert_has(rig_body(rig, RECORD_DECISION, "new"), rows[i / WHENS].because);
        rig_free(rig);
    }
}

/* One host of a rack at once: of the rack it is in, and of the one it was in when it began. */
static void test_a_run_counts_in_both_racks(void **state)
{
    static const char *const after[] = {MOVED, GONE};
    for (unsigned i = 0; i < ROWS(after) * WHENS; i++) {
        struct rig *rig = rig_of(BEFORE, 2);
        rig_host(rig, "a")->bmc = BMC_DEAF;
        rig_host(rig, "a")->stays_ill = true;
        rig_raise(rig, "a", MEMORY);
        rig_at(rig, 3 * S);
        assert_int_equal(orders(rig), 1);
        becomes(rig, after[i / WHENS], (enum when)(i % WHENS));
        rig_raise(rig, "b", MEMORY);
        rig_raise(rig, "c", MEMORY);
        rig_at(rig, 8 * S);
        assert_int_equal(rig_host(rig, "b")->orders, 0);
        assert_has(rig_body(rig, RECORD_DECISION, "b"), "1 of 1 hosts worked on in rack=r1");
        assert_int_equal(rig_host(rig, "c")->orders, i / WHENS == 0 ? 0 : 1);
        rig_at(rig, 1 * HOUR); /* When it is over, they have their turn or a person. */
        assert_string_not_equal(rig_state(rig, RECORD_DECISION, "b"), "deferred");
        rig_free(rig);
    }
}

/* So many in a rack within a window: what happened there stays there, and comes along. */
static void test_interrupts_count_in_both_racks(void **state)
{
    for (unsigned i = 0; i < WHENS; i++) {
        struct rig *rig = rig_of(BEFORE, 1);
        rig_raise(rig, "a", MEMORY);
        rig_at(rig, 2 * MIN);
        assert_int_equal(orders(rig), 1);
        becomes(rig, MOVED, (enum when)i);
        rig_raise(rig, "b", MEMORY);
        rig_raise(rig, "c", MEMORY);
        rig_at(rig, 4 * MIN);
        assert_int_equal(rig_host(rig, "b")->orders + rig_host(rig, "c")->orders, 0);
        assert_has(rig_body(rig, RECORD_DECISION, "b"), "1 of 1 interrupts in rack=r1 in 10m");
        assert_has(rig_body(rig, RECORD_DECISION, "c"), "1 of 1 interrupts in rack=r2 in 10m");
        rig_at(rig, 2 * HOUR);
        rig_raise(rig, "d", MEMORY);
        rig_at(rig, 2 * HOUR + 2 * MIN);
        assert_int_equal(rig_host(rig, "d")->orders, 1);
        rig_free(rig);
    }
}

#define LADDER                                                                                     \
    "policies: ( { name = \"ladder\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = " \
    "\"enforce\"; when = { event = \"memory.uncorrectable\"; severity = \"major\"; }; unless = "   \
    "(); "                                                                                         \
    "limits = { once_within = \"1h\"; }; do = ( { step = \"reset\"; action = \"reset.hard\"; "     \
    "timeout = \"1m\"; }, { step = \"pause\"; wait = \"60s\"; }, { step = \"cycle\"; action = "    \
    "\"power.cycle\"; timeout = \"1m\"; }, { step = \"verify\"; check = \"cleared\"; within = "    \
    "\"1m\"; every = \"5s\"; } ); } );"

/* Each alone in its rack when it began; then both are in one, where one at a time is allowed. */
static void test_what_is_moved_together_goes_on_one_at_a_time(void **state)
{
    struct policy_defaults defaults = policy_defaults_builtin();
    defaults.settle_ms = 0;
    defaults.guards.witnesses = 1;
    defaults.guards.pool_percent_max = 100;
    defaults.guards.rack_10min_max = 4;
    defaults.guards.pool_10min_max = defaults.guards.site_10min_max = 10;
    struct rig *rig = rig_new_with(inventory_of(BEFORE), LADDER, &defaults);
    rig_host(rig, "a")->stays_ill = rig_host(rig, "c")->stays_ill = true;
    rig_raise(rig, "a", MEMORY);
    rig_raise(rig, "c", MEMORY);
    rig_at(rig, 10 * S);
    assert_int_equal(rig_host(rig, "a")->orders + rig_host(rig, "c")->orders, 2);
    becomes(rig, MOVED, WHILE_UP);
    rig_at(rig, 70 * S);
    assert_int_equal(rig_host(rig, "a")->orders, 2);
    assert_int_equal(rig_host(rig, "c")->orders, 1);
    assert_has(rig_body(rig, RECORD_RUN, "c"), "2 of 1 hosts worked on in rack=r2: run-000001");
    rig_at(rig, 5 * MIN); /* Then it is its turn. */
    assert_int_equal(rig_host(rig, "c")->orders, 2);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_run_of_a_renamed_host),
        cmocka_unit_test(test_interrupts_follow_the_name),
        cmocka_unit_test(test_what_people_said_follows_the_name),
        cmocka_unit_test(test_a_run_counts_in_both_racks),
        cmocka_unit_test(test_interrupts_count_in_both_racks),
        cmocka_unit_test(test_what_is_moved_together_goes_on_one_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
