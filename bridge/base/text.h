/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

/*
 * Texts: struct text is a borrowed run of bytes; struct textbuf grows one.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* For counts in sentences: "%zu error%s", count, PLURAL(count). */
#define PLURAL(count) ((count) == 1 ? "" : "s")

struct text {
    const char *at;
    uint32_t count;
};

#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})

static inline struct text text_of(const char *chars)
{
    return (struct text){chars, chars == NULL ? 0 : (uint32_t)strlen(chars)};
}

static inline bool text_is(struct text text, const char *chars)
{
    size_t count = strlen(chars);
    return text.count == count && (count == 0 || memcmp(text.at, chars, count) == 0);
}

static inline bool text_equal(struct text a, struct text b)
{
    return a.count == b.count && (a.count == 0 || memcmp(a.at, b.at, a.count) == 0);
}

bool text_starts(struct text text, const char *prefix);
int text_compare(struct text a, struct text b); /* Bytewise, like strcmp. */
/* '*' any run, '?' one byte; no recursion, at most pattern times text steps. */
bool text_glob(struct text pattern, struct text text);
/* Strict: no surrogates, no overlong forms, no NUL. */
bool text_is_utf8(const char *bytes, size_t bytes_count);
uint64_t text_hash(struct text text);                   /* Stable over runs and machines. */
bool text_to_int(struct text text, int64_t *ret_value); /* Whole text, decimal, no overflow. */

/* Durations: "250ms", "90s", "2m30s", "7d", "1h". A bare number has no unit and is refused. */
bool text_to_duration_ms(struct text text, int64_t *ret_ms);

/* Edit distance with transpositions, bounded: > max means "more". For did-you-mean. */
unsigned text_distance(struct text a, struct text b, unsigned max);

/* The best of candidates (NULL-terminated) for word: distance at most 2 and at most a third of the
 * word; or NULL. */
const char *text_nearest(struct text word, const char *const *candidates);

/* A growing text, always NUL-terminated after the first append. On a failed allocation it sets
 * failed and stays as it is. */
struct textbuf {
    char *at;
    size_t count, room;
    size_t count_max; /* 0: 64 MiB */
    bool failed;
};

void textbuf_add(struct textbuf *buf, struct text text);
void textbuf_add_chars(struct textbuf *buf, const char *chars);
void textbuf_add_char(struct textbuf *buf, char c);
void textbuf_addf(struct textbuf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void textbuf_add_json(struct textbuf *buf,
                      struct text text); /* Quoted and escaped; invalid UTF-8 becomes U+FFFD. */
void textbuf_add_duration(struct textbuf *buf, int64_t ms); /* "2m30s": exact */
/* What was measured, for people, rounded down: "83ms" "4.2s" "4m59s" "23h59m" "6d23h" */
void textbuf_add_span(struct textbuf *buf, int64_t ms);
void textbuf_add_time(struct textbuf *buf, int64_t unix_ms); /* "2026-03-02T10:00:00.123Z" */
void textbuf_clear(struct textbuf *buf);                     /* Keeps the memory. */
void textbuf_done(struct textbuf *buf);

/* Make text from outside harmless on a terminal: control characters, bidi marks and invalid bytes
 * become visible. */
void textbuf_add_safe(struct textbuf *buf, struct text text);

#endif
