/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated years of a site of 400 hosts, at the rate of faults of a real cluster (700 a year), one
 * in ten of them of the kinds that hardly anybody sees. NS_YEARS=N years, from seed NS_SEED on.
 * Says how fast.
 */

#include "../unit.h"
#include "sim_policies.h"

#include "fleet/fleet.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HOSTS 400
#define RACK_HOSTS 20
#define YEARS_DEFAULT 4
#define YEAR_MS (365LL * 24 * 3600 * 1000)
#define FAULT_EVERY_MS (45 * 1000 * 1000) /* 321 in 348 days on half of the faulty hosts. */
#define TWICE_EVERY 5                     /* Each fifth year is replayed, life by life. */

static struct inventory *inventory;
static struct policy_set *policies;

static int site_setup(void **state)
{
    struct textbuf text = {0};
    struct diags diags = {0};
    struct arena arena = {0};
    textbuf_add_chars(&text, "hosts: (\n");
    for (int host = 0; host < HOSTS; host++) {
        textbuf_addf(
            &text,
            "%s{ name = \"r%02dh%02d\"; rack = \"r%02d\"; pool = \"p%d\"; serial = \"S%d\"; "
            "bmc = { driver = \"redfish\"; address = \"10.0.%d.%d\"; }; os = { driver = "
            "\"ssh\"; }; node = { driver = \"kubernetes\"; }; }",
            host == 0 ? "" : ",\n", host / RACK_HOSTS + 1, host % RACK_HOSTS + 1,
            host / RACK_HOSTS + 1, host % 4, host, host / 200, host % 200 + 1);
    }
    textbuf_add_chars(&text, ");\n");
    struct conf *root = conf_read_text("site", text.at, &arena, &diags);
    inventory = root == NULL ? NULL : fleet_load_conf(root, &diags);
    struct policy_defaults defaults = policy_defaults_builtin();
    policies = policy_load_text("sim.policy", policy_text, &defaults, &diags);
    textbuf_clear(&text);
    diags_print(&diags, NULL, false, &text);
    if (inventory == NULL || policies == NULL) {
        print_message("%s", text.at);
    }
    textbuf_done(&text);
    arena_done(&arena);
    diags_done(&diags);
    return inventory == NULL || policies == NULL ? -1 : 0;
}

static int site_teardown(void **state)
{
    inventory_free(inventory);
    policy_set_free(policies);
    return 0;
}

static uint64_t number_of(const char *name, uint64_t preset)
{
    const char *text = getenv(name);
    return text == NULL ? preset : strtoull(text, NULL, 10);
}

static void year_fails(const struct sim_options *options, const struct sim_report *report)
{
    struct textbuf story = {0};
    size_t count = 0;
    printf("%s\n", report->violation);
    sim_shrink(options, 300, &story, &count);
    fputs(story.at == NULL ? "" : story.at, stdout);
    textbuf_done(&story);
    fail_msg("NS_YEARS=1 NS_SEED=%llu: %s", (unsigned long long)options->seed, report->violation);
}

static void test_years_of_a_site(void **state)
{
    uint64_t first = number_of("NS_SEED", 1), years = number_of("NS_YEARS", YEARS_DEFAULT);
    struct sim_report sum = {0};
    clock_t start = clock();
    for (uint64_t seed = first; seed < first + years; seed++) {
        struct sim_options options = {
            .seed = seed,
            .inventory = inventory,
            .policies = policies,
            .duration_ms = YEAR_MS,
            .fault_every_ms = FAULT_EVERY_MS,
            .common_permille = 900,
            .once = seed % TWICE_EVERY != 0,
        };
        struct sim_report report;
        if (sim_run(&options, &report, NULL) < 0) {
            year_fails(&options, &report);
        }
        sum.steps += report.steps, sum.faults += report.faults, sum.broken += report.broken;
        sum.orders += report.orders, sum.heals += report.heals, sum.pages += report.pages;
        sum.kills += report.kills, sum.wrong += report.wrong;
    }
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    printf("%llu site-years of %d hosts: %llu steps, %llu faults, %llu hosts broke, %llu orders, "
           "%llu healed, %llu pages, %llu kills, %llu wrong\n",
           (unsigned long long)years, HOSTS, (unsigned long long)sum.steps,
           (unsigned long long)sum.faults, (unsigned long long)sum.broken,
           (unsigned long long)sum.orders, (unsigned long long)sum.heals,
           (unsigned long long)sum.pages, (unsigned long long)sum.kills,
           (unsigned long long)sum.wrong);
    printf("%.2f simulated years per second of one core (%.1f s)\n",
           seconds > 0 ? (double)years / seconds : 0, seconds);
    assert_true(sum.faults > 500 * years && sum.heals > 50 * years && sum.orders > sum.heals / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_years_of_a_site)};
    return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
