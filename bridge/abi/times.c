/* SPDX-License-Identifier: Apache-2.0 */
/* The times that web services write, in Unix milliseconds. */

#include "abi/encode.h"

#include <stdio.h>
#include <string.h>

#define DAY_S 86400

/* Days since 1970-01-01, in the Gregorian calendar; eras of 400 years begin in March. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool time_of(const int parts[6], int64_t *ret_unix_ms)
{
    static const int least[6] = {1, 1, 1, 0, 0, 0}, most[6] = {9999, 12, 31, 24, 59, 60};
    for (size_t i = 0; i < 6; i++) {
        if (parts[i] < least[i] || parts[i] > most[i]) {
            return false;
        }
    }
    int64_t seconds = days_of(parts[0], parts[1], parts[2]) * DAY_S + (int64_t)parts[3] * 3600 +
                      (int64_t)parts[4] * 60 + parts[5];
    *ret_unix_ms = seconds * 1000;
    return true;
}

/* "Z", "+03:00", "-0500", or nothing; false: something else. */
static bool zone_read(const char *text, int64_t *ret_ms)
{
    int hours = 0, minutes = 0;
    *ret_ms = 0;
    if (text[0] != '+' && text[0] != '-') {
        return text[0] == '\0' || ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0');
    }
    if (sscanf(text + 1, "%2d:%2d", &hours, &minutes) != 2 &&
        sscanf(text + 1, "%2d%2d", &hours, &minutes) < 1) {
        return false;
    }
    if (hours < 0 || hours > 24 || minutes < 0 || minutes > 59) {
        return false;
    }
    int64_t ms = ((int64_t)hours * 60 + minutes) * 60000;
    *ret_ms = text[0] == '-' ? -ms : ms;
    return true;
}

bool nsh_time_iso(const char *text, int64_t *ret_unix_ms)
{
    int parts[6] = {0}, used = 0;
    char between = 0;
    int64_t unix_ms = 0, zone_ms = 0, fraction_ms = 0;
    if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &parts[0], &parts[1], &parts[2], &between,
               &parts[3], &parts[4], &parts[5], &used) != 7 ||
        strchr("Tt ", between) == NULL || !time_of(parts, &unix_ms)) {
        return false;
    }
    text += used;
    if (*text == '.') {
        size_t digits = strspn(text + 1, "0123456789");
        for (size_t i = 1; i <= 3; i++) {
            fraction_ms = fraction_ms * 10 + (i <= digits ? text[i] - '0' : 0);
        }
        text += 1 + digits;
    }
    if (!zone_read(text, &zone_ms)) {
        return false;
    }
    *ret_unix_ms = unix_ms + fraction_ms - zone_ms;
    return true;
}

bool nsh_time_http(const char *text, int64_t *ret_unix_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int parts[6] = {0};
    char month[4] = {0};
    const char *comma = strchr(text, ',');
    if (comma == NULL || sscanf(comma + 1, " %2d %3s %4d %2d:%2d:%2d", &parts[2], month, &parts[0],
                                &parts[3], &parts[4], &parts[5]) != 6) {
        return false;
    }
    const char *at = strlen(month) == 3 ? strstr(months, month) : NULL;
    if (at == NULL || (at - months) % 3 != 0) {
        return false;
    }
    parts[1] = (int)(at - months) / 3 + 1;
    return time_of(parts, ret_unix_ms);
}

void nsh_time_parts(int64_t unix_ms, int ret_parts[6])
{
    int64_t seconds = unix_ms / 1000 - (unix_ms % 1000 < 0);
    int64_t days = seconds / DAY_S - (seconds % DAY_S < 0), left = seconds - days * DAY_S;
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    ret_parts[2] = (int)(of_year - (153 * month + 2) / 5 + 1);
    ret_parts[1] = (int)(month < 10 ? month + 3 : month - 9);
    ret_parts[0] = (int)(year + era * 400 + (ret_parts[1] <= 2));
    ret_parts[3] = (int)(left / 3600);
    ret_parts[4] = (int)(left / 60 % 60);
    ret_parts[5] = (int)(left % 60);
}

void nsh_time_write(int64_t unix_ms, char ret_text[NSH_TIME_BYTES])
{
    int parts[6];
    nsh_time_parts(unix_ms, parts);
    snprintf(ret_text, NSH_TIME_BYTES, "%04u-%02u-%02uT%02u:%02u:%02uZ",
             (unsigned)parts[0] % 10000u, (unsigned)parts[1] % 100u, (unsigned)parts[2] % 100u,
             (unsigned)parts[3] % 100u, (unsigned)parts[4] % 100u, (unsigned)parts[5] % 100u);
}
