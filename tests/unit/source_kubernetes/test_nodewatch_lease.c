/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of nodes: who is told as stale, and when nobody may be: after a silence of the watch,
 * before it was watched. */

#include "nodewatch_rig.h"

#define STALE_S 25
#define STALE "kubernetes.node.lease-stale node="

static int set_up_leases(void **state)
{
    set_up(state);
    watch->lease_ms = STALE_S * 1000;
    nodewatch_leases_heard(watch, NOW_MS, true);
    return 0;
}

static const char *line(const char *type, const char *node, int second)
{
    char json[512], version[NODEWATCH_VERSION_BYTES_MAX];
    struct nsh_error err = {0};
    begin(second);
    snprintf(json, sizeof json,
             "{\"type\":\"%s\",\"object\":{\"kind\":\"Lease\",\"metadata\":{\"name\":\"%s\","
             "\"uid\":\"u-%s\",\"resourceVersion\":\"7\"},\"spec\":{\"renewTime\":"
             "\"2026-03-02T10:%02d:%02d.000000Z\"}}}",
             type, node, node, second / 60, second % 60);
    struct nsh_value value = parsed(json);
    assert_int_equal(nodewatch_line(watch, NODEWATCH_LEASES, &value, &out, version, &err),
                     NODEWATCH_TAKEN);
    return tell();
}

static const char *look(int second)
{
    begin(second);
    nodewatch_leases_look(watch, &out);
    return tell();
}

static void test_stale(void **state)
{
    assert_string_equal(line("ADDED", "n1", 0), "");
    assert_string_equal(line("ADDED", "n2", 0), "");
    assert_string_equal(line("MODIFIED", "n1", 10),
                        "clear " STALE "n1"); /* An alarm of before ends. */
    for (int second = 10; second <= 30; second += 10) {
        line("MODIFIED", "n2", second);
        assert_string_equal(look(second), "");
    }
    line("MODIFIED", "n2", 35);
    assert_string_equal(look(35), "raise " STALE "n1");
    assert_string_equal(out.items[0].message.at, "its kubelet has not renewed its lease for 25 s, "
                                                 "last at 2026-03-02T10:00:10.000000Z");
    assert_int_equal(out.items[0].severity, SEVERITY_MINOR);
    assert_string_equal(look(36), ""); /* Once. */
    assert_string_equal(line("MODIFIED", "n1", 40), "clear " STALE "n1");
    assert_string_equal(line("MODIFIED", "n1", 50), "");
}

/* Everybody at once is the watch's silence, not theirs; what was held up comes in pieces. */
static void test_silence(void **state)
{
    line("ADDED", "n1", 0);
    line("ADDED", "n2", 0);
    assert_string_equal(look(90), "");
    line("MODIFIED", "n2", 90);
    assert_string_equal(look(90), "");
    line("MODIFIED", "n2", 100);
    line("MODIFIED", "n2", 110);
    assert_string_equal(look(110), "");
    line("MODIFIED", "n2", 116); /* 26 s after the silence ended, and still not renewed. */
    assert_string_equal(look(116), "raise " STALE "n1");
}

static void test_watched_anew(void **state)
{
    line("ADDED", "n1", 0);
    for (int second = 0; second <= 20; second += 10) {
        line("MODIFIED", "n2", second);
    }
    nodewatch_leases_heard(watch, NOW_MS + 24000, true);
    line("MODIFIED", "n2", 30);
    assert_string_equal(look(30), "");
}

static void test_gone(void **state)
{
    line("ADDED", "n1", 0);
    for (int second = 0; second <= 30; second += 10) {
        line("MODIFIED", "n2", second);
    }
    assert_string_equal(look(30), "raise " STALE "n1");
    assert_string_equal(line("DELETED", "n1", 31), "clear " STALE "n1");
    assert_string_equal(line("DELETED", "n1", 32), "");
    begin(33);
    nodewatch_list_begin(watch, NODEWATCH_LEASES); /* A list without n2. */
    nodewatch_list_end(watch, NODEWATCH_LEASES, &out);
    assert_string_equal(tell(), "");
    assert_int_equal(watch->leases.count, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up_leases, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_stale),
        CASE(test_silence),
        CASE(test_watched_anew),
        CASE(test_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
