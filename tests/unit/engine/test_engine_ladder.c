/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps for each item of a list, what an abandoned run takes back, what must be so right before an
 * action; and a policy that uses every key, killed after every step and short of every allocation.
 */

#include "rig.h"

#define HOT "temperature.high"
#define MEMORY "memory.uncorrectable"

#define RACK_POLICY(steps)                                                                         \
    "policies: ( { name = \"hot\"; summary = \"s\"; owner = \"o\"; subject = \"rack\";\n"          \
    "  mode = \"enforce\"; when = { event = \"temperature.high\"; };\n"                            \
    "  limits = { once_within = \"1s\"; }; unless = ();\n"                                         \
    "  do = ( " steps " ); } );"

#define HOST_POLICY(steps)                                                                         \
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\";\n"            \
    "  mode = \"enforce\"; when = { event = \"memory.uncorrectable\"; };\n"                        \
    "  limits = { once_within = \"1s\"; }; unless = ();\n"                                         \
    "  do = ( " steps " ); } );"

static unsigned drained(const struct rig *rig)
{
    unsigned count = 0;
    for (size_t i = 0; i < rig->hosts_count; i++) {
        count += rig->hosts[i].drained;
    }
    return count;
}

static const char *run_body(const struct rig *rig, const char *id)
{
    for (size_t i = 0; i < rig->records_count; i++) {
        if (rig->records[i].kind == RECORD_RUN && strcmp(rig->records[i].id, id) == 0) {
            return rig->records[i].body;
        }
    }
    return "";
}

/* No run and no action lives on. */
static void assert_over(const struct rig *rig, const char *why)
{
    for (size_t i = 0; i < rig->records_count; i++) {
        const struct rig_record *record = &rig->records[i];
        if (record->live && (record->kind == RECORD_RUN || record->kind == RECORD_ACTION)) {
            fail_msg("%s: %s is still alive\n%s\n%s", why, record->id, record->body, rig->trace.at);
        }
    }
}

/* ---- each ------------------------------------------------------------------------------------ */

static void test_each(void **state)
{
    struct rig *rig = rig_new(
        nodes_of(6), RACK_POLICY("{ step = \"move\"; action = \"drain\"; parallel = 2;"
                                 "  each = \"hosts.filter(h, h.role == 'web')\"; },"
                                 "{ step = \"tell\"; action = \"notify\"; with = { text = "
                                 "\"${size(steps.move.result)} ${steps.move.result.all(r, r.ok)} "
                                 "${steps.move.result[1].host}\"; }; }"));
    rig_raise(rig, "r1h01", HOT);
    rig_at(rig, 1 * S);
    assert_count(rig, " drain sent", 2); /* Two at once. */
    rig_at(rig, 30 * S);
    assert_int_equal(drained(rig), 3);
    assert_true(rig_host(rig, "r1h02")->drained && !rig_host(rig, "r1h01")->drained);
    assert_has(rig->page.at, "3 true r1h04");
    assert_has(run_body(rig, "run-000001"), "\"text\":\"3 of 3 done\"");
    assert_has(run_body(rig, "run-000001"), "\"run\":\"run-000001.1.2\"");
    assert_has(run_body(rig, "run-000001.1.2"), "\"parent\":\"run-000001\"");
    assert_over(rig, "each");
    rig_free(rig);
}

/* What a list of targets may be. */
static const struct {
    const char *each, *step;
    unsigned drains;
    const char *why;
} lists[] = {
    {"hosts", "6 of 6 done", 6, "all of the subject"},
    {"['r1h03']", "1 of 1 done", 1, "a name"},
    {"matched.map(e, e.host)", "1 of 1 done", 1, "where it came from"},
    {"hosts.filter(h, h.role == 'none')", "is empty: no target", 0, "never all"},
    {"['r1h03', 'r1h03']", "1 of 2 done", 1, "the same twice: once"},
    {"['r9h99']", "is no host of the inventory: drain has no target", 0, "no such host"},
    {"[7]", "7 is no host of the inventory", 0, "no name at all"},
    {"event.data.list", "is not known", 0, "no such list"},
    {"[0,1,2,3,4,5,6,7].map(i, [0,1,2,3,4,5,6,7].map(j, [0,1,2,3,4].map(k, 'r1h01')))"
     ".flatten().flatten()",
     "has 320 items, at most 256", 0, "more than anyone meant"},
};

