/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold over a restart, a backlog and a reload, whatever the values were. */

#include "series_rig.h"

#include <math.h>

static uint8_t bytes[SERIES_SLICE_BYTES_MAX];

static void at(struct series_rig *rig, double minute)
{
    series_now(rig->table, NOW_MS + (int64_t)(minute * (double)MINUTE_MS));
}

#define WIDE                                                                                       \
    "signals: ( { name = \"full\"; metric = \"m\"; window = \"1m\"; forecast = { reaches = 1.0; "  \
    "}; event = \"disk.full\"; }, { name = \"sum\"; metric = \"m\"; window = \"1m\"; fold = "      \
    "\"sum\"; raise = { above = 1e30; }; clear = { below = 1e29; }; event = \"sum.large\"; }, { "  \
    "name = \"odd\"; metric = \"m\"; window = \"1m\"; baseline = { }; event = \"m.odd\"; } );"

static void saved_is_taken(const struct series_rig *rig, double value)
{
    struct series_rig again;
    rig_open(&again, WIDE);
    size_t cursor = 0;
    struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
    assert_true(series_save(rig->table, &cursor, &writer));
    struct pack_reader reader = {.at = bytes, .count = writer.count};
    if (series_load(again.table, &reader) != 0) {
        fail_msg("%g: what was saved is not taken", value);
    }
    assert_int_equal(series_entries_count(again.table), 6);
    rig_close(&again);
}

/*
 * A sensor that says 2^64 - 1, or more, takes nothing from the 511 others of its slice. From one
 * end to the other after most of an hour: so far from what is usual that the distance is no value.
 */
static void test_extremes(void **state)
{
    static const double rows[] = {18446744073709551615.0, 1e37, -1e37};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct series_rig rig;
        rig_open(&rig, WIDE);
        for (int minute = 0; minute < 60; minute++) {
            bool other = minute < 10 ? minute % 2 == 0 : minute >= 48;
            at(&rig, minute);
            for (int part = 0; part < 5; part++) {
                rig_put(&rig, "m host=a", minute + part / 5.0, other ? rows[i] : -rows[i]);
            }
            rig_put(&rig, "m host=b", minute, 5);
            saved_is_taken(&rig, rows[i]);
        }
        rig_close(&rig);
    }
}

/* A sum beyond all values is the largest value: it raises, and is a number for people. */
static void test_sum_beyond(void **state)
{
    struct series_rig rig;
    (void)state;
    rig_open(&rig, WIDE);
    for (int part = 0; part < 50; part++) {
        rig_put(&rig, "m host=a", part / 100.0, 1e37);
    }
    rig_put(&rig, "m host=a", 1, 1);
    assert_string_equal(rig_told(&rig), "raise sum a  at 1");
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    series_entries_json(rig.table, &(struct series_filter){.signal = TEXT("sum"), .limit = 1},
                        &out);
    assert_non_null(strstr(out.at, "\"value\":9.99999993e+36"));
    rig_close(&rig);
}

/* What a sender hands over after an outage is old: the silence lasts until it has caught up. */
static void test_backlog(void **state)
{
    struct series_rig rig;
    (void)state;
    rig_open(&rig, "signals: ( { name = \"silent\"; metric = \"up\"; absent = \"10m\"; event = "
                   "\"telemetry.absent\"; } );");
    rig_put(&rig, "up host=a", 0, 1);
    at(&rig, 60);
    series_sweep(rig.table);
    assert_string_equal(rig_told(&rig), "raise silent a  at 60");
    for (int minute = 1; minute < 50; minute++) {
        rig_put(&rig, "up host=a", minute, 1);
        assert_string_equal(rig_told(&rig), "");
        series_sweep(rig.table);
        assert_string_equal(rig_told(&rig), "");
    }
    rig_put(&rig, "up host=a", 50, 1);
    series_sweep(rig.table);
    assert_string_equal(rig_told(&rig), "clear silent a  at 50");
    rig_close(&rig);
}

static bool is_a(void *arg, struct text host)
{
    (void)arg;
    return text_is(host, "a");
}

/* The time for which the level that raises was held says nothing about the one that clears. */
static void test_known_while_held(void **state)
{
    struct series_rig rig;
    (void)state;
    rig_open(&rig, "signals: ( { name = \"hot\"; metric = \"temp\"; raise = { above = 35.0; for = "
                   "\"10m\"; }; clear = { below = 30.0; for = \"5m\"; }; event = \"t.high\"; } );");
    rig_put(&rig, "temp host=a", 0, 40);
    rig_put(&rig, "temp host=a", 4, 40);
    assert_true(series_known(rig.table, TEXT("hot"), TEXT(""), is_a, NULL));
    rig_put(&rig, "temp host=a", 6, 20);
    assert_string_equal(rig_told(&rig), "");
    at(&rig, 9);
    rig_put(&rig, "temp host=a", 11, 20);
    assert_string_equal(rig_told(&rig), "clear hot a  at 11");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_sum_beyond),
        cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_known_while_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
