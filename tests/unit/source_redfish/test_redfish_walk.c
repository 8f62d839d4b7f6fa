/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks of which something fails: the registries that a BMC had stay, what was read comes to them,
 * and it is tried again in an hour, later each time.
 */

#include "bmc_rig.h"

#define HOUR_MS (60 * 60 * INT64_C(1000))
#define LIST "/redfish/v1/Registries"
#define REGISTRY(prefix, key)                                                                      \
    "{\"RegistryPrefix\":\"" prefix "\",\"RegistryVersion\":\"1.0.0\",\"Messages\":{\"" key        \
    "\":{\"Severity\":\"OK\"}}}"
#define PLACE(uri) "{\"Location\":[{\"Language\":\"en\",\"Uri\":\"" uri "\"}]}"

static const struct answer well[] = {
    {"/redfish/v1/", 200, "{\"Members\":[]}", 0},
    {LIST, 200,
     "{\"Members\":[{\"@odata.id\":\"" LIST "/Lab\"},{\"@odata.id\":\"" LIST "/Rack\"}]}", 0},
    {LIST "/Lab", 200, PLACE("/lab.json"), 0},
    {"/lab.json", 200, REGISTRY("Lab", "Old"), 0},
    {LIST "/Rack", 200, PLACE("/rack.json"), 0},
    {"/rack.json", 200, REGISTRY("Rack", "Old"), 0},
    {0},
};

static bool walk_ended(const struct rig *rig)
{
    return rig_watch(rig)->walk == NULL && rig_watch(rig)->walk_due_ms > 0;
}

static void walk_again(struct rig *rig, const char *why)
{
    rig_watch(rig)->walk_due_ms = 0;
    redfish_walk_tick(rig->source);
    rig_await(rig, walk_ended, why);
}

/* A BMC that was polled well, and whose registries were read. */
static void walk_open(struct rig *rig)
{
    rig_open(rig, "events = \"none\"; poll = \"always\"; poll_every = \"1h\";", well);
    rig_watch(rig)->poll_due_ms = 0;
    rig_await(rig, walk_ended, "the first walk");
    assert_int_equal(rig_watch(rig)->registries_count, 2);
    assert_int_equal(rig_watch(rig)->walks_failed, 0);
}

/* To the hour: it is only just over. */
static int64_t hours_until(int64_t due_ms)
{
    return (due_ms - redfish_clock_ms() + HOUR_MS / 2) / HOUR_MS;
}

static bool is_well(const struct rig *rig)
{
    return rig_watch(rig)->walks_failed == 0;
}

static bool known(const struct rig *rig, const char *id)
{
    const struct redfish_watch *watch = rig_watch(rig);
    const struct redfish_registry *registry = NULL;
    return redfish_registries_find(watch->registries, watch->registries_count, id, &registry) !=
           NULL;
}

static char long_body[REDFISH_LONG_BYTES_MAX + 64];

