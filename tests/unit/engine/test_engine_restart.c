/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 between any two steps, with the last one durable or not; then a start. No action twice,
 * everything in doubt resolved or escalated, nothing fires because of it.
 */

#include "rig.h"

#define MEMORY "memory.uncorrectable"

struct story {
    enum bmc bmc;
    bool stays_ill;
    uint32_t orders_max; /* Orders to the controller, over the crash. */
    const char *why;
};

static const struct story stories[] = {
    {BMC_WELL, false, 1, "healed"},
    {BMC_MUTE, false, 1, "its answer is lost anyhow"},
    {BMC_DEAF, true, 1, "nothing happens"},
    {BMC_HALFWAY, false, 3, "left off, completed; power.on may be needed again"},
    {BMC_LIES, true, 1, "escalated"},
};

static bool over(const char *state)
{
    return strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0 &&
           strcmp(state, "verifying") != 0;
}

/* True while there was a step to be killed at. */
static bool crash(const struct story *story, uint32_t after, bool lose, int64_t down)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    struct rig_host *host = rig_host(rig, "r1h01");
    host->bmc = story->bmc;
    host->stays_ill = story->stays_ill;
    rig->kill_after = rig->steps + after;
    rig->lose = lose;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 20 * MIN);
    bool killed = rig->dead;
    int64_t at = rig->now - RIG_START + down;
    if (killed) {
        rig_kill(rig);
        rig_start(rig, at);
        if (host->offs == 0) {
            rig_raise(rig, "r1h01", MEMORY); /* Its source sends what it got no answer for. */
        }
        if (!host->stays_ill && host->offs > 0 && !host->off) {
            rig_heal(rig, "r1h01");
        }
        rig_at(rig, at + 60 * MIN);
    }
    const char *state = rig_state(rig, RECORD_RUN, "r1h01");
    if (host->offs > 1 || host->orders > story->orders_max || !over(state) || host->off) {
        fail_msg("%s, killed after %u steps (%s), down for %lld: %u offs, %u orders, run %s\n%s",
                 story->why, after, lose ? "not durable" : "durable", (long long)down, host->offs,
                 host->orders, state, rig->trace.at);
    }
    for (size_t i = 0; i < rig->records_count; i++) {
        const struct rig_record *record = &rig->records[i];
        if (record->live && (record->kind == RECORD_RUN || record->kind == RECORD_ACTION)) {
            fail_msg("%s, killed after %u: %s is still alive\n%s", story->why, after, record->id,
                     rig->trace.at);
        }
    }
    assert_true(strcmp(state, "done") == 0 || rig->pages >= 1 || strcmp(state, "expired") == 0);
    rig_free(rig);
    return killed;
}

static void test_everywhere(void **state)
{
    static const int64_t downs[] = {1 * S, 3 * MIN, 30 * MIN};
    unsigned kills = 0;
    for (size_t s = 0; s < ROWS(stories); s++) {
        for (size_t d = 0; d < ROWS(downs); d++) {
            for (int lose = 0; lose < 2; lose++) {
                uint32_t after = 1;
                while (after < 400 && crash(&stories[s], after, lose, downs[d])) {
                    after++;
                }
                kills += after - 1;
            }
        }
    }
    assert_true(kills > 300);
}

/* An action whose intent was durable may have been sent: it is read, not repeated and not dropped.
 */
static void test_intended(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    rig_host(rig, "r1h01")->stays_ill = true;
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 3 * S);
    assert_string_equal(rig_state(rig, RECORD_ACTION, "r1h01"), "intended");
    rig_kill(rig);
    rig->hold_durable = false;
    rig_start(rig, 10 * S);
    assert_string_equal(rig_state(rig, RECORD_ACTION, "r1h01"), "verifying");
    rig_at(rig, 10 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_string_equal(rig_state(rig, RECORD_ACTION, "r1h01"), "verified");
    assert_has(rig_body(rig, RECORD_ACTION, "r1h01"), "outcome was unknown, verified: power=on");
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "escalated");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

/* The definition of a run is gone: what is in doubt is resolved, then a person. */
static void test_policy_gone(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    rig_host(rig, "r1h01")->bmc = BMC_HALFWAY;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 10 * S);
    rig_kill(rig);
    policy_set_free(rig->set);
    rig->set = policies_text("policies: ();", NULL);
    rig_start(rig, 20 * S);
    rig_at(rig, 30 * MIN);
    assert_false(rig_host(rig, "r1h01")->off); /* Not left off. */
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "escalated");
    assert_has(rig->page.at, "its policy was changed or removed");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

