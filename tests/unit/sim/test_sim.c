/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worlds by seed: whatever happens in them, nothing that must not happen does. One failing seed is
 * repeated with NS_SEED=N build/release/tests/test_sim which prints the narrative. NS_SEEDS=N tries
 * that many, from NS_SEED on if both are given. A failing world is shrunk to its smallest story.
 */

#include "../unit.h"
#include "sim_policies.h"

#include "fleet/fleet.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SEEDS_DEFAULT 80
#define SHRINK_RUNS_MAX 600

static const char *const policy_other_text =
    "policies: (\n" POLICY("memory-fatal", "memory.uncorrectable", "30s",
                           "{ step = \"cycle\"; action = \"reset.hard\"; timeout = \"1m\"; }, ") //
    " );\n";

static struct inventory *inventory;
static struct policy_set *policies, *policies_other;

static int world_setup(void **state)
{
    char path[] = "/tmp/nightshift-sim-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("hosts: (\n", file);
    for (int rack = 1; rack <= 4; rack++) {
        for (int host = 1; host <= 10; host++) {
            fprintf(file,
                    "%s{ name = \"r%dh%02d\"; rack = \"r%d\"; pool = \"web\"; serial = \"S%d\"; "
                    "bmc = { driver = "
                    "\"redfish\"; address "
                    "= \"192.0.2.%d\"; }; os = { driver = \"ssh\"; }; node = { driver = "
                    "\"kubernetes\"; }; }\n",
                    rack + host > 2 ? "," : "", rack, host, rack, rack * 20 + host,
                    rack * 20 + host);
        }
    }
    fputs(");\n", file);
    fclose(file);
    struct diags diags = {0};
    inventory = fleet_load(path, &diags);
    unlink(path);
    struct policy_defaults defaults = policy_defaults_builtin();
    policies = policy_load_text("sim.policy", policy_text, &defaults, &diags);
    policies_other = policy_load_text("other.policy", policy_other_text, &defaults, &diags);
    struct textbuf text = {0};
    diags_print(&diags, NULL, false, &text);
    if (text.count > 0) {
        print_message("%s", text.at);
    }
    textbuf_done(&text);
    diags_done(&diags);
    return inventory == NULL || policies == NULL || policies_other == NULL ? -1 : 0;
}

static int world_teardown(void **state)
{
    inventory_free(inventory);
    policy_set_free(policies);
    policy_set_free(policies_other);
    return 0;
}

/* The mix depends on the seed, so that calm and wild worlds are both visited. */
static struct sim_options options_of(uint64_t seed)
{
    return (struct sim_options){
        .seed = seed,
        .inventory = inventory,
        .policies = policies,
        .policies_other = policies_other,
        .duration_ms = 12LL * 3600 * 1000,
        .fault_every_ms = seed % 3 == 0   ? 100000
                          : seed % 3 == 1 ? 300000
                                          : 900000,
        .common_permille = seed % 4 == 0 ? 500 : 100,
    };
}

static void fail_with_story(const struct sim_options *options, const struct sim_report *report)
{
    struct textbuf story = {0};
    size_t faults_count = 0;
    print_message("%s\n", report->violation);
    sim_shrink(options, SHRINK_RUNS_MAX, &story, &faults_count);
    fputs(story.at == NULL ? "" : story.at, stdout);
    textbuf_done(&story);
    fail_msg("NS_SEED=%llu: %s", (unsigned long long)options->seed, report->violation);
}

static void report_add(struct sim_report *sum, const struct sim_report *report)
{
    sum->faults += report->faults, sum->heals += report->heals, sum->orders += report->orders;
    sum->pages += report->pages, sum->kills += report->kills, sum->lost += report->lost;
    sum->broken += report->broken, sum->refused += report->refused, sum->reads += report->reads;
    sum->steps += report->steps, sum->wrong += report->wrong;
    sum->replayed += report->replayed, sum->said += report->said, sum->leases += report->leases;
    for (size_t i = 0; i < SIM_FAULTS_COUNT; i++) {
        sum->met[i] += report->met[i];
    }
}

#define LLU(x) ((unsigned long long)(x))

static void report_print(uint64_t count, const struct sim_report *sum)
{
    print_message("%llu worlds, %llu steps: %llu faults, %llu hosts broke, %llu orders, %llu "
                  "healed, %llu lost answers, %llu refused, %llu pages, %llu kills, %llu steps "
                  "replayed, %llu answers of people, %llu leases\n",
                  LLU(count), LLU(sum->steps), LLU(sum->faults), LLU(sum->broken), LLU(sum->orders),
                  LLU(sum->heals), LLU(sum->lost), LLU(sum->refused), LLU(sum->pages),
                  LLU(sum->kills), LLU(sum->replayed), LLU(sum->said), LLU(sum->leases));
    for (size_t i = 0; i < SIM_FAULTS_COUNT; i++) {
        print_message("%6llu  %-20s %s: %s\n", LLU(sum->met[i]), sim_fault_row(i)->name,
                      sim_fault_row(i)->what, sim_fault_row(i)->rule);
    }
}

static void test_nothing_bad_happens_in_any_world(void **state)
{
    const char *one = getenv("NS_SEED");
    const char *many = getenv("NS_SEEDS");
    uint64_t first = one == NULL ? 1 : strtoull(one, NULL, 10);
    bool told = one != NULL && many == NULL; /* Its narrative. */
    uint64_t count = told ? 1 : many == NULL ? SEEDS_DEFAULT : strtoull(many, NULL, 10);
    struct sim_report sum = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct sim_options options = options_of(seed);
        struct sim_report report;
        struct textbuf trace = {0};
        int result = sim_run(&options, &report, told ? &trace : NULL);
        if (trace.at != NULL) {
            fputs(trace.at, stderr);
        }
        textbuf_done(&trace);
        if (result < 0) {
            fail_with_story(&options, &report);
        }
        report_add(&sum, &report);
    }
    report_print(count, &sum);
    if (count >= SEEDS_DEFAULT) { /* The worlds are worth visiting. */
        for (size_t i = 0; i < SIM_FAULTS_COUNT; i++) {
            if (sum.met[i] == 0) {
                fail_msg("fault %s was never met", sim_fault_row(i)->name);
            }
        }
        assert_true(sum.heals > 0 && sum.lost > 0 && sum.refused > 0 && sum.pages > 0);
        assert_true(sum.orders > sum.heals / 2 && sum.kills > count);
        assert_true(sum.said > count && sum.leases > count / 4);
    }
}

