/* SPDX-License-Identifier: Apache-2.0 */
/* What Kubernetes objects are read as: which pods a drain may take, taints, leases, watches. */

#include "../unit.h"

#include "kubernetes_codec.h"

#include <stdio.h>
#include <string.h>

static struct nsh_value json(struct nsh_pool *pool, const char *text)
{
    struct nsh_value value;
    struct nsh_error err = {0};
    if (nsh_json_read(pool, text, strlen(text), &value, &err) < 0) {
        fail_msg("%s: %s", err.text, text);
    }
    return value;
}

#define OWNER(kind, version)                                                                       \
    "\"ownerReferences\":[{\"apiVersion\":\"" version "\",\"kind\":\"" kind                        \
    "\",\"name\":\"x\",\"controller\":true}],"
#define EMPTY "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]"

static void test_which_pods_leave(void **state)
{
    static const struct {
        const char *metadata, *spec, *phase;
        enum kube_pod_class class;
        const char *why;
    } rows[] = {
        {OWNER("ReplicaSet", "apps/v1"), "", "Running", KUBE_POD_LEAVES, "another is made"},
        {"", "", "Running", KUBE_POD_UNMANAGED, "nobody makes another"},
        {"", "", "Succeeded", KUBE_POD_LEAVES, "it has finished"},
        {"", EMPTY, "Failed", KUBE_POD_LEAVES, "its data is of no use any more"},
        {OWNER("ReplicaSet", "apps/v1"), EMPTY, "Running", KUBE_POD_LOCAL, "its data is lost"},
        {OWNER("DaemonSet", "apps/v1"), "", "Running", KUBE_POD_DAEMON, "it would come back"},
        {OWNER("DaemonSet", "apps/v1"), EMPTY, "Running", KUBE_POD_DAEMON, "it stays, data too"},
        {OWNER("DaemonSet", "example.com/v1"), "", "Running", KUBE_POD_LEAVES, "another's set"},
        {"\"ownerReferences\":[{\"kind\":\"Job\",\"name\":\"x\"}],", "", "Running",
         KUBE_POD_UNMANAGED, "an owner that does not control"},
        {"\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"},", "", "Running", KUBE_POD_STAYS,
         "the node's own"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_pool pool = {0};
        char text[512];
        snprintf(text, sizeof text,
                 "{\"metadata\":{%s\"name\":\"p\",\"namespace\":\"s\",\"uid\":\"u\"},"
                 "\"spec\":{%s},\"status\":{\"phase\":\"%s\"}}",
                 rows[i].metadata, rows[i].spec, rows[i].phase);
        struct nsh_value object = json(&pool, text);
        const struct kube_pod *pod = kube_pod_read(&pool, &object);
        assert_non_null(pod);
        if (pod->class != rows[i].class) {
            fail_msg("class %d, wanted %d: %s", pod->class, rows[i].class, rows[i].why);
        }
        nsh_pool_done(&pool);
    }
}

/* Names go into paths: one that would be another path is no name. */
static void test_names(void **state)
{
    static const struct {
        const char *name;
        bool good;
    } rows[] = {{"web-1", true}, {"r1h01.example", true}, {"", false},      {"../x", false},
                {"a..b", false}, {"a/b", false},          {"A", false},     {"a?b", false},
                {"-a", false},   {".a", false},           {"a%2fb", false}, {"a b", false}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (kube_name_good(rows[i].name) != rows[i].good) {
            fail_msg("%s", rows[i].name);
        }
    }
}

