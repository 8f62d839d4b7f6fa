/* SPDX-License-Identifier: Apache-2.0 */
/* Ladders: outcomes that are unknown, refused, late; clears and cancels in every moment; who is
 * told. */

#include "rig.h"

#include "base/pack.h"

#define MEMORY "memory.uncorrectable"

#define POLICY(steps, otherwise)                                                                   \
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "      \
    "\"enforce\";"                                                                                 \
    " when = { event = \"" MEMORY "\"; }; limits = { once_within = \"0s\"; };"                     \
    " do = ( " steps " ); " otherwise " } );"

static struct rig *one(enum bmc bmc)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    rig_host(rig, "r1h01")->bmc = bmc;
    rig_raise(rig, "r1h01", MEMORY);
    return rig;
}

static const char *run_state(const struct rig *rig)
{
    return rig_state(rig, RECORD_RUN, "r1h01");
}

static void test_outcomes(void **state)
{
    static const struct {
        enum bmc bmc;
        const char *state;
        uint32_t orders, pages, interrupts;
        const char *trace, *why;
    } rows[] = {
        {BMC_WELL, "done", 1, 0, 1, "verify act-000001 power=on", "success is read back too"},
        {BMC_MUTE, "done", 1, 0, 1, "outcome was unknown, verified",
         "unknown is verified, never resent"},
        {BMC_DEAF, "escalated", 1, 1, 1, "cleared was not true", "nor when it did nothing"},
        {BMC_HALFWAY, "done", 2, 0, 1, "completed by power.on",
         "left off: switched on, not cycled again"},
        {BMC_LIES, "escalated", 1, 1, 1, "cleared was not true",
         "the host itself must say it is well"},
        {BMC_ADMITS, "escalated", 1, 1, 1, "said off, still on",
         "what the driver says did not work, did not"},
        {BMC_GONE, "escalated", 1, 1, 0, "power.cycle: unreachable",
         "nothing was sent: not one of its interrupts"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = one(rows[i].bmc);
        char interrupts[32];
        rig_at(rig, 30 * MIN);
        snprintf(interrupts, sizeof interrupts, "\"interrupts\":%u", rows[i].interrupts);
        if (strcmp(run_state(rig), rows[i].state) != 0 ||
            rig_host(rig, "r1h01")->orders != rows[i].orders || rig->pages != rows[i].pages ||
            strstr(rig_body(rig, RECORD_HOST, "r1h01"), interrupts) == NULL) {
            fail_msg("%s: %s, %u orders, %u pages\n%s", rows[i].why, run_state(rig),
                     rig_host(rig, "r1h01")->orders, rig->pages, rig->trace.at);
        }
        assert_trace(rig, rows[i].trace);
        assert_false(rig_host(rig, "r1h01")->off);
        rig_free(rig);
    }
}

static void test_retries(void **state)
{
    static const struct {
        uint32_t busy;
        const char *state;
        uint32_t orders;
    } rows[] = {{2, "done", 3}, {3, "escalated", 3}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig =
            rig_new(racks_of(1, 5), POLICY("{ step = \"cycle\"; action = \"power.cycle\"; timeout "
                                           "= \"1m\"; retries = 2; retry_delay = \"10s\"; }",
                                           ""));
        struct rig_host *host = rig_host(rig, "r1h01");
        host->bmc = BMC_BUSY;
        host->busy_times = rows[i].busy;
        rig_raise(rig, "r1h01", MEMORY);
        rig_at(rig, 11 * S);
        assert_int_equal(host->orders, 1); /* Not before its delay. */
        rig_at(rig, 10 * MIN);
        assert_int_equal(host->orders, rows[i].orders);
        assert_string_equal(run_state(rig), rows[i].state);
        rig_free(rig);
    }
}

static void test_never_resent(void **state)
{
    struct rig *rig =
        rig_new(racks_of(1, 5), POLICY("{ step = \"cycle\"; action = \"power.cycle\"; timeout = "
                                       "\"1m\"; retries = 5; retry_delay = \"1s\"; }",
                                       ""));
    rig_host(rig, "r1h01")->bmc = BMC_DEAF;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 20 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_free(rig);
}

static void test_no_result(void **state)
{
    struct rig *rig = one(BMC_WELL);
    rig_at(rig, 2 * S);
    rig->hold_calls = true; /* The driver host never comes back with it. */
    rig_at(rig, 80 * S);
    assert_trace(rig, "result act-000001 timeout, effect possible");
    size_t late = rig->due_count;
    assert_true(late > 0);
    rig->hold_calls = false;
    rig_at(rig, 10 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    assert_string_equal(run_state(rig), "done");
    rig_free(rig);
}

static void test_cleared(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY); /* Before the intent is durable. */
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 3 * S);
    rig_clear(rig, "r1h01", MEMORY);
    rig->hold_durable = false;
    rig_durable(rig);
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0);
    assert_string_equal(run_state(rig), "done");
    assert_has(rig_body(rig, RECORD_ACTION, "r1h01"), "never sent: the alarm cleared");
    rig_free(rig);

    /* Between two steps: nothing more interrupts, what restores is done. */
    rig = rig_new(racks_of(1, 5),
                  POLICY("{ step = \"off\"; action = \"power.off\"; timeout = \"1m\"; }, { step = "
                         "\"rest\"; wait = \"1m\"; },"
                         "{ step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; },"
                         "{ step = \"on\"; action = \"power.on\"; timeout = \"1m\"; }",
                         ""));
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 30 * S);
    rig_clear(rig, "r1h01", MEMORY);
    rig_at(rig, 10 * MIN);
    assert_string_equal(run_state(rig), "done");
    assert_int_equal(rig_host(rig, "r1h01")->offs, 1);
    assert_int_equal(rig_host(rig, "r1h01")->ons, 1);
    assert_trace(rig, "cycle skipped: the alarm is cleared");
    rig_free(rig);

    rig = one(BMC_MUTE); /* In the middle of an action: it is still verified. */
    rig_at(rig, 10 * S);
    rig_clear(rig, "r1h01", MEMORY);
    rig_at(rig, 5 * MIN);
    assert_string_equal(rig_state(rig, RECORD_ACTION, "r1h01"), "verified");
    assert_string_equal(run_state(rig), "done");
    rig_free(rig);
}