static void test_lists(void **state)
{
    for (size_t i = 0; i < ROWS(lists); i++) {
        char text[2048];
        snprintf(text, sizeof text,
                 RACK_POLICY("{ step = \"move\"; action = \"drain\"; each = \"%s\"; }"),
                 lists[i].each);
        struct rig *rig = rig_new(nodes_of(6), text);
        rig_raise(rig, "r1h01", HOT);
        rig_at(rig, 5 * MIN);
        if (strstr(run_body(rig, "run-000001"), lists[i].step) == NULL ||
            drained(rig) != lists[i].drains) {
            fail_msg("%s: %u drained, %s", lists[i].why, drained(rig), run_body(rig, "run-000001"));
        }
        assert_over(rig, lists[i].why);
        rig_free(rig);
    }
}

/* One fails: the others are not begun; or are, when the step says so. */
static void test_one_fails(void **state)
{
    for (int go_on = 0; go_on < 2; go_on++) {
        char text[2048];
        snprintf(text, sizeof text,
                 RACK_POLICY("{ step = \"move\"; action = \"drain\"; each = \"hosts\"; %s }"),
                 go_on ? "on_fail = \"continue\";" : "");
        struct rig *rig = rig_new(nodes_of(4), text);
        rig_host(rig, "r1h02")->bmc = BMC_GONE;
        rig_raise(rig, "r1h01", HOT);
        rig_at(rig, 5 * MIN);
        assert_int_equal(drained(rig), go_on ? 3 : 1);
        assert_has(run_body(rig, "run-000001"),
                   go_on ? "3 of 4 done; r1h02 failed: drain: unreachable"
                         : "1 of 4 done; r1h02 failed: drain: unreachable; 2 not begun");
        assert_int_equal(rig->pages, go_on ? 0 : 1);
        assert_over(rig, "one fails");
        rig_free(rig);
    }
}

/* Every item passes the guards of its host: one of a rack at a time, whatever `parallel` says. */
static void test_guards_of_each(void **state)
{
    struct rig *rig = rig_new(
        nodes_of(4), RACK_POLICY("{ step = \"cycle\"; action = \"power.cycle\"; each = \"hosts\"; "
                                 "parallel = 4; on_fail = \"continue\"; },"
                                 "{ step = \"verify\"; check = \"true\"; within = \"1s\"; }"));
    rig_raise(rig, "r1h04", HOT);
    rig_at(rig, 1 * S);
    assert_count(rig, "power.cycle sent", 1);
    rig_at(rig, 30 * MIN);
    unsigned orders = 0;
    for (size_t i = 0; i < rig->hosts_count; i++) {
        assert_true(rig->hosts[i].orders <= 1);
        orders += rig->hosts[i].orders;
    }
    assert_int_equal(orders, 2); /* 2 in 10 minutes in a rack; then the budget refuses. */
    assert_has(run_body(rig, "run-000001"), "guard budget");
    assert_over(rig, "guards");
    rig_free(rig);
}

static void test_cancel_each(void **state)
{
    struct rig *rig = rig_new(nodes_of(4), RACK_POLICY("{ step = \"move\"; action = \"drain\"; "
                                                       "each = \"hosts\"; parallel = 2; }"));
    rig_raise(rig, "r1h01", HOT);
    rig_at(rig, 1 * S);
    assert_int_equal(rig_command(rig, "run.cancel",
                                 "{\"id\":\"run-000001\",\"owner\":\"ops\",\"reason\":\"no\"}"),
                     0);
    rig_at(rig, 1 * MIN);
    assert_int_equal(drained(rig), 2); /* Those that were under way. */
    assert_has(run_body(rig, "run-000001"), "\"state\":\"cancelled\"");
    assert_over(rig, "cancel");
    rig_free(rig);
}

