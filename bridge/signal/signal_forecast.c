/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a series is going: a straight line by least squares whose points lose half of their weight
 * with each half-life. Six sums, moved along so that the newest point is at time 0.
 */

#include "signal.h"

#include "base/assert.h"
#include "signal_number.h"

#include <math.h>

#define HOUR_MS 3600000.0
#define WEIGHT_MIN 2.5 /* Of three points; below that a line fits anything. */

static void decay_ask(struct signal_decay *decay, int64_t half_life_ms, int64_t elapsed_ms)
{
    if (decay->half_life_ms != half_life_ms || decay->elapsed_ms != elapsed_ms) {
        double step = (double)elapsed_ms / (double)half_life_ms;
        *decay = (struct signal_decay){half_life_ms, elapsed_ms, step, signal_half_to(step)};
    }
}

bool signal_forecast_put(struct signal_forecast *forecast, struct signal_decay *decay,
                         int64_t half_life_ms, int64_t at_ms, double value)
{
    NSH_ASSERT(half_life_ms > 0);
    if (!signal_value_is_good(value) || at_ms < 0 ||
        (forecast->w > 0 && at_ms < forecast->last_ms)) {
        return false;
    }
    if (forecast->w > 0) {
        decay_ask(decay, half_life_ms, at_ms - forecast->last_ms);
        double step = decay->step, kept = decay->kept;
        forecast->tt = kept * (forecast->tt - 2 * step * forecast->t + step * step * forecast->w);
        forecast->tx = kept * (forecast->tx - step * forecast->x);
        forecast->t = kept * (forecast->t - step * forecast->w);
        forecast->w *= kept;
        forecast->x *= kept;
        forecast->xx *= kept;
    }
    forecast->w += 1;
    forecast->x += value;
    forecast->xx += value * value;
    forecast->last_ms = at_ms;
    return true;
}

bool signal_forecast_line(const struct signal_forecast *forecast, int64_t half_life_ms,
                          struct signal_line *ret_line)
{
    double w = forecast->w;
    if (w < WEIGHT_MIN) {
        return false;
    }
    double t = forecast->t / w, x = forecast->x / w;
    double spread = forecast->tt / w - t * t, joint = forecast->tx / w - t * x;
    if (!(spread > 1e-12)) {
        return false;
    }
    double slope = joint / spread;
    double left = forecast->xx / w - x * x - slope * joint; /* Variance that the line leaves. */
    double error = sqrt((left > 0 ? left : 0) / (spread * (w - 2 > 0.5 ? w - 2 : 0.5)));
    double hours = (double)half_life_ms / HOUR_MS;
    *ret_line = (struct signal_line){.value = x - slope * t,
                                     .slope = slope / hours,
                                     .slope_low = (slope - 2 * error) / hours,
                                     .slope_high = (slope + 2 * error) / hours};
    return true;
}

bool signal_forecast_reaches(const struct signal_line *line, double level, double *ret_hours_early,
                             double *ret_hours_late)
{
    double away = level - line->value;
    bool up = away > 0;
    double quick = up ? line->slope_high : line->slope_low,
           slow = up ? line->slope_low : line->slope_high;
    bool nears = up ? slow > 0 : slow < 0; /* The slope is larger than twice its error. */
    if (away == 0) {
        *ret_hours_early = *ret_hours_late = 0;
        return true;
    }
    if (!nears) {
        return false;
    }
    *ret_hours_early = away / quick;
    *ret_hours_late = away / slow;
    return true;
}
