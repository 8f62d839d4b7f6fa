/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_PLAIN_H
#define BASE_JSON_PLAIN_H

/*
 * The JSON that machines write: objects, lists, texts without escapes, integers, words. Several
 * times as fast as the careful way, and never of another opinion: what is not plain is left to it,
 * mistakes too.
 */

#include "abi/error.h"
#include "base/arena.h"

/* False: not plain (or no memory); nothing is said about it. */
bool json_plain(const char *bytes, size_t bytes_count, struct arena *arena,
                struct nsh_value *ret_value);

/* json_parse() without it: for the tests that compare both. */
int json_parse_careful(const char *bytes, size_t bytes_count, struct arena *arena,
                       struct nsh_value *ret_value, struct nsh_error *err);

#endif