static void test_clears_meanwhile(void **state)
{
    struct rig *rig =
        rig_new(nodes_of(4),
                "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"rack\";\n"
                "  mode = \"enforce\"; when = { event = \"temperature.high\"; }; unless = ();\n"
                "  do = ( { step = \"move\"; action = \"drain\"; each = \"hosts\"; } ); } );");
    rig_raise(rig, "r1h01", HOT);
    rig_at(rig, 3 * S);
    rig_clear(rig, "r1h01", HOT);
    rig_at(rig, 1 * MIN);
    assert_int_equal(drained(rig), 2);
    assert_has(run_body(rig, "run-000001"), "2 of 4 done; 2 not begun");
    assert_has(run_body(rig, "run-000001"), "\"state\":\"done\"");
    rig_free(rig);
}

/* ---- matched --------------------------------------------------------------------------------- */

static const struct {
    const char *when;
    bool killed;
    const char *text, *why;
} matches[] = {
    {"count = 3; within = \"1m\"; distinct = \"event.host\"; settle = \"10s\";", false,
     "3: r1h02 r1h03 r1h04", "those inside the window, each host once"},
    {"count = 3; within = \"1m\"; distinct = \"event.host\"; settle = \"10s\";", true,
     "3: r1h02 r1h03 r1h04", "also over a restart"},
    {"for = \"10s\";", false, "1: r1h01", "an alarm"},
};

static void test_matched(void **state)
{
    for (size_t i = 0; i < ROWS(matches); i++) {
        char text[2048];
        snprintf(text, sizeof text,
                 "policies: ( { name = \"p\"; subject = \"rack\"; mode = \"enforce\";"
                 " when = { event = \"temperature.high\"; %s };"
                 " do = ( { step = \"pause\"; wait = \"5s\"; },"
                 " { step = \"a\"; action = \"notify\"; with = { text = "
                 "\"${size(matched)}: ${matched.map(e, e.host).join(' ')}\"; }; } ); } );",
                 matches[i].when);
        struct rig *rig = rig_new(nodes_of(4), text);
        bool counts = strstr(matches[i].when, "count") != NULL;
        rig_raise(rig, "r1h01", HOT);
        rig_at(rig, counts ? 62 * S : 14 * S);
        for (unsigned h = 2; counts && h <= 4; h++) {
            char name[16];
            snprintf(name, sizeof name, "r1h%02u", h);
            rig_raise(rig, name, HOT);
            rig_clear(rig, name, HOT);
            rig_raise(rig, name, HOT);
            rig_at(rig, 62 * S + h * S);
            if (matches[i].killed && h == 3) {
                rig_kill(rig);
                rig_start(rig, 65 * S + 500);
            }
        }
        rig_at(rig, counts ? 78 * S : 14 * S); /* It was decided, and waits. */
        if (matches[i].killed) {
            rig_kill(rig);
            rig_start(rig, 79 * S);
        }
        rig_at(rig, 3 * MIN);
        if (rig->page.at == NULL || strstr(rig->page.at, matches[i].text) == NULL) {
            fail_msg("%s: wanted %s, got %s\n%s", matches[i].why, matches[i].text,
                     rig->page.at == NULL ? "nothing" : rig->page.at, rig->trace.at);
        }
        rig_free(rig);
    }
}

/* ---- undo ------------------------------------------------------------------------------------ */

#define UNDO_POLICY                                                                                \
    HOST_POLICY("{ step = \"drain\"; action = \"drain\"; undo = \"undrain\"; timeout = \"1m\"; }," \
                "{ step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; },"               \
                "{ step = \"verify\"; check = \"cleared\"; within = \"2m\"; every = \"5s\"; }")

