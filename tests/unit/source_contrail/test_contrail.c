/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms of Contrail: what updates and lists become, what is told of them and when, and what is
 * acknowledged. Told is written "+RESOURCE TYPE SEVERITY" and "-RESOURCE TYPE".
 */

#include "../unit.h"

#include "base/json.h"
#include "base/pack.h"
#include "source/contrail/contrail.h"

#include <stdio.h>
#include <stdlib.h>

#define NODE "default-global-system-config:system-defined-node-status"
#define PROCESS "default-global-system-config:system-defined-process-status"

struct rig {
    struct contrail contrail;
    int64_t now_ms;
    char told[2048];
    struct contrail_alarm *flying[64];
    bool raised[64];
    size_t flying_count;
    bool hold; /* Nothing becomes durable. */
};

static int parse_update(struct rig *rig, const char *json, struct nsh_error *err)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value value;
    assert_int_equal(json_parse(json, strlen(json), &arena, &value, err), 0);
    return contrail_update(&rig->contrail, &value, rig->now_ms, err);
}

static void update(struct rig *rig, const char *json)
{
    struct nsh_error err = {0};
    if (parse_update(rig, json, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static int parse_list(struct rig *rig, const char *json)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value value;
    struct nsh_error err = {0};
    assert_int_equal(json_parse(json, strlen(json), &arena, &value, &err), 0);
    int result = contrail_list(&rig->contrail, &value, rig->now_ms, &err);
    if (result < 0) {
        contrail_list_end(&rig->contrail);
    }
    return result;
}

static void list(struct rig *rig, const char *json)
{
    contrail_list_begin(&rig->contrail);
    assert_int_equal(parse_list(rig, json), 0);
}

static void land(struct rig *rig, bool durable)
{
    for (size_t i = 0; i < rig->flying_count; i++) {
        contrail_landed(&rig->contrail, rig->flying[i], rig->raised[i], durable);
    }
    rig->flying_count = 0;
}

static const char *tell(struct rig *rig)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct contrail_alarm *alarm;
    rig->told[0] = '\0';
    contrail_settle(&rig->contrail, rig->now_ms);
    while ((alarm = contrail_next(&rig->contrail)) != NULL) {
        struct event event;
        size_t used = strlen(rig->told);
        assert_true(contrail_event(&rig->contrail, alarm, rig->now_ms, &arena, &event));
        bool raised = event.state == EVENT_RAISE;
        snprintf(rig->told + used, sizeof rig->told - used, "%s%.*s %.*s%s%s;", raised ? "+" : "-",
                 (int)event.resource.count, event.resource.at, (int)event.type.count, event.type.at,
                 raised ? " " : "", raised ? severity_word(event.severity) : "");
        contrail_told(&rig->contrail, alarm, raised);
        rig->flying[rig->flying_count] = alarm;
        rig->raised[rig->flying_count++] = raised;
    }
    if (!rig->hold) {
        land(rig, true);
    }
    return rig->told;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->contrail.source = "sdn";
    rig->contrail.settle_ms = 5000;
    rig->now_ms = 1000000;
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    contrail_done(&rig->contrail);
    free(rig);
    return 0;
}

#define ALARM(type, severity, time, ack)                                                           \
    "{\"type\":\"" type "\",\"severity\":" #severity ",\"timestamp\":" #time ",\"ack\":" #ack      \
    ",\"token\":\"t" #time "\",\"description\":\"d\"}"
#define UPDATE(key, alarms)                                                                        \
    "{\"key\":\"" key "\",\"type\":\"UVEAlarms\",\"value\":{\"alarms\":[" alarms "]}}"
#define PLACE(name, alarms)                                                                        \
    "{\"name\":\"" name "\",\"value\":{\"UVEAlarms\":{\"alarms\":[" alarms "]}}}"
#define VROUTERS(places) "{\"vrouter\":[" places "]}"

static void test_raised_changed_and_cleared(void **state)
{
    struct rig *rig = *state;
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(NODE, 0, 1000000, false)));
    assert_string_equal(tell(rig), "+vrouter/c7 contrail.node-status critical;");
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(NODE, 0, 1000000, true)));
    assert_string_equal(tell(rig), ""); /* Acknowledged is no news. */
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(NODE, 1, 1000000, true)));
    assert_string_equal(tell(rig), "+vrouter/c7 contrail.node-status major;");
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(NODE, 1, 2000000, false)));
    assert_string_equal(tell(rig), "+vrouter/c7 contrail.node-status major;"); /* Anew. */
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(PROCESS, 2, 2000000, false)));
    assert_string_equal(tell(rig), "+vrouter/c7 contrail.process-status minor;");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "-vrouter/c7 contrail.node-status;");
    update(rig, "{\"key\":\"ObjectVRouter:c7\",\"type\":\"UVEAlarms\",\"value\":null}");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "-vrouter/c7 contrail.process-status;");
    assert_int_equal(rig->contrail.objects.count, 0); /* And forgotten. */
    assert_int_equal(rig->contrail.alarms, 0);
}

