/* SPDX-License-Identifier: Apache-2.0 */
/* Every guard stops what it should, says why with its figures, and lets pass what it should. */

#include "rig.h"

#define MEMORY "memory.uncorrectable"

static struct rig *two_racks(void)
{
    return rig_new(racks_of(2, 10), MEMORY_POLICY);
}

static void test_modes(void **state)
{
    static const struct {
        const char *mode, *outcome;
    } rows[] = {{"observe", "would-run"}, {"suggest", "suggested"}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        char policy[2048] = MEMORY_POLICY;
        char *mode = strstr(policy, "\"enforce\"");
        memcpy(mode, "         ", 9);
        memcpy(mode, "\"", 1);
        memcpy(mode + 1, rows[i].mode, strlen(rows[i].mode));
        mode[1 + strlen(rows[i].mode)] = '"';
        struct rig *rig = rig_new(racks_of(1, 5), policy);
        rig_raise(rig, "r1h01", MEMORY);
        rig_at(rig, 10 * MIN);
        assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), rows[i].outcome);
        assert_int_equal(rig->calls, 0);
        char guard[96];
        snprintf(guard, sizeof guard, "{\"name\":\"mode\",\"result\":\"pass\",\"text\":\"%s\"}",
                 rows[i].mode);
        assert_has(rig_body(rig, RECORD_DECISION, "r1h01"), guard);
        rig_free(rig);
    }
}

#define UNLESS_POLICY(unless)                                                                      \
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "      \
    "\"enforce\";"                                                                                 \
    " when = { event = \"x.failed\"; }; unless = ( \"" unless                                      \
    "\" ); limits = { once_within = \"0s\"; };"                                                    \
    " do = ( { step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; } ); } );"

static void test_unless(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), UNLESS_POLICY("active('other.*')"));
    rig_raise(rig, "r1h01", "other.thing");
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 5 * S);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "skipped");
    rig_clear(rig, "r1h01", "other.thing");
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig->calls, 0); /* One activation, one decision. */
    rig_clear(rig, "r1h01", "x.failed");
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 10 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_free(rig);
}

static void test_unless_unknown(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), UNLESS_POLICY("event.data.nothing == 1"));
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 5 * MIN);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "refused");
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_int_equal(rig->pages, 1); /* Denied, and a person looks. */
    assert_has(rig->page.at, "is not known");
    rig_free(rig);
}

static void test_expiry(void **state)
{
    struct rig *rig = two_racks();
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * S);
    rig->hold_durable = true;
    rig_at(rig, 11 * MIN);
    assert_int_equal(rig->calls, 0); /* Nothing leaves before it is durable. */
    assert_string_equal(rig_state(rig, RECORD_ACTION, "r1h01"), "intended");
    rig->hold_durable = false;
    rig_at(rig, 20 * MIN);
    rig_durable(rig);
    assert_string_equal(rig_state(rig, RECORD_ACTION, "r1h01"), "cancelled");
    assert_has(rig_body(rig, RECORD_ACTION, "r1h01"), "never sent: guard expiry: intended ");
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "expired");
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_has(rig_body(rig, RECORD_HOST, "r1h01"), "\"interrupts\":0"); /* It was not one. */
    rig_free(rig);
}

static void test_freeze_scopes(void **state)
{
    static const struct {
        const char *scope;
        bool covers;
    } rows[] = {{"all", true},      {"host=r1h01", true},         {"host=r1h02", false},
                {"rack=r1", true},  {"rack=r2", false},           {"pool=web", true},
                {"site=dc1", true}, {"policy=memory-fatal", true}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = two_racks();
        char args[256];
        snprintf(args, sizeof args,
                 "{\"scope\":\"%s\",\"owner\":\"ann\",\"reason\":\"PDU\",\"for_ms\":600000}",
                 rows[i].scope);
        assert_int_equal(rig_command(rig, "freeze", args), 0);
        assert_has(rig->reply, "\"id\":\"frz-000001\"");
        assert_has(rig->reply, "\"expires\":\"2026-");
        rig_raise(rig, "r1h01", MEMORY);
        rig_at(rig, 5 * MIN);
        assert_int_equal(rig_host(rig, "r1h01")->orders, rows[i].covers ? 0 : 1);
        if (rows[i].covers) {
            assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "skipped");
            assert_has(rig_body(rig, RECORD_DECISION, "r1h01"),
                       "is frozen by ann (frz-000001): PDU");
        }
        assert_int_equal(rig->pages, 0);
        rig_free(rig);
    }
}

