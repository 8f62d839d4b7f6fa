/* SPDX-License-Identifier: Apache-2.0 */
/* When a host is silent, when it is we who are cut off, and what is told, also again. */

#include "../unit.h"

#include "source/probe/probe.h"

enum { HOSTS = 6 };

static struct probe_target targets[HOSTS];

static struct probe_group group_of(uint32_t count)
{
    memset(targets, 0, sizeof targets);
    return (struct probe_group){.targets = targets, .count = count, .fails = 3, .recovers = 2};
}

static void results(struct probe_group *group, uint32_t index, const char *outcomes)
{
    for (; *outcomes != 0; outcomes++) {
        probe_result(group, index, *outcomes == '.' ? NULL : "timed out", *outcomes == 'r');
    }
}

static void tell(struct probe_group *group, uint32_t index, bool durable)
{
    enum probe_say say = probe_wants(group, index);
    assert_int_not_equal(say, PROBE_SAY_NOTHING);
    targets[index].telling = true;
    assert_int_equal(probe_wants(group, index), PROBE_SAY_NOTHING); /* It is on its way. */
    probe_told(&targets[index].told, &targets[index].telling, say, durable);
}

/* '.' an answer, 'x' none, 'r' a refusal; what is to be told after it. */
static void test_one_host(void **state)
{
    static const struct {
        const char *outcomes;
        enum probe_say say;
        const char *why;
    } rows[] = {
        {"", PROBE_SAY_NOTHING, "nothing is known at the start"},
        {".", PROBE_SAY_NOTHING, "one answer decides nothing"},
        {"..", PROBE_SAY_CLEAR, "an alarm of before the start ends"},
        {"xx", PROBE_SAY_NOTHING, "two failures are few"},
        {"xxx", PROBE_SAY_RAISE, "three are enough"},
        {"xx.xx", PROBE_SAY_NOTHING, "in a row"},
        {"xxx.", PROBE_SAY_RAISE, "one answer does not end it"},
        {"xxx.x.", PROBE_SAY_RAISE, "nor do two that are not in a row"},
        {"xxx..", PROBE_SAY_CLEAR, "two in a row do"},
        {"..xxx", PROBE_SAY_RAISE, "from well to silent"},
        {"rrr", PROBE_SAY_RAISE, "a refusal is no answer"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct probe_group group = group_of(1);
        results(&group, 0, rows[i].outcomes);
        if (probe_wants(&group, 0) != rows[i].say) {
            fail_msg("%s: %s", rows[i].outcomes, rows[i].why);
        }
    }
}

static void test_told_once_and_again(void **state)
{
    struct probe_group group = group_of(1);
    results(&group, 0, "xxx");
    tell(&group, 0, false); /* The store did not keep it. */
    results(&group, 0, "x");
    tell(&group, 0, true);
    results(&group, 0, "xxxx");
    assert_int_equal(probe_wants(&group, 0), PROBE_SAY_NOTHING);
    assert_string_equal(targets[0].why, "timed out");
    results(&group, 0, "..");
    tell(&group, 0, true);
    assert_int_equal(targets[0].told, PROBE_TOLD_WELL);
    results(&group, 0, "....");
    assert_int_equal(probe_wants(&group, 0), PROBE_SAY_NOTHING);
}

static void test_cut_off(void **state)
{
    struct probe_group group = group_of(HOSTS);
    for (uint32_t i = 0; i < HOSTS; i++) {
        results(&group, i, "..");
        tell(&group, i, true);
    }
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_NOTHING);
    /* Half of them may be a rack: they are told. */
    for (uint32_t i = 0; i < HOSTS / 2; i++) {
        results(&group, i, "xxx");
    }
    assert_false(group.isolated);
    assert_int_equal(probe_wants(&group, 0), PROBE_SAY_RAISE);
    /* One more that fails only once, and nobody is. */
    results(&group, HOSTS / 2, "x");
    assert_int_equal(probe_wants(&group, 0), PROBE_SAY_NOTHING);
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_RAISE);
    probe_told(&group.told, &group.telling, PROBE_SAY_RAISE, true);
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_NOTHING);
    /* Over: the isolation is taken back, who is still silent is told. */
    results(&group, HOSTS / 2, ".");
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_CLEAR);
    tell(&group, 0, true);
    assert_int_equal(targets[0].told, PROBE_TOLD_SILENT);
    /* Who answers is told also while we are cut off. */
    results(&group, HOSTS / 2, "x");
    results(&group, 0, "..");
    results(&group, HOSTS / 2 + 1, "x");
    assert_true(group.isolated);
    assert_int_equal(probe_wants(&group, 0), PROBE_SAY_CLEAR);
}

