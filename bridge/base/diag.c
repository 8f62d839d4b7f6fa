/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostics: kept in order, printed with the line they are about. */

#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SOURCE_BYTES_MAX (8u << 20)
#define UNDERLINE_MAX 200

static const char *const level_words[] = {"error", "warning", "note"};
static const char *const level_colors[] = {"\033[1;31m", "\033[1;33m", "\033[1;36m"};

void diag_add(struct diags *diags, enum diag_level level, struct nsh_place at, const char *remedy,
              const char *format, ...)
{
    diags->errors_count += level == DIAG_ERROR;
    diags->warnings_count += level == DIAG_WARNING;
    if (diags->count == DIAG_COUNT_MAX) {
        return;
    }
    if (diags->items == NULL) {
        diags->items = arena_array(&diags->arena, DIAG_COUNT_MAX, sizeof *diags->items);
        diags->room = DIAG_COUNT_MAX;
    }
    char text[NSH_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *kept = diags->items == NULL ? NULL : arena_copy(&diags->arena, text, strlen(text));
    if (kept == NULL) {
        return; /* Counted: the caller still fails. */
    }
    struct diag *diag = &diags->items[diags->count++];
    *diag = (struct diag){.level = level, .at = at, .text = kept};
    if (at.file != NULL) {
        diag->at.file = arena_copy(&diags->arena, at.file, strlen(at.file));
    }
    if (remedy != NULL) {
        diag->remedy = arena_copy(&diags->arena, remedy, strlen(remedy));
    }
}

static char *source_read(const char *path)
{
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    char *bytes = malloc(SOURCE_BYTES_MAX + 1);
    size_t count = bytes == NULL ? 0 : fread(bytes, 1, SOURCE_BYTES_MAX, file);
    fclose(file);
    if (bytes != NULL) {
        bytes[count] = 0;
    }
    return bytes;
}

static void print_line(const struct diag *diag, const char *source, bool color, struct textbuf *out)
{
    const char *line = source;
    for (uint32_t i = 1; i < diag->at.line && line != NULL; i++) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    if (line == NULL) {
        return;
    }
    textbuf_addf(out, "%5u | ", diag->at.line);
    struct text text = {line, (uint32_t)strcspn(line, "\r\n")};
    for (uint32_t i = 0; i < text.count; i++) {
        textbuf_add_char(out, line[i] == '\t' ? ' ' : line[i]);
    }
    textbuf_add_chars(out, "\n      | ");
    for (uint32_t i = 1; i < diag->at.column && i < 10 * UNDERLINE_MAX; i++) {
        textbuf_add_char(out, ' ');
    }
    textbuf_add_chars(out, color ? level_colors[diag->level] : "");
    textbuf_add_char(out, '^');
    for (uint32_t i = 1; i < diag->at.length && i < UNDERLINE_MAX; i++) {
        textbuf_add_char(out, '~');
    }
    textbuf_add_chars(out, color ? "\033[0m\n" : "\n");
}

void diags_print(const struct diags *diags, const char *source, bool color, struct textbuf *out)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *diag = &diags->items[i];
        if (diag->at.file != NULL && diag->at.line > 0) {
            textbuf_addf(out, "%s:%u:%u: ", diag->at.file, diag->at.line, diag->at.column);
        } else if (diag->at.file != NULL) {
            textbuf_addf(out, "%s: ", diag->at.file);
        }
        textbuf_addf(out, "%s%s%s: ", color ? level_colors[diag->level] : "",
                     level_words[diag->level], color ? "\033[0m" : "");
        textbuf_add_safe(out, text_of(diag->text));
        textbuf_add_char(out, '\n');
        if (diag->at.line > 0) {
            CLEANUP(freep) char *file_source = source != NULL ? NULL : source_read(diag->at.file);
            print_line(diag, source != NULL ? source : file_source, color, out);
        }
        if (diag->remedy != NULL) {
            textbuf_addf(out, "      = %s\n", diag->remedy);
        }
    }
    size_t more = diags->errors_count + diags->warnings_count;
    if (diags->count == DIAG_COUNT_MAX && more > DIAG_COUNT_MAX) {
        textbuf_addf(out, "... and %zu more\n", more - DIAG_COUNT_MAX);
    }
}

void diags_done(struct diags *diags)
{
    arena_done(&diags->arena);
    *diags = (struct diags){0};
}