static void test_freeze_life(void **state)
{
    struct rig *rig = two_racks();
    static const char *const wrong[] = {
        "{\"scope\":\"rack=r9\",\"reason\":\"x\",\"for_ms\":1000}", /* It would stop nothing. */
        "{\"scope\":\"r1\",\"reason\":\"x\",\"for_ms\":1000}",
        "{\"scope\":\"all\",\"reason\":\"\",\"for_ms\":1000}",
        "{\"scope\":\"all\",\"reason\":\"x\",\"for_ms\":0}",
    };
    for (size_t i = 0; i < ROWS(wrong); i++) {
        assert_true(rig_command(rig, "freeze", wrong[i]) < 0);
    }
    assert_int_equal(
        rig_command(rig, "freeze", "{\"scope\":\"all\",\"reason\":\"x\",\"for_ms\":60000}"), 0);
    rig_at(rig, 10 * S);
    rig_kill(rig); /* It survives. */
    rig_start(rig, 20 * S);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 40 * S);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "skipped");
    rig_at(rig, 70 * S); /* It is a lease. */
    rig_clear(rig, "r1h01", MEMORY);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    assert_int_equal(
        rig_command(rig, "freeze", "{\"scope\":\"rack=r1\",\"reason\":\"x\",\"for_ms\":60000}"), 0);
    char id[64];
    snprintf(id, sizeof id, "{\"id\":\"%.10s\"}", strstr(rig->reply, "frz-"));
    assert_int_equal(rig_command(rig, "unfreeze", id), 0);
    assert_true(rig_command(rig, "unfreeze", id) < 0);
    rig_free(rig);
}

static void test_freeze_race(void **state)
{
    struct rig *rig = two_racks();
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 3 * S); /* The intent waits to be durable. */
    assert_int_equal(
        rig_command(rig, "freeze", "{\"scope\":\"rack=r1\",\"reason\":\"x\",\"for_ms\":60000}"), 0);
    rig->hold_durable = false;
    rig_durable(rig);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "cancelled");
    assert_int_equal(rig->pages, 0); /* Nothing was done, and who froze it knows. */
    rig_free(rig);
}

static void test_inventory_race(void **state)
{
    struct rig *rig = two_racks();
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 3 * S);
    struct inventory *before = rig->inventory;
    rig->inventory = inventory_text(racks_of(2, 1)); /* r1h02 .. are gone; r1h01 is there. */
    rig_step(rig, &(struct engine_input){.kind = INPUT_INVENTORY, .inventory = rig->inventory});
    inventory_free(before);
    before = rig->inventory;
    rig->inventory =
        inventory_text(inventory_of("{ name = \"r1h01\"; rack = \"r1\"; maintenance = true; bmc = "
                                    "{ driver = \"redfish\"; address = \"10.0.0.1\"; }; }"));
    rig_step(rig, &(struct engine_input){.kind = INPUT_INVENTORY, .inventory = rig->inventory});
    inventory_free(before);
    rig->hold_durable = false;
    rig_durable(rig);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_has(rig_body(rig, RECORD_ACTION, "r1h01"), "people work on the host");
    rig_free(rig);
}

