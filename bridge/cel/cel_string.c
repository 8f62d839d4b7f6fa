/* SPDX-License-Identifier: Apache-2.0 */
/* The extension of strings. Positions count code points; one outside of the text is an error. */

#include "cel/cel_private.h"

/* The byte where code point index begins (the end for index = their number); -1: outside. */
static int64_t byte_of(struct text text, int64_t index)
{
    uint32_t at = 0;
    for (int64_t i = 0; i < index && at < text.count; i++) {
        uint32_t length = 1;
        cel_decode(text.at + at, text.count - at, &length);
        at += length;
        if (i + 1 == index) {
            return at;
        }
    }
    return index == 0 ? 0 : -1;
}

static void outside(struct cel_run *run, const struct cel_code *code, int64_t index,
                    struct cel_value *out)
{
    cel_error(run, code, out, "position %lld is outside of the text (index out of range)",
              (long long)index);
}

static struct cel_value part(const struct cel_value *text, int64_t from, int64_t to)
{
    return cel_of_text((struct text){text->text + from, (uint32_t)(to - from)});
}

CEL_IMPL(cel_string_char_at)
{
    struct text text = cel_text(&args[0]);
    int64_t at = byte_of(text, args[1].integer);
    if (at < 0) {
        outside(run, code, args[1].integer, out);
        return;
    }
    uint32_t length = 0;
    if (at < text.count) {
        cel_decode(text.at + at, text.count - (uint32_t)at, &length);
    }
    *out = part(&args[0], at, at + length);
}

/* Search needle from one byte on, forwards or backwards; gives its code point position or -1. */
static int64_t search(struct text text, struct text needle, int64_t from, bool back)
{
    for (int64_t at = from; at >= 0 && at <= text.count; at += back ? -1 : 1) {
        if (at + needle.count <= text.count &&
            (needle.count == 0 || memcmp(text.at + at, needle.at, needle.count) == 0)) {
            return cel_code_points((struct text){text.at, (uint32_t)at});
        }
    }
    return -1;
}

static void index_of(struct cel_run *run, const struct cel_code *code, const struct cel_value *args,
                     bool back, struct cel_value *out)
{
    struct text text = cel_text(&args[0]), needle = cel_text(&args[1]);
    int64_t from = back ? text.count : 0;
    if (code->count > 2) {
        from = byte_of(text, args[2].integer);
    }
    if (from < 0) {
        outside(run, code, args[2].integer, out);
    } else if (cel_spend(run, (1 + text.count / 64) * (1 + (uint64_t)needle.count / 64), out)) {
        *out = cel_of_int(search(text, needle, from, back));
    }
}

CEL_IMPL(cel_string_index_of)
{
    index_of(run, code, args, false, out);
}

CEL_IMPL(cel_string_last_index_of)
{
    index_of(run, code, args, true, out);
}

static void change_case(struct cel_run *run, const struct cel_value *text, char low, char high,
                        struct cel_value *out)
{
    char *copy = cel_room(run, text->count + 1u, out);
    for (uint32_t i = 0; copy != NULL && i < text->count; i++) {
        char c = text->text[i];
        copy[i] = c >= low && c <= high ? (char)(c ^ 0x20) : c;
    }
    if (copy != NULL) {
        *out = cel_of_text((struct text){copy, text->count});
    }
}

CEL_IMPL(cel_string_lower)
{
    change_case(run, &args[0], 'A', 'Z', out);
}

CEL_IMPL(cel_string_upper)
{
    change_case(run, &args[0], 'a', 'z', out);
}

#define REPLACED_BYTES_MAX (1u << 20)

CEL_IMPL(cel_string_replace)
{
    struct text text = cel_text(&args[0]), from = cel_text(&args[1]), to = cel_text(&args[2]);
    int64_t left = code->count > 3 ? args[3].integer : -1;
    struct textbuf buf = {.count_max = REPLACED_BYTES_MAX};
    uint32_t at = 0;
    while (at <= text.count && !buf.failed) {
        bool here = left != 0 && at + from.count <= text.count &&
                    (from.count == 0 || memcmp(text.at + at, from.at, from.count) == 0);
        if (here) {
            textbuf_add(&buf, to);
            at += from.count;
            left -= left > 0;
        }
        if ((!here || from.count == 0) && at <= text.count) {
            uint32_t length = 1;
            if (at < text.count) {
                cel_decode(text.at + at, text.count - at, &length);
                textbuf_add(&buf, (struct text){text.at + at, length});
            }
            at += length;
        }
    }
    if (buf.failed) {
        textbuf_done(&buf);
        cel_error(run, code, out, "the text would be too long");
        return;
    }
    cel_take_textbuf(run, &buf, out);
}