static void test_rows(void **state)
{
    static const struct {
        struct answer except[3];
        int64_t visit_ms;
        const char *says; /* NULL: nothing failed. */
        size_t count;     /* Registries of the BMC afterwards. */
        const char *why;
    } rows[] = {
        {{{LIST, 500, "{}", 0}}, 0, "GET " LIST ": HTTP status 500", 2, "no list"},
        {{{LIST, 401, "{}", 0}}, 0, "HTTP status 401", 2, "the login is refused"},
        {{{LIST, 200, "{\"Mem", 0}}, 0, "no JSON", 2, "half a list"},
        {{{LIST, 0, "", 0}}, 1000, "GET " LIST ": not through after", 2, "no answer"},
        {{{LIST "/Rack", 503, "{}", 0}}, 0, "GET " LIST "/Rack: HTTP status 503", 2, "a place"},
        {{{LIST "/Rack", 401, "{}", 0}}, 0, "HTTP status 401", 2, "refused half-way"},
        {{{"/rack.json", 500, "{}", 0}}, 0, "GET /rack.json: HTTP status 500", 2, "a registry"},
        {{{"/rack.json", 0, "", 0}}, 4000, "GET /rack.json: not through after", 2, "it hangs"},
        {{{"/lab.json", 500, "{}", 0}, {"/rack.json", 500, "{}", 0}}, 0, "/lab.json", 2, "both"},
        {{{LIST, 404, "{}", 0}}, 0, NULL, 0, "it has none any more"},
        {{{LIST, 200, "{\"Members\":[]}", 0}}, 0, NULL, 0, "an empty list"},
        {{{LIST "/Rack", 404, "{}", 0}}, 0, NULL, 1, "one is gone"},
        {{{"/rack.json", 404, "{}", 0}}, 0, NULL, 1, "its file is gone"},
        {{{"/rack.json", 200, long_body, 0}}, 0, NULL, 1, "one has grown beyond the bound"},
    };
    (void)state;
    memset(long_body, ' ', sizeof long_body - 1);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig rig;
        walk_open(&rig);
        rig.except = rows[i].except;
        rig.source->visit_ms = rows[i].visit_ms > 0 ? rows[i].visit_ms : REDFISH_VISIT_MS_MAX;
        walk_again(&rig, rows[i].why);
        const struct redfish_watch *watch = rig_watch(&rig);
        bool failed = rows[i].says != NULL;
        if (watch->registries_count != rows[i].count || watch->walks_failed != failed ||
            strstr(watch->walk_why, failed ? rows[i].says : "") == NULL ||
            (watch->walk_why[0] != '\0') != failed) {
            fail_msg("%s: %zu registries, %u walks failed: %s", rows[i].why,
                     watch->registries_count, watch->walks_failed, watch->walk_why);
        }
        assert_int_equal(rig.source->shared_count, rows[i].count);
        assert_int_equal(hours_until(watch->walk_due_ms), failed ? 1 : 24);
        rig.except = NULL;
        rig.source->visit_ms = REDFISH_VISIT_MS_MAX;
        walk_again(&rig, "well again");
        assert_int_equal(watch->registries_count, 2);
        assert_int_equal(watch->walks_failed, 0);
        assert_string_equal(watch->walk_why, "");
        assert_int_equal(rig.source->shared_count, 2);
        assert_int_equal(rig.source->shared[0]->users + rig.source->shared[1]->users, 2);
        rig_close(&rig);
    }
}

/* Half of a new firmware's registries: what they say goes first, the others stay. */
static void test_half(void **state)
{
    static const struct answer half[] = {
        {"/lab.json", 200, REGISTRY("Lab", "New"), 0}, {"/rack.json", 500, "{}", 0}, {0}};
    static const struct answer whole[] = {{"/lab.json", 200, REGISTRY("Lab", "New"), 0}, {0}};
    struct rig rig;
    (void)state;
    walk_open(&rig);
    rig.except = half;
    for (int i = 0; i < 2; i++) { /* Again: nothing is there twice. */
        walk_again(&rig, "half");
        assert_int_equal(rig_watch(&rig)->registries_count, 3);
        assert_int_equal(rig.source->shared_count, 3);
        assert_true(known(&rig, "Lab.1.0.New"));
        assert_true(known(&rig, "Lab.1.0.Old"));
        assert_true(known(&rig, "Rack.1.0.Old"));
    }
    rig.except = whole;
    walk_again(&rig, "whole");
    assert_int_equal(rig_watch(&rig)->registries_count, 2);
    assert_int_equal(rig.source->shared_count, 2);
    assert_true(known(&rig, "Lab.1.0.New"));
    assert_false(known(&rig, "Lab.1.0.Old"));
    rig_close(&rig);
}

static void test_pauses(void **state)
{
    static const int hours[] = {1, 2, 4, 8, 16, 24, 24, 24};
    static const struct answer bad[] = {{LIST, 500, "{}", 0}, {0}};
    struct rig rig;
    (void)state;
    walk_open(&rig);
    rig.except = bad;
    for (size_t i = 0; i < ROWS(hours); i++) {
        walk_again(&rig, "bad");
        assert_int_equal(hours_until(rig_watch(&rig)->walk_due_ms), hours[i]);
        assert_int_equal(rig_watch(&rig)->registries_count, 2);
    }
    /* Another login is tried at once. */
    struct nsh_member settings[] = {
        rig.settings[0], rig.settings[1], {"user", nsh_text("operator")}};
    rig.binding.settings = nsh_map(settings, 3);
    rig.inventory.revision++;
    rig.except = NULL;
    rig_await(&rig, is_well, "another login");
    assert_int_equal(hours_until(rig_watch(&rig)->walk_due_ms), 24);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_half),
        cmocka_unit_test(test_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