static void test_host_gone(void **state)
{
    struct rig *rig = two_racks();
    rig->hold_durable = true;
    rig_raise(rig, "r2h02", MEMORY);
    rig_at(rig, 3 * S);
    struct inventory *before = rig->inventory;
    rig->inventory = inventory_text(racks_of(2, 1));
    rig_step(rig, &(struct engine_input){.kind = INPUT_INVENTORY, .inventory = rig->inventory});
    inventory_free(before);
    rig->hold_durable = false;
    rig_durable(rig);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r2h02")->orders, 0);
    assert_has(rig_body(rig, RECORD_ACTION, "r2h02"), "r2h02 is not in the inventory");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_unknown_host(void **state)
{
    struct rig *rig = two_racks();
    rig_raise(rig, "somebody", MEMORY);
    rig_raise(rig, "", MEMORY);
    rig_at(rig, 5 * MIN);
    assert_string_equal(rig_state(rig, RECORD_ALARM, "somebody"), "raised"); /* Never lost, */
    assert_string_equal(rig_state(rig, RECORD_ALARM, ""), "raised");
    assert_int_equal(rig->calls, 0); /* never a target. */
    assert_no_trace(rig, "decision");
    rig_free(rig);
}

static void test_store(void **state)
{
    struct rig *rig = two_racks();
    rig_raise(rig, "r1h01", MEMORY);
    rig_health(rig, false, "");
    rig_at(rig, 60 * S);
    assert_int_equal(rig->calls, 0);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "deferred");
    rig_health(rig, true, "");
    rig_at(rig, 5 * MIN);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "done"); /* By itself. */
    rig_free(rig);

    rig = two_racks(); /* It fails between intent and call. */
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 3 * S);
    rig_health(rig, false, "");
    rig->hold_durable = false;
    rig_durable(rig);
    rig_at(rig, 60 * S);
    assert_int_equal(rig->calls, 0);
    rig_health(rig, true, "");
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_free(rig);
}

static void test_blind(void **state)
{
    struct rig *rig = two_racks();
    rig_health(rig, true, "source trap silent for 10m");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig->calls, 0);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "held");
    assert_has(rig_body(rig, RECORD_DECISION, "r1h01"), "source trap silent for 10m");
    rig_free(rig);

    rig = two_racks();
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 3 * S);
    rig_health(rig, true, "source trap silent for 10m");
    rig->hold_durable = false;
    rig_durable(rig);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    rig_free(rig);
}

static void storm(struct rig *rig, unsigned rack, unsigned from, unsigned to)
{
    for (unsigned h = from; h <= to; h++) {
        char name[32];
        snprintf(name, sizeof name, "r%uh%02u", rack, h);
        rig_raise(rig, name, "cpu.lost");
    }
}

static void test_brake_between(void **state)
{
    struct rig *rig =
        rig_new(racks_of(2, 10),
                "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; "
                "mode = \"enforce\";"
                " when = { event = \"x.failed\"; }; limits = { once_within = \"0s\"; };"
                " do = ( { step = \"one\"; action = \"power.off\"; timeout = \"1m\"; },"
                "        { step = \"rest\"; wait = \"60s\"; },"
                "        { step = \"back\"; action = \"power.on\"; timeout = \"1m\"; },"
                "        { step = \"two\"; action = \"power.cycle\"; timeout = \"1m\"; } ); } );");
    rig_host(rig, "r1h01")->stays_ill = true;
    rig_raise(rig, "r1h01", "x.failed");
    rig_at(rig, 30 * S);
    assert_int_equal(rig_host(rig, "r1h01")->offs, 1);
    storm(rig, 1, 2, 6);
    rig_at(rig, 10 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->ons, 1);  /* What restores may pass, */
    assert_int_equal(rig_host(rig, "r1h01")->offs, 1); /* what interrupts may not. */
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "cancelled");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_brake_race(void **state)
{
    struct rig *rig = two_racks();
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 3 * S);
    storm(rig, 1, 2, 6);
    rig->hold_durable = false;
    rig_durable(rig);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_brake_release(void **state)
{
    struct rig *rig = two_racks();
    storm(rig, 1, 1, 6);
    rig_at(rig, 1 * MIN);
    assert_int_equal(rig->pages, 1);
    storm(rig, 1, 7, 10); /* More of the same: no further page. */
    rig_at(rig, 2 * MIN);
    rig_kill(rig);
    rig_start(rig, 2 * MIN + 5 * S); /* It survives, and does not page again. */
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 30 * MIN);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "held");
    assert_int_equal(rig->pages, 1);
    rig_clear(rig, "r1h01", MEMORY);
    for (unsigned h = 1; h <= 10; h++) {
        char name[32];
        snprintf(name, sizeof name, "r1h%02u", h);
        rig_clear(rig, name, "cpu.lost");
    }
    rig_at(rig, 39 * MIN);
    assert_no_trace(rig, "rack=r1 off");
    rig_at(rig, 41 * MIN); /* Ten minutes after it is over. */
    assert_trace(rig, "brake brk-000001 rack=r1 off: it is over");
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 50 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_free(rig);
}