static const struct {
    enum bmc bmc;
    bool stays_ill;
    int64_t cancel_ms;
    unsigned undrains, pages;
    const char *state, *text, *why;
} undos[] = {
    {BMC_WELL, false, 0, 0, 0, "done", "", "nothing is taken back of what went well"},
    {BMC_WELL, true, 0, 1, 1, "escalated", "\"undo_drain\"", "it did not help: given back, paged"},
    {BMC_LIES, true, 0, 1, 1, "escalated", "\"undo_drain\"", "the second step fails"},
    {BMC_WELL, true, 20 * S, 1, 0, "cancelled", "undo_drain done", "a person stops it"},
    {BMC_MUTE, true, 0, 0, 1, "escalated", "what it did is not known",
     "not known to be done: left to a person"},
    {BMC_GONE, true, 0, 0, 1, "escalated", "unreachable", "nothing was done"},
};

static void test_undo(void **state)
{
    for (size_t i = 0; i < ROWS(undos); i++) {
        struct rig *rig = rig_new(nodes_of(3), UNDO_POLICY);
        rig_host(rig, "r1h01")->bmc = undos[i].bmc;
        rig_host(rig, "r1h01")->stays_ill = undos[i].stays_ill;
        rig_raise(rig, "r1h01", MEMORY);
        if (undos[i].cancel_ms > 0) {
            rig_at(rig, undos[i].cancel_ms);
            rig_command(rig, "run.cancel",
                        "{\"id\":\"run-000001\",\"owner\":\"ops\",\"reason\":\"no\"}");
        }
        rig_at(rig, 10 * MIN);
        const char *body = run_body(rig, "run-000001");
        if (rig_host(rig, "r1h01")->undrains != undos[i].undrains || rig->pages != undos[i].pages ||
            strstr(body, undos[i].text) == NULL ||
            strcmp(rig_state(rig, RECORD_RUN, "r1h01"), undos[i].state) != 0) {
            fail_msg("%s: %u undrains, %u pages, %s\n%s", undos[i].why,
                     rig_host(rig, "r1h01")->undrains, rig->pages, body, rig->trace.at);
        }
        assert_over(rig, undos[i].why);
        rig_free(rig);
    }
}

/* Of each: the last first, only those that were done. */
static void test_undo_each(void **state)
{
    struct rig *rig = rig_new(nodes_of(4), RACK_POLICY("{ step = \"move\"; action = \"drain\"; "
                                                       "undo = \"undrain\"; each = \"hosts\"; }"));
    rig_host(rig, "r1h03")->bmc = BMC_GONE;
    rig_raise(rig, "r1h01", HOT);
    rig_at(rig, 5 * MIN);
    assert_int_equal(drained(rig), 0);
    assert_int_equal(rig_host(rig, "r1h01")->undrains, 1);
    assert_int_equal(rig_host(rig, "r1h02")->undrains, 1);
    assert_int_equal(rig_host(rig, "r1h03")->undrains, 0);
    assert_int_equal(rig_host(rig, "r1h04")->drains, 0);
    const char *second = strstr(rig->trace.at, "r1h02 undrain sent");
    assert_true(second != NULL && strstr(second, "r1h01 undrain sent") != NULL);
    assert_int_equal(rig->pages, 1);
    assert_over(rig, "undo each");
    rig_free(rig);
}

/* An undo passes the guards as well. */
static void test_undo_guarded(void **state)
{
    struct rig *rig = rig_new(nodes_of(3), UNDO_POLICY);
    rig_host(rig, "r1h01")->stays_ill = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * MIN);
    rig_command(rig, "freeze", "{\"scope\":\"all\",\"reason\":\"x\",\"for_ms\":3600000}");
    rig_at(rig, 10 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->undrains, 0);
    assert_has(run_body(rig, "run-000001"), "guard freeze");
    assert_int_equal(rig->pages, 1);
    rig_free(rig);
}

/* ---- need ------------------------------------------------------------------------------------ */

