/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worlds by seed: whatever happens in them, nothing that must not happen does. One failing seed is
 * repeated with NS_SEED=N build/release/tests/test_sim which prints the narrative. NS_SEEDS=N tries
 * that many.
 */

#include "../unit.h"

#include "fleet/fleet.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEEDS_DEFAULT 24 /* Some 8 s; half that time again with sanitizers is a minute. */

static const char *const policy_text =
    "policies: ( { name = \"memory-fatal\"; summary = \"cycle\"; owner = \"ops\"; subject = "
    "\"host\"; mode = \"enforce\";\n"
    "  when = { event = \"memory.uncorrectable\"; severity = \"major\"; settle = \"2s\"; };\n"
    "  unless = ( \"host.maintenance\" );\n"
    "  limits = { once_within = \"1h\"; };\n"
    "  do = ( { step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; },\n"
    "         { step = \"verify\"; check = \"cleared\"; within = \"5m\"; every = \"5s\"; } );\n"
    "  else = ( { step = \"page\"; action = \"page\"; with = { text = \"${host.name}: "
    "${failure}\"; }; } ); } );\n";

static struct inventory *inventory;
static struct policy_set *policies;

static int world_setup(void **state)
{
    char path[] = "/tmp/nightshift-sim-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("hosts: (\n", file);
    for (int rack = 1; rack <= 4; rack++) {
        for (int host = 1; host <= 10; host++) {
            fprintf(file,
                    "%s{ name = \"r%dh%02d\"; rack = \"r%d\"; pool = \"web\"; bmc = { driver = "
                    "\"redfish\"; address "
                    "= \"192.0.2.%d\"; }; }\n",
                    rack + host > 2 ? "," : "", rack, host, rack, rack * 20 + host);
        }
    }
    fputs(");\n", file);
    fclose(file);
    struct diags diags = {0};
    inventory = fleet_load(path, &diags);
    unlink(path);
    struct policy_defaults defaults = policy_defaults_builtin();
    policies = policy_load_text("sim.policy", policy_text, &defaults, &diags);
    struct textbuf text = {0};
    diags_print(&diags, NULL, false, &text);
    if (text.count > 0) {
        print_message("%s", text.at);
    }
    textbuf_done(&text);
    diags_done(&diags);
    return inventory == NULL || policies == NULL ? -1 : 0;
}

static int world_teardown(void **state)
{
    inventory_free(inventory);
    policy_set_free(policies);
    return 0;
}

/* The mix depends on the seed, so that calm and wild worlds are both visited. */
static struct sim_options options_of(uint64_t seed)
{
    struct sim_options options = {
        .seed = seed,
        .inventory = inventory,
        .policies = policies,
        .duration_ms = 12LL * 3600 * 1000,
        .fault_every_ms = seed % 3 == 0 ? 120000 : 900000,
        .rack_fault_permille = seed % 4 == 0 ? 100 : 10,
        .liars_permille = 50,
        .terse_permille = 400,
        .lost_permille = seed % 2 == 0 ? 100 : 10,
        .refused_permille = 30,
        .kill_every_ms = seed % 5 == 0 ? 0 : 600000,
        .freeze_every_ms = 3600000,
        .sick_every_ms = seed % 6 == 0 ? 1800000 : 0,
    };
    return options;
}

static void test_nothing_bad_happens_in_any_world(void **state)
{
    const char *one = getenv("NS_SEED");
    const char *many = getenv("NS_SEEDS");
    uint64_t first = one == NULL ? 1 : strtoull(one, NULL, 10);
    uint64_t count = one != NULL ? 1 : many == NULL ? SEEDS_DEFAULT : strtoull(many, NULL, 10);
    struct sim_report sum = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct sim_options options = options_of(seed);
        struct sim_report report;
        struct textbuf trace = {0};
        int result = sim_run(&options, &report, one == NULL ? NULL : &trace);
        if (one != NULL && trace.at != NULL) {
            fputs(trace.at, stderr);
        }
        textbuf_done(&trace);
        if (result < 0) {
            fail_msg("%s", report.violation);
        }
        sum.faults += report.faults, sum.heals += report.heals, sum.orders += report.orders;
        sum.pages += report.pages, sum.kills += report.kills, sum.lost += report.lost,
            sum.lies += report.lies;
        sum.freezes += report.freezes, sum.sick += report.sick,
            sum.rack_faults += report.rack_faults;
    }
    print_message("%llu worlds: %llu faults, %llu of racks, %llu orders, %llu healed, %llu lost "
                  "answers, %llu lies, "
                  "%llu pages, %llu kills, %llu freezes, %llu store failures\n",
                  (unsigned long long)count, (unsigned long long)sum.faults,
                  (unsigned long long)sum.rack_faults, (unsigned long long)sum.orders,
                  (unsigned long long)sum.heals, (unsigned long long)sum.lost,
                  (unsigned long long)sum.lies, (unsigned long long)sum.pages,
                  (unsigned long long)sum.kills, (unsigned long long)sum.freezes,
                  (unsigned long long)sum.sick);
    if (one == NULL &&
        count >= SEEDS_DEFAULT) { /* The worlds are worth visiting: all of it really happens. */
        assert_true(sum.heals > 0 && sum.lost > 0 && sum.lies > 0 && sum.pages > 0 &&
                    sum.kills > 0);
        assert_true(sum.freezes > 0 && sum.sick > 0 && sum.rack_faults > 0 &&
                    sum.orders > sum.heals);
    }
}

static void test_a_seed_is_a_world(void **state)
{
    struct sim_options options = options_of(4);
    struct sim_report first, again;
    assert_int_equal(sim_run(&options, &first, NULL), 0);
    assert_int_equal(sim_run(&options, &again, NULL), 0);
    assert_true(first.hash == again.hash && first.steps == again.steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_bad_happens_in_any_world),
        cmocka_unit_test(test_a_seed_is_a_world),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