static void test_brake_command(void **state)
{
    struct rig *rig = two_racks();
    storm(rig, 1, 1, 6);
    rig_at(rig, 1 * MIN);
    assert_true(rig_command(rig, "brake.release", "{\"id\":\"brk-000009\"}") < 0);
    assert_int_equal(
        rig_command(rig, "brake.release",
                    "{\"id\":\"brk-000001\",\"owner\":\"ann\",\"reason\":\"PDU is back\"}"),
        0);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_free(rig);
}

static void test_brake_slow(void **state)
{
    /* One host after the other, each longer after the last than the window holds: no storm. */
    struct rig *rig = two_racks();
    for (unsigned h = 1; h <= 10; h++) {
        rig_at(rig, h * 2 * MIN);
        storm(rig, 1, h, h);
    }
    assert_no_trace(rig, "brake brk");
    rig_free(rig);
}

static void test_brake_site(void **state)
{
    struct rig *rig = rig_new(racks_of(20, 10), MEMORY_POLICY);
    for (unsigned r = 1; r <= 20; r++) {
        storm(rig, r, 1, 10);
    }
    rig_at(rig, 5 * MIN);
    assert_trace(rig, "site=dc1 on: 3 domains in it are braked");
    assert_int_equal(rig->pages, 1); /* The widest tells, once. */
    rig_free(rig);
}

static void calm(struct rig *rig, unsigned rack, unsigned from, unsigned to)
{
    for (unsigned h = from; h <= to; h++) {
        char name[32];
        snprintf(name, sizeof name, "r%uh%02u", rack, h);
        rig_clear(rig, name, "cpu.lost");
    }
}

/* The site is few broken hosts by then, but a rack is still in a storm that only it explains. */
static void test_brake_wide_over_narrow(void **state)
{
    struct rig *rig = rig_new(racks_of(20, 10), MEMORY_POLICY);
    for (unsigned r = 1; r <= 3; r++) {
        storm(rig, r, 1, 5);
    }
    rig_at(rig, 1 * MIN);
    assert_trace(rig, "site=dc1 on: 3 domains in it are braked");
    storm(rig, 4, 1, 6);
    assert_no_trace(rig, "rack=r4 on");
    rig_at(rig, 2 * MIN);
    for (unsigned r = 1; r <= 3; r++) {
        calm(rig, r, 1, 5);
    }
    rig_at(rig, 60 * MIN);
    assert_trace(rig, "rack=r3 off: it is over");
    assert_no_trace(rig, "site=dc1 off");
    rig_raise(rig, "r4h01", MEMORY);
    rig_at(rig, 65 * MIN);
    assert_int_equal(rig_host(rig, "r4h01")->orders, 0);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r4h01"), "held");
    rig_clear(rig, "r4h01", MEMORY);
    calm(rig, 4, 1, 6);
    rig_at(rig, 90 * MIN);
    assert_trace(rig, "site=dc1 off: it is over");
    rig_raise(rig, "r4h01", MEMORY);
    rig_at(rig, 95 * MIN);
    assert_int_equal(rig_host(rig, "r4h01")->orders, 1);
    rig_free(rig);
}