static void test_there_are_at_least_forty_kinds_of_faults(void **state)
{
    assert_true(SIM_FAULTS_COUNT >= 40);
    for (size_t i = 0; i < SIM_FAULTS_COUNT; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(sim_fault_row(i)->name, sim_fault_row(k)->name);
        }
    }
    assert_null(sim_fault_row(SIM_FAULTS_COUNT));
}

static void test_a_seed_is_a_world(void **state)
{
    struct sim_options options = options_of(4);
    struct sim_report first, again;
    assert_int_equal(sim_run(&options, &first, NULL), 0);
    assert_int_equal(sim_run(&options, &again, NULL), 0);
    assert_true(first.hash == again.hash && first.steps == again.steps);
}

/* Every step of every life is taken again; and a replay that is not the same is seen. */
static void test_live_equals_replay(void **state)
{
    struct sim_options options = options_of(4);
    struct sim_report report;
    assert_int_equal(sim_run(&options, &report, NULL), 0);
    assert_true(report.kills > 3 && report.replayed == report.steps);
    options.spoil_every = 7;
    assert_int_equal(sim_run(&options, &report, NULL), -NSH_FAILED);
    assert_non_null(strstr(report.violation, "is not what it was when replayed"));
}

/* The checks hold the engine to the limits of the policies; with others it breaks them. */
static void test_a_failing_world_is_shrunk_to_its_story(void **state)
{
    struct policy_guards limits = policies->defaults.guards;
    limits.host_interrupts_max = 1; /* The engine is given 2. */
    struct sim_options options = options_of(3);
    struct sim_report report;
    options.limits = &limits;
    assert_int_equal(sim_run(&options, &report, NULL), -NSH_FAILED);
    struct textbuf story = {0};
    size_t faults_count = 99;
    assert_int_equal(sim_shrink(&options, SHRINK_RUNS_MAX, &story, &faults_count), 0);
    fputs(story.at, stdout);
    assert_in_range(faults_count, 1, 3); /* Of some 400. */
    assert_non_null(strstr(story.at, "interrupt number 2 in 24 h"));
    textbuf_done(&story);
    options.limits = NULL;
    assert_int_equal(sim_shrink(&options, 1, &story, &faults_count), -NSH_INVALID);
    textbuf_done(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_are_at_least_forty_kinds_of_faults),
        cmocka_unit_test(test_nothing_bad_happens_in_any_world),
        cmocka_unit_test(test_a_seed_is_a_world),
        cmocka_unit_test(test_live_equals_replay),
        cmocka_unit_test(test_a_failing_world_is_shrunk_to_its_story),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
