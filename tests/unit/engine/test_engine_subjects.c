/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subjects that are no host: events about a domain itself, parts of a host (disks, outlets), what
 * active() sees of either; and what policies say beside trigger and steps: hold, keep_ready, from.
 */

#include "rig.h"

#include "base/pack.h"

#define FEEDS                                                                                      \
    "{ name = \"h1\"; rack = \"r1\"; pool = \"web\"; feed = \"a\";\n"                              \
    "  bmc = { driver = \"redfish\"; address = \"10.0.0.1\"; }; },\n"                              \
    "{ name = \"h2\"; rack = \"r1\"; pool = \"web\"; feed = \"a\";\n"                              \
    "  bmc = { driver = \"redfish\"; address = \"10.0.0.2\"; }; },\n"                              \
    "{ name = \"h3\"; rack = \"r2\"; pool = \"web\"; feed = \"b\";\n"                              \
    "  bmc = { driver = \"redfish\"; address = \"10.0.0.3\"; }; }"

#define TELL(name, subject, when)                                                                  \
    "{ name = \"" name "\"; subject = \"" subject "\"; mode = \"enforce\"; when = { " when         \
    " }; do = ( { step = \"tell\"; action = \"notify\"; with = { text = \"x\"; }; } ); }"

static void about(struct rig *rig, const char *subject, const char *type, enum event_state state)
{
    struct event event = event_of("", type, state);
    event.subject = text_of(subject);
    event.source = TEXT("ups");
    rig_event(rig, &event);
}

/* ---- events about a domain ------------------------------------------------------------------ */

static void test_domain_events(void **state)
{
    struct rig *rig = rig_new(
        inventory_of(FEEDS),
        "policies: ( " TELL("feed", "feed",
                            "event = \"feed.lost\"; if = \"feed.name == 'a'\"; for = "
                            "\"1m\";") ", " TELL("rack", "rack",
                                                 "event = \"feed.lost\";") ", " TELL("host", "host",
                                                                                     "event"
                                                                                     " = "
                                                                                     "\"fee"
                                                                                     "d."
                                                                                     "lost"
                                                                                     "\";") " );");
    about(rig, "feed=a", "feed.lost", EVENT_RAISE);
    about(rig, "feed=b", "feed.lost", EVENT_RAISE);    /* Not this one. */
    about(rig, "feed=none", "feed.lost", EVENT_RAISE); /* Nobody is on it. */
    rig_at(rig, 2 * MIN);
    assert_count(rig, "decision", 1);
    assert_trace(rig, "decision dec-000001 feed feed=a run");
    /* Its clear ends it. */
    assert_has(rig_body(rig, RECORD_PENDING, ""), "\"state\":\"active\"");
    about(rig, "feed=a", "feed.lost", EVENT_CLEAR);
    assert_has(rig_body(rig, RECORD_PENDING, ""), "\"state\":\"idle\"");
    rig_free(rig);
}

/* A host on two feeds: the condition is asked of each. */
static void test_two_feeds(void **state)
{
    struct rig *rig = rig_new(inventory_of("{ name = \"h1\"; rack = \"r1\"; feed = "
                                           "[\"a\", \"b\"]; }"),
                              "policies: ( " TELL("feed", "feed",
                                                  "event = \"psu.lost\"; if = \"feed.name == "
                                                  "'b'\";") ", " TELL("all", "feed",
                                                                      "all = ( { event = "
                                                                      "\"psu.lost\"; if = "
                                                                      "\"feed.name == 'b'\"; },"
                                                                      " { event = \"psu.gone\"; } "
                                                                      "); within = \"1m\";") " );");
    rig_raise(rig, "h1", "psu.lost");
    assert_count(rig, "decision", 1);
    assert_trace(rig, "feed feed=b run");
    rig_raise(rig, "h1", "psu.gone");
    assert_count(rig, "decision", 2);
    assert_trace(rig, "all feed=b run");
    rig_free(rig);
}

/* ---- active() ------------------------------------------------------------------------------- */

