/* SPDX-License-Identifier: Apache-2.0 */
/* The stories of the demo: healed; a controller that lies; a rack together; a host over its budget.
 */

#include "rig.h"

static void test_healed(void **state)
{
    struct rig *rig = rig_new(racks_of(4, 10), MEMORY_POLICY);
    rig_at(rig, 0);
    rig_raise(rig, "r1h01", "memory.uncorrectable");
    rig_at(rig, 1 * S);
    assert_int_equal(rig->calls, 0); /* It settles. */
    rig_at(rig, 5 * MIN);
    assert_trace(rig, "run run-000001 r1h01 memory-fatal started");
    assert_trace(rig, "run run-000001 r1h01 memory-fatal done");
    assert_int_equal(rig_host(rig, "r1h01")->offs, 1);
    assert_int_equal(rig_host(rig, "r1h01")->ons, 1);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    assert_int_equal(rig->pages, 0);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "done");
    assert_string_equal(rig_state(rig, RECORD_ACTION, "r1h01"), "verified");
    assert_string_equal(rig_state(rig, RECORD_ALARM, "r1h01"), "cleared");
    assert_has(rig_body(rig, RECORD_DECISION, "r1h01"), "0 of 2 interrupts on r1h01 in 24h");
    assert_has(rig_body(rig, RECORD_DECISION, "r1h01"), "\"outcome\":\"run\"");
    rig_free(rig);
}

static void lie(enum bmc bmc, const char *evidence)
{
    struct rig *rig = rig_new(racks_of(4, 10), MEMORY_POLICY);
    rig_host(rig, "r2h01")->bmc = bmc;
    rig_raise(rig, "r2h01", "memory.uncorrectable");
    rig_at(rig, 20 * MIN);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r2h01"), "escalated");
    assert_int_equal(rig->pages, 1);
    assert_int_equal(rig_host(rig, "r2h01")->orders, 1); /* Not repeated blind. */
    assert_int_equal(rig_host(rig, "r2h01")->offs, 0);
    assert_has(rig->page.at, "r2h01");
    assert_has(rig->page.at, evidence);
    assert_has(rig->page.at, "> POST Reset"); /* What was sent is in the evidence. */
    rig_free(rig);
}

static void test_liar(void **state)
{
    lie(BMC_LIES, "cleared was not true within 2m");
    lie(BMC_ADMITS, "said off, still on");
}

static void test_rack(void **state)
{
    struct rig *rig = rig_new(racks_of(4, 10), MEMORY_POLICY);
    for (unsigned h = 1; h <= 10; h++) {
        char name[16];
        snprintf(name, sizeof name, "r3h%02u", h);
        rig_at(rig, h * 100);
        rig_raise(rig, name, "memory.uncorrectable");
    }
    rig_at(rig, 30 * S);
    assert_int_equal(rig->pages, 1);
    assert_count(rig, "\nbrake brk-", 1);
    assert_trace(rig, "rack=r3 on: 4 of 10 hosts broke within 5m, more than 3");
    assert_count(rig, " held: brake", 10);
    for (unsigned h = 1; h <= 10; h++) {
        char name[16];
        snprintf(name, sizeof name, "r3h%02u", h);
        assert_int_equal(rig_host(rig, name)->orders, 0);
        assert_has(rig->page.at, name); /* The whole list. */
    }
    /* The rest of the site goes on. */
    rig_raise(rig, "r4h01", "memory.uncorrectable");
    rig_at(rig, 5 * MIN);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r4h01"), "done");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_worn(void **state)
{
    struct rig *rig = rig_new(racks_of(4, 10), MEMORY_POLICY);
    for (unsigned n = 0; n < 3; n++) {
        rig_at(rig, n * 11 * MIN);
        rig_raise(rig, "r4h06", "memory.uncorrectable");
    }
    rig_at(rig, 3 * 11 * MIN);
    assert_count(rig, "memory-fatal done", 2);
    assert_int_equal(rig_host(rig, "r4h06")->offs, 2);
    assert_int_equal(rig->pages, 1);
    assert_has(rig->page.at, "2 of 2 interrupts on r4h06 in 24h");
    assert_has(rig_body(rig, RECORD_DECISION, "r4h06"), "2 of 2 interrupts on r4h06 in 24h");
    assert_string_equal(rig_state(rig, RECORD_RUN, "r4h06"), "refused");
    /* A day later it may be tried again. */
    rig_clear(rig, "r4h06", "memory.uncorrectable");
    rig_at(rig, 26 * HOUR);
    rig_raise(rig, "r4h06", "memory.uncorrectable");
    rig_at(rig, 26 * HOUR + 5 * MIN);
    assert_int_equal(rig_host(rig, "r4h06")->offs, 3);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healed),
        cmocka_unit_test(test_liar),
        cmocka_unit_test(test_rack),
        cmocka_unit_test(test_worn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