static void test_cancel(void **state)
{
    static const struct {
        int64_t at;
        enum bmc bmc;
        bool hold;
        const char *action;
        uint32_t orders, cancels;
    } rows[] = {
        {3 * S, BMC_WELL, true, "cancelled", 0, 0},  /* Not sent yet. */
        {3 * S, BMC_MUTE, false, "verified", 1, 1},  /* In flight: what it did is read. */
        {30 * S, BMC_MUTE, false, "verified", 1, 1}, /* The same, later. */
        {10 * S, BMC_LIES, false, "verified", 1, 0}, /* In the check after it. */
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = one(rows[i].bmc);
        rig_host(rig, "r1h01")->stays_ill = true;
        rig->hold_durable = rows[i].hold;
        rig_at(rig, rows[i].at);
        assert_int_equal(
            rig_command(rig, "run.cancel",
                        "{\"id\":\"run-000001\",\"owner\":\"ann\",\"reason\":\"mine\"}"),
            0);
        rig->hold_durable = false;
        rig_durable(rig);
        rig_at(rig, 10 * MIN);
        assert_string_equal(run_state(rig), "cancelled");
        assert_string_equal(rig_state(rig, RECORD_ACTION, "r1h01"), rows[i].action);
        assert_int_equal(rig_host(rig, "r1h01")->orders, rows[i].orders);
        assert_int_equal(rig->cancels, rows[i].cancels);
        assert_int_equal(rig->pages, 0);
        assert_true(rig_command(rig, "run.cancel", "{\"id\":\"run-000001\"}") < 0);
        rig_free(rig);
    }
}