/* One that explains no host itself lasts as long as its racks are braked, and ends after them. */
static void test_brake_wide_ends(void **state)
{
    struct rig *rig = rig_new(racks_of(20, 10), MEMORY_POLICY);
    for (unsigned r = 1; r <= 3; r++) {
        storm(rig, r, 1, 5);
    }
    rig_at(rig, 1 * MIN);
    storm(rig, 9, 1, 1);
    rig_at(rig, 30 * MIN);
    assert_trace(rig, "site=dc1 on: 3 domains in it are braked");
    rig_kill(rig);
    rig_start(rig, 30 * MIN + 5 * S);
    rig_at(rig, 60 * MIN);
    assert_no_trace(rig, "site=dc1 off"); /* All three still are. */
    calm(rig, 9, 1, 1);
    calm(rig, 1, 1, 5);
    rig_at(rig, 60 * MIN + 19 * MIN); /* Its hold begins when the hold of the rack ends. */
    assert_trace(rig, "rack=r1 off: it is over");
    assert_no_trace(rig, "site=dc1 off");
    rig_at(rig, 60 * MIN + 21 * MIN);
    assert_trace(rig, "site=dc1 off: it is over");
    assert_no_trace(rig, "rack=r2 off");
    rig_free(rig);
}

static void test_budget(void **state)
{
    struct rig *rig = two_racks();
    for (unsigned h = 1; h <= 3; h++) {
        char name[32];
        snprintf(name, sizeof name, "r1h%02u", h);
        rig_at(rig, h * 2 * MIN);
        rig_raise(rig, name, MEMORY);
    }
    rig_at(rig, 15 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders + rig_host(rig, "r1h02")->orders, 2);
    assert_int_equal(rig_host(rig, "r1h03")->orders, 0);
    assert_has(rig_body(rig, RECORD_DECISION, "r1h03"), "2 of 2 interrupts in rack=r1 in 10m");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_budget_restart(void **state)
{
    struct rig *rig = two_racks();
    for (unsigned n = 0; n < 2; n++) {
        rig_at(rig, n * 11 * MIN);
        rig_raise(rig, "r1h01", MEMORY);
    }
    rig_at(rig, 30 * MIN);
    rig_kill(rig);
    rig_start(rig, 31 * MIN);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 40 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 2);
    assert_has(rig->page.at, "2 of 2 interrupts on r1h01 in 24h");
    assert_int_equal(rig_command(rig, "status", "{}"), 0);
    assert_has(rig->reply, "\"site 1h\":\"2/30\""); /* Domains remember as well. */
    rig_free(rig);
}

static void test_quorum(void **state)
{
    struct rig *rig =
        rig_new(inventory_of("{ name = \"e1\"; rack = \"r1\"; quorum = \"etcd\"; bmc = { driver = "
                             "\"redfish\"; address = \"10.0.0.1\"; }; },"
                             "{ name = \"e2\"; rack = \"r2\"; quorum = \"etcd\"; bmc = { driver = "
                             "\"redfish\"; address = \"10.0.0.2\"; }; },"
                             "{ name = \"e3\"; rack = \"r3\"; quorum = \"etcd\"; bmc = { driver = "
                             "\"redfish\"; address = \"10.0.0.3\"; }; }"),
                MEMORY_POLICY);
    rig_host(rig, "e1")->stays_ill = true;
    rig_raise(rig, "e1", MEMORY);
    rig_at(rig, 10 * S);
    rig_raise(rig, "e2", MEMORY);
    rig_at(rig, 60 * S);
    assert_int_equal(rig_host(rig, "e1")->orders, 1); /* Two of three are left. */
    assert_int_equal(rig_host(rig, "e2")->orders, 0); /* One would be. */
    assert_has(rig_body(rig, RECORD_DECISION, "e2"),
               "1 of 3 members of quorum etcd would be left, 2 are needed");
    rig_free(rig);
}

