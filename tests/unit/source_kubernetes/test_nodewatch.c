/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster's lists and watches become: conditions, pulses, a window that was missed, Events.
 */

#include "nodewatch_rig.h"

#include "source/map/source_map.h"

static enum nodewatch_result result;
static char version[NODEWATCH_VERSION_BYTES_MAX];

static const char *list(enum nodewatch_kind kind, const char *items)
{
    char json[8192];
    begin(0);
    snprintf(json, sizeof json, "{\"items\":[%s]}", items);
    struct nsh_value value = parsed(json);
    nodewatch_list_begin(watch, kind);
    nodewatch_list_page(watch, kind, &value, &out);
    nodewatch_list_end(watch, kind, &out);
    return tell();
}

static const char *line(enum nodewatch_kind kind, const char *type, const char *object)
{
    char json[8192];
    struct nsh_error err = {0};
    begin(0);
    snprintf(json, sizeof json, "{\"type\":\"%s\",\"object\":%s}", type, object);
    struct nsh_value value = parsed(json);
    result = nodewatch_line(watch, kind, &value, &out, version, &err);
    return tell();
}

#define NODE(name, uid, spec, conditions)                                                          \
    "{\"kind\":\"Node\",\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid                        \
    "\",\"resourceVersion\":\"7\"},\"spec\":{" spec "},\"status\":{\"conditions\":[" conditions    \
    "]}}"
#define IS(type, status, second)                                                                   \
    "{\"type\":\"" type "\",\"status\":\"" status                                                  \
    "\",\"lastTransitionTime\":\"2026-03-01T00:00:" second "Z\",\"reason\":\"R\"}"
#define N1(conditions) NODE("n1", "u1", "", conditions)
#define READY "kubernetes.node.not-ready node=n1"