static void test_ladder(void **state)
{
    static const struct {
        const char *policy, *state, *trace;
        uint32_t orders, pages;
        const char *why;
    } rows[] = {
        {POLICY("{ step = \"a\"; action = \"power.cycle\"; timeout = \"1m\"; on_fail = "
                "\"continue\"; },"
                "{ step = \"b\"; action = \"reset.hard\"; timeout = \"1m\"; }",
                ""),
         "escalated", "step run-000001 b failed", 2, 1, "continue goes on"},
        {POLICY("{ step = \"a\"; action = \"power.cycle\"; timeout = \"1m\"; on_fail = \"stop\"; },"
                "{ step = \"b\"; action = \"reset.hard\"; timeout = \"1m\"; }",
                ""),
         "cancelled", "it says stop", 1, 0, "stop stops"},
        {POLICY("{ step = \"a\"; check = \"1 == 2\"; within = \"5s\"; on_fail = \"continue\"; need "
                "= true; },"
                "{ step = \"b\"; action = \"reset.hard\"; timeout = \"1m\"; }",
                ""),
         "escalated", "else: step a failed", 0, 1, "without what is needed nothing below runs"},
        {POLICY("{ step = \"a\"; action = \"power.cycle\"; timeout = \"1m\"; if = \"event.resource "
                "== 'x'\"; }",
                ""),
         "done", "a skipped", 0, 0, "its if is false"},
        {POLICY("{ step = \"a\"; action = \"power.cycle\"; timeout = \"1m\"; if = \"event.data.x "
                "== 1\"; }",
                ""),
         "done", "is not known", 0, 0, "an unknown if is not true"},
        {POLICY("{ step = \"a\"; check = \"1 == 1\"; within = \"5s\"; if = \"event.resource == "
                "'x'\"; need = true; }",
                ""),
         "escalated", "a failed", 0, 1, "needed, and not to be had"},
        {POLICY("{ step = \"a\"; check = \"event.data.x == 1\"; within = \"10s\"; }", ""),
         "escalated", "was not true within 10s", 0, 1, "an unknown check is not true"},
        {POLICY("{ step = \"a\"; check = \"1 == 2\"; within = \"10s\"; }",
                "else = ( { step = \"tell\"; action = \"notify\"; with = { title = "
                "\"${failed.step}: ${failed.error}\"; }; } );"),
         "escalated", "tell done", 0, 0, "else tells somebody: no page on top"},
        {POLICY("{ step = \"a\"; check = \"1 == 2\"; within = \"10s\"; }",
                "else = ( { step = \"on\"; action = \"power.on\"; timeout = \"1m\"; } );"),
         "escalated", "page done", 1, 1, "else told nobody: the built-in page does"},
        {POLICY("{ step = \"a\"; check = \"1 == 2\"; within = \"10s\"; }",
                "else = ( { step = \"page\"; action = \"page\"; with = { text = "
                "\"${event.data.x}\"; }; } );"),
         "escalated", "page done", 0, 1, "a broken template does not keep a page back"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = rig_new(racks_of(1, 5), rows[i].policy);
        rig_host(rig, "r1h01")->bmc = BMC_GONE;
        rig_raise(rig, "r1h01", MEMORY);
        rig_at(rig, 10 * MIN);
        if (strcmp(run_state(rig), rows[i].state) != 0 || rig->pages != rows[i].pages ||
            rig_host(rig, "r1h01")->orders != rows[i].orders ||
            trace_count(rig, rows[i].trace) == 0) {
            fail_msg("%s: %s, %u orders, %u pages\n%s", rows[i].why, run_state(rig),
                     rig_host(rig, "r1h01")->orders, rig->pages, rig->trace.at);
        }
        rig_free(rig);
    }
}

static void test_pager_down(void **state)
{
    struct rig *rig = one(BMC_GONE);
    rig->pager_down = true;
    rig_at(rig, 40 * S);
    assert_int_equal(rig->pages, 0);
    rig->pager_down = false; /* Said again, until it is heard. */
    rig_at(rig, 10 * MIN);
    assert_int_equal(rig->pages, 1);
    assert_string_equal(run_state(rig), "escalated");
    rig_free(rig);

    rig = one(BMC_GONE);
    rig->pager_down = true;
    rig_at(rig, 2 * HOUR);
    assert_string_equal(run_state(rig), "escalated"); /* It ends all the same. */
    rig_free(rig);
}

static void test_page_arguments(void **state)
{
    struct rig *rig = one(BMC_GONE);
    rig_at(rig, 10 * MIN);
    static const char *const parts[] = {
        "\"title\":\"memory\"",
        "\"text\":\"r1h01: step cycle failed: power.cycle: unreachable\"",
        "\"severity\":\"critical\"",
        "\"host\":\"r1h01\"",
        "\"policy\":\"memory-fatal\"",
        "\"run\":\"run-000001\"",
        "\"alarm\":\"alm-000001\"",
        "\"evidence\":[\"alarm alm-000001: critical memory.uncorrectable",
        "action act-000001: power.cycle via redfish: failed",
        "\"time_ms\":",
    };
    for (size_t i = 0; i < ROWS(parts); i++) {
        assert_has(rig->page.at, parts[i]);
    }
    rig_free(rig);
}

static void test_reload(void **state)
{
    struct rig *rig = one(BMC_MUTE);
    rig_at(rig, 10 * S);
    struct policy_set *before = rig->set;
    rig->set = policies_text(
        POLICY("{ step = \"a\"; action = \"power.off\"; timeout = \"1m\"; }", ""), NULL);
    rig_step(rig, &(struct engine_input){.kind = INPUT_POLICIES, .policies = rig->set});
    assert_true(engine_policies_in_use(rig->engine, before)); /* The run finishes what it began. */
    rig_at(rig, 10 * MIN);
    assert_string_equal(run_state(rig), "done");
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    assert_false(engine_policies_in_use(rig->engine, before));
    policy_set_free(before);
    assert_true(engine_policies_in_use(rig->engine, rig->set));
    rig_raise(rig, "r1h02", MEMORY);
    rig_at(rig, 12 * MIN);
    assert_int_equal(rig_host(rig, "r1h02")->offs, 1); /* The new one rules. */
    assert_true(rig_host(rig, "r1h02")->off);
    rig_free(rig);
}

static void test_reload_same(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 1 * S); /* It settles. */
    struct policy_set *before = rig->set;
    rig->set = policies_text(MEMORY_POLICY, NULL);
    rig_step(rig, &(struct engine_input){.kind = INPUT_POLICIES, .policies = rig->set});
    assert_false(engine_policies_in_use(rig->engine, before));
    policy_set_free(before);
    rig_at(rig, 5 * MIN);
    assert_string_equal(run_state(rig), "done"); /* Unchanged `when`: its state was kept. */
    rig_free(rig);
}

