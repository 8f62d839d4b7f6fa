/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a calendar's window is open, and when that changes. No clock, no file. */

#include "policy/policy_calendar.h"

#include "base/assert.h"
#include "cel/cel_time.h"
#include "policy/policy.h"

#define DAY_S INT64_C(86400)
#define WEEK_DAYS 7
#define MERGED_DAYS_MAX 400 /* Windows that touch, for so long: it does not close. */
#define WINDOWS_MAX 64      /* Looked at for one that is long enough. */

/* One window: seconds since 1970. */
struct span {
    int64_t begins, ends;
};

uint32_t policy_calendar_find(const struct policy_set *set, struct text name)
{
    for (size_t i = 0; i < set->defaults.calendars.count; i++) {
        if (text_is(name, set->defaults.calendars.items[i].name)) {
            return (uint32_t)i + 1;
        }
    }
    return 0;
}

static const struct policy_calendar *calendar_of(const struct policy_set *set, uint32_t calendar)
{
    NSH_ASSERT(calendar > 0);
    NSH_ASSERT(calendar <= set->defaults.calendars.count);
    return &set->defaults.calendars.items[calendar - 1];
}

const char *policy_calendar_name(const struct policy_set *set, uint32_t calendar)
{
    return calendar_of(set, calendar)->name;
}

/* ---- clocks of a zone ------------------------------------------------------------------------ */

static int64_t offset_at(const struct policy_set *set, uint32_t calendar, int64_t seconds)
{
    int64_t offset = 0;
    cel_zone_offset(set->zones[calendar - 1], text_of(calendar_of(set, calendar)->zone), seconds,
                    &offset);
    return offset;
}

/* The first instant at which the clock there shows local or, when it skips that, more. */
static int64_t first_instant(const struct policy_set *set, uint32_t calendar, int64_t local)
{
    int64_t before = offset_at(set, calendar, local - DAY_S);
    int64_t after = offset_at(set, calendar, local + DAY_S);
    if (offset_at(set, calendar, local - before) == before) {
        return local - before;
    }
    if (offset_at(set, calendar, local - after) == after) {
        return local - after;
    }
    int64_t low = local - DAY_S, high = local + DAY_S; /* A gap: the instant of the change. */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (offset_at(set, calendar, middle) == before) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

/* ---- days ------------------------------------------------------------------------------------ */

static int64_t floor_days(int64_t seconds)
{
    return seconds >= 0 ? seconds / DAY_S : -((-seconds + DAY_S - 1) / DAY_S);
}

static bool date_fits(const struct policy_calendar *calendar, int64_t day)
{
    for (size_t i = 0; i < calendar->dates_count; i++) {
        if (day >= calendar->dates[i].first && day <= calendar->dates[i].last) {
            return true;
        }
    }
    return calendar->dates_count == 0;
}

static bool day_fits(const struct policy_calendar *calendar, int64_t day)
{
    int64_t weekday = ((day + 4) % WEEK_DAYS + WEEK_DAYS) % WEEK_DAYS; /* 1970: a Thursday. */
    return (calendar->days >> weekday & 1) != 0 && date_fits(calendar, day);
}

/* The first day from day on that has a window; false: there is none. */
static bool next_day(const struct policy_calendar *calendar, int64_t day, int64_t *ret_day)
{
    for (size_t ranges = 0; ranges <= CALENDAR_DATES_MAX; ranges++) {
        for (int64_t i = 0; i < WEEK_DAYS; i++) {
            if (day_fits(calendar, day + i)) {
                *ret_day = day + i;
                return true;
            }
        }
        int64_t next = INT64_MAX; /* Where the next range of dates begins. */
        for (size_t i = 0; i < calendar->dates_count; i++) {
            int64_t first = calendar->dates[i].first;
            next = first > day && first < next ? first : next;
        }
        if (next == INT64_MAX) {
            return false;
        }
        day = next;
    }
    return false;
}

static struct span span_of(const struct policy_set *set, uint32_t calendar, int64_t day)
{
    const struct policy_calendar *is = calendar_of(set, calendar);
    int64_t next = is->to_min <= is->from_min;
    return (struct span){
        first_instant(set, calendar, day * DAY_S + (int64_t)is->from_min * 60),
        first_instant(set, calendar, (day + next) * DAY_S + (int64_t)is->to_min * 60)};
}

/* Windows that touch are one: when does it close? */
static int64_t closes_at(const struct policy_set *set, uint32_t calendar, int64_t day,
                         struct span span)
{
    const struct policy_calendar *is = calendar_of(set, calendar);
    for (int i = 0; i < MERGED_DAYS_MAX; i++) {
        struct span other = {INT64_MAX, INT64_MAX};
        if (next_day(is, day + 1, &day)) {
            other = span_of(set, calendar, day);
        }
        if (other.begins > span.ends) {
            return span.ends;
        }
        span.ends = other.ends > span.ends ? other.ends : span.ends;
    }
    return INT64_MAX;
}

static int64_t to_ms(int64_t seconds)
{
    return seconds == INT64_MAX ? INT64_MAX : seconds * 1000;
}

struct calendar_state policy_calendar_at(const struct policy_set *set, uint32_t calendar,
                                         int64_t wall_ms)
{
    const struct policy_calendar *is = calendar_of(set, calendar);
    int64_t now = wall_ms >= 0 ? wall_ms / 1000 : -((-wall_ms + 999) / 1000);
    int64_t day = floor_days(now + offset_at(set, calendar, now)) - 1;
    /* Yesterday's window may reach into today; a window that a gap ate is empty. */
    for (int i = 0; i < WINDOWS_MAX && next_day(is, day, &day); i++, day++) {
        struct span span = span_of(set, calendar, day);
        if (now < span.begins && span.begins < span.ends) {
            return (struct calendar_state){false, to_ms(span.begins)};
        }
        if (now >= span.begins && now < span.ends) {
            return (struct calendar_state){true, to_ms(closes_at(set, calendar, day, span))};
        }
    }
    return (struct calendar_state){false, INT64_MAX};
}

int64_t policy_calendar_next(const struct policy_set *set, uint32_t calendar, int64_t wall_ms,
                             int64_t left_ms)
{
    for (int i = 0; i < WINDOWS_MAX; i++) {
        struct calendar_state state = policy_calendar_at(set, calendar, wall_ms);
        if (state.inside && (state.edge_ms == INT64_MAX || state.edge_ms - wall_ms >= left_ms)) {
            return wall_ms;
        }
        if (state.edge_ms == INT64_MAX) {
            return INT64_MAX;
        }
        wall_ms = state.edge_ms;
    }
    return INT64_MAX;
}
