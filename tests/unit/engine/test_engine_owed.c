/* SPDX-License-Identifier: Apache-2.0 */
/* Words that did not arrive: the ladder goes on without them, and they are said until they do. */

#include "rig.h"

#define MEMORY "memory.uncorrectable"
#define DAY (24 * HOUR)

/* The host's BMC is gone, so its run ends with a page, and the pager is down. */
static struct rig *paging(void)
{
    struct rig *rig = rig_new(racks_of(1, 5), MEMORY_POLICY);
    rig_host(rig, "r1h01")->bmc = BMC_GONE;
    rig->pager_down = true;
    rig_raise(rig, "r1h01", MEMORY);
    return rig;
}

/* The newest record of a run that owes words; "": there was none. */
static const struct rig_record *owed_record(const struct rig *rig)
{
    const struct rig_record *found = NULL;
    for (size_t i = 0; i < rig->records_count; i++) {
        if (rig->records[i].kind == RECORD_RUN &&
            strstr(rig->records[i].body, "\"policy\":\"undelivered\"") != NULL) {
            found = &rig->records[i];
        }
    }
    return found;
}

static struct engine_counters counters_of(const struct rig *rig)
{
    struct engine_counters counters;
    engine_count(rig->engine, &counters);
    return counters;
}

static void test_said_until_heard(void **state)
{
    struct rig *rig = paging();
    rig_at(rig, 5 * S);
    char token[40];
    snprintf(token, sizeof token, "%s", rig->word_token);
    rig_at(rig, 20 * MIN);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "escalated"); /* It does not wait. */
    assert_non_null(owed_record(rig));
    assert_string_equal(owed_record(rig)->state, "running");
    assert_has(owed_record(rig)->body, "\"subject\":\"r1h01\"");
    assert_int_equal(counters_of(rig).words_owed, 1); /* Not once more for the built-in page. */
    rig_at(rig, 40 * HOUR);
    assert_int_equal(rig->pages, 0);
    rig->pager_down = false;
    rig_at(rig, 40 * HOUR + 11 * MIN);
    assert_int_equal(rig->pages, 1);
    assert_string_equal(rig->word_token, token); /* The same words. */
    assert_has(rig->page.at, "\"text\":\"r1h01: step cycle failed: power.cycle: unreachable\"");
    assert_string_equal(owed_record(rig)->state, "done");
    rig_at(rig, 60 * HOUR);
    assert_int_equal(rig->pages, 1); /* Once. */
    assert_int_equal(counters_of(rig).words_lost, 0);
    rig_free(rig);
}

/* While words are owed the host is free: its next trouble is acted upon. */
static void test_the_host_is_free(void **state)
{
    struct rig *rig = paging();
    rig_at(rig, 20 * MIN);
    rig_clear(rig, "r1h01", MEMORY);
    rig_host(rig, "r1h01")->bmc = BMC_WELL;
    rig_at(rig, 21 * MIN);
    rig_raise(rig, "r1h01", MEMORY);
    rig_at(rig, 30 * MIN);
    assert_int_equal(rig_host(rig, "r1h01")->offs, 1);
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "done");
    assert_string_equal(owed_record(rig)->state, "running");
    rig_free(rig);
}

/* Killed at any moment, started again at any distance: the words arrive, by their token. */
static void test_over_restarts(void **state)
{
    static const int64_t kills[] = {5 * MIN, 6 * MIN, 20 * MIN, 10 * HOUR};
    static const int64_t downs[] = {1 * S, 30 * MIN, 20 * HOUR};
    for (size_t k = 0; k < sizeof kills / sizeof kills[0]; k++) {
        for (size_t d = 0; d < sizeof downs / sizeof downs[0]; d++) {
            struct rig *rig = paging();
            rig_at(rig, 5 * S);
            char token[40];
            snprintf(token, sizeof token, "%s", rig->word_token);
            rig_at(rig, kills[k]);
            rig_kill(rig);
            rig_start(rig, kills[k] + downs[d]);
            rig_at(rig, kills[k] + downs[d] + HOUR);
            assert_int_equal(rig->pages, 0);
            rig_kill(rig); /* And once more, while it is owed for sure. */
            rig_start(rig, kills[k] + downs[d] + 2 * HOUR);
            rig->pager_down = false;
            rig_at(rig, kills[k] + downs[d] + 3 * HOUR);
            assert_int_equal(rig->pages, 1);
            assert_string_equal(rig->word_token, token);
            assert_string_equal(owed_record(rig)->state, "done");
            rig_free(rig);
        }
    }
}

static void test_too_old(void **state)
{
    struct rig *rig = paging();
    rig_at(rig, 4 * DAY);
    assert_string_equal(owed_record(rig)->state, "expired");
    assert_has(owed_record(rig)->body, "page did not arrive: unreachable");
    assert_int_equal(counters_of(rig).words_lost, 1); /* Loud: it is counted. */
    assert_in_range(rig->words, 400, 500);            /* Every ten minutes. */
    rig->pager_down = false;
    rig_at(rig, 5 * DAY);
    assert_int_equal(rig->pages, 0);
    rig_free(rig);
}

static void test_cancelled(void **state)
{
    struct rig *rig = paging();
    rig_at(rig, 20 * MIN);
    char json[80];
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"reason\":\"we know\"}", owed_record(rig)->id);
    assert_int_equal(rig_command(rig, "run.cancel", json), 0);
    assert_string_equal(owed_record(rig)->state, "cancelled");
    rig->pager_down = false;
    rig_at(rig, 2 * HOUR);
    assert_int_equal(rig->pages, 0);
    rig_free(rig);
}

/* A setting that is wrong stays so: nothing is owed, and the run says why. */
static void test_hopeless(void **state)
{
    struct rig *rig = paging();
    rig->pager_code = NSH_INVALID;
    rig_at(rig, HOUR);
    assert_null(owed_record(rig));
    assert_string_equal(rig_state(rig, RECORD_RUN, "r1h01"), "escalated");
    rig_free(rig);
}

/* A receiver that says when to come back is left alone until then. */
static void test_retry_after(void **state)
{
    struct rig *rig = paging();
    rig->pager_code = NSH_BUSY;
    rig->pager_after_ms = 50 * MIN;
    rig_at(rig, 49 * MIN);
    assert_int_equal(rig->words, 1);
    rig_at(rig, 51 * MIN);
    assert_int_equal(rig->words, 2);
    rig_free(rig);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_said_until_heard), cmocka_unit_test(test_the_host_is_free),
        cmocka_unit_test(test_over_restarts),    cmocka_unit_test(test_too_old),
        cmocka_unit_test(test_cancelled),        cmocka_unit_test(test_hopeless),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
