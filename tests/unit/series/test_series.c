/* SPDX-License-Identifier: Apache-2.0 */
/* Values of series become turns, turns events; each is told once, and nothing is forgotten. */

#include "series_rig.h"

#include <math.h>

#define HOT                                                                                        \
    "signals: ( { name = \"hot\"; metric = \"temp\"; raise = { above = 35.0; for = \"2m\"; };"     \
    " clear = { below = 32.0; }; severity = \"major\"; event = \"environment.temperature\"; } );"

static void test_level(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, HOT);
    static const struct {
        double minute, value;
        const char *told, *why;
    } rows[] = {
        {0, 36, "", "not for two minutes yet"},
        {1, 36, "", "nor now"},
        {2, 36, "raise hot h1 sensor=a at 2", "two minutes"},
        {3, 34, "", "between the levels it stays"},
        {4, 36, "", "and is told once"},
        {5, 31, "clear hot h1 sensor=a at 5", "under the lower level"},
        {6, 33, "", "between the levels it stays"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        rig_put(&rig, "temp instance=h1:9100 job=node sensor=a", rows[i].minute, rows[i].value);
        const char *told = rig_told(&rig);
        if (strcmp(told, rows[i].told) != 0) {
            fail_msg("%s: minute %g: got \"%s\"", rows[i].why, rows[i].minute, told);
        }
    }
    struct series_counters counters = rig_counters(&rig);
    assert_int_equal(counters.values, 7);
    assert_int_equal(counters.watched, 7);
    assert_int_equal(counters.told, 2);
    rig_close(&rig);
}

/* What the event carries, for policies and people. */
static void test_event(void **state)
{
    (void)state;
    struct series_rig rig;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct series_turns turns;
    struct event event;
    struct nsh_value data;
    rig_open(&rig, HOT);
    rig_put(&rig, "temp instance=10.0.0.7:9100 sensor=a", 0, 40);
    rig_put(&rig, "temp instance=10.0.0.7:9100 sensor=a", 2, 41);
    assert_true(series_turns(rig.table, &arena, &turns));
    assert_int_equal(turns.count, 1);
    assert_true(event_unpack(turns.bytes, turns.bytes_count, &event, NULL) > 0);
    assert_true(text_is(event.type, "environment.temperature"));
    assert_true(text_is(event.source, "signal/hot"));
    assert_true(text_is(event.hint, "host=10.0.0.7,addr=10.0.0.7"));
    assert_true(text_is(event.message, "hot: temp is 41, above 35 for 2m"));
    assert_int_equal(event.severity, SEVERITY_MAJOR);
    struct pack_reader reader = {.at = (const uint8_t *)event.data.at, .count = event.data.count};
    assert_int_equal(unpack_value(&reader, &arena, &data, NULL), 0);
    assert_string_equal(nsh_get_text(&data, "signal", ""), "hot");
    assert_string_equal(nsh_get_text(&data, "metric", ""), "temp");
    assert_true(nsh_get(&data, "value")->real == 41.0);
    assert_true(nsh_get(&data, "level")->real == 35.0);
    series_told(rig.table, &turns, true);
    rig_close(&rig);
}

/* A turn that was not handed over is told later, in the state it has then; ids are the same. */
static void test_told_later(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, HOT);
    rig_put(&rig, "temp host=a", 0, 40);
    rig_put(&rig, "temp host=a", 2, 40);
    assert_string_equal(rig_told_as(&rig, false), "raise hot a  at 2");
    assert_string_equal(rig_told_as(&rig, false), "raise hot a  at 2");
    assert_int_equal(rig_counters(&rig).untold, 2);
    rig_put(&rig, "temp host=a", 3, 10); /* It is over before anybody was told. */
    assert_string_equal(rig_told(&rig), "");
    rig_put(&rig, "temp host=a", 4, 40);
    rig_put(&rig, "temp host=a", 6, 40);
    assert_string_equal(rig_told(&rig), "raise hot a  at 6");
    assert_string_equal(rig_told(&rig), "");
    rig_close(&rig);
}

