/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_POOL_H
#define NSH_POOL_H

/*
 * Memory that is freed at once, for drivers: of one call, one answer, one device. A failed
 * allocation gives NULL; what a pool held is wiped before it is given back, since tokens pass
 * through it.
 */

#include "abi/error.h"
#include "abi/value.h"

#define NSH_POOL_BYTES_MAX ((size_t)64 << 20) /* Of one pool; an answer is at most a few MiB. */

struct nsh_pool_block;

struct nsh_pool {
    struct nsh_pool_block *blocks;
    size_t used_bytes; /* Over all blocks. */
};

void *nsh_pool_alloc(struct nsh_pool *pool, size_t bytes);               /* Zeroed, for any type. */
void *nsh_pool_array(struct nsh_pool *pool, size_t count, size_t bytes); /* Overflow-checked. */
char *nsh_pool_copy(struct nsh_pool *pool, const char *bytes, size_t bytes_count); /* With a NUL. */
char *nsh_pool_text(struct nsh_pool *pool, const char *text); /* A copy; NULL of NULL. */
char *nsh_pool_printf(struct nsh_pool *pool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A deep copy of value; false when memory ran out. */
bool nsh_pool_value(struct nsh_pool *pool, const struct nsh_value *value,
                    struct nsh_value *ret_value);

/* What a device keeps of its settings: a copy of each text; NULL where that is left out or "". */
struct nsh_pool_setting {
    const char *name;
    const char **to;
};
int nsh_pool_settings(struct nsh_pool *pool, const struct nsh_value *settings,
                      const struct nsh_pool_setting *wanted, size_t wanted_count,
                      struct nsh_error *err);

void nsh_pool_done(struct nsh_pool *pool); /* Wipes and frees; the pool is empty and usable. */

#endif