/* A partition moves: everything goes, and comes back. */
static void test_what_comes_back_was_never_gone(void **state)
{
    struct rig *rig = *state;
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(NODE, 0, 1000000, false)));
    tell(rig);
    update(rig, "{\"key\":\"ObjectVRouter:c7\",\"type\":null}");
    rig->now_ms += 4999;
    assert_string_equal(tell(rig), "");
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(NODE, 0, 1000000, false)));
    rig->now_ms += 60000;
    assert_string_equal(tell(rig), "");
    /* Twice in a row: the second time counts from then on. */
    update(rig, "{\"key\":\"ObjectVRouter:c7\",\"type\":null}");
    rig->now_ms += 3000;
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(NODE, 0, 1000000, false)));
    update(rig, "{\"key\":\"ObjectVRouter:c7\",\"type\":null}");
    rig->now_ms += 3000;
    assert_string_equal(tell(rig), "");
    rig->now_ms += 2000;
    assert_string_equal(tell(rig), "-vrouter/c7 contrail.node-status;");
    /* After it was told, it is news again, though it says the same. */
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(NODE, 0, 1000000, false)));
    assert_string_equal(tell(rig), "+vrouter/c7 contrail.node-status critical;");
}

/* The intake was full: raised and gone meanwhile is both told. */
static void test_short_ones_are_told_both(void **state)
{
    struct rig *rig = *state;
    update(rig, UPDATE("ObjectVRouter:c7", ALARM(NODE, 0, 1000000, false)));
    struct contrail_alarm *alarm = contrail_next(&rig->contrail);
    assert_non_null(alarm);
    contrail_back(&rig->contrail, alarm);
    update(rig, "{\"key\":\"ObjectVRouter:c7\",\"type\":null}");
    assert_string_equal(tell(rig), "+vrouter/c7 contrail.node-status critical;");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "-vrouter/c7 contrail.node-status;");
}

static void test_a_list_tells_what_was_missed(void **state)
{
    struct rig *rig = *state;
    list(rig,
         VROUTERS(PLACE("c1", ALARM(NODE, 0, 1, false)) "," PLACE("c2", ALARM(NODE, 1, 1, false))));
    assert_string_equal(tell(rig), "+vrouter/c1 contrail.node-status critical;"
                                   "+vrouter/c2 contrail.node-status major;");
    list(rig,
         VROUTERS(PLACE("c2", ALARM(NODE, 1, 1, false)) "," PLACE("c3", ALARM(NODE, 2, 1, false))));
    assert_string_equal(tell(rig), "+vrouter/c3 contrail.node-status minor;");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "-vrouter/c1 contrail.node-status;");
    list(rig, "{}");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig),
                        "-vrouter/c2 contrail.node-status;-vrouter/c3 contrail.node-status;");
}

/* Whatever the stream says after the list was asked for is newer than the list. */
static void test_the_stream_is_newer_than_a_list_under_way(void **state)
{
    struct rig *rig = *state;
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 1, false)));
    tell(rig);
    contrail_list_begin(&rig->contrail);
    update(rig, "{\"key\":\"ObjectVRouter:c1\",\"type\":null}");
    update(rig,
           "{\"key\":\"ObjectVRouter:c2\",\"type\":null}"); /* Never seen; in the list it is. */
    update(rig, UPDATE("ObjectVRouter:c3", ALARM(NODE, 0, 1, false)));
    assert_int_equal(parse_list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 1, false)) "," PLACE(
                                         "c2", ALARM(NODE, 0, 1, false)))),
                     0);
    assert_string_equal(tell(rig), "+vrouter/c3 contrail.node-status critical;");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "-vrouter/c1 contrail.node-status;");
    assert_int_equal(rig->contrail.objects.count, 1);
    /* The next list is the newest again. */
    list(rig, VROUTERS(PLACE("c2", ALARM(NODE, 0, 1, false))));
    assert_string_equal(tell(rig), "+vrouter/c2 contrail.node-status critical;");
}

