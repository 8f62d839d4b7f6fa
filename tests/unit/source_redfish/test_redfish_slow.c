/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BMCs that are slow: each request is answered in its time, and all of them together are not. The
 * place that they hold is free again, and what was known stays.
 */

#include "bmc_rig.h"

#define CAP_MS 1500 /* More than `poll_every`, so that the longer pause is seen. */
#define LINKS 60
#define LATE_MS 50 /* Each: 3 s together. */

static char members[16384];
static struct answer late[LINKS + 4];
static char paths[LINKS][64];

/* root leads to LINKS pages, each of which is answered late. */
static void late_make(const char *root, const char *body)
{
    int count = snprintf(members, sizeof members, "{\"Members\":[");
    for (size_t i = 0; i < LINKS; i++) {
        snprintf(paths[i], sizeof paths[i], "/redfish/v1/Late/%zu", i);
        count += snprintf(members + count, sizeof members - (size_t)count,
                          "%s{\"@odata.id\":\"%s\"}", i == 0 ? "" : ",", paths[i]);
        late[i + 2] = (struct answer){paths[i], 200, "{\"Members\":[]}", LATE_MS};
    }
    snprintf(members + count, sizeof members - (size_t)count, "]}");
    late[0] = (struct answer){root, 200, body == NULL ? members : body, 0};
    late[1] = (struct answer){body == NULL ? "/none" : "/redfish/v1/List", 200, members, 0};
    late[LINKS + 2] = (struct answer){0};
}

static bool poll_ended(const struct rig *rig)
{
    return rig->source->polls_done + rig->source->polls_failed > 0;
}

static void poll_begin(struct rig *rig, int64_t visit_ms)
{
    rig_open(rig, "events = \"none\"; poll = \"always\"; poll_every = \"1s\"; registries = false;",
             late);
    rig->source->visit_ms = visit_ms;
    rig_watch(rig)->poll_due_ms = 0;
}

static void test_poll(void **state)
{
    static const struct answer mute[] = {{.path = "/redfish/v1/Late/1"}, {0}};
    static const struct {
        const struct answer *except;
        int64_t visit_ms;
        bool fails;
        const char *says, *why;
    } rows[] = {
        {NULL, 10 * 60000, false, "", "slow, within what it is given"},
        {NULL, CAP_MS, true, "GET /redfish/v1/Late/", "slow, and not through in time"},
        {mute, 4000, true, "at request 3: GET /redfish/v1/Late/1", "a page never comes"},
    };
    (void)state;
    late_make("/redfish/v1/", NULL);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig rig;
        int64_t begun_ms = redfish_clock_ms();
        poll_begin(&rig, rows[i].visit_ms);
        rig.except = rows[i].except;
        struct redfish_watch *watch = rig_watch(&rig);
        redfish_ill_set(watch, "/redfish/v1/Part", true);
        watch->ill[0].missed = rows[i].fails ? 2 : 0; /* The next whole poll would end it. */
        rig_await(&rig, poll_ended, rows[i].why);
        if (rig.source->polls_failed != rows[i].fails ||
            strstr(watch->poll_why, rows[i].says) == NULL) {
            fail_msg("%s: %llu failed, %s", rows[i].why,
                     (unsigned long long)rig.source->polls_failed, watch->poll_why);
        }
        assert_int_equal(rig.source->polling_count, 0);
        assert_null(watch->poll);
        assert_int_equal(watch->ill_count, 1); /* Nothing is cleared. */
        assert_int_equal(watch->ill[0].missed, rows[i].fails ? 2 : 1);
        int64_t later_ms = watch->poll_due_ms - begun_ms;
        if (rows[i].fails && later_ms < 2 * rows[i].visit_ms) { /* Others first. */
            fail_msg("%s: again after %lld ms", rows[i].why, (long long)later_ms);
        }
        rig_close(&rig);
    }
}

static bool poll_runs(const struct rig *rig)
{
    return rig->asked >= 2;
}

static bool nobody_polled(const struct rig *rig)
{
    return rig->source->polling_count == 0;
}

/* A BMC that left the inventory while a page did not come. */
static void test_poll_forgotten(void **state)
{
    static const struct answer mute[] = {{.path = "/redfish/v1/Late/0"}, {0}};
    struct rig rig;
    (void)state;
    late_make("/redfish/v1/", NULL);
    poll_begin(&rig, 10 * 60000);
    rig.except = mute;
    rig_await(&rig, poll_runs, "begun");
    rig.inventory.hosts_count = 0;
    rig.inventory.revision++;
    rig.source->visit_ms = 300;
    rig_await(&rig, nobody_polled, "its place is free");
    assert_int_equal(rig.source->polls_failed, 0);
    rig_close(&rig);
}

static struct rig *offloading;
static int (*offload_really)(struct nsh_services *services, void (*work)(void *arg),
                             void (*done)(void *arg), void *arg, struct nsh_error *err);

static int offload_late(struct nsh_services *services, void (*work)(void *arg),
                        void (*done)(void *arg), void *arg, struct nsh_error *err)
{
    offloading->source->visit_ms = -1; /* Over while it is read. */
    return offload_really(services, work, done, arg, err);
}

/* Its time is over while a long page is parsed beside the loop. */
static void test_poll_reading(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf dense = {.count_max = 2u << 20};
    struct rig rig;
    (void)state;
    textbuf_add_chars(&dense, "{\"Members\":[{}");
    while (dense.count < REDFISH_LONG_BYTES_MAX - 8) {
        textbuf_add_chars(&dense, ",{}");
    }
    textbuf_add_chars(&dense, "]}");
    late_make("/redfish/v1/", dense.at);
    poll_begin(&rig, 10 * 60000);
    offloading = &rig;
    offload_really = rig.services.services->offload;
    rig.services.services->offload = offload_late;
    /* The tick, before the parsed page can come. */
    while (rig.source->visit_ms > 0) {
        rig_turn(&rig);
    }
    redfish_poll_tick(rig.source);
    assert_int_equal(rig.source->polls_failed, 1);
    assert_int_equal(rig.source->polling_count, 0);
    rig_close(&rig); /* What was parsed comes to nobody. */
}

static bool visit_ended(const struct rig *rig)
{
    return rig->source->visits[0] == NULL && rig_watch(rig)->due_ms > 0;
}

static void test_visit(void **state)
{
    static const struct {
        int64_t visit_ms;
        const char *says, *why;
    } rows[] = {
        {10 * 60000, "it made a subscription", "slow, within what it is given"},
        {CAP_MS, "the visit was not through after", "slow, and not through in time"},
    };
    (void)state;
    late_make("/redfish/v1/EventService",
              "{\"Subscriptions\":{\"@odata.id\":\"/redfish/v1/List\"}}");
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig rig;
        rig_open(&rig, "url = \"https://127.0.0.1:1\"; poll = \"never\"; registries = false;",
                 late);
        rig.source->visit_ms = rows[i].visit_ms;
        rig_await(&rig, visit_ended, rows[i].why);
        const struct redfish_watch *watch = rig_watch(&rig);
        if (strstr(watch->why, rows[i].says) == NULL) {
            fail_msg("%s: %s", rows[i].why, watch->why);
        }
        assert_false(watch->visiting);
        assert_false(watch->subscribed);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_poll_forgotten),
        cmocka_unit_test(test_poll_reading),
        cmocka_unit_test(test_visit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