static void test_one_run(void **state)
{
    struct rig *rig = rig_new(
        racks_of(1, 5),
        "policies: ( { name = \"a\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "
        "\"enforce\";"
        " when = { event = \"x.failed\"; }; limits = { once_within = \"0s\"; };"
        " do = ( { step = \"on\"; action = \"power.on\"; timeout = \"1m\"; }, { step = \"rest\"; "
        "wait = \"100s\"; } ); },"
        " { name = \"b\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = \"enforce\";"
        " when = { event = \"y.failed\"; }; limits = { once_within = \"0s\"; };"
        " do = ( { step = \"on\"; action = \"power.on\"; timeout = \"1m\"; } ); } );");
    rig_raise(rig, "r1h01", "x.failed");
    rig_raise(rig, "r1h01", "y.failed");
    rig_at(rig, 60 * S);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "deferred");
    rig_at(rig, 120 * S);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 2);
    rig_free(rig);
}

static void test_concurrent(void **state)
{
    struct rig *rig = two_racks(); /* G1: one in a rack. */
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 10 * S);
    rig_raise(rig, "r1h02", MEMORY);
    rig_raise(rig, "r2h01", MEMORY);
    rig_at(rig, 14 * S);
    assert_has(rig_body(rig, RECORD_DECISION, "r1h02"), "1 of 1 hosts worked on in rack=r1");
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h02"), "deferred");
    assert_int_equal(rig_host(rig, "r2h01")->orders, 0); /* The pool of 20: one at once, too. */
    rig_at(rig, 5 * MIN);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h02"), "done");
    assert_string_equal(rig_state(rig, RECORD_RUN, "r2h01"), "done");
    assert_int_equal(rig->pages, 0);
    rig_free(rig);
}