static void test_tables_have_two_names(void **state)
{
    struct rig *rig = *state;
    update(rig, UPDATE("ObjectBgpRouter:ctl1", ALARM(NODE, 0, 1, false)));
    update(rig,
           UPDATE("ObjectVNTable:default-domain:admin:net:1", ALARM("a:b:Odd Rule", 0, 1, false)));
    assert_string_equal(tell(rig),
                        "+control-node/ctl1 contrail.node-status critical;"
                        "+virtual-network/default-domain:admin:net:1 contrail.odd-rule critical;");
    list(
        rig,
        "{\"bgp-router\":[" PLACE("ctl1", ALARM(NODE, 0, 1, false)) "],\"virtual-network\":[" PLACE(
            "default-domain:admin:net:1", ALARM("a:b:Odd Rule", 0, 1, false)) "]}");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "");
}

static void test_what_makes_no_sense_takes_nothing(void **state)
{
    static const struct {
        const char *json, *why;
    } updates[] = {
        {"{\"type\":\"UVEAlarms\",\"value\":null}", "no key"},
        {"{\"key\":\"c1\",\"type\":\"UVEAlarms\"}", "a key without a table"},
        {"{\"key\":\"ObjectVRouter:\",\"type\":\"UVEAlarms\"}", "a key without a name"},
        {"{\"key\":\":c1\",\"type\":\"UVEAlarms\"}", "an empty table"},
        {"{\"key\":\"a/b:c1\",\"type\":\"UVEAlarms\"}", "a slash would be another object"},
        {"{\"key\":\"ObjectVRouter:c1\"}", "no type: a broken line, not a removal"},
        {"{\"key\":\"ObjectVRouter:c1\",\"type\":\"UVEAlarms\",\"value\":\"x\"}",
         "a value of text"},
        {"{\"key\":\"ObjectVRouter:c1\",\"type\":\"UVEAlarms\",\"value\":{\"alarms\":{\"a\":1}}}",
         "no list"},
        {UPDATE("ObjectVRouter:c1", ALARM("x", 0, 1, false) ",{\"severity\":0}"),
         "an alarm without type"},
        {UPDATE("ObjectVRouter:c1", "{\"type\":\"x\"}"), "an alarm without severity"},
        {UPDATE("ObjectVRouter:c1", ALARM("x", -1, 1, false)), "a severity that is none"},
        {UPDATE("ObjectVRouter:c1", ALARM("x", 256, 1, false)), "no byte"},
        {"[]", "no object"},
        {"null", "nothing"},
    };
    static const char *const lists[] = {
        "[]",
        "null",
        "{\"vrouter\":{}}",
        "{\"vrouter\":[{}]}",
        "{\"vrouter\":[{\"name\":\"c1\"}]}",
        VROUTERS(PLACE("c9", ALARM("x", 0, 1, false)) "," PLACE("c8", "{\"type\":\"x\"}")),
    };
    struct rig *rig = *state;
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 1, false)));
    tell(rig);
    for (size_t i = 0; i < ROWS(updates); i++) {
        struct nsh_error err = {0};
        if (parse_update(rig, updates[i].json, &err) != -NSH_PROTOCOL) {
            fail_msg("%s: %s", updates[i].why, err.text);
        }
    }
    for (size_t i = 0; i < ROWS(lists); i++) {
        contrail_list_begin(&rig->contrail);
        assert_int_equal(parse_list(rig, lists[i]), -NSH_PROTOCOL);
    }
    rig->now_ms += 60000;
    assert_string_equal(tell(rig), "");
    assert_int_equal(rig->contrail.alarms, 1);
    /* Other parts of an object are none of ours. */
    update(rig, "{\"key\":\"ObjectVRouter:c1\",\"type\":\"VrouterStatsAgent\",\"value\":null}");
    rig->now_ms += 60000;
    assert_string_equal(tell(rig), "");
}

