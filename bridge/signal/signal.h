/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNAL_SIGNAL_H
#define SIGNAL_SIGNAL_H

/*
 * Signals: what turns numbers into states. Values are folded into windows, compared with a level
 * that has a gap, with what the series itself taught, or with where its line is going.
 *
 * Pure: state in, value and its time in, verdict out. No clock, no allocation, no I/O. States are
 * of a fixed size. Only + - * / and sqrt on doubles, without contraction, so that the same values
 * give the same bytes at any optimisation and on any machine: a replay is the same to the bit.
 *
 * Times are Unix milliseconds. Values that are not finite, or beyond SIGNAL_VALUE_MAX, are refused.
 */

#include "base/pack.h"

#define SIGNAL_VALUE_MAX 1e37 /* What a float still holds, with its differences. */

bool signal_value_is_good(double value);

/* ---- fold: one value for each window, aligned to the epoch --------------------------------------
 */

enum signal_fold_kind {
    SIGNAL_LAST,
    SIGNAL_AVG,
    SIGNAL_MIN,
    SIGNAL_MAX,
    SIGNAL_SUM,
    SIGNAL_COUNT,
    SIGNAL_DELTA, /* Of a counter: what it rose since the window before; a fall is a new beginning.
                   */
    SIGNAL_RATE,  /* The same for each second. */
    SIGNAL_P95,   /* What 95 of 100 do not exceed; needs a struct signal_top. */
    SIGNAL_FOLDS_COUNT
};

#define SIGNAL_TOP_VALUES 18

/*
 * The largest values of a window, largest first: what its p95 needs. Exact below 320 values; of
 * more every second, fourth ... one is counted, which is a sample: between p92 and p98.
 */
struct signal_top {
    uint32_t seen;
    uint16_t counted;
    uint8_t kept, halved;
    float at[SIGNAL_TOP_VALUES];
};

struct signal_fold {
    int64_t window; /* Number of the open window: time / window_ms. */
    int64_t last_ms;
    double last, sum, min, max;
    double rise;            /* Of the counter, in the open window. */
    double previous;        /* The counter's newest value. */
    struct signal_top *top; /* The caller's; NULL: the kind is not SIGNAL_P95. */
    uint32_t count;
    bool begun;
};

struct signal_folded {
    bool closed;      /* A window ended; value is its value, at its end. */
    bool known;       /* ... and something had come in it. */
    uint32_t missing; /* Windows without a value between that one and the one that is open now. */
    int64_t at_ms;
    double value;
};

const char *signal_fold_word(enum signal_fold_kind kind);
int signal_fold_of(const char *word); /* Or -1. */
/* False: refused, since it is older than the open window or no good value. */
bool signal_fold_put(struct signal_fold *fold, enum signal_fold_kind kind, int64_t window_ms,
                     int64_t at_ms, double value, struct signal_folded *ret_folded);

/* ---- level: compare, hold, and another way down -------------------------------------------------
 */

#define SIGNAL_OF_MAX 64 /* Windows in `of = [k, n]`. */

enum signal_missing { SIGNAL_KEEP, SIGNAL_RAISE, SIGNAL_CLEAR };

enum signal_compare {
    SIGNAL_ABOVE,   /* Raise above `raise`, clear below `clear`. */
    SIGNAL_BELOW,   /* The other way. */
    SIGNAL_OUTSIDE, /* Raise outside raise_low to raise, clear inside clear_low to clear. */
    SIGNAL_EQUAL    /* Raise at `raise`, clear anywhere else. */
};

struct signal_level_rule {
    enum signal_compare compare;
    double raise, clear; /* clear == raise: no gap. */
    double raise_low, clear_low;
    int64_t raise_for_ms, clear_for_ms;
    uint8_t of_k, of_n; /* k of the last n values instead of raise_for_ms; 0: not. */
    enum signal_missing missing;
};

struct signal_level {
    uint64_t bits;    /* Of the last values, newest lowest: was it beyond? For `of`. */
    int64_t since_ms; /* The condition for the other state holds without a break since then; 0: it
                         does not. */
    bool raised;
};

enum signal_turn { SIGNAL_NO_TURN, SIGNAL_TURN_RAISED, SIGNAL_TURN_CLEARED };

