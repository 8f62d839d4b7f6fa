/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, and the standard functions of texts. */

#include "cel/cel_private.h"

uint32_t cel_decode(const char *bytes, uint32_t count, uint32_t *ret_length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    *ret_length = 1;
    if (at[0] < 0x80) {
        return at[0];
    }
    uint32_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (at[0] < 0xc2 || at[0] > 0xf4 || length > count) {
        return 0xfffd;
    }
    uint32_t code_point = at[0] & (0x7fu >> length);
    for (uint32_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0xfffd;
        }
        code_point = code_point << 6 | (at[i] & 0x3fu);
    }
    if (code_point < smallest[length] || code_point > 0x10ffff ||
        (code_point >= 0xd800 && code_point < 0xe000)) {
        return 0xfffd;
    }
    *ret_length = length;
    return code_point;
}

uint32_t cel_encode(uint32_t code_point, char bytes[4])
{
    if (code_point < 0x80) {
        bytes[0] = (char)code_point;
        return 1;
    }
    uint32_t length = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (uint32_t i = length - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    bytes[0] = (char)(heads[length] | code_point);
    return length;
}

uint32_t cel_code_points(struct text text)
{
    uint32_t points = 0;
    for (uint32_t at = 0, length = 0; at < text.count; at += length) {
        cel_decode(text.at + at, text.count - at, &length);
        points++;
    }
    return points;
}

CEL_IMPL(cel_contains)
{
    if (!cel_spend(run, args[0].count / 32, out)) {
        return;
    }
    *out = cel_of_bool(args[1].count == 0 ||
                       memmem(args[0].text, args[0].count, args[1].text, args[1].count) != NULL);
}

CEL_IMPL(cel_starts_with)
{
    *out = cel_of_bool(args[0].count >= args[1].count &&
                       memcmp(args[0].text, args[1].text, args[1].count) == 0);
}

CEL_IMPL(cel_ends_with)
{
    *out = cel_of_bool(
        args[0].count >= args[1].count &&
        memcmp(args[0].text + args[0].count - args[1].count, args[1].text, args[1].count) == 0);
}

CEL_IMPL(cel_matches)
{
    const struct cel_regex *regex = cel_regex_of(run, code, cel_text(&args[1]), out);
    if (regex != NULL) {
        *out = cel_of_bool(cel_regex_matches(run, regex, cel_text(&args[0])));
    }
}