/* One node, first as the list has it, then as the watch does: what the second look tells. */
static void test_conditions(void **state)
{
    static const struct {
        const char *before, *after, *first, *then, *why;
    } rows[] = {
        {IS("Ready", "True", "01"), IS("Ready", "True", "01"), "clear " READY, "",
         "at the start an alarm of before ends; a heartbeat is no news"},
        {IS("Ready", "True", "01"), IS("Ready", "False", "02"), "clear " READY, "raise " READY,
         "the kubelet says no"},
        {IS("Ready", "True", "01"), IS("Ready", "Unknown", "02"), "clear " READY, "raise " READY,
         "the kubelet is silent"},
        {IS("Ready", "False", "01"), IS("Ready", "Unknown", "02"), "raise " READY, "raise " READY,
         "the reason changed"},
        {IS("Ready", "False", "01"), IS("Ready", "True", "02"), "raise " READY, "clear " READY,
         "well again"},
        {IS("Ready", "False", "01"), IS("Ready", "True", "01"), "raise " READY, "clear " READY,
         "also within one second"},
        {IS("Ready", "False", "01"), IS("Ready", "False", "09"), "raise " READY, "raise " READY,
         "well in between, unseen: it happened once more"},
        {IS("Ready", "True", "01"), IS("Ready", "True", "09"), "clear " READY,
         "pulse kubernetes.node.flapped node=n1; clear " READY, "not ready in between, unseen"},
        {IS("MemoryPressure", "False", "01"), IS("MemoryPressure", "True", "02"),
         "clear kubernetes.node.memory-pressure node=n1",
         "raise kubernetes.node.memory-pressure node=n1", "the others are bad when True"},
        {IS("KernelDeadlock", "True", "01"), IS("KernelDeadlock", "Unknown", "02"),
         "raise kubernetes.node.kernel-deadlock node=n1", "",
         "a silent kubelet says nothing of the others"},
        {IS("DiskPressure", "Unknown", "01"), IS("DiskPressure", "False", "02"), "",
         "clear kubernetes.node.disk-pressure node=n1", "until they are known"},
        {IS("KernelDeadlock", "True", "01"), "", "raise kubernetes.node.kernel-deadlock node=n1",
         "clear kubernetes.node.kernel-deadlock node=n1",
         "a condition that nobody reports any more"},
        {IS("EtcdIsVoter", "True", "01"), IS("EtcdIsVoter", "False", "02"),
         "clear kubernetes.node.not-etcd-is-voter node=n1",
         "raise kubernetes.node.not-etcd-is-voter node=n1", "some are good when True"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char first[1024], then[1024];
        nodewatch_forget(watch);
        snprintf(first, sizeof first, N1("%s"), rows[i].before);
        snprintf(then, sizeof then, N1("%s"), rows[i].after);
        if (strcmp(list(NODEWATCH_NODES, first), rows[i].first) != 0) {
            fail_msg("%s: first %s", rows[i].why, told);
        }
        if (strcmp(line(NODEWATCH_NODES, "MODIFIED", then), rows[i].then) != 0) {
            fail_msg("%s: then %s", rows[i].why, told);
        }
    }
}

/* The id is the same after a restart, and another for every change. */
static void test_ids(void **state)
{
    char first[256];
    list(NODEWATCH_NODES, N1(IS("Ready", "False", "01")));
    snprintf(first, sizeof first, "%.*s", (int)out.items[0].id.count, out.items[0].id.at);
    assert_string_equal(first, "u1/Ready/False/1772323201000/0");
    assert_int_equal(out.items[0].time_ms, 1772323201000);
    nodewatch_forget(watch);
    list(NODEWATCH_NODES, N1(IS("Ready", "False", "01")));
    assert_true(text_is(out.items[0].id, first));
    line(NODEWATCH_NODES, "MODIFIED", N1(IS("Ready", "True", "01")));
    /* As it would be told after a restart, though it is the second of this second. */
    assert_true(text_is(out.items[0].id, "u1/Ready/True/1772323201000/0"));
    line(NODEWATCH_NODES, "MODIFIED", N1(IS("Ready", "False", "01")));
    assert_true(text_is(out.items[0].id, "u1/Ready/False/1772323201000/1"));
    line(NODEWATCH_NODES, "MODIFIED", N1(IS("Ready", "False", "02")));
    assert_true(text_is(out.items[0].id, "u1/Ready/False/1772323202000/0"));
    list(NODEWATCH_NODES, N1("{\"type\":\"Ready\",\"status\":\"True\"}"));
    assert_int_equal(out.items[0].id.count, 0); /* Without a time it is never a repeat. */
}

static void test_watched(void **state)
{
    const struct nsh_value words[] = {nsh_text("Ready"), nsh_text("*Pressure")};
    const struct nsh_value watched = nsh_list(words, 2);
    watch->watched = &watched;
    assert_string_equal(list(NODEWATCH_NODES, N1(IS("PIDPressure", "True",
                                                    "01") "," IS("KernelDeadlock", "True", "01"))),
                        "raise kubernetes.node.pid-pressure node=n1");
    assert_int_equal(out.items[0].severity, SEVERITY_MINOR);
}

#define GPU "\"taints\":[{\"key\":\"hw/gpu\",\"effect\":\"NoExecute\"}]"
#define CORDON                                                                                     \
    "\"unschedulable\":true,\"taints\":[{\"key\":\"node.kubernetes.io/unschedulable\","            \
    "\"effect\":\"NoSchedule\"}]"

static void test_pulses(void **state)
{
    assert_string_equal(list(NODEWATCH_NODES, NODE("n1", "u1", GPU, "")), "");
    assert_string_equal(line(NODEWATCH_NODES, "MODIFIED", NODE("n1", "u1", CORDON, "")),
                        "pulse kubernetes.node.cordoned node=n1; "
                        "pulse kubernetes.node.untainted node=n1");
    assert_true(text_is(out.items[1].resource, "hw/gpu=:NoExecute"));
    assert_string_equal(line(NODEWATCH_NODES, "ADDED", NODE("n2", "u2", "", "")),
                        "pulse kubernetes.node.added node=n2");
    assert_string_equal(line(NODEWATCH_NODES, "DELETED", NODE("n2", "u2", "", "")),
                        "pulse kubernetes.node.deleted node=n2");
    assert_string_equal(line(NODEWATCH_NODES, "DELETED", NODE("n2", "u2", "", "")), "");
}

/* A list after a window: who is gone, who is another of the same name, who changed. */
static void test_window(void **state)
{
    uint32_t nodes = 0, raised = 0;
    list(NODEWATCH_NODES,
         N1(IS("Ready", "False", "01")) "," NODE(
             "n2", "u2", "", IS("Ready", "True", "01")) "," NODE("n3", "u3", "", ""));
    nodewatch_count(watch, &nodes, &raised);
    assert_int_equal(nodes, 3);
    assert_int_equal(raised, 1);
    assert_string_equal(
        list(NODEWATCH_NODES, NODE("n2", "u2", "\"unschedulable\":true",
                                   IS("Ready", "False", "05")) "," NODE("n3", "u9", "", "")),
        "raise kubernetes.node.not-ready node=n2; pulse kubernetes.node.cordoned node=n2; "
        "pulse kubernetes.node.deleted node=n3; pulse kubernetes.node.added node=n3; "
        "clear kubernetes.node.not-ready node=n1; pulse kubernetes.node.deleted node=n1");
    assert_string_equal(list(NODEWATCH_NODES, ""), "clear kubernetes.node.not-ready node=n2; "
                                                   "pulse kubernetes.node.deleted node=n2; "
                                                   "pulse kubernetes.node.deleted node=n3");
    nodewatch_count(watch, &nodes, &raised);
    assert_int_equal(nodes, 0);
}

/* Alarms of before the start: who is in the first list speaks for itself, who is not is gone. */
static void test_stood_before(void **state)
{
    char name[32];
    assert_true(nodewatch_stood(watch, "n1", "kubernetes.node.not-ready"));
    assert_true(nodewatch_stood(watch, "n2", "kubernetes.node.not-ready"));
    assert_true(nodewatch_stood(watch, "n2", "kubernetes.node.lease-stale"));
    assert_string_equal(list(NODEWATCH_EVENTS, ""), ""); /* Says nothing of nodes. */
    assert_string_equal(list(NODEWATCH_NODES, N1(IS("Ready", "False", "01"))),
                        "raise " READY "; clear kubernetes.node.not-ready node=n2; "
                        "clear kubernetes.node.lease-stale node=n2");
    assert_string_equal(list(NODEWATCH_NODES, N1(IS("Ready", "False", "01"))), ""); /* Once. */
    /* What its node says no more; nor does who watches: leases are not. */
    assert_true(nodewatch_stood(watch, "n1", "kubernetes.node.not-ready"));
    assert_true(nodewatch_stood(watch, "n1", "kubernetes.node.kernel-deadlock"));
    assert_true(nodewatch_stood(watch, "n1", "kubernetes.node.lease-stale"));
    assert_string_equal(list(NODEWATCH_NODES, N1(IS("Ready", "False", "01"))),
                        "clear kubernetes.node.kernel-deadlock node=n1; "
                        "clear kubernetes.node.lease-stale node=n1");
    watch->lease_ms = 25000;
    assert_true(nodewatch_stood(watch, "n1", "kubernetes.node.lease-stale"));
    assert_string_equal(list(NODEWATCH_NODES, N1(IS("Ready", "False", "01"))), "");
    for (size_t i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "gone%zu", i);
        assert_true(nodewatch_stood(watch, name, "kubernetes.node.not-ready"));
    }
    list(NODEWATCH_NODES, N1(IS("Ready", "False", "01")));
    assert_int_equal(out.count, 40);
}

