/* SPDX-License-Identifier: Apache-2.0 */
/* Folds, levels with a gap, and lines that go somewhere. */

#include "../unit.h"

#include "signal/signal.h"

#include <math.h>
#include <stdlib.h>

#define MINUTE INT64_C(60000)

/* ---- folds ---------------------------------------------------------------------------------- */

static void test_folds(void **state)
{
    /* Into one window of a minute: 4 1 7, then one value of the next, which closes it. */
    static const struct {
        enum signal_fold_kind kind;
        double value;
    } rows[] = {
        {SIGNAL_LAST, 7},  {SIGNAL_AVG, 4},         {SIGNAL_MIN, 1},
        {SIGNAL_MAX, 7},   {SIGNAL_SUM, 12},        {SIGNAL_COUNT, 3},
        {SIGNAL_DELTA, 7}, {SIGNAL_RATE, 7 / 60.0}, {SIGNAL_P95, 7},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct signal_top top = {0};
        struct signal_fold fold = {.top = rows[i].kind == SIGNAL_P95 ? &top : NULL};
        struct signal_folded folded;
        assert_true(signal_fold_put(&fold, rows[i].kind, MINUTE, 600000, 4, &folded));
        assert_true(
            signal_fold_put(&fold, rows[i].kind, MINUTE, 610000, 1, &folded)); /* Reset: +1. */
        assert_true(signal_fold_put(&fold, rows[i].kind, MINUTE, 659999, 7, &folded)); /* +6 */
        assert_false(folded.closed);
        assert_true(signal_fold_put(&fold, rows[i].kind, MINUTE, 660000, 9, &folded));
        assert_true(folded.closed && folded.known && folded.missing == 0);
        assert_int_equal(folded.at_ms, 660000);
        if (fabs(folded.value - rows[i].value) > 1e-12) {
            fail_msg("%s: %g", signal_fold_word(rows[i].kind), folded.value);
        }
        assert_int_equal(signal_fold_of(signal_fold_word(rows[i].kind)), rows[i].kind);
    }
    assert_int_equal(signal_fold_of("p50"), -1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Against all values sorted: exact below 320 of them, beyond that an estimate by a sample. */
static void test_p95(void **state)
{
    static double values[5000], sorted[5000];
    uint64_t chance = 5;
    for (size_t count = 1; count <= 5000; count += count < 330 ? 1 : 467) {
        struct signal_top top = {0};
        struct signal_fold fold = {.top = &top};
        struct signal_folded folded;
        for (size_t i = 0; i < count; i++) {
            chance = chance * 6364136223846793005u + 1442695040888963407u;
            values[i] = sorted[i] = (double)(float)(chance >> 44) - 3e5;
            assert_true(signal_fold_put(&fold, SIGNAL_P95, MINUTE, (int64_t)i, values[i], &folded));
            assert_false(folded.closed);
        }
        assert_true(signal_fold_put(&fold, SIGNAL_P95, MINUTE, MINUTE, 0, &folded));
        assert_true(folded.closed);
        qsort(sorted, count, sizeof sorted[0], by_value);
        size_t rank = (count * 95 + 99) / 100 - 1, slack = count < 320 ? 0 : count / 25;
        if (folded.value < sorted[rank - slack] || folded.value > sorted[rank + slack]) {
            fail_msg("of %zu values: %g, not %g", count, folded.value, sorted[rank]);
        }
        assert_int_equal(top.seen, 1); /* The next window is begun. */
    }
}

static void test_compares(void **state)
{
    static const struct signal_level_rule outside = {.compare = SIGNAL_OUTSIDE,
                                                     .raise_low = 18,
                                                     .raise = 27,
                                                     .clear_low = 20,
                                                     .clear = 25},
                                          equal = {.compare = SIGNAL_EQUAL, .raise = 3};
    static const struct {
        const struct signal_level_rule *rule;
        double value;
        enum signal_turn turn;
        const char *why;
    } rows[] = {
        {&outside, 18, SIGNAL_NO_TURN, "the edge is inside"},
        {&outside, 17.9, SIGNAL_TURN_RAISED, "below"},
        {&outside, 19, SIGNAL_NO_TURN, "in the gap"},
        {&outside, 20, SIGNAL_TURN_CLEARED, "back"},
        {&outside, 26, SIGNAL_NO_TURN, "in the gap, not raised"},
        {&outside, 27.1, SIGNAL_TURN_RAISED, "above"},
        {&outside, 17, SIGNAL_NO_TURN, "out on the other side: still out"},
        {&outside, 25, SIGNAL_TURN_CLEARED, "back"},
        {&equal, 2, SIGNAL_NO_TURN, "another value"},
        {&equal, 3, SIGNAL_TURN_RAISED, "the value"},
        {&equal, 3, SIGNAL_NO_TURN, "still"},
        {&equal, 4, SIGNAL_TURN_CLEARED, "any other"},
    };
    struct signal_level levels[2] = {{0}, {0}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct signal_level *level = &levels[rows[i].rule == &equal];
        if (signal_level_put(level, rows[i].rule, (int64_t)i + 1, rows[i].value) != rows[i].turn) {
            fail_msg("%s: row %zu", rows[i].why, i);
        }
    }
}

static void test_windows_without_values(void **state)
{
    struct signal_fold fold = {0};
    struct signal_folded folded;
    assert_true(signal_fold_put(&fold, SIGNAL_DELTA, MINUTE, 0, 100, &folded));
    assert_false(signal_fold_put(&fold, SIGNAL_DELTA, MINUTE, -1, 100, &folded));
    assert_true(signal_fold_put(&fold, SIGNAL_DELTA, MINUTE, 5 * MINUTE, 900, &folded));
    assert_int_equal(folded.missing, 4);
    assert_false(
        signal_fold_put(&fold, SIGNAL_DELTA, MINUTE, 5 * MINUTE - 1, 901, &folded)); /* Late. */
    assert_false(signal_fold_put(&fold, SIGNAL_DELTA, MINUTE, 5 * MINUTE, NAN, &folded));
    assert_true(signal_fold_put(&fold, SIGNAL_DELTA, MINUTE, 6 * MINUTE, 910, &folded));
    assert_true(folded.value == 0); /* What it rose while nobody watched belongs to no window. */
    assert_true(signal_fold_put(&fold, SIGNAL_DELTA, MINUTE, 7 * MINUTE, 4, &folded));
    assert_true(folded.value == 10); /* 910 came in it, from 900. */
    assert_true(signal_fold_put(&fold, SIGNAL_DELTA, MINUTE, 8 * MINUTE, 5, &folded));
    assert_true(folded.value == 4); /* From 910 to 4: it began anew. */
}

/* ---- levels --------------------------------------------------------------------------------- */

static const char *turns_of(const struct signal_level_rule *rule, const double *values,
                            size_t count, char *out)
{
    struct signal_level level = {0};
    for (size_t i = 0; i < count; i++) {
        int64_t at_ms = (int64_t)(i + 1) * MINUTE;
        enum signal_turn turn = isnan(values[i]) ? signal_level_missed(&level, rule, at_ms)
                                                 : signal_level_put(&level, rule, at_ms, values[i]);
        out[i] = ".RC"[turn];
    }
    out[count] = 0;
    return out;
}

static void test_levels(void **state)
{
    static const struct {
        const char *why;
        struct signal_level_rule rule;
        double values[10];
        const char *turns;
    } rows[] = {
        {"up above, down below the other level",
         {.raise = 35, .clear = 32},
         {34, 35, 36, 34, 36, 33, 32, 31, 36, 36},
         "..R...C.R."},
        {"below is the other way round",
         {.compare = SIGNAL_BELOW, .raise = 10, .clear = 12},
         {11, 9, 11, 12, 9, 13, 10, 9, 9, 20},
         ".R.CRC.R.C"},
        {"it holds for two minutes, without a break",
         {.raise = 35, .clear = 32, .raise_for_ms = 2 * MINUTE, .clear_for_ms = MINUTE},
         {36, 36, 30, 36, 36, 36, 30, 36, 30, 30},
         ".....R...C"},
        {"what was not watched does not count",
         {.raise = 35, .clear = 32, .raise_for_ms = 2 * MINUTE},
         {36, 36, NAN, 36, 36, 36, 36, NAN, 36, 36},
         ".....R...."},
        {"three of five",
         {.raise = 35, .clear = 35, .of_k = 3, .of_n = 5},
         {36, 30, 36, 30, 36, 30, 30, 36, 30, 30},
         "....RC...."},
        {"missing raises",
         {.raise = 35, .clear = 32, .missing = SIGNAL_RAISE},
         {30, NAN, NAN, 30, NAN, 36, 30, 30, 30, 30},
         ".R.CR.C..."},
        {"missing clears",
         {.raise = 35, .clear = 32, .missing = SIGNAL_CLEAR},
         {36, NAN, NAN, 36, NAN, 36, 30, 30, 30, 30},
         "RC.RCRC..."},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[11];
        const char *turns = turns_of(&rows[i].rule, rows[i].values, 10, out);
        if (strcmp(turns, rows[i].turns) != 0) {
            fail_msg("%s: %s, wanted %s", rows[i].why, turns, rows[i].turns);
        }
    }
}

static void test_never_two_turns_of_one_kind(void **state)
{
    uint64_t chance = 1;
    for (unsigned walk = 0; walk < 2000; walk++) {
        struct signal_level_rule rule = {.raise = 5,
                                         .clear = walk % 2 ? 5 : 3,
                                         .raise_for_ms = (walk % 5) * MINUTE,
                                         .clear_for_ms = (walk % 3) * MINUTE,
                                         .of_k = walk % 7 == 0 ? 2 : 0,
                                         .of_n = walk % 7 == 0 ? 6 : 0};
        struct signal_level level = {0};
        enum signal_turn last = SIGNAL_TURN_CLEARED;
        for (int64_t at = 1; at < 300; at++) {
            chance = chance * 6364136223846793005u + 1442695040888963407u;
            enum signal_turn turn =
                signal_level_put(&level, &rule, at * MINUTE, (double)(chance >> 60));
            assert_true(turn == SIGNAL_NO_TURN || turn != last);
            last = turn == SIGNAL_NO_TURN ? last : turn;
        }
    }
}

/* ---- forecasts ------------------------------------------------------------------------------ */

static void test_a_line_reaches_its_level(void **state)
{
    struct signal_forecast forecast = {0};
    struct signal_decay decay = {0};
    struct signal_line line;
    double early, late;
    assert_false(signal_forecast_line(&forecast, 3 * 1440 * MINUTE, &line));
    for (int hour = 0; hour < 240; hour++) { /* 0.001 an hour, with a little saw. */
        double value = 0.5 + 0.001 * hour + (hour % 2 ? 0.0005 : -0.0005);
        assert_true(
            signal_forecast_put(&forecast, &decay, 3 * 1440 * MINUTE, hour * 60 * MINUTE, value));
    }
    assert_true(signal_forecast_line(&forecast, 3 * 1440 * MINUTE, &line));
    assert_true(fabs(line.slope - 0.001) < 1e-5 && fabs(line.value - 0.739) < 1e-3);
    assert_true(signal_forecast_reaches(&line, 0.95, &early, &late));
    assert_true(early < 211 && late > 211 && early > 200 && late < 222);
    assert_false(signal_forecast_reaches(&line, 0.2, &early, &late)); /* Behind. */
}

static void test_noise_goes_nowhere(void **state)
{
    struct signal_forecast forecast = {0};
    struct signal_decay decay = {0};
    struct signal_line line;
    double early, late;
    uint64_t chance = 5;
    unsigned seen = 0;
    for (int hour = 0; hour < 2000; hour++) {
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        assert_true(signal_forecast_put(&forecast, &decay, 3 * 1440 * MINUTE, hour * 60 * MINUTE,
                                        (double)(chance >> 40) / 16777216.0));
        if (hour > 240 && hour % 24 == 0) {
            assert_true(signal_forecast_line(&forecast, 3 * 1440 * MINUTE, &line));
            seen += signal_forecast_reaches(&line, 2, &early, &late) && early < 168;
        }
    }
    assert_true(seen <= 4);
}

/* What was kept of another's last step is no answer for this one. */
static void test_decay_is_of_the_step(void **state)
{
    static const int64_t half_lives[] = {1440 * MINUTE, 3 * 1440 * MINUTE};
    struct signal_forecast shared[2] = {0}, alone[2] = {0};
    struct signal_decay decay = {0};
    int64_t at_ms = MINUTE;
    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        unsigned which = i * 7 / 3 % 2;
        struct signal_decay fresh = {0};
        double value = i % 13;
        at_ms += i % 5 * MINUTE;
        assert_true(
            signal_forecast_put(&shared[which], &decay, half_lives[i / 9 % 2], at_ms, value));
        assert_true(
            signal_forecast_put(&alone[which], &fresh, half_lives[i / 9 % 2], at_ms, value));
        assert_memory_equal(&shared[which], &alone[which], sizeof alone[which]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_p95),
        cmocka_unit_test(test_compares),
        cmocka_unit_test(test_windows_without_values),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_never_two_turns_of_one_kind),
        cmocka_unit_test(test_a_line_reaches_its_level),
        cmocka_unit_test(test_noise_goes_nowhere),
        cmocka_unit_test(test_decay_is_of_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
