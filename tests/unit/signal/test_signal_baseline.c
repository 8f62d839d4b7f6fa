/* SPDX-License-Identifier: Apache-2.0 */
/* What a baseline says of made series, and that saving it in the middle changes nothing. */

#include "../unit.h"

#include "signal/signal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 300000
#define DAY_ROWS 288
#define START INT64_C(1772409600000) /* Monday 2026-03-02, midnight. */
#define MEDIUM 5.0

static uint64_t chance;

static double noise(void)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (double)(chance >> 40) / 16777216.0;
}

static double daily(unsigned row)
{
    unsigned hour = row % DAY_ROWS / 12;
    return (hour >= 8 && hour < 18 ? 300.0 : 200.0) + 8 * noise();
}

static struct signal_score put(struct signal_baseline *baseline, unsigned row, double value)
{
    struct signal_score score;
    assert_true(signal_baseline_put(baseline, START + (int64_t)row * STEP_MS, value, &score));
    return score;
}

/* Events from `from` on: rows in a row whose news is MEDIUM or more are one. */
static unsigned told(double (*series)(unsigned row), unsigned from, unsigned to)
{
    struct signal_baseline baseline = {0};
    unsigned count = 0;
    bool before = false;
    chance = 7;
    for (unsigned row = 0; row < to; row++) {
        bool now = put(&baseline, row, series(row)).news >= MEDIUM;
        count += now && !before && row >= from;
        before = now;
    }
    return count;
}

static double constant(unsigned row)
{
    return row < 365 * DAY_ROWS ? 21.5 : 24.0;
}

static double spike(unsigned row)
{
    return daily(row) + (row == 20 * DAY_ROWS + 30 ? 4000 : 0);
}

static double shift(unsigned row)
{
    return daily(row) + (row >= 20 * DAY_ROWS + 30 ? 4000 : 0);
}

static double job_missed(unsigned row)
{
    chance = row * 77u + 5; /* The same noise, whatever happens. */
    bool job = row % DAY_ROWS >= 24 && row % DAY_ROWS < 36;
    return 100 + noise() + (job && row / DAY_ROWS != 25 ? 400 : 0);
}

static void test_stories(void **state)
{
    static const struct {
        const char *why;
        double (*series)(unsigned row);
        unsigned from, to, least, most;
    } rows[] = {
        {"a year of the same value, then a step: one event", constant, 1, 366 * DAY_ROWS, 1, 1},
        {"an ordinary daily pattern is no news", daily, 14 * DAY_ROWS, 40 * DAY_ROWS, 0, 0},
        {"a spike is told once", spike, 14 * DAY_ROWS, 40 * DAY_ROWS, 1, 1},
        {"a lasting step is told when it comes, and learned", shift, 14 * DAY_ROWS, 40 * DAY_ROWS,
         1, 2},
        {"a daily job that is missed once", job_missed, 14 * DAY_ROWS, 40 * DAY_ROWS, 1, 2},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned count = told(rows[i].series, rows[i].from, rows[i].to);
        if (count < rows[i].least || count > rows[i].most) {
            fail_msg("%s: told %u times", rows[i].why, count);
        }
    }
}

static void test_scale_by_powers_of_two_changes_no_score(void **state)
{
    struct signal_baseline one = {0}, other = {0};
    chance = 3;
    for (unsigned row = 0; row < 10 * DAY_ROWS; row++) {
        double value = daily(row) + (noise() > 0.999 ? 500 : 0);
        struct signal_score a = put(&one, row, value), b = put(&other, row, value * 1024);
        assert_memory_equal(&a.score, &b.score, sizeof a.score);
    }
}

static void test_saved_in_the_middle(void **state)
{
    uint8_t bytes[SIGNAL_BASELINE_BYTES];
    struct signal_baseline one = {0}, other = {0};
    chance = 9;
    for (unsigned row = 0; row < 9 * DAY_ROWS; row++) {
        if (row % 500 == 0) {
            struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
            signal_baseline_save(&one, &writer);
            assert_false(writer.failed);
            struct pack_reader reader = {.at = bytes, .count = writer.count};
            memset(&other, 0xa5, sizeof other);
            assert_int_equal(signal_baseline_load(&reader, &other), 0);
            assert_int_equal(reader.offset, reader.count);
        }
        double value = row % 7 == 0 ? 5 : daily(row);
        struct signal_score a = put(&one, row, value), b = put(&other, row, value);
        assert_memory_equal(&a.score, &b.score, sizeof a.score);
        assert_memory_equal(&a.news, &b.news, sizeof a.news);
    }
}