static void test_over_a_restart(void **state)
{
    struct rig *rig = *state;
    struct contrail *contrail = &rig->contrail;
    assert_true(
        contrail_seed(contrail, "vrouter/c1", "contrail.node-status", "", "h1", SEVERITY_CRITICAL));
    assert_true(
        contrail_seed(contrail, "vrouter/c2", "contrail.node-status", "", "h2", SEVERITY_CRITICAL));
    assert_true(
        contrail_seed(contrail, "vrouter/c3", "contrail.node-status", "", "", SEVERITY_MAJOR));
    assert_true(contrail_seed(contrail, "psu", "power.supply.failed", "", "h3", SEVERITY_MAJOR));
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, false)) "," PLACE(
                  "c3", ALARM(NODE, 0, 7, false)) "," PLACE("c4", ALARM(NODE, 0, 7, false))));
    /* c1 is as it was told; c3 became worse; c4 is new; c2 ended. */
    assert_string_equal(tell(rig), "+vrouter/c3 contrail.node-status critical;"
                                   "+vrouter/c4 contrail.node-status critical;");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "-vrouter/c2 contrail.node-status;");
    /* From now on it is known when c1 was raised. */
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 8, false)) "," PLACE(
                  "c3", ALARM(NODE, 0, 7, false)) "," PLACE("c4", ALARM(NODE, 0, 7, false))));
    assert_string_equal(tell(rig), "+vrouter/c1 contrail.node-status critical;");
}

static struct event one_event(struct rig *rig, struct arena *arena)
{
    struct event event;
    struct contrail_alarm *alarm = contrail_next(&rig->contrail);
    assert_non_null(alarm);
    assert_true(contrail_event(&rig->contrail, alarm, rig->now_ms, arena, &event));
    contrail_back(&rig->contrail, alarm);
    return event;
}

static void data_is(const struct event *event, struct arena *arena, const char *json)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    struct pack_reader reader = {.at = (const uint8_t *)event->data.at, .count = event->data.count};
    struct nsh_value data;
    assert_int_equal(unpack_value(&reader, arena, &data, NULL), 0);
    json_write(&data, &text);
    assert_string_equal(text.at, json);
}

/* As the API of R3.1 and later shows it. */
static void test_an_alarm_of_today(void **state)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct rig *rig = *state;
    list(rig,
         "{\"vrouter\":[{\"name\":\"compute-7\",\"value\":{\"UVEAlarms\":{\"__T\":1457395052889182,"
         "\"alarms\":[{\"type\":\"" NODE
         "\",\"ack\":false,\"severity\":0,\"timestamp\":1457395052889182,"
         "\"token\":\"eyJ0\",\"description\":\"Node Failure. NodeStatus UVE not present.\","
         "\"alarm_rules\":{\"or_list\":[{\"and_list\":[{\"condition\":{\"operation\":\"==\","
         "\"operand1\":\"NodeStatus\",\"operand2\":{\"json_value\":\"null\"},\"variables\":[]},"
         "\"match\":[{\"json_operand1_value\":\"null\"}]}]}]}}]}}}]}");
    struct event event = one_event(rig, &arena);
    assert_int_equal(event.time_ms, 0); /* When it is told: it may be older than a clear. */
    assert_int_equal(event.severity, SEVERITY_CRITICAL);
    assert_true(text_is(event.source, "sdn"));
    assert_true(text_is(event.type, "contrail.node-status"));
    assert_true(text_is(event.subject, "compute-7"));
    assert_true(text_is(event.resource, "vrouter/compute-7"));
    assert_true(text_is(event.qualifier, ""));
    assert_true(text_is(event.name, NODE));
    assert_true(text_is(event.message, "Node Failure. NodeStatus UVE not present."));
    assert_true(text_is(event.hint, "host=compute-7,node=compute-7"));
    data_is(&event, &arena,
            "{\"table\":\"vrouter\",\"name\":\"compute-7\",\"alarm\":\"" NODE
            "\",\"raised_ms\":1457395052889,\"matches\":[{\"operand\":"
            "\"NodeStatus\",\"operation\":\"==\",\"against\":null,\"value\":null}]}");
}

