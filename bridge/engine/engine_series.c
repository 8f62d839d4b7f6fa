/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples of one metric of one subject: a ring of a fixed size, and what can be said of a window of
 * it. Pure: + - * / and sqrt only, in the order of time, so that a replay gives the same bytes.
 *
 * Windows are (t-w, t]. Fewer than half of the samples that the metric's interval promises: nothing
 * can be said.
 */

#include "engine_series.h"

#include <math.h>
#include <stdlib.h>

static struct sample *sample_at(const struct series *series, uint32_t index)
{
    return &series->items[(series->first + index) % series->room];
}

uint32_t series_room(const struct policy_series *wanted)
{
    int64_t count = wanted->window_ms / wanted->metric->interval_ms;
    count = count > POLICY_SAMPLES_MAX ? POLICY_SAMPLES_MAX : count;
    return (uint32_t)(count + count / 4 + 4); /* A source that is a little quicker, and edges. */
}

void series_put(struct series *series, struct sample sample)
{
    uint32_t at = series->count;
    while (at > 0 && sample_at(series, at - 1)->at > sample.at) {
        at--;
    }
    if (at > 0 && sample_at(series, at - 1)->at == sample.at) {
        sample_at(series, at - 1)->value = sample.value; /* Of one instant the later one counts. */
        return;
    }
    if (series->count == series->room) { /* The oldest goes. */
        if (at == 0) {
            return;
        }
        series->first = (series->first + 1) % series->room;
        series->count--;
        at--;
    }
    series->count++;
    for (uint32_t i = series->count - 1; i > at; i--) {
        *sample_at(series, i) = *sample_at(series, i - 1);
    }
    *sample_at(series, at) = sample;
}

void series_prune(struct series *series, int64_t oldest_ms)
{
    while (series->count > 0 && sample_at(series, 0)->at <= oldest_ms) {
        series->first = (series->first + 1) % series->room;
        series->count--;
    }
}

const struct sample *series_newest(const struct series *series)
{
    return series->count == 0 ? NULL : sample_at(series, series->count - 1);
}

struct sample series_item(const struct series *series, uint32_t index)
{
    return *sample_at(series, index);
}

uint32_t series_within(const struct series *series, int64_t window_ms, int64_t now_ms)
{
    uint32_t count = 0;
    while (count < series->count &&
           sample_at(series, series->count - 1 - count)->at > now_ms - window_ms) {
        count++;
    }
    return count;
}

/* ---- windows -------------------------------------------------------------------------------- */

struct view {
    const struct series *series;
    uint32_t from, count;
    bool counter;
};

static double value(const struct view *view, uint32_t index)
{
    return sample_at(view->series, view->from + index)->value;
}

static int64_t at(const struct view *view, uint32_t index)
{
    return sample_at(view->series, view->from + index)->at;
}

/* From first to last; a counter that fell began anew at nought. */
static double rise(const struct view *view)
{
    double sum = 0;
    if (!view->counter) {
        return value(view, view->count - 1) - value(view, 0);
    }
    for (uint32_t i = 1; i < view->count; i++) {
        double before = value(view, i - 1), now = value(view, i);
        sum += now < before ? now : now - before;
    }
    return sum;
}

static double mean(const struct view *view)
{
    double sum = 0;
    for (uint32_t i = 0; i < view->count; i++) {
        sum += value(view, i);
    }
    return sum / view->count;
}

static double extreme(const struct view *view, bool most)
{
    double best = value(view, 0);
    for (uint32_t i = 1; i < view->count; i++) {
        double next = value(view, i);
        best = (most ? next > best : next < best) ? next : best;
    }
    return best;
}

/* Least squares, times in seconds before now; the line's value ahead_ms from now. */
static bool line(const struct view *view, int64_t now_ms, int64_t ahead_ms, double *ret_value)
{
    double st = 0, sx = 0, stt = 0, stx = 0, n = view->count;
    for (uint32_t i = 0; i < view->count; i++) {
        double t = (double)(at(view, i) - now_ms) / 1000.0, x = value(view, i);
        st += t;
        sx += x;
        stt += t * t;
        stx += t * x;
    }
    double spread = n * stt - st * st;
    if (spread <= 0) {
        return false;
    }
    double slope = (n * stx - st * sx) / spread;
    *ret_value = (sx - slope * st) / n + slope * ((double)ahead_ms / 1000.0);
    return true;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/*
 * How far the newest value is from the median of those before it, in robust standard deviations
 * (1.4826 median absolute deviations). Where more than half of the values are equal that deviation
 * is nought: then the mean absolute one, and for a constant past nothing is usual but the same.
 */
static bool unusual(const struct view *view, double *values, double *ret_score)
{
    uint32_t past = view->count - 1;
    double newest = value(view, past), sum = 0;
    for (uint32_t i = 0; i < past; i++) {
        values[i] = value(view, i);
    }
    double middle = median(values, past);
    for (uint32_t i = 0; i < past; i++) {
        values[i] = fabs(value(view, i) - middle);
        sum += values[i];
    }
    double scale = 1.4826 * median(values, past);
    if (scale <= 0) {
        scale = 1.2533 * sum / past;
    }
    double away = newest - middle;
    if (scale <= 0) {
        *ret_score = away > 0 || away < 0 ? ANOMALY_SCORE_MAX : 0;
        return true;
    }
    double score = fabs(away) / scale;
    *ret_score = score > ANOMALY_SCORE_MAX ? ANOMALY_SCORE_MAX : score;
    return true;
}

static bool counter_rate(const struct view *view, double *ret_value)
{
    double seconds = (double)(at(view, view->count - 1) - at(view, 0)) / 1000.0;
    if (seconds <= 0) {
        return false;
    }
    *ret_value = rise(view) / seconds;
    return true;
}

static uint32_t least_of(enum policy_function function)
{
    switch ((int)function) {
    case FN_RATE_OVER:
    case FN_DELTA_OVER:
        return 2;
    case FN_PREDICT:
        return PREDICT_SAMPLES_MIN;
    case FN_ANOMALY:
        return ANOMALY_SAMPLES_MIN;
    default:
        return 1;
    }
}

bool series_window(const struct series *series, const struct series_ask *ask, double *values,
                   double *ret_value)
{
    const struct policy_metric *metric = ask->metric;
    uint32_t count = series_within(series, ask->window_ms, ask->now_ms);
    struct view view = {.series = series,
                        .from = series->count - count,
                        .count = count,
                        .counter = metric->counter};
    if (count < least_of(ask->function) ||
        2 * (int64_t)count * metric->interval_ms < ask->window_ms) {
        return false;
    }
    switch ((int)ask->function) {
    case FN_AVG_OVER:
        *ret_value = mean(&view);
        return true;
    case FN_MIN_OVER:
    case FN_MAX_OVER:
        *ret_value = extreme(&view, ask->function == FN_MAX_OVER);
        return true;
    case FN_RATE_OVER:
        return counter_rate(&view, ret_value);
    case FN_DELTA_OVER:
        *ret_value = rise(&view);
        return true;
    case FN_PREDICT:
        return line(&view, ask->now_ms, ask->ahead_ms, ret_value);
    case FN_ANOMALY:
        return unusual(&view, values, ret_value);
    default:
        return false;
    }
}
