/* SPDX-License-Identifier: Apache-2.0 */
/* base64, and the functions of regular expressions beside matches(). */

#include "cel/cel_private.h"

#define REPLACED_BYTES_MAX (1u << 20)
#define EXTRACTED_MAX 10000

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

CEL_IMPL(cel_base64_encode)
{
    struct textbuf buf = {0};
    const unsigned char *at = (const unsigned char *)args[0].text;
    for (uint32_t i = 0; i < args[0].count; i += 3) {
        uint32_t have = args[0].count - i < 3 ? args[0].count - i : 3, bits = 0;
        for (uint32_t b = 0; b < 3; b++) {
            bits = bits << 8 | (b < have ? at[i + b] : 0u);
        }
        for (uint32_t d = 0; d < 4; d++) {
            textbuf_add_char(&buf, d <= have ? digits[bits >> (18 - 6 * d) & 63] : '=');
        }
    }
    cel_take_textbuf(run, &buf, out);
}

/* Padding may be left out. */
CEL_IMPL(cel_base64_decode)
{
    uint32_t count = args[0].count, have = 0, bits = 0, used = 0;
    char *bytes = cel_room(run, count + 1u, out);
    if (bytes == NULL) {
        return;
    }
    while (count > 0 && count + 2 > args[0].count && args[0].text[count - 1] == '=') {
        count--;
    }
    for (uint32_t i = 0; i < count; i++) {
        char c = args[0].text[i];
        const char *digit = c == '\0' ? NULL : strchr(digits, c);
        if (digit == NULL || count % 4 == 1) {
            cel_error(run, code, out, "this is no base64");
            return;
        }
        bits = (bits << 6 | (uint32_t)(digit - digits)) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[used++] = (char)(bits >> have & 0xff);
        }
    }
    *out = (struct cel_value){.kind = CEL_BYTES, .count = used, .text = bytes};
}

/* --- regular expressions ------------------------------------------------------------------- */

static const struct cel_regex *one_group(struct cel_run *run, const struct cel_code *code,
                                         const struct cel_value *args, struct cel_value *out)
{
    const struct cel_regex *regex = cel_regex_of(run, code, cel_text(&args[1]), out);
    if (regex != NULL && cel_regex_groups(regex) > 1) {
        cel_error(run, code, out, "the regular expression has more than one group");
        return NULL;
    }
    return regex;
}

/* The group, or the whole match when there is none; false: the group took no part. */
static bool extracted(const struct cel_regex *regex, const struct cel_value *text,
                      const int32_t *spans, struct cel_value *ret_value)
{
    uint32_t group = cel_regex_groups(regex);
    if (spans[2 * group] < 0 || spans[2 * group + 1] < 0) {
        return false;
    }
    *ret_value = cel_of_text((struct text){text->text + spans[2 * group],
                                           (uint32_t)(spans[2 * group + 1] - spans[2 * group])});
    return true;
}

CEL_IMPL(cel_regex_extract)
{
    int32_t spans[2 * CEL_REGEX_GROUPS_MAX];
    struct cel_value found;
    const struct cel_regex *regex = one_group(run, code, args, out);
    if (regex == NULL) {
        return;
    }
    bool there = cel_regex_find(run, regex, cel_text(&args[0]), 0, spans) &&
                 extracted(regex, &args[0], spans, &found);
    cel_make_optional(run, there ? &found : NULL, out);
}

/* All matches of a text from left to right; an empty one right behind another is none. */
struct search {
    const struct cel_regex *regex;
    struct text text;
    uint32_t at;
    int32_t end; /* Of the last match; -1: there was none. */
};

static bool search_next(struct cel_run *run, struct search *search,
                        int32_t spans[2 * CEL_REGEX_GROUPS_MAX])
{
    while (search->at <= search->text.count && run->stop == 0) {
        if (!cel_regex_find(run, search->regex, search->text, search->at, spans)) {
            return false;
        }
        uint32_t end = (uint32_t)spans[1], length = 1;
        bool empty = spans[1] == spans[0];
        if (empty && end < search->text.count) {
            cel_decode(search->text.at + end, search->text.count - end, &length);
        }
        search->at = empty ? end + length : end;
        if (!empty || spans[1] != search->end) {
            search->end = spans[1];
            return true;
        }
    }
    return false;
}

