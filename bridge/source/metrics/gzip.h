/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_METRICS_GZIP_H
#define SOURCE_METRICS_GZIP_H

#include "abi/error.h"
#include "base/arena.h"

/*
 * A body compressed by gzip, at most bytes_max long when it is not.
 *
 * NSH_INVALID  damaged, cut, or something follows it
 * NSH_LIMIT    longer; nothing of that size was allocated
 */
int gzip_read(const char *body, size_t body_bytes, size_t bytes_max, struct arena *arena,
              struct text *ret_text, struct nsh_error *err);

#endif