static const struct {
    const char *need;
    unsigned drains;
    const char *text, *why;
} needs[] = {
    {"\"host.role == 'db'\"", 1, "", "it is so"},
    {"( \"host.role == 'db'\", \"active('memory.*')\" )", 1, "", "all of them"},
    {"( \"host.role == 'db'\", \"cleared\" )", 0, "guard need: cleared is false", "one is not"},
    {"\"event.data.x == 1\"", 0, "is not known", "unknown blocks"},
};

static void test_need(void **state)
{
    for (size_t i = 0; i < ROWS(needs); i++) {
        char text[2048];
        snprintf(text, sizeof text,
                 HOST_POLICY("{ step = \"drain\"; action = \"drain\"; need = %s; }"),
                 needs[i].need);
        struct rig *rig = rig_new(nodes_of(3), text);
        rig_raise(rig, "r1h01", MEMORY);
        rig_at(rig, 1 * MIN);
        const char *body = run_body(rig, "run-000001");
        if (rig_host(rig, "r1h01")->drains != needs[i].drains ||
            strstr(body, needs[i].text) == NULL) {
            fail_msg("%s: %s", needs[i].why, body);
        }
        assert_over(rig, needs[i].why);
        rig_free(rig);
    }
}

/* The item is known to it, and it is asked for each. */
static void test_need_of_item(void **state)
{
    struct rig *rig = rig_new(
        nodes_of(4), RACK_POLICY("{ step = \"move\"; action = \"drain\"; each = \"hosts\"; "
                                 "on_fail = \"continue\"; need = \"item.role == 'web'\"; }"));
    rig_raise(rig, "r1h01", HOT);
    rig_at(rig, 1 * MIN);
    assert_int_equal(drained(rig), 2);
    assert_has(run_body(rig, "run-000001"), "r1h01 refused: guard need: item.role ==");
    rig_free(rig);
}

/* ---- all of it, killed and starved ------------------------------------------------------------
 */

#define EVERYTHING                                                                                 \
    RACK_POLICY(                                                                                   \
        "{ step = \"window\"; calendar = \"noon\"; need_left = \"1m\"; timeout = \"1d\"; },"       \
        "{ step = \"lit\"; action = \"identify\"; each = \"hosts\"; parallel = 3; "                \
        "  on_fail = \"continue\"; need = ( \"item.role != ''\" ); },"                             \
        "{ step = \"move\"; action = \"drain\"; undo = \"undrain\"; parallel = 2; "                \
        "  each = \"hosts.filter(h, h.role == 'web')\"; timeout = \"1m\"; retries = 1; "           \
        "  retry_delay = \"5s\"; calendar = \"noon\"; },"                                          \
        "{ step = \"pause\"; wait = \"10s\"; if = \"in_calendar('noon') && size(matched) == 1\"; " \
        "},"                                                                                       \
        "{ step = \"helped\"; check = \"false\"; within = \"20s\"; every = \"5s\"; }")

static struct rig *everything(void)
{
    static struct policy_defaults defaults;
    struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    defaults = policy_defaults_builtin();
    struct conf *root = conf_read_text(
        "site.conf", "calendars: ( { name = \"noon\"; from = \"10:01\"; to = \"14:00\"; } );",
        &arena, &diags);
    policy_defaults_read(root, &defaults, &diags);
    assert_int_equal(diags.errors_count, 0);
    arena_done(&arena);
    diags_done(&diags);
    return rig_new_with(nodes_of(4), EVERYTHING, &defaults);
}

static void test_everything(void **state)
{
    struct rig *rig = everything();
    rig_raise(rig, "r1h01", HOT);
    rig_at(rig, 10 * MIN);
    assert_trace(rig, "step run-000001 window done");
    assert_trace(rig, "step run-000001 lit done: 4 of 4 done");
    assert_trace(rig, "step run-000001 move done: 2 of 2 done");
    assert_trace(rig, "step run-000001 undo_move done: 2 of 2 done");
    assert_int_equal(drained(rig), 0);
    assert_int_equal(rig->pages, 1);
    assert_over(rig, "everything");
    rig_free(rig);
}