/* While one event is under way, the next turn waits for its end. */
static void test_under_way(void **state)
{
    (void)state;
    struct series_rig rig;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct series_turns turns;
    rig_open(&rig, HOT);
    rig_put(&rig, "temp host=a", 0, 40);
    rig_put(&rig, "temp host=a", 2, 40);
    assert_true(series_turns(rig.table, &arena, &turns));
    assert_int_equal(turns.count, 1);
    rig_put(&rig, "temp host=a", 3, 10);
    assert_string_equal(rig_told(&rig), "");
    series_told(rig.table, &turns, true);
    assert_string_equal(rig_told(&rig), "clear hot a  at 3");
    rig_close(&rig);
}

static void test_refused_values(void **state)
{
    (void)state;
    struct series_rig rig;
    uint64_t bits = SAMPLE_STALE_BITS;
    double stale;
    memcpy(&stale, &bits, sizeof stale);
    rig_open(&rig, HOT);
    rig_put(&rig, "temp host=a", 5, 1);
    rig_put(&rig, "temp host=a", 5, 1);     /* The same again: a sender's repeat. */
    rig_put(&rig, "temp host=a", 4, 1);     /* Out of order. */
    rig_put(&rig, "temp host=a", 16, 1);    /* Beyond ten minutes from now. */
    rig_put(&rig, "temp host=a", 6, NAN);   /* No number, and no marker. */
    rig_put(&rig, "temp host=a", 6, 1e300); /* Out of range. */
    rig_put(&rig, "temp host=a", 6, stale);
    rig_put(&rig, "other host=a", 6, 1);
    struct series_counters counters = rig_counters(&rig);
    assert_int_equal(counters.late, 2);
    assert_int_equal(counters.early, 1);
    assert_int_equal(counters.unusable, 2);
    assert_int_equal(counters.ended, 1);
    assert_int_equal(counters.unwatched, 1);
    assert_int_equal(counters.watched, 1);
    assert_int_equal(series_entries_count(rig.table), 1);
    rig_close(&rig);
}

/* Several series of one host and resource meet in the window: the hottest core counts. */
static void test_together(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, "signals: ( { name = \"cores\"; metric = \"core_temp\"; resource = \"'cpu'\";"
                   " window = \"1m\"; fold = \"max\"; raise = { above = 90.0; };"
                   " clear = { below = 80.0; }; event = \"cpu.hot\"; } );");
    rig_put(&rig, "core_temp host=a core=0", 0.1, 50);
    rig_put(&rig, "core_temp host=a core=1", 0.1, 95);
    rig_put(&rig, "core_temp host=a core=2", 0.0, 60); /* A little earlier, same window. */
    rig_put(&rig, "core_temp host=a core=0", 1.1, 50);
    assert_string_equal(rig_told(&rig), "raise cores a cpu at 1");
    assert_int_equal(series_entries_count(rig.table), 1);
    assert_int_equal(rig_counters(&rig).late, 0);
    rig_close(&rig);
}

/* Counters cannot meet: two of them would look like resets. */
static void test_counters(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, "signals: ( { name = \"errors\"; metric = \"errs_total\"; resource = \"''\";"
                   " window = \"1m\"; fold = \"delta\"; raise = { above = 5.0; };"
                   " clear = { below = 1.0; }; event = \"link.errors\"; } );");
    for (int minute = 0; minute < 4; minute++) {
        rig_put(&rig, "errs_total host=a replica=1", minute, 100.0 + minute);
        rig_put(&rig, "errs_total host=a replica=2", minute, 7.0);
    }
    assert_string_equal(rig_told(&rig), "");
    assert_int_equal(rig_counters(&rig).shared, 4);
    for (int minute = 4; minute < 8; minute++) { /* A reset counts from zero. */
        rig_put(&rig, "errs_total host=a replica=1", minute, 10.0);
        assert_string_equal(rig_told(&rig), minute == 5   ? "raise errors a  at 5"
                                            : minute == 6 ? "clear errors a  at 6"
                                                          : "");
    }
    rig_close(&rig);
}

static void test_k_of_n(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, "signals: ( { name = \"busy\"; metric = \"cpu\"; window = \"1m\";"
                   " raise = { above = 0.9; of = [3, 4]; }; clear = { below = 0.8; };"
                   " event = \"cpu.busy\"; } );");
    static const double values[] = {1, 1, 0, 1, 1};
    for (int i = 0; i < 5; i++) {
        rig_put(&rig, "cpu host=a", i + 0.5, values[i]);
        if (i < 4) {
            assert_string_equal(rig_told(&rig), "");
        }
    }
    assert_string_equal(rig_told(&rig), "raise busy a  at 4");
    rig_close(&rig);
}