static void test_page_again(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    rig_host(rig, "r1h01")->bmc = BMC_GONE;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 4050); /* The page is on its way. */
    assert_int_equal(rig->pages, 1);
    rig_kill(rig);
    rig_start(rig, 10 * S);
    rig_at(rig, 60 * S);
    assert_int_equal(rig->pages, 2); /* Woken twice rather than not at all, with the same token. */
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "escalated");
    rig_free(rig);
}

/* Numbers are never used twice: the rows of ended objects stay. */
static void test_numbers(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 5 * MIN);
    rig_kill(rig);
    rig_start(rig, 6 * MIN);
    rig_raise(rig, "r1h02", MEMORY);
    rig_at(rig, 20 * MIN);
    unsigned runs = 0;
    for (size_t i = 0; i < rig->records_count; i++) {
        runs += rig->records[i].kind == RECORD_RUN;
    }
    assert_int_equal(runs, 2);
    rig_free(rig);
}

static void test_deferred(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    rig_host(rig, "r1h01")->stays_ill = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_raise(rig, "r1h02", MEMORY);
    rig_at(rig, 30 * S);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h02"), "deferred");
    rig_kill(rig);
    rig_start(rig, 40 * S);
    rig_at(rig, 20 * MIN);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h02"), "done"); /* Its turn came. */
    assert_int_equal(rig_host(rig, "r1h02")->orders, 1);
    rig_free(rig);
}

/* Something is raised at 0, the daemon is killed at 5 s, and the story goes on. Seconds; 0: never.
 */
struct unseen {
    const char *when, *mode;
    bool pulse, frozen;
    int64_t start, kill_again, again, clear;
    const char *outcome; /* Of the newest decision; "" none. */
    int64_t decided;     /* When. */
    uint32_t pages, orders;
    const char *reason;
    const char *why;
};

static const struct unseen unseens[] = {
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .start = 10,
     .outcome = "refused",
     .decided = 300,
     .pages = 1,
     .reason = "raised before a restart or a sleep, not seen again for 5m",
     .why = "killed while it settled, never said again: a page, once"},
    {.when = "for = \"10m\"; settle = \"0s\";",
     .mode = "enforce",
     .start = 10,
     .outcome = "refused",
     .decided = 300,
     .pages = 1,
     .reason = "a person must look",
     .why = "the same while it was held"},
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .start = 10,
     .again = 100,
     .outcome = "run",
     .decided = 160,
     .orders = 1,
     .reason = "all guards pass",
     .why = "said again in time: it goes on"},
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .start = 10,
     .clear = 100,
     .outcome = "",
     .why = "over by itself: nothing to decide"},
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .start = 1800,
     .outcome = "refused",
     .decided = 1860,
     .pages = 1,
     .reason = "not seen again for 31m",
     .why = "down for long: a minute to say it again"},
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .start = 1800,
     .again = 1830,
     .outcome = "run",
     .decided = 1890,
     .orders = 1,
     .reason = "all guards pass",
     .why = "down for long, and said again: all of settle once more"},
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .start = 10,
     .kill_again = 200,
     .outcome = "refused",
     .decided = 300,
     .pages = 1,
     .reason = "not seen again for 5m",
     .why = "a second kill does not begin the time anew"},
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .start = 10,
     .kill_again = 400,
     .outcome = "refused",
     .decided = 300,
     .pages = 1,
     .reason = "not seen again for 5m",
     .why = "a kill after the page: decided once"},
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .start = 10,
     .again = 400,
     .outcome = "refused",
     .decided = 300,
     .pages = 1,
     .reason = "not seen again for 5m",
     .why = "said again after the page: it is a person's until it is clear"},
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .pulse = true,
     .start = 10,
     .outcome = "refused",
     .decided = 10,
     .pages = 1,
     .reason = "is not said again",
     .why = "a pulse cannot be seen again"},
    {.when = "count = 2; within = \"10m\"; settle = \"60s\";",
     .mode = "enforce",
     .pulse = true,
     .start = 10,
     .outcome = "refused",
     .decided = 300,
     .pages = 1,
     .reason = "not seen again for 5m",
     .why = "counted in full, killed while it settled"},
    {.when = "count = 2; within = \"20s\"; settle = \"60s\";",
     .mode = "enforce",
     .pulse = true,
     .start = 10,
     .outcome = "refused",
     .decided = 300,
     .pages = 1,
     .reason = "not seen again for 5m",
     .why = "its window ran out meanwhile: that it is over is not known"},
    {.when = "settle = \"60s\";",
     .mode = "observe",
     .start = 10,
     .outcome = "expired",
     .decided = 300,
     .reason = "a person must look",
     .why = "observe pages nobody, and says it"},
    {.when = "settle = \"60s\";",
     .mode = "enforce",
     .frozen = true,
     .start = 10,
     .outcome = "skipped",
     .decided = 300,
     .reason = "is frozen by",
     .why = "a guard has a better reason"},
};

