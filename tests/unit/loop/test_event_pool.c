/* SPDX-License-Identifier: Apache-2.0 */
/* What waits of traps and syslog: urgent first, the same alarm in order, the lowest dropped. */

#include "../unit.h"

#include "loop/event_pool.h"

#include <stdio.h>
#include <stdlib.h>

static struct event_pool pool;
static uint8_t out[POOL_BYTES];

static uint32_t join(uint32_t first, uint32_t second)
{
    return first > second ? first : second; /* Enough to see that none is forgotten. */
}

static bool put(const char *id, enum severity severity, const char *resource, bool lagging)
{
    const struct event event = {.severity = severity,
                                .id = text_of(id),
                                .source = TEXT("trap/127.0.0.1"),
                                .type = TEXT("a.b"),
                                .resource = text_of(resource)};
    return pool_put(&pool, &(struct pool_add){.event = &event, .lagging = lagging}, join);
}

/* The ids of what is taken into so much room. */
static const char *take(size_t room)
{
    static char ids[512];
    uint32_t events = 0, waiters = 0;
    size_t count = pool_take(&pool, out, room, &events, &waiters, join), at = 0;
    ids[0] = '\0';
    while (at < count) {
        struct event event;
        at += (size_t)event_unpack(out + at, count - at, &event, NULL);
        size_t used = strlen(ids);
        snprintf(ids + used, sizeof ids - used, "%s%.*s", used == 0 ? "" : " ", (int)event.id.count,
                 event.id.at);
        events--;
    }
    assert_int_equal(events, 0);
    return ids;
}

static int fresh(void **state)
{
    return pool_init(&pool, NULL);
}

static int gone(void **state)
{
    pool_done(&pool);
    return 0;
}

static void urgent_goes_first(void **state)
{
    put("i1", SEVERITY_INFO, "r1", false);
    put("m1", SEVERITY_MAJOR, "r2", false);
    put("w1", SEVERITY_WARNING, "r3", false);
    put("c1", SEVERITY_CRITICAL, "r4", false);
    put("f1", SEVERITY_FATAL, "r5", false);
    assert_true(pool_is_urgent(&pool));
    assert_string_equal(take(sizeof out), "c1 f1 m1 i1 w1");
    assert_int_equal(pool.alive_count, 0);
    assert_int_equal(pool.used, 0);
}

/* clear (info), then raise (critical) of one alarm: the other way round it would end cleared. */
static void one_alarm_stays_in_order(void **state)
{
    put("other", SEVERITY_INFO, "fan/1", false);
    put("clear-a", SEVERITY_INFO, "fan/2", false);
    put("clear-b", SEVERITY_MINOR, "fan/2", false);
    put("raise", SEVERITY_CRITICAL, "fan/2", false);
    put("after", SEVERITY_INFO, "fan/2", false);
    assert_string_equal(take(sizeof out), "clear-a clear-b raise other after");
}

static void what_does_not_fit_stays(void **state)
{
    put("i1", SEVERITY_INFO, "r1", false);
    put("c1", SEVERITY_CRITICAL, "r2", false);
    size_t one = pool.alive_bytes / 2;
    assert_string_equal(take(one), "c1");
    assert_false(pool_is_urgent(&pool));
    assert_string_equal(take(one), "i1");
    assert_string_equal(take(one), "");
}

static uint64_t sum(void)
{
    uint64_t all = pool.counts.duplicate + pool.counts.coalesced;
    for (unsigned i = 0; i < SEVERITIES_COUNT; i++) {
        all += pool.counts.dropped[i];
    }
    return all;
}

/* A storm of other alarms each: what is put is there, folded or dropped, to the last one. */
static void the_lowest_are_dropped_and_all_are_counted(void **state)
{
    char resource[32];
    unsigned critical = 0;
    for (unsigned i = 0; i < 4 * POOL_ENTRIES; i++) {
        snprintf(resource, sizeof resource, "r/%u", i);
        enum severity severity = i % 64 == 63 ? SEVERITY_CRITICAL
                                 : i % 2 == 1 ? SEVERITY_MINOR
                                              : SEVERITY_INFO;
        critical += severity == SEVERITY_CRITICAL;
        put("x", severity, resource, true);
    }
    assert_int_equal(pool.alive_count + sum(), 4 * POOL_ENTRIES);
    assert_int_equal(pool.counts.dropped[SEVERITY_CRITICAL], 0);
    assert_int_equal(pool.by_worth[SEVERITY_CRITICAL], critical);
    assert_true(pool.counts.dropped[SEVERITY_INFO] > pool.counts.dropped[SEVERITY_MINOR]);
    assert_true(pool.counts.dropped[SEVERITY_MINOR] > 0);
    assert_true(pool.used <= POOL_BYTES);
}

static bool put_clear(unsigned number)
{
    char resource[32];
    snprintf(resource, sizeof resource, "c/%u", number);
    const struct event clear = {.state = EVENT_CLEAR,
                                .severity = SEVERITY_INFO,
                                .source = TEXT("trap/127.0.0.1"),
                                .type = TEXT("a.b"),
                                .resource = text_of(resource)};
    return pool_put(&pool, &(struct pool_add){.event = &clear, .lagging = true}, join);
}

