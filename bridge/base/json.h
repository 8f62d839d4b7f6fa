/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

/* JSON text <-> values, by json-c's tokener: strict, bounded in depth and size. */

#include "abi/error.h"
#include "base/arena.h"

/*
 * Parse one JSON document into arena. Integers that fit int64 become NSH_INT, other numbers
 * NSH_DOUBLE. Duplicate names: the last wins. A string with NUL or invalid UTF-8 is NSH_INVALID, as
 * is anything after the document.
 */
int json_parse(const char *bytes, size_t bytes_count, struct arena *arena,
               struct nsh_value *ret_value, struct nsh_error *err);

void json_write(const struct nsh_value *value,
                struct textbuf *out); /* Compact, members in order. */
void json_write_pretty(const struct nsh_value *value,
                       struct textbuf *out); /* Two spaces a level. */

#endif