/* Where the piece that begins at from ends. */
static uint32_t piece_end(struct text text, struct text by, uint32_t from)
{
    uint32_t length = 1;
    if (by.count == 0) {
        if (from < text.count) {
            cel_decode(text.at + from, text.count - from, &length);
        }
        return from + length < text.count ? from + length : text.count;
    }
    const char *found = memmem(text.at + from, text.count - from, by.at, by.count);
    return found == NULL ? text.count : (uint32_t)(found - text.at);
}

CEL_IMPL(cel_string_split)
{
    struct text text = cel_text(&args[0]), by = cel_text(&args[1]);
    int64_t limit = code->count > 2 ? args[2].integer : -1;
    struct cel_value list;
    uint64_t room = limit >= 0 && limit < text.count ? (uint64_t)limit : text.count + 1u;
    struct cel_value *items = cel_make_list(run, (uint32_t)room, &list);
    if (items == NULL) {
        *out = list;
        return;
    }
    list.count = 0;
    for (uint32_t at = 0; list.count < room && limit != 0;) {
        bool rest = limit > 0 && list.count + 1 == limit;
        uint32_t end = rest ? text.count : piece_end(text, by, at);
        if (by.count == 0 && at == text.count) {
            break;
        }
        items[list.count++] = part(&args[0], at, end);
        if (end == text.count) {
            break;
        }
        at = end + by.count;
    }
    *out = list;
}

CEL_IMPL(cel_string_substring)
{
    struct text text = cel_text(&args[0]);
    int64_t from = byte_of(text, args[1].integer);
    int64_t to = code->count > 2 ? byte_of(text, args[2].integer) : text.count;
    if (from < 0 || to < 0) {
        outside(run, code, args[from < 0 ? 1 : 2].integer, out);
    } else if (to < from) {
        cel_error(run, code, out, "substring() ends before it begins");
    } else {
        *out = part(&args[0], from, to);
    }
}

static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

CEL_IMPL(cel_string_trim)
{
    struct text text = cel_text(&args[0]);
    uint32_t from = text.count, to = 0;
    for (uint32_t at = 0, length = 0; at < text.count; at += length) {
        if (!is_space(cel_decode(text.at + at, text.count - at, &length))) {
            from = at < from ? at : from;
            to = at + length;
        }
    }
    *out = to == 0 ? part(&args[0], 0, 0) : part(&args[0], from, to);
}

CEL_IMPL(cel_string_reverse)
{
    struct text text = cel_text(&args[0]);
    char *copy = cel_room(run, text.count + 1u, out);
    if (copy == NULL) {
        return;
    }
    for (uint32_t at = 0, length = 0; at < text.count; at += length) {
        cel_decode(text.at + at, text.count - at, &length);
        memcpy(copy + text.count - at - length, text.at + at, length);
    }
    *out = cel_of_text((struct text){copy, text.count});
}

CEL_IMPL(cel_string_join)
{
    struct textbuf buf = {.count_max = REPLACED_BYTES_MAX};
    for (uint32_t i = 0; i < args[0].count; i++) {
        struct cel_value item;
        cel_list_at(run, &args[0], i, &item);
        if (item.kind != CEL_STRING) {
            textbuf_done(&buf);
            cel_error(run, code, out, "join() takes texts, and this is a %s", cel_type_name(&item));
            return;
        }
        if (i > 0 && code->count > 1) {
            textbuf_add(&buf, cel_text(&args[1]));
        }
        textbuf_add(&buf, cel_text(&item));
    }
    if (buf.failed) {
        textbuf_done(&buf);
        cel_error(run, code, out, "the text would be too long");
        return;
    }
    cel_take_textbuf(run, &buf, out);
}

CEL_IMPL(cel_string_quote)
{
    struct textbuf buf = {0};
    cel_print_quoted(cel_text(&args[0]), false, &buf);
    cel_take_textbuf(run, &buf, out);
}