static void test_conditions(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig,
             "signals: ( { name = \"full\"; metric = \"fs_*\"; labels = { fs = \"ext?\"; tmp = "
             "\"\"; };"
             " where = \"labels.mount != '/boot'\"; host = \"labels.instance.split('.')[0]\";"
             " resource = \"labels.mount\"; raise = { above = 0.9; }; clear = { below = 0.8; };"
             " event = \"fs.full\"; } );");
    static const char *const unwatched[] = {
        "fs_used instance=a.b mount=/ fs=tmpfs", "fs_used instance=a.b mount=/",
        "fs_used instance=a.b mount=/boot fs=ext4", "fs_used instance=a.b mount=/ fs=ext4 tmp=1",
        "df instance=a.b mount=/ fs=ext4"};
    for (size_t i = 0; i < ROWS(unwatched); i++) {
        rig_put(&rig, unwatched[i], 0, 1);
        assert_int_equal(rig_counters(&rig).unwatched, i + 1);
    }
    rig_put(&rig, "fs_used instance=a.b mount=/ fs=ext4", 0, 1);
    assert_string_equal(rig_told(&rig), "raise full a / at 0");
    rig_put(&rig, "fs_used mount=/var fs=ext4", 0, 1); /* No instance: whose is it? */
    assert_int_equal(rig_counters(&rig).unmapped, 1);
    rig_close(&rig);
}

static void test_room(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open_max(&rig, HOT, 4);
    char labels[64];
    for (int i = 0; i < 6; i++) {
        snprintf(labels, sizeof labels, "temp host=h%d", i);
        rig_put(&rig, labels, 0, i == 0 ? 40 : 1);
    }
    assert_int_equal(series_entries_count(rig.table), 4);
    assert_int_equal(rig_counters(&rig).refused, 2);
    rig_put(&rig, "temp host=h0", 2, 40);
    assert_string_equal(rig_told(&rig), "raise hot h0  at 2");
    series_now(rig.table, NOW_MS + 2 * HOUR_MS); /* All are silent; the raised one stays. */
    for (int i = 4; i < 6; i++) {
        snprintf(labels, sizeof labels, "temp host=h%d", i);
        rig_put(&rig, labels, 120, 1);
    }
    assert_int_equal(series_entries_count(rig.table), 4);
    assert_int_equal(rig_counters(&rig).evicted, 2);
    rig_put(&rig, "temp host=h0", 121, 1);
    assert_string_equal(rig_told(&rig), "clear hot h0  at 121");
    rig_close(&rig);
}

static void test_silence(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, "signals: ( { name = \"silent\"; metric = \"up\"; absent = \"10m\"; event = "
                   "\"telemetry.absent\"; }, { name = \"gone\"; metric = \"up\"; window = \"1m\";"
                   " raise = { below = 1.0; }; missing = \"raise\"; event = \"up.gone\"; } );");
    rig_put(&rig, "up host=a", 0, 1);
    series_sweep(rig.table);
    assert_string_equal(rig_told(&rig), "");
    series_now(rig.table, NOW_MS + 11 * MINUTE_MS);
    series_sweep(rig.table);
    assert_string_equal(rig_told(&rig), "raise silent a  at 11; raise gone a  at 11");
    rig_put(&rig, "up host=a", 12, 1);
    assert_string_equal(rig_told(&rig), "clear silent a  at 12");
    rig_put(&rig, "up host=a", 13, 1);
    rig_put(&rig, "up host=a", 14, 1);
    assert_string_equal(rig_told(&rig), "clear gone a  at 13");
    series_now(rig.table, NOW_MS + 15 * 24 * HOUR_MS);
    series_sweep(rig.table); /* Forgotten; what it raised by its silence is not left behind. */
    assert_int_equal(rig_counters(&rig).expired, 2);
    rig_told(&rig);
    assert_string_equal(rig_told(&rig), "");
    assert_int_equal(series_entries_count(rig.table), 0);
    rig_close(&rig);
}

