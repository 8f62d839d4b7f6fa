/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_POLICY_CALENDAR_H
#define POLICY_POLICY_CALENDAR_H

/*
 * Calendars of the site: when the clock on the wall allows something. Days and dates with a time
 * of day in a zone; a window begins and ends with the first instant at which the clock there shows
 * its time (in a gap: the end of the gap). Pure: zones are read when the set is made.
 */

#include "abi/error.h"
#include "base/text.h"

#define CALENDARS_MAX 24 /* Of a site. */
#define CALENDAR_DATES_MAX 16
#define CALENDAR_NAME_BYTES_MAX 48
#define CALENDAR_ZONE_BYTES_MAX 48

struct calendar_range {
    int32_t first, last; /* Days since 1970-01-01, both included. */
};

struct policy_calendar {
    char name[CALENDAR_NAME_BYTES_MAX + 1];
    char zone[CALENDAR_ZONE_BYTES_MAX + 1];
    uint8_t days;     /* Bit 0: Sunday. */
    int32_t from_min; /* Minutes of the day. */
    int32_t to_min;   /* The same; at or below from_min: of the next day. */
    struct calendar_range dates[CALENDAR_DATES_MAX]; /* None: every date. */
    size_t dates_count;
};

struct policy_calendars {
    struct policy_calendar items[CALENDARS_MAX];
    size_t count;
};

struct policy_set;

struct calendar_state {
    bool inside;
    int64_t edge_ms; /* Inside: when it closes; outside: when it opens. INT64_MAX: never. */
};

/* 1 + the index of that name in the set, or 0. */
uint32_t policy_calendar_find(const struct policy_set *set, struct text name);
const char *policy_calendar_name(const struct policy_set *set, uint32_t calendar);
/* calendar: as found. wall_ms: Unix time. */
struct calendar_state policy_calendar_at(const struct policy_set *set, uint32_t calendar,
                                         int64_t wall_ms);
/*
 * The first instant, from wall_ms on, that is inside with at least left_ms before it closes;
 * INT64_MAX: there is none.
 */
int64_t policy_calendar_next(const struct policy_set *set, uint32_t calendar, int64_t wall_ms,
                             int64_t left_ms);

#endif
