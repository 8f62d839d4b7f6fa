/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of signals beyond levels: peers, stuck values, silent hosts, and what goes beside them. */

#include "series_rig.h"

#include <math.h>

static void at(struct series_rig *rig, double minute)
{
    series_now(rig->table, NOW_MS + (int64_t)(minute * (double)MINUTE_MS));
}

#define FANS                                                                                       \
    "signals: ( { name = \"fan\"; metric = \"rpm\"; window = \"1m\"; peers = { group = "           \
    "\"labels.model\"; beyond = 5.0; at_least = 8; direction = \"down\"; min_change = 500.0; };"   \
    " clear = { for = \"2m\"; }; event = \"fan.slow\"; } );"

/* A minute of fans of two models; the last one of model a turns at `last`. */
static void fans(struct series_rig *rig, int count, int minute, double last)
{
    char labels[64];
    at(rig, minute);
    for (int i = 0; i < count; i++) {
        snprintf(labels, sizeof labels, "rpm host=a%d model=a", i);
        rig_put(rig, labels, minute, i == count - 1 ? last : 9000 + 10 * (i % 5));
        snprintf(labels, sizeof labels, "rpm host=b%d model=b", i);
        rig_put(rig, labels, minute, 3000 + 5 * (i % 4));
    }
}

static void test_peers(void **state)
{
    struct series_rig rig;
    rig_open(&rig, FANS);
    for (int minute = 0; minute < 5; minute++) {
        fans(&rig, 9, minute, 9010);
    }
    assert_string_equal(rig_told(&rig), "");
    for (int minute = 5; minute < 8; minute++) { /* Faster than all others: not asked for. */
        fans(&rig, 9, minute, 14000);
    }
    assert_string_equal(rig_told(&rig), "");
    for (int minute = 8; minute < 10; minute++) { /* Far in deviations, near in rpm. */
        fans(&rig, 9, minute, 8700);
    }
    assert_string_equal(rig_told(&rig), "");
    fans(&rig, 9, 10, 6000); /* The other model's are slower still, and usual. */
    fans(&rig, 9, 11, 6000);
    assert_string_equal(rig_told(&rig), "raise fan a8 model=a at 11");
    for (int minute = 12; minute < 16; minute++) {
        fans(&rig, 9, minute, 9000);
    }
    assert_string_equal(rig_told(&rig), "clear fan a8 model=a at 15");
    rig_close(&rig);
}

static void test_peers_too_few(void **state)
{
    struct series_rig rig;
    rig_open(&rig, FANS);
    for (int minute = 0; minute < 9; minute++) {
        fans(&rig, 7, minute, 1000);
    }
    assert_string_equal(rig_told(&rig), "");
    /* Nine, but two of them are silent for more than three windows: seven again. */
    for (int minute = 9; minute < 20; minute++) {
        fans(&rig, minute < 11 ? 9 : 7, minute, minute < 14 ? 9000 : 1000);
    }
    assert_string_equal(rig_told(&rig), "");
    rig_close(&rig);
}

/* What the event says can be computed again from the values. */
static void test_peers_event(void **state)
{
    struct series_rig rig;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct series_turns turns;
    struct event event;
    rig_open(&rig, FANS);
    for (int minute = 0; minute < 3; minute++) {
        fans(&rig, 9, minute, minute == 1 ? 6000 : 9000);
    }
    assert_true(series_turns(rig.table, &arena, &turns));
    assert_int_equal(turns.count, 1);
    assert_true(event_unpack(turns.bytes, turns.bytes_count, &event, NULL) > 0);
    /* Of 9000 9010 9020 9030 9040 9000 9010 9020 and 9000 (its window before): median 9010, and a
     * median deviation of 10; computed when the window's first value came. */
    const char *said = "fan: rpm is 6000; the median of 9 peers is 9010, 301 "
                       "median deviations away";
    assert_true(text_is(event.message, said));
    series_told(rig.table, &turns, true);
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    series_entries_json(rig.table, &(struct series_filter){.host = TEXT("a8"), .limit = 9}, &out);
    assert_non_null(strstr(out.at, "\"group\":\"a\",\"peers\":9"));
    rig_close(&rig);
}

/* Members that go leave the others in their places; a reload keeps groups, another signal ends
 * them. */