static void unseen_event(struct rig *rig, const struct unseen *row)
{
    if (row->pulse) {
        rig_pulse(rig, "r1h01", MEMORY);
    } else {
        rig_raise(rig, "r1h01", MEMORY);
    }
}

static struct rig *unseen_begin(const struct unseen *row)
{
    char policy[1024];
    snprintf(
        policy, sizeof policy,
        "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode "
        "= \"%s\"; when = { event = \"%s\"; %s }; limits = { once_within = \"1h\"; };"
        " do = ( { step = \"cycle\"; action = \"power.cycle\"; } ); else = ( { step = \"page\";"
        " action = \"page\"; with = { text = \"${host.name} ${event.message}: ${failure}\"; }; "
        "} ); } );",
        row->mode, MEMORY, row->when);
    struct rig *rig = rig_new(racks_of(1, 5), policy);
    if (row->frozen) {
        rig_command(rig, "freeze",
                    "{\"scope\":\"all\",\"owner\":\"o\",\"reason\":\"r\",\"for_ms\":3600000}");
    }
    unseen_event(rig, row);
    if (strstr(row->when, "count") != NULL) {
        unseen_event(rig, row);
    }
    rig_at(rig, 5 * S);
    rig_kill(rig);
    rig_start(rig, row->start * S);
    return rig;
}

static void unseen_check(struct rig *rig, const struct unseen *row)
{
    int64_t decided = -1;
    for (size_t i = 0; i < rig->records_count; i++) {
        if (rig->records[i].kind == RECORD_DECISION) {
            assert_true(decided == -1); /* Once. */
            decided = rig->records[i].time_ms - RIG_START;
        }
    }
    const char *body = rig_body(rig, RECORD_DECISION, "r1h01");
    bool wrong = strcmp(rig_state(rig, RECORD_DECISION, "r1h01"), row->outcome) != 0 ||
                 (row->outcome[0] != 0 && decided != row->decided * S) ||
                 rig->pages != row->pages || rig_host(rig, "r1h01")->orders != row->orders ||
                 (row->reason != NULL && strstr(body, row->reason) == NULL);
    if (wrong) {
        fail_msg("%s: decided at %lld %s, %u pages, %u orders\n%s", row->why, (long long)decided,
                 body, rig->pages, rig_host(rig, "r1h01")->orders, rig->trace.at);
    }
    if (row->pages > 0) {
        assert_has(rig->page.at, "r1h01 it broke: ");
        assert_has(rig->page.at, row->reason);
    }
}

static void test_unseen(void **state)
{
    for (size_t i = 0; i < ROWS(unseens); i++) {
        const struct unseen *row = &unseens[i];
        struct rig *rig = unseen_begin(row);
        if (row->kill_again > 0) {
            rig_at(rig, row->kill_again * S);
            rig_kill(rig);
            rig_start(rig, (row->kill_again + 2) * S);
        }
        if (row->again > 0) {
            rig_at(rig, row->again * S);
            unseen_event(rig, row);
        }
        if (row->clear > 0) {
            rig_at(rig, row->clear * S);
            rig_clear(rig, "r1h01", MEMORY);
        }
        rig_at(rig, 2 * HOUR);
        unseen_check(rig, row);
        rig_free(rig);
    }
}

/* A machine that slept is like one that was down. */
static void test_unseen_after_sleep(void **state)
{
    static const struct unseen row = {.when = "settle = \"60s\";",
                                      .mode = "enforce",
                                      .outcome = "refused",
                                      .decided = 1860,
                                      .pages = 1,
                                      .reason = "not seen again for 30m",
                                      .start = 6,
                                      .why = "asleep while it settled"};
    struct rig *rig = unseen_begin(&row);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 10 * S);
    rig->now = RIG_START + 1800 * S;
    rig_step(rig, &(struct engine_input){.kind = INPUT_TICK});
    rig_at(rig, 2 * HOUR);
    unseen_check(rig, &row);
    rig_free(rig);
}

/* What waited for its turn is not too old because the daemon was down. */
static void test_deferred_over_downtime(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    rig_host(rig, "r1h01")->stays_ill = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_raise(rig, "r1h02", MEMORY);
    rig_at(rig, 30 * S);
    assert_string_equal(rig_state(rig, RECORD_DECISION, "r1h02"), "deferred");
    rig_kill(rig);
    rig_start(rig, 30 * MIN);
    rig_at(rig, 60 * MIN);
    const char *state_now = rig_state(rig, RECORD_DECISION, "r1h02");
    if (strcmp(state_now, "skipped") == 0) {
        fail_msg("%s", rig->trace.at);
    }
    assert_true(rig_state(rig, RECORD_RUN, "r1h02")[0] != 0); /* A run, or one that pages. */
    rig_free(rig);
}