/* As R3.0 said it, severities too. */
static void test_an_alarm_of_2016(void **state)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct rig *rig = *state;
    list(rig, "{\"analytics-node\":[{\"name\":\"nodec40\",\"value\":{\"UVEAlarms\":{\"alarms\":[{"
              "\"type\":"
              "\"ProcessStatus\",\"ack\":false,\"severity\":3,\"timestamp\":\"1457395052889182\","
              "\"token\":\"e\","
              "\"any_of\":[{\"all_of\":[{\"json_operand1_value\":\"\\\"PROCESS_STATE_STOPPED\\\"\","
              "\"rule\":{"
              "\"oper\":\"!=\",\"operand1\":{\"keys\":[\"NodeStatus\",\"process_info\",\"process_"
              "state\"]},"
              "\"operand2\":{\"json_value\":\"\\\"PROCESS_STATE_RUNNING\\\"\"}},\"json_vars\":{}}]}"
              "]}]}}}]}");
    struct event event = one_event(rig, &arena);
    assert_int_equal(event.severity, SEVERITY_MAJOR);
    assert_true(text_is(event.type, "contrail.process-status"));
    assert_true(text_is(event.message, "ProcessStatus"));
    data_is(
        &event, &arena,
        "{\"table\":\"analytics-node\",\"name\":\"nodec40\",\"alarm\":\"ProcessStatus\","
        "\"raised_ms\":1457395052889,\"matches\":[{"
        "\"operand\":\"NodeStatus.process_info.process_state\",\"operation\":\"!=\",\"against\":"
        "\"PROCESS_STATE_RUNNING\",\"value\":\"PROCESS_STATE_STOPPED\"}]}");
}

static void test_severities(void **state)
{
    static const struct {
        const char *alarm;
        enum severity severity;
    } rows[] = {
        {"{\"type\":\"a\",\"severity\":0}", SEVERITY_CRITICAL},
        {"{\"type\":\"a\",\"severity\":1}", SEVERITY_MAJOR},
        {"{\"type\":\"a\",\"severity\":2}", SEVERITY_MINOR},
        {"{\"type\":\"a\",\"severity\":3}", SEVERITY_MAJOR}, /* None of these bytes today. */
        {"{\"type\":\"a\",\"severity\":4}", SEVERITY_WARNING},
        {"{\"type\":\"a\",\"severity\":2,\"any_of\":[]}", SEVERITY_CRITICAL},
        {"{\"type\":\"a\",\"severity\":3,\"any_of\":[]}", SEVERITY_MAJOR},
        {"{\"type\":\"a\",\"severity\":4,\"any_of\":[]}", SEVERITY_WARNING},
        {"{\"type\":\"a\",\"severity\":\"1\"}", SEVERITY_MAJOR},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct nsh_value value;
        struct contrail_item item;
        struct nsh_error err = {0};
        assert_int_equal(json_parse(rows[i].alarm, strlen(rows[i].alarm), &arena, &value, &err), 0);
        assert_int_equal(contrail_item(&value, "vrouter", "c1", &arena, &item, &err), 0);
        assert_int_equal(item.severity, rows[i].severity);
    }
}

static void test_types_and_hosts(void **state)
{
    static const char *const types[][3] = {
        {NODE, "contrail.node-status", ""},
        {"NodeStatus", "contrail.node-status", ""},
        {"default-global-system-config:my_rule", "contrail.my-rule",
         "default-global-system-config:my_rule"},
        {"default-domain:p1:my_rule", "contrail.my-rule", "default-domain:p1:my_rule"},
        {"default-domain:p2:", "contrail.unnamed", "default-domain:p2:"},
    };
    static const char *const keys[][2] = {
        {"ObjectVRouter:c1", "host=c1,node=c1"},
        {"ObjectConfigNode:c1.example.com", "host=c1.example.com,node=c1.example.com"},
        {"ObjectPRouter:leaf1", "host=leaf1,node=leaf1"},
        {"ObjectVMTable:7b7", "instance=7b7,uuid=7b7"},
        {"ObjectVNTable:d:p:n", ""},
        {"ObjectVRouter:c1,host=db1", ""}, /* No hint of somebody else's. */
        {"Whatever:c1", ""},
    };
    for (size_t i = 0; i < ROWS(types); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        const char *type, *qualifier;
        assert_true(contrail_type(types[i][0], &arena, &type, &qualifier));
        assert_string_equal(type, types[i][1]);
        assert_string_equal(qualifier, types[i][2]);
    }
    for (size_t i = 0; i < ROWS(keys); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct rig *rig = *state;
        char json[512];
        snprintf(json, sizeof json, UPDATE("%s", ALARM("x", 0, 1, false)), keys[i][0]);
        update(rig, json);
        struct event event = one_event(rig, &arena);
        assert_true(text_is(event.hint, keys[i][1]));
        contrail_done(&rig->contrail);
    }
}

