/* SPDX-License-Identifier: Apache-2.0 */
/* Errors in the caller's struct: bounded, no allocation. */

#include "abi/error.h"
#include "abi/encode.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const words[] = {
#define NSH_CODE(NAME, word, meaning) word,
#include "abi/codes.def"
#undef NSH_CODE
};

/* One line of valid UTF-8: ends of line become blanks, other control characters and stray bytes
 * '?'. */
static void text_clean(char ret_text[NSH_ERROR_TEXT_MAX], const char *text)
{
    const char *end = text + strlen(text);
    size_t used = 0;
    while (text < end) {
        size_t count = nsh_char_bytes(text, (size_t)(end - text));
        bool blank = *text == '\n' || *text == '\r' || *text == '\t';
        if (count > 1) {
            memcpy(ret_text + used, text, count);
        } else {
            bool control = (unsigned char)*text < 0x20 || *text == 0x7f;
            ret_text[used] = (char)(blank ? ' ' : count == 0 || control ? '?' : *text);
            count = 1;
        }
        used += count;
        text += count;
    }
    ret_text[used] = 0;
}

__attribute__((format(printf, 3, 0))) static void
error_set(struct nsh_error *err, enum nsh_code code, const char *format, va_list arguments)
{
    /* The arguments may point into err: format first, then change it. */
    char text[NSH_ERROR_TEXT_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    *err = (struct nsh_error){.code = (int)code};
    text_clean(err->text, text);
}

/* In parentheses: the analyzer sees these names as macros (error.h). */
int(nsh_fail)(struct nsh_error *err, enum nsh_code code, const char *format, ...)
{
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        error_set(err, code, format, arguments);
        va_end(arguments);
    }
    return -(int)code;
}

int(nsh_fail_at)(struct nsh_error *err, struct nsh_place at, const char *format, ...)
{
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        error_set(err, NSH_INVALID, format, arguments);
        va_end(arguments);
        err->line = at.line;
        err->column = at.column;
        err->length = at.length;
        if (at.file != NULL) {
            snprintf(err->file, sizeof err->file, "%s", at.file);
        }
    }
    return -NSH_INVALID;
}

int nsh_wrap(struct nsh_error *err, const char *format, ...)
{
    if (err == NULL) {
        return -NSH_FAILED;
    }
    char context[NSH_ERROR_TEXT_MAX], text[NSH_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    memcpy(text, err->text, sizeof text);
    char both[NSH_ERROR_TEXT_MAX];
    snprintf(both, sizeof both, "%.380s: %.380s", context, text);
    text_clean(err->text, both);
    return -err->code;
}

const char *nsh_code_word(int code)
{
    return code >= 0 && code < NSH_CODES_COUNT ? words[code] : "unknown-code";
}

int nsh_code_of(const char *word)
{
    for (int i = 0; word != NULL && i < NSH_CODES_COUNT; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    return -1;
}