static double usual(int row)
{
    return 200 + 60 * (row % 288 >= 96 && row % 288 < 216) + (row * 7919) % 13;
}

#define UNUSUAL                                                                                    \
    "signals: ( { name = \"odd\"; metric = \"watts\"; window = \"5m\"; baseline = { learn = "      \
    "\"3d\"; min_change = 20.0; direction = \"up\"; }; event = \"performance.unusual\"; } );"

static void days(struct series_rig *rig, int from, int to)
{
    for (int row = from; row < to; row++) {
        series_now(rig->table, NOW_MS + row * 5 * MINUTE_MS);
        rig_put(rig, "watts host=a", row * 5, usual(row));
        assert_string_equal(rig_told(rig), "");
    }
}

static void test_baseline(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, UNUSUAL);
    days(&rig, 0, 288 * 10);
    int row = 288 * 10;
    series_now(rig.table, NOW_MS + row * 5 * MINUTE_MS + HOUR_MS);
    rig_put(&rig, "watts host=a", row * 5, 20); /* Down: not asked for. */
    rig_put(&rig, "watts host=a", row * 5 + 5, 900);
    assert_string_equal(rig_told(&rig), "");
    rig_put(&rig, "watts host=a", row * 5 + 10, 210);
    assert_string_equal(rig_told(&rig), "raise odd a  at 14410");
    for (int i = 3; i < 9; i++) {
        rig_put(&rig, "watts host=a", row * 5 + i * 5, usual(row));
    }
    assert_string_equal(rig_told(&rig), "clear odd a  at 14430");
    rig_close(&rig);
}

/* Saved and loaded in the middle, nothing is different afterwards; and nothing is raised by it. */
static void test_restart(void **state)
{
    (void)state;
    struct series_rig rig, again;
    uint8_t *bytes = malloc(SERIES_SLICE_BYTES_MAX);
    size_t cursor = 0;
    rig_open(&rig, UNUSUAL);
    days(&rig, 0, 288 * 10);
    struct pack_writer writer = {.at = bytes, .room = SERIES_SLICE_BYTES_MAX};
    assert_true(series_save(rig.table, &cursor, &writer));
    size_t count = writer.count;
    assert_false(series_save(rig.table, &cursor, &writer));
    assert_false(writer.failed);
    for (size_t cut = 0; cut < count; cut += 7) {
        struct pack_reader reader = {.at = bytes, .count = cut};
        rig_open(&again, UNUSUAL);
        assert_int_equal(series_load(again.table, &reader), -NSH_CORRUPT);
        rig_close(&again);
    }
    struct pack_reader reader = {.at = bytes, .count = count};
    rig_open(&again, UNUSUAL);
    assert_int_equal(series_load(again.table, &reader), 0);
    assert_int_equal(series_entries_count(again.table), 1);
    struct series_rig *const both[] = {&rig, &again};
    for (size_t i = 0; i < 2; i++) {
        int row = 288 * 10;
        days(both[i], row, row + 20);
        rig_put(both[i], "watts host=a", (row + 20) * 5, 900);
        rig_put(both[i], "watts host=a", (row + 21) * 5, usual(row));
        assert_string_equal(rig_told(both[i]), "raise odd a  at 14505");
    }
    rig_close(&again);
    rig_open(&again, HOT); /* The signal is another one now: nothing of it is taken. */
    reader = (struct pack_reader){.at = bytes, .count = count};
    assert_int_equal(series_load(again.table, &reader), 0);
    assert_int_equal(series_entries_count(again.table), 0);
    rig_close(&again);
    rig_close(&rig);
    free(bytes);
}

static bool is_a(void *arg, struct text host)
{
    (void)arg;
    return text_is(host, "a");
}

/* An alarm that stood before the start is not raised again, and is cleared when it is over. */
static void test_known(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, HOT);
    assert_false(series_known(rig.table, TEXT("hot"), TEXT(""), is_a, NULL));
    rig_put(&rig, "temp host=b", 0, 40);
    rig_put(&rig, "temp host=a", 0, 40);
    assert_true(series_known(rig.table, TEXT("hot"), TEXT(""), is_a, NULL));
    rig_put(&rig, "temp host=a", 3, 40);
    assert_string_equal(rig_told(&rig), "");
    rig_put(&rig, "temp host=a", 4, 10);
    assert_string_equal(rig_told(&rig), "clear hot a  at 4");
    rig_close(&rig);
}

