/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: other tools obey the budgets, and nothing of ours touches what they hold. */

#include "rig.h"

#define MEMORY "memory.uncorrectable"
#define LEASE(host, owner)                                                                         \
    "{\"host\":\"" host "\",\"owner\":\"" owner "\",\"reason\":\"kernel\",\"ttl_ms\":600000}"

static const char *said(const struct rig *rig)
{
    return rig_body(rig, RECORD_COMMAND, "");
}

static void test_budget(void **state)
{
    struct rig *rig = rig_new(racks_of(2, 20), MEMORY_POLICY);
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h01", "kured")), 0);
    assert_has(rig->reply, "\"id\":\"lse-000001\"");
    /* One host of a rack at once, as for our own. */
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h02", "kured")), -NSH_REFUSED);
    assert_has(said(rig), "guard concurrent: 1 of 1 hosts worked on in rack=r1");
    assert_has(said(rig), "leased: r1h01 by kured");
    assert_int_equal(rig_command(rig, "lease", LEASE("r2h01", "kured")), 0);
    /* Its owner may ask again; nobody else may. */
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h01", "kured")), 0);
    assert_has(rig->reply, "lse-000001");
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h01", "zincati")), -NSH_REFUSED);
    assert_has(said(rig), "r1h01 is leased by kured (lse-000001): kernel");
    rig_at(rig, 14 * MIN);
    assert_string_equal(rig_state(rig, RECORD_LEASE, "r1h01"), "active"); /* Renewed. */
    assert_string_equal(rig_state(rig, RECORD_LEASE, "r2h01"), "ended");
    rig_at(rig, 16 * MIN);
    assert_string_equal(rig_state(rig, RECORD_LEASE, "r1h01"), "ended");
    /* Two interrupts of a host in 24 h, whoever makes them. */
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h01", "kured")), 0);
    assert_int_equal(rig_command(rig, "lease.release", "{\"id\":\"lse-000003\"}"), 0);
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h01", "kured")), -NSH_REFUSED);
    assert_has(said(rig), "guard interrupts: 2 of 2 interrupts on r1h01");
    rig_free(rig);
}

static void test_refused(void **state)
{
    static const struct {
        const char *why, *json;
        int code;
    } rows[] = {
        {"no reason", "{\"host\":\"r1h01\",\"owner\":\"k\"}", -NSH_INVALID},
        {"no host", "{\"host\":\"r9h01\",\"owner\":\"k\",\"reason\":\"r\"}", -NSH_NOT_FOUND},
        {"no domain", "{\"domain\":\"rack=r9\",\"owner\":\"k\",\"reason\":\"r\"}", -NSH_NOT_FOUND},
        {"both", "{\"host\":\"r1h01\",\"domain\":\"rack=r1\",\"reason\":\"r\"}", -NSH_INVALID},
        {"for ever", "{\"host\":\"r1h01\",\"reason\":\"r\",\"ttl_ms\":604800001}", -NSH_INVALID},
    };
    struct rig *rig = rig_new(racks_of(1, 3), MEMORY_POLICY);
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (rig_command(rig, "lease", rows[i].json) != rows[i].code) {
            fail_msg("%s: %d", rows[i].why, rig->result);
        }
    }
    rig_command(rig, "freeze", "{\"scope\":\"all\",\"reason\":\"works\",\"for_ms\":600000}");
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h01", "kured")), -NSH_REFUSED);
    assert_has(said(rig), "guard freeze: all is frozen");
    rig_free(rig);
}

/* Our own run waits for whoever holds the host, and names him; it goes on when he is done. */
static void test_own_run_waits(void **state)
{
    struct rig *rig = rig_new(racks_of(2, 3), MEMORY_POLICY);
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h01", "kured")), 0);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h01"), "deferred");
    assert_has(rig_body(rig, RECORD_DECISION, "r1h01"), "r1h01 is leased by kured");
    assert_int_equal(rig_command(rig, "lease.release", "{\"id\":\"lse-000001\"}"), 0);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    /* And the other way about: while a run is at work there is no lease. */
    rig_at(rig, 20 * MIN);
    rig_raise(rig, "r2h01", MEMORY);
    rig_at(rig, 20 * MIN + 3 * S);
    assert_int_equal(rig_command(rig, "lease", LEASE("r2h01", "kured")), -NSH_REFUSED);
    assert_has(said(rig), "of memory-fatal is at work on r2h01");
    rig_free(rig);
}

static void test_restart(void **state)
{
    struct rig *rig = rig_new(racks_of(2, 3), MEMORY_POLICY);
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h01", "kured")), 0);
    rig_kill(rig);
    rig_start(rig, 2 * MIN);
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h02", "kured")), -NSH_REFUSED);
    assert_has(said(rig), "leased: r1h01 by kured");
    rig_step(rig, &(struct engine_input){.kind = INPUT_INVENTORY, .inventory = rig->inventory});
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h02", "kured")), -NSH_REFUSED);
    rig_at(rig, 11 * MIN);
    assert_string_equal(rig_state(rig, RECORD_LEASE, "r1h01"), "ended");
    assert_int_equal(rig_command(rig, "lease", LEASE("r1h02", "kured")), 0);
    assert_has(rig->reply, "lse-"); /* A new number, above those before. */
    assert_true(strstr(rig->reply, "lse-000001") == NULL);
    rig_free(rig);
}

static void test_fleetlock(void **state)
{
    struct rig *rig = rig_new(
        inventory_of("{ name = \"a\"; rack = \"r1\"; pool = \"web\"; labels = { machine-id = "
                     "\"0123abcd\"; }; addresses = [\"10.0.0.1\"]; },"
                     "{ name = \"b\"; rack = \"r2\"; pool = \"web\"; uuid = "
                     "\"11111111-2222-3333-4444-555555555555\"; addresses = [\"10.0.0.2\"]; }"),
        MEMORY_POLICY);
    static const char a[] = "{\"id\":\"0123ABCD\",\"group\":\"web\"}";
    static const char b[] = "{\"id\":\"11111111-2222-3333-4444-555555555555\",\"group\":\"web\"}";
    static const char other[] = "{\"id\":\"unknown\",\"group\":\"web\"}";
    assert_int_equal(rig_command(rig, "fleetlock", a), 0);
    assert_has(rig->reply, "\"host\":\"a\"");
    assert_int_equal(rig_command(rig, "fleetlock", a), 0); /* Again: the same lock. */
    assert_int_equal(rig_command(rig, "fleetlock", b), -NSH_REFUSED);
    assert_has(said(rig), "1 of 1 hosts worked on in pool=web; leased: a by fleetlock:0123ABCD");
    assert_int_equal(rig_command(rig, "fleetlock", other), -NSH_REFUSED);
    assert_int_equal(rig_command(rig, "fleetlock.release", a), 0);
    assert_int_equal(rig_command(rig, "fleetlock.release", a), 0);
    rig_at(rig, 11 * MIN); /* The pool's rate. */
    assert_int_equal(rig_command(rig, "fleetlock", other), 0);
    assert_has(rig->reply, "\"scope\":\"pool=web\"");
    assert_int_equal(rig_command(rig, "fleetlock", b), -NSH_REFUSED);
    assert_int_equal(rig_command(rig, "fleetlock", "{\"id\":\"x\",\"group\":\"none\"}"),
                     -NSH_NOT_FOUND);
    assert_int_equal(rig_command(rig, "fleetlock", "{\"id\":\"\",\"group\":\"web\"}"),
                     -NSH_INVALID);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_own_run_waits), cmocka_unit_test(test_restart),
        cmocka_unit_test(test_fleetlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