static void test_lines(void **state)
{
    static const struct {
        const char *type, *object;
        enum nodewatch_result result;
        const char *version, *why;
    } rows[] = {
        {"BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"12746\"}}", NODEWATCH_TAKEN, "12746",
         "where to go on"},
        {"ERROR", "{\"kind\":\"Status\",\"code\":410}", NODEWATCH_EXPIRED, "", "too old"},
        {"ERROR", "{\"kind\":\"Status\",\"code\":500}", NODEWATCH_FAILED, "", "something else"},
        {"MODIFIED", "{}", NODEWATCH_FAILED, "", "an object without a version"},
        {"MODIFIED", "7", NODEWATCH_FAILED, "", "no object"},
        {"WHATEVER", "{\"metadata\":{\"resourceVersion\":\"9\"}}", NODEWATCH_TAKEN, "9",
         "types to come are left"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        version[0] = '\0';
        line(NODEWATCH_NODES, rows[i].type, rows[i].object);
        if (result != rows[i].result || strcmp(version, rows[i].version) != 0 || out.count > 0) {
            fail_msg("%s: %d, version '%s', %s", rows[i].why, result, version, told);
        }
    }
}

#define EVENT(uid, kind, type, more)                                                               \
    "{\"kind\":\"Event\",\"metadata\":{\"uid\":\"" uid                                             \
    "\",\"resourceVersion\":\"8\"},\"involvedObject\":{\"kind\":\"" kind                           \
    "\",\"name\":\"n1\"},\"type\":\"" type "\",\"reason\":\"SystemOOM\"," more "}"
#define FRESH "\"lastTimestamp\":\"2026-03-02T09:59:00Z\""

static void test_events(void **state)
{
    static const struct {
        const char *object;
        bool told;
        const char *why;
    } rows[] = {
        {EVENT("a", "Node", "Warning", FRESH), true, "an Event of a node"},
        {EVENT("a", "Node", "Warning", FRESH), false, "known already"},
        {EVENT("a", "Node", "Warning", "\"count\":2," FRESH), true, "once more"},
        {EVENT("a", "Node", "Warning",
               "\"series\":{\"count\":3,\"lastObservedTime\":\"2026-03-02T09:59:30.000002Z\"}"),
         true, "as newer writers count"},
        {EVENT("b", "Node", "Normal", FRESH), false, "nothing is wrong"},
        {EVENT("c", "Pod", "Warning", FRESH), false, "not of a node"},
        {EVENT("d", "Node", "Warning", "\"lastTimestamp\":\"2026-03-02T09:40:00Z\""), false,
         "old: of before the start"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *got = line(NODEWATCH_EVENTS, "ADDED", rows[i].object);
        const char *wanted = rows[i].told ? "pulse kubernetes.event.system-oom node=n1" : "";
        if (strcmp(got, wanted) != 0) {
            fail_msg("%s: %s", rows[i].why, got);
        }
    }
    assert_string_equal(line(NODEWATCH_EVENTS, "DELETED", EVENT("e", "Node", "Warning", FRESH)),
                        "");
}

static void test_kebab(void **state)
{
    static const char *const rows[][2] = {
        {"MemoryPressure", "memory-pressure"},
        {"PIDPressure", "pid-pressure"},
        {"SystemOOM", "system-oom"},
        {"CorruptDockerOverlay2", "corrupt-docker-overlay2"},
        {"acme.io/GPULost", "acme-io-gpu-lost"},
        {"x", "x"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char word[64];
        source_kebab(rows[i][0], word, sizeof word);
        assert_string_equal(word, rows[i][1]);
    }
    char small[8];
    source_kebab("MemoryPressure", small, sizeof small);
    assert_true(strlen(small) < sizeof small);
}

/* Long texts are cut at a character, and too many conditions or nodes are bounded. */
static void test_bounds(void **state)
{
    static char json[300000];
    size_t used = (size_t)snprintf(
        json, sizeof json,
        "{\"metadata\":{\"name\":\"n1\",\"uid\":\"u\"},\"status\":{\"conditions\":["
        "{\"type\":\"Ready\",\"status\":\"False\",\"message\":\"");
    for (int i = 0; i < 2000; i++) {
        used += (size_t)snprintf(json + used, sizeof json - used, "\xc3\xa4");
    }
    used += (size_t)snprintf(json + used, sizeof json - used, "\"}");
    for (int i = 0; i < 200; i++) {
        used += (size_t)snprintf(json + used, sizeof json - used,
                                 ",{\"type\":\"C%d\",\"status\":\"True\"}", i);
    }
    snprintf(json + used, sizeof json - used, "]}}");
    begin(0);
    struct nsh_value node = parsed(json);
    const struct nsh_member items = {"items", nsh_list(&node, 1)};
    const struct nsh_value whole = nsh_map(&items, 1);
    nodewatch_list_page(watch, NODEWATCH_NODES, &whole, &out);
    assert_int_equal(out.count, NODEWATCH_CONDITIONS_MAX);
    assert_in_range(out.items[0].message.count, EVENT_TEXT_BYTES_MAX - 3, EVENT_TEXT_BYTES_MAX);
    assert_true(text_is_utf8(out.items[0].message.at, out.items[0].message.count));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_conditions), CASE(test_ids),    CASE(test_watched),      CASE(test_pulses),
        CASE(test_window),     CASE(test_lines),  CASE(test_stood_before), CASE(test_events),
        CASE(test_kebab),      CASE(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