/* True while there was a step to be killed at. */
static bool crash(uint32_t after, bool lose, int64_t down)
{
    struct rig *rig = everything();
    rig->kill_after = rig->steps + after;
    rig->lose = lose;
    rig_raise(rig, "r1h01", HOT);
    rig_at(rig, 10 * MIN);
    bool killed = rig->dead;
    int64_t at = rig->now - RIG_START + down;
    if (killed) {
        rig_kill(rig);
        rig_start(rig, at);
        rig_raise(rig, "r1h01", HOT);
        rig_at(rig, at + 60 * MIN);
    }
    char why[64];
    snprintf(why, sizeof why, "killed after %u (%s), down for %lld", after,
             lose ? "not durable" : "durable", (long long)down);
    assert_over(rig, why);
    for (size_t i = 0; i < rig->hosts_count; i++) {
        const struct rig_host *host = &rig->hosts[i];
        bool twice = host->drains > 2 || host->undrains > host->drains;
        if (twice || (strcmp(host->name, "r1h01") == 0 && host->drains > 0)) {
            fail_msg("%s: %s drained %u times, given back %u times\n%s", why, host->name,
                     host->drains, host->undrains, rig->trace.at);
        }
    }
    assert_true(rig->pages >= 1 || strcmp(rig_state(rig, RECORD_RUN, ""), "expired") == 0);
    rig_free(rig);
    return killed;
}

static void test_killed_everywhere(void **state)
{
    static const int64_t downs[] = {1 * S, 3 * MIN, 30 * MIN};
    unsigned kills = 0;
    for (size_t d = 0; d < ROWS(downs); d++) {
        for (int lose = 0; lose < 2; lose++) {
            uint32_t after = 1;
            while (after < 400 && crash(after, lose, downs[d])) {
                after++;
            }
            kills += after - 1;
        }
    }
    print_message("%u kills\n", kills);
    assert_true(kills > 250);
}

static void test_starved(void **state)
{
    uint64_t n = 1;
    for (;; n++) {
        struct rig *rig = everything();
        rig->no_memory_allowed = true;
        rig_allocations = 0;
        rig_fail_at = n;
        rig_raise(rig, "r1h01", HOT);
        rig_at(rig, 90 * S);
        rig_kill(rig);
        rig->starved = false;
        rig_start(rig, 92 * S);
        if (rig->starved) { /* A daemon that cannot load does not begin; the next one can. */
            rig_kill(rig);
            rig_start(rig, 93 * S);
        }
        rig_raise(rig, "r1h01", HOT);
        rig_at(rig, 40 * MIN);
        bool failed = rig_allocations >= n;
        rig_fail_at = 0;
        char why[64];
        snprintf(why, sizeof why, "allocation %llu failed", (unsigned long long)n);
        assert_over(rig, why);
        for (size_t i = 0; i < rig->hosts_count; i++) {
            assert_true(rig->hosts[i].drains <= 2 && rig->hosts[i].undrains <= 2);
        }
        rig_free(rig);
        if (!failed) {
            break;
        }
    }
    print_message("%llu allocations\n", (unsigned long long)n);
    assert_true(n > 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),         cmocka_unit_test(test_lists),
        cmocka_unit_test(test_one_fails),    cmocka_unit_test(test_guards_of_each),
        cmocka_unit_test(test_cancel_each),  cmocka_unit_test(test_clears_meanwhile),
        cmocka_unit_test(test_undo),         cmocka_unit_test(test_undo_each),
        cmocka_unit_test(test_undo_guarded), cmocka_unit_test(test_need),
        cmocka_unit_test(test_matched),      cmocka_unit_test(test_need_of_item),
        cmocka_unit_test(test_everything),   cmocka_unit_test(test_killed_everywhere),
        cmocka_unit_test(test_starved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