static void test_peers_come_and_go(void **state)
{
    struct series_rig rig;
    rig_open_max(&rig, FANS, 18);
    fans(&rig, 9, 0, 9000);
    assert_int_equal(series_entries_count(rig.table), 18);
    at(&rig, 200); /* All silent for long: eighteen others take their places, one by one. */
    char labels[64];
    for (int round = 0; round < 3; round++) {
        at(&rig, 200 + round);
        for (int i = 0; i < 18; i++) {
            snprintf(labels, sizeof labels, "rpm host=c%d model=c%d", i, i % 2);
            rig_put(&rig, labels, 200 + round, i == 7 && round == 1 ? 100 : 5000 + i);
        }
    }
    assert_int_equal(rig_counters(&rig).evicted, 18);
    assert_string_equal(rig_told(&rig), "raise fan c7 model=c1 at 202");
    struct signals again = rig_signals(FANS, &rig.arena);
    series_signals(rig.table, &again);
    at(&rig, 203);
    rig_put(&rig, "rpm host=c8 model=c0", 203, 5000);
    assert_string_equal(rig_told(&rig), "");
    static const struct signals none;
    series_signals(rig.table, &none);
    assert_string_equal(rig_told(&rig), "clear fan c7 model=c1 at 203");
    assert_int_equal(series_entries_count(rig.table), 0);
    rig_close(&rig);
}

static void test_stuck(void **state)
{
    struct series_rig rig;
    rig_open(&rig, "signals: ( { name = \"stuck\"; metric = \"temp\"; stuck = \"10m\";"
                   " raise = { above = 0.0; }; clear = { below = 0.0; };"
                   " event = \"telemetry.stuck\"; } );");
    for (int minute = 0; minute < 30; minute++) {
        at(&rig, minute);
        rig_put(&rig, "temp host=a", minute, minute % 9 == 0 ? 21.5 : 21.0);
        rig_put(&rig, "temp host=off", minute, 0); /* The level beside it does not hold. */
    }
    assert_string_equal(rig_told(&rig), "");
    /* 2^24 + 1 and 2^24 are the same as floats: a count that goes on is not stuck. */
    for (int minute = 30; minute < 60; minute++) {
        at(&rig, minute);
        rig_put(&rig, "temp host=a", minute, 16777216.0 + minute);
    }
    assert_string_equal(rig_told(&rig), "");
    for (int minute = 60; minute < 80; minute++) {
        at(&rig, minute);
        rig_put(&rig, "temp host=a", minute, 21);
    }
    assert_string_equal(rig_told(&rig), "raise stuck a  at 71");
    rig_put(&rig, "temp host=a", 80, 22);
    assert_string_equal(rig_told(&rig), "clear stuck a  at 80");
    rig_close(&rig);
}

static void test_absent_host(void **state)
{
    struct series_rig rig;
    rig_open(&rig, "signals: ( { name = \"silent\"; metric = \"*\"; absent = \"10m\"; per = "
                   "\"host\"; event = \"telemetry.absent\"; } );");
    for (int minute = 0; minute < 8; minute += 7) {
        at(&rig, minute);
        rig_put(&rig, "temp host=a sensor=1", minute, 1);
        rig_put(&rig, "fan host=a sensor=2", 0, 1);
        rig_put(&rig, "temp host=b", 0, 1);
        rig_put(&rig, "temp site=x", minute, 1); /* Nobody's. */
    }
    assert_int_equal(series_entries_count(rig.table), 2);
    at(&rig, 12);
    series_sweep(rig.table); /* A host of which one series still comes is not silent. */
    assert_string_equal(rig_told(&rig), "raise silent b  at 12");
    rig_put(&rig, "cpu host=b", 12, 1);
    assert_string_equal(rig_told(&rig), "clear silent b  at 12");
    rig_close(&rig);
}

static void test_expected(void **state)
{
    struct series_rig rig;
    rig_open(&rig, "signals: ( { name = \"busy\"; metric = \"cpu\"; raise = { above = 90.0; };"
                   " clear = { below = 80.0; }; expect = \"time.getHours('Europe/Amsterdam') == 3 "
                   "&& host.startsWith('backup')\"; event = \"cpu.busy\"; } );");
    at(&rig, 200);
    rig_put(&rig, "cpu host=backup1", 150, 99); /* 02:30 UTC is 03:30 there. */
    rig_put(&rig, "cpu host=web1", 150, 99);
    assert_string_equal(rig_told(&rig), "raise busy web1  at 150");
    assert_int_equal(rig_counters(&rig).expected, 1);
    rig_put(&rig, "cpu host=backup1", 180, 99); /* 04:00: it should have ended. */
    assert_string_equal(rig_told(&rig), "raise busy backup1  at 180");
    rig_close(&rig);
}