/* Nobody sends a clear again: what has less to say goes first. */
static void clears_are_no_noise(void **state)
{
    char resource[32];
    for (unsigned i = 0; i < 4 * POOL_ENTRIES; i++) {
        snprintf(resource, sizeof resource, "r/%u", i);
        if (i % 64 == 0) {
            put_clear(i);
        } else {
            put("x", SEVERITY_WARNING, resource, true);
        }
    }
    assert_int_equal(pool.alive_count + sum(), 4 * POOL_ENTRIES);
    assert_int_equal(pool.counts.dropped[SEVERITY_INFO], 0);
    assert_true(pool.counts.dropped[SEVERITY_WARNING] > 0);
}

/* Clears alone fill the pool and no more, and what is critical still finds room. */
static void a_storm_of_clears_is_bounded(void **state)
{
    for (unsigned i = 0; i < 2 * POOL_ENTRIES; i++) {
        assert_int_equal(put_clear(i), i < POOL_ENTRIES);
    }
    assert_int_equal(pool.counts.dropped[SEVERITY_INFO], POOL_ENTRIES);
    assert_true(put("x", SEVERITY_CRITICAL, "one", true));
    assert_true(pool.counts.dropped[SEVERITY_INFO] > POOL_ENTRIES);
    assert_int_equal(pool.alive_count + sum(), 2 * POOL_ENTRIES + 1);
}

/* Among critical ones to the last place, a single lesser one still gives its own. */
static void the_last_lesser_one_makes_room(void **state)
{
    char resource[32];
    for (unsigned i = 0; i < POOL_ENTRIES; i++) {
        snprintf(resource, sizeof resource, "r/%u", i);
        put("x", i == 100 ? SEVERITY_INFO : SEVERITY_CRITICAL, resource, true);
    }
    assert_true(put("y", SEVERITY_CRITICAL, "one more", true));
    assert_int_equal(pool.counts.dropped[SEVERITY_INFO], 1);
    assert_false(put("y", SEVERITY_CRITICAL, "too many", true));
    assert_int_equal(pool.alive_count, POOL_ENTRIES);
}

/* Repeated messages of one alarm are folded, but a critical one never replaces another. */
static void critical_ones_are_not_folded(void **state)
{
    char resource[32];
    for (unsigned i = 0; i < POOL_ENTRIES * 3 / 4; i++) {
        snprintf(resource, sizeof resource, "r/%u", i);
        put("x", SEVERITY_INFO, resource, true);
    }
    for (unsigned i = 0; i < 100; i++) {
        put("c", SEVERITY_CRITICAL, "one", true);
        put("m", SEVERITY_MINOR, "flapping", true);
    }
    assert_int_equal(pool.by_worth[SEVERITY_CRITICAL], 100);
    assert_int_equal(pool.by_worth[SEVERITY_MINOR], 1);
    assert_int_equal(pool.counts.coalesced, 99);
}

/* Fifty hosts behind one relay say the same: each is an alarm of its own, and all of them stay. */
static void hosts_behind_a_relay_are_not_folded(void **state)
{
    char text[32];
    for (unsigned i = 0; i < POOL_ENTRIES * 3 / 4; i++) {
        snprintf(text, sizeof text, "r/%u", i);
        put("x", SEVERITY_INFO, text, true);
    }
    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "host=h%u,addr=10.0.0.1", i % 50);
        const struct event event = {.severity = SEVERITY_MAJOR,
                                    .source = TEXT("syslog/10.0.0.1"),
                                    .type = TEXT("power.lost"),
                                    .hint = text_of(text)};
        pool_put(&pool, &(struct pool_add){.event = &event, .lagging = true}, join);
    }
    assert_int_equal(pool.by_worth[SEVERITY_MAJOR], 50);
    assert_int_equal(pool.counts.coalesced, 50);
}

static void nothing_less_severe_nothing_evicted(void **state)
{
    char resource[32];
    bool taken = true;
    unsigned count = 0;
    for (; taken; count++) {
        snprintf(resource, sizeof resource, "r/%u", count);
        taken = put("x", SEVERITY_FATAL, resource, true);
    }
    assert_int_equal(count - 1, POOL_ENTRIES);
    assert_int_equal(pool.counts.dropped[SEVERITY_FATAL], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(urgent_goes_first, fresh, gone),
        cmocka_unit_test_setup_teardown(one_alarm_stays_in_order, fresh, gone),
        cmocka_unit_test_setup_teardown(what_does_not_fit_stays, fresh, gone),
        cmocka_unit_test_setup_teardown(the_lowest_are_dropped_and_all_are_counted, fresh, gone),
        cmocka_unit_test_setup_teardown(clears_are_no_noise, fresh, gone),
        cmocka_unit_test_setup_teardown(a_storm_of_clears_is_bounded, fresh, gone),
        cmocka_unit_test_setup_teardown(the_last_lesser_one_makes_room, fresh, gone),
        cmocka_unit_test_setup_teardown(critical_ones_are_not_folded, fresh, gone),
        cmocka_unit_test_setup_teardown(hosts_behind_a_relay_are_not_folded, fresh, gone),
        cmocka_unit_test_setup_teardown(nothing_less_severe_nothing_evicted, fresh, gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