CEL_IMPL(cel_regex_extract_all)
{
    struct text text = cel_text(&args[0]);
    int32_t spans[2 * CEL_REGEX_GROUPS_MAX];
    const struct cel_regex *regex = one_group(run, code, args, out);
    struct cel_value list;
    uint32_t room = text.count < EXTRACTED_MAX ? text.count + 1 : EXTRACTED_MAX, count = 0;
    struct cel_value *items = regex == NULL ? NULL : cel_make_list(run, room, &list);
    if (items == NULL) {
        if (regex != NULL) {
            *out = list;
        }
        return;
    }
    struct search search = {.regex = regex, .text = text, .end = -1};
    while (count < room && search_next(run, &search, spans)) {
        struct cel_value found;
        if (extracted(regex, &args[0], spans, &found) && found.count > 0) {
            items[count++] = found;
        }
    }
    list.count = count;
    *out = list;
}

static struct cel_value matched_part(const struct cel_value *text, const int32_t *spans)
{
    return cel_of_text((struct text){text->text + spans[0], (uint32_t)(spans[1] - spans[0])});
}

/* find(): the first match; the empty text when there is none. */
CEL_IMPL(cel_regex_find_first)
{
    int32_t spans[2 * CEL_REGEX_GROUPS_MAX];
    const struct cel_regex *regex = cel_regex_of(run, code, cel_text(&args[1]), out);
    if (regex != NULL) {
        bool there = cel_regex_find(run, regex, cel_text(&args[0]), 0, spans);
        *out = there ? matched_part(&args[0], spans) : cel_of_text(TEXT(""));
    }
}

CEL_IMPL(cel_regex_find_all)
{
    int32_t spans[2 * CEL_REGEX_GROUPS_MAX];
    const struct cel_regex *regex = cel_regex_of(run, code, cel_text(&args[1]), out);
    int64_t most = code->count > 2 && args[2].integer >= 0 ? args[2].integer : EXTRACTED_MAX;
    uint32_t room = args[0].count < EXTRACTED_MAX ? args[0].count + 1 : EXTRACTED_MAX, count = 0;
    struct cel_value list = {.kind = CEL_NULL};
    struct cel_value *items = regex == NULL ? NULL : cel_make_list(run, room, &list);
    if (items == NULL) {
        *out = regex == NULL ? *out : list;
        return;
    }
    struct search search = {.regex = regex, .text = cel_text(&args[0]), .end = -1};
    while (count < room && count < most && search_next(run, &search, spans)) {
        items[count++] = matched_part(&args[0], spans);
    }
    list.count = count;
    *out = list;
}

/* "\1" and "\\" of a replacement; false: *ret_problem says what is wrong. */
static bool add_replacement(const struct cel_regex *regex, struct text text, const int32_t *spans,
                            struct text by, struct textbuf *out)
{
    for (uint32_t i = 0; i < by.count; i++) {
        if (by.at[i] != '\\') {
            textbuf_add_char(out, by.at[i]);
            continue;
        }
        char next = i + 1 < by.count ? by.at[i + 1] : '\0';
        i++;
        if (next == '\\') {
            textbuf_add_char(out, '\\');
            continue;
        }
        uint32_t group = next >= '0' && next <= '9' ? (uint32_t)(next - '0') : 99;
        if (group > cel_regex_groups(regex)) {
            return false;
        }
        if (spans[2 * group] >= 0 && spans[2 * group + 1] >= 0) {
            textbuf_add(out, (struct text){text.at + spans[2 * group],
                                           (uint32_t)(spans[2 * group + 1] - spans[2 * group])});
        }
    }
    return true;
}

CEL_IMPL(cel_regex_replace)
{
    struct text text = cel_text(&args[0]), by = cel_text(&args[2]);
    const struct cel_regex *regex = cel_regex_of(run, code, cel_text(&args[1]), out);
    int64_t left = code->count > 3 ? args[3].integer : -1;
    int32_t spans[2 * CEL_REGEX_GROUPS_MAX];
    CLEANUP(textbuf_donep) struct textbuf buf = {.count_max = REPLACED_BYTES_MAX};
    struct search search = {.regex = regex, .text = text, .end = -1};
    uint32_t copied = 0;
    while (regex != NULL && left != 0 && search_next(run, &search, spans)) {
        textbuf_add(&buf, (struct text){text.at + copied, (uint32_t)spans[0] - copied});
        if (!add_replacement(regex, text, spans, by, &buf)) {
            cel_error(run, code, out,
                      "in the replacement, '\\' goes before '\\' or a group's digit");
            return;
        }
        copied = (uint32_t)spans[1];
        left -= left > 0;
    }
    if (regex == NULL) {
        return;
    }
    textbuf_add(&buf, (struct text){text.at + copied, text.count - copied});
    if (buf.failed) {
        cel_error(run, code, out, "the text would be too long");
        return;
    }
    cel_make_text(run, (struct text){buf.at, (uint32_t)buf.count}, out);
}