/* Other targets at a reload: who of them is suspect counts, not who was before. */
static void test_other_targets(void **state)
{
    struct probe_group group = group_of(HOSTS);
    for (uint32_t i = 0; i < HOSTS; i++) {
        results(&group, i, i < HOSTS / 2 + 1 ? "x" : ".");
    }
    assert_true(group.isolated);
    group.count = HOSTS - 2; /* Two who answer left: still most are silent. */
    probe_group_look(&group);
    assert_true(group.isolated);
    assert_int_equal(group.suspects, HOSTS - 2);
    assert_int_equal(group.seen, HOSTS - 2);
    targets[0].suspect = targets[1].suspect = false; /* Others are in their places. */
    probe_group_look(&group);
    assert_false(group.isolated);
    targets[0].suspect = true;
    group.count = 3; /* Few say nothing about the network. */
    probe_group_look(&group);
    assert_false(group.isolated);
}

/* It was said before the start: taken back, but not before all were looked at once. */
static void test_isolated_before(void **state)
{
    struct probe_group group = group_of(HOSTS);
    probe_group_isolated_before(&group, true);
    assert_true(group.isolated);
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_NOTHING); /* It stands. */
    for (uint32_t i = 0; i < HOSTS; i++) {
        assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_NOTHING);
        results(&group, i, i == 0 ? "xxx" : ".");
        results(&group, 0, "x"); /* Again: that is one host. */
    }
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_CLEAR);
    assert_int_equal(probe_wants(&group, 0), PROBE_SAY_RAISE);

    group = group_of(HOSTS);
    probe_group_isolated_before(&group, true);
    for (uint32_t i = 0; i < HOSTS; i++) {
        results(&group, i, "xxx");
        assert_int_equal(probe_wants(&group, i), PROBE_SAY_NOTHING); /* It may be us. */
    }
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_NOTHING); /* And it is. */

    group = group_of(HOSTS);
    probe_group_isolated_before(&group, false); /* Nobody says when: at once. */
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_CLEAR);

    group = group_of(0); /* Nobody is left to look at. */
    probe_group_isolated_before(&group, true);
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_CLEAR);

    group = group_of(HOSTS);
    group.told = PROBE_TOLD_WELL; /* What this start said counts more. */
    probe_group_isolated_before(&group, true);
    assert_false(group.isolated);
    group.told = PROBE_UNTOLD;
    group.telling = true; /* Also what it is saying. */
    probe_group_isolated_before(&group, true);
    assert_false(group.isolated);
}

static void test_refusals_are_no_silence(void **state)
{
    struct probe_group group = group_of(HOSTS);
    for (uint32_t i = 0; i < HOSTS; i++) {
        results(&group, i, "rrr");
        assert_int_equal(probe_wants(&group, i), PROBE_SAY_RAISE);
    }
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_NOTHING);
}

static void test_few_hosts_say_nothing_about_the_network(void **state)
{
    struct probe_group group = group_of(3);
    for (uint32_t i = 0; i < 3; i++) {
        results(&group, i, "xxx");
        assert_int_equal(probe_wants(&group, i), PROBE_SAY_RAISE);
    }
    assert_int_equal(probe_wants_isolation(&group), PROBE_SAY_NOTHING);
}

static void test_certificates(void **state)
{
    enum { DAY = 24 * 3600 * 1000 };
    static const struct {
        int64_t expires_ms, soon_ms;
        enum probe_told told;
        bool telling;
        enum probe_say say;
        const char *why;
    } rows[] = {
        {0, DAY, PROBE_UNTOLD, false, PROBE_SAY_NOTHING, "none was seen"},
        {5 * DAY, 0, PROBE_UNTOLD, false, PROBE_SAY_NOTHING, "nobody wants to know"},
        {5 * DAY, DAY, PROBE_UNTOLD, false, PROBE_SAY_CLEAR, "an alarm of before the start ends"},
        {5 * DAY, DAY, PROBE_TOLD_WELL, false, PROBE_SAY_NOTHING, "still far, and told"},
        {2 * DAY - 1, DAY, PROBE_TOLD_WELL, false, PROBE_SAY_RAISE, "a moment less than a day"},
        {2 * DAY, DAY, PROBE_TOLD_WELL, false, PROBE_SAY_NOTHING, "a day is not less than a day"},
        {DAY / 2, DAY, PROBE_UNTOLD, false, PROBE_SAY_RAISE, "it has ended"},
        {DAY / 2, DAY, PROBE_TOLD_SILENT, false, PROBE_SAY_NOTHING, "told once"},
        {DAY / 2, DAY, PROBE_UNTOLD, true, PROBE_SAY_NOTHING, "on its way"},
        {9 * DAY, DAY, PROBE_TOLD_SILENT, false, PROBE_SAY_CLEAR, "it was renewed"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct probe_target target = {.expires_ms = rows[i].expires_ms,
                                            .expiry_told = rows[i].told,
                                            .expiry_telling = rows[i].telling};
        if (probe_wants_expiry(&target, DAY, rows[i].soon_ms) != rows[i].say) {
            fail_msg("%s", rows[i].why);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_host),
        cmocka_unit_test(test_told_once_and_again),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_other_targets),
        cmocka_unit_test(test_isolated_before),
        cmocka_unit_test(test_refusals_are_no_silence),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_few_hosts_say_nothing_about_the_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
