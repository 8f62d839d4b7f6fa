/* SPDX-License-Identifier: Apache-2.0 */
/* Growing texts. A failed allocation marks the buffer; what was there stays. */

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

/* RFC 3339's years 0001 to 9999. */
#define TIME_MS_MIN (-62135596800000)
#define TIME_MS_MAX 253402300799999
#define COUNT_MAX_DEFAULT (64u << 20)

static bool buf_room(struct textbuf *buf, size_t more)
{
    size_t max = buf->count_max == 0 ? COUNT_MAX_DEFAULT : buf->count_max;
    if (buf->failed || more > max - buf->count) {
        buf->failed = true;
        return false;
    }
    size_t wanted = buf->count + more + 1;
    if (wanted > buf->room) {
        size_t room = buf->room * 2 > wanted ? buf->room * 2 : wanted + 64;
        char *grown = realloc(buf->at, room);
        if (grown == NULL) {
            buf->failed = true;
            return false;
        }
        buf->at = grown;
        buf->room = room;
    }
    return true;
}

void textbuf_add(struct textbuf *buf, struct text text)
{
    if (buf_room(buf, text.count)) {
        if (text.count > 0) {
            memcpy(buf->at + buf->count, text.at, text.count);
        }
        buf->count += text.count;
        buf->at[buf->count] = 0;
    }
}

void textbuf_add_chars(struct textbuf *buf, const char *chars)
{
    textbuf_add(buf, text_of(chars));
}

void textbuf_add_char(struct textbuf *buf, char c)
{
    textbuf_add(buf, (struct text){&c, 1});
}

/* Formatted straight into what room there is; only what does not fit is formatted twice. */
void textbuf_addf(struct textbuf *buf, const char *format, ...)
{
    size_t room = buf->failed || buf->at == NULL ? 0 : buf->room - buf->count;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int count = vsnprintf(room == 0 ? NULL : buf->at + buf->count, room, format, arguments);
    va_end(arguments);
    bool fits = count >= 0 && buf_room(buf, (size_t)count);
    if (fits && (size_t)count >= room) {
        vsnprintf(buf->at + buf->count, (size_t)count + 1, format, again);
    }
    va_end(again);
    if (fits) {
        buf->count += (size_t)count;
    } else if (room > 0) {
        buf->at[buf->count] = 0;
    }
}

/* Bytes of the well-formed character at text.at[i], 0 when it is none. */
static size_t character(struct text text, size_t i)
{
    for (size_t count = 1; count <= 4 && i + count <= text.count; count++) {
        if (text_is_utf8(text.at + i, count)) {
            return count;
        }
    }
    return 0;
}

static void json_character(struct textbuf *buf, struct text text, size_t *i)
{
    static const char escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    unsigned char c = (unsigned char)text.at[*i];
    for (size_t e = 0; e + 1 < sizeof escapes; e += 2) {
        if (c == (unsigned char)escapes[e]) {
            textbuf_add_char(buf, '\\');
            textbuf_add_char(buf, escapes[e + 1]);
            (*i)++;
            return;
        }
    }
    size_t count = character(text, *i);
    if (c < 0x20) {
        textbuf_addf(buf, "\\u%04x", c);
        (*i)++;
    } else if (count == 0) {
        textbuf_add_chars(buf, "\xef\xbf\xbd");
        (*i)++;
    } else {
        textbuf_add(buf, (struct text){text.at + *i, (uint32_t)count});
        *i += count;
    }
}

void textbuf_add_json(struct textbuf *buf, struct text text)
{
    textbuf_add_char(buf, '"');
    for (size_t i = 0; i < text.count;) {
        size_t run = i;
        while (run < text.count && (unsigned char)text.at[run] >= 0x20 &&
               (unsigned char)text.at[run] < 0x80 && text.at[run] != '"' && text.at[run] != '\\') {
            run++;
        }
        if (run > i) {
            textbuf_add(buf, (struct text){text.at + i, (uint32_t)(run - i)});
            i = run;
        } else {
            json_character(buf, text, &i);
        }
    }
    textbuf_add_char(buf, '"');
}

void textbuf_add_duration(struct textbuf *buf, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    if (ms < 0) {
        textbuf_add_char(buf, '-');
        ms = ms == INT64_MIN ? INT64_MAX : -ms;
    }
    if (ms == 0) {
        textbuf_add_chars(buf, "0s");
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0] && ms > 0; i++) {
        if (ms >= units[i].ms) {
            textbuf_addf(buf, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
            ms %= units[i].ms;
        }
    }
}