static void test_damaged_bytes_are_refused_and_change_nothing(void **state)
{
    uint8_t bytes[SIGNAL_BASELINE_BYTES];
    struct signal_baseline one = {0}, other = {.values = 77};
    for (unsigned row = 0; row < 1000; row++) {
        put(&one, row, daily(row));
    }
    struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
    signal_baseline_save(&one, &writer);
    for (size_t count = 0; count < writer.count; count++) {
        struct pack_reader reader = {.at = bytes, .count = count};
        assert_int_equal(signal_baseline_load(&reader, &other), -NSH_CORRUPT);
        assert_int_equal(other.values, 77);
    }
    bytes[0]++;
    struct pack_reader reader = {.at = bytes, .count = writer.count};
    assert_int_equal(signal_baseline_load(&reader, &other), -NSH_CORRUPT);
}

static void test_hostile_values(void **state)
{
    static const double values[] = {0,    -0.0,  1e-30, -1e-30, 5e-324,     1e30, -1e30,
                                    1e37, -1e37, 1e-45, 3.4e38, 16777216.0, 1};
    struct signal_baseline baseline = {0};
    struct signal_score score;
    chance = 1;
    for (unsigned row = 0; row < 200000; row++) {
        double value = values[(size_t)(noise() * (double)ROWS(values))];
        if (row % 3 == 0) {
            value = (noise() - 0.5) * pow(10, 60 * noise() - 30);
        }
        bool good = signal_baseline_put(&baseline, START + (int64_t)row * 1000, value, &score);
        assert_int_equal(good, fabs(value) <= SIGNAL_VALUE_MAX);
        assert_true(!good ||
                    (isfinite(score.score) && score.score >= 0 && isfinite(score.expected)));
    }
    assert_false(signal_baseline_put(&baseline, START + INT64_C(1000000000), NAN, &score));
    assert_false(signal_baseline_put(&baseline, START + INT64_C(1000000000), INFINITY, &score));
    assert_false(signal_baseline_put(&baseline, START, 1, &score)); /* Older. */
}

static void test_what_is_usual(void **state)
{
    struct signal_baseline baseline = {0};
    double low, high;
    chance = 4;
    assert_false(signal_baseline_usual(&baseline, START, &low, &high));
    for (unsigned row = 0; row < 28 * DAY_ROWS; row++) {
        put(&baseline, row, daily(row));
    }
    assert_true(
        signal_baseline_usual(&baseline, START + INT64_C(28) * 86400000 + 36000000, &low, &high));
    assert_true(low > 270 && low < 304 && high > 304 && high < 340); /* Monday 10:00: 300 to 308. */
    assert_true(
        signal_baseline_usual(&baseline, START + INT64_C(28) * 86400000 + 3600000, &low, &high));
    assert_true(low > 170 && high < 240); /* Monday 01:00 */
}

/* Values of two hours of the day alone: what is usual at one of them is that hour's, at weekends as
 * well. */
static void test_usual_of_hours(void **state)
{
    struct signal_baseline baseline = {0};
    struct signal_score score;
    double low, high;
    for (int64_t day = 0; day < 60; day++) {
        double little = (double)(day % 3);
        assert_true(signal_baseline_put(&baseline, START + day * INT64_C(86400000) + 3600000,
                                        100 + little, &score));
        assert_true(signal_baseline_put(&baseline, START + day * INT64_C(86400000) + 46800000,
                                        500 + little, &score));
    }
    for (int64_t day = 60; day < 67; day++) {
        int64_t at = START + day * INT64_C(86400000);
        assert_true(signal_baseline_usual(&baseline, at + 3600000, &low, &high));
        assert_true((low + high) / 2 > 90 && (low + high) / 2 < 110);
        assert_true(signal_baseline_usual(&baseline, at + 46800000, &low, &high));
        assert_true((low + high) / 2 > 490 && (low + high) / 2 < 510);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),
        cmocka_unit_test(test_scale_by_powers_of_two_changes_no_score),
        cmocka_unit_test(test_saved_in_the_middle),
        cmocka_unit_test(test_damaged_bytes_are_refused_and_change_nothing),
        cmocka_unit_test(test_hostile_values),
        cmocka_unit_test(test_what_is_usual),
        cmocka_unit_test(test_usual_of_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