static void test_queue_ends(void **state)
{
    struct rig *rig = rig_new(
        racks_of(1, 5), "policies: ( { name = \"a\"; summary = \"s\"; owner = \"o\"; subject = "
                        "\"host\"; mode = \"enforce\";"
                        " when = { event = \"x.failed\"; }; limits = { once_within = \"0s\"; };"
                        " do = ( { step = \"off\"; action = \"power.off\"; timeout = \"1m\"; }, { "
                        "step = \"rest\"; wait = \"1h\"; } ); } );");
    rig_raise(rig, "r1h01", "x.failed");
    rig_raise(rig, "r1h02", "x.failed");
    rig_raise(rig, "r1h03", "x.failed");
    rig_at(rig, 5 * MIN);
    rig_clear(rig, "r1h03", "x.failed"); /* It got well while it waited. */
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h03"), "expired");
    rig_at(rig, 11 * MIN);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h02"), "refused");
    assert_has(rig->page.at, "waited 10m, and still 1 of 1 hosts worked on in");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_binding(void **state)
{
    struct rig *rig =
        rig_new(inventory_of("{ name = \"h\"; rack = \"r1\"; addresses = [\"10.0.0.1\"]; }"),
                MEMORY_POLICY);
    rig_raise(rig, "h", MEMORY);
    rig_at(rig, 5 * MIN);
    assert_has(rig->page.at, "h has no bmc binding for power.cycle");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_plan(void **state)
{
    struct rig *rig = two_racks();
    rig_command(rig, "freeze", "{\"scope\":\"rack=r2\",\"reason\":\"x\",\"for_ms\":600000}");
    rig_raise(rig, "r1h01", MEMORY);
    rig_raise(rig, "r2h01", MEMORY);
    size_t records = rig->records_count;
    assert_int_equal(rig_command(rig, "plan", "{}"), 0);
    assert_has(rig->reply, "\"verb\":\"power.cycle\",\"host\":\"r1h01\"");
    assert_has(rig->reply, "settling");
    assert_int_equal(rig->records_count, records); /* Nothing was changed. */
    assert_int_equal(rig_command(rig, "status", "{}"), 0);
    assert_has(rig->reply, "\"modes\":{\"enforce\":1}");
    assert_has(rig->reply, "\"alarms\":{\"raised\":2");
    assert_has(rig->reply, "\"freezes\":[{\"id\":\"frz-000001\",\"scope\":\"rack=r2\"");
    assert_true(rig_command(rig, "reboot-all", "{}") < 0);
    rig_free(rig);
}

/* A run that is stopped as it leaves lets the next one go at once. */
static void test_next_in_line(void **state)
{
    struct rig *rig = two_racks();
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_raise(rig, "r1h02", MEMORY);
    rig_at(rig, 3 * S);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h02"), "deferred");
    rig_command(rig, "freeze", "{\"scope\":\"host=r1h01\",\"reason\":\"x\",\"for_ms\":600000}");
    rig->hold_durable = false;
    rig_durable(rig);
    rig_at(rig, 10 * S);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "cancelled");
    assert_int_equal(rig_host(rig, "r1h02")->orders, 1);
    rig_free(rig);
}

/* What `else` does to a host passes the guards too. */
static void test_else_is_guarded(void **state)
{
    struct rig *rig = rig_new(
        racks_of(1, 5),
        "policies: ( { name = \"a\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "
        "\"enforce\";"
        " when = { event = \"x.failed\"; }; limits = { once_within = \"0s\"; };"
        " do = ( { step = \"on\"; action = \"power.on\"; timeout = \"1m\"; }, { step = \"rest\"; "
        "wait = \"5m\"; } ); },"
        " { name = \"b\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = \"enforce\";"
        " when = { event = \"y.failed\"; }; limits = { once_within = \"0s\"; };"
        " do = ( { step = \"look\"; check = \"1 == 2\"; within = \"10s\"; } );"
        " else = ( { step = \"off\"; action = \"power.off\"; timeout = \"1m\"; } ); } );");
    rig_raise(rig, "r1h01", "x.failed");
    rig_raise(rig, "r1h01", "y.failed");
    rig_at(rig, 1 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->offs, 0);
    assert_trace(rig, "off refused: guard one-run: run-000001 of a is at work on r1h01");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_page_waits_for_store(void **state)
{
    struct rig *rig = two_racks();
    rig_host(rig, "r1h01")->bmc = BMC_GONE;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 3 * S);
    rig_health(rig, false, "");
    rig_at(rig, 60 * MIN);
    assert_int_equal(rig->pages, 0);
    rig_health(rig, true, "");
    rig_at(rig, 61 * MIN);
    assert_int_equal(rig->pages, 1); /* Late, but not lost. */
    rig_free(rig);
}

/* Nothing waits: nothing is written, and nobody needs to wake it soon. */
static void test_quiet(void **state)
{
    struct rig *rig = two_racks();
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 5 * MIN);
    size_t written = rig->all.count;
    rig_at(rig, 14 * MIN);
    assert_int_equal(rig->all.count, written);
    assert_true(rig->wake > rig->now + MIN);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_unless),
        cmocka_unit_test(test_unless_unknown),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_freeze_scopes),
        cmocka_unit_test(test_freeze_life),
        cmocka_unit_test(test_freeze_race),
        cmocka_unit_test(test_inventory_race),
        cmocka_unit_test(test_host_gone),
        cmocka_unit_test(test_unknown_host),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_blind),
        cmocka_unit_test(test_brake_between),
        cmocka_unit_test(test_brake_race),
        cmocka_unit_test(test_brake_release),
        cmocka_unit_test(test_brake_command),
        cmocka_unit_test(test_brake_slow),
        cmocka_unit_test(test_brake_site),
        cmocka_unit_test(test_brake_wide_over_narrow),
        cmocka_unit_test(test_brake_wide_ends),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_budget_restart),
        cmocka_unit_test(test_quorum),
        cmocka_unit_test(test_one_run),
        cmocka_unit_test(test_concurrent),
        cmocka_unit_test(test_queue_ends),
        cmocka_unit_test(test_binding),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_next_in_line),
        cmocka_unit_test(test_else_is_guarded),
        cmocka_unit_test(test_page_waits_for_store),
        cmocka_unit_test(test_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