static void test_domain_subject(void **state)
{
    struct rig *rig = rig_new(
        racks_of(2, 10),
        "policies: ( { name = \"lost\"; summary = \"s\"; owner = \"o\"; subject = \"rack\"; mode = "
        "\"enforce\"; raises = \"rack.lost\";"
        " when = { event = \"host.gone\"; count = 3; within = \"90s\"; distinct = \"event.host\"; "
        "keep = \"10m\"; }; limits = { once_within = \"0s\"; };"
        " do = ( { step = \"tell\"; action = \"page\"; with = { text = \"${subject.name}\"; }; } "
        "); },"
        "{ name = \"cycle\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "
        "\"enforce\";"
        " when = { event = \"host.gone\"; settle = \"60s\"; }; unless = ( \"active('rack.lost')\" "
        "); limits = { once_within = \"0s\"; };"
        " do = ( { step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; } ); } );");
    for (unsigned h = 1; h <= 3; h++) {
        char name[16];
        snprintf(name, sizeof name, "r1h%02u", h);
        rig_at(rig, h * 10 * S);
        rig_raise(rig, name, "host.gone");
    }
    rig_at(rig, 31 * S);
    rig_raise(rig, "r2h01", "host.gone");
    rig_at(rig, 5 * MIN);
    assert_int_equal(rig->pages, 1);
    assert_has(rig->page.at, "\"text\":\"r1\"");
    assert_int_equal(rig_host(rig, "r1h01")->orders, 0); /* The rack's policy stops the hosts'. */
    assert_int_equal(rig_host(rig, "r2h01")->orders, 1);
    rig_free(rig);
}

