/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_ERROR_H
#define NSH_ERROR_H

/*
 * Errors: a code and a bounded text in the caller's struct, no allocation.
 *
 * Functions that can fail return 0 or -NSH_*, and fill the struct nsh_error they were handed (which
 * may be NULL when the caller only wants the code). Libraries return, the shell logs.
 */

#include <stddef.h>
#include <stdint.h>

enum nsh_code {
#define NSH_CODE(NAME, word, meaning) NSH_##NAME,
#include "abi/codes.def"
#undef NSH_CODE
    NSH_CODES_COUNT
};

/* Where a text from a person stands: lines and columns from 1, columns count characters; length
 * marks the range. */
struct nsh_place {
    const char *file; /* NULL: no place. Borrowed: lives as long as what was loaded from it. */
    uint32_t line, column, length;
};

#define NSH_ERROR_TEXT_MAX 768
#define NSH_ERROR_FILE_MAX 160

struct nsh_error {
    int code; /* enum nsh_code; 0 while nothing failed. */
    uint32_t line, column, length;
    char file[NSH_ERROR_FILE_MAX];
    char text[NSH_ERROR_TEXT_MAX]; /* One line, valid UTF-8, no trailing newline. */
};

/* Fill err with code and the formatted text; returns -code, so that `return nsh_fail(...)` reads
 * well. */
int nsh_fail(struct nsh_error *err, enum nsh_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a place and NSH_INVALID: for texts that a person wrote. */
int nsh_fail_at(struct nsh_error *err, struct nsh_place at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__ /* It does not see into other files: the result is negative. */
#define nsh_fail(err, code, ...) ((void)nsh_fail((err), (code), __VA_ARGS__), -(int)(code))
#define nsh_fail_at(err, at, ...) ((void)nsh_fail_at((err), (at), __VA_ARGS__), -(int)NSH_INVALID)
#endif

/* Put "context: " before the text of err; returns -err->code. */
int nsh_wrap(struct nsh_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "timeout" for NSH_TIMEOUT; "unknown-code" for anything outside the table. */
const char *nsh_code_word(int code);

/* The code of a word, or -1. */
int nsh_code_of(const char *word);

#endif