/* ---- acknowledging ---- */

static bool asks(struct rig *rig, struct contrail_alarm **ret_alarm)
{
    *ret_alarm = contrail_ack_next(&rig->contrail, rig->now_ms);
    return *ret_alarm != NULL;
}

/* One is asked for, and this comes of it. */
static void asked(struct rig *rig, enum contrail_ack ack)
{
    struct contrail_alarm *alarm = NULL;
    assert_true(asks(rig, &alarm));
    contrail_ack_end(&rig->contrail, alarm, ack, 7, rig->now_ms);
}

static void test_acknowledged_once_after_the_commit(void **state)
{
    struct rig *rig = *state;
    struct contrail_alarm *alarm;
    rig->contrail.acknowledges = rig->hold = true;
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    tell(rig);
    assert_false(asks(rig, &alarm)); /* Not durable yet. */
    land(rig, true);
    assert_true(asks(rig, &alarm));
    assert_string_equal(alarm->token, "t7");
    struct contrail_alarm *sent = alarm;
    assert_false(asks(rig, &alarm)); /* While it is on its way. */
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    assert_false(asks(rig, &alarm));
    contrail_ack_end(&rig->contrail, sent, ACK_DONE, 7, 0);
    update(rig,
           UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false))); /* Said before it was done. */
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, false))));
    assert_false(asks(rig, &alarm));
    /* Raised anew, it is another alarm: after it was told. */
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 8, false)));
    assert_false(asks(rig, &alarm));
    tell(rig);
    land(rig, true);
    assert_true(asks(rig, &alarm));
    assert_string_equal(alarm->token, "t8");
    contrail_ack_end(&rig->contrail, alarm, ACK_DONE, 8, 0);
}

static void test_what_never_became_durable_is_not_acknowledged(void **state)
{
    struct rig *rig = *state;
    struct contrail_alarm *alarm;
    rig->contrail.acknowledges = rig->hold = true;
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    tell(rig);
    land(rig, false);
    assert_false(asks(rig, &alarm));
}

/* No memory over there, or a store that is full: what was not kept comes again. */
static void test_what_never_became_durable_is_told_again(void **state)
{
    struct rig *rig = *state;
    rig->hold = true;
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    tell(rig);
    land(rig, false);
    assert_string_equal(tell(rig), "+vrouter/c1 contrail.node-status critical;");
    land(rig, true);
    assert_string_equal(tell(rig), "");
    list(rig, "{}");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "-vrouter/c1 contrail.node-status;");
    land(rig, false);
    assert_string_equal(tell(rig), "-vrouter/c1 contrail.node-status;");
    land(rig, true);
    assert_int_equal(rig->contrail.alarms, 0);
    /* It went before the loss was known: a clear ends whatever the store has. */
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 8, false)));
    tell(rig);
    list(rig, "{}");
    land(rig, false);
    rig->now_ms += 5000;
    rig->hold = false;
    assert_string_equal(tell(rig), "-vrouter/c1 contrail.node-status;");
    assert_int_equal(rig->contrail.alarms, 0);
}

/* A severity that changed and came back before it could be told takes nothing from what is kept. */
static void test_a_flap_that_nobody_heard_of(void **state)
{
    struct rig *rig = *state;
    rig->contrail.acknowledges = rig->hold = true;
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    tell(rig);
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 1, 7, false)));
    land(rig, true);
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    assert_string_equal(tell(rig), "");
    asked(rig, ACK_WAITS);
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 1, 7, false)));
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    assert_string_equal(tell(rig), "");
    asked(rig, ACK_DONE);
}

static void test_who_does_not_want_it(void **state)
{
    struct rig *rig = *state;
    struct contrail_alarm *alarm;
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    tell(rig);
    assert_false(asks(rig, &alarm));
    rig->contrail.acknowledges = true; /* Somebody else did already. */
    update(rig, UPDATE("ObjectVRouter:c2", ALARM(NODE, 0, 7, true)));
    tell(rig);
    assert_false(asks(rig, &alarm));
}

