/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of the engine fails in turn: nothing crashes, leaks or is done twice. */

#include "rig.h"

#include <limits.h>

#define MEMORY "memory.uncorrectable"

static void story(struct rig *rig)
{
    rig_host(rig, "r1h02")->bmc = BMC_LIES;
    rig_host(rig, "r1h03")->bmc = BMC_HALFWAY;
    rig_raise(rig, "r1h01", MEMORY);
    rig_raise(rig, "r1h02", MEMORY);
    rig_at(rig, 5 * MIN);
    rig_raise(rig, "r2h03", MEMORY);
    rig_command(rig, "freeze", "{\"scope\":\"rack=r2\",\"reason\":\"x\",\"for_ms\":60000}");
    rig_at(rig, 10 * MIN);
    rig_command(rig, "plan", "{}");
    rig_command(rig, "status", "{}");
    for (unsigned h = 4; h <= 9; h++) {
        char name[16];
        snprintf(name, sizeof name, "r1h%02u", h);
        rig_raise(rig, name, "cpu.lost");
    }
    rig_at(rig, 40 * MIN);
    rig_kill(rig);
    rig_start(rig, 41 * MIN);
    rig_at(rig, 60 * MIN);
}

static void test_sweep(void **state)
{
    uint64_t n = 1;
    for (;; n++) {
        struct rig *rig = rig_new(racks_of(2, 10), MEMORY_POLICY);
        rig->no_memory_allowed = true;
        rig_allocations = 0;
        rig_fail_at = n;
        story(rig);
        bool failed = rig_allocations >= n;
        rig_fail_at = 0;
        for (size_t i = 0; i < rig->hosts_count; i++) {
            if (rig->hosts[i].offs > 1 || rig->hosts[i].orders > 2 ||
                (rig->hosts[i].bmc == BMC_LIES && rig->hosts[i].orders > 1)) {
                fail_msg("allocation %llu failed: %s has %u offs, %u orders\n%s",
                         (unsigned long long)n, rig->hosts[i].name, rig->hosts[i].offs,
                         rig->hosts[i].orders, rig->trace.at);
            }
        }
        for (size_t i = 0; i < rig->records_count; i++) {
            const struct rig_record *record = &rig->records[i];
            if (record->live && (record->kind == RECORD_RUN || record->kind == RECORD_ACTION)) {
                fail_msg("allocation %llu failed: %s is still alive\n%s", (unsigned long long)n,
                         record->id, rig->trace.at);
            }
        }
        rig_free(rig);
        if (!failed) {
            break;
        }
    }
    print_message("%llu allocations\n", (unsigned long long)n);
    assert_true(n > 150);
}

#define TELL "do = ( { step = \"tell\"; action = \"notify\"; with = { title = \"t\"; }; } ); }"
#define HEAD(name) "{ name = \"" name "\"; subject = \"host\"; mode = \"observe\"; when = "

static const char triggers[] = "policies: ( " HEAD(
    "all") "{ all = ( { event = \"a\"; }, { event = \"b\"; } ); within = \"10s\"; "
           "}; " TELL ", " HEAD(
               "any") "{ any = ( { event = \"a\"; }, { metric = \"power.input\"; if = "
                      "\"metric('power.input') > 1.0\"; } ); }; " TELL ", " HEAD(
                          "sequence") "{ sequence = ( { event = "
                                      "\"a\"; }, { event = \"b\"; } ); within = \"10s\"; unless = "
                                      "{ event = \"x\"; }; }; " TELL ", " HEAD(
                                          "absent") "{ event = \"a\"; absent = \"60s\"; expect = "
                                                    "\"host.name == 'r1h02'\"; }; " TELL ", " HEAD(
                                                        "without") "{ event = \"a\"; without = { "
                                                                   "event = \"x\"; }; within = "
                                                                   "\"10s\"; }; " TELL ", " HEAD(
                                                                       "count") "{ event = \"a\"; "
                                                                                "count = 2; within "
                                                                                "= \"10s\"; by = "
                                                                                "\"event.type\"; "
                                                                                "}; " TELL " );";

/* With an allocation that fails, whichever: less is decided, nothing breaks, nothing is leaked. */
static void test_sweep_triggers(void **state)
{
    static const char *const hosts[] = {"r1h01", "r1h02"};
    unsigned all = UINT_MAX;
    for (uint64_t n = 0;; n++) {
        struct rig *rig = rig_new(racks_of(1, 2), triggers);
        rig->no_memory_allowed = true;
        rig_allocations = 0;
        rig_fail_at = n;
        for (int i = 0; i < 6; i++) {
            rig_pulse(rig, hosts[i % 2], i < 4 ? "a" : "b");
            rig_raise(rig, hosts[i % 2], i % 3 == 0 ? "b" : "a");
            rig_at(rig, (i + 1) * S);
        }
        rig_at(rig, 5 * MIN);
        bool failed = rig_allocations >= n;
        rig_fail_at = 0;
        rig_kill(rig);
        rig_start(rig, 6 * MIN);
        rig_at(rig, 10 * MIN);
        unsigned decided = trace_count(rig, "would-run");
        all = n == 0 ? decided : all; /* The first round: nothing fails. */
        assert_true(all >= 6);
        rig_free(rig);
        if (n > 0 && !failed) {
            print_message("%llu allocations\n", (unsigned long long)n);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sweep),
                                       cmocka_unit_test(test_sweep_triggers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
