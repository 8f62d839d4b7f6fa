/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_JSON_VALUE_H
#define NSH_JSON_VALUE_H

/* JSON text <-> values, for drivers. Strict (RFC 8259), bounded in depth, linear in time. */

#include "abi/error.h"
#include "abi/pool.h"

/*
 * Read one document of hostile bytes into pool, which holds all of it; bytes may go. Integers that
 * fit int64 become NSH_INT, other numbers NSH_DOUBLE. Of members with the same name the last
 * counts.
 *
 * NSH_INVALID  no JSON, a text with NUL or invalid UTF-8, or something after the document.
 * NSH_LIMIT    deeper than NSH_VALUE_DEPTH_MAX.
 */
int nsh_json_read(struct nsh_pool *pool, const char *bytes, size_t bytes_count,
                  struct nsh_value *ret_value, struct nsh_error *err);

/* true, false or null at `at`, of which `left` bytes are there: how many bytes it has; 0: none of
 * these. */
size_t nsh_json_word(const char *at, size_t left, struct nsh_value *ret_value);

/* The text of value, compact, members in order, NUL-terminated; NULL when memory ran out. */
char *nsh_json_write(struct nsh_pool *pool, const struct nsh_value *value);

/*
 * Look-ups by path: "servers.0.id" is the member id of the first item of the member servers. A
 * member whose name has a dot is reached by nsh_get(). NULL and the fallback: nothing there, or
 * something of another type; value may be NULL.
 */
const struct nsh_value *nsh_at(const struct nsh_value *value, const char *path);
const char *nsh_at_text(const struct nsh_value *value, const char *path, const char *fallback);
int64_t nsh_at_int(const struct nsh_value *value, const char *path, int64_t fallback);
bool nsh_at_bool(const struct nsh_value *value, const char *path, bool fallback);

/* How many items the list at path has; 0 when there is none. nsh_at_item: one of them, or NULL. */
size_t nsh_at_count(const struct nsh_value *value, const char *path);
const struct nsh_value *nsh_at_item(const struct nsh_value *value, const char *path, size_t index);

#endif