/* It may have been done: only a list that was asked for afterwards says that it was not. */
static void test_unsure(void **state)
{
    struct rig *rig = *state;
    struct contrail_alarm *alarm;
    rig->contrail.acknowledges = true;
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, false))));
    tell(rig);
    assert_true(asks(rig, &alarm));
    contrail_list_begin(&rig->contrail);
    contrail_ack_end(&rig->contrail, alarm, ACK_UNSURE, 7, rig->now_ms);
    assert_int_equal(parse_list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, false)))), 0);
    assert_false(asks(rig, &alarm)); /* That one was asked for before. */
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    assert_false(asks(rig, &alarm));
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, false))));
    asked(rig, ACK_UNSURE);
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, true))));
    assert_false(asks(rig, &alarm)); /* It was done. */
}

static void test_refused_and_later(void **state)
{
    struct rig *rig = *state;
    struct contrail_alarm *alarm;
    rig->contrail.acknowledges = true;
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, false))));
    tell(rig);
    assert_true(asks(rig, &alarm));
    contrail_ack_end(&rig->contrail, alarm, ACK_WAITS, 7, rig->now_ms + 1000);
    assert_false(asks(rig, &alarm)); /* Not yet. */
    rig->now_ms += 1000;
    asked(rig, ACK_REFUSED);
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, false))));
    assert_false(asks(rig, &alarm)); /* The same token would be refused again. */
    list(rig, VROUTERS(PLACE("c1", "{\"type\":\"" NODE
                                   "\",\"severity\":0,\"timestamp\":7,\"token\":\"other\"}")));
    assert_true(asks(rig, &alarm));
    /* It goes while the request is on its way. */
    list(rig, "{}");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "-vrouter/c1 contrail.node-status;");
    contrail_ack_end(&rig->contrail, alarm, ACK_WAITS, 7, 0);
    assert_false(asks(rig, &alarm));
    assert_int_equal(rig->contrail.alarms, 0);
}

/* A crash after the commit and before the acknowledgement. */
/* Cleared, and raised anew, while the first one's answer is awaited: one request at a time. */
static void test_raised_anew_before_the_answer(void **state)
{
    struct rig *rig = *state;
    struct contrail_alarm *alarm, *other;
    rig->contrail.acknowledges = true;
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, false))));
    tell(rig);
    assert_true(asks(rig, &alarm));
    list(rig, "{}");
    rig->now_ms += 5000;
    assert_string_equal(tell(rig), "-vrouter/c1 contrail.node-status;");
    list(rig, VROUTERS(PLACE("c1", ALARM(NODE, 0, 8, false))));
    assert_string_equal(tell(rig), "+vrouter/c1 contrail.node-status critical;");
    assert_false(asks(rig, &other)); /* Not while one is on its way. */
    contrail_ack_end(&rig->contrail, alarm, ACK_DONE, 7, rig->now_ms);
    assert_true(asks(rig, &other)); /* What was done was done to the one before. */
    assert_ptr_equal(other, alarm);
    contrail_ack_end(&rig->contrail, other, ACK_DONE, 8, rig->now_ms);
    assert_false(asks(rig, &other));
}

static void test_acknowledged_after_a_restart(void **state)
{
    struct rig *rig = *state;
    struct contrail_alarm *alarm;
    rig->contrail.acknowledges = true;
    assert_true(contrail_seed(&rig->contrail, "vrouter/c1", "contrail.node-status", "", "",
                              SEVERITY_CRITICAL));
    assert_true(contrail_seed(&rig->contrail, "vrouter/c2", "contrail.node-status", "", "",
                              SEVERITY_CRITICAL));
    list(rig,
         VROUTERS(PLACE("c1", ALARM(NODE, 0, 7, false)) "," PLACE("c2", ALARM(NODE, 0, 7, true))));
    assert_string_equal(tell(rig), "");
    assert_true(asks(rig, &alarm));
    assert_string_equal(alarm->object->name, "c1");
    contrail_ack_end(&rig->contrail, alarm, ACK_DONE, 7, 0);
    assert_false(asks(rig, &alarm));
}

static void test_settings_outlive_what_is_known(void **state)
{
    struct rig *rig = *state;
    rig->contrail.acknowledges = true;
    update(rig, UPDATE("ObjectVRouter:c1", ALARM(NODE, 0, 7, false)));
    contrail_done(&rig->contrail);
    assert_int_equal(rig->contrail.alarms, 0);
    assert_int_equal(rig->contrail.settle_ms, 5000);
    assert_true(rig->contrail.acknowledges);
    assert_string_equal(tell(rig), "");
}

