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

/* ---- anything, in any order ---- */

#define SOME                                                                                       \
    "{ name = \"level\"; metric = \"m\"; raise = { above = 80.0; }; clear = { below = 20.0; }; "   \
    "event = \"e.level\"; }, { name = \"peers\"; metric = \"m\"; window = \"1m\"; peers = { "      \
    "group "                                                                                       \
    "= \"labels.g\"; at_least = 3; }; clear = { for = \"1m\"; }; event = \"e.peers\"; }"
#define MORE                                                                                       \
    "{ name = \"p95\"; metric = \"m\"; window = \"1m\"; fold = \"p95\"; raise = { above = 80.0; "  \
    "}; clear = { below = 20.0; }; event = \"e.p95\"; }, { name = \"odd\"; metric = \"m\"; "       \
    "window "                                                                                      \
    "= \"1m\"; baseline = { learn = \"10m\"; }; clear = { for = \"1m\"; }; event = \"e.odd\"; }, " \
    "{ name = \"host\"; metric = \"*\"; absent = \"2m\"; per = \"host\"; event = \"e.silent\"; }"
#define OTHER                                                                                      \
    "{ name = \"peers\"; metric = \"m\"; window = \"2m\"; peers = { group = \"labels.r\"; "        \
    "at_least = 3; }; clear = { for = \"1m\"; }; event = \"e.peers\"; }"

static const char *const sets[] = {
    "signals: ( " SOME " );",
    "signals: ( " SOME ", " MORE " );",
    "signals: ( " MORE ", " OTHER " );",
    "signals: ( );",
};
#define SETS (sizeof sets / sizeof sets[0])
#define ROOM 300 /* Far fewer than there are hosts and resources: they push each other out. */

static uint64_t chance = 88172645463325252u;

static uint32_t dice(uint32_t sides)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)(chance >> 33) % sides;
}

/* Saved slices into a new table, which takes the other's place. */
static void restart(struct series_rig *rig, const struct signals *signals, int64_t now_ms)
{
    struct series *next = series_new(&(struct series_options){ROOM, HOUR_MS * 3});
    size_t cursor = 0;
    assert_non_null(next);
    series_now(next, now_ms);
    series_signals(next, signals);
    for (;;) {
        struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
        if (!series_save(rig->table, &cursor, &writer)) {
            break;
        }
        struct pack_reader reader = {.at = bytes, .count = writer.count};
        assert_false(writer.failed);
        assert_int_equal(series_load(next, &reader), 0);
    }
    series_free(rig->table);
    rig->table = next;
}

/* Some turn of a bit somewhere in what is saved: taken or refused, never more than that. */
static void damaged(struct series_rig *rig, const struct signals *signals)
{
    size_t cursor = 0;
    struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
    if (!series_save(rig->table, &cursor, &writer)) {
        return;
    }
    struct series *other = series_new(&(struct series_options){ROOM, HOUR_MS * 3});
    assert_non_null(other);
    series_now(other, NOW_MS);
    series_signals(other, signals);
    bytes[dice((uint32_t)writer.count)] ^= (uint8_t)(1u << dice(8));
    struct pack_reader reader = {.at = bytes, .count = writer.count};
    int result = series_load(other, &reader);
    assert_true(result == 0 || result == -NSH_CORRUPT);
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    series_entries_json(other, &(struct series_filter){.limit = ROOM}, &out);
    series_free(other);
}

/* One bit of it wrong, any: a value, another time, another place, or refused; it goes on. */
static void test_every_bit(void **state)
{
    static uint8_t good[SERIES_SLICE_BYTES_MAX];
    struct series_rig rig;
    size_t cursor = 0, taken = 0, refused = 0;
    (void)state;
    rig_open(&rig, WIDE);
    for (int minute = 0; minute < 5; minute++) {
        rig_put(&rig, "m host=a", minute, minute % 3);
    }
    struct pack_writer writer = {.at = good, .room = sizeof good};
    assert_true(series_save(rig.table, &cursor, &writer));
    for (size_t bit = 0; bit < writer.count * 8; bit++) {
        struct series_rig again;
        rig_open_max(&again, WIDE, 3);
        memcpy(bytes, good, writer.count);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct pack_reader reader = {.at = bytes, .count = writer.count};
        int result = series_load(again.table, &reader);
        assert_true(result == 0 || result == -NSH_CORRUPT);
        taken += result == 0;
        refused += result != 0;
        at(&again, 7);
        rig_put(&again, "m host=a", 6, 1);
        rig_put(&again, "m host=a", 7, 1);
        rig_told(&again);
        rig_close(&again);
    }
    assert_true(taken > 100);
    assert_true(refused > 100);
    rig_close(&rig);
}

/* Under the sanitizers: nothing is used after it went, nothing is left behind. */
static void test_anything(void **state)
{
    struct series_rig rig;
    struct signals all[SETS];
    int64_t now_ms = NOW_MS;
    size_t set = 0;
    uint64_t told = 0, evicted = 0;
    char labels[96];
    (void)state;
    rig_open_max(&rig, sets[0], ROOM);
    for (size_t i = 0; i < SETS; i++) {
        all[i] = rig_signals(sets[i], &rig.arena);
    }
    series_signals(rig.table, &all[set]);
    for (int step = 0; step < 100000; step++) {
        uint32_t what = dice(20000);
        now_ms += what % 400 == 0 ? dice(3) * HOUR_MS / 2 : dice(2000);
        series_now(rig.table, now_ms);
        snprintf(labels, sizeof labels, "m host=h%u r=r%u g=g%u", dice(60), dice(5), dice(4));
        rig_labels(&rig, labels);
        series_value(rig.table, now_ms - dice(3000),
                     dice(200) == 0 ? (double)NAN : (double)dice(100));
        if (what % 50 == 0) {
            series_sweep(rig.table);
        }
        if (what % 20 == 0) {
            told += rig_told_as(&rig, dice(4) > 0)[0] != '\0';
        }
        if (what < 20) {
            series_signals(rig.table, &all[set = dice(SETS)]);
        } else if (what < 25) {
            evicted += rig_counters(&rig).evicted;
            restart(&rig, &all[set], now_ms);
        } else if (what < 35) {
            damaged(&rig, &all[set]);
        }
    }
    assert_true(told > 100);
    assert_true(evicted > 100);
    series_signals(rig.table, &all[SETS - 1]);
    for (int i = 0; i < 9; i++) {
        rig_told(&rig);
    }
    assert_int_equal(series_entries_count(rig.table), 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extremes),  cmocka_unit_test(test_sum_beyond),
        cmocka_unit_test(test_backlog),   cmocka_unit_test(test_known_while_held),
        cmocka_unit_test(test_every_bit), cmocka_unit_test(test_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
