/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_TIME_H
#define CEL_TIME_H

/* Calendar and time zones. */

#include "cel/cel_private.h"

struct cel_civil {
    int64_t year, month, day; /* month, day from 1 */
    int64_t hour, minute, second;
    int64_t weekday; /* Sunday 0 */
    int64_t yearday; /* from 0 */
};

void cel_civil(int64_t seconds, struct cel_civil *ret_civil);
int64_t cel_days_from_civil(int64_t year, int64_t month, int64_t day);
bool cel_is_leap(int64_t year);

/* A zone read at compilation: evaluation touches no file. */
struct cel_zone;
const struct cel_zone *cel_zone_load(struct arena *arena, struct text name);
/* Whether a text is UTC or a fixed offset ("+02:00", "-8:30"). */
bool cel_zone_is_fixed(struct text name, int64_t *ret_offset);
/* Seconds east of UTC at a time; false: neither a zone that was loaded nor a fixed offset. */
bool cel_zone_offset(const struct cel_zone *zone, struct text name, int64_t seconds,
                     int64_t *ret_offset);

#endif