static void test_verify(void **state)
{
    static const struct {
        enum bmc bmc;
        uint32_t unreadable;
        const char *state, *seen, *why;
    } rows[] = {
        {BMC_WELL, 0, "verified", "verified: power=off", "off is proven off"},
        {BMC_LIES, 0, "failed", "read back: power=on, wanted power=off", "or it failed"},
        {BMC_WELL, 3, "verified", "verified: power=off", "a reading may fail for a while"},
        {BMC_WELL, 1000, "failed", "not known: power.status: unreachable", "not for ever"},
        {BMC_MUTE, 0, "verified", "outcome was unknown, verified: power=off",
         "in doubt it is read twice"},
        {BMC_DEAF, 0, "failed", "power.off: timeout; read back: power=on", "verified as not done"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig =
            rig_new(racks_of(1, 5),
                    POLICY("{ step = \"off\"; action = \"power.off\"; timeout = \"1m\"; }", ""));
        rig_host(rig, "r1h01")->bmc = rows[i].bmc;
        rig_host(rig, "r1h01")->unreadable = rows[i].unreadable;
        rig_raise(rig, "r1h01", MEMORY);
        rig_at(rig, 10 * MIN);
        if (strcmp(rig_state(rig, RECORD_ACTION, "r1h01"), rows[i].state) != 0 ||
            strstr(rig_body(rig, RECORD_ACTION, "r1h01"), rows[i].seen) == NULL ||
            rig_host(rig, "r1h01")->orders != 1) {
            fail_msg("%s: %s\n%s", rows[i].why, rig_body(rig, RECORD_ACTION, "r1h01"),
                     rig->trace.at);
        }
        rig_free(rig);
    }
}

/* A reading that never comes back is one that failed. */
static void test_reading_lost(void **state)
{
    struct rig *rig = one(BMC_WELL);
    rig_at(rig, 4050); /* The cycle is done, the reading is out. */
    rig->hold_calls = true;
    rig_at(rig, 50 * S);
    rig->hold_calls = false;
    rig_at(rig, 10 * MIN);
    assert_string_equal(rig_state(rig, RECORD_ACTION, "r1h01"), "verified");
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_free(rig);
}

/* Everything a template may name has its value. */
static void test_variables(void **state)
{
    static const struct {
        const char *template, *value;
    } rows[] = {
        {"${event.type} ${event.state} ${event.severity}", MEMORY " raise 4"},
        {"${event.message}|${event.source}|${event.host}|${event.resource}",
         "it broke|test|r1h01|"},
        {"${event.time}", "2026-03-02T10:00:00"},
        {"${event.data.slot}", "7"},
        {"${host.name} ${host.rack} ${host.pool} ${host.maintenance}", "r1h01 r1 web false"},
        {"${subject.name} ${subject.kind}", "r1h01 host"},
        {"${policy.name} ${policy.owner} ${policy.mode} ${policy.summary}", "p o enforce s"},
        {"${run.id} ${run.attempt}", "run-000001 1"},
        {"${alarm.id} ${alarm.type} ${alarm.count}", "alm-000001 " MEMORY " 1"},
        {"${alarm.raised} ${alarm.text}", "it broke"},
        {"${steps.look.ok} ${steps.look.error}", "false 1 == 2 was not true within 1s"},
        {"[${cleared}]", "[false]"},
        {"${size(matched)} ${matched[0].host}", "1 r1h01"},
        {"${event.severity >= critical ? 'bad' : 'fine'}", "bad"},
        {"${active('memory.*')} ${active('other')}", "true false"},
    };
    uint8_t bytes[64];
    const struct nsh_member members[] = {{"slot", nsh_int(7)}};
    const struct nsh_value map = nsh_map(members, 1);
    struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
    pack_value(&writer, &map);
    for (size_t i = 0; i < ROWS(rows); i++) {
        char policy[1024];
        snprintf(
            policy, sizeof policy,
            POLICY(
                "{ step = \"look\"; check = \"1 == 2\"; within = \"1s\"; on_fail = \"continue\"; },"
                "{ step = \"tell\"; action = \"notify\"; with = { title = \"t\"; text = \"%s\"; }; "
                "}",
                ""),
            rows[i].template);
        struct rig *rig = rig_new(racks_of(1, 5), policy);
        struct event event = event_of("r1h01", MEMORY, EVENT_RAISE);
        event.data = (struct text){(const char *)bytes, (uint32_t)writer.count};
        rig_event(rig, &event);
        rig_at(rig, 10 * S);
        assert_has(rig->page.at, rows[i].value);
        rig_free(rig);
    }
}

static void test_dedup(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    struct engine_counters counters;
    for (unsigned round = 0; round < 3; round++) {
        rig_at(rig, round * 8 * MIN); /* The third time the first are forgotten. */
        for (unsigned i = 0; i < 5000; i++) {
            char id[16];
            struct event event = event_of("r1h01", "nobody.cares", EVENT_PULSE);
            snprintf(id, sizeof id, "%u", i);
            event.id = text_of(id);
            rig_event(rig, &event);
        }
        engine_count(rig->engine, &counters);
        assert_int_equal(counters.duplicates, round == 0 ? 0 : 5000);
    }
    struct event event = event_of("r1h01", "nobody.cares", EVENT_PULSE);
    event.id = TEXT("17");
    event.source = TEXT("another");
    rig_event(rig, &event);
    engine_count(rig->engine, &counters);
    assert_int_equal(counters.duplicates, 5000);
    assert_int_equal(counters.events, 15001);
    rig_free(rig);
}

/* A repeat takes no number; those after it move up. */
static void test_numbers_of_repeats(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    static const char *const ids[] = {"a", "b", "a", "", "", "b", "c"};
    static const bool repeats[] = {false, false, true, false, false, true, false};
    static const char *const hosts[] = {"r1h01", "r1h02", "r1h01", "r1h03",
                                        "r1h04", "r1h02", "r1h05"};
    struct event events[ROWS(ids)];
    for (size_t i = 0; i < ROWS(ids); i++) {
        events[i] = event_of(hosts[i], "fan.failed", EVENT_RAISE);
        events[i].id = text_of(ids[i]);
        events[i].seq = 100 + i;
    }
    rig->hold_durable = true; /* The output of this step is looked at. */
    rig_step(rig, &(struct engine_input){.kind = INPUT_EVENTS, .events = {events, ROWS(ids)}});
    assert_non_null(rig->output.repeats);
    assert_memory_equal(rig->output.repeats, repeats, sizeof repeats);
    assert_has(rig_body(rig, RECORD_ALARM, "r1h01"), "\"seq\":100,");
    assert_has(rig_body(rig, RECORD_ALARM, "r1h03"), "\"seq\":102,");
    assert_has(rig_body(rig, RECORD_ALARM, "r1h05"), "\"seq\":104,");
    rig_free(rig);
}

/* What the journal tells at a start is known, for as long as it would have been without it. */
static void test_known(void **state)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    static const struct {
        const char *id;
        int64_t ago;
        bool repeat;
        const char *why;
    } rows[] = {
        {"older", 16 * MIN, false, "older than the window"},
        {"edge", 15 * MIN, false, "exactly at its end"},
        {"old", 15 * MIN - 1, true, "just inside"},
        {"new", 1 * S, true, "of a moment ago"},
        {"future", -5 * S, true, "by a clock that was ahead"},
        {"never", -1 * HOUR, false, "not told"},
    };
    rig_at(rig, 1 * HOUR);
    for (size_t i = 0; i + 1 < ROWS(rows); i++) {
        struct event event = event_of("r1h01", MEMORY, EVENT_RAISE);
        event.id = text_of(rows[i].id);
        event.received_ms = rig->now - rows[i].ago;
        rig_step(rig, &(struct engine_input){.kind = INPUT_KNOWN, .events = {&event, 1}});
        assert_int_equal(rig->output.records_count, 0);
    }
    assert_string_equal(rig_state(rig, RECORD_ALARM, "r1h01"), ""); /* It only fills the table. */
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct engine_counters before, after;
        struct event event = event_of("r1h01", "nobody.cares", EVENT_PULSE);
        event.id = text_of(rows[i].id);
        engine_count(rig->engine, &before);
        rig_event(rig, &event);
        engine_count(rig->engine, &after);
        if ((after.duplicates > before.duplicates) != rows[i].repeat) {
            fail_msg("%s: %s", rows[i].id, rows[i].why);
        }
    }
    rig_free(rig);
}

