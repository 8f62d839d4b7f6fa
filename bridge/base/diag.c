/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostics: kept in the order they were found, printed with the source line and a marker. */

#include "base/diag.h"

#include <stdio.h>
#include <stdlib.h>

#define SHOWN_CHARACTERS_MAX                                                                       \
    160 /* Of a source line: longer ones show a window around the marker. */
#define LINE_BYTES_MAX (1 << 20)

static const struct {
    const char *word, *color;
} levels[] = {
    [DIAG_ERROR] = {"error", "\x1b[1;31m"},
    [DIAG_WARNING] = {"warning", "\x1b[1;35m"},
    [DIAG_NOTE] = {"note", "\x1b[1;36m"},
};

static bool same_file(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Notes belong to the diagnostic before them and share its fate. */
static bool diag_is_kept(const struct diags *diags, enum diag_level level, const char *file)
{
    if (level == DIAG_NOTE) {
        return !diags->last_dropped;
    }
    size_t kept_count = 0;
    for (size_t i = 0; i < diags->count; i++) {
        kept_count +=
            diags->items[i].level != DIAG_NOTE && same_file(diags->items[i].at.file, file);
    }
    return kept_count < DIAG_COUNT_MAX;
}

static struct diag *diag_push(struct diags *diags)
{
    if (diags->count == diags->room) {
        size_t room = diags->room == 0 ? 8 : diags->room * 2;
        struct diag *grown = realloc(diags->items, room * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        diags->items = grown;
        diags->room = room;
    }
    return &diags->items[diags->count];
}

/* Places outlive the arena of what was read: the name of the file becomes ours, once per file. */
static const char *file_keep(struct diags *diags, const char *file)
{
    for (size_t i = 0; i < diags->count; i++) {
        if (same_file(diags->items[i].at.file, file)) {
            return diags->items[i].at.file;
        }
    }
    return arena_copy(&diags->arena, file, strlen(file));
}

void diag_add(struct diags *diags, enum diag_level level, struct nsh_place at, const char *remedy,
              const char *format, ...)
{
    diags->errors_count += level == DIAG_ERROR;
    diags->warnings_count += level == DIAG_WARNING;
    bool kept = diag_is_kept(diags, level, at.file);
    diags->last_dropped = !kept;
    struct diag *diag = kept ? diag_push(diags) : NULL;
    if (diag == NULL) {
        return;
    }
    char text[NSH_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *copy = arena_copy(&diags->arena, text, strlen(text));
    at.file = at.file == NULL ? NULL : file_keep(diags, at.file);
    *diag = (struct diag){
        .level = level,
        .at = at,
        .text = copy == NULL ? "out of memory" : copy,
        .remedy = remedy == NULL ? NULL : arena_copy(&diags->arena, remedy, strlen(remedy)),
    };
    diags->count++;
}

/* Line number line of text, without its end; .at NULL when there is none. */
static struct text line_of_text(const char *text, uint32_t line)
{
    for (uint32_t i = 1; i < line && text != NULL; i++) {
        text = strchr(text, '\n');
        text = text == NULL ? NULL : text + 1;
    }
    return (struct text){text, text == NULL ? 0 : (uint32_t)strcspn(text, "\r\n")};
}

/* The same out of a file; the bytes land in buf. */
static struct text line_of_file(const char *path, uint32_t line, struct textbuf *buf)
{
    FILE *file = fopen(path, "re");
    uint32_t at = 1;
    for (int c = 0; file != NULL && at <= line && (c = getc(file)) != EOF;) {
        if (c == '\n') {
            at++;
        } else if (at == line && c != '\r' && buf->count < LINE_BYTES_MAX) {
            textbuf_add_char(buf, (char)c);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return (struct text){buf->at, (uint32_t)buf->count};
}

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* One column per character, so that the marker stands right: tabs become a space, what could
 * deceive a '?'. */
static uint32_t add_window(struct textbuf *out, struct text line, uint32_t first, uint32_t count)
{
    uint32_t column = 0, shown = 0;
    for (uint32_t i = 0; i < line.count;) {
        uint32_t bytes = 1;
        while (i + bytes < line.count && !starts_character(line.at[i + bytes])) {
            bytes++;
        }
        if (++column >= first && shown < count) {
            size_t before = out->count;
            textbuf_add_safe(out, (struct text){line.at + i, bytes});
            if (out->count - before != bytes && out->count >= before) {
                out->count = before;
                textbuf_add_char(out, line.at[i] == '\t' ? ' ' : '?');
            }
            shown++;
        }
        i += bytes;
    }
    return shown;
}

static void print_line(struct textbuf *out, const struct diag *diag, struct text line, bool color)
{
    const struct nsh_place *at = &diag->at;
    if (at->line == 1 && line.count >= 3 && memcmp(line.at, "\xef\xbb\xbf", 3) == 0) {
        line = (struct text){line.at + 3, line.count - 3}; /* A byte-order mark has no column. */
    }
    uint32_t first =
        at->column > SHOWN_CHARACTERS_MAX / 2 ? at->column - SHOWN_CHARACTERS_MAX / 2 : 1;
    uint32_t characters = 0;
    for (uint32_t i = 0; i < line.count; i++) {
        characters += starts_character(line.at[i]);
    }
    first = characters <= SHOWN_CHARACTERS_MAX ? 1 : first;
    textbuf_addf(out, "%5u | ", at->line);
    uint32_t shown = add_window(out, line, first, SHOWN_CHARACTERS_MAX);
    textbuf_add_chars(out, "\n      | ");
    /* A place at the end of the line (something is missing there) points just behind it. */
    uint32_t from = at->column < first ? 0 : at->column - first;
    from = from > shown ? shown : from;
    uint32_t length = at->length == 0 ? 1 : at->length;
    length = from + length > shown ? shown - from : length;
    textbuf_addf(out, "%*s%s^", (int)from, "", color ? "\x1b[1;32m" : "");
    for (uint32_t i = 1; i < length; i++) {
        textbuf_add_char(out, '~');
    }
    textbuf_add_chars(out, color ? "\x1b[0m\n" : "\n");
}

static void print_diag(struct textbuf *out, const struct diag *diag, const char *source, bool color)
{
    const struct nsh_place *at = &diag->at;
    textbuf_add_chars(out, color ? "\x1b[1m" : "");
    if (at->file != NULL) {
        textbuf_add_safe(out, text_of(at->file));
        textbuf_add_char(out, ':');
    }
    if (at->file != NULL && at->line > 0) {
        textbuf_addf(out, "%u:%u:", at->line, at->column);
    }
    textbuf_add_chars(out, at->file != NULL ? " " : "");
    textbuf_addf(out, "%s%s:%s ", color ? levels[diag->level].color : "", levels[diag->level].word,
                 color ? "\x1b[0m" : "");
    textbuf_add_safe(out, text_of(diag->text));
    textbuf_add_char(out, '\n');
    if (at->file != NULL && at->line > 0) {
        CLEANUP(textbuf_donep) struct textbuf buf = {0};
        struct text line = source != NULL ? line_of_text(source, at->line)
                                          : line_of_file(at->file, at->line, &buf);
        if (line.at != NULL) {
            print_line(out, diag, line, color);
        }
    }
    if (diag->remedy != NULL) {
        textbuf_add_chars(out, "      = ");
        textbuf_add_safe(out, text_of(diag->remedy));
        textbuf_add_char(out, '\n');
    }
}

void diags_print(const struct diags *diags, const char *source, bool color, struct textbuf *out)
{
    size_t kept_count = 0;
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *diag = &diags->items[i];
        /* A given source is the text of the first file named; what it includes is read from its own
         * files. */
        bool in_source = source != NULL && same_file(diag->at.file, diags->items[0].at.file);
        print_diag(out, diag, in_source ? source : NULL, color);
        kept_count += diag->level != DIAG_NOTE;
    }
    size_t all_count = diags->errors_count + diags->warnings_count;
    if (all_count > kept_count) {
        textbuf_addf(out, "and %zu more\n", all_count - kept_count);
    }
}

void diags_done(struct diags *diags)
{
    free(diags->items);
    arena_done(&diags->arena);
    *diags = (struct diags){0};
}