static void test_forecast(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, "signals: ( { name = \"soon\"; metric = \"used\"; window = \"1h\"; forecast = {"
                   " reaches = 0.95; within = \"2d\"; needs = \"1d\"; }; clear = { for = \"2h\"; };"
                   " event = \"capacity.storage\"; } );");
    int hour = 0;
    const char *told = "";
    for (; hour < 200 && told[0] == '\0'; hour++) {
        series_now(rig.table, NOW_MS + hour * HOUR_MS);
        rig_put(&rig, "used host=a", hour * 60, 0.2 + 0.005 * hour + 0.001 * (hour % 3));
        told = rig_told(&rig);
    }
    /* 0.95 is met at hour 150; two days before that, and the interval is a little wider. */
    assert_true(hour > 90 && hour < 112);
    assert_non_null(strstr(told, "raise soon a  at"));
    told = "";
    for (; hour < 400 && told[0] == '\0'; hour++) {
        series_now(rig.table, NOW_MS + hour * HOUR_MS);
        rig_put(&rig, "used host=a", hour * 60, 0.3);
        told = rig_told(&rig);
    }
    assert_non_null(strstr(told, "clear soon a  at"));
    rig_close(&rig);
}

/* Levels may change under a running series; another metric ends it, and its alarm. */
static void test_other_signals(void **state)
{
    (void)state;
    struct series_rig rig;
    rig_open(&rig, HOT);
    rig_put(&rig, "temp host=a", 0, 40);
    rig_put(&rig, "temp host=a", 2, 40);
    assert_string_equal(rig_told(&rig), "raise hot a  at 2");
    struct signals higher =
        rig_signals("signals: ( { name = \"hot\"; metric = \"temp\"; raise = { above = 50.0; };"
                    " clear = { below = 45.0; }; event = \"environment.temperature\"; } );",
                    &rig.arena);
    series_signals(rig.table, &higher);
    rig_put(&rig, "temp host=a", 3, 40);
    assert_string_equal(rig_told(&rig), "clear hot a  at 3");
    rig_put(&rig, "temp host=a", 4, 60);
    assert_string_equal(rig_told(&rig), "raise hot a  at 4");
    static const struct signals none;
    series_signals(rig.table, &none);
    assert_string_equal(rig_told_as(&rig, false), "clear hot a  at 0");
    assert_string_equal(rig_told(&rig), "clear hot a  at 0");
    assert_int_equal(series_entries_count(rig.table), 0);
    rig_close(&rig);
}

static void test_show(void **state)
{
    (void)state;
    struct series_rig rig;
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    rig_open(&rig, HOT);
    rig_put(&rig, "temp host=a", 0, 40);
    rig_put(&rig, "temp host=b", 0, 30);
    series_signals_json(rig.table, &out);
    assert_non_null(strstr(out.at, "\"condition\":\"above 35 for 2m; clears below 32\""));
    assert_non_null(strstr(out.at, "\"series\":2,\"raised\":0"));
    textbuf_clear(&out);
    series_entries_json(rig.table, &(struct series_filter){.host = TEXT("b"), .limit = 10}, &out);
    assert_non_null(
        strstr(out.at, "\"host\":\"b\",\"resource\":\"\",\"state\":\"ok\",\"value\":30"));
    assert_null(strstr(out.at, "\"host\":\"a\""));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level),          cmocka_unit_test(test_event),
        cmocka_unit_test(test_told_later),     cmocka_unit_test(test_under_way),
        cmocka_unit_test(test_refused_values), cmocka_unit_test(test_together),
        cmocka_unit_test(test_counters),       cmocka_unit_test(test_k_of_n),
        cmocka_unit_test(test_conditions),     cmocka_unit_test(test_room),
        cmocka_unit_test(test_silence),        cmocka_unit_test(test_baseline),
        cmocka_unit_test(test_restart),        cmocka_unit_test(test_known),
        cmocka_unit_test(test_forecast),       cmocka_unit_test(test_other_signals),
        cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