bool signal_level_beyond(const struct signal_level_rule *rule, double value);
bool signal_level_back(const struct signal_level_rule *rule, double value);
enum signal_turn signal_level_put(struct signal_level *level, const struct signal_level_rule *rule,
                                  int64_t at_ms, double value);
enum signal_turn signal_level_missed(struct signal_level *level,
                                     const struct signal_level_rule *rule, int64_t at_ms);

/* ---- baseline: how rare a value is for its own series -------------------------------------------
 */

#define SIGNAL_SEASONS 48      /* Hours of a day, of week and weekend apart (UTC). */
#define SIGNAL_RARITY_SLOTS 40 /* Ten octaves: what is smaller than a thousandth is usual. */
#define SIGNAL_FEATURES 3
#define SIGNAL_BASELINE_VERSION 2
#define SIGNAL_BASELINE_BYTES 720 /* At most, as signal_baseline_save() writes it. */

/* How rare a distance is among all that were seen: counters, four to an octave, on a moving base.
 */
struct signal_rarity {
    uint16_t total;
    int16_t base;
    int8_t top; /* The highest slot ever used; -1: none. */
    uint16_t counts[SIGNAL_RARITY_SLOTS];
};

struct signal_baseline {
    double slow, mid,
        residual; /* Averages: of long, of lately, and of the distance from the season. */
    int64_t last_ms;
    uint32_t values;
    uint32_t still; /* Values since the last one that was any different. */
    float peak;     /* Scores under it are no news. */
    float season[SIGNAL_SEASONS];
    uint8_t season_values[SIGNAL_SEASONS / 2]; /* Four bits each: up to 15. */
    struct signal_rarity rarity[SIGNAL_FEATURES];
};

enum signal_feature { SIGNAL_SPIKE, SIGNAL_SHIFT, SIGNAL_SEASON };

struct signal_score {
    double score; /* Decades of rarity: 4 is once in ten thousand values. */
    double news;  /* score where it is above what was told lately, else 0: what an alarm is raised
                     on. */
    double expected;
    enum signal_feature feature; /* Which of them says most. */
};

/* False: refused, since it is older than the last one or no good value. All zero is a new baseline.
 */
bool signal_baseline_put(struct signal_baseline *baseline, int64_t at_ms, double value,
                         struct signal_score *ret_score);
/* Between which values 99 of 100 lie at this time of the week. False: nothing is known yet. */
bool signal_baseline_usual(const struct signal_baseline *baseline, int64_t at_ms, double *ret_low,
                           double *ret_high);
const char *signal_feature_word(enum signal_feature feature);
/* score as a number of [0, 1): 0.5 at 4, 0.56 at 5, 0.6 at 6. */
double signal_score_unit(double score);
void signal_baseline_save(const struct signal_baseline *baseline, struct pack_writer *writer);
/* -NSH_CORRUPT: not what was saved, or by another version; baseline is untouched. */
int signal_baseline_load(struct pack_reader *reader, struct signal_baseline *baseline);

/* ---- forecast: a straight line that forgets -----------------------------------------------------
 */

struct signal_forecast {
    int64_t last_ms;
    double w, t, tt, x, tx, xx; /* Weighted sums; t in half-lives before last_ms. */
};

struct signal_line {
    double value, slope;          /* Now, and for each hour. */
    double slope_low, slope_high; /* Two standard errors away. */
};

/* What is kept of a weight after a time: series that are put in turn mostly ask the same. All zero
 * is good to begin with. */
struct signal_decay {
    int64_t half_life_ms, elapsed_ms;
    double step, kept;
};

/* decay: of no meaning for the result. */
bool signal_forecast_put(struct signal_forecast *forecast, struct signal_decay *decay,
                         int64_t half_life_ms, int64_t at_ms, double value);
/* False: fewer than three values, or all at one time. */
bool signal_forecast_line(const struct signal_forecast *forecast, int64_t half_life_ms,
                          struct signal_line *ret_line);
/* How long until the line meets level, at the earliest and the latest. False: not in sight. */
bool signal_forecast_reaches(const struct signal_line *line, double level, double *ret_hours_early,
                             double *ret_hours_late);

#endif
