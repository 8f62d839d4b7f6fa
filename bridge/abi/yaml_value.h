/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_YAML_VALUE_H
#define NSH_YAML_VALUE_H

/* The YAML of other tools' files -> values, for drivers: maps, lists and texts (whatever is written
 * without quotes is a text too). Aliases are refused, so that a small file stays small. */

#include "abi/error.h"
#include "abi/pool.h"

#define NSH_YAML_BYTES_MAX (256u * 1024)
#define NSH_YAML_NODES_MAX 4096

/*
 * Read the first document into pool, which holds all of it; yaml may go. what: its name in errors.
 *
 * NSH_INVALID  no YAML, an alias, a name that is no text, a text with NUL, nothing.
 * NSH_LIMIT    more than NSH_YAML_BYTES_MAX or NSH_YAML_NODES_MAX, deeper than NSH_VALUE_DEPTH_MAX.
 */
int nsh_yaml_read(struct nsh_pool *pool, const char *what, const char *yaml, size_t yaml_bytes,
                  struct nsh_value *ret_value, struct nsh_error *err);

#endif
