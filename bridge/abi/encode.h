/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_ENCODE_H
#define NSH_ENCODE_H

/* Texts as web services want them: UTF-8, percent-encoding, base64, times. Pure. */

#include "abi/pool.h"

/* Bytes of the valid UTF-8 character at `at`, of which `left` bytes are there; 0: none. NUL,
 * overlong forms and surrogates are none. */
size_t nsh_char_bytes(const char *at, size_t left);

/* Append text to room as one line of valid UTF-8, cut between characters: control characters become
 * blanks, stray bytes '?'. room holds a NUL-terminated text already. */
void nsh_line_add(char *room, size_t room_bytes, const char *text, size_t text_bytes);

/* Percent-encoded, all but A-Z a-z 0-9 - . _ ~; NULL when memory ran out. For one segment of a
 * path, one name or value of a query. */
char *nsh_percent(struct nsh_pool *pool, const char *text);

/* "name=value&name2=value2", encoded, of NULL-terminated pairs of texts; a pair whose value is NULL
 * is left out. Good for a query and for a form. */
char *nsh_query(struct nsh_pool *pool, const char *const *pairs);

char *nsh_base64(struct nsh_pool *pool, const void *bytes, size_t bytes_count);
char *nsh_base64url(struct nsh_pool *pool, const void *bytes, size_t bytes_count); /* No padding. */
/* Both alphabets, with or without padding; NULL: no base64 (or no memory). NUL-terminated. */
uint8_t *nsh_base64_read(struct nsh_pool *pool, const char *text, size_t *ret_bytes_count);

/* Unix milliseconds of "2026-03-02T10:00:00.123Z" ("+02:00", "+0200", no zone: UTC; ' ' for 'T'),
 * and of "Sun, 06 Nov 1994 08:49:37 GMT"; false: no such time. */
bool nsh_time_iso(const char *text, int64_t *ret_unix_ms);
bool nsh_time_http(const char *text, int64_t *ret_unix_ms);

/* "2026-03-02T10:00:00Z"; nsh_time_parts for other forms: year, month, day, hour, minute, second.
 */
#define NSH_TIME_BYTES 24
void nsh_time_write(int64_t unix_ms, char ret_text[NSH_TIME_BYTES]);
void nsh_time_parts(int64_t unix_ms, int ret_parts[6]);

#endif