static unsigned lines_of(const char *text, const char *head)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, head)) != NULL; at++) {
        count += at == text || at[-1] == '\n';
    }
    return count;
}

/* A record says what changed: words that leave change the action's, and what switches a machine
 * the run's as well. */
static void test_sent_is_recorded_once(void **state)
{
    static const struct {
        const char *does;
        unsigned run_records, action_records;
        const char *why;
    } rows[] = {
        {"{ step = \"tell\"; action = \"notify\"; with = { text = \"x\"; }; }", 2, 3,
         "the run goes on, and is done"},
        {"{ step = \"off\"; action = \"power.cycle\"; }", 2, 2,
         "still under way: that it has effects is to survive a restart"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[600];
        snprintf(
            text, sizeof text,
            "policies: ( { name = \"once\"; summary = \"x\"; owner = \"o\"; subject = \"host\"; "
            "mode = \"enforce\"; when = { event = \"" MEMORY "\"; }; do = ( %s ); } );",
            rows[i].does);
        struct rig *rig = rig_new(racks_of(1, 5), text);
        rig_raise(rig, "r1h01", MEMORY);
        rig_at(rig, 1 * S);
        unsigned runs = lines_of(rig->all.at, "run run-000001 ");
        unsigned actions = lines_of(rig->all.at, "action act-000001 ");
        if (runs != rows[i].run_records || actions != rows[i].action_records) {
            fail_msg("%s: %u records of the run, %u of the action\n%s", rows[i].why, runs, actions,
                     rig->all.at);
        }
        rig_free(rig);
    }
}

/* Who commits must know what to hurry with: an intent, and nothing else of a run. */
static void test_intents_wait(void **state)
{
    struct rig *rig = rig_new(
        racks_of(1, 5),
        "policies: ( { name = \"tell\"; summary = \"x\"; owner = \"o\"; subject = \"host\"; mode = "
        "\"enforce\"; when = { event = \"" MEMORY "\"; }; do = ( { step = \"tell\"; action = "
        "\"notify\"; with = { text = \"x\"; }; } ); } );");
    rig->hold_durable = true;
    rig_raise(rig, "r1h01", MEMORY);
    assert_true(rig->output.intents_wait);
    rig_durable(rig);
    assert_int_equal(rig->output.calls_count, 1);
    assert_true(rig->output.records_count > 0); /* That it was sent. */
    assert_false(rig->output.intents_wait);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_never_resent),
        cmocka_unit_test(test_no_result),
        cmocka_unit_test(test_cleared),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_pager_down),
        cmocka_unit_test(test_page_arguments),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_reload_same),
        cmocka_unit_test(test_domain_subject),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_reading_lost),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_dedup),
        cmocka_unit_test(test_numbers_of_repeats),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_sent_is_recorded_once),
        cmocka_unit_test(test_intents_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