/* A learned condition and a level: only what is both. */
static void test_level_beside(void **state)
{
    struct series_rig rig;
    rig_open(&rig, "signals: ( { name = \"odd\"; metric = \"watts\"; window = \"5m\"; baseline = {"
                   " learn = \"1d\"; }; raise = { above = 500.0; }; clear = { below = 450.0; for = "
                   "\"5m\"; }; event = \"power.unusual\"; } );");
    for (int row = 0; row < 288 * 3; row++) {
        at(&rig, row * 5);
        rig_put(&rig, "watts host=a", row * 5, 200 + row % 7);
        rig_put(&rig, "watts host=b", row * 5, 200 + row % 7);
    }
    int row = 288 * 3;
    at(&rig, row * 5 + 60);
    rig_put(&rig, "watts host=b", row * 5, 20); /* As unusual, and below the level. */
    rig_put(&rig, "watts host=b", row * 5 + 5, 203);
    assert_string_equal(rig_told(&rig), "");
    rig_put(&rig, "watts host=a", row * 5 + 10, 900);
    rig_put(&rig, "watts host=a", row * 5 + 15, 203);
    char wanted[80];
    snprintf(wanted, sizeof wanted, "raise odd a  at %d", row * 5 + 15);
    assert_string_equal(rig_told(&rig), wanted);
    rig_put(&rig, "watts host=a", row * 5 + 20, 204);
    rig_put(&rig, "watts host=a", row * 5 + 25, 204);
    snprintf(wanted, sizeof wanted, "clear odd a  at %d", row * 5 + 25);
    assert_string_equal(rig_told(&rig), wanted);
    rig_close(&rig);
}

#define ALL                                                                                        \
    "signals: ("                                                                                   \
    " { name = \"p\"; metric = \"m\"; window = \"5m\"; fold = \"p95\"; raise = { above = 90.0; };" \
    "   clear = { below = 60.0; }; event = \"e\"; },"                                              \
    " { name = \"q\"; metric = \"m\"; window = \"1m\"; peers = { at_least = 3; beyond = 3.0; };"   \
    "   clear = { for = \"1m\"; }; event = \"e\"; },"                                              \
    " { name = \"s\"; metric = \"m\"; window = \"1m\"; stuck = \"5m\"; event = \"e\"; },"          \
    " { name = \"k\"; metric = \"m\"; window = \"1m\"; fold = \"max\"; raise = { outside = "       \
    "[10.0, 80.0]; of = [2, 3]; }; event = \"e\"; } );"

static double made(int step, int host)
{
    uint32_t chance = (uint32_t)(step / 4 * 97 + host * 131 + step % 4) * 2654435761u;
    return step / 60 % 3 == 2 && host == 2 ? 50 : (double)(chance >> 16 & 127);
}

static void steps(struct series_rig *rig, int from, int to)
{
    char labels[32];
    for (int step = from; step < to; step++) {
        at(rig, step / 4.0);
        for (int host = 0; host < 4; host++) {
            snprintf(labels, sizeof labels, "m host=h%d", host);
            rig_put(rig, labels, step / 4.0, made(step, host));
        }
    }
}

/* Saved and loaded in the middle of windows: what is told afterwards is the same. */
static void test_saved_in_the_middle(void **state)
{
    static uint8_t bytes[SERIES_SLICE_BYTES_MAX];
    unsigned told = 0;
    for (int cut = 160; cut < 420; cut += 37) {
        struct series_rig rig, again;
        rig_open(&rig, ALL);
        rig_open(&again, ALL);
        /* Up to a time at which nothing is raised: the store says what is. */
        steps(&rig, 0, cut);
        rig_told(&rig);
        size_t cursor = 0;
        struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
        assert_true(series_save(rig.table, &cursor, &writer));
        struct pack_reader reader = {.at = bytes, .count = writer.count};
        assert_int_equal(series_load(again.table, &reader), 0);
        assert_int_equal(reader.offset, reader.count);
        assert_int_equal(series_entries_count(again.table), 16);
        steps(&rig, cut, cut + 40); /* Holds begin anew at a restart: let them end. */
        steps(&again, cut, cut + 40);
        rig_told(&rig);
        rig_told(&again);
        CLEANUP(textbuf_donep) struct textbuf one = {0}, other = {0};
        series_entries_json(rig.table, &(struct series_filter){.limit = 99}, &one);
        series_entries_json(again.table, &(struct series_filter){.limit = 99}, &other);
        const char *a = one.at, *b = other.at;
        for (int i = 0; i < 16; i++) { /* Values and scores; turns may be of another time. */
            a = strstr(a, "\"value\":");
            b = strstr(b, "\"value\":");
            assert_non_null(a);
            assert_non_null(b);
            size_t count = strcspn(a, "}");
            const char *turned = strstr(a, ",\"turned_ms\"");
            count = turned != NULL && turned < a + count ? (size_t)(turned - a) : count;
            assert_memory_equal(a, b, count);
            told++;
            a++;
            b++;
        }
        for (size_t short_by = 1; short_by < writer.count; short_by += 11) {
            struct series_rig broken;
            rig_open(&broken, ALL);
            reader = (struct pack_reader){.at = bytes, .count = writer.count - short_by};
            assert_int_equal(series_load(broken.table, &reader), -NSH_CORRUPT);
            rig_close(&broken);
        }
        rig_close(&again);
        rig_close(&rig);
    }
    assert_true(told > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_peers_too_few),
        cmocka_unit_test(test_peers_event),
        cmocka_unit_test(test_peers_come_and_go),
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_absent_host),
        cmocka_unit_test(test_expected),
        cmocka_unit_test(test_level_beside),
        cmocka_unit_test(test_saved_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