static void test_long_words_are_cut_when_they_come(void **state)
{
    struct rig *rig = *state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    textbuf_add_chars(&json,
                      "{\"key\":\"ObjectVRouter:c1\",\"type\":\"UVEAlarms\",\"value\":"
                      "{\"alarms\":[{\"type\":\"" NODE "\",\"severity\":0,\"description\":\"");
    for (int i = 0; i < 20000; i++) {
        textbuf_add_chars(&json, "\xc3\xa9");
    }
    textbuf_add_chars(&json, "\"}]}}");
    update(rig, json.at);
    const struct contrail_alarm *alarm = rig->contrail.queue.first;
    assert_int_equal(strlen(alarm->message), CONTRAIL_MESSAGE_BYTES_MAX);
    assert_int_equal(one_event(rig, &arena).message.count, CONTRAIL_MESSAGE_BYTES_MAX);
}

/* Rules of two projects with one name, at one time: neither is a repeat of the other. */
static void test_no_event_is_taken_for_another(void **state)
{
    struct rig *rig = *state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct event events[2];
    update(rig, UPDATE("ObjectVRouter:c1", ALARM("default-domain:red:hot", 0, 7, false) "," ALARM(
                                               "default-domain:blue:hot", 0, 7, false)));
    for (size_t i = 0; i < 2; i++) {
        struct contrail_alarm *alarm = contrail_next(&rig->contrail);
        assert_non_null(alarm);
        assert_true(contrail_event(&rig->contrail, alarm, rig->now_ms, &arena, &events[i]));
        contrail_told(&rig->contrail, alarm, true);
        contrail_landed(&rig->contrail, alarm, true, true);
    }
    assert_true(text_equal(events[0].type, events[1].type));
    assert_false(text_equal(events[0].qualifier, events[1].qualifier));
    assert_true(events[0].id.count == 0 || !text_equal(events[0].id, events[1].id));
}

static void test_bounds(void **state)
{
    struct rig *rig = *state;
    char json[512];
    CLEANUP(textbuf_donep) struct textbuf many = {0};
    textbuf_add_chars(
        &many, "{\"key\":\"ObjectVRouter:c0\",\"type\":\"UVEAlarms\",\"value\":{\"alarms\":[");
    for (int i = 0; i < CONTRAIL_ALARMS_MAX + 3; i++) {
        textbuf_addf(&many, "%s{\"type\":\"t%d\",\"severity\":0}", i == 0 ? "" : ",", i);
    }
    textbuf_add_chars(&many, "]}}");
    update(rig, many.at);
    assert_int_equal(rig->contrail.alarms, CONTRAIL_ALARMS_MAX);
    assert_int_equal(rig->contrail.left_out, 3);
    for (int i = 1; i < CONTRAIL_OBJECTS_MAX + 2; i++) {
        snprintf(json, sizeof json, UPDATE("ObjectVRouter:c%d", ALARM("x", 0, 1, false)), i);
        update(rig, json);
    }
    assert_int_equal(rig->contrail.objects.count, CONTRAIL_OBJECTS_MAX);
    assert_int_equal(rig->contrail.left_out, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_raised_changed_and_cleared),
        TEST(test_what_comes_back_was_never_gone),
        TEST(test_short_ones_are_told_both),
        TEST(test_a_list_tells_what_was_missed),
        TEST(test_the_stream_is_newer_than_a_list_under_way),
        TEST(test_tables_have_two_names),
        TEST(test_what_makes_no_sense_takes_nothing),
        TEST(test_over_a_restart),
        TEST(test_an_alarm_of_today),
        TEST(test_an_alarm_of_2016),
        TEST(test_severities),
        TEST(test_types_and_hosts),
        TEST(test_acknowledged_once_after_the_commit),
        TEST(test_what_never_became_durable_is_not_acknowledged),
        TEST(test_what_never_became_durable_is_told_again),
        TEST(test_a_flap_that_nobody_heard_of),
        TEST(test_who_does_not_want_it),
        TEST(test_unsure),
        TEST(test_refused_and_later),
        TEST(test_raised_anew_before_the_answer),
        TEST(test_acknowledged_after_a_restart),
        TEST(test_settings_outlive_what_is_known),
        TEST(test_long_words_are_cut_when_they_come),
        TEST(test_no_event_is_taken_for_another),
        TEST(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