void textbuf_add_span(struct textbuf *buf, int64_t ms)
{
    /* From so many ms on, smaller units say nothing. */
    static const struct {
        int64_t from_ms, unit_ms;
    } units[] = {{86400000, 3600000}, {3600000, 60000}, {10000, 1000}, {1000, 100}};
    if (ms < 0) {
        textbuf_add_char(buf, '-');
        ms = ms == INT64_MIN ? INT64_MAX : -ms;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (ms >= units[i].from_ms) {
            ms -= ms % units[i].unit_ms;
            break;
        }
    }
    if (ms >= 1000 && ms < 10000 && ms % 1000 != 0) {
        textbuf_addf(buf, "%lld.%llds", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
    } else {
        textbuf_add_duration(buf, ms);
    }
}

static void put_digits(char *at, int count, int64_t number)
{
    for (; count > 0; count--) {
        at[count - 1] = (char)('0' + number % 10);
        number /= 10;
    }
}

void textbuf_add_time(struct textbuf *buf, int64_t unix_ms)
{
    /* Civil date from days, proleptic Gregorian (H. Hinnant's algorithm); no clock, no zone files.
     */
    unix_ms = unix_ms > TIME_MS_MAX ? TIME_MS_MAX : unix_ms < TIME_MS_MIN ? TIME_MS_MIN : unix_ms;
    int64_t seconds = unix_ms / 1000 - (unix_ms % 1000 < 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t of_day = seconds - days * 86400, z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    char text[] = "0000-00-00T00:00:00.000Z"; /* No printf: every condition makes such a text. */
    put_digits(text, 4, yoe + era * 400 + (month <= 2));
    put_digits(text + 5, 2, month);
    put_digits(text + 8, 2, doy - (153 * mp + 2) / 5 + 1);
    put_digits(text + 11, 2, of_day / 3600);
    put_digits(text + 14, 2, of_day / 60 % 60);
    put_digits(text + 17, 2, of_day % 60);
    put_digits(text + 20, 3, unix_ms - seconds * 1000);
    textbuf_add(buf, (struct text){text, sizeof text - 1});
}

void textbuf_clear(struct textbuf *buf)
{
    buf->count = 0;
    buf->failed = false;
    if (buf->at != NULL) {
        buf->at[0] = 0;
    }
}

void textbuf_done(struct textbuf *buf)
{
    free(buf->at);
    *buf = (struct textbuf){.count_max = buf->count_max};
}

/* Bidi controls, zero-width and other format characters that make a line look like another:
 * U+200B-F, 202A-E, 2060-9, FEFF. */
static bool deceiving(const char *at, size_t count)
{
    /* The Arabic letter mark, and the tag characters that carry text nobody sees. */
    if ((count == 2 && memcmp(at, "\xd8\x9c", 2) == 0) ||
        (count == 4 && memcmp(at, "\xf3\xa0", 2) == 0 && (unsigned char)at[2] < 0x82)) {
        return true;
    }
    if (count != 3) {
        return false;
    }
    unsigned code = ((unsigned char)at[0] & 0xfu) << 12 | ((unsigned char)at[1] & 0x3fu) << 6 |
                    ((unsigned char)at[2] & 0x3fu);
    return (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

void textbuf_add_safe(struct textbuf *buf, struct text text)
{
    for (size_t i = 0; i < text.count;) {
        size_t run = i;
        while (run < text.count && text.at[run] >= 0x20 && text.at[run] < 0x7f) {
            run++;
        }
        textbuf_add(buf, (struct text){text.at + i, (uint32_t)(run - i)});
        i = run;
        if (i == text.count) {
            return;
        }
        unsigned char c = (unsigned char)text.at[i];
        size_t count = character(text, i);
        bool c1 = count == 2 && c == 0xc2 && (unsigned char)text.at[i + 1] < 0xa0;
        if (count == 0 || c < 0x20 || c == 0x7f || c1 || deceiving(text.at + i, count)) {
            for (size_t j = 0; j < (count == 0 ? 1 : count); j++) {
                textbuf_addf(buf, "\\x%02x", (unsigned char)text.at[i + j]);
            }
        } else {
            textbuf_add(buf, (struct text){text.at + i, (uint32_t)count});
        }
        i += count == 0 ? 1 : count;
    }
}
