/* SPDX-License-Identifier: Apache-2.0 */
/* The words, paths, addresses and times of Redfish. No I/O; what peers send is hostile. */

#include "abi/rest.h"
#include "redfish_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- texts ------------------------------------------------------------------------------ */

bool redfish_text_clean(const char *text, size_t bytes_count)
{
    for (size_t i = 0, count = 0; i < bytes_count; i += count) {
        count = nsh_char_bytes(text + i, bytes_count - i);
        if (count == 0 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

void redfish_words_add(char *room, size_t room_bytes, const char *text, size_t text_bytes)
{
    nsh_line_add(room, room_bytes, text, strnlen(text, text_bytes));
}

/* ---- status ----------------------------------------------------------------------------- */

int redfish_status_code(int status)
{
    /* No BMC is a proxy or keeps locks as WebDAV does: these say no more than any 4xx. */
    return status == 407 || status == 423 || status == 425 ? NSH_REFUSED
                                                           : nsh_rest_status_code(status);
}

/* ---- paths and addresses ---------------------------------------------------------------- */

bool redfish_path_good(const char *path)
{
    size_t count = strlen(path);
    if (path[0] != '/' || count >= REDFISH_PATH_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)path[i];
        if (c <= ' ' || c >= 0x7f || strchr("#\\\"<>^`{|}", c) != NULL) {
            return false;
        }
    }
    return true;
}

bool redfish_location_path(const char *location, char path[REDFISH_PATH_BYTES_MAX])
{
    const char *at = location;
    if (strncasecmp(at, "https://", 8) == 0 || strncasecmp(at, "http://", 7) == 0) {
        at = strchr(strstr(at, "://") + 3, '/');
    }
    if (at == NULL || !redfish_path_good(at)) {
        return false;
    }
    memcpy(path, at, strlen(at) + 1);
    return true;
}

static bool authority_good(const char *authority, size_t count)
{
    size_t colons = 0;
    bool bracket = count > 0 && authority[0] == '[';
    for (size_t i = 0; i < count; i++) {
        char c = authority[i];
        bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && strchr(bracket ? "[]:.%-" : ".-_:", c) == NULL) {
            return false;
        }
        colons += c == ':';
    }
    return count > 0 && authority[0] != ':' && authority[count - 1] != ':' &&
           (bracket || colons <= 1);
}

int redfish_base_url(const char *address, bool plain, char url[REDFISH_TEXT_BYTES_MAX],
                     struct nsh_error *err)
{
    static const char *const paths[] = {"",          "/",           "/redfish",
                                        "/redfish/", "/redfish/v1", "/redfish/v1/"};
    const char *scheme = strstr(address, "://"), *authority = scheme == NULL ? address : scheme + 3;
    bool secure = strncasecmp(address, "https://", 8) == 0;
    bool clear = strncasecmp(address, "http://", 7) == 0;
    size_t count = strcspn(authority, "/?#");
    bool known = false;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        known = known || strcmp(authority + count, paths[i]) == 0;
    }
    if ((scheme != NULL && !secure && !clear) || !known || !authority_good(authority, count) ||
        count > REDFISH_TEXT_BYTES_MAX - 16) {
        return nsh_fail(err, NSH_INVALID,
                        "address: want an address such as 10.1.1.1 or https://bmc.example:8443, "
                        "got %.128s",
                        address);
    }
    if (clear != plain && (clear || secure)) {
        return nsh_fail(err, NSH_INVALID, "address: %s needs tls = \"%s\"",
                        clear ? "http://" : "https://",
                        clear ? "none" : "verify\", \"pin\" or \"insecure");
    }
    snprintf(url, REDFISH_TEXT_BYTES_MAX, "%s://%.*s", plain ? "http" : "https", (int)count,
             authority);
    return 0;
}

/* ---- times ------------------------------------------------------------------------------ */

static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    unsigned day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

static bool civil_good(int year, unsigned month, unsigned day, const unsigned clock[3])
{
    return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
           clock[0] <= 24 && clock[1] <= 59 && clock[2] <= 60;
}

static int64_t seconds_of(int year, unsigned month, unsigned day, const unsigned clock[3])
{
    return days_from_civil(year, month, day) * 86400 + (int64_t)clock[0] * 3600 +
           (int64_t)clock[1] * 60 + (int64_t)clock[2];
}

/* "Z", "+03:00", "-0500", or nothing. */
static int64_t zone_s(const char *text)
{
    unsigned hours = 0, minutes = 0;
    if (text[0] != '+' && text[0] != '-') {
        return 0;
    }
    if (sscanf(text + 1, "%2u:%2u", &hours, &minutes) != 2 &&
        sscanf(text + 1, "%2u%2u", &hours, &minutes) != 2) {
        return 0;
    }
    if (hours > 24 || minutes > 59) {
        return 0;
    }
    int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    return text[0] == '-' ? -seconds : seconds;
}

int64_t redfish_time_s(const char *text)
{
    int year = 0, used = 0;
    unsigned month = 0, day = 0, clock[3] = {0};
    if (sscanf(text, "%4d-%2u-%2uT%2u:%2u%n", &year, &month, &day, &clock[0], &clock[1], &used) !=
            5 ||
        used == 0) {
        return 0;
    }
    text += used;
    if (sscanf(text, ":%2u%n", &clock[2], &used) == 1) {
        text += used;
        text += *text == '.' ? 1 + strspn(text + 1, "0123456789") : 0;
    }
    if (!civil_good(year, month, day, clock)) {
        return 0;
    }
    return seconds_of(year, month, day, clock) - zone_s(text);
}

/* "Wed, 21 Oct 2015 07:28:00 GMT"; 0: no time. */
static int64_t http_date_s(const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = {0};
    int year = 0;
    unsigned day = 0, clock[3] = {0};
    const char *comma = strchr(text, ',');
    if (comma == NULL || sscanf(comma + 1, " %2u %3s %4d %2u:%2u:%2u", &day, month, &year,
                                &clock[0], &clock[1], &clock[2]) != 6) {
        return 0;
    }
    const char *at = strlen(month) == 3 ? strstr(months, month) : NULL;
    at = at != NULL && (at - months) % 3 == 0 ? at : NULL;
    unsigned number = at == NULL ? 0 : (unsigned)(at - months) / 3 + 1;
    return civil_good(year, number, day, clock) ? seconds_of(year, number, day, clock) : 0;
}

uint32_t redfish_retry_after_ms(const char *retry_after, const char *date)
{
    if (retry_after == NULL) {
        return 0;
    }
    int64_t seconds = 0;
    if (retry_after[0] >= '0' && retry_after[0] <= '9') {
        seconds = strtoll(retry_after, NULL, 10);
    } else if (date != NULL) {
        int64_t until_s = http_date_s(retry_after), now_s = http_date_s(date);
        seconds = until_s == 0 || now_s == 0 ? 0 : until_s - now_s;
    }
    if (seconds <= 0) {
        return 0;
    }
    return seconds > REDFISH_WAIT_MS_MAX / 1000 ? REDFISH_WAIT_MS_MAX : (uint32_t)seconds * 1000;
}