/* Hosts that broke before the restart count for the brake, as long as they would have without it.
 */
static void test_storm_over_restart(void **state)
{
    static const struct {
        int64_t down;
        const char *outcome;
        const char *why;
    } rows[] = {
        {10 * S, "held", "the fourth of ten within the window"},
        {30 * MIN, "run", "they broke long ago"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = rig_new(racks_of(1, 10), MEMORY_POLICY);
        rig_raise(rig, "r1h01", "fan.failed");
        rig_raise(rig, "r1h02", "fan.failed");
        rig_raise(rig, "r1h03", "fan.failed");
        rig_at(rig, 5 * S);
        rig_kill(rig);
        rig_start(rig, 5 * S + rows[i].down);
        rig_raise(rig, "r1h04", MEMORY);
        rig_at(rig, 5 * S + rows[i].down + 10 * S);
        const char *outcome = rig_state(rig, RECORD_DECISION, "r1h04");
        if (strcmp(outcome, rows[i].outcome) != 0) {
            fail_msg("%s: %s, not %s\n%s", rows[i].why, outcome, rows[i].outcome, rig->trace.at);
        }
        rig_free(rig);
    }
}

static void test_corrupt(void **state)
{
    struct engine *engine = NULL;
    struct engine_output output = {0};
    struct nsh_error err = {0};
    assert_int_equal(engine_new(&engine, &err), 0);
    static const char *const bodies[] = {"", "{", "[1]", "\"x\""};
    for (size_t i = 0; i < ROWS(bodies); i++) {
        struct record record = {
            .kind = RECORD_RUN, .live = true, .id = TEXT("run-1"), .body = text_of(bodies[i])};
        struct engine_input input = {.kind = INPUT_LOAD, .record = &record};
        assert_true(engine_step(engine, &input, &output, &err) < 0);
    }
    struct event event = {0};
    struct engine_input early = {.kind = INPUT_EVENTS, .events = {&event, 1}};
    assert_int_equal(engine_step(engine, &early, &output, &err), -NSH_INVALID);
    engine_free(engine);
    engine_output_done(&output);
}

/* Records of another version, or by another hand: members missing, wrong, too many. Nothing
 * crashes. */
static void test_strange_records(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"id\":\"run-000001\",\"policy\":\"memory-fatal\",\"state\":\"running\",\"at\":99,"
        "\"steps\":[{\"n\":77},{\"n\":-1},3]}",
        "{\"id\":\"x\",\"run\":\"run-000001\",\"verb\":\"power.cycle\",\"state\":\"sent\"}",
        "{\"id\":\"a\",\"state\":\"raised\",\"severity\":\"major\",\"host\":\"r1h01\",\"type\":"
        "\"t\"}",
        "{\"policy\":\"memory-fatal\",\"subject\":\"r1h01\",\"state\":\"settling\",\"known\":true,"
        "\"alarms\":[1,\"a\"],\"window\":[[1],[1,2]]}",
        "{\"policy\":\"memory-fatal\",\"subject\":\"\",\"state\":\"active\"}",
        "{\"id\":\"frz-1\",\"scope\":\"rack\",\"expires_ms\":1}",
        "{\"id\":\"brk-1\",\"domain\":\"rack\",\"hosts\":[1]}",
        "{\"id\":\"brk-1\",\"domain\":\"rack=r1\",\"hosts\":[\"nobody\",\"r1h01\",\"r1h01\"]}",
        "{\"id\":\"r1h01\",\"stamps\":[1,[1],[1,2],[\"a\",3]]}",
        "{\"run\":-5,\"time_ms\":\"x\"}",
    };
    for (int kind = 0; kind < RECORDS_COUNT; kind++) {
        struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
        rig_kill(rig);
        for (size_t i = 0; i < ROWS(bodies); i++) {
            char id[16];
            snprintf(id, sizeof id, "x%zu", i);
            rig_keep(rig,
                     &(struct record){.kind = (enum record_kind)kind,
                                      .live = true,
                                      .time_ms = RIG_START,
                                      .id = text_of(id),
                                      .body = text_of(bodies[i])},
                     1);
        }
        rig_start(rig, 1 * S);
        rig_at(rig, 30 * MIN);
        rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everywhere),
        cmocka_unit_test(test_intended),
        cmocka_unit_test(test_policy_gone),
        cmocka_unit_test(test_page_again),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_deferred),
        cmocka_unit_test(test_unseen),
        cmocka_unit_test(test_unseen_after_sleep),
        cmocka_unit_test(test_deferred_over_downtime),
        cmocka_unit_test(test_storm_over_restart),
        cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_strange_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
