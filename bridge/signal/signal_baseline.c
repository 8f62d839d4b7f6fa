/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is usual for a series, learned from itself: a slow and a quicker average and the hours of a
 * day, of week and weekend apart. A value has three distances (from the slow average at once, of
 * the quicker average from the slow one, and from what is usual at this hour), each with its
 * rarity. The score is their fourth-power mean: whichever speaks, speaks. It is news only while it
 * exceeds a slowly sinking peak: the first value of an event tells, the rest of it does not tell
 * again.
 *
 * Learning goes on while something is unusual: else a lasting change would stay an alarm for ever.
 * Weights are for windows of about five minutes.
 */

#include "signal_number.h"
#include "signal_rarity.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define HOUR_MS 3600000
#define DAY_MS 86400000
#define DAY_OF_EPOCH 4 /* A Thursday; 0 is Sunday. */
#define SLOW_WEIGHT 0.005
#define MID_WEIGHT 0.06
#define SEASON_WEIGHT 0.12
#define SEASON_VALUES_MIN 2 /* An hour that was seen less says nothing. */
#define RESIDUAL_WEIGHT 0.2
#define PEAK_KEPT 0.998f
#define USUAL_ONE_IN 100.0

_Static_assert(sizeof(struct signal_baseline) <= 520,
               "a series is to stay below 768 bytes, all in: labels, table and this");

const char *signal_feature_word(enum signal_feature feature)
{
    static const char *const words[] = {"spike", "shift", "season"};
    return words[feature];
}

double signal_score_unit(double score)
{
    return score / (score + 4);
}

static size_t season_of(int64_t at_ms)
{
    int64_t day = at_ms / DAY_MS;
    int64_t weekday = (day + DAY_OF_EPOCH) % 7;
    int64_t hour = at_ms % DAY_MS / HOUR_MS;
    return (size_t)(hour + (weekday == 0 || weekday == 6 ? 24 : 0));
}

/* How often an hour was seen, up to 15: beyond a few its weight is the same. */
static uint8_t season_seen(const struct signal_baseline *baseline, size_t season)
{
    return (baseline->season_values[season / 2] >> (season % 2 * 4)) & 15;
}

static void season_see(struct signal_baseline *baseline, size_t season)
{
    if (season_seen(baseline, season) < 15) {
        uint8_t *both = &baseline->season_values[season / 2];
        *both = (uint8_t)(*both + (1u << (season % 2 * 4)));
    }
}

/* Of equal weight while there are few, then no less than least. */
static double weight(double least, uint32_t values)
{
    return values * least < 1 ? 1.0 / values : least;
}

static float distance_of(double difference)
{
    double distance = fabs(difference);
    return distance > (double)FLT_MAX ? FLT_MAX : (float)distance;
}

/* Nothing moves: no average, no season, no distance. Most series of a server are so most of the
 * time. */
static bool is_still(const struct signal_baseline *baseline, size_t season, double value)
{
    return value == baseline->slow && value == baseline->mid && baseline->residual == 0 &&
           season_seen(baseline, season) >= SEASON_VALUES_MIN &&
           (double)baseline->season[season] == value;
}

struct features {
    float distance[SIGNAL_FEATURES];
    bool known[SIGNAL_FEATURES];
};

static void score_of(struct signal_baseline *baseline, const struct features *features,
                     struct signal_score *score)
{
    double sum = 0, most = 0;
    for (int i = 0; i < SIGNAL_FEATURES; i++) {
        if (!features->known[i]) {
            continue;
        }
        double z = signal_rarity_put(&baseline->rarity[i], features->distance[i]);
        score->feature = z > most ? (enum signal_feature)i : score->feature;
        most = z > most ? z : most;
        sum += z * z * (z * z);
    }
    score->score = sqrt(sqrt(sum));
}

static void learn(struct signal_baseline *baseline, size_t season, double value, double mid)
{
    season_see(baseline, season);
    double usual = (double)baseline->season[season];
    baseline->season[season] =
        (float)(usual + weight(SEASON_WEIGHT, season_seen(baseline, season)) * (value - usual));
    baseline->slow += weight(SLOW_WEIGHT, baseline->values) * (value - baseline->slow);
    baseline->mid = mid;
}

static void stood_still(struct signal_baseline *baseline)
{
    for (int i = 0; i < SIGNAL_FEATURES && baseline->still > 0; i++) {
        signal_rarity_put_zeros(&baseline->rarity[i], baseline->still);
    }
    baseline->still = 0;
}

bool signal_baseline_put(struct signal_baseline *baseline, int64_t at_ms, double value,
                         struct signal_score *ret_score)
{
    if (!signal_value_is_good(value) || at_ms < 0 ||
        (baseline->values > 0 && at_ms < baseline->last_ms)) {
        return false;
    }
    size_t season = season_of(at_ms);
    bool first = baseline->values == 0,
         seasonal = season_seen(baseline, season) >= SEASON_VALUES_MIN;
    *ret_score = (struct signal_score){.expected = first      ? value
                                                   : seasonal ? (double)baseline->season[season]
                                                              : baseline->slow};
    baseline->last_ms = at_ms;
    baseline->values += baseline->values < UINT32_MAX;
    if (first) {
        baseline->slow = baseline->mid = value;
    } else if (is_still(baseline, season, value)) {
        baseline->still += baseline->still < UINT32_MAX;
        baseline->peak *= PEAK_KEPT;
        return true;
    }
    stood_still(baseline);
    double mid = baseline->mid + weight(MID_WEIGHT, baseline->values) * (value - baseline->mid);
    if (seasonal) {
        double residual = value - (double)baseline->season[season];
        baseline->residual += RESIDUAL_WEIGHT * (residual - baseline->residual);
    }
    struct features features = {.distance = {[SIGNAL_SPIKE] = distance_of(value - baseline->slow),
                                             [SIGNAL_SHIFT] = distance_of(mid - baseline->slow),
                                             [SIGNAL_SEASON] = distance_of(baseline->residual)},
                                .known = {!first, !first, seasonal}};
    score_of(baseline, &features, ret_score);
    learn(baseline, season, value, mid);
    ret_score->news = ret_score->score > (double)baseline->peak ? ret_score->score : 0;
    float sunk = baseline->peak * PEAK_KEPT, score = (float)ret_score->score;
    baseline->peak = score > sunk ? score : sunk;
    return true;
}

bool signal_baseline_usual(const struct signal_baseline *baseline, int64_t at_ms, double *ret_low,
                           double *ret_high)
{
    if (baseline->values < 2) {
        return false;
    }
    size_t season = season_of(at_ms);
    bool seasonal = season_seen(baseline, season) >= SEASON_VALUES_MIN;
    double middle = seasonal ? (double)baseline->season[season] : baseline->slow;
    const struct signal_rarity *rarity = &baseline->rarity[seasonal ? SIGNAL_SEASON : SIGNAL_SPIKE];
    double radius = signal_rarity_radius(rarity, USUAL_ONE_IN);
    *ret_low = middle - radius;
    *ret_high = middle + radius;
    return true;
}