static void test_active(void **state)
{
    static const struct {
        const char *why, *subject, *host, *about, *type;
        bool skipped;
    } rows[] = {
        {"a host's own alarm", "host", "h1", NULL, "fan.failed", true},
        {"another host's", "host", "h2", NULL, "fan.failed", false},
        {"of the feed that it is on", "host", NULL, "feed=a", "fan.failed", true},
        {"of another feed", "host", NULL, "feed=b", "fan.failed", false},
        {"of a host of the pool", "pool", "h3", NULL, "fan.failed", true},
        {"of a host on the feed", "feed", "h2", NULL, "fan.failed", true},
        {"of a host on the other feed", "feed", "h3", NULL, "fan.failed", false},
        {"of the feed itself", "feed", NULL, "feed=a", "fan.failed", true},
        {"of the feed that the whole rack is on", "rack", NULL, "feed=a", "fan.failed", true},
        {"of another rack", "rack", NULL, "rack=r2", "fan.failed", false},
        {"of another type", "host", "h1", NULL, "fan.slow", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char policy[1024];
        snprintf(
            policy, sizeof policy,
            "policies: ( { name = \"p\"; subject = \"%s\"; mode = \"enforce\"; when = { event = "
            "\"psu.lost\"; }; unless = ( \"active('fan.failed')\" ); do = ( { step = \"t\"; "
            "action = \"notify\"; } ); } );",
            rows[i].subject);
        struct rig *rig = rig_new(inventory_of(FEEDS), policy);
        if (rows[i].about != NULL) {
            about(rig, rows[i].about, rows[i].type, EVENT_RAISE);
        } else {
            rig_raise(rig, rows[i].host, rows[i].type);
        }
        rig_kill(rig); /* It is the same after a restart. */
        rig_start(rig, 1 * S);
        rig_raise(rig, "h1", "psu.lost");
        if (trace_count(rig, rows[i].skipped ? "skipped: active" : "run: all guards") != 1) {
            fail_msg("%s: %s", rows[i].why, rig->trace.at);
        }
        rig_free(rig);
    }
}

/* ---- parts ---------------------------------------------------------------------------------- */

static void disk(struct rig *rig, const char *host, const char *slot, const char *type,
                 enum event_state state)
{
    struct event event = event_of(host, type, state);
    event.resource = text_of(slot);
    rig_event(rig, &event);
}

#define DISKS                                                                                      \
    "policies: ( { name = \"disk\"; subject = \"disk\"; mode = \"enforce\";\n"                     \
    "  when = { event = \"drive.predicted\"; if = \"disk.host.rack == 'r1'\"; for = \"1m\"; };\n"  \
    "  unless = ( \"active('drive.rebuilding')\" );\n"                                             \
    "  do = ( { step = \"tell\"; action = \"page\"; with = { text = \"${disk.name} of "            \
    "${host.name}"                                                                                 \
    " ${subject.name}\"; }; } ); } );"

/* Each disk has its own state; the host is the one that is acted upon. */
static void test_disks(void **state)
{
    struct rig *rig = rig_new(inventory_of(FEEDS), DISKS);
    disk(rig, "h1", "bay.3", "drive.predicted", EVENT_RAISE);
    rig_at(rig, 30 * S);
    disk(rig, "h1", "bay.4", "drive.predicted", EVENT_RAISE);
    disk(rig, "h1", "", "drive.predicted", EVENT_RAISE);      /* Which one is not said. */
    disk(rig, "h3", "bay.1", "drive.predicted", EVENT_RAISE); /* Not in that rack. */
    rig_at(rig, 61 * S);
    assert_count(rig, "decision", 1);
    assert_trace(rig, "disk disk=h1/bay.3 run");
    assert_has(rig->page.at, "bay.3 of h1 bay.3");
    rig_kill(rig); /* The other one waits on after a restart. */
    rig_start(rig, 62 * S);
    disk(rig, "h1", "bay.4", "drive.predicted", EVENT_RAISE);
    rig_at(rig, 3 * MIN);
    assert_trace(rig, "disk disk=h1/bay.4 run");
    assert_has(rig->page.at, "bay.4 of h1");
    assert_has(rig_body(rig, RECORD_DECISION, "h1"), "\"subject\":\"disk=h1/bay.4\"");
    /* It clears alone. */
    disk(rig, "h1", "bay.3", "drive.predicted", EVENT_CLEAR);
    assert_has(rig_body(rig, RECORD_PENDING, "h1"), "disk=h1/");
    rig_free(rig);
}

/* What the policy listens to is each disk's own; anything else of the host counts for all. */
static void test_disk_active(void **state)
{
    static const char policy[] =
        "policies: ( { name = \"disk\"; subject = \"disk\"; mode = \"enforce\";\n"
        "  when = { event = [\"drive.predicted\", \"drive.rebuilding\"]; if = \"event.type == "
        "'drive.predicted'\"; };\n"
        "  unless = ( \"active('drive.rebuilding') || active('array.degraded')\" );\n"
        "  do = ( { step = \"tell\"; action = \"notify\"; } ); } );";
    struct rig *rig = rig_new(inventory_of(FEEDS), policy);
    disk(rig, "h1", "bay.1", "drive.rebuilding", EVENT_RAISE);
    disk(rig, "h1", "bay.1", "drive.predicted", EVENT_RAISE);
    assert_trace(rig, "disk=h1/bay.1 skipped");
    disk(rig, "h1", "bay.2", "drive.predicted", EVENT_RAISE);
    assert_trace(rig, "disk=h1/bay.2 run");
    disk(rig, "h1", "ctrl.1", "array.degraded", EVENT_RAISE);
    disk(rig, "h1", "bay.3", "drive.predicted", EVENT_RAISE);
    assert_trace(rig, "disk=h1/bay.3 skipped");
    rig_free(rig);
}

/* A source that makes up resources fills no memory. */
static void test_parts_bounded(void **state)
{
    struct rig *rig = rig_new(inventory_of(FEEDS), DISKS);
    for (unsigned i = 0; i < 300; i++) {
        char slot[16];
        snprintf(slot, sizeof slot, "bay.%u", i);
        disk(rig, "h1", slot, "drive.predicted", EVENT_RAISE);
    }
    disk(rig, "h2", "bay.1", "drive.predicted", EVENT_RAISE);
    rig_command(rig, "status", "{}");
    assert_has(rig->reply, "a host has more parts (disks, outlets) than are watched");
    unsigned known = 0;
    for (size_t i = 0; i < rig->records_count; i++) {
        known += rig->records[i].kind == RECORD_PENDING;
    }
    assert_int_equal(known, 257);
    rig_free(rig);
}

static void sample(struct rig *rig, const char *host, const char *resource, const char *subject,
                   double value)
{
    char json[96];
    struct arena arena = ARENA_INIT;
    struct nsh_value data;
    uint8_t packed[256];
    snprintf(json, sizeof json, "{\"metric\":\"pdu.outlet.amps\",\"value\":%f}", value);
    assert_int_equal(json_parse(json, strlen(json), &arena, &data, NULL), 0);
    struct event event = event_of(host, POLICY_SAMPLE_TYPE, EVENT_PULSE);
    event.resource = text_of(resource);
    event.subject = text_of(subject);
    struct pack_writer writer = {.at = packed, .room = sizeof packed};
    pack_value(&writer, &data);
    assert_false(writer.failed);
    event.data = (struct text){(const char *)packed, (uint32_t)writer.count};
    rig_event(rig, &event);
    arena_done(&arena);
}

/* Samples of an outlet: by host and resource, or named whole. */
static void test_outlets(void **state)
{
    struct rig *rig =
        rig_new(inventory_of(FEEDS), "policies: ( { name = \"outlet\"; subject = \"outlet\"; mode "
                                     "= \"enforce\"; deny = \"fence*\";\n"
                                     "  when = { metric = \"pdu.outlet.amps\"; if = "
                                     "\"avg_over('pdu.outlet.amps', '1m') > 12.0\"; };\n"
                                     "  do = ( { step = \"tell\"; action = \"notify\"; with = { "
                                     "text = \"${outlet.name}\"; }; } ); } );");
    for (unsigned i = 0; i < 8; i++) {
        sample(rig, "h1", "b/7", "", 13.0);
        sample(rig, "h1", "b/8", "", 6.0);
        sample(rig, "", "", "outlet=h2/b/9", 13.0);
        rig_at(rig, (i + 1) * 15 * S);
    }
    assert_trace(rig, "outlet outlet=h1/b/7 run");
    assert_trace(rig, "outlet outlet=h2/b/9 run");
    assert_count(rig, "decision", 2);
    rig_free(rig);
}

/* ---- hold ----------------------------------------------------------------------------------- */

#define HELD                                                                                       \
    "policies: ( { name = \"storm\"; subject = \"rack\"; mode = \"enforce\";\n"                    \
    "  when = { event = \"rack.smoke\"; };\n"                                                      \
    "  hold = { actions = [\"power.*\", \"reset.hard\"]; for = \"30m\"; };\n"                      \
    "  do = ( { step = \"tell\"; action = \"notify\"; } ); },\n"                                   \
    "{ name = \"cycle\"; subject = \"host\"; mode = \"enforce\"; when = { event = \"os.hung\"; "   \
    "};\n"                                                                                         \
    "  do = ( { step = \"cycle\"; action = \"power.cycle\"; },\n"                                  \
    "         { step = \"verify\"; check = \"cleared\"; within = \"2m\"; } ); },\n"                \
    "{ name = \"drain\"; subject = \"host\"; mode = \"enforce\"; when = { event = "                \
    "\"fan.failed\"; };\n"                                                                         \
    "  do = ( { step = \"led\"; action = \"identify\"; } ); } );"

static void test_hold(void **state)
{
    struct rig *rig = rig_new(racks_of(2, 3), HELD);
    about(rig, "rack=r1", "rack.smoke", EVENT_RAISE);
    assert_trace(rig, "freeze frz-000001 rack=r1 on: held by storm");
    rig_raise(rig, "r1h01", "os.hung");
    assert_trace(rig, "cycle r1h01 skipped: rack=r1: power.* reset.hard held by policy storm, "
                      "decision dec-000001 (frz-000001); until 2026-03-02T10:30:00.000Z");
    rig_raise(rig, "r1h02", "fan.failed"); /* Nothing of that is held. */
    assert_trace(rig, "drain r1h02 run");
    rig_raise(rig, "r2h01", "os.hung"); /* Nor is another rack. */
    assert_trace(rig, "cycle r2h01 run");
    rig_kill(rig); /* It outlives a restart, and ends by itself. */
    rig_start(rig, 5 * MIN);
    rig_raise(rig, "r1h03", "os.hung");
    assert_trace(rig, "cycle r1h03 skipped: rack=r1: power.* reset.hard held");
    rig_at(rig, 31 * MIN);
    assert_trace(rig, "freeze frz-000001 rack=r1 expired");
    rig_clear(rig, "r1h03", "os.hung");
    rig_raise(rig, "r1h03", "os.hung");
    assert_trace(rig, "cycle r1h03 run");
    rig_free(rig);
}

/* Who holds may act, a person may end it, and a policy that only looks holds nothing. */
static void test_hold_own(void **state)
{
    static const char policy[] =
        "policies: ( { name = \"feed\"; subject = \"rack\"; mode = \"%s\"; when = { event = "
        "\"rack.dark\"; };\n"
        "  hold = { for = \"30m\"; };\n"
        "  do = ( { step = \"on\"; action = \"power.cycle\"; each = \"hosts\"; },\n"
        "         { step = \"verify\"; check = \"cleared\"; within = \"2m\"; } ); },\n"
        "{ name = \"led\"; subject = \"host\"; mode = \"enforce\"; when = { event = \"os.hung\"; "
        "};\n"
        "  do = ( { step = \"led\"; action = \"identify\"; } ); } );";
    char text[2048];
    snprintf(text, sizeof text, policy, "enforce");
    struct rig *rig = rig_new(racks_of(1, 1), text);
    about(rig, "rack=r1", "rack.dark", EVENT_RAISE);
    rig_at(rig, 1 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->orders, 1);
    rig_raise(rig, "r1h01", "os.hung"); /* Without a list nothing at all. */
    assert_trace(rig, "led r1h01 skipped: rack=r1: everything is held by policy feed");
    assert_int_equal(rig_command(rig, "unfreeze", "{\"id\":\"frz-000001\",\"reason\":\"seen\"}"),
                     0);
    rig_clear(rig, "r1h01", "os.hung");
    rig_at(rig, 5 * MIN);
    rig_raise(rig, "r1h01", "os.hung");
    assert_trace(rig, "led r1h01 run");
    rig_free(rig);
    snprintf(text, sizeof text, policy, "observe");
    rig = rig_new(racks_of(1, 1), text);
    about(rig, "rack=r1", "rack.dark", EVENT_RAISE);
    assert_trace(rig, "feed rack=r1 would-run");
    assert_no_trace(rig, "freeze");
    rig_free(rig);
}

/* ---- keep_ready ----------------------------------------------------------------------------- */

static void test_keep_ready(void **state)
{
    static const char policy[] =
        "policies: ( { name = \"cycle\"; subject = \"host\"; mode = \"enforce\"; when = { event = "
        "\"os.hung\"; }; limits = { keep_ready = \"80%\"; };\n"
        "  do = ( { step = \"cycle\"; action = \"power.cycle\"; },\n"
        "         { step = \"verify\"; check = \"cleared\"; within = \"1s\"; } ); } );";
    struct rig *rig = rig_new(racks_of(5, 2), policy); /* Ten hosts of one pool. */
    rig_raise(rig, "r1h01", "os.hung");
    assert_trace(rig, "cycle r1h01 run");
    assert_has(rig_body(rig, RECORD_DECISION, "r1h01"),
               "9 of 10 hosts of pool web are ready without it, 80% (8) must be");
    rig_at(rig, 2 * MIN);
    rig_raise(rig, "r2h01", "os.hung"); /* The first one is still ill. */
    assert_trace(rig, "cycle r2h01 run");
    rig_at(rig, 4 * MIN);
    rig_raise(rig, "r3h01", "os.hung");
    assert_trace(rig,
                 "cycle r3h01 refused: 7 of 10 hosts of pool web are ready without it, 80% (8) "
                 "must be");
    rig_free(rig);
}

/* The site's holds for policies that say nothing. */
static void test_keep_ready_of_the_site(void **state)
{
    struct policy_defaults defaults = policy_defaults_builtin();
    defaults.guards.witnesses = 1;
    defaults.guards.keep_ready = 100;
    struct rig *rig = rig_new_with(racks_of(1, 3), HELD, &defaults);
    struct event event = event_of("r1h01", "os.hung", EVENT_RAISE);
    event.severity = SEVERITY_MINOR; /* It still serves: it is what would be missing. */
    rig_event(rig, &event);
    assert_trace(rig, "cycle r1h01 refused: 2 of 3 hosts of pool web are ready without it");
    rig_raise(rig, "r1h02", "fan.failed"); /* Takes nothing away. */
    assert_trace(rig, "drain r1h02 run");
    rig_free(rig);
}

/* ---- from ----------------------------------------------------------------------------------- */

static void test_from(void **state)
{
    struct rig *rig =
        rig_new(racks_of(1, 4),
                "policies: ( " TELL(
                    "one", "host",
                    "event = \"os.hung\"; from = \"alertmanager*\";") ", " TELL("two", "host",
                                                                                "all = ( { event = "
                                                                                "\"os.hung\"; from "
                                                                                "= [\"zabbix\", "
                                                                                "\"prtg\"]; }, { "
                                                                                "event = "
                                                                                "\"net.lost\"; "
                                                                                "} ); within = "
                                                                                "\"1m\";") " );");
    struct event event = event_of("r1h01", "os.hung", EVENT_RAISE);
    event.source = TEXT("zabbix");
    rig_event(rig, &event);
    assert_no_trace(rig, "decision");
    rig_raise(rig, "r1h01", "net.lost");
    assert_trace(rig, "two r1h01 run");
    event = event_of("r1h02", "os.hung", EVENT_RAISE);
    event.source = TEXT("alertmanager/eu");
    rig_event(rig, &event);
    assert_trace(rig, "one r1h02 run");
    rig_raise(rig, "r1h02", "net.lost");
    assert_count(rig, "decision", 2);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domain_events),
        cmocka_unit_test(test_two_feeds),
        cmocka_unit_test(test_active),
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_disk_active),
        cmocka_unit_test(test_parts_bounded),
        cmocka_unit_test(test_outlets),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_hold_own),
        cmocka_unit_test(test_keep_ready),
        cmocka_unit_test(test_keep_ready_of_the_site),
        cmocka_unit_test(test_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
