/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: what came in one becomes one value. A window without anything is missing, never zero. */

#include "signal.h"

#include "base/assert.h"
#include "signal_top.h"

#include <math.h>
#include <string.h>

static const char *const words[SIGNAL_FOLDS_COUNT] = {
    [SIGNAL_LAST] = "last",   [SIGNAL_AVG] = "avg",   [SIGNAL_MIN] = "min",
    [SIGNAL_MAX] = "max",     [SIGNAL_SUM] = "sum",   [SIGNAL_COUNT] = "count",
    [SIGNAL_DELTA] = "delta", [SIGNAL_RATE] = "rate", [SIGNAL_P95] = "p95",
};

const char *signal_fold_word(enum signal_fold_kind kind)
{
    return kind < SIGNAL_FOLDS_COUNT ? words[kind] : "?";
}

int signal_fold_of(const char *word)
{
    for (int i = 0; i < SIGNAL_FOLDS_COUNT; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

bool signal_value_is_good(double value)
{
    return isfinite(value) && fabs(value) <= SIGNAL_VALUE_MAX;
}

/* A sum of good values may be none: the largest there is stands for it. */
static double good(double value)
{
    return value > SIGNAL_VALUE_MAX    ? SIGNAL_VALUE_MAX
           : value < -SIGNAL_VALUE_MAX ? -SIGNAL_VALUE_MAX
                                       : value;
}

static double folded(const struct signal_fold *fold, enum signal_fold_kind kind, int64_t window_ms)
{
    switch (kind) {
    case SIGNAL_AVG:
        return fold->sum / fold->count;
    case SIGNAL_MIN:
        return fold->min;
    case SIGNAL_MAX:
        return fold->max;
    case SIGNAL_SUM:
        return fold->sum;
    case SIGNAL_COUNT:
        return fold->count;
    case SIGNAL_DELTA:
        return fold->rise;
    case SIGNAL_RATE:
        return fold->rise / ((double)window_ms / 1000.0);
    case SIGNAL_P95:
        return signal_top_p95(fold->top);
    case SIGNAL_LAST:
    case SIGNAL_FOLDS_COUNT:
        break;
    }
    return fold->last;
}

static void window_open(struct signal_fold *fold, int64_t window)
{
    fold->window = window;
    fold->count = 0;
    fold->sum = fold->rise = 0;
    if (fold->top != NULL) {
        *fold->top = (struct signal_top){0};
    }
}

static void window_put(struct signal_fold *fold, int64_t at_ms, double value)
{
    if (fold->begun) {
        fold->rise += value < fold->previous ? value : value - fold->previous;
    }
    fold->min = fold->count == 0 || value < fold->min ? value : fold->min;
    fold->max = fold->count == 0 || value > fold->max ? value : fold->max;
    if (fold->top != NULL) {
        signal_top_put(fold->top, value);
    }
    fold->sum += value;
    fold->count++;
    fold->last = fold->previous = value;
    fold->last_ms = at_ms;
    fold->begun = true;
}

bool signal_fold_put(struct signal_fold *fold, enum signal_fold_kind kind, int64_t window_ms,
                     int64_t at_ms, double value, struct signal_folded *ret_folded)
{
    NSH_ASSERT(window_ms > 0);
    NSH_ASSERT((kind == SIGNAL_P95) == (fold->top != NULL));
    int64_t window = at_ms / window_ms;
    *ret_folded = (struct signal_folded){0};
    if (!signal_value_is_good(value) || at_ms < 0 || (fold->begun && at_ms < fold->last_ms)) {
        return false;
    }
    if (!fold->begun) {
        window_open(fold, window);
    } else if (window > fold->window) {
        bool counter = kind == SIGNAL_DELTA || kind == SIGNAL_RATE;
        int64_t missing = window - fold->window - 1;
        *ret_folded = (struct signal_folded){
            .closed = true,
            .known = fold->count > 0,
            .missing = missing > UINT32_MAX ? UINT32_MAX : (uint32_t)missing,
            .at_ms = (fold->window + 1) * window_ms,
            .value = good(folded(fold, kind, window_ms)),
        };
        /* What a counter rose over windows that are missing belongs to none. */
        fold->begun = !(counter && missing > 0);
        window_open(fold, window);
    }
    window_put(fold, at_ms, value);
    return true;
}
