/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed texts: compare, match, hash, read. */

#include "base/text.h"

#include <limits.h>
#include <stdlib.h>

#define DISTANCE_WORD_MAX 64

bool text_starts(struct text text, const char *prefix)
{
    size_t count = strlen(prefix);
    return text.count >= count && (count == 0 || memcmp(text.at, prefix, count) == 0);
}

int text_compare(struct text a, struct text b)
{
    uint32_t count = a.count < b.count ? a.count : b.count;
    int order = count == 0 ? 0 : memcmp(a.at, b.at, count);
    return order != 0 ? order : (a.count > b.count) - (a.count < b.count);
}

bool text_glob(struct text pattern, struct text text)
{
    uint32_t p = 0, t = 0, star = UINT32_MAX, star_t = 0;
    while (t < text.count) {
        if (p < pattern.count && pattern.at[p] == '*') {
            star = p++;
            star_t = t;
        } else if (p < pattern.count && (pattern.at[p] == '?' || pattern.at[p] == text.at[t])) {
            p++;
            t++;
        } else if (star != UINT32_MAX) {
            p = star + 1;
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < pattern.count && pattern.at[p] == '*') {
        p++;
    }
    return p == pattern.count;
}

/* Length of the well-formed sequence at bytes (RFC 3629), or 0. */
static size_t utf8_sequence(const unsigned char *bytes, size_t room)
{
    unsigned char first = bytes[0];
    if (first < 0x80) {
        return first == 0 ? 0 : 1;
    }
    size_t count = first >= 0xf0 && first <= 0xf4  ? 4
                   : first >= 0xe0 && first < 0xf0 ? 3
                   : first >= 0xc2 && first < 0xe0 ? 2
                                                   : 0;
    if (count == 0 || count > room) {
        return 0;
    }
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (bytes[1] < low || bytes[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < count; i++) {
        if (bytes[i] < 0x80 || bytes[i] > 0xbf) {
            return 0;
        }
    }
    return count;
}

bool text_is_utf8(const char *bytes, size_t bytes_count)
{
    for (size_t i = 0; i < bytes_count;) {
        size_t step = utf8_sequence((const unsigned char *)bytes + i, bytes_count - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

static uint64_t load_le(const char *at, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value |= (uint64_t)(unsigned char)at[i] << (8 * i);
    }
    return value;
}

/* Eight bytes as one load where the machine has them in this order. */
static uint64_t load_le8(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t text_hash(struct text text)
{
    uint64_t hash = 0x9e3779b97f4a7c15u ^ text.count;
    const char *at = text.at;
    uint32_t left = text.count;
    for (; left >= 8; left -= 8, at += 8) {
        hash = mix(hash ^ load_le8(at), 0xa0761d6478bd642fu);
    }
    if (left > 0) {
        hash = mix(hash ^ load_le(at, left), 0xe7037ed1a0b428dbu);
    }
    return mix(hash, 0x8ebc6af09c88c6e3u);
}

bool text_to_int(struct text text, int64_t *ret_value)
{
    char digits[24];
    if (text.count == 0 || text.count >= sizeof digits || text.at[0] == '+' || text.at[0] == ' ') {
        return false;
    }
    memcpy(digits, text.at, text.count);
    digits[text.count] = 0;
    int64_t value = 0;
    size_t i = digits[0] == '-' ? 1 : 0;
    if (digits[i] == 0) {
        return false;
    }
    for (; digits[i] != 0; i++) {
        if (digits[i] < '0' || digits[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digits[i] - '0', &value)) {
            return false;
        }
    }
    if (digits[0] != '-' && value == INT64_MIN) {
        return false;
    }
    *ret_value = digits[0] == '-' ? value : -value;
    return true;
}

bool text_to_duration_ms(struct text text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                 {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
    int64_t sum = 0;
    uint32_t i = 0;
    if (text.count == 0) {
        return false;
    }
    while (i < text.count) {
        int64_t number = 0;
        uint32_t start = i;
        for (; i < text.count && text.at[i] >= '0' && text.at[i] <= '9'; i++) {
            if (__builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, text.at[i] - '0', &number)) {
                return false;
            }
        }
        uint32_t unit_at = i;
        while (i < text.count && text.at[i] >= 'a' && text.at[i] <= 'z') {
            i++;
        }
        struct text unit = {text.at + unit_at, i - unit_at};
        int64_t ms = 0;
        for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
            ms = text_is(unit, units[u].unit) ? units[u].ms : ms;
        }
        if (unit_at == start || ms == 0 || __builtin_mul_overflow(number, ms, &number) ||
            __builtin_add_overflow(sum, number, &sum)) {
            return false;
        }
    }
    *ret_ms = sum;
    return true;
}

unsigned text_distance(struct text a, struct text b, unsigned max)
{
    uint32_t apart = a.count > b.count ? a.count - b.count : b.count - a.count;
    if (a.count > DISTANCE_WORD_MAX || b.count > DISTANCE_WORD_MAX || apart > max) {
        return max + 1;
    }
    unsigned rows[3][DISTANCE_WORD_MAX + 1];
    for (unsigned j = 0; j <= b.count; j++) {
        rows[0][j] = j;
    }
    for (unsigned i = 1; i <= a.count; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b.count; j++) {
            unsigned cost = a.at[i - 1] == b.at[j - 1] ? 0 : 1;
            unsigned best = last[j - 1] + cost;
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1] &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            now[j] = best;
        }
    }
    unsigned distance = rows[a.count % 3][b.count];
    return distance > max ? max + 1 : distance;
}

const char *text_nearest(struct text word, const char *const *candidates)
{
    unsigned max = word.count / 3 < 2 ? word.count / 3 : 2;
    const char *best = NULL;
    unsigned best_distance = max + 1;
    for (size_t i = 0; candidates[i] != NULL; i++) {
        unsigned distance = text_distance(word, text_of(candidates[i]), max);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidates[i];
        }
    }
    return best;
}
