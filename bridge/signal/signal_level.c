/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A level with a gap: up at one value, down at another, each after its time; or k of the last n.
 * Never two turns of one kind in a row.
 */

#include "signal.h"

bool signal_level_beyond(const struct signal_level_rule *rule, double value)
{
    switch (rule->compare) {
    case SIGNAL_BELOW:
        return value < rule->raise;
    case SIGNAL_OUTSIDE:
        return value > rule->raise || value < rule->raise_low;
    case SIGNAL_EQUAL:
        return value == rule->raise;
    case SIGNAL_ABOVE:
    default:
        return value > rule->raise;
    }
}

bool signal_level_back(const struct signal_level_rule *rule, double value)
{
    /* Without a gap the very level is back: it was not beyond. */
    switch (rule->compare) {
    case SIGNAL_BELOW:
        return value >= rule->clear;
    case SIGNAL_OUTSIDE:
        return value <= rule->clear && value >= rule->clear_low;
    case SIGNAL_EQUAL:
        return value != rule->raise;
    case SIGNAL_ABOVE:
    default:
        return value <= rule->clear;
    }
}

static enum signal_turn turn(struct signal_level *level, bool raised)
{
    level->raised = raised;
    level->since_ms = 0;
    return raised ? SIGNAL_TURN_RAISED : SIGNAL_TURN_CLEARED;
}

/* The condition for the other state is true (or not) at this time; it has to stay so for
 * lasting_ms. */
static enum signal_turn hold(struct signal_level *level, bool is, int64_t lasting_ms, int64_t at_ms)
{
    if (!is) {
        level->since_ms = 0;
        return SIGNAL_NO_TURN;
    }
    if (level->since_ms == 0) {
        level->since_ms = at_ms;
    }
    return at_ms - level->since_ms >= lasting_ms ? turn(level, !level->raised) : SIGNAL_NO_TURN;
}

static bool k_of_n(const struct signal_level *level, const struct signal_level_rule *rule)
{
    uint64_t mask = rule->of_n >= SIGNAL_OF_MAX ? UINT64_MAX : (UINT64_C(1) << rule->of_n) - 1;
    return __builtin_popcountll(level->bits & mask) >= rule->of_k;
}

static void remember(struct signal_level *level, bool is)
{
    level->bits = level->bits << 1 | is;
}

enum signal_turn signal_level_put(struct signal_level *level, const struct signal_level_rule *rule,
                                  int64_t at_ms, double value)
{
    remember(level, signal_level_beyond(rule, value));
    if (level->raised) {
        /* With k of n the bits have to be few again, too: else the same values raise it at once. */
        bool is = signal_level_back(rule, value) && (rule->of_n == 0 || !k_of_n(level, rule));
        return hold(level, is, rule->clear_for_ms, at_ms);
    }
    return rule->of_n > 0
               ? hold(level, k_of_n(level, rule), 0, at_ms)
               : hold(level, signal_level_beyond(rule, value), rule->raise_for_ms, at_ms);
}

enum signal_turn signal_level_missed(struct signal_level *level,
                                     const struct signal_level_rule *rule, int64_t at_ms)
{
    (void)at_ms;
    if (rule->missing == SIGNAL_KEEP) {
        level->since_ms = 0; /* A time that was not watched does not count. */
        return SIGNAL_NO_TURN;
    }
    bool raised = rule->missing == SIGNAL_RAISE;
    return level->raised == raised ? SIGNAL_NO_TURN : turn(level, raised);
}