static void test_taints_keep_the_others(void **state)
{
    struct nsh_pool pool = {0};
    struct kube_node node;
    const struct kube_taint taint = {"b", "", "NoSchedule"}, all = {"b", "", ""};
    struct nsh_value object = json(
        &pool, "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"7\"},\"spec\":{"
               "\"taints\":[{\"key\":\"a\",\"effect\":\"NoExecute\"},{\"key\":\"b\",\"effect\":"
               "\"NoExecute\"}]}}");
    assert_true(kube_node_read(&object, "n", &node));
    assert_false(kube_node_read(&object, "m", &node));
    assert_false(kube_taint_there(&node, &taint));
    assert_true(kube_taint_there(&node, &all));
    assert_string_equal(kube_taint_patch(&pool, &node, &taint, true, false),
                        "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"7\"},\"spec\":{"
                        "\"taints\":[{\"key\":\"a\","
                        "\"effect\":\"NoExecute\"},{\"key\":\"b\",\"effect\":\"NoExecute\"},{"
                        "\"key\":\"b\",\"value\":"
                        "\"\",\"effect\":\"NoSchedule\"}]}}");
    assert_string_equal(
        kube_taint_patch(&pool, &node, &all, false, true),
        "{\"metadata\":{\"uid\":\"u\",\"resourceVersion\":\"7\"},\"spec\":{\"taints\":"
        "[{\"key\":\"a\",\"effect\":\"NoExecute\"}],\"unschedulable\":null}}");
    nsh_pool_done(&pool);
}

struct lines_heard {
    char text[256];
    unsigned most;
};

static bool line_heard(void *arg, const char *line, size_t line_bytes)
{
    struct lines_heard *heard = arg;
    strncat(heard->text, line, line_bytes);
    strcat(heard->text, ";");
    return --heard->most > 0;
}

static void test_lines_break_anywhere(void **state)
{
    static const char bytes[] = "{one}\n\n{two}\n{three";
    for (size_t cut = 0; cut < sizeof bytes - 1; cut++) {
        struct kube_lines lines = {0};
        struct lines_heard heard = {.most = 9};
        assert_int_equal(kube_lines_feed(&lines, bytes, cut, line_heard, &heard), 0);
        assert_int_equal(
            kube_lines_feed(&lines, bytes + cut, sizeof bytes - 1 - cut, line_heard, &heard), 0);
        assert_string_equal(heard.text, "{one};{two};");
        kube_lines_done(&lines);
    }
    struct kube_lines lines = {0};
    struct lines_heard heard = {.most = 1};
    assert_int_equal(kube_lines_feed(&lines, bytes, sizeof bytes - 1, line_heard, &heard), 1);
    assert_string_equal(heard.text, "{one};");
    kube_lines_done(&lines);
}

static void test_events(void **state)
{
    static const struct {
        const char *line;
        int result;
        enum kube_event_type type;
        const char *why;
    } rows[] = {
        {"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}", 0,
         KUBE_BOOKMARK, "a version to go on from"},
        {"{\"type\":\"ERROR\",\"object\":{\"code\":410}}", 0, KUBE_EXPIRED, "read the list anew"},
        {"{\"type\":\"ERROR\",\"object\":{\"code\":500}}", 0, KUBE_ERROR, "an error like any"},
        {"{\"type\":\"ADDED\"}", -NSH_PROTOCOL, 0, "an event without an object"},
        {"{\"type\":\"GREETED\",\"object\":{}}", -NSH_PROTOCOL, 0, "no type that there is"},
        {"{\"type\":", -NSH_PROTOCOL, 0, "half a line"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_pool pool = {0};
        struct kube_event event = {0};
        int result = kube_event_read(&pool, rows[i].line, strlen(rows[i].line), &event, NULL);
        if (result != rows[i].result || event.type != rows[i].type) {
            fail_msg("result %d, type %d: %s", result, event.type, rows[i].why);
        }
        nsh_pool_done(&pool);
    }
}

static void test_figures(void **state)
{
    struct nsh_pool pool = {0};
    struct nsh_value lease =
        json(&pool, "{\"spec\":{\"renewTime\":\"2026-03-02T10:00:00.250000Z\"},\"minor\":\"28+\"}");
    assert_int_equal(kube_lease_renewed_ms(&lease), 1772445600250);
    assert_int_equal(kube_minor(&lease), 28);
    struct nsh_value nothing = nsh_null();
    assert_int_equal(kube_lease_renewed_ms(&nothing), 0);
    assert_int_equal(kube_minor(&nothing), 0);
    nsh_pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_pods_leave),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_taints_keep_the_others),
        cmocka_unit_test(test_lines_break_anywhere),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
