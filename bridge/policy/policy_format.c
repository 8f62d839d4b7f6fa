/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of policies and their tests: indentation by brackets, one blank where one belongs. Lines
 * stay lines, comments stay where they are, and what somebody lined up stays lined up; so the
 * result formatted again is itself.
 */

#include "policy/policy.h"

#define FORMAT_DEPTH_MAX 64

struct format_frame {
    size_t child, close; /* Columns of what stands in it, and of its end. */
    bool hangs;          /* Its first child has yet to say the column. */
};

struct format {
    const char *at;
    struct textbuf *out;
    size_t column;
    bool line_begins;
    char previous;        /* Kind of the token before; 0: none. */
    size_t string_column; /* Of the first of joined strings. */
    struct format_frame frames[FORMAT_DEPTH_MAX];
    size_t depth;
};

/* Kinds: a mark is itself, 's' a string, 'w' a word, 'c' a comment. */
static char token_kind(const char *at)
{
    if (*at == '#' || (at[0] == '/' && (at[1] == '/' || at[1] == '*'))) {
        return 'c';
    }
    if (*at == '"') {
        return 's';
    }
    return strchr("=:,;{}()[]", *at) != NULL ? *at : 'w';
}

static size_t word_bytes(const char *at)
{
    size_t count = 1;
    while (strchr(" \t\r\n=:,;{}()[]\"#", at[count]) == NULL &&
           !(at[count] == '/' && (at[count + 1] == '/' || at[count + 1] == '*'))) {
        count++; /* strchr finds the end of the text, too. */
    }
    return count;
}

/* 0: it has no end. */
static size_t token_bytes(const char *at, char kind)
{
    size_t count = 1;
    if (kind == 'c' && at[0] == '/' && at[1] == '*') {
        const char *end = strstr(at + 2, "*/");
        return end == NULL ? 0 : (size_t)(end + 2 - at);
    }
    if (kind == 'c') {
        count = strcspn(at, "\n");
        while (count > 1 && strchr(" \t\r", at[count - 1]) != NULL) {
            count--;
        }
        return count;
    }
    if (kind == 's') {
        while (at[count] != 0 && at[count] != '"') {
            count += at[count] == '\\' && at[count + 1] != 0 ? 2 : 1;
        }
        return at[count] == '"' ? count + 1 : 0;
    }
    return kind == 'w' ? word_bytes(at) : 1;
}

static bool opens(char kind)
{
    return kind == '{' || kind == '(' || kind == '[';
}

static bool closes(char kind)
{
    return kind == '}' || kind == ')' || kind == ']';
}

/* Blanks between two tokens of a line that had gap of them. */
static size_t blanks_between(char before, char kind, size_t gap)
{
    if (kind == ';' || kind == ',' || kind == ':' || before == '[' || kind == ']' ||
        (opens(before) && closes(kind))) {
        return 0;
    }
    return gap > 1 ? gap : 1;
}

static size_t indentation(const struct format *format, char kind)
{
    const struct format_frame *frame =
        format->depth == 0 ? NULL : &format->frames[format->depth - 1];
    if (kind == 's' && format->previous == 's') {
        return format->string_column;
    }
    if (closes(kind) && frame != NULL) {
        return frame->close;
    }
    size_t child = frame == NULL ? 0 : frame->child;
    return format->previous == '=' ? child + 4 : child;
}

static void blanks_add(struct format *format, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        textbuf_add_char(format->out, ' ');
    }
    format->column += count;
}

static bool frame_push(struct format *format, char kind)
{
    if (format->depth == FORMAT_DEPTH_MAX) {
        return false;
    }
    size_t outer = format->depth == 0 ? 0 : format->frames[format->depth - 1].child;
    const char *next = format->at + strspn(format->at, " \t\r");
    bool hangs = *next != '\n' && *next != 0 && token_kind(next) != 'c';
    /* The outermost list is the file: what stands in it is not moved in. */
    size_t child = format->depth == 0 && kind == '(' ? 0 : outer + 2;
    format->frames[format->depth++] = (struct format_frame){
        .child = hangs ? format->column + 1 : child,
        .close = hangs ? format->column - 1 : outer,
        .hangs = hangs,
    };
    return true;
}

static bool token_add(struct format *format, size_t gap)
{
    char kind = token_kind(format->at);
    size_t count = token_bytes(format->at, kind);
    bool joined = kind == 's' && format->previous == 's';
    if (count == 0) {
        return false;
    }
    if (format->line_begins) {
        bool include = *format->at == '@';
        blanks_add(format, include ? 0 : indentation(format, kind));
    } else {
        blanks_add(format, blanks_between(format->previous, kind, gap));
    }
    if (format->depth > 0 && format->frames[format->depth - 1].hangs && !closes(kind)) {
        format->frames[format->depth - 1].child = format->column;
        format->frames[format->depth - 1].hangs = false;
    }
    if (kind == 's' && !joined) {
        format->string_column = format->column;
    }
    textbuf_add(format->out, (struct text){format->at, (uint32_t)count});
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = (unsigned char)format->at[i];
        format->column = byte == '\n' ? 0 : format->column + ((byte & 0xc0) != 0x80);
    }
    format->at += count;
    format->line_begins = false;
    format->previous = kind == 'c' ? format->previous : kind;
    if (opens(kind)) {
        return frame_push(format, kind);
    }
    format->depth -= closes(kind) && format->depth > 0;
    return true;
}

bool policy_format(const char *text, struct textbuf *out)
{
    struct format format = {.at = text, .out = out, .line_begins = true};
    size_t before = out->count;
    bool first = true;
    while (true) {
        size_t gap = 0, lines = 0;
        for (; *format.at != 0 && strchr(" \t\r\n", *format.at) != NULL; format.at++) {
            lines += *format.at == '\n';
            gap += *format.at != '\r';
        }
        if (*format.at == 0) {
            break;
        }
        if (lines > 0 && !first) {
            textbuf_add_chars(out, lines > 1 ? "\n\n" : "\n");
            format.line_begins = true;
            format.column = 0;
        }
        first = false;
        if (!token_add(&format, gap)) {
            return false;
        }
    }
    if (out->count > before) {
        textbuf_add_char(out, '\n');
    }
    return !out->failed;
}
